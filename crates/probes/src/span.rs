//! Which tokens of which sequences one forward call carries.

use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::{Array1, Array2, Array3};
use recordings::Positions;
use tensor_backend::bridge;

use crate::{Error, Result};

/// The tokens of a forward call: `[batch, time]`, some of them padding, after those a cache holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    batch: usize,
    time: usize,
    /// Tokens of each sequence that came before.
    before: Vec<usize>,
    /// Which tokens are no padding; `None` when all are.
    valid: Option<Array2<bool>>,
}

impl Span {
    /// The first tokens of sequences, none of them padding.
    #[must_use]
    pub fn dense(batch: usize, time: usize) -> Self {
        Self { batch, time, before: vec![0; batch], valid: None }
    }

    /// Tokens after `before` others of each sequence, some of them padding.
    ///
    /// # Errors
    /// [`Error::Shape`] when the lists differ in their number of sequences.
    pub fn new(batch: usize, time: usize, before: Vec<usize>, valid: Option<Array2<bool>>) -> Result<Self> {
        if before.len() != batch || valid.as_ref().is_some_and(|v| v.dim() != (batch, time)) {
            return Err(Error::Shape {
                what: "span".to_owned(),
                expected: format!("[{batch}, {time}]"),
                found: format!("{} sequences, mask {:?}", before.len(), valid.map(|v| v.dim())),
            });
        }
        let valid = valid.filter(|v| v.iter().any(|x| !x));
        Ok(Self { batch, time, before, valid })
    }

    /// Sequences and tokens of each.
    #[must_use]
    pub fn dims(&self) -> (usize, usize) {
        (self.batch, self.time)
    }

    /// Which tokens are no padding; `None` when all are.
    #[must_use]
    pub fn valid(&self) -> Option<&Array2<bool>> {
        self.valid.as_ref()
    }

    /// Tokens that are no padding.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.valid.as_ref().map_or(self.batch * self.time, |v| v.iter().filter(|x| **x).count())
    }

    /// The place of each token in its sequence, counted without padding; that of a padding token is the next one's.
    #[must_use]
    pub fn positions(&self) -> Array2<usize> {
        let mut positions = Array2::zeros((self.batch, self.time));
        for (b, mut row) in positions.rows_mut().into_iter().enumerate() {
            let mut next = self.before[b];
            for (t, place) in row.iter_mut().enumerate() {
                *place = next;
                next += usize::from(self.is_valid(b, t));
            }
        }
        positions
    }

    /// The column of each sequence's newest token; the last column for one that is padding throughout.
    #[must_use]
    pub fn last(&self) -> Vec<usize> {
        (0..self.batch)
            .map(|b| {
                (0..self.time).rev().find(|t| self.is_valid(b, *t)).unwrap_or(self.time.saturating_sub(1))
            })
            .collect()
    }

    /// Whether the newest token of every sequence stands in the last column.
    #[must_use]
    pub fn ends_together(&self) -> bool {
        self.last().iter().all(|t| t + 1 == self.time)
    }

    /// Which tokens the positions of an edit name; `None` for all.
    #[must_use]
    pub fn mask(&self, positions: Positions) -> Option<Array2<bool>> {
        let mask = match positions {
            Positions::Last => {
                let last = self.last();
                Array2::from_shape_fn((self.batch, self.time), |(b, t)| last[b] == t && self.is_valid(b, t))
            }
            Positions::From(first) => {
                let positions = self.positions();
                Array2::from_shape_fn((self.batch, self.time), |(b, t)| {
                    self.is_valid(b, t) && positions[[b, t]] >= first
                })
            }
            _ => return None,
        };
        (!mask.iter().all(|x| *x)).then_some(mask)
    }

    /// One row of ones and zeros, `[1, batch * time]`: what is no padding counts.
    pub(crate) fn weights(&self, dtype: FloatDType, device: &Device) -> Result<Tensor<2>> {
        let row = Array2::from_shape_fn((1, self.batch * self.time), |(_, i)| {
            f64::from(u8::from(self.is_valid(i / self.time, i % self.time)))
        });
        Ok(bridge::float_tensor(row.view(), dtype, device)?)
    }

    /// Weights `[batch, 1, time]` that average over the tokens of each sequence.
    pub(crate) fn averaging(&self, dtype: FloatDType, device: &Device) -> Result<Tensor<3>> {
        let totals = Array1::from_shape_fn(self.batch, |b| {
            (0..self.time).filter(|t| self.is_valid(b, *t)).count().max(1) as f64
        });
        let weights = Array3::from_shape_fn((self.batch, 1, self.time), |(b, _, t)| {
            if self.is_valid(b, t) { 1.0 / totals[b] } else { 0.0 }
        });
        Ok(bridge::float_tensor(weights.view(), dtype, device)?)
    }

    fn is_valid(&self, sequence: usize, token: usize) -> bool {
        self.valid.as_ref().is_none_or(|v| v[[sequence, token]])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn padding_has_no_place_and_last_is_each_sequences_own() {
        let valid = arr2(&[[true, true, false], [false, true, true]]);
        let span = Span::new(2, 3, vec![4, 0], Some(valid)).unwrap();
        assert_eq!(span.positions(), arr2(&[[4, 5, 6], [0, 0, 1]]));
        assert_eq!((span.last(), span.tokens(), span.ends_together()), (vec![1, 2], 4, false));
        let last = span.mask(Positions::Last).unwrap();
        assert_eq!(last, arr2(&[[false, true, false], [false, false, true]]));
        let from = span.mask(Positions::From(1)).unwrap();
        assert_eq!(from, arr2(&[[true, true, false], [false, false, true]]));
        assert!(span.mask(Positions::All).is_none());
        assert!(Span::dense(2, 1).mask(Positions::Last).is_none(), "one token is the last");
        assert!(Span::new(2, 3, vec![0], None).is_err());
    }
}
