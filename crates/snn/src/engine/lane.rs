//! The part of a network that one thread owns: a block of each population and the synapses that end there.

use std::ops::Range;

use super::astrocyte::Compartments;
use super::model::{Arrival, NeuronBlock, Tick};
use super::plasticity::{DelayPlacement, PlasticProjection, ShortTermState};
use super::real::Real;
use super::recorders::Tap;
use super::state::StateVisitor;
use super::stimuli::Source;
use super::synapses::{History, Ring, Rows, Shared};
use crate::Result;

/// A block of a population with what acts on it.
pub(crate) struct Group<R> {
    pub(crate) block: Box<dyn NeuronBlock<R>>,
    pub(crate) range: Range<usize>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) rings: Vec<Option<Ring<R>>>,
    pub(crate) incoming: Vec<usize>,
    pub(crate) sources: Vec<Source<R>>,
    // Padded; empty without a current.
    pub(crate) current: Vec<R>,
    // Empty without a lesion.
    pub(crate) silenced: Vec<bool>,
    pub(crate) taps: Vec<Tap<R>>,
    pub(crate) fired: Vec<u32>,
}

/// A projection's synapses on the targets of a thread.
pub(crate) struct Projection<R> {
    pub(crate) pre: usize,
    pub(crate) post: usize,
    pub(crate) port: usize,
    pub(crate) kind: Kind<R>,
}

/// How spikes of a projection travel.
pub(crate) enum Kind<R> {
    /// One delay for all, weights fixed: rows are walked when the spike arrives, straight into the state.
    Direct { rows: Rows<R>, delay: u16 },
    /// Rows are walked when the spike is known, into the ring of the port.
    Ring { rows: Rows<R>, short_term: Option<Box<ShortTermState<R>>>, glia: Option<Box<Compartments<R>>> },
    /// Weights change.
    Plastic(Box<dyn PlasticProjection<R>>),
}

/// Spikes of a block in the steps of an interval: `[population][step of the interval]`, neurons of the population.
pub(crate) type Outbox = Vec<Vec<Vec<u32>>>;

/// What one thread owns.
pub(crate) struct Lane<R> {
    pub(crate) groups: Vec<Group<R>>,
    pub(crate) projections: Vec<Projection<R>>,
    pub(crate) histories: Vec<History>,
    pub(crate) outbox: Outbox,
    // Synaptic events since the start.
    pub(crate) events: u64,
}

impl<R: Real> Lane<R> {
    /// Advances the block of each population over the steps `from..to`, which is at most the shortest delay.
    pub(crate) fn advance(&mut self, from: i64, to: i64) {
        let Self { groups, projections, histories, outbox, events } = self;
        for (g, group) in groups.iter_mut().enumerate() {
            for step in from..to {
                group.step(step, projections, histories, events);
                let out = &mut outbox[g][(step - from) as usize];
                out.clear();
                out.extend(group.fired.iter().map(|n| n + group.range.start as u32));
            }
        }
    }

    /// Takes in the spikes that all threads fired in `from..to`, in the order of the threads.
    pub(crate) fn absorb<'a>(
        &mut self,
        from: i64,
        to: i64,
        outboxes: impl Fn(usize) -> Option<&'a Outbox>,
    ) -> Result<()> {
        for step in from..to {
            let offset = (step - from) as usize;
            for (population, history) in self.histories.iter_mut().enumerate() {
                let list = history.list(step);
                list.clear();
                let mut thread = 0;
                while let Some(outbox) = outboxes(thread) {
                    list.extend_from_slice(&outbox[population][offset]);
                    thread += 1;
                }
            }
        }
        (from..to).try_for_each(|step| self.exchanged(step))
    }

    /// As [`Lane::absorb`], of the lane's own spikes alone.
    pub(crate) fn absorb_own(&mut self, from: i64, to: i64) -> Result<()> {
        for step in from..to {
            let offset = (step - from) as usize;
            for (history, outbox) in self.histories.iter_mut().zip(&mut self.outbox) {
                std::mem::swap(history.list(step), &mut outbox[offset]);
            }
        }
        (from..to).try_for_each(|step| self.exchanged(step))
    }

    /// Sends off what travels through rings, and runs plasticity of dendritic delays.
    fn exchanged(&mut self, step: i64) -> Result<()> {
        for projection in &mut self.projections {
            let (pre, post) = (&self.histories[projection.pre], &self.histories[projection.post]);
            match &mut projection.kind {
                Kind::Direct { rows, delay: 0 } => {
                    let spikes = pre.at(step);
                    if !spikes.is_empty() {
                        let group = &mut self.groups[projection.post];
                        self.events += rows.deliver(spikes, group.block.port(projection.port));
                    }
                }
                Kind::Direct { .. } => {}
                Kind::Ring { rows, short_term, glia } => {
                    let Some(ring) = &mut self.groups[projection.post].rings[projection.port] else {
                        continue;
                    };
                    for source in pre.at(step) {
                        self.events += rows.row(*source).len() as u64;
                        let gain = short_term.as_mut().map(|s| s.release(*source as usize, step));
                        match glia {
                            None => ring.add_row(rows, *source, step, gain),
                            Some(glia) => {
                                for i in rows.row(*source) {
                                    let (delay, target) = rows.place(i);
                                    let w = rows.weights.at(i) * gain.unwrap_or(R::ONE);
                                    ring.add(step, delay, target, w * glia.event(target as usize));
                                }
                            }
                        }
                    }
                    if let Some(glia) = glia {
                        glia.step(step)?;
                    }
                }
                Kind::Plastic(plastic) => {
                    let ring = self.groups[projection.post].rings[projection.port].as_mut();
                    plastic.exchanged(step, pre, post, ring);
                }
            }
        }
        Ok(())
    }

    /// Every array that holds state at step `step`, in a fixed order.
    pub(crate) fn visit(
        &mut self,
        step: i64,
        sizes: &[usize],
        visitor: &mut dyn StateVisitor<R>,
    ) -> Result<()> {
        for (history, size) in self.histories.iter_mut().zip(sizes) {
            history.lists().iter_mut().try_for_each(|list| visitor.list(list, *size))?;
        }
        for group in &mut self.groups {
            for array in group.block.arrays() {
                visitor.reals(array)?;
            }
            if let Some(refractory) = group.block.refractory() {
                visitor.integers(refractory.until_mut())?;
                refractory.rebuild(step);
            }
            group.block.restored(step);
            for ring in group.rings.iter_mut().flatten() {
                visitor.reals(&mut ring.cells)?;
                let mut busy = [ring.busy_until];
                visitor.integers(&mut busy)?;
                ring.busy_until = busy[0];
            }
            for source in &mut group.sources {
                if let Some((state, started)) = source.state() {
                    visitor.reals(state)?;
                    let mut flag = [i64::from(*started)];
                    visitor.integers(&mut flag)?;
                    *started = flag[0] != 0;
                }
            }
        }
        for projection in &mut self.projections {
            match &mut projection.kind {
                Kind::Direct { rows, .. } => weights(rows, visitor)?,
                Kind::Ring { rows, short_term, glia } => {
                    weights(rows, visitor)?;
                    if let Some(short_term) = short_term {
                        let (u, x, last) = short_term.state();
                        visitor.reals(u)?;
                        visitor.reals(x)?;
                        visitor.integers(last)?;
                    }
                    if let Some(glia) = glia {
                        glia.visit(visitor)?;
                    }
                }
                Kind::Plastic(plastic) => plastic.visit(visitor)?,
            }
        }
        Ok(())
    }
}

