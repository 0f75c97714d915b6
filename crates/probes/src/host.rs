//! Sums over the tokens of a tensor that lies in the host's memory: one pass over it, and no copy of it.

use burn::tensor::{DType, Device, Element, Tensor, TensorData, bf16, f16};
use rayon::prelude::*;

use crate::{Error, Result, Span};

/// Units that are summed together: their accumulators and a row of them stay in the first-level cache.
const BLOCK: usize = 256;
/// Rows after which 32-bit counters are emptied.
const ROWS: usize = 1 << 20;
/// Below this many elements a second thread costs more than it saves.
const PARALLEL: usize = 1 << 16;

/// Whether a device computes in the host's memory, where tensors may be read in place.
#[cfg(feature = "flex")]
pub(crate) fn is_host(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether a device computes in the host's memory, where tensors may be read in place.
#[cfg(not(feature = "flex"))]
pub(crate) fn is_host(_device: &Device) -> bool {
    false
}

/// Shows a tensor's values `[batch * time, units]` to a reader, and hands the tensor back.
///
/// A tensor that nothing else holds is neither copied nor moved; one that records gradients is copied.
pub(crate) fn look(x: Tensor<3>, read: impl FnOnce(&TensorData) -> Result<()>) -> Result<Tensor<3>> {
    let values = |x: Tensor<3>| x.try_into_data().map_err(|e| Error::Tensor(format!("{e:?}")));
    if x.is_autodiff() {
        read(&values(x.clone().inner())?)?;
        return Ok(x);
    }
    let (device, dtype) = (x.device(), x.dtype());
    let data = values(x)?;
    read(&data)?;
    Ok(Tensor::from_data(data, (&device, dtype)))
}

/// Adds to `counts` the tokens at which each unit is above zero.
pub(crate) fn count_positive(data: &TensorData, span: &Span, counts: &mut [u64]) -> Result<()> {
    match data.dtype() {
        DType::F64 => with_slice::<f64>(data, |x| count(x, span, counts)),
        DType::F32 => with_slice::<f32>(data, |x| count(x, span, counts)),
        DType::F16 => with_slice::<f16>(data, |x| count(x, span, counts)),
        DType::BF16 => with_slice::<bf16>(data, |x| count(x, span, counts)),
        other => Err(no_float(other)),
    }
}

/// The mean of each unit over tokens, and the sum of squared deviations from it.
pub(crate) fn moments(data: &TensorData, span: &Span, mean: &mut [f64], squares: &mut [f64]) -> Result<()> {
    match data.dtype() {
        DType::F64 => with_slice::<f64>(data, |x| deviations(x, span, mean, squares)),
        DType::F32 => with_slice::<f32>(data, |x| deviations(x, span, mean, squares)),
        DType::F16 => with_slice::<f16>(data, |x| deviations(x, span, mean, squares)),
        DType::BF16 => with_slice::<bf16>(data, |x| deviations(x, span, mean, squares)),
        other => Err(no_float(other)),
    }
}

fn no_float(dtype: DType) -> Error {
    Error::Tensor(format!("{dtype:?} is no float type that can be read"))
}

fn with_slice<T: Element>(data: &TensorData, read: impl FnOnce(&[T])) -> Result<()> {
    match data.as_slice::<T>() {
        Ok(values) => read(values),
        // A buffer that does not begin where such a number may.
        Err(_) => read(&data.iter::<T>().collect::<Vec<T>>()),
    }
    Ok(())
}

/// The rows that are no padding.
fn rows<'a, T>(x: &'a [T], units: usize, valid: Option<&'a [bool]>) -> impl Iterator<Item = &'a [T]> + Clone {
    x.chunks_exact(units).enumerate().filter(move |(i, _)| valid.is_none_or(|v| v[*i])).map(|(_, row)| row)
}

fn validity(span: &Span) -> Option<Vec<bool>> {
    span.valid().map(|v| v.iter().copied().collect())
}

fn count<T: Copy + Default + PartialOrd + Sync>(x: &[T], span: &Span, counts: &mut [u64]) {
    let units = counts.len();
    let valid = validity(span);
    let block = |(number, counts): (usize, &mut [u64])| {
        let from = number * BLOCK;
        let mut here = [0_u32; BLOCK];
        let here = &mut here[..counts.len()];
        let mut seen = 0;
        let empty = |here: &mut [u32], counts: &mut [u64]| {
            for (n, more) in counts.iter_mut().zip(here) {
                *n += u64::from(std::mem::take(more));
            }
        };
        for row in rows(x, units, valid.as_deref()) {
            for (n, value) in here.iter_mut().zip(&row[from..]) {
                *n += u32::from(*value > T::default());
            }
            seen += 1;
            if seen % ROWS == 0 {
                empty(here, counts);
            }
        }
        empty(here, counts);
    };
    if x.len() < PARALLEL {
        counts.chunks_mut(BLOCK).enumerate().for_each(block);
    } else {
        counts.par_chunks_mut(BLOCK).enumerate().for_each(block);
    }
}

fn deviations<T: Copy + Into<f64> + Sync>(x: &[T], span: &Span, mean: &mut [f64], squares: &mut [f64]) {
    let units = mean.len();
    let valid = validity(span);
    let tokens = span.tokens() as f64;
    let block = |(number, (mean, squares)): (usize, (&mut [f64], &mut [f64]))| {
        let from = number * BLOCK;
        for row in rows(x, units, valid.as_deref()) {
            for (sum, value) in mean.iter_mut().zip(&row[from..]) {
                *sum += (*value).into();
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= tokens);
        for row in rows(x, units, valid.as_deref()) {
            for ((sum, value), mean) in squares.iter_mut().zip(&row[from..]).zip(mean.iter()) {
                let apart = (*value).into() - mean;
                *sum += apart * apart;
            }
        }
    };
    if x.len() < PARALLEL {
        mean.chunks_mut(BLOCK).zip(squares.chunks_mut(BLOCK)).enumerate().for_each(block);
    } else {
        mean.par_chunks_mut(BLOCK).zip(squares.par_chunks_mut(BLOCK)).enumerate().for_each(block);
    }
}
