//! The processor's kernels beside the same formulas written out in double precision, and beside tensor operations.

use burn::tensor::{Device, FloatDType, Tensor, TensorData, activation};
use llm_neurons::Error;
use llm_neurons::kernels::{RotaryTable, causal_attention, rms_norm, silu};
use ndarray::{Array2, Array3, Array4, ArrayD, Dimension, IxDyn};
use numerics::rng::{normals, stream};
use proptest::prelude::*;
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::{float_array, float_tensor};

/// Sums of products of normal draws in single precision.
const CLOSE: f64 = 2e-6;

fn device() -> Device {
    DeviceSpec::Cpu.open().unwrap().device
}

fn draws(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let n = shape.iter().product();
    // As 32-bit floats hold them.
    let values = normals(&mut stream(seed, "kernels", 0), n).into_iter().map(|x| f64::from(x as f32));
    ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
}

fn tensor<D: Dimension, const R: usize>(x: &ndarray::Array<f64, D>) -> Tensor<R> {
    let values: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let shape: [usize; R] = x.shape().try_into().unwrap();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Attention as it is defined.
fn defined(q: &Array3<f64>, k: &Array4<f64>, v: &Array4<f64>, mask: Option<&Array3<f64>>) -> Array3<f64> {
    let ((batch, time, units), (_, kv, tokens, d)) = (q.dim(), k.dim());
    let heads = units / d;
    let mut out = Array3::zeros(q.dim());
    for b in 0..batch {
        for h in 0..heads {
            let g = h / (heads / kv);
            for t in 0..time {
                let score = |s: usize| {
                    let dot: f64 = (0..d).map(|i| q[[b, t, h * d + i]] * k[[b, g, s, i]]).sum();
                    let hidden = mask.map_or(0.0, |m| m[[b.min(m.dim().0 - 1), t, s]]);
                    dot / (d as f64).sqrt() + hidden
                };
                let scores: Vec<f64> = (0..=tokens - time + t).map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in 0..d {
                    let sum: f64 = weights.iter().enumerate().map(|(s, w)| w * v[[b, g, s, i]]).sum();
                    out[[b, t, h * d + i]] = sum / total;
                }
            }
        }
    }
    out
}

fn apart<D: Dimension>(got: &ndarray::Array<f64, D>, want: &ndarray::Array<f64, D>) -> f64 {
    assert_eq!(got.shape(), want.shape());
    got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn attention_is_what_it_is_defined_as(
        batch in 1..3_usize, kv in 1..3_usize, per in 1..4_usize, d in 1..20_usize,
        time in 1..40_usize, before in 0..40_usize, padded in 0..3_usize, seed in any::<u64>(),
    ) {
        let (heads, tokens) = (kv * per, before + time);
        let fixed = |x: ArrayD<f64>| x.into_dimensionality::<ndarray::Ix4>().unwrap();
        let q = draws(&[batch, time, heads * d], seed).into_dimensionality::<ndarray::Ix3>().unwrap();
        let (k, v) = (fixed(draws(&[batch, kv, tokens, d], seed ^ 1)), fixed(draws(&[batch, kv, tokens, d], seed ^ 2)));
        // Padding at the left of all, or of the first sequence only; a token always sees itself.
        let rows = [0, 1, batch][padded];
        let mask = (padded > 0).then(|| Array3::from_shape_fn((rows, time, tokens), |(b, t, s)| {
            let own = s == before + t;
            if own || (s >= (tokens / 3) * usize::from(b == 0) && s <= before + t) { 0.0 } else { -1e30 }
        }));
        let want = defined(&q, &k, &v, mask.as_ref());
        let given = mask.as_ref().map(|m| {
            let whole = m.clone().into_shape_with_order((rows, 1, time, tokens)).unwrap();
            tensor::<_, 4>(&whole)
        });
        let got = causal_attention(tensor(&q), tensor(&k), tensor(&v), given).unwrap();
        let worst = apart(&float_array::<f64, 3>(got).unwrap(), &want);
        prop_assert!(worst <= CLOSE, "{worst:e}");
    }
}

#[test]
fn many_tokens_go_through_all_threads_and_views_are_read_in_place() {
    let (batch, kv, heads, d, time) = (2, 2, 4, 16, 150);
    let q = draws(&[batch, time, heads * d], 1).into_dimensionality().unwrap();
    let (k, v) = (draws(&[batch, kv, time, d], 2), draws(&[batch, kv, time, d], 3));
    let (k, v): (Array4<f64>, Array4<f64>) =
        (k.into_dimensionality().unwrap(), v.into_dimensionality().unwrap());
    let want = defined(&q, &k, &v, None);
    let once = causal_attention(tensor(&q), tensor(&k), tensor(&v), None).unwrap();
    assert!(apart(&float_array::<f64, 3>(once.clone()).unwrap(), &want) <= CLOSE);
    // Keys as they leave their linear map, and as part of a cache.
    let swapped = k.clone().permuted_axes([0, 2, 1, 3]).as_standard_layout().to_owned();
    let keys = tensor::<_, 4>(&swapped).swap_dims(1, 2);
    let cache = Tensor::cat(vec![tensor::<_, 4>(&v), Tensor::ones([batch, kv, 9, d], &device())], 2);
    let again = causal_attention(tensor(&q), keys, cache.narrow(2, 0, time), None).unwrap();
    assert_eq!(again.into_data(), once.clone().into_data());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| causal_attention(tensor(&q), tensor(&k), tensor(&v), None).unwrap());
    assert_eq!(alone.into_data(), once.into_data(), "one thread");
}

