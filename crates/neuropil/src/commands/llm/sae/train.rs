//! `neuropil llm sae train`: a sparse autoencoder of one site of a model.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use clap::{Args, ValueEnum};
use llm_neurons::autoencoder::{RowKind, SiteAutoencoder, collect_rows};
use llm_neurons::model::HookedLm;
use llm_neurons::score::BATCH_TOKENS;
use probes::{
    Checkpoints, Revival, SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, Sparsity, evaluate,
    train, train_resumable,
};
use recordings::Site;
use schemars::JsonSchema;
use serde::Serialize;
use tensor_backend::training::Schedule;

use super::super::lines::{check_file, most, tokens};
use super::super::model::{ModelArguments, failure};
use super::super::neuron_sets::identity;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::progress::bar;
use crate::verb::Verb;

/// Epochs between two checkpoints.
const EVERY: u64 = 1;

/// Train a sparse autoencoder on a model's activations over a text
#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    model: ModelArguments,
    /// The text, one document a line
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Where to write the autoencoder
    #[arg(long, value_name = "SAE.safetensors")]
    out: PathBuf,
    /// Which activations: ResidPost, ResidPre, ResidMid, MlpIn, Act, DownIn, DownOut, AttnOut .. with --layer; Embed,
    /// FinalNorm, Logits without
    #[arg(long, default_value = "ResidPost", value_name = "SITE")]
    site: String,
    /// The layer of the site
    #[arg(long, value_name = "L")]
    layer: Option<usize>,
    /// Directions; four times the site's units when left out
    #[arg(long, value_name = "N")]
    latents: Option<usize>,
    /// What keeps codes sparse: a penalty, the K largest of a token, or K a token on average
    #[arg(long, value_enum, default_value_t = Kind::TopK)]
    sparsity: Kind,
    /// Codes of a token that stay (top-k, batch-top-k)
    #[arg(long, value_name = "K")]
    k: Option<usize>,
    /// Weight of the penalty (l1)
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    coefficient: Option<f64>,
    /// The decoder is the encoder transposed
    #[arg(long)]
    tied: bool,
    /// Divide each token's activations by their length
    #[arg(long)]
    unit: bool,
    /// Read only the last token of each line
    #[arg(long)]
    last: bool,
    /// Revive dead latents: by resampling (l1) or an auxiliary loss (top-k, batch-top-k)
    #[arg(long)]
    revive: bool,
    /// Passes over the text's tokens
    #[arg(long, default_value_t = 20, value_name = "N")]
    epochs: u64,
    /// Tokens of a batch
    #[arg(long, default_value_t = 512, value_name = "N")]
    batch: usize,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 1e-3, value_name = "X", allow_hyphen_values = true)]
    rate: f64,
    /// Keep the run here after each epoch
    #[arg(long, value_name = "FILE.safetensors")]
    checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, if there is one
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Cut lines to this many tokens; the model's context when left out
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
}

/// What keeps codes sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    L1,
    TopK,
    BatchTopK,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Which activations.
    site: String,
    /// Tokens that were trained on.
    rows: usize,
    /// Units of the site.
    units: usize,
    /// Directions.
    latents: usize,
    /// Lines that were cut to the most tokens.
    cut: usize,
    /// Epochs of the run, those before it was resumed among them.
    epochs: Vec<Epoch>,
    /// Share of the variance that is left, over the same tokens.
    unexplained: Option<f64>,
    /// Codes of a token that are not zero.
    l0: f64,
    /// Share of the directions that no token uses.
    dead_fraction: f64,
    /// Directions that were resampled.
    revived: usize,
    /// Where the autoencoder is.
    out: String,
}

/// One epoch.
#[derive(Debug, Serialize, JsonSchema)]
struct Epoch {
    loss: f64,
    /// Mean squared error of a unit.
    reconstruction: f64,
    l0: f64,
    dead: usize,
}

impl Train {
    fn site(&self) -> Result<Site> {
        let text = match self.layer {
            Some(layer) if !self.site.contains('(') => format!("{}({layer})", self.site),
            Some(_) => {
                return Err(Failure::usage(format!("--site {} has a layer: leave out --layer", self.site)));
            }
            None => self.site.clone(),
        };
        let site: Site = text.parse().map_err(|e| match self.layer {
            None => Failure::usage(format!("--site: {e} (--layer gives its number)")),
            Some(_) => Failure::usage(format!("--site: {e}")),
        })?;
        match &site {
            Site::Module(name) => Err(Failure::usage(format!("--site {name:?}: there is no such site"))),
            _ => Ok(site),
        }
    }

    /// Refuses flags of another kind of sparsity.
    fn sparsity(&self, latents: usize) -> Result<Sparsity> {
        let idle = match self.sparsity {
            Kind::L1 => self.k.is_some().then_some("--k"),
            _ => self.coefficient.is_some().then_some("--coefficient"),
        };
        if let Some(flag) = idle {
            return Err(Failure::usage(format!("{flag} has no meaning with this --sparsity")));
        }
        let k = self.k.unwrap_or(latents.min(32));
        Ok(match self.sparsity {
            Kind::L1 => Sparsity::L1 { coefficient: self.coefficient.unwrap_or(5e-3) },
            Kind::TopK => Sparsity::TopK { k },
            Kind::BatchTopK => Sparsity::BatchTopK { k },
        })
    }

