//! One block: attention and MLP around the residual stream.

use burn::module::Module;
use burn::tensor::Tensor;
use probes::Taps;
use recordings::Site;

use super::attention::Attention;
use super::cache::KvCache;
use super::config::Residual;
use super::layers::Norm;
use super::lm::Frame;
use super::mlp::Mlp;
use crate::Result;

/// Norms, attention, MLP.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) norm1: Norm,
    pub(crate) attention: Attention,
    pub(crate) norm2: Norm,
    pub(crate) mlp: Mlp,
    #[module(skip)]
    pub(crate) residual: Residual,
}

impl Block {
    /// The residual stream `[batch, time, hidden]` after the block; `mlp` stands in for its own where it is given.
    pub(crate) fn forward<T: Taps>(
        &self,
        x: Tensor<3>,
        layer: usize,
        frame: &Frame,
        cache: Option<&mut KvCache>,
        mlp: Option<&Mlp>,
        taps: &mut T,
    ) -> Result<Tensor<3>> {
        let span = &frame.span;
        let mlp = mlp.unwrap_or(&self.mlp);
        let x = taps.tap(Site::ResidPre(layer), x, span)?;
        let attention = self.attention.forward(self.norm1.forward(x.clone())?, layer, frame, cache)?;
        let attention = taps.tap(Site::AttnOut(layer), attention, span)?;
        let out = match self.residual {
            Residual::Sequential => {
                let middle = taps.tap(Site::ResidMid(layer), x + attention, span)?;
                let added = mlp.forward(self.norm2.forward(middle.clone())?, layer, span, taps)?;
                middle + added
            }
            Residual::Parallel => {
                let added = mlp.forward(self.norm2.forward(x.clone())?, layer, span, taps)?;
                added + attention + x
            }
        };
        Ok(taps.tap(Site::ResidPost(layer), out, span)?)
    }
}
