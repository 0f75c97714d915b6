//! Blocks of neurons side by side: `[time][lane]`, so that one instruction serves several neurons.
//!
//! What works on blocks is `inline(always)`: it is compiled into the homogenizer's dispatch, once for each instruction
//! set. No sum is contracted: results are the same on all.

use ndarray::ArrayView2;

/// Neurons that are worked on together; eight `f64` fill a cache line.
pub(super) const LANES: usize = 8;

/// Samples that are turned at once: eight single-precision values of a row, half a cache line.
const TILE: usize = 8;

/// Samples of a block of neurons.
pub(super) type Block = [[f64; LANES]];

/// Copies the columns `columns` of `[samples, neurons]` into as many blocks as they fill; spare lanes become 0.
///
/// Several blocks are filled in one pass: each row then gives a few whole cache lines at a time.
#[inline(always)]
pub(super) fn gather(traces: &ArrayView2<'_, f64>, columns: &[usize], blocks: &mut [Vec<[f64; LANES]>]) {
    let contiguous = columns.windows(2).all(|w| w[1] == w[0] + 1);
    for (sample, row) in traces.rows().into_iter().enumerate() {
        for (block, wanted) in blocks.iter_mut().zip(columns.chunks(LANES)) {
            let to = &mut block[sample];
            match row.as_slice() {
                Some(row) if contiguous && wanted.len() == LANES => {
                    to.copy_from_slice(&row[wanted[0]..wanted[0] + LANES]);
                }
                _ => {
                    *to = [0.0; LANES];
                    for (t, c) in to.iter_mut().zip(wanted) {
                        *t = row[*c];
                    }
                }
            }
        }
    }
}

/// Writes the lanes of a block as rows of one value per sample, as many as there are neurons.
#[inline(always)]
pub(super) fn scatter(block: &Block, rows: &mut [&mut [f32]]) {
    let (tiles, rest) = block.as_chunks::<TILE>();
    let whole = tiles.len() * TILE;
    for (i, tile) in tiles.iter().enumerate() {
        // Converted as they lie, then turned in registers.
        let mut turned = [[0.0; TILE]; LANES];
        for lane in 0..LANES {
            for sample in 0..TILE {
                turned[lane][sample] = tile[sample][lane] as f32;
            }
        }
        for (row, values) in rows.iter_mut().zip(&turned) {
            row[i * TILE..(i + 1) * TILE].copy_from_slice(values);
        }
    }
    for (lane, row) in rows.iter_mut().enumerate() {
        for (to, from) in row[whole..].iter_mut().zip(rest) {
            *to = from[lane] as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn columns_come_back_as_rows() {
        let x = Array2::from_shape_fn((150, 20), |(i, j)| (100 * i + j) as f64);
        for columns in [(3..11).collect::<Vec<_>>(), (2..17).collect(), vec![19, 0, 7]] {
            let mut blocks = vec![vec![[7.0; LANES]; 150]; 2];
            gather(&x.view(), &columns, &mut blocks);
            let mut rows = vec![0.0f32; columns.len() * 150];
            for (block, rows) in blocks.iter().zip(rows.chunks_mut(LANES * 150)) {
                scatter(block, &mut rows.chunks_mut(150).collect::<Vec<_>>());
            }
            for (r, c) in columns.iter().enumerate() {
                assert!((0..150).all(|i| f64::from(rows[r * 150 + i]) == x[[i, *c]]));
            }
        }
    }
}
