//! When a generated answer counts as right.

use serde::{Deserialize, Serialize};

/// Which answers are right; both sides are stripped of white space at their ends first, and case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerRule {
    /// The answer is a prefix of the object: the paper's rule, made for two generated tokens.
    #[default]
    Prefix,
    /// Or the object is a prefix of the answer, for objects shorter than what was generated.
    EitherPrefix,
}

/// Whether a generated answer names the object; an empty answer never does, nor is an empty object ever named.
///
/// ```
/// use llm_neurons::relation::{AnswerRule, answers};
/// assert!(answers(" Jensen", "Jensen Huang", AnswerRule::Prefix));
/// assert!(!answers(" Lyra,", "Lyra", AnswerRule::Prefix) && answers(" Lyra,", "Lyra", AnswerRule::EitherPrefix));
/// assert!(!answers(" \n", "Lyra", AnswerRule::EitherPrefix));
/// ```
#[must_use]
pub fn answers(generated: &str, object: &str, rule: AnswerRule) -> bool {
    let (generated, object) = (generated.trim(), object.trim());
    if generated.is_empty() || object.is_empty() {
        return false;
    }
    object.starts_with(generated) || (rule == AnswerRule::EitherPrefix && generated.starts_with(object))
}
