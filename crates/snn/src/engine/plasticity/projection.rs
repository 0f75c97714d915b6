//! A plastic projection on the targets of one thread.

use std::ops::Range;

use super::super::model::PortState;
use super::super::real::Real;
use super::super::state::StateVisitor;
use super::super::synapses::{Drawn, History, Ring, SynapseTable};
use super::traces::Traces;
use super::{DelayPlacement, Event, Homeostasis, Plasticity};
use crate::{Error, Result};

/// What the engine does with a plastic projection, whatever its rule.
pub(crate) trait PlasticProjection<R: Real>: Send {
    fn placement(&self) -> DelayPlacement;
    /// Spikes of a step are known everywhere: enters them into traces, and for dendritic delays runs the events of the step.
    fn exchanged(&mut self, step: i64, pre: &History, post: &History, ring: Option<&mut Ring<R>>);
    /// Axonal delays: presynaptic spikes reach the synapses in a step, and their targets at once.
    fn arrive(&mut self, step: i64, pre: &History, port: PortState<'_, R>);
    /// Axonal delays: neurons of the block fired in a step.
    fn fired(&mut self, step: i64, neurons: &[u32]);
    /// A reward at the start of a step.
    fn reward(&mut self, step: i64, amount: f64) -> Result<()>;
    fn homeostasis(&mut self, rule: Homeostasis, interval: i64);
    /// Adds the synapses to a table, by source, as they are after `step - 1`; `variable` picks a variable instead of the weight.
    fn read(&self, step: i64, variable: Option<usize>, table: &mut [SynapseTable]) -> Result<()>;
    /// Sets the weight of each synapse by source, target within the population, and delay; its variables start anew.
    fn assign(&mut self, f: &mut dyn FnMut(u32, u32, u16, R) -> R);
    /// Whether events change weights.
    fn freeze(&mut self, frozen: bool);
    fn visit(&mut self, visitor: &mut dyn StateVisitor<R>) -> Result<()>;
}

/// Builds the part of a projection that ends on the neurons `block`.
pub(crate) fn build<R: Real, P: Plasticity<R>>(
    rule: &P,
    drawn: &Drawn,
    block: Range<usize>,
    sources: usize,
    placement: DelayPlacement,
    dt_ms: f64,
) -> Result<Box<dyn PlasticProjection<R>>> {
    let mut rule = rule.clone();
    rule.prepare(dt_ms)?;
    if rule.post_first() && placement == DelayPlacement::Axonal {
        return Err(Error::Unsupported {
            what: format!("{rule:?} with axonal delays"),
            why: "its postsynaptic events come before the presynaptic ones of a step: use dendritic delays"
                .to_owned(),
        });
    }
    let mut starts = vec![0];
    let (mut post, mut delay, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let mut source_of = Vec::new();
    for (source, row) in drawn.starts.windows(2).enumerate() {
        for i in row[0]..row[1] {
            let target = drawn.targets[i] as usize;
            if block.contains(&target) {
                post.push((target - block.start) as u32);
                delay.push(drawn.delays.at(i));
                weights.push(R::of(drawn.weights.at(i)));
                source_of.push(source as u32);
            }
        }
        starts.push(post.len());
    }
    let mut distinct = delay.clone();
    distinct.sort_unstable();
    distinct.dedup();
    // Synapses of each target, by delay and source.
    let mut back_starts = vec![0_usize; block.len() + 1];
    post.iter().for_each(|j| back_starts[*j as usize + 1] += 1);
    (0..block.len()).for_each(|j| back_starts[j + 1] += back_starts[j]);
    let mut next = back_starts.clone();
    let mut back = vec![0_u32; post.len()];
    for (synapse, j) in post.iter().enumerate() {
        back[next[*j as usize]] = synapse as u32;
        next[*j as usize] += 1;
    }
    for j in 0..block.len() {
        back[back_starts[j]..back_starts[j + 1]].sort_by_key(|s| (delay[*s as usize], *s));
    }
    // Decided by the whole projection, so that it does not depend on the thread.
    let uniform = drawn.shortest() == drawn.longest();
    let lag = |on: DelayPlacement| if uniform || on != placement { 0 } else { usize::from(drawn.longest()) };
    let width = rule.variables();
    let mut variables = vec![R::ZERO; width * post.len()];
    if width > 0 {
        variables.chunks_mut(width).zip(&weights).for_each(|(v, w)| rule.initial(*w, v));
    }
    Ok(Box::new(Projection {
        pre_traces: Traces::new(sources, &rule.pre_traces(), lag(DelayPlacement::Axonal), dt_ms),
        post_traces: Traces::new(block.len(), &rule.post_traces(), lag(DelayPlacement::Dendritic), dt_ms),
        last: if rule.drifts() { vec![0; post.len()] } else { Vec::new() },
        rates: vec![R::ZERO; block.len()],
        counts: vec![0; block.len()],
        starts,
        post,
        delay,
        source_of,
        weights,
        variables,
        width,
        distinct,
        back_starts,
        back,
        uniform,
        dendritic: placement == DelayPlacement::Dendritic,
        block,
        dt_ms,
        frozen: false,
        modulator: [0.0, 0.0],
        regulation: None,
        rule,
    }))
}

struct Projection<R, P> {
    rule: P,
    block: Range<usize>,
    dt_ms: f64,
    dendritic: bool,
    uniform: bool,
    frozen: bool,
    starts: Vec<usize>,
    post: Vec<u32>,
    delay: Vec<u16>,
    source_of: Vec<u32>,
    weights: Vec<R>,
    // [synapse][width]
    variables: Vec<R>,
    width: usize,
    // Step up to which a drifting synapse is settled.
    last: Vec<i64>,
    distinct: Vec<u16>,
    back_starts: Vec<usize>,
    back: Vec<u32>,
    pre_traces: Traces<R>,
    post_traces: Traces<R>,
    // Global signal: its value and the step at which it had it.
    modulator: [f64; 2],
    regulation: Option<(Homeostasis, i64)>,
    rates: Vec<R>,
    counts: Vec<i64>,
}

impl<R: Real, P: Plasticity<R>> Projection<R, P> {
    fn modulator_at(&self, step: i64) -> f64 {
        let [value, since] = self.modulator;
        match self.rule.modulator_tau_ms() {
            Some(tau) if value != 0.0 => value * (-(step as f64 - since) * self.dt_ms / tau).exp(),
            _ => 0.0,
        }
    }

    #[inline(always)]
    fn settle(&mut self, synapse: usize, step: i64, modulator: f64) {
        if let Some(last) = self.last.get_mut(synapse) {
            let elapsed = (step - *last) as f64 * self.dt_ms;
            *last = step;
            let variables = &mut self.variables[synapse * self.width..(synapse + 1) * self.width];
            self.rule.settle(&mut self.weights[synapse], variables, elapsed, modulator);
        }
    }

    fn settle_all(&mut self, step: i64) {
        let modulator = self.modulator_at(step);
        (0..self.last.len()).for_each(|synapse| self.settle(synapse, step, modulator));
    }

    /// Presynaptic events of a step at synapses of one spike; `send` takes synapse, target and weight.
    #[inline(always)]
    fn pre_events(
        &mut self,
        step: i64,
        source: u32,
        synapses: Range<usize>,
        lag: i64,
        send: &mut impl FnMut(u16, u32, R),
    ) {
        let pre = self.pre_traces.seen(source as usize, step, lag, true);
        let strict = !self.rule.post_first();
        let modulator = if self.last.is_empty() { 0.0 } else { self.modulator_at(step) };
        for synapse in synapses {
            let (target, delay) = (self.post[synapse], self.delay[synapse]);
            if !self.frozen {
                self.settle(synapse, step, modulator);
                let lag = if self.dendritic && !self.uniform { i64::from(delay) } else { 0 };
                let post = self.post_traces.seen(target as usize, step, lag, strict);
                let variables = &mut self.variables[synapse * self.width..(synapse + 1) * self.width];
                self.rule.on_pre(Event { weight: &mut self.weights[synapse], variables, pre, post });
            }
            send(delay, target, self.weights[synapse]);
        }
    }

    /// Postsynaptic events of a step at synapses of one spike.
    fn post_events(&mut self, step: i64, target: u32, synapses: Range<usize>, lag: i64) {
        if self.frozen {
            return;
        }
        let post = self.post_traces.seen(target as usize, step, lag, true);
        let strict = self.rule.post_first();
        let modulator = if self.last.is_empty() { 0.0 } else { self.modulator_at(step) };
        for at in synapses {
            let synapse = self.back[at] as usize;
            self.settle(synapse, step, modulator);
            let lag = if self.dendritic || self.uniform { 0 } else { i64::from(self.delay[synapse]) };
            let pre = self.pre_traces.seen(self.source_of[synapse] as usize, step, lag, strict);
            let variables = &mut self.variables[synapse * self.width..(synapse + 1) * self.width];
            self.rule.on_post(Event { weight: &mut self.weights[synapse], variables, pre, post });
        }
    }

    /// The part of a source's row with a delay.
    fn row_segment(&self, source: u32, delay: u16) -> Range<usize> {
        let row = self.starts[source as usize]..self.starts[source as usize + 1];
        if self.uniform {
            return row;
        }
        let delays = &self.delay[row.clone()];
        row.start + delays.partition_point(|d| *d < delay)
            ..row.start + delays.partition_point(|d| *d <= delay)
    }

    /// The part of a target's synapses with a delay.
    fn back_segment(&self, target: u32, delay: u16) -> Range<usize> {
        let all = self.back_starts[target as usize]..self.back_starts[target as usize + 1];
        if self.uniform {
            return all;
        }
        let list = &self.back[all.clone()];
        let below = |limit: u16| list.partition_point(|s| self.delay[*s as usize] < limit);
        all.start + below(delay)..all.start + below(delay.saturating_add(1))
    }

    /// Neurons of the block among the spikes of a step.
    fn local<'a>(&self, spikes: &'a [u32]) -> &'a [u32] {
        let from = spikes.partition_point(|n| (*n as usize) < self.block.start);
        let to = spikes.partition_point(|n| (*n as usize) < self.block.end);
        &spikes[from..to]
    }

