//! Host arrays to tensors and back; the number type is always said, and nothing is lost unsaid.
//!
//! | host | tensor | back |
//! |---|---|---|
//! | `f32`, `f64` | [`float_tensor`], with the [`FloatDType`] to hold | [`float_array`], which only widens |
//! | `i64` | [`int_tensor`], with the [`IntDType`] to hold | [`int_array`] |
//! | `bool` | [`bool_tensor`] | [`bool_array`] |
//!
//! Rows are first in memory on both sides: element `[i, j]` of an array is element `[i, j]` of its tensor, whatever
//! the strides of the array. Empty arrays are refused: devices disagree about them.

use burn::tensor::{
    Bool, BoolStore, DType, Device, Element, FloatDType, Int, IntDType, Tensor, TensorData, bf16, f16,
};
use ndarray::{Array, ArrayView, Dimension, Ix1, Ix2, Ix3, Ix4, Ix5};

use crate::error::{Error, Result};

/// A number type of host arrays: `f32` or `f64`.
pub trait HostFloat: Copy + Element + private::Sealed {
    /// The type's name in errors.
    const NAME: &'static str;
    /// Its width in bytes.
    const BYTES: usize;
    /// Widens.
    fn to_f64(self) -> f64;
    /// Narrows.
    fn from_f64(value: f64) -> Self;
}

/// The array dimension whose tensors have rank `D`: from an array to its tensor.
pub trait Rank<const D: usize>: Dimension {
    /// The dimension of a shape.
    fn of(shape: [usize; D]) -> Self;
}

/// `D` axes, which know their array dimension: from a tensor to its array.
#[derive(Debug, Clone, Copy)]
pub struct Axes<const D: usize>;

/// The array dimension of [`Axes`].
pub trait ArrayAxes<const D: usize> {
    /// The dimension of ndarray.
    type Dim: Rank<D>;
}

/// An array with as many axes as a tensor of rank `D`.
pub type HostArray<T, const D: usize> = Array<T, <Axes<D> as ArrayAxes<D>>::Dim>;

/// A float tensor of number type `dtype` that holds the array's values.
///
/// Values are rounded to `dtype`; NaN and infinities stay what they are.
///
/// # Errors
/// [`Error::Shape`] for an empty array, [`Error::Unsupported`] when the device cannot compute in `dtype`,
/// [`Error::Value`] when a finite value would overflow `dtype`, [`Error::Execution`] when the upload fails.
///
/// ```
/// use burn::tensor::{FloatDType, Tensor};
/// use tensor_backend::{DeviceSpec, bridge};
/// let device = DeviceSpec::Cpu.open()?.device;
/// let host = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.5]]);
/// let tensor: Tensor<2> = bridge::float_tensor(host.view(), FloatDType::F32, &device)?;
/// let back = bridge::float_array::<f64, _>(tensor.transpose())?;
/// assert_eq!(back, host.t());
/// # Ok::<(), tensor_backend::Error>(())
/// ```
pub fn float_tensor<T: HostFloat, I: Rank<D>, const D: usize>(
    array: ArrayView<'_, T, I>,
    dtype: FloatDType,
    device: &Device,
) -> Result<Tensor<D>> {
    let shape = shape_of(&array)?;
    supported(device, dtype.into())?;
    let values = array.iter().map(|v| v.to_f64());
    let data = match dtype {
        FloatDType::F64 => TensorData::new(values.collect::<Vec<f64>>(), shape),
        FloatDType::F32 => TensorData::new(narrow(values, f64::from(f32::MAX), |v| v as f32)?, shape),
        FloatDType::F16 => TensorData::new(narrow(values, f64::from(f16::MAX), f16::from_f64)?, shape),
        FloatDType::BF16 => TensorData::new(narrow(values, f64::from(bf16::MAX), bf16::from_f64)?, shape),
        FloatDType::Flex32 => return Err(Error::dtype("array", dtype, "F64, F32, F16 or BF16")),
    };
    upload(data, device, dtype.into())
}

/// An integer tensor of number type `dtype` that holds the array's values.
///
/// # Errors
/// Those of [`float_tensor`]; [`Error::Value`] when a value does not fit `dtype`.
pub fn int_tensor<I: Rank<D>, const D: usize>(
    array: ArrayView<'_, i64, I>,
    dtype: IntDType,
    device: &Device,
) -> Result<Tensor<D, Int>> {
    let shape = shape_of(&array)?;
    supported(device, dtype.into())?;
    let values = array.iter().copied();
    let data = match dtype {
        IntDType::I64 => TensorData::new(values.collect::<Vec<i64>>(), shape),
        IntDType::I32 => TensorData::new(fit::<i32>(values)?, shape),
        IntDType::I16 => TensorData::new(fit::<i16>(values)?, shape),
        IntDType::I8 => TensorData::new(fit::<i8>(values)?, shape),
        IntDType::U64 => TensorData::new(fit::<u64>(values)?, shape),
        IntDType::U32 => TensorData::new(fit::<u32>(values)?, shape),
        IntDType::U16 => TensorData::new(fit::<u16>(values)?, shape),
        IntDType::U8 => TensorData::new(fit::<u8>(values)?, shape),
    };
    upload(data, device, dtype.into())
}

