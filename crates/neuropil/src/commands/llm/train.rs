//! `neuropil llm train`: train a model on a text, plainly or with sensitivity dropout.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llm_neurons::model::{HookedLm, LlamaShape, LmConfig, WeightFiles, check_free};
use llm_neurons::score::{BATCH_TOKENS, mean_nll};
use llm_neurons::send::{
    SampleConfig, SendConfig, SendMask, SendMaskSite, SendTrainer, SensitivityConfig, StopRule,
};
use llm_neurons::training::{ByteTokenizer, LmTrainer, LmTraining};
use llm_neurons::{Ees, TextTokenizer};
use probes::NoTaps;
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{Dtype, ModelArguments, failure};
use super::texts::read_text;
use crate::arguments::positive;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::verb::Verb;

/// Files by their names.
type NamedFiles = Vec<(&'static str, Vec<u8>)>;

/// Train a language model on a text, from a folder or from the start, with or without sensitivity dropout
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The text, UTF-8; its last lines are held out
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// The new folder of the trained model: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The Hugging Face folder to go on from; without it a small Llama on bytes begins
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hidden", "layers", "heads", "mlp", "context"])]
    model: Option<PathBuf>,
    /// Optimiser steps
    #[arg(long, default_value_t = 500, value_name = "N")]
    steps: u64,
    /// Windows of text in a step
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Tokens of a window
    #[arg(long, default_value_t = 64, value_name = "N")]
    window: usize,
    /// Learning rate of AdamW
    #[arg(long, default_value_t = 1e-3, value_name = "RATE", value_parser = positive, allow_hyphen_values = true)]
    learning_rate: f64,
    /// Decoupled weight decay
    #[arg(long, default_value_t = 0.01, value_name = "DECAY", allow_hyphen_values = true)]
    weight_decay: f64,
    /// Last share of the steps, over which the learning rate falls to zero
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", allow_hyphen_values = true)]
    decay_share: f64,
    /// Largest norm of the gradient [default: none]
    #[arg(long, value_name = "NORM", value_parser = positive, allow_hyphen_values = true)]
    clip_norm: Option<f64>,
    /// Blocks from the first that do not learn
    #[arg(long, default_value_t = 0, value_name = "N")]
    freeze_blocks: usize,
    /// Each line is a text of its own, between the tokens that begin and end one; else the file is one text
    #[arg(long)]
    lines: bool,
    /// Share of the lines, the last ones, that is held out
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_hyphen_values = true)]
    held_out: f64,
    #[command(flatten)]
    shape: ShapeArguments,
    #[command(flatten)]
    send: SendArguments,
}

/// A model that begins.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "A model from the start")]
struct ShapeArguments {
    /// Units of the residual stream [default: 64]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Blocks [default: 4]
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Attention heads [default: 4]
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Neurons of an MLP [default: 3 times the units]
    #[arg(long, value_name = "N")]
    mlp: Option<usize>,
    /// Longest context, in bytes [default: 128]
    #[arg(long, value_name = "N")]
    context: Option<usize>,
}

