//! A module's parameters by path, and back.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, DType, Device, ExecutionError, Int, Shape, Tensor, TensorData};

use crate::error::{Error, Result};

/// Tensors by name.
pub(super) type Named = BTreeMap<String, TensorData>;

/// Every parameter of a module, by its path.
pub(super) fn collect<M: Module>(module: &M) -> Result<Named> {
    // A batch norm holds its latest statistics back until someone asks, and a visitor does not ask: Burn's own records
    // lose them. Making the validation form takes them in, for the copies that share them too.
    drop(module.valid());
    let mut collector = Collector { path: Vec::new(), found: BTreeMap::new(), failed: None };
    module.visit(&mut collector);
    match collector.failed {
        Some((path, error)) => Err(Error::execution(&format!("reading parameter {path}"), error)),
        None => Ok(collector.found),
    }
}

/// The module with its parameters replaced, and the plain device of each.
///
/// # Errors
/// What does not fit: a name on one side only, another shape, another number type.
pub(super) fn load<M: Module>(
    module: M,
    tensors: Named,
) -> std::result::Result<(M, BTreeMap<String, Device>), String> {
    let mut loader = Loader { path: Vec::new(), left: tensors, devices: BTreeMap::new(), faults: Vec::new() };
    let module = module.map(&mut loader);
    loader.faults.extend(loader.left.keys().map(|name| format!("the model has no parameter {name}")));
    match loader.faults.as_slice() {
        [] => Ok((module, loader.devices)),
        faults => Err(faults.join("; ")),
    }
}

/// The first value that is NaN or infinite.
pub(super) fn non_finite(data: &TensorData) -> Option<f64> {
    match data.dtype() {
        DType::F64 => data.iter::<f64>().find(|v| !v.is_finite()),
        DType::F32 | DType::Flex32 | DType::F16 | DType::BF16 => {
            data.iter::<f32>().find(|v| !v.is_finite()).map(f64::from)
        }
        _ => None,
    }
}

struct Collector {
    path: Vec<String>,
    found: Named,
    failed: Option<(String, ExecutionError)>,
}

impl Collector {
    fn keep(&mut self, data: std::result::Result<TensorData, ExecutionError>) {
        let path = self.path.join(".");
        match data {
            Ok(data) => {
                self.found.insert(path, data);
            }
            Err(error) => self.failed = Some((path, error)),
        }
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.keep(param.transform_for_save().val().inner().try_into_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.keep(param.transform_for_save().val().inner().try_into_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.keep(param.transform_for_save().val().inner().try_into_data());
    }
}

struct Loader {
    path: Vec<String>,
    left: Named,
    devices: BTreeMap<String, Device>,
    faults: Vec<String>,
}

impl Loader {
    fn take<const D: usize, K: Basic>(
        &mut self,
        device: &Device,
        shape: &Shape,
        dtype: DType,
    ) -> Option<Tensor<D, K>> {
        let path = self.path.join(".");
        let Some(data) = self.left.remove(&path) else {
            self.faults.push(format!("it has no parameter {path}"));
            return None;
        };
        let boolean = |d: DType| matches!(d, DType::Bool(_));
        if data.shape() != shape || (data.dtype() != dtype && !(boolean(dtype) && boolean(data.dtype()))) {
            self.faults.push(format!(
                "parameter {path} is {:?} {:?}, the model has {dtype:?} {shape:?}",
                data.dtype(),
                data.shape()
            ));
            return None;
        }
        self.devices.insert(path, device.clone().without_autodiff());
        Some(Tensor::from_data(data, (device, dtype)))
    }
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        match self.take(&param.lazy_device(), &param.lazy_shape(), param.val().dtype()) {
            Some(tensor) => param.transform_for_load(tensor, id),
            None => param,
        }
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let id = param.id;
        match self.take(&param.lazy_device(), &param.lazy_shape(), param.val().dtype()) {
            Some(tensor) => param.transform_for_load(tensor, id),
            None => param,
        }
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        let id = param.id;
        match self.take(&param.lazy_device(), &param.lazy_shape(), param.val().dtype()) {
            Some(tensor) => param.transform_for_load(tensor, id),
            None => param,
        }
    }
}
