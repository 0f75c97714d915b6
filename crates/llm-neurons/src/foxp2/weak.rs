//! Neutral prompts that a model answers in its default language, read once and gone on from with many edits.

use burn::tensor::Tensor;
use ndarray::{Array2, ArrayView2, Axis};
use probes::{HookSet, NoTaps, Read, Reading, Taps};
use recordings::{Intervention, Positions, Site};
use tensor_backend::bridge;

use super::attach::attach;
use super::defaultness::{Defaultness, TokenSetTensors};
use super::edit::{Scale, Strength};
use super::layer::LayerSteer;
use super::neurons::{Lift, lift_vector, median_lift};
use super::residuals::{check_layers_of, check_texts};
use super::tokens::TokenSets;
use crate::model::{Forward, Head, HookedLm, KvCache, Tokens};
use crate::score::{batches, wide};
use crate::{Error, Result};

/// Weak prompts of a model. Edits act on the newest token alone, and no earlier token looks at it: so the others are read
/// once, into a cache, and an edit after block l costs one token of the blocks after l, for many edits in one batch.
#[derive(Debug)]
pub struct WeakPrompts<'a> {
    model: &'a HookedLm,
    sets: TokenSetTensors,
    layers: Vec<usize>,
    batch_tokens: usize,
    chunks: Vec<Chunk>,
    residuals: Vec<Array2<f64>>,
    base: Vec<Defaultness>,
}

/// Prompts that go through the model together.
#[derive(Debug)]
struct Chunk {
    /// Which prompts.
    prompts: Vec<usize>,
    /// Their newest tokens, `[b, 1]`.
    newest: Array2<u32>,
    /// All tokens but the newest.
    cache: KvCache,
    /// `ResidPost` of the newest tokens `[b, D]`, of each layer.
    rows: Vec<Tensor<2>>,
}

impl<'a> WeakPrompts<'a> {
    /// Reads the prompts. `layers` are those that may be edited, `batch_tokens` bounds the tokens
    /// of one call; the caches of all prompts are kept.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no prompt or layer, [`Error::Prompt`] for an empty prompt or one beyond the context,
    /// [`Error::Parameter`] for layers that do not ascend or that the model lacks, [`Error::Shape`] for token sets of
    /// another vocabulary, [`Error::NotFinite`], else those of [`HookedLm::forward`].
    pub fn new<S: AsRef<[u32]>>(
        model: &'a HookedLm,
        prompts: &[S],
        sets: &TokenSets,
        layers: &[usize],
        batch_tokens: usize,
    ) -> Result<Self> {
        check_layers_of(model, layers)?;
        let prompts = check_texts(model, prompts, "weak prompt")?;
        let lengths: Vec<usize> = prompts.iter().map(|p| p.len()).collect();
        let mut weak = Self {
            model,
            sets: TokenSetTensors::new(sets, &model.device())?,
            layers: layers.to_vec(),
            batch_tokens,
            chunks: Vec::new(),
            residuals: vec![Array2::zeros((prompts.len(), model.config().hidden)); layers.len()],
            base: vec![Defaultness::of(0.0, 0.0); prompts.len()],
        };
        for batch in batches(&lengths, batch_tokens)? {
            let chosen: Vec<&[u32]> = batch.iter().map(|i| prompts[*i]).collect();
            weak.read(batch, &chosen)?;
        }
        for rows in &weak.residuals {
            super::neurons::finite("residual stream", &rows.view())?;
        }
        Ok(weak)
    }

