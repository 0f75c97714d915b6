//! `neuropil llm foxp2 fit`: from paired sentences to a plan that steers a model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llm_neurons::Error;
use llm_neurons::foxp2::{
    Attractor, FitConfig, Grid, PairResiduals, Scale, WeakPrompts, WindowChoice, WindowRule, search,
};
use llm_neurons::model::HookedLm;
use llm_neurons::score::BATCH_TOKENS;
use probes::SparseTraining;
use schemars::JsonSchema;
use serde::Serialize;
use tensor_backend::training::Schedule;

use super::super::lines::{check_file, list, most, pairs, tokens};
use super::super::model::{ModelArguments, failure};
use super::super::neuron_sets::{NamedText, identity, named_text};
use super::token_sets::Rule;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::progress::bar;
use crate::verb::Verb;

/// Pairs that are held out for prompts, at most, where none are given.
const HELD_OUT: usize = 250;

/// Random directions beside those of the plan.
const DRAWS: u64 = 5;

/// Find what makes a model speak another language, and write a plan that steers it there
#[derive(Debug, Args)]
pub(crate) struct Fit {
    #[command(flatten)]
    model: ModelArguments,
    /// The language to leave and its sentences, one a line
    #[arg(long, value_name = "en=FILE", value_parser = named_text)]
    source: NamedText,
    /// The language to speak and the same sentences in it, line by line
    #[arg(long, value_name = "es=FILE", value_parser = named_text)]
    target: NamedText,
    /// Where to write the plan
    #[arg(long, value_name = "STEER.safetensors")]
    out: PathBuf,
    /// Neutral prompts in the source language, one a line; left out: openings of a fifth of the pairs, then not fitted
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Tokens of such an opening
    #[arg(long, default_value_t = 6, value_name = "N", conflicts_with = "prompts")]
    opening: usize,
    /// Text that must stay likely while steered (usually of the target language), one a line
    #[arg(long, value_name = "FILE", requires = "tolerance")]
    guard: Option<PathBuf>,
    /// By how many nats a token that text may get worse
    #[arg(long, value_name = "X", requires = "guard", allow_hyphen_values = true)]
    tolerance: Option<f64>,
    /// Layers to fit, such as 8,9,10; all when left out
    #[arg(long, value_name = "LIST")]
    layers: Option<String>,
    /// Layers to steer; the best contiguous ones when left out
    #[arg(long, value_name = "LIST", conflicts_with_all = ["shortest", "longest", "window_rule"])]
    window: Option<String>,
    /// Fewest contiguous layers
    #[arg(long, default_value_t = 3, value_name = "N")]
    shortest: usize,
    /// Most contiguous layers
    #[arg(long, default_value_t = 6, value_name = "N")]
    longest: usize,
    /// How contiguous layers are judged: by the sum or the mean of their scores
    #[arg(long, value_enum, default_value_t = Judge::Sum)]
    window_rule: Judge,
    /// Features of each layer's sparse autoencoder
    #[arg(long, default_value_t = 1024, value_name = "N")]
    features: usize,
    /// Weight of the autoencoders' L1 penalty
    #[arg(long, default_value_t = 5e-3, value_name = "X", allow_hyphen_values = true)]
    sparsity: f64,
    /// Passes over the pairs that train an autoencoder
    #[arg(long, default_value_t = 150, value_name = "N")]
    epochs: u64,
    /// Sentences of a training batch
    #[arg(long, default_value_t = 512, value_name = "N")]
    batch: usize,
    /// Learning rate of the autoencoders
    #[arg(long, default_value_t = 5e-4, value_name = "X", allow_hyphen_values = true)]
    rate: f64,
    /// Features of the largest selectivity that are tried in a layer
    #[arg(long, default_value_t = 50, value_name = "N")]
    candidates: usize,
    /// How often chance may make a feature selective in a layer; 0 tries them all, as the published code does
    #[arg(long, default_value_t = 0.05, value_name = "P", allow_hyphen_values = true)]
    chance: f64,
    /// Strengths at which a feature's effect is measured
    #[arg(long, default_value = "0.25,0.5,1,2", value_name = "LIST", allow_hyphen_values = true)]
    alphas: String,
    /// Strengths towards the target that are tried
    #[arg(long, default_value = "0.5,1,2,4", value_name = "LIST", allow_hyphen_values = true)]
    lambdas: String,
    /// Strengths against the source that are tried, as shares of those towards the target
    #[arg(long, default_value = "0,0.5,1", value_name = "LIST", allow_hyphen_values = true)]
    ratios: String,
    /// What the source language is taken for: the prompts, or the source sentences
    #[arg(long, value_enum, default_value_t = Holds::Prompts)]
    attractor: Holds,
    /// Strengths in residual norms, as they are, or as the published code
    #[arg(long, value_enum, default_value_t = Meaning::Relative)]
    scale: Meaning,
    /// How tokens are told apart: by script, by frequency, or (auto) by script where source and target are en and one of hi,
    /// zh, bn, te
    #[arg(long, value_enum, default_value_t = Rule::Auto)]
    token_sets: Rule,
    /// By frequency: how many times as frequent [default: 5]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    token_ratio: Option<f64>,
    /// By frequency: how often a token must be there at all [default: 5]
    #[arg(long, value_name = "N")]
    token_count: Option<u64>,
    /// Cut lines to this many tokens; the model's context when left out
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
}

