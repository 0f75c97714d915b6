//! Sparse matrices in compressed sparse rows.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::{Error, Result};

/// Rows per task of the parallel products.
const ROWS: usize = 256;

/// A sparse matrix: row `i` holds `values[starts[i]..starts[i + 1]]` in the columns of the same positions, ascending and
/// each once.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// A matrix from `(row, column, value)`; values of one place are summed in the order they come. Sums of zero stay.
    ///
    /// # Errors
    /// [`Error::Index`] outside the shape, [`Error::NotFinite`], [`Error::Parameter`] for 2^32 columns or more.
    pub fn from_triplets(rows: usize, columns: usize, triplets: &[(usize, usize, f64)]) -> Result<Self> {
        width(columns)?;
        let mut counts = vec![0_usize; rows + 1];
        for (at, (row, column, value)) in triplets.iter().enumerate() {
            for (what, index, bound) in [("row", *row, rows), ("column", *column, columns)] {
                if index >= bound {
                    return Err(Error::Index { what, index, bound });
                }
            }
            if !value.is_finite() {
                return Err(Error::NotFinite { what: "sparse matrix", index: at });
            }
            counts[row + 1] += 1;
        }
        (0..rows).for_each(|i| counts[i + 1] += counts[i]);
        let mut next = counts.clone();
        let mut cells = vec![(0_u32, 0.0); triplets.len()];
        for (row, column, value) in triplets {
            cells[next[*row]] = (*column as u32, *value);
            next[*row] += 1;
        }
        let mut matrix = Self {
            columns,
            starts: Vec::with_capacity(rows + 1),
            indices: Vec::with_capacity(cells.len()),
            values: Vec::with_capacity(cells.len()),
        };
        matrix.starts.push(0);
        for i in 0..rows {
            let row = &mut cells[counts[i]..counts[i + 1]];
            // Stable: values of one place keep their order, so their sum does too.
            row.sort_by_key(|(column, _)| *column);
            for run in row.chunk_by(|a, b| a.0 == b.0) {
                matrix.indices.push(run[0].0);
                matrix.values.push(run.iter().map(|(_, v)| v).sum());
            }
            matrix.starts.push(matrix.indices.len());
        }
        Ok(matrix)
    }

    /// A matrix from its parts, as other libraries store them.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `starts` ascends from 0 to the number of values and columns ascend within each row;
    /// [`Error::Index`], [`Error::NotFinite`], [`Error::Parameter`] as [`Csr::from_triplets`].
    pub fn from_parts(
        columns: usize,
        starts: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f64>,
    ) -> Result<Self> {
        width(columns)?;
        let wrong =
            |what, expected: &str, found: String| Error::Shape { what, expected: expected.to_owned(), found };
        if indices.len() != values.len() {
            return Err(wrong(
                "CSR values",
                "one per index",
                format!("{} and {}", values.len(), indices.len()),
            ));
        }
        if starts.first() != Some(&0)
            || starts.last() != Some(&values.len())
            || starts.windows(2).any(|w| w[0] > w[1])
        {
            let expected = "row starts that ascend from 0 to the number of values";
            return Err(wrong("CSR starts", expected, format!("{} starts", starts.len())));
        }
        if let Some(index) = indices.iter().find(|i| **i as usize >= columns) {
            return Err(Error::Index { what: "column", index: *index as usize, bound: columns });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { what: "sparse matrix", index });
        }
        if let Some(row) =
            starts.windows(2).position(|w| indices[w[0]..w[1]].windows(2).any(|p| p[0] >= p[1]))
        {
            return Err(wrong("CSR indices", "columns that ascend in each row", format!("row {row}")));
        }
        Ok(Self { columns, starts, indices, values })
    }

    /// The entries of a dense matrix that are not zero.
    ///
    /// # Errors
    /// Those of [`Csr::from_triplets`].
    pub fn from_dense(dense: &ArrayView2<'_, f64>) -> Result<Self> {
        let cells: Vec<(usize, usize, f64)> =
            dense.indexed_iter().filter(|(_, v)| **v != 0.0).map(|((i, j), v)| (i, j, *v)).collect();
        Self::from_triplets(dense.nrows(), dense.ncols(), &cells)
    }

    /// Rows and columns.
    #[must_use]
    pub fn dim(&self) -> (usize, usize) {
        (self.starts.len() - 1, self.columns)
    }

    /// Number of stored values.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.values.len()
    }

    /// Columns and values of a row; empty beyond the last.
    #[must_use]
    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        match (self.starts.get(i), self.starts.get(i + 1)) {
            (Some(from), Some(to)) => (&self.indices[*from..*to], &self.values[*from..*to]),
            _ => (&[], &[]),
        }
    }

    /// The value at a place, 0 where none is stored.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> f64 {
        let (columns, values) = self.row(row);
        columns.binary_search_by(|c| (*c as usize).cmp(&column)).map_or(0.0, |at| values[at])
    }

    /// `A x`, in parallel over rows.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn matvec(&self, x: &ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        self.fits("sparse matrix-vector product", x.len())?;
        let owned;
        let x = match x.as_slice() {
            Some(slice) => slice,
            None => {
                owned = x.to_vec();
                &owned
            }
        };
        let dot = |i: usize| {
            let (columns, values) = self.row(i);
            columns.iter().zip(values).map(|(c, v)| v * x[*c as usize]).sum::<f64>()
        };
        Ok(Array1::from((0..self.dim().0).into_par_iter().with_min_len(ROWS).map(dot).collect::<Vec<_>>()))
    }

    /// `A B` with a dense `B [columns, k]`, in parallel over rows.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn matmul(&self, b: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        self.fits("sparse-dense product", b.nrows())?;
        let mut out = Array2::zeros((self.dim().0, b.ncols()));
        let chunks = out.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter().enumerate();
        chunks.for_each(|(chunk, mut rows)| {
            for (offset, mut row) in rows.outer_iter_mut().enumerate() {
                let (columns, values) = self.row(chunk * ROWS + offset);
                for (c, v) in columns.iter().zip(values) {
                    row.scaled_add(*v, &b.row(*c as usize));
                }
            }
        });
        Ok(out)
    }

    /// The transposed matrix.
    ///
    /// # Errors
    /// [`Error::Parameter`] for 2^32 rows or more.
    pub fn transpose(&self) -> Result<Self> {
        let (rows, columns) = self.dim();
        width(rows)?;
        let mut starts = vec![0_usize; columns + 1];
        self.indices.iter().for_each(|c| starts[*c as usize + 1] += 1);
        (0..columns).for_each(|j| starts[j + 1] += starts[j]);
        let mut next = starts.clone();
        let (mut indices, mut values) = (vec![0_u32; self.stored()], vec![0.0; self.stored()]);
        for i in 0..rows {
            let (row, entries) = self.row(i);
            for (c, v) in row.iter().zip(entries) {
                let at = &mut next[*c as usize];
                (indices[*at], values[*at]) = (i as u32, *v);
                *at += 1;
            }
        }
        Ok(Self { columns: rows, starts, indices, values })
    }

    /// All entries.
    #[must_use]
    pub fn to_dense(&self) -> Array2<f64> {
        let mut out = Array2::zeros(self.dim());
        for (i, mut row) in out.outer_iter_mut().enumerate() {
            let (columns, values) = self.row(i);
            columns.iter().zip(values).for_each(|(c, v)| row[*c as usize] = *v);
        }
        out
    }

    fn fits(&self, what: &'static str, found: usize) -> Result<()> {
        if found == self.columns {
            return Ok(());
        }
        Err(Error::Shape {
            what,
            expected: format!("{} rows on the right", self.columns),
            found: found.to_string(),
        })
    }
}

