//! Stage II: which layers are steered together.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a window of layers is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WindowRule {
    /// The sum of the layers' scores (the published code): with positive scores the longest window always wins.
    #[default]
    Sum,
    /// The mean of the layers' scores.
    Mean,
}

/// Contiguous layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The layers, ascending.
    pub layers: Vec<usize>,
    /// Their score by the rule.
    pub score: f64,
}

/// The best window of `min` to `max` contiguous layers (the published code: 3 to 6); `scores` holds layers and scores,
/// `mass * stability`. A layer without a score, such as one without language neurons, ends a window. Among equals the
/// first and shortest.
///
/// # Errors
/// [`Error::Parameter`] for lengths that make no window, a layer given twice or a score that is not finite;
/// [`Error::TooFew`] when nowhere `min` layers follow one another.
///
/// ```
/// use llm_neurons::foxp2::{WindowRule, best_window};
/// let scores = [(4, 0.2), (5, 0.9), (6, 0.8), (8, 0.9)];
/// assert_eq!(best_window(&scores, 2, 3, WindowRule::Sum)?.layers, [4, 5, 6]);
/// assert_eq!(best_window(&scores, 2, 3, WindowRule::Mean)?.layers, [5, 6]);
/// # Ok::<(), llm_neurons::Error>(())
/// ```
pub fn best_window(scores: &[(usize, f64)], min: usize, max: usize, rule: WindowRule) -> Result<Window> {
    if min == 0 || max < min {
        let expected = "at least 1 and at most the longest length";
        return Err(Error::Parameter { name: "shortest window", value: min as f64, expected });
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by_key(|(layer, _)| *layer);
    for (i, (layer, score)) in sorted.iter().enumerate() {
        if !score.is_finite() {
            return Err(Error::Parameter { name: "score of a layer", value: *score, expected: "finite" });
        }
        if i > 0 && sorted[i - 1].0 == *layer {
            return Err(Error::Parameter { name: "layer", value: *layer as f64, expected: "given once" });
        }
    }
    let mut best: Option<(usize, usize, f64)> = None;
    let mut longest = 0;
    for start in 0..sorted.len() {
        let mut sum = 0.0;
        for (length, (layer, score)) in (1..=max).zip(&sorted[start..]) {
            if *layer != sorted[start].0 + (length - 1) {
                break;
            }
            longest = longest.max(length);
            sum += score;
            if length < min {
                continue;
            }
            let value = match rule {
                WindowRule::Sum => sum,
                WindowRule::Mean => sum / length as f64,
            };
            if best.is_none_or(|(_, _, found)| value > found) {
                best = Some((start, length, value));
            }
        }
    }
    let Some((start, length, score)) = best else {
        return Err(Error::TooFew { what: "contiguous layers", needed: min, found: longest });
    };
    Ok(Window { layers: sorted[start..start + length].iter().map(|(layer, _)| *layer).collect(), score })
}
