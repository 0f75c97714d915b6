//! Sorting `f64` values by their bits: the ground of ranks and rank correlations.

use rayon::prelude::*;

use crate::{Error, Result};

/// Below this many values one comparison sort is quicker than buckets.
const FEW: usize = 2048;
/// Values per bucket that are aimed at: small enough for the first-level cache.
const BUCKET: usize = 32;
/// Consecutive buckets of about this many values are sorted by one task.
const TASK: usize = 1 << 15;

/// The values in ascending order, as `(key, index)`: keys compare like the values and are equal where the values are.
///
/// Many values are first spread over buckets by the leading bits in which they differ, then each bucket is sorted.
///
/// # Errors
/// [`Error::NotFinite`] for NaN, [`Error::TooFew`] for no value, [`Error::Parameter`] above 2^32 values.
pub(crate) fn ordered(what: &'static str, values: &[f64]) -> Result<Vec<(u64, u32)>> {
    if values.is_empty() {
        return Err(Error::TooFew { what, needed: 1, found: 0 });
    }
    if u32::try_from(values.len()).is_err() {
        return Err(Error::Parameter {
            name: what,
            value: values.len() as f64,
            expected: "below 2^32 values",
        });
    }
    if let Some(index) = values.iter().position(|x| x.is_nan()) {
        return Err(Error::NotFinite { what, index });
    }
    if values.len() < FEW {
        let mut pairs: Vec<(u64, u32)> = values.iter().zip(0..).map(|(x, i)| (key(*x), i)).collect();
        pairs.sort_unstable();
        return Ok(pairs);
    }
    let (low, high) = values.iter().fold((u64::MAX, 0), |(l, h), x| (l.min(key(*x)), h.max(key(*x))));
    let span = u64::BITS - (high - low).leading_zeros();
    let shift = span.saturating_sub((values.len() / BUCKET).ilog2());
    let place = |x: f64| ((key(x) - low) >> shift) as usize;
    let mut ends = vec![0_usize; place(f64::from_bits(unkey(high))) + 1];
    values.iter().for_each(|x| ends[place(*x)] += 1);
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum - *end; // where the bucket begins; the scatter moves it to its end
    }
    let mut pairs = vec![(0_u64, 0_u32); values.len()];
    for (x, i) in values.iter().zip(0..) {
        let end = &mut ends[place(*x)];
        pairs[*end] = (key(*x), i);
        *end += 1;
    }
    sort_buckets(&mut pairs, &ends);
    Ok(pairs)
}

/// Sorts each bucket; `ends` are their ends.
fn sort_buckets(pairs: &mut [(u64, u32)], ends: &[usize]) {
    let (mut rest, mut begin, mut first) = (pairs, 0, 0);
    /// Neighbouring buckets, their ends, and where the first begins.
    type Task<'a> = (&'a mut [(u64, u32)], &'a [usize], usize);
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (bucket, end) in ends.iter().enumerate() {
        if end - begin >= TASK || bucket + 1 == ends.len() {
            let (now, later) = rest.split_at_mut(end - begin);
            tasks.push((now, &ends[first..=bucket], begin));
            (rest, begin, first) = (later, *end, bucket + 1);
        }
    }
    tasks.into_par_iter().for_each(|(mut rest, ends, mut begin)| {
        for end in ends {
            let (now, later) = rest.split_at_mut(end - begin);
            now.sort_unstable();
            (rest, begin) = (later, *end);
        }
    });
}

/// A key that orders like the value; both zeros share one.
fn key(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The bits of the value behind a key.
fn unkey(key: u64) -> u64 {
    if key >> 63 == 1 { key & !(1 << 63) } else { !key }
}
