//! Neurons that fire what they are told to: spike lists and Poisson processes as populations.

use recordings::Stamp;

use super::super::model::{
    Arrival, BuildContext, NeuronBlock, NeuronModel, Port, PortState, Scale, Tick, padded,
};
use super::super::random;
use super::super::real::Real;
use super::super::values::Values;
use crate::{Error, Result};

/// A population that fires at listed times.
///
/// | parameter | unit | default |
/// |---|---|---|
/// | `trains_ms` | ms | one list per neuron |
/// | `stamp` | | NEST: a spike of step `k` is stamped `(k + 1) h`; Brian: `k h` |
///
/// Times are rounded to steps. Variables: none. Port: `sink`, which ignores what arrives, so that plastic synapses can end
/// here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpikeSource {
    /// Spike times of each neuron.
    pub trains_ms: Vec<Vec<f64>>,
    /// Which end of its step a time means.
    pub stamp: Stamp,
}

impl SpikeSource {
    /// Neurons with these spike times, stamped as NEST does.
    #[must_use]
    pub fn new(trains_ms: Vec<Vec<f64>>) -> Self {
        Self { trains_ms, stamp: Stamp::Nest }
    }

    /// Neurons with these spike times, stamped as Brian2 does.
    #[must_use]
    pub fn brian(trains_ms: Vec<Vec<f64>>) -> Self {
        Self { trains_ms, stamp: Stamp::Brian }
    }
}

impl<R: Real> NeuronModel<R> for SpikeSource {
    fn name(&self) -> &'static str {
        "spike_source"
    }

    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 1] = [Port::any("sink", "1")];
        &PORTS
    }

    fn accepts_current(&self) -> bool {
        false
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        if self.trains_ms.len() != context.size {
            let what = format!("{}.trains_ms", context.population);
            return Err(Error::shape(what, format!("{} lists", context.size), self.trains_ms.len()));
        }
        let shift = i64::from(self.stamp == Stamp::Nest);
        let mut events = Vec::new();
        for (neuron, train) in self.trains_ms[context.range.clone()].iter().enumerate() {
            for time in train {
                let step = context.config.steps("spike time in ms", *time)? - shift;
                if step < 0 {
                    return Err(Error::parameter("spike time in ms", *time, "in the first step or later"));
                }
                events.push((step, neuron as u32));
            }
        }
        events.sort_unstable();
        // A neuron fires at most once in a step.
        events.dedup();
        Ok(Box::new(ListBlock { events, next: 0, sink: padded(context, |_| 0.0) }))
    }
}

struct ListBlock<R> {
    events: Vec<(i64, u32)>,
    next: usize,
    sink: Vec<R>,
}

impl<R: Real> NeuronBlock<R> for ListBlock<R> {
    fn update(&mut self, tick: Tick<'_, R>) {
        while let Some((step, neuron)) = self.events.get(self.next)
            && *step <= tick.step
        {
            if *step == tick.step {
                tick.fired.push(*neuron);
            }
            self.next += 1;
        }
    }

    fn port(&mut self, _port: usize) -> PortState<'_, R> {
        PortState {
            values: &mut self.sink,
            scale: Scale::Uniform(R::ZERO),
            arrival: Arrival::AfterUpdate,
            mirror: None,
        }
    }

    fn read(&self, _variable: usize, _neuron: usize) -> R {
        R::ZERO
    }

    fn write(&mut self, _variable: usize, _neuron: usize, _value: R) {}

    fn arrays(&mut self) -> Vec<&mut [R]> {
        Vec::new()
    }

    fn restored(&mut self, step: i64) {
        self.next = self.events.partition_point(|(at, _)| *at < step);
    }
}

/// A population of independent Poisson processes.
///
/// In each step a neuron fires with probability `1 - e^{-r h}`, at most once. The rate is `rate_hz` times the factor of the
/// profile that holds at the start of the step.
///
/// | parameter | unit | default |
/// |---|---|---|
/// | `rate_hz` | Hz | 0 |
/// | `profile` | (ms, factor) | none: constant |
///
/// Variables: none. Port: `sink`, which ignores what arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct PoissonSource {
    /// Rate.
    pub rate_hz: Values,
    /// Factor of the rate from each time on, times ascending; 1 before the first.
    pub profile: Vec<(f64, f64)>,
}

