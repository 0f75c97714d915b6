//! From a Hugging Face folder, or from nothing, to a model.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use half::{bf16, f16};
use numerics::rng::{normals, stream};

use super::attention::Attention;
use super::block::Block;
use super::config::{LmConfig, NormKind, Position};
use super::families::{Names, Qkv, names};
use super::layers::{Linear, Norm};
use super::lm::HookedLm;
use super::mlp::Mlp;
use super::rope::frequencies;
use super::weights::{Weight, WeightFiles};
use crate::{Error, Result};

impl HookedLm {
    /// Loads `config.json` and `model.safetensors` (or the shards of its index) of a folder, as `dtype` on `device`.
    ///
    /// Weights may be stored as f32, f16 or bf16, whatever `dtype` is: they are widened without loss, and narrowed to the
    /// nearest number. Tensors are read one by one, in pieces: beside the model itself memory holds at most one of them,
    /// and that where its parts are stored in another order.
    ///
    /// # Errors
    /// Those of [`LmConfig::read`] and [`WeightFiles::open`]; [`Error::Weights`] for a tensor that is missing, left over,
    /// of another shape, not finite, or beyond what `dtype` holds; [`Error::Tensor`] when the device does not compute in
    /// `dtype`.
    pub fn load(folder: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        Self::from_files(LmConfig::read(folder)?, &WeightFiles::open(folder)?, dtype, device)
    }

    /// Makes a model of a configuration and its weights.
    ///
    /// # Errors
    /// Those of [`HookedLm::load`].
    pub fn from_files(
        config: LmConfig,
        files: &WeightFiles,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        if !device.supports_dtype(burn::tensor::DType::from(dtype)) {
            return Err(Error::Tensor { message: format!("{device:?} does not compute in {dtype:?}") });
        }
        match dtype {
            FloatDType::F64 => load::<f64>(config, files, device),
            FloatDType::F32 => load::<f32>(config, files, device),
            FloatDType::F16 => load::<f16>(config, files, device),
            FloatDType::BF16 => load::<bf16>(config, files, device),
            FloatDType::Flex32 => {
                Err(Error::Tensor { message: "a model computes in f64, f32, f16 or bf16".to_owned() })
            }
        }
    }

    /// A model that knows nothing yet, in 32-bit floats.
    ///
    /// Weights are normal with standard deviation 0.02 (the families' own `initializer_range`), those that write to the
    /// residual stream divided by `sqrt(2 layers)` (GPT-2's rule); biases are zero, gains of norms one. Every tensor has a
    /// stream of its own, named as in the file, so that a seed gives the same model everywhere.
    ///
    /// # Errors
    /// Those of [`LmConfig::validate`]; [`Error::Tensor`] when the device does not compute in 32-bit floats.
    pub fn initialise(config: LmConfig, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let dtype = FloatDType::F32;
        if !device.supports_dtype(burn::tensor::DType::from(dtype)) {
            return Err(Error::Tensor { message: format!("{device:?} does not compute in {dtype:?}") });
        }
        Loader::<f32>::new(config, Source::Drawn { seed }, device).model()
    }
}

/// Where the values of a model come from.
enum Source<'a> {
    Files(&'a WeightFiles),
    Drawn { seed: u64 },
}

/// What a tensor does, which decides how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Weight,
    /// Its product is added to the residual stream.
    Residual,
    Bias,
    Gain,
}

/// Standard deviation of weights that begin.
const SPREAD: f64 = 0.02;

fn load<T: Weight>(config: LmConfig, files: &WeightFiles, device: &Device) -> Result<HookedLm> {
    let mut loader = Loader::<T>::new(config, Source::Files(files), device);
    let model = loader.model()?;
    loader.check_rest(files)?;
    Ok(model)
}

/// Reads, or draws, weights as numbers of type `T`.
struct Loader<'a, T> {
    config: LmConfig,
    names: Names,
    source: Source<'a>,
    device: &'a Device,
    prefix: &'static str,
    used: BTreeSet<String>,
    number: PhantomData<T>,
}

