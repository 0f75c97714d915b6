//! Which tokens are of the target language, and which of the source.

use clap::ValueEnum;
use llm_neurons::TextTokenizer;
use llm_neurons::foxp2::{TargetLanguage, TokenSets};

use super::super::model::failure;
use crate::failure::{Failure, Result};

/// How tokens are told apart: by script (a letter of the target's script, or ASCII with a letter), by how many times as
/// frequent they are in one text as in the other, or by script where source and target are en and one of hi, zh, bn, te
/// and else by frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Rule {
    Auto,
    Script,
    Frequency,
}

impl Rule {
    /// Whether script tells these languages' tokens apart.
    pub(super) fn by_script(self, source: &str, target: &str) -> bool {
        // Spanish shares its letters with English but for a few accented ones.
        let own = || TargetLanguage::from_code(target).is_ok_and(|l| l != TargetLanguage::Spanish);
        match self {
            Self::Auto => source == "en" && own(),
            Self::Script => true,
            Self::Frequency => false,
        }
    }

    /// The sets of a vocabulary, for these languages and their texts.
    ///
    /// # Errors
    /// A failure of kind `input` for a language without a script here, or sets that are empty.
    pub(super) fn sets(
        self,
        tokenizer: &TextTokenizer,
        vocabulary: usize,
        [source, target]: [(&str, &[Vec<u32>]); 2],
        (ratio, least): (f64, u64),
    ) -> Result<TokenSets> {
        if self.by_script(source.0, target.0) {
            let language = TargetLanguage::from_code(target.0);
            let language = language.map_err(|e| {
                Failure::input(format!("--token-sets script: {e} (--token-sets frequency takes any)"))
            })?;
            let bytes = tokenizer.token_bytes(vocabulary);
            return TokenSets::from_ranges(&bytes, language.ranges(), &tokenizer.special_ids(), true)
                .map_err(failure);
        }
        let special = tokenizer.special_ids();
        let count = |texts: &[Vec<u32>]| {
            let mut counts = vec![0_u64; vocabulary];
            for token in texts.iter().flatten().map(|t| *t as usize).filter(|t| !special.contains(t)) {
                if let Some(count) = counts.get_mut(token) {
                    *count += 1;
                }
            }
            counts
        };
        TokenSets::from_frequencies(&count(target.1), &count(source.1), ratio, least).map_err(failure)
    }
}
