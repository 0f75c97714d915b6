//! Numbers that the published code printed on the shipped inputs.

use bio_data::activity::{
    ActivityDataset, CausalNormalizer, Grid, Homogenizer, Layout, RawRecording, Trace, WormRecording, names,
    resample, smooth,
};
use half::f16;
use ndarray::{Array2, ArrayView1, Axis};
use recordings::arrays::ArrayFile;

use super::fixture;

/// Inputs and outputs are stored as `f32`.
const TOLERANCE: f64 = 1e-5;

fn arrays() -> ArrayFile {
    ArrayFile::open(&fixture("preprocess.npz")).unwrap()
}

fn column(x: &Array2<f64>, j: usize) -> Vec<f64> {
    x.column(j).to_vec()
}

/// Applies `f` to every column of `x` and returns the greatest deviation from `expected`.
fn deviation(x: &Array2<f64>, expected: &Array2<f64>, f: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    (0..x.ncols())
        .map(|j| {
            let got = f(&column(x, j));
            assert_eq!(got.len(), expected.nrows());
            apart(ArrayView1::from(&got), expected.column(j))
        })
        .fold(0.0, f64::max)
}

fn apart(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn assert_within(name: &str, got: f64, tolerance: f64) {
    println!("{name}: {got:.2e}");
    assert!(got <= tolerance, "{name}: off by {got}, allowed {tolerance}");
}

#[test]
fn smoothers() {
    let file = arrays();
    let x = file.read_f64_2("x_fast").unwrap();
    let expected = |key: &str| file.read_f64_2(key).unwrap();
    let moving = |w: usize| move |x: &[f64]| smooth::moving(x, w).unwrap();
    assert_within("moving", deviation(&x, &expected("smooth_moving"), moving(15)), TOLERANCE);
    let head = x.select(Axis(0), &(0..40).collect::<Vec<_>>());
    assert_within(
        "moving, even window",
        deviation(&head, &expected("smooth_moving_w4"), moving(4)),
        TOLERANCE,
    );
    let gaussian = |x: &[f64]| smooth::gaussian(x, 5.0).unwrap();
    assert_within("gaussian", deviation(&x, &expected("smooth_gaussian"), gaussian), TOLERANCE);
    let exponential = |x: &[f64]| smooth::exponential(x, 0.5).unwrap();
    assert_within("exponential", deviation(&x, &expected("smooth_exponential"), exponential), TOLERANCE);
}

#[test]
fn resampling_in_both_directions() {
    let file = arrays();
    for (speed, kind) in [("slow", "interp"), ("fast", "agg")] {
        let times = file.read_f64_1(&format!("t_{speed}")).unwrap().to_vec();
        let x = file.read_f64_2(&format!("x_{speed}")).unwrap();
        let expected = file.read_f64_2(&format!("{kind}_x")).unwrap();
        let grid = file.read_f64_2(&format!("{kind}_t")).unwrap();
        let got = deviation(&x, &expected, |x| resample(x, &times, 0.333).unwrap().1);
        assert_within(kind, got, TOLERANCE);
        let ours = resample(&column(&x, 0), &times, 0.333).unwrap().0;
        assert_within(&format!("{kind}, times"), apart(ArrayView1::from(&ours), grid.column(0)), 1e-9);
    }
}

#[test]
fn causal_scores() {
    let file = arrays();
    let x = file.read_f64_2("x_fast").unwrap();
    let expected = |key: &str| file.read_f64_2(key).unwrap();
    assert_within("causal", deviation(&x, &expected("causal_x"), CausalNormalizer::transform), TOLERANCE);
    let running = |read: fn(&CausalNormalizer) -> f64| {
        move |x: &[f64]| {
            let mut past = CausalNormalizer::new();
            x.iter()
                .map(|v| {
                    past.push(*v);
                    read(&past)
                })
                .collect::<Vec<_>>()
        }
    };
    let mean = running(CausalNormalizer::mean);
    assert_within("causal mean", deviation(&x, &expected("causal_mean"), mean), TOLERANCE);
    let std = running(CausalNormalizer::std);
    assert_within("causal std", deviation(&x, &expected("causal_std"), std), TOLERANCE);
}

/// A raw worm of the fixture, with the times that the published pipeline saw: it turns them into `f32` before it
/// subtracts the first, which moves residuals by up to 1e-4.
fn raw(speed: &str, worm: &str) -> RawRecording {
    let file = arrays();
    let times = file.read_f64_1(&format!("t_{speed}")).unwrap();
    let ids: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("pipeline_names.json")).unwrap()).unwrap();
    RawRecording {
        source: "Synthetic".to_owned(),
        worm: worm.to_owned(),
        file: format!("{speed}.mat"),
        times_s: times.iter().map(|t| f64::from(*t as f32 - times[0] as f32)).collect(),
        traces: file.read_f64_2(&format!("x_{speed}")).unwrap(),
        names: ids["ids"].as_array().unwrap().iter().map(|n| n.as_str().map(str::to_owned)).collect(),
    }
}

