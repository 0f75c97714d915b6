//! How a reservoir's filling bears on what its site can do.

use crate::{Error, Result};

/// The response `f(phi) = f_min + (1 - f_min) [atan((phi - c) / G) - atan(-c / G)] / [atan((1 - c) / G) - atan(-c / G)]`:
/// `f_min` at an empty reservoir, 1 at a full one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    threshold: f64,
    steepness: f64,
    at_empty: f64,
    scale: f64,
    floor: f64,
}

impl Response {
    /// The response with this threshold `c`, width `G` and floor `f_min`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless threshold and floor lie in \[0, 1\] and the width is finite and above 0.
    pub fn new(threshold: f64, width: f64, floor: f64) -> Result<Self> {
        for (name, value) in [("threshold", threshold), ("floor", floor)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::parameter(name, value, "between 0 and 1"));
            }
        }
        if !(width > 0.0 && width.is_finite()) {
            return Err(Error::parameter("width", width, "finite and above 0"));
        }
        let steepness = 1.0 / width;
        let at_empty = (-threshold * steepness).atan();
        let at_full = ((1.0 - threshold) * steepness).atan();
        let span = at_full - at_empty;
        if !(steepness.is_finite() && span > 0.0) {
            return Err(Error::parameter("width", width, "a width that leaves the response a slope"));
        }
        Ok(Self { threshold, steepness, at_empty, scale: (1.0 - floor) / span, floor })
    }

    /// Its value at a filling.
    #[must_use]
    #[inline]
    pub fn at(&self, phi: f64) -> f64 {
        self.floor + self.scale * (((phi - self.threshold) * self.steepness).atan() - self.at_empty)
    }
}
