//! Training: a planted dictionary is found, dead latents are revived, and what cannot be trained is refused.
#![cfg(feature = "flex")]

use burn::tensor::{Device, FloatDType};
use ndarray::{Array2, ArrayView2};
use numerics::rng::{self, normals, stream};
use probes::{
    Checkpoints, DecoderNorm, Error, Initialisation, Revival, SparseAutoencoder, SparseAutoencoderConfig,
    SparseTraining, SparseWeights, Sparsity, evaluate, train, train_resumable,
};
use rand::RngExt;
use tensor_backend::DeviceSpec;
use tensor_backend::training::Schedule;

const UNITS: usize = 24;
const TRUE: usize = 40;
const ACTIVE: usize = 3;
const ROWS: usize = 3000;

fn cpu() -> Device {
    DeviceSpec::Cpu.open().unwrap().device
}

fn directions(seed: u64, purpose: &str, count: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, purpose, 0), count * UNITS);
    let mut all = Array2::from_shape_vec((count, UNITS), values).unwrap();
    for mut row in all.outer_iter_mut() {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    all
}

/// Rows that are sums of `ACTIVE` of `TRUE` directions with weights in [0.5, 1.5], and the directions.
fn planted(seed: u64) -> (Array2<f32>, Array2<f64>) {
    let truth = directions(seed, "planted.directions", TRUE);
    let mut rows = Array2::<f32>::zeros((ROWS, UNITS));
    for (i, mut row) in rows.outer_iter_mut().enumerate() {
        let mut draw = stream(seed, "planted.rows", i as u64);
        for j in rng::subset(&mut draw, TRUE, ACTIVE) {
            let weight = 0.5 + draw.random::<f64>();
            row.zip_mut_with(&truth.row(j), |x, d| *x += (weight * d) as f32);
        }
    }
    (rows, truth)
}

/// Mean over the true directions of the best cosine among the found.
fn recovered(truth: &Array2<f64>, found: &ArrayView2<'_, f64>) -> f64 {
    let mut total = 0.0;
    for t in truth.outer_iter() {
        let best = found.outer_iter().map(|f| t.dot(&f) / f.dot(&f).sqrt().max(1e-12)).fold(-1.0, f64::max);
        total += best;
    }
    total / truth.nrows() as f64
}

fn plan() -> SparseTraining {
    SparseTraining {
        epochs: 60,
        batch_size: 128,
        rate: Schedule::Constant { rate: 3e-3 },
        centre: false,
        ..SparseTraining::default()
    }
}

#[test]
fn a_planted_dictionary_is_recovered_by_every_kind() {
    let latents = 48;
    let base = |sparsity| SparseAutoencoderConfig::new(UNITS, latents, sparsity);
    let l1 = Sparsity::L1 { coefficient: 0.01 };
    for (name, config) in [
        ("top-k", base(Sparsity::TopK { k: ACTIVE })),
        ("batch-top-k", base(Sparsity::BatchTopK { k: ACTIVE })),
        ("l1", base(l1)),
        ("l1 tied", SparseAutoencoderConfig { tied: true, pre_bias: false, ..base(l1) }),
    ] {
        for seed in 0..2 {
            let (rows, truth) = planted(seed);
            let random = recovered(&truth, &directions(seed, "planted.baseline", latents).view());
            let model = SparseAutoencoder::new(&config, seed, FloatDType::F32, &cpu()).unwrap();
            let trained = train(model, &rows.view(), &plan(), &mut |_| true).unwrap();
            let found = trained.model.weights().unwrap();
            let score = recovered(&truth, &found.directions());
            let report = evaluate(&trained.model, &rows.view(), 512).unwrap();
            println!(
                "{name} seed {seed}: {score:.3} (random {random:.3}), {report:?}",
                report = (report.unexplained, report.l0, report.dead_fraction)
            );
            assert!(score > 0.9 && random < 0.75, "{name}: {score} {random}");
            assert!(report.unexplained.unwrap() < 0.15, "{name}: {report:?}");
            assert!(found.direction_norms().iter().all(|n| (n - 1.0).abs() < 1e-5));
            let first = trained.epochs[0];
            assert!(trained.epochs[59].loss < first.loss / 3.0, "{name}: {:?}", trained.epochs[59]);
            if !matches!(config.sparsity, Sparsity::L1 { .. }) {
                assert!(report.l0 < 1.1 * ACTIVE as f64, "{name}: {}", report.l0);
            }
        }
    }
}

/// Weights whose second half of latents does not fire; `quiet` scales their encoder columns, `bias` is theirs.
fn half_dead(config: &SparseAutoencoderConfig, quiet: f64, bias: f64) -> SparseWeights {
    let model = SparseAutoencoder::new(config, 4, FloatDType::F32, &cpu()).unwrap();
    let mut weights = model.weights().unwrap();
    for j in config.latents / 2..config.latents {
        weights.encoder.column_mut(j).mapv_inplace(|x| f64::from((x * quiet) as f32));
        weights.encoder_bias[j] = bias;
    }
    weights
}

