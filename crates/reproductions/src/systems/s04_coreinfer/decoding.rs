//! How much of dense decoding a share of the neurons keeps.

use burn::tensor::Tensor;
use llm_neurons::core_neurons::{
    Agreement, ClusterBank, ClusterConfig, CoreConfig, CoreInferSession, CoreSource, Ranked, Strategy,
    agreement,
};
use llm_neurons::model::{Forward, Head, HookedLm, Tokens};
use ndarray::Array2;
use numerics::rng::{stream, subset};
use numerics::summary::mean;
use probes::{HookSet, Read};
use rayon::prelude::*;
use recordings::Site;
use tensor_backend::bridge::float_array;

use super::{ALPHA, Corpus, LAYER, LONGEST, fail};
use crate::figure::{Series, lines};
use crate::{Measurement, Outcome, Plan, Result};

/// One figure of an agreement.
type Pick = fn(&Agreement) -> f64;

/// Held-out sentences of each language.
const HELD_OUT: usize = 12;
/// Training sentences of each language, for static neurons and clusters.
const TRAINING: usize = 25;
/// What core neurons must add to the best control's agreement, and at most keep of its loss.
const GAIN: f64 = 0.10;
const LOSS: f64 = 0.65;
/// Shares at which that is asked.
const JUDGED: [f64; 2] = [0.4, 0.6];

/// The ways to choose neurons.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Choice {
    Core,
    Similar,
    Static,
    Random(u64),
}

pub(super) fn run(corpus: &Corpus, plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let model = &corpus.model;
    let (some, all) = ([0.2, 0.4, 0.6, 0.8], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
    let shares: &[f64] = plan.pick(&JUDGED[..], &some[..], &all[..]);
    let seeds = plan.draws(plan.pick(2, 5, 20));
    let training: Vec<&[u32]> =
        corpus.texts(&corpus.train, TRAINING, LONGEST).into_iter().map(|(_, text)| text).collect();
    let hot = most_active(model, &training)?;
    let width = model.config().mlp;
    let clusters = ClusterConfig { beta: 1.0, ..ClusterConfig::new(LAYER, width / 5, plan.seed) };
    let bank = ClusterBank::of_model(model, &training, CoreSource::PreActivation, &clusters).map_err(fail)?;

    let mut choices = vec![Choice::Core, Choice::Similar, Choice::Static];
    choices.extend(seeds.iter().map(|seed| Choice::Random(*seed)));
    let texts = corpus.texts(&corpus.held_out, HELD_OUT, LONGEST);
    // [sentence][share][choice]
    let found = texts
        .par_iter()
        .enumerate()
        .map(|(index, (_, text))| {
            Sentence { model, text, index: index as u64 }.judge(shares, &choices, &hot, &bank)
        })
        .collect::<Result<Vec<_>>>()?;

    let results: Vec<Share> = shares
        .iter()
        .enumerate()
        .map(|(s, share)| {
            let of = |choice: usize| found.iter().map(|sentence| sentence[s][choice]).collect();
            Share { share: *share, choices: (0..choices.len()).map(of).collect() }
        })
        .collect();
    for result in results.iter().filter(|r| JUDGED.contains(&r.share)) {
        result.report(&seeds, bank.clusters(), outcome);
    }
    figures(&results, seeds.len(), outcome)
}

/// What the choices of one share gave, `[choice][sentence]`: core, similar, static, then random ones.
struct Share {
    share: f64,
    choices: Vec<Vec<Agreement>>,
}

impl Share {
    fn values(&self, choice: usize, pick: Pick) -> Vec<f64> {
        self.choices[choice].iter().map(pick).collect()
    }

    /// Means over sentences, of the draws of random neurons.
    fn random(&self, pick: Pick) -> Vec<f64> {
        (3..self.choices.len()).map(|c| mean(&self.values(c, pick))).collect()
    }

    fn report(&self, seeds: &[u64], clusters: usize, outcome: &mut Outcome) {
        let name = |what: &str| format!("keep {}: {what}", self.share);
        let sentences = self.choices[0].len();
        let (top1, nll): (Pick, Pick) = (|a| a.top1, |a| a.delta_nll);
        let note = |similar: f64, best: f64| {
            format!(
                "mean over {sentences} held-out sentences, interval over sentences; baseline: neurons most active in \
                 training text; control: random ones, the best of {} draws {best:.3}; the neurons of the nearest of \
                 {clusters} clusters give {similar:.3}",
                seeds.len()
            )
        };
        let (core, fixed, random) = (self.values(0, top1), mean(&self.values(2, top1)), self.random(top1));
        let best = random.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        outcome.measurements.push(
            Measurement::at_least(
                &name("agreement with dense decoding"),
                mean(&core),
                best.max(fixed) + GAIN,
            )
            .baseline(fixed)
            .control(mean(&random))
            .seeds(seeds)
            .interval_of(&core)
            .note(note(mean(&self.values(1, top1)), best))
            .note(format!("target: {GAIN} above the best control")),
        );
        let (core, fixed, random) = (self.values(0, nll), mean(&self.values(2, nll)), self.random(nll));
        let best = random.iter().copied().fold(f64::INFINITY, f64::min);
        outcome.measurements.push(
            Measurement::at_most(
                &name("rise of the negative log-likelihood"),
                mean(&core),
                best.min(fixed) * LOSS,
            )
            .baseline(fixed)
            .control(mean(&random))
            .seeds(seeds)
            .interval_of(&core)
            .note(note(mean(&self.values(1, nll)), best))
            .note(format!("nats a token; target: {LOSS} of the best control's")),
        );
    }
}

struct Sentence<'a> {
    model: &'a HookedLm,
    text: &'a [u32],
    index: u64,
}