/// A boolean tensor; how a boolean is stored is the device's own affair.
///
/// # Errors
/// [`Error::Shape`] for an empty array, [`Error::Execution`] when the upload fails.
pub fn bool_tensor<I: Rank<D>, const D: usize>(
    array: ArrayView<'_, bool, I>,
    device: &Device,
) -> Result<Tensor<D, Bool>> {
    let shape = shape_of(&array)?;
    let data = TensorData::new(array.iter().copied().collect::<Vec<bool>>(), shape);
    upload(data, device, DType::Bool(BoolStore::Native))
}

/// The values of a float tensor, recorded for gradients or not.
///
/// # Errors
/// [`Error::Dtype`] when `T` is narrower than the tensor's number type, or the tensor is quantised;
/// [`Error::Execution`] when the device failed on the way to this tensor.
pub fn float_array<T: HostFloat, const D: usize>(tensor: Tensor<D>) -> Result<HostArray<T, D>>
where
    Axes<D>: ArrayAxes<D>,
{
    let (shape, data) = (tensor.dims(), read(tensor.inner().try_into_data())?);
    let values: Vec<T> = match data.dtype() {
        DType::F64 if T::BYTES < 8 => return Err(Error::dtype("tensor", data.dtype(), T::NAME)),
        DType::F64 => values::<f64>(data)?.into_iter().map(T::from_f64).collect(),
        DType::F32 => values::<f32>(data)?.into_iter().map(|v| T::from_f64(f64::from(v))).collect(),
        DType::Flex32 | DType::F16 | DType::BF16 => {
            data.iter::<f32>().map(|v| T::from_f64(f64::from(v))).collect()
        }
        other => return Err(Error::dtype("tensor", other, "a float type")),
    };
    assemble(shape, values)
}

/// The values of an integer tensor.
///
/// # Errors
/// [`Error::Value`] when an unsigned value exceeds `i64`, [`Error::Execution`] when the device failed.
pub fn int_array<const D: usize>(tensor: Tensor<D, Int>) -> Result<HostArray<i64, D>>
where
    Axes<D>: ArrayAxes<D>,
{
    let (shape, data) = (tensor.dims(), read(tensor.inner().try_into_data())?);
    let too_large = |v| Error::value("an element of the tensor", v, "a 64-bit signed integer");
    let values = match data.dtype() {
        DType::U64 => {
            let values = values::<u64>(data)?.into_iter();
            values.map(|v| i64::try_from(v).map_err(|_| too_large(v))).collect::<Result<Vec<i64>>>()?
        }
        DType::I64 => values::<i64>(data)?,
        _ => data.iter::<i64>().collect(),
    };
    assemble(shape, values)
}

/// The values of a boolean tensor.
///
/// # Errors
/// [`Error::Execution`] when the device failed.
pub fn bool_array<const D: usize>(tensor: Tensor<D, Bool>) -> Result<HostArray<bool, D>>
where
    Axes<D>: ArrayAxes<D>,
{
    let (shape, data) = (tensor.dims(), read(tensor.inner().try_into_data())?);
    assemble(shape, data.iter::<bool>().collect())
}

/// The one value of a float tensor, such as a loss.
///
/// # Errors
/// [`Error::Shape`] when there is not exactly one value; else those of [`float_array`].
pub fn scalar<const D: usize>(tensor: Tensor<D>) -> Result<f64> {
    let shape = tensor.dims();
    let data = read(tensor.inner().try_into_data())?;
    match (data.dtype(), data.num_elements()) {
        (DType::F64, 1) => Ok(data.iter::<f64>().next().unwrap_or(f64::NAN)),
        (DType::F32 | DType::Flex32 | DType::F16 | DType::BF16, 1) => {
            Ok(data.iter::<f32>().next().map_or(f64::NAN, f64::from))
        }
        (other, 1) => Err(Error::dtype("tensor", other, "a float type")),
        _ => Err(Error::shape("tensor", &shape, "one element")),
    }
}

