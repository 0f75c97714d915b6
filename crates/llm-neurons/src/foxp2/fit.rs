//! The whole method: from paired sentences and neutral prompts to language neurons, subspaces, a window and a strength.

use burn::tensor::{Device, FloatDType};
use ndarray::{Axis, concatenate};
use numerics::rng;
use probes::{
    HookSet, SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, SparseWeights, evaluate, train,
};
use rand::RngExt;
use recordings::{ModelIdentity, Positions};
use serde::{Deserialize, Serialize};

use super::attach::attach;
use super::defaultness::mean_defaultness;
use super::edit::{Scale, unit_rows};
use super::grid::{Grid, GridResult, Measured, grid_search};
use super::layer::{LayerFit, LayerSteer, fit_layer};
use super::neurons::{LanguageNeurons, candidates, language_neurons, selectivity, selectivity_floor};
use super::plan::SteeringPlan;
use super::residuals::PairResiduals;
use super::tokens::TokenSets;
use super::weak::WeakPrompts;
use super::window::{Window, WindowRule, best_window};
use crate::model::HookedLm;
use crate::score::{BATCH_TOKENS, mean_nll};
use crate::{Error, Result};

/// Which layers are steered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WindowChoice {
    /// The best contiguous layers of those that have language neurons.
    Search {
        /// Fewest layers (3, the published code).
        shortest: usize,
        /// Most layers (6, likewise).
        longest: usize,
        /// How windows are judged (sum, likewise).
        rule: WindowRule,
    },
    /// These, ascending; those without language neurons are left out.
    Layers(Vec<usize>),
}

/// Whose codes, on the language neurons, make the English attractor `mu_en`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Attractor {
    /// The weak prompts' (the published code).
    #[default]
    WeakPrompts,
    /// The source sentences' of the pairs.
    SourceText,
}

/// How a model is fitted.
///
/// | field | default | source |
/// |---|---|---|
/// | `layers` | all | choice; the published code sweeps 8 to 23 of 32 |
/// | `features` | 1024 | published code |
/// | `coefficient` | 5e-3 | likewise |
/// | `training` | 150 epochs, batches of 512, Adam at 5e-4 | likewise |
/// | `candidates` | 50 | likewise |
/// | `chance` | 0.05 | choice: see [`selectivity_floor`]; `None` is the published code |
/// | `alphas` | 0.25, 0.5, 1, 2 | choice, in residual norms; the published code takes 0.5, 1, 2, 5, 10, 15 absolute |
/// | `scale` | relative | choice |
/// | `r_max`, `resamples` | 12, 20 | published code |
/// | `attractor` | weak prompts | likewise |
/// | `window` | 3 to 6 layers, largest sum | likewise |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitConfig {
    /// The layers that are fitted, ascending; `None` for all of the model's.
    pub layers: Option<Vec<usize>>,
    /// F, features of each layer's autoencoder.
    pub features: usize,
    /// Weight of the L1 penalty.
    pub coefficient: f64,
    /// Training of the autoencoders; its seed is replaced by one drawn from `(seed, "foxp2.layer", layer)`.
    pub training: SparseTraining,
    /// How many features of the largest selectivity are tried.
    pub candidates: usize,
    /// How often chance may make a candidate in a layer; `None` for no such floor.
    pub chance: Option<f64>,
    /// Strengths at which a feature's lift is measured.
    pub alphas: Vec<f64>,
    /// How strengths are meant.
    pub scale: Scale,
    /// Largest rank of the subspace.
    pub r_max: usize,
    /// Bootstrap draws of its stability.
    pub resamples: usize,
    /// What English is taken for when it is held back.
    pub attractor: Attractor,
    /// Which layers are steered.
    pub window: WindowChoice,
    /// Tokens that go through the model at a time.
    pub batch_tokens: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            layers: None,
            features: 1024,
            coefficient: 5e-3,
            training: SparseTraining::default(),
            candidates: 50,
            chance: Some(0.05),
            alphas: vec![0.25, 0.5, 1.0, 2.0],
            scale: Scale::default(),
            r_max: 12,
            resamples: 20,
            attractor: Attractor::default(),
            window: WindowChoice::Search { shortest: 3, longest: 6, rule: WindowRule::Sum },
            batch_tokens: BATCH_TOKENS,
            seed: 0,
        }
    }
}

