//! What a reproduction measured and whether its claim held.

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

    /// With a remark.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
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
