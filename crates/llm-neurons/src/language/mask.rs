//! Which neurons belong to which language.

use ndarray::Array2;
use numerics::rng::{stream, subset};
use recordings::{Members, ModelIdentity, NeuronSet};

use super::ActivationStats;
use super::frequencies::Frequencies;
use crate::{Error, Result, SetOverlap};

/// The neurons of each language, as flat indices `layer * width + neuron` in ascending order, each with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageMask {
    layers: usize,
    width: usize,
    neurons: Vec<Vec<usize>>,
    values: Vec<Vec<f64>>,
}

impl LanguageMask {
    /// The selected neurons `(flat index, value)` whose frequency in a language exceeds a threshold.
    pub(super) fn above(
        stats: &ActivationStats,
        p: &Frequencies,
        threshold: f32,
        selected: &[(usize, f64)],
    ) -> Self {
        let mut ordered = selected.to_vec();
        ordered.sort_unstable_by_key(|(i, _)| *i);
        let (neurons, values) = (0..stats.languages())
            .map(|k| ordered.iter().filter(|(i, _)| p.row(*i)[k] > threshold).copied().unzip())
            .unzip();
        Self { layers: stats.layers(), width: stats.width(), neurons, values }
    }

    /// Number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Neurons a layer.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of languages.
    #[must_use]
    pub fn languages(&self) -> usize {
        self.neurons.len()
    }

    /// Flat indices of a language's neurons, ascending; none for a language that there is not.
    #[must_use]
    pub fn neurons(&self, language: usize) -> &[usize] {
        self.neurons.get(language).map_or(&[], Vec::as_slice)
    }

    /// A language's neurons by layer, ascending.
    #[must_use]
    pub fn by_layer(&self, language: usize) -> Vec<Vec<usize>> {
        let mut layers = vec![Vec::new(); self.layers];
        self.neurons(language).iter().for_each(|i| layers[i / self.width].push(i % self.width));
        layers
    }

    /// Rows `(language, layer, neuron)` in ascending order, as the published masks have them.
    #[must_use]
    pub fn triplets(&self) -> Vec<[usize; 3]> {
        let of = |(k, list): (usize, &Vec<usize>)| {
            list.iter().map(|i| [k, i / self.width, i % self.width]).collect::<Vec<_>>()
        };
        self.neurons.iter().enumerate().flat_map(of).collect()
    }

    /// The part of each language's neurons that is in an ascending list.
    pub(super) fn restrict(&self, keep: &[usize]) -> Self {
        let (neurons, values) = self
            .neurons
            .iter()
            .zip(&self.values)
            .map(|(list, values)| {
                list.iter()
                    .zip(values)
                    .filter(|(i, _)| keep.binary_search(i).is_ok())
                    .map(|(i, v)| (*i, *v))
                    .unzip()
            })
            .unzip();
        Self { neurons, values, ..*self }
    }

    /// As many neurons for each language, drawn at random from the whole network: the control of an intervention. Draw
    /// `index` of one seed; values are 0.
    #[must_use]
    pub fn random_control(&self, seed: u64, index: u64) -> Self {
        let neurons: Vec<Vec<usize>> = (0_u64..)
            .zip(&self.neurons)
            .map(|(k, list)| {
                let mut rng = stream(seed, &format!("language-neurons/control/{k}"), index);
                subset(&mut rng, self.layers * self.width, list.len())
            })
            .collect();
        let values = neurons.iter().map(|list| vec![0.0; list.len()]).collect();
        Self { neurons, values, ..*self }
    }

    /// Jaccard's index of every two languages' neurons, `[languages, languages]`.
    #[must_use]
    pub fn similarity(&self) -> Array2<f64> {
        let n = self.languages();
        Array2::from_shape_fn((n, n), |(a, b)| SetOverlap::of(&self.neurons[a], &self.neurons[b]).jaccard())
    }

    /// A neuron-set file with one set a language: units of the site `Act`, by layer, with their values. Rule, parameters,
    /// data hash and effects are the caller's to fill in further.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one name a language and no two are equal.
    pub fn neuron_set(
        &self,
        names: &[&str],
        model: ModelIdentity,
        rule: &str,
        seed: u64,
    ) -> Result<NeuronSet> {
        if names.len() != self.languages() {
            return Err(Error::shape("names of languages", self.languages(), names.len()));
        }
        let mut set = NeuronSet::new(model, rule, seed);
        for (k, name) in names.iter().enumerate() {
            let mut members: Vec<Members> = Vec::new();
            for (i, value) in self.neurons[k].iter().zip(&self.values[k]) {
                let layer = (i / self.width).to_string();
                if members.last().is_none_or(|m| m.layer != layer) {
                    members.push(Members {
                        site: "Act".to_owned(),
                        layer,
                        units: Vec::new(),
                        values: Some(Vec::new()),
                    });
                }
                if let Some(last) = members.last_mut() {
                    last.units.push(i % self.width);
                    last.values.get_or_insert_default().push(*value);
                }
            }
            if set.sets.insert((*name).to_owned(), members).is_some() {
                return Err(Error::shape("names of languages", "distinct names", format!("{name:?} twice")));
            }
        }
        Ok(set)
    }
}

/// Number of neurons, given as flat indices, in each layer; indices beyond the last layer are left out.
#[must_use]
pub fn layer_profile(neurons: &[usize], layers: usize, width: usize) -> Vec<usize> {
    let mut profile = vec![0; layers];
    for i in neurons {
        if let Some(n) = i.checked_div(width).and_then(|layer| profile.get_mut(layer)) {
            *n += 1;
        }
    }
    profile
}

/// What became of each language's neurons from one mask to another, of the same model before and after training.
///
/// # Errors
/// [`Error::Shape`] for masks of other layers, widths or numbers of languages.
pub fn mask_overlap(before: &LanguageMask, after: &LanguageMask) -> Result<Vec<SetOverlap>> {
    let shape = |m: &LanguageMask| (m.layers, m.width, m.languages());
    if shape(before) != shape(after) {
        let (expected, found) = (format!("{:?}", shape(before)), format!("{:?}", shape(after)));
        return Err(Error::shape("masks (layers, width, languages)", expected, found));
    }
    Ok(before.neurons.iter().zip(&after.neurons).map(|(a, b)| SetOverlap::of(a, b)).collect())
}