/// The autoencoder of one layer, trained on residuals of unit length.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerAutoencoder {
    /// The layer.
    pub layer: usize,
    /// Its weights.
    pub weights: SparseWeights,
    /// Fraction of the training rows' variance that it does not explain; none where they are all equal.
    pub unexplained: Option<f64>,
    /// Codes of a row that are not zero.
    pub l0: f64,
    /// Fraction of features that no row uses.
    pub dead_fraction: f64,
}

/// What was found in one layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FittedLayer {
    /// The layer.
    pub layer: usize,
    /// The largest selectivity of a feature.
    pub largest_selectivity: f64,
    /// Features that were tried.
    pub candidates: Vec<usize>,
    /// Their lifts.
    pub lifts: Vec<f64>,
    /// Those that are selective and raise the target's mass.
    pub neurons: LanguageNeurons,
    /// What steers the layer; none where it has no language neuron.
    pub steer: Option<LayerSteer>,
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// Layer by layer.
    pub layers: Vec<FittedLayer>,
    /// How it was fitted.
    pub config: FitConfig,
}

/// Token ids of a fit.
#[derive(Debug, Clone, Copy)]
pub struct FitTexts<'a> {
    /// Sentences of the language that the model is to leave (English).
    pub source: &'a [Vec<u32>],
    /// The same sentences in the target language.
    pub target: &'a [Vec<u32>],
    /// Neutral prompts in the source language.
    pub weak: &'a [Vec<u32>],
    /// Text that must stay as likely as [`Grid::tolerance`] says, read with all of its tokens edited; may be empty.
    pub guard: &'a [Vec<u32>],
}

/// What [`FitConfig::run`] leaves.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Steered {
    /// Autoencoders of all layers.
    pub autoencoders: Vec<LayerAutoencoder>,
    /// The fit.
    pub fit: Fit,
    /// The layers that are steered and their score.
    pub window: Window,
    /// The strengths that were tried.
    pub grid: GridResult,
    /// What steers the model, at the best strength.
    pub plan: SteeringPlan,
}

impl FitConfig {
    /// Whether the figures make sense for a model of `layers` blocks.
    ///
    /// # Errors
    /// [`Error::Parameter`] or [`Error::TooFew`] with the field, [`Error::Probes`] for the autoencoder's.
    pub fn validate(&self, layers: usize) -> Result<()> {
        let outside = "below the number of the model's blocks";
        if let Some(bad) = self.layers.iter().flatten().find(|l| **l >= layers) {
            return Err(Error::Parameter { name: "layer", value: *bad as f64, expected: outside });
        }
        for (what, found) in [
            ("candidates", self.candidates),
            ("alphas", self.alphas.len()),
            ("layers", self.layers.as_ref().map_or(1, Vec::len)),
        ] {
            if found == 0 {
                return Err(Error::TooFew { what, needed: 1, found });
            }
        }
        if let Some(bad) = self.alphas.iter().find(|a| !(a.is_finite() && **a > 0.0)) {
            return Err(Error::Parameter { name: "alpha", value: *bad, expected: "a positive number" });
        }
        if let Some(bad) = self.chance.filter(|c| !(*c > 0.0 && *c < 1.0)) {
            return Err(Error::Parameter { name: "chance", value: bad, expected: "above 0 and below 1" });
        }
        if self.r_max == 0 {
            return Err(Error::Parameter { name: "r_max", value: 0.0, expected: "at least 1" });
        }
        if self.resamples < 2 {
            return Err(Error::TooFew { what: "bootstrap draws", needed: 2, found: self.resamples });
        }
        if self.batch_tokens == 0 {
            return Err(Error::Parameter { name: "batch_tokens", value: 0.0, expected: "at least 1" });
        }
        let swept = |layer: &usize| self.layers.as_ref().is_none_or(|all| all.contains(layer));
        match &self.window {
            WindowChoice::Search { shortest, longest, .. } if *shortest == 0 || longest < shortest => {
                let expected = "at least 1 and at most the longest length";
                return Err(Error::Parameter { name: "shortest window", value: *shortest as f64, expected });
            }
            WindowChoice::Layers(window) => {
                if window.is_empty() {
                    return Err(Error::TooFew { what: "layers to steer", needed: 1, found: 0 });
                }
                if let Some(bad) = window.iter().find(|l| **l >= layers || !swept(l)) {
                    let expected = "one of the layers that are fitted";
                    return Err(Error::Parameter { name: "layer to steer", value: *bad as f64, expected });
                }
            }
            WindowChoice::Search { .. } => {}
        }
        let config = SparseAutoencoderConfig::foxp2(1, self.features, self.coefficient);
        config.validate()?;
        Ok(self.training.validate(&config)?)
    }

