//! Blocks of neurons side by side: `[time][lane]`, so that one instruction serves several neurons.

use ndarray::ArrayView2;

/// Neurons that are worked on together; eight `f64` fill a cache line.
pub(super) const LANES: usize = 8;

/// Samples of a block of neurons.
pub(super) type Block = [[f64; LANES]];

/// Copies the columns `columns` (at most [`LANES`]) of `[samples, neurons]` into a block; spare lanes become 0.
pub(super) fn gather(traces: &ArrayView2<'_, f64>, columns: &[usize], out: &mut Block) {
    let contiguous = columns.windows(2).all(|w| w[1] == w[0] + 1) && columns.len() == LANES;
    for (row, to) in traces.rows().into_iter().zip(out.iter_mut()) {
        match (row.as_slice(), contiguous) {
            (Some(row), true) => to.copy_from_slice(&row[columns[0]..columns[0] + LANES]),
            _ => {
                *to = [0.0; LANES];
                for (t, c) in to.iter_mut().zip(columns) {
                    *t = row[*c];
                }
            }
        }
    }
}

/// Writes the lanes of a block as rows of `samples` values each; `rows` holds as many rows as there are neurons.
pub(super) fn scatter(block: &Block, rows: &mut [f32]) {
    let samples = block.len();
    if samples == 0 {
        return;
    }
    // Tiles that stay in the first-level cache while every lane passes over them.
    const TILE: usize = 64;
    for (start, tile) in block.chunks(TILE).enumerate().map(|(i, t)| (i * TILE, t)) {
        for (lane, row) in rows.chunks_exact_mut(samples).enumerate() {
            for (to, from) in row[start..start + tile.len()].iter_mut().zip(tile) {
                *to = from[lane] as f32;
            }
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
        for columns in [(3..11).collect::<Vec<_>>(), vec![19, 0, 7]] {
            let mut block = vec![[0.0; LANES]; 150];
            gather(&x.view(), &columns, &mut block);
            let mut rows = vec![0.0f32; columns.len() * 150];
            scatter(&block, &mut rows);
            for (r, c) in columns.iter().enumerate() {
                assert!((0..150).all(|i| f64::from(rows[r * 150 + i]) == x[[i, *c]]));
            }
        }
    }
}
