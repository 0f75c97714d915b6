//! Clusters of the texts that a model reads.

use super::watch::Watch;
use super::{ClusterBank, ClusterConfig, Clustering, CoreSource, PoolSizes, core_neurons};
use crate::model::{Forward, Head, HookedLm};
use crate::{Error, Result};

impl ClusterBank {
    /// Builds a bank of texts (of at most 100 tokens each in the paper) that a model reads: once up to the clustering layer
    /// for their patterns, then twice for the pools of their clusters. Activations of one text and layer at a time are in
    /// memory.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a clustering layer that the model does not have; those of [`HookedLm::forward`],
    /// [`core_neurons`] and [`Clustering::fit`].
    pub fn of_model(
        model: &HookedLm,
        texts: &[&[u32]],
        source: CoreSource,
        config: &ClusterConfig,
    ) -> Result<Self> {
        let (layers, width) = (model.config().layers, model.config().mlp);
        if config.layer >= layers {
            let expected = "one of the model's layers";
            return Err(Error::Parameter { name: "clustering layer", value: config.layer as f64, expected });
        }
        let headless = || Forward { cache: None, head: Head::None, mlps: None };
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            let layers = |l: usize| l == config.layer;
            let watch = Watch { source, layers, stop_after: Some(config.layer) };
            watch.read(model, text, headless(), |_, a| {
                patterns.push(core_neurons(a, config.alpha, config.pattern)?.units);
                Ok(())
            })?;
        }
        let found = Clustering::fit(&patterns, width, config.clusters, config.seed)?;
        let mut sizes = PoolSizes::new(found.centres.nrows(), layers, width);
        let all = || Watch { source, layers: |_| true, stop_after: layers.checked_sub(1) };
        for (text, cluster) in texts.iter().zip(&found.labels) {
            all().read(model, text, headless(), |layer, a| sizes.add(*cluster, layer, a))?;
        }
        let mut counts = sizes.counting(config.alpha, config.official_accumulate)?;
        for (text, cluster) in texts.iter().zip(&found.labels) {
            all().read(model, text, headless(), |layer, a| counts.add(*cluster, layer, a))?;
        }
        let pools = counts.ranked(config.beta)?;
        let units = pools.into_iter().map(|p| p.into_iter().map(|r| r.units).collect()).collect();
        Self::new(config.layer, config.alpha, config.pattern, found.centres, units)
    }
}
