//! The attack on a transformer: a small Llama of five languages reads 50 of 100 documents once, and four times.
//!
//! A document is five held-out sentences of one language, drawn at random; every second one is a member. The model is asked
//! before it has read them, after one epoch, and after four.

use llm_neurons::membership::{
    AttackConfig, ClassifierConfig, Features, ForestConfig, Judgement, JudgementConfig, NormalizerKind,
    QueryConfig, TokenTable, judge, stratified_folds,
};
use llm_neurons::model::HookedLm;
use llm_neurons::training::{LmTrainer, LmTraining};
use numerics::rng::{permutation, stream};
use numerics::summary::mean;
use probes::NoTaps;

use super::fail;
use crate::figure::{Series, lines};
use crate::tiny_llama::{BEGIN, END, LANGUAGES, ORIGIN, TinyLlama};
use crate::{Measurement, Outcome, Plan, Result};

/// Sentences of a document, and its most tokens (sheet 02, check 4).
const SENTENCES: usize = 5;
const TOKENS: usize = 260;
/// Windows of a step, tokens of a window in training and asking.
const BATCH: usize = 8;
const WINDOW: usize = 64;
const RATE: f64 = 1e-3;
const TREES: usize = 300;
const FOLDS: usize = 5;
/// Epochs after which the model is asked.
const ONCE: usize = 1;
const OFTEN: usize = 4;
/// Where the area lies for a model that has read nothing; what it must reach after one epoch and after four; what it must
/// gain over the perplexity of sequences.
const CHANCE: [f64; 2] = [0.35, 0.65];
const REACHED: f64 = 0.80;
const GAINED: f64 = 0.06;
const KNOWN: f64 = 0.97;

/// What one seed gave, by epochs read.
struct Trial {
    /// Epochs and what the attack found after them.
    epochs: Vec<(usize, Judgement)>,
}

impl Trial {
    fn run(llama: &TinyLlama, seed: u64, epochs: usize) -> Result<Self> {
        let model = &llama.model;
        let documents = documents(llama, seed)?;
        let members: Vec<bool> = (0..documents.len()).map(|i| i % 2 == 0).collect();
        let read: Vec<u32> = documents.iter().step_by(2).flat_map(|(_, ids)| ids).copied().collect();
        let steps = read.len() / (BATCH * WINDOW);
        let plan = LmTraining {
            steps: (steps * epochs) as u64,
            batch: BATCH,
            window: WINDOW,
            rate: RATE,
            seed,
            ..LmTraining::default()
        };
        let mut found = vec![(0, ask(model, &documents, &members, seed)?)];
        let mut trainer = LmTrainer::new(model.clone(), plan).map_err(fail)?;
        for epoch in 1..=epochs {
            for _ in 0..steps {
                trainer.step_on(&read, &mut NoTaps).map_err(fail)?;
            }
            found.push((epoch, ask(&trainer.model(), &documents, &members, seed)?));
        }
        Ok(Self { epochs: found })
    }

    fn after(&self, epochs: usize) -> Option<&Judgement> {
        self.epochs.iter().find(|(n, _)| *n == epochs).map(|(_, found)| found)
    }
}

/// Adds the measurements of this check: one seed and one epoch in quick and continuous-integration runs, else five seeds and
/// four epochs.
pub(super) fn measure(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let epochs = plan.pick(ONCE, ONCE, OFTEN);
    let seeds = plan.seeds(plan.pick(1, 1, 5));
    let llama = TinyLlama::load(plan, super::ID)?;
    let trials =
        seeds.iter().map(|seed| Trial::run(&llama, *seed, epochs)).collect::<Result<Vec<Trial>>>()?;
    outcome.data.push(ORIGIN.to_owned());
    report(&trials, &seeds, outcome);
    figure(&trials, outcome)
}

/// 20 documents of each language, in whose sentences every held-out sentence stands once, each between <s> = 0 and </s> = 1.
fn documents(llama: &TinyLlama, seed: u64) -> Result<Vec<(String, Vec<u32>)>> {
    let mut documents = Vec::new();
    for (l, language) in LANGUAGES.iter().enumerate() {
        let sentences = llama.sentences(language, "val_index")?;
        let mut draws = stream(seed, "02-document-membership/sentences", l as u64);
        for (d, chosen) in permutation(&mut draws, sentences.len()).chunks_exact(SENTENCES).enumerate() {
            let mut document: Vec<u32> =
                chosen.iter().flat_map(|i| [&[BEGIN], &sentences[*i][..], &[END]].concat()).collect();
            document.truncate(TOKENS);
            documents.push((format!("{language} {d}"), document));
        }
    }
    Ok(documents)
}

