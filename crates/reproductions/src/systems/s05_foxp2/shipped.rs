//! The small multilingual model and its text, which ship with the sources.

use burn::tensor::FloatDType;
use llm_neurons::foxp2::TokenSets;
use llm_neurons::model::HookedLm;
use recordings::arrays::ArrayFile;
use tensor_backend::DeviceSpec;

use super::fail;
use crate::{Plan, Result};

/// The model and its text, under CC BY-SA 3.0: see the LICENSE beside them.
const CONFIG: &[u8] =
    include_bytes!("../../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/llama.config.json");
const WEIGHTS: &[u8] = include_bytes!(
    "../../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/llama.model.f16.safetensors"
);
const TEXT: &[u8] = include_bytes!(
    "../../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/pud_token_ids.safetensors"
);
const SETS: &str =
    include_str!("../../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/token_sets.json");

/// Most tokens of a sentence.
const LONGEST: usize = 96;

/// The model on the plan's device, and its text.
pub(super) struct Shipped {
    pub(super) model: HookedLm,
    text: ArrayFile,
}

impl Shipped {
    /// Both are read from files, so they are put in some.
    pub(super) fn load(plan: &Plan) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(fail)?;
        let files = [("config.json", CONFIG), ("model.safetensors", WEIGHTS), ("text.safetensors", TEXT)];
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).map_err(fail)?;
        }
        let device = plan.device.parse::<DeviceSpec>().map_err(fail)?.open().map_err(fail)?.device;
        let model = HookedLm::load(folder.path(), FloatDType::F32, &device).map_err(fail)?;
        let text = ArrayFile::open(&folder.path().join("text.safetensors")).map_err(fail)?;
        Ok(Self { model, text })
    }

    /// The first sentences of a language in the order of an index, each after <s> = 0.
    pub(super) fn sentences(&self, language: &str, index: &str, count: usize) -> Result<Vec<Vec<u32>>> {
        let ids = self.text.read_i64_1(&format!("{language}.ids")).map_err(fail)?;
        let offsets = self.text.read_i64_1(&format!("{language}.offsets")).map_err(fail)?;
        let place = |i: i64| usize::try_from(offsets[usize::try_from(i).map_err(fail)?]).map_err(fail);
        let sentence = |i: &i64| {
            let inner = (place(*i)?..place(*i + 1)?).map(|t| u32::try_from(ids[t]).map_err(fail));
            std::iter::once(Ok(0)).chain(inner).take(LONGEST).collect()
        };
        self.text.read_i64_1(index).map_err(fail)?.iter().take(count).map(sentence).collect()
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
        TokenSets::new(set(target)?, set("ascii_alpha")?, self.model.config().vocab).map_err(fail)
    }
}