fn width(columns: usize) -> Result<()> {
    match u32::try_from(columns) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Parameter { name: "columns", value: columns as f64, expected: "below 2^32" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(
            Csr::from_triplets(2, 2, &[(2, 0, 1.0)]),
            Err(Error::Index { index: 2, bound: 2, .. })
        ));
        assert!(Csr::from_triplets(2, 2, &[(0, 2, 1.0)]).is_err());
        assert!(Csr::from_triplets(2, 2, &[(0, 0, f64::NAN)]).is_err());
        assert!(Csr::from_parts(2, vec![0, 1], vec![0], vec![1.0]).is_ok());
        assert!(Csr::from_parts(2, vec![0, 2], vec![0], vec![1.0]).is_err());
        assert!(Csr::from_parts(2, vec![1, 0, 1], vec![0], vec![1.0]).is_err());
        assert!(Csr::from_parts(2, vec![], vec![], vec![]).is_err());
        assert!(Csr::from_parts(2, vec![0, 1], vec![2], vec![1.0]).is_err());
        assert!(Csr::from_parts(2, vec![0, 2], vec![1, 0], vec![1.0, 2.0]).is_err());
        assert!(Csr::from_parts(2, vec![0, 1], vec![0], vec![f64::INFINITY]).is_err());
        let a = Csr::from_triplets(2, 3, &[]).unwrap();
        assert!(
            a.matvec(&Array1::zeros(2).view()).is_err() && a.matmul(&Array2::zeros((2, 2)).view()).is_err()
        );
        assert_eq!((a.dim(), a.stored(), a.get(9, 9)), ((2, 3), 0, 0.0));
    }

    proptest! {
        #[test]
        fn it_acts_like_the_dense_matrix(cells in prop::collection::vec((0..7_usize, 0..5_usize, -3.0..3.0_f64), 0..40)) {
            let mut dense = Array2::<f64>::zeros((7, 5));
            cells.iter().for_each(|(i, j, v)| dense[[*i, *j]] += v);
            let a = Csr::from_triplets(7, 5, &cells).unwrap();
            let close = |x: &Array2<f64>, y: &Array2<f64>| (x - y).iter().all(|d| d.abs() < 1e-12);
            prop_assert!(close(&a.to_dense(), &dense));
            prop_assert_eq!(a.transpose().unwrap().transpose().unwrap(), a.clone());
            prop_assert!(close(&a.transpose().unwrap().to_dense(), &dense.t().to_owned()));
            let b = Array2::from_shape_fn((5, 3), |(i, j)| (i * 3 + j) as f64 - 4.0);
            prop_assert!(close(&a.matmul(&b.view()).unwrap(), &dense.dot(&b)));
            let x = b.column(1);
            prop_assert!((a.matvec(&x).unwrap() - dense.dot(&x)).iter().all(|d| d.abs() < 1e-12));
            prop_assert_eq!(Csr::from_dense(&a.to_dense().view()).unwrap().to_dense(), a.to_dense());
            prop_assert!(a.get(3, 2) == a.to_dense()[[3, 2]]);
        }
    }
}
