//! Causal attention, a few queries at a time, without a matrix of scores.
//!
//! Keys and values are laid out by unit once, so that vectors run over tokens. A task is a few queries of all heads: their
//! scores with the keys that they may see, the softmax of these, and the mixture of values; what comes later is not computed.

use burn::tensor::{Tensor, TensorData};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::exponential::exp;
use super::{floats, values};
use crate::{Error, Result};

/// Queries whose scores are computed together.
const GROUP: usize = 4;
/// Queries of a task.
const ROWS: usize = 16;
/// Tokens are padded to multiples of it: two of the widest vectors that any supported instruction set has.
const PAD: usize = 32;
/// Fewest products of a query's and a key's unit that are worth a second thread.
const PARALLEL: usize = 1 << 16;

/// `softmax(q k^T / sqrt(head_dim) + mask) v`: queries `[batch, time, heads * head_dim]` of the newest `time` of the tokens,
/// keys and values `[batch, kv_heads, tokens, head_dim]`, each of which serves `heads / kv_heads` query heads one after
/// another; the result is `[batch, time, heads * head_dim]`.
///
/// A query sees its own token and those before it. `mask` `[batch or 1, 1, time, tokens]` is added to the scores.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, [`Error::Tensor`] for other numbers than 32-bit floats.
pub fn causal_attention(
    q: Tensor<3>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<Tensor<4>>,
) -> Result<Tensor<3>> {
    let ([batch, time, units], [k_batch, kv_heads, tokens, head_dim]) = (q.dims(), k.dims());
    let heads = units / head_dim.max(1);
    let fits = k_batch == batch
        && v.dims() == k.dims()
        && kv_heads > 0
        && heads * head_dim == units
        && heads.is_multiple_of(kv_heads)
        && (1..=tokens).contains(&time);
    let mask_fits =
        mask.as_ref().is_none_or(|m| [[batch, 1, time, tokens], [1, 1, time, tokens]].contains(&m.dims()));
    if !fits || !mask_fits {
        let expected = "[batch, time, heads * d] beside [batch, kv_heads, tokens, d], and a mask [batch, 1, time, tokens]";
        let found = format!("{:?}, {:?}, {:?}", q.dims(), k.dims(), v.dims());
        return Err(Error::shape("attention", expected, found));
    }
    let shape = Shape { heads, kv_heads, time, tokens, head_dim };
    let device = q.device();
    let (q, k, v) = (values(q)?, values(k)?, values(v)?);
    let mask = mask.map(values).transpose()?;
    let mask = mask.as_ref().map(floats).transpose()?;
    let mixed = attend(floats(&q)?, floats(&k)?, floats(&v)?, mask, shape);
    Ok(Tensor::from_data(TensorData::new(mixed, [batch, time, units]), &device))
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    heads: usize,
    kv_heads: usize,
    time: usize,
    tokens: usize,
    head_dim: usize,
}

impl Shape {
    fn padded(&self) -> usize {
        self.tokens.next_multiple_of(PAD)
    }
}

fn attend(q: &[f32], k: &[f32], v: &[f32], mask: Option<&[f32]>, shape: Shape) -> Vec<f32> {
    let width = shape.heads * shape.head_dim;
    let mut mixed = vec![0.0; q.len()];
    let (k, v) = (by_unit(k, shape), by_unit(v, shape));
    let size_kv = shape.kv_heads * shape.head_dim * shape.padded();
    let products = q.len() * shape.tokens;
    let tasks = |(b, mixed): (usize, &mut [f32])| {
        let queries = &q[b * shape.time * width..][..mixed.len()];
        let (k, v) = (&k[b * size_kv..][..size_kv], &v[b * size_kv..][..size_kv]);
        let size = shape.time * shape.tokens;
        let mask = mask.map(|m| if m.len() > size { &m[b * size..][..size] } else { m });
        let chunk = ROWS * width;
        let task = |(i, mixed): (usize, &mut [f32])| {
            let queries = &queries[i * chunk..][..mixed.len()];
            Arch::new().dispatch(Rows { queries, k, v, mask, first: i * ROWS, shape, mixed });
        };
        if products >= PARALLEL {
            mixed.par_chunks_mut(chunk).enumerate().for_each(task);
        } else {
            mixed.chunks_mut(chunk).enumerate().for_each(task);
        }
    };
    mixed.chunks_mut(shape.time * width).enumerate().for_each(tasks);
    mixed
}

/// `[.., tokens, head_dim]` as `[.., head_dim, tokens]`, tokens padded with zeros.
fn by_unit(x: &[f32], shape: Shape) -> Vec<f32> {
    let (d, padded) = (shape.head_dim, shape.padded());
    let head = shape.tokens * d;
    let mut turned = vec![0.0; x.len() / head * d * padded];
    let turn = |(to, from): (&mut [f32], &[f32])| {
        for (t, token) in from.chunks_exact(d).enumerate() {
            for (i, value) in token.iter().enumerate() {
                to[i * padded + t] = *value;
            }
        }
    };
    if x.len() >= PARALLEL {
        turned.par_chunks_exact_mut(d * padded).zip(x.par_chunks_exact(head)).for_each(turn);
    } else {
        turned.chunks_exact_mut(d * padded).zip(x.chunks_exact(head)).for_each(turn);
    }
    turned
}

