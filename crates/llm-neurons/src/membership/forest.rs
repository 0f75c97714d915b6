//! A random forest for two classes, with scikit-learn's semantics.

mod columns;
mod grow;
mod tree;

use ndarray::{ArrayView2, Axis};
use numerics::bootstrap::resample;
use numerics::rng::stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::classifier::check_training;
use columns::Columns;
use grow::Grower;
use tree::Tree;

use crate::{Error, Result};

/// How many features a split looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitFeatures {
    /// The integer part of the square root of their number, at least one.
    #[default]
    SquareRoot,
    /// All of them.
    All,
    /// This many.
    Exactly(usize),
}

/// How a forest is grown.
///
/// | parameter | default | source |
/// |---|---|---|
/// | `trees` | 500 | published code |
/// | `max_depth` | 5 splits | published code |
/// | `min_samples_leaf` | 3 distinct documents | published code |
/// | `split_features` | square root | scikit-learn |
/// | `bootstrap` | true | scikit-learn |
/// | `seed` | 0 | |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestConfig {
    /// Number of trees.
    pub trees: usize,
    /// Most splits between root and leaf; no limit without one.
    pub max_depth: Option<usize>,
    /// Fewest distinct training documents in a leaf; repetitions by the bootstrap do not count.
    pub min_samples_leaf: usize,
    /// Features tried at a split, drawn anew at each; drawing goes on until one of them is not constant.
    pub split_features: SplitFeatures,
    /// Whether each tree sees its own draw of n out of n documents, or all.
    pub bootstrap: bool,
    /// Tree `i` draws from `(seed, "membership/forest", i)`.
    pub seed: u64,
}

impl Default for ForestConfig {
    fn default() -> Self {
        Self {
            trees: 500,
            max_depth: Some(5),
            min_samples_leaf: 3,
            split_features: SplitFeatures::SquareRoot,
            bootstrap: true,
            seed: 0,
        }
    }
}

/// A grown forest: the mean over trees of the members' share in the leaf that a document falls into.
///
/// Splits minimise Gini's impurity over thresholds half way between neighbouring values, and features are compared in 32
/// bits, both as in scikit-learn. The order of random draws is our own, so trees agree with scikit-learn's in
/// distribution, not one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomForest {
    features: usize,
    trees: Vec<Tree>,
}

impl RandomForest {
    /// Grows a forest on `x` (`[documents, features]`) and whether each document is a member. The result is the same for
    /// any number of threads.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] without a feature, [`Error::SingleClass`], [`Error::NotFinite`] for NaN and
    /// what 32 bits do not hold, [`Error::Parameter`] for a configuration that grows nothing.
    pub fn fit(x: &ArrayView2<'_, f64>, members: &[bool], config: &ForestConfig) -> Result<Self> {
        check_training(x, members)?;
        let (documents, features) = x.dim();
        let refuse =
            |name, value: usize, expected| Err(Error::Parameter { name, value: value as f64, expected });
        let tried = match config.split_features {
            SplitFeatures::SquareRoot => features.isqrt().max(1),
            SplitFeatures::All => features,
            SplitFeatures::Exactly(n) => n,
        };
        if tried == 0 || tried > features {
            return refuse("split_features", tried, "between 1 and the number of features");
        }
        if config.trees == 0 || config.trees > 1 << 20 {
            return refuse("trees", config.trees, "between 1 and 2^20");
        }
        if config.min_samples_leaf == 0 {
            return refuse("min_samples_leaf", 0, "at least 1");
        }
        let columns = Columns::new(x)?;
        let trees = (0..config.trees as u64)
            .into_par_iter()
            .map_init(
                || Grower::new(&columns, members, tried, config),
                |grower, index| {
                    let mut draws = stream(config.seed, "membership/forest", index);
                    let mut weights = vec![u32::from(!config.bootstrap); documents];
                    if config.bootstrap {
                        resample(&mut draws, documents).into_iter().for_each(|i| weights[i] += 1);
                    }
                    grower.grow(&weights, draws)
                },
            )
            .collect();
        Ok(Self { features, trees })
    }

    /// The probability of membership of each row.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of features, [`Error::NotFinite`].
    pub fn predict_proba(&self, x: &ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        if x.ncols() != self.features {
            return Err(Error::Shape {
                what: "features of a forest",
                expected: self.features.to_string(),
                found: x.ncols().to_string(),
            });
        }
        let rows: Vec<Vec<f32>> =
            x.axis_iter(Axis(0)).map(|row| row.iter().map(|v| *v as f32).collect()).collect();
        for (row, values) in rows.iter().enumerate() {
            if let Some(column) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite {
                    what: "features of a forest",
                    row,
                    column,
                    value: x[[row, column]],
                });
            }
        }
        let trees = self.trees.len() as f64;
        Ok(rows
            .par_iter()
            .map(|row| self.trees.iter().map(|t| t.predict(row)).sum::<f64>() / trees)
            .collect())
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of trees.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// Whether a file's forest can be walked: every step leads to a later node that exists.
    pub(super) fn validate(&self) -> Result<()> {
        if self.trees.is_empty() {
            return Err(Error::TooFew { what: "trees of a forest", needed: 1, found: 0 });
        }
        self.trees.iter().try_for_each(|tree| tree.validate(self.features))
    }
}
