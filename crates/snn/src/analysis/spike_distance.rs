//! The SPIKE distance: trains compared by how far each moment's spikes lie from those of the other.

use super::isi_distance::interval;
use super::trains::both_inside;
use crate::Result;

/// The SPIKE distance of two trains in a window, from 0 to 1: the mean over time of
/// `S = (S_1 x_2 + S_2 x_1) / (2 m^2)`, with `x_k` the interval of train k, `m` their mean, and
/// `S_k = (d_P (t_F - t) + d_F (t - t_P)) / x_k` the distances `d` of the train's previous and following spike to the
/// nearest of the other train, weighted by how near they are. O(n + m).
///
/// S is linear between spikes, so its integral is exact. Edges as in PySpike: a spike is thought one interval before the
/// first and after the last one (or at the window's border if that is further), which only the other train sees; before
/// the first spike `d_P` is its `d_F`, after the last `d_F` is its `d_P`; a silent train counts as two spikes, on the borders.
///
/// Reference: T. Kreuz, D. Chicharro, C. Houghton, R. Andrzejak, F. Mormann, Journal of Neurophysiology 109, 2013.
///
/// # Errors
/// [`Error::SpikeTime`](crate::Error::SpikeTime), also for times outside the window;
/// [`Error::Parameter`](crate::Error::Parameter) for a window without length.
pub fn spike_distance(a_ms: &[f64], b_ms: &[f64], start_ms: f64, stop_ms: f64) -> Result<f64> {
    both_inside(a_ms, b_ms, start_ms, stop_ms)?;
    let borders = [start_ms, stop_ms];
    let a = Side::new(if a_ms.is_empty() { &borders } else { a_ms }, start_ms, stop_ms);
    let b = Side::new(if b_ms.is_empty() { &borders } else { b_ms }, start_ms, stop_ms);
    let (near_a, near_b) = (a.nearest(&b), b.nearest(&a));
    let (mut i, mut j, mut now, mut area) = (0, 0, start_ms, 0.0);
    loop {
        let next = [a.times.get(i), b.times.get(j)].into_iter().flatten().fold(stop_ms, |l, t| l.min(*t));
        if next > now {
            let (x, y) = (a.interval(i), b.interval(j));
            let at = |t: f64| {
                let (s, r) = (a.local(&near_a, i, t), b.local(&near_b, j, t));
                2.0 * (s * y + r * x) / ((x + y) * (x + y))
            };
            area += (next - now) * 0.5 * (at(now) + at(next));
            now = next;
        }
        if i == a.times.len() && j == b.times.len() {
            return Ok(area / (stop_ms - start_ms));
        }
        i += usize::from(a.times.get(i) == Some(&next));
        j += usize::from(b.times.get(j) == Some(&next));
    }
}

/// A train that is not silent, in its window.
struct Side<'a> {
    times: &'a [f64],
    start: f64,
    stop: f64,
}

impl<'a> Side<'a> {
    fn new(times: &'a [f64], start: f64, stop: f64) -> Self {
        Self { times, start, stop }
    }

    fn interval(&self, next: usize) -> f64 {
        interval(self.times, next, self.start, self.stop)
    }

    /// The spikes that are thought before the first and after the last one.
    fn imagined(&self) -> [f64; 2] {
        match self.times {
            [first, second, ..] => {
                let n = self.times.len();
                let (last, before) = (self.times[n - 1], self.times[n - 2]);
                [self.start.min(2.0 * first - second), self.stop.max(2.0 * last - before)]
            }
            _ => [self.start, self.stop],
        }
    }

    /// How far each spike lies from the nearest of the other train.
    fn nearest(&self, other: &Self) -> Vec<f64> {
        let [before, after] = other.imagined();
        let mut next = 0;
        self.times
            .iter()
            .map(|t| {
                while other.times.get(next).is_some_and(|o| o < t) {
                    next += 1;
                }
                let earlier = next.checked_sub(1).map_or(before, |k| other.times[k]);
                let later = other.times.get(next).copied().unwrap_or(after);
                (t - earlier).abs().min((later - t).abs())
            })
            .collect()
    }

    /// The weighted distance at a time in the interval that ends with spike `next`.
    fn local(&self, near: &[f64], next: usize, time: f64) -> f64 {
        let n = self.times.len();
        match next {
            0 => near[0],
            k if k >= n => near[n - 1],
            k => {
                let (previous, following) = (self.times[k - 1], self.times[k]);
                (near[k - 1] * (following - time) + near[k] * (time - previous)) / (following - previous)
            }
        }
    }
}
