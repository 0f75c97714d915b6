//! The ISI distance: trains compared by the interval that each is in.

use super::trains::both_inside;
use crate::Result;

/// The ISI distance of two trains in a window, from 0 to 1: the mean over time of `|x - y| / max(x, y)`, with x and y the
/// intervals that hold the moment. O(n + m).
///
/// Before the first spike the interval is that from the window's start, or the first full one if that is longer; after the
/// last spike alike; a silent train is one interval as long as the window (as in PySpike). It needs no time scale.
///
/// Reference: T. Kreuz, J. Haas, A. Morelli, H. Abarbanel, A. Politi, Journal of Neuroscience Methods 165, 2007.
///
/// # Errors
/// [`Error::SpikeTime`](crate::Error::SpikeTime), also for times outside the window;
/// [`Error::Parameter`](crate::Error::Parameter) for a window without length.
pub fn isi_distance(a_ms: &[f64], b_ms: &[f64], start_ms: f64, stop_ms: f64) -> Result<f64> {
    both_inside(a_ms, b_ms, start_ms, stop_ms)?;
    let (mut i, mut j, mut now, mut area) = (0, 0, start_ms, 0.0);
    loop {
        let next = [a_ms.get(i), b_ms.get(j)].into_iter().flatten().fold(stop_ms, |least, t| least.min(*t));
        if next > now {
            let x = interval(a_ms, i, start_ms, stop_ms);
            let y = interval(b_ms, j, start_ms, stop_ms);
            area += (next - now) * (x - y).abs() / x.max(y);
            now = next;
        }
        if i == a_ms.len() && j == b_ms.len() {
            return Ok(area / (stop_ms - start_ms));
        }
        i += usize::from(a_ms.get(i) == Some(&next));
        j += usize::from(b_ms.get(j) == Some(&next));
    }
}

/// The interval that ends with spike `next` (the one after the last where there is none).
pub(super) fn interval(times_ms: &[f64], next: usize, start_ms: f64, stop_ms: f64) -> f64 {
    let n = times_ms.len();
    match (n, next) {
        (0, _) => stop_ms - start_ms,
        (1, 0) => times_ms[0] - start_ms,
        (1, _) => stop_ms - times_ms[0],
        (_, 0) => (times_ms[0] - start_ms).max(times_ms[1] - times_ms[0]),
        (_, k) if k >= n => (stop_ms - times_ms[n - 1]).max(times_ms[n - 1] - times_ms[n - 2]),
        (_, k) => times_ms[k] - times_ms[k - 1],
    }
}
