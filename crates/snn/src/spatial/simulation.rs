//! One output neuron, spike by spike, and the STDP of its inputs.
//!
//! Everything that is simulated goes through [`present`]: one neuron, volleys at given steps, for one presentation from
//! rest.

use super::neuron::SLACK;
use super::{DetectorConfig, Integration, Lif};
use crate::{Error, Result};

/// Current that arrives at the beginning of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volley {
    pub(super) step: usize,
    pub(super) drive_na: f64,
}

/// A spike: stamped with the end of its step, as the plasticity sees it, and with the time of the crossing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spike {
    pub(super) step: usize,
    pub(super) time_ms: f64,
}

/// The spikes of one presentation from rest.
pub(super) fn present(config: &DetectorConfig, volleys: &[Volley]) -> Vec<Spike> {
    let steps = config.interval_steps();
    match config.integration {
        Integration::Exact { step_ms } => exact(&config.neuron, volleys, step_ms, steps),
        Integration::Spinnaker { step_ms } => held(&config.neuron, volleys, step_ms, steps),
    }
}

/// Peak potential of 1 nA in the chosen order, in mV.
pub(super) fn peak_mv_per_na(config: &DetectorConfig) -> f64 {
    match config.integration {
        Integration::Exact { .. } => config.neuron.peak_mv_per_na(),
        Integration::Spinnaker { step_ms } => {
            let mut cell = Held::new(&config.neuron, step_ms);
            cell.receive(1.0);
            (0..config.interval_steps()).map(|_| cell.advance()).fold(0.0, f64::max)
        }
    }
}

/// The teacher: a static synapse of twice the threshold's weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Teacher {
    pub(super) drive_na: f64,
    /// Steps from its arrival to the stamp of the spike that it causes.
    pub(super) latency_steps: usize,
}

impl Teacher {
    /// The teacher of a neuron with this threshold.
    ///
    /// # Errors
    /// [`Error::Parameter`] where it makes the neuron fire more than once: protocol and closed form stand on one spike.
    pub(super) fn new(config: &DetectorConfig, threshold_na: f64) -> Result<Self> {
        let spikes = |drive_na: f64| -> Vec<usize> {
            present(config, &[Volley { step: 0, drive_na }]).iter().map(|s| s.step).collect()
        };
        // What was learned before moves the potential by less than a millionth: the stamp may not hang on that.
        let steady = |drive: &f64| {
            let stamps = spikes(*drive);
            spikes(drive * (1.0 - 1e-4)) == stamps && spikes(drive * (1.0 + 1e-4)) == stamps
        };
        let drives = (0..8).map(|k| 2.0 * threshold_na * (1.0 + 1e-3 * f64::from(k)));
        let drive_na = drives.into_iter().find(steady).unwrap_or(2.0 * threshold_na);
        match spikes(drive_na).as_slice() {
            [once] => Ok(Self { drive_na, latency_steps: *once }),
            more => {
                let expected =
                    format!("long enough for one spike of the teacher, which brings {}", more.len());
                Err(Error::parameter("t_ref_ms", config.neuron.t_ref_ms, expected))
            }
        }
    }
}

/// Pair STDP of all pairs, from exponential traces: what each of two groups of inputs that spike at given steps gains
/// with the neuron's spikes. Traces are read before they are raised by the same step's spike.
pub(super) fn stdp(config: &DetectorConfig, pre_steps: [usize; 2], post: &[Spike]) -> [f64; 2] {
    let step_ms = config.integration.step_ms();
    let keep_plus = (-step_ms / config.tau_plus_ms).exp();
    let keep_minus = (-step_ms / config.tau_minus_ms).exp();
    let last = post.iter().map(|s| s.step).chain(pre_steps).max().unwrap_or(0);
    let (mut gains, mut pre_traces, mut post_trace) = ([0.0; 2], [0.0; 2], 0.0);
    for step in 0..=last {
        for ((gain, trace), at) in gains.iter_mut().zip(&mut pre_traces).zip(pre_steps) {
            *trace *= keep_plus;
            if post.iter().any(|s| s.step == step) {
                *gain += config.potentiation * *trace;
            }
            if step == at {
                *gain -= config.depression * post_trace * keep_minus;
                *trace += 1.0;
            }
        }
        post_trace *= keep_minus;
        post_trace += post.iter().filter(|s| s.step == step).count() as f64;
    }
    gains
}

