//! Reads against sums made one value at a time, on every backend; padding, number types, gradients and threads.

use burn::tensor::{FloatDType, Tensor};
use ndarray::{Array2, Array3};
use numerics::rng::{normals, stream};
use probes::{HookSet, Read, Span, Taps};
use proptest::prelude::*;
use recordings::Site;
use tensor_backend::bridge::{float_array, float_tensor};
use tensor_backend::{Backend, harness};

/// Means and variances of numbers of order one, in single precision on the device.
const MOMENT: f64 = 1e-5;

fn draw(seed: u64, shape: (usize, usize, usize)) -> Array3<f64> {
    let values = normals(&mut stream(seed, "test.reads", 0), shape.0 * shape.1 * shape.2);
    // Of a middle that is no zero, and exact in f32.
    Array3::from_shape_vec(shape, values).unwrap().mapv(|x| f64::from((x + 0.3) as f32))
}

fn mask(seed: u64, batch: usize, time: usize) -> Array2<bool> {
    let values = normals(&mut stream(seed, "test.mask", 0), batch * time);
    Array2::from_shape_fn((batch, time), |(b, t)| values[b * time + t] > -0.5)
}

/// Samples, counts above zero, mean and unbiased variance of each unit over tokens that are no padding.
fn oracle(calls: &[(Array3<f64>, Option<Array2<bool>>)]) -> (u64, Vec<u64>, Vec<f64>, Vec<f64>) {
    let units = calls[0].0.dim().2;
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for (x, valid) in calls {
        let (batch, time, _) = x.dim();
        for (b, t) in (0..batch).flat_map(|b| (0..time).map(move |t| (b, t))) {
            if valid.as_ref().is_none_or(|v| v[[b, t]]) {
                rows.push((0..units).map(|u| x[[b, t, u]]).collect());
            }
        }
    }
    let n = rows.len() as f64;
    let each = |of: &dyn Fn(usize) -> f64| (0..units).map(of).collect::<Vec<f64>>();
    let counts = (0..units).map(|u| rows.iter().filter(|r| r[u] > 0.0).count() as u64).collect();
    let mean = each(&|u| rows.iter().map(|r| r[u]).sum::<f64>() / n);
    let variance = each(&|u| rows.iter().map(|r| (r[u] - mean[u]).powi(2)).sum::<f64>() / (n - 1.0));
    (rows.len() as u64, counts, mean, variance)
}

fn near(got: &[f64], want: &[f64], within: f64) {
    assert_eq!(got.len(), want.len());
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= within, "off by {worst:e}");
}

tensor_backend::cross_backend_tests! {
    fn counts_and_moments_are_those_of_the_tokens_that_are_no_padding(on: &TestDevice) {
        // More calls than wait on a device, more units than are summed together.
        let calls: Vec<_> = (0..19)
            .map(|i| {
                let (batch, time) = (1 + i % 3, 4 + i % 5);
                let valid = (i % 2 == 1).then(|| crate::mask(i as u64, batch, time));
                (crate::draw(i as u64, (batch, time, 300)), valid)
            })
            .collect();
        let mut hooks = crate::HookSet::new();
        let site = || crate::Site::Act(0);
        let count = hooks.read(site(), crate::Read::CountPositive).unwrap();
        let moments = hooks.read(site(), crate::Read::Moments).unwrap();
        for (x, valid) in &calls {
            let (batch, time, _) = x.dim();
            let span = crate::Span::new(batch, time, vec![0; batch], valid.clone()).unwrap();
            let seen = crate::Taps::tap(&mut hooks, site(), on.tensor(x.view()), &span).unwrap();
            assert_eq!(crate::float_array::<f64, 3>(seen).unwrap(), x, "a read changes nothing");
        }
        let (samples, counts, mean, variance) = crate::oracle(&calls);
        let got = hooks.counts(count).unwrap();
        assert_eq!((got.samples(), got.counts()), (samples, counts.as_slice()));
        let got = hooks.moments(moments).unwrap();
        assert_eq!(got.count(), samples);
        crate::near(got.mean().unwrap(), &mean, crate::MOMENT);
        crate::near(&got.variance().unwrap(), &variance, crate::MOMENT);
    }
}

fn on_cpu(body: impl FnOnce(&harness::TestDevice)) {
    harness::run(Backend::Cpu, body);
}

#[test]
fn other_number_types_are_read_as_they_are_held() {
    on_cpu(|on| {
        let host = draw(3, (2, 9, 70));
        for dtype in [FloatDType::F64, FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
            let x: Tensor<3> = float_tensor(host.view(), dtype, on.device()).unwrap();
            let held = float_array::<f64, 3>(x.clone()).unwrap();
            let mut hooks = HookSet::new();
            let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
            let moments = hooks.read(Site::Act(0), Read::Moments).unwrap();
            let x = hooks.tap(Site::Act(0), x, &Span::dense(2, 9)).unwrap();
            assert_eq!(x.dtype(), burn::tensor::DType::from(dtype));
            let (_, counts, mean, variance) = oracle(&[(held, None)]);
            assert_eq!(hooks.counts(count).unwrap().counts(), counts);
            near(hooks.moments(moments).unwrap().mean().unwrap(), &mean, 1e-12);
            near(&hooks.moments(moments).unwrap().variance().unwrap(), &variance, 1e-12);
        }
    });
}

