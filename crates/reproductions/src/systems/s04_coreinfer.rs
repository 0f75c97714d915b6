//! CoreInfer (Wang et al. 2024) on a small OPT that was trained on five languages.
//!
//! Prompts are first halves of sentences that the model was not trained on; the second halves are decoded with a share of
//! the MLPs' neurons: those that the prompt ranks first, against those that are active most often in training text and
//! against random ones. Do core neurons lose less? And are they a matter of meaning: alike in texts of one language, and
//! settled after some tens of tokens?

mod decoding;
mod semantics;
mod speed;

use burn::tensor::FloatDType;
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use recordings::arrays::ArrayFile;
use tensor_backend::DeviceSpec;

use crate::{Card, Error, Outcome, Plan, Reproduction, Result, Tier};

const ID: &str = "04-coreinfer";
const CONFIG: &str = include_str!("../../../llm-neurons/tests/fixtures/04-coreinfer-pud/opt.config.json");
const WEIGHTS: &[u8] =
    include_bytes!("../../../llm-neurons/tests/fixtures/04-coreinfer-pud/opt.model.f16.safetensors");
const SENTENCES: &[u8] = include_bytes!(
    "../../../llm-neurons/tests/fixtures/00-tiny-multilingual-lm-pud/pud_token_ids.safetensors"
);
const LANGUAGES: [&str; 5] = ["en", "de", "es", "hi", "zh"];
/// Begins a text.
const BOS: u32 = 0;
/// Longest text (the paper's limit for clustering).
const LONGEST: usize = 100;
/// Share of a token's positive activations that is its core (the sheet's, for so small a model).
const ALPHA: f64 = 0.4;
/// The layer whose core sets are compared.
const LAYER: usize = 2;

/// The reproduction of lines 4 to 6 of sheet 04-coreinfer.
pub struct CoreInfer;

impl Reproduction for CoreInfer {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "CoreInfer: Accelerating Large Language Model Inference with Semantics-Inspired Adaptive Sparse \
                    Activation",
            krate: "llm-neurons",
            claim: "The MLP neurons that fire strongest and most often while a prompt is read are enough to write its \
                    answer, and they follow what the prompt is about.",
        }
    }

    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome = Outcome {
            data: vec![
                "a small OPT, trained on sentences of five languages (shipped)".to_owned(),
                "sentences it was not trained on, of the Parallel Universal Dependencies treebanks, CC BY-SA 3.0 \
                 (shipped)"
                    .to_owned(),
            ],
            ..Outcome::default()
        };
        let corpus = Corpus::open(plan)?;
        decoding::run(&corpus, plan, &mut outcome)?;
        semantics::run(&corpus, plan, &mut outcome)?;
        if plan.tier == Tier::Full {
            speed::run(plan, &mut outcome)?;
        }
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// The trained model and its sentences.
struct Corpus {
    model: HookedLm,
    /// By language and sentence, each behind the token that begins a text.
    sentences: Vec<Vec<Vec<u32>>>,
    /// Sentences that the model was trained on.
    train: Vec<usize>,
    /// And those held out.
    held_out: Vec<usize>,
}

impl Corpus {
    fn open(plan: &Plan) -> Result<Self> {
        let device = plan.device.parse::<DeviceSpec>().and_then(|spec| spec.open()).map_err(fail)?.device;
        let folder = tempfile::tempdir().map_err(fail)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).map_err(fail)?;
            Ok::<_, Error>(path)
        };
        let weights = WeightFiles::open_file(&write("model.safetensors", WEIGHTS)?).map_err(fail)?;
        let config = LmConfig::parse(CONFIG).map_err(fail)?;
        let model = HookedLm::from_files(config, &weights, FloatDType::F32, &device).map_err(fail)?;
        let file = ArrayFile::open(&write("sentences.safetensors", SENTENCES)?).map_err(fail)?;
        let index = |key: &str| -> Result<Vec<usize>> {
            let values = file.read_i64_1(key).map_err(fail)?;
            values.iter().map(|x| usize::try_from(*x).map_err(fail)).collect()
        };
        let sentences = LANGUAGES
            .iter()
            .map(|language| {
                let ids = file.read_i64_1(&format!("{language}.ids")).map_err(fail)?;
                let offsets = index(&format!("{language}.offsets"))?;
                let cut = |w: &[usize]| {
                    let words = ids.iter().take(w[1]).skip(w[0]);
                    let words = words.map(|x| u32::try_from(*x).map_err(fail));
                    std::iter::once(Ok(BOS)).chain(words).collect::<Result<Vec<u32>>>()
                };
                offsets.windows(2).map(cut).collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { model, sentences, train: index("train_index")?, held_out: index("val_index")? })
    }

    /// At most `longest` tokens of the first `each` of some sentences, in every language, with the language's number.
    fn texts(&self, of: &[usize], each: usize, longest: usize) -> Vec<(usize, &[u32])> {
        let texts = self.sentences.iter().enumerate().flat_map(|(language, all)| {
            of.iter().take(each).filter_map(move |i| all.get(*i)).map(move |text| (language, text.as_slice()))
        });
        texts.map(|(language, text)| (language, &text[..text.len().min(longest)])).collect()
    }
}