#[test]
fn names_and_their_order() {
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("pipeline_names.json")).unwrap()).unwrap();
    for worm in ["fast", "slow"] {
        let columns = names::order_columns(&raw(worm, worm).names);
        let expected = json["neuron_to_idx"][worm].as_object().unwrap();
        assert_eq!(columns.len(), expected.len());
        for (index, column) in columns.iter().enumerate() {
            assert_eq!(expected[&column.name], index, "{}", column.name);
        }
    }
}

#[test]
fn whole_worms() {
    for (speed, samples) in [("fast", 419), ("slow", 1167)] {
        let file = arrays();
        let worm = Homogenizer::default().process(&raw(speed, speed)).unwrap();
        assert_eq!(worm.times_s.len(), samples);
        let check = |key: &str, got: &Array2<f32>, tolerance: f64| {
            let expected = file.read_f64_2(&format!("worm_{speed}_{key}")).unwrap();
            assert_eq!(expected.t().dim(), got.dim(), "{speed} {key}");
            let off =
                got.iter().zip(expected.t()).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert_within(&format!("{speed} {key}"), off, tolerance);
        };
        let trace = |t: Trace, g: Grid| worm.trace(t, g).unwrap();
        check("calcium_data", trace(Trace::Calcium, Grid::Resampled), TOLERANCE);
        check("smooth_calcium_data", trace(Trace::Smooth, Grid::Resampled), TOLERANCE);
        check("residual_calcium", trace(Trace::Residual, Grid::Resampled), TOLERANCE);
        check("smooth_residual_calcium", trace(Trace::SmoothResidual, Grid::Resampled), TOLERANCE);
        check("original_residual_calcium", trace(Trace::Residual, Grid::Original), TOLERANCE);
        let times = file.read_f64_2(&format!("worm_{speed}_time_in_seconds")).unwrap();
        assert_within("times", apart(ArrayView1::from(&worm.times_s), times.column(0)), 5e-5);
        let steps = file.read_f64_2(&format!("worm_{speed}_dt")).unwrap();
        let ours = worm.times_s.windows(2).map(|w| w[1] - w[0]);
        assert!(ours.zip(steps.column(0).iter().skip(1)).all(|(a, b)| (a - b).abs() < 5e-5));

        let (matrix, mask) = worm.slotted();
        let slots = file.read_i64_1(&format!("worm_{speed}_labeled_slots")).unwrap();
        let labelled: Vec<i64> =
            worm.labelled_mask().iter().enumerate().filter(|(_, m)| **m).map(|(i, _)| i as i64).collect();
        assert_eq!(labelled, slots.to_vec());
        assert_eq!(mask.iter().filter(|m| **m).count(), 6);
        let halved = file.read_f64_2(&format!("worm_{speed}_std_calcium_f16")).unwrap();
        for (j, slot) in slots.iter().enumerate() {
            for (ours, theirs) in matrix.column(*slot as usize).iter().zip(halved.column(j)) {
                // Half a unit in the last place of a 16-bit float, and the tolerance of the values.
                assert!((f64::from(*ours) - theirs).abs() <= theirs.abs() * 2.0f64.powi(-11) + TOLERANCE);
            }
        }
    }
}

