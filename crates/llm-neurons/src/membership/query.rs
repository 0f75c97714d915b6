//! Scoring a document: windows, and one loss for every token but the first.

use serde::{Deserialize, Serialize};

use super::scorer::{TokenScorer, TokenWindow, ask, check_ids};
use crate::{Error, Result};

/// Rounding of a softmax in 32 bits over a large vocabulary: how far a probability may leave `[0, 1]`.
const ROUNDING: f32 = 1e-4;

/// How the model is asked.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `context` | tokens | 128 | the paper's best of 128, 1024 and 2048 |
/// | `stride` | tokens | `context - 1` | the paper: each token is predicted once, from 1 to `context - 1` tokens |
/// | `max_tokens` | tokens | none | the paper's mitigation "partial documents" |
/// | `batch` | windows | 32 | ours; bounds the memory of a call |
/// | `mean_probability` | | true | needed by the general-probability normalisers alone |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Tokens of a window, the first counted.
    pub context: usize,
    /// From one window's beginning to the next. A smaller stride gives every token more context: only tokens that no
    /// earlier window predicted are scored.
    pub stride: Option<usize>,
    /// Only this many tokens of a document are looked at.
    pub max_tokens: Option<usize>,
    /// Windows in one call of the model.
    pub batch: usize,
    /// Whether the mean prediction over the document is kept.
    pub mean_probability: bool,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self { context: 128, stride: None, max_tokens: None, batch: 32, mean_probability: true }
    }
}

impl QueryConfig {
    /// The stride that holds: the one given, or `context - 1`.
    #[must_use]
    pub fn effective_stride(&self) -> usize {
        self.stride.unwrap_or_else(|| self.context.saturating_sub(1))
    }

    /// Whether the settings agree with one another.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a context below 2, a stride outside `1..=context - 1` (a larger one leaves tokens without
    /// prediction), fewer than 2 tokens, or an empty batch.
    pub fn validate(&self) -> Result<()> {
        let refuse =
            |name, value: usize, expected| Err(Error::Parameter { name, value: value as f64, expected });
        if self.context < 2 {
            return refuse("context", self.context, "at least 2 tokens");
        }
        if let Some(stride) = self.stride.filter(|s| *s == 0 || *s >= self.context) {
            return refuse("stride", stride, "between 1 and context - 1");
        }
        if let Some(most) = self.max_tokens.filter(|m| *m < 2) {
            return refuse("max_tokens", most, "at least 2 tokens");
        }
        if self.batch == 0 {
            return refuse("batch", 0, "at least 1 window");
        }
        Ok(())
    }

    /// The windows of a document, in order: beginnings `0, stride, 2 stride, ..`, the last one cut at the end. Over all
    /// windows the positions `from..` are every token `1..N` exactly once.
    ///
    /// # Errors
    /// Those of [`QueryConfig::validate`]; [`Error::TooFew`] below two tokens.
    pub fn windows<'a>(&self, ids: &'a [u32]) -> Result<impl Iterator<Item = TokenWindow<'a>> + use<'a>> {
        self.validate()?;
        let ids = &ids[..self.max_tokens.unwrap_or(ids.len()).min(ids.len())];
        if ids.len() < 2 {
            return Err(Error::TooFew { what: "tokens of a document", needed: 2, found: ids.len() });
        }
        let (context, stride) = (self.context, self.effective_stride());
        let mut next = Some(0);
        Ok(std::iter::from_fn(move || {
            let begin: usize = next?;
            let end = ids.len().min(begin.saturating_add(context));
            next = (end < ids.len()).then_some(begin + stride);
            // What the window before reached is context.
            let from = if begin == 0 { 1 } else { context - stride };
            Some(TokenWindow { ids: &ids[begin..end], from })
        }))
    }
}

/// Losses of a document of N tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    ids: Vec<u32>,
    nll: Vec<f32>,
    pmax: Vec<f32>,
}

