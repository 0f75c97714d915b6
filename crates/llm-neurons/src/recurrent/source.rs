//! Weights and configuration of a recurrent model's folder.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use serde::de::DeserializeOwned;

use crate::model::WeightFiles;
use crate::{Error, Result};

/// The largest size that a configuration may name: products of two stay within what memory could hold.
const LARGEST: usize = 1 << 24;

/// Reads `config.json`, whose keys are those of `C` and no others.
pub(crate) fn config<C: DeserializeOwned>(folder: &Path) -> Result<C> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::config(path.display().to_string(), e, "a configuration of this kind"))
}

/// Refuses sizes that are 0 or absurd.
pub(super) fn sizes(named: &[(&str, usize)]) -> Result<()> {
    match named.iter().find(|(_, n)| *n == 0 || *n > LARGEST) {
        Some((name, n)) => Err(Error::config(*name, n, "from 1 to 2^24")),
        None => Ok(()),
    }
}

/// Refuses a value that is not computed here.
pub(super) fn only(key: &str, found: &str, known: &str) -> Result<()> {
    if found == known { Ok(()) } else { Err(Error::config(key, found, known)) }
}

/// Tensors of a file, each of which must be asked for.
pub(super) struct Source<'a> {
    files: &'a WeightFiles,
    dtype: FloatDType,
    device: &'a Device,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(files: &'a WeightFiles, dtype: FloatDType, device: &'a Device) -> Result<Self> {
        if !device.supports_dtype(DType::from(dtype)) {
            return Err(Error::Tensor { message: format!("{device:?} does not compute in {dtype:?}") });
        }
        Ok(Self { files, dtype, device, used: RefCell::default() })
    }

    /// The values of a tensor of this shape.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.used.borrow_mut().insert(name.to_owned());
        self.files.read(name, shape)
    }

    /// Values on the device.
    pub(super) fn upload<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        let options = (self.device, DType::from(self.dtype));
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), options))
    }

    /// A tensor as it stands in the file.
    pub(super) fn param<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Param<Tensor<D>>> {
        Ok(self.upload(self.values(name, &shape)?, shape))
    }

    /// Refuses tensors that nobody asked for: what they would do is not computed.
    pub(super) fn finish(&self) -> Result<()> {
        let used = self.used.borrow();
        match self.files.names().find(|name| !used.contains(*name)) {
            Some(name) => Err(Error::Weights {
                name: name.to_owned(),
                expected: "no such tensor in this model".to_owned(),
                found: format!("{:?}", self.files.shape(name).unwrap_or_default()),
            }),
            None => Ok(()),
        }
    }
}
