//! RWKV-4's weighted average over everything that was read, on tensors, all times at once.
//!
//! A channel with decay `w < 0`, bonus `u`, keys `k[t]` and values `v[t]` has
//!
//! ```text
//! wkv[t] = (sum_{i<t} e^(w (t-1-i) + k[i]) v[i] + e^(u + k[t]) v[t])
//!        / (sum_{i<t} e^(w (t-1-i) + k[i])      + e^(u + k[t]))
//! ```
//!
//! Numerator `a` and denominator `b` are kept as multiples of `e^p`, where p is the largest exponent so far, so that no
//! exponential exceeds 1. Two neighbouring stretches of text, the newer one n tokens long, join to
//! `p = max(p1 + n w, p2)`, `a = a1 e^(p1 + n w - p) + a2 e^(p2 - p)`, and b alike. Joining is associative, so that stretches
//! of 1, 2, 4, .. tokens give the state after every token in log2(time) passes over whole tensors instead of one pass a token.

use burn::tensor::{DType, Tensor};

/// Stands for an exponent of minus infinity, which would make NaN of a difference.
const NOTHING: f64 = -1e30;

/// What a layer remembers of what it read, each `[batch, 1, channels]`.
#[derive(Debug, Clone)]
pub(super) struct Average {
    pub(super) numerator: Tensor<3>,
    pub(super) denominator: Tensor<3>,
    pub(super) exponent: Tensor<3>,
}

impl Average {
    /// Of nothing, beside `like [batch, time, channels]`.
    pub(super) fn empty(like: &Tensor<3>) -> Self {
        let first = wide(like.clone().narrow(1, 0, 1));
        let zeros = first.zeros_like();
        let exponent = first.full_like(NOTHING);
        Self { numerator: zeros.clone(), denominator: zeros, exponent }
    }
}

/// The states `[batch, 1 + time, channels]` before the first token and after each.
pub(super) struct Averages {
    pub(super) numerator: Tensor<3>,
    pub(super) denominator: Tensor<3>,
    pub(super) exponent: Tensor<3>,
}

/// `wkv [batch, time, channels]` of keys and values of that shape, and the states on the way; `decay` is w, `bonus` is u,
/// both `[channels]`. Computed in at least 32-bit floats.
pub(super) fn average(
    key: Tensor<3>,
    value: Tensor<3>,
    decay: Tensor<1>,
    bonus: Tensor<1>,
    before: Average,
) -> (Tensor<3>, Averages) {
    let dtype = key.dtype();
    let (key, value, decay) = (wide(key), wide(value), wide_row(decay));
    let bonus: Tensor<3> = wide_row(bonus).unsqueeze();
    let states = scan(key.clone(), value.clone(), decay, before);
    let time = key.dims()[1];
    let (p, a, b) = (
        states.exponent.clone().narrow(1, 0, time),
        states.numerator.clone().narrow(1, 0, time),
        states.denominator.clone().narrow(1, 0, time),
    );
    let own = key + bonus;
    let top = p.clone().max_pair(own.clone());
    let old = (p - top.clone()).exp();
    let new = (own - top).exp();
    let wkv = (a * old.clone() + value * new.clone()) / (b * old + new);
    (wkv.cast(dtype), states)
}

/// The state after every token.
fn scan(key: Tensor<3>, value: Tensor<3>, decay: Tensor<1>, before: Average) -> Averages {
    let ones = key.ones_like();
    let mut p = Tensor::cat(vec![before.exponent, key], 1);
    let mut a = Tensor::cat(vec![before.numerator, value], 1);
    let mut b = Tensor::cat(vec![before.denominator, ones], 1);
    let rows = p.dims()[1];
    let decay: Tensor<3> = decay.unsqueeze();
    // Row i holds the stretch of at most `reach` tokens that ends there; it joins the one that ends `reach` rows before.
    let mut reach = 1;
    while reach < rows {
        let rest = rows - reach;
        let older = |x: &Tensor<3>| x.clone().narrow(1, 0, rest);
        let newer = |x: &Tensor<3>| x.clone().narrow(1, reach, rest);
        let whole = |x: &Tensor<3>| x.clone().narrow(1, 0, reach);
        let old = older(&p) + decay.clone() * reach as f64;
        let new = newer(&p);
        let top = old.clone().max_pair(new.clone());
        let (old, new) = ((old - top.clone()).exp(), (new - top.clone()).exp());
        let join = |x: &Tensor<3>| {
            let joined = older(x) * old.clone() + newer(x) * new.clone();
            Tensor::cat(vec![whole(x), joined], 1)
        };
        (a, b) = (join(&a), join(&b));
        p = Tensor::cat(vec![whole(&p), top], 1);
        reach *= 2;
    }
    Averages { numerator: a, denominator: b, exponent: p }
}

