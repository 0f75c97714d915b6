//! The exponential function in a form that compilers turn into vectors.

/// `e^x`, to two units in the last place; 0 below -87. NaN stays NaN; `x` must not be above 88.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Below it the result would not be a normal number.
    const LEAST: f32 = -87.0;
    /// 1.5 * 2^23: added to a small number, its last bits are that number's integer part.
    const SHIFT: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with zeros at its end: its multiples are exact.
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let clamped = if x < LEAST { LEAST } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = clamped - n * LN2[0] - n * LN2[1];
    // |r| <= ln 2 / 2: the series' next term is below 3e-9.
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < LEAST { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential() {
        let mut worst = 0.0_f64;
        for i in 0..=175_000 {
            let x = -87.0 + 0.001 * i as f32;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            worst = worst.max((got / want - 1.0).abs());
        }
        assert!(worst <= 2.4e-7, "{worst:e}");
        assert_eq!((exp(0.0), exp(f32::NEG_INFINITY), exp(-1e30)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }
}
