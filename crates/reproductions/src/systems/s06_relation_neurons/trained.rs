//! Llamas trained on such facts from the start, one a seed (line 3).

use burn::tensor::Device;
use llm_neurons::model::{HookedLm, LmConfig};
use llm_neurons::relation::Recall;
use llm_neurons::score::BATCH_TOKENS;
use llm_neurons::training::{LmBatch, LmTrainer, LmTraining};
use numerics::rng::stream;
use numerics::summary::mean;
use probes::NoTaps;
use rand::RngExt;

use super::knowledge::Knowledge;
use super::ranked::{Ranked, losses};
use super::{fail, figures, stored};
use crate::{Measurement, Outcome, Plan, Result};

/// Facts of a step, and the share of the outputs that is switched off, in percent.
const BATCH: usize = 128;
const PERCENT: [usize; 4] = [3, 10, 20, 30];
/// The place in [`PERCENT`] of the share that the claim is about.
const CLAIMED: usize = 1;

/// One seed.
struct Run {
    known: f64,
    loss: f64,
    /// By share: own relation, others, random outputs.
    nll: Vec<[f64; 3]>,
    /// The same of right answers lost.
    accuracy: Vec<[f64; 3]>,
}

pub(super) fn run(plan: &Plan, device: &Device, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(3);
    let runs = seeds.iter().map(|seed| one(*seed, device, outcome)).collect::<Result<Vec<Run>>>()?;
    let own_over =
        |of: usize| runs.iter().map(|r| r.nll[CLAIMED][0] / r.nll[CLAIMED][of]).collect::<Vec<f64>>();
    let known: Vec<String> = runs.iter().map(|r| format!("{:.3} (loss {:.4})", r.known, r.loss)).collect();
    let claims =
        [("others' loss", own_over(1), 4.0, 5.0), ("loss without random ones", own_over(2), 2.5, 3.0)];
    for (what, ratios, each, on_average) in claims {
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let name = format!("trained: loss of a relation without its own neurons, over the {what}");
        outcome.measurements.push(
            Measurement::at_least(&format!("{name}: least seed"), least, each)
                .control(1.0)
                .seeds(&seeds)
                .note(format!("{ratios:.2?}; share of facts known after training: {}", known.join(", "))),
        );
        outcome.measurements.push(
            Measurement::at_least(&format!("{name}: mean"), mean(&ratios), on_average)
                .control(1.0)
                .seeds(&seeds)
                .interval_of(&ratios),
        );
    }
    let grows = runs.iter().map(|r| r.nll.windows(2).filter(|w| w[1][0] > w[0][0]).count()).min();
    let lost = runs.iter().map(|r| r.nll.iter().map(|n| n[0]).collect::<Vec<f64>>()).collect::<Vec<_>>();
    outcome.measurements.push(
        Measurement::equal(
            "trained: steps from 3 to 10, 20 and 30 % of the outputs at which a relation loses more",
            grows.unwrap_or(0) as f64,
            (PERCENT.len() - 1) as f64,
        )
        .seeds(&seeds)
        .note(format!("the least over seeds; nats an answer {lost:.3?}")),
    );
    let right = |of: usize| {
        let lost: Vec<f64> = runs.iter().map(|r| r.accuracy[CLAIMED][of]).collect();
        format!("{:.1} %", 100.0 * mean(&lost))
    };
    if let Some(last) = outcome.measurements.last_mut() {
        *last = last.clone().note(format!(
            "right answers lost at 10 %: own {}, others {}, random {}",
            right(0),
            right(1),
            right(2)
        ));
    }
    let curve = |of: usize| {
        let at = |i: usize| mean(&runs.iter().map(|r| r.nll[i][of]).collect::<Vec<f64>>());
        (0..PERCENT.len()).map(|i| (PERCENT[i] as f64, at(i))).collect::<Vec<(f64, f64)>>()
    };
    outcome.figures.push(figures::curves([curve(0), curve(1), curve(2)])?);
    Ok(())
}

/// Trains a model and switches its relations' neurons off.
fn one(seed: u64, device: &Device, outcome: &mut Outcome) -> Result<Run> {
    let knowledge = Knowledge::drawn(seed);
    let (model, loss) = train(&knowledge, seed, device)?;
    let ranked = Ranked::new(&model, &knowledge, seed)?;
    let recall = Recall::new(&model, knowledge.held_back(), BATCH_TOKENS).map_err(fail)?;
    let (mut by_nll, mut by_accuracy) = (Vec::new(), Vec::new());
    for (i, percent) in PERCENT.iter().enumerate() {
        let sets = ranked.best(ranked.neurons() * percent / 100)?;
        let (nll, accuracy) = losses(&recall, &sets, seed, if i == CLAIMED { 10 } else { 3 })?;
        if i == CLAIMED && outcome.figures.iter().all(|f| f.title != FIRST) {
            let caption = "Increase of the loss of held-out facts in nats an answer, a tenth of the MLP outputs at zero.";
            outcome.figures.push(figures::matrix(FIRST, caption, &nll)?);
        }
        by_nll.push([nll.intra(), nll.inter(), nll.random_mean()]);
        by_accuracy.push([accuracy.intra(), accuracy.inter(), accuracy.random_mean()]);
    }
    Ok(Run { known: ranked.known, loss, nll: by_nll, accuracy: by_accuracy })
}

const FIRST: &str = "What each relation loses: trained from the start, first seed";

/// 1500 steps of AdamW on random facts, of which the answer is predicted; gives the model and the last hundred steps' loss.
fn train(knowledge: &Knowledge, seed: u64, device: &Device) -> Result<(HookedLm, f64)> {
    let config = LmConfig::parse(stored::CONFIG).map_err(fail)?;
    let model = HookedLm::initialise(config, seed, device).map_err(fail)?;
    let texts: Vec<Vec<u32>> =
        knowledge.questions.iter().map(|q| [q.prompt.as_slice(), &q.answer].concat()).collect();
    let plan = LmTraining {
        steps: 1500,
        batch: BATCH,
        window: texts[0].len(),
        rate: 2e-3,
        decay_share: 0.3,
        seed,
        ..LmTraining::default()
    };
    let steps = plan.steps;
    let mut trainer = LmTrainer::new(model, plan).map_err(fail)?;
    let mut last = Vec::new();
    for step in 0..steps {
        let mut draws = stream(seed, "06-relation-neurons/batches", step);
        let chosen: Vec<&[u32]> =
            (0..BATCH).map(|_| texts[draws.random_range(0..texts.len())].as_slice()).collect();
        let first: Vec<usize> = chosen.iter().map(|text| text.len() - 1).collect();
        let batch = LmBatch::endings(&chosen, &first).map_err(fail)?;
        let report = trainer.step(&batch, &mut NoTaps).map_err(fail)?;
        if step + 100 >= steps {
            last.push(report.loss);
        }
    }
    Ok((trainer.model(), mean(&last)))
}
