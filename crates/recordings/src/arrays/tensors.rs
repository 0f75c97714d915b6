//! `.safetensors` files.

use std::path::Path;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::Array;
use crate::{Error, Result};

pub(super) fn read_file(path: &Path) -> Result<Vec<(String, Array)>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e))?;
    let mut names = file.names();
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| {
            let tensor = file.tensor(name).map_err(|e| Error::format(path, e))?;
            let array = decode(&tensor).map_err(|e| Error::format(path, format!("{name}: {e}")))?;
            Ok((name.to_owned(), array))
        })
        .collect()
}

fn decode(tensor: &TensorView<'_>) -> std::result::Result<Array, String> {
    let (shape, data) = (tensor.shape(), tensor.data());
    Ok(match tensor.dtype() {
        Dtype::F64 => Array::F64(build(shape, data, f64::from_le_bytes)?),
        Dtype::F32 => Array::F32(build(shape, data, f32::from_le_bytes)?),
        Dtype::F16 => Array::F16(build(shape, data, f16::from_le_bytes)?),
        Dtype::BF16 => Array::Bf16(build(shape, data, bf16::from_le_bytes)?),
        Dtype::I64 => Array::I64(build(shape, data, i64::from_le_bytes)?),
        Dtype::I32 => Array::I64(build(shape, data, |b| i32::from_le_bytes(b).into())?),
        Dtype::I16 => Array::I64(build(shape, data, |b| i16::from_le_bytes(b).into())?),
        Dtype::I8 => Array::I64(build(shape, data, |b| i8::from_le_bytes(b).into())?),
        Dtype::U64 => Array::U64(build(shape, data, u64::from_le_bytes)?),
        Dtype::U32 => Array::I64(build(shape, data, |b| u32::from_le_bytes(b).into())?),
        Dtype::U16 => Array::I64(build(shape, data, |b| u16::from_le_bytes(b).into())?),
        Dtype::U8 => Array::I64(build(shape, data, |b| u8::from_le_bytes(b).into())?),
        Dtype::BOOL => Array::Bool(build(shape, data, |[b]: [u8; 1]| b != 0)?),
        other => return Err(format!("number type {other:?} is not supported")),
    })
}

fn build<const N: usize, T>(
    shape: &[usize],
    data: &[u8],
    read: impl Fn([u8; N]) -> T,
) -> std::result::Result<ArrayD<T>, String> {
    let (chunks, _) = data.as_chunks::<N>();
    let values = chunks.iter().map(|c| read(*c)).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| e.to_string())
}
