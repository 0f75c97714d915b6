//! How much of the next token's probability is in either language.

use burn::tensor::{Device, IntDType, Tensor, activation};
use ndarray::{ArrayView1, ArrayView2};
use tensor_backend::bridge;

use super::tokens::TokenSets;
use crate::{Error, Result};

/// Probability mass of the next token by language. The difference alone can rise by losing English without gaining the
/// target, hence all three.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaultness {
    /// `dM = target - english`, in [-1, 1].
    pub difference: f64,
    /// Sum over target tokens.
    pub target: f64,
    /// Sum over English tokens.
    pub english: f64,
}

/// dM of each row of logits `[n, V]`, in double precision.
///
/// # Errors
/// [`Error::Shape`] for another vocabulary; [`Error::NotFinite`] for a NaN, for plus infinity, or for a row of nothing but
/// minus infinity (single tokens that are excluded by it are allowed).
pub fn defaultness(logits: &ArrayView2<'_, f64>, sets: &TokenSets) -> Result<Vec<Defaultness>> {
    check_width(logits.ncols(), sets)?;
    let row = |(row, logits): (usize, ArrayView1<'_, f64>)| {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bad = logits.iter().position(|x| x.is_nan() || *x == f64::INFINITY);
        let bad = bad.or_else(|| (!largest.is_finite()).then_some(0));
        if let Some(column) = bad {
            return Err(Error::NotFinite { what: "logits", row, column, value: logits[column] });
        }
        let mass = |set: &[usize]| set.iter().map(|t| (logits[*t] - largest).exp()).sum::<f64>();
        let all: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
        Ok(Defaultness::of(mass(sets.target()) / all, mass(sets.english()) / all))
    };
    logits.outer_iter().enumerate().map(row).collect()
}

/// The mean of several, over prompts or first steps.
///
/// # Errors
/// [`Error::TooFew`] for none.
pub fn mean_defaultness(all: &[Defaultness]) -> Result<Defaultness> {
    if all.is_empty() {
        return Err(Error::TooFew { what: "prompts", needed: 1, found: 0 });
    }
    let mean = |part: fn(&Defaultness) -> f64| all.iter().map(part).sum::<f64>() / all.len() as f64;
    Ok(Defaultness::of(mean(|d| d.target), mean(|d| d.english)))
}

/// Token sets on a device, where the softmax is taken: two numbers a row come back.
#[derive(Debug, Clone)]
pub struct TokenSetTensors {
    target: Tensor<1, burn::tensor::Int>,
    english: Tensor<1, burn::tensor::Int>,
    sets: TokenSets,
}

impl TokenSetTensors {
    /// The sets on a device.
    ///
    /// # Errors
    /// [`Error::Tensor`] from the device.
    pub fn new(sets: &TokenSets, device: &Device) -> Result<Self> {
        let device = device.clone().without_autodiff();
        let upload = |set: &[usize]| {
            let ids: Vec<i64> = set.iter().map(|t| *t as i64).collect();
            bridge::int_tensor(ArrayView1::from(&ids), IntDType::I32, &device).map_err(Error::from_tensor)
        };
        Ok(Self { target: upload(sets.target())?, english: upload(sets.english())?, sets: sets.clone() })
    }

    /// Masses `[n, 2]` (target, English) of logits `[n, V]`, on their device and with their gradient record.
    ///
    /// # Errors
    /// [`Error::Shape`] for another vocabulary.
    pub fn masses(&self, logits: Tensor<2>) -> Result<Tensor<2>> {
        let [_, width] = logits.dims();
        check_width(width, &self.sets)?;
        let p = activation::softmax(logits, 1);
        let target = p.clone().select(1, self.target.clone()).sum_dim(1);
        Ok(Tensor::cat(vec![target, p.select(1, self.english.clone()).sum_dim(1)], 1))
    }

    /// dM of each row of logits `[n, V]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another vocabulary, [`Error::NotFinite`] when a mass is no number, [`Error::Tensor`] from the
    /// device.
    pub fn defaultness(&self, logits: Tensor<2>) -> Result<Vec<Defaultness>> {
        let masses = bridge::float_array::<f64, 2>(self.masses(logits)?).map_err(Error::from_tensor)?;
        if let Some(((row, column), value)) = numerics::finite::first_nonfinite(&masses.view()) {
            return Err(Error::NotFinite { what: "masses", row, column, value });
        }
        Ok(masses.outer_iter().map(|row| Defaultness::of(row[0], row[1])).collect())
    }
}

impl Defaultness {
    pub(super) fn of(target: f64, english: f64) -> Self {
        Self { difference: target - english, target, english }
    }
}

fn check_width(found: usize, sets: &TokenSets) -> Result<()> {
    if found == sets.vocabulary() {
        return Ok(());
    }
    Err(Error::Shape {
        what: "logits",
        expected: format!("{} columns, as many as the vocabulary", sets.vocabulary()),
        found: found.to_string(),
    })
}
