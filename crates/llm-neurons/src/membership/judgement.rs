//! An attack beside everything that it must beat: losses of documents and of sequences, and the documents alone.

use serde::Serialize;

use super::attack::AttackConfig;
use super::baselines::{Baseline, MIN_K_PERCENT, ln_perplexity, min_k, zlib};
use super::crossval::{CrossValidation, cross_validate};
use super::frequencies::TokenFrequencies;
use super::roc::{Roc, roc};
use super::table::TokenTable;
use crate::{Error, Result};

/// How an attack is judged.
///
/// | parameter | default | source |
/// |---|---|---|
/// | `sequence` | the table's context - 1 losses | published code: text windows as long as the model's |
/// | `min_k_percent` | 5, 10, 20, 30, 40, 50, 60 | published code |
/// | `frequent_tokens` | 1000 | ours |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgementConfig {
    /// Losses of a sequence; without one, what a window predicts.
    pub sequence: Option<usize>,
    /// Percentages of min-k %.
    pub min_k_percent: Vec<u32>,
    /// Most frequent tokens that the control without a model looks at.
    pub frequent_tokens: usize,
}

impl Default for JudgementConfig {
    fn default() -> Self {
        Self { sequence: None, min_k_percent: MIN_K_PERCENT.to_vec(), frequent_tokens: 1000 }
    }
}

/// What one number of a text tells of membership, without training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineReport {
    /// `perplexity`, `min-k 20 %`, `zlib`.
    pub name: String,
    /// `document` or `sequence`: what is one case.
    pub level: &'static str,
    /// Cases.
    pub cases: usize,
    /// Area under the curve.
    pub auc: f64,
    /// True positive rate at 1 % false positives.
    pub tpr_at_1_percent: f64,
    /// At 5 %.
    pub tpr_at_5_percent: f64,
}

/// An attack, and what stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The attack, each fold judged by what the others taught.
    pub attack: CrossValidation,
    /// The curve of all documents' scores, each from the fold that left it out.
    pub pooled: Roc,
    /// Numbers that need no training.
    pub baselines: Vec<BaselineReport>,
    /// The same classifier on token frequencies: it never asks the model, so what it reaches is no membership but a
    /// difference between the documents.
    pub token_frequencies: CrossValidation,
}

impl Judgement {
    /// A baseline by name and level.
    #[must_use]
    pub fn baseline(&self, name: &str, level: &str) -> Option<&BaselineReport> {
        self.baselines.iter().find(|b| b.name == name && b.level == level)
    }
}

/// Judges an attack on documents whose membership is known, by leaving one fold out at a time. With the documents' texts
/// zlib stands among the baselines.
///
/// # Errors
/// Those of [`cross_validate`]; [`Error::Shape`] for another number of texts; [`Error::Parameter`] for a sequence of no
/// token.
pub fn judge(
    table: &TokenTable,
    members: &[bool],
    folds: &[usize],
    texts: Option<&[String]>,
    attack: &AttackConfig,
    config: &JudgementConfig,
) -> Result<Judgement> {
    let documents = table.documents().len();
    if let Some(texts) = texts.filter(|t| t.len() != documents) {
        return Err(Error::shape("texts of documents", documents, texts.len()));
    }
    let report = cross_validate(table, members, folds, attack)?;
    let losses: Vec<&[f32]> = table.documents().iter().map(|d| d.scores.nll()).collect();
    let mut baselines = losses_alone("document", &losses, members, config)?;
    if let Some(texts) = texts {
        let scores = losses
            .iter()
            .zip(texts)
            .map(|(nll, text)| Ok(Baseline::Zlib.member_score(zlib(nll, text)?)))
            .collect::<Result<Vec<f64>>>()?;
        baselines.push(summary("zlib".to_owned(), "document", &scores, members)?);
    }
    let length = config.sequence.unwrap_or_else(|| table.query().context - 1);
    if length == 0 {
        return Err(Error::Parameter { name: "sequence", value: 0.0, expected: "at least 1 token" });
    }
    let (mut sequences, mut labels) = (Vec::new(), Vec::new());
    for (nll, member) in losses.iter().zip(members) {
        // The rest of a document is no whole sequence; a document that is none is one all the same.
        for sequence in nll.chunks(length).filter(|s| s.len() == length.min(nll.len())) {
            sequences.push(sequence);
            labels.push(*member);
        }
    }
    baselines.extend(losses_alone("sequence", &sequences, &labels, config)?);
    let most = config.frequent_tokens.min(table.vocabulary());
    let token_frequencies =
        TokenFrequencies::cross_validate(table, members, folds, most, &attack.classifier)?;
    Ok(Judgement { pooled: roc(&report.scores, members)?, attack: report, baselines, token_frequencies })
}

/// Perplexity and min-k % of texts.
fn losses_alone(
    level: &'static str,
    losses: &[&[f32]],
    members: &[bool],
    config: &JudgementConfig,
) -> Result<Vec<BaselineReport>> {
    let score = |of: &dyn Fn(&[f32]) -> Result<f64>, baseline: Baseline| {
        losses.iter().map(|nll| Ok(baseline.member_score(of(nll)?))).collect::<Result<Vec<f64>>>()
    };
    let own = score(&|nll| ln_perplexity(nll), Baseline::Perplexity)?;
    let mut reports = vec![summary("perplexity".to_owned(), level, &own, members)?];
    let shortest = losses.iter().map(|nll| nll.len()).min().unwrap_or(0);
    for percent in &config.min_k_percent {
        // A percentage that is no whole token of the shortest text tells nothing.
        if shortest * *percent as usize / 100 > 0 {
            let least = score(&|nll| min_k(nll, *percent), Baseline::MinK(*percent))?;
            reports.push(summary(format!("min-k {percent} %"), level, &least, members)?);
        }
    }
    Ok(reports)
}

fn summary(name: String, level: &'static str, scores: &[f64], members: &[bool]) -> Result<BaselineReport> {
    let curve = roc(scores, members)?;
    Ok(BaselineReport {
        name,
        level,
        cases: scores.len(),
        auc: curve.auc,
        tpr_at_1_percent: curve.true_positive_rate_at(0.01)?,
        tpr_at_5_percent: curve.true_positive_rate_at(0.05)?,
    })
}