    fn dendritic_pre(&mut self, step: i64, pre: &History, ring: &mut Ring<R>) {
        for source in pre.at(step) {
            let row = self.starts[*source as usize]..self.starts[*source as usize + 1];
            self.pre_events(step, *source, row, 0, &mut |delay, target, w| ring.add(step, delay, target, w));
        }
    }

    fn dendritic_post(&mut self, step: i64, post: &History) {
        for d in 0..self.distinct.len() {
            let delay = self.distinct[d];
            let fired = step - i64::from(delay);
            if fired < 0 {
                continue;
            }
            let spikes = self.local(post.at(fired));
            for target in spikes {
                let local = *target - self.block.start as u32;
                let lag = if self.uniform { 0 } else { i64::from(delay) };
                self.post_events(step, local, self.back_segment(local, delay), lag);
            }
            if self.uniform {
                spikes.iter().for_each(|n| self.post_traces.push(*n as usize - self.block.start, step));
            }
        }
    }

    fn regulate(&mut self, step: i64) {
        let Some((rule, interval)) = self.regulation else { return };
        if (step + 1) % interval != 0 {
            return;
        }
        self.settle_all(step + 1);
        for target in 0..self.block.len() {
            let synapses = self.back_starts[target]..self.back_starts[target + 1];
            let factor = match rule {
                Homeostasis::Scaling { target_hz, eta, tau_ms, .. } => {
                    let seconds = interval as f64 * self.dt_ms * 1e-3;
                    let keep = (-seconds * 1e3 / tau_ms).exp();
                    let rate = self.rates[target].to_f64() * keep
                        + (1.0 - keep) * self.counts[target] as f64 / seconds;
                    self.rates[target] = R::of(rate);
                    self.counts[target] = 0;
                    R::of((1.0 + eta * (target_hz - rate) * seconds).max(0.0))
                }
                Homeostasis::Normalise { total, .. } => {
                    let weights =
                        self.back[synapses.clone()].iter().map(|s| self.weights[*s as usize].to_f64());
                    let sum: f64 = weights.sum();
                    if sum == 0.0 { R::ONE } else { R::of(total / sum) }
                }
            };
            for at in synapses {
                self.weights[self.back[at] as usize] *= factor;
            }
        }
    }
}

