//! Facts as tokens, and which of them a model knows.

use probes::Taps;
use serde::{Deserialize, Serialize};

use super::{AnswerRule, Fact, Question, answers};
use crate::generate::{GenerateConfig, generate};
use crate::model::HookedLm;
use crate::score::{BATCH_TOKENS, batches};
use crate::{Error, Result, TextTokenizer};

/// How a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerConfig {
    /// Tokens generated, greedily (2, the paper's).
    pub tokens: usize,
    /// Which answers are right (the paper's).
    pub rule: AnswerRule,
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self { tokens: 2, rule: AnswerRule::Prefix }
    }
}

/// A fact as tokens: its prompt, with what the tokenizer puts before a text, and its object as it stands after the prompt
/// and a space.
///
/// # Errors
/// [`Error::Tokenizer`]; [`Error::Prompt`] for a prompt or an object without a token.
pub fn question(tokenizer: &TextTokenizer, fact: &Fact, relation: usize) -> Result<Question> {
    let prompt = tokenizer.encode(&fact.prompt, true)?;
    let spaced = fact.prompt.ends_with(char::is_whitespace) || fact.object.starts_with(char::is_whitespace);
    let space = if spaced { "" } else { " " };
    let whole = tokenizer.encode(&format!("{}{space}{}", fact.prompt, fact.object), true)?;
    let answer = match whole.strip_prefix(prompt.as_slice()) {
        Some(rest) if !rest.is_empty() => rest.to_vec(),
        // The prompt's last token goes on into the object, or something ends every text.
        _ => tokenizer.encode(&fact.object, false)?,
    };
    for (what, ids) in [("prompt", &prompt), ("object", &answer)] {
        if ids.is_empty() {
            return Err(Error::Prompt {
                what: format!("{what} of {:?} ({})", fact.subject, fact.relation),
                found: 0,
                expected: "at least 1".to_owned(),
            });
        }
    }
    Ok(Question { relation, prompt, answer })
}

/// Which facts a model answers rightly, by greedy generation, under hooks that read or edit.
///
/// # Errors
/// [`Error::Shape`] for another number of prompts than facts; [`Error::Parameter`] for no token to generate; those of
/// [`generate`].
pub fn answered<S: AsRef<[u32]>, T: Taps>(
    model: &HookedLm,
    tokenizer: &TextTokenizer,
    facts: &[&Fact],
    prompts: &[S],
    config: &AnswerConfig,
    taps: &mut T,
) -> Result<Vec<bool>> {
    if prompts.len() != facts.len() {
        return Err(Error::shape("prompts of facts", facts.len(), prompts.len()));
    }
    if config.tokens == 0 {
        return Err(Error::Parameter { name: "tokens of an answer", value: 0.0, expected: "at least 1" });
    }
    let context = model.config().context;
    if let Some(i) = prompts.iter().position(|p| p.as_ref().is_empty() || p.as_ref().len() >= context) {
        return Err(Error::Prompt {
            what: format!("prompt of {:?} ({})", facts[i].subject, facts[i].relation),
            found: prompts[i].as_ref().len(),
            expected: format!("from 1 to {}, one less than the context", context - 1),
        });
    }
    let lengths: Vec<usize> = prompts.iter().map(|p| p.as_ref().len()).collect();
    let with = GenerateConfig { max_new_tokens: config.tokens, ..GenerateConfig::default() };
    let mut right = vec![false; facts.len()];
    for batch in batches(&lengths, BATCH_TOKENS)? {
        let rows: Vec<&[u32]> = batch.iter().map(|i| prompts[*i].as_ref()).collect();
        let found = generate(model, &rows, &with, taps)?;
        for ((i, row), new) in batch.iter().zip(rows).zip(&found.tokens) {
            right[*i] = answers(&tokenizer.decode_after(row, new)?, &facts[*i].object, config.rule);
        }
    }
    Ok(right)
}