    fn read(&mut self, prompts: Vec<usize>, texts: &[&[u32]]) -> Result<()> {
        let time = texts.iter().map(|t| t.len()).max().unwrap_or(1);
        let earlier: Vec<&[u32]> = texts.iter().map(|t| &t[..t.len() - 1]).collect();
        let mut cache = KvCache::new(self.model.config(), time)?;
        if time > 1 {
            let with = Forward { cache: Some(&mut cache), head: Head::None, mlps: None };
            self.model.forward(&Tokens::padded(&earlier, true), with, &mut NoTaps)?;
        }
        let newest = Array2::from_shape_fn((texts.len(), 1), |(b, _)| texts[b][texts[b].len() - 1]);
        let mut hooks = HookSet::new();
        let reads = self
            .layers
            .iter()
            .map(|layer| hooks.read(Site::ResidPost(*layer), Read::LastToken))
            .collect::<probes::Result<Vec<_>>>()?;
        let mut chunk = Chunk { prompts, newest, cache, rows: Vec::with_capacity(reads.len()) };
        let base = self.go(&chunk, None, &mut hooks)?;
        for (place, read) in reads.into_iter().enumerate() {
            let rows = match hooks.reading(read)? {
                Reading::Rows(rows) => Tensor::cat(rows.clone(), 0),
                _ => return Err(Error::Missing { what: "residual stream of a weak prompt" }),
            };
            let host = bridge::float_array::<f64, 2>(rows.clone()).map_err(Error::from_tensor)?;
            for (row, prompt) in host.outer_iter().zip(&chunk.prompts) {
                self.residuals[place].row_mut(*prompt).assign(&row);
            }
            chunk.rows.push(rows);
        }
        for (base, prompt) in base.into_iter().zip(&chunk.prompts) {
            self.base[*prompt] = base;
        }
        self.chunks.push(chunk);
        Ok(())
    }

