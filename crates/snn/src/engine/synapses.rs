//! Synapses: how they are described, drawn, and stored in compressed rows.

use numerics::rng::stream;
use rayon::prelude::*;

use super::config::Config;
use super::model::{PortState, Scale, Sign};
use super::real::Real;
use super::rules::Pairs;
use super::values::{Distribution, Values};
use crate::{Error, Result};

/// Weight and delay of the synapses of a projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Synapse {
    /// Weights, in the unit of the port.
    pub weight: Values,
    /// Delays in milliseconds, rounded to steps, ties away from zero.
    pub delay_ms: Values,
    /// Whether there is no delay at all, see [`Synapse::without_delay`]; then `delay_ms` is not read.
    pub immediate: bool,
}

impl Synapse {
    /// Synapses of a weight, with a delay of 1 ms.
    #[must_use]
    pub fn new(weight: impl Into<Values>) -> Self {
        Self { weight: weight.into(), delay_ms: 1.0.into(), immediate: false }
    }

    /// The same with another delay.
    #[must_use]
    pub fn delay(mut self, delay_ms: impl Into<Values>) -> Self {
        self.delay_ms = delay_ms.into();
        self.immediate = false;
        self
    }

    /// The same without a delay, as Brian2's synapses are unless told otherwise: a spike arrives at the end of its own step,
    /// after the update of all neurons (and after states are sampled), and acts from the next step on. Threads then meet in
    /// every step. Only for synapses
    /// without plasticity, on ports whose arrivals are added after the update.
    #[must_use]
    pub fn without_delay(mut self) -> Self {
        self.immediate = true;
        self
    }
}

/// The synapses of a projection, read out: one entry each, by source, then delay, then target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SynapseTable {
    /// Source neuron within its population.
    pub source: Vec<u32>,
    /// Target neuron within its population.
    pub target: Vec<u32>,
    /// Delay in steps.
    pub delay_steps: Vec<u16>,
    /// Weight.
    pub weight: Vec<f64>,
}

impl SynapseTable {
    /// Number of synapses.
    #[must_use]
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }
}

/// Weights or delays: one for all or one each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shared<T> {
    Same(T),
    Each(Vec<T>),
}

impl<T: Copy> Shared<T> {
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> T {
        match self {
            Self::Same(x) => *x,
            Self::Each(all) => all[i],
        }
    }
}

/// All synapses of a projection, rows sorted by delay and target.
pub(crate) struct Drawn {
    pub(crate) starts: Vec<usize>,
    pub(crate) targets: Vec<u32>,
    pub(crate) delays: Shared<u16>,
    pub(crate) weights: Shared<f64>,
}

impl Drawn {
    /// Draws weights and delays for pairs. Draws of a row come from its own stream.
    pub(crate) fn new(
        pairs: Pairs,
        synapse: &Synapse,
        sign: Sign,
        config: &Config,
        purpose: &str,
    ) -> Result<Self> {
        let count = pairs.targets.len();
        let weights = match &synapse.weight {
            Values::Constant(w) => Shared::Same(*w),
            values => Shared::Each(draw(&pairs, values, config.seed, &format!("weight {purpose}"))?),
        };
        let check = |w: f64| match sign {
            _ if !w.is_finite() => Err(Error::parameter(format!("weight of {purpose}"), w, "finite")),
            Sign::NonNegative if w < 0.0 => Err(Error::parameter(
                format!("weight of {purpose}"),
                w,
                "0 or more: the port is a conductance",
            )),
            _ => Ok(()),
        };
        match &weights {
            Shared::Same(w) => check(*w)?,
            Shared::Each(all) => all.iter().try_for_each(|w| check(*w))?,
        }
        let delays = match &synapse.delay_ms {
            _ if synapse.immediate => Shared::Same(0),
            Values::Constant(d) => Shared::Same(config.delay_steps(*d)?),
            // A drawn delay is refused where it rounds to nothing; redraw bounds may start at half a step.
            Values::Drawn(_) => {
                let all = draw(&pairs, &synapse.delay_ms, config.seed, &format!("delay {purpose}"))?;
                Shared::Each(all.iter().map(|d| rounded(config, *d)).collect::<Result<_>>()?)
            }
            Values::Each(_) => {
                let all = draw(&pairs, &synapse.delay_ms, config.seed, &format!("delay {purpose}"))?;
                Shared::Each(all.iter().map(|d| config.delay_steps(*d)).collect::<Result<_>>()?)
            }
        };
        // Delays that came out alike are one.
        let delays = match delays {
            Shared::Each(all) if count > 0 && all.iter().all(|d| *d == all[0]) => Shared::Same(all[0]),
            other => other,
        };
        let mut drawn = Self { starts: pairs.starts, targets: pairs.targets, delays, weights };
        drawn.sort();
        Ok(drawn)
    }

    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// The greatest delay.
    pub(crate) fn longest(&self) -> u16 {
        match &self.delays {
            Shared::Same(d) => *d,
            Shared::Each(all) => all.iter().copied().max().unwrap_or(1),
        }
    }