impl<'a, T: Weight> Loader<'a, T> {
    fn new(config: LmConfig, source: Source<'a>, device: &'a Device) -> Self {
        let names = names(config.family);
        let full = format!("{}{}", names.prefix, names.embed);
        let shorter = names.prefix.strip_prefix("model.").unwrap_or("");
        let prefix = match source {
            // Base models are saved without the outer name.
            Source::Files(files) if files.shape(&full).is_none() => shorter,
            _ => names.prefix,
        };
        Self { config, names, source, device, prefix, used: BTreeSet::new(), number: PhantomData }
    }

    fn model(&mut self) -> Result<HookedLm> {
        let c = self.config.clone();
        let embed = self.matrix(&self.outer(self.names.embed), [c.vocab, c.hidden])?;
        let positions = match (self.names.positions, c.position) {
            (Some(name), Position::Learned { offset }) => {
                Some(self.matrix(&self.outer(name), [c.context + offset, c.hidden])?)
            }
            _ => None,
        };
        let blocks = (0..c.layers).map(|layer| self.block(layer)).collect::<Result<Vec<Block>>>()?;
        let norm = self.norm(&self.outer(self.names.norm))?;
        let head = match c.tied {
            true => {
                // Some files hold the tied head twice.
                self.used.insert(self.names.head.to_owned());
                None
            }
            false => Some(self.matrix(self.names.head, [c.vocab, c.hidden])?),
        };
        let frequencies = frequencies(&c);
        Ok(HookedLm { embed, positions, blocks, norm, head, config: c, frequencies })
    }

    fn block(&mut self, layer: usize) -> Result<Block> {
        let c = self.config.clone();
        let name = |part: &str, at: &str| format!("{}{layer}.{part}", at);
        let at = self.outer(self.names.block);
        let (n1, n2) = (name(self.names.norm1, &at), name(self.names.norm2, &at));
        let (out, up, down) =
            (name(self.names.out, &at), name(self.names.up, &at), name(self.names.down, &at));
        let gate = self.names.gate.map(|gate| name(gate, &at));
        let queries = c.heads * c.head_dim;
        let keys = c.kv_heads * c.head_dim;
        let [query, key, value] = match &self.names.qkv {
            Qkv::Apart(parts) => {
                let [q, k, v] = parts.map(|part| name(part, &at));
                [
                    self.linear(&q, c.hidden, queries, c.qkv_bias, Role::Weight)?,
                    self.linear(&k, c.hidden, keys, c.qkv_bias, Role::Weight)?,
                    self.linear(&v, c.hidden, keys, c.qkv_bias, Role::Weight)?,
                ]
            }
            Qkv::PerHead(part) => {
                let fused = name(part, &at);
                self.split(&fused, |row| {
                    let (head, rest) = (row / (3 * c.head_dim), row % (3 * c.head_dim));
                    (rest / c.head_dim, head * c.head_dim + rest % c.head_dim)
                })?
            }
            Qkv::Thirds(part) => {
                let fused = name(part, &at);
                self.split(&fused, |row| (row / c.hidden, row % c.hidden))?
            }
        };
        Ok(Block {
            norm1: self.norm(&n1)?,
            attention: Attention {
                query,
                key,
                value,
                out: self.linear(&out, queries, c.hidden, c.out_bias, Role::Residual)?,
                heads: c.heads,
                kv_heads: c.kv_heads,
                head_dim: c.head_dim,
            },
            norm2: self.norm(&n2)?,
            mlp: Mlp {
                gate: gate
                    .map(|gate| self.linear(&gate, c.hidden, c.mlp, c.mlp_bias, Role::Weight))
                    .transpose()?,
                up: self.linear(&up, c.hidden, c.mlp, c.mlp_bias, Role::Weight)?,
                down: self.linear(&down, c.mlp, c.hidden, c.mlp_bias, Role::Residual)?,
                activation: c.activation,
            },
            residual: c.residual,
        })
    }