/// The attack on what a model says of the documents.
fn ask(model: &HookedLm, documents: &[(String, Vec<u32>)], members: &[bool], seed: u64) -> Result<Judgement> {
    let query = QueryConfig { context: WINDOW, mean_probability: false, ..QueryConfig::default() };
    let (table, _) = TokenTable::score(model, "fine-tuned", documents, &query, 2).map_err(fail)?;
    let folds = stratified_folds(members, FOLDS, seed).map_err(fail)?;
    let attack = AttackConfig {
        normalizer: NormalizerKind::RatioTf,
        features: Features::Aggregate { count: false },
        classifier: ClassifierConfig::Forest(ForestConfig { trees: TREES, seed, ..ForestConfig::default() }),
    };
    judge(&table, members, &folds, None, &attack, &JudgementConfig::default()).map_err(fail)
}

fn document(found: &Judgement) -> f64 {
    found.attack.auc.mean
}

fn baseline(found: &Judgement, level: &str) -> f64 {
    found.baseline("perplexity", level).map_or(f64::NAN, |b| b.auc)
}

fn report(trials: &[Trial], seeds: &[u64], outcome: &mut Outcome) {
    let over = |epochs: usize, pick: &dyn Fn(&Judgement) -> f64| -> Vec<f64> {
        trials.iter().filter_map(|t| t.after(epochs)).map(pick).collect()
    };
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let all = |values: &[f64]| values.iter().map(|x| format!("{x:.3}")).collect::<Vec<String>>().join(", ");
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let [low, high] = CHANCE;
    let before = over(0, &document);
    for (name, value) in [("least", least(&before)), ("largest", largest(&before))] {
        outcome.measurements.push(
            Measurement::within(&format!("fine-tuned Llama: {name} AUC before training"), value, low, high)
                .baseline(mean(&over(0, &|f| baseline(f, "sequence"))))
                .control(mean(&over(0, &|f| f.token_frequencies.auc.mean)))
                .seeds(seeds)
                .note(format!("a model that read none of the documents; seeds: {}", all(&before))),
        );
    }
    let once = over(ONCE, &document);
    let sequence = over(ONCE, &|f| baseline(f, "sequence"));
    let loss = over(ONCE, &|f| baseline(f, "document"));
    let frequencies = over(ONCE, &|f| f.token_frequencies.auc.mean);
    outcome.measurements.push(
        Measurement::at_least("fine-tuned Llama: least AUC after one epoch", least(&once), REACHED)
            .baseline(mean(&sequence))
            .control(mean(&frequencies))
            .seeds(seeds)
            .note(format!(
                "mean {:.3}; seeds: {}; baseline: perplexity of sequences of 63 losses (mean); control: token frequencies, \
                 the model not asked",
                mean(&once),
                all(&once)
            )),
    );
    let gains = |others: &[f64]| -> Vec<f64> { once.iter().zip(others).map(|(a, b)| a - b).collect() };
    for (name, others, bound) in
        [("the perplexity of sequences", &sequence, GAINED), ("the mean loss of documents", &loss, 0.0)]
    {
        let gained = gains(others);
        outcome.measurements.push(
            Measurement::at_least(
                &format!("fine-tuned Llama: least gain over {name} after one epoch"),
                least(&gained),
                bound,
            )
            .seeds(seeds)
            .note(format!(
                "mean {:.3}; seeds: {}; its AUC: {:.3}",
                mean(&gained),
                all(&gained),
                mean(others)
            )),
        );
    }
    let often = over(OFTEN, &document);
    if !often.is_empty() {
        outcome.measurements.push(
            Measurement::at_least("fine-tuned Llama: least AUC after four epochs", least(&often), KNOWN)
                .baseline(mean(&over(OFTEN, &|f| baseline(f, "sequence"))))
                .control(mean(&over(OFTEN, &|f| f.token_frequencies.auc.mean)))
                .seeds(seeds)
                .note(format!(
                    "mean {:.3}; seeds: {}; mean loss of documents: {:.3}",
                    mean(&often),
                    all(&often),
                    mean(&over(OFTEN, &|f| baseline(f, "document")))
                )),
        );
    }
}

fn figure(trials: &[Trial], outcome: &mut Outcome) -> Result<()> {
    let Some(first) = trials.first() else { return Ok(()) };
    let curve = |name: &str, pick: &dyn Fn(&Judgement) -> f64| Series {
        name: name.to_owned(),
        points: first
            .epochs
            .iter()
            .map(|(n, _)| {
                let values: Vec<f64> = trials.iter().filter_map(|t| t.after(*n)).map(pick).collect();
                (*n as f64, mean(&values))
            })
            .collect(),
    };
    outcome.figures.push(lines(
        "Reading a document again and again",
        &format!("A small Llama reads 50 of 100 documents. Mean over {} seeds; 0.5 is chance.", trials.len()),
        "epochs",
        "AUC",
        &[
            curve("document, forest", &document),
            curve("document, mean loss", &|f| baseline(f, "document")),
            curve("sequence, perplexity", &|f| baseline(f, "sequence")),
            curve("token frequencies", &|f| f.token_frequencies.auc.mean),
        ],
    )?);
    Ok(())
}
