//! Training: convergence, exact resuming, damaged checkpoints, early stopping, clipping.
#![cfg(feature = "flex")]

use std::path::Path;

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{Device, FloatDType, Tensor, TensorData, activation};
use ndarray::{Array2, Axis};
use serde_json::json;
use tensor_backend::training::{
    Batch, EarlyStop, Ending, EpochReport, Flow, Observer, Schedule, StepReport, Trainer, Training,
};
use tensor_backend::{DeviceSpec, Error, bridge, random};

#[derive(Module, Debug)]
struct Network {
    one: Linear,
    norm: BatchNorm,
    two: Linear,
}

impl Network {
    /// The same parameters each time: drawn on the host, not by Burn.
    fn new(device: &Device) -> Self {
        let mut network = Self {
            one: LinearConfig::new(4, 6).init(device),
            norm: BatchNormConfig::new(6).init(device),
            two: LinearConfig::new(6, 1).init(device),
        };
        let draw = |index| random::Key::new(1, "network", index);
        for (index, linear) in [&mut network.one, &mut network.two].into_iter().enumerate() {
            let shape = linear.weight.dims();
            let weight: Tensor<2> =
                random::normal(shape, draw(index as u64), 0.0, 0.5, FloatDType::F32, device).unwrap();
            linear.weight = burn::module::Param::from_tensor(weight);
            linear.bias = Some(burn::module::Param::from_tensor(Tensor::zeros([shape[1]], device)));
        }
        network
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.two.forward(activation::tanh(self.norm.forward(self.one.forward(x))))
    }
}

const SAMPLES: usize = 37;

fn inputs() -> Array2<f64> {
    let values = numerics::rng::normals(&mut numerics::rng::stream(2, "inputs", 0), SAMPLES * 4);
    Array2::from_shape_vec((SAMPLES, 4), values).unwrap()
}

fn device() -> Device {
    DeviceSpec::Cpu.open().unwrap().device.autodiff()
}

/// Squared error on noisy inputs; the noise is drawn from the step's own stream.
fn loss(model: &Network, batch: &Batch<'_>) -> Result<Tensor<1>, Error> {
    let device = device();
    let x = inputs().select(Axis(0), batch.indices);
    let wanted = x.map_axis(Axis(1), |r| r[0] * r[1] - r[2]).insert_axis(Axis(1));
    let x: Tensor<2> = bridge::float_tensor(x.view(), FloatDType::F32, &device)?;
    let noise = random::normal(x.dims(), batch.key("noise"), 0.0, 0.05, FloatDType::F32, &device)?;
    let wanted: Tensor<2> = bridge::float_tensor(wanted.view(), FloatDType::F32, &device)?;
    Ok((model.forward(x + noise) - wanted).square().mean())
}

fn plan(epochs: u64) -> Training {
    Training {
        epochs,
        batch_size: 8,
        rate: Schedule::Cosine { peak: 0.02, floor: 0.001, warmup: 3, steps: 30 },
        seed: 9,
        clip_norm: Some(1.0),
        ..Training::default()
    }
}

fn trainer(epochs: u64) -> Trainer<Network, burn::optim::Adam> {
    Trainer::new(Network::new(&device()), AdamConfig::new().build(), plan(epochs)).unwrap()
}

/// Every parameter and running statistic, by path.
fn parameters(model: &Network) -> Vec<TensorData> {
    let linear = |l: &Linear| [l.weight.val().into_data(), l.bias.as_ref().unwrap().val().into_data()];
    let norm = [
        model.norm.gamma.val().into_data(),
        model.norm.beta.val().into_data(),
        model.norm.running_mean.value_sync().into_data(),
        model.norm.running_var.value_sync().into_data(),
    ];
    linear(&model.one).into_iter().chain(norm).chain(linear(&model.two)).collect()
}

/// Records all it hears, and stops after a step when told to.
#[derive(Default)]
struct Log {
    stop_after: Option<u64>,
    losses: Vec<u64>,
    rates: Vec<u64>,
    epochs: Vec<u64>,
}

impl Observer<Network> for Log {
    fn step(&mut self, report: &StepReport) -> Flow {
        self.losses.push(report.loss.to_bits());
        self.rates.push(report.learning_rate.to_bits());
        if self.stop_after == Some(report.step) { Flow::Stop } else { Flow::Continue }
    }

    fn epoch(&mut self, report: &EpochReport, _model: &Network) -> Result<Flow, String> {
        self.epochs.push(report.loss.to_bits());
        Ok(Flow::Continue)
    }
}

