//! A trained attack: everything between a document's token scores and its probability of membership.

use std::path::Path;

use recordings::atomic;
use serde::{Deserialize, Serialize};

use super::classifier::{Classifier, ClassifierConfig};
use super::features::{Features, FittedFeatures};
use super::normalizer::{Normalizer, NormalizerKind};
use super::query::{QueryConfig, ScoredDocument};
use super::scaling::MinMax;
use super::table::TokenTable;
use crate::{Error, Result};

const FORMAT: &str = "neuropil.membership-attack/1";

/// What an attack consists of; the defaults are the paper's: losses beside token frequency, a histogram of 1000 bins, a
/// forest of 500 trees.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttackConfig {
    /// How losses become token values.
    pub normalizer: NormalizerKind,
    /// How token values become features.
    pub features: Features,
    /// How features become a probability.
    pub classifier: ClassifierConfig,
}

/// What an attack was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingCard {
    /// The model under attack, as the token table names it.
    pub model: String,
    /// How it was asked.
    pub query: QueryConfig,
    /// Its number of token ids.
    pub vocabulary: usize,
    /// Training documents.
    pub documents: usize,
    /// Members among them.
    pub members: usize,
    /// Token values that were not finite and were replaced.
    pub replaced: usize,
    /// The version of this crate.
    pub version: String,
}

/// A trained attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    format: String,
    config: AttackConfig,
    training: TrainingCard,
    normalizer: Normalizer,
    features: FittedFeatures,
    scaler: MinMax,
    classifier: Classifier,
}

impl Attack {
    /// Trains on a table with labels.
    ///
    /// # Errors
    /// [`Error::Missing`] for a table without labels or, with a general-probability normaliser, without mean predictions;
    /// [`Error::Overlap`], [`Error::SingleClass`], those of [`Features::fit`] and [`ClassifierConfig::fit`].
    pub fn train(table: &TokenTable, config: &AttackConfig) -> Result<Self> {
        let members = table.labels().ok_or(Error::Missing { what: "labels of the training documents" })?;
        table.check_labels(members)?;
        Self::train_on(table, &(0..members.len()).collect::<Vec<usize>>(), members, config)
    }

    /// Trains on some documents of a table.
    pub(super) fn train_on(
        table: &TokenTable,
        training: &[usize],
        members: &[bool],
        config: &AttackConfig,
    ) -> Result<Self> {
        let documents: Vec<&ScoredDocument> = training.iter().map(|i| &table.documents()[*i]).collect();
        let labels: Vec<bool> = training.iter().map(|i| members[*i]).collect();
        let normalizer = config.normalizer.fit(table.vocabulary(), &documents)?;
        let (values, replaced) = normalise(&normalizer, &documents)?;
        let features = config.features.fit(&values)?;
        let x = features.transform(&values)?;
        let scaler = MinMax::fit(&x.view())?;
        let classifier = config.classifier.fit(&scaler.transform(&x.view())?.view(), &labels)?;
        let training = TrainingCard {
            model: table.model().to_owned(),
            query: table.query().clone(),
            vocabulary: table.vocabulary(),
            documents: labels.len(),
            members: labels.iter().filter(|m| **m).count(),
            replaced,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let (format, config) = (FORMAT.to_owned(), config.clone());
        Ok(Self { format, config, training, normalizer, features, scaler, classifier })
    }

    /// The probability of membership of every document of a table, and how many token values were replaced.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a table of another model, vocabulary, context or stride. Seeing less of
    /// a document is a question one may ask; [`Error::TokenOutOfVocabulary`].
    pub fn score(&self, table: &TokenTable) -> Result<(Vec<f64>, usize)> {
        self.score_some(table, &(0..table.documents().len()).collect::<Vec<usize>>())
    }

    /// [`Attack::score`] of some documents.
    pub(super) fn score_some(&self, table: &TokenTable, documents: &[usize]) -> Result<(Vec<f64>, usize)> {
        let (ours, theirs) = (&self.training, table);
        same("model", ours.model.as_str(), theirs.model())?;
        same("vocabulary", &ours.vocabulary, &theirs.vocabulary())?;
        same("context", &ours.query.context, &theirs.query().context)?;
        same("stride", &ours.query.effective_stride(), &theirs.query().effective_stride())?;
        let documents: Vec<&ScoredDocument> = documents.iter().map(|i| &table.documents()[*i]).collect();
        let (values, replaced) = normalise(&self.normalizer, &documents)?;
        let x = self.scaler.transform(&self.features.transform(&values)?.view())?;
        Ok((self.classifier.predict_proba(&x.view())?, replaced))
    }

    /// What it consists of.
    #[must_use]
    pub fn config(&self) -> &AttackConfig {
        &self.config
    }

    /// What it was trained on.
    #[must_use]
    pub fn training(&self) -> &TrainingCard {
        &self.training
    }

    /// The attack as JSON, numbers to their last bit.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::File { path: "attack".into(), message: e.to_string() })
    }

    /// Reads [`Attack::to_json`]; nothing in it is believed before it was checked.
    ///
    /// # Errors
    /// [`Error::File`] for what is no attack, [`Error::Mismatch`] for an unknown format and parts that do not fit one
    /// another.
    pub fn from_json(text: &str) -> Result<Self> {
        let attack: Self = serde_json::from_str(text)
            .map_err(|e| Error::File { path: "attack".into(), message: e.to_string() })?;
        attack.validate()?;
        Ok(attack)
    }

    /// Writes the attack, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.to_json()?;
        atomic::write(path, |file| std::io::Write::write_all(file, text.as_bytes()))
            .map_err(|e| file(path, e))
    }

    /// Reads what [`Attack::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Attack::from_json`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| file(path, e))?;
        Self::from_json(&text).map_err(|e| match e {
            Error::File { message, .. } => file(path, message),
            other => other,
        })
    }

    fn validate(&self) -> Result<()> {
        same("format", FORMAT, self.format.as_str())?;
        self.training.query.validate()?;
        self.features.validate()?;
        self.scaler.validate()?;
        self.classifier.validate()?;
        same("features of the scaler", &self.features.len(), &self.scaler.features())?;
        same("features of the classifier", &self.features.len(), &self.classifier.features())?;
        match self.normalizer.vocabulary() {
            Some(vocabulary) => same("vocabulary of the normaliser", &self.training.vocabulary, &vocabulary),
            None => Ok(()),
        }
    }
}

fn file(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::file(path, reason)
}

fn same<T: PartialEq + std::fmt::Display + ?Sized>(
    what: &'static str,
    expected: &T,
    found: &T,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Mismatch { what, expected: expected.to_string(), found: found.to_string() })
}

fn normalise(normalizer: &Normalizer, documents: &[&ScoredDocument]) -> Result<(Vec<Vec<f64>>, usize)> {
    let mut replaced = 0;
    let values = documents
        .iter()
        .map(|d| {
            let found = normalizer.apply(&d.scores)?;
            replaced += found.replaced;
            Ok(found.values)
        })
        .collect::<Result<Vec<Vec<f64>>>>()?;
    Ok((values, replaced))
}
