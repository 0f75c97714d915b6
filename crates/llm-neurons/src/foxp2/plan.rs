//! A plan of layers to steer, for one model and one language.

use recordings::ModelIdentity;

use super::edit::{Scale, Strength};
use super::layer::LayerSteer;
use crate::{Error, Result};

/// What a model's residual stream is edited with, layer by layer. [`SteeringPlan::save`] writes the file that
/// `neuropil llm generate --steer` reads.
#[derive(Debug, Clone, PartialEq)]
pub struct SteeringPlan {
    /// The model that it was fitted to.
    pub model: ModelIdentity,
    /// The language that is held back, such as `en`.
    pub source: String,
    /// The language that is steered to, such as `hi`.
    pub target: String,
    /// How strengths are meant.
    pub scale: Scale,
    /// The strength that was chosen for it.
    pub strength: Strength,
    /// The layers of the window, ascending.
    pub layers: Vec<LayerSteer>,
    /// Seed of the fit.
    pub seed: u64,
}

impl SteeringPlan {
    /// Whether layers ascend, have one width and fit in themselves.
    ///
    /// # Errors
    /// [`Error::Plan`], [`Error::Parameter`], and those of [`LayerSteer::validate`].
    pub fn validate(&self) -> Result<()> {
        self.strength.check()?;
        let Some(first) = self.layers.first() else {
            return Err(Error::TooFew { what: "layers to steer", needed: 1, found: 0 });
        };
        for (i, layer) in self.layers.iter().enumerate() {
            layer.validate()?;
            if i > 0 && layer.layer <= self.layers[i - 1].layer {
                return Err(Error::plan(format!("layer {} does not follow its predecessor", layer.layer)));
            }
            let (width, found) = (first.weights.config.inputs, layer.weights.config.inputs);
            if width != found {
                return Err(Error::plan(format!(
                    "layer {} has {found} units, the first {width}",
                    layer.layer
                )));
            }
        }
        Ok(())
    }

    /// Refuses a plan that is of another model, or does not fit it: `layers` and `hidden` are the model's.
    ///
    /// # Errors
    /// [`Error::Plan`] with what was expected and found.
    pub fn check_model(&self, tensors_sha256: &str, layers: usize, hidden: usize) -> Result<()> {
        if self.model.tensors_sha256 != tensors_sha256 {
            return Err(Error::plan(format!(
                "made for {} ({}), the model is {tensors_sha256}",
                self.model.tensors_sha256, self.model.source
            )));
        }
        self.check_shape(layers, hidden)
    }

    /// Refuses a plan that cannot act on a model of `layers` blocks and `hidden` units, whatever its tensors.
    ///
    /// # Errors
    /// [`Error::Plan`] with what was expected and found.
    pub fn check_shape(&self, layers: usize, hidden: usize) -> Result<()> {
        for layer in &self.layers {
            if layer.layer >= layers {
                return Err(Error::plan(format!("layer {}: the model has {layers}", layer.layer)));
            }
            let width = layer.weights.config.inputs;
            if width != hidden {
                return Err(Error::plan(format!("{width} units a layer: the model has {hidden}")));
            }
        }
        Ok(())
    }

    /// The steered layer of this number.
    #[must_use]
    pub fn layer(&self, layer: usize) -> Option<&LayerSteer> {
        self.layers.iter().find(|l| l.layer == layer)
    }
}