#[test]
fn an_interrupted_and_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let mut whole = Log::default();
    let uninterrupted = trainer(6).run(SAMPLES, loss, &mut whole).unwrap();
    assert_eq!((uninterrupted.ending, uninterrupted.position.step), (Ending::Complete, 30));
    assert!(f64::from_bits(whole.epochs[5]) < 0.8 * f64::from_bits(whole.epochs[0]), "it does not learn");
    // Within an epoch, at its end, and after the first step.
    for stop_after in [0, 6, 9] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        let mut first = Log { stop_after: Some(stop_after), ..Log::default() };
        let stopped = trainer(6).checkpoints(&path, 1_000).unwrap().run(SAMPLES, loss, &mut first).unwrap();
        assert_eq!((stopped.ending, stopped.position.step), (Ending::Stopped, stop_after + 1));
        let mut second = Log::default();
        let resumed = trainer(6).resume(&path).unwrap().run(SAMPLES, loss, &mut second).unwrap();
        assert_eq!(resumed.position, uninterrupted.position);
        assert_eq!([first.losses, second.losses].concat(), whole.losses, "stopped after {stop_after}");
        assert_eq!([first.rates, second.rates].concat(), whole.rates);
        assert_eq!([first.epochs, second.epochs].concat(), whole.epochs, "stopped after {stop_after}");
        assert_eq!(parameters(&resumed.model), parameters(&uninterrupted.model));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
    }
}

#[test]
fn two_runs_write_the_same_checkpoint_and_more_epochs_may_follow() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for path in [&a, &b] {
        trainer(2).checkpoints(path, 3).unwrap().run(SAMPLES, loss, &mut ()).unwrap();
    }
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    let longer = trainer(3).resume(&a).unwrap().run(SAMPLES, loss, &mut ()).unwrap();
    let whole = trainer(3).run(SAMPLES, loss, &mut ()).unwrap();
    assert_eq!(parameters(&longer.model), parameters(&whole.model));
    // Other programs can read it.
    let bytes = std::fs::read(&a).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("model.one.weight").unwrap().shape(), [4, 6]);
    assert!(file.names().iter().any(|n| n.starts_with("optimizer.one.weight.")));
}

#[test]
fn damage_anywhere_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    trainer(1).checkpoints(&path, 1).unwrap().run(SAMPLES, loss, &mut ()).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = trainer(1).resume(&path).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{what}: {error}");
    };
    for at in (0..good.len()).step_by(good.len() / 150).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        refused(&bad, &format!("byte {at} of {}", good.len()));
    }
    for length in [0, 7, 8, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length], &format!("cut to {length}"));
    }
    refused(&[good.clone(), vec![0]].concat(), "one byte more");
    refused(b"not a checkpoint at all", "text");
    std::fs::write(&path, &good).unwrap();
    assert!(trainer(1).resume(&path).is_ok());
    assert!(matches!(trainer(1).resume(Path::new("/nowhere/run")), Err(Error::Io { .. })));
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let about = json!({"data": "sha256:abc"});
    trainer(1).about(&about).checkpoints(&path, 100).unwrap().run(SAMPLES, loss, &mut ()).unwrap();
    let reason =
        |trainer: Result<Trainer<Network, burn::optim::Adam>, Error>| trainer.unwrap_err().to_string();
    assert!(reason(trainer(1).resume(&path)).contains("description"));
    let network = || Network::new(&device());
    let other_plan = Training { batch_size: 7, ..plan(1) };
    let other = Trainer::new(network(), AdamConfig::new().build(), other_plan).unwrap();
    assert!(reason(other.about(&about).resume(&path)).contains("batch_size"));
    let sgd = Trainer::new(network(), SgdConfig::new().build(), plan(1)).unwrap();
    assert!(matches!(sgd.about(&about).resume(&path), Err(Error::Checkpoint { .. })));
    let mut wider = network();
    wider.two = LinearConfig::new(6, 2).init(&device());
    let wider = Trainer::new(wider, AdamConfig::new().build(), plan(1)).unwrap();
    assert!(reason(wider.about(&about).resume(&path)).contains("two."));
    let mut biased = network();
    biased.two.bias = None;
    let biased = Trainer::new(biased, AdamConfig::new().build(), plan(1)).unwrap();
    assert!(reason(biased.about(&about).resume(&path)).contains("no parameter two.bias"));
    let resumed = trainer(2).about(&about).resume(&path).unwrap().run(SAMPLES + 1, loss, &mut ());
    assert!(matches!(resumed, Err(Error::Value { .. })));
}

