//! Neuron sets of a file as interventions on a model.

use recordings::{Intervention, NeuronSet, Site};

use crate::model::HookedLm;
use crate::{Error, Result};

/// Interventions that set the units of a neuron set to zero at every position.
///
/// `names` picks sets of the file; without any, all of them.
///
/// # Errors
/// [`Error::Recording`] for a name that the file does not have, a site that is none of the model's, or a unit beyond it.
pub fn ablation(set: &NeuronSet, names: &[String], model: &HookedLm) -> Result<Vec<Intervention>> {
    let unknown = |message: String| Error::Recording { message };
    if let Some(name) = names.iter().find(|n| !set.sets.contains_key(*n)) {
        let known: Vec<&str> = set.sets.keys().map(String::as_str).collect();
        return Err(unknown(format!("no set {name:?}; the file has {}", known.join(", "))));
    }
    let chosen = set.sets.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    chosen
        .flat_map(|(_, members)| members)
        .map(|m| {
            let site: Site = match m.layer.as_str() {
                "" => m.site.parse(),
                layer => format!("{}({layer})", m.site).parse(),
            }
            .map_err(Error::from_recording)?;
            let width = model.width(&site).ok_or_else(|| unknown(format!("the model has no site {site}")))?;
            let edit = Intervention::drop_units(site, m.units.clone());
            edit.validate(width).map_err(Error::from_recording)?;
            Ok(edit)
        })
        .collect()
}
