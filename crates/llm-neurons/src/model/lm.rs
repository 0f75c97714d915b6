//! The whole model and its forward pass.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use ndarray::{Array2, Array4};
use probes::{NoTaps, Span, Taps};
use recordings::Site;
use tensor_backend::bridge;

use super::block::Block;
use super::cache::KvCache;
use super::config::{LmConfig, Position};
use super::layers::Norm;
use super::mlp::Mlp;
use super::one_row::product;
use super::rope::Rotation;
use crate::kernels::{RotaryTable, on_processor};
use crate::{Error, Result};

/// A decoder-only transformer.
///
/// Made by [`HookedLm::load`] from a Hugging Face folder; a Burn [`Module`], so it trains, saves and moves between devices.
#[derive(Module, Debug)]
pub struct HookedLm {
    /// `[vocab, hidden]`.
    pub(crate) embed: Param<Tensor<2>>,
    /// `[context + offset, hidden]`, where positions are learned.
    pub(crate) positions: Option<Param<Tensor<2>>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    /// `[vocab, hidden]`, unless it is the embedding.
    pub(crate) head: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(crate) config: LmConfig,
    #[module(skip)]
    pub(crate) frequencies: Vec<f64>,
}

/// Token ids `[batch, time]` and which of them are padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokens {
    pub(crate) ids: Array2<u32>,
    pub(crate) valid: Option<Array2<bool>>,
}

impl Tokens {
    /// Sequences of one length.
    #[must_use]
    pub fn new(ids: Array2<u32>) -> Self {
        Self { ids, valid: None }
    }

    /// One sequence.
    #[must_use]
    pub fn one(ids: &[u32]) -> Self {
        Self { ids: Array2::from_shape_fn((1, ids.len()), |(_, t)| ids[t]), valid: None }
    }

    /// Sequences of several lengths, shorter ones padded by token 0 at the left or the right.
    #[must_use]
    pub fn padded(sequences: &[&[u32]], left: bool) -> Self {
        let time = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        let at = |b: usize, t: usize| {
            let row = sequences[b];
            let shift = if left { time - row.len() } else { 0 };
            t.checked_sub(shift).and_then(|i| row.get(i).copied())
        };
        let shape = (sequences.len(), time);
        let valid = Array2::from_shape_fn(shape, |(b, t)| at(b, t).is_some());
        Self { ids: Array2::from_shape_fn(shape, |(b, t)| at(b, t).unwrap_or(0)), valid: Some(valid) }
    }

    /// Sequences and the tokens of each.
    #[must_use]
    pub fn dim(&self) -> (usize, usize) {
        self.ids.dim()
    }

    /// With a mask: true where a token is none of the padding.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask of another shape.
    pub fn masked(ids: Array2<u32>, valid: Array2<bool>) -> Result<Self> {
        if ids.dim() != valid.dim() {
            return Err(Error::Shape {
                what: "mask",
                expected: format!("{:?}", ids.dim()),
                found: format!("{:?}", valid.dim()),
            });
        }
        Ok(Self { ids, valid: Some(valid) })
    }
}

/// Of which tokens logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// Every token's.
    #[default]
    All,
    /// Each sequence's newest token's.
    Last,
    /// None: the head is not computed.
    None,
}

/// How to run a forward pass.
#[derive(Debug, Default)]
pub struct Forward<'a> {
    /// Keys and values of what was read before; none to read from the start.
    pub cache: Option<&'a mut KvCache>,
    /// Of which tokens logits are wanted.
    pub head: Head,
    /// MLPs that stand in for the model's own, by layer.
    pub mlps: Option<&'a [Option<Mlp>]>,
}

/// What all blocks of one forward call share.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) span: Span,
    pub(crate) rotation: Option<Rotation>,
    /// The same for the processor's kernels.
    pub(crate) table: Option<RotaryTable>,
    /// Added to the scores: zero, or far below any score. `[batch or 1, 1, time, tokens]`. None where every token sees all
    /// that came before it, and is either the only one or the kernels compute attention.
    pub(crate) mask: Option<Tensor<4>>,
    /// Whether the processor's kernels compute attention: of more than one token, in 32-bit floats, without gradients.
    pub(crate) here: bool,
}

/// Stands for minus infinity, which would make NaN of a row that sees nothing.
const HIDDEN: f64 = -1e30;

impl HookedLm {
    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &LmConfig {
        &self.config
    }

    /// Where it is.
    #[must_use]
    pub fn device(&self) -> Device {
        self.embed.val().device()
    }

    /// The number type of its weights and activations.
    pub(crate) fn float_dtype(&self) -> FloatDType {
        match self.embed.val().dtype() {
            DType::F64 => FloatDType::F64,
            DType::F16 => FloatDType::F16,
            DType::BF16 => FloatDType::BF16,
            _ => FloatDType::F32,
        }
    }

    /// The MLP of a layer.
    #[must_use]
    pub fn mlp(&self, layer: usize) -> Option<&Mlp> {
        self.blocks.get(layer).map(|b| &b.mlp)
    }

