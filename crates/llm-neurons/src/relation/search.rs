//! From facts to a relation's neurons and what they do.

use numerics::summary::{mean, t_interval};
use probes::{HookSet, NoTaps};
use recordings::{Effect, ModelIdentity, NeuronSet};
use serde::{Deserialize, Serialize};

use super::{
    AnswerConfig, Expert, Fact, NeuronId, Pick, Question, Recall, Recalled, RelationSet, answered,
    collect_responses, deactivate, examples, expertise, mlp_sites, neuron_set, neurons_of, question,
    random_neurons, top_neurons,
};
use crate::model::HookedLm;
use crate::score::BATCH_TOKENS;
use crate::{Error, Result, TextTokenizer};

/// How a relation's neurons are looked for and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Neurons to select; `None`: 0.36 % of the model's MLP outputs, the paper's 3000 of Llama-2 7B's 835,584, and at least
    /// one.
    pub k: Option<usize>,
    /// Which end of the order (the highest average precisions).
    pub pick: Pick,
    /// Facts of each relation held back to judge by (50, the paper's).
    pub evaluation: usize,
    /// How the model is asked which facts it knows.
    pub answer: AnswerConfig,
    /// Random sets beside the selected one (5).
    pub draws: u64,
    /// Most bytes of responses held at a time; layers beyond them are read in further passes (1 GiB).
    pub response_bytes: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            k: None,
            pick: Pick::Top,
            evaluation: 50,
            answer: AnswerConfig::default(),
            draws: 5,
            response_bytes: 1 << 30,
        }
    }
}

/// The paper's share of neurons.
const SHARE: f64 = 3000.0 / 835_584.0;

/// A relation's neurons and what they do to facts whose subjects took no part in the search.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationNeurons {
    /// The selected neurons, best first.
    pub experts: Vec<Expert>,
    /// Neurons they were selected from.
    pub neurons: usize,
    /// Neurons asked for of an end of the order; both ends have as many.
    pub k: usize,
    /// Detection facts of the relation, and how many of them the model knows: the positives.
    pub detection: (usize, usize),
    /// Prompts about other relations they were told from.
    pub negatives: usize,
    /// Facts of the relation to judge by.
    pub evaluated: usize,
    /// Share of them answered rightly: intact, with the neurons off, and the mean with as many random ones off.
    pub accuracy: [f64; 3],
    /// Loss of their objects, in nats an answer: intact, with the neurons off, and the mean with as many random ones off.
    pub nll: [f64; 3],
    /// Increase of that loss, with Student's 95 % interval over facts; the control is the mean over random sets.
    pub effect: Effect,
    /// Increase of the loss of other relations' facts, and of it by random neurons.
    pub others: (f64, f64),
}

