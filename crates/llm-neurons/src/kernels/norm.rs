//! RMS norm and SiLU.

use burn::tensor::{Tensor, TensorData};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::exponential::exp;
use super::{floats, floats_mut, values};
use crate::{Error, Result};

/// Fewest values that are worth a second thread.
const PARALLEL: usize = 1 << 17;

/// `x / sqrt(mean(x^2) + eps) * weight` over the last axis of `[batch, time, units]`.
///
/// # Errors
/// [`Error::Shape`] for a weight of another length, [`Error::Tensor`] for other numbers than 32-bit floats.
pub fn rms_norm(x: Tensor<3>, weight: Tensor<1>, eps: f64) -> Result<Tensor<3>> {
    let ([.., units], [weights]) = (x.dims(), weight.dims());
    if units != weights || units == 0 {
        return Err(Error::shape("weight of a norm", units, weights));
    }
    let (shape, device) = (x.dims(), x.device());
    let (data, weight) = (values(x)?, values(weight)?);
    let (from, weight) = (floats(&data)?, floats(&weight)?);
    let mut to = vec![0.0; from.len()];
    let chunk = units * (PARALLEL / 8 / units).max(1);
    let task = |(to, from): (&mut [f32], &[f32])| {
        Arch::new().dispatch(Norm { from, weight, eps: eps as f32, to });
    };
    if from.len() >= PARALLEL {
        to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).for_each(task);
    } else {
        task((&mut to, from));
    }
    Ok(Tensor::from_data(TensorData::new(to, shape), &device))
}

/// `x / (1 + e^-x)`.
///
/// # Errors
/// [`Error::Tensor`] for other numbers than 32-bit floats.
pub fn silu(x: Tensor<3>) -> Result<Tensor<3>> {
    let device = x.device();
    let mut data = values(x)?;
    let task = |x: &mut [f32]| {
        Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x /= 1.0 + exp((-*x).min(88.0))));
    };
    let all = floats_mut(&mut data)?;
    if all.len() >= PARALLEL {
        all.par_chunks_mut(PARALLEL / 8).for_each(task);
    } else {
        task(all);
    }
    Ok(Tensor::from_data(data, &device))
}

struct Norm<'a> {
    from: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    to: &'a mut [f32],
}

impl WithSimd for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let units = self.weight.len();
        for (to, from) in self.to.chunks_exact_mut(units).zip(self.from.chunks_exact(units)) {
            let (vectors, rest) = S::as_simd_f32s(from);
            let mut sum = simd.splat_f32s(0.0);
            for x in vectors {
                sum = simd.mul_add_e_f32s(*x, *x, sum);
            }
            let sum = simd.reduce_sum_f32s(sum) + rest.iter().map(|x| x * x).sum::<f32>();
            let scale = (sum / units as f32 + self.eps).sqrt().recip();
            for ((to, x), weight) in to.iter_mut().zip(from).zip(self.weight) {
                *to = x * scale * weight;
            }
        }
    }
}
