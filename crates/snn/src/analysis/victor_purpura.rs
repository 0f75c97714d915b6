//! Victor and Purpura's distance: the least cost of turning one train into the other.

use super::trains::both_sorted;
use crate::{Error, Result};

/// Victor and Purpura's distance: inserting or deleting a spike costs 1, moving one by `d` milliseconds costs
/// `cost_per_ms * d`. O(n m) time, two rows of memory.
///
/// `G(i, j) = min(G(i-1, j) + 1, G(i, j-1) + 1, G(i-1, j-1) + q |a_i - b_j|)`. At `q = 0` it is the difference of the
/// counts, at infinity (allowed) the number of spikes without an exact partner. A move over more than `2 / q` is dearer
/// than a deletion and an insertion, so the two trains align locally.
///
/// Reference: J. Victor and K. Purpura, Journal of Neurophysiology 76, 1996.
///
/// # Errors
/// [`Error::SpikeTime`]; [`Error::Parameter`] for a cost that is negative or NaN.
pub fn victor_purpura(a_ms: &[f64], b_ms: &[f64], cost_per_ms: f64) -> Result<f64> {
    both_sorted(a_ms, b_ms)?;
    if cost_per_ms.is_nan() || cost_per_ms < 0.0 {
        return Err(Error::parameter("cost per ms", cost_per_ms, "0 or more"));
    }
    // The row is that of the shorter train.
    let (rows, columns) = if a_ms.len() < b_ms.len() { (b_ms, a_ms) } else { (a_ms, b_ms) };
    let mut above: Vec<f64> = (0..=columns.len()).map(|j| j as f64).collect();
    let mut row = vec![0.0; columns.len() + 1];
    for (i, a) in rows.iter().enumerate() {
        let mut left = (i + 1) as f64;
        row[0] = left;
        let diagonal_and_up = above.windows(2);
        for ((b, pair), to) in columns.iter().zip(diagonal_and_up).zip(&mut row[1..]) {
            // Spikes at one time move for nothing, whatever moving costs.
            let moved = if a == b { 0.0 } else { cost_per_ms * (a - b).abs() };
            left = (pair[0] + moved).min(pair[1].min(left) + 1.0);
            *to = left;
        }
        std::mem::swap(&mut above, &mut row);
    }
    Ok(above[columns.len()])
}
