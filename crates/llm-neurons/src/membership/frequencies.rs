//! The control that never asks the model: do the documents themselves tell members from others?

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::classifier::ClassifierConfig;
use super::crossval::{CrossValidation, cross_validate_with};
use super::scaling::MinMax;
use super::table::TokenTable;
use crate::{Error, Result};

/// How often each of the most frequent tokens occurs in a document, as a share of its tokens.
///
/// Members and others often differ in more than membership: in age, in topic, in how they were prepared. Whatever AUC this
/// classifier reaches is due to such a shift, and an attack is only worth what it adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenFrequencies {
    tokens: Vec<u32>,
}

impl TokenFrequencies {
    /// The `most` most frequent tokens of training documents (equal counts: smaller ids first).
    ///
    /// # Errors
    /// [`Error::Parameter`] for none, [`Error::TooFew`] without a token.
    pub fn fit<'a>(documents: impl IntoIterator<Item = &'a [u32]>, most: usize) -> Result<Self> {
        if most == 0 {
            return Err(Error::Parameter { name: "tokens", value: 0.0, expected: "at least 1" });
        }
        let mut all: Vec<u32> = documents.into_iter().flatten().copied().collect();
        all.sort_unstable();
        let mut counts: Vec<(usize, u32)> =
            all.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).collect();
        if counts.is_empty() {
            return Err(Error::TooFew { what: "tokens of the training documents", needed: 1, found: 0 });
        }
        counts.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        counts.truncate(most);
        let mut tokens: Vec<u32> = counts.into_iter().map(|(_, token)| token).collect();
        tokens.sort_unstable();
        Ok(Self { tokens })
    }

    /// `[documents, tokens]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] for a document without tokens.
    pub fn transform(&self, documents: &[&[u32]]) -> Result<Array2<f64>> {
        let mut x = Array2::zeros((documents.len(), self.tokens.len()));
        for (mut row, ids) in x.rows_mut().into_iter().zip(documents) {
            if ids.is_empty() {
                return Err(Error::TooFew { what: "tokens of a document", needed: 1, found: 0 });
            }
            for id in *ids {
                if let Ok(place) = self.tokens.binary_search(id) {
                    row[place] += 1.0;
                }
            }
            row /= ids.len() as f64;
        }
        Ok(x)
    }

    /// The tokens that are counted, increasing.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// [`cross_validate`](super::cross_validate) of this control: `most` tokens and a classifier.
    ///
    /// # Errors
    /// Those of [`cross_validate_with`], [`TokenFrequencies::fit`] and [`ClassifierConfig::fit`].
    pub fn cross_validate(
        table: &TokenTable,
        members: &[bool],
        folds: &[usize],
        most: usize,
        classifier: &ClassifierConfig,
    ) -> Result<CrossValidation> {
        table.check_labels(members)?;
        cross_validate_with(members, folds, |training, judged| {
            let ids = |some: &[usize]| -> Vec<&[u32]> {
                some.iter().map(|i| table.documents()[*i].scores.ids()).collect()
            };
            let labels: Vec<bool> = training.iter().map(|i| members[*i]).collect();
            let frequencies = Self::fit(ids(training), most)?;
            let x = frequencies.transform(&ids(training))?;
            let scaler = MinMax::fit(&x.view())?;
            let trained = classifier.fit(&scaler.transform(&x.view())?.view(), &labels)?;
            let x = scaler.transform(&frequencies.transform(&ids(judged))?.view())?;
            trained.predict_proba(&x.view())
        })
    }
}
