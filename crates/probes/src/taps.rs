//! What a model shows its tensors to.

use burn::tensor::Tensor;
use recordings::Site;

use crate::{Result, Span};

/// Sees every tensor `[batch, time, units]` of a model at its [`Site`], and may hand on another one.
pub trait Taps {
    /// The tensor to go on with.
    ///
    /// # Errors
    /// What the reads and edits of the site refuse.
    fn tap(&mut self, site: Site, x: Tensor<3>, span: &Span) -> Result<Tensor<3>>;

    /// The last block that need run; later ones, the final norm and the head are left out.
    fn stop_after(&self) -> Option<usize> {
        None
    }

    /// Whether a site is read or edited: a model that can do without its tensor need not make it.
    fn wants(&self, site: &Site) -> bool;
}

/// Sees nothing: a forward pass with it is compiled without hooks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTaps;

impl Taps for NoTaps {
    #[inline(always)]
    fn tap(&mut self, _site: Site, x: Tensor<3>, _span: &Span) -> Result<Tensor<3>> {
        Ok(x)
    }

    #[inline(always)]
    fn wants(&self, _site: &Site) -> bool {
        false
    }
}

impl<T: Taps + ?Sized> Taps for &mut T {
    fn tap(&mut self, site: Site, x: Tensor<3>, span: &Span) -> Result<Tensor<3>> {
        (**self).tap(site, x, span)
    }

    fn stop_after(&self) -> Option<usize> {
        (**self).stop_after()
    }

    fn wants(&self, site: &Site) -> bool {
        (**self).wants(site)
    }
}
