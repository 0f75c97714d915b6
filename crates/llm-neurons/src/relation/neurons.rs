//! Names of MLP neurons, the best of them, and sets to compare.

use std::fmt;

use ndarray::Array2;
use numerics::rng::{stream, subset};
use recordings::{Members, ModelIdentity, NeuronSet, Site};
use serde::{Deserialize, Serialize};

use super::Expert;
use crate::keys::{ascending_f64, least};
use crate::{Error, Result, SetOverlap};

/// Which linear map of an MLP a unit is an output of, in the order in which ties are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MlpSite {
    /// Gate projection, before its non-linearity.
    GateOut,
    /// Up projection; the first linear map of an MLP without a gate.
    UpOut,
    /// Down projection; the second linear map of an MLP without a gate.
    DownOut,
}

impl MlpSite {
    /// The hook point in a layer.
    #[must_use]
    pub fn at(self, layer: usize) -> Site {
        match self {
            Self::GateOut => Site::GateOut(layer),
            Self::UpOut => Site::UpOut(layer),
            Self::DownOut => Site::DownOut(layer),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::GateOut => "GateOut",
            Self::UpOut => "UpOut",
            Self::DownOut => "DownOut",
        }
    }
}

/// One output unit of one linear map; ordered by layer, site and unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NeuronId {
    /// The layer, from 0.
    pub layer: usize,
    /// The linear map.
    pub site: MlpSite,
    /// The unit, from 0.
    pub unit: usize,
}

impl fmt::Display for NeuronId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} unit {}", self.site.at(self.layer), self.unit)
    }
}

/// Which end of the order [`top_neurons`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// The k of highest average precision (the paper's).
    #[default]
    Top,
    /// The k of lowest: those that are low for the relation.
    Bottom,
    /// The k highest, then the k lowest (Kojima et al.).
    Both,
}

/// The k neurons of highest (or lowest, or k of both) average precision, best first; ties go to the lower layer, then
/// site, then unit, whatever the order of `experts`.
///
/// # Errors
/// [`Error::Parameter`] for k = 0, [`Error::TooFew`] where k (or 2 k) exceeds the neurons, [`Error::NotFinite`].
pub fn top_neurons(experts: &[Expert], k: usize, pick: Pick) -> Result<Vec<Expert>> {
    let needed = if pick == Pick::Both { k.saturating_mul(2) } else { k };
    enough(experts.len(), k, needed)?;
    if let Some(row) = experts.iter().position(|e| !e.ap.is_finite()) {
        let value = experts[row].ap;
        return Err(Error::NotFinite { what: "average precisions", row, column: 0, value });
    }
    // By identity first: what `least` breaks ties by is then the identity.
    let mut ordered: Vec<&Expert> = experts.iter().collect();
    ordered.sort_unstable_by_key(|e| e.id);
    let end = |sign: f64| {
        let best = least(ordered.iter().map(|e| ascending_f64(sign * e.ap)), k);
        best.into_iter().map(|i| *ordered[i]).collect::<Vec<_>>()
    };
    Ok(match pick {
        Pick::Top => end(-1.0),
        Pick::Bottom => end(1.0),
        Pick::Both => {
            // The lowest are looked for among what the highest leave, so that no neuron is taken twice.
            let mut chosen = end(-1.0);
            let mut taken: Vec<NeuronId> = chosen.iter().map(|e| e.id).collect();
            taken.sort_unstable();
            let rest: Vec<&Expert> =
                ordered.iter().copied().filter(|e| taken.binary_search(&e.id).is_err()).collect();
            let low = least(rest.iter().map(|e| ascending_f64(e.ap)), k);
            chosen.extend(low.into_iter().map(|i| *rest[i]));
            chosen
        }
    })
}

/// k different neurons drawn at random, in ascending order: draw `index` of the control of a set of that size.
///
/// # Errors
/// [`Error::Parameter`] for k = 0, [`Error::TooFew`] where k exceeds the neurons.
pub fn random_neurons(neurons: &[NeuronId], k: usize, seed: u64, index: u64) -> Result<Vec<NeuronId>> {
    enough(neurons.len(), k, k)?;
    let mut sorted = neurons.to_vec();
    sorted.sort_unstable();
    let chosen = subset(&mut stream(seed, "relation-neurons/control", index), sorted.len(), k);
    Ok(chosen.into_iter().map(|i| sorted[i]).collect())
}

/// Number of neurons that every two sets share, `[sets, sets]`; the diagonal holds their sizes.
#[must_use]
pub fn overlap(sets: &[Vec<NeuronId>]) -> Array2<usize> {
    Array2::from_shape_fn((sets.len(), sets.len()), |(a, b)| SetOverlap::of(&sets[a], &sets[b]).kept)
}

/// A neuron-set file with one set a relation: units of the sites `GateOut`, `UpOut` and `DownOut`, by layer, with their
/// average precisions. Rule, parameters, data hash and effects are the caller's to fill in further.
///
/// # Errors
/// [`Error::Shape`] for two sets of one name, or a neuron twice in a set.
pub fn neuron_set(
    relations: &[(&str, &[Expert])],
    model: ModelIdentity,
    rule: &str,
    seed: u64,
) -> Result<NeuronSet> {
    let mut set = NeuronSet::new(model, rule, seed);
    for (name, experts) in relations {
        let mut sorted = experts.to_vec();
        sorted.sort_unstable_by_key(|e| e.id);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Error::shape("neurons of a set", "distinct ones", format!("{} twice", pair[0].id)));
        }
        let members = sorted
            .chunk_by(|a, b| (a.id.layer, a.id.site) == (b.id.layer, b.id.site))
            .map(|group| Members {
                site: group[0].id.site.name().to_owned(),
                layer: group[0].id.layer.to_string(),
                units: group.iter().map(|e| e.id.unit).collect(),
                values: Some(group.iter().map(|e| e.ap).collect()),
            })
            .collect();
        if set.sets.insert((*name).to_owned(), members).is_some() {
            return Err(Error::shape("names of relations", "distinct names", format!("{name:?} twice")));
        }
    }
    Ok(set)
}

fn enough(found: usize, k: usize, needed: usize) -> Result<()> {
    if k == 0 {
        return Err(Error::Parameter { name: "k", value: 0.0, expected: "at least 1" });
    }
    if needed > found {
        return Err(Error::TooFew { what: "neurons to choose from", needed, found });
    }
    Ok(())
}
