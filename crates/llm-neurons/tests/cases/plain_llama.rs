//! A Llama without hooks, cache or padding, written out anew: what a forward pass costs where nothing can be tapped.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use llm_neurons::kernels::{RotaryTable, causal_attention, rms_norm, silu};
use llm_neurons::model::WeightFiles;
use ndarray::Array2;

use super::random_model::Size;

/// What `random_model` writes.
const EPS: f64 = 1e-5;
const BASE: f64 = 1e4;

struct Layer {
    norms: [Tensor<1>; 2],
    /// Query, key, value, out.
    attention: [Tensor<2>; 4],
    /// Gate, up, down.
    mlp: [Tensor<2>; 3],
}

/// The model.
pub(crate) struct PlainLlama {
    size: Size,
    embed: Tensor<2>,
    layers: Vec<Layer>,
    norm: Tensor<1>,
    head: Tensor<2>,
    device: Device,
}

fn linear(x: &Tensor<3>, weight: &Tensor<2>) -> Tensor<3> {
    let [batch, time, units] = x.dims();
    let y = x.clone().reshape([batch * time, units]).matmul(weight.clone().transpose());
    let out = y.dims()[1];
    y.reshape([batch, time, out])
}

fn normed(x: Tensor<3>, weight: &Tensor<1>) -> Tensor<3> {
    rms_norm(x, weight.clone(), EPS).unwrap()
}

impl PlainLlama {
    /// Of the files of `random_model`.
    ///
    /// # Panics
    /// When a tensor is missing.
    pub(crate) fn new(size: Size, files: &WeightFiles, device: &Device) -> Self {
        let dtype = (device, DType::F32);
        let read = |name: &str, shape: &[usize]| files.read(name, shape).unwrap();
        let row = |name: &str| {
            Tensor::<1>::from_data(TensorData::new(read(name, &[size.hidden]), [size.hidden]), dtype)
        };
        let matrix = |name: &str, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(read(name, &shape), shape), dtype)
        };
        let (hidden, keys) = (size.hidden, size.hidden / size.heads * size.kv_heads);
        let layer = |l: usize| {
            let at = |part: &str| format!("model.layers.{l}.{part}.weight");
            Layer {
                norms: [row(&at("input_layernorm")), row(&at("post_attention_layernorm"))],
                attention: [
                    matrix(&at("self_attn.q_proj"), [hidden, hidden]),
                    matrix(&at("self_attn.k_proj"), [keys, hidden]),
                    matrix(&at("self_attn.v_proj"), [keys, hidden]),
                    matrix(&at("self_attn.o_proj"), [hidden, hidden]),
                ],
                mlp: [
                    matrix(&at("mlp.gate_proj"), [size.mlp, hidden]),
                    matrix(&at("mlp.up_proj"), [size.mlp, hidden]),
                    matrix(&at("mlp.down_proj"), [hidden, size.mlp]),
                ],
            }
        };
        Self {
            size,
            embed: matrix("model.embed_tokens.weight", [size.vocab, hidden]),
            layers: (0..size.layers).map(layer).collect(),
            norm: row("model.norm.weight"),
            head: matrix("lm_head.weight", [size.vocab, hidden]),
            device: device.clone(),
        }
    }

    /// Logits `[batch, time, vocab]` of token ids, `batch` sequences one after another.
    ///
    /// # Panics
    /// When a kernel refuses.
    pub(crate) fn logits(&self, ids: &[u32], batch: usize) -> Tensor<3> {
        let Size { hidden, heads, kv_heads, vocab, .. } = self.size;
        let (time, dim) = (ids.len() / batch, hidden / heads);
        let values: Vec<i64> = ids.iter().map(|t| i64::from(*t)).collect();
        let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(values, [ids.len()]), &self.device);
        let mut x = self.embed.clone().select(0, places).reshape([batch, time, hidden]);
        let frequencies: Vec<f64> = (0..dim / 2).map(|i| BASE.powf(-2.0 * i as f64 / dim as f64)).collect();
        let table = RotaryTable::new(&frequencies, &Array2::from_shape_fn((1, time), |(_, t)| t));
        for layer in &self.layers {
            let [query, key, value, out] = &layer.attention;
            let inner = normed(x.clone(), &layer.norms[0]);
            let split = |y: Tensor<3>, heads: usize| y.reshape([batch, time, heads, dim]).swap_dims(1, 2);
            let q = table.turn(linear(&inner, query), heads).unwrap();
            let k = split(table.turn(linear(&inner, key), kv_heads).unwrap(), kv_heads);
            let v = split(linear(&inner, value), kv_heads);
            drop(inner);
            let attended = linear(&causal_attention(q, k, v, None).unwrap(), out);
            let middle = x + attended;
            let [gate, up, down] = &layer.mlp;
            let inner = normed(middle.clone(), &layer.norms[1]);
            let gate = silu(linear(&inner, gate)).unwrap();
            let inner = gate * linear(&inner, up);
            x = middle + linear(&inner, down);
        }
        let x = normed(x, &self.norm);
        let logits = x.reshape([batch * time, hidden]).matmul(self.head.clone().transpose());
        logits.reshape([batch, time, vocab])
    }
}