    fn plan(&self, rows: usize, units: usize, latents: usize, seed: u64) -> SparseTraining {
        let steps = rows.div_ceil(self.batch.max(1)) as u64 * self.epochs;
        let dead_after = 2 * rows as u64;
        let revival = match (self.revive, self.sparsity) {
            (false, _) => Revival::None,
            // Five times in the first three quarters of a run.
            (true, Kind::L1) => {
                let every = (steps * 3 / 4 / 5).max(1);
                Revival::Resample { every, rounds: 5, dead_after, rows: rows.min(8192) }
            }
            // Half the inputs and 1/32, Gao et al. 2024.
            (true, _) => Revival::AuxiliaryLoss {
                k: (units / 2).clamp(1, latents.max(1)),
                coefficient: 1.0 / 32.0,
                dead_after,
            },
        };
        SparseTraining {
            epochs: self.epochs,
            batch_size: self.batch,
            rate: Schedule::Constant { rate: self.rate },
            revival,
            seed,
            ..SparseTraining::default()
        }
    }

    fn width(&self, model: &HookedLm, site: &Site) -> Result<usize> {
        model.width(site).ok_or_else(|| {
            let layers = model.config().layers;
            Failure::input(format!("--site {site}: the model of {layers} layers does not have it"))
        })
    }
}

impl Verb for Train {
    const NAME: &'static str = "llm.sae.train";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let site = self.site()?;
        check_file(&self.out)?;
        if let Some(path) = &self.checkpoint {
            check_file(path)?;
        }
        let model = self.model.load(context)?;
        let units = self.width(&model, &site)?;
        let latents = self.latents.unwrap_or(4 * units);
        let config = SparseAutoencoderConfig {
            tied: self.tied,
            ..SparseAutoencoderConfig::new(units, latents, self.sparsity(latents)?)
        };
        config.validate().map_err(Failure::input)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let most = most(self.max_tokens, 1, model.config().context)?;
        let (texts, cut) = tokens(&self.text, &tokenizer, most)?;
        let count = if self.last { texts.len() } else { texts.iter().map(Vec::len).sum() };
        let plan = self.plan(count, units, latents, context.seed);
        plan.validate(&config).map_err(Failure::input)?;
        // The rows on the host and on the device; weights, gradient and Adam's two memories.
        let bytes = (count as u64).saturating_mul(units as u64).saturating_mul(8);
        let weights = (units as u64).saturating_mul(latents as u64).saturating_mul(2 * 4 * 4);
        context.admit("activations and autoencoder", bytes.saturating_add(weights))?;

        let kind = RowKind { last: self.last, unit: self.unit };
        let rows = collect_rows(&model, &texts, &site, kind, BATCH_TOKENS)
            .map_err(|e| failure(e).or_at(&self.text))?;
        let device = model.device();
        let fresh = SparseAutoencoder::new(&config, context.seed, FloatDType::F32, &device)
            .map_err(Failure::input)?;
        let progress = bar(self.epochs, "epochs");
        let mut observer = |epoch: &probes::EpochSummary| {
            progress.set_position(epoch.epoch + 1);
            true
        };
        let trained = match &self.checkpoint {
            None => train(fresh, &rows.view(), &plan, &mut observer),
            Some(path) => {
                let resume = self.resume && path.exists();
                let at = Checkpoints { path: path.clone(), every: EVERY, resume };
                train_resumable(fresh, &rows.view(), &plan, &at, &mut observer)
            }
        };
        let trained = trained.map_err(|e| training_failure(e, self.checkpoint.as_deref()))?;
        progress.finish_and_clear();
        let report = evaluate(&trained.model, &rows.view(), self.batch).map_err(Failure::input)?;
        let found = SiteAutoencoder {
            model: identity(&self.model.model)?,
            site: site.clone(),
            kind,
            weights: trained.model.weights().map_err(|e| Failure::new("device", e))?,
        };
        found.save(&self.out).map_err(|e| failure(e).or_at(&self.out))?;
        Ok(Answer {
            site: site.to_string(),
            rows: report.rows,
            units,
            latents,
            cut,
            revived: trained.epochs.last().map_or(0, |e| e.revived),
            epochs: trained
                .epochs
                .iter()
                .map(|e| Epoch { loss: e.loss, reconstruction: e.reconstruction, l0: e.l0, dead: e.dead })
                .collect(),
            unexplained: report.unexplained,
            l0: report.l0,
            dead_fraction: report.dead_fraction,
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}

fn training_failure(error: probes::Error, checkpoint: Option<&Path>) -> Failure {
    match (&error, checkpoint) {
        (probes::Error::File { .. } | probes::Error::Recording(_), Some(path)) => {
            Failure::new("format", error).at(path)
        }
        (probes::Error::Tensor(_), _) => Failure::new("device", error),
        _ => Failure::input(error),
    }
}