/// Weights that were set after the network was built are state; those of one value are structure.
fn weights<R: Real>(rows: &mut Rows<R>, visitor: &mut dyn StateVisitor<R>) -> Result<()> {
    match &mut rows.weights {
        Shared::Same(_) => Ok(()),
        Shared::Each(all) => visitor.reals(all),
    }
}

impl<R: Real> Group<R> {
    /// One step of the block: arrivals, update, arrivals, in the order of its ports.
    fn step(
        &mut self,
        step: i64,
        projections: &mut [Projection<R>],
        histories: &[History],
        events: &mut u64,
    ) {
        let driven = !self.current.is_empty();
        if driven {
            self.current.fill(R::ZERO);
            let len = self.range.len();
            self.sources.iter_mut().for_each(|s| s.add_current(step, &mut self.current[..len]));
        }
        self.deliver(Arrival::BeforeUpdate, step, projections, histories, events);
        self.fired.clear();
        let current = driven.then_some(self.current.as_slice());
        self.block.update(Tick { step, current, fired: &mut self.fired });
        if !self.silenced.is_empty() {
            let silenced = &self.silenced;
            self.fired.retain(|n| !silenced[*n as usize]);
        }
        self.deliver(Arrival::AfterUpdate, step, projections, histories, events);
        for p in &self.incoming {
            if let Kind::Plastic(plastic) = &mut projections[*p].kind
                && plastic.placement() == DelayPlacement::Axonal
            {
                plastic.fired(step, &self.fired);
            }
        }
        for tap in &mut self.taps {
            tap.sample(step, self.block.as_ref());
        }
    }

    /// Adds the arrivals of a step at the ports of one phase.
    fn deliver(
        &mut self,
        phase: Arrival,
        step: i64,
        projections: &mut [Projection<R>],
        histories: &[History],
        events: &mut u64,
    ) {
        for p in &self.incoming {
            let projection = &mut projections[*p];
            if self.arrivals[projection.port] != phase {
                continue;
            }
            let pre = &histories[projection.pre];
            match &mut projection.kind {
                // Taken when the spikes of the step are exchanged.
                Kind::Direct { delay: 0, .. } => {}
                Kind::Direct { rows, delay } => {
                    let spikes = pre.at(step - i64::from(*delay));
                    if !spikes.is_empty() {
                        *events += rows.deliver(spikes, self.block.port(projection.port));
                    }
                }
                Kind::Ring { .. } => {}
                Kind::Plastic(plastic) => {
                    if plastic.placement() == DelayPlacement::Axonal {
                        plastic.arrive(step, pre, self.block.port(projection.port));
                    }
                }
            }
        }
        for (port, ring) in self.rings.iter_mut().enumerate() {
            if let (Some(ring), true) = (ring, self.arrivals[port] == phase) {
                ring.drain(step, self.block.port(port));
            }
        }
        for source in &mut self.sources {
            if let Some(port) = source.arrives(phase, &self.arrivals) {
                source.add_spikes(step, self.block.port(port));
            }
        }
    }
}
