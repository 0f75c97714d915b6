//! The spike trains of a population in one window of time.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;
use recordings::SpikeTrains;

use crate::{Error, Result};

/// Trains of times in milliseconds, each in ascending order, all inside `[start_ms, stop_ms]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trains {
    times_ms: Vec<Vec<f64>>,
    ids: Vec<u32>,
    population: Vec<u16>,
    population_names: Vec<String>,
    start_ms: f64,
    stop_ms: f64,
}

impl Trains {
    /// Trains of one population without a name; neurons are numbered from 0.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the window is finite and not empty, [`Error::SpikeTime`] for a time that is not finite,
    /// precedes the one before it or lies outside the window, [`Error::Shape`] for more neurons than `u32` counts.
    pub fn new(times_ms: Vec<Vec<f64>>, start_ms: f64, stop_ms: f64) -> Result<Self> {
        window(start_ms, stop_ms)?;
        let neurons = u32::try_from(times_ms.len())
            .map_err(|_| Error::shape("trains", "fewer than 2^32", times_ms.len()))?;
        for (i, times) in times_ms.iter().enumerate() {
            inside(|| format!("train {i}"), times, start_ms, stop_ms)?;
        }
        let population = vec![0; times_ms.len()];
        let population_names = vec![String::new()];
        Ok(Self { times_ms, ids: (0..neurons).collect(), population, population_names, start_ms, stop_ms })
    }

    /// The trains of a recording between two times; spikes outside are left out. `ids` are the global indices to take, in
    /// this order, with an empty train where one never fired; left out, they are those that fired inside the window, in
    /// ascending order (a recording does not know of neurons that never fire).
    ///
    /// # Errors
    /// Those of [`Trains::new`]; [`Error::Shape`] for a neuron in two populations.
    pub fn from_recording(
        spikes: &SpikeTrains,
        ids: Option<&[u32]>,
        start_ms: f64,
        stop_ms: f64,
    ) -> Result<Self> {
        window(start_ms, stop_ms)?;
        let mut found: BTreeMap<u32, (u16, Vec<f64>)> = BTreeMap::new();
        let places = spikes.neurons().iter().zip(spikes.population()).zip(spikes.times_ms());
        for ((neuron, population), time) in places {
            // Not-a-number is kept, to be refused below.
            if *time < start_ms || *time > stop_ms {
                continue;
            }
            let entry = found.entry(*neuron).or_insert_with(|| (*population, Vec::new()));
            if entry.0 != *population {
                let two = format!("populations {} and {population}", entry.0);
                return Err(Error::shape(format!("neuron {neuron}"), "one population", two));
            }
            entry.1.push(*time);
        }
        for (neuron, (_, times)) in &found {
            inside(|| format!("neuron {neuron}"), times, start_ms, stop_ms)?;
        }
        let ids = ids.map_or_else(|| found.keys().copied().collect(), <[u32]>::to_vec);
        let taken = ids.iter().map(|id| found.get(id).cloned().unwrap_or_default());
        let (population, times_ms) = taken.unzip();
        let population_names = spikes.population_names().to_vec();
        Ok(Self { times_ms, ids, population, population_names, start_ms, stop_ms })
    }

    /// The trains of a spikes file, as [`Trains::from_recording`] takes them.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read, and those of [`Trains::from_recording`].
    pub fn read(path: &Path, ids: Option<&[u32]>, start_ms: f64, stop_ms: f64) -> Result<Self> {
        let spikes = SpikeTrains::read(path).map_err(|e| Error::file(path, e))?;
        Self::from_recording(&spikes, ids, start_ms, stop_ms)
    }

