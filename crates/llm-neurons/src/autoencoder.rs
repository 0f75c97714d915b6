//! Sparse autoencoders of a model's site: the rows they are trained on, their files, and what a model loses when its site is
//! replaced by what they rebuild.
//!
//! ```text
//! rows        x of every token (or each text's last), as they are or divided by their length
//! spliced     the site's x is replaced by decode(encode(x)), of unit rows times the length of x
//! recovered   (L zeroed - L spliced) / (L zeroed - L clean), L in nats a token of the same text
//! ```
//!
//! ```no_run
//! use burn::tensor::FloatDType;
//! use llm_neurons::autoencoder::{RowKind, SiteAutoencoder, collect_rows};
//! use llm_neurons::model::HookedLm;
//! use llm_neurons::score::BATCH_TOKENS;
//! use probes::{SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, Sparsity, train};
//! use recordings::{ModelIdentity, Site};
//! use tensor_backend::DeviceSpec;
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let model = HookedLm::load("model".as_ref(), FloatDType::F32, &device)?;
//! let (site, kind, texts) = (Site::ResidPost(2), RowKind::default(), [vec![0, 5, 9, 4]]);
//! let rows = collect_rows(&model, &texts, &site, kind, BATCH_TOKENS)?;
//! let config = SparseAutoencoderConfig::new(rows.ncols(), 1024, Sparsity::TopK { k: 32 });
//! let fresh = SparseAutoencoder::new(&config, 0, FloatDType::F32, &device)?;
//! let weights = train(fresh, &rows.view(), &SparseTraining::default(), &mut |_| true)?.model.weights()?;
//! let found = SiteAutoencoder { model: ModelIdentity::default(), site, kind, weights };
//! println!("{:?}", found.evaluate(&model, &texts, BATCH_TOKENS)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::Path;

use burn::tensor::{DType, FloatDType, Tensor};
use ndarray::{Array2, ArrayView1};
use probes::{
    HookSet, Read, SparseAutoencoder, SparseAutoencoderConfig, SparseReport, SparseWeights, evaluate,
    loss_recovered,
};
use recordings::arrays::{ArrayFile, Tensors};
use recordings::{Intervention, ModelIdentity, Positions, Site};
use serde::{Deserialize, Serialize};
use tensor_backend::bridge;

use crate::model::{Forward, Head, HookedLm, Tokens};
use crate::score::{batches, mean_nll};
use crate::{Error, Result};

const FORMAT: &str = "neuropil.site-autoencoder/1";
/// Added to the length of a row before it is divided by it.
const UNIT_EPSILON: f64 = 1e-6;
/// Rows that are encoded at a time.
const ROWS: usize = 1024;

/// Which rows an autoencoder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowKind {
    /// Only the last token of each text (no: every token).
    pub last: bool,
    /// Rows divided by their length (no: as they are).
    pub unit: bool,
}

/// A sparse autoencoder of a site of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteAutoencoder {
    /// The model.
    pub model: ModelIdentity,
    /// Where its rows are read.
    pub site: Site,
    /// Which rows.
    pub kind: RowKind,
    /// Its weights.
    pub weights: SparseWeights,
}

/// What an autoencoder does to text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SiteReport {
    /// How well rows are rebuilt, and with how much.
    pub rows: SparseReport,
    /// Nats a token of the untouched model.
    pub clean: f64,
    /// The same with the site replaced by what the autoencoder rebuilds, at every token.
    pub spliced: f64,
    /// The same with the site replaced by zeros.
    pub zeroed: f64,
    /// How much of what the site gives is kept; none where its removal costs nothing.
    pub loss_recovered: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    model: ModelIdentity,
    site: Site,
    rows: RowKind,
    config: SparseAutoencoderConfig,
}