    /// The least delay.
    pub(crate) fn shortest(&self) -> u16 {
        match &self.delays {
            Shared::Same(d) => *d,
            Shared::Each(all) => all.iter().copied().min().unwrap_or(1),
        }
    }

    /// Sorts each row by delay and target; synapses that agree in both keep their order.
    fn sort(&mut self) {
        let rows = split(&mut self.targets, &self.starts);
        let delays: Vec<Option<&mut [u16]>> = match &mut self.delays {
            Shared::Same(_) => rows.iter().map(|_| None).collect(),
            Shared::Each(all) => split(all, &self.starts).into_iter().map(Some).collect(),
        };
        let weights: Vec<Option<&mut [f64]>> = match &mut self.weights {
            Shared::Same(_) => rows.iter().map(|_| None).collect(),
            Shared::Each(all) => split(all, &self.starts).into_iter().map(Some).collect(),
        };
        rows.into_par_iter().zip(delays).zip(weights).for_each(|((targets, delays), weights)| {
            let delay = |i: usize| delays.as_ref().map_or(0, |d| d[i]);
            let ordered =
                (1..targets.len()).all(|i| (delay(i - 1), targets[i - 1]) <= (delay(i), targets[i]));
            if ordered {
                return;
            }
            let mut row: Vec<(u16, u32, u32)> =
                (0..targets.len()).map(|i| (delay(i), targets[i], i as u32)).collect();
            row.sort_unstable();
            if let Some(weights) = weights {
                let old = weights.to_vec();
                row.iter().zip(weights).for_each(|((_, _, from), w)| *w = old[*from as usize]);
            }
            if let Some(delays) = delays {
                row.iter().zip(delays).for_each(|((d, _, _), to)| *to = *d);
            }
            row.iter().zip(targets).for_each(|((_, t, _), to)| *to = *t);
        });
    }
}

/// Cuts a list at the starts of the rows.
fn split<'a, T>(mut list: &'a mut [T], starts: &[usize]) -> Vec<&'a mut [T]> {
    let mut rows = Vec::with_capacity(starts.len().saturating_sub(1));
    for row in starts.windows(2) {
        let (head, tail) = std::mem::take(&mut list).split_at_mut(row[1] - row[0]);
        rows.push(head);
        list = tail;
    }
    rows
}

/// A drawn delay in steps.
fn rounded(config: &Config, delay_ms: f64) -> Result<u16> {
    let steps = (delay_ms / config.dt_ms).round();
    if (1.0..=f64::from(u16::MAX)).contains(&steps) {
        return Ok(steps as u16);
    }
    let expected = format!("draws of {} (half a step) or more: redraw below", config.dt_ms / 2.0);
    Err(Error::parameter("delay_ms", delay_ms, expected))
}

/// A value for each synapse.
fn draw(pairs: &Pairs, values: &Values, seed: u64, purpose: &str) -> Result<Vec<f64>> {
    match values {
        Values::Drawn(distribution) => {
            distribution.validate(purpose)?;
            let row =
                |i: usize| draw_row(distribution, pairs.starts[i + 1] - pairs.starts[i], seed, purpose, i);
            let rows: Vec<Vec<f64>> =
                (0..pairs.starts.len() - 1).into_par_iter().map(row).collect::<Result<_>>()?;
            Ok(rows.concat())
        }
        Values::Each(list) => {
            let all = Values::Each(list.clone()).resolve(pairs.targets.len(), seed, purpose)?;
            Ok(match &pairs.origin {
                Some(origin) => origin.iter().map(|from| all[*from]).collect(),
                None => all,
            })
        }
        Values::Constant(x) => Ok(vec![*x; pairs.targets.len()]),
    }
}

fn draw_row(distribution: &Distribution, n: usize, seed: u64, purpose: &str, row: usize) -> Result<Vec<f64>> {
    let mut rng = stream(seed, purpose, row as u64);
    (0..n).map(|_| distribution.draw(&mut rng, purpose)).collect()
}