/// Host values in `dtype`; a finite value that would become infinite is refused.
fn narrow<N>(values: impl Iterator<Item = f64>, largest: f64, round: impl Fn(f64) -> N) -> Result<Vec<N>> {
    values
        .map(|v| match v.is_finite() && v.abs() > largest {
            true => Err(Error::value("an element of the array", v, format!("within ±{largest:e}"))),
            false => Ok(round(v)),
        })
        .collect()
}

fn fit<N: TryFrom<i64>>(values: impl Iterator<Item = i64>) -> Result<Vec<N>> {
    let name = std::any::type_name::<N>();
    values
        .map(|v| {
            N::try_from(v).map_err(|_| Error::value("an element of the array", v, format!("within {name}")))
        })
        .collect()
}

fn shape_of<T, I: Rank<D>, const D: usize>(array: &ArrayView<'_, T, I>) -> Result<[usize; D]> {
    let found = array.shape();
    match <[usize; D]>::try_from(found) {
        Ok(shape) if !array.is_empty() => Ok(shape),
        _ => Err(Error::shape("array", found, format!("{D} axes and at least one element"))),
    }
}

/// Whether the device computes in a number type.
pub(crate) fn supported(device: &Device, dtype: DType) -> Result<()> {
    if device.supports_dtype(dtype) {
        return Ok(());
    }
    Err(Error::unsupported(format!("number type {dtype:?}"), format!("device {device:?}")))
}

/// A tensor of data whose number type is the one said.
pub(crate) fn upload<const D: usize, K: burn::tensor::kind::Basic>(
    data: TensorData,
    device: &Device,
    dtype: DType,
) -> Result<Tensor<D, K>> {
    Ok(Tensor::from_data(data, (device, dtype)))
}

fn read(data: std::result::Result<TensorData, burn::tensor::ExecutionError>) -> Result<TensorData> {
    data.map_err(|e| Error::execution("reading a tensor", e))
}

fn values<E: Element>(data: TensorData) -> Result<Vec<E>> {
    data.try_into_vec().map_err(|e| Error::execution("reading a tensor", e))
}

fn assemble<T, const D: usize>(shape: [usize; D], values: Vec<T>) -> Result<HostArray<T, D>>
where
    Axes<D>: ArrayAxes<D>,
{
    Array::from_shape_vec(<Axes<D> as ArrayAxes<D>>::Dim::of(shape), values)
        .map_err(|_| Error::shape("tensor", &shape, "as many elements as the device handed back"))
}

impl HostFloat for f32 {
    const NAME: &'static str = "f32";
    const BYTES: usize = 4;

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl HostFloat for f64 {
    const NAME: &'static str = "f64";
    const BYTES: usize = 8;

    fn to_f64(self) -> f64 {
        self
    }

    fn from_f64(value: f64) -> Self {
        value
    }
}

impl Rank<1> for Ix1 {
    fn of(shape: [usize; 1]) -> Self {
        ndarray::Dim(shape)
    }
}

impl ArrayAxes<1> for Axes<1> {
    type Dim = Ix1;
}

impl Rank<2> for Ix2 {
    fn of(shape: [usize; 2]) -> Self {
        ndarray::Dim(shape)
    }
}

impl ArrayAxes<2> for Axes<2> {
    type Dim = Ix2;
}

impl Rank<3> for Ix3 {
    fn of(shape: [usize; 3]) -> Self {
        ndarray::Dim(shape)
    }
}

impl ArrayAxes<3> for Axes<3> {
    type Dim = Ix3;
}

impl Rank<4> for Ix4 {
    fn of(shape: [usize; 4]) -> Self {
        ndarray::Dim(shape)
    }
}

impl ArrayAxes<4> for Axes<4> {
    type Dim = Ix4;
}

impl Rank<5> for Ix5 {
    fn of(shape: [usize; 5]) -> Self {
        ndarray::Dim(shape)
    }
}

impl ArrayAxes<5> for Axes<5> {
    type Dim = Ix5;
}

mod private {
    /// Only the two float types of host arrays.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Array3, arr1, arr2};

    fn cpu() -> Device {
        crate::DeviceSpec::Cpu.open().unwrap().device
    }

