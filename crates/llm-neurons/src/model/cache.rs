//! Keys and values of the tokens that were read already.

use burn::tensor::Tensor;
use ndarray::Array2;
use probes::Span;

use super::config::LmConfig;
use crate::{Error, Result};

/// Keys and values of all layers, in buffers that are made once for the longest text.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    /// Slots filled.
    length: usize,
    capacity: usize,
    /// Key heads and their units.
    heads: [usize; 2],
    /// Which slots hold a token and not padding, by sequence; empty while nothing was read.
    valid: Vec<Vec<bool>>,
}

/// Keys and values of one layer, `[batch, kv heads, capacity, head_dim]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerCache {
    keys: Option<Tensor<4>>,
    values: Option<Tensor<4>>,
}

impl KvCache {
    /// An empty cache for up to `capacity` tokens of each sequence, padding included.
    ///
    /// # Errors
    /// [`Error::Prompt`] for none, or more than the model's context.
    pub fn new(config: &LmConfig, capacity: usize) -> Result<Self> {
        if capacity == 0 || capacity > config.context {
            return Err(Error::Prompt {
                what: "cache".to_owned(),
                found: capacity,
                expected: format!("from 1 to the context's {}", config.context),
            });
        }
        let layers = vec![LayerCache::default(); config.layers];
        Ok(Self { layers, length: 0, capacity, heads: [config.kv_heads, config.head_dim], valid: Vec::new() })
    }

    /// Slots filled, padding included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing was read yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Tokens of each sequence, padding not counted.
    #[must_use]
    pub fn tokens(&self) -> Vec<usize> {
        self.valid.iter().map(|row| row.iter().filter(|v| **v).count()).collect()
    }

    /// The same text `times` over, to go on from in several ways.
    ///
    /// # Errors
    /// [`Error::Prompt`] when it holds more than one sequence.
    pub fn repeat(&self, times: usize) -> Result<Self> {
        if self.valid.len() > 1 || times == 0 {
            return Err(Error::Prompt {
                what: format!("cache of {} sequences", self.valid.len()),
                found: times,
                expected: "at least one copy of one sequence".to_owned(),
            });
        }
        Ok(self.tile(times))
    }

    /// All its sequences `times` over: the whole batch, then the whole batch again.
    #[must_use]
    pub(crate) fn tile(&self, times: usize) -> Self {
        let copy = |t: &Option<Tensor<4>>| t.as_ref().map(|t| t.clone().repeat_dim(0, times));
        let layers = self.layers.iter();
        Self {
            layers: layers.map(|l| LayerCache { keys: copy(&l.keys), values: copy(&l.values) }).collect(),
            length: self.length,
            capacity: self.capacity,
            heads: self.heads,
            valid: (0..times).flat_map(|_| self.valid.iter().cloned()).collect(),
        }
    }

    /// Refuses a cache that was made for a model of another shape.
    pub(crate) fn check(&self, config: &LmConfig) -> Result<()> {
        let (found, wanted) =
            ((self.layers.len(), self.heads), (config.layers, [config.kv_heads, config.head_dim]));
        if found == wanted {
            return Ok(());
        }
        Err(Error::shape("cache (layers, [key heads, units])", format!("{wanted:?}"), format!("{found:?}")))
    }

    /// The span of the next tokens, if they fit.
    pub(crate) fn span(&self, batch: usize, time: usize, valid: Option<Array2<bool>>) -> Result<Span> {
        let end = self.length + time;
        if end > self.capacity {
            return Err(Error::Prompt {
                what: "text".to_owned(),
                found: end,
                expected: format!("at most the {} of the cache", self.capacity),
            });
        }
        let before = if self.valid.is_empty() { vec![0; batch] } else { self.tokens() };
        if before.len() != batch {
            return Err(Error::Shape {
                what: "batch",
                expected: format!("{} sequences, as in the cache", before.len()),
                found: batch.to_string(),
            });
        }
        Ok(Span::new(batch, time, before, valid)?)
    }

    /// Which slots a sequence may look at, those of `span` included: `[batch, length + time]`; `None` for all.
    pub(crate) fn visible(&self, span: &Span) -> Option<Array2<bool>> {
        let (batch, time) = span.dims();
        if span.valid().is_none() && self.valid.iter().flatten().all(|v| *v) {
            return None;
        }
        Some(Array2::from_shape_fn((batch, self.length + time), |(b, slot)| {
            match slot.checked_sub(self.length) {
                None => self.valid[b][slot],
                Some(t) => span.valid().is_none_or(|v| v[[b, t]]),
            }
        }))
    }

    /// Adds keys and values of a layer's new tokens; all of them so far, `[batch, kv heads, tokens, head_dim]`.
    pub(crate) fn extend(
        &mut self,
        layer: usize,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let (length, capacity) = (self.length, self.capacity);
        let store = &mut self.layers[layer];
        (append(&mut store.keys, keys, length, capacity), append(&mut store.values, values, length, capacity))
    }

    /// Counts the tokens of a forward call as read.
    pub(crate) fn advance(&mut self, span: &Span) {
        let (batch, time) = span.dims();
        if self.valid.is_empty() {
            self.valid = vec![Vec::with_capacity(self.capacity); batch];
        }
        for (b, row) in self.valid.iter_mut().enumerate() {
            row.extend((0..time).map(|t| span.valid().is_none_or(|v| v[[b, t]])));
        }
        self.length += time;
    }
}

fn append(store: &mut Option<Tensor<4>>, new: Tensor<4>, length: usize, capacity: usize) -> Tensor<4> {
    let [batch, heads, time, dim] = new.dims();
    let whole = match store.take() {
        Some(whole) => whole,
        None => Tensor::zeros([batch, heads, capacity, dim], (&new.device(), new.dtype())),
    };
    let whole = whole.slice_assign([0..batch, 0..heads, length..length + time, 0..dim], new);
    let filled = whole.clone().narrow(2, 0, length + time);
    *store = Some(whole);
    filled
}
