//! Did the Neurons Read your Book? Document-level membership inference (Meeus et al. 2024), on a language model of counts.
//!
//! Documents are walks over 200 tokens. All follow one table of successors, but each draws a share of its rows anew: its
//! own habits. A bigram model counts the pairs of half of the documents, over a background that is worth 30000
//! observations of each token, so what it remembers of one document is faint. Does a document's histogram of losses, beside
//! token frequencies, tell the half that was counted from the half that was not? And better than perplexity or Min-20 % of
//! its sequences? The second part asks the same of a transformer that was fine-tuned.

mod fine_tuned;

use llm_neurons::membership::baselines::{Baseline, ln_perplexity, min_k};
use llm_neurons::membership::{
    AttackConfig, BigramModel, ClassifierConfig, CrossValidation, Features, ForestConfig, NormalizerKind,
    QueryConfig, Roc, TokenFrequencies, TokenTable, cross_validate, roc, shuffled_labels, stratified_folds,
};
use ndarray::Array2;
use numerics::rng::{Stream, stream, subset};
use numerics::summary::mean;
use rand::RngExt;
use rand_distr::Gamma;
use rayon::prelude::*;

use crate::figure::{Series, bars, lines};
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result};

const ID: &str = "02-document-membership";
/// Token ids, documents of each kind, tokens of a document, tokens of a sequence (sheet 02, check 3).
const VOCABULARY: usize = 200;
const DOCUMENTS: usize = 120;
const TOKENS: usize = 500;
const SEQUENCE: usize = 100;
/// Concentration of a row of successors: few of them are likely.
const DIRICHLET: f64 = 0.03;
/// What the background is worth in observations of each token.
const KAPPA: f64 = 30_000.0;
const FOLDS: usize = 5;
/// Bins of the histogram.
const BINS: usize = 100;
/// What the attack must reach, and what it must add to the best sequence-level one.
const REACHED: f64 = 0.82;
const GAINED: f64 = 0.10;
/// Where an attack on shuffled labels may lie.
const CHANCE: [f64; 2] = [0.40, 0.60];

/// The reproduction of lines 3 and 4 of sheet 02-document-membership.
pub struct DocumentMembership;