/// Sensitivity dropout.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sensitivity dropout")]
struct SendArguments {
    /// Mask the units of the residual stream before the last block that are restless on held-out lines
    #[arg(long)]
    send: bool,
    /// Which units are masked; random and none are what sensitive is compared with
    #[arg(long, value_enum, default_value_t = Mask::Sensitive, requires = "send")]
    mask: Mask,
    /// Where: the residual stream, or the weights of the MLP that the published code sets to zero
    #[arg(long, value_enum, default_value_t = MaskSite::Residual, requires = "send")]
    mask_site: MaskSite,
    /// Share of the units that is masked
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", allow_hyphen_values = true, requires = "send")]
    fraction: f64,
    /// Checkpoints that sensitivity looks back on
    #[arg(long, default_value_t = 3, value_name = "N", requires = "send")]
    look_back: usize,
    /// Checkpoints that a mask stays
    #[arg(long, default_value_t = 3, value_name = "N", requires = "send")]
    hold: usize,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 12, value_name = "N", requires = "send")]
    checkpoint_steps: u64,
    /// Tokens of a held-out line that make a prompt
    #[arg(long, default_value_t = 8, value_name = "N", requires = "send")]
    prompt_tokens: usize,
    /// Answers to each prompt
    #[arg(long, default_value_t = 10, value_name = "K", requires = "send")]
    samples: usize,
    /// Tokens of an answer
    #[arg(long, default_value_t = 10, value_name = "N", requires = "send")]
    answer_tokens: usize,
    /// Measure with the mask in place
    #[arg(long, requires = "send")]
    measure_masked: bool,
    /// End when the loss has moved by less than this over the checkpoints looked back on; with --stop-ees
    #[arg(long, value_name = "NATS", value_parser = positive, allow_hyphen_values = true, requires = "send", requires = "stop_ees")]
    stop_loss: Option<f64>,
    /// End when Efficient EigenScore has moved by less than this; with --stop-loss
    #[arg(long, value_name = "X", value_parser = positive, allow_hyphen_values = true, requires = "send", requires = "stop_loss")]
    stop_ees: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mask {
    Sensitive,
    Random,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MaskSite {
    Residual,
    OfficialMlpWeights,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Steps done.
    steps: u64,
    /// Whether training ended before its steps, because loss and EES were at rest.
    stopped: bool,
    /// Numbers that the model has.
    parameters: u64,
    /// Tokens of the text that it learned from.
    train_tokens: usize,
    /// Tokens that were held out.
    held_out_tokens: usize,
    /// Cross-entropy of the first step's batch, in nats a token.
    loss_first: Option<f64>,
    /// Mean of the last ten steps.
    loss_last: Option<f64>,
    /// Mean cross-entropy of the held-out text before training; none without one.
    held_out_nll_before: Option<f64>,
    /// After it.
    held_out_nll: Option<f64>,
    /// What sensitivity dropout saw; the first is the model before training.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<Vec<Checkpoint>>,
    /// Hash of the written tensors, as neuron sets name it.
    tensors_sha256: String,
    /// The folder.
    out: PathBuf,
}

/// One checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
struct Checkpoint {
    /// Steps done.
    step: u64,
    /// Mean training loss since the one before.
    loss: Option<f64>,
    /// Mean EigenScore of the answers to held-out prompts.
    eigenscore: f64,
    /// Its estimate.
    ees: f64,
    /// Units that were masked on the way to it.
    masked: Vec<usize>,
}

/// What is learned from and what is held out.
struct Text {
    train: Vec<u32>,
    held_out: Vec<u32>,
    /// Held-out lines, each for itself.
    lines: Vec<Vec<u32>>,
}

impl Train {
    fn plan(&self, seed: u64) -> LmTraining {
        LmTraining {
            steps: self.steps,
            batch: self.batch,
            window: self.window,
            rate: self.learning_rate,
            weight_decay: self.weight_decay,
            decay_share: self.decay_share,
            clip_norm: self.clip_norm,
            frozen_blocks: self.freeze_blocks,
            seed,
            ..LmTraining::default()
        }
    }

    fn send_config(&self, seed: u64, stop: &[u32]) -> SendConfig {
        let send = &self.send;
        SendConfig {
            sensitivity: SensitivityConfig { window: send.look_back, fraction: send.fraction },
            hold: send.hold,
            mask: match send.mask {
                Mask::Sensitive => SendMask::Sensitive,
                Mask::Random => SendMask::Random,
                Mask::None => SendMask::None,
            },
            site: match send.mask_site {
                MaskSite::Residual => SendMaskSite::ResidPenultimate,
                MaskSite::OfficialMlpWeights => SendMaskSite::OfficialMlpWeights,
            },
            measure_masked: send.measure_masked,
            prompt_tokens: send.prompt_tokens,
            answers: SampleConfig {
                samples: send.samples,
                max_new_tokens: send.answer_tokens,
                top_k: None,
                top_p: 1.0,
                stop: stop.to_vec(),
                seed,
                ..SampleConfig::default()
            },
            ees: Ees { seed, ..SendConfig::default().ees },
            stop: send.stop_loss.zip(send.stop_ees).map(|(loss, ees)| StopRule { loss, ees }),
            seed,
            ..SendConfig::default()
        }
    }

    /// The model, and its tokenizer's files.
    fn model(&self, context: &Context) -> Result<(HookedLm, NamedFiles)> {
        let Some(folder) = &self.model else {
            let d = LlamaShape::default();
            let hidden = self.shape.hidden.unwrap_or(d.hidden);
            let heads = self.shape.heads.unwrap_or(d.heads);
            let shape = LlamaShape {
                vocab: ByteTokenizer::VOCABULARY,
                hidden,
                layers: self.shape.layers.unwrap_or(d.layers),
                heads,
                kv_heads: heads,
                mlp: self.shape.mlp.unwrap_or(hidden.saturating_mul(3)),
                context: self.shape.context.unwrap_or(d.context),
            };
            let config = LmConfig::llama(shape, Some(ByteTokenizer::SPECIAL)).map_err(failure)?;
            context.admit("training", self.bytes(&config, parameters(&config)))?;
            let device = &context.open_device()?.device;
            let model = HookedLm::initialise(config, context.seed, device).map_err(failure)?;
            return Ok((model, vec![("tokenizer.json", ByteTokenizer::json().into_bytes())]));
        };
        let arguments = ModelArguments { model: folder.clone(), dtype: Dtype::F32 };
        let config = LmConfig::read(folder).map_err(failure)?;
        let elements = WeightFiles::open(folder).map_err(failure)?.elements();
        context.admit("training", self.bytes(&config, elements))?;
        let model = arguments.load(context)?;
        let mut files = Vec::new();
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => files.push((name, bytes)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && name != "tokenizer.json" => {}
                Err(e) => return Err(Failure::new("io", e).at(path)),
            }
        }
        Ok((model, files))
    }

    /// What training may hold at once: weights, gradients and two moments; activations of a batch, kept for the backward
    /// pass.
    fn bytes(&self, config: &LmConfig, elements: u64) -> u64 {
        let tokens = (self.batch as u64).saturating_mul(self.window as u64);
        let block = (16 * config.hidden + 5 * config.mlp) as u64
            + (3 * config.heads as u64).saturating_mul(self.window as u64);
        let each = (config.layers as u64).saturating_mul(block).saturating_add(4 * config.vocab as u64);
        elements.saturating_mul(5).saturating_add(tokens.saturating_mul(each)).saturating_mul(4)
    }

    fn read(&self, tokenizer: &TextTokenizer, config: &LmConfig) -> Result<Text> {
        let text = read_text(&self.text)?;
        if !(0.0..1.0).contains(&self.held_out) {
            return Err(Failure::usage("--held-out: expected a share from 0 to below 1"));
        }
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let kept = lines.len() - (lines.len() as f64 * self.held_out) as usize;
        let (train, held_out) = lines.split_at(kept);
        let plain = |text: &str| tokenizer.encode(text, false).map_err(failure);
        let begun = |line: &str| -> Result<Vec<u32>> {
            let mut ids = tokenizer.encode(line, true).map_err(failure)?;
            if let Some(begin) = config.bos.filter(|b| ids.first() != Some(b)) {
                ids.insert(0, begin);
            }
            Ok(ids)
        };
        let stream = |lines: &[&str]| -> Result<Vec<u32>> {
            if !self.lines {
                return plain(&lines.join("\n"));
            }
            let mut ids = Vec::new();
            for line in lines {
                ids.extend(begun(line)?);
                ids.extend(config.eos.first().filter(|end| ids.last() != Some(end)).copied());
            }
            Ok(ids)
        };
        let alone = |line: &&str| if self.lines { begun(line) } else { plain(line) };
        let found = Text {
            train: stream(train)?,
            held_out: stream(held_out)?,
            lines: held_out.iter().map(alone).collect::<Result<_>>()?,
        };
        if found.train.len() < self.window {
            let (has, needed) = (found.train.len(), self.window);
            let message = format!("{has} tokens to learn from, and a window has {needed} (--window)");
            return Err(Failure::input(message).at(&self.text));
        }
        Ok(found)
    }

    /// Mean loss on the held-out text, window by window.
    fn held_out_nll(&self, model: &HookedLm, text: &Text) -> Result<Option<f64>> {
        let windows: Vec<&[u32]> = text.held_out.chunks(self.window).filter(|w| w.len() > 1).collect();
        if windows.is_empty() {
            return Ok(None);
        }
        mean_nll(model, &windows, BATCH_TOKENS, &mut NoTaps).map(|nll| Some(nll.by_token)).map_err(failure)
    }

    /// Steps, and checkpoints between them where they are asked for; the model, losses, checkpoints and whether it
    /// ended early.
    fn learn(&self, model: HookedLm, text: &Text, seed: u64) -> Result<Learned> {
        let mut trainer = LmTrainer::new(model, self.plan(seed)).map_err(failure)?;
        let bar = progress::bar(self.steps, "training");
        let mut losses = Vec::new();
        if !self.send.send {
            for _ in 0..self.steps {
                losses.push(trainer.step_on(&text.train, &mut NoTaps).map_err(failure)?.loss);
                bar.inc(1);
            }
            return Ok(Learned { model: trainer.model(), losses, checkpoints: None, stopped: false });
        }
        if self.send.checkpoint_steps == 0 {
            return Err(Failure::usage("--checkpoint-steps: expected at least 1"));
        }
        let wanted = self.send.prompt_tokens;
        let lines: Vec<Vec<u32>> =
            text.lines.iter().filter(|l| l.len() >= wanted).take(64).cloned().collect();
        if lines.is_empty() {
            let message =
                format!("--send: no held-out line has the {wanted} tokens of a prompt (--held-out)");
            return Err(Failure::input(message).at(&self.text));
        }
        let config = self.send_config(seed, &trainer.model().config().eos);
        let mut send = SendTrainer::new(trainer, lines, config).map_err(failure)?;
        let mut stopped = false;
        for step in 1..=self.steps {
            losses.push(send.step_on(&text.train).map_err(failure)?.loss);
            bar.inc(1);
            if step % self.send.checkpoint_steps == 0 || step == self.steps {
                stopped = send.checkpoint().map_err(failure)?.stop && step < self.steps;
            }
            if stopped {
                break;
            }
        }
        let checkpoints = send.checkpoints().iter().map(|c| Checkpoint {
            step: c.steps,
            loss: c.loss,
            eigenscore: c.eigenscore,
            ees: c.ees,
            masked: c.masked.clone(),
        });
        let checkpoints: Vec<Checkpoint> = checkpoints.collect();
        if self.send.mask != Mask::None && checkpoints.iter().all(|c| c.masked.is_empty()) {
            let needed = self.send.look_back as u64 * self.send.checkpoint_steps;
            crate::document::warn(&format!(
                "no unit was masked in these {} steps: the first mask comes after {needed} (--look-back checkpoints of \
                 --checkpoint-steps)",
                losses.len()
            ));
        }
        let checkpoints = Some(checkpoints);
        Ok(Learned { model: send.model(), losses, checkpoints, stopped })
    }
}

