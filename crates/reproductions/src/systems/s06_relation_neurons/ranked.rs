//! MLP outputs in the order of their average precision, for every relation of a model that knows facts.

use llm_neurons::model::HookedLm;
use llm_neurons::relation::{
    DropMatrix, Expert, NeuronId, Pick, Recall, Responses, collect_responses, examples, expertise, mlp_sites,
    top_neurons,
};
use llm_neurons::score::BATCH_TOKENS;

use super::fail;
use super::knowledge::{HELD_BACK, Knowledge, NAMES};
use crate::Result;

/// The responses to what the model knows of the subjects for detection, and each relation's experts.
pub(super) struct Ranked {
    pub(super) responses: Responses,
    /// The relation of each prompt.
    pub(super) about: Vec<&'static str>,
    /// By relation, in the order of the neurons.
    pub(super) experts: Vec<Vec<Expert>>,
    /// Share of the facts that the model knows.
    pub(super) known: f64,
}

impl Ranked {
    pub(super) fn new(model: &HookedLm, knowledge: &Knowledge, seed: u64) -> Result<Self> {
        let everything = Recall::new(model, knowledge.questions.clone(), BATCH_TOKENS).map_err(fail)?;
        let right: Vec<bool> = everything.with_off(&[]).map_err(fail)?.into_iter().map(|r| r.right).collect();
        let detection: Vec<usize> =
            (0..right.len()).filter(|i| right[*i] && knowledge.subjects[*i] < HELD_BACK).collect();
        let prompts: Vec<&[u32]> =
            detection.iter().map(|i| knowledge.questions[*i].prompt.as_slice()).collect();
        let responses = collect_responses(model, &prompts, &mlp_sites(model), BATCH_TOKENS).map_err(fail)?;
        let about: Vec<&str> = detection.iter().map(|i| NAMES[knowledge.questions[*i].relation]).collect();
        let experts = NAMES
            .iter()
            .map(|name| {
                let chosen = examples(&about, name, seed).map_err(fail)?;
                let of = responses.of_examples(&chosen.index()).map_err(fail)?;
                expertise(&of, &chosen.labels()).map_err(fail)
            })
            .collect::<Result<Vec<Vec<Expert>>>>()?;
        let known = right.iter().filter(|r| **r).count() as f64 / right.len() as f64;
        Ok(Self { responses, about, experts, known })
    }

    /// Number of MLP outputs.
    pub(super) fn neurons(&self) -> usize {
        self.responses.index().len()
    }

    /// The `k` best of each relation.
    pub(super) fn best(&self, k: usize) -> Result<Vec<Vec<NeuronId>>> {
        self.experts.iter().map(|experts| best(experts, k)).collect()
    }
}

/// The `k` neurons of highest average precision.
pub(super) fn best(experts: &[Expert], k: usize) -> Result<Vec<NeuronId>> {
    let top = top_neurons(experts, k, Pick::Top).map_err(fail)?;
    Ok(top.iter().map(|e| e.id).collect())
}

/// What the facts held back lose without some neurons of each relation, in nats an answer and in right answers.
pub(super) fn losses(
    recall: &Recall<'_>,
    sets: &[Vec<NeuronId>],
    seed: u64,
    draws: u64,
) -> Result<(DropMatrix, DropMatrix)> {
    let drops = recall.drops(&NAMES, sets, seed, draws).map_err(fail)?;
    Ok((drops.nll().map_err(fail)?, drops.accuracy().map_err(fail)?))
}
