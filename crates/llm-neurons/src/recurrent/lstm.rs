//! A character LSTM: the model in which single neurons of a language model were first found.

use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, FloatDType, Tensor, activation};
use ndarray::Array3;
use probes::{Span, Taps};
use recordings::Site;
use serde::Deserialize;
use tensor_backend::bridge;

use super::source::{Source, config, only, sizes};
use super::{Frame, embedded};
use crate::language_model::LanguageModel;
use crate::model::layers::Linear;
use crate::model::{Tokens, WeightFiles};
use crate::{Error, Result};

/// `config.json` of a character LSTM's folder. No key but these is accepted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharLstmConfig {
    /// `char_lstm`.
    pub arch: String,
    /// Layers.
    pub num_layers: usize,
    /// Characters of the vocabulary.
    pub vocab_size: usize,
    /// Units of the embedding.
    pub embedding_dim: usize,
    /// Hidden units of a layer.
    pub hidden_size: usize,
    /// Begins with `i,f,g,o`: input gate, forget gate, candidate, output gate.
    pub gate_order: String,
    /// `zeros`.
    pub initial_state: String,
    /// How the training text ended its lines (`LF` or `CRLF`): characters are read as they are.
    #[serde(default)]
    pub newline: Option<String>,
    /// What the model reached on its own training text, in words.
    #[serde(default)]
    pub bits_per_char_on_own_training_text_at_0_50_90_percent: Option<String>,
}

impl CharLstmConfig {
    /// Whether this is a model that is computed here.
    ///
    /// # Errors
    /// [`Error::Config`] that names the key.
    pub fn validate(&self) -> Result<()> {
        only("arch", &self.arch, "char_lstm")?;
        only("initial_state", &self.initial_state, "zeros")?;
        if !self.gate_order.starts_with("i,f,g,o") {
            return Err(Error::config("gate_order", &self.gate_order, "i,f,g,o"));
        }
        sizes(&[
            ("num_layers", self.num_layers),
            ("vocab_size", self.vocab_size),
            ("embedding_dim", self.embedding_dim),
            ("hidden_size", self.hidden_size),
        ])
    }
}

/// A stack of LSTM layers over an embedding of characters, and a linear map to the next one.
///
/// A layer with input x, hidden units h and cells c is
///
/// ```text
/// (i, f, g, o) = W x + U h' + b       c = sigmoid(f) c' + sigmoid(i) tanh(g)       h = sigmoid(o) tanh(c)
/// ```
///
/// with c' and h' one character earlier, zero before the first.
///
/// The neurons are the hidden units. Two sites show them: `Act(l)` stands inside the recurrence, where every character is a
/// call of its own, so that what an edit changes is carried on to the next character (as when a unit is held at a value
/// while a text is read); there `Positions::Last` is every character. `ResidPost(l)` is the layer's output for the whole
/// call, which the next layer reads, and an edit of it is not carried on. `cell.{l}` shows the cells, inside the recurrence.
/// `Embed` and `Logits` are as in a transformer.
#[derive(Module, Debug)]
pub struct CharLstm {
    /// `[characters, units]`.
    embed: Param<Tensor<2>>,
    layers: Vec<Layer>,
    head: Linear,
    #[module(skip)]
    config: CharLstmConfig,
}

#[derive(Module, Debug)]
struct Layer {
    /// `[4 hidden, inputs]`, with both biases in one.
    input: Linear,
    /// `[4 hidden, hidden]`.
    hidden: Linear,
}

/// What a model remembers of the sequences that it has read.
#[derive(Debug, Clone, Default)]
pub struct LstmState {
    /// Characters read of each sequence; empty while nothing was read.
    read: Vec<usize>,
    /// Hidden units and cells of each layer, `[batch, hidden]`.
    layers: Vec<(Tensor<2>, Tensor<2>)>,
}

impl LstmState {
    /// Characters read of each sequence.
    #[must_use]
    pub fn tokens(&self) -> &[usize] {
        &self.read
    }
}

