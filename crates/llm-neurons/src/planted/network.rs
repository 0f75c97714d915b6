//! A Llama from the matrices that matter.

use burn::module::Param;
use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::{Array1, Array2};
use tensor_backend::bridge;

use crate::model::{
    Activation, Attention, Block, HookedLm, Linear, LmConfig, Mlp, Norm, NormKind, Residual, frequencies,
};
use crate::{Error, Result};

/// A Llama whose attention adds nothing: embedding, gated MLPs and head, set by hand. Norms have weights of 1.
#[derive(Debug, Clone)]
pub struct HandSet {
    /// `[vocab, hidden]`.
    pub embed: Array2<f32>,
    /// Gate and up `[mlp, hidden]` and down `[hidden, mlp]` of each layer.
    pub layers: Vec<[Array2<f32>; 3]>,
    /// `[vocab, hidden]`.
    pub head: Array2<f32>,
    /// Longest context.
    pub context: usize,
}

impl HandSet {
    /// The model, in 32-bit floats.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no layer, [`Error::Shape`] for matrices that do not fit each other, those of
    /// [`LmConfig::validate`], [`Error::Tensor`].
    pub fn build(&self, device: &Device) -> Result<HookedLm> {
        let (vocab, hidden) = self.embed.dim();
        let width = self.layers.first().map(|[gate, ..]| gate.nrows());
        let width = width.ok_or(Error::TooFew { what: "layers", needed: 1, found: 0 })?;
        let fits = |what, x: &Array2<f32>, wanted: (usize, usize)| match x.dim() == wanted {
            true => Ok(()),
            false => Err(Error::shape(what, format!("{wanted:?}"), format!("{:?}", x.dim()))),
        };
        fits("head", &self.head, (vocab, hidden))?;
        for [gate, up, down] in &self.layers {
            fits("gate projection", gate, (width, hidden))?;
            fits("up projection", up, (width, hidden))?;
            fits("down projection", down, (hidden, width))?;
        }
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": vocab, "hidden_size": hidden, "hidden_act": "silu",
            "num_hidden_layers": self.layers.len(), "num_attention_heads": 1, "num_key_value_heads": 1,
            "intermediate_size": width, "max_position_embeddings": self.context, "rms_norm_eps": EPSILON,
            "rope_theta": 10000.0, "tie_word_embeddings": false
        });
        let config = LmConfig::parse(&config.to_string())?;
        config.validate()?;
        let on = On { device, hidden };
        let blocks = self.layers.iter().map(|layer| on.block(layer)).collect::<Result<Vec<Block>>>()?;
        Ok(HookedLm {
            embed: on.matrix(&self.embed)?,
            positions: None,
            blocks,
            norm: on.norm()?,
            head: Some(on.matrix(&self.head)?),
            frequencies: frequencies(&config),
            config,
        })
    }
}

const EPSILON: f64 = 1e-5;

/// Where the parameters go.
struct On<'a> {
    device: &'a Device,
    hidden: usize,
}

impl On<'_> {
    fn block(&self, [gate, up, down]: &[Array2<f32>; 3]) -> Result<Block> {
        let nothing = Array2::zeros((self.hidden, self.hidden));
        Ok(Block {
            norm1: self.norm()?,
            attention: Attention {
                query: self.linear(&nothing)?,
                key: self.linear(&nothing)?,
                value: self.linear(&nothing)?,
                out: self.linear(&nothing)?,
                heads: 1,
                kv_heads: 1,
                head_dim: self.hidden,
            },
            norm2: self.norm()?,
            mlp: Mlp {
                gate: Some(self.linear(gate)?),
                up: self.linear(up)?,
                down: self.linear(down)?,
                activation: Activation::Silu,
            },
            residual: Residual::Sequential,
        })
    }

    fn linear(&self, weight: &Array2<f32>) -> Result<Linear> {
        Ok(Linear { weight: self.matrix(weight)?, bias: None })
    }

    fn norm(&self) -> Result<Norm> {
        let ones = Array1::<f32>::ones(self.hidden);
        let ones = bridge::float_tensor(ones.view(), FloatDType::F32, self.device);
        let weight = Param::from_tensor(ones.map_err(Error::from_tensor)?);
        Ok(Norm { weight, bias: None, kind: NormKind::RmsNorm, eps: EPSILON })
    }

    fn matrix(&self, x: &Array2<f32>) -> Result<Param<Tensor<2>>> {
        let tensor = bridge::float_tensor(x.view(), FloatDType::F32, self.device);
        Ok(Param::from_tensor(tensor.map_err(Error::from_tensor)?))
    }
}
