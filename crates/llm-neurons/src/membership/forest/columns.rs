//! The features column by column, each sorted once for all trees.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use crate::{Error, Result};

/// `[features]` columns of `documents` values.
pub(super) struct Columns {
    pub(super) documents: usize,
    pub(super) features: usize,
    /// `[features, documents]`.
    values: Vec<f32>,
    /// `[features, documents]`: documents from the least value to the largest.
    order: Vec<u32>,
    /// `[features, documents]`: where a document stands in `order`.
    rank: Vec<u32>,
}

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) values: &'a [f32],
    pub(super) order: &'a [u32],
    pub(super) rank: &'a [u32],
}

impl Columns {
    /// Sorts every column; equal values stand in the order of the documents.
    pub(super) fn new(x: &ArrayView2<'_, f64>) -> Result<Self> {
        let (documents, features) = x.dim();
        let mut values = vec![0.0_f32; documents * features];
        for (column, (from, to)) in x.axis_iter(Axis(1)).zip(values.chunks_exact_mut(documents)).enumerate() {
            for (row, (a, b)) in from.iter().zip(to).enumerate() {
                *b = *a as f32;
                if !b.is_finite() {
                    return Err(Error::NotFinite { what: "features of a forest", row, column, value: *a });
                }
            }
        }
        let mut order = vec![0_u32; documents * features];
        let mut rank = vec![0_u32; documents * features];
        order
            .par_chunks_exact_mut(documents)
            .zip(rank.par_chunks_exact_mut(documents))
            .zip(values.par_chunks_exact(documents))
            .for_each(|((order, rank), values)| {
                order.iter_mut().zip(0..).for_each(|(place, i)| *place = i);
                order.sort_unstable_by(|a, b| {
                    values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b))
                });
                order.iter().zip(0..).for_each(|(i, r)| rank[*i as usize] = r);
            });
        Ok(Self { documents, features, values, order, rank })
    }

    pub(super) fn column(&self, feature: usize) -> Column<'_> {
        let range = feature * self.documents..(feature + 1) * self.documents;
        Column {
            values: &self.values[range.clone()],
            order: &self.order[range.clone()],
            rank: &self.rank[range],
        }
    }
}
