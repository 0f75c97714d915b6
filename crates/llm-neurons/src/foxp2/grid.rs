//! Stage III: which strength.

use serde::{Deserialize, Serialize};

use super::defaultness::Defaultness;
use super::edit::Strength;
use crate::{Error, Result};

/// The strengths that are tried: every `lambda` with every `beta = ratio * lambda`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grid {
    /// Strengths along the target (0.5, 1, 2, 4; the published code).
    pub lambdas: Vec<f64>,
    /// `beta / lambda` (0, 0.5, 1; likewise).
    pub ratios: Vec<f64>,
    /// By how much the guard may fall below its value without steering; none: any fall is allowed.
    pub tolerance: Option<f64>,
}

impl Default for Grid {
    fn default() -> Self {
        Self { lambdas: vec![0.5, 1.0, 2.0, 4.0], ratios: vec![0.0, 0.5, 1.0], tolerance: None }
    }
}

impl Grid {
    /// Whether the strengths make sense.
    ///
    /// # Errors
    /// [`Error::TooFew`] for an empty list; [`Error::Parameter`] for a lambda that is not positive, a ratio or tolerance below
    /// zero.
    pub fn validate(&self) -> Result<()> {
        for (what, list) in [("lambdas", &self.lambdas), ("ratios", &self.ratios)] {
            if list.is_empty() {
                return Err(Error::TooFew { what, needed: 1, found: 0 });
            }
        }
        if let Some(bad) = self.lambdas.iter().find(|x| !(x.is_finite() && **x > 0.0)) {
            return Err(Error::Parameter { name: "lambda", value: *bad, expected: "a positive number" });
        }
        let ratios = self.ratios.iter().chain(&self.tolerance);
        if let Some(bad) = ratios.into_iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
            let expected = "a number of zero or more";
            return Err(Error::Parameter { name: "ratio or tolerance", value: *bad, expected });
        }
        Ok(())
    }
}

/// What was measured at a strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean defaultness of the weak prompts.
    pub defaultness: Defaultness,
    /// What must not fall: a task's score, or minus the nats per token of text.
    pub guard: f64,
}

/// One strength of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GridPoint {
    /// The strength.
    pub strength: Strength,
    /// What was measured.
    pub measured: Measured,
    /// dM above its value without steering.
    pub gain: f64,
    /// Target mass above its value without steering: a gain without it only lost English.
    pub target_gain: f64,
    /// The guard's fall below its value without steering.
    pub fall: f64,
    /// Whether the fall is tolerated.
    pub allowed: bool,
}

/// The whole grid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GridResult {
    /// Without steering.
    pub base: Measured,
    /// By lambda, then ratio.
    pub points: Vec<GridPoint>,
    /// The allowed point of the largest gain; none when nothing that is allowed gains.
    pub best: Option<usize>,
}

/// Measures without steering, then at each strength.
///
/// # Errors
/// Those of [`Grid::validate`]; [`Error::Parameter`] for a measurement that is not finite; those of `measure`.
///
/// ```
/// use llm_neurons::foxp2::{Defaultness, Grid, Measured, grid_search};
/// // A made-up model: lambda gains until it breaks the guard.
/// let found = grid_search(&Grid { tolerance: Some(0.1), ..Grid::default() }, |s| {
///     let defaultness = Defaultness { difference: s.lambda - 1.0, target: s.lambda, english: 1.0 };
///     Ok(Measured { defaultness, guard: if s.lambda > 1.5 { -1.0 } else { 0.0 } })
/// })?;
/// assert_eq!(found.best.map(|i| found.points[i].strength.lambda), Some(1.0));
/// # Ok::<(), llm_neurons::Error>(())
/// ```
pub fn grid_search(grid: &Grid, mut measure: impl FnMut(Strength) -> Result<Measured>) -> Result<GridResult> {
    grid.validate()?;
    let mut checked = |strength: Strength| {
        let found = measure(strength)?;
        let parts = [found.defaultness.difference, found.defaultness.target, found.guard];
        match parts.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(Error::Parameter { name: "measurement", value: *x, expected: "finite" }),
            None => Ok(found),
        }
    };
    let base = checked(Strength::default())?;
    let mut points = Vec::with_capacity(grid.lambdas.len() * grid.ratios.len());
    for &lambda in &grid.lambdas {
        for ratio in &grid.ratios {
            let strength = Strength { lambda, beta: ratio * lambda };
            let measured = checked(strength)?;
            let fall = base.guard - measured.guard;
            points.push(GridPoint {
                strength,
                measured,
                gain: measured.defaultness.difference - base.defaultness.difference,
                target_gain: measured.defaultness.target - base.defaultness.target,
                fall,
                allowed: grid.tolerance.is_none_or(|most| fall <= most),
            });
        }
    }
    let mut best: Option<usize> = None;
    for (i, point) in points.iter().enumerate() {
        let beaten = best.is_none_or(|b| point.gain > points[b].gain);
        if point.allowed && point.gain > 0.0 && beaten {
            best = Some(i);
        }
    }
    Ok(GridResult { base, points, best })
}