    /// A fused map of query, key and value: `place` gives part and row of each of its rows.
    fn split(&mut self, name: &str, place: impl Fn(usize) -> (usize, usize)) -> Result<[Linear; 3]> {
        let (hidden, width) = (self.config.hidden, self.config.heads * self.config.head_dim);
        let weight = self.weight(name, hidden, 3 * width, Role::Weight)?;
        let bias = match self.config.qkv_bias {
            true => Some(self.values(&format!("{name}.bias"), &[3 * width], Role::Bias)?),
            false => None,
        };
        let mut weights = [(); 3].map(|()| vec![T::default(); width * hidden]);
        let mut biases = [(); 3].map(|()| vec![T::default(); width]);
        for row in 0..3 * width {
            let (part, to) = place(row);
            weights[part][to * hidden..(to + 1) * hidden]
                .copy_from_slice(&weight[row * hidden..(row + 1) * hidden]);
            if let Some(bias) = &bias {
                biases[part][to] = bias[row];
            }
        }
        let [w0, w1, w2] = weights;
        let [b0, b1, b2] = biases;
        Ok([(w0, b0), (w1, b1), (w2, b2)].map(|(w, b)| Linear {
            weight: Param::from_tensor(self.upload(w, [width, hidden])),
            bias: bias.is_some().then(|| Param::from_tensor(self.upload(b, [width]))),
        }))
    }

    fn linear(&mut self, name: &str, from: usize, to: usize, bias: bool, role: Role) -> Result<Linear> {
        let weight = self.weight(name, from, to, role)?;
        let bias = match bias {
            true => Some(self.values(&format!("{name}.bias"), &[to], Role::Bias)?),
            false => None,
        };
        Ok(Linear {
            weight: Param::from_tensor(self.upload(weight, [to, from])),
            bias: bias.map(|b| Param::from_tensor(self.upload(b, [to]))),
        })
    }

    /// A linear map's weight as `[to, from]`; GPT-2 stores it the other way round.
    fn weight(&mut self, name: &str, from: usize, to: usize, role: Role) -> Result<Vec<T>> {
        let name = format!("{name}.weight");
        if !matches!(self.names.qkv, Qkv::Thirds(_)) {
            return self.values(&name, &[to, from], role);
        }
        let stored = self.values(&name, &[from, to], role)?;
        Ok((0..to * from).map(|i| stored[(i % from) * to + i / from]).collect())
    }

    fn norm(&mut self, name: &str) -> Result<Norm> {
        let hidden = self.config.hidden;
        let weight = self.values(&format!("{name}.weight"), &[hidden], Role::Gain)?;
        let bias = match self.config.norm {
            NormKind::LayerNorm => Some(self.values(&format!("{name}.bias"), &[hidden], Role::Bias)?),
            NormKind::RmsNorm => None,
        };
        Ok(Norm {
            weight: Param::from_tensor(self.upload(weight, [hidden])),
            bias: bias.map(|b| Param::from_tensor(self.upload(b, [hidden]))),
            kind: self.config.norm,
            eps: self.config.eps,
        })
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Param<Tensor<2>>> {
        let values = self.values(name, &shape, Role::Weight)?;
        Ok(Param::from_tensor(self.upload(values, shape)))
    }

    fn values(&mut self, name: &str, shape: &[usize], role: Role) -> Result<Vec<T>> {
        match self.source {
            Source::Files(files) => {
                self.used.insert(name.to_owned());
                files.read_as(name, shape)
            }
            Source::Drawn { seed } => {
                let length = shape.iter().product();
                let spread = match role {
                    Role::Bias => return Ok(vec![T::default(); length]),
                    Role::Gain => return Ok(vec![T::narrow(1.0); length]),
                    Role::Weight => SPREAD,
                    Role::Residual => SPREAD / (2.0 * self.config.layers as f64).sqrt(),
                };
                let mut draws = stream(seed, &format!("llm.initialise/{name}"), 0);
                Ok(normals(&mut draws, length).into_iter().map(|x| T::narrow((x * spread) as f32)).collect())
            }
        }
    }

    fn upload<const D: usize>(&self, values: Vec<T>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), (self.device, T::dtype()))
    }

    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Refuses tensors that nobody read: what they would do is not computed.
    fn check_rest(&self, files: &WeightFiles) -> Result<()> {
        let idle = |name: &str| self.names.idle.iter().any(|end| name.ends_with(end));
        match files.names().find(|name| !self.used.contains(*name) && !idle(name)) {
            Some(name) => Err(Error::Weights {
                name: name.to_owned(),
                expected: "no such tensor in this family".to_owned(),
                found: format!("{:?} in {}", files.shape(name).unwrap_or_default(), files.place()),
            }),
            None => Ok(()),
        }
    }
}