/// Looks for the neurons of one relation.
///
/// The facts are split by subject ([`RelationSet::split`]). Of the detection part those count that the model answers
/// rightly; the responses to them and to four times as many prompts about other relations give each neuron's average
/// precision. The best are switched off, and the evaluation facts are judged by the loss of the whole object and by the
/// same rule as the detection facts; beside them as many random neurons, `draws` times.
///
/// # Errors
/// [`Error::Shape`] for a relation that there is not; [`Error::TooFew`] where facts, right answers or others' prompts are
/// too few; [`Error::Parameter`] for no draw; else those of [`answered`], [`collect_responses`] and [`Recall`].
pub fn find_relation_neurons(
    model: &HookedLm,
    tokenizer: &TextTokenizer,
    facts: &RelationSet,
    relation: &str,
    config: &SearchConfig,
    seed: u64,
) -> Result<RelationNeurons> {
    if !facts.relations().contains(&relation) {
        facts.only(&[relation])?;
    }
    if config.draws == 0 {
        return Err(Error::Parameter { name: "draws", value: 0.0, expected: "at least 1" });
    }
    // Relations with too few facts to be judged on are left out; the one that is asked for may not be one of them.
    let large = facts.at_least(config.evaluation.max(1));
    let facts = match &large {
        Some(large) if large.relations().contains(&relation) => large,
        _ => {
            let found = facts.facts().iter().filter(|f| f.relation == relation).count();
            return Err(Error::TooFew { what: "facts of a relation", needed: config.evaluation, found });
        }
    };
    let split = facts.split(seed, config.evaluation)?;
    let of = |index: &[usize]| index.iter().map(|i| &facts.facts()[*i]).collect::<Vec<&Fact>>();
    let (detection, evaluation) = (of(&split.detection), of(&split.evaluation));
    let prompts: Vec<Vec<u32>> =
        questions(model, tokenizer, &detection)?.into_iter().map(|q| q.prompt).collect();
    let asked_later = questions(model, tokenizer, &evaluation)?;
    let known = answered(model, tokenizer, &detection, &prompts, &config.answer, &mut NoTaps)?;
    let (asked, prompts): (Vec<&Fact>, Vec<Vec<u32>>) = detection
        .iter()
        .zip(prompts)
        .zip(&known)
        .filter(|(_, known)| **known)
        .map(|((fact, prompt), _)| (*fact, prompt))
        .unzip();
    let about: Vec<&str> = asked.iter().map(|f| f.relation.as_str()).collect();
    let chosen = examples(&about, relation, seed)?;
    let chosen_prompts: Vec<&[u32]> = chosen.index().into_iter().map(|i| prompts[i].as_slice()).collect();
    let experts = all_experts(model, &chosen_prompts, &chosen.labels(), config.response_bytes)?;
    let neurons = experts.len();
    let k = config.k.unwrap_or_else(|| ((neurons as f64 * SHARE).round() as usize).max(1));
    let experts = top_neurons(&experts, k, config.pick)?;
    let set: Vec<NeuronId> = experts.iter().map(|e| e.id).collect();
    let exam = Exam { model, tokenizer, facts: &evaluation, questions: asked_later, relation };
    let judged = exam.judge(&set, config, seed)?;
    Ok(RelationNeurons {
        experts,
        neurons,
        k,
        detection: (detection.iter().filter(|f| f.relation == relation).count(), chosen.positives.len()),
        negatives: chosen.negatives.len(),
        evaluated: judged.evaluated,
        accuracy: judged.accuracy,
        nll: judged.nll,
        effect: judged.effect,
        others: judged.others,
    })
}

/// The expertise of every MLP output of a model, over as many layers at a time as `bytes` of responses allow, and at least
/// one. The results do not depend on it.
///
/// # Errors
/// Those of [`collect_responses`] and [`expertise`].
pub fn all_experts<S: AsRef<[u32]>>(
    model: &HookedLm,
    prompts: &[S],
    positive: &[bool],
    bytes: usize,
) -> Result<Vec<Expert>> {
    let sites = mlp_sites(model);
    let mut experts = Vec::new();
    let mut from = 0;
    while from < sites.len() {
        let (mut to, mut units) = (from, 0);
        while to < sites.len() {
            // The maps of one layer stay together.
            let end = sites[to..].iter().position(|s| s.0 != sites[to].0).map_or(sites.len(), |n| to + n);
            units += neurons_of(model, &sites[to..end])?.len();
            if to > from && units.saturating_mul(4 * prompts.len()) > bytes {
                break;
            }
            to = end;
        }
        let responses = collect_responses(model, prompts, &sites[from..to], BATCH_TOKENS)?;
        experts.extend(expertise(&responses, positive)?);
        from = to;
    }
    Ok(experts)
}

/// A neuron-set file of one relation's neurons, with their average precisions, the search's parameters and its effect.
///
/// # Errors
/// Those of [`neuron_set`].
pub fn relation_set(
    found: &RelationNeurons,
    relation: &str,
    config: &SearchConfig,
    model: ModelIdentity,
    seed: u64,
    data_sha256: String,
) -> Result<NeuronSet> {
    let mut set = neuron_set(&[(relation, &found.experts)], model, "average-precision", seed)?;
    set.parameters = serde_json::to_value(SearchConfig { k: Some(found.k), ..config.clone() })
        .map_err(|e| Error::Recording { message: format!("parameters of the search: {e}") })?;
    set.data_sha256 = data_sha256;
    set.effect.insert(relation.to_owned(), found.effect.clone());
    Ok(set)
}

