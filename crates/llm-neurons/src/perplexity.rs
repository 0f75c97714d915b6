//! Perplexity of texts longer than a context.
//!
//! A model with a context of C tokens reads windows of C tokens that begin every C / 2: each token is predicted once, by the
//! first window that has it, so that after the first window every prediction sees at least C / 2 tokens. A recurrence has no
//! window: it reads a text from its beginning to its end, in pieces, and carries its state from one to the next.

use probes::Taps;

use crate::language_model::LanguageModel;
use crate::membership::{QueryConfig, TokenWindow};
use crate::score::{Nll, stream_logprobs, token_logprobs};
use crate::{Error, Result};

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Tokens of a window; none for a recurrence.
    pub window: Option<usize>,
    /// From one window's beginning to the next.
    pub stride: Option<usize>,
}

impl Windows {
    /// Those of a model: its context, and half of it.
    #[must_use]
    pub fn of(model: &impl LanguageModel) -> Self {
        let window = model.context();
        Self { window, stride: window.map(|n| (n / 2).max(1)) }
    }
}

/// Mean negative log-likelihood of texts, `exp` of which is the perplexity; each token of a text but its first is predicted
/// once, and texts share no context.
///
/// `batch_tokens` bounds what goes through the model at a time ([`BATCH_TOKENS`](crate::score::BATCH_TOKENS)).
///
/// # Errors
/// [`Error::TooFew`] for no text, or one of fewer than two tokens; [`Error::Parameter`] for `batch_tokens = 0` or a context
/// below two tokens; those of [`token_logprobs`].
pub fn perplexity<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Nll> {
    Nll::of(&text_logprobs(model, texts, batch_tokens, taps)?)
}

/// `ln p` of each token of each text but its first, as [`perplexity`] averages them.
///
/// # Errors
/// Those of [`perplexity`].
pub fn text_logprobs<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Vec<Vec<f64>>> {
    let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
    if let Some(short) = texts.iter().find(|text| text.len() < 2) {
        return Err(Error::TooFew { what: "tokens of a text", needed: 2, found: short.len() });
    }
    let Windows { window: Some(context), stride } = Windows::of(model) else {
        return recurrent(model, &texts, batch_tokens, taps);
    };
    let config = QueryConfig { context, stride, ..QueryConfig::default() };
    let mut windows: Vec<(usize, TokenWindow<'_>)> = Vec::new();
    for (text, ids) in texts.iter().enumerate() {
        windows.extend(config.windows(ids)?.map(|window| (text, window)));
    }
    let ids: Vec<&[u32]> = windows.iter().map(|(_, window)| window.ids).collect();
    let mut found: Vec<Vec<f64>> = texts.iter().map(|text| Vec::with_capacity(text.len() - 1)).collect();
    for ((text, window), logprobs) in windows.iter().zip(token_logprobs(model, &ids, batch_tokens, taps)?) {
        found[*text].extend(logprobs.iter().skip(window.from - 1));
    }
    Ok(found)
}

/// Short texts in batches, long ones each on its own.
fn recurrent<T: Taps>(
    model: &impl LanguageModel,
    texts: &[&[u32]],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Vec<Vec<f64>>> {
    let (short, long): (Vec<usize>, Vec<usize>) =
        (0..texts.len()).partition(|i| texts[*i].len() <= batch_tokens.saturating_add(1));
    let mut found = vec![Vec::new(); texts.len()];
    let some: Vec<&[u32]> = short.iter().map(|i| texts[*i]).collect();
    for (i, logprobs) in short.into_iter().zip(token_logprobs(model, &some, batch_tokens, taps)?) {
        found[i] = logprobs;
    }
    for i in long {
        found[i] = stream_logprobs(model, texts[i], batch_tokens, taps)?;
    }
    Ok(found)
}
