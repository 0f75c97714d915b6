//! What this system asks of the small multilingual model: sentences, and sets of tokens.

use llm_neurons::foxp2::TokenSets;
use llm_neurons::model::HookedLm;

use super::{ID, fail};
use crate::tiny_llama::{BEGIN, TinyLlama};
use crate::{Plan, Result};

const SETS: &str =
    include_str!("../../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/token_sets.json");

/// Most tokens of a sentence.
const LONGEST: usize = 96;

/// The model on the plan's device, and its text.
pub(super) struct Shipped(TinyLlama);

impl Shipped {
    pub(super) fn load(plan: &Plan) -> Result<Self> {
        TinyLlama::load(plan, ID).map(Self)
    }

    pub(super) fn model(&self) -> &HookedLm {
        &self.0.model
    }

    /// The first sentences of a language in the order of an index, each after `<s>`.
    pub(super) fn sentences(&self, language: &str, index: &str, count: usize) -> Result<Vec<Vec<u32>>> {
        let all = self.0.sentences(language, index)?.into_iter().take(count);
        Ok(all.map(|s| std::iter::once(BEGIN).chain(s).take(LONGEST).collect()).collect())
    }

    /// Tokens with a letter of the target's script, and of ASCII.
    pub(super) fn sets(&self, target: &str) -> Result<TokenSets> {
        let sets: serde_json::Value = serde_json::from_str(SETS).map_err(fail)?;
        let set = |name: &str| -> Result<Vec<usize>> {
            let ids = sets[name].as_array().ok_or_else(|| fail(format!("no token set {name}")))?;
            let id = |v: &serde_json::Value| {
                let id = v.as_u64().ok_or_else(|| fail(format!("a token of {name} is no number")))?;
                usize::try_from(id).map_err(fail)
            };
            ids.iter().map(id).collect()
        };
        TokenSets::new(set(target)?, set("ascii_alpha")?, self.0.model.config().vocab).map_err(fail)
    }
}
