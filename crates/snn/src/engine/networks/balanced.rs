//! The balanced networks of Vogels and Abbott: CUBA and COBA.

use super::super::config::{Config, RefractoryConvention};
use super::super::models::{ConductanceIntegrator, IafCondExp, IafPscExp};
use super::super::network::{Network, Population};
use super::super::real::Real;
use super::super::rules::Rule;
use super::super::synapses::Synapse;
use super::super::values::Distribution;
use crate::{Error, Result};

/// Synapses of a neuron, whatever the size.
const DEGREE: f64 = 80.0;

/// A network of excitatory and inhibitory neurons.
pub struct Balanced<R: Real> {
    /// The network.
    pub net: Network<R>,
    /// Excitatory neurons, four fifths.
    pub excitatory: Population,
    /// Inhibitory neurons.
    pub inhibitory: Population,
}

/// The current-based network of Vogels and Abbott (2005) as Brette et al. (2007) benchmark it, with membranes of 200 pF.
///
/// `tau_m` 20 ms, `E_L` -49, `V_th` -50, `V_reset` -60 mV, refractory 5 ms (Brian's convention), `tau_ex` 5, `tau_in` 10 ms;
/// jumps of 1.62 mV (16.2 pA) and -9 mV (-90 pA); 4000 neurons at `p = 0.02`, other sizes keep 80 synapses per neuron;
/// `V` starts uniform in -60 to -50. No delays, as in Brian2: spikes arrive at the end of their own step.
///
/// # Errors
/// [`Error::Parameter`] for fewer than 100 neurons; those of [`Network`].
pub fn cuba<R: Real>(config: Config, neurons: usize) -> Result<Balanced<R>> {
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
    let (mut net, parts) =
        empty::<R>(config, neurons, |net, name, size| net.population(name, model.clone(), size))?;
    connect(&mut net, parts, neurons, 16.2, -90.0)?;
    for population in parts {
        net.set(population, "v", Distribution::uniform(-60.0, -50.0))?;
    }
    Ok(Balanced { net, excitatory: parts[0], inhibitory: parts[1] })
}

/// The conductance-based network of the same paper, with a leak of 10 nS.
///
/// `C dV/dt = g_ex (0 - V) + g_in (-80 - V) + g_L (-60 - V)`, `tau_m` 20 ms; jumps of 0.6 and 6.7 leak conductances; otherwise as
/// [`cuba`]. Exponential Euler. Starts: `V = -60 + N(-5, 5)` mV, `g_ex = N(4, 1.5)`, `g_in = N(20, 12)` leaks, clipped at 0.
/// Activity dies out by chance before 200 ms in about one of six draws.
///
/// # Errors
/// Those of [`cuba`].
pub fn coba<R: Real>(config: Config, neurons: usize) -> Result<Balanced<R>> {
    let model = IafCondExp {
        c_m_pf: 200.0.into(),
        g_l_ns: 10.0.into(),
        e_l_mv: (-60.0).into(),
        v_th_mv: (-50.0).into(),
        v_reset_mv: (-60.0).into(),
        e_ex_mv: 0.0.into(),
        e_in_mv: (-80.0).into(),
        t_ref_ms: 5.0.into(),
        tau_syn_ex_ms: 5.0.into(),
        tau_syn_in_ms: 10.0.into(),
        i_e_pa: 0.0.into(),
        integrator: ConductanceIntegrator::ExponentialEuler,
    };
    let (mut net, parts) =
        empty::<R>(config, neurons, |net, name, size| net.population(name, model.clone(), size))?;
    connect(&mut net, parts, neurons, 6.0, 67.0)?;
    for population in parts {
        net.set(population, "v", Distribution::normal(-65.0, 5.0))?;
        net.set(population, "g_ex", Distribution::normal(40.0, 15.0).clipped(0.0, 1000.0))?;
        net.set(population, "g_in", Distribution::normal(200.0, 120.0).clipped(0.0, 10_000.0))?;
    }
    Ok(Balanced { net, excitatory: parts[0], inhibitory: parts[1] })
}

fn empty<R: Real>(
    config: Config,
    neurons: usize,
    mut add: impl FnMut(&mut Network<R>, &str, usize) -> Result<Population>,
) -> Result<(Network<R>, [Population; 2])> {
    if neurons < 100 {
        return Err(Error::parameter("neurons", neurons as f64, "100 or more"));
    }
    let mut net = Network::new(Config { refractory: RefractoryConvention::Brian, ..config })?;
    let excitatory = neurons * 4 / 5;
    let e = add(&mut net, "E", excitatory)?;
    let i = add(&mut net, "I", neurons - excitatory)?;
    Ok((net, [e, i]))
}

fn connect<R: Real>(
    net: &mut Network<R>,
    [e, i]: [Population; 2],
    neurons: usize,
    excitation: f64,
    inhibition: f64,
) -> Result<()> {
    let rule = Rule::bernoulli((DEGREE / neurons as f64).min(1.0));
    for target in [e, i] {
        net.connect(e, target, rule.clone(), Synapse::new(excitation).without_delay(), "ex")?;
        net.connect(i, target, rule.clone(), Synapse::new(inhibition).without_delay(), "in")?;
    }
    Ok(())
}
