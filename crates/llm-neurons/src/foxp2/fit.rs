//! The whole method: from paired sentences and neutral prompts to language neurons, subspaces, a window and a strength.

use burn::tensor::{Device, FloatDType};
use ndarray::{Axis, concatenate};
use numerics::rng;
use probes::{
    HookSet, SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, SparseWeights, evaluate, train,
};
use rand::RngExt;
use recordings::{ModelIdentity, Positions};

use super::attach::attach;
use super::config::{Attractor, FitConfig, WindowChoice};
use super::defaultness::mean_defaultness;
use super::edit::{Scale, unit_rows};
use super::grid::{Grid, GridResult, Measured, grid_search};
use super::layer::{LayerFit, LayerSteer, fit_layer};
use super::neurons::{LanguageNeurons, candidates, language_neurons, selectivity, selectivity_floor};
use super::plan::SteeringPlan;
use super::residuals::PairResiduals;
use super::tokens::TokenSets;
use super::weak::WeakPrompts;
use super::window::{Window, best_window};
use crate::model::HookedLm;
use crate::score::mean_nll;
use crate::{Error, Result};

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
