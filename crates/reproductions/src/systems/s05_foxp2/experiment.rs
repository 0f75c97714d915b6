//! One target language: residuals read once, and what each seed finds.

use llm_neurons::foxp2::{
    Attractor, Defaultness, Fit, FitConfig, LayerAutoencoder, PairResiduals, Scale, Strength, TokenSets,
    WeakPrompts, mean_defaultness,
};
use ndarray::Array2;
use rayon::prelude::*;
use tensor_backend::training::Schedule;

use super::fail;
use super::shipped::Shipped;
use crate::Result;

/// Sheet 05, check 3: pairs, weak prompts and their tokens, features, alphas, candidates.
const PAIRS: usize = 200;
const WEAK: usize = 40;
const OPENING: usize = 6;
/// All four layers, and those of the first claim.
pub(super) const ALL: [usize; 4] = [0, 1, 2, 3];
pub(super) const UPPER: [usize; 3] = [1, 2, 3];
/// Random directions of a seed.
pub(super) const DRAWS: u64 = 5;

/// How large.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) epochs: u64,
    pub(super) features: usize,
}

/// English text of the pairs, read once for all targets.
pub(super) struct Source {
    rows: Vec<Array2<f64>>,
    prompts: Vec<Vec<u32>>,
}

impl Source {
    pub(super) fn read(shipped: &Shipped) -> Result<Self> {
        let sentences = shipped.sentences("en", "train_index", PAIRS)?;
        let mut prompts = shipped.sentences("en", "val_index", WEAK)?;
        prompts.iter_mut().for_each(|p| p.truncate(OPENING));
        let rows =
            llm_neurons::foxp2::last_residuals(shipped.model(), &sentences, &ALL, 4096).map_err(fail)?;
        Ok(Self { rows, prompts })
    }

    pub(super) fn pairs(&self, shipped: &Shipped, target: &str) -> Result<PairResiduals> {
        let sentences = shipped.sentences(target, "train_index", PAIRS)?;
        let rows =
            llm_neurons::foxp2::last_residuals(shipped.model(), &sentences, &ALL, 4096).map_err(fail)?;
        PairResiduals::new(ALL.to_vec(), self.rows.clone(), rows).map_err(fail)
    }

    pub(super) fn weak<'a>(&self, shipped: &'a Shipped, sets: &TokenSets) -> Result<WeakPrompts<'a>> {
        WeakPrompts::new(shipped.model(), &self.prompts, sets, &ALL, 4096).map_err(fail)
    }
}

/// The sheet's setting for a seed.
pub(super) fn config(size: Size, seed: u64) -> FitConfig {
    let mut config = FitConfig {
        layers: Some(ALL.to_vec()),
        features: size.features,
        coefficient: 5e-4,
        candidates: 30,
        alphas: vec![0.25, 0.5, 1.0, 2.0],
        batch_tokens: 4096,
        // The sheet's figures are of this attractor; the other is measured beside it.
        attractor: Attractor::SourceText,
        seed,
        ..FitConfig::default()
    };
    config.training.epochs = size.epochs;
    config.training.batch_size = 200;
    config.training.rate = Schedule::Constant { rate: 2e-3 };
    config
}

/// Autoencoders of all layers, which do not depend on one another.
pub(super) fn autoencoders(
    shipped: &Shipped,
    pairs: &PairResiduals,
    config: &FitConfig,
) -> Result<Vec<LayerAutoencoder>> {
    let device = shipped.model().device();
    (0..ALL.len()).into_par_iter().map(|i| config.autoencoder(pairs, i, &device).map_err(fail)).collect()
}

/// Mean masses of the weak prompts' next token.
pub(super) fn steered(
    weak: &WeakPrompts<'_>,
    fit: &Fit,
    layers: &[usize],
    lambda: f64,
    beta: f64,
) -> Result<Defaultness> {
    let layers = fit.steers(layers).map_err(fail)?;
    let all = weak.steered(&layers, Strength { lambda, beta }, Scale::Relative).map_err(fail)?;
    mean_defaultness(&all).map_err(fail)
}

/// Holding English back, with one attractor.
pub(super) struct Held {
    /// All layers, lambda = beta = 4.
    pub(super) strong: Defaultness,
    /// dM of lambda = beta = 2 above that of lambda 2, beta 0: layers 1 to 3, all layers; of 4 in all layers.
    pub(super) upper: f64,
    pub(super) all: f64,
    pub(super) all_strong: f64,
}

