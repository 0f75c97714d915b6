//! Which units of an embedding are restless.

use std::collections::VecDeque;

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::finite::finite;
use crate::keys::{ascending_f64, least};
use crate::{Error, Result};

/// How sensitive units are found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SensitivityConfig {
    /// Checkpoints that are looked back on, C (3).
    pub window: usize,
    /// The share of the units that is sensitive (0.2; the paper takes 0.3 for Llama 8B), rounded down, at least one.
    pub fraction: f64,
}

impl Default for SensitivityConfig {
    fn default() -> Self {
        Self { window: 3, fraction: 0.2 }
    }
}

impl SensitivityConfig {
    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a window of fewer than two checkpoints, whose variance is always zero, and unless the
    /// fraction is between 0 and 1.
    pub fn validate(&self) -> Result<()> {
        if self.window < 2 {
            let value = self.window as f64;
            return Err(Error::Parameter { name: "window", value, expected: "at least 2 checkpoints" });
        }
        if !(self.fraction > 0.0 && self.fraction < 1.0) {
            let value = self.fraction;
            return Err(Error::Parameter { name: "fraction", value, expected: "above 0 and below 1" });
        }
        Ok(())
    }

    /// How many units of so many are sensitive.
    #[must_use]
    pub fn count(&self, units: usize) -> usize {
        // 0.29 * 100 falls short of 29 by rounding.
        ((self.fraction * units as f64 + 1e-9) as usize).max(1)
    }
}

/// Follows mean embeddings from checkpoint to checkpoint; it holds the last C + 1.
#[derive(Debug, Clone, PartialEq)]
pub struct SensitivityTracker {
    config: SensitivityConfig,
    held: VecDeque<Array1<f64>>,
    pushed: usize,
}

impl SensitivityTracker {
    /// Follows nothing yet.
    ///
    /// # Errors
    /// Those of [`SensitivityConfig::validate`].
    pub fn new(config: SensitivityConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, held: VecDeque::with_capacity(config.window + 1), pushed: 0 })
    }

    /// Takes the mean embedding of the next checkpoint.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units than before, [`Error::NotFinite`], [`Error::TooFew`] for no unit.
    pub fn push(&mut self, e: &ArrayView1<'_, f64>) -> Result<()> {
        finite("mean embedding", &e.insert_axis(ndarray::Axis(0)))?;
        if e.is_empty() {
            return Err(Error::TooFew { what: "units of an embedding", needed: 1, found: 0 });
        }
        if let Some(before) = self.held.back().filter(|before| before.len() != e.len()) {
            return Err(Error::shape("mean embedding", format!("{} units", before.len()), e.len()));
        }
        if self.held.len() > self.config.window {
            self.held.pop_front();
        }
        self.held.push_back(e.to_owned());
        self.pushed += 1;
        Ok(())
    }

    /// Checkpoints taken so far.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.pushed
    }

    /// V of every unit: the population variance over the last C checkpoints, times the sum of the absolute changes that
    /// led to them. None before C + 1 checkpoints.
    #[must_use]
    pub fn variability(&self) -> Option<Array1<f64>> {
        let count = self.config.window;
        if self.held.len() <= count {
            return None;
        }
        let n = count as f64;
        Some(Array1::from_shape_fn(self.held[0].len(), |i| {
            let at = |t: usize| self.held[t][i];
            let mean = (1..=count).map(at).sum::<f64>() / n;
            let variance = (1..=count).map(|t| (at(t) - mean).powi(2)).sum::<f64>() / n;
            variance * (1..=count).map(|t| (at(t) - at(t - 1)).abs()).sum::<f64>()
        }))
    }

    /// The sensitive units, the most variable first, of equal ones the lower index. None before C + 1 checkpoints.
    #[must_use]
    pub fn sei(&self) -> Option<Vec<usize>> {
        let v = self.variability()?;
        Some(least(v.iter().map(|x| !ascending_f64(*x)), self.config.count(v.len())))
    }
}
