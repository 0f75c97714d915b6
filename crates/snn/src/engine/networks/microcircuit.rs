//! The cortical microcircuit of Potjans and Diesmann.

use super::super::config::Config;
use super::super::models::IafPscExp;
use super::super::network::{Network, Population};
use super::super::real::Real;
use super::super::rules::Rule;
use super::super::stimuli::Stimulus;
use super::super::synapses::Synapse;
use super::super::values::Distribution;
use crate::{Error, Result};

/// Names of the populations: excitatory and inhibitory neurons of layers 2/3, 4, 5 and 6.
pub const POPULATIONS: [&str; 8] = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"];
/// Neurons at full scale.
pub const SIZES: [usize; 8] = [20_683, 5_834, 21_915, 5_479, 4_850, 1_065, 14_395, 2_948];
/// Mean rates at full scale (NEST's table), which scaled-down networks are compensated for.
pub const FULL_SCALE_RATES_HZ: [f64; 8] = [0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523];

/// Connection probabilities `[target][source]`.
const PROBABILITIES: [[f64; 8]; 8] = [
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
    [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
    [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
    [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
    [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
    [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
];
const EXTERNAL: [f64; 8] = [1600.0, 1500.0, 2100.0, 1900.0, 2000.0, 1900.0, 2900.0, 2100.0];
const BACKGROUND_HZ: f64 = 8.0;
const PSP_MV: f64 = 0.15;
const G: f64 = -4.0;
const C_M_PF: f64 = 250.0;
const TAU_M_MS: f64 = 10.0;
const TAU_SYN_MS: f64 = 0.5;
const V0: [(f64, f64); 8] = [
    (-68.28, 5.36),
    (-63.16, 4.57),
    (-63.33, 4.74),
    (-63.45, 4.94),
    (-63.11, 4.94),
    (-61.66, 4.55),
    (-66.72, 5.46),
    (-61.43, 4.48),
];

/// Where potentials start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialPotential {
    /// Mean and spread of each population's stationary activity: no transient.
    #[default]
    Optimized,
    /// `N(-58, 10)` for all.
    Original,
}

/// Size of the microcircuit.
///
/// | field | default |
/// |---|---|
/// | `neurons` | 1: fraction of the neurons |
/// | `in_degree` | 1: fraction of the inputs of a neuron; the rest is compensated by stronger synapses and a current |
/// | `initial` | optimized |
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Microcircuit {
    /// Fraction of the neurons.
    pub neurons: f64,
    /// Fraction of the inputs of a neuron.
    pub in_degree: f64,
    /// Initial potentials.
    pub initial: InitialPotential,
}

impl Default for Microcircuit {
    fn default() -> Self {
        Self::scaled(1.0)
    }
}

impl Microcircuit {
    /// Neurons and inputs scaled alike.
    #[must_use]
    pub fn scaled(scale: f64) -> Self {
        Self { neurons: scale, in_degree: scale, initial: InitialPotential::default() }
    }

    /// Neurons of each population.
    #[must_use]
    pub fn sizes(&self) -> [usize; 8] {
        SIZES.map(|n| (n as f64 * self.neurons).round_ties_even() as usize)
    }

    /// Synapses `[target][source]`.
    #[must_use]
    pub fn synapses(&self) -> [[usize; 8]; 8] {
        let full = |target: usize, source: usize| {
            total_synapses(SIZES[target], SIZES[source], PROBABILITIES[target][source])
        };
        std::array::from_fn(|target| {
            std::array::from_fn(|source| {
                (full(target, source) * self.neurons * self.in_degree).round_ties_even() as usize
            })
        })
    }

    /// Constant currents that make up for the missing inputs, in pA.
    #[must_use]
    pub fn compensation_pa(&self) -> [f64; 8] {
        let (w, lost) = (weight_pa(), 1.0 - self.in_degree.sqrt());
        std::array::from_fn(|target| {
            let recurrent: f64 = (0..8)
                .map(|source| {
                    let inputs = total_synapses(SIZES[target], SIZES[source], PROBABILITIES[target][source])
                        / SIZES[target] as f64;
                    mean_weight_pa(target, source) * inputs * FULL_SCALE_RATES_HZ[source]
                })
                .sum();
            1e-3 * TAU_SYN_MS * lost * (recurrent + w * EXTERNAL[target] * BACKGROUND_HZ)
        })
    }
}

/// Synapses, with multapses, that connect a pair with probability `p`: `ln(1 - p)/ln(1 - 1/(N_target N_source))`.
#[must_use]
pub fn total_synapses(targets: usize, sources: usize, p: f64) -> f64 {
    if p == 0.0 { 0.0 } else { (-p).ln_1p() / (-1.0 / (targets as f64 * sources as f64)).ln_1p() }
}

/// Builds the microcircuit: `iaf_psc_exp` neurons (250 pF, 10 ms, 0.5 ms synapses, -65/-50/-65 mV, 2 ms), Poisson background of
/// 8 Hz per external input, weights of 87.8 pA with 10 % spread (inhibition -4 times, layer 4 to 2/3 twice), delays of 1.5 and
/// 0.75 ms with 50 % spread.
///
/// # Errors
/// [`Error::Parameter`] for fractions outside (0, 1] or a population without neurons; those of [`Network`].
///
/// **Reference.** Potjans and Diesmann, Cerebral Cortex 24 (2014); scaling after van Albada, Helias and Diesmann, PLoS
/// Computational Biology 11 (2015).
pub fn microcircuit<R: Real>(config: Config, p: &Microcircuit) -> Result<(Network<R>, [Population; 8])> {
    for (name, x) in [("neurons", p.neurons), ("in_degree", p.in_degree)] {
        if !(x > 0.0 && x <= 1.0) {
            return Err(Error::parameter(name, x, "above 0 and at most 1"));
        }
    }
    let sizes = p.sizes();
    if let Some(empty) = sizes.iter().position(|n| *n == 0) {
        return Err(Error::parameter(
            "neurons",
            p.neurons,
            format!("more: {} would be empty", POPULATIONS[empty]),
        ));
    }
    let mut net = Network::<R>::new(config)?;
    let current = p.compensation_pa();
    let stronger = 1.0 / p.in_degree.sqrt();
    let mut populations = [Population(0); 8];
    for i in 0..8 {
        let model = IafPscExp {
            c_m_pf: C_M_PF.into(),
            tau_m_ms: TAU_M_MS.into(),
            e_l_mv: (-65.0).into(),
            v_th_mv: (-50.0).into(),
            v_reset_mv: (-65.0).into(),
            t_ref_ms: 2.0.into(),
            tau_syn_ex_ms: TAU_SYN_MS.into(),
            tau_syn_in_ms: TAU_SYN_MS.into(),
            i_e_pa: current[i].into(),
        };
        populations[i] = net.population(POPULATIONS[i], model, sizes[i])?;
        let (mean, sd) = match p.initial {
            InitialPotential::Optimized => V0[i],
            InitialPotential::Original => (-58.0, 10.0),
        };
        net.set(populations[i], "v", Distribution::normal(mean, sd))?;
    }
    let counts = p.synapses();
    for target in 0..8 {
        for source in 0..8 {
            if counts[target][source] == 0 {
                continue;
            }
            let mean = mean_weight_pa(target, source) * stronger;
            let bounds = if mean > 0.0 { (0.0, f64::INFINITY) } else { (f64::NEG_INFINITY, 0.0) };
            let weight = Distribution::normal(mean, 0.1 * mean.abs()).redrawn(bounds.0, bounds.1);
            let delay_ms = if source % 2 == 0 { 1.5 } else { 0.75 };
            // Half a step is the least that rounds to one.
            let delay = Distribution::normal(delay_ms, 0.5 * delay_ms).redrawn(0.5 * config.dt_ms, 1000.0);
            let port = if source % 2 == 0 { "ex" } else { "in" };
            let synapse = Synapse::new(weight).delay(delay);
            let rule = Rule::total(counts[target][source]);
            net.connect(populations[source], populations[target], rule, synapse, port)?;
        }
        let rate_hz = BACKGROUND_HZ * EXTERNAL[target] * p.in_degree;
        net.stimulate(populations[target], Stimulus::poisson(rate_hz, weight_pa() * stronger, 1.5, "ex"))?;
    }
    Ok((net, populations))
}

/// The current that peaks at 0.15 mV.
fn weight_pa() -> f64 {
    let ratio = TAU_M_MS / TAU_SYN_MS;
    let gap = TAU_M_MS - TAU_SYN_MS;
    let peak = TAU_SYN_MS * TAU_M_MS / (C_M_PF * gap)
        * (ratio.powf(-TAU_SYN_MS / gap) - ratio.powf(-TAU_M_MS / gap));
    PSP_MV / peak
}

fn mean_weight_pa(target: usize, source: usize) -> f64 {
    let factor = match (target, source) {
        (0, 2) => 2.0,
        (_, source) if source % 2 == 1 => G,
        _ => 1.0,
    };
    factor * weight_pa()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        assert!((weight_pa() - 87.808_493_529_208_45).abs() < 1e-9, "{}", weight_pa());
        let full: usize = Microcircuit::default().synapses().iter().flatten().sum();
        assert!(full.abs_diff(298_880_969) < 40, "{full}");
        let tenth = Microcircuit::scaled(0.1);
        assert_eq!(tenth.sizes(), [2068, 583, 2192, 548, 485, 106, 1440, 295]);
        assert_eq!(tenth.synapses().iter().flatten().sum::<usize>(), 2_988_807);
        let currents = [
            94.931_779_561_282_9,
            158.548_568_237_783_14,
            168.892_845_209_614_5,
            186.002_302_591_398_83,
            127.066_239_151_812_92,
            145.438_541_121_925_1,
            84.335_352_202_059_04,
            171.659_201_565_166,
        ];
        for (ours, reference) in tenth.compensation_pa().iter().zip(currents) {
            assert!((ours - reference).abs() < 1e-3, "{ours} {reference}");
        }
    }
}
