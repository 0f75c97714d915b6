//! Links from the inputs to the sites, and how they learn.

use ndarray::{Array2, ArrayView2};
use numerics::rng::stream;
use rand::RngExt;

use super::AfferentParams;
use crate::{Error, Result};

/// Afferent weights `v_iq >= 0`, the present input and the drive `Dr_i = sum_q v_iq y_q`.
#[derive(Debug, Clone, PartialEq)]
pub struct Afferents {
    params: AfferentParams,
    weights: Vec<f64>,
    input: Vec<f64>,
    /// The inputs that are not 0, in increasing order.
    on: Vec<usize>,
    drive: Vec<f64>,
}

impl Afferents {
    /// Weights drawn uniformly from 0 to `initial_max`; the input is silent.
    ///
    /// # Errors
    /// Those of [`AfferentParams::validate`].
    pub fn new(sites: usize, params: AfferentParams, seed: u64) -> Result<Self> {
        params.validate()?;
        let mut weights = Vec::with_capacity(sites * params.inputs);
        for site in 0..sites as u64 {
            let mut draws = stream(seed, "semantic/afferents", site);
            weights.extend((0..params.inputs).map(|_| params.initial_max * draws.random::<f64>()));
        }
        let input = vec![0.0; params.inputs];
        Ok(Self { params, weights, input, on: Vec::new(), drive: vec![0.0; sites] })
    }

    /// Given weights `[sites, inputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a column an input, [`Error::Parameter`] for a weight that is negative or not
    /// finite, and those of [`AfferentParams::validate`].
    pub fn from_weights(weights: &ArrayView2<'_, f64>, params: AfferentParams) -> Result<Self> {
        params.validate()?;
        if weights.ncols() != params.inputs {
            let expected = format!("[sites, {}]", params.inputs);
            return Err(Error::shape("afferent weights", expected, format!("{:?}", weights.dim())));
        }
        if let Some(((i, q), v)) = weights.indexed_iter().find(|(_, v)| !(**v >= 0.0 && v.is_finite())) {
            return Err(Error::parameter(format!("v[{i}][{q}]"), *v, "finite and not negative"));
        }
        let input = vec![0.0; params.inputs];
        let drive = vec![0.0; weights.nrows()];
        Ok(Self { params, weights: weights.iter().copied().collect(), input, on: Vec::new(), drive })
    }

    /// The constants.
    #[must_use]
    pub fn params(&self) -> &AfferentParams {
        &self.params
    }

    /// Changes what opens the plasticity.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a constant outside \[0, 1\].
    pub fn set_gate(&mut self, gate: super::Gate) -> Result<()> {
        let params = AfferentParams { gate, ..self.params.clone() };
        params.validate()?;
        self.params = params;
        Ok(())
    }

    /// Weights `[sites, inputs]`.
    #[must_use]
    pub fn weights(&self) -> Array2<f64> {
        let inputs = self.params.inputs;
        Array2::from_shape_fn((self.drive.len(), inputs), |(i, q)| self.weights[i * inputs + q])
    }

    /// The drive of each site.
    #[must_use]
    pub fn drive(&self) -> &[f64] {
        &self.drive
    }

    /// The input that is shown.
    #[must_use]
    pub fn input(&self) -> &[f64] {
        &self.input
    }

    /// Shows an input.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs, [`Error::Parameter`] for a value outside \[0, 1\].
    pub fn show(&mut self, y: &[f64]) -> Result<()> {
        if y.len() != self.params.inputs {
            return Err(Error::shape("input", format!("{} values", self.params.inputs), y.len()));
        }
        if let Some(q) = y.iter().position(|v| !(0.0..=1.0).contains(v)) {
            return Err(Error::parameter(format!("input {q}"), y[q], "between 0 and 1"));
        }
        self.input.copy_from_slice(y);
        self.on.clear();
        self.on.extend((0..y.len()).filter(|q| y[*q] > 0.0));
        for (drive, v) in self.drive.iter_mut().zip(self.weights.chunks_exact(y.len())) {
            *drive = self.on.iter().fold(0.0, |sum, q| sum + v[*q] * y[*q]);
        }
        Ok(())
    }

    /// One Euler step of the plasticity at gate level `s`, with the activities after the step and the drives of it.
    pub(super) fn learn(&mut self, x: &[f64], active_level: f64, s: f64, dt: f64) {
        let p = &self.params;
        let rate = dt * p.rate * s;
        if rate == 0.0 {
            return;
        }
        let rows = self.weights.chunks_exact_mut(p.inputs);
        for ((x, drive), v) in x.iter().zip(&mut self.drive).zip(rows) {
            if *x > active_level {
                let (toward, away) = (rate * (p.target_active - *drive), rate * p.unlearn_active);
                for (v, y) in v.iter_mut().zip(&self.input) {
                    let change = if *y > 0.0 { toward } else { -away * *v };
                    *v = (*v + change).max(0.0);
                }
            } else if *x < p.silent_level && *drive > p.target_inactive {
                // Most sites are silent, and most inputs: only the others change.
                let less = rate * p.unlearn_inactive * (*drive - p.target_inactive);
                for q in &self.on {
                    v[*q] = (v[*q] - less).max(0.0);
                }
            } else {
                continue;
            }
            *drive = self.on.iter().fold(0.0, |sum, q| sum + v[*q] * self.input[*q]);
        }
    }
}