struct Learned {
    model: HookedLm,
    losses: Vec<f64>,
    checkpoints: Option<Vec<Checkpoint>>,
    stopped: bool,
}

/// Numbers of a small Llama.
fn parameters(config: &LmConfig) -> u64 {
    let (hidden, mlp) = (config.hidden as u64, config.mlp as u64);
    let block = (4 * hidden).saturating_mul(hidden).saturating_add((3 * mlp).saturating_mul(hidden));
    let blocks = (config.layers as u64).saturating_mul(block.saturating_add(2 * hidden));
    (config.vocab as u64 * hidden).saturating_add(blocks).saturating_add(hidden)
}

impl Verb for Train {
    const NAME: &'static str = "llm.train";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        // What is wrong is said before the work, not after it.
        check_free(&self.out).map_err(|e| match e {
            llm_neurons::Error::File { path, message } => Failure::input(message).at(path),
            other => failure(other),
        })?;
        self.plan(context.seed).validate().map_err(failure)?;
        if self.send.send {
            self.send_config(context.seed, &[]).validate().map_err(failure)?;
        }
        let (model, files) = self.model(context)?;
        // The last token of a window is predicted and not read.
        let most = model.config().context + 1;
        if self.window > most {
            let message = format!("--window {}: at most {most}, the context and one", self.window);
            return Err(Failure::input(message));
        }
        let tokenizer = TextTokenizer::from_files(&files, model.config()).map_err(failure)?;
        let text = self.read(&tokenizer, model.config())?;
        let held_out_nll_before = self.held_out_nll(&model, &text)?;
        let learned = self.learn(model, &text, context.seed)?;
        let held_out_nll = self.held_out_nll(&learned.model, &text)?;
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        learned.model.save_with(&self.out, &files).map_err(failure)?;
        let written = WeightFiles::open(&self.out).map_err(failure)?;
        let last = &learned.losses[learned.losses.len().saturating_sub(10)..];
        Ok(Answer {
            steps: learned.losses.len() as u64,
            stopped: learned.stopped,
            parameters: written.elements(),
            train_tokens: text.train.len(),
            held_out_tokens: text.held_out.len(),
            loss_first: learned.losses.first().copied(),
            loss_last: (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64),
            held_out_nll_before,
            held_out_nll,
            checkpoints: learned.checkpoints,
            tensors_sha256: written.tensors_sha256().map_err(failure)?,
            out: self.out.clone(),
        })
    }
}
