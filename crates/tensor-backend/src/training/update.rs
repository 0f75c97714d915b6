//! One optimiser over all parameters of a module.
//!
//! Burn's `ModuleOptimizer` does this too, but reads a record onto `Device::default()`, which is whatever was compiled
//! first: a build with CUDA then panics on a machine without a card, and 64-bit state passes through a device that
//! has none. Here the state is keyed by parameter path and read onto the parameter's own device.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{DynOptimizer, DynState, GradientsParams, Optimizer, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::bridge::scalar;
use crate::devices::guarded;
use crate::error::Result;
use crate::training::tensors::Named;

/// A number of an optimiser's state; floats by their bits, which JSON keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Number {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    FloatBits(u64),
}

/// An optimiser and what it remembers of each parameter.
pub(super) struct Update<O> {
    optimizer: O,
    states: BTreeMap<String, DynState>,
}

impl<O> std::fmt::Debug for Update<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Update").field("parameters", &self.states.keys()).finish_non_exhaustive()
    }
}

impl<O: Optimizer> Update<O> {
    pub(super) fn new(optimizer: O) -> Self {
        Self { optimizer, states: BTreeMap::new() }
    }

    /// One step for every parameter that has a gradient, the gradient multiplied with `scale` first.
    pub(super) fn apply<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        rate: f64,
        scale: Option<f64>,
    ) -> M {
        module.map(&mut Mapper {
            optimizer: &self.optimizer,
            states: &mut self.states,
            gradients,
            rate,
            scale,
            path: Vec::new(),
        })
    }

    /// Tensors, numbers and ranks of the states, by parameter path.
    pub(super) fn save(&self) -> (Named, BTreeMap<String, Number>, BTreeMap<String, usize>) {
        let mut sink = StateSink::default();
        for (path, state) in &self.states {
            self.optimizer.state_flatten(path, state, &mut sink);
        }
        let scalars = sink.scalars.into_iter().map(|(name, scalar)| {
            let number = bool::try_from(scalar)
                .map(Number::Bool)
                .or_else(|_| u64::try_from(scalar).map(Number::Unsigned))
                .or_else(|_| i64::try_from(scalar).map(Number::Signed))
                .or_else(|_| f64::try_from(scalar).map(|v| Number::FloatBits(v.to_bits())));
            (name, number.unwrap_or(Number::FloatBits(f64::NAN.to_bits())))
        });
        let ranks = self.states.iter().map(|(path, state)| (path.clone(), state.rank())).collect();
        (sink.tensors.into_iter().collect(), scalars.collect(), ranks)
    }

    /// Takes back what [`Update::save`] gave.
    ///
    /// # Errors
    /// When the record is another optimiser's or lacks something, and when Burn would round it: it reads state in the
    /// device's default number type.
    pub(super) fn load(
        &mut self,
        tensors: Named,
        scalars: BTreeMap<String, Number>,
        ranks: &BTreeMap<String, usize>,
        devices: &BTreeMap<String, Device>,
    ) -> std::result::Result<(), String> {
        let numbers = scalars.iter().map(|(name, number)| {
            let scalar = match *number {
                Number::Bool(v) => v.into(),
                Number::Unsigned(v) => v.into(),
                Number::Signed(v) => v.into(),
                Number::FloatBits(v) => f64::from_bits(v).into(),
            };
            (name.clone(), scalar)
        });
        let mut source = StateSource::new(numbers.collect());
        for (name, data) in &tensors {
            source.insert_tensor(name.clone(), data.clone());
        }
        let mut states = BTreeMap::new();
        for (path, &rank) in ranks {
            let device =
                devices.get(path).ok_or_else(|| format!("optimiser state of an unknown parameter {path}"))?;
            if !(1..=8).contains(&rank) {
                return Err(format!("optimiser state of {path} has rank {rank}"));
            }
            // Burn panics where the record's shapes contradict the rank.
            let state =
                guarded("optimizer", || self.optimizer.state_unflatten(rank, path, &mut source, device));
            match state {
                Ok(Some(state)) => states.insert(path.clone(), state),
                Ok(None) => return Err(format!("the state of {path} is not one of this optimiser")),
                Err(error) => return Err(format!("the state of {path}: {error}")),
            };
        }
        self.states = states;
        let (read, numbers, _) = self.save();
        if numbers != scalars {
            return Err("the numbers of its optimiser state are not those of this optimiser".to_owned());
        }
        for (name, data) in &tensors {
            if read.get(name) != Some(data) {
                return Err(format!(
                    "optimiser state {name} ({:?}) would not be read back exactly: it is another optimiser's, or the \
                     device was opened with another default number type",
                    data.dtype()
                ));
            }
        }
        Ok(())
    }
}

/// Euclidean norm of all gradients together, accumulated on their device and read once per parameter.
pub(super) fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> Result<f64> {
    let mut squares = Squares { gradients, sum: Ok(0.0) };
    module.visit(&mut squares);
    squares.sum.map(f64::sqrt)
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Result<f64>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let square = scalar(gradient.square().sum());
        self.sum = match (std::mem::replace(&mut self.sum, Ok(0.0)), square) {
            (Ok(sum), Ok(square)) => Ok(sum + square),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
}

struct Mapper<'a, O> {
    optimizer: &'a O,
    states: &'a mut BTreeMap<String, DynState>,
    gradients: GradientsParams,
    rate: f64,
    scale: Option<f64>,
    path: Vec<String>,
}

impl<O: Optimizer> ModuleMapper for Mapper<'_, O> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let gradient = match self.scale {
            Some(scale) => gradient.mul_scalar(scale),
            None => gradient,
        };
        let path = self.path.join(".");
        let state = self.states.remove(&path).map(|state| state.downcast::<O::State<D>>());
        let (retained, strategy) = (tensor.is_require_grad(), tensor.gradient_checkpointing_strategy());
        let (updated, state) = self.optimizer.step(self.rate, tensor.inner(), gradient, state);
        if let Some(state) = state {
            self.states.insert(path, DynState::create(state, D));
        }
        // The update happened outside autodiff; the parameter returns as the leaf it was.
        let mut updated = updated.autodiff();
        if let Some(strategy) = strategy {
            updated = updated.with_gradient_checkpointing_strategy(strategy);
        }
        Param::from_mapped_value(id, updated.set_require_grad(retained), mapper)
    }
}
