//! The shipped Llama, trained elsewhere on 1500 facts: what its relation neurons do (line 2).

use burn::tensor::{Device, FloatDType};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use llm_neurons::relation::{Question, Recall};
use llm_neurons::score::BATCH_TOKENS;
use recordings::arrays::ArrayFile;

use super::knowledge::Knowledge;
use super::ranked::{Ranked, losses};
use super::{fail, figures, shuffled};
use crate::{Measurement, Outcome, Plan, Result};

/// The model and its facts; trained by us, the facts are drawn at random.
pub(super) const CONFIG: &str =
    include_str!("../../../../llm-neurons/tests/fixtures/06-relation-neurons/kb_llama.config.json");
const WEIGHTS: &[u8] = include_bytes!(
    "../../../../llm-neurons/tests/fixtures/06-relation-neurons/kb_llama.model.f16.safetensors"
);
const FACTS: &[u8] = include_bytes!(
    "../../../../llm-neurons/tests/fixtures/06-relation-neurons/kb_llama.expected.safetensors"
);
/// A tenth of the 480 outputs, as in the sheet.
pub(super) const K: usize = 48;

pub(super) fn run(plan: &Plan, device: &Device, outcome: &mut Outcome) -> Result<()> {
    let (model, knowledge) = load(device)?;
    let ranked = Ranked::new(&model, &knowledge, plan.seed)?;
    let recall = Recall::new(&model, knowledge.held_back(), BATCH_TOKENS).map_err(fail)?;
    let draws = plan.pick(2, 5, 10);
    let (nll, accuracy) = losses(&recall, &ranked.best(K)?, plan.seed, draws)?;
    let (intra, inter, random) = (nll.intra(), nll.inter(), nll.random_mean());
    let said = format!(
        "{intra:.4}, {inter:.4} and {random:.4} nats an answer (own, others, random, {draws} draws); right answers lost \
         {:.1} %, {:.1} % and {:.1} %",
        100.0 * accuracy.intra(),
        100.0 * accuracy.inter(),
        100.0 * accuracy.random_mean()
    );
    outcome.measurements.push(
        Measurement::at_least(
            "stored: loss of a relation without its own neurons, over the others' loss",
            intra / inter,
            5.0,
        )
        .control(1.0)
        .seeds(&[plan.seed])
        .note(said),
    );
    outcome.measurements.push(
        Measurement::at_least(
            "stored: loss of a relation without its own neurons, over that without random ones",
            intra / random,
            4.0,
        )
        .control(1.0)
        .seeds(&[plan.seed])
        .note("the seed draws negatives and random sets; the model is given"),
    );
    outcome.figures.push(figures::matrix(
        "What each relation loses: the shipped model",
        "Increase of the loss of held-out facts in nats an answer, 48 of 480 MLP outputs at zero.",
        &nll,
    )?);
    shuffled::run(plan, &ranked, &recall, outcome)
}

/// The model on a device, and its facts; both are read from files.
fn load(device: &Device) -> Result<(HookedLm, Knowledge)> {
    let folder = tempfile::tempdir().map_err(fail)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).map_err(fail)?;
        Ok(path)
    };
    let weights = WeightFiles::open_file(&write("model.safetensors", WEIGHTS)?).map_err(fail)?;
    let config = LmConfig::parse(CONFIG).map_err(fail)?;
    let model = HookedLm::from_files(config, &weights, FloatDType::F32, device).map_err(fail)?;
    let file = ArrayFile::open(&write("facts.safetensors", FACTS)?).map_err(fail)?;
    let ids = file.read_i64_2("ids").map_err(fail)?;
    let (mut questions, mut subjects) = (Vec::new(), Vec::new());
    let whole = |x: &i64| usize::try_from(*x).map_err(fail);
    let of = file.read_i64_1("relation").map_err(fail)?;
    let about = file.read_i64_1("subject").map_err(fail)?;
    for ((row, relation), subject) in ids.outer_iter().zip(&of).zip(&about) {
        let tokens = row.iter().map(|t| u32::try_from(*t).map_err(fail)).collect::<Result<Vec<u32>>>()?;
        let (prompt, answer) = tokens.split_at(tokens.len() - 1);
        let (prompt, answer) = (prompt.to_vec(), answer.to_vec());
        questions.push(Question { relation: whole(relation)?, prompt, answer });
        subjects.push(whole(subject)?);
    }
    Ok((model, Knowledge { questions, subjects }))
}
