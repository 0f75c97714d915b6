//! Spike trains and their file.

use std::path::Path;

use ndarray::ArrayView1;

use crate::arrays::{ArrayFile, Npz};
use crate::{Error, Result};

/// Which end of its step a spike is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamp {
    /// `(step + 1) dt`, NEST's convention.
    #[default]
    Nest,
    /// `step dt`, Brian's convention.
    Brian,
}

/// Spikes of named populations, in the order in which they were fired.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpikeTrains {
    steps: Vec<i64>,
    times_ms: Vec<f64>,
    neurons: Vec<u32>,
    population: Vec<u16>,
    population_names: Vec<String>,
}

impl SpikeTrains {
    /// No spikes yet, of these populations.
    #[must_use]
    pub fn new(population_names: Vec<String>) -> Self {
        Self { population_names, ..Self::default() }
    }

    /// Adds the spike of a neuron (its global index) at an integration step.
    ///
    /// # Errors
    /// [`Error::Value`] for an unknown population, a step before 0, or a `dt_ms` that is not finite and positive.
    pub fn push(&mut self, step: i64, dt_ms: f64, stamp: Stamp, neuron: u32, population: u16) -> Result<()> {
        if !(dt_ms.is_finite() && dt_ms > 0.0) {
            return Err(Error::value("dt in ms", dt_ms, "finite and positive"));
        }
        if step < 0 {
            return Err(Error::value("step", step, "0 or later"));
        }
        if usize::from(population) >= self.population_names.len() {
            let expected = format!("below {}", self.population_names.len());
            return Err(Error::value("population", population, expected));
        }
        let shift = i64::from(stamp == Stamp::Nest);
        self.steps.push(step);
        self.times_ms.push((step + shift) as f64 * dt_ms);
        self.neurons.push(neuron);
        self.population.push(population);
        Ok(())
    }

    /// Number of spikes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no spike.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Times in milliseconds.
    #[must_use]
    pub fn times_ms(&self) -> &[f64] {
        &self.times_ms
    }

    /// Integration steps.
    #[must_use]
    pub fn steps(&self) -> &[i64] {
        &self.steps
    }

    /// Global neuron indices.
    #[must_use]
    pub fn neurons(&self) -> &[u32] {
        &self.neurons
    }

    /// Population indices into [`SpikeTrains::population_names`].
    #[must_use]
    pub fn population(&self) -> &[u16] {
        &self.population
    }

    /// Names of the populations.
    #[must_use]
    pub fn population_names(&self) -> &[String] {
        &self.population_names
    }

    /// Writes an npz of `times_ms`, `steps`, `neurons`, `population` and `population_names`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        Npz::new()
            .f64("times_ms", ArrayView1::from(&self.times_ms).into_dyn())
            .i64("steps", ArrayView1::from(&self.steps).into_dyn())
            .u32("neurons", ArrayView1::from(&self.neurons).into_dyn())
            .u16("population", ArrayView1::from(&self.population).into_dyn())
            .text("population_names", &self.population_names)
            .write(path)
    }

    /// Reads what [`SpikeTrains::write`] wrote.
    ///
    /// # Errors
    /// Those of [`ArrayFile`]; [`Error::Format`] for arrays of unequal length, numbers out of range or times that are
    /// not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path)?;
        let narrow = |key: &str| format!("{key}: a value does not fit its type");
        let neurons = file
            .read_i64_1("neurons")?
            .iter()
            .map(|x| u32::try_from(*x))
            .collect::<std::result::Result<Vec<_>, _>>();
        let population = file
            .read_i64_1("population")?
            .iter()
            .map(|x| u16::try_from(*x))
            .collect::<std::result::Result<Vec<_>, _>>();
        let spikes = Self {
            steps: file.read_i64_1("steps")?.to_vec(),
            times_ms: file.read_f64_1("times_ms")?.to_vec(),
            neurons: neurons.map_err(|_| Error::format(path, narrow("neurons")))?,
            population: population.map_err(|_| Error::format(path, narrow("population")))?,
            population_names: file.read_text("population_names")?,
        };
        let n = spikes.len();
        if [spikes.times_ms.len(), spikes.neurons.len(), spikes.population.len()].iter().any(|m| *m != n) {
            return Err(Error::format(path, "times_ms, steps, neurons and population differ in length"));
        }
        if spikes.times_ms.iter().any(|t| !t.is_finite()) {
            return Err(Error::format(path, "times_ms: a time is not finite"));
        }
        if spikes.population.iter().any(|p| usize::from(*p) >= spikes.population_names.len()) {
            return Err(Error::format(path, "population: an index without a name"));
        }
        Ok(spikes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_follow_their_simulators_and_files_round_trip() {
        let mut spikes = SpikeTrains::new(vec!["E".into(), "I".into()]);
        spikes.push(9, 0.1, Stamp::Nest, 3, 0).unwrap();
        spikes.push(9, 0.1, Stamp::Brian, 70_000, 1).unwrap();
        assert_eq!(spikes.times_ms(), [1.0, 0.9]);
        assert!(spikes.push(1, 0.1, Stamp::Nest, 0, 2).is_err());
        assert!(spikes.push(1, 0.0, Stamp::Nest, 0, 0).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spikes.npz");
        spikes.write(&path).unwrap();
        assert_eq!(SpikeTrains::read(&path).unwrap(), spikes);
    }
}
