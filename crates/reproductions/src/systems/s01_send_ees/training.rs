//! Training with sensitivity dropout: does it keep the answers of a model that goes on learning closer together, and
//! steadier, than normal training, and than dropping as many random units?
//!
//! A small Llama of five languages goes on with Spanish. At each checkpoint it answers twelve prompts ten times over.

use llm_neurons::EigenScoreConvention;
use llm_neurons::model::HookedLm;
use llm_neurons::send::{SampleConfig, SendConfig, SendMask, SendTrainer};
use llm_neurons::training::{LmTrainer, LmTraining};
use numerics::summary::mean;
use rayon::prelude::*;

use super::fail;
use crate::figure::{Series, lines};
use crate::tiny_llama::{BEGIN, ORIGIN, TinyLlama};
use crate::{Measurement, Outcome, Plan, Result};

/// Sheet 01, check 5: checkpoints, steps between them, prompts, their tokens, and the checkpoints that are judged.
const CHECKPOINTS: usize = 12;
const STEPS: usize = 12;
const PROMPTS: usize = 12;
const PROMPT_TOKENS: usize = 8;
const JUDGED: usize = 8;
/// More than the language has.
const ALL: usize = 1 << 18;

/// One way of training, one seed.
struct Run {
    /// EigenScore at each checkpoint after the first, under the mask.
    scores: Vec<f64>,
    /// Mean training loss before each.
    losses: Vec<f64>,
    /// EigenScore at the end, without a mask.
    unmasked: f64,
}

impl Run {
    fn judged(&self) -> &[f64] {
        &self.scores[self.scores.len() - JUDGED..]
    }

    fn level(&self) -> f64 {
        mean(self.judged())
    }

    /// Standard deviation over the judged checkpoints (of the population, as in the sheet).
    fn spread(&self) -> f64 {
        let level = self.level();
        mean(&self.judged().iter().map(|x| (x - level).powi(2)).collect::<Vec<f64>>()).sqrt()
    }

    fn loss(&self) -> f64 {
        self.losses.last().copied().unwrap_or(f64::NAN)
    }
}

fn train(
    model: HookedLm,
    tokens: &[u32],
    prompts: Vec<Vec<u32>>,
    mask: SendMask,
    seed: u64,
) -> llm_neurons::Result<Run> {
    let plan = LmTraining {
        steps: (CHECKPOINTS * STEPS) as u64,
        batch: 8,
        window: 64,
        rate: 2e-3,
        weight_decay: 0.0,
        seed,
        ..LmTraining::default()
    };
    let config = SendConfig {
        mask,
        measure_masked: true,
        prompts: PROMPTS,
        prompt_tokens: PROMPT_TOKENS,
        answers: SampleConfig {
            samples: 10,
            max_new_tokens: 10,
            temperature: 0.5,
            top_k: None,
            top_p: 1.0,
            convention: EigenScoreConvention::InsideCodeLn,
            alpha: super::ALPHA,
            seed,
            ..SampleConfig::default()
        },
        seed,
        ..SendConfig::default()
    };
    let mut send = SendTrainer::new(LmTrainer::new(model, plan)?, prompts, config)?;
    for _ in 0..CHECKPOINTS {
        for _ in 0..STEPS {
            send.step_on(tokens)?;
        }
        send.checkpoint()?;
    }
    let after = &send.checkpoints()[1..];
    Ok(Run {
        scores: after.iter().map(|c| c.eigenscore).collect(),
        losses: after.iter().filter_map(|c| c.loss).collect(),
        unmasked: send.unmasked_scores()?.0,
    })
}