impl PoissonSource {
    /// Processes of a constant rate.
    #[must_use]
    pub fn new(rate_hz: impl Into<Values>) -> Self {
        Self { rate_hz: rate_hz.into(), profile: Vec::new() }
    }
}

impl<R: Real> NeuronModel<R> for PoissonSource {
    fn name(&self) -> &'static str {
        "poisson_source"
    }

    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 1] = [Port::any("sink", "1")];
        &PORTS
    }

    fn accepts_current(&self) -> bool {
        false
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let rate = context.non_negative("rate_hz", &self.rate_hz)?;
        let profile = Profile::new(&context.config, &self.profile)?;
        Ok(Box::new(PoissonBlock {
            rates: (0..context.len()).map(|i| rate.at(i) * context.config.dt_ms * 1e-3).collect(),
            thresholds: Vec::new(),
            of_segment: None,
            profile,
            seed: context.config.seed,
            purpose: format!("poisson source {}", context.population),
            range: context.range.clone(),
            bytes: Vec::new(),
            words: Vec::new(),
            sink: padded(context, |_| 0.0),
        }))
    }
}

/// A piecewise constant factor over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    steps: Vec<i64>,
    factors: Vec<f64>,
}

impl Profile {
    /// From `(time in ms, factor)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for times that do not ascend or factors that are negative or not finite.
    pub(crate) fn new(config: &super::super::config::Config, points: &[(f64, f64)]) -> Result<Self> {
        let mut profile = Self { steps: Vec::new(), factors: Vec::new() };
        for (time, factor) in points {
            let step = config.steps("time of a profile in ms", *time)?;
            if profile.steps.last().is_some_and(|last| *last >= step) {
                return Err(Error::parameter("time of a profile in ms", *time, "later than the one before"));
            }
            if !(factor.is_finite() && *factor >= 0.0) {
                return Err(Error::parameter("factor of a profile", *factor, "finite and 0 or more"));
            }
            profile.steps.push(step);
            profile.factors.push(*factor);
        }
        Ok(profile)
    }

    /// Which piece holds in a step, and its factor.
    pub(crate) fn at(&self, step: i64) -> (usize, f64) {
        let segment = self.steps.partition_point(|start| *start <= step);
        (segment, if segment == 0 { 1.0 } else { self.factors[segment - 1] })
    }
}

struct PoissonBlock<R> {
    // Expected spikes of a step at factor 1.
    rates: Vec<f64>,
    thresholds: Vec<u64>,
    of_segment: Option<usize>,
    profile: Profile,
    seed: u64,
    purpose: String,
    range: std::ops::Range<usize>,
    bytes: Vec<u8>,
    words: Vec<u32>,
    sink: Vec<R>,
}

impl<R: Real> NeuronBlock<R> for PoissonBlock<R> {
    fn update(&mut self, tick: Tick<'_, R>) {
        let (segment, factor) = self.profile.at(tick.step);
        if self.of_segment != Some(segment) {
            self.of_segment = Some(segment);
            self.thresholds.clear();
            let threshold = |rate: &f64| (-(-rate * factor).exp_m1() * 4_294_967_296.0).round() as u64;
            self.thresholds.extend(self.rates.iter().map(threshold));
        }
        let range = self.range.clone();
        random::words(self.seed, &self.purpose, tick.step, range, 1, &mut self.bytes, &mut self.words);
        for (neuron, (word, threshold)) in self.words.iter().zip(&self.thresholds).enumerate() {
            if u64::from(*word) < *threshold {
                tick.fired.push(neuron as u32);
            }
        }
    }

    fn port(&mut self, _port: usize) -> PortState<'_, R> {
        PortState {
            values: &mut self.sink,
            scale: Scale::Uniform(R::ZERO),
            arrival: Arrival::AfterUpdate,
            mirror: None,
        }
    }

    fn read(&self, _variable: usize, _neuron: usize) -> R {
        R::ZERO
    }

    fn write(&mut self, _variable: usize, _neuron: usize, _value: R) {}

    fn arrays(&mut self) -> Vec<&mut [R]> {
        Vec::new()
    }
}
