//! RWKV-4: a language model without attention, whose channel mixing has the neurons.

use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Tensor, activation};
use probes::Taps;
use recordings::Site;
use serde::Deserialize;

use super::source::{Source, config, only, sizes};
use super::wkv::{Average, average};
use super::{Frame, embedded};
use crate::language_model::LanguageModel;
use crate::model::layers::{Linear, Norm};
use crate::model::{NormKind, Tokens, WeightFiles};
use crate::{Error, Result};

/// `config.json` of an RWKV-4 folder. Every key is required but the two at the end, and none but these is accepted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RwkvConfig {
    /// `rwkv4`.
    pub arch: String,
    /// Tokens of the vocabulary; 256 for raw bytes.
    pub vocab_size: usize,
    /// `raw bytes`.
    pub tokenizer: String,
    /// Units of the residual stream, and channels of the time mixing.
    pub n_embd: usize,
    /// Blocks.
    pub n_layer: usize,
    /// Neurons of a channel mixing.
    pub ffn_hidden: usize,
    /// As `n_embd`: RWKV-4 has one head.
    pub head_size: usize,
    /// `relu(x)^2`.
    pub ffn_activation: String,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// None in RWKV-4.
    #[serde(default)]
    pub group_norm_eps: Option<f64>,
    /// What the file's `time_decay` is, in words.
    #[serde(default)]
    pub time_decay: Option<String>,
}

impl RwkvConfig {
    /// Whether this is a model that is computed here.
    ///
    /// # Errors
    /// [`Error::Config`] that names the key.
    pub fn validate(&self) -> Result<()> {
        only("arch", &self.arch, "rwkv4")?;
        only("tokenizer", &self.tokenizer, "raw bytes")?;
        only("ffn_activation", &self.ffn_activation, "relu(x)^2")?;
        sizes(&[
            ("vocab_size", self.vocab_size),
            ("n_embd", self.n_embd),
            ("n_layer", self.n_layer),
            ("ffn_hidden", self.ffn_hidden),
        ])?;
        if self.vocab_size != 256 {
            return Err(Error::config("vocab_size", self.vocab_size, "256, of raw bytes"));
        }
        if self.head_size != self.n_embd {
            return Err(Error::config("head_size", self.head_size, "n_embd, in RWKV-4"));
        }
        if let Some(eps) = self.group_norm_eps {
            return Err(Error::config("group_norm_eps", eps, "null, in RWKV-4"));
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps > 0.0) {
            return Err(Error::config("layer_norm_eps", self.layer_norm_eps, "a positive number"));
        }
        if let Some(text) = self.time_decay.as_ref().filter(|t| !t.starts_with("raw")) {
            return Err(Error::config(
                "time_decay",
                text,
                "raw: the decay of a step is exp(-exp(time_decay))",
            ));
        }
        Ok(())
    }
}

/// RWKV-4 (B. Peng et al., *RWKV: Reinventing RNNs for the Transformer Era*, 2023).
///
/// With LN the layer norms, x' the block's input one token earlier (zero before the first), and mix(m) = m y + (1 - m) y' of a
/// norm's output y, a block is
///
/// ```text
/// time mixing     k = K mix(m_k)   v = V mix(m_v)   r = sigmoid(R mix(m_r))   x += O (r * wkv)
/// channel mixing  h = relu(K' mix(m'_k))^2          r' = sigmoid(R' mix(m'_r)) x += r' * V' h
/// ```
///
/// `wkv` is an average of all values so far, weighted by the exponentials of their keys, which decay by
/// `exp(-exp(time_decay))` a token, with a bonus `time_first` for the newest; it is computed with a running maximum of the
/// exponents, for all times of a call at once (log2(time) passes), in at least 32-bit floats.
///
/// The neurons are those of the channel mixing: sites `UpOut(l)` (before the non-linearity), `Act(l)` and `DownIn(l)` (h), of
/// `ffn_hidden` units. `AttnOut(l)` is the time mixing's output; `Embed`, `ResidPre`, `ResidMid`, `MlpIn`, `DownOut`,
/// `ResidPost`, `FinalNorm` and `Logits` are as in a transformer.
#[derive(Module, Debug)]
pub struct Rwkv {
    /// `[vocabulary, channels]`.
    embed: Param<Tensor<2>>,
    norm0: Norm,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
    #[module(skip)]
    config: RwkvConfig,
}