#[test]
fn a_read_leaves_gradients_as_they_are() {
    on_cpu(|on| {
        let host = draw(5, (1, 4, 6));
        let x: Tensor<3> = on.tensor(host.view());
        let x = x.autodiff().require_grad();
        let mut hooks = HookSet::new();
        let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
        let y = hooks.tap(Site::Act(0), x.clone() * 2.0, &Span::dense(1, 4)).unwrap();
        let gradients = y.sum().backward();
        let gradient = float_array::<f64, 3>(x.grad(&gradients).unwrap()).unwrap();
        assert!(gradient.iter().all(|g| *g == 2.0), "{gradient}");
        assert_eq!(hooks.counts(count).unwrap().counts(), oracle(&[(host, None)]).1);
    });
}

#[test]
fn another_width_at_the_same_site_is_an_error() {
    on_cpu(|on| {
        for read in [Read::CountPositive, Read::Moments, Read::Full, Read::LastToken, Read::TopSamples(2)] {
            let mut hooks = HookSet::new();
            hooks.read(Site::Act(0), read).unwrap();
            let mut tap = |units| {
                let x: Tensor<3> = on.tensor(draw(1, (1, 3, units)).view());
                hooks.tap(Site::Act(0), x, &Span::dense(1, 3)).map(|_| ())
            };
            tap(5).unwrap();
            assert!(tap(6).unwrap_err().to_string().contains("5 units"), "{read:?}");
        }
    });
}

#[test]
fn values_that_are_no_numbers_are_not_above_zero_and_show_in_the_mean() {
    on_cpu(|on| {
        let mut host = draw(1, (1, 3, 2));
        host[[0, 1, 0]] = f64::NAN;
        let mut hooks = HookSet::new();
        let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
        let moments = hooks.read(Site::Act(0), Read::Moments).unwrap();
        let x: Tensor<3> = on.tensor(host.view());
        hooks.tap(Site::Act(0), x, &Span::dense(1, 3)).unwrap();
        let wanted = (0..3).filter(|t| host[[0, *t, 0]] > 0.0).count() as u64;
        assert_eq!(hooks.counts(count).unwrap().counts()[0], wanted);
        let mean = hooks.moments(moments).unwrap().mean().unwrap().to_vec();
        assert!(mean[0].is_nan() && mean[1].is_finite());
    });
}

#[test]
fn a_call_of_padding_alone_adds_nothing() {
    on_cpu(|on| {
        let mut hooks = HookSet::new();
        let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
        let moments = hooks.read(Site::Act(0), Read::Moments).unwrap();
        let host = draw(2, (1, 3, 4));
        for valid in [None, Some(Array2::from_elem((1, 3), false))] {
            let span = Span::new(1, 3, vec![0], valid).unwrap();
            hooks.tap(Site::Act(0), on.tensor(host.view()), &span).unwrap();
        }
        assert_eq!(hooks.counts(count).unwrap().samples(), 3);
        assert_eq!(hooks.moments(moments).unwrap().count(), 3);
    });
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    on_cpu(|on| {
        // Large enough to be cut among threads.
        let x: Tensor<3> = on.tensor(draw(7, (4, 40, 700)).view());
        let sums = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut hooks = HookSet::new();
                let moments = hooks.read(Site::Act(0), Read::Moments).unwrap();
                hooks.tap(Site::Act(0), x.clone(), &Span::dense(4, 40)).unwrap();
                hooks.moments(moments).unwrap().clone()
            })
        };
        assert_eq!(sums(1), sums(3));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shards_cut_at_sequence_boundaries_count_the_same(
        seed in 0_u64..1000, batch in 2_usize..6, time in 1_usize..7, units in 1_usize..600, cut in 1_usize..5,
    ) {
        on_cpu(|on| {
            let cut = cut.min(batch - 1);
            let (x, valid) = (draw(seed, (batch, time, units)), mask(seed, batch, time));
            let counts = |parts: &[std::ops::Range<usize>]| {
                let mut hooks = HookSet::new();
                let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
                for part in parts {
                    let slice = |n: std::ops::Range<usize>| ndarray::Slice::from(n);
                    let x = x.slice_axis(ndarray::Axis(0), slice(part.clone()));
                    let valid = valid.slice_axis(ndarray::Axis(0), slice(part.clone())).to_owned();
                    let span = Span::new(part.len(), time, vec![0; part.len()], Some(valid)).unwrap();
                    hooks.tap(Site::Act(0), on.tensor(x), &span).unwrap();
                }
                hooks.counts(count).unwrap().clone()
            };
            let whole = counts(std::slice::from_ref(&(0..batch)));
            assert_eq!(whole, counts(&[0..cut, cut..batch]));
            assert_eq!(whole.counts(), oracle(&[(x.clone(), Some(valid.clone()))]).1);
        });
    }
}
