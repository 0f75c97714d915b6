//! Documents with their token scores, as one file: what the model said, before anything was learnt from it.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, ArrayView1, arr1};
use recordings::arrays::{ArrayFile, Npz};

use super::query::{QueryConfig, ScoredDocument, TokenScores, check_distribution, score_document};
use super::scorer::{TokenScorer, check_ids};
use crate::{Error, Result};

const FORMAT: &str = "neuropil.membership-tokens/1";

/// The paper leaves out documents with fewer tokens.
pub const MIN_DOCUMENT_TOKENS: usize = 5000;

/// A document that was too short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Its name.
    pub name: String,
    /// Its tokens.
    pub tokens: usize,
}

/// Scored documents of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenTable {
    model: String,
    vocabulary: usize,
    query: QueryConfig,
    names: Vec<String>,
    documents: Vec<ScoredDocument>,
    labels: Option<Vec<bool>>,
}

impl TokenTable {
    /// Asks the model about documents, each a name and its token ids. Those with fewer than `min_tokens` tokens are left
    /// out and named ([`MIN_DOCUMENT_TOKENS`] in the paper). `model` says which model it was, for example the hash of its
    /// tensors: an attack trained on one model refuses another's table.
    ///
    /// # Errors
    /// Those of [`score_document`] and [`TokenTable::new`].
    pub fn score<S: AsRef<str>, T: AsRef<[u32]>>(
        scorer: &dyn TokenScorer,
        model: &str,
        documents: &[(S, T)],
        query: &QueryConfig,
        min_tokens: usize,
    ) -> Result<(Self, Vec<Discarded>)> {
        let (mut names, mut scored, mut discarded) = (Vec::new(), Vec::new(), Vec::new());
        for (name, ids) in documents {
            let (name, ids) = (name.as_ref().to_owned(), ids.as_ref());
            if ids.len() < min_tokens {
                discarded.push(Discarded { name, tokens: ids.len() });
            } else {
                scored.push(score_document(scorer, ids, query)?);
                names.push(name);
            }
        }
        Ok((Self::new(model, scorer.vocabulary(), query.clone(), names, scored)?, discarded))
    }

