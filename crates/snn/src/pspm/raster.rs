//! Spikes on a grid of steps.

use ndarray::ArrayView2;
use numerics::rng::{permutation, stream};
use rand::RngExt;
use recordings::{SpikeTrains, Stamp};

use crate::{Error, Result};

/// The steps at which each neuron fired: increasing, at most one spike a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    steps: usize,
    pub(super) trains: Vec<Vec<u32>>,
}

impl Raster {
    /// No spikes of `neurons` neurons over `steps` steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless there is a neuron and from 1 to 2^32 - 1 steps.
    pub fn silent(neurons: usize, steps: usize) -> Result<Self> {
        Self::from_trains(vec![Vec::new(); neurons], steps)
    }

    /// One train of steps a neuron.
    ///
    /// # Errors
    /// Those of [`Raster::silent`]; [`Error::Shape`] for steps that do not increase or are not below `steps`.
    pub fn from_trains(trains: Vec<Vec<u32>>, steps: usize) -> Result<Self> {
        if trains.is_empty() || trains.len() > u32::MAX as usize {
            return Err(Error::parameter("neurons", trains.len() as f64, "from 1 to 2^32 - 1"));
        }
        if steps == 0 || steps > u32::MAX as usize {
            return Err(Error::parameter("steps", steps as f64, "from 1 to 2^32 - 1"));
        }
        for (neuron, train) in trains.iter().enumerate() {
            let what = || format!("spike steps of neuron {neuron}");
            if let Some(pair) = train.windows(2).find(|pair| pair[0] >= pair[1]) {
                return Err(Error::shape(what(), "increasing", format!("{} then {}", pair[0], pair[1])));
            }
            if let Some(last) = train.last().filter(|last| **last as usize >= steps) {
                return Err(Error::shape(what(), format!("below {steps}"), last));
            }
        }
        Ok(Self { steps, trains })
    }

