//! Causal self-attention with grouped heads.

use burn::module::Module;
use burn::tensor::{DType, Tensor, activation};

use super::cache::KvCache;
use super::layers::Linear;
use super::lm::Frame;
use crate::Result;
use crate::kernels::causal_attention;

/// Query, key, value and output maps.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) out: Linear,
    #[module(skip)]
    pub(crate) heads: usize,
    #[module(skip)]
    pub(crate) kv_heads: usize,
    #[module(skip)]
    pub(crate) head_dim: usize,
}

impl Attention {
    /// `softmax(q k^T / sqrt(head_dim) + mask) v`, mapped back; a key head serves `heads / kv_heads` query heads.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) from the backend.
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        layer: usize,
        frame: &Frame,
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor<3>> {
        let [batch, time, _] = x.dims();
        let dim = self.head_dim;
        let split = |y: Tensor<3>, heads: usize| y.reshape([batch, time, heads, dim]).swap_dims(1, 2);
        let (mut q, mut k) = (self.query.forward(x.clone()), self.key.forward(x.clone()));
        if let Some(table) = &frame.table {
            q = table.turn(q, self.heads)?;
            k = table.turn(k, self.kv_heads)?;
        }
        let (mut k, mut v) = (split(k, self.kv_heads), split(self.value.forward(x), self.kv_heads));
        if let Some(rotation) = &frame.rotation {
            k = rotation.turn(k);
        }
        if let Some(cache) = cache {
            (k, v) = cache.extend(layer, k, v);
        }
        let mixed = if frame.here {
            causal_attention(q, k, v, frame.mask.clone())?
        } else {
            let q = split(q, self.heads);
            let q = match &frame.rotation {
                Some(rotation) => rotation.turn(q),
                None => q,
            };
            self.composite(q, k, v, frame).swap_dims(1, 2).reshape([batch, time, self.heads * dim])
        };
        Ok(self.out.forward(mixed))
    }

    /// `softmax(q k^T / sqrt(head_dim) + mask) v`, `[batch, heads, time, head_dim]`, on any device and with gradients. The query heads of a key head stand together
    /// as rows of one product instead of copies of the keys.
    fn composite(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, frame: &Frame) -> Tensor<4> {
        let ([batch, heads, time, dim], [_, kv, tokens, _]) = (q.dims(), k.dims());
        let q = q.mul_scalar((dim as f64).powf(-0.5)).reshape([batch, kv, heads / kv * time, dim]);
        let dtype = q.dtype();
        let scores = q.matmul(k.swap_dims(2, 3));
        // Sums over many tokens need more than 16 bits.
        let narrow = matches!(dtype, DType::F16 | DType::BF16);
        let scores = if narrow { scores.cast(DType::F32) } else { scores };
        let scores = match &frame.mask {
            Some(mask) => {
                let scores = scores.reshape([batch, heads, time, tokens]) + mask.clone();
                scores.reshape([batch, kv, heads / kv * time, tokens])
            }
            None => scores,
        };
        let weights = activation::softmax(scores, 3);
        let weights = if narrow { weights.cast(dtype) } else { weights };
        weights.matmul(v).reshape([batch, heads, time, dim])
    }
}