/// Rows of one thread: the synapses on its targets.
///
/// With one delay for all, a cell is the target within the block. Else it is `delay * width + target`: added to the place of
/// the spike's own step in the ring it is the place of the arrival.
pub(crate) struct Rows<R> {
    pub(crate) starts: Vec<u32>,
    pub(crate) cells: Vec<u32>,
    pub(crate) weights: Shared<R>,
    pub(crate) uniform: Option<u16>,
    pub(crate) width: usize,
}

impl<R: Real> Rows<R> {
    /// The synapses of `drawn` on the targets of a block; `packed` asks for cells with delays.
    pub(crate) fn new(drawn: &Drawn, block: std::ops::Range<usize>, packed: bool) -> Result<Self> {
        let width = block.len();
        let cells_needed = (usize::from(drawn.longest()) + 1).saturating_mul(width);
        if drawn.len() > u32::MAX as usize || (packed && cells_needed > u32::MAX as usize) {
            return Err(Error::Unsupported {
                what: format!("{} synapses of a delay of {} steps", drawn.len(), drawn.longest()),
                why: "a projection holds at most 2^32 synapses, and delay times targets of a thread"
                    .to_owned(),
            });
        }
        let inside = |target: u32| block.contains(&(target as usize));
        let whole = block.start == 0 && drawn.targets.iter().all(|t| inside(*t));
        let count = if whole { drawn.len() } else { drawn.targets.iter().filter(|t| inside(**t)).count() };
        let mut rows = Self {
            starts: Vec::with_capacity(drawn.starts.len()),
            cells: Vec::with_capacity(count),
            weights: match &drawn.weights {
                Shared::Same(w) => Shared::Same(R::of(*w)),
                Shared::Each(_) => Shared::Each(Vec::with_capacity(count)),
            },
            uniform: match (&drawn.delays, packed) {
                (Shared::Same(d), false) => Some(*d),
                _ => None,
            },
            width,
        };
        rows.starts.push(0);
        for row in drawn.starts.windows(2) {
            for i in row[0]..row[1] {
                if !inside(drawn.targets[i]) {
                    continue;
                }
                let target = drawn.targets[i] - block.start as u32;
                let cell =
                    if packed { u32::from(drawn.delays.at(i)) * width as u32 + target } else { target };
                rows.cells.push(cell);
                if let (Shared::Each(to), Shared::Each(from)) = (&mut rows.weights, &drawn.weights) {
                    to.push(R::of(from[i]));
                }
            }
            rows.starts.push(rows.cells.len() as u32);
        }
        Ok(rows)
    }

    #[inline(always)]
    pub(crate) fn row(&self, source: u32) -> std::ops::Range<usize> {
        self.starts[source as usize] as usize..self.starts[source as usize + 1] as usize
    }

    /// Adds the spikes of sources straight to the state of the targets; the number of synapses they passed.
    pub(crate) fn deliver(&self, spikes: &[u32], mut port: PortState<'_, R>) -> u64 {
        let mut events = 0;
        if let (Shared::Same(w), Scale::Uniform(f), Some((mirror, second))) =
            (&self.weights, port.scale, &mut port.mirror)
        {
            let (w, second) = (*w * f, *w * *second);
            // One length for both: one bounds check serves.
            let mirror = &mut mirror[..port.values.len()];
            for source in spikes {
                let row = &self.cells[self.row(*source)];
                events += row.len() as u64;
                for target in row {
                    port.values[*target as usize] += w;
                    mirror[*target as usize] += second;
                }
            }
            return events;
        }
        if port.mirror.is_some() {
            for source in spikes {
                let row = self.row(*source);
                events += row.len() as u64;
                row.for_each(|i| port.add(self.cells[i] as usize, self.weights.at(i)));
            }
            return events;
        }
        let values = port.values;
        match (&self.weights, port.scale) {
            (Shared::Same(w), Scale::Uniform(f)) => {
                let w = *w * f;
                for source in spikes {
                    let row = &self.cells[self.row(*source)];
                    events += row.len() as u64;
                    for target in row {
                        values[*target as usize] += w;
                    }
                }
            }
            (Shared::Each(weights), Scale::Uniform(f)) => {
                for source in spikes {
                    let row = self.row(*source);
                    events += row.len() as u64;
                    for (target, w) in self.cells[row.clone()].iter().zip(&weights[row]) {
                        values[*target as usize] += *w * f;
                    }
                }
            }
            (weights, Scale::Each(f)) => {
                for source in spikes {
                    let row = self.row(*source);
                    events += row.len() as u64;
                    for i in row {
                        let target = self.cells[i] as usize;
                        values[target] += weights.at(i) * f[target];
                    }
                }
            }
        }
        events
    }