fn exact(neuron: &Lif, volleys: &[Volley], step_ms: f64, steps: usize) -> Vec<Spike> {
    let decay = (-step_ms / neuron.tau_syn_ms).exp();
    let mut spikes = Vec::new();
    let (mut v, mut current, mut held_until) = (0.0, 0.0, 0.0_f64);
    for step in 0..steps {
        current += arriving(volleys, step);
        let start = step as f64 * step_ms;
        // How much of the step the potential is held at rest.
        let mut from = (held_until - start).clamp(0.0, step_ms);
        if from > 0.0 {
            v = 0.0;
        }
        let current_at = |t: f64| current * (-t / neuron.tau_syn_ms).exp();
        if from < step_ms {
            let Some(after) = neuron.first_crossing_ms(v, current_at(from), step_ms - from) else {
                v = neuron.potential_mv(v, current_at(from), step_ms - from);
                current *= decay;
                continue;
            };
            let time_ms = start + from + after;
            spikes.push(Spike { step: step + 1, time_ms });
            held_until = time_ms + neuron.t_ref_ms;
            // At most one spike a step; without refractoriness the neuron goes on from rest at the crossing.
            from = (held_until - start).min(step_ms);
            v = neuron.potential_mv(0.0, current_at(from), step_ms - from);
        }
        current *= decay;
    }
    spikes
}

/// The state of a neuron in SpiNNaker's order.
struct Held {
    v: f64,
    current: f64,
    resistance: f64,
    leak: f64,
    decay: f64,
    /// What an input adds per nA, so that the held current carries the charge of the decaying one.
    scale: f64,
}

impl Held {
    fn new(neuron: &Lif, step_ms: f64) -> Self {
        let decay = (-step_ms / neuron.tau_syn_ms).exp();
        Self {
            v: 0.0,
            current: 0.0,
            resistance: neuron.tau_m_ms / neuron.c_m_nf,
            leak: (-step_ms / neuron.tau_m_ms).exp(),
            decay,
            scale: neuron.tau_syn_ms / step_ms * (1.0 - decay),
        }
    }

    fn receive(&mut self, drive_na: f64) {
        self.current += self.scale * drive_na;
    }

    /// The potential after a step.
    fn advance(&mut self) -> f64 {
        let target = self.current * self.resistance;
        self.v = target + self.leak * (self.v - target);
        self.current *= self.decay;
        self.v
    }
}

fn held(neuron: &Lif, volleys: &[Volley], step_ms: f64, steps: usize) -> Vec<Spike> {
    let mut cell = Held::new(neuron, step_ms);
    let refractory = (neuron.t_ref_ms / step_ms).round() as usize;
    let (mut spikes, mut free_from) = (Vec::new(), 0);
    for step in 0..steps {
        let drive = arriving(volleys, step);
        if drive != 0.0 {
            cell.receive(drive);
        }
        let v = cell.advance();
        if step < free_from {
            cell.v = 0.0;
        } else if v >= neuron.v_threshold_mv * (1.0 - SLACK) {
            spikes.push(Spike { step: step + 1, time_ms: (step + 1) as f64 * step_ms });
            cell.v = 0.0;
            free_from = step + 1 + refractory;
        }
    }
    spikes
}

fn arriving(volleys: &[Volley], step: usize) -> f64 {
    volleys.iter().filter(|v| v.step == step).map(|v| v.drive_na).sum()
}