impl Reproduction for DocumentMembership {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Did the Neurons Read your Book? Document-level Membership Inference for Large Language Models",
            krate: "llm-neurons",
            claim: "How a document's token losses are distributed, beside how common its tokens are, tells whether a \
                    model was trained on it, better than any loss of its sequences.",
        }
    }

    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome = Outcome {
            data: vec!["documents of a Markov chain (generated)".to_owned()],
            ..Outcome::default()
        };
        let seeds = plan.seeds(plan.pick(1, 3, 10));
        let controls = plan.pick(2, 4, 10);
        let trials = seeds.iter().map(|seed| Trial::run(*seed, controls)).collect::<Result<Vec<Trial>>>()?;
        report(&trials, &seeds, &mut outcome);
        figures(&trials, &mut outcome)?;
        fine_tuned::measure(plan, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// What one seed gave.
struct Trial {
    document: CrossValidation,
    /// The curve of all documents' scores, each from the fold that left it out.
    pooled: Roc,
    shuffled: Vec<f64>,
    frequencies: f64,
    perplexity: Roc,
    min_20: Roc,
    mean_loss: f64,
}

impl Trial {
    fn best_sequence(&self) -> &Roc {
        if self.perplexity.auc >= self.min_20.auc { &self.perplexity } else { &self.min_20 }
    }

    fn run(seed: u64, controls: u64) -> Result<Self> {
        let (table, members) = documents(seed)?;
        let folds = stratified_folds(&members, FOLDS, seed).map_err(fail)?;
        let forest = ForestConfig { seed, ..ForestConfig::default() };
        let config = AttackConfig {
            normalizer: NormalizerKind::RatioTf,
            features: Features::Histogram { bins: BINS },
            classifier: ClassifierConfig::Forest(forest.clone()),
        };
        let document = cross_validate(&table, &members, &folds, &config).map_err(fail)?;
        let shuffled = (0..controls)
            .map(|control| {
                let labels =
                    shuffled_labels(&members, &folds, seed.wrapping_mul(1000).wrapping_add(control))?;
                Ok(cross_validate(&table, &labels, &folds, &config)?.auc.mean)
            })
            .collect::<llm_neurons::Result<Vec<f64>>>()
            .map_err(fail)?;
        let frequencies = ClassifierConfig::Forest(forest);
        let frequencies =
            TokenFrequencies::cross_validate(&table, &members, &folds, VOCABULARY, &frequencies)
                .map_err(fail)?;
        // Every sequence of every document is one case.
        let sequences = |score: &dyn Fn(&[f32]) -> llm_neurons::Result<f64>| -> Result<Roc> {
            let (mut scores, mut labels) = (Vec::new(), Vec::new());
            for (document, member) in table.documents().iter().zip(&members) {
                for losses in document.scores.nll().chunks_exact(SEQUENCE) {
                    scores.push(score(losses).map_err(fail)?);
                    labels.push(*member);
                }
            }
            roc(&scores, &labels).map_err(fail)
        };
        let means = table
            .documents()
            .iter()
            .map(|d| Ok(Baseline::Perplexity.member_score(ln_perplexity(d.scores.nll())?)))
            .collect::<llm_neurons::Result<Vec<f64>>>()
            .map_err(fail)?;
        Ok(Self {
            pooled: roc(&document.scores, &members).map_err(fail)?,
            document,
            shuffled,
            frequencies: frequencies.auc.mean,
            perplexity: sequences(&|losses| Ok(Baseline::Perplexity.member_score(ln_perplexity(losses)?)))?,
            min_20: sequences(&|losses| Ok(Baseline::MinK(20).member_score(min_k(losses, 20)?)))?,
            mean_loss: roc(&means, &members).map_err(fail)?.auc,
        })
    }
}

/// A row of successors: gamma draws over their sum.
fn row(draws: &mut Stream) -> Result<Vec<f64>> {
    let gamma = Gamma::new(DIRICHLET, 1.0).map_err(fail)?;
    loop {
        let row: Vec<f64> = (0..VOCABULARY).map(|_| draws.sample(gamma)).collect();
        let total: f64 = row.iter().sum();
        // At so small a shape all 200 draws may vanish, once in a very long time.
        if total > 0.0 {
            return Ok(row.into_iter().map(|x| x / total).collect());
        }
    }
}

/// The token that a uniform draw falls on.
fn pick(row: &[f64], draw: f64) -> u32 {
    let mut sum = 0.0;
    let place = row.iter().position(|p| {
        sum += p;
        draw < sum
    });
    place.unwrap_or(VOCABULARY - 1) as u32
}

/// One document: the common table, with a twentieth to a half of its rows drawn anew.
fn document(base: &[Vec<f64>], seed: u64, index: u64) -> Result<Vec<u32>> {
    let mut draws = stream(seed, "02-document-membership/documents", index);
    let share = draws.random_range(0.05..0.5);
    let mut table = base.to_vec();
    for changed in subset(&mut draws, VOCABULARY, (share * VOCABULARY as f64) as usize) {
        table[changed] = row(&mut draws)?;
    }
    let mut ids = vec![draws.random_range(0..VOCABULARY as u32)];
    while let Some(last) = ids.last().filter(|_| ids.len() < TOKENS) {
        let next = pick(&table[*last as usize], draws.random());
        ids.push(next);
    }
    Ok(ids)
}

/// The documents, scored by a model that counted every second one.
fn documents(seed: u64) -> Result<(TokenTable, Vec<bool>)> {
    let mut draws = stream(seed, "02-document-membership/successors", 0);
    let base = (0..VOCABULARY).map(|_| row(&mut draws)).collect::<Result<Vec<Vec<f64>>>>()?;
    let texts = (0..2 * DOCUMENTS as u64)
        .into_par_iter()
        .map(|i| document(&base, seed, i))
        .collect::<Result<Vec<_>>>()?;
    let members: Vec<bool> = (0..texts.len()).map(|i| i % 2 == 0).collect();
    let background = Array2::from_shape_fn((VOCABULARY, VOCABULARY), |(b, c)| {
        0.85 * base[b][c] + 0.15 / VOCABULARY as f64
    });
    let counted: Vec<&[u32]> = texts.iter().step_by(2).map(Vec::as_slice).collect();
    let model = BigramModel::fit(&background.view(), KAPPA, &counted).map_err(fail)?;
    let named: Vec<(String, Vec<u32>)> =
        texts.into_iter().enumerate().map(|(i, ids)| (format!("document {i}"), ids)).collect();
    let (table, _) =
        TokenTable::score(&model, "bigram counts", &named, &QueryConfig::default(), 2).map_err(fail)?;
    Ok((table, members))
}

fn report(trials: &[Trial], seeds: &[u64], outcome: &mut Outcome) {
    let over = |pick: &dyn Fn(&Trial) -> f64| trials.iter().map(pick).collect::<Vec<f64>>();
    let least = |values: &[f64]| values.iter().take(3).copied().fold(f64::INFINITY, f64::min);
    let first = &seeds[..seeds.len().min(3)];
    let auc = over(&|t| t.document.auc.mean);
    let best = over(&|t| t.best_sequence().auc);
    let gains: Vec<f64> = auc.iter().zip(&best).map(|(a, b)| a - b).collect();
    let shuffled = over(&|t| mean(&t.shuffled));
    let frequencies = over(&|t| t.frequencies);
    outcome.measurements.push(
        Measurement::at_least("documents: AUC", mean(&auc), REACHED)
            .baseline(mean(&best))
            .control(mean(&shuffled))
            .seeds(seeds)
            .interval_of(&auc)
            .note("mean over five folds; baseline: the better of perplexity and Min-20 % of sequences; control: shuffled labels"),
    );
    outcome.measurements.push(
        Measurement::at_least("documents: least AUC of the first three seeds", least(&auc), REACHED)
            .baseline(least(&best))
            .seeds(first),
    );
    outcome.measurements.push(
        Measurement::at_least(
            "documents: least gain over the best sequence-level attack, first three seeds",
            least(&gains),
            GAINED,
        )
        .seeds(first)
        .note(format!(
            "AUC of perplexity {:.3}, of Min-20 % {:.3}, of the documents' mean losses {:.3}",
            mean(&over(&|t| t.perplexity.auc)),
            mean(&over(&|t| t.min_20.auc)),
            mean(&over(&|t| t.mean_loss))
        )),
    );
    let [low, high] = CHANCE;
    for (name, pick) in [("least", f64::min as fn(f64, f64) -> f64), ("largest", f64::max)] {
        let start = if name == "least" { f64::INFINITY } else { f64::NEG_INFINITY };
        let value = shuffled.iter().copied().fold(start, pick);
        outcome.measurements.push(
            Measurement::within(&format!("documents: {name} AUC on shuffled labels"), value, low, high)
                .seeds(seeds)
                .note(format!("of the seeds' means over {} shuffles", trials[0].shuffled.len())),
        );
    }
    outcome.measurements.push(
        Measurement::within(
            "documents: AUC of token frequencies, which never ask the model",
            mean(&frequencies),
            low,
            high,
        )
        .seeds(seeds)
        .interval_of(&frequencies)
        .note("members and others are drawn alike: there is no shift to learn"),
    );
    let at_5 = over(&|t| t.document.tpr_at_5_percent.mean);
    outcome.measurements.push(
        Measurement::at_least("documents: members found at 5 % false positives", mean(&at_5), 0.05)
            .control(0.05)
            .seeds(seeds)
            .interval_of(&at_5)
            .note(format!(
                "at 1 %: {:.3}; control: guessing",
                mean(&over(&|t| t.document.tpr_at_1_percent.mean))
            )),
    );
}

fn figures(trials: &[Trial], outcome: &mut Outcome) -> Result<()> {
    let over = |pick: &dyn Fn(&Trial) -> f64| mean(&trials.iter().map(pick).collect::<Vec<f64>>());
    let values = [
        ("document", over(&|t| t.document.auc.mean)),
        ("mean loss", over(&|t| t.mean_loss)),
        ("Min-20 %", over(&|t| t.min_20.auc)),
        ("perplexity", over(&|t| t.perplexity.auc)),
        ("tokens", over(&|t| t.frequencies)),
        ("shuffled", over(&|t| mean(&t.shuffled))),
    ];
    outcome.figures.push(bars(
        "Which attack tells members from others",
        &format!(
            "Area under the curve, mean over {} seeds. Document: losses beside token frequency, a histogram, a forest. \
             Tokens: the same forest on token frequencies alone. 0.5 is chance.",
            trials.len()
        ),
        "AUC",
        &values.map(|(name, value)| (name.to_owned(), value)),
    )?);
    // A hundred points draw a curve as well as a thousand.
    let curve = |name: &str, roc: &Roc| Series {
        name: name.to_owned(),
        points: (0..=100)
            .map(|i| roc.points[i * (roc.points.len() - 1) / 100])
            .map(|p| (p.false_positive_rate, p.true_positive_rate))
            .collect(),
    };
    let first = &trials[0];
    outcome.figures.push(lines(
        "Members found against false alarms",
        "First seed. Documents are scored by the fold that left them out; every sequence of 100 tokens is a case of its own.",
        "false positive rate",
        "true positive rate",
        &[
            curve("document", &first.pooled),
            curve("sequence, Min-20 %", &first.min_20),
            curve("sequence, perplexity", &first.perplexity),
        ],
    )?);
    Ok(())
}