    /// The layers that may be edited.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &'a HookedLm {
        self.model
    }

    /// Tokens that go through the model at a time.
    pub(super) fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// Masses of each prompt's next token without an edit.
    #[must_use]
    pub fn base(&self) -> &[Defaultness] {
        &self.base
    }

    /// `ResidPost` of the newest tokens `[m, D]` in the `i`-th of the layers.
    #[must_use]
    pub fn residuals(&self, i: usize) -> ArrayView2<'_, f64> {
        self.residuals[i].view()
    }

    /// Masses `[vector][prompt]` with each of the vectors `[k, D]` by itself added to `ResidPost(layer)` at the newest
    /// token: in as few batches as `batch_tokens` allows, from the cached residual on.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer that was not read, [`Error::Shape`] for vectors of another width,
    /// [`Error::NotFinite`], else those of [`HookedLm::resume`].
    pub fn with_vectors(&self, layer: usize, vectors: &ArrayView2<'_, f64>) -> Result<Vec<Vec<Defaultness>>> {
        let place = self.place(layer)?;
        let (count, width) = (vectors.nrows(), self.model.config().hidden);
        if vectors.ncols() != width {
            return Err(Error::shape("vectors to add", format!("{width} columns"), vectors.ncols()));
        }
        super::neurons::finite("vectors to add", vectors)?;
        let device = self.model.device().without_autodiff();
        let dtype = self.model.float_dtype();
        let mut found = vec![self.base.clone(); count];
        for chunk in &self.chunks {
            let b = chunk.prompts.len();
            let group = (self.batch_tokens / (b * (chunk.cache.len() + 1))).clamp(1, count.max(1));
            // Slots behind the cached tokens are written over by each call.
            let mut tiled = chunk.cache.tile(group);
            for start in (0..count).step_by(group) {
                let k = group.min(count - start);
                if k != group {
                    tiled = chunk.cache.tile(k);
                }
                let part = vectors.slice_axis(Axis(0), (start..start + k).into());
                let added: Tensor<2> =
                    bridge::float_tensor(part, dtype, &device).map_err(Error::from_tensor)?;
                let rows = chunk.rows[place].clone().reshape([1, b, width]).expand([k, b, width]);
                let x = rows + added.reshape([k, 1, width]).expand([k, b, width]);
                let newest = Array2::from_shape_fn((k * b, 1), |(i, _)| chunk.newest[[i % b, 0]]);
                let logits = self.model.resume(
                    layer,
                    x.reshape([k * b, 1, width]),
                    &Tokens::new(newest),
                    &mut tiled,
                    Head::Last,
                    &mut NoTaps,
                )?;
                for (i, masses) in self.masses(logits)?.into_iter().enumerate() {
                    found[start + i / b][chunk.prompts[i % b]] = masses;
                }
            }
        }
        Ok(found)
    }

    /// `Lift_j` of each of the features of a layer's autoencoder: the median over `alphas` of the mean slope of dM.
    ///
    /// # Errors
    /// Those of [`lift_vector`], [`WeakPrompts::with_vectors`] and [`median_lift`].
    pub fn lifts(
        &self,
        layer: usize,
        weights: &probes::SparseWeights,
        features: &[usize],
        alphas: &[f64],
        scale: Scale,
        mean_norm: f64,
    ) -> Result<Vec<Lift>> {
        let width = self.model.config().hidden;
        let mut vectors = Array2::zeros((features.len() * alphas.len(), width));
        let pairs = features.iter().flat_map(|j| alphas.iter().map(move |alpha| (*j, *alpha)));
        for (mut row, (feature, alpha)) in vectors.outer_iter_mut().zip(pairs) {
            let vector = lift_vector(weights, feature, alpha, scale, mean_norm)?;
            if vector.len() != width {
                return Err(Error::shape("directions", format!("{width} units"), vector.len()));
            }
            row.assign(&vector);
        }
        let differences = |all: &[Defaultness]| all.iter().map(|d| d.difference).collect::<Vec<f64>>();
        let edited = self.with_vectors(layer, &vectors.view())?;
        let base = differences(&self.base);
        (0..features.len())
            .map(|i| {
                let of = |(a, alpha): (usize, &f64)| (*alpha, differences(&edited[i * alphas.len() + a]));
                median_lift(&base, &alphas.iter().enumerate().map(of).collect::<Vec<_>>())
            })
            .collect()
    }

    /// Masses of each prompt's next token under steering.
    ///
    /// # Errors
    /// Those of [`SteeringPlan::attach`](super::SteeringPlan::attach); [`Error::Parameter`] when the first layer was not
    /// read; else those of [`HookedLm::resume`].
    pub fn steered(
        &self,
        layers: &[LayerSteer],
        strength: Strength,
        scale: Scale,
    ) -> Result<Vec<Defaultness>> {
        let Some(first) = layers.iter().map(|l| l.layer).min() else { return Ok(self.base.clone()) };
        let mut hooks = HookSet::new();
        attach(layers, scale, strength, Positions::Last, self.model, &mut hooks)?;
        self.all(Some(first), &mut hooks)
    }

    /// Masses with a vector added after each of some blocks at the newest token: the control of steering.
    ///
    /// # Errors
    /// [`Error::Parameter`] when the first layer was not read; those of [`HookSet::edit`] and [`HookedLm::resume`].
    pub fn with_vector_in_each(&self, vectors: &[(usize, Vec<f64>)]) -> Result<Vec<Defaultness>> {
        let Some(first) = vectors.iter().map(|v| v.0).min() else { return Ok(self.base.clone()) };
        let mut hooks = HookSet::new();
        for (layer, vector) in vectors {
            let edit = recordings::Edit::AddVector { vector: vector.clone() };
            hooks.edit(Intervention { site: Site::ResidPost(*layer), edit, positions: Positions::Last })?;
        }
        self.all(Some(first), &mut hooks)
    }

    fn all<T: Taps>(&self, first: Option<usize>, taps: &mut T) -> Result<Vec<Defaultness>> {
        let mut found = self.base.clone();
        for chunk in &self.chunks {
            for (masses, prompt) in self.go(chunk, first, taps)?.into_iter().zip(&chunk.prompts) {
                found[*prompt] = masses;
            }
        }
        Ok(found)
    }

    /// The newest tokens of a chunk: through all blocks, or from the cached residual of a layer on.
    fn go<T: Taps>(&self, chunk: &Chunk, first: Option<usize>, taps: &mut T) -> Result<Vec<Defaultness>> {
        let mut cache = chunk.cache.clone();
        let tokens = Tokens::new(chunk.newest.clone());
        let logits = match first {
            None => {
                let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
                self.model.forward(&tokens, with, taps)?
            }
            Some(layer) => {
                let rows = chunk.rows[self.place(layer)?].clone();
                let [b, width] = rows.dims();
                self.model.resume(
                    layer,
                    rows.reshape([b, 1, width]),
                    &tokens,
                    &mut cache,
                    Head::Last,
                    taps,
                )?
            }
        };
        self.masses(logits)
    }

    fn masses(&self, logits: Option<Tensor<3>>) -> Result<Vec<Defaultness>> {
        let logits = logits.ok_or(Error::Missing { what: "logits of a weak prompt" })?;
        let [rows, _, vocab] = logits.dims();
        self.sets.defaultness(wide(logits.inner().reshape([rows, vocab])))
    }

    fn place(&self, layer: usize) -> Result<usize> {
        self.layers.iter().position(|l| *l == layer).ok_or(Error::Parameter {
            name: "layer",
            value: layer as f64,
            expected: "one that the weak prompts were read at",
        })
    }
}
