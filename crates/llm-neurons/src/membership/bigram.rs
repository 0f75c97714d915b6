//! The smallest language model that can remember documents: counts of pairs over a background.

use ndarray::{Array2, ArrayView2, Axis};

use super::scorer::{TokenScorer, TokenWindow, WindowScores, check_ids};
use crate::{Error, Result};

/// `p(c | b) = (n(b, c) + kappa P(c | b)) / (n(b) + kappa)`: pairs counted in the training documents, smoothed by a
/// background `P` that is worth `kappa` observations of each token.
///
/// It takes no training time and has one parameter that says how much it memorises, which makes it the test bench of
/// membership inference.
#[derive(Debug, Clone, PartialEq)]
pub struct BigramModel {
    /// `[vocabulary, vocabulary]`: `p(c | b)` in row b.
    probabilities: Array2<f64>,
    /// The largest of each row.
    largest: Vec<f64>,
}

impl BigramModel {
    /// Counts the pairs of `documents` over `background` (`[vocabulary, vocabulary]`, rows that sum to 1).
    ///
    /// # Errors
    /// [`Error::Shape`] for a background that is not square, [`Error::TooFew`] for an empty one, [`Error::Probability`]
    /// for entries outside `[0, 1]` or a row that does not sum to 1, [`Error::Parameter`] for a `kappa` that is not
    /// positive and finite, [`Error::TokenOutOfVocabulary`].
    pub fn fit(background: &ArrayView2<'_, f64>, kappa: f64, documents: &[&[u32]]) -> Result<Self> {
        let (vocabulary, columns) = background.dim();
        if vocabulary != columns {
            let (expected, found) = (format!("{vocabulary} columns"), columns.to_string());
            return Err(Error::Shape { what: "background of a bigram model", expected, found });
        }
        if vocabulary == 0 {
            return Err(Error::TooFew { what: "token ids", needed: 1, found: 0 });
        }
        if !(kappa > 0.0 && kappa.is_finite()) {
            return Err(Error::Parameter { name: "kappa", value: kappa, expected: "positive and finite" });
        }
        let what = "background of a bigram model";
        for (position, row) in background.outer_iter().enumerate() {
            if let Some(value) = row.iter().find(|p| !(0.0..=1.0 + 1e-9).contains(*p)) {
                return Err(Error::Probability { what, position, value: *value });
            }
            let value = row.sum();
            if (value - 1.0).abs() > 1e-6 {
                return Err(Error::Probability { what: "sum of a row of the background", position, value });
            }
        }
        let mut probabilities = background * kappa;
        let mut seen = vec![0.0; vocabulary];
        for ids in documents {
            check_ids(ids, vocabulary)?;
            for pair in ids.windows(2) {
                let (b, c) = (pair[0] as usize, pair[1] as usize);
                probabilities[[b, c]] += 1.0;
                seen[b] += 1.0;
            }
        }
        for (mut row, n) in probabilities.outer_iter_mut().zip(&seen) {
            row /= n + kappa;
        }
        let largest = probabilities.fold_axis(Axis(1), 0.0, |m, p| p.max(*m)).to_vec();
        Ok(Self { probabilities, largest })
    }

    /// `p(c | b)`, `[vocabulary, vocabulary]`.
    #[must_use]
    pub fn probabilities(&self) -> ArrayView2<'_, f64> {
        self.probabilities.view()
    }
}

impl TokenScorer for BigramModel {
    fn vocabulary(&self) -> usize {
        self.probabilities.nrows()
    }

    /// Any length: one token is all that it looks back.
    fn longest_context(&self) -> usize {
        usize::MAX
    }

    fn score(
        &self,
        windows: &[TokenWindow<'_>],
        probability_sum: Option<&mut [f64]>,
    ) -> Result<Vec<WindowScores>> {
        let mut visits = vec![0_u32; self.vocabulary()];
        let answers = windows
            .iter()
            .map(|window| {
                check_ids(window.ids, self.vocabulary())?;
                let mut answer = WindowScores::default();
                for pair in window.ids.get(window.from.saturating_sub(1)..).unwrap_or_default().windows(2) {
                    let (b, c) = (pair[0] as usize, pair[1] as usize);
                    visits[b] += 1;
                    answer.nll.push(-self.probabilities[[b, c]].ln() as f32);
                    answer.pmax.push(self.largest[b] as f32);
                }
                Ok(answer)
            })
            .collect::<Result<Vec<WindowScores>>>()?;
        if let Some(sum) = probability_sum {
            for (row, n) in self.probabilities.outer_iter().zip(&visits).filter(|(_, n)| **n > 0) {
                sum.iter_mut().zip(row).for_each(|(s, p)| *s += f64::from(*n) * p);
            }
        }
        Ok(answers)
    }
}
