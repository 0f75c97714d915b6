//! What a forward pass and its cache hold, before they are tried.

use burn::tensor::FloatDType;

use super::lm::HookedLm;
use crate::kernels::on_processor;

impl HookedLm {
    /// Bytes that reading `batch` texts of `time` tokens holds at once beside the weights, of which `logits` tokens' logits
    /// are wanted: an estimate, from above by a small factor.
    ///
    /// Units of a few tensors of a block, in their own number type; logits and their log-softmax in 32 bits; and, unless
    /// attention goes head by head (32-bit floats on the processor), mask, scores and weights of all heads, whose number grows
    /// by the square of the tokens.
    #[must_use]
    pub fn pass_bytes(&self, batch: usize, time: usize, logits: usize) -> u64 {
        let c = &self.config;
        let [batch, time, logits] = [batch, time, logits].map(|n| n as u64);
        let tokens = batch.saturating_mul(time);
        let units =
            tokens.saturating_mul((8 * c.hidden + 3 * c.mlp) as u64).saturating_mul(self.value_bytes());
        let head = logits.saturating_mul(3 * c.vocab as u64).saturating_mul(4);
        let by_head = on_processor(&self.device()) && self.float_dtype() == FloatDType::F32;
        let scores = if by_head {
            0
        } else {
            // The mask is made in 64 bits.
            let pairs = time.saturating_mul(time);
            pairs.saturating_mul(batch).saturating_mul(12 * c.heads as u64).saturating_add(12 * pairs)
        };
        units.saturating_add(head).saturating_add(scores)
    }

    /// Bytes of the keys and values of `tokens` tokens of `batch` texts.
    #[must_use]
    pub fn cache_bytes(&self, batch: usize, tokens: usize) -> u64 {
        let c = &self.config;
        let each = 2 * (c.layers * c.kv_heads * c.head_dim) as u64 * self.value_bytes();
        each.saturating_mul(batch as u64).saturating_mul(tokens as u64)
    }

    fn value_bytes(&self) -> u64 {
        match self.float_dtype() {
            FloatDType::F64 => 8,
            FloatDType::F16 | FloatDType::BF16 => 2,
            _ => 4,
        }
    }
}