    /// Number of trains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times_ms.len()
    }

    /// Whether there is no train at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times_ms.is_empty()
    }

    /// Number of spikes of all trains.
    #[must_use]
    pub fn spikes(&self) -> usize {
        self.times_ms.iter().map(Vec::len).sum()
    }

    /// The times of one train.
    ///
    /// # Panics
    /// Where slices do: for an index that is not below [`Trains::len`].
    #[must_use]
    pub fn times_ms(&self, train: usize) -> &[f64] {
        &self.times_ms[train]
    }

    /// All trains, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.times_ms.iter().map(Vec::as_slice)
    }

    /// The global index of each train's neuron.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The population of each train (0 for a neuron that never fired), an index into [`Trains::population_names`].
    #[must_use]
    pub fn population(&self) -> &[u16] {
        &self.population
    }

    /// Names of the populations.
    #[must_use]
    pub fn population_names(&self) -> &[String] {
        &self.population_names
    }

    /// Begin of the window in milliseconds.
    #[must_use]
    pub fn start_ms(&self) -> f64 {
        self.start_ms
    }

    /// End of the window in milliseconds.
    #[must_use]
    pub fn stop_ms(&self) -> f64 {
        self.stop_ms
    }

    /// Length of the window in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> f64 {
        self.stop_ms - self.start_ms
    }

    /// A symmetric measure of every pair of trains, `[trains, trains]`, computed in parallel; the diagonal compares each
    /// train with itself.
    ///
    /// # Errors
    /// The first error that `measure` gives, in the order of the pairs.
    pub fn pairwise(&self, measure: impl Fn(&[f64], &[f64]) -> Result<f64> + Sync) -> Result<Array2<f64>> {
        let n = self.len();
        let rows = (0..n)
            .into_par_iter()
            .map(|i| {
                (i..n).map(|j| measure(&self.times_ms[i], &self.times_ms[j])).collect::<Result<Vec<f64>>>()
            })
            .collect::<Vec<_>>();
        let mut matrix = Array2::zeros((n, n));
        for (i, row) in rows.into_iter().enumerate() {
            for (k, value) in row?.into_iter().enumerate() {
                matrix[[i, i + k]] = value;
                matrix[[i + k, i]] = value;
            }
        }
        Ok(matrix)
    }
}

/// Refuses a window that is empty or not finite.
pub(super) fn window(start_ms: f64, stop_ms: f64) -> Result<()> {
    if !start_ms.is_finite() {
        return Err(Error::parameter("start of the window in ms", start_ms, "a finite number"));
    }
    if !(stop_ms.is_finite() && stop_ms > start_ms) {
        let expected = format!("finite and later than the start, {start_ms}");
        return Err(Error::parameter("end of the window in ms", stop_ms, expected));
    }
    Ok(())
}

/// Refuses times that are not finite or not in ascending order.
pub(super) fn sorted(train: impl Fn() -> String, times_ms: &[f64]) -> Result<()> {
    let fault =
        |index: usize, why| Err(Error::SpikeTime { train: train(), index, time_ms: times_ms[index], why });
    if let Some(index) = times_ms.iter().position(|t| !t.is_finite()) {
        return fault(index, "is not finite");
    }
    match times_ms.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(index) => fault(index + 1, "comes before the spike that precedes it in the train"),
        None => Ok(()),
    }
}

/// [`sorted`], and inside a window.
pub(super) fn inside(
    train: impl Fn() -> String,
    times_ms: &[f64],
    start_ms: f64,
    stop_ms: f64,
) -> Result<()> {
    sorted(&train, times_ms)?;
    let outside = |t: &f64| *t < start_ms || *t > stop_ms;
    match times_ms.iter().position(outside) {
        Some(index) => Err(Error::SpikeTime {
            train: train(),
            index,
            time_ms: times_ms[index],
            why: "lies outside the window",
        }),
        None => Ok(()),
    }
}

/// [`sorted`] of a pair.
pub(super) fn both_sorted(a: &[f64], b: &[f64]) -> Result<()> {
    sorted(|| "first train".to_owned(), a)?;
    sorted(|| "second train".to_owned(), b)
}

/// [`inside`] of a pair, and of the window itself.
pub(super) fn both_inside(a: &[f64], b: &[f64], start_ms: f64, stop_ms: f64) -> Result<()> {
    window(start_ms, stop_ms)?;
    inside(|| "first train".to_owned(), a, start_ms, stop_ms)?;
    inside(|| "second train".to_owned(), b, start_ms, stop_ms)
}
