//! Neuron sets of a file as interventions on a model, and random sets of the same size beside them.

use std::collections::{BTreeMap, BTreeSet};

use numerics::rng::{stream, subset};
use recordings::{Intervention, Members, NeuronSet, Site};

use crate::model::HookedLm;
use crate::{Error, LanguageModel, Result};

/// Interventions that set the units of a neuron set to zero at every position, in a model of any kind.
///
/// `names` picks sets of the file; without any, all of them.
///
/// # Errors
/// [`Error::Recording`] for a name that the file does not have, a site that is none of the model's, or a unit beyond it.
pub fn ablation(set: &NeuronSet, names: &[String], model: &impl LanguageModel) -> Result<Vec<Intervention>> {
    drop_members(&members_of(set, names)?, model)
}

/// The members of some sets of a file, one after another; without a name, of all of them.
///
/// # Errors
/// [`Error::Recording`] for a name that the file does not have.
pub fn members_of(set: &NeuronSet, names: &[String]) -> Result<Vec<Members>> {
    if let Some(name) = names.iter().find(|n| !set.sets.contains_key(*n)) {
        let known: Vec<&str> = set.sets.keys().map(String::as_str).collect();
        return Err(refused(format!("no set {name:?}; the file has {}", known.join(", "))));
    }
    let chosen = set.sets.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    Ok(chosen.flat_map(|(_, members)| members.iter().cloned()).collect())
}

/// Interventions that set units to zero at every position.
///
/// # Errors
/// [`Error::Recording`] for a site that is none of the model's, or a unit beyond it.
pub fn drop_members(members: &[Members], model: &impl LanguageModel) -> Result<Vec<Intervention>> {
    let edit = |m: &Members| {
        let (site, width) = place(&m.site, &m.layer, model)?;
        let edit = Intervention::drop_units(site, m.units.clone());
        edit.validate(width).map_err(Error::from_recording)?;
        Ok(edit)
    };
    members.iter().map(edit).collect()
}

/// As many units as `members` has different ones, drawn at random: of each kind of site (all `Act`, all `GateOut`, ..) as
/// many, from all layers together. Draw `index` of one seed: the control of an ablation.
///
/// # Errors
/// [`Error::Recording`] for a site that is none of the model's, or a unit beyond it.
pub fn random_control(members: &[Members], model: &HookedLm, seed: u64, index: u64) -> Result<Vec<Members>> {
    let mut kinds: BTreeMap<&str, Taken<'_>> = BTreeMap::new();
    for m in members {
        let (_, width) = place(&m.site, &m.layer, model)?;
        if let Some(unit) = m.units.iter().find(|u| **u >= width) {
            return Err(refused(format!("{} layer {}: no unit {unit}, there are {width}", m.site, m.layer)));
        }
        let taken = kinds.entry(&m.site).or_default();
        taken.layered = !m.layer.is_empty();
        taken.units.extend(m.units.iter().map(|u| (m.layer.as_str(), *u)));
    }
    let mut drawn = Vec::new();
    for (site, Taken { layered, units }) in kinds {
        let layers = if layered { model.config().layers } else { 1 };
        let name = |layer: usize| if layered { layer.to_string() } else { String::new() };
        let (_, width) = place(site, &name(0), model)?;
        let mut draws = stream(seed, &format!("neurons/control/{site}"), index);
        let mut by_layer = vec![Vec::new(); layers];
        for flat in subset(&mut draws, layers * width, units.len()) {
            by_layer[flat / width].push(flat % width);
        }
        let drawn_here = by_layer.into_iter().enumerate().filter(|(_, units)| !units.is_empty());
        drawn.extend(drawn_here.map(|(layer, units)| Members {
            site: site.to_owned(),
            layer: name(layer),
            units,
            values: None,
        }));
    }
    Ok(drawn)
}

/// Units of one kind of site, each with its layer.
#[derive(Default)]
struct Taken<'a> {
    layered: bool,
    units: BTreeSet<(&'a str, usize)>,
}

/// A site of the model and its width.
fn place(site: &str, layer: &str, model: &impl LanguageModel) -> Result<(Site, usize)> {
    let site: Site = match layer {
        "" => site.parse(),
        layer => format!("{site}({layer})").parse(),
    }
    .map_err(Error::from_recording)?;
    let width = model.width(&site).ok_or_else(|| refused(format!("the model has no site {site}")))?;
    Ok((site, width))
}

fn refused(message: String) -> Error {
    Error::Recording { message }
}
