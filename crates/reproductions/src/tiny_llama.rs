//! A small Llama of five languages and its text, which ship with the sources, for the systems that ask a trained model.

use burn::tensor::FloatDType;
use llm_neurons::model::HookedLm;
use recordings::arrays::ArrayFile;
use tensor_backend::DeviceSpec;

use crate::{Error, Plan, Result};

/// Model and text are under CC BY-SA 3.0: see the LICENSE beside them.
const CONFIG: &[u8] =
    include_bytes!("../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/llama.config.json");
const WEIGHTS: &[u8] = include_bytes!(
    "../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/llama.model.f16.safetensors"
);
const TEXT: &[u8] =
    include_bytes!("../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/pud_token_ids.safetensors");

/// Its languages.
pub(crate) const LANGUAGES: [&str; 5] = ["en", "de", "es", "hi", "zh"];
/// What the report says of it.
pub(crate) const ORIGIN: &str =
    "a small Llama of five languages and its text (shipped; from PUD, CC BY-SA 3.0)";
/// The tokens before and after a sentence, `<s>` and `</s>`.
pub(crate) const BEGIN: u32 = 0;
pub(crate) const END: u32 = 1;

/// The model on a plan's device, and its text.
pub(crate) struct TinyLlama {
    pub(crate) model: HookedLm,
    text: ArrayFile,
    system: &'static str,
}

impl TinyLlama {
    /// For `system`, which failures name. Model and text are read from files, so they are put in some.
    pub(crate) fn load(plan: &Plan, system: &'static str) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| Error::system(system, e))?;
        let files = [("config.json", CONFIG), ("model.safetensors", WEIGHTS), ("text.safetensors", TEXT)];
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).map_err(|e| Error::system(system, e))?;
        }
        let opened = plan.device.parse::<DeviceSpec>().and_then(|spec| spec.open());
        let device = opened.map_err(|e| Error::system(system, e))?.device;
        let model = HookedLm::load(folder.path(), FloatDType::F32, &device);
        let text = ArrayFile::open(&folder.path().join("text.safetensors"));
        Ok(Self {
            model: model.map_err(|e| Error::system(system, e))?,
            text: text.map_err(|e| Error::system(system, e))?,
            system,
        })
    }

    /// The sentences of a language in the order of an index, `train_index` or `val_index`, without the tokens around them.
    pub(crate) fn sentences(&self, language: &str, index: &str) -> Result<Vec<Vec<u32>>> {
        let fail = |what: &str| Error::system(self.system, format!("{what} of the shipped text"));
        let read = |name: &str| self.text.read_i64_1(name).map_err(|e| Error::system(self.system, e));
        let ids = read(&format!("{language}.ids"))?;
        let offsets = read(&format!("{language}.offsets"))?;
        let place = |i: usize| {
            let at = offsets.get(i).and_then(|at| usize::try_from(*at).ok());
            at.filter(|at| *at <= ids.len()).ok_or_else(|| fail("an offset"))
        };
        let sentence = |i: &i64| {
            let i = usize::try_from(*i).map_err(|_| fail("an index"))?;
            let tokens =
                (place(i)?..place(i + 1)?).map(|t| u32::try_from(ids[t]).map_err(|_| fail("a token")));
            tokens.collect()
        };
        read(index)?.iter().map(sentence).collect()
    }

    /// The first tokens of a language's sentences, each between `<s>` and `</s>`.
    pub(crate) fn stream(&self, language: &str, index: &str, tokens: usize) -> Result<Vec<u32>> {
        let sentences = self.sentences(language, index)?;
        let whole = sentences.into_iter().flat_map(|s| [vec![BEGIN], s, vec![END]].concat());
        Ok(whole.take(tokens).collect())
    }
}