/// Rows `[n, D]` of a site in single precision, texts and tokens in their order; padding leaves none.
///
/// # Errors
/// [`Error::Mismatch`] for a site that the model does not have, [`Error::TooFew`] for no text, [`Error::Prompt`] for an
/// empty text or one beyond the context, [`Error::NotFinite`], else those of [`HookedLm::forward`].
pub fn collect_rows<S: AsRef<[u32]>>(
    model: &HookedLm,
    texts: &[S],
    site: &Site,
    kind: RowKind,
    batch_tokens: usize,
) -> Result<Array2<f32>> {
    let width = width(model, site)?;
    if texts.is_empty() {
        return Err(Error::TooFew { what: "texts", needed: 1, found: 0 });
    }
    let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
    let context = model.config().context;
    if let Some(i) = texts.iter().position(|t| t.is_empty() || t.len() > context) {
        let (what, found) = (format!("text {i}"), texts[i].len());
        return Err(Error::Prompt { what, found, expected: format!("from 1 to the context's {context}") });
    }
    let lengths: Vec<usize> = texts.iter().map(|t| t.len()).collect();
    let mut starts = Vec::with_capacity(texts.len());
    let mut count = 0;
    for length in &lengths {
        starts.push(count);
        count += if kind.last { 1 } else { *length };
    }
    let mut hooks = HookSet::new();
    let read = hooks.read(site.clone(), Read::Full)?;
    let head = if *site == Site::Logits { Head::All } else { Head::None };
    if let Some(block) = block(site) {
        hooks.stop_after(block);
    }
    let mut rows = Array2::<f32>::zeros((count, width));
    for batch in batches(&lengths, batch_tokens)? {
        let chosen: Vec<&[u32]> = batch.iter().map(|i| texts[*i]).collect();
        model.forward(&Tokens::padded(&chosen, false), Forward { head, ..Forward::default() }, &mut hooks)?;
        let found = wide(hooks.full(read)?);
        let found = bridge::float_array::<f32, 3>(found).map_err(Error::from_tensor)?;
        hooks.clear_readings();
        for (sequence, i) in found.outer_iter().zip(&batch) {
            let from = if kind.last { lengths[*i] - 1 } else { 0 };
            for (k, t) in (from..lengths[*i]).enumerate() {
                rows.row_mut(starts[*i] + k).assign(&unit(sequence.row(t), kind.unit));
            }
        }
    }
    if let Some(((row, column), value)) = rows.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return Err(Error::NotFinite { what: "activations", row, column, value: f64::from(*value) });
    }
    Ok(rows)
}

impl SiteAutoencoder {
    /// Whether it fits a model's site.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a site that the model does not have or of another width, [`Error::Probes`] for its weights.
    pub fn check(&self, model: &HookedLm) -> Result<()> {
        self.weights.validate()?;
        let (width, inputs) = (width(model, &self.site)?, self.weights.config.inputs);
        if width != inputs {
            let expected = format!("{inputs} units, as the autoencoder has");
            return Err(Error::Mismatch { what: "width of the site", expected, found: width.to_string() });
        }
        Ok(())
    }

