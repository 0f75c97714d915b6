//! What a reproduction measured and whether its claim held.

use numerics::summary::{mean, t_interval};
use serde::{Deserialize, Serialize};

use crate::Figure;

/// How a value is compared with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Relation {
    /// At least the target.
    #[serde(rename = ">=")]
    AtLeast,
    /// At most the target.
    #[serde(rename = "<=")]
    AtMost,
    /// Equal to the target, to the last bit.
    #[serde(rename = "==")]
    Equal,
    /// Inside the closed interval.
    #[serde(rename = "in")]
    In,
}

/// The figure that a value is held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Target {
    /// One bound.
    Value(f64),
    /// A closed interval, for [`Relation::In`].
    Interval([f64; 2]),
}

/// One measured figure beside its baseline, its random control and its target.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Measurement {
    /// What was measured; unique within its reproduction, `docs/proof.toml` names it.
    pub name: String,
    /// The measured value.
    pub value: f64,
    /// The value of the baseline method, where there is one.
    pub baseline: Option<f64>,
    /// The value of the random control, where there is one.
    pub control: Option<f64>,
    /// What the claim asks for.
    pub target: Target,
    /// How `value` is compared with `target`.
    pub relation: Relation,
    /// Whether the comparison holds.
    pub holds: bool,
    /// 95 % interval of the value over seeds, where more than one was run.
    pub ci95: Option<[f64; 2]>,
    /// The seeds behind the value; empty for a deterministic figure.
    pub seeds: Vec<u64>,
    /// A remark a reader needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Measurement {
    fn new(name: &str, value: f64, relation: Relation, target: Target) -> Self {
        let holds = match (relation, target) {
            (Relation::AtLeast, Target::Value(t)) => value >= t,
            (Relation::AtMost, Target::Value(t)) => value <= t,
            (Relation::Equal, Target::Value(t)) => value == t,
            (_, Target::Interval([lo, hi])) => lo <= value && value <= hi,
            (Relation::In, Target::Value(t)) => value == t,
        };
        // A figure that was measured on nothing proves nothing.
        let holds = holds && value.is_finite();
        Self {
            name: name.to_owned(),
            value,
            baseline: None,
            control: None,
            target,
            relation,
            holds,
            ci95: None,
            seeds: Vec::new(),
            note: None,
        }
    }

    /// `value >= target`.
    #[must_use]
    pub fn at_least(name: &str, value: f64, target: f64) -> Self {
        Self::new(name, value, Relation::AtLeast, Target::Value(target))
    }

    /// `value <= target`.
    #[must_use]
    pub fn at_most(name: &str, value: f64, target: f64) -> Self {
        Self::new(name, value, Relation::AtMost, Target::Value(target))
    }

    /// `value == target`.
    #[must_use]
    pub fn equal(name: &str, value: f64, target: f64) -> Self {
        Self::new(name, value, Relation::Equal, Target::Value(target))
    }

    /// `lo <= value <= hi`.
    #[must_use]
    pub fn within(name: &str, value: f64, lo: f64, hi: f64) -> Self {
        Self::new(name, value, Relation::In, Target::Interval([lo, hi]))
    }

    /// The lower end of Student's 95 % interval of the mean over seeds is at least the target: what is claimed is not
    /// that the mean came out so, but that the seeds leave no doubt of it. One seed has no interval: its value stands in
    /// for the bound, and the note says so.
    #[must_use]
    pub fn lower_bound(name: &str, values: &[f64], target: f64) -> Self {
        match t_interval(values, 0.95) {
            Ok((low, high)) => Self::at_least(name, low, target)
                .ci95(low, high)
                .note(format!("the lower end of the interval of the mean, {:.4}", mean(values))),
            Err(_) => Self::at_least(name, mean(values), target).note("one draw, which has no interval"),
        }
    }

    /// With the baseline's value.
    #[must_use]
    pub fn baseline(mut self, value: f64) -> Self {
        self.baseline = Some(value);
        self
    }

    /// With the random control's value.
    #[must_use]
    pub fn control(mut self, value: f64) -> Self {
        self.control = Some(value);
        self
    }

    /// With the seeds behind the value.
    #[must_use]
    pub fn seeds(mut self, seeds: &[u64]) -> Self {
        self.seeds = seeds.to_vec();
        self
    }

    /// With a 95 % interval.
    #[must_use]
    pub fn ci95(mut self, lo: f64, hi: f64) -> Self {
        self.ci95 = Some([lo, hi]);
        self
    }

    /// With Student's 95 % interval of the mean of these values, one a seed; none below two of them.
    #[must_use]
    pub fn interval_of(mut self, values: &[f64]) -> Self {
        self.ci95 = t_interval(values, 0.95).ok().map(|(low, high)| [low, high]);
        self
    }

    /// With a remark, after those that are there.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.note = Some(self.note.map_or_else(|| text.clone(), |before| format!("{before}; {text}")));
        self
    }
}

/// Everything one run of a reproduction produced.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The figures the claim rests on.
    pub measurements: Vec<Measurement>,
    /// Drawings for the report.
    pub figures: Vec<Figure>,
    /// Which data were used: "generated", a shipped fixture, or a real file under `NEUROPIL_DATA`.
    pub data: Vec<String>,
}

impl Outcome {
    /// Whether every measurement holds (and there is at least one).
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.measurements.is_empty() && self.measurements.iter().all(|m| m.holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_bound_is_no_mean() {
        let m = Measurement::lower_bound("x", &[0.0, 0.1, 0.2], 0.0);
        // 0.1 - 4.3027 * 0.1 / sqrt(3)
        assert!((m.value + 0.148_413_7).abs() < 1e-6 && !m.holds, "{}", m.value);
        assert_eq!(m.ci95.map(|c| c[0]), Some(m.value));
        assert!(Measurement::lower_bound("x", &[0.1, 0.1, 0.1], 0.0).holds);
        let one = Measurement::lower_bound("x", &[0.1], 0.0).note("more");
        assert!(one.holds && one.ci95.is_none());
        assert_eq!(one.note.as_deref(), Some("one draw, which has no interval; more"));
        assert!(!Measurement::lower_bound("x", &[], 0.0).holds);
        assert!(Measurement::at_least("x", 1.0, 0.0).interval_of(&[1.0]).ci95.is_none());
    }
}
