//! Running a network, and saving and restoring its state.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use sha2::Digest;

use super::lane::Lane;
use super::network::Network;
use super::real::Real;
use super::state::{Header, Reader, Writer};
use super::synapses::{History, Ring};
use super::threads::{self, Notes};
use crate::{Error, Result};

/// Most steps between two exchanges of spikes.
const LONGEST_INTERVAL: i64 = 64;

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Steps taken.
    pub steps: i64,
    /// Time simulated.
    pub simulated_ms: f64,
    /// Spikes of all populations.
    pub spikes: u64,
    /// Synapses that spikes passed, of projections without plasticity.
    pub synaptic_events: u64,
    /// Wall time.
    pub wall_seconds: f64,
}

impl Report {
    /// Wall time by simulated time: below 1 is faster than real time.
    #[must_use]
    pub fn real_time_factor(&self) -> f64 {
        self.wall_seconds * 1e3 / self.simulated_ms
    }
}

impl<R: Real> Network<R> {
    /// Runs for a duration, rounded to steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a duration that is negative or not finite, and for an astrocyte whose gain is not.
    pub fn run(&mut self, duration_ms: f64) -> Result<Report> {
        let steps = self.config.steps("duration_ms", duration_ms)?;
        self.run_steps(steps)
    }

    /// As [`Network::run`], calling `progress` with the network after every `every_ms`; it stops the run by returning false.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Parameter`] for an interval below one step.
    pub fn run_with(
        &mut self,
        duration_ms: f64,
        every_ms: f64,
        mut progress: impl FnMut(&Self, &Report) -> bool,
    ) -> Result<Report> {
        let steps = self.config.steps("duration_ms", duration_ms)?;
        let every = self.interval_steps(every_ms)?;
        let mut total =
            Report { steps: 0, simulated_ms: 0.0, spikes: 0, synaptic_events: 0, wall_seconds: 0.0 };
        while total.steps < steps {
            let part = self.run_steps(every.min(steps - total.steps))?;
            total.steps += part.steps;
            total.simulated_ms = total.steps as f64 * self.config.dt_ms;
            total.spikes += part.spikes;
            total.synaptic_events += part.synaptic_events;
            total.wall_seconds += part.wall_seconds;
            if !progress(self, &total) {
                break;
            }
        }
        Ok(total)
    }

    /// Runs for a number of steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a negative number, and for an astrocyte whose gain is not finite.
    pub fn run_steps(&mut self, steps: i64) -> Result<Report> {
        if steps < 0 {
            return Err(Error::parameter("steps", steps as f64, "0 or more"));
        }
        self.prepare();
        let began = Instant::now();
        let before: u64 = self.counts.iter().sum();
        let events = |lanes: &[Lane<R>]| lanes.iter().map(|l| l.events).sum::<u64>();
        let events_before = events(&self.lanes);
        let taps = self.lanes.iter_mut().flat_map(|l| &mut l.groups).flat_map(|g| &mut g.taps);
        taps.for_each(|tap| tap.reserve(steps));
        let end = self.step + steps;
        while self.step < end {
            let next = self.next_weight_sample(end);
            let notes = Notes {
                log: &mut self.log,
                logged: &self.logged,
                rates: &mut self.rates,
                counts: &mut self.counts,
            };
            threads::run(&mut self.lanes, self.step, next, self.interval, notes)?;
            self.step = next;
            self.sample_weights()?;
        }
        Ok(Report {
            steps,
            simulated_ms: steps as f64 * self.config.dt_ms,
            spikes: self.counts.iter().sum::<u64>() - before,
            synaptic_events: events(&self.lanes) - events_before,
            wall_seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// The state of the simulation, without what was recorded.
    ///
    /// # Errors
    /// None today; the signature leaves room for models that cannot be saved.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        self.prepare();
        let mut writer = Writer::new(&self.header());
        let sizes = self.sizes();
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(self.step, &sizes, &mut writer))?;
        Ok(writer.finish())
    }

    /// Writes [`Network::save`] to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]; those of [`Network::save`].
    pub fn save_to(&mut self, path: &Path) -> Result<()> {
        let state = self.save()?;
        recordings::atomic::write(path, |file| file.write_all(&state)).map_err(|e| Error::file(path, e))
    }

    /// As [`Network::restore`], from a file.
    ///
    /// # Errors
    /// [`Error::File`]; those of [`Network::restore`].
    pub fn restore_from(&mut self, path: &Path) -> Result<()> {
        let state = std::fs::read(path).map_err(|e| Error::file(path, e))?;
        self.restore(&state)
    }

    /// Puts a saved state back, into a network built by the same calls with the same number of threads; what was recorded
    /// before stays. A state that is refused leaves the network as it was.
    ///
    /// # Errors
    /// [`Error::Shape`] for bytes that are damaged or truncated, and for the state of another network;
    /// [`Error::Unsupported`] for another number of threads.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.prepare();
        let (header, mut reader) = Reader::open(state)?;
        let own = self.header();
        if header.structure != own.structure {
            return Err(Error::shape("saved state", "one of this network", "one of another network"));
        }
        if header.threads != own.threads {
            return Err(Error::Unsupported {
                what: format!("a state of {} threads in a run of {}", header.threads, own.threads),
                why: "states are saved by thread".to_owned(),
            });
        }
        let sizes = self.sizes();
        let mut rehearsal = reader.rehearsal();
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(self.step, &sizes, &mut rehearsal))?;
        rehearsal.finish()?;
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(header.step, &sizes, &mut reader))?;
        self.step = header.step;
        Ok(())
    }

    /// Milliseconds between two exchanges of spikes among threads: the shortest delay, unless it is very long.
    #[must_use]
    pub fn exchange_interval_ms(&mut self) -> f64 {
        self.prepare();
        self.interval as f64 * self.config.dt_ms
    }

    fn header(&self) -> Header {
        Header {
            structure: self.structure.clone().finalize().into(),
            threads: self.lanes.len() as u64,
            step: self.step,
        }
    }

    fn sizes(&self) -> Vec<usize> {
        self.populations.iter().map(|p| p.size).collect()
    }

    /// Lays out the buffers that depend on the longest and the shortest delay.
    fn prepare(&mut self) {
        if self.prepared {
            return;
        }
        self.prepared = true;
        let connected = self.projections.iter().filter(|p| p.synapses > 0);
        let shortest = connected.map(|p| i64::from(p.shortest)).min().unwrap_or(LONGEST_INTERVAL);
        self.interval = shortest.clamp(1, LONGEST_INTERVAL);
        let longest = self.projections.iter().map(|p| usize::from(p.longest)).max().unwrap_or(0);
        for lane in &mut self.lanes {
            lane.histories.clear();
            lane.histories.extend(
                (0..self.populations.len()).map(|_| History::new(longest + self.interval as usize + 1)),
            );
            lane.outbox = vec![vec![Vec::new(); self.interval as usize]; self.populations.len()];
            for (entry, part) in self.projections.iter().zip(&lane.projections) {
                if !entry.rings {
                    continue;
                }
                let group = &mut lane.groups[part.post];
                let needed = self
                    .projections
                    .iter()
                    .zip(&lane.projections)
                    .filter(|(e, p)| e.rings && (p.post, p.port) == (part.post, part.port))
                    .map(|(e, _)| e.longest)
                    .max()
                    .unwrap_or(1);
                group.rings[part.port].get_or_insert_with(|| Ring::new(group.range.len(), needed));
            }
            for group in &mut lane.groups {
                let sparse = group.rings.iter().all(Option::is_none) && group.sources.is_empty();
                group.block.prepare(sparse);
            }
        }
    }
}