    /// How many units a site has; `None` where the model does not have it.
    #[must_use]
    pub fn width(&self, site: &Site) -> Option<usize> {
        let c = &self.config;
        let layer = |l: usize, width: usize| (l < c.layers).then_some(width);
        match site {
            Site::Embed | Site::FinalNorm => Some(c.hidden),
            Site::Logits => Some(c.vocab),
            Site::ResidMid(l) if c.residual == super::Residual::Sequential => layer(*l, c.hidden),
            Site::ResidPre(l) | Site::ResidPost(l) | Site::AttnOut(l) | Site::MlpIn(l) | Site::DownOut(l) => {
                layer(*l, c.hidden)
            }
            Site::GateOut(l) if c.gated => layer(*l, c.mlp),
            Site::UpOut(l) | Site::Act(l) | Site::DownIn(l) => layer(*l, c.mlp),
            _ => None,
        }
    }

    /// Logits `[batch, time, vocab]` of every token.
    ///
    /// # Errors
    /// Those of [`HookedLm::forward`].
    pub fn logits(&self, tokens: &Tokens) -> Result<Tensor<3>> {
        self.forward(tokens, Forward::default(), &mut NoTaps)?.ok_or_else(|| Error::Shape {
            what: "logits",
            expected: "a head".to_owned(),
            found: "none".to_owned(),
        })
    }

    /// A forward pass: logits `[batch, time or 1, vocab]`, or nothing when the head is off or the taps stop before it.
    ///
    /// # Errors
    /// [`Error::Prompt`] for no token, or more than the context or cache hold; [`Error::TokenOutOfVocabulary`];
    /// [`Error::Shape`] for a mask or cache of another batch; [`Error::Probes`] from a hook; [`Error::Tensor`].
    pub fn forward<T: Taps>(
        &self,
        tokens: &Tokens,
        with: Forward<'_>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        let Forward { mut cache, head, mlps } = with;
        let (x, frame) = self.begin(tokens, cache.as_deref())?;
        let mut x = taps.tap(Site::Embed, x, &frame.span)?;
        let last = taps.stop_after();
        for (layer, block) in self.blocks.iter().enumerate() {
            let mlp = mlps.and_then(|m| m.get(layer)).and_then(Option::as_ref);
            x = block.forward(x, layer, &frame, cache.as_deref_mut(), mlp, taps)?;
            if last == Some(layer) {
                return Ok(None);
            }
        }
        if let Some(cache) = cache {
            cache.advance(&frame.span);
        }
        self.finish(x, head, &frame, taps)
    }

    /// Goes on after block `layer` from its output `[batch, time, hidden]` of dense sequences.
    ///
    /// # Errors
    /// Those of [`HookedLm::forward`].
    pub fn forward_from<T: Taps>(
        &self,
        layer: usize,
        x: Tensor<3>,
        tokens: &Tokens,
        head: Head,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        self.go_on(layer, x, tokens, None, head, taps)
    }

    /// Goes on after block `layer` from its output `[batch, time, hidden]` of the tokens that follow those in a cache.
    /// The cache does not count them as read: the same tokens may be gone on from again, with another output.
    ///
    /// # Errors
    /// Those of [`HookedLm::forward`].
    pub fn resume<T: Taps>(
        &self,
        layer: usize,
        x: Tensor<3>,
        tokens: &Tokens,
        cache: &mut KvCache,
        head: Head,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        self.go_on(layer, x, tokens, Some(cache), head, taps)
    }

    fn go_on<T: Taps>(
        &self,
        layer: usize,
        x: Tensor<3>,
        tokens: &Tokens,
        mut cache: Option<&mut KvCache>,
        head: Head,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        let (batch, time) = tokens.ids.dim();
        let wanted = [batch, time, self.config.hidden];
        if layer >= self.config.layers || x.dims() != wanted {
            let expected = format!("{wanted:?} after one of {} blocks", self.config.layers);
            return Err(Error::shape(
                "residual stream",
                expected,
                format!("{:?} after block {layer}", x.dims()),
            ));
        }
        let (_, frame) = self.begin(tokens, cache.as_deref())?;
        let mut x = taps.tap(Site::ResidPost(layer), x, &frame.span)?;
        for (next, block) in self.blocks.iter().enumerate().skip(layer + 1) {
            x = block.forward(x, next, &frame, cache.as_deref_mut(), None, taps)?;
        }
        self.finish(x, head, &frame, taps)
    }

