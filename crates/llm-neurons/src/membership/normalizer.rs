//! How common tokens are, and losses beside it.

use serde::{Deserialize, Serialize};

use super::query::{ScoredDocument, TokenScores};
use super::scorer::check_ids;
use crate::{Error, Result};

/// What stands in for a value that is not finite (the published code's 10e-6).
const REPLACEMENT: f64 = 1e-5;

/// What the numbers of a [`NormTable`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// How often a token occurs in documents.
    TokenFrequency,
    /// How probable the model finds a token, over all positions.
    GeneralProbability,
}

/// How common each token is, `n(t)`. Build it from training documents alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct NormTable {
    kind: NormKind,
    /// `[vocabulary]`; 0 for what never occurred.
    values: Vec<f64>,
    /// Tokens, or documents, behind the values.
    weight: f64,
    /// Half the smallest positive value: what an absent token has.
    #[serde(skip)]
    absent: f64,
}

/// What a file says, before anything is believed.
#[derive(Deserialize)]
struct Unchecked {
    kind: NormKind,
    values: Vec<f64>,
    weight: f64,
}

impl TryFrom<Unchecked> for NormTable {
    type Error = Error;

    fn try_from(found: Unchecked) -> Result<Self> {
        Self::new(found.kind, found.values, found.weight)
    }
}

impl NormTable {
    /// From `n(t)` for every token id, 0 where a token was never seen; `weight` is what [`NormTable::merge_weighted`]
    /// weighs it by: tokens behind a frequency, documents behind a general probability.
    ///
    /// # Errors
    /// [`Error::Probability`] for a value outside `[0, 1]`, [`Error::TooFew`] when no token has one,
    /// [`Error::Parameter`] for a weight that is not positive and finite.
    pub fn new(kind: NormKind, values: Vec<f64>, weight: f64) -> Result<Self> {
        if let Some(position) = values.iter().position(|p| !(0.0..=1.0 + 1e-4).contains(p)) {
            let value = values[position];
            return Err(Error::Probability { what: "normalisation table", position, value });
        }
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(Error::Parameter { name: "weight", value: weight, expected: "positive and finite" });
        }
        let least = values.iter().copied().filter(|p| *p > 0.0).fold(f64::INFINITY, f64::min);
        if least.is_infinite() {
            return Err(Error::TooFew { what: "tokens in a normalisation table", needed: 1, found: 0 });
        }
        Ok(Self { kind, values, weight, absent: least / 2.0 })
    }

    /// Token frequencies, `TF(t) = count(t) / total`; `counts` is `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] when all counts are 0.
    pub fn from_counts(counts: &[u64]) -> Result<Self> {
        let total = counts.iter().fold(0.0, |sum, c| sum + *c as f64);
        if total == 0.0 {
            return Err(Error::TooFew { what: "counted tokens", needed: 1, found: 0 });
        }
        let values = counts.iter().map(|c| *c as f64 / total).collect();
        Self::new(NormKind::TokenFrequency, values, total)
    }

    /// Token frequencies of documents.
    ///
    /// # Errors
    /// [`Error::TokenOutOfVocabulary`]; those of [`NormTable::from_counts`].
    pub fn from_documents<'a>(
        vocabulary: usize,
        documents: impl IntoIterator<Item = &'a [u32]>,
    ) -> Result<Self> {
        let mut counts = vec![0_u64; vocabulary];
        for ids in documents {
            check_ids(ids, vocabulary)?;
            ids.iter().for_each(|id| counts[*id as usize] += 1);
        }
        Self::from_counts(&counts)
    }

    /// General probability, `GP(t)`: the mean over documents of each document's mean prediction.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a document, [`Error::Shape`] for vectors of different lengths, those of
    /// [`NormTable::new`].
    pub fn from_general_probability<'a>(means: impl IntoIterator<Item = &'a [f32]>) -> Result<Self> {
        let mut sum: Vec<f64> = Vec::new();
        let mut documents = 0_usize;
        for mean in means {
            if documents == 0 {
                sum = vec![0.0; mean.len()];
            }
            same_vocabulary(sum.len(), mean.len())?;
            sum.iter_mut().zip(mean).for_each(|(s, p)| *s += f64::from(*p));
            documents += 1;
        }
        if documents == 0 {
            return Err(Error::TooFew { what: "mean predictions", needed: 1, found: 0 });
        }
        let documents = documents as f64;
        sum.iter_mut().for_each(|s| *s /= documents);
        Self::new(NormKind::GeneralProbability, sum, documents)
    }

    /// Several chunks' tables as one: `sum_c w_c n_c(t) / sum_c w_c`. A token that one chunk never saw counts 0 there;
    /// only what no chunk saw is absent.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a table, [`Error::Shape`] for different vocabularies, [`Error::Mismatch`] for different
    /// kinds.
    pub fn merge_weighted(tables: &[&Self]) -> Result<Self> {
        let [first, ..] = tables else {
            return Err(Error::TooFew { what: "normalisation tables", needed: 1, found: 0 });
        };
        let total: f64 = tables.iter().map(|t| t.weight).sum();
        let mut values = vec![0.0; first.values.len()];
        for table in tables {
            same_vocabulary(values.len(), table.values.len())?;
            if table.kind != first.kind {
                return Err(Error::Mismatch {
                    what: "kind of normalisation table",
                    expected: format!("{:?}", first.kind),
                    found: format!("{:?}", table.kind),
                });
            }
            let share = table.weight / total;
            values.iter_mut().zip(&table.values).for_each(|(sum, p)| *sum += share * p);
        }
        Self::new(first.kind, values, total)
    }

    /// `n(t)`: the table's value, or half its smallest one for a token that is absent.
    ///
    /// # Errors
    /// [`Error::TokenOutOfVocabulary`].
    pub fn get(&self, token: u32) -> Result<f64> {
        match self.values.get(token as usize) {
            Some(p) if *p > 0.0 => Ok(*p),
            Some(_) => Ok(self.absent),
            None => {
                let vocabulary = self.values.len();
                Err(Error::TokenOutOfVocabulary { token, position: 0, vocabulary })
            }
        }
    }

    /// What the numbers are.
    #[must_use]
    pub fn kind(&self) -> NormKind {
        self.kind
    }

    /// Number of token ids.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.values.len()
    }

    /// Tokens, or documents, behind the table.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