    /// `[neurons, steps]`, true where a neuron fires.
    ///
    /// # Errors
    /// Those of [`Raster::silent`].
    pub fn from_dense(fires: &ArrayView2<'_, bool>) -> Result<Self> {
        let row = |r: ndarray::ArrayView1<'_, bool>| {
            (0_u32..).zip(r).filter(|(_, fires)| **fires).map(|(t, _)| t).collect::<Vec<u32>>()
        };
        Self::from_trains(fires.rows().into_iter().map(row).collect(), fires.ncols())
    }

    /// The spikes of `ids` (global indices, in this order) in the window of `steps` steps that begins at `start_ms`. Step k
    /// covers `(start + k h, start + (k + 1) h]`, as NEST stamps spikes; one at the start itself is in step 0, and times
    /// within 1e-9 of a step above a border count as on it. Several spikes of a neuron in one step become one; how many were
    /// lost that way is the second value.
    ///
    /// # Errors
    /// Those of [`Trains::from_recording`](crate::analysis::Trains::from_recording) and [`Raster::silent`];
    /// [`Error::Parameter`] unless `step_ms` is finite and positive.
    pub fn from_recording(
        spikes: &SpikeTrains,
        ids: &[u32],
        start_ms: f64,
        steps: usize,
        step_ms: f64,
    ) -> Result<(Self, usize)> {
        if !(step_ms.is_finite() && step_ms > 0.0) {
            return Err(Error::parameter("step in ms", step_ms, "finite and positive"));
        }
        let stop_ms = start_ms + steps as f64 * step_ms;
        let trains = crate::analysis::Trains::from_recording(spikes, Some(ids), start_ms, stop_ms)?;
        let mut merged = 0;
        let binned = trains.iter().map(|times| {
            let step_of = |t: &f64| (((t - start_ms) / step_ms - 1e-9).ceil() - 1.0).max(0.0);
            let mut train: Vec<u32> =
                times.iter().map(step_of).filter(|k| *k < steps as f64).map(|k| k as u32).collect();
            let before = train.len();
            train.dedup();
            merged += before - train.len();
            train
        });
        let binned = binned.collect();
        Ok((Self::from_trains(binned, steps)?, merged))
    }

    /// The spikes in order of time, as one population with this name.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `step_ms` is finite and positive.
    pub fn to_recording(&self, name: &str, step_ms: f64) -> Result<SpikeTrains> {
        if !(step_ms.is_finite() && step_ms > 0.0) {
            return Err(Error::parameter("step in ms", step_ms, "finite and positive"));
        }
        let mut all: Vec<(u32, u32)> = Vec::with_capacity(self.spikes());
        for (neuron, train) in (0_u32..).zip(&self.trains) {
            all.extend(train.iter().map(|t| (*t, neuron)));
        }
        all.sort_unstable();
        let mut spikes = SpikeTrains::new(vec![name.to_owned()]);
        for (step, neuron) in all {
            spikes
                .push(i64::from(step), step_ms, Stamp::Nest, neuron, 0)
                .map_err(|e| Error::shape("spike", "one that can be recorded", e))?;
        }
        Ok(spikes)
    }

    /// Number of neurons.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.trains.len()
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The steps at which each neuron fired.
    #[must_use]
    pub fn trains(&self) -> &[Vec<u32>] {
        &self.trains
    }

    /// Number of spikes.
    #[must_use]
    pub fn spikes(&self) -> usize {
        self.trains.iter().map(Vec::len).sum()
    }

    /// Spikes of all neurons at each step.
    #[must_use]
    pub fn population(&self) -> Vec<u32> {
        let mut counts = vec![0; self.steps];
        self.trains.iter().flatten().for_each(|t| counts[*t as usize] += 1);
        counts
    }

    /// The intervals between successive spikes of the same neuron, in steps, neuron by neuron.
    #[must_use]
    pub fn intervals(&self) -> Vec<f64> {
        let of =
            |train: &Vec<u32>| train.windows(2).map(|pair| f64::from(pair[1] - pair[0])).collect::<Vec<_>>();
        self.trains.iter().flat_map(of).collect()
    }

    /// The steps `from..to`, numbered from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `from < to <= steps`.
    pub fn slice(&self, from: usize, to: usize) -> Result<Self> {
        if from >= to || to > self.steps {
            let expected = format!("a range that is not empty, up to {}", self.steps);
            return Err(Error::shape("steps", expected, format!("{from}..{to}")));
        }
        let cut = |train: &Vec<u32>| {
            let within = train.iter().filter(|t| (from..to).contains(&(**t as usize)));
            within.map(|t| t - from as u32).collect()
        };
        Ok(Self { steps: to - from, trains: self.trains.iter().map(cut).collect() })
    }

    /// A control: the intervals of each neuron in random order, from a random first spike. Counts and intervals stay, times
    /// go.
    #[must_use]
    pub fn intervals_shuffled(&self, seed: u64) -> Self {
        let shuffle = |(neuron, train): (usize, &Vec<u32>)| {
            let (Some(first), Some(last)) = (train.first(), train.last()) else { return Vec::new() };
            let mut rng = stream(seed, "13-pspm/shuffle", neuron as u64);
            let order = permutation(&mut rng, train.len() - 1);
            let latest = self.steps as u32 - 1 - (last - first);
            let mut at = rng.random_range(0..=latest);
            let mut shuffled = vec![at];
            for k in order {
                at += train[k + 1] - train[k];
                shuffled.push(at);
            }
            shuffled
        };
        Self { steps: self.steps, trains: self.trains.iter().enumerate().map(shuffle).collect() }
    }

    /// How many spikes follow another of the same neuron within its refractory time, and so cannot be fired.
    #[must_use]
    pub fn unreproducible(&self, refractory_steps: usize) -> usize {
        let close = |pair: &&[u32]| (pair[1] - pair[0]) as usize <= refractory_steps;
        self.trains.iter().map(|train| train.windows(2).filter(close).count()).sum()
    }
}
