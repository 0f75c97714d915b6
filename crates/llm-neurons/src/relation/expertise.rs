//! Expertise of many units at once.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::NeuronId;
use super::precision::{both_classes, precision_of_sorted};
use crate::keys::{descending_f32, from_descending, sort};
use crate::{Error, Result};

/// Units whose columns are read together: one cache line of each row.
const BLOCK: usize = 16;

/// Pooled responses `[examples, units]` and which neuron each unit is. For a large model one of these holds one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Responses {
    values: Array2<f32>,
    index: Vec<NeuronId>,
}

impl Responses {
    /// Takes responses `[examples, units]` and one name a unit.
    ///
    /// # Errors
    /// [`Error::Shape`] where the units differ in number or a neuron comes twice, [`Error::NotFinite`].
    pub fn new(values: Array2<f32>, index: Vec<NeuronId>) -> Result<Self> {
        if values.ncols() != index.len() {
            return Err(Error::shape("names of units", values.ncols(), index.len()));
        }
        let mut sorted = index.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::shape("names of units", "distinct neurons", format!("{} twice", pair[0])));
        }
        let bad = (0..values.nrows()).into_par_iter().find_map_first(|row| {
            values.row(row).iter().position(|x| !x.is_finite()).map(|column| (row, column))
        });
        match bad {
            None => Ok(Self { values, index }),
            Some((row, column)) => {
                let value = f64::from(values[(row, column)]);
                Err(Error::NotFinite { what: "responses", row, column, value })
            }
        }
    }

    /// The responses `[examples, units]`.
    #[must_use]
    pub fn values(&self) -> ArrayView2<'_, f32> {
        self.values.view()
    }

    /// The neuron that each unit is.
    #[must_use]
    pub fn index(&self) -> &[NeuronId] {
        &self.index
    }

    /// The responses to some of the examples, in their order.
    ///
    /// # Errors
    /// [`Error::Shape`] for an example that there is not.
    pub fn of_examples(&self, examples: &[usize]) -> Result<Self> {
        if let Some(e) = examples.iter().find(|e| **e >= self.values.nrows()) {
            return Err(Error::shape("example", format!("below {}", self.values.nrows()), e));
        }
        Ok(Self { values: self.values.select(Axis(0), examples), index: self.index.clone() })
    }
}

/// How well a neuron tells positives from negatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expert {
    /// The neuron.
    pub id: NeuronId,
    /// Average precision of its responses.
    pub ap: f64,
    /// Median response to positives; quantiles are interpolated linearly.
    pub on_p50: f64,
    /// Response to positives at their 90 % quantile.
    pub on_p90: f64,
    /// Mean response to negatives.
    pub off_mean: f64,
}

/// The expertise of every unit, in the order of the units; `positive` has one label an example.
///
/// Units are read in blocks of 16, so that no copy of all responses is made; each unit's positives and negatives are
/// sorted apart and merged. O(units x examples), on every core, the same result for any number of threads.
///
/// # Errors
/// [`Error::Shape`] for another number of labels, [`Error::TooFew`] without a positive or a negative.
pub fn expertise(responses: &Responses, positive: &[bool]) -> Result<Vec<Expert>> {
    let values = &responses.values;
    if positive.len() != values.nrows() {
        return Err(Error::shape("labels of examples", values.nrows(), positive.len()));
    }
    let hits = both_classes(positive)?;
    let misses = positive.len() - hits;
    let mut found = Vec::with_capacity(values.ncols());
    responses
        .index
        .par_chunks(BLOCK)
        .enumerate()
        .map_init(
            || Columns::new(hits, misses),
            |columns, (block, ids)| {
                let units = block * BLOCK..block * BLOCK + ids.len();
                columns.gather(values.slice_axis(Axis(1), units.into()), positive);
                ids.iter().enumerate().map(|(unit, id)| columns.judge(unit, *id)).collect::<Vec<_>>()
            },
        )
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|block| found.extend(block));
    Ok(found)
}

/// Sort keys of the positives and negatives of one block of units.
struct Columns {
    on: Vec<Vec<u32>>,
    off: Vec<Vec<u32>>,
    off_sum: [f64; BLOCK],
    scratch: Vec<u32>,
}

impl Columns {
    fn new(hits: usize, misses: usize) -> Self {
        Self {
            on: (0..BLOCK).map(|_| Vec::with_capacity(hits)).collect(),
            off: (0..BLOCK).map(|_| Vec::with_capacity(misses)).collect(),
            off_sum: [0.0; BLOCK],
            scratch: Vec::new(),
        }
    }

    fn gather(&mut self, values: ArrayView2<'_, f32>, positive: &[bool]) {
        self.on.iter_mut().chain(&mut self.off).for_each(Vec::clear);
        self.off_sum = [0.0; BLOCK];
        for (row, positive) in values.outer_iter().zip(positive) {
            if *positive {
                row.iter().zip(&mut self.on).for_each(|(x, keys)| keys.push(descending_f32(*x)));
                continue;
            }
            for ((x, keys), sum) in row.iter().zip(&mut self.off).zip(&mut self.off_sum) {
                keys.push(descending_f32(*x));
                *sum += f64::from(*x);
            }
        }
    }

    fn judge(&mut self, unit: usize, id: NeuronId) -> Expert {
        let (on, off) = (&mut self.on[unit], &mut self.off[unit]);
        sort(on, &mut self.scratch);
        sort(off, &mut self.scratch);
        Expert {
            id,
            ap: precision_of_sorted(on, off),
            on_p50: quantile_of_descending(on, 0.5),
            on_p90: quantile_of_descending(on, 0.9),
            off_mean: self.off_sum[unit] / off.len() as f64,
        }
    }
}

/// Quantile, interpolated linearly, of the values behind keys that ascend as the values descend.
fn quantile_of_descending(keys: &[u32], q: f64) -> f64 {
    let last = keys.len() - 1;
    let position = last as f64 * q;
    let below = position.floor() as usize;
    let value = |i: usize| f64::from(from_descending(keys[last - i.min(last)]));
    let (a, b) = (value(below), value(below + 1));
    a + (b - a) * (position - below as f64)
}
