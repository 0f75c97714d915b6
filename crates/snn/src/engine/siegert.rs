//! Mean-field rates of leaky integrate-and-fire neurons: Siegert's formula.

use crate::{Error, Result};

/// `e^{x^2} erfc(x)`, the scaled complementary error function, without overflow where `x` is large.
///
/// For `x < 0` it is `2 e^{x^2} - erfcx(-x)`; in `[0, 2]` the series of `erf`, whose terms all have one sign; beyond, Laplace's
/// continued fraction. Relative error below 1e-12.
#[must_use]
pub fn erfcx(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 * (x * x).exp() - erfcx(-x);
    }
    if x > 2.0 {
        // 1/sqrt(pi) / (x + 1/2 / (x + 2/2 / (x + 3/2 / ..))), from the inside.
        let terms = 60 + (200.0 / (x * x)) as i32;
        let mut tail = x;
        for k in (1..=terms).rev() {
            tail = x + f64::from(k) / 2.0 / tail;
        }
        return 1.0 / (std::f64::consts::PI.sqrt() * tail);
    }
    // e^{x^2} - 2 x / sqrt(pi) sum (2 x^2)^n / (1 3 5 .. (2n + 1)), all terms of one sign.
    let (mut term, mut sum) = (1.0, 0.0);
    for n in 0..120 {
        sum += term;
        term *= 2.0 * x * x / f64::from(2 * n + 3);
    }
    let square = (x * x).exp();
    square - 2.0 * x / std::f64::consts::PI.sqrt() * sum
}

/// Rate in Hz of a leaky integrate-and-fire neuron driven by white noise (delta synapses in the diffusion limit):
/// `nu = 1 / (t_ref + tau_m sqrt(pi) int_{(V_r - mu)/s}^{(theta - mu)/s} e^{u^2} (1 + erf u) du)`.
///
/// `mu` and `s` are mean and standard deviation of the input as in `tau_m dV/dt = -V + mu + s sqrt(tau_m) xi(t)`.
///
/// The integrand is `erfcx(-u)`: bounded by 1 for negative `u`, and taken through logarithms for large positive `u`.
///
/// # Errors
/// [`Error::Parameter`] unless `tau_m` and `s` are positive, `t_ref` is not negative and `V_r < theta`.
pub fn rate_hz(
    mu_mv: f64,
    s_mv: f64,
    tau_m_ms: f64,
    t_ref_ms: f64,
    v_reset_mv: f64,
    theta_mv: f64,
) -> Result<f64> {
    for (name, x) in [("tau_m_ms", tau_m_ms), ("s_mv", s_mv)] {
        if !(x > 0.0 && x.is_finite()) {
            return Err(Error::parameter(name, x, "finite and positive"));
        }
    }
    if !(t_ref_ms >= 0.0 && t_ref_ms.is_finite()) {
        return Err(Error::parameter("t_ref_ms", t_ref_ms, "finite and 0 or more"));
    }
    if v_reset_mv.is_nan() || theta_mv.is_nan() || v_reset_mv >= theta_mv {
        return Err(Error::parameter("v_reset_mv", v_reset_mv, "below theta_mv"));
    }
    if !mu_mv.is_finite() {
        return Err(Error::parameter("mu_mv", mu_mv, "finite"));
    }
    let (from, to) = ((v_reset_mv - mu_mv) / s_mv, (theta_mv - mu_mv) / s_mv);
    // Beyond this e^{u^2} leaves the range of a double: the rate is 0.
    if to > 26.0 {
        return Ok(0.0);
    }
    let integral = gauss_legendre(from, to, |u| erfcx(-u));
    Ok(1e3 / (t_ref_ms + tau_m_ms * std::f64::consts::PI.sqrt() * integral))
}

/// Parameters of a Brunel network for its self-consistent rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrunelMeanField {
    /// Post-synaptic jump.
    pub j_mv: f64,
    /// Excitatory inputs of a neuron; inhibitory ones are a quarter.
    pub c_e: f64,
    /// Relative strength of inhibition.
    pub g: f64,
    /// External rate by the rate that just reaches threshold.
    pub eta: f64,
    /// Membrane time constant.
    pub tau_m_ms: f64,
    /// Threshold above rest.
    pub theta_mv: f64,
    /// Reset above rest.
    pub v_reset_mv: f64,
    /// Refractory period.
    pub t_ref_ms: f64,
}

