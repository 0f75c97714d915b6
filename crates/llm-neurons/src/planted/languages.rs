//! Neurons that fire for one language, for two, or for all.

use burn::tensor::Device;
use ndarray::Array2;
use numerics::rng::{normals, permutation, stream};
use rand::RngExt;

use super::HandSet;
use crate::Result;
use crate::model::HookedLm;

/// Languages, tokens of each, layers, neurons a layer, and units that tell tokens of a language apart.
const LANGUAGES: usize = 4;
const TOKENS: usize = 100;
const LAYERS: usize = 2;
const WIDTH: usize = 256;
const NOISE: usize = 10;
/// Specific neurons of each language, related ones of each pair, and general ones.
const SPECIFIC: usize = 10;
const RELATED: usize = 2;
const GENERAL: usize = 10;

/// A model of two layers of 256 neurons and four languages of 100 tokens each.
#[derive(Debug)]
pub struct PlantedLanguages {
    /// The model: language `k` has the tokens `100 k` to `100 k + 99`.
    pub model: HookedLm,
    /// By flat index `layer * width + neuron` the languages in which a neuron fires at every token and outside which at
    /// none; `None` for the others, which fire here and there in all.
    pub neurons: Vec<Option<Vec<usize>>>,
    seed: u64,
}

impl PlantedLanguages {
    /// Number of languages.
    #[must_use]
    pub fn languages(&self) -> usize {
        LANGUAGES
    }

    /// Flat indices, ascending, of the planted neurons of so many languages: 1 specific, 2 related, 4 general.
    #[must_use]
    pub fn of(&self, languages: usize) -> Vec<usize> {
        let has = |i: &usize| self.neurons[*i].as_ref().is_some_and(|set| set.len() == languages);
        (0..self.neurons.len()).filter(has).collect()
    }

    /// Random text of a language.
    #[must_use]
    pub fn text(&self, language: usize, tokens: usize) -> Vec<u32> {
        let mut draws = stream(self.seed, "planted/languages/text", language as u64);
        let first = language.min(LANGUAGES - 1) * TOKENS;
        // Below 400.
        (0..tokens).map(|_| (first + draws.random_range(0..TOKENS)) as u32).collect()
    }
}

/// Plants in every language 10 specific neurons, in every two languages 2 related ones, and 10 general ones, at random
/// places of 512.
///
/// # Errors
/// Those of [`HandSet::build`].
pub fn languages(device: &Device, seed: u64) -> Result<PlantedLanguages> {
    let mut sets: Vec<Vec<usize>> = (0..SPECIFIC * LANGUAGES).map(|i| vec![i % LANGUAGES]).collect();
    for a in 0..LANGUAGES {
        (0..a).for_each(|b| sets.extend(vec![vec![b, a]; RELATED]));
    }
    sets.extend(vec![(0..LANGUAGES).collect::<Vec<usize>>(); GENERAL]);
    let places = permutation(&mut stream(seed, "planted/languages/places", 0), LAYERS * WIDTH);
    let mut neurons = vec![None; LAYERS * WIDTH];
    places.into_iter().zip(sets).for_each(|(place, set)| neurons[place] = Some(set));
    Ok(PlantedLanguages { model: network(&neurons, seed).build(device)?, neurons, seed })
}

/// A token is its language, as one unit of 1, and noise. The gate of a planted neuron reads the language; the gates of the
/// others read the noise, less a threshold.
fn network(neurons: &[Option<Vec<usize>>], seed: u64) -> HandSet {
    let hidden = LANGUAGES + NOISE;
    let noise = normals(&mut stream(seed, "planted/languages/tokens", 0), LANGUAGES * TOKENS * NOISE);
    let embed =
        Array2::from_shape_fn((LANGUAGES * TOKENS, hidden), |(token, d)| match d.checked_sub(LANGUAGES) {
            None => f32::from(u8::from(token / TOKENS == d)),
            Some(n) => noise[token * NOISE + n] as f32,
        });
    let weights = normals(&mut stream(seed, "planted/languages/neurons", 0), LAYERS * WIDTH * NOISE);
    let gate = |l: usize| {
        Array2::from_shape_fn((WIDTH, hidden), |(i, d)| {
            let flat = l * WIDTH + i;
            match (&neurons[flat], d.checked_sub(LANGUAGES)) {
                (Some(set), None) if set.contains(&d) => 1.0,
                (Some(_), None) => -1.0,
                (Some(_), Some(_)) => 0.0,
                (None, None) => -1.5,
                (None, Some(n)) => weights[flat * NOISE + n] as f32,
            }
        })
    };
    let layers =
        (0..LAYERS).map(|l| [gate(l), Array2::zeros((WIDTH, hidden)), Array2::zeros((hidden, WIDTH))]);
    let layers = layers.collect();
    HandSet { head: Array2::zeros(embed.dim()), embed, layers, context: 64 }
}
