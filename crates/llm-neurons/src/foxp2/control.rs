//! Controls of steering: random directions of the same length.

use ndarray::Array1;
use numerics::rng::{normals, stream};

use super::defaultness::{Defaultness, mean_defaultness};
use super::edit::Scale;
use super::layer::LayerSteer;
use super::weak::WeakPrompts;
use crate::Result;

impl LayerSteer {
    /// What steering towards the target adds to the residual stream at strength `lambda`, `[D]`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a mean norm that is not positive.
    pub fn towards(&self, lambda: f64, scale: Scale) -> Result<Array1<f64>> {
        Ok(self.directions().0 * (lambda * scale.factor(self.mean_norm)?))
    }

    /// A vector as long as [`LayerSteer::towards`] in a direction drawn uniformly, of `(seed, "foxp2.random.{layer}",
    /// draw)`.
    ///
    /// # Errors
    /// Those of [`LayerSteer::towards`].
    pub fn random_vector(&self, lambda: f64, scale: Scale, seed: u64, draw: u64) -> Result<Array1<f64>> {
        let length = self.towards(lambda, scale)?.mapv(|x| x * x).sum().sqrt();
        let purpose = format!("foxp2.random.{}", self.layer);
        let values = Array1::from(normals(&mut stream(seed, &purpose, draw), self.weights.config.inputs));
        let own = values.mapv(|x| x * x).sum().sqrt();
        Ok(if own > 0.0 { values * (length / own) } else { values })
    }
}

impl WeakPrompts<'_> {
    /// Mean masses of the next token with random directions in place of those of the layers, one for each of `draws`.
    ///
    /// # Errors
    /// Those of [`LayerSteer::random_vector`] and [`WeakPrompts::with_vector_in_each`].
    pub fn random_control(
        &self,
        layers: &[LayerSteer],
        lambda: f64,
        scale: Scale,
        seed: u64,
        draws: u64,
    ) -> Result<Vec<Defaultness>> {
        let one = |draw| {
            let vectors = layers
                .iter()
                .map(|l| Ok((l.layer, l.random_vector(lambda, scale, seed, draw)?.to_vec())))
                .collect::<Result<Vec<(usize, Vec<f64>)>>>()?;
            mean_defaultness(&self.with_vector_in_each(&vectors)?)
        };
        (0..draws).map(one).collect()
    }
}