#[derive(Module, Debug)]
struct Block {
    norm1: Norm,
    time: TimeMix,
    norm2: Norm,
    channel: ChannelMix,
}

#[derive(Module, Debug)]
struct TimeMix {
    mix_key: Param<Tensor<1>>,
    mix_value: Param<Tensor<1>>,
    mix_receptance: Param<Tensor<1>>,
    /// As it stands in the file: a step's decay is `exp(-exp(decay))`.
    decay: Param<Tensor<1>>,
    bonus: Param<Tensor<1>>,
    key: Linear,
    value: Linear,
    receptance: Linear,
    out: Linear,
}

#[derive(Module, Debug)]
struct ChannelMix {
    mix_key: Param<Tensor<1>>,
    mix_receptance: Param<Tensor<1>>,
    key: Linear,
    receptance: Linear,
    value: Linear,
}

/// What a model remembers of the sequences that it has read: O(layers x channels), whatever their length.
#[derive(Debug, Clone, Default)]
pub struct RwkvState {
    /// Tokens read of each sequence; empty while nothing was read.
    read: Vec<usize>,
    layers: Vec<LayerState>,
}

#[derive(Debug, Clone)]
struct LayerState {
    /// The first norm's output at the newest token, `[batch, 1, channels]`.
    time: Tensor<3>,
    average: Average,
    /// The second norm's.
    channel: Tensor<3>,
}

impl RwkvState {
    /// Tokens read of each sequence.
    #[must_use]
    pub fn tokens(&self) -> &[usize] {
        &self.read
    }
}

impl Rwkv {
    /// Loads `config.json` and `model.safetensors` of a folder, under RWKV's own names of tensors.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or damaged file, [`Error::Config`] for a key or value that is not known,
    /// [`Error::Weights`] for a tensor that is missing, left over, of another shape or type, or not finite,
    /// [`Error::Tensor`] when the device does not compute in `dtype`.
    pub fn load(folder: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        Self::from_files(config(folder)?, &WeightFiles::open(folder)?, dtype, device)
    }

