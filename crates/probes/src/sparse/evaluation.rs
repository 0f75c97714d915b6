//! How well a sparse autoencoder rebuilds rows, and with how much.

use ndarray::{Array1, ArrayView2, Axis};
use tensor_backend::bridge;

use super::SparseAutoencoder;
use super::rows::Rows;
use crate::{Error, Result};

/// What an autoencoder does to rows, as after training.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SparseReport {
    /// Rows.
    pub rows: usize,
    /// Mean over rows and units of the squared error.
    pub reconstruction: f64,
    /// Fraction of variance unexplained: the squared error over the squared distance from the mean row. None where all
    /// rows are equal.
    pub unexplained: Option<f64>,
    /// Codes that are not zero, per row.
    pub l0: f64,
    /// Sum of the codes, per row.
    pub magnitude: f64,
    /// Fraction of latents that no row uses.
    pub dead_fraction: f64,
    /// Fraction of rows that use each latent, `[F]`.
    pub frequencies: Vec<f64>,
}

/// Encodes and decodes rows `[n, D]`, `batch` at a time.
///
/// # Errors
/// [`Error::Shape`] for no rows or rows of another width, [`Error::NotFinite`], [`Error::Parameter`] for a batch of
/// none, [`Error::Tensor`] from the device.
pub fn evaluate(model: &SparseAutoencoder, rows: &ArrayView2<'_, f32>, batch: usize) -> Result<SparseReport> {
    if batch == 0 {
        return Err(Error::parameter("batch", 0, "at least 1"));
    }
    let config = model.config();
    let device = model.encoder().device();
    let source = Rows::new(rows.view(), config.inputs, model.dtype(), &device, 0)?;
    let (mut squares, mut magnitude) = (0.0, 0.0);
    let mut used = Array1::<f64>::zeros(config.latents);
    for start in (0..source.len()).step_by(batch) {
        let x = source.range(start, batch.min(source.len() - start))?;
        let codes = model.encode(x.clone())?.inner();
        let error = (x - model.decode(codes.clone())?.inner()).square().sum_dim(1);
        squares += bridge::float_array::<f64, 2>(error)?.sum();
        magnitude += bridge::float_array::<f64, 2>(codes.clone().sum_dim(1))?.sum();
        used += &bridge::float_array::<f64, 2>(codes.greater_elem(0.0).float().sum_dim(0))?.row(0);
    }
    let n = source.len() as f64;
    let spread = spread(rows);
    Ok(SparseReport {
        rows: source.len(),
        reconstruction: squares / (n * config.inputs as f64),
        unexplained: (spread > 0.0).then(|| squares / spread),
        l0: used.sum() / n,
        magnitude: magnitude / n,
        dead_fraction: used.iter().filter(|u| **u == 0.0).count() as f64 / config.latents as f64,
        frequencies: used.iter().map(|u| u / n).collect(),
    })
}

/// How much of what a site gives to a model's loss the reconstruction keeps:
/// `(zeroed - spliced) / (zeroed - clean)`, 1 for a perfect one, 0 for one no better than zeros. The three losses are
/// the model's own: untouched, with the site replaced by its reconstruction, and with the site replaced by zeros.
///
/// # Errors
/// [`Error::Parameter`] for a loss that is not finite, or a site whose removal costs nothing.
pub fn loss_recovered(clean: f64, spliced: f64, zeroed: f64) -> Result<f64> {
    for (name, loss) in [("clean", clean), ("spliced", spliced), ("zeroed", zeroed)] {
        if !loss.is_finite() {
            return Err(Error::parameter(name, loss, "a finite loss"));
        }
    }
    if zeroed <= clean {
        return Err(Error::parameter("zeroed", zeroed, "above the clean loss"));
    }
    Ok((zeroed - spliced) / (zeroed - clean))
}

/// Sum of squared distances from the mean row.
fn spread(rows: &ArrayView2<'_, f32>) -> f64 {
    let n = rows.nrows() as f64;
    rows.axis_iter(Axis(1))
        .map(|column| {
            let mean = column.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
            column.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_recovered_is_one_for_perfect_and_zero_for_zeros() {
        assert_eq!(loss_recovered(2.0, 2.0, 5.0).unwrap(), 1.0);
        assert_eq!(loss_recovered(2.0, 5.0, 5.0).unwrap(), 0.0);
        assert!((loss_recovered(2.0, 2.3, 5.0).unwrap() - 0.9).abs() < 1e-12);
        assert!(loss_recovered(2.0, 2.3, 2.0).is_err());
        assert!(loss_recovered(f64::NAN, 2.3, 2.0).is_err());
    }
}
