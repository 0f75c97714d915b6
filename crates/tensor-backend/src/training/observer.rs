//! Who hears of a run and may stop it.

use serde_json::{Value, json};

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End the run after this step.
    Stop,
}

impl Flow {
    /// Go on only if both say so.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Continue { other } else { Self::Stop }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Its number, from 0.
    pub step: u64,
    /// Its epoch, from 0.
    pub epoch: u64,
    /// The loss before the step.
    pub loss: f64,
    /// The learning rate it used.
    pub learning_rate: f64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Samples of the batch.
    pub samples: usize,
}

/// What an epoch did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EpochReport {
    /// Its number, from 0.
    pub epoch: u64,
    /// Its last step.
    pub step: u64,
    /// Mean loss over its samples, each measured before the step of its batch.
    pub loss: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
}

/// Hears of each step and epoch. What it remembers between epochs goes through [`Observer::state`] into the
/// checkpoint, else a resumed run would forget it.
pub trait Observer<M> {
    /// After each step.
    fn step(&mut self, _report: &StepReport) -> Flow {
        Flow::Continue
    }

    /// After each epoch; measure with `model.valid()`.
    ///
    /// # Errors
    /// A line that says why the run cannot go on.
    fn epoch(&mut self, _report: &EpochReport, _model: &M) -> Result<Flow, String> {
        Ok(Flow::Continue)
    }

    /// What to keep in a checkpoint. JSON keeps no NaN and may round the last bit of a float: write bits.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Takes back what [`Observer::state`] gave.
    ///
    /// # Errors
    /// A line that says what is wrong with it.
    fn restore(&mut self, _state: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// Hears nothing.
impl<M> Observer<M> for () {}

/// Stops when a score has not improved for some epochs.
#[derive(Debug, Clone)]
pub struct EarlyStop<F> {
    score: F,
    patience: u64,
    least_gain: f64,
    best: f64,
    since: u64,
}

impl<F> EarlyStop<F> {
    /// `score` gives what should fall (a validation loss). An epoch improves on the best before it when it is lower by
    /// more than `least_gain`; after `patience` epochs without one the run ends.
    #[must_use]
    pub fn new(patience: u64, least_gain: f64, score: F) -> Self {
        Self { score, patience, least_gain, best: f64::INFINITY, since: 0 }
    }

    /// The best score so far; infinite before the first.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.best
    }
}

impl<M, F: FnMut(&EpochReport, &M) -> Result<f64, String>> Observer<M> for EarlyStop<F> {
    fn epoch(&mut self, report: &EpochReport, model: &M) -> Result<Flow, String> {
        let score = (self.score)(report, model)?;
        if score.is_nan() {
            return Err("the score for early stopping is NaN".to_owned());
        }
        if score < self.best - self.least_gain {
            (self.best, self.since) = (score, 0);
        } else {
            self.since += 1;
        }
        Ok(if self.since >= self.patience { Flow::Stop } else { Flow::Continue })
    }

    fn state(&self) -> Value {
        json!({"best_bits": self.best.to_bits(), "since": self.since})
    }

    fn restore(&mut self, state: &Value) -> Result<(), String> {
        let field = |name: &str| {
            state[name].as_u64().ok_or_else(|| format!("the state of early stopping has no {name}: {state}"))
        };
        (self.best, self.since) = (f64::from_bits(field("best_bits")?), field("since")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(scores: &[f64]) -> (Vec<Flow>, f64) {
        let mut next = scores.iter();
        let mut stop = EarlyStop::new(2, 0.1, |_: &EpochReport, (): &()| Ok(*next.next().unwrap()));
        let report = EpochReport { epoch: 0, step: 0, loss: 0.0, learning_rate: 0.0 };
        let flows = scores.iter().map(|_| stop.epoch(&report, &()).unwrap()).collect();
        (flows, stop.best())
    }

    #[test]
    fn patience_counts_epochs_without_enough_gain() {
        use Flow::{Continue, Stop};
        assert_eq!(after(&[3.0, 2.0, 1.95, 1.92]), (vec![Continue, Continue, Continue, Stop], 2.0));
        assert_eq!(after(&[3.0, 3.0, 2.0, 2.0]).0, [Continue; 4]);
    }

    #[test]
    fn its_state_survives_json_and_nan_is_an_error() {
        let report = EpochReport { epoch: 0, step: 0, loss: 0.0, learning_rate: 0.0 };
        let mut one = EarlyStop::new(3, 0.0, |_: &EpochReport, (): &()| Ok(0.1 + 0.2));
        one.epoch(&report, &()).unwrap();
        one.epoch(&report, &()).unwrap();
        let text = Observer::<()>::state(&one).to_string();
        let mut two = EarlyStop::new(3, 0.0, |_: &EpochReport, (): &()| Ok(f64::NAN));
        Observer::<()>::restore(&mut two, &serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!((two.best.to_bits(), two.since), (one.best.to_bits(), 1));
        assert!(two.epoch(&report, &()).is_err());
        assert!(Observer::<()>::restore(&mut two, &Value::Null).is_err());
    }
}
