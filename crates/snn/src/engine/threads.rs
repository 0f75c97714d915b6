//! How the threads of a run step together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use super::lane::{Lane, Outbox};
use super::real::Real;
use super::recorders::{RateTap, SpikeLog};
use crate::Result;

/// Turns of a waiting thread before it lets others run.
const SPINS: u32 = 4096;

/// What the first thread notes of the spikes of all.
pub(crate) struct Notes<'a> {
    pub(crate) log: &'a mut SpikeLog,
    pub(crate) logged: &'a [bool],
    pub(crate) rates: &'a mut [RateTap],
    pub(crate) counts: &'a mut [u64],
}

/// Runs all lanes over the steps `from..to`, exchanging spikes every `interval` steps.
pub(crate) fn run<R: Real>(
    lanes: &mut [Lane<R>],
    from: i64,
    to: i64,
    interval: i64,
    mut notes: Notes<'_>,
) -> Result<()> {
    if let [lane] = lanes {
        let mut step = from;
        while step < to {
            let next = to.min(step + interval);
            lane.advance(step, next);
            lane.absorb_own(step, next)?;
            notes.take(lane, step, next);
            step = next;
        }
        return Ok(());
    }
    let empty =
        || RwLock::new(lanes[0].outbox.iter().map(|steps| vec![Vec::new(); steps.len()]).collect::<Outbox>());
    let exchange = Exchange {
        boxes: (0..lanes.len()).map(|_| [empty(), empty()]).collect(),
        barrier: Barrier::new(lanes.len()),
    };
    let mut notes = Some(notes);
    std::thread::scope(|scope| {
        let exchange = &exchange;
        let threads: Vec<_> = lanes
            .iter_mut()
            .enumerate()
            .map(|(index, lane)| {
                let notes = notes.take();
                scope.spawn(move || exchange.drive(index, lane, from, to, interval, notes))
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        for result in results {
            match result {
                Ok(result) => result?,
                // A model of a user panicked: so does the run.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })
}

impl Notes<'_> {
    fn take<R: Real>(&mut self, lane: &Lane<R>, from: i64, to: i64) {
        for step in from..to {
            for (population, history) in lane.histories.iter().enumerate() {
                let spikes = history.at(step);
                self.counts[population] += spikes.len() as u64;
                if self.logged[population] && !spikes.is_empty() {
                    self.log.extend(step, population as u16, spikes);
                }
            }
            for tap in self.rates.iter_mut() {
                tap.add(step, lane.histories[tap.population].at(step).len());
            }
        }
    }
}

/// Spikes of all threads, in two sets used in turn: a thread fills one while a slower one still reads the other.
struct Exchange {
    boxes: Vec<[RwLock<Outbox>; 2]>,
    barrier: Barrier,
}

impl Exchange {
    fn drive<R: Real>(
        &self,
        index: usize,
        lane: &mut Lane<R>,
        from: i64,
        to: i64,
        interval: i64,
        mut notes: Option<Notes<'_>>,
    ) -> Result<()> {
        let _alarm = Alarm(&self.barrier);
        let mut guards = Vec::with_capacity(self.boxes.len());
        let mut outcome = Ok(());
        let (mut step, mut turn) = (from, 0);
        while step < to {
            let next = to.min(step + interval);
            lane.advance(step, next);
            {
                let mut own = self.boxes[index][turn].write().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut *own, &mut lane.outbox);
            }
            if !self.barrier.wait() {
                break;
            }
            guards.extend(self.boxes.iter().map(|b| b[turn].read().unwrap_or_else(PoisonError::into_inner)));
            let result = lane.absorb(step, next, |thread| guards.get(thread).map(|g| &**g));
            guards.clear();
            // The others wait at the barrier: go on, and report at the end.
            outcome = outcome.and(result);
            if let Some(notes) = &mut notes {
                notes.take(lane, step, next);
            }
            (step, turn) = (next, 1 - turn);
        }
        outcome
    }
}

/// A barrier that spins: a step is shorter than putting a thread to sleep.
struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

impl Barrier {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Waits for all threads; false when one of them has panicked.
    fn wait(&self) -> bool {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Release);
            self.round.fetch_add(1, Ordering::Release);
        } else {
            let mut turns = 0;
            while self.round.load(Ordering::Acquire) == round {
                if self.broken.load(Ordering::Acquire) {
                    return false;
                }
                turns += 1;
                if turns < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
        !self.broken.load(Ordering::Acquire)
    }
}

/// Breaks the barrier when its thread panics.
struct Alarm<'a>(&'a Barrier);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}
