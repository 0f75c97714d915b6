//! The activity part of *Homogenized C. elegans Neural Activity and Connectivity Data* (Simeon et al. 2024).
//!
//! Generated recordings: is a signal kept through a change of sampling step, and is it kept where it was smoothed
//! away? Real recordings, where they are at hand: do a neuron and its partner on the other side of the body, found by
//! name after homogenisation, go together more than other pairs?

use std::path::Path;

use bio_data::activity::{
    Grid, Homogenizer, NeuronLabels, RawKeys, RawRecording, Smoothing, Trace, WormRecording,
};
use bio_data::neurons::LABELS;
use ndarray::Array2;
use numerics::rng::{permutation, stream};
use rand::RngExt;
use rayon::prelude::*;

use super::fail;
use crate::figure::{Series, bars, scatter};
use crate::{Error, Measurement, Outcome, Plan, Result};

/// Measures the activity part and adds what it found.
pub(super) fn activity(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    generated(plan, outcome)?;
    let folder = plan.data.as_ref().map(|d| d.join("worm-calcium")).filter(|f| f.is_dir());
    match folder {
        Some(folder) => partners(plan, &folder, outcome),
        None => Ok(()),
    }
}

/// Two recordings of the same activity, sampled at different steps with jitter, must agree once homogenised.
fn generated(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(4, 20, 100));
    let config = Homogenizer { smooth: Smoothing::None, ..Homogenizer::default() };
    let scores = seeds
        .par_iter()
        .map(|seed| {
            let fast = config.process(&sampled(*seed, 0.15, 0)).map_err(fail)?;
            let slow = config.process(&sampled(*seed, 0.6, 1)).map_err(fail)?;
            // Control: the same traces laid side by side by sample number, as if steps did not differ.
            let raw =
                |w: &WormRecording| w.trace(Trace::Calcium, Grid::Original).cloned().unwrap_or_default();
            Ok((
                mean_correlation(&calcium(&fast)?, &calcium(&slow)?),
                mean_correlation(&raw(&fast), &raw(&slow)),
                variance_error(&calcium(&fast)?).max(variance_error(&calcium(&slow)?)),
            ))
        })
        .collect::<Result<Vec<(f64, f64, f64)>>>()?;
    let agreement: Vec<f64> = scores.iter().map(|s| s.0).collect();
    let (mean, half) = mean_and_half_width(&agreement);
    let control = scores.iter().map(|s| s.1).sum::<f64>() / scores.len() as f64;
    outcome.measurements.push(
        Measurement::at_least("recordings at 0.15 s and 0.6 s agree once homogenised", mean, 0.99)
            .control(control)
            .ci95(mean - half, mean + half)
            .seeds(&seeds)
            .note(
                "mean correlation of the same neuron; control: without homogenisation, sample against sample",
            ),
    );
    let worst = scores.iter().map(|s| s.2).fold(0.0, f64::max);
    outcome.measurements.push(
        Measurement::at_most("variance of a homogenised trace minus 1", worst, 1e-6)
            .seeds(&seeds)
            .note("largest over neurons and seeds; arrays are 32-bit"),
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
fn mean_correlation(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let samples = a.ncols().min(b.ncols());
    let rows = a.rows().into_iter().zip(b.rows()).map(|(a, b)| {
        let head = |r: ndarray::ArrayView1<'_, f32>| {
            r.iter().take(samples).map(|v| f64::from(*v)).collect::<Vec<_>>()
        };
        correlation(&head(a), &head(b))
    });
    rows.sum::<f64>() / a.nrows() as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (bio_data::activity::standardize(a), bio_data::activity::standardize(b));
    a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// Half width of the 95 % interval of a mean, by the normal approximation.
fn mean_and_half_width(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, 1.96 * (variance / n).sqrt())
}

/// One labelled pair of one worm.
struct Pair {
    name: String,
    correlation: f64,
}