    /// Embeddings and what all blocks share.
    fn begin(&self, tokens: &Tokens, cache: Option<&KvCache>) -> Result<(Tensor<3>, Frame)> {
        let (batch, time) = tokens.ids.dim();
        if let Some(cache) = cache {
            cache.check(&self.config)?;
        }
        let read = cache.map_or(0, KvCache::len);
        if batch == 0 || time == 0 || time + read > self.config.context {
            return Err(Error::Prompt {
                what: "text".to_owned(),
                found: time + read,
                expected: format!("from 1 to the context's {}", self.config.context),
            });
        }
        if let Some((at, token)) =
            tokens.ids.iter().enumerate().find(|(_, t)| **t as usize >= self.config.vocab)
        {
            let (position, vocabulary) = (at % time, self.config.vocab);
            return Err(Error::TokenOutOfVocabulary { token: *token, position, vocabulary });
        }
        let span = match cache {
            Some(cache) => cache.span(batch, time, tokens.valid.clone())?,
            None => Span::new(batch, time, vec![0; batch], tokens.valid.clone())?,
        };
        let device = self.device();
        let plain = device.clone().without_autodiff();
        let ids: Vec<i64> = tokens.ids.iter().map(|t| i64::from(*t)).collect();
        let ids: Tensor<1, Int> = Tensor::from_data(TensorData::new(ids, [batch * time]), &device);
        let mut x = self.embed.val().select(0, ids).reshape([batch, time, self.config.hidden]);
        let positions = span.positions();
        if let (Some(table), Position::Learned { offset }) = (&self.positions, self.config.position) {
            let places: Vec<i64> = positions.iter().map(|p| (*p + offset) as i64).collect();
            let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(places, [batch * time]), &device);
            x = x + table.val().select(0, places).reshape([batch, time, self.config.hidden]);
        }
        let dtype = self.float_dtype();
        let here = time > 1 && on_processor(&plain) && !x.is_autodiff() && dtype == FloatDType::F32;
        let (rotation, table) = if self.frequencies.is_empty() {
            (None, None)
        } else {
            let alike = positions.rows().into_iter().all(|r| r == positions.row(0));
            let rows = if alike { 1 } else { batch };
            let places = Array2::from_shape_fn((rows, time), |(b, t)| positions[[b, t]]);
            if here {
                (None, Some(RotaryTable::new(&self.frequencies, &places)))
            } else {
                (Some(Rotation::new(&self.frequencies, &places, dtype, &plain)?), None)
            }
        };
        let mask = self.mask(&span, cache, dtype, here, &plain)?;
        let (rotation, mask) = if x.is_autodiff() {
            (rotation.map(Rotation::recorded), mask.map(Tensor::autodiff))
        } else {
            (rotation, mask)
        };
        Ok((x, Frame { span, rotation, table, mask, here }))
    }

    /// What tokens may not look at: later ones and padding. A padding token looks at itself.
    fn mask(
        &self,
        span: &Span,
        cache: Option<&KvCache>,
        dtype: FloatDType,
        here: bool,
        device: &Device,
    ) -> Result<Option<Tensor<4>>> {
        let (batch, time) = span.dims();
        let read = cache.map_or(0, KvCache::len);
        let visible = match cache {
            Some(cache) => cache.visible(span),
            None => span.valid().cloned(),
        };
        if visible.is_none() && (time == 1 || here) {
            return Ok(None);
        }
        let rows = if visible.is_some() { batch } else { 1 };
        let host = Array4::from_shape_fn((rows, 1, time, read + time), |(b, _, t, slot)| {
            let own = slot == read + t;
            let seen = slot < read + t && visible.as_ref().is_none_or(|v| v[[b, slot]]);
            if own || seen { 0.0 } else { HIDDEN }
        });
        let dtype = if dtype == FloatDType::F64 { dtype } else { FloatDType::F32 };
        bridge::float_tensor(host.view(), dtype, device).map(Some).map_err(Error::from_tensor)
    }

    /// The last norm and the head.
    fn finish<T: Taps>(
        &self,
        x: Tensor<3>,
        head: Head,
        frame: &Frame,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        let [batch, time, hidden] = x.dims();
        let (x, span) = match head {
            Head::None if !taps.wants(&Site::FinalNorm) => return Ok(None),
            Head::Last if time > 1 => {
                let last = frame.span.last();
                let x = if frame.span.ends_together() {
                    x.narrow(1, time - 1, 1)
                } else {
                    let rows: Vec<usize> = last.iter().enumerate().map(|(b, t)| b * time + t).collect();
                    let rows = super::mlp::indices(&rows, &self.device());
                    x.reshape([batch * time, hidden]).select(0, rows).reshape([batch, 1, hidden])
                };
                let positions = frame.span.positions();
                let before = last.iter().enumerate().map(|(b, t)| positions[[b, *t]]).collect();
                (x, &Span::new(batch, 1, before, None)?)
            }
            _ => (x, &frame.span),
        };
        let x = taps.tap(Site::FinalNorm, self.norm.forward(x)?, span)?;
        if head == Head::None {
            return Ok(None);
        }
        let weight = self.head.as_ref().map_or_else(|| self.embed.val(), Param::val);
        let [batch, time, _] = x.dims();
        let logits = product(x.reshape([batch * time, hidden]), weight);
        let logits = logits.reshape([batch, time, self.config.vocab]);
        Ok(Some(taps.tap(Site::Logits, logits, span)?))
    }
}