/// In at least 32-bit floats: exponents differ by more than half precision holds.
fn wide(x: Tensor<3>) -> Tensor<3> {
    if narrow(x.dtype()) { x.cast(DType::F32) } else { x }
}

fn wide_row(x: Tensor<1>) -> Tensor<1> {
    if narrow(x.dtype()) { x.cast(DType::F32) } else { x }
}

fn narrow(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;
    use ndarray::{Array1, Array2, Array3};
    use numerics::rng::{normals, stream};
    use tensor_backend::{DeviceSpec, bridge};

    use super::*;

    /// The published recurrence, one token after another, in double precision.
    fn by_the_book(k: &Array2<f64>, v: &Array2<f64>, w: &Array1<f64>, u: &Array1<f64>) -> Array2<f64> {
        let (time, channels) = k.dim();
        let mut out = Array2::zeros((time, channels));
        for c in 0..channels {
            let (mut a, mut b, mut p) = (0.0, 0.0, NOTHING);
            for t in 0..time {
                let top = f64::max(p, u[c] + k[[t, c]]);
                let (old, new) = ((p - top).exp(), (u[c] + k[[t, c]] - top).exp());
                out[[t, c]] = (old * a + new * v[[t, c]]) / (old * b + new);
                let top = f64::max(p + w[c], k[[t, c]]);
                let (old, new) = ((p + w[c] - top).exp(), (k[[t, c]] - top).exp());
                (a, b, p) = (old * a + new * v[[t, c]], old * b + new, top);
            }
        }
        out
    }

    #[test]
    fn all_times_at_once_are_the_recurrence_whole_or_in_pieces() {
        let device = DeviceSpec::Cpu.open().unwrap().device;
        let (time, channels) = (37, 5);
        let draw = |index: u64, n: usize| normals(&mut stream(4, "wkv", index), n);
        // Keys up to about e^60: without the running maximum their exponentials would overflow.
        let k = Array2::from_shape_vec((time, channels), draw(0, time * channels)).unwrap() * 30.0;
        let v = Array2::from_shape_vec((time, channels), draw(1, time * channels)).unwrap();
        let w = Array1::from_vec(draw(2, channels)).mapv(|x| -x.exp());
        let u = Array1::from_vec(draw(3, channels));
        let want = by_the_book(&k, &v, &w, &u);
        let row = |x: &Array1<f64>| -> Tensor<1> {
            bridge::float_tensor(x.view(), FloatDType::F64, &device).unwrap()
        };
        let tensor = |x: &Array2<f64>| -> Tensor<3> {
            bridge::float_tensor(x.view().insert_axis(ndarray::Axis(0)), FloatDType::F64, &device).unwrap()
        };
        for pieces in [vec![37], vec![1; 37], vec![16, 20, 1]] {
            let (mut at, mut parts) = (0, Vec::new());
            let mut state = Average::empty(&tensor(&k));
            for n in pieces {
                let piece = |x: &Array2<f64>| tensor(x).narrow(1, at, n);
                let (wkv, states) = average(piece(&k), piece(&v), row(&w), row(&u), state);
                let last = |x: Tensor<3>| x.narrow(1, n, 1);
                state = Average {
                    numerator: last(states.numerator),
                    denominator: last(states.denominator),
                    exponent: last(states.exponent),
                };
                parts.push(wkv);
                at += n;
            }
            let got: Array3<f64> = bridge::float_array(Tensor::cat(parts, 1)).unwrap();
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{worst:e}");
        }
    }
}