    /// Refuses another model than the one it was trained on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with both hashes.
    pub fn check_model(&self, tensors_sha256: &str) -> Result<()> {
        if self.model.tensors_sha256 == tensors_sha256 {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "model of the autoencoder",
            expected: format!("{} ({})", self.model.tensors_sha256, self.model.source),
            found: tensors_sha256.to_owned(),
        })
    }

    /// Puts what it rebuilds in the place of the site, at every token of every forward call from now on.
    ///
    /// # Errors
    /// Those of [`SiteAutoencoder::check`], [`Error::Probes`] from the device.
    pub fn splice(&self, hooks: &mut HookSet, model: &HookedLm) -> Result<()> {
        self.check(model)?;
        let device = model.device().without_autodiff();
        let encoder = SparseAutoencoder::from_weights(&self.weights, FloatDType::F32, &device)?;
        let unit = self.kind.unit;
        hooks.map(self.site.clone(), Positions::All, move |x, _| {
            let ([batch, time, units], dtype) = (x.dims(), x.dtype());
            let rows: Tensor<2> = x.reshape([batch * time, units]).cast(FloatDType::F32);
            let rebuilt = if unit {
                let length = rows.clone().square().sum_dim(1).sqrt().add_scalar(UNIT_EPSILON);
                encoder.reconstruct(rows / length.clone()).map_err(|e| e.to_string())? * length
            } else {
                encoder.reconstruct(rows).map_err(|e| e.to_string())?
            };
            Ok(rebuilt.cast(dtype).reshape([batch, time, units]))
        });
        Ok(())
    }

    /// What it does to text: rows of its own kind, and the model's loss with the site untouched, spliced and zeroed.
    ///
    /// # Errors
    /// Those of [`collect_rows`], [`SiteAutoencoder::splice`], [`evaluate`] and [`mean_nll`] (a text needs two tokens).
    pub fn evaluate<S: AsRef<[u32]>>(
        &self,
        model: &HookedLm,
        texts: &[S],
        batch_tokens: usize,
    ) -> Result<SiteReport> {
        self.check(model)?;
        let rows = collect_rows(model, texts, &self.site, self.kind, batch_tokens)?;
        let device = model.device().without_autodiff();
        let encoder = SparseAutoencoder::from_weights(&self.weights, FloatDType::F32, &device)?;
        let rows = evaluate(&encoder, &rows.view(), ROWS)?;
        let clean = mean_nll(model, texts, batch_tokens, &mut HookSet::new())?.by_token;
        let mut hooks = HookSet::new();
        self.splice(&mut hooks, model)?;
        let spliced = mean_nll(model, texts, batch_tokens, &mut hooks)?.by_token;
        let mut hooks = HookSet::new();
        hooks.edit(Intervention::drop_units(self.site.clone(), (0..self.weights.config.inputs).collect()))?;
        let zeroed = mean_nll(model, texts, batch_tokens, &mut hooks)?.by_token;
        let loss_recovered = loss_recovered(clean, spliced, zeroed).ok();
        Ok(SiteReport { rows, clean, spliced, zeroed, loss_recovered })
    }

    /// Writes `.safetensors`: the weights' tensors, and in the metadata format, model, site, kind of rows and configuration;
    /// whole or not at all.
    ///
    /// # Errors
    /// [`Error::Probes`] for weights that do not fit, [`Error::Recording`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.weights.validate()?;
        let about = About {
            format: FORMAT.to_owned(),
            model: self.model.clone(),
            site: self.site.clone(),
            rows: self.kind,
            config: self.weights.config.clone(),
        };
        let about = serde_json::to_string(&about).map_err(|e| Error::file(path, e))?;
        let mut file = self.weights.append(Tensors::new().about(&about), "");
        if let Some(threshold) = self.weights.threshold {
            file = file.f64("threshold", ArrayView1::from(&[threshold]).into_dyn());
        }
        file.write(path).map_err(Error::from_recording)
    }

    /// Reads what [`SiteAutoencoder::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Recording`] for a file that cannot be read or lacks a tensor, [`Error::File`] for one that is no
    /// autoencoder's, [`Error::Probes`] for weights that do not fit.
    pub fn load(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path).map_err(Error::from_recording)?;
        let about = file.about().ok_or_else(|| Error::file(path, "it does not say what it is"))?;
        let value: serde_json::Value = serde_json::from_str(about).map_err(|e| Error::file(path, e))?;
        let format = value["format"].as_str().unwrap_or("none");
        if format != FORMAT {
            return Err(Error::file(path, format!("format {format:?}, expected {FORMAT:?}")));
        }
        let about: About = serde_json::from_str(about).map_err(|e| Error::file(path, e))?;
        let mut weights = SparseWeights::extract(&file, "", about.config)?;
        if weights.threshold.is_some() {
            let value = file.read_f64_1("threshold").map_err(Error::from_recording)?;
            weights.threshold = value.first().copied();
        }
        weights.validate()?;
        Ok(Self { model: about.model, site: about.site, kind: about.rows, weights })
    }
}

fn width(model: &HookedLm, site: &Site) -> Result<usize> {
    model.width(site).ok_or_else(|| Error::Mismatch {
        what: "site",
        expected: "one of the model's".to_owned(),
        found: site.to_string(),
    })
}

/// The block of a site, after which nothing need run.
fn block(site: &Site) -> Option<usize> {
    match site {
        Site::ResidPre(l)
        | Site::AttnOut(l)
        | Site::ResidMid(l)
        | Site::MlpIn(l)
        | Site::GateOut(l)
        | Site::UpOut(l)
        | Site::Act(l)
        | Site::DownIn(l)
        | Site::DownOut(l)
        | Site::ResidPost(l) => Some(*l),
        Site::Embed => Some(0),
        _ => None,
    }
}

fn unit(row: ArrayView1<'_, f32>, divide: bool) -> ndarray::Array1<f32> {
    if !divide {
        return row.to_owned();
    }
    let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() + UNIT_EPSILON;
    row.mapv(|x| (f64::from(x) / length) as f32)
}

/// Doubles become singles, which is what autoencoders are trained in.
fn wide(x: Tensor<3>) -> Tensor<3> {
    if x.dtype() == DType::F32 { x } else { x.cast(FloatDType::F32) }
}