impl BrunelMeanField {
    /// The self-consistent rate, by damped iteration (0.02) from near 0.
    ///
    /// # Errors
    /// Those of [`rate_hz`].
    pub fn rate_hz(&self) -> Result<f64> {
        let external = self.eta * self.theta_mv / (self.j_mv * self.c_e * self.tau_m_ms);
        let mut nu = 1e-5;
        for _ in 0..4000 {
            let mu = self.tau_m_ms * self.j_mv * self.c_e * (external + (1.0 - 0.25 * self.g) * nu);
            let variance = self.tau_m_ms
                * self.j_mv.powi(2)
                * self.c_e
                * (external + (1.0 + 0.25 * self.g * self.g) * nu);
            let next =
                rate_hz(mu, variance.sqrt(), self.tau_m_ms, self.t_ref_ms, self.v_reset_mv, self.theta_mv)?
                    * 1e-3;
            nu += 0.02 * (next - nu);
        }
        Ok(nu * 1e3)
    }
}

/// Integral of a smooth function: 8-point Gauss-Legendre on panels of at most a quarter.
fn gauss_legendre(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    const NODES: [(f64, f64); 4] = [
        (0.183_434_642_495_649_8, 0.362_683_783_378_362),
        (0.525_532_409_916_329, 0.313_706_645_877_887_3),
        (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
        (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
    ];
    let panels = ((to - from) * 4.0).ceil().max(1.0) as usize;
    let half = 0.5 * (to - from) / panels as f64;
    let panel = |p: usize| {
        let middle = from + (2 * p + 1) as f64 * half;
        NODES.iter().map(|(x, w)| w * (f(middle - half * x) + f(middle + half * x))).sum::<f64>() * half
    };
    (0..panels).map(panel).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erfcx_is_that_of_the_tables() {
        // Abramowitz and Stegun, and 30-digit values.
        for (x, exact) in [
            (0.0, 1.0),
            (0.5, 0.615_690_344_192_925_8),
            (1.0, 0.427_583_576_155_807),
            (2.0, 0.255_395_676_310_505_74),
            (3.0, 0.179_001_151_181_389_95),
            (5.0, 0.110_704_637_733_068_63),
            (10.0, 0.056_140_992_743_822_59),
            (50.0, 0.011_281_536_265_323_773),
            (-1.0, 5.008_980_080_762_283),
        ] {
            assert!((erfcx(x) / exact - 1.0).abs() < 1e-12, "{x}: {} {exact}", erfcx(x));
        }
        // Both forms agree where they meet, and the derivative is 2 x f - 2/sqrt(pi).
        for x in [1.9, 1.999_999, 2.000_001, 2.1, 4.0] {
            let h = 1e-5;
            let slope = (erfcx(x + h) - erfcx(x - h)) / (2.0 * h);
            let exact = 2.0 * x * erfcx(x) - 2.0 / std::f64::consts::PI.sqrt();
            assert!((slope - exact).abs() < 1e-8, "{x}: {slope} {exact}");
        }
    }

    #[test]
    fn the_rate_without_noise_is_the_closed_form_and_nonsense_is_refused() {
        let rate = rate_hz(30.0, 1e-2, 20.0, 2.0, 0.0, 20.0).unwrap();
        let exact = 1e3 / (2.0 + 20.0 * (30.0_f64 / 10.0).ln());
        assert!((rate / exact - 1.0).abs() < 1e-4, "{rate} {exact}");
        assert_eq!(rate_hz(0.0, 0.5, 20.0, 2.0, 0.0, 20.0).unwrap(), 0.0);
        assert!(rate_hz(1.0, 0.0, 20.0, 2.0, 0.0, 20.0).is_err());
        assert!(rate_hz(1.0, 1.0, 20.0, 2.0, 20.0, 20.0).is_err());
        assert!(rate_hz(1.0, 1.0, f64::NAN, 2.0, 0.0, 20.0).is_err());
    }

    #[test]
    fn the_brunel_rates_are_those_of_the_reference() {
        let base = BrunelMeanField {
            j_mv: 0.1 * 5.0_f64.sqrt(),
            c_e: 200.0,
            g: 5.0,
            eta: 2.0,
            tau_m_ms: 20.0,
            theta_mv: 20.0,
            v_reset_mv: 0.0,
            t_ref_ms: 2.0,
        };
        assert!(
            (base.rate_hz().unwrap() - 45.668_319_996_442_605).abs() < 1e-5,
            "{}",
            base.rate_hz().unwrap()
        );
        let full = BrunelMeanField { j_mv: 0.1, c_e: 1000.0, ..base };
        assert!(
            (full.rate_hz().unwrap() - 32.033_114_503_863_03).abs() < 1e-5,
            "{}",
            full.rate_hz().unwrap()
        );
    }
}
