//! How near the sparse model's answers are to the dense model's.

use ndarray::{ArrayView1, ArrayView2};
use serde::Serialize;

use crate::{Error, Result};

/// Agreement of sparse with dense decoding over the same positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of positions whose most likely token is the same; the lower token of equals.
    pub top1: f64,
    /// Mean rise of the targets' negative log-likelihood, in nats.
    pub delta_nll: f64,
}

/// Compares logits `[positions, vocabulary]`, of which row t predicts `targets[t]`; in double precision.
///
/// # Errors
/// [`Error::Shape`] where the two or the targets do not fit, [`Error::TooFew`] for no position, [`Error::NotFinite`].
pub fn agreement(
    dense: &ArrayView2<'_, f32>,
    sparse: &ArrayView2<'_, f32>,
    targets: &[usize],
) -> Result<Agreement> {
    if dense.dim() != sparse.dim() {
        let (expected, found) = (format!("{:?}", dense.shape()), format!("{:?}", sparse.shape()));
        return Err(Error::shape("sparse logits", expected, found));
    }
    let (positions, vocabulary) = dense.dim();
    if targets.len() != positions {
        return Err(Error::shape("targets", positions, targets.len()));
    }
    if let Some(t) = targets.iter().find(|t| **t >= vocabulary) {
        return Err(Error::shape("target", format!("below {vocabulary}"), t));
    }
    if positions == 0 {
        return Err(Error::TooFew { what: "positions", needed: 1, found: 0 });
    }
    for (what, logits) in [("dense logits", dense), ("sparse logits", sparse)] {
        if let Some(((row, column), value)) = logits.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NotFinite { what, row, column, value: f64::from(*value) });
        }
    }
    let (mut same, mut rise) = (0_usize, 0.0);
    for ((dense, sparse), target) in dense.outer_iter().zip(sparse.outer_iter()).zip(targets) {
        same += usize::from(best(dense) == best(sparse));
        rise += surprise(sparse, *target) - surprise(dense, *target);
    }
    let n = positions as f64;
    Ok(Agreement { top1: same as f64 / n, delta_nll: rise / n })
}

fn best(logits: ArrayView1<'_, f32>) -> usize {
    (0..logits.len()).fold(0, |b, i| if logits[i] > logits[b] { i } else { b })
}

/// `-ln softmax(logits)[target]`.
pub(super) fn surprise(logits: ArrayView1<'_, f32>, target: usize) -> f64 {
    let peak = f64::from(logits[best(logits)]);
    let mass: f64 = logits.iter().map(|x| (f64::from(*x) - peak).exp()).sum();
    peak + mass.ln() - f64::from(logits[target])
}