/// How windows are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Judge {
    Sum,
    Mean,
}

/// What the English attractor is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Holds {
    Prompts,
    Source,
}

/// What a strength means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Meaning {
    Relative,
    Absolute,
    OfficialQuirks,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The language that is left.
    source: String,
    /// The language that is spoken.
    target: String,
    /// Pairs of sentences that were fitted.
    pairs: usize,
    /// Neutral prompts.
    prompts: usize,
    /// Lines that were cut to the most tokens.
    cut: usize,
    /// Tokens that count as the target's.
    target_tokens: usize,
    /// Tokens that count as the source's.
    source_tokens: usize,
    /// Layer by layer.
    layers: Vec<Layer>,
    /// The layers that are steered.
    window: Vec<usize>,
    /// Their score.
    window_score: f64,
    /// The prompts without steering.
    base: Masses,
    /// The strengths that were tried.
    grid: Vec<Point>,
    /// Gain of dM by random directions as long as those of that strength, and no hold on the source: of each draw.
    random_gains: Vec<f64>,
    /// The strength towards the target that was chosen.
    lambda: f64,
    /// The strength against the source that was chosen.
    beta: f64,
    /// Where the plan is.
    out: String,
}

/// One layer.
#[derive(Debug, Serialize, JsonSchema)]
struct Layer {
    layer: usize,
    /// Share of the variance that the autoencoder leaves.
    unexplained: Option<f64>,
    /// Codes of a sentence that are not zero.
    l0: f64,
    dead_fraction: f64,
    largest_selectivity: f64,
    /// Features that were tried.
    candidates: usize,
    /// Those that are selective for the target and raise its mass, by falling score.
    neurons: Vec<usize>,
    rank: Option<usize>,
    mass: Option<f64>,
    stability: Option<f64>,
    /// Mass times stability; none where nothing is steered.
    score: Option<f64>,
}

/// Probability of the next token, by language.
#[derive(Debug, Serialize, JsonSchema)]
struct Masses {
    /// dM: target less source.
    difference: f64,
    target: f64,
    source: f64,
}

/// One strength.
#[derive(Debug, Serialize, JsonSchema)]
struct Point {
    lambda: f64,
    beta: f64,
    difference: f64,
    target: f64,
    source: f64,
    /// dM above that without steering.
    gain: f64,
    /// Nats a token by which the guard's text got worse.
    fall: f64,
    allowed: bool,
}

impl Fit {
    fn config(&self, seed: u64) -> Result<FitConfig> {
        let window = match &self.window {
            Some(text) => {
                let mut layers: Vec<usize> = list("--window", text)?;
                layers.sort_unstable();
                WindowChoice::Layers(layers)
            }
            None => WindowChoice::Search {
                shortest: self.shortest,
                longest: self.longest,
                rule: match self.window_rule {
                    Judge::Sum => WindowRule::Sum,
                    Judge::Mean => WindowRule::Mean,
                },
            },
        };
        Ok(FitConfig {
            layers: self.layers.as_ref().map(|text| list("--layers", text)).transpose()?,
            features: self.features,
            coefficient: self.sparsity,
            training: SparseTraining {
                epochs: self.epochs,
                batch_size: self.batch,
                rate: Schedule::Constant { rate: self.rate },
                ..SparseTraining::default()
            },
            candidates: self.candidates,
            chance: (self.chance != 0.0).then_some(self.chance),
            alphas: list("--alphas", &self.alphas)?,
            scale: match self.scale {
                Meaning::Relative => Scale::Relative,
                Meaning::Absolute => Scale::Absolute,
                Meaning::OfficialQuirks => Scale::OfficialQuirks,
            },
            attractor: match self.attractor {
                Holds::Prompts => Attractor::WeakPrompts,
                Holds::Source => Attractor::SourceText,
            },
            window,
            batch_tokens: BATCH_TOKENS,
            seed,
            ..FitConfig::default()
        })
    }

