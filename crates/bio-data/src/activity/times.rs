//! Sampling times that passed through 16-bit floats, rebuilt.

use half::f16;

use super::PUBLISHED_DT_S;

/// Exact times `k dt` for times read from a file, `None` where they are not such a grid.
///
/// Published times went through 16-bit floats: near 0.333 s they are off by 1e-4 s, beyond 2048 s by up to 1 s, so
/// that neighbours coincide. Where every time is within one rounding of `k dt` the grid is rebuilt exactly. `dt` is
/// tried as the published 0.333 s and as the second time's shortest decimal (0.5 for a file homogenised to 0.5 s); the
/// rounding allowed is that of 16-bit floats only when every time is one.
pub(super) fn rebuild(times: &[f32]) -> Option<(Vec<f64>, f64)> {
    if times.len() < 2 || times[0] != 0.0 {
        return None;
    }
    let halved = times.iter().all(|t| f16::from_f32(*t).to_f32() == *t);
    // Half a unit in the last place, twice: from f64 to f32 and from there to f16.
    let relative = if halved { 2.0f64.powi(-11) * 1.001 } else { 2.0f64.powi(-24) * 1.001 };
    let decimal = times[1].to_string().parse::<f64>().ok();
    [Some(PUBLISHED_DT_S), decimal].into_iter().flatten().filter(|dt| *dt > 0.0).find_map(|dt| {
        let exact: Vec<f64> = (0..times.len()).map(|k| k as f64 * dt).collect();
        let fits = exact.iter().zip(times).all(|(e, t)| (e - f64::from(*t)).abs() <= relative * e.abs());
        fits.then_some((exact, dt))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(n: usize, dt: f64) -> Vec<f64> {
        (0..n).map(|k| k as f64 * dt).collect()
    }

    #[test]
    fn half_precision_times_come_back_exactly() {
        let exact = grid(9000, 0.333);
        let halved: Vec<f32> = exact.iter().map(|t| f16::from_f64(*t).to_f32()).collect();
        // Beyond 2048 s neighbours coincide.
        assert_eq!(halved[8000], halved[8001]);
        assert_eq!(rebuild(&halved).unwrap(), (exact.clone(), 0.333));
        let single: Vec<f32> = exact.iter().map(|t| *t as f32).collect();
        assert_eq!(rebuild(&single).unwrap(), (exact, 0.333));
    }

    #[test]
    fn other_steps_are_recognised_and_real_times_left_alone() {
        for dt in [0.5, 0.1, 0.3331] {
            let single: Vec<f32> = grid(500, dt).iter().map(|t| *t as f32).collect();
            assert_eq!(rebuild(&single).unwrap().1, dt);
        }
        let jittered: Vec<f32> = (0..500).map(|k| 0.3 * k as f32 + 0.01 * (k % 7) as f32).collect();
        assert!(rebuild(&jittered).is_none());
        assert!(rebuild(&[]).is_none() && rebuild(&[0.0]).is_none() && rebuild(&[0.0, f32::NAN]).is_none());
    }
}
