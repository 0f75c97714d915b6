//! A network given synapse by synapse.

use super::super::config::{Config, RefractoryConvention};
use super::super::models::IafPscExp;
use super::super::network::{Network, Population};
use super::super::real::Real;
use super::super::rules::Rule;
use super::super::synapses::Synapse;
use crate::{Error, Result};

/// Neurons and synapses of [`cuba`](super::cuba)'s kind, each with its own weight and delay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FixedNetwork {
    /// Initial potentials, one per neuron.
    pub v0_mv: Vec<f64>,
    /// The first so many neurons are excitatory.
    pub excitatory: usize,
    /// Source of each synapse.
    pub source: Vec<u32>,
    /// Target of each synapse.
    pub target: Vec<u32>,
    /// Jump in mV of each synapse.
    pub weight_mv: Vec<f64>,
    /// Delay of each synapse.
    pub delay_ms: Vec<f64>,
}

/// Builds the network as one population, `P`, with Brian's refractory convention. With the arrays of the fixture `net100` (100
/// neurons, 1964 synapses) it is the oracle of the conventions: NEST and Brian2 both fire its 427 spikes.
///
/// # Errors
/// [`Error::Shape`] for lists of unequal length; those of [`Network`].
pub fn fixed<R: Real>(config: Config, p: &FixedNetwork) -> Result<(Network<R>, Population)> {
    let n = p.source.len();
    for (what, len) in
        [("targets", p.target.len()), ("weights", p.weight_mv.len()), ("delays", p.delay_ms.len())]
    {
        if len != n {
            return Err(Error::shape(what, format!("{n}, one per source"), len));
        }
    }
    let model = IafPscExp {
        c_m_pf: 200.0.into(),
        tau_m_ms: 20.0.into(),
        e_l_mv: (-49.0).into(),
        v_th_mv: (-50.0).into(),
        v_reset_mv: (-60.0).into(),
        t_ref_ms: 5.0.into(),
        tau_syn_ex_ms: 5.0.into(),
        tau_syn_in_ms: 10.0.into(),
        i_e_pa: 0.0.into(),
    };
    let mut net = Network::<R>::new(Config { refractory: RefractoryConvention::Brian, ..config })?;
    let population = net.population("P", model, p.v0_mv.len())?;
    net.set(population, "v", p.v0_mv.clone())?;
    for (port, excites) in [("ex", true), ("in", false)] {
        let chosen: Vec<usize> =
            (0..n).filter(|s| ((p.source[*s] as usize) < p.excitatory) == excites).collect();
        let pairs = chosen.iter().map(|s| (p.source[*s], p.target[*s])).collect();
        // 1 mV of drive is C/tau_m = 10 pA.
        let weights: Vec<f64> = chosen.iter().map(|s| 10.0 * p.weight_mv[*s]).collect();
        let delays: Vec<f64> = chosen.iter().map(|s| p.delay_ms[*s]).collect();
        net.connect(population, population, Rule::Pairs(pairs), Synapse::new(weights).delay(delays), port)?;
    }
    Ok((net, population))
}
