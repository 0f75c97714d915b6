//! What a network has to offer to be taught.

use ndarray::{Array2, ArrayView2};

use super::{Drive, Raster, check_weights};
use crate::{Error, Result};

/// A recurrent network that fires under a known input. PSPM needs no more of it than its spikes.
pub trait SpikingNetwork {
    /// Its weights `[target, source]`.
    fn weights(&self) -> &Array2<f64>;

    /// Replaces its weights.
    ///
    /// # Errors
    /// Those of [`check_weights`](super::check_weights); [`Error::Shape`] for another number of neurons.
    fn set_weights(&mut self, weights: ArrayView2<'_, f64>) -> Result<()>;

    /// For how many steps after a spike a neuron cannot fire.
    fn refractory_steps(&self) -> usize;

    /// Runs from rest for as long as the drive lasts; `raster` is overwritten.
    ///
    /// # Errors
    /// [`Error::Shape`] where drive and raster do not fit the network or one another.
    fn simulate(&mut self, drive: &Drive, raster: &mut Raster) -> Result<()>;
}

/// Refuses a drive or raster of another size, and empties the raster.
pub(super) fn prepare(neurons: usize, drive: &Drive, raster: &mut Raster) -> Result<()> {
    fits("drive", neurons, raster.steps(), drive.neurons(), drive.steps())?;
    fits("raster", neurons, raster.steps(), raster.neurons(), raster.steps())?;
    raster.trains.iter_mut().for_each(Vec::clear);
    Ok(())
}

/// Refuses what has not `[neurons, steps]`.
pub(super) fn fits(what: &str, neurons: usize, steps: usize, n: usize, t: usize) -> Result<()> {
    if (n, t) == (neurons, steps) {
        Ok(())
    } else {
        let expected = format!("{neurons} neurons and {steps} steps");
        Err(Error::shape(what, expected, format!("{n} and {t}")))
    }
}

/// Checks new weights and puts them in the place of the old ones.
pub(super) fn replace(old: &mut Array2<f64>, new: &ArrayView2<'_, f64>) -> Result<()> {
    check_weights(new)?;
    if new.dim() != old.dim() {
        let expected = format!("{:?}", old.dim());
        return Err(Error::shape("weights", expected, format!("{:?}", new.dim())));
    }
    old.assign(new);
    Ok(())
}

/// `weights` as `[source, target]`, into a buffer that is kept: a spike then adds one contiguous row.
pub(super) fn by_source(weights: &Array2<f64>, into: &mut Vec<f64>) {
    into.clear();
    into.extend(weights.columns().into_iter().flatten());
}