fn dead_after(weights: &SparseWeights, rows: &Array2<f32>, revival: Revival) -> (f64, usize) {
    let model = SparseAutoencoder::from_weights(weights, FloatDType::F32, &cpu()).unwrap();
    let plan = SparseTraining { epochs: 20, revival, ..plan() };
    let trained = train(model, &rows.view(), &plan, &mut |_| true).unwrap();
    let report = evaluate(&trained.model, &rows.view(), 512).unwrap();
    (report.dead_fraction, trained.epochs[19].revived)
}

#[test]
fn resampling_revives_dead_latents() {
    let (rows, _) = planted(7);
    for tied in [false, true] {
        let sparsity = Sparsity::L1 { coefficient: 0.01 };
        let config = SparseAutoencoderConfig { tied, ..SparseAutoencoderConfig::new(UNITS, 48, sparsity) };
        let weights = half_dead(&config, 1.0, -30.0);
        let (without, none) = dead_after(&weights, &rows, Revival::None);
        let resample = Revival::Resample { every: 60, rounds: 4, dead_after: 3000, rows: 1000 };
        let (with, revived) = dead_after(&weights, &rows, resample);
        println!("tied {tied}: dead {without} without, {with} with resampling of {revived}");
        assert!(without >= 0.45 && none == 0, "{without}");
        assert!(with <= 0.1 && revived >= 24, "{with} {revived}");
    }
}

#[test]
fn the_auxiliary_loss_revives_dead_latents() {
    let (rows, _) = planted(8);
    let config = SparseAutoencoderConfig::new(UNITS, 48, Sparsity::TopK { k: ACTIVE });
    let weights = half_dead(&config, 0.001, 0.0);
    let (without, _) = dead_after(&weights, &rows, Revival::None);
    let auxiliary = Revival::AuxiliaryLoss { k: 12, coefficient: 1.0 / 32.0, dead_after: 3000 };
    let (with, _) = dead_after(&weights, &rows, auxiliary);
    println!("dead {without} without, {with} with the auxiliary loss");
    assert!(with < without - 0.1, "{without} {with}");
}

fn small() -> (SparseAutoencoder, Array2<f32>) {
    let config = SparseAutoencoderConfig::new(UNITS, 30, Sparsity::TopK { k: 2 });
    (SparseAutoencoder::new(&config, 1, FloatDType::F32, &cpu()).unwrap(), planted(1).0)
}

#[test]
fn the_same_seed_gives_the_same_bits_wherever_the_rows_lie() {
    let (model, rows) = small();
    let run = |plan: SparseTraining| {
        let trained = train(model.clone(), &rows.view(), &plan, &mut |_| true).unwrap();
        (trained.model.weights().unwrap(), trained.epochs)
    };
    let plan = SparseTraining { epochs: 2, ..plan() };
    let base = run(plan.clone());
    assert_eq!(base, run(plan.clone()));
    assert_eq!(base, run(SparseTraining { resident_bytes: 0, ..plan.clone() }));
    assert_ne!(base, run(SparseTraining { seed: 1, ..plan }));
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (units, latents, rows) = (96, 512, 600);
    let values = normals(&mut stream(1, "threads.rows", 0), rows * units);
    let data = Array2::from_shape_fn((rows, units), |(i, j)| values[i * units + j] as f32);
    let plan = SparseTraining { epochs: 2, batch_size: 300, ..plan() };
    for sparsity in
        [Sparsity::TopK { k: 16 }, Sparsity::BatchTopK { k: 16 }, Sparsity::L1 { coefficient: 0.01 }]
    {
        let config = SparseAutoencoderConfig::new(units, latents, sparsity);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let model = SparseAutoencoder::new(&config, 1, FloatDType::F32, &cpu()).unwrap();
                let trained = train(model, &data.view(), &plan, &mut |_| true).unwrap();
                (trained.model.weights().unwrap(), trained.epochs)
            })
        };
        assert!(with(1) == with(3), "{sparsity:?}");
    }
}

#[test]
fn directions_have_unit_length_when_they_should() {
    let rows = planted(2).0;
    for norm in [DecoderNorm::PerStep, DecoderNorm::PerEpoch, DecoderNorm::Free] {
        for tied in [false, true] {
            let initialisation = Initialisation::Normal { deviation: 0.1 };
            let sparsity = Sparsity::L1 { coefficient: 0.01 };
            let config = SparseAutoencoderConfig {
                norm,
                tied,
                initialisation,
                ..SparseAutoencoderConfig::new(UNITS, 30, sparsity)
            };
            let model = SparseAutoencoder::new(&config, 1, FloatDType::F32, &cpu()).unwrap();
            let started = model.weights().unwrap().direction_norms();
            let trained =
                train(model, &rows.view(), &SparseTraining { epochs: 1, ..plan() }, &mut |_| true).unwrap();
            let ended = trained.model.weights().unwrap().direction_norms();
            let unit = |norms: &ndarray::Array1<f64>| norms.iter().all(|n| (n - 1.0).abs() < 1e-5);
            assert_eq!(unit(&started), norm == DecoderNorm::PerStep, "{norm:?} {tied}");
            assert_eq!(unit(&ended), norm != DecoderNorm::Free, "{norm:?} {tied}");
        }
    }
}

