//! One pass over embeddings that does both halves of a matrix-free step.
//!
//! With `S = E^T v` known, a row of `E S` needs that row of `E` alone, and once the new vector's entry for the row is
//! there, its part of the next `S' = E^T v'` can be added while the row is still in cache. So one step reads `E` once,
//! not twice.

use pulp::{Simd, WithSimd};

use super::block::Step;

/// Rows and columns are padded with zeros to multiples of these, so that no loop has a remainder.
pub(crate) const ROW_PAD: usize = 4;
/// The widest vector of doubles that any supported instruction set has.
pub(crate) const COLUMN_PAD: usize = 8;
/// Columns of a tile: four rows of it and ten probes stay in a first-level cache.
const TILE: usize = 256;
/// Bytes of embeddings that stay in the second-level cache between the two halves.
const PANEL_BYTES: usize = 384 * 1024;

/// Rows of `E` that are held between the two halves.
pub(crate) fn panel_rows(width: usize) -> usize {
    (PANEL_BYTES / (8 * width.max(1)) / ROW_PAD * ROW_PAD).clamp(ROW_PAD, 32)
}

/// The work of one thread: a chunk of rows.
pub(crate) struct Pass<'a> {
    /// Embeddings `[rows, width]`, both padded.
    pub(crate) e: &'a [f64],
    /// Padded units.
    pub(crate) width: usize,
    /// Vectors in a block.
    pub(crate) n: usize,
    /// The first half: the image `S [n, width]`, the vectors `v [rows, n]`, and what to do with them. Without it the
    /// vectors in `next` are only projected.
    pub(crate) forward: Option<(&'a [f64], &'a [f64], Step)>,
    /// The previous vectors `[rows, n]` on entry, the new ones on return.
    pub(crate) next: &'a mut [f64],
    /// Where this chunk's part of `E^T next` is added, `[n, width]`; not computed for a last step.
    pub(crate) image: Option<&'a mut [f64]>,
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (width, n) = (self.width, self.n);
        let rows = panel_rows(width);
        let mut sums = vec![0.0; rows * n * S::F64_LANES];
        let panels = self.e.chunks(rows * width).zip(self.next.chunks_mut(rows * n));
        for (i, (panel, next)) in panels.enumerate() {
            if let Some((image, v, by)) = self.forward {
                let sums = &mut sums[..next.len() * S::F64_LANES];
                project_back(simd, panel, width, image, n, sums);
                let (sums, _) = S::as_simd_f64s(sums);
                let v = &v[i * rows * n..][..next.len()];
                for ((next, v), sum) in next.iter_mut().zip(v).zip(sums) {
                    *next = by.gain * simd.reduce_sum_f64s(*sum) + by.shift * v - by.damp * *next;
                }
            }
            if let Some(image) = self.image.as_deref_mut() {
                project(simd, panel, width, next, n, image);
            }
        }
    }
}

