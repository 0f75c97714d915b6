//! Runs that are interrupted and go on, bit for bit: weights, Adam's memory, who is dead, and where the run stands.

use std::path::PathBuf;

use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::{Array1, Array2, ArrayView2};
use recordings::arrays::{ArrayFile, Tensors};
use serde::{Deserialize, Serialize};
use tensor_backend::bridge;

use super::config::SparseAutoencoderConfig;
use super::parts::Parts;
use super::plan::SparseTraining;
use super::training::EpochSummary;
use super::weights::{SparseWeights, file_error, finite};
use crate::{Error, Result};

const FORMAT: &str = "neuropil.sparse-training/1";

/// Where a run is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    /// The file, written whole or not at all over the one before.
    pub path: PathBuf,
    /// Epochs between two writes; the end of a run is written too.
    pub every: u64,
    /// Whether the run goes on where the file says; without it the run starts anew and the file is replaced.
    pub resume: bool,
}

/// A run between two epochs.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) parts: Parts,
    pub(super) mean: Parts,
    pub(super) square: Parts,
    pub(super) since: Tensor<2>,
    pub(super) at: Position,
    pub(super) epochs: Vec<EpochSummary>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) step: u64,
    pub(super) epoch: u64,
    /// Resamplings done.
    pub(super) rounds: u64,
    /// Latents resampled.
    pub(super) revived: usize,
    /// Whether there were dead latents when the device was last read.
    pub(super) auxiliary: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    /// What must agree: plan without its number of epochs, autoencoder, number type, rows.
    run: String,
    at: Position,
}

/// What must agree for a checkpoint to be this run's; the number of epochs need not.
pub(super) fn identity(
    plan: &SparseTraining,
    config: &SparseAutoencoderConfig,
    dtype: FloatDType,
    rows: &ArrayView2<'_, f32>,
) -> String {
    let plan = SparseTraining { epochs: 1, resident_bytes: 0, ..plan.clone() };
    let text = |value: serde_json::Result<String>| value.unwrap_or_default();
    // FNV-1a over the bits of the rows.
    let hash = rows.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, x| {
        (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!(
        "plan {}; autoencoder {}; {dtype:?}; {} rows {hash:016x}",
        text(serde_json::to_string(&plan)),
        text(serde_json::to_string(config)),
        rows.nrows()
    )
}

impl Checkpoints {
    /// Whether the figures make sense.
    pub(super) fn validate(&self) -> Result<()> {
        match self.every {
            0 => Err(Error::parameter("every", 0, "at least 1 epoch")),
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, saved: &Saved, run: &str, config: &SparseAutoencoderConfig) -> Result<()> {
        let about = About { format: FORMAT.to_owned(), run: run.to_owned(), at: saved.at };
        let about = serde_json::to_string(&about).map_err(|e| file_error(&self.path, e))?;
        let mut file = Tensors::new().about(&about);
        for (prefix, parts) in [("model.", &saved.parts), ("mean.", &saved.mean), ("square.", &saved.square)]
        {
            file = SparseWeights::read(parts, config)?.append(file, prefix);
        }
        let since = bridge::float_array::<f64, 2>(saved.since.clone())?;
        let epochs: Vec<f64> = saved.epochs.iter().flat_map(numbers).collect();
        let epochs =
            Array2::from_shape_vec((saved.epochs.len(), 8), epochs).map_err(|e| file_error(&self.path, e))?;
        Ok(file
            .f64("since", since.view().into_dyn())
            .f64("epochs", epochs.view().into_dyn())
            .write(&self.path)?)
    }

    pub(super) fn read(
        &self,
        run: &str,
        config: &SparseAutoencoderConfig,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Saved> {
        let file = ArrayFile::open(&self.path)?;
        let about = file.about().ok_or_else(|| file_error(&self.path, "it does not say what it is"))?;
        let about: About = serde_json::from_str(about).map_err(|e| file_error(&self.path, e))?;
        if about.format != FORMAT {
            return Err(file_error(&self.path, format!("format {:?}, expected {FORMAT:?}", about.format)));
        }
        if about.run != run {
            return Err(file_error(
                &self.path,
                format!("it is of another run ({}), here it is ({run})", about.run),
            ));
        }
        let parts = |prefix: &str| {
            let weights = SparseWeights::extract(&file, prefix, config.clone())?;
            weights.validate()?;
            weights.upload(dtype, device)
        };
        let since = file.read_f64_2("since")?;
        if since.dim() != (1, config.latents) {
            return Err(Error::shape("since", format!("(1, {})", config.latents), since.dim()));
        }
        finite("since", &since.view())?;
        let epochs = file.read_f64_2("epochs")?;
        if epochs.dim() != (usize::try_from(about.at.epoch).unwrap_or(usize::MAX), 8) {
            return Err(Error::shape("epochs", format!("({}, 8)", about.at.epoch), epochs.dim()));
        }
        Ok(Saved {
            parts: parts("model.")?,
            mean: parts("mean.")?,
            square: parts("square.")?,
            since: bridge::float_tensor(since.view(), FloatDType::F32, device)?,
            at: about.at,
            epochs: epochs.outer_iter().map(|row| summary(&row.to_owned())).collect(),
        })
    }
}

fn numbers(e: &EpochSummary) -> [f64; 8] {
    let whole = [e.epoch as f64, e.steps as f64, e.dead as f64, e.revived as f64];
    [whole[0], whole[1], e.loss, e.reconstruction, e.magnitude, e.l0, whole[2], whole[3]]
}

fn summary(row: &Array1<f64>) -> EpochSummary {
    EpochSummary {
        epoch: row[0] as u64,
        steps: row[1] as u64,
        loss: row[2],
        reconstruction: row[3],
        magnitude: row[4],
        l0: row[5],
        dead: row[6] as usize,
        revived: row[7] as usize,
    }
}
