//! Random tensors that agree bit for bit on every device: drawn on the host, then uploaded.
//!
//! Burn's own seed belongs to the process and to a family of backends, and its streams differ between them. Here a
//! [`Key`] names the stream, the values are drawn in `f64` by [`numerics::rng`] in row-major order, rounded to the
//! number type on the host and uploaded. The same key gives the same tensor anywhere, for any number of threads.

use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::ArrayView1;
use numerics::rng::{self, Stream};
use rand::RngExt;
use rand_distr::StandardNormal;

use crate::bridge::float_tensor;
use crate::error::{Error, Result};

/// Which stream to draw from: two keys that differ anywhere never share a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// The experiment's seed.
    pub seed: u64,
    /// What the numbers are for, for example `init.encoder.weight`.
    pub purpose: &'a str,
    /// Which of the draws for that purpose, for example the step.
    pub index: u64,
}

impl<'a> Key<'a> {
    /// The key of `(seed, purpose, index)`.
    #[must_use]
    pub fn new(seed: u64, purpose: &'a str, index: u64) -> Self {
        Self { seed, purpose, index }
    }

    fn stream(self) -> Stream {
        rng::stream(self.seed, self.purpose, self.index)
    }
}

/// Normal draws with this mean and standard deviation.
///
/// # Errors
/// [`Error::Value`] for a mean that is not finite or a standard deviation that is negative or not finite;
/// [`Error::Shape`] for an empty shape; else those of [`float_tensor`].
///
/// ```
/// use burn::tensor::FloatDType;
/// use tensor_backend::{DeviceSpec, random};
/// let device = DeviceSpec::Cpu.open()?.device;
/// let key = random::Key::new(7, "example", 0);
/// let a = random::normal([2, 3], key, 0.0, 1.0, FloatDType::F32, &device)?;
/// let b = random::normal([2, 3], key, 0.0, 1.0, FloatDType::F32, &device)?;
/// a.into_data().assert_eq(&b.into_data(), true);
/// # Ok::<(), tensor_backend::Error>(())
/// ```
pub fn normal<const D: usize>(
    shape: [usize; D],
    key: Key<'_>,
    mean: f64,
    standard_deviation: f64,
    dtype: FloatDType,
    device: &Device,
) -> Result<Tensor<D>> {
    finite("the mean", mean)?;
    finite("the standard deviation", standard_deviation)?;
    if standard_deviation < 0.0 {
        return Err(Error::value("the standard deviation", standard_deviation, "zero or more"));
    }
    drawn(shape, key, dtype, device, |rng| mean + standard_deviation * rng.sample::<f64, _>(StandardNormal))
}

/// Uniform draws from `[low, high)`. Rounding to a narrow number type can give `high` itself.
///
/// # Errors
/// [`Error::Value`] unless `low < high`, both are finite and so is their distance; else those of [`normal`].
pub fn uniform<const D: usize>(
    shape: [usize; D],
    key: Key<'_>,
    low: f64,
    high: f64,
    dtype: FloatDType,
    device: &Device,
) -> Result<Tensor<D>> {
    finite("the lower end", low)?;
    finite("the upper end", high)?;
    finite("the width", high - low)?;
    if low >= high {
        return Err(Error::value("the upper end", high, format!("above the lower end {low}")));
    }
    drawn(shape, key, dtype, device, |rng| low + (high - low) * rng.random::<f64>())
}

/// Draws of +1 and -1 with equal probability.
///
/// # Errors
/// Those of [`float_tensor`].
pub fn rademacher<const D: usize>(
    shape: [usize; D],
    key: Key<'_>,
    dtype: FloatDType,
    device: &Device,
) -> Result<Tensor<D>> {
    drawn(shape, key, dtype, device, |rng| if rng.random::<bool>() { 1.0 } else { -1.0 })
}

fn drawn<const D: usize>(
    shape: [usize; D],
    key: Key<'_>,
    dtype: FloatDType,
    device: &Device,
    mut draw: impl FnMut(&mut Stream) -> f64,
) -> Result<Tensor<D>> {
    let total = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let Some(total) = total.filter(|&n| n > 0 && n <= isize::MAX as usize / size_of::<f64>()) else {
        return Err(Error::shape("random tensor", &shape, "at least one element, and few enough to address"));
    };
    let mut rng = key.stream();
    let values: Vec<f64> = (0..total).map(|_| draw(&mut rng)).collect();
    let flat: Tensor<1> = float_tensor(ArrayView1::from(&values), dtype, device)?;
    Ok(flat.reshape(shape))
}

fn finite(what: &str, value: f64) -> Result<()> {
    if value.is_finite() { Ok(()) } else { Err(Error::value(what, value, "finite")) }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::bridge::float_array;

    fn cpu() -> Device {
        crate::DeviceSpec::Cpu.open().unwrap().device
    }

    fn host(tensor: Tensor<1>) -> Vec<f64> {
        float_array::<f64, _>(tensor).unwrap().to_vec()
    }

    #[test]
    fn the_stream_is_the_one_of_numerics() {
        let key = Key::new(3, "purpose", 9);
        let got = host(normal([64], key, 0.0, 1.0, FloatDType::F64, &cpu()).unwrap());
        assert_eq!(got, rng::normals(&mut rng::stream(3, "purpose", 9), 64));
        let signs = host(rademacher([64], key, FloatDType::F64, &cpu()).unwrap());
        assert_eq!(signs, rng::rademacher(&mut rng::stream(3, "purpose", 9), 64));
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        let key = Key::new(1, "moments", 0);
        let n = 40_000;
        let moments = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64)
        };
        let (mean, variance) = moments(&host(normal([n], key, 2.0, 3.0, FloatDType::F32, &cpu()).unwrap()));
        assert!((mean - 2.0).abs() < 0.06 && (variance - 9.0).abs() < 0.3, "{mean} {variance}");
        let flat = host(uniform([n], key, -1.0, 3.0, FloatDType::F32, &cpu()).unwrap());
        let (mean, variance) = moments(&flat);
        assert!((mean - 1.0).abs() < 0.03 && (variance - 4.0 / 3.0).abs() < 0.03, "{mean} {variance}");
        assert!(flat.iter().all(|v| (-1.0..=3.0).contains(v)));
    }

    #[test]
    fn keys_that_differ_draw_differently() {
        let draw = |key| host(normal([8], key, 0.0, 1.0, FloatDType::F32, &cpu()).unwrap());
        let base = draw(Key::new(1, "a", 0));
        for other in [Key::new(2, "a", 0), Key::new(1, "b", 0), Key::new(1, "a", 1)] {
            assert_ne!(base, draw(other));
        }
    }

    #[test]
    fn hostile_arguments_are_refused() {
        let (key, d) = (Key::new(0, "x", 0), cpu());
        assert!(normal([0], key, 0.0, 1.0, FloatDType::F32, &d).is_err());
        assert!(normal([usize::MAX, 2], key, 0.0, 1.0, FloatDType::F32, &d).is_err());
        assert!(normal([2], key, f64::NAN, 1.0, FloatDType::F32, &d).is_err());
        assert!(normal([2], key, 0.0, -1.0, FloatDType::F32, &d).is_err());
        assert!(uniform([2], key, 1.0, 1.0, FloatDType::F32, &d).is_err());
        assert!(uniform([2], key, f64::MIN, f64::MAX, FloatDType::F64, &d).is_err());
    }
}
