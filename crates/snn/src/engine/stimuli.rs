//! What drives neurons from outside: Poisson trains, currents, noise.

use std::ops::Range;

use super::config::Config;
use super::model::{Arrival, PortState, Scale};
use super::models::Profile;
use super::random::{self, PoissonCounts};
use super::real::Real;
use crate::{Error, Result};

/// An input to neurons of a population.
///
/// Currents are in the unit of the model's current (pA for most).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stimulus {
    /// A Poisson train of its own for each neuron: in each step `Poisson(r h)` arrivals of a weight, from `delay_ms` on.
    Poisson {
        /// Rate.
        rate_hz: f64,
        /// Factor of the rate from each time (ms) on, times ascending; 1 before the first. Empty: constant.
        profile: Vec<(f64, f64)>,
        /// Weight of an arrival.
        weight: f64,
        /// Delay.
        delay_ms: f64,
        /// Port at which the spikes arrive.
        port: String,
    },
    /// A current that changes at given times (ms): `(time, current)`, 0 before the first.
    Current {
        /// Times, ascending, and currents.
        steps: Vec<(f64, f64)>,
    },
    /// An Ornstein-Uhlenbeck current of its own for each neuron: `dx = (mean - x)/tau dt + sd sqrt(2/tau) dW`, started in its
    /// stationary distribution and stepped exactly.
    OrnsteinUhlenbeck {
        /// Mean.
        mean: f64,
        /// Stationary standard deviation.
        sd: f64,
        /// Correlation time.
        tau_ms: f64,
    },
}

impl Stimulus {
    /// A Poisson train at a port of each neuron.
    #[must_use]
    pub fn poisson(rate_hz: f64, weight: f64, delay_ms: f64, port: &str) -> Self {
        Self::Poisson { rate_hz, profile: Vec::new(), weight, delay_ms, port: port.to_owned() }
    }

    /// A constant current.
    #[must_use]
    pub fn dc(current: f64) -> Self {
        Self::Current { steps: vec![(0.0, current)] }
    }

    /// Whether it is a current.
    pub(crate) fn is_current(&self) -> bool {
        !matches!(self, Self::Poisson { .. })
    }
}

/// A stimulus as a thread applies it to its block.
pub(crate) struct Source<R> {
    kind: Kind<R>,
    purpose: String,
    seed: u64,
    range: Range<usize>,
    // Block indices of the neurons it reaches; none: all.
    pub(crate) chosen: Option<Vec<u32>>,
    bytes: Vec<u8>,
    words: Vec<u32>,
    counts: Vec<u32>,
}

enum Kind<R> {
    Poisson {
        port: usize,
        weight: R,
        delay: i64,
        mean: f64,
        profile: Profile,
        of_segment: usize,
        table: PoissonCounts,
    },
    Current {
        starts: Vec<i64>,
        currents: Vec<R>,
    },
    Noise {
        mean: R,
        sd: f64,
        keep: R,
        kick: f64,
        state: Vec<R>,
        started: bool,
    },
}

