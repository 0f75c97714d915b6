//! A Llama without hooks, cache or padding, written out anew: what a forward pass costs where nothing can be tapped.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData, activation, module};
use llm_neurons::model::WeightFiles;
use ndarray::Array4;
use tensor_backend::bridge::float_tensor;

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
    let scale = (x.clone().square().mean_dim(2) + EPS).sqrt().recip();
    x * scale * weight.clone().unsqueeze()
}

fn turned(x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let one = first.clone() * cos.clone() - second.clone() * sin.clone();
    let other = second * cos.clone() + first * sin.clone();
    Tensor::cat(vec![one, other], 3)
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
    /// When a table cannot be uploaded.
    pub(crate) fn logits(&self, ids: &[u32], batch: usize) -> Tensor<3> {
        let Size { hidden, heads, kv_heads, vocab, .. } = self.size;
        let (time, dim) = (ids.len() / batch, hidden / heads);
        let values: Vec<i64> = ids.iter().map(|t| i64::from(*t)).collect();
        let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(values, [ids.len()]), &self.device);
        let mut x = self.embed.clone().select(0, places).reshape([batch, time, hidden]);
        let upload = |host: Array4<f64>| -> Tensor<4> {
            float_tensor(host.view(), FloatDType::F32, &self.device).unwrap()
        };
        let angle = |t: usize, i: usize| t as f64 * BASE.powf(-2.0 * i as f64 / dim as f64);
        let cos = upload(Array4::from_shape_fn((1, 1, time, dim / 2), |(_, _, t, i)| angle(t, i).cos()));
        let sin = upload(Array4::from_shape_fn((1, 1, time, dim / 2), |(_, _, t, i)| angle(t, i).sin()));
        let scale = Some((dim as f64).powf(-0.5));
        let causal = AttentionModuleOptions { scale, softcap: None, is_causal: true };
        for layer in &self.layers {
            let [query, key, value, out] = &layer.attention;
            let inner = normed(x.clone(), &layer.norms[0]);
            let split = |y: Tensor<3>, heads: usize| y.reshape([batch, time, heads, dim]).swap_dims(1, 2);
            let q = turned(split(linear(&inner, query), heads), &cos, &sin);
            let k = turned(split(linear(&inner, key), kv_heads), &cos, &sin);
            let v = split(linear(&inner, value), kv_heads);
            drop(inner);
            let mixed = module::attention(q, k, v, None, None, causal);
            let attended = linear(&mixed.swap_dims(1, 2).reshape([batch, time, hidden]), out);
            let middle = x + attended;
            let [gate, up, down] = &layer.mlp;
            let inner = normed(middle.clone(), &layer.norms[1]);
            let gate = activation::silu(linear(&inner, gate));
            let inner = gate * linear(&inner, up);
            x = middle + linear(&inner, down);
        }
        let x = normed(x, &self.norm);
        let logits = x.reshape([batch * time, hidden]).matmul(self.head.clone().transpose());
        logits.reshape([batch, time, vocab])
    }
}
