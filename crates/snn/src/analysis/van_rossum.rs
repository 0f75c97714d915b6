//! Van Rossum's distance: trains as sums of exponentials.

use super::trains::both_sorted;
use crate::{Error, Result};

/// What one spike against none is worth.
///
/// With `f(t) = sum over spikes of H(t - t_k) exp(-(t - t_k) / tau)` and g alike,
///
/// | convention | D^2 | one spike against none |
/// |---|---|---|
/// | [`Unit`](VanRossum::Unit) | `(2 / tau) integral (f - g)^2 dt` | D = 1 |
/// | [`Original`](VanRossum::Original) | `(1 / tau) integral (f - g)^2 dt` | D = 1 / sqrt 2 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VanRossum {
    /// Elephant's and Houghton's normalisation.
    #[default]
    Unit,
    /// That of van Rossum (2001).
    Original,
}

impl VanRossum {
    fn scale(self) -> f64 {
        match self {
            Self::Unit => 1.0,
            Self::Original => 0.5,
        }
    }
}

/// Van Rossum's distance of two trains, in O(n + m).
///
/// The difference of the filtered trains is followed from spike to spike: between two it decays by `e = exp(-d / tau)` and
/// adds `x^2 (1 - e^2)` to `D^2`. Nothing is subtracted from anything of like size, so near trains keep their digits and
/// equal trains are at exactly 0. (The same work as the markage trick of Houghton and Kreuz 2012, whose three sums cancel.)
/// As `tau` goes to 0 the squared distance in the [`Unit`](VanRossum::Unit) convention counts spikes without a partner, as
/// it goes to infinity it is the square of the difference of the counts.
///
/// Reference: M. van Rossum, Neural Computation 13, 2001.
///
/// # Errors
/// [`Error::SpikeTime`]; [`Error::Parameter`] unless `tau_ms` is finite and positive.
pub fn van_rossum(a_ms: &[f64], b_ms: &[f64], tau_ms: f64, convention: VanRossum) -> Result<f64> {
    both_sorted(a_ms, b_ms)?;
    if !(tau_ms.is_finite() && tau_ms > 0.0) {
        return Err(Error::parameter("tau in ms", tau_ms, "finite and positive"));
    }
    let (mut i, mut j) = (0, 0);
    let (mut x, mut square) = (0.0_f64, 0.0);
    while let Some(now) = earliest(a_ms.get(i), b_ms.get(j)) {
        while a_ms.get(i) == Some(&now) {
            x += 1.0;
            i += 1;
        }
        while b_ms.get(j) == Some(&now) {
            x -= 1.0;
            j += 1;
        }
        // 1 - e^2 = (1 - e)(1 + e), exact for spikes that lie close together.
        let lost = earliest(a_ms.get(i), b_ms.get(j)).map_or(1.0, |next| -((now - next) / tau_ms).exp_m1());
        let kept = 1.0 - lost;
        square += x * x * lost * (1.0 + kept);
        x *= kept;
    }
    Ok((convention.scale() * square).sqrt())
}

/// Van Rossum's distance on a grid of steps, `D^2 = (1 / tau) sum over steps t < T of (f_t - g_t)^2` with
/// `f_t = exp(-1 / tau) f_{t-1} + [spike at t]`: the form of sheet 13, cut off at the end of the grid. O(n + m): the sum
/// over a run of k steps without a spike is `x^2 (1 - q^k) / (1 - q)`, `q = exp(-2 / tau)`.
///
/// Equal trains are at exactly 0.
///
/// # Errors
/// [`Error::Parameter`] unless `tau_steps` is finite and positive; [`Error::Shape`] for steps that do not increase or are
/// not below `steps`.
pub fn van_rossum_steps(a: &[u32], b: &[u32], steps: usize, tau_steps: f64) -> Result<f64> {
    if !(tau_steps.is_finite() && tau_steps > 0.0) {
        return Err(Error::parameter("tau in steps", tau_steps, "finite and positive"));
    }
    for train in [a, b] {
        let increasing = train.windows(2).all(|pair| pair[0] < pair[1]);
        if !increasing || train.last().is_some_and(|last| *last as usize >= steps) {
            let expected = format!("increasing, below {steps}");
            return Err(Error::shape("spike steps", expected, format!("{train:?}")));
        }
    }
    Ok(steps_unchecked(a, b, steps, tau_steps))
}

/// [`van_rossum_steps`] of trains that are known to be in order.
pub(crate) fn steps_unchecked(a: &[u32], b: &[u32], steps: usize, tau_steps: f64) -> f64 {
    let (mut i, mut j) = (0, 0);
    let (mut x, mut square) = (0.0_f64, 0.0);
    let one_less_q = -(-2.0 / tau_steps).exp_m1();
    while let Some(now) = earliest_step(a.get(i), b.get(j)) {
        if a.get(i) == Some(&now) {
            x += 1.0;
            i += 1;
        }
        if b.get(j) == Some(&now) {
            x -= 1.0;
            j += 1;
        }
        let next = earliest_step(a.get(i), b.get(j)).map_or(steps as f64, f64::from);
        let run = next - f64::from(now);
        if x != 0.0 {
            let lost = -(-run / tau_steps).exp_m1();
            square += x * x * lost * (2.0 - lost) / one_less_q;
            x *= 1.0 - lost;
        }
    }
    (square / tau_steps).sqrt()
}

fn earliest(a: Option<&f64>, b: Option<&f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(*b)),
        (one, other) => one.or(other).copied(),
    }
}

fn earliest_step(a: Option<&u32>, b: Option<&u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(*a.min(b)),
        (one, other) => one.or(other).copied(),
    }
}
