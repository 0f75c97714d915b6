//! The activity part of *Homogenized C. elegans Neural Activity and Connectivity Data* (Simeon et al. 2024).
//!
//! Generated recordings: is a signal kept through a change of sampling step? Real recordings, where they are at hand:
//! [`partners`].

mod partners;

use bio_data::activity::{Grid, Homogenizer, RawRecording, Smoothing, Trace, WormRecording};
use bio_data::neurons::LABELS;
use ndarray::Array2;
use numerics::correlation::pearson;
use numerics::rng::stream;
use numerics::summary::mean;
use rand::RngExt;
use rayon::prelude::*;

use super::fail;
use crate::{Measurement, Outcome, Plan, Result};

/// Measures the activity part and adds what it found.
pub(super) fn activity(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    generated(plan, outcome)?;
    let folder = plan.data.as_ref().map(|d| d.join("worm-calcium")).filter(|f| f.is_dir());
    match folder {
        Some(folder) => partners::partners(plan, &folder, outcome),
        None => {
            outcome
                .data
                .push("worm-calcium not found (NEUROPIL_DATA): real recordings are left out".to_owned());
            Ok(())
        }
    }
}

/// Two recordings of the same activity, sampled at different steps with jitter, must agree once homogenised.
fn generated(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.draws(plan.pick(20, 20, 100));
    let seeds = plan.seeds(draws.len());
    let config = Homogenizer { smooth: Smoothing::None, ..Homogenizer::default() };
    let scores = draws
        .par_iter()
        .map(|seed| {
            let fast = config.process(&sampled(*seed, 0.15, 0)).map_err(fail)?;
            let slow = config.process(&sampled(*seed, 0.6, 1)).map_err(fail)?;
            // Control: the same traces laid side by side by sample number, as if steps did not differ.
            let raw =
                |w: &WormRecording| w.trace(Trace::Calcium, Grid::Original).cloned().unwrap_or_default();
            Ok((
                mean_correlation(&calcium(&fast)?, &calcium(&slow)?)?,
                mean_correlation(&raw(&fast), &raw(&slow))?,
                variance_error(&calcium(&fast)?).max(variance_error(&calcium(&slow)?)),
            ))
        })
        .collect::<Result<Vec<(f64, f64, f64)>>>()?;
    let agreement: Vec<f64> = scores.iter().map(|s| s.0).collect();
    let control: Vec<f64> = scores.iter().map(|s| s.1).collect();
    outcome.measurements.push(
        Measurement::at_least("recordings at 0.15 s and 0.6 s agree once homogenised", mean(&agreement), 0.99)
            .control(mean(&control))
            .interval_of(&agreement)
            .seeds(&seeds)
            .note(
                "mean correlation of the same neuron, held to what the sheet asks of a resampled sine (check 4); control: \
                 without homogenisation, sample against sample",
            ),
    );
    let worst = scores.iter().map(|s| s.2).fold(0.0, f64::max);
    outcome.measurements.push(
        Measurement::at_most("variance of a homogenised trace minus 1", worst, 1e-6)
            .seeds(&seeds)
            .note("largest over neurons and draws; the bound is the sheet's (check 4); arrays are 32-bit"),
    );
    outcome.data.push("slow oscillations of 12 neurons at two sampling steps (generated)".to_owned());
    Ok(())
}

/// 12 neurons with two slow oscillations each, the same for either sampling.
fn sampled(seed: u64, step_s: f64, worm: u64) -> RawRecording {
    const NEURONS: usize = 12;
    const LENGTH_S: f64 = 400.0;
    let mut draws = stream(seed, "32-homogenized-worm/oscillations", 0);
    let waves: Vec<[f64; 6]> = (0..NEURONS).map(|_| std::array::from_fn(|_| draws.random::<f64>())).collect();
    let mut jitter = stream(seed, "32-homogenized-worm/jitter", worm);
    let samples = (LENGTH_S / step_s) as usize;
    let times_s: Vec<f64> =
        (0..samples).map(|i| step_s * (i as f64 + 0.3 * jitter.random::<f64>())).collect();
    let traces = Array2::from_shape_fn((samples, NEURONS), |(i, n)| {
        let w = waves[n];
        let turns =
            |part: f64, phase: f64| std::f64::consts::TAU * (times_s[i] * (0.01 + 0.04 * part) + phase);
        (1.0 + w[0]) * turns(w[1], w[2]).sin() + w[3] * turns(w[4], w[5]).cos() + n as f64
    });
    RawRecording {
        source: "Generated".to_owned(),
        worm: format!("worm{worm}"),
        file: "formula".to_owned(),
        times_s,
        traces,
        names: (0..NEURONS).map(|n| Some(LABELS[20 * n].to_owned())).collect(),
    }
}

fn calcium(worm: &WormRecording) -> Result<Array2<f32>> {
    worm.calcium().cloned().map_err(fail)
}

fn variance_error(z: &Array2<f32>) -> f64 {
    z.rows()
        .into_iter()
        .map(|r| (r.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / r.len() as f64 - 1.0).abs())
        .fold(0.0, f64::max)
}

/// Mean over rows of the correlation of two matrices, as far as both have samples.
fn mean_correlation(a: &Array2<f32>, b: &Array2<f32>) -> Result<f64> {
    let samples = a.ncols().min(b.ncols());
    let head =
        |r: ndarray::ArrayView1<'_, f32>| r.iter().take(samples).map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let rows = a.rows().into_iter().zip(b.rows());
    let each = rows.map(|(a, b)| pearson(&head(a), &head(b)).map_err(fail));
    Ok(mean(&each.collect::<Result<Vec<f64>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;

    #[test]
    fn generated_recordings_agree_and_missing_ones_are_named() {
        let plan = Plan { tier: Tier::Quick, seed: 1, data: None, device: "cpu".to_owned() };
        let mut outcome = Outcome::default();
        activity(&plan, &mut outcome).unwrap();
        assert_eq!(outcome.measurements.len(), 2);
        for m in &outcome.measurements {
            assert!(m.holds && m.seeds == [1], "{m:?}");
        }
        assert!(outcome.data.iter().any(|d| d.contains("worm-calcium not found")), "{:?}", outcome.data);
    }
}
