//! Exact propagators of linear subthreshold dynamics over one step.

/// `1 - e^{-x}`, exact for small `x`.
#[must_use]
pub fn decayed(x: f64) -> f64 {
    -(-x).exp_m1()
}

/// What an exponential current of 1 pA adds to the potential over a step `h`:
/// `Q = tau_s tau_m / (C (tau_m - tau_s)) (e^{-h/tau_m} - e^{-h/tau_s})`, in mV/pA with C in pF.
///
/// Written as `h/C e^{-h/tau_m} (1 - e^{-x})/x` with `x = h (1/tau_s - 1/tau_m)`, which has no pole: at `tau_m = tau_s` it
/// is the limit `h/C e^{-h/tau_m}`, and near it no digits are lost.
#[must_use]
pub fn exponential(h: f64, tau_m: f64, tau_s: f64, c: f64) -> f64 {
    h / c * (-h / tau_m).exp() * mean_exponential(h * (1.0 / tau_s - 1.0 / tau_m))
}

/// What an alpha current adds over a step: the coefficients of the current `I` and of its rate variable `dI` (pA/ms), for
/// `I' = dI - I/tau_s`, `dI' = -dI/tau_s`.
///
/// The coefficient of `I` is [`exponential`]; that of `dI` is
/// `int_0^h e^{-(h-s)/tau_m} s e^{-s/tau_s} ds / C = h^2/C e^{-h/tau_m} (1 - (1+x) e^{-x})/x^2`.
#[must_use]
pub fn alpha(h: f64, tau_m: f64, tau_s: f64, c: f64) -> (f64, f64) {
    let x = h * (1.0 / tau_s - 1.0 / tau_m);
    (exponential(h, tau_m, tau_s, c), h * h / c * (-h / tau_m).exp() * first_moment(x))
}

/// `(1 - e^{-x})/x = int_0^1 e^{-x s} ds`.
fn mean_exponential(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { decayed(x) / x }
}

/// `(1 - (1 + x) e^{-x})/x^2 = int_0^1 s e^{-x s} ds`.
fn first_moment(x: f64) -> f64 {
    if x.abs() > 0.5 {
        return (decayed(x) - x * (-x).exp()) / (x * x);
    }
    // sum_k (-x)^k / (k! (k + 2)), where the quotient would cancel.
    let (mut power, mut sum) = (1.0, 0.0);
    for k in 0..20 {
        sum += power / f64::from(k + 2);
        power *= -x / f64::from(k + 1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_limit_of_equal_time_constants_is_reached_without_loss() {
        let h = 0.1;
        let limit = h / 250.0 * (-h / 10.0_f64).exp();
        assert_eq!(exponential(h, 10.0, 10.0, 250.0), limit);
        for gap in [1e-14, 1e-10, 1e-7, 1e-4] {
            let near = exponential(h, 10.0, 10.0 * (1.0 + gap), 250.0);
            assert!((near / limit - 1.0).abs() < gap + 1e-15, "{gap}: {near} {limit}");
        }
        let (_, at) = alpha(h, 10.0, 10.0, 250.0);
        assert!((at / (h * h / 500.0 * (-h / 10.0_f64).exp()) - 1.0).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn far_from_the_limit_they_are_the_textbook_quotients(tau_m in 5.0..40.0_f64, tau_s in 0.2..3.0_f64) {
            let (h, c) = (0.1, 250.0);
            let (p, e) = ((-h / tau_m).exp(), (-h / tau_s).exp());
            let beta = tau_m * tau_s / (tau_m - tau_s);
            prop_assert!((exponential(h, tau_m, tau_s, c) / (beta / c * (p - e)) - 1.0).abs() < 1e-12);
            let (_, rate) = alpha(h, tau_m, tau_s, c);
            prop_assert!((rate / (beta / c * (beta * (p - e) - h * e)) - 1.0).abs() < 1e-9);
        }

        #[test]
        fn two_half_steps_are_one(tau_m in 1.0..40.0_f64, tau_s in 0.2..40.0_f64) {
            let (h, c) = (0.2, 200.0);
            let half = exponential(h / 2.0, tau_m, tau_s, c);
            let twice = half * ((-h / 2.0 / tau_m).exp() + (-h / 2.0 / tau_s).exp());
            prop_assert!((twice / exponential(h, tau_m, tau_s, c) - 1.0).abs() < 1e-13);
        }
    }
}
