//! Rasters, pairings, pools and distances of the reference (fixtures/13-pspm/README.md).

use std::path::{Path, PathBuf};

use ndarray::Array2;
use recordings::arrays::ArrayFile;
use serde_json::Value;
use snn::analysis::van_rossum_steps;
use snn::pspm::{Drive, Lif, LifNetwork, Pools, Raster, SpikingNetwork, match_spikes, metrics};

/// Largest difference of distances.
const DISTANCE: f64 = 1e-9;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/13-pspm").join(name)
}

struct Reference {
    arrays: ArrayFile,
    events: Value,
}

impl Reference {
    fn open() -> Self {
        let events = std::fs::read_to_string(fixture("pspm_events.json")).unwrap();
        Self {
            arrays: ArrayFile::open(&fixture("pspm_step.npz")).unwrap(),
            events: serde_json::from_str(&events).unwrap(),
        }
    }

    fn parameter(&self, name: &str) -> f64 {
        self.events["params"][name].as_f64().unwrap()
    }

    fn raster(&self, key: &str) -> Raster {
        Raster::from_dense(&self.arrays.read_f64_2(key).unwrap().mapv(|x| x != 0.0).view()).unwrap()
    }
}

#[test]
fn given_weights_fire_the_same_rasters() {
    let reference = Reference::open();
    let mask = reference.arrays.read_f64_2("I_ext_mask").unwrap();
    let drive = Drive::from_dense(&(mask * reference.parameter("I_amp")).view()).unwrap();
    let lif = Lif { refractory_steps: reference.parameter("refractory_steps") as u32, ..Lif::default() };
    assert!(((-lif.step_ms / lif.tau_ms).exp() - reference.parameter("lambda_")).abs() < 1e-15);
    let mut spikes = 0;
    for (weights, raster) in [("W_true", "S_true"), ("W_model", "S_model")] {
        let weights = reference.arrays.read_f64_2(weights).unwrap();
        let expected = reference.raster(raster);
        let mut got = Raster::silent(expected.neurons(), expected.steps()).unwrap();
        LifNetwork::new(weights, lif).unwrap().simulate(&drive, &mut got).unwrap();
        assert_eq!(got, expected, "{raster}");
        spikes += got.spikes();
    }
    assert!(spikes > 200, "{spikes} spikes prove little");
}

#[test]
fn missed_extra_and_pools_are_the_same() {
    let reference = Reference::open();
    let (target, model) = (reference.raster("S_true"), reference.raster("S_model"));
    let window = reference.parameter("match_w") as u32;
    let pools = Pools::new(&model, reference.parameter("pool_L") as usize).unwrap();
    let mut got = Vec::new();
    let mut signs = Array2::<f64>::zeros((target.neurons(), target.neurons()));
    for i in 0..target.neurons() {
        let matching = match_spikes(&target.trains()[i], &model.trains()[i], window).unwrap();
        for (kind, steps, sign) in [("miss", &matching.missed, 1.0), ("extra", &matching.extra, -1.0)] {
            for t in steps {
                // The reference lists the neuron itself too; it never changes its own weight.
                let own = model.trains()[i].iter().any(|s| s < t && t - s <= 10);
                let mut pool: Vec<usize> = pools.members(*t as usize, i).collect();
                pool.iter().for_each(|j| signs[[i, *j]] += sign);
                if own {
                    pool.push(i);
                    pool.sort_unstable();
                }
                got.push(serde_json::json!([i, kind, t, pool]));
            }
        }
    }
    assert_eq!(Value::from(got), reference.events["events"]);
    assert_eq!(signs, reference.arrays.read_f64_2("net_update_sign_sum").unwrap());
}

#[test]
fn distances_and_f1_are_the_same() {
    let reference = Reference::open();
    let (target, model) = (reference.raster("S_true"), reference.raster("S_model"));
    let expected = reference.arrays.read_f64_1("van_rossum_own_tau10").unwrap();
    for (i, expected) in expected.iter().enumerate() {
        let got = van_rossum_steps(&target.trains()[i], &model.trains()[i], target.steps(), 10.0).unwrap();
        assert!((got - expected).abs() <= DISTANCE, "{i}: {got} {expected}");
    }
    let f1 = metrics::f1(&target, &model, 2).unwrap();
    assert!((f1 - reference.arrays.read_f64_1("f1_w2").unwrap()[0]).abs() <= DISTANCE, "{f1}");
    let all = metrics::similarity(&target, &model, 2, 10.0).unwrap();
    assert!((all.van_rossum - expected.mean().unwrap()).abs() <= DISTANCE);
    assert_eq!(all.f1, f1);
}