    /// The layers that are fitted in a model of `layers` blocks.
    #[must_use]
    pub fn swept(&self, layers: usize) -> Vec<usize> {
        let mut all = self.layers.clone().unwrap_or_else(|| (0..layers).collect());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Trains one layer's autoencoder, the `i`-th of the pairs' layers, on both languages.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an `i` that there is not, [`Error::Probes`]: a loss that becomes NaN among others.
    pub fn autoencoder(&self, pairs: &PairResiduals, i: usize, device: &Device) -> Result<LayerAutoencoder> {
        let layer = *pairs.layers().get(i).ok_or(Error::Parameter {
            name: "layer",
            value: i as f64,
            expected: "one that was read",
        })?;
        let all = concatenate(Axis(0), &[pairs.source(i), pairs.target(i)])
            .map_err(|e| Error::shape("residuals of pairs", "one width", e))?;
        let rows = unit_rows(&all.view()).mapv(|x| x as f32);
        let config = SparseAutoencoderConfig::foxp2(pairs.width(), self.features, self.coefficient);
        let seed = rng::stream(self.seed, "foxp2.layer", layer as u64).random();
        let fresh = SparseAutoencoder::new(&config, seed, FloatDType::F32, device)?;
        let training = SparseTraining { seed, ..self.training.clone() };
        let trained = train(fresh, &rows.view(), &training, &mut |_| true)?.model;
        let report = evaluate(&trained, &rows.view(), training.batch_size)?;
        Ok(LayerAutoencoder {
            layer,
            weights: trained.weights()?,
            unexplained: report.unexplained,
            l0: report.l0,
            dead_fraction: report.dead_fraction,
        })
    }

    /// Stages I and II of one layer with its autoencoder.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer that the pairs or the weak prompts were not read at; those of [`selectivity`],
    /// [`WeakPrompts::lifts`], [`language_neurons`] and [`fit_layer`].
    pub fn layer(
        &self,
        pairs: &PairResiduals,
        autoencoder: &LayerAutoencoder,
        weak: &WeakPrompts<'_>,
    ) -> Result<FittedLayer> {
        let layer = autoencoder.layer;
        let place = |layers: &[usize]| {
            let place = layers.iter().position(|l| *l == layer);
            place.ok_or(Error::Parameter {
                name: "layer",
                value: layer as f64,
                expected: "one that was read",
            })
        };
        let (i, at_weak) = (place(pairs.layers())?, place(weak.layers())?);
        let weights = &autoencoder.weights;
        let encode = |rows: &ndarray::ArrayView2<'_, f64>| weights.encode(&unit_rows(rows).view());
        let (target, source) = (encode(&pairs.target(i))?, encode(&pairs.source(i))?);
        let selective = selectivity(&target.view(), &source.view())?;
        let floor = match self.chance {
            Some(level) => selectivity_floor(pairs.pairs(), weights.config.latents, level)?,
            None => f64::NEG_INFINITY,
        };
        let mut chosen = candidates(&selective.view(), self.candidates, floor);
        // What is not more frequent in the target's text scores zero whatever its lift.
        chosen.retain(|j| selective[*j] > 0.0);
        let mean_norm = pairs.mean_norm(i);
        let lifts: Vec<f64> = weak
            .lifts(layer, weights, &chosen, &self.alphas, self.scale, mean_norm)?
            .into_iter()
            .map(|lift| lift.lift)
            .collect();
        let neurons = language_neurons(&chosen, &selective.view(), &lifts)?;
        let steer = match neurons.is_empty() {
            true => None,
            false => {
                let how =
                    LayerFit { r_max: self.r_max, resamples: self.resamples, seed: self.layer_seed(layer) };
                let neutral = match self.attractor {
                    Attractor::WeakPrompts => encode(&weak.residuals(at_weak))?,
                    Attractor::SourceText => source.clone(),
                };
                Some(fit_layer(
                    layer,
                    weights.clone(),
                    &neurons.features,
                    &target.view(),
                    &source.view(),
                    &neutral.view(),
                    mean_norm,
                    how,
                )?)
            }
        };
        let largest_selectivity = selective.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(FittedLayer { layer, largest_selectivity, candidates: chosen, lifts, neurons, steer })
    }

    /// Stages I and II of all layers, with autoencoders that were trained before.
    ///
    /// # Errors
    /// Those of [`FitConfig::validate`] and [`FitConfig::layer`].
    pub fn fit(
        &self,
        pairs: &PairResiduals,
        autoencoders: &[LayerAutoencoder],
        weak: &WeakPrompts<'_>,
    ) -> Result<Fit> {
        self.validate(weak.model().config().layers)?;
        let layers = autoencoders.iter().map(|a| self.layer(pairs, a, weak)).collect::<Result<_>>()?;
        Ok(Fit { layers, config: self.clone() })
    }

    /// The whole method. `model` is whose the plan is, `languages` what its source and target are called.
    ///
    /// ```no_run
    /// use burn::tensor::FloatDType;
    /// use llm_neurons::foxp2::{FitConfig, FitTexts, Grid, TokenSets};
    /// use llm_neurons::model::HookedLm;
    /// use probes::HookSet;
    /// use recordings::ModelIdentity;
    /// use tensor_backend::DeviceSpec;
    ///
    /// let device = DeviceSpec::Cpu.open()?.device;
    /// let model = HookedLm::load("model".as_ref(), FloatDType::F32, &device)?;
    /// # let (english, spanish, questions, texts): (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<Vec<u32>>) = Default::default();
    /// # let sets = TokenSets::new(vec![1], vec![2], model.config().vocab)?;
    /// let texts = FitTexts { source: &english, target: &spanish, weak: &questions, guard: &texts };
    /// let found = FitConfig::default().run(
    ///     &model, texts, &sets, &Grid::default(), ModelIdentity::default(), ["en", "es"])?;
    /// let mut hooks = HookSet::new();
    /// found.plan.attach(&mut hooks, &model, found.plan.strength)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of its parts: [`Error::Mismatch`] for sentences that are not paired, [`Error::TooFew`] when no window of
    /// layers has language neurons, [`Error::Plan`] when no strength that is allowed raises dM.
    pub fn run(
        &self,
        model: &HookedLm,
        texts: FitTexts<'_>,
        sets: &TokenSets,
        grid: &Grid,
        identity: ModelIdentity,
        languages: [&str; 2],
    ) -> Result<Steered> {
        self.validate(model.config().layers)?;
        grid.validate()?;
        let layers = self.swept(model.config().layers);
        let pairs = PairResiduals::record(model, texts.source, texts.target, &layers, self.batch_tokens)?;
        let weak = WeakPrompts::new(model, texts.weak, sets, &layers, self.batch_tokens)?;
        let device = model.device();
        let autoencoders = (0..layers.len())
            .map(|i| self.autoencoder(&pairs, i, &device))
            .collect::<Result<Vec<LayerAutoencoder>>>()?;
        let fit = self.fit(&pairs, &autoencoders, &weak)?;
        let window = fit.window()?;
        let steers = fit.steers(&window.layers)?;
        let grid = search(&weak, &steers, self.scale, grid, texts.guard)?;
        let plan = fit.plan(&window.layers, &grid, identity, languages)?;
        Ok(Steered { autoencoders, fit, window, grid, plan })
    }

    fn layer_seed(&self, layer: usize) -> u64 {
        rng::stream(self.seed, "foxp2.stability", layer as u64).random()
    }
}

impl Fit {
    /// The layers that are steered: the best window, or those that the configuration names.
    ///
    /// # Errors
    /// [`Error::TooFew`] when there is no window in which all layers have language neurons, or none of the named layers
    /// has one.
    pub fn window(&self) -> Result<Window> {
        let scores: Vec<(usize, f64)> = self
            .layers
            .iter()
            .filter_map(|l| l.steer.as_ref().map(|s| (l.layer, s.quality.score())))
            .collect();
        match &self.config.window {
            WindowChoice::Search { shortest, longest, rule } => {
                best_window(&scores, *shortest, *longest, *rule)
            }
            WindowChoice::Layers(layers) => {
                let kept: Vec<(usize, f64)> =
                    scores.into_iter().filter(|(layer, _)| layers.contains(layer)).collect();
                if kept.is_empty() {
                    let what = "layers with language neurons among those to steer";
                    return Err(Error::TooFew { what, needed: 1, found: 0 });
                }
                let score = kept.iter().map(|(_, score)| score).sum();
                Ok(Window { layers: kept.into_iter().map(|(layer, _)| layer).collect(), score })
            }
        }
    }