    /// Delay and target of a synapse.
    pub(crate) fn place(&self, synapse: usize) -> (u16, u32) {
        let cell = self.cells[synapse];
        match self.uniform {
            Some(delay) => (delay, cell),
            None => ((cell as usize / self.width) as u16, (cell as usize % self.width) as u32),
        }
    }
}

/// Arrivals of the coming steps at a port.
pub(crate) struct Ring<R> {
    pub(crate) cells: Vec<R>,
    slots: usize,
    width: usize,
    // No arrival lies beyond this step.
    pub(crate) busy_until: i64,
}

impl<R: Real> Ring<R> {
    pub(crate) fn new(width: usize, longest: u16) -> Self {
        let slots = usize::from(longest) + 1;
        Self { cells: vec![R::ZERO; slots * width], slots, width, busy_until: -1 }
    }

    fn base(&self, step: i64) -> usize {
        step.rem_euclid(self.slots as i64) as usize * self.width
    }

    /// Adds the row of a spike fired in `step`, each weight times `gain`.
    #[inline(always)]
    pub(crate) fn add_row(&mut self, rows: &Rows<R>, source: u32, step: i64, gain: Option<R>) {
        let (base, len) = (self.base(step), self.cells.len());
        let row = rows.row(source);
        let place = |cell: u32| {
            let at = base + cell as usize;
            if at >= len { at - len } else { at }
        };
        match (&rows.weights, gain) {
            (Shared::Same(w), gain) => {
                let w = gain.map_or(*w, |g| *w * g);
                rows.cells[row].iter().for_each(|cell| self.cells[place(*cell)] += w);
            }
            (Shared::Each(weights), None) => {
                for (cell, w) in rows.cells[row.clone()].iter().zip(&weights[row]) {
                    self.cells[place(*cell)] += *w;
                }
            }
            (Shared::Each(weights), Some(g)) => {
                for (cell, w) in rows.cells[row.clone()].iter().zip(&weights[row]) {
                    self.cells[place(*cell)] += *w * g;
                }
            }
        }
        self.busy_until = self.busy_until.max(step + self.slots as i64 - 1);
    }

    /// Adds one arrival.
    #[inline(always)]
    pub(crate) fn add(&mut self, step: i64, delay: u16, target: u32, weight: R) {
        let at = self.base(step + i64::from(delay)) + target as usize;
        self.cells[at] += weight;
        self.busy_until = self.busy_until.max(step + i64::from(delay));
    }

    /// Moves the arrivals of a step to the state.
    pub(crate) fn drain(&mut self, step: i64, mut port: PortState<'_, R>) {
        if step > self.busy_until {
            return;
        }
        let base = self.base(step);
        let slot = &mut self.cells[base..base + self.width];
        if port.mirror.is_some() {
            for (neuron, arrival) in slot.iter_mut().enumerate() {
                port.add(neuron, *arrival);
                *arrival = R::ZERO;
            }
            return;
        }
        match port.scale {
            Scale::Uniform(f) => {
                for (value, arrival) in port.values.iter_mut().zip(slot) {
                    *value += *arrival * f;
                    *arrival = R::ZERO;
                }
            }
            Scale::Each(f) => {
                for ((value, arrival), f) in port.values.iter_mut().zip(slot).zip(f) {
                    *value += *arrival * *f;
                    *arrival = R::ZERO;
                }
            }
        }
    }
}

/// Spikes of a population in the last steps.
pub(crate) struct History {
    slots: Vec<Vec<u32>>,
}

impl History {
    pub(crate) fn new(steps: usize) -> Self {
        Self { slots: vec![Vec::new(); steps.max(1)] }
    }

    fn slot(&self, step: i64) -> usize {
        step.rem_euclid(self.slots.len() as i64) as usize
    }

    /// The neurons that fired in a step, ascending.
    pub(crate) fn at(&self, step: i64) -> &[u32] {
        &self.slots[self.slot(step)]
    }

    /// The list of a step, to be filled.
    pub(crate) fn list(&mut self, step: i64) -> &mut Vec<u32> {
        let slot = self.slot(step);
        &mut self.slots[slot]
    }

    pub(crate) fn lists(&mut self) -> &mut [Vec<u32>] {
        &mut self.slots
    }
}
