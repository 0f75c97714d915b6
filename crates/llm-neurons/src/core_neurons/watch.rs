//! The activations that rank neurons, seen layer by layer while a model reads.

use burn::tensor::{FloatDType, Tensor};
use ndarray::{ArrayView2, Axis};
use probes::{Span, Taps};
use recordings::Site;
use tensor_backend::bridge::float_array;

use super::CoreSource;
use crate::model::{Forward, HookedLm, Tokens};
use crate::{Error, Result};

/// What is shown of a forward pass.
pub(super) struct Watch<W> {
    /// Which activations.
    pub(super) source: CoreSource,
    /// Of which layers.
    pub(super) layers: W,
    /// The last block that need run; all, and the head, where there is none.
    pub(super) stop_after: Option<usize>,
}

impl<W: Fn(usize) -> bool> Watch<W> {
    /// Reads one sequence and shows `see` the activations `[tokens, neurons]` of each layer asked for: one transfer a
    /// layer, of which nothing is kept.
    pub(super) fn read(
        self,
        model: &HookedLm,
        ids: &[u32],
        with: Forward<'_>,
        see: impl FnMut(usize, &ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<Option<Tensor<3>>> {
        let mut taps = Watching { watch: self, see, refused: None };
        let out = model.forward(&Tokens::one(ids), with, &mut taps);
        // The reason, not that a hook had one.
        match taps.refused {
            Some(reason) => Err(reason),
            None => out,
        }
    }

    fn layer(&self, site: &Site) -> Option<usize> {
        match (self.source, site) {
            (CoreSource::PreActivation, Site::UpOut(l)) | (CoreSource::DownInput, Site::DownIn(l)) => {
                (self.layers)(*l).then_some(*l)
            }
            _ => None,
        }
    }
}

struct Watching<W, F> {
    watch: Watch<W>,
    see: F,
    refused: Option<Error>,
}

impl<W, F> Taps for Watching<W, F>
where
    W: Fn(usize) -> bool,
    F: FnMut(usize, &ArrayView2<'_, f32>) -> Result<()>,
{
    fn tap(&mut self, site: Site, x: Tensor<3>, _span: &Span) -> probes::Result<Tensor<3>> {
        let Some(layer) = self.watch.layer(&site) else { return Ok(x) };
        let seen = float_array::<f32, 3>(x.clone().cast(FloatDType::F32))
            .map_err(Error::from_tensor)
            .and_then(|a| (self.see)(layer, &a.index_axis(Axis(0), 0)));
        seen.map_err(|reason| {
            let message = reason.to_string();
            self.refused = Some(reason);
            probes::Error::Map { site: site.to_string(), message }
        })?;
        Ok(x)
    }

    fn stop_after(&self) -> Option<usize> {
        self.watch.stop_after
    }

    fn wants(&self, site: &Site) -> bool {
        self.watch.layer(site).is_some()
    }
}