#[test]
fn a_loss_that_is_nan_ends_the_run_at_its_step_and_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let fails = |model: &Network, batch: &Batch<'_>| {
        let value = loss(model, batch)?;
        Ok::<_, Error>(if batch.step == 7 { value * f32::NAN } else { value })
    };
    let ended = trainer(3).checkpoints(&path, 1).unwrap().run(SAMPLES, fails, &mut ());
    assert!(matches!(ended, Err(Error::NonFinite { step: 7, epoch: 1, .. })), "{ended:?}");
    assert_eq!(trainer(3).resume(&path).unwrap().position().step, 7);
    let gone = trainer(1).run(SAMPLES, |_: &Network, _: &Batch<'_>| Err("the file is gone"), &mut ());
    assert!(matches!(gone, Err(Error::Step { step: 0, .. })));
    let constant = |_: &Network, _: &Batch<'_>| Ok::<_, Error>(Tensor::<1>::ones([1], &device()));
    assert!(matches!(trainer(1).run(SAMPLES, constant, &mut ()), Err(Error::NoGradient { .. })));
    let vector = |m: &Network, b: &Batch<'_>| loss(m, b).map(|l| Tensor::cat(vec![l.clone(), l], 0));
    assert!(matches!(trainer(1).run(SAMPLES, vector, &mut ()), Err(Error::Shape { .. })));
}

#[test]
fn early_stopping_ends_the_run_and_survives_a_checkpoint() {
    let stop = || {
        EarlyStop::new(2, 0.0, |report: &EpochReport, _: &Network| Ok(f64::from(report.epoch.max(3) as u32)))
    };
    let ended = trainer(30).run(SAMPLES, loss, &mut stop()).unwrap();
    // The score is 3 in epochs 0 to 3: no gain in epochs 1 and 2.
    assert_eq!((ended.ending, ended.position.epoch), (Ending::Stopped, 3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    trainer(2).checkpoints(&path, 1).unwrap().run(SAMPLES, loss, &mut stop()).unwrap();
    let resumed = trainer(30).resume(&path).unwrap().run(SAMPLES, loss, &mut stop()).unwrap();
    assert_eq!((resumed.ending, resumed.position.epoch), (Ending::Stopped, 3));
}

#[test]
fn clipping_bounds_the_step_of_plain_descent() {
    // One step of SGD without momentum moves the parameters by rate * min(norm, clip).
    let moved = |clip_norm| {
        let model = LinearConfig::new(4, 1).init(&device());
        let before = model.weight.val().inner();
        let plan = Training {
            batch_size: SAMPLES,
            clip_norm,
            rate: Schedule::Constant { rate: 0.5 },
            ..Training::default()
        };
        let far = |m: &Linear, _: &Batch<'_>| {
            let x: Tensor<2> = bridge::float_tensor(inputs().view(), FloatDType::F32, &device())?;
            Ok::<_, Error>((m.forward(x) - 100.0).square().mean())
        };
        let trainer = Trainer::new(model.clone(), SgdConfig::new().build(), plan).unwrap();
        let after = trainer.run(SAMPLES, far, &mut ()).unwrap().model;
        let weights = bridge::scalar((after.weight.val().inner() - before).square().sum()).unwrap();
        let (a, b) = (after.bias.unwrap().val().inner(), model.bias.unwrap().val().inner());
        (weights + bridge::scalar((a - b).square().sum()).unwrap()).sqrt()
    };
    assert!((moved(Some(0.25)) - 0.125).abs() < 1e-5, "{}", moved(Some(0.25)));
    assert!(moved(None) > 50.0, "{}", moved(None));
}

#[test]
fn frozen_parameters_stay_and_the_rest_trains() {
    let mut network = Network::new(&device());
    network.one = network.one.freeze();
    let before = parameters(&network);
    let after = Trainer::new(network, AdamConfig::new().build(), plan(1)).unwrap();
    let after = parameters(&after.run(SAMPLES, loss, &mut ()).unwrap().model);
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[6], after[6]);
}

#[test]
fn senseless_plans_are_refused() {
    let network = || Network::new(&device());
    for bad in [
        Training { epochs: 0, ..plan(1) },
        Training { batch_size: 0, ..plan(1) },
        Training { clip_norm: Some(0.0), ..plan(1) },
        Training { clip_norm: Some(f64::NAN), ..plan(1) },
        Training { rate: Schedule::Constant { rate: f64::INFINITY }, ..plan(1) },
    ] {
        assert!(matches!(Trainer::new(network(), AdamConfig::new().build(), bad), Err(Error::Value { .. })));
    }
    assert!(matches!(trainer(1).run(0, loss, &mut ()), Err(Error::Value { .. })));
    assert!(trainer(1).checkpoints("x", 0).is_err());
    assert!(serde_json::from_value::<Training>(json!({"epoch": 3})).is_err());
    let read: Training =
        serde_json::from_value(json!({"epochs": 3, "rate": {"kind": "constant", "rate": 0.1}})).unwrap();
    assert_eq!(read.rate, Schedule::Constant { rate: 0.1 });
}