/// `sums [rows, n, lanes] = E S^T`, left as partial sums per lane.
#[inline(always)]
fn project_back<S: Simd>(simd: S, e: &[f64], width: usize, image: &[f64], n: usize, sums: &mut [f64]) {
    let (sums, _) = S::as_mut_simd_f64s(sums);
    sums.fill(simd.splat_f64s(0.0));
    for from in (0..width).step_by(TILE) {
        let to = (from + TILE).min(width);
        for (quad, sums) in e.chunks_exact(4 * width).zip(sums.chunks_exact_mut(4 * n)) {
            let e = [0, 1, 2, 3].map(|r| S::as_simd_f64s(&quad[r * width + from..r * width + to]).0);
            let mut j = 0;
            while j + 2 <= n {
                let s0 = S::as_simd_f64s(&image[j * width + from..j * width + to]).0;
                let s1 = S::as_simd_f64s(&image[(j + 1) * width + from..(j + 1) * width + to]).0;
                let mut acc = [
                    sums[j],
                    sums[j + 1],
                    sums[n + j],
                    sums[n + j + 1],
                    sums[2 * n + j],
                    sums[2 * n + j + 1],
                    sums[3 * n + j],
                    sums[3 * n + j + 1],
                ];
                let length = s0.len();
                let (e0, e1, e2, e3, s1) =
                    (&e[0][..length], &e[1][..length], &e[2][..length], &e[3][..length], &s1[..length]);
                for i in 0..length {
                    let (a, b) = (s0[i], s1[i]);
                    acc[0] = simd.mul_add_e_f64s(e0[i], a, acc[0]);
                    acc[1] = simd.mul_add_e_f64s(e0[i], b, acc[1]);
                    acc[2] = simd.mul_add_e_f64s(e1[i], a, acc[2]);
                    acc[3] = simd.mul_add_e_f64s(e1[i], b, acc[3]);
                    acc[4] = simd.mul_add_e_f64s(e2[i], a, acc[4]);
                    acc[5] = simd.mul_add_e_f64s(e2[i], b, acc[5]);
                    acc[6] = simd.mul_add_e_f64s(e3[i], a, acc[6]);
                    acc[7] = simd.mul_add_e_f64s(e3[i], b, acc[7]);
                }
                for r in 0..4 {
                    sums[r * n + j] = acc[2 * r];
                    sums[r * n + j + 1] = acc[2 * r + 1];
                }
                j += 2;
            }
            if j < n {
                let s = S::as_simd_f64s(&image[j * width + from..j * width + to]).0;
                let length = s.len();
                for (r, e) in e.into_iter().enumerate() {
                    let e = &e[..length];
                    // Two chains hide the latency of the addition.
                    let (mut even, mut odd) = (sums[r * n + j], simd.splat_f64s(0.0));
                    for i in (0..length / 2 * 2).step_by(2) {
                        even = simd.mul_add_e_f64s(e[i], s[i], even);
                        odd = simd.mul_add_e_f64s(e[i + 1], s[i + 1], odd);
                    }
                    if length % 2 == 1 {
                        even = simd.mul_add_e_f64s(e[length - 1], s[length - 1], even);
                    }
                    sums[r * n + j] = simd.add_f64s(even, odd);
                }
            }
        }
    }
}

/// `image [n, width] += v^T E`.
#[inline(always)]
fn project<S: Simd>(simd: S, e: &[f64], width: usize, v: &[f64], n: usize, image: &mut [f64]) {
    for from in (0..width).step_by(TILE) {
        let to = (from + TILE).min(width);
        for (quad, v) in e.chunks_exact(4 * width).zip(v.chunks_exact(4 * n)) {
            let e = [0, 1, 2, 3].map(|r| S::as_simd_f64s(&quad[r * width + from..r * width + to]).0);
            let mut j = 0;
            while j + 2 <= n {
                let (first, second) = image[j * width..(j + 2) * width].split_at_mut(width);
                let s0 = S::as_mut_simd_f64s(&mut first[from..to]).0;
                let s1 = S::as_mut_simd_f64s(&mut second[from..to]).0;
                let a = [0, 1, 2, 3].map(|r| simd.splat_f64s(v[r * n + j]));
                let b = [0, 1, 2, 3].map(|r| simd.splat_f64s(v[r * n + j + 1]));
                let length = s0.len();
                let (e0, e1, e2, e3, s1) =
                    (&e[0][..length], &e[1][..length], &e[2][..length], &e[3][..length], &mut s1[..length]);
                for i in 0..length {
                    let mut p = simd.mul_add_e_f64s(e0[i], a[0], s0[i]);
                    let mut q = simd.mul_add_e_f64s(e0[i], b[0], s1[i]);
                    p = simd.mul_add_e_f64s(e1[i], a[1], p);
                    q = simd.mul_add_e_f64s(e1[i], b[1], q);
                    p = simd.mul_add_e_f64s(e2[i], a[2], p);
                    q = simd.mul_add_e_f64s(e2[i], b[2], q);
                    p = simd.mul_add_e_f64s(e3[i], a[3], p);
                    q = simd.mul_add_e_f64s(e3[i], b[3], q);
                    s0[i] = p;
                    s1[i] = q;
                }
                j += 2;
            }
            if j < n {
                let s = S::as_mut_simd_f64s(&mut image[j * width + from..j * width + to]).0;
                let a = [0, 1, 2, 3].map(|r| simd.splat_f64s(v[r * n + j]));
                let length = s.len();
                let (e0, e1, e2, e3) = (&e[0][..length], &e[1][..length], &e[2][..length], &e[3][..length]);
                for i in 0..length {
                    let p = simd.mul_add_e_f64s(e0[i], a[0], s[i]);
                    let q = simd.mul_f64s(e1[i], a[1]);
                    let p = simd.mul_add_e_f64s(e2[i], a[2], p);
                    let q = simd.mul_add_e_f64s(e3[i], a[3], q);
                    s[i] = simd.add_f64s(p, q);
                }
            }
        }
    }
}
