//! Rotary positions, in place.

use burn::tensor::Tensor;
use ndarray::Array2;

use super::{floats_mut, values};
use crate::{Error, Result};

/// Cosines and sines of tokens' places.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    /// `[rows, time, half]`, one row for each sequence or one for all.
    cos: Vec<f32>,
    sin: Vec<f32>,
    time: usize,
    half: usize,
}

impl RotaryTable {
    /// Of tokens at `positions` `[batch or 1, time]`, by `frequencies` in radians a token.
    #[must_use]
    pub fn new(frequencies: &[f64], positions: &Array2<usize>) -> Self {
        let angles = || positions.iter().flat_map(|p| frequencies.iter().map(move |f| *p as f64 * f));
        Self {
            cos: angles().map(|a| a.cos() as f32).collect(),
            sin: angles().map(|a| a.sin() as f32).collect(),
            time: positions.ncols(),
            half: frequencies.len(),
        }
    }

    /// Turns the pairs of units `(i, i + half)` of each head of `[batch, time, heads * head_dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of tokens or heads too small, [`Error::Tensor`] for other numbers than 32-bit
    /// floats.
    pub fn turn(&self, x: Tensor<3>, heads: usize) -> Result<Tensor<3>> {
        let [batch, time, units] = x.dims();
        let (half, rows) = (self.half, self.cos.len() / (self.time * self.half).max(1));
        let fits = heads > 0 && units.is_multiple_of(heads) && 2 * half <= units / heads.max(1);
        if !fits || time != self.time || !(rows == 1 || rows == batch) {
            let expected = format!("[{rows}, {}, heads of at least {} units]", self.time, 2 * half);
            return Err(Error::shape(
                "rotary positions",
                expected,
                format!("{:?} of {heads} heads", x.dims()),
            ));
        }
        let device = x.device();
        let mut data = values(x)?;
        for (token, x) in floats_mut(&mut data)?.chunks_exact_mut(units).enumerate() {
            let at = token % (rows * time) * half;
            let (cos, sin) = (&self.cos[at..at + half], &self.sin[at..at + half]);
            for head in x.chunks_exact_mut(units / heads) {
                let (first, rest) = head.split_at_mut(half);
                for (((a, b), cos), sin) in first.iter_mut().zip(rest).zip(cos).zip(sin) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
        Ok(Tensor::from_data(data, &device))
    }
}
