//! Sheet 00-A, check 5: one weight of every tensor of every architecture against central differences, in f64.
//!
//! A binary of its own: the default number type of a device is set once.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{FloatDType, Gradients, Tensor, TensorData};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use llm_neurons::training::{LmBatch, next_token_loss};
use numerics::rng::stream;
use probes::{HookSet, NoTaps, Taps};
use rand::RngExt;
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::scalar;
use tensor_backend::gradients::backward;

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];
/// Half of the distance of the two losses.
const STEP: f64 = 1e-5;
/// In f64, relative to the gradient; the sheet allows 1e-2 in f32.
const RELATIVE: f64 = 1e-5;
/// Of gradients that vanish.
const ABSOLUTE: f64 = 1e-9;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers")
}

fn model(name: &str) -> HookedLm {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.config.json"))).unwrap();
    let files = WeightFiles::open_file(&fixtures().join(format!("{name}.model.safetensors"))).unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device.autodiff();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F64, &device).unwrap()
}

/// The batch: ragged, so that padding is part of what is differentiated.
fn batch() -> LmBatch {
    LmBatch::texts(&[vec![5, 9, 40, 7, 22, 61], vec![61, 3, 8, 17], vec![11, 80]]).unwrap()
}

/// One element of a parameter, and its gradient by the backward pass.
struct Place {
    path: String,
    id: ParamId,
    element: usize,
    gradient: f64,
}

struct Chooser<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    places: Vec<Place>,
}

impl ModuleVisitor for Chooser<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let gradient = param.val().grad(self.gradients).unwrap_or_else(|| panic!("{path} has no gradient"));
        let values: Vec<f64> = gradient.into_data().iter::<f64>().collect();
        // Rows that the batch never reads have no gradient to speak of: one of those within a tenth of the largest.
        let largest = values.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let order: Vec<usize> = (0..values.len()).filter(|i| values[*i].abs() >= 0.1 * largest).collect();
        let mut draws = stream(0, &path, 0);
        let element = order[draws.random_range(0..order.len())];
        self.places.push(Place { path, id: param.id, element, gradient: values[element] });
    }
}

/// Adds to one element.
struct Nudge {
    id: ParamId,
    element: usize,
    by: f64,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.id != self.id {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let (shape, device) = (tensor.dims(), tensor.device());
        let mut values: Vec<f64> = tensor.inner().into_data().iter::<f64>().collect();
        values[self.element] += self.by;
        let tensor = Tensor::from_data(TensorData::new(values, shape), (&device, burn::tensor::DType::F64));
        Param::from_mapped_value(id, tensor, mapper)
    }
}

fn check<T: Taps>(name: &str, model: &HookedLm, mut taps: impl FnMut() -> T) {
    let batch = batch();
    let (_, gradients) = backward(next_token_loss(model, &batch, &mut taps()).unwrap()).unwrap();
    let mut chooser = Chooser { gradients: &gradients, path: Vec::new(), places: Vec::new() };
    model.visit(&mut chooser);
    assert!(chooser.places.len() >= 2 * 8, "{name}: every tensor of two blocks");
    let mut dead = Vec::new();
    for Place { path, id, element, gradient } in &chooser.places {
        let mut at = |by: f64| {
            let moved = model.clone().map(&mut Nudge { id: *id, element: *element, by });
            scalar(next_token_loss(&moved, &batch, &mut taps()).unwrap().inner()).unwrap()
        };
        let found = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let error = (found - gradient).abs();
        assert!(
            error <= RELATIVE * gradient.abs() + ABSOLUTE,
            "{name} {path}[{element}]: {gradient} by the backward pass, {found} by differences"
        );
        // A bias of keys shifts all scores of a query alike: the softmax does not see it.
        if gradient.abs() < 1e-6 && !path.ends_with("key.bias") {
            dead.push((path.clone(), *gradient));
        }
    }
    assert!(dead.is_empty(), "{name}: nothing to compare in {dead:?}");
}

#[test]
fn one_weight_of_every_tensor_agrees_with_central_differences() {
    for name in FAMILIES {
        check(name, &model(name), || NoTaps);
    }
}

#[test]
fn gradients_pass_through_edits() {
    for name in FAMILIES {
        check(name, &model(name), || {
            let mut hooks = HookSet::new();
            hooks.edit(Intervention::drop_units(Site::ResidPost(0), vec![1, 4, 30])).unwrap();
            let factors = Edit::ScaleUnits { units: vec![0, 7], factors: vec![0.5, -2.0] };
            let scale = Intervention { site: Site::DownIn(1), edit: factors, positions: Positions::All };
            hooks.edit(scale).unwrap();
            hooks
        });
    }
}