fn same_vocabulary(expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape { what: "vocabulary", expected: expected.to_string(), found: found.to_string() })
}

/// How a token's loss becomes its value `v`, with `p` the true token's probability and natural logarithms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalizer {
    /// `v = -ln p`.
    None,
    /// `v = -ln(p / n(t))`.
    Ratio(NormTable),
    /// `v = -ln((1 - (pmax - p)) / n(t))`.
    Max(NormTable),
}

/// The values of a document's predicted tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// `v` of the tokens `1..N`.
    pub values: Vec<f64>,
    /// How many were not finite and have become 1e-5.
    pub replaced: usize,
}

impl Normalizer {
    /// Applies it to a document.
    ///
    /// # Errors
    /// [`Error::TokenOutOfVocabulary`] for a token that the table does not have.
    pub fn apply(&self, scores: &TokenScores) -> Result<Normalized> {
        if let Self::Ratio(table) | Self::Max(table) = self {
            check_ids(scores.ids(), table.vocabulary())?;
        }
        let mut replaced = 0;
        let losses = scores.nll().iter().zip(scores.pmax()).zip(scores.predicted_ids());
        let values = losses
            .map(|((nll, pmax), token)| {
                let (nll, pmax) = (f64::from(*nll), f64::from(*pmax));
                let v = match self {
                    Self::None => nll,
                    Self::Ratio(table) => nll + table.get(*token)?.ln(),
                    Self::Max(table) => table.get(*token)?.ln() - (1.0 - (pmax - (-nll).exp())).ln(),
                };
                replaced += usize::from(!v.is_finite());
                Ok(if v.is_finite() { v } else { REPLACEMENT })
            })
            .collect::<Result<Vec<f64>>>()?;
        Ok(Normalized { values, replaced })
    }

    /// The vocabulary that it was built for, where it has one.
    #[must_use]
    pub fn vocabulary(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Ratio(table) | Self::Max(table) => Some(table.vocabulary()),
        }
    }
}

/// Which [`Normalizer`] is to be built from training documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizerKind {
    /// The loss itself.
    None,
    /// The probability over the token's frequency (the paper's best).
    #[default]
    RatioTf,
    /// The probability over the token's general probability.
    RatioGp,
    /// The distance to the largest probability over the token's frequency.
    MaxTf,
    /// The distance to the largest probability over the token's general probability.
    MaxGp,
}

impl std::str::FromStr for NormalizerKind {
    type Err = Error;

    /// Reads `none`, `ratio-tf`, `ratio-gp`, `max-tf` or `max-gp`.
    fn from_str(text: &str) -> Result<Self> {
        let known = [
            ("none", Self::None),
            ("ratio-tf", Self::RatioTf),
            ("ratio-gp", Self::RatioGp),
            ("max-tf", Self::MaxTf),
            ("max-gp", Self::MaxGp),
        ];
        known.into_iter().find_map(|(name, kind)| (name == text).then_some(kind)).ok_or_else(|| {
            Error::Mismatch {
                what: "normaliser",
                expected: "none, ratio-tf, ratio-gp, max-tf or max-gp".to_owned(),
                found: text.to_owned(),
            }
        })
    }
}

impl NormalizerKind {
    /// Builds it from training documents.
    ///
    /// # Errors
    /// Those of [`NormTable`]'s constructors; [`Error::Missing`] where a general probability is wanted and a document has
    /// no mean prediction.
    pub fn fit(self, vocabulary: usize, training: &[&ScoredDocument]) -> Result<Normalizer> {
        let frequencies = || NormTable::from_documents(vocabulary, training.iter().map(|d| d.scores.ids()));
        let general = || -> Result<NormTable> {
            let means = training
                .iter()
                .map(|d| {
                    d.mean_probability
                        .as_deref()
                        .ok_or(Error::Missing { what: "mean prediction of a document" })
                })
                .collect::<Result<Vec<&[f32]>>>()?;
            let table = NormTable::from_general_probability(means)?;
            same_vocabulary(vocabulary, table.vocabulary())?;
            Ok(table)
        };
        Ok(match self {
            Self::None => Normalizer::None,
            Self::RatioTf => Normalizer::Ratio(frequencies()?),
            Self::RatioGp => Normalizer::Ratio(general()?),
            Self::MaxTf => Normalizer::Max(frequencies()?),
            Self::MaxGp => Normalizer::Max(general()?),
        })
    }
}