    #[test]
    fn every_rank_and_type_comes_back_as_it_went() {
        let device = cpu();
        let one = Array1::from_shape_fn(5, |i| i as f64 * 0.1);
        let two = Array2::from_shape_fn((3, 4), |(i, j)| (i * 10 + j) as f64 / 3.0);
        let three = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 100 + j * 10 + k) as f32 / 7.0);
        let t: Tensor<1> = float_tensor(one.view(), FloatDType::F64, &device).unwrap();
        assert_eq!(t.dtype(), DType::F64);
        assert_eq!(float_array::<f64, _>(t).unwrap(), one);
        let t: Tensor<2> = float_tensor(two.view(), FloatDType::F64, &device).unwrap();
        assert_eq!(float_array::<f64, _>(t).unwrap(), two);
        let t: Tensor<3> = float_tensor(three.view(), FloatDType::F32, &device).unwrap();
        assert_eq!(float_array::<f32, _>(t.clone()).unwrap(), three);
        assert_eq!(float_array::<f64, _>(t).unwrap(), three.mapv(f64::from));
        let ints = arr2(&[[i64::from(i32::MIN), 0], [7, i64::from(i32::MAX)]]);
        for dtype in [IntDType::I64, IntDType::I32] {
            let t: Tensor<2, Int> = int_tensor(ints.view(), dtype, &device).unwrap();
            assert_eq!(t.dtype(), DType::from(dtype));
            assert_eq!(int_array(t).unwrap(), ints);
        }
        let bools = arr2(&[[true, false, true], [false, false, true]]);
        let t: Tensor<2, Bool> = bool_tensor(bools.view(), &device).unwrap();
        assert_eq!(bool_array(t).unwrap(), bools);
    }

    #[test]
    fn strides_do_not_matter() {
        let device = cpu();
        let base = Array2::from_shape_fn((4, 3), |(i, j)| (i * 3 + j) as f32);
        let t: Tensor<2> = float_tensor(base.t(), FloatDType::F32, &device).unwrap();
        assert_eq!(t.dims(), [3, 4]);
        assert_eq!(float_array::<f32, _>(t).unwrap(), base.t());
        let mut reversed = base.view();
        reversed.invert_axis(ndarray::Axis(0));
        let t: Tensor<2> = float_tensor(reversed, FloatDType::F32, &device).unwrap();
        assert_eq!(float_array::<f32, _>(t).unwrap(), reversed);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let device = cpu();
        let huge = arr1(&[1e300]);
        let lost: Result<Tensor<1>> = float_tensor(huge.view(), FloatDType::F32, &device);
        assert!(matches!(lost, Err(Error::Value { .. })));
        let half: Result<Tensor<1>> = float_tensor(arr1(&[70_000.0f32]).view(), FloatDType::F16, &device);
        assert!(matches!(half, Err(Error::Value { .. })));
        let long: Result<Tensor<1, Int>> = int_tensor(arr1(&[1i64 << 40]).view(), IntDType::I32, &device);
        assert!(matches!(long, Err(Error::Value { .. })));
        let negative: Result<Tensor<1, Int>> = int_tensor(arr1(&[-1i64]).view(), IntDType::U8, &device);
        assert!(matches!(negative, Err(Error::Value { .. })));
        let empty: Result<Tensor<2>> =
            float_tensor(Array2::<f32>::zeros((0, 3)).view(), FloatDType::F32, &device);
        assert!(matches!(empty, Err(Error::Shape { .. })));
        let wide: Tensor<1> = float_tensor(arr1(&[0.1]).view(), FloatDType::F64, &device).unwrap();
        assert!(matches!(float_array::<f32, _>(wide), Err(Error::Dtype { .. })));
    }

    #[test]
    fn nan_and_infinities_pass_through() {
        let device = cpu();
        let odd = arr1(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
        for dtype in [FloatDType::F64, FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
            let t: Tensor<1> = float_tensor(odd.view(), dtype, &device).unwrap();
            let back = float_array::<f64, _>(t).unwrap();
            assert!(back[0].is_nan() && back[1] == f64::INFINITY && back[2] == f64::NEG_INFINITY);
            assert!(back[3] == 0.0 && back[3].is_sign_negative());
        }
    }

    #[test]
    fn a_scalar_is_one_value() {
        let device = cpu();
        let t = float_tensor(arr1(&[2.5f32]).view(), FloatDType::F32, &device).unwrap();
        assert_eq!(scalar(t.clone().autodiff_leaf()).unwrap(), 2.5);
        let two = Tensor::cat(vec![t.clone(), t], 0);
        assert!(matches!(scalar(two), Err(Error::Shape { .. })));
    }

    trait Leaf {
        fn autodiff_leaf(self) -> Self;
    }

    impl Leaf for Tensor<1> {
        fn autodiff_leaf(self) -> Self {
            self.autodiff().require_grad()
        }
    }

    proptest::proptest! {
        #[test]
        fn narrowing_rounds_as_the_host_rounds(values in proptest::collection::vec(-1e30f64..1e30, 1..40)) {
            let host = Array1::from(values);
            let t: Tensor<1> = float_tensor(host.view(), FloatDType::F32, &cpu()).unwrap();
            proptest::prop_assert_eq!(float_array::<f32, _>(t).unwrap(), host.mapv(|v| v as f32));
        }
    }
}