impl Held {
    fn new(weak: &WeakPrompts<'_>, fit: &Fit) -> Result<Self> {
        let d = |layers: &[usize], lambda, beta| steered(weak, fit, layers, lambda, beta);
        let adds = |layers: &[usize], strength| -> Result<f64> {
            Ok(d(layers, strength, strength)?.difference - d(layers, strength, 0.0)?.difference)
        };
        Ok(Self {
            strong: d(&ALL, 4.0, 4.0)?,
            upper: adds(&UPPER, 2.0)?,
            all: adds(&ALL, 2.0)?,
            all_strong: adds(&ALL, 4.0)?,
        })
    }
}

/// What one seed found for Hindi.
pub(super) struct Found {
    pub(super) base: Defaultness,
    /// Layers 1 to 3, lambda 1, beta 0.
    pub(super) upper: Defaultness,
    /// Random directions of that length, mean of their draws.
    pub(super) random: Defaultness,
    pub(super) random_draws: Vec<f64>,
    /// With the codes of source sentences as the attractor, and of the weak prompts.
    pub(super) held: Held,
    pub(super) held_by_prompts: Held,
    /// Languages shuffled; without the floor too.
    pub(super) shuffled: Defaultness,
    pub(super) shuffled_without_floor: Defaultness,
    /// Variance unexplained and L0 of each layer.
    pub(super) unexplained: Vec<f64>,
    pub(super) l0: Vec<f64>,
    /// Language neurons of each layer.
    pub(super) neurons: Vec<usize>,
    /// Layers that keep language neurons when languages are shuffled.
    pub(super) shuffled_layers: usize,
    /// dM over lambda, beta 0 and beta = lambda: layers 1 to 3.
    pub(super) curve: Vec<[f64; 3]>,
}

impl Found {
    pub(super) fn gain(&self, of: &Defaultness) -> f64 {
        of.difference - self.base.difference
    }
}

/// One seed of Hindi.
pub(super) fn hindi(
    shipped: &Shipped,
    pairs: &PairResiduals,
    weak: &WeakPrompts<'_>,
    config: &FitConfig,
) -> Result<Found> {
    let encoders = autoencoders(shipped, pairs, config)?;
    let fit = config.fit(pairs, &encoders, weak).map_err(fail)?;
    let upper = fit.steers(&UPPER).map_err(fail)?;
    let random = weak.random_control(&upper, 1.0, Scale::Relative, config.seed, DRAWS).map_err(fail)?;
    let base = mean_defaultness(weak.base()).map_err(fail)?;
    let d = |layers: &[usize], lambda, beta| Ok(steered(weak, &fit, layers, lambda, beta)?.difference);
    let curve = [0.25, 0.5, 1.0, 2.0, 4.0]
        .map(|lambda| Ok([lambda, d(&UPPER, lambda, 0.0)?, d(&UPPER, lambda, lambda)?]))
        .into_iter()
        .collect::<Result<Vec<[f64; 3]>>>()?;

    let prompts = FitConfig { attractor: Attractor::WeakPrompts, ..config.clone() };
    let by_prompts = prompts.fit(pairs, &encoders, weak).map_err(fail)?;
    let mixed = pairs.shuffled(config.seed);
    let control = config.fit(&mixed, &encoders, weak).map_err(fail)?;
    let loose = FitConfig { chance: None, ..config.clone() }.fit(&mixed, &encoders, weak).map_err(fail)?;
    Ok(Found {
        base,
        upper: steered(weak, &fit, &UPPER, 1.0, 0.0)?,
        random: mean_defaultness(&random).map_err(fail)?,
        random_draws: random.iter().map(|r| r.difference - base.difference).collect(),
        held: Held::new(weak, &fit)?,
        held_by_prompts: Held::new(weak, &by_prompts)?,
        shuffled: steered(weak, &control, &UPPER, 1.0, 0.0)?,
        shuffled_without_floor: steered(weak, &loose, &UPPER, 1.0, 0.0)?,
        unexplained: encoders.iter().map(|e| e.unexplained.unwrap_or(f64::NAN)).collect(),
        l0: encoders.iter().map(|e| e.l0).collect(),
        neurons: fit.layers.iter().map(|l| l.neurons.features.len()).collect(),
        shuffled_layers: control.layers.iter().filter(|l| l.steer.is_some()).count(),
        curve,
    })
}