impl<R: Real> Source<R> {
    /// Checks a stimulus; `port` is the number of its port.
    pub(crate) fn new(
        stimulus: &Stimulus,
        port: usize,
        config: &Config,
        purpose: String,
        range: Range<usize>,
        chosen: Option<Vec<u32>>,
    ) -> Result<Self> {
        let finite = |name: &str, x: f64| {
            if x.is_finite() { Ok(x) } else { Err(Error::parameter(name, x, "finite")) }
        };
        let kind = match stimulus {
            Stimulus::Poisson { rate_hz, profile, weight, delay_ms, .. } => {
                let mean = rate_hz * config.dt_ms * 1e-3;
                if !(*rate_hz >= 0.0 && mean <= 1e5) {
                    return Err(Error::parameter("rate_hz", *rate_hz, "0 to 1e5 arrivals a step"));
                }
                let profile = Profile::new(config, profile)?;
                let (of_segment, factor) = profile.at(0);
                Kind::Poisson {
                    port,
                    weight: R::of(finite("weight", *weight)?),
                    delay: i64::from(config.delay_steps(*delay_ms)?),
                    mean,
                    profile,
                    of_segment,
                    table: PoissonCounts::new(mean * factor),
                }
            }
            Stimulus::Current { steps } => {
                let mut starts = Vec::new();
                let mut currents = Vec::new();
                for (time, current) in steps {
                    let step = config.steps("time of a current in ms", *time)?;
                    if starts.last().is_some_and(|last| *last >= step) {
                        return Err(Error::parameter(
                            "time of a current in ms",
                            *time,
                            "later than the one before",
                        ));
                    }
                    starts.push(step);
                    currents.push(R::of(finite("current", *current)?));
                }
                Kind::Current { starts, currents }
            }
            Stimulus::OrnsteinUhlenbeck { mean, sd, tau_ms } => {
                if !(*tau_ms > 0.0 && tau_ms.is_finite()) {
                    return Err(Error::parameter("tau_ms", *tau_ms, "finite and positive"));
                }
                if !(*sd >= 0.0 && sd.is_finite()) {
                    return Err(Error::parameter("sd", *sd, "finite and 0 or more"));
                }
                Kind::Noise {
                    mean: R::of(finite("mean", *mean)?),
                    sd: *sd,
                    keep: R::of((-config.dt_ms / tau_ms).exp()),
                    kick: sd * super::propagators::decayed(2.0 * config.dt_ms / tau_ms).sqrt(),
                    state: vec![R::ZERO; range.len()],
                    started: false,
                }
            }
        };
        let seed = config.seed;
        let (bytes, words, counts) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { kind, purpose, seed, range, chosen, bytes, words, counts })
    }

    /// The port at which its spikes arrive, unless it is a current.
    pub(crate) fn port(&self) -> Option<usize> {
        match &self.kind {
            Kind::Poisson { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// Adds the current of a step.
    pub(crate) fn add_current(&mut self, step: i64, current: &mut [R]) {
        let chosen = self.chosen.as_deref();
        match &mut self.kind {
            Kind::Poisson { .. } => {}
            Kind::Current { starts, currents } => {
                let piece = starts.partition_point(|start| *start <= step);
                if piece > 0 {
                    let amount = currents[piece - 1];
                    each(chosen, self.range.len(), |i| current[i] += amount);
                }
            }
            Kind::Noise { mean, sd, keep, kick, state, started } => {
                let range = self.range.clone();
                random::words(self.seed, &self.purpose, step, range, 2, &mut self.bytes, &mut self.words);
                for (x, words) in state.iter_mut().zip(self.words.chunks_exact(2)) {
                    let z = normal(words[0], words[1]);
                    *x = if *started { *x * *keep + R::of(*kick * z) } else { R::of(*sd * z) };
                }
                *started = true;
                each(chosen, self.range.len(), |i| current[i] += *mean + state[i]);
            }
        }
    }

    /// Adds the spikes that arrive in a step.
    pub(crate) fn add_spikes(&mut self, step: i64, mut state: PortState<'_, R>) {
        let Kind::Poisson { weight, delay, mean, profile, of_segment, table, .. } = &mut self.kind else {
            return;
        };
        if step < *delay {
            return;
        }
        let (segment, factor) = profile.at(step - *delay);
        if segment != *of_segment {
            *of_segment = segment;
            *table = PoissonCounts::new(*mean * factor);
        }
        if *mean * factor == 0.0 {
            return;
        }
        let range = self.range.clone();
        random::words(self.seed, &self.purpose, step, range, table.words(), &mut self.bytes, &mut self.words);
        table.count(&self.words, &mut self.counts);
        let counts = &self.counts;
        match (self.chosen.as_deref(), state.scale, &state.mirror) {
            (None, Scale::Uniform(f), None) => {
                let w = *weight * f;
                for (value, count) in state.values.iter_mut().zip(counts) {
                    *value += w * R::of_count(*count);
                }
            }
            (chosen, ..) => each(chosen, counts.len(), |i| state.add(i, *weight * R::of_count(counts[i]))),
        }
    }

    /// What has to be saved.
    pub(crate) fn state(&mut self) -> Option<(&mut [R], &mut bool)> {
        match &mut self.kind {
            Kind::Noise { state, started, .. } => Some((state, started)),
            _ => None,
        }
    }

    /// Whether the spikes of this source are added in a phase.
    pub(crate) fn arrives(&self, phase: Arrival, arrivals: &[Arrival]) -> Option<usize> {
        self.port().filter(|port| arrivals[*port] == phase)
    }
}

/// Calls `f` with each chosen neuron.
fn each(chosen: Option<&[u32]>, n: usize, mut f: impl FnMut(usize)) {
    match chosen {
        None => (0..n).for_each(f),
        Some(list) => list.iter().for_each(|i| f(*i as usize)),
    }
}

/// A standard normal number from two words (Box and Muller).
fn normal(a: u32, b: u32) -> f64 {
    let u = (f64::from(a) + 1.0) / 4_294_967_296.0;
    let angle = f64::from(b) * (std::f64::consts::TAU / 4_294_967_296.0);
    (-2.0 * u.ln()).sqrt() * angle.cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(stimulus: &Stimulus) -> Result<Source<f64>> {
        Source::new(stimulus, 0, &Config::default(), "test".to_owned(), 0..2000, None)
    }

    #[test]
    fn noise_has_the_moments_and_the_correlation_of_its_process() {
        let tau_ms = 2.0;
        let mut noise = source(&Stimulus::OrnsteinUhlenbeck { mean: 3.0, sd: 2.0, tau_ms }).unwrap();
        let (mut first, mut last) = (vec![0.0; 2000], vec![0.0; 2000]);
        noise.add_current(0, &mut first);
        for step in 1..=10 {
            last.fill(0.0);
            noise.add_current(step, &mut last);
        }
        let moments = |x: &[f64]| {
            let m = x.iter().sum::<f64>() / x.len() as f64;
            (m, x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / x.len() as f64)
        };
        for x in [&first, &last] {
            let (m, v) = moments(x);
            assert!((m - 3.0).abs() < 0.2 && (v - 4.0).abs() < 0.5, "{m} {v}");
        }
        let c = first.iter().zip(&last).map(|(a, b)| (a - 3.0) * (b - 3.0)).sum::<f64>() / 2000.0;
        assert!((c - 4.0 * (-1.0_f64 / tau_ms).exp()).abs() < 0.35, "{c}");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            Stimulus::poisson(-1.0, 1.0, 1.0, "ex"),
            Stimulus::poisson(f64::NAN, 1.0, 1.0, "ex"),
            Stimulus::poisson(1.0, f64::NAN, 1.0, "ex"),
            Stimulus::poisson(1.0, 1.0, 0.01, "ex"),
            Stimulus::dc(f64::INFINITY),
            Stimulus::Current { steps: vec![(2.0, 1.0), (1.0, 1.0)] },
            Stimulus::OrnsteinUhlenbeck { mean: 0.0, sd: -1.0, tau_ms: 1.0 },
            Stimulus::OrnsteinUhlenbeck { mean: 0.0, sd: 1.0, tau_ms: 0.0 },
        ] {
            assert!(source(&bad).is_err(), "{bad:?}");
        }
    }
}