/// Facts as tokens; one that is too long is refused by its name before any work is done.
fn questions(model: &HookedLm, tokenizer: &TextTokenizer, facts: &[&Fact]) -> Result<Vec<Question>> {
    let context = model.config().context;
    let of = |fact: &&Fact| {
        let question = question(tokenizer, fact, 0)?;
        let tokens = question.prompt.len() + question.answer.len();
        if tokens > context {
            return Err(Error::Prompt {
                what: format!("prompt and object of {:?} ({})", fact.subject, fact.relation),
                found: tokens,
                expected: format!("at most the context's {context}"),
            });
        }
        Ok(question)
    };
    facts.iter().map(of).collect()
}

/// The facts that neurons are judged by.
struct Exam<'a> {
    model: &'a HookedLm,
    tokenizer: &'a TextTokenizer,
    facts: &'a [&'a Fact],
    questions: Vec<Question>,
    relation: &'a str,
}

/// Evaluation facts with neurons off.
struct Judged {
    evaluated: usize,
    accuracy: [f64; 3],
    nll: [f64; 3],
    effect: Effect,
    others: (f64, f64),
}

impl Exam<'_> {
    fn judge(self, set: &[NeuronId], config: &SearchConfig, seed: u64) -> Result<Judged> {
        let model = self.model;
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..self.facts.len()).partition(|i| self.facts[*i].relation == self.relation);
        let all = neurons_of(model, &mlp_sites(model))?;
        let random = (0..config.draws)
            .map(|draw| random_neurons(&all, set.len(), seed, draw))
            .collect::<Result<Vec<Vec<NeuronId>>>>()?;
        let right = |off: &[NeuronId]| self.accuracy(&own, off, &config.answer);
        let drawn = random.iter().map(|off| right(off)).collect::<Result<Vec<f64>>>()?;
        let accuracy = [right(&[])?, right(set)?, mean(&drawn)];
        let recall = Recall::new(model, self.questions, BATCH_TOKENS)?;
        let (intact, off) = (recall.with_off(&[])?, recall.with_off(set)?);
        let random = random.iter().map(|off| recall.with_off(off)).collect::<Result<Vec<Vec<Recalled>>>>()?;
        let loss = |of: &[usize], x: &[Recalled]| mean(&of.iter().map(|i| x[*i].nll).collect::<Vec<f64>>());
        let by_chance = |of: &[usize]| mean(&random.iter().map(|x| loss(of, x)).collect::<Vec<f64>>());
        let nll = [loss(&own, &intact), loss(&own, &off), by_chance(&own)];
        let increase: Vec<f64> = own.iter().map(|i| off[*i].nll - intact[*i].nll).collect();
        let before = loss(&others, &intact);
        Ok(Judged {
            evaluated: own.len(),
            accuracy,
            effect: Effect {
                value: mean(&increase),
                ci95: t_interval(&increase, 0.95).ok().map(|(low, high)| [low, high]),
                control: Some(nll[2] - nll[0]),
            },
            others: (loss(&others, &off) - before, by_chance(&others) - before),
            nll,
        })
    }

    /// Share of some facts that are answered rightly with neurons off, by the rule that chose the examples.
    fn accuracy(&self, of: &[usize], off: &[NeuronId], rule: &AnswerConfig) -> Result<f64> {
        let facts: Vec<&Fact> = of.iter().map(|i| self.facts[*i]).collect();
        let prompts: Vec<&[u32]> = of.iter().map(|i| self.questions[*i].prompt.as_slice()).collect();
        let mut hooks = HookSet::new();
        deactivate(self.model, &mut hooks, off)?;
        let right = answered(self.model, self.tokenizer, &facts, &prompts, rule, &mut hooks)?;
        Ok(mean(&right.into_iter().map(|r| f64::from(u8::from(r))).collect::<Vec<f64>>()))
    }
}
