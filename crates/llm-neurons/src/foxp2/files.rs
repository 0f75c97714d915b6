//! The file of a steering plan: `.safetensors`, with what the plan is in the metadata.
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | `layer.{l}.encoder`, `layer.{l}.encoder_bias` | `[D, F]`, `[F]` | the autoencoder |
//! | `layer.{l}.decoder`, `layer.{l}.bias`, `layer.{l}.threshold` | `[F, D]`, `[D]`, `[1]` | where it has them |
//! | `layer.{l}.features` | `[N]` | language neurons |
//! | `layer.{l}.basis` | `[F, r]` | `V_r` |
//! | `layer.{l}.mu_target`, `layer.{l}.mu_english` | `[F]` | directions |
//! | `layer.{l}.numbers` | `[4]` | mean residual norm, mass, effective rank, stability |
//! | `strength` | `[2]` | lambda, beta |

use std::path::Path;

use ndarray::{ArrayView1, arr1};
use probes::{SparseAutoencoderConfig, SparseWeights};
use recordings::ModelIdentity;
use recordings::arrays::{ArrayFile, Tensors};
use serde::{Deserialize, Serialize};

use super::edit::{Scale, Strength};
use super::layer::{LayerQuality, LayerSteer};
use super::plan::SteeringPlan;
use crate::{Error, Result};

const FORMAT: &str = "neuropil.steering-plan/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    model: ModelIdentity,
    source: String,
    target: String,
    scale: Scale,
    layers: Vec<AboutLayer>,
    seed: u64,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AboutLayer {
    layer: usize,
    autoencoder: SparseAutoencoderConfig,
    rank: usize,
    eigengap: usize,
}

impl SteeringPlan {
    /// Writes the plan, whole or not at all.
    ///
    /// # Errors
    /// Those of [`SteeringPlan::validate`]; [`Error::Recording`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.validate()?;
        let layers = self.layers.iter().map(|l| AboutLayer {
            layer: l.layer,
            autoencoder: l.weights.config.clone(),
            rank: l.quality.rank,
            eigengap: l.quality.eigengap,
        });
        let about = About {
            format: FORMAT.to_owned(),
            model: self.model.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            scale: self.scale,
            layers: layers.collect(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let about = serde_json::to_string(&about).map_err(|e| Error::plan(e.to_string()))?;
        // Numbers go into tensors: JSON may round their last bit.
        let strength = arr1(&[self.strength.lambda, self.strength.beta]);
        let mut file = Tensors::new().about(&about).f64("strength", strength.view().into_dyn());
        for layer in &self.layers {
            let name = |part: &str| format!("layer.{}.{part}", layer.layer);
            file = layer.weights.append(file, &name(""));
            if let Some(threshold) = layer.weights.threshold {
                file = file.f64(&name("threshold"), arr1(&[threshold]).view().into_dyn());
            }
            let features: Vec<i64> = layer.features.iter().map(|j| *j as i64).collect();
            let quality = &layer.quality;
            let numbers = [layer.mean_norm, quality.mass, quality.effective_rank, quality.stability];
            file = file
                .f64(&name("numbers"), arr1(&numbers).view().into_dyn())
                .i64(&name("features"), ArrayView1::from(&features).into_dyn())
                .f64(&name("basis"), layer.basis.view().into_dyn())
                .f64(&name("mu_target"), layer.mu_target.view().into_dyn())
                .f64(&name("mu_english"), layer.mu_english.view().into_dyn());
        }
        file.write(path).map_err(Error::from_recording)
    }

    /// Reads what [`SteeringPlan::save`] wrote. Whose model it is for is checked by [`SteeringPlan::check_model`].
    ///
    /// # Errors
    /// [`Error::Recording`] for a file that cannot be read or lacks a tensor, [`Error::Plan`] for one that is no steering
    /// plan, those of [`SteeringPlan::validate`].
    pub fn load(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path).map_err(Error::from_recording)?;
        let damaged = |reason: String| Error::plan(format!("{}: {reason}", path.display()));
        let about = file.about().ok_or_else(|| damaged("it does not say what it is".to_owned()))?;
        let format: serde_json::Value = serde_json::from_str(about).map_err(|e| damaged(e.to_string()))?;
        let format = format["format"].as_str().unwrap_or("none");
        if format != FORMAT {
            return Err(damaged(format!("format {format:?}, expected {FORMAT:?}")));
        }
        let about: About = serde_json::from_str(about).map_err(|e| damaged(e.to_string()))?;
        let strength = file.read_f64_1("strength").map_err(Error::from_recording)?;
        let [lambda, beta] = strength.as_slice().unwrap_or_default() else {
            return Err(damaged("strength: expected two numbers".to_owned()));
        };
        let strength = Strength { lambda: *lambda, beta: *beta };
        let layers = about.layers.into_iter().map(|layer| read_layer(&file, layer)).collect::<Result<_>>()?;
        let plan = Self {
            model: about.model,
            source: about.source,
            target: about.target,
            scale: about.scale,
            strength,
            layers,
            seed: about.seed,
        };
        plan.validate()?;
        Ok(plan)
    }
}

fn read_layer(file: &ArrayFile, about: AboutLayer) -> Result<LayerSteer> {
    let name = |part: &str| format!("layer.{}.{part}", about.layer);
    let vector = |part: &str| file.read_f64_1(&name(part)).map_err(Error::from_recording);
    let mut weights = SparseWeights::extract(file, &name(""), about.autoencoder)?;
    if weights.threshold.is_some() {
        weights.threshold = vector("threshold")?.first().copied();
    }
    let features = file.read_i64_1(&name("features")).map_err(Error::from_recording)?;
    let features = features
        .iter()
        .map(|j| {
            let below = |_| Error::Parameter { name: "feature", value: *j as f64, expected: "zero or more" };
            usize::try_from(*j).map_err(below)
        })
        .collect::<Result<_>>()?;
    let numbers = vector("numbers")?;
    let [mean_norm, mass, effective_rank, stability] = numbers.as_slice().unwrap_or_default() else {
        return Err(Error::plan(format!("{}: expected four", name("numbers"))));
    };
    Ok(LayerSteer {
        layer: about.layer,
        weights,
        features,
        basis: file.read_f64_2(&name("basis")).map_err(Error::from_recording)?,
        mu_target: vector("mu_target")?,
        mu_english: vector("mu_english")?,
        mean_norm: *mean_norm,
        quality: LayerQuality {
            rank: about.rank,
            mass: *mass,
            effective_rank: *effective_rank,
            eigengap: about.eigengap,
            stability: *stability,
        },
    })
}