impl<R: Real, P: Plasticity<R>> PlasticProjection<R> for Projection<R, P> {
    fn placement(&self) -> DelayPlacement {
        if self.dendritic { DelayPlacement::Dendritic } else { DelayPlacement::Axonal }
    }

    fn exchanged(&mut self, step: i64, pre: &History, post: &History, ring: Option<&mut Ring<R>>) {
        if self.regulation.is_some() {
            for n in self.local(post.at(step)) {
                self.counts[*n as usize - self.block.start] += 1;
            }
        }
        if let (true, Some(ring)) = (self.dendritic, ring) {
            if !self.uniform {
                let spikes = self.local(post.at(step));
                spikes.iter().for_each(|n| self.post_traces.push(*n as usize - self.block.start, step));
            }
            if self.rule.post_first() {
                self.dendritic_post(step, post);
                self.dendritic_pre(step, pre, ring);
                pre.at(step).iter().for_each(|n| self.pre_traces.push(*n as usize, step));
            } else {
                self.dendritic_pre(step, pre, ring);
                pre.at(step).iter().for_each(|n| self.pre_traces.push(*n as usize, step));
                self.dendritic_post(step, post);
            }
        } else if !self.uniform {
            pre.at(step).iter().for_each(|n| self.pre_traces.push(*n as usize, step));
        }
        self.regulate(step);
    }

