//! Core neurons of clusters of texts, for prompts too short to settle on their own.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{Clustering, PoolSizes, Ranked, core_neurons};
use crate::{Error, Result};

/// How [`ClusterBank::build`] goes about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// The layer whose patterns are clustered (25 of 32).
    pub layer: usize,
    /// Share of a token's positive activations that is its core, in (0, 1] (0.4).
    pub alpha: f64,
    /// Share of the neurons appearing in a pool that is stored, in (0, 1] (0.4).
    pub beta: f64,
    /// Neurons of a text's pattern (3000, scaled to a width other than 11008 or 16384 by the caller).
    pub pattern: usize,
    /// Number of clusters; the elbow's where none is given.
    pub clusters: Option<usize>,
    /// Whether a cluster's pool also holds the texts of the clusters before it, as in the published program (no).
    pub official_accumulate: bool,
    /// Seed of the clustering.
    pub seed: u64,
}

impl ClusterConfig {
    /// The published program's choices, for a clustering layer and a pattern's size.
    #[must_use]
    pub fn new(layer: usize, pattern: usize, seed: u64) -> Self {
        Self { layer, alpha: 0.4, beta: 0.4, pattern, clusters: None, official_accumulate: false, seed }
    }

    /// The same, with layer (25 of 32) and pattern (3000 of 11008 neurons) scaled to a model of `layers` layers of `width`
    /// neurons, rounded down, and a neuron at least.
    #[must_use]
    pub fn for_shape(layers: usize, width: usize, seed: u64) -> Self {
        Self::new(25 * layers / 32, (3000 * width / 11_008).max(1), seed)
    }
}

/// Centroids of core-neuron patterns of one layer, and for each cluster and layer its neurons, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterBank {
    pub(super) layer: usize,
    pub(super) width: usize,
    pub(super) alpha: f64,
    pub(super) pattern: usize,
    pub(super) centres: Array2<f64>,
    /// Squared length of each centroid.
    norms: Vec<f64>,
    /// `[cluster][layer]`.
    pub(super) pools: Vec<Vec<Vec<usize>>>,
    /// The hash of the model's tensors, where it is known.
    pub(super) model: Option<String>,
}