    fn grid(&self) -> Result<Grid> {
        Ok(Grid {
            lambdas: list("--lambdas", &self.lambdas)?,
            ratios: list("--ratios", &self.ratios)?,
            tolerance: self.tolerance,
        })
    }

    /// Refuses an estimate beyond the memory that is allowed: residuals, the autoencoder and its training, codes, and the
    /// keys and values of the prompts.
    fn admit(
        &self,
        context: &Context,
        model: &HookedLm,
        pairs: usize,
        layers: usize,
        prompts: &[Vec<u32>],
    ) -> Result<()> {
        let (d, f, n) = (model.config().hidden as u64, self.features as u64, 2 * pairs as u64);
        let residuals = (layers as u64).saturating_mul(n.saturating_mul(d) * 8);
        let encoders = (layers as u64).saturating_mul(d.saturating_mul(f).saturating_mul(8));
        let training = d.saturating_mul(f).saturating_mul(4 * 8).saturating_add(n.saturating_mul(f) * 8);
        let (c, tokens) = (model.config(), prompts.iter().map(|p| p.len() as u64).sum::<u64>());
        let values = 2 * (c.layers as u64).saturating_mul((c.kv_heads * c.head_dim) as u64);
        let caches = tokens.saturating_mul(values).saturating_mul(self.model.dtype.bytes());
        let whole = [encoders, training, caches].into_iter().fold(residuals, u64::saturating_add);
        context.admit("the fit", whole)
    }
}

impl Verb for Fit {
    const NAME: &'static str = "llm.foxp2.fit";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let (config, grid) = (self.config(context.seed)?, self.grid()?);
        grid.validate().map_err(failure)?;
        if self.source.name == self.target.name {
            let name = &self.target.name;
            return Err(Failure::usage(format!("--source and --target are both called {name:?}")));
        }
        if self.opening == 0 {
            return Err(Failure::usage("--opening 0: expected at least 1"));
        }
        let given =
            [("--token-ratio", self.token_ratio.is_some()), ("--token-count", self.token_count.is_some())];
        let by_script = self.token_sets.by_script(&self.source.name, &self.target.name);
        if let (true, Some((flag, _))) = (by_script, given.iter().find(|(_, given)| *given)) {
            let message =
                format!("{flag} has no meaning where script tells tokens apart (--token-sets frequency)");
            return Err(Failure::usage(message));
        }
        check_file(&self.out)?;
        let model = self.model.load(context)?;
        config.validate(model.config().layers).map_err(failure)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let most = most(self.max_tokens, 1, model.config().context)?;
        let (mut source, mut target, mut cut) =
            pairs(&self.source.path, &self.target.path, &tokenizer, most)?;
        let weak = match &self.prompts {
            Some(path) => {
                let (prompts, also) = tokens(path, &tokenizer, most)?;
                cut += also;
                prompts
            }
            None => {
                let held = (source.len() / 5).min(HELD_OUT);
                if held == 0 {
                    let message = "at least 5 pairs are needed to hold out prompts (--prompts gives them)";
                    return Err(Failure::input(message).at(&self.source.path));
                }
                let kept = source.len() - held;
                target.truncate(kept);
                let mut openings = source.split_off(kept);
                openings.iter_mut().for_each(|o| o.truncate(self.opening));
                openings
            }
        };
        // Of the pairs that are fitted: what is held out has no say in what it is judged by.
        let vocabulary = model.config().vocab;
        let texts = [(self.source.name.as_str(), &source[..]), (self.target.name.as_str(), &target[..])];
        let frequent = (self.token_ratio.unwrap_or(5.0), self.token_count.unwrap_or(5));
        let sets = self.token_sets.sets(&tokenizer, vocabulary, texts, frequent)?;
        let guard = match &self.guard {
            Some(path) => {
                let (guard, also) = tokens(path, &tokenizer, most)?;
                cut += also;
                guard
            }
            None => Vec::new(),
        };
        let layers = config.swept(model.config().layers);
        self.admit(context, &model, source.len(), layers.len(), &weak)?;