    /// Makes a model of a configuration and its weights.
    ///
    /// # Errors
    /// Those of [`Rwkv::load`].
    pub fn from_files(
        config: RwkvConfig,
        files: &WeightFiles,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let source = Source::new(files, dtype, device)?;
        let (channels, neurons) = (config.n_embd, config.ffn_hidden);
        let norm = |name: &str| -> Result<Norm> {
            Ok(Norm {
                weight: source.param(&format!("{name}.weight"), [channels])?,
                bias: Some(source.param(&format!("{name}.bias"), [channels])?),
                kind: NormKind::LayerNorm,
                eps: config.layer_norm_eps,
            })
        };
        let linear = |name: String, from: usize, to: usize| -> Result<Linear> {
            Ok(Linear { weight: source.param(&format!("{name}.weight"), [to, from])?, bias: None })
        };
        let mix = |name: String| -> Result<Param<Tensor<1>>> {
            Ok(source.upload(source.values(&name, &[1, 1, channels])?, [channels]))
        };
        let block = |layer: usize| -> Result<Block> {
            let (att, ffn) = (format!("blocks.{layer}.att"), format!("blocks.{layer}.ffn"));
            Ok(Block {
                norm1: norm(&format!("blocks.{layer}.ln1"))?,
                time: TimeMix {
                    mix_key: mix(format!("{att}.time_mix_k"))?,
                    mix_value: mix(format!("{att}.time_mix_v"))?,
                    mix_receptance: mix(format!("{att}.time_mix_r"))?,
                    decay: source.param(&format!("{att}.time_decay"), [channels])?,
                    bonus: source.param(&format!("{att}.time_first"), [channels])?,
                    key: linear(format!("{att}.key"), channels, channels)?,
                    value: linear(format!("{att}.value"), channels, channels)?,
                    receptance: linear(format!("{att}.receptance"), channels, channels)?,
                    out: linear(format!("{att}.output"), channels, channels)?,
                },
                norm2: norm(&format!("blocks.{layer}.ln2"))?,
                channel: ChannelMix {
                    mix_key: mix(format!("{ffn}.time_mix_k"))?,
                    mix_receptance: mix(format!("{ffn}.time_mix_r"))?,
                    key: linear(format!("{ffn}.key"), channels, neurons)?,
                    receptance: linear(format!("{ffn}.receptance"), channels, channels)?,
                    value: linear(format!("{ffn}.value"), neurons, channels)?,
                },
            })
        };
        let model = Self {
            embed: source.param("emb.weight", [config.vocab_size, channels])?,
            norm0: norm("blocks.0.ln0")?,
            blocks: (0..config.n_layer).map(block).collect::<Result<Vec<Block>>>()?,
            norm: norm("ln_out")?,
            head: linear("head".to_owned(), channels, config.vocab_size)?,
            config,
        };
        source.finish()?;
        Ok(model)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &RwkvConfig {
        &self.config
    }

    /// A state of sequences of which nothing was read.
    fn begin(&self, batch: usize, like: &Tensor<3>) -> RwkvState {
        let row = like.clone().narrow(1, 0, 1).zeros_like();
        let layer = LayerState { time: row.clone(), average: Average::empty(&row), channel: row };
        RwkvState { read: vec![0; batch], layers: vec![layer; self.blocks.len()] }
    }
}

impl Block {
    fn forward<T: Taps>(
        &self,
        x: Tensor<3>,
        layer: usize,
        frame: &Frame,
        state: &mut LayerState,
        taps: &mut T,
    ) -> Result<Tensor<3>> {
        let span = &frame.span;
        let x = taps.tap(Site::ResidPre(layer), x, span)?;
        let mixed = self.time.forward(self.norm1.forward(x.clone())?, frame, state);
        let x = x + taps.tap(Site::AttnOut(layer), mixed, span)?;
        let x = taps.tap(Site::ResidMid(layer), x, span)?;
        let y = taps.tap(Site::MlpIn(layer), self.norm2.forward(x.clone())?, span)?;
        let mixed = self.channel.forward(y, layer, frame, state, taps)?;
        let x = x + taps.tap(Site::DownOut(layer), mixed, span)?;
        Ok(taps.tap(Site::ResidPost(layer), x, span)?)
    }
}

impl TimeMix {
    fn forward(&self, x: Tensor<3>, frame: &Frame, state: &mut LayerState) -> Tensor<3> {
        let (before, last) = shift(&x, &state.time, frame);
        state.time = last;
        let key = self.key.forward(mix(&x, &before, &self.mix_key));
        let value = self.value.forward(mix(&x, &before, &self.mix_value));
        let receptance = activation::sigmoid(self.receptance.forward(mix(&x, &before, &self.mix_receptance)));
        let decay = self.decay.val().exp().neg();
        let (wkv, states) = average(key, value, decay, self.bonus.val(), state.average.clone());
        state.average = Average {
            numerator: frame.last(states.numerator),
            denominator: frame.last(states.denominator),
            exponent: frame.last(states.exponent),
        };
        self.out.forward(receptance * wkv)
    }
}

impl ChannelMix {
    fn forward<T: Taps>(
        &self,
        x: Tensor<3>,
        layer: usize,
        frame: &Frame,
        state: &mut LayerState,
        taps: &mut T,
    ) -> Result<Tensor<3>> {
        let span = &frame.span;
        let (before, last) = shift(&x, &state.channel, frame);
        state.channel = last;
        let up = self.key.forward(mix(&x, &before, &self.mix_key));
        let up = taps.tap(Site::UpOut(layer), up, span)?;
        let positive = activation::relu(up);
        let act = taps.tap(Site::Act(layer), positive.clone() * positive, span)?;
        let act = taps.tap(Site::DownIn(layer), act, span)?;
        let receptance = self.receptance.forward(mix(&x, &before, &self.mix_receptance));
        Ok(activation::sigmoid(receptance) * self.value.forward(act))
    }
}

/// Each token's predecessor, `[batch, time, channels]`, and the newest token `[batch, 1, channels]`.
fn shift(x: &Tensor<3>, first: &Tensor<3>, frame: &Frame) -> (Tensor<3>, Tensor<3>) {
    let time = x.dims()[1];
    let rows = Tensor::cat(vec![first.clone(), x.clone()], 1);
    (rows.clone().narrow(1, 0, time), frame.last(rows))
}

/// `m x + (1 - m) x'`.
fn mix(x: &Tensor<3>, before: &Tensor<3>, by: &Param<Tensor<1>>) -> Tensor<3> {
    let by: Tensor<3> = by.val().unsqueeze();
    before.clone() + (x.clone() - before.clone()) * by
}

impl LanguageModel for Rwkv {
    type Memory = RwkvState;

    fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn layers(&self) -> usize {
        self.config.n_layer
    }

    fn device(&self) -> Device {
        self.embed.val().device()
    }

    fn width(&self, site: &Site) -> Option<usize> {
        let c = &self.config;
        let layer = |l: usize, width: usize| (l < c.n_layer).then_some(width);
        match site {
            Site::Embed | Site::FinalNorm => Some(c.n_embd),
            Site::Logits => Some(c.vocab_size),
            Site::ResidPre(l)
            | Site::ResidMid(l)
            | Site::ResidPost(l)
            | Site::AttnOut(l)
            | Site::MlpIn(l)
            | Site::DownOut(l) => layer(*l, c.n_embd),
            Site::UpOut(l) | Site::Act(l) | Site::DownIn(l) => layer(*l, c.ffn_hidden),
            _ => None,
        }
    }

    fn memory(&self) -> Result<RwkvState> {
        Ok(RwkvState::default())
    }

    fn read<T: Taps>(
        &self,
        tokens: &Tokens,
        memory: Option<&mut RwkvState>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        let known = memory.as_deref().filter(|m| !m.read.is_empty());
        let frame = Frame::new(tokens, self.config.vocab_size, known.map(|m| m.read.as_slice()))?;
        if let Some(state) = known.filter(|m| m.layers.len() != self.blocks.len()) {
            let (expected, found) = (self.blocks.len(), state.layers.len());
            return Err(Error::shape("layers of a state", expected, found));
        }
        let width = self.config.n_embd;
        let layers = known.map_or(&[][..], |m| m.layers.as_slice());
        if let Some(found) = layers.iter().map(|l| l.time.dims()[2]).find(|found| *found != width) {
            return Err(Error::shape("channels of a state", width, found));
        }
        let x = taps.tap(Site::Embed, embedded(self.embed.val(), &tokens.ids), &frame.span)?;
        let mut x = self.norm0.forward(x)?;
        let mut state = known.cloned().unwrap_or_else(|| self.begin(frame.dims().0, &x));
        for (layer, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, layer, &frame, &mut state.layers[layer], taps)?;
            if taps.stop_after() == Some(layer) {
                return Ok(None);
            }
        }
        let x = taps.tap(Site::FinalNorm, self.norm.forward(x)?, &frame.span)?;
        let logits = taps.tap(Site::Logits, self.head.forward(x), &frame.span)?;
        if let Some(memory) = memory {
            state.read = frame.advanced(&state.read);
            *memory = state;
        }
        Ok(Some(logits))
    }
}