impl ClusterBank {
    /// Puts a bank together from centroids `[clusters, width]` of the patterns (of `pattern` neurons, found with `alpha`) of
    /// one `layer`, and the ranked neurons of each cluster and layer.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no cluster, [`Error::Shape`] where pools and centroids do not fit together, a list is empty,
    /// or holds a neuron twice or one that there is not, [`Error::NotFinite`], [`Error::Parameter`] for alpha outside
    /// (0, 1] or a pattern of no neuron.
    pub fn new(
        layer: usize,
        alpha: f64,
        pattern: usize,
        centres: Array2<f64>,
        pools: Vec<Vec<Vec<usize>>>,
    ) -> Result<Self> {
        super::config::share("alpha", alpha)?;
        let (clusters, width) = centres.dim();
        if clusters == 0 {
            return Err(Error::TooFew { what: "clusters", needed: 1, found: 0 });
        }
        if pattern == 0 || pattern > width {
            let expected = "between 1 and the width";
            return Err(Error::Parameter { name: "pattern", value: pattern as f64, expected });
        }
        if let Some(((row, column), value)) = centres.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NotFinite { what: "centroids", row, column, value: *value });
        }
        if pools.len() != clusters {
            return Err(Error::shape("clusters with neurons", clusters, pools.len()));
        }
        let layers = pools[0].len();
        if layer >= layers || pools.iter().any(|p| p.len() != layers) {
            let found = format!("{:?}", pools.iter().map(Vec::len).collect::<Vec<_>>());
            return Err(Error::shape("layers of each cluster", format!("as many, above {layer}"), found));
        }
        let mut seen = vec![usize::MAX; width];
        for (tag, list) in pools.iter().flatten().enumerate() {
            let distinct =
                list.iter().all(|u| seen.get_mut(*u).is_some_and(|s| std::mem::replace(s, tag) != tag));
            if list.is_empty() || !distinct {
                let expected = format!("at least one, distinct, below {width}");
                let found = format!("{} in cluster {}, layer {}", list.len(), tag / layers, tag % layers);
                return Err(Error::shape("neurons of a cluster and layer", expected, found));
            }
        }
        let norms = centres.outer_iter().map(|c| c.dot(&c)).collect();
        Ok(Self { layer, width, alpha, pattern, centres, norms, pools, model: None })
    }

    /// Builds a bank of texts that are in memory: `texts[i][l]` are the activations `[tokens, width]` of text i (at most 100
    /// tokens of each in the paper) in layer l. [`Clustering`], [`PoolSizes`] and
    /// [`PoolCounts`](super::PoolCounts) do the same for texts that pass by.
    ///
    /// # Errors
    /// [`Error::TooFew`] for too few texts; [`Error::Shape`] where texts differ in layers or widths; those of
    /// [`core_neurons`] and [`Clustering::fit`].
    pub fn build(texts: &[Vec<ArrayView2<'_, f32>>], config: &ClusterConfig) -> Result<Self> {
        let layers = texts.first().map_or(0, Vec::len);
        let clustered = |text: &Vec<ArrayView2<'_, f32>>| {
            let a = text.get(config.layer).filter(|_| text.len() == layers).ok_or_else(|| {
                let expected = format!("{layers}, above the clustering layer {}", config.layer);
                Error::shape("layers of a text", expected, text.len())
            })?;
            Ok(core_neurons(a, config.alpha, config.pattern)?.units)
        };
        let patterns = texts.iter().map(clustered).collect::<Result<Vec<Vec<usize>>>>()?;
        let width = texts.first().and_then(|t| t.get(config.layer)).map_or(0, |a| a.ncols());
        let found = Clustering::fit(&patterns, width, config.clusters, config.seed)?;
        let mut sizes = PoolSizes::new(found.centres.nrows(), layers, width);
        let parts: Vec<(usize, usize, &ArrayView2<'_, f32>)> = texts
            .iter()
            .zip(&found.labels)
            .flat_map(|(text, cluster)| text.iter().enumerate().map(|(layer, a)| (*cluster, layer, a)))
            .collect();
        parts.iter().try_for_each(|(c, l, a)| sizes.add(*c, *l, a))?;
        let mut counts = sizes.counting(config.alpha, config.official_accumulate)?;
        parts.iter().try_for_each(|(c, l, a)| counts.add(*c, *l, a))?;
        let pools = counts.ranked(config.beta)?;
        let units = pools.into_iter().map(|p| p.into_iter().map(|r| r.units).collect()).collect();
        Self::new(config.layer, config.alpha, config.pattern, found.centres, units)
    }

    /// The same bank, said to be of the model whose tensors hash to `tensors_sha256`
    /// ([`WeightFiles::tensors_sha256`](crate::model::WeightFiles::tensors_sha256)).
    #[must_use]
    pub fn of(self, tensors_sha256: &str) -> Self {
        Self { model: Some(tensors_sha256.to_owned()), ..self }
    }

    /// Refuses a model other than the bank's. A bank that does not say whose it is passes.
    ///
    /// # Errors
    /// [`Error::Mismatch`].
    pub fn check_model(&self, tensors_sha256: &str) -> Result<()> {
        match &self.model {
            Some(own) if own != tensors_sha256 => Err(Error::Mismatch {
                what: "model of the bank of clusters",
                expected: format!("the one whose tensors hash to {own}"),
                found: tensors_sha256.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Number of clusters.
    #[must_use]
    pub fn clusters(&self) -> usize {
        self.pools.len()
    }

    /// Number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.pools.first().map_or(0, Vec::len)
    }

    /// Neurons a layer.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The layer whose patterns tell clusters apart.
    #[must_use]
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The pattern of a prompt, from its activations in [`ClusterBank::layer`].
    ///
    /// # Errors
    /// Those of [`core_neurons`]; [`Error::Shape`] for another width.
    pub fn pattern(&self, activations: &ArrayView2<'_, f32>) -> Result<Ranked> {
        if activations.ncols() != self.width {
            return Err(Error::shape("neurons of a layer", self.width, activations.ncols()));
        }
        core_neurons(activations, self.alpha, self.pattern)
    }

    /// The cluster whose centroid is nearest (squared Euclidean distance of the multi-hot vectors) to a pattern; the
    /// lower of equals. O(clusters x pattern): only the pattern's own neurons are looked at.
    ///
    /// # Errors
    /// [`Error::Shape`] for a pattern of another width.
    pub fn assign(&self, pattern: &Ranked) -> Result<usize> {
        if pattern.count.len() != self.width {
            return Err(Error::shape("neurons of a layer", self.width, pattern.count.len()));
        }
        let units = &pattern.units;
        let distance = |c: usize| {
            let centre = self.centres.index_axis(Axis(0), c);
            let inner: f64 = units.iter().map(|u| centre[*u]).sum();
            units.len() as f64 - 2.0 * inner + self.norms[c]
        };
        let first = (0, distance(0));
        let nearest = (1..self.clusters()).fold(first, |best, c| {
            let d = distance(c);
            if d < best.1 { (c, d) } else { best }
        });
        Ok(nearest.0)
    }

    /// The at most `keep` best neurons of a cluster in a layer, best first.
    ///
    /// # Errors
    /// [`Error::Shape`] for a cluster or layer that there is not.
    pub fn units(&self, cluster: usize, layer: usize, keep: usize) -> Result<&[usize]> {
        let list = self.pools.get(cluster).and_then(|p| p.get(layer)).ok_or_else(|| {
            let expected = format!("below ({}, {})", self.clusters(), self.layers());
            Error::shape("cluster and layer", expected, format!("({cluster}, {layer})"))
        })?;
        Ok(&list[..keep.min(list.len())])
    }
}