#[test]
fn an_observer_ends_the_run_and_hears_each_epoch() {
    let (model, rows) = small();
    let mut heard = Vec::new();
    let trained = train(model, &rows.view(), &plan(), &mut |e| {
        heard.push(e.epoch);
        e.epoch < 2
    })
    .unwrap();
    assert_eq!(heard, [0, 1, 2]);
    assert_eq!(trained.epochs.len(), 3);
    assert_eq!(trained.epochs[2].steps, 3 * 24);
}

#[test]
fn what_diverges_or_is_not_finite_is_a_typed_error() {
    let (model, rows) = small();
    let wild = SparseTraining { rate: Schedule::Constant { rate: 1e30 }, ..plan() };
    let config = SparseAutoencoderConfig { norm: DecoderNorm::Free, ..model.config().clone() };
    let free = SparseAutoencoder::new(&config, 1, FloatDType::F32, &cpu()).unwrap();
    let found = train(free, &rows.view(), &wild, &mut |_| true);
    assert!(matches!(found, Err(Error::Diverged { what: "loss", .. })), "{found:?}");
    let try_rows = |rows: &Array2<f32>| train(model.clone(), &rows.view(), &plan(), &mut |_| true);
    let mut broken = rows.clone();
    broken[[17, 3]] = f32::NAN;
    assert!(matches!(try_rows(&broken), Err(Error::NotFinite { row: 17, column: 3, .. })));
    assert!(matches!(evaluate(&model, &broken.view(), 8), Err(Error::NotFinite { .. })));
    assert!(matches!(try_rows(&Array2::zeros((0, UNITS))), Err(Error::Shape { .. })));
    assert!(matches!(try_rows(&Array2::zeros((5, UNITS + 1))), Err(Error::Shape { .. })));
    assert!(matches!(evaluate(&model, &rows.view(), 0), Err(Error::Parameter { .. })));
    let flat = evaluate(&model, &Array2::from_elem((4, UNITS), 0.5).view(), 3).unwrap();
    assert!(flat.unexplained.is_none() && flat.rows == 4);
}

#[test]
fn a_resumed_run_is_the_run_that_was_not_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let rows = planted(3).0;
    let auxiliary = Revival::AuxiliaryLoss { k: 12, coefficient: 1.0 / 32.0, dead_after: 500 };
    let resample = Revival::Resample { every: 30, rounds: 3, dead_after: 500, rows: 400 };
    for (sparsity, revival) in [
        (Sparsity::TopK { k: 2 }, auxiliary),
        (Sparsity::BatchTopK { k: 2 }, auxiliary),
        (Sparsity::L1 { coefficient: 0.02 }, resample),
    ] {
        let config = SparseAutoencoderConfig::new(UNITS, 30, sparsity);
        let model = SparseAutoencoder::from_weights(&half_dead(&config, 0.01, -1.0), FloatDType::F32, &cpu())
            .unwrap();
        let plan = |epochs| SparseTraining { epochs, revival, ..plan() };
        let whole = train(model.clone(), &rows.view(), &plan(5), &mut |_| true).unwrap();
        let keep = |every, resume| Checkpoints { path: path.clone(), every, resume };
        // Interrupted after the second epoch, and again by a shorter plan.
        train_resumable(model.clone(), &rows.view(), &plan(5), &keep(4, false), &mut |e| e.epoch < 1)
            .unwrap();
        train_resumable(model.clone(), &rows.view(), &plan(3), &keep(4, true), &mut |_| true).unwrap();
        let fresh = SparseAutoencoder::new(&config, 77, FloatDType::F32, &cpu()).unwrap();
        let resumed = train_resumable(fresh, &rows.view(), &plan(5), &keep(1, true), &mut |_| true).unwrap();
        assert_eq!(resumed.epochs, whole.epochs);
        assert_eq!(resumed.model.weights().unwrap(), whole.model.weights().unwrap());

        let again = |rows: &Array2<f32>, plan: SparseTraining| {
            train_resumable(model.clone(), &rows.view(), &plan, &keep(1, true), &mut |_| true)
        };
        let other = SparseTraining { seed: 9, ..plan(6) };
        assert!(matches!(again(&rows, other), Err(Error::File { .. })));
        let mut moved = rows.clone();
        moved[[0, 0]] += 1.0;
        assert!(matches!(again(&moved, plan(6)), Err(Error::File { .. })));
        assert!(again(&rows, plan(6)).is_ok());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(again(&rows, plan(7)), Err(Error::Recording(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(again(&rows, plan(7)), Err(Error::Recording(_))));
        let never = Checkpoints { path: path.clone(), every: 0, resume: false };
        assert!(train_resumable(model.clone(), &rows.view(), &plan(1), &never, &mut |_| true).is_err());
    }
}
