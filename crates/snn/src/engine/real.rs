//! The two number types of the simulator, and an exponential that vectorises.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, BitOrAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// `f32` or `f64`: what states and weights are held in.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// An unsigned integer of the same width, so that a mask over lanes stays in the registers of the values.
    type Mask: Copy + Default + PartialEq + BitOrAssign;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// `f32` or `f64`, as it stands in a saved state.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn of(x: f64) -> Self;
    /// As `f64`.
    fn to_f64(self) -> f64;
    /// A count, exactly where this type can hold it.
    fn of_count(n: u32) -> Self;
    /// `condition` as a mask of one bit.
    fn mask(condition: bool) -> Self::Mask;
    /// `e^self` without a branch or a call, so that a loop over it vectorises: reduction by `ln 2`, a polynomial, the
    /// exponent put back through the bits. Relative error below 3 units in the last place; arguments are clamped to
    /// the range in which the result is a normal number.
    fn exponential(self) -> Self;
    /// The smaller one; `other` where `self` is NaN.
    #[must_use]
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    /// The greater one; `other` where `self` is NaN.
    #[must_use]
    #[inline(always)]
    fn greatest(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

impl Real for f64 {
    type Mask = u64;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn of_count(n: u32) -> Self {
        Self::from(n)
    }

    #[inline(always)]
    fn mask(condition: bool) -> u64 {
        u64::from(condition)
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        // 1.5 2^52: adding it leaves the nearest integer in the low bits.
        const SHIFT: f64 = 6_755_399_441_055_744.0;
        const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
        const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        let x = self.greatest(-708.0).least(709.0);
        let shifted = x * std::f64::consts::LOG2_E + SHIFT;
        let whole = shifted - SHIFT;
        let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
        // Taylor to r^13 on |r| <= ln 2 / 2: the remainder is below 5e-18. Two half-length chains hide latency.
        let s = r * r;
        let even = 1.0
            + s * (0.5
                + s * (1.0 / 24.0
                    + s * (1.0 / 720.0
                        + s * (1.0 / 40_320.0 + s * (1.0 / 3_628_800.0 + s * (1.0 / 479_001_600.0))))));
        let odd = 1.0
            + s * (1.0 / 6.0
                + s * (1.0 / 120.0
                    + s * (1.0 / 5_040.0
                        + s * (1.0 / 362_880.0 + s * (1.0 / 39_916_800.0 + s * (1.0 / 6_227_020_800.0))))));
        let p = even + r * odd;
        Self::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 52))
    }
}

impl Real for f32 {
    type Mask = u32;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn of(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn of_count(n: u32) -> Self {
        n as Self
    }

    #[inline(always)]
    fn mask(condition: bool) -> u32 {
        u32::from(condition)
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        const SHIFT: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 6.933_594e-1;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = self.greatest(-87.0).least(88.0);
        let shifted = x * std::f32::consts::LOG2_E + SHIFT;
        let whole = shifted - SHIFT;
        let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
        let p = 1.0
            + r * (1.0
                + r * (0.5
                    + r * (1.0 / 6.0
                        + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5_040.0)))))));
        Self::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for i in -70_000..=70_000 {
            let x = f64::from(i) * 0.01;
            let exact = x.exp();
            assert!((x.exponential() / exact - 1.0).abs() < 7e-16, "{x}: {} {exact}", x.exponential());
        }
        for i in -8_000..=8_000 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(x.exponential()) / exact - 1.0).abs() < 4e-7, "{x}");
        }
        assert_eq!((0.0_f64.exponential(), 0.0_f32.exponential()), (1.0, 1.0));
        assert!((-1e9_f64).exponential() > 0.0 && 1e9_f64.exponential().is_finite());
    }
}
