//! No model at all: residuals with a planted language, and whether the steering direction is the planted one.

use llm_neurons::foxp2::{
    FitConfig, LayerFit, PairResiduals, candidates, fit_layer, language_neurons, selectivity,
    selectivity_floor, unit_rows,
};
use ndarray::{Array1, Array2};
use numerics::rng::{normals, stream};
use tensor_backend::DeviceSpec;

use super::experiment::{Size, config};
use super::fail;
use crate::Result;

const UNITS: usize = 24;
const PAIRS: usize = 200;
const FEATURES: usize = 48;
/// Directions that sentences share, whatever their language; each is in about a third of them.
const TOPICS: usize = 8;

fn unit(values: Vec<f64>) -> Array1<f64> {
    let v = Array1::from(values);
    let length = v.dot(&v).sqrt();
    v / length
}

/// The cosine between what steering adds and the planted direction of the target language; with shuffled languages none
/// where no feature is left. `lift` of a feature is how far its direction goes along the planted one.
pub(super) fn cosines(seed: u64) -> Result<(f64, Option<f64>)> {
    let draw = |purpose: &str, i: u64, n: usize| normals(&mut stream(seed, purpose, i), n);
    let [english, target] = [0, 1].map(|i| unit(draw("05/planted.language", i, UNITS)));
    let topics: Vec<Array1<f64>> =
        (0..TOPICS as u64).map(|i| unit(draw("05/planted.topic", i, UNITS))).collect();
    let side = |language: &Array1<f64>, which: &str| {
        let mut rows = Array2::zeros((PAIRS, UNITS));
        for (i, mut row) in rows.outer_iter_mut().enumerate() {
            // The same topics on both sides of a pair.
            for (share, topic) in draw("05/planted.mix", i as u64, TOPICS).iter().zip(&topics) {
                row.scaled_add((share - 0.4).max(0.0), topic);
            }
            let own = draw(which, i as u64, UNITS + 1);
            row.scaled_add(1.0 + 0.2 * own[UNITS], language);
            row += &(Array1::from(own[..UNITS].to_vec()) * 0.02);
        }
        rows
    };
    let rows = [side(&english, "05/planted.english")];
    let pairs =
        PairResiduals::new(vec![0], rows.to_vec(), vec![side(&target, "05/planted.target")]).map_err(fail)?;
    let how = config(Size { epochs: 150, features: FEATURES }, seed);
    let how = FitConfig { layers: Some(vec![0]), ..how };
    let device = DeviceSpec::Cpu.open().map_err(fail)?.device;
    let weights = how.autoencoder(&pairs, 0, &device).map_err(fail)?.weights;
    let cosine = |pairs: &PairResiduals| {
        let encode = |rows| weights.encode(&unit_rows(&rows).view()).map_err(fail);
        let (z_target, z_english) = (encode(pairs.target(0))?, encode(pairs.source(0))?);
        let selective = selectivity(&z_target.view(), &z_english.view()).map_err(fail)?;
        let floor = selectivity_floor(PAIRS, FEATURES, 0.05).map_err(fail)?;
        let chosen = candidates(&selective.view(), 30, floor);
        let lifts: Vec<f64> = chosen.iter().map(|j| weights.directions().row(*j).dot(&target)).collect();
        let neurons = language_neurons(&chosen, &selective.view(), &lifts).map_err(fail)?;
        if neurons.is_empty() {
            return Ok(None);
        }
        let (t, e) = (z_target.view(), z_english.view());
        let fit = LayerFit { seed, ..LayerFit::default() };
        let steer = fit_layer(0, weights.clone(), &neurons.features, &t, &e, &e, 1.0, fit).map_err(fail)?;
        let added = steer.towards(1.0, llm_neurons::foxp2::Scale::Absolute).map_err(fail)?;
        Ok(Some(added.dot(&target) / added.dot(&added).sqrt()))
    };
    Ok((cosine(&pairs)?.unwrap_or(f64::NAN), cosine(&pairs.shuffled(seed))?))
}