#[test]
fn the_published_layout() {
    let data = ActivityDataset::from_parquet(&fixture("celegans_neural_tiny.parquet")).unwrap();
    assert_eq!(data.worms().len(), 2);
    let names: Vec<&str> = data.worms()[0].neurons.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["AS10", "AVAL", "AVAR", "VB1", "4", "5"]);
    let slots: Vec<usize> = data.worms()[1].neurons.iter().map(|n| n.slot).collect();
    assert_eq!(slots, [29, 53, 54, 270, 38, 239]);
    for (worm, speed, samples) in [("worm0", "fast", 419), ("worm1", "slow", 1167)] {
        let read = data.recording("Synthetic", worm).unwrap();
        assert_eq!((read.raw_file.as_str(), read.labelled()), (format!("{speed}.mat").as_str(), 4));
        assert_eq!(read.methods.normalize.as_deref(), Some("standard"));
        let exact: Vec<f64> = (0..samples).map(|k| f64::from(k) * 0.333).collect();
        assert_eq!(read.times_s, exact);
        // What was published is what we compute, rounded to 16 bits.
        let ours = Homogenizer::default().process(&raw(speed, worm)).unwrap();
        for grid in [Grid::Original, Grid::Resampled] {
            let pairs = ours
                .trace(Trace::Calcium, grid)
                .unwrap()
                .iter()
                .zip(read.trace(Trace::Calcium, grid).unwrap());
            for (a, b) in pairs {
                assert_eq!(f16::from_f32(*b).to_f32(), *b);
                assert!((a - b).abs() <= b.abs() * 2.0f32.powi(-11) + TOLERANCE as f32);
            }
        }
        let (matrix, mask) = data.worm("Synthetic", worm).unwrap();
        assert_eq!(matrix.dim(), (samples as usize, 300));
        assert_eq!(mask.iter().filter(|m| **m).count(), 6);
        assert!(matrix.column(0).iter().all(|v| *v == 0.0) && !mask[0]);
        assert_eq!(matrix[[0, 29]], read.calcium().unwrap()[[0, 0]]);
    }
    assert!(data.worm("Synthetic", "worm9").is_err());
}

#[test]
fn read_written_and_read_again_is_identical() {
    let folder = tempfile::tempdir().unwrap();
    let first = ActivityDataset::from_parquet(&fixture("celegans_neural_tiny.parquet")).unwrap();
    let path = folder.path().join("again.parquet");
    first.write_parquet(&path, Layout::New).unwrap();
    let second = ActivityDataset::from_parquet(&path).unwrap();
    assert_eq!(first, second);
    let refused = first.write_parquet(&path, Layout::Old).unwrap_err().to_string();
    assert!(refused.contains("smooth_calcium_data"), "{refused}");
    let worms: Vec<WormRecording> =
        ["fast", "slow"].iter().map(|s| Homogenizer::default().process(&raw(s, s)).unwrap()).collect();
    let data = ActivityDataset::new(worms).unwrap();
    data.write_parquet(&path, Layout::Old).unwrap();
    let old = ActivityDataset::from_parquet(&path).unwrap();
    for (ours, read) in data.worms().iter().zip(old.worms()) {
        assert_eq!(read.methods.normalize, None);
        assert_eq!(ours.neurons, read.neurons);
        assert_eq!(ours.times_s, read.times_s);
        for trace in Trace::ALL {
            for grid in [Grid::Original, Grid::Resampled] {
                assert_eq!(ours.trace(trace, grid), read.trace(trace, grid), "{}", trace.column(grid));
            }
        }
    }
    old.write_parquet(&path, Layout::Old).unwrap();
    assert_eq!(ActivityDataset::from_parquet(&path).unwrap(), old);
}
