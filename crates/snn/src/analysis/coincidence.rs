//! Coincident spikes, and how many more there are than chance has.

use super::trains::both_sorted;
use crate::{Error, Result};

/// Coincidences of a model's train with a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coincidences {
    /// Pairs of spikes at most the precision apart, each spike in one pair.
    pub count: usize,
    /// How many a Poisson train of the model's rate would have.
    pub expected: f64,
    /// The coincidence factor.
    pub gamma: f64,
}

/// How many spikes of two trains can be paired so that each pair lies at most `precision_ms` apart. Pairs are made in the
/// order of time, which leaves as few alone as any pairing.
///
/// # Errors
/// [`Error::SpikeTime`]; [`Error::Parameter`] unless the precision is finite, 0 or more.
pub fn coincidences(a_ms: &[f64], b_ms: &[f64], precision_ms: f64) -> Result<usize> {
    both_sorted(a_ms, b_ms)?;
    if !(precision_ms.is_finite() && precision_ms >= 0.0) {
        return Err(Error::parameter("precision in ms", precision_ms, "finite, 0 or more"));
    }
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(a), Some(b)) = (a_ms.get(i), b_ms.get(j)) {
        if (a - b).abs() <= precision_ms {
            count += 1;
            i += 1;
            j += 1;
        } else if a < b {
            i += 1;
        } else {
            j += 1;
        }
    }
    Ok(count)
}

/// The coincidence factor of a model's train with a reference,
/// `Gamma = (N_c - E) / ((N_r + N_m) / 2) / (1 - 2 nu p)`, with `E = 2 nu p N_r` what chance gives, `nu` the model's rate and
/// `p` the precision: 1 for equal trains, 0 on average for a Poisson train, negative where spikes avoid one another.
///
/// References: W. Kistler, W. Gerstner, J. L. van Hemmen, Neural Computation 9, 1997; R. Jolivet et al. 2004.
///
/// # Errors
/// Those of [`coincidences`]; [`Error::Parameter`] for a window without length or where chance alone would cover all of it
/// (`2 nu p >= 1`); [`Error::TooFew`] where neither train has a spike.
pub fn coincidence_factor(
    reference_ms: &[f64],
    model_ms: &[f64],
    duration_ms: f64,
    precision_ms: f64,
) -> Result<Coincidences> {
    let count = coincidences(reference_ms, model_ms, precision_ms)?;
    if !(duration_ms.is_finite() && duration_ms > 0.0) {
        return Err(Error::parameter("duration in ms", duration_ms, "finite and positive"));
    }
    let total = reference_ms.len() + model_ms.len();
    if total == 0 {
        return Err(Error::TooFew { what: "coincidence factor: spikes".to_owned(), needed: 1, found: 0 });
    }
    let covered = 2.0 * precision_ms * model_ms.len() as f64 / duration_ms;
    if covered >= 1.0 {
        let expected = "such that windows around the model's spikes leave time uncovered";
        return Err(Error::parameter("precision in ms", precision_ms, expected));
    }
    let expected = covered * reference_ms.len() as f64;
    let gamma = (count as f64 - expected) / (0.5 * total as f64) / (1.0 - covered);
    Ok(Coincidences { count, expected, gamma })
}