        let steps = bar(2 * layers.len() as u64 + 2, "fitting");
        let read =
            PairResiduals::record(&model, &source, &target, &layers, config.batch_tokens).map_err(failure)?;
        let prompts =
            WeakPrompts::new(&model, &weak, &sets, &layers, config.batch_tokens).map_err(failure)?;
        steps.inc(1);
        let device = model.device();
        let mut encoders = Vec::with_capacity(layers.len());
        for i in 0..layers.len() {
            encoders.push(config.autoencoder(&read, i, &device).map_err(failure)?);
            steps.inc(1);
        }
        let fit = config.fit(&read, &encoders, &prompts).map_err(failure)?;
        steps.inc(layers.len() as u64);
        let window = fit.window().map_err(explained)?;
        let steers = fit.steers(&window.layers).map_err(failure)?;
        let found =
            search(&prompts, &steers, config.scale, &grid, &guard).map_err(|e| match (&e, &self.guard) {
                (Error::Plan { .. }, Some(_)) => Failure::input(format!(
                    "{e} (--lambdas takes smaller ones, as 0.1,0.2; --tolerance more)"
                )),
                _ => failure(e),
            })?;
        let names = [self.source.name.as_str(), self.target.name.as_str()];
        let plan = fit.plan(&window.layers, &found, identity(&self.model.model)?, names).map_err(failure)?;
        let random = prompts
            .random_control(&steers, plan.strength.lambda, config.scale, context.seed, DRAWS)
            .map_err(failure)?;
        steps.finish_and_clear();
        let by_chance = random.iter().map(|r| r.difference).fold(f64::NEG_INFINITY, f64::max);
        let reached = found.points.iter().filter(|p| p.allowed).map(|p| p.measured.defaultness.difference);
        if reached.fold(f64::NEG_INFINITY, f64::max) <= by_chance {
            crate::document::warn(
                "a random direction of the same length does as much: this plan is no better than chance",
            );
        }
        if encoders.iter().any(|e| e.unexplained.is_some_and(|u| u > 1.0)) {
            crate::document::warn(
                "an autoencoder leaves more variance than there is: --sparsity takes less (0.0005)",
            );
        }
        plan.save(&self.out).map_err(|e| failure(e).or_at(&self.out))?;
        let layers = fit.layers.iter().zip(&encoders).map(|(l, e)| Layer {
            layer: l.layer,
            unexplained: e.unexplained,
            l0: e.l0,
            dead_fraction: e.dead_fraction,
            largest_selectivity: l.largest_selectivity,
            candidates: l.candidates.len(),
            neurons: l.neurons.features.clone(),
            rank: l.steer.as_ref().map(|s| s.quality.rank),
            mass: l.steer.as_ref().map(|s| s.quality.mass),
            stability: l.steer.as_ref().map(|s| s.quality.stability),
            score: l.steer.as_ref().map(|s| s.quality.score()),
        });
        let base = found.base.defaultness;
        Ok(Answer {
            source: self.source.name.clone(),
            target: self.target.name.clone(),
            pairs: source.len(),
            prompts: weak.len(),
            cut,
            target_tokens: sets.target().len(),
            source_tokens: sets.english().len(),
            layers: layers.collect(),
            window: window.layers,
            window_score: window.score,
            base: Masses { difference: base.difference, target: base.target, source: base.english },
            grid: found
                .points
                .iter()
                .map(|p| Point {
                    lambda: p.strength.lambda,
                    beta: p.strength.beta,
                    difference: p.measured.defaultness.difference,
                    target: p.measured.defaultness.target,
                    source: p.measured.defaultness.english,
                    gain: p.gain,
                    fall: p.fall,
                    allowed: p.allowed,
                })
                .collect(),
            random_gains: random.iter().map(|r| r.difference - base.difference).collect(),
            lambda: plan.strength.lambda,
            beta: plan.strength.beta,
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}

/// Says which flag helps where no window was found.
fn explained(error: Error) -> Failure {
    match &error {
        Error::TooFew { what: "contiguous layers", .. } => Failure::input(format!(
            "{error} with language neurons (--shortest takes fewer, --chance 0 more features; autoencoders that explain little \
             find few: --sparsity takes less, as 0.0005 for small models)"
        )),
        _ => failure(error),
    }
}
