//! What is shown to a network.

use ndarray::Array2;
use numerics::rng::stream;
use rand::RngExt;

use crate::{Error, Result};

/// A series of input patterns. Pattern `index` is the same whenever it is asked for, so a run can be cut anywhere.
pub trait Stimulus {
    /// Number of inputs; 0 for none.
    fn inputs(&self) -> usize;

    /// Which pattern is shown at a time.
    fn index_at(&self, time: f64) -> u64;

    /// Writes that pattern, each value in \[0, 1\].
    fn pattern(&self, index: u64, y: &mut [f64]);
}

/// Nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoInput;

impl Stimulus for NoInput {
    fn inputs(&self) -> usize {
        0
    }

    fn index_at(&self, _time: f64) -> u64 {
        0
    }

    fn pattern(&self, _index: u64, _y: &mut [f64]) {}
}

/// Overlapping bars: of the `2 side` rows and columns of a square each is present with one probability, a pixel is on
/// where some bar is.
#[derive(Debug, Clone, PartialEq)]
pub struct BarsStimulus {
    side: usize,
    probability: f64,
    interval: f64,
    seed: u64,
}

impl BarsStimulus {
    /// Bars on a square of `side` pixels, drawn anew every `interval`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the side is 1 to 64, the probability in \[0, 1\], the interval finite and above 0.
    pub fn new(side: usize, probability: f64, interval: f64, seed: u64) -> Result<Self> {
        if !(1..=64).contains(&side) {
            return Err(Error::parameter("side", side as f64, "1 to 64 pixels"));
        }
        if !(0.0..=1.0).contains(&probability) {
            return Err(Error::parameter("probability", probability, "between 0 and 1"));
        }
        check_interval(interval)?;
        Ok(Self { side, probability, interval, seed })
    }

    /// Which bars pattern `index` holds: rows first, then columns.
    #[must_use]
    pub fn bars(&self, index: u64) -> Vec<bool> {
        let mut draws = stream(self.seed, "semantic/bars", index);
        (0..2 * self.side).map(|_| draws.random::<f64>() < self.probability).collect()
    }

    /// The pixels of a bar.
    #[must_use]
    pub fn pixels(side: usize, bar: usize) -> Vec<usize> {
        (0..side).map(|k| if bar < side { bar * side + k } else { k * side + (bar - side) }).collect()
    }

    /// Pixels of a side.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }
}

impl Stimulus for BarsStimulus {
    fn inputs(&self) -> usize {
        self.side * self.side
    }

    fn index_at(&self, time: f64) -> u64 {
        index_at(time, self.interval)
    }

    fn pattern(&self, index: u64, y: &mut [f64]) {
        y.fill(0.0);
        for (bar, _) in self.bars(index).iter().enumerate().filter(|(_, on)| **on) {
            for q in Self::pixels(self.side, bar) {
                y.get_mut(q).into_iter().for_each(|pixel| *pixel = 1.0);
            }
        }
    }
}

/// Given patterns, one after the other and again.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternStimulus {
    patterns: Array2<f64>,
    interval: f64,
}

impl PatternStimulus {
    /// Rows of `patterns` `[patterns, inputs]`, each for one `interval`.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a pattern, [`Error::Parameter`] for values outside \[0, 1\] or an interval that is not
    /// finite and above 0.
    pub fn new(patterns: Array2<f64>, interval: f64) -> Result<Self> {
        if patterns.is_empty() {
            return Err(Error::TooFew { what: "input patterns".to_owned(), needed: 1, found: 0 });
        }
        if let Some(((row, q), value)) = patterns.indexed_iter().find(|(_, v)| !(0.0..=1.0).contains(*v)) {
            return Err(Error::parameter(format!("input {q} of pattern {row}"), *value, "between 0 and 1"));
        }
        check_interval(interval)?;
        Ok(Self { patterns, interval })
    }
}

impl Stimulus for PatternStimulus {
    fn inputs(&self) -> usize {
        self.patterns.ncols()
    }

    fn index_at(&self, time: f64) -> u64 {
        index_at(time, self.interval)
    }

    fn pattern(&self, index: u64, y: &mut [f64]) {
        let row = self.patterns.row((index % self.patterns.nrows() as u64) as usize);
        y.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
    }
}

/// Which interval a time lies in; a whole multiple begins the next one, whatever its rounding.
fn index_at(time: f64, interval: f64) -> u64 {
    (time / interval + 1e-9).floor() as u64
}

fn check_interval(interval: f64) -> Result<()> {
    if interval > 0.0 && interval.is_finite() {
        return Ok(());
    }
    Err(Error::parameter("interval", interval, "finite and above 0"))
}