impl Sentence<'_> {
    /// Agreement with dense decoding of the second half, by share and choice.
    fn judge(
        &self,
        shares: &[f64],
        choices: &[Choice],
        hot: &[Vec<u32>],
        bank: &ClusterBank,
    ) -> Result<Vec<Vec<Agreement>>> {
        let (layers, width) = (self.model.config().layers, self.model.config().mlp);
        let (prompt, answer) = self.text.split_at(self.text.len() / 2);
        let config = CoreConfig { alpha: ALPHA, beta: 1.0, ..CoreConfig::for_model(self.model.config()) }
            .in_all_layers(layers);
        let read = |strategy| {
            CoreInferSession::prefill(self.model, prompt, self.text.len(), config, strategy).map_err(fail)
        };
        let (own, similar) = (read(Strategy::Stable)?, read(Strategy::Similar(bank))?);
        let targets: Vec<usize> = answer.iter().map(|id| *id as usize).collect();
        let dense = self.logits(&own, &vec![None; layers], answer)?;
        let one = |share: &f64, choice: &Choice| {
            let keep = (share * width as f64).floor() as usize;
            let set = |layer: usize| -> Result<Option<Vec<usize>>> {
                let first = |counts: &[u32]| Ranked::from_counts(counts.to_vec(), 0, keep).units;
                Ok(match choice {
                    Choice::Core => own.ranking(layer).map(|r| first(&r.count)),
                    Choice::Similar => {
                        let cluster = similar.cluster().ok_or_else(|| fail("no cluster was chosen"))?;
                        Some(bank.units(cluster, layer, keep).map_err(fail)?.to_vec())
                    }
                    Choice::Static => Some(first(&hot[layer])),
                    Choice::Random(seed) => {
                        let place = self.index * layers as u64 + layer as u64;
                        let mut draws = stream(*seed, "04-coreinfer/random", place);
                        Some(subset(&mut draws, width, keep))
                    }
                })
            };
            let sets = (0..layers).map(set).collect::<Result<Vec<_>>>()?;
            let sparse = self.logits(&own, &sets, answer)?;
            agreement(&dense.view(), &sparse.view(), &targets).map_err(fail)
        };
        shares.iter().map(|share| choices.iter().map(|choice| one(share, choice)).collect()).collect()
    }

    /// Logits that predict the answer's tokens: the first ones are the prompt's.
    fn logits(
        &self,
        session: &CoreInferSession<'_>,
        sets: &[Option<Vec<usize>>],
        answer: &[u32],
    ) -> Result<Array2<f32>> {
        let mut session = session.with_sets(sets).map_err(fail)?;
        let first = session.next_logits().unsqueeze::<2>();
        let logits = match answer.split_last() {
            Some((_, known)) if !known.is_empty() => {
                Tensor::cat(vec![first, session.decode(known).map_err(fail)?], 0)
            }
            _ => first,
        };
        float_array::<f32, 2>(logits).map_err(fail)
    }
}

/// How often each neuron of each layer is active in texts.
fn most_active(model: &HookedLm, texts: &[&[u32]]) -> Result<Vec<Vec<u32>>> {
    let mut hooks = HookSet::new();
    let reads = (0..model.config().layers)
        .map(|layer| hooks.read(Site::UpOut(layer), Read::CountPositive).map_err(fail))
        .collect::<Result<Vec<_>>>()?;
    for text in texts {
        let with = Forward { cache: None, head: Head::None, mlps: None };
        model.forward(&Tokens::one(text), with, &mut hooks).map_err(fail)?;
    }
    reads
        .into_iter()
        .map(|read| {
            let counts = hooks.counts(read).map_err(fail)?.counts();
            counts.iter().map(|n| u32::try_from(*n).map_err(fail)).collect()
        })
        .collect()
}

fn figures(results: &[Share], draws: usize, outcome: &mut Outcome) -> Result<()> {
    let views: [(&str, &str, Pick); 2] = [
        ("How often the most likely token stays the same", "agreement with dense decoding", |a| a.top1),
        ("What leaving neurons out costs", "rise of the NLL (nats a token)", |a| a.delta_nll),
    ];
    for (title, label, pick) in views {
        let line = |name: &str, value: &dyn Fn(&Share) -> f64| Series {
            name: name.to_owned(),
            points: results.iter().map(|r| (r.share, value(r))).collect(),
        };
        outcome.figures.push(lines(
            title,
            &format!(
                "Second halves of held-out sentences, decoded with a share of each layer's neurons; means over sentences, \
                 and over {draws} draws of random neurons."
            ),
            "share of neurons kept",
            label,
            &[
                line("core", &|r| mean(&r.values(0, pick))),
                line("cluster", &|r| mean(&r.values(1, pick))),
                line("static", &|r| mean(&r.values(2, pick))),
                line("random", &|r| mean(&r.random(pick))),
            ],
        )?);
    }
    Ok(())
}