impl CharLstm {
    /// Loads `config.json` and `model.safetensors` of a folder, under PyTorch's names of tensors.
    ///
    /// # Errors
    /// Those of [`Rwkv::load`](super::Rwkv::load).
    pub fn load(folder: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        Self::from_files(config(folder)?, &WeightFiles::open(folder)?, dtype, device)
    }

    /// Makes a model of a configuration and its weights.
    ///
    /// # Errors
    /// Those of [`CharLstm::load`].
    pub fn from_files(
        config: CharLstmConfig,
        files: &WeightFiles,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let source = Source::new(files, dtype, device)?;
        let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
        let layer = |l: usize| -> Result<Layer> {
            let inputs = if l == 0 { config.embedding_dim } else { hidden };
            let from_input = source.values(&format!("lstm.bias_ih_l{l}"), &[4 * hidden])?;
            let from_hidden = source.values(&format!("lstm.bias_hh_l{l}"), &[4 * hidden])?;
            let bias = from_input.iter().zip(&from_hidden).map(|(a, b)| a + b).collect();
            Ok(Layer {
                input: Linear {
                    weight: source.param(&format!("lstm.weight_ih_l{l}"), [4 * hidden, inputs])?,
                    bias: Some(source.upload(bias, [4 * hidden])),
                },
                hidden: Linear {
                    weight: source.param(&format!("lstm.weight_hh_l{l}"), [4 * hidden, hidden])?,
                    bias: None,
                },
            })
        };
        let model = Self {
            embed: source.param("embedding.weight", [vocabulary, config.embedding_dim])?,
            layers: (0..config.num_layers).map(layer).collect::<Result<Vec<Layer>>>()?,
            head: Linear {
                weight: source.param("decoder.weight", [vocabulary, hidden])?,
                bias: Some(source.param("decoder.bias", [vocabulary])?),
            },
            config,
        };
        source.finish()?;
        Ok(model)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &CharLstmConfig {
        &self.config
    }

    /// The site of a layer's cells.
    #[must_use]
    pub fn cell_site(layer: usize) -> Site {
        Site::Module(format!("cell.{layer}"))
    }

    fn begin(&self, batch: usize, like: &Tensor<3>) -> LstmState {
        let zeros = Tensor::zeros([batch, self.config.hidden_size], (&like.device(), like.dtype()));
        LstmState { read: vec![0; batch], layers: vec![(zeros.clone(), zeros); self.layers.len()] }
    }
}

impl Layer {
    /// Hidden units `[batch, time, hidden]` of inputs `[batch, time, inputs]`.
    fn forward<T: Taps>(
        &self,
        x: Tensor<3>,
        layer: usize,
        frame: &Frame,
        before: &[usize],
        state: &mut (Tensor<2>, Tensor<2>),
        taps: &mut T,
    ) -> Result<Tensor<3>> {
        let (batch, time) = frame.dims();
        let (sites, device) = ([CharLstm::cell_site(layer), Site::Act(layer)], x.device());
        let watched = sites.each_ref().map(|site| taps.wants(site));
        // What the inputs give is one product for all times; what the hidden units give is one a character.
        let driven = self.input.forward(x);
        let hidden = driven.dims()[2] / 4;
        let (mut h, mut c) = state.clone();
        let mut outputs = Vec::with_capacity(time);
        for t in 0..time {
            let gates =
                driven.clone().narrow(1, t, 1).reshape([batch, 4 * hidden]) + self.hidden.rows(h.clone());
            let gate = |n: usize| gates.clone().narrow(1, n * hidden, hidden);
            let new =
                activation::sigmoid(gate(1)) * c.clone() + activation::sigmoid(gate(0)) * gate(2).tanh();
            let new = step_tap(&sites[0], watched[0], new, t, frame, before, taps)?;
            let out = activation::sigmoid(gate(3)) * new.clone().tanh();
            let out = step_tap(&sites[1], watched[1], out, t, frame, before, taps)?;
            (h, c) = match ended(t, frame, hidden, &device)? {
                // A sequence that has ended keeps its state.
                Some(ended) => (out.mask_where(ended.clone(), h), new.mask_where(ended, c)),
                None => (out, new),
            };
            outputs.push(h.clone());
        }
        *state = (h, c);
        Ok(Tensor::stack(outputs, 1))
    }
}

/// Shows one character's units `[batch, hidden]` to the taps.
fn step_tap<T: Taps>(
    site: &Site,
    watched: bool,
    x: Tensor<2>,
    t: usize,
    frame: &Frame,
    before: &[usize],
    taps: &mut T,
) -> Result<Tensor<2>> {
    if !watched {
        return Ok(x);
    }
    let [batch, hidden] = x.dims();
    let read = before.iter().zip(&frame.lengths).map(|(b, n)| b + t.min(*n)).collect();
    let valid = frame.span.valid().map(|v| ndarray::Array2::from_shape_fn((batch, 1), |(b, _)| v[[b, t]]));
    let span = Span::new(batch, 1, read, valid)?;
    Ok(taps.tap(site.clone(), x.reshape([batch, 1, hidden]), &span)?.reshape([batch, hidden]))
}

/// Which sequences have no character at `t`, `[batch, hidden]`; none where all have one.
fn ended(t: usize, frame: &Frame, hidden: usize, device: &Device) -> Result<Option<Tensor<2, Bool>>> {
    if frame.lengths.iter().all(|n| t < *n) {
        return Ok(None);
    }
    let rows = Array3::from_shape_fn((frame.lengths.len(), 1, 1), |(b, _, _)| t >= frame.lengths[b]);
    let mask = bridge::bool_tensor::<_, 3>(rows.view(), &device.clone().without_autodiff());
    let mask = mask.map_err(Error::from_tensor)?.expand([frame.lengths.len(), 1, hidden]);
    Ok(Some(mask.reshape([frame.lengths.len(), hidden])))
}

impl LanguageModel for CharLstm {
    type Memory = LstmState;

    fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn layers(&self) -> usize {
        self.config.num_layers
    }

    fn device(&self) -> Device {
        self.embed.val().device()
    }

    fn width(&self, site: &Site) -> Option<usize> {
        let c = &self.config;
        match site {
            Site::Embed => Some(c.embedding_dim),
            Site::Logits => Some(c.vocab_size),
            Site::Act(l) | Site::ResidPost(l) if *l < c.num_layers => Some(c.hidden_size),
            Site::Module(_) => {
                (0..c.num_layers).any(|l| *site == Self::cell_site(l)).then_some(c.hidden_size)
            }
            _ => None,
        }
    }

    fn memory(&self) -> Result<LstmState> {
        Ok(LstmState::default())
    }

    fn read<T: Taps>(
        &self,
        tokens: &Tokens,
        memory: Option<&mut LstmState>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        let known = memory.as_deref().filter(|m| !m.read.is_empty());
        let frame = Frame::new(tokens, self.config.vocab_size, known.map(|m| m.read.as_slice()))?;
        let fits = |(h, _): &(Tensor<2>, Tensor<2>)| h.dims()[1] == self.config.hidden_size;
        if let Some(state) =
            known.filter(|m| m.layers.len() != self.layers.len() || !m.layers.iter().all(fits))
        {
            let expected = format!("{} layers of {} units", self.layers.len(), self.config.hidden_size);
            return Err(Error::shape("state", expected, format!("{} layers", state.layers.len())));
        }
        let mut x = taps.tap(Site::Embed, embedded(self.embed.val(), &tokens.ids), &frame.span)?;
        let mut state = known.cloned().unwrap_or_else(|| self.begin(frame.dims().0, &x));
        for (l, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, l, &frame, &state.read, &mut state.layers[l], taps)?;
            x = taps.tap(Site::ResidPost(l), x, &frame.span)?;
            if taps.stop_after() == Some(l) {
                return Ok(None);
            }
        }
        let logits = taps.tap(Site::Logits, self.head.forward(x), &frame.span)?;
        if let Some(memory) = memory {
            state.read = frame.advanced(&state.read);
            *memory = state;
        }
        Ok(Some(logits))
    }
}