/// Correlations of left-right partners against those of partners dealt at random, in every real recording.
fn partners(plan: &Plan, folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let worms = recordings(folder)?;
    let shuffles = plan.pick(200, 1000, 5000);
    let (mut own, mut chance, mut below) = (Vec::new(), Vec::new(), 0usize);
    let mut points = Vec::new();
    let mut known = Vec::new();
    for (number, worm) in worms.iter().enumerate() {
        let (lefts, rights) = sides(worm);
        let n = lefts.len();
        if n < 2 {
            return Err(fail(format!("{}: fewer than two neurons are labelled on both sides", worm.worm)));
        }
        let z = calcium(worm)?;
        let trace = |row: usize| z.row(row).iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let left: Vec<Vec<f64>> = lefts.iter().map(|(_, row)| trace(*row)).collect();
        let right: Vec<Vec<f64>> = rights.iter().map(|row| trace(*row)).collect();
        let all = Array2::from_shape_fn((n, n), |(i, j)| correlation(&left[i], &right[j]));
        let pairs: Vec<Pair> =
            (0..n).map(|i| Pair { name: format!("{}L-R", lefts[i].0), correlation: all[[i, i]] }).collect();
        let mean = pairs.iter().map(|p| p.correlation).sum::<f64>() / n as f64;
        let dealt: Vec<f64> = (0..shuffles)
            .map(|s| {
                let mut draws = stream(plan.seed, &format!("32-homogenized-worm/partners/{}", worm.worm), s);
                let order = permutation(&mut draws, n);
                order.iter().enumerate().map(|(i, j)| all[[i, *j]]).sum::<f64>() / n as f64
            })
            .collect();
        below += dealt.iter().filter(|d| **d >= mean).count();
        let control = dealt.iter().sum::<f64>() / dealt.len() as f64;
        points.push((number as f64 + 1.0, mean, control));
        own.push(mean);
        chance.push(control);
        known.extend(pairs.into_iter().filter(|p| ["AVAL-R", "AVEL-R"].contains(&p.name.as_str())));
    }
    let gaps: Vec<f64> = own.iter().zip(&chance).map(|(a, b)| a - b).collect();
    let (gap, half) = bootstrap(plan, &gaps);
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    outcome.measurements.push(
        Measurement::at_least("left-right partners correlate more than shuffled ones, real worms", gap, 0.2)
            .baseline(mean(&own))
            .control(mean(&chance))
            .ci95(half[0], half[1])
            .seeds(&[plan.seed])
            .note(format!(
                "{} worms; baseline: mean correlation of partners, control: of partners dealt at random ({shuffles} deals a worm); \
                 interval: worms drawn with replacement",
                worms.len()
            )),
    );
    let p = (below + 1) as f64 / (shuffles as usize * worms.len() + 1) as f64;
    outcome.measurements.push(
        Measurement::at_most("share of deals at least as good as the true partners", p, 0.01)
            .seeds(&[plan.seed])
            .note("permutation test, all worms pooled"),
    );
    if known.is_empty() {
        return Err(fail("no worm has AVAL and AVAR or AVEL and AVER"));
    }
    let weakest = known.iter().map(|p| p.correlation).fold(f64::INFINITY, f64::min);
    outcome.measurements.push(
        Measurement::at_least("weakest of AVAL-AVAR and AVEL-AVER in any worm", weakest, 0.9)
            .control(mean(&chance))
            .note(format!("{} pairs found by name", known.len())),
    );
    outcome.figures.push(scatter(
        "Partners on the two sides of the body",
        "Mean correlation of left-right partners in each worm, found by name after homogenisation, and of partners dealt at random.",
        "worm",
        "mean correlation",
        &[
            Series { name: "partners".to_owned(), points: points.iter().map(|p| (p.0, p.1)).collect() },
            Series { name: "dealt at random".to_owned(), points: points.iter().map(|p| (p.0, p.2)).collect() },
        ],
    )?);
    let shown: Vec<(String, f64)> = known.iter().map(|p| (p.name.clone(), p.correlation)).collect();
    outcome.figures.push(bars(
        "Command neurons of the two sides",
        "Correlation of AVAL with AVAR and of AVEL with AVER in each worm.",
        "correlation",
        &shown,
    )?);
    outcome.data.push(format!(
        "{} whole-brain recordings of Dag et al. 2023 ({})",
        worms.len(),
        folder.display()
    ));
    Ok(())
}

/// Every recording of the folder that has a label table, homogenised.
fn recordings(folder: &Path) -> Result<Vec<WormRecording>> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    let mut names: Vec<String> = entries
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().strip_suffix(".safetensors")?.to_owned()))
        .filter(|n| folder.join(format!("{n}.labels.csv")).is_file())
        .collect();
    names.sort_unstable();
    let raws = names
        .iter()
        .map(|name| {
            let labels = NeuronLabels::read_csv(&folder.join(format!("{name}.labels.csv"))).map_err(fail)?;
            let path = folder.join(format!("{name}.safetensors"));
            let raw = RawRecording::open(&path, "Dag2023", name, &RawKeys::default()).map_err(fail)?;
            raw.with_labels(&labels, false).map_err(fail)
        })
        .collect::<Result<Vec<RawRecording>>>()?;
    if raws.is_empty() {
        return Err(fail(format!("{}: no recording with a label table", folder.display())));
    }
    Homogenizer::default().process_all(&raws).into_iter().map(|w| w.map_err(fail)).collect()
}

/// Stems and left rows, and right rows, of neurons that are labelled on both sides.
fn sides(worm: &WormRecording) -> (Vec<(String, usize)>, Vec<usize>) {
    let labelled = |name: &str| worm.row(name).filter(|r| worm.neurons[*r].labelled);
    worm.neurons
        .iter()
        .filter_map(|left| {
            let stem = left.name.strip_suffix('L').filter(|_| left.labelled)?;
            Some(((stem.to_owned(), labelled(&left.name)?), labelled(&format!("{stem}R"))?))
        })
        .unzip()
}

/// Mean and the middle 95 % of means over items drawn with replacement.
fn bootstrap(plan: &Plan, x: &[f64]) -> (f64, [f64; 2]) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let mut means: Vec<f64> = (0..2000)
        .map(|b| {
            let mut draws = stream(plan.seed, "32-homogenized-worm/bootstrap", b);
            (0..x.len()).map(|_| x[draws.random_range(0..x.len())]).sum::<f64>() / x.len() as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    (mean, [means[49], means[1949]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;

    #[test]
    fn every_measurement_holds() {
        let plan = Plan { tier: Tier::Quick, seed: 1, data: crate::data::root(), device: "cpu".to_owned() };
        let mut outcome = Outcome::default();
        activity(&plan, &mut outcome).unwrap();
        for m in &outcome.measurements {
            println!("{}: {} (control {:?}, {:?})", m.name, m.value, m.control, m.ci95);
            assert!(m.holds, "{}: {}", m.name, m.value);
        }
        assert!(outcome.measurements.len() >= 2);
    }
}
