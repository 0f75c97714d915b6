//! `.safetensors` files.

use std::collections::HashMap;
use std::path::Path;

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::Array;
use crate::{Error, Result, atomic};

/// The metadata key of [`Tensors::about`].
const ABOUT: &str = "neuropil";

/// A `.safetensors` file to be written.
#[derive(Debug, Default)]
pub struct Tensors {
    entries: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    about: Option<String>,
}

impl Tensors {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a tensor of 64-bit floats.
    #[must_use]
    pub fn f64(self, name: &str, array: ArrayViewD<'_, f64>) -> Self {
        self.with(name, Dtype::F64, array.shape(), array.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// With a tensor of 32-bit floats.
    #[must_use]
    pub fn f32(self, name: &str, array: ArrayViewD<'_, f32>) -> Self {
        self.with(name, Dtype::F32, array.shape(), array.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// With a tensor of signed 64-bit numbers.
    #[must_use]
    pub fn i64(self, name: &str, array: ArrayViewD<'_, i64>) -> Self {
        self.with(name, Dtype::I64, array.shape(), array.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// With a text that says what the file is (JSON by custom); [`super::ArrayFile::about`] reads it. It stands in the
    /// file's metadata under `neuropil`, alone, so that equal files have equal bytes.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.to_owned());
        self
    }

    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let views = self
            .entries
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                let view = TensorView::new(*dtype, shape.clone(), bytes);
                view.map(|v| (name.as_str(), v)).map_err(|e| Error::format(path, e))
            })
            .collect::<Result<Vec<_>>>()?;
        let about = self.about.clone().map(|text| HashMap::from([(ABOUT.to_owned(), text)]));
        let bytes = safetensors::serialize(views, about).map_err(|e| Error::format(path, e))?;
        atomic::write(path, |file| std::io::Write::write_all(file, &bytes)).map_err(|e| Error::io(path, e))
    }

    fn with(mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.entries.push((name.to_owned(), dtype, shape.to_vec(), bytes));
        self
    }
}

/// Named arrays, and what the file says of itself.
pub(super) type Contents = (Vec<(String, Array)>, Option<String>);

pub(super) fn read_file(path: &Path) -> Result<Contents> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| Error::format(path, e))?;
    let about = metadata.metadata().as_ref().and_then(|entries| entries.get(ABOUT).cloned());
    let mut names = file.names();
    names.sort_unstable();
    let arrays = names
        .into_iter()
        .map(|name| {
            let tensor = file.tensor(name).map_err(|e| Error::format(path, e))?;
            let array = decode(&tensor).map_err(|e| Error::format(path, format!("{name}: {e}")))?;
            Ok((name.to_owned(), array))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((arrays, about))
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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr1};

    use super::*;
    use crate::arrays::ArrayFile;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let x = Array2::from_shape_fn((2, 3), |(i, j)| i as f64 / 3.0 - j as f64);
        Tensors::new()
            .f64("x", x.t().into_dyn())
            .f32("y", arr1(&[0.5_f32, f32::NAN]).view().into_dyn())
            .i64("n", arr1(&[-3_i64]).view().into_dyn())
            .about("{\"format\": 1}")
            .write(&path)
            .unwrap();
        let file = ArrayFile::open(&path).unwrap();
        assert_eq!(file.read_f64_2("x").unwrap(), x.t());
        assert!(file.read_f64_1("y").unwrap()[1].is_nan());
        assert_eq!(file.read_i64_1("n").unwrap().to_vec(), [-3]);
        assert_eq!(file.about(), Some("{\"format\": 1}"));
        Tensors::new().i64("n", arr1(&[1_i64]).view().into_dyn()).write(&path).unwrap();
        assert_eq!(ArrayFile::open(&path).unwrap().about(), None);
    }
}