/// Some queries of one sequence, all heads.
struct Rows<'a> {
    /// `[queries, heads, head_dim]`.
    queries: &'a [f32],
    /// `[kv_heads, head_dim, padded tokens]`.
    k: &'a [f32],
    v: &'a [f32],
    /// `[time, tokens]`.
    mask: Option<&'a [f32]>,
    /// Place of the first query among all.
    first: usize,
    shape: Shape,
    /// As `queries`.
    mixed: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Shape { heads, kv_heads, time, tokens, head_dim: d } = self.shape;
        let (width, padded) = (heads * d, self.shape.padded());
        let scale = (d as f32).sqrt().recip();
        let mut weights = vec![0.0; GROUP * padded];
        let mut group = vec![0.0; GROUP * d];
        let rows = self.queries.len() / width;
        for head in 0..heads {
            let of = head / (heads / kv_heads) * d * padded;
            let (k, v) = (&self.k[of..of + d * padded], &self.v[of..of + d * padded]);
            for from in (0..rows).step_by(GROUP) {
                let count = GROUP.min(rows - from);
                for (r, query) in group.chunks_exact_mut(d).enumerate() {
                    // Rows that are not there repeat the last one.
                    let row = from + r.min(count - 1);
                    let values = &self.queries[row * width + head * d..][..d];
                    query.iter_mut().zip(values).for_each(|(to, x)| *to = x * scale);
                }
                // What the last query of the group sees.
                let seen = tokens - time + self.first + from + count;
                let reach = seen.next_multiple_of(PAD);
                scores(simd, &group, k, padded, reach, &mut weights);
                let mut totals = [1.0; GROUP];
                for (r, row) in weights.chunks_exact_mut(padded).enumerate() {
                    let place = self.first + from + r.min(count - 1);
                    let own = tokens - time + place + 1;
                    let mask = self.mask.map(|m| &m[place * tokens..][..own]);
                    totals[r] = softmax(simd, &mut row[..reach], own, mask);
                }
                for i in 0..d {
                    let sums = mixture(simd, &weights, padded, &v[i * padded..][..reach]);
                    for r in 0..count {
                        self.mixed[(from + r) * width + head * d + i] = sums[r] / totals[r];
                    }
                }
            }
        }
    }
}

/// `[GROUP, reach]` of `[GROUP, padded]`: products of queries `[GROUP, d]` with keys `[d, padded]`.
#[inline(always)]
fn scores<S: Simd>(simd: S, q: &[f32], k: &[f32], padded: usize, reach: usize, out: &mut [f32]) {
    let (d, each) = (q.len() / GROUP, padded / S::F32_LANES);
    let (k, _) = S::as_simd_f32s(k);
    let (out, _) = S::as_mut_simd_f32s(out);
    for at in (0..reach / S::F32_LANES).step_by(2) {
        let mut sums = [[simd.splat_f32s(0.0); 2]; GROUP];
        for i in 0..d {
            let keys = [k[i * each + at], k[i * each + at + 1]];
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = simd.splat_f32s(q[r * d + i]);
                sums[0] = simd.mul_add_e_f32s(x, keys[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(x, keys[1], sums[1]);
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            out[r * each + at] = sums[0];
            out[r * each + at + 1] = sums[1];
        }
    }
}

/// Scores to `e^(score - largest)`, and their sum; what lies beyond `own` is hidden.
#[inline(always)]
fn softmax<S: Simd>(simd: S, row: &mut [f32], own: usize, mask: Option<&[f32]>) -> f32 {
    row[own..].fill(f32::NEG_INFINITY);
    if let Some(mask) = mask {
        row.iter_mut().zip(mask).for_each(|(s, m)| *s += m);
    }
    let vectors = S::as_simd_f32s(row).0;
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for vector in vectors {
        largest = simd.max_f32s(largest, *vector);
    }
    let largest = simd.reduce_max_f32s(largest);
    for s in row.iter_mut() {
        *s = exp(*s - largest);
    }
    let mut total = simd.splat_f32s(0.0);
    for vector in S::as_simd_f32s(row).0 {
        total = simd.add_f32s(total, *vector);
    }
    simd.reduce_sum_f32s(total)
}

/// Of each of the rows of weights `[GROUP, padded]`, its product with the values of a unit.
#[inline(always)]
fn mixture<S: Simd>(simd: S, weights: &[f32], padded: usize, v: &[f32]) -> [f32; GROUP] {
    let each = padded / S::F32_LANES;
    let (weights, _) = S::as_simd_f32s(weights);
    let (v, _) = S::as_simd_f32s(v);
    let mut sums = [simd.splat_f32s(0.0); GROUP];
    for (at, v) in v.iter().enumerate() {
        for (r, sum) in sums.iter_mut().enumerate() {
            *sum = simd.mul_add_e_f32s(weights[r * each + at], *v, *sum);
        }
    }
    // No closure: the compiler would call what belongs in place.
    let mut totals = [0.0; GROUP];
    for r in 0..GROUP {
        totals[r] = simd.reduce_sum_f32s(sums[r]);
    }
    totals
}
