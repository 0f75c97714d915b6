//! The classifiers that turn features into a probability of membership.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::forest::{ForestConfig, RandomForest};
use super::logistic::{LogisticConfig, LogisticRegression};
use super::scaling::finite;
use crate::{Error, Result};

/// Which classifier is to be trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierConfig {
    /// The published choice.
    Forest(ForestConfig),
    /// The linear one.
    Logistic(LogisticConfig),
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self::Forest(ForestConfig::default())
    }
}

impl ClassifierConfig {
    /// Trains it on `x` (`[documents, features]`).
    ///
    /// # Errors
    /// Those of [`RandomForest::fit`] and [`LogisticRegression::fit`].
    pub fn fit(&self, x: &ArrayView2<'_, f64>, members: &[bool]) -> Result<Classifier> {
        Ok(match self {
            Self::Forest(config) => Classifier::Forest(RandomForest::fit(x, members, config)?),
            Self::Logistic(config) => Classifier::Logistic(LogisticRegression::fit(x, members, config)?),
        })
    }
}

/// A trained classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classifier {
    /// A forest.
    Forest(RandomForest),
    /// A linear one.
    Logistic(LogisticRegression),
}

impl Classifier {
    /// The probability of membership of each row.
    ///
    /// # Errors
    /// Those of the classifier.
    pub fn predict_proba(&self, x: &ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        match self {
            Self::Forest(forest) => forest.predict_proba(x),
            Self::Logistic(regression) => regression.predict_proba(x),
        }
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        match self {
            Self::Forest(forest) => forest.features(),
            Self::Logistic(regression) => regression.weights().len(),
        }
    }

    /// Whether what a file holds can be used.
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Forest(forest) => forest.validate(),
            Self::Logistic(regression) => regression.validate(),
        }
    }
}

/// What every classifier asks of its training documents.
pub(super) fn check_training(x: &ArrayView2<'_, f64>, members: &[bool]) -> Result<()> {
    if x.nrows() != members.len() {
        return Err(Error::Shape {
            what: "labels",
            expected: x.nrows().to_string(),
            found: members.len().to_string(),
        });
    }
    if x.ncols() == 0 {
        return Err(Error::TooFew { what: "features", needed: 1, found: 0 });
    }
    both_classes("training documents", members)?;
    finite("features", x)
}

/// Refuses labels of one class.
pub(super) fn both_classes(what: impl Into<String>, members: &[bool]) -> Result<()> {
    let hits = members.iter().filter(|m| **m).count();
    if hits > 0 && hits < members.len() {
        return Ok(());
    }
    Err(Error::SingleClass { what: what.into(), members: hits, others: members.len() - hits })
}