/// Check 5.
pub(super) fn training(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let llama = TinyLlama::load(plan, super::ID)?;
    let tokens = llama.stream("es", "train_index", ALL)?;
    let held_out = llama.stream("es", "val_index", ALL)?;
    let prompts: Vec<Vec<u32>> = held_out
        .chunk_by(|_, next| *next != BEGIN)
        .filter(|sentence| sentence.len() >= PROMPT_TOKENS)
        .take(PROMPTS)
        .map(|sentence| sentence[..PROMPT_TOKENS].to_vec())
        .collect();
    let seeds = plan.seeds(plan.pick(1, 3, 10));
    let modes = [SendMask::None, SendMask::Random, SendMask::Sensitive];
    let jobs: Vec<(u64, SendMask)> = seeds.iter().flat_map(|s| modes.map(|mode| (*s, mode))).collect();
    let one = |(seed, mode): &(u64, SendMask)| {
        train(llama.model.clone(), &tokens, prompts.clone(), *mode, *seed).map_err(fail)
    };
    // On the processor the runs share its cores; a card takes them one by one.
    let runs: Vec<Run> = if plan.device == "cpu" {
        jobs.par_iter().map(one).collect::<Result<_>>()?
    } else {
        jobs.iter().map(one).collect::<Result<_>>()?
    };
    let trios: Vec<&[Run]> = runs.chunks(modes.len()).collect();
    report(&trios, &seeds, outcome);
    figure(&trios, outcome)?;
    outcome.data.push(ORIGIN.to_owned());
    Ok(())
}

fn report(trios: &[&[Run]], seeds: &[u64], outcome: &mut Outcome) {
    let of = |f: &dyn Fn(&Run, &Run, &Run) -> f64| -> Vec<f64> {
        trios.iter().map(|t| f(&t[0], &t[1], &t[2])).collect()
    };
    let worst = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let three = |f: &dyn Fn(&Run) -> f64| {
        let figures = [0, 1, 2].map(|mode| mean(&trios.iter().map(|t| f(&t[mode])).collect::<Vec<f64>>()));
        format!("normal {:.3}, random {:.3}, SenD {:.3}", figures[0], figures[1], figures[2])
    };
    let lower = of(&|normal, _, send| send.level() - normal.level());
    let by_chance = of(&|normal, random, _| random.level() - normal.level());
    outcome.measurements.push(
        Measurement::at_most("training: EigenScore, SenD less normal, the largest of the seeds", worst(&lower), -0.08)
            .baseline(0.0)
            .control(worst(&by_chance))
            .seeds(seeds)
            .interval_of(&lower)
            .note(format!(
                "mean of the last {JUDGED} checkpoints, mask in place: {}; at the end, without a mask: {}; control: random \
                 units",
                three(&Run::level),
                three(&|r| r.unmasked)
            )),
    );
    for (name, against) in [("normal", 0), ("random", 1)] {
        let ratios: Vec<f64> = trios.iter().map(|t| t[2].spread() / t[against].spread()).collect();
        let below = ratios.iter().filter(|r| **r < 1.0).count();
        outcome.measurements.push(
            Measurement::at_most(
                &format!("training: spread over checkpoints, SenD over {name}, the largest of the seeds"),
                worst(&ratios),
                1.0,
            )
            .baseline(1.0)
            .seeds(seeds)
            .interval_of(&ratios)
            .note(format!(
                "below 1 in {below} of {}; standard deviations: {}",
                ratios.len(),
                three(&Run::spread)
            )),
        );
    }
    let losses = of(&|normal, _, send| (send.loss() / normal.loss() - 1.0).abs());
    let random = of(&|normal, random, _| (random.loss() / normal.loss() - 1.0).abs());
    outcome.measurements.push(
        Measurement::at_most(
            "training: loss, SenD apart from normal, the largest of the seeds",
            worst(&losses),
            0.1,
        )
        .baseline(0.0)
        .control(worst(&random))
        .seeds(seeds)
        .interval_of(&losses)
        .note(format!("relative, before the last checkpoint; nats a token: {}", three(&Run::loss))),
    );
}

fn figure(trios: &[&[Run]], outcome: &mut Outcome) -> Result<()> {
    let names = ["normal", "random units", "SenD"];
    let series: Vec<Series> = names
        .iter()
        .enumerate()
        .map(|(mode, name)| Series {
            name: (*name).to_owned(),
            points: (0..CHECKPOINTS)
                .map(|t| {
                    let scores: Vec<f64> = trios.iter().map(|trio| trio[mode].scores[t]).collect();
                    ((t + 1) as f64, mean(&scores))
                })
                .collect(),
        })
        .collect();
    outcome.figures.push(lines(
        "EigenScore while a small Llama goes on with Spanish",
        &format!(
            "Mean of {PROMPTS} prompts with ten answers each and of {} seeds, mask in place. A mask comes first after the \
             third checkpoint and stays for three.",
            trios.len()
        ),
        "checkpoint",
        "EigenScore",
        &series,
    )?);
    Ok(())
}