    /// What steers some layers, ascending; layers without language neurons are left out.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer that was not fitted.
    pub fn steers(&self, layers: &[usize]) -> Result<Vec<LayerSteer>> {
        if let Some(bad) = layers.iter().find(|l| !self.layers.iter().any(|f| f.layer == **l)) {
            let expected = "one of the layers that were fitted";
            return Err(Error::Parameter { name: "layer to steer", value: *bad as f64, expected });
        }
        let wanted = self.layers.iter().filter(|l| layers.contains(&l.layer));
        Ok(wanted.filter_map(|l| l.steer.clone()).collect())
    }

    /// The plan of some layers at the grid's best strength, or its only one.
    ///
    /// # Errors
    /// [`Error::Plan`] when no strength that is allowed raises dM; those of [`Fit::steers`] and
    /// [`SteeringPlan::validate`].
    pub fn plan(
        &self,
        layers: &[usize],
        grid: &GridResult,
        model: ModelIdentity,
        languages: [&str; 2],
    ) -> Result<SteeringPlan> {
        let best = grid.best.and_then(|i| grid.points.get(i)).ok_or_else(|| {
            let why = "no strength that the guard allows raises the target above the source";
            Error::plan(why.to_owned())
        })?;
        let [source, target] = languages.map(str::to_owned);
        let plan = SteeringPlan {
            model,
            source,
            target,
            scale: self.config.scale,
            strength: best.strength,
            layers: self.steers(layers)?,
            seed: self.config.seed,
        };
        plan.validate()?;
        Ok(plan)
    }
}

/// Tries the strengths of a grid on weak prompts; the guard is minus the nats a token of `guard`, of which every token is
/// edited, as when it is generated. Without such text the guard is 0 throughout.
///
/// # Errors
/// Those of [`grid_search`], [`WeakPrompts::steered`] and [`mean_nll`].
pub fn search(
    weak: &WeakPrompts<'_>,
    layers: &[LayerSteer],
    scale: Scale,
    grid: &Grid,
    guard: &[Vec<u32>],
) -> Result<GridResult> {
    grid_search(grid, |strength| {
        let defaultness = mean_defaultness(&weak.steered(layers, strength, scale)?)?;
        let guard = match guard.is_empty() {
            true => 0.0,
            false => {
                let mut hooks = HookSet::new();
                attach(layers, scale, strength, Positions::All, weak.model(), &mut hooks)?;
                -mean_nll(weak.model(), guard, weak.batch_tokens(), &mut hooks)?.by_token
            }
        };
        Ok(Measured { defaultness, guard })
    })
}