impl TokenScores {
    /// From the N token ids and, for the tokens `1..N`, `-ln p` and the largest probability.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two tokens, [`Error::Shape`] unless there are N - 1 of both, [`Error::Probability`] for a
    /// probability outside `[0, 1]` (beyond rounding) or NaN. An infinite loss is a probability of 0.
    pub fn new(ids: Vec<u32>, nll: Vec<f32>, pmax: Vec<f32>) -> Result<Self> {
        if ids.len() < 2 {
            return Err(Error::TooFew { what: "tokens of a document", needed: 2, found: ids.len() });
        }
        for (what, found) in [("losses", nll.len()), ("largest probabilities", pmax.len())] {
            if found != ids.len() - 1 {
                return Err(Error::Shape {
                    what,
                    expected: format!("{}, one for every token but the first", ids.len() - 1),
                    found: found.to_string(),
                });
            }
        }
        let wrong =
            |what, position, value: f32| Error::Probability { what, position, value: f64::from(value) };
        if let Some(i) = nll.iter().position(|x| x.is_nan() || *x < -ROUNDING) {
            return Err(wrong("the true token's probability", i + 1, (-nll[i]).exp()));
        }
        if let Some(i) = pmax.iter().position(|p| !(0.0..=1.0 + ROUNDING).contains(p)) {
            return Err(wrong("the largest probability", i + 1, pmax[i]));
        }
        Ok(Self { ids, nll, pmax })
    }

    /// The N token ids.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The N - 1 tokens that were predicted, aligned with [`TokenScores::nll`].
    #[must_use]
    pub fn predicted_ids(&self) -> &[u32] {
        &self.ids[1..]
    }

    /// `-ln p` of the tokens `1..N`, nats.
    #[must_use]
    pub fn nll(&self) -> &[f32] {
        &self.nll
    }

    /// The largest probability where the tokens `1..N` were predicted.
    #[must_use]
    pub fn pmax(&self) -> &[f32] {
        &self.pmax
    }
}

/// A document with what a model said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredDocument {
    /// Token by token.
    pub scores: TokenScores,
    /// The mean prediction over the N - 1 positions, `[vocabulary]`, where it was asked for: summed in 64 bits, kept in
    /// 32, as in the file of a [`TokenTable`](super::TokenTable).
    pub mean_probability: Option<Vec<f32>>,
}

/// Asks the model for a document's losses.
///
/// # Errors
/// Those of [`QueryConfig::windows`] and [`TokenScores::new`]; [`Error::Parameter`] for a context beyond the model's,
/// [`Error::TokenOutOfVocabulary`], [`Error::Shape`] for an answer of another size, [`Error::Probability`] for a mean
/// prediction that does not sum to 1, and the model's own.
pub fn score_document(scorer: &dyn TokenScorer, ids: &[u32], config: &QueryConfig) -> Result<ScoredDocument> {
    let vocabulary = scorer.vocabulary();
    let mut windows = config.windows(ids)?;
    if config.context.min(ids.len()) > scorer.longest_context() {
        return Err(Error::Parameter {
            name: "context",
            value: config.context as f64,
            expected: "at most the model's longest context",
        });
    }
    let ids = &ids[..config.max_tokens.unwrap_or(ids.len()).min(ids.len())];
    check_ids(ids, vocabulary)?;
    let mut sum = config.mean_probability.then(|| vec![0.0_f64; vocabulary]);
    let (mut nll, mut pmax) = (Vec::with_capacity(ids.len() - 1), Vec::with_capacity(ids.len() - 1));
    let mut batch = Vec::with_capacity(config.batch.min(ids.len()));
    loop {
        batch.clear();
        batch.extend(windows.by_ref().take(config.batch));
        if batch.is_empty() {
            break;
        }
        for answer in ask(scorer, &batch, sum.as_deref_mut())? {
            nll.extend(answer.nll);
            pmax.extend(answer.pmax);
        }
    }
    let scores = TokenScores::new(ids.to_vec(), nll, pmax)?;
    let positions = scores.nll.len() as f64;
    let mean_probability = sum.map(|s| s.iter().map(|p| (p / positions) as f32).collect::<Vec<f32>>());
    if let Some(mean) = &mean_probability {
        check_distribution(mean)?;
    }
    Ok(ScoredDocument { scores, mean_probability })
}

/// Refuses a vector that is no distribution over tokens.
pub(super) fn check_distribution(p: &[f32]) -> Result<()> {
    let what = "mean prediction";
    if let Some(token) = p.iter().position(|p| !(0.0..=1.0 + ROUNDING).contains(p)) {
        return Err(Error::Probability { what, position: token, value: f64::from(p[token]) });
    }
    let total: f64 = p.iter().map(|p| f64::from(*p)).sum();
    // Half-precision softmaxes sum to 1 within some parts in a thousand.
    if (total - 1.0).abs() > 1e-2 {
        return Err(Error::Probability { what: "sum of a mean prediction", position: 0, value: total });
    }
    Ok(())
}