#[test]
fn what_is_not_a_number_stays_so() {
    let (q, mut k) = (Array3::ones((1, 3, 4)), Array4::ones((1, 1, 3, 4)));
    for bad in [f64::NAN, f64::INFINITY] {
        k[[0, 0, 1, 2]] = bad;
        let got =
            causal_attention(tensor(&q), tensor(&k), tensor(&Array4::ones((1, 1, 3, 4))), None).unwrap();
        let got = float_array::<f64, 3>(got).unwrap();
        assert_eq!(got[[0, 0, 0]], 1.0, "nothing before it is touched");
        assert!(got[[0, 1, 0]].is_nan() && got[[0, 2, 3]].is_nan(), "{got}");
    }
    let x = tensor::<_, 3>(&Array3::from_elem((1, 1, 2), f64::NAN));
    assert!(float_array::<f64, 3>(silu(x.clone()).unwrap()).unwrap()[[0, 0, 1]].is_nan());
    assert!(
        float_array::<f64, 3>(rms_norm(x, Tensor::ones([2], &device()), 1e-5).unwrap()).unwrap()[[0, 0, 0]]
            .is_nan()
    );
}

#[test]
fn norms_silu_and_rotations_are_those_of_tensor_operations() {
    let x: Array3<f64> = draws(&[3, 50, 24], 5).into_dimensionality().unwrap();
    let weight: ndarray::Array1<f64> = draws(&[24], 6).into_dimensionality().unwrap();
    let want = Array3::from_shape_fn(x.dim(), |(b, t, i)| {
        let row = x.index_axis(ndarray::Axis(0), b);
        let square: f64 = row.row(t).iter().map(|x| x * x).sum::<f64>() / 24.0;
        x[[b, t, i]] / (square + 1e-5).sqrt() * weight[i]
    });
    let got = rms_norm(tensor(&x), tensor(&weight), 1e-5).unwrap();
    assert!(apart(&float_array::<f64, 3>(got).unwrap(), &want) <= CLOSE);

    let wide = &x * 40.0;
    let want = float_array::<f64, 3>(activation::silu(tensor::<_, 3>(&wide))).unwrap();
    let got = float_array::<f64, 3>(silu(tensor(&wide)).unwrap()).unwrap();
    let relative = got.iter().zip(&want).map(|(a, b)| (a - b).abs() / b.abs().max(1e-30)).fold(0.0, f64::max);
    assert!(relative <= 1e-6, "{relative:e}");

    // Two heads of 12 units, of which 8 turn; two sequences at places of their own.
    let x: Array3<f64> = draws(&[2, 5, 24], 7).into_dimensionality().unwrap();
    let places = Array2::from_shape_fn((2, 5), |(b, t)| 3 * b + t);
    let frequencies = [1.0, 0.3, 0.1, 0.01];
    let got = RotaryTable::new(&frequencies, &places).turn(tensor(&x), 2).unwrap();
    let want = Array3::from_shape_fn(x.dim(), |(b, t, unit)| {
        let (head, i) = (unit / 12 * 12, unit % 12);
        if i >= 8 {
            return x[[b, t, unit]];
        }
        let angle = places[[b, t]] as f64 * frequencies[i % 4];
        let (first, second) = (x[[b, t, head + i % 4]], x[[b, t, head + i % 4 + 4]]);
        if i < 4 {
            first * angle.cos() - second * angle.sin()
        } else {
            second * angle.cos() + first * angle.sin()
        }
    });
    assert!(apart(&float_array::<f64, 3>(got).unwrap(), &want) <= CLOSE);
    // One row of places for all sequences.
    let shared = places.slice_axis(ndarray::Axis(0), (0..1).into()).to_owned();
    let first = RotaryTable::new(&frequencies, &shared).turn(tensor(&x), 2).unwrap();
    let first = float_array::<f64, 3>(first).unwrap();
    assert!(
        apart(
            &first.index_axis(ndarray::Axis(0), 0).to_owned(),
            &want.index_axis(ndarray::Axis(0), 0).to_owned()
        ) <= CLOSE
    );
}

#[test]
fn shapes_and_numbers_that_do_not_fit_are_refused() {
    let (q, k) = (
        |t: usize, u: usize| Tensor::<3>::ones([1, t, u], &device()),
        |kv: usize, s: usize, d: usize| Tensor::<4>::ones([1, kv, s, d], &device()),
    );
    for (q, k, v) in [
        (q(3, 8), k(1, 2, 4), k(1, 2, 4)),
        (q(3, 9), k(1, 3, 4), k(1, 3, 4)),
        (q(3, 12), k(2, 3, 4), k(2, 3, 4)),
        (q(3, 8), k(2, 3, 4), k(2, 4, 4)),
    ] {
        assert!(matches!(causal_attention(q, k, v, None), Err(Error::Shape { .. })));
    }
    let mask = Tensor::<4>::ones([1, 1, 3, 4], &device());
    assert!(causal_attention(q(3, 8), k(2, 3, 4), k(2, 3, 4), Some(mask)).is_err());
    assert!(matches!(rms_norm(q(1, 3), Tensor::ones([4], &device()), 1e-5), Err(Error::Shape { .. })));
    let table = RotaryTable::new(&[1.0, 2.0], &Array2::zeros((1, 3)));
    assert!(table.turn(q(3, 8), 2).is_ok() && table.turn(q(3, 8), 4).is_err());
    assert!(
        table.turn(q(2, 8), 2).is_err() && table.turn(q(3, 9), 2).is_err() && table.turn(q(3, 8), 0).is_err()
    );
    let double: Tensor<3> =
        float_tensor(Array3::<f64>::ones((1, 3, 8)).view(), FloatDType::F64, &device()).unwrap();
    assert!(matches!(silu(double), Err(Error::Tensor { .. })));
}