    fn arrive(&mut self, step: i64, pre: &History, mut port: PortState<'_, R>) {
        let mut send = |_: u16, target: u32, w: R| port.add(target as usize, w);
        for d in 0..self.distinct.len() {
            let delay = self.distinct[d];
            let fired = step - i64::from(delay);
            if fired < 0 {
                continue;
            }
            for source in pre.at(fired) {
                let lag = if self.uniform { 0 } else { i64::from(delay) };
                self.pre_events(step, *source, self.row_segment(*source, delay), lag, &mut send);
            }
            if self.uniform {
                pre.at(fired).iter().for_each(|n| self.pre_traces.push(*n as usize, step));
            }
        }
    }

    fn fired(&mut self, step: i64, neurons: &[u32]) {
        for target in neurons {
            let all = self.back_starts[*target as usize]..self.back_starts[*target as usize + 1];
            self.post_events(step, *target, all, 0);
        }
        neurons.iter().for_each(|n| self.post_traces.push(*n as usize, step));
    }

    fn reward(&mut self, step: i64, amount: f64) -> Result<()> {
        if self.rule.modulator_tau_ms().is_none() {
            return Err(Error::Unsupported {
                what: "a reward".to_owned(),
                why: format!("the rule of the projection has no global signal: {:?}", self.rule),
            });
        }
        self.settle_all(step);
        self.modulator = [self.modulator_at(step) + amount, step as f64];
        Ok(())
    }

    fn homeostasis(&mut self, rule: Homeostasis, interval: i64) {
        self.regulation = Some((rule, interval));
    }

    fn read(&self, step: i64, variable: Option<usize>, table: &mut [SynapseTable]) -> Result<()> {
        if let Some(v) = variable
            && v >= self.width
        {
            return Err(Error::parameter("synapse variable", v as f64, format!("below {}", self.width)));
        }
        // On copies: reading must not change what follows, not even its rounding.
        let modulator = self.modulator_at(step);
        let mut own = Vec::with_capacity(self.width);
        for (source, row) in self.starts.windows(2).enumerate() {
            for s in row[0]..row[1] {
                let mut weight = self.weights[s];
                own.clear();
                own.extend_from_slice(&self.variables[s * self.width..(s + 1) * self.width]);
                if let Some(last) = self.last.get(s) {
                    self.rule.settle(&mut weight, &mut own, (step - last) as f64 * self.dt_ms, modulator);
                }
                let value = variable.map_or(weight, |v| own[v]);
                let table = &mut table[source];
                table.source.push(source as u32);
                table.target.push(self.post[s] + self.block.start as u32);
                table.delay_steps.push(self.delay[s]);
                table.weight.push(value.to_f64());
            }
        }
        Ok(())
    }

    fn assign(&mut self, f: &mut dyn FnMut(u32, u32, u16, R) -> R) {
        for s in 0..self.post.len() {
            let target = self.post[s] + self.block.start as u32;
            self.weights[s] = f(self.source_of[s], target, self.delay[s], self.weights[s]);
            let variables = &mut self.variables[s * self.width..(s + 1) * self.width];
            self.rule.initial(self.weights[s], variables);
        }
    }

    fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    fn visit(&mut self, visitor: &mut dyn StateVisitor<R>) -> Result<()> {
        visitor.reals(&mut self.weights)?;
        visitor.reals(&mut self.variables)?;
        visitor.integers(&mut self.last)?;
        for traces in [&mut self.pre_traces, &mut self.post_traces] {
            let (steps, newest, values) = traces.state();
            visitor.integers(steps)?;
            visitor.integers(newest)?;
            visitor.reals(values)?;
        }
        let mut signal = self.modulator.map(|x| x.to_bits() as i64);
        visitor.integers(&mut signal)?;
        self.modulator = signal.map(|x| f64::from_bits(x as u64));
        visitor.reals(&mut self.rates)?;
        visitor.integers(&mut self.counts)?;
        let mut frozen = [i64::from(self.frozen)];
        visitor.integers(&mut frozen)?;
        self.frozen = frozen[0] != 0;
        Ok(())
    }
}
