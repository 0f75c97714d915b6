//! The rows that are trained on: on the device where they fit, else uploaded batch by batch.

use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor};
use ndarray::{ArrayView1, ArrayView2, Axis};
use tensor_backend::bridge;

use crate::{Error, Result};

/// Rows `[n, D]`.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    host: ArrayView2<'a, f32>,
    resident: Option<Tensor<2>>,
    dtype: FloatDType,
    device: Device,
}

impl<'a> Rows<'a> {
    /// Checked rows of `width` units for an autoencoder of this number type on this device.
    pub(super) fn new(
        host: ArrayView2<'a, f32>,
        width: usize,
        dtype: DType,
        device: &Device,
        resident_bytes: usize,
    ) -> Result<Self> {
        if host.nrows() == 0 || host.ncols() != width {
            return Err(Error::shape("rows", format!("[at least 1, {width}]"), host.dim()));
        }
        if let Some(((row, column), value)) = host.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NotFinite { what: "rows".to_owned(), row, column, value: f64::from(*value) });
        }
        let dtype = match dtype {
            DType::F64 => FloatDType::F64,
            DType::F32 => FloatDType::F32,
            other => return Err(Error::Tensor(format!("training in {other:?}: expected F32 or F64"))),
        };
        let device = device.clone().without_autodiff();
        let mut rows = Self { host, resident: None, dtype, device };
        let bytes = host.len().saturating_mul(dtype_bytes(dtype));
        // Indices go to the device as 32-bit numbers.
        if bytes <= resident_bytes && i32::try_from(host.nrows()).is_ok() {
            rows.resident = Some(bridge::float_tensor(host, dtype, &rows.device)?);
        }
        Ok(rows)
    }

    pub(super) fn len(&self) -> usize {
        self.host.nrows()
    }

    /// The number type that they are uploaded in.
    pub(super) fn dtype(&self) -> FloatDType {
        self.dtype
    }

    pub(super) fn host(&self) -> ArrayView2<'a, f32> {
        self.host
    }

    /// The rows of these indices, each below [`Rows::len`].
    pub(super) fn take(&self, indices: &[usize]) -> Result<Tensor<2>> {
        match &self.resident {
            Some(all) => {
                let indices: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
                let indices = bridge::int_tensor(ArrayView1::from(&indices), IntDType::I32, &self.device)?;
                Ok(all.clone().select(0, indices))
            }
            None => {
                Ok(bridge::float_tensor(self.host.select(Axis(0), indices).view(), self.dtype, &self.device)?)
            }
        }
    }

    /// `count` rows from `start` on.
    pub(super) fn range(&self, start: usize, count: usize) -> Result<Tensor<2>> {
        match &self.resident {
            Some(all) => Ok(all.clone().narrow(0, start, count)),
            None => {
                let part = self.host.slice_axis(Axis(0), (start..start + count).into());
                Ok(bridge::float_tensor(part, self.dtype, &self.device)?)
            }
        }
    }
}

fn dtype_bytes(dtype: FloatDType) -> usize {
    if dtype == FloatDType::F64 { 8 } else { 4 }
}
