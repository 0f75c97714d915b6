//! What must hold for any recording.

use bio_data::activity::{
    CausalNormalizer, Filters, Grid, Homogenizer, Normalization, RawRecording, Smoothing, Trace,
    fill_missing, gradient_nonuniform, resample, smooth, standardize,
};
use ndarray::{Array2, Axis};
use proptest::prelude::*;

use super::made_up;

fn increasing(n: usize) -> impl Strategy<Value = Vec<f64>> {
    (prop::collection::vec(0.05f64..0.9, n), -1e3f64..1e3).prop_map(|(steps, start)| {
        steps
            .iter()
            .scan(start, |t, s| {
                *t += s;
                Some(*t)
            })
            .collect()
    })
}

fn smoothing() -> impl Strategy<Value = Smoothing> {
    prop_oneof![
        Just(Smoothing::None),
        (1usize..60).prop_map(|window| Smoothing::Moving { window }),
        (0.2f64..12.0).prop_map(|sigma_samples| Smoothing::Gaussian { sigma_samples }),
        (0.01f64..=1.0).prop_map(|alpha| Smoothing::Exponential { alpha }),
    ]
}

fn apply(how: Smoothing, x: &[f64]) -> Vec<f64> {
    match how {
        Smoothing::Moving { window } => smooth::moving(x, window).unwrap(),
        Smoothing::Gaussian { sigma_samples } => smooth::gaussian(x, sigma_samples).unwrap(),
        Smoothing::Exponential { alpha } => smooth::exponential(x, alpha).unwrap(),
        _ => x.to_vec(),
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (standardize(a), standardize(b));
    a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_quadratic_has_its_derivative(times in increasing(200), a in -3.0f64..3.0, b in -3.0f64..3.0, c in -3.0f64..3.0) {
        let start = times[0];
        let x: Vec<f64> = times.iter().map(|t| { let t = t - start; a * t * t + b * t + c }).collect();
        let got = gradient_nonuniform(&x, &times).unwrap();
        for i in 1..times.len() - 1 {
            prop_assert!((got[i] - (2.0 * a * (times[i] - start) + b)).abs() < 1e-9);
        }
        prop_assert!((got[0] - (x[1] - x[0]) / (times[1] - times[0])).abs() < 1e-12);
    }

    #[test]
    fn a_sine_keeps_its_shape_and_gets_unit_variance(
        step in prop_oneof![0.05f64..0.3, 0.35f64..0.9], period in 20.0f64..60.0, phase in 0.0f64..6.0
    ) {
        let wave = |t: f64| 3.0 * (std::f64::consts::TAU * t / period + phase).sin() + 5.0;
        let times: Vec<f64> = (0..1200).map(|i| step * f64::from(i)).collect();
        let x: Vec<f64> = times.iter().map(|t| wave(*t)).collect();
        let (grid, y) = resample(&x, &times, 0.333).unwrap();
        let z = standardize(&y);
        let n = z.len() as f64;
        let mean = z.iter().sum::<f64>() / n;
        let variance = z.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        prop_assert!((variance - 1.0).abs() < 1e-6, "variance {}", variance);
        let analytic: Vec<f64> = grid.iter().map(|t| wave(*t)).collect();
        prop_assert!(correlation(&z, &analytic) >= 0.99);
        // The same through the whole pipeline, whose arrays are 32-bit.
        let mut raw = made_up(1200, 1, 0.3);
        raw.times_s = times;
        raw.traces = Array2::from_shape_vec((1200, 1), x).unwrap();
        let worm = Homogenizer { smooth: Smoothing::None, ..Homogenizer::default() }.process(&raw);
        let worm = worm.unwrap();
        let z: Vec<f64> = worm.calcium().unwrap().iter().map(|v| f64::from(*v)).collect();
        let variance = z.iter().map(|v| v * v).sum::<f64>() / z.len() as f64;
        prop_assert!((variance - 1.0).abs() < 1e-6, "variance {}", variance);
        prop_assert!(correlation(&z, &analytic) >= 0.99);
    }

    #[test]
    fn smoothers_are_linear(how in smoothing(), x in prop::collection::vec(-5.0f64..5.0, 90), p in -2.0f64..2.0) {
        let y: Vec<f64> = x.iter().rev().copied().collect();
        let mixed: Vec<f64> = x.iter().zip(&y).map(|(x, y)| p * x + y).collect();
        let (sx, sy, s) = (apply(how, &x), apply(how, &y), apply(how, &mixed));
        for i in 0..x.len() {
            prop_assert!((s[i] - (p * sx[i] + sy[i])).abs() < 1e-11);
        }
    }

    #[test]
    fn smoothers_see_no_future(how in smoothing(), x in prop::collection::vec(-5.0f64..5.0, 90), cut in 1usize..89) {
        let mut changed = x.clone();
        changed[cut..].iter_mut().for_each(|v| *v = 1e3 - *v);
        prop_assert_eq!(&apply(how, &x)[..cut], &apply(how, &changed)[..cut]);
        let (a, b) = (CausalNormalizer::transform(&x), CausalNormalizer::transform(&changed));
        prop_assert_eq!(&a[..cut], &b[..cut]);
    }

    #[test]
    fn what_is_smooth_stays_as_it_is(how in smoothing(), level in -1e3f64..1e3) {
        // Constants are fixed points, so smoothing them again changes nothing; every output lies between the extremes.
        let once = apply(how, &[level; 80]);
        prop_assert!(once.iter().all(|v| (v - level).abs() <= 1e-12 * level.abs()));
        let x: Vec<f64> = (0..80).map(|i| level * f64::from(i % 7)).collect();
        let (low, high) = x.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let slack = 1e-12 * (high - low);
        prop_assert!(apply(how, &x).iter().all(|v| *v >= low - slack && *v <= high + slack));
    }

    #[test]
    fn smoothers_of_width_one_are_idempotent(x in prop::collection::vec(-5.0f64..5.0, 90)) {
        prop_assert_eq!(&smooth::moving(&x, 1).unwrap(), &x);
        prop_assert_eq!(&smooth::exponential(&x, 1.0).unwrap(), &x);
        let tight = smooth::gaussian(&x, 0.01).unwrap();
        prop_assert_eq!(smooth::gaussian(&tight, 0.01).unwrap(), x);
    }

    #[test]
    fn resampling_stays_between_the_extremes(times in increasing(120), x in prop::collection::vec(-5.0f64..5.0, 120), dt in 0.03f64..3.0) {
        let (grid, y) = resample(&x, &times, dt).unwrap();
        prop_assert_eq!(grid.len(), y.len());
        let (low, high) = x.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        prop_assert!(y.iter().all(|v| *v >= low - 1e-12 && *v <= high + 1e-12));
        prop_assert!(grid.windows(2).all(|w| (w[1] - w[0] - dt).abs() < 1e-9));
        prop_assert!(grid[grid.len() - 1] <= times[119] - times[0] + 1e-9);
    }

    #[test]
    fn labelled_neurons_do_not_depend_on_the_raw_order(shift in 1usize..11) {
        let raw = made_up(620, 11, 0.25);
        let order: Vec<usize> = (0..11).map(|i| (i + shift) % 11).collect();
        let turned = RawRecording {
            traces: raw.traces.select(Axis(1), &order),
            names: order.iter().map(|i| raw.names[*i].clone()).collect(),
            ..raw.clone()
        };
        let (a, b) = (Homogenizer::default().process(&raw).unwrap(), Homogenizer::default().process(&turned).unwrap());
        let (x, y) = (a.slotted().0, b.slotted().0);
        prop_assert_eq!(a.labelled_mask(), b.labelled_mask());
        for (slot, labelled) in a.labelled_mask().iter().enumerate() {
            prop_assert!(!labelled || x.column(slot) == y.column(slot));
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let raws: Vec<RawRecording> = (0..5)
        .map(|w| {
            let mut raw = made_up(600 + 31 * w, 13 + w, 0.2 + 0.1 * w as f64);
            raw.worm = format!("worm{w}");
            raw.traces[[5, 3]] = f64::NAN;
            raw
        })
        .collect();
    for normalize in [Normalization::Standard, Normalization::Causal] {
        for smooth in ["moving:15", "gaussian:5", "exponential:0.5", "none"] {
            let config = Homogenizer { smooth: smooth.parse().unwrap(), normalize, ..Homogenizer::default() };
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| config.process_all(&raws)).into_iter().map(Result::unwrap).collect::<Vec<_>>()
            };
            let one = run(1);
            // One recording has a NaN in its raw trace, which equals nothing: compare what is computed.
            for threads in [2, 3, 8] {
                for (a, b) in one.iter().zip(run(threads)) {
                    assert_eq!(a.neurons, b.neurons);
                    for trace in Trace::ALL {
                        assert_eq!(a.trace(trace, Grid::Resampled), b.trace(trace, Grid::Resampled));
                        assert!(a.trace(trace, Grid::Resampled).unwrap().iter().all(|v| v.is_finite()));
                    }
                }
            }
        }
    }
}

#[test]
fn the_pipeline_is_its_parts() {
    let raw = made_up(700, 11, 0.2);
    let config = Homogenizer { smooth: Smoothing::Gaussian { sigma_samples: 3.0 }, ..Homogenizer::default() };
    let worm = config.process(&raw).unwrap();
    for name in ["AS10", "AVAL", "VB1", "10"] {
        let row = worm.row(name).unwrap();
        let column = raw
            .names
            .iter()
            .position(|n| n.as_deref().and_then(bio_data::activity::names::clean) == Some(name));
        let x = raw.traces.column(column.unwrap_or(10)).to_vec();
        let expect = |trace: Trace, grid: Grid, want: &[f64], tolerance: f64| {
            let got = worm.trace(trace, grid).unwrap().row(row).to_owned();
            assert_eq!(got.len(), want.len());
            for (g, w) in got.iter().zip(want) {
                assert!((f64::from(*g) - w).abs() < tolerance, "{name} {}", trace.column(grid));
            }
        };
        let smoothed = smooth::gaussian(&x, 3.0).unwrap();
        let slope = gradient_nonuniform(&x, &raw.times_s).unwrap();
        let smooth_slope = smooth::gaussian(&slope, 3.0).unwrap();
        let to_grid = |x: &[f64]| resample(x, &raw.times_s, 0.333).unwrap().1;
        expect(Trace::Calcium, Grid::Original, &x, 1e-5);
        expect(Trace::Smooth, Grid::Original, &smoothed, 1e-5);
        expect(Trace::Residual, Grid::Original, &slope, 1e-5);
        expect(Trace::SmoothResidual, Grid::Original, &smooth_slope, 1e-5);
        expect(Trace::Smooth, Grid::Resampled, &to_grid(&smoothed), 1e-5);
        expect(Trace::Residual, Grid::Resampled, &to_grid(&slope), 1e-5);
        expect(Trace::SmoothResidual, Grid::Resampled, &to_grid(&smooth_slope), 1e-5);
        expect(Trace::Calcium, Grid::Resampled, &standardize(&to_grid(&smoothed)), 1e-5);
    }
}

#[test]
fn missing_values_are_bridged_and_bad_traces_dropped() {
    let mut raw = made_up(700, 11, 0.2);
    let whole = Homogenizer::default().process(&raw).unwrap();
    (100..103).for_each(|i| raw.traces[[i, 2]] = f64::NAN);
    raw.traces.column_mut(7).fill(f64::NAN);
    let worm = Homogenizer::default().process(&raw).unwrap();
    assert_eq!((worm.neurons.len(), whole.neurons.len()), (10, 11));
    let row = worm.row("AVAL").unwrap();
    let original = worm.trace(Trace::Calcium, Grid::Original).unwrap();
    assert!(original[[row, 101]].is_nan() && original[[row, 103]].is_finite());
    let mut x = raw.traces.column(2).to_vec();
    assert!(fill_missing(&mut x));
    let want = standardize(&resample(&smooth::moving(&x, 15).unwrap(), &raw.times_s, 0.333).unwrap().1);
    let got = worm.calcium().unwrap().row(row).to_owned();
    assert!(got.iter().zip(&want).all(|(g, w)| (f64::from(*g) - w).abs() < 1e-5));
    // A labelled neuron's long gap drops it, and with it the last label.
    raw.names = vec![None; 11];
    raw.names[7] = Some("AVAL".to_owned());
    assert!(Homogenizer::default().process(&raw).unwrap_err().to_string().contains("with a label"));
}

#[test]
fn what_cannot_be_homogenised_is_refused() {
    let good = made_up(700, 6, 0.2);
    let refused = |change: &dyn Fn(&mut RawRecording)| {
        let mut raw = good.clone();
        change(&mut raw);
        Homogenizer::default().process(&raw).unwrap_err().to_string()
    };
    let short = refused(&|r| {
        r.times_s.truncate(599);
        r.traces = Array2::zeros((599, 6));
    });
    assert!(short.contains("599") && short.contains("at least 600"), "{short}");
    assert!(refused(&|r| r.names = vec![Some("XYZ".into()); 6]).contains("neurons with a label"));
    assert!(refused(&|r| r.times_s.truncate(650)).contains("one row per time"));
    assert!(refused(&|r| r.names.truncate(5)).contains("one column per name"));
    assert!(refused(&|r| r.times_s[9] = f64::NAN).contains("sample 9"));
    assert!(refused(&|r| r.times_s[9] = r.times_s[8]).contains("strictly"));
    assert!(refused(&|r| r.traces[[3, 4]] = f64::INFINITY).contains("sample 3, neuron 4"));
    assert!(refused(&|r| r.times_s[699] = 1e12).contains("coarse"));
    let many = refused(&|r| {
        r.traces = Array2::ones((700, 301));
        r.names = vec![None; 301];
        r.names[0] = Some("AVAL".into());
    });
    assert!(many.contains("at most 300"), "{many}");
}

#[test]
fn configurations_are_read_written_and_judged() {
    let config = Homogenizer::default();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Homogenizer>(&text).unwrap(), config);
    let short =
        r#"{"dt": 0.5, "smooth": {"method": "gaussian", "sigma_samples": 2.0}, "normalize": "causal"}"#;
    let read: Homogenizer = serde_json::from_str(short).unwrap();
    assert_eq!((read.dt_s, read.normalize, read.min_samples), (0.5, Normalization::Causal, 600));
    assert!(serde_json::from_str::<Homogenizer>(r#"{"window": 3}"#).is_err());
    for bad in [
        Homogenizer { dt_s: 0.0, ..config.clone() },
        Homogenizer { dt_s: f64::NAN, ..config.clone() },
        Homogenizer { smooth: Smoothing::Moving { window: 0 }, ..config.clone() },
        Homogenizer { min_samples: 1, ..config.clone() },
        Homogenizer { filters: Filters { missing_run: Some(2.0), constant_windows: None }, ..config.clone() },
    ] {
        assert!(bad.validate().is_err() && bad.process(&made_up(700, 6, 0.2)).is_err(), "{bad:?}");
    }
}

/// Names in any order, columns that the filters drop, more neurons than one group holds: each row is its own column's.
#[test]
fn every_row_holds_what_its_own_column_gives() {
    for neurons in [1, 2, 8, 9, 33, 70] {
        let mut raw = made_up(700, neurons, 0.3);
        // Labels of the 300 in an order that is not theirs; every fifth neuron has none.
        let labels = bio_data::neurons::LABELS;
        raw.names = (0..neurons)
            .map(|n| (n == 0 || n % 5 != 3).then(|| labels[(n * 7919 + 13) % labels.len()].to_owned()))
            .collect();
        let dropped: Vec<usize> = [1, 8, 20, 40].into_iter().filter(|c| *c < neurons).collect();
        for c in &dropped {
            raw.traces.column_mut(*c).fill(f64::NAN);
        }
        let worm = Homogenizer::default().process(&raw).unwrap();
        assert_eq!(worm.neurons.len(), neurons - dropped.len());
        let kept: Vec<usize> = (0..neurons).filter(|c| !dropped.contains(c)).collect();
        let mut seen = Vec::new();
        for (row, neuron) in worm.neurons.iter().enumerate() {
            let original = worm.trace(Trace::Calcium, Grid::Original).unwrap().row(row).to_vec();
            // Columns differ by their level, so that the values name the column.
            let column = kept
                .iter()
                .copied()
                .find(|c| raw.traces.column(*c).iter().zip(&original).all(|(a, b)| *a as f32 == *b))
                .unwrap();
            seen.push(column);
            if neuron.labelled {
                assert_eq!(
                    raw.names[column].as_deref(),
                    Some(neuron.name.as_str()),
                    "{neurons} neurons, row {row}"
                );
            }
            let x = raw.traces.column(column).to_vec();
            let smoothed = smooth::moving(&x, 15).unwrap();
            let (_, resampled) = resample(&smoothed, &raw.times_s, worm_step()).unwrap();
            let found = worm.trace(Trace::Smooth, Grid::Resampled).unwrap().row(row).to_vec();
            assert_eq!(found.len(), resampled.len());
            assert!(found.iter().zip(&resampled).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
        }
        seen.sort_unstable();
        assert_eq!(seen, kept, "{neurons} neurons");
    }
}

/// The published sampling step in seconds.
fn worm_step() -> f64 {
    Homogenizer::default().dt_s
}