    /// A table of documents that are scored already, without labels.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a document, [`Error::Shape`] for another number of names or mean predictions of another
    /// length, [`Error::Overlap`] for a name that occurs twice, [`Error::Mismatch`] for an empty name or one with a null
    /// character, [`Error::TokenOutOfVocabulary`].
    pub fn new(
        model: &str,
        vocabulary: usize,
        query: QueryConfig,
        names: Vec<String>,
        documents: Vec<ScoredDocument>,
    ) -> Result<Self> {
        query.validate()?;
        if documents.is_empty() {
            return Err(Error::TooFew { what: "documents", needed: 1, found: 0 });
        }
        if names.len() != documents.len() {
            let (expected, found) = (documents.len().to_string(), names.len().to_string());
            return Err(Error::Shape { what: "names", expected, found });
        }
        let mut seen = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            if name.is_empty() || name.contains('\0') {
                return Err(Error::Mismatch {
                    what: "name of a document",
                    expected: "a text without null characters".to_owned(),
                    found: format!("{name:?}"),
                });
            }
            if seen.insert(name.as_str(), i).is_some() {
                return Err(Error::Overlap { first: name.clone(), second: name.clone() });
            }
        }
        for document in &documents {
            check_ids(document.scores.ids(), vocabulary)?;
            let found = document.mean_probability.as_ref().map(Vec::len);
            if found != query.mean_probability.then_some(vocabulary) {
                return Err(Error::Shape {
                    what: "mean prediction of a document",
                    expected: format!("{:?}", query.mean_probability.then_some(vocabulary)),
                    found: format!("{found:?}"),
                });
            }
        }
        Ok(Self { model: model.to_owned(), vocabulary, query, names, documents, labels: None })
    }

    /// With which documents are members.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number, [`Error::Overlap`] for a member and another with the same tokens.
    pub fn with_labels(mut self, members: Vec<bool>) -> Result<Self> {
        self.check_labels(&members)?;
        self.labels = Some(members);
        Ok(self)
    }

    /// Refuses labels that do not fit.
    pub(super) fn check_labels(&self, members: &[bool]) -> Result<()> {
        if members.len() != self.documents.len() {
            let (expected, found) = (self.documents.len().to_string(), members.len().to_string());
            return Err(Error::Shape { what: "labels", expected, found });
        }
        let mut seen: BTreeMap<&[u32], usize> = BTreeMap::new();
        for (i, document) in self.documents.iter().enumerate() {
            if let Some(first) = seen.insert(document.scores.ids(), i).filter(|j| members[*j] != members[i]) {
                let (first, second) = (self.names[first].clone(), self.names[i].clone());
                return Err(Error::Overlap { first, second });
            }
        }
        Ok(())
    }

    /// Which model was asked.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Its number of token ids.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// How it was asked.
    #[must_use]
    pub fn query(&self) -> &QueryConfig {
        &self.query
    }

    /// The documents' names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The documents.
    #[must_use]
    pub fn documents(&self) -> &[ScoredDocument] {
        &self.documents
    }

    /// Which of them are members, where that is known.
    #[must_use]
    pub fn labels(&self) -> Option<&[bool]> {
        self.labels.as_deref()
    }

    /// Writes `.npz`, whole or not at all. Arrays: `format`, `model`, `names` (text); `vocabulary`, `context`, `stride`,
    /// `max_tokens` (-1 for all), `batch` (one number each); `offsets [documents + 1]` into `ids`, whose document d has
    /// `offsets[d] .. offsets[d + 1]`; `ids` (u32); `nll` and `pmax` (f32), without each document's first token; where
    /// known `mean_probability [documents, vocabulary]` (f32) and `labels` (1 for members).
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let one = |n: usize| arr1(&[i64::try_from(n).unwrap_or(i64::MAX)]).into_dyn();
        let mut offsets = vec![0_i64];
        let (mut ids, mut nll, mut pmax) = (Vec::new(), Vec::new(), Vec::new());
        for document in &self.documents {
            ids.extend_from_slice(document.scores.ids());
            nll.extend_from_slice(document.scores.nll());
            pmax.extend_from_slice(document.scores.pmax());
            offsets.push(ids.len() as i64);
        }
        let most = self.query.max_tokens.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let mut file = Npz::new()
            .text("format", &[FORMAT.to_owned()])
            .text("model", std::slice::from_ref(&self.model))
            .text("names", &self.names)
            .i64("vocabulary", one(self.vocabulary).view())
            .i64("context", one(self.query.context).view())
            .i64("stride", one(self.query.effective_stride()).view())
            .i64("max_tokens", arr1(&[most]).view().into_dyn())
            .i64("batch", one(self.query.batch).view())
            .i64("offsets", ArrayView1::from(&offsets).into_dyn())
            .u32("ids", ArrayView1::from(&ids).into_dyn())
            .f32("nll", ArrayView1::from(&nll).into_dyn())
            .f32("pmax", ArrayView1::from(&pmax).into_dyn());
        if self.query.mean_probability {
            let rows: Vec<f32> = self
                .documents
                .iter()
                .filter_map(|d| d.mean_probability.as_deref())
                .flatten()
                .copied()
                .collect();
            let matrix = Array2::from_shape_vec((self.documents.len(), self.vocabulary), rows)
                .map_err(|e| damaged(path, e))?;
            file = file.f32("mean_probability", matrix.view().into_dyn());
        }
        if let Some(labels) = &self.labels {
            let labels: Vec<i64> = labels.iter().map(|m| i64::from(*m)).collect();
            file = file.i64("labels", ArrayView1::from(&labels).into_dyn());
        }
        file.write(path).map_err(|e| damaged(path, e))
    }

    /// Reads what [`TokenTable::write`] wrote.
    ///
    /// # Errors
    /// [`Error::File`] for what is no such file; those of [`TokenScores::new`] and [`TokenTable::new`].
    pub fn read(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path).map_err(|e| damaged(path, e))?;
        let bad = |e: recordings::Error| damaged(path, e);
        let text = |key: &str| -> Result<String> {
            let found = file.read_text(key).map_err(bad)?;
            let [one] = found.as_slice() else {
                return Err(damaged(path, format!("{key}: expected one text")));
            };
            Ok(one.clone())
        };
        let whole = |key: &str| file.read_i64_1(key).map_err(bad).map(|a| a.to_vec());
        let one = |key: &str| -> Result<i64> {
            let found = whole(key)?;
            let [one] = found.as_slice() else {
                return Err(damaged(path, format!("{key}: expected one number")));
            };
            Ok(*one)
        };
        let size = |key: &str| -> Result<usize> {
            usize::try_from(one(key)?).map_err(|_| damaged(path, format!("{key} is below 0")))
        };
        let float = |key: &str| -> Result<Vec<f32>> {
            Ok(file.read_f64_1(key).map_err(bad)?.iter().map(|x| *x as f32).collect())
        };
        let format = text("format")?;
        if format != FORMAT {
            return Err(Error::Mismatch { what: "format", expected: FORMAT.to_owned(), found: format });
        }
        let vocabulary = size("vocabulary")?;
        let means = if file.keys().contains(&"mean_probability") {
            let matrix = file.read_f64_2("mean_probability").map_err(bad)?;
            if matrix.ncols() != vocabulary {
                return Err(damaged(path, "mean_probability: not one column for each token id"));
            }
            Some(matrix)
        } else {
            None
        };
        let most = one("max_tokens")?;
        let query = QueryConfig {
            context: size("context")?,
            stride: Some(size("stride")?),
            max_tokens: if most < 0 { None } else { Some(size("max_tokens")?) },
            batch: size("batch")?,
            mean_probability: means.is_some(),
        };
        let (nll, pmax, offsets) = (float("nll")?, float("pmax")?, whole("offsets")?);
        let ids = whole("ids")?
            .into_iter()
            .map(|id| u32::try_from(id).map_err(|_| damaged(path, format!("ids: {id} is no token id"))))
            .collect::<Result<Vec<u32>>>()?;
        let names = file.read_text("names").map_err(bad)?;
        let count = offsets.len().saturating_sub(1);
        let means_fit = means.as_ref().is_none_or(|m| m.nrows() == count);
        let ends = offsets.iter().map(|o| usize::try_from(*o).unwrap_or(usize::MAX)).collect::<Vec<usize>>();
        let ordered = ends.windows(2).all(|pair| pair[0] < pair[1]);
        let whole_file = ends.first() == Some(&0) && ends.last() == Some(&ids.len());
        if !ordered || !whole_file || !means_fit || nll.len() + count != ids.len() || pmax.len() != nll.len()
        {
            return Err(damaged(path, "offsets, ids, nll, pmax and mean_probability do not fit one another"));
        }
        let documents = ends
            .windows(2)
            .enumerate()
            .map(|(d, pair)| {
                // Each document before this one lacks its first token among the losses.
                let range = pair[0] - d..pair[1] - d - 1;
                let scores = TokenScores::new(
                    ids[pair[0]..pair[1]].to_vec(),
                    nll[range.clone()].to_vec(),
                    pmax[range].to_vec(),
                )?;
                let mean_probability =
                    means.as_ref().map(|m| m.row(d).iter().map(|p| *p as f32).collect::<Vec<f32>>());
                mean_probability.as_deref().map_or(Ok(()), check_distribution)?;
                Ok(ScoredDocument { scores, mean_probability })
            })
            .collect::<Result<Vec<ScoredDocument>>>()?;
        let table = Self::new(&text("model")?, vocabulary, query, names, documents)?;
        if !file.keys().contains(&"labels") {
            return Ok(table);
        }
        let labels = whole("labels")?;
        if let Some(label) = labels.iter().find(|l| !(0..=1).contains(*l)) {
            return Err(damaged(path, format!("labels: {label} is neither 0 nor 1")));
        }
        table.with_labels(labels.iter().map(|l| *l == 1).collect())
    }
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::file(path, reason)
}
