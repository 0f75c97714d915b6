//! A model's responses to prompts, and switching neurons off.

use ndarray::{Array2, ArrayViewMut2, Axis};
use probes::{HookSet, Read};
use recordings::Intervention;

use super::{MlpSite, NeuronId, Responses};
use crate::model::{Forward, Head, HookedLm, Tokens};
use crate::score::batches;
use crate::{Error, Result};

/// The linear maps of a model's MLPs, by layer: gate (where there is one), up, down.
#[must_use]
pub fn mlp_sites(model: &HookedLm) -> Vec<(usize, MlpSite)> {
    (0..model.config().layers)
        .flat_map(|layer| [MlpSite::GateOut, MlpSite::UpOut, MlpSite::DownOut].map(|site| (layer, site)))
        .filter(|(layer, site)| model.width(&site.at(*layer)).is_some())
        .collect()
}

/// Every neuron of some linear maps, in their order.
///
/// # Errors
/// [`Error::Mismatch`] for a map that the model does not have.
pub fn neurons_of(model: &HookedLm, sites: &[(usize, MlpSite)]) -> Result<Vec<NeuronId>> {
    let mut neurons = Vec::new();
    for (layer, site) in sites {
        let width = width(model, *layer, *site)?;
        neurons.extend((0..width).map(|unit| NeuronId { layer: *layer, site: *site, unit }));
    }
    Ok(neurons)
}

/// Responses `[prompts, neurons]` of the neurons of some linear maps: the mean over all of a prompt's tokens, and none of
/// the padding. The mean is made on the device, and `[prompts, neurons]` of one batch come back at a time.
///
/// At most `batch_tokens` tokens, padding among them, go through the model at a time, and at least one prompt. Layers
/// after the last that is asked for are not run; for a large model ask for one layer at a time.
///
/// # Errors
/// [`Error::Mismatch`] for a map that the model does not have, [`Error::Prompt`] for an empty prompt or one longer than
/// the context, [`Error::TooFew`] for no prompt or no map, [`Error::NotFinite`], else those of [`HookedLm::forward`].
pub fn collect_responses<S: AsRef<[u32]>>(
    model: &HookedLm,
    prompts: &[S],
    sites: &[(usize, MlpSite)],
    batch_tokens: usize,
) -> Result<Responses> {
    for (what, found) in [("prompts", prompts.len()), ("linear maps to read", sites.len())] {
        if found == 0 {
            return Err(Error::TooFew { what, needed: 1, found });
        }
    }
    let prompts: Vec<&[u32]> = prompts.iter().map(AsRef::as_ref).collect();
    if let Some(i) = prompts.iter().position(|p| p.is_empty()) {
        return Err(Error::Prompt {
            what: format!("prompt {i}"),
            found: 0,
            expected: format!("from 1 to the context's {}", model.config().context),
        });
    }
    let index = neurons_of(model, sites)?;
    let mut hooks = HookSet::new();
    let reads = sites
        .iter()
        .map(|(layer, site)| hooks.read(site.at(*layer), Read::MeanOverTokens))
        .collect::<probes::Result<Vec<_>>>()?;
    if let Some(last) = sites.iter().map(|(layer, _)| *layer).max() {
        hooks.stop_after(last);
    }
    let lengths: Vec<usize> = prompts.iter().map(|p| p.len()).collect();
    let mut values = Array2::<f32>::zeros((prompts.len(), index.len()));
    for batch in batches(&lengths, batch_tokens)? {
        let rows: Vec<&[u32]> = batch.iter().map(|i| prompts[*i]).collect();
        let with = Forward { head: Head::None, ..Forward::default() };
        model.forward(&Tokens::padded(&rows, false), with, &mut hooks)?;
        let mut from = 0;
        for read in &reads {
            let means = hooks.rows(*read)?;
            let to = from + means.ncols();
            place(values.view_mut(), &means, &batch, from);
            from = to;
        }
        hooks.clear_readings();
    }
    Responses::new(values, index)
}

/// Switches neurons off from now on: their outputs are zero at every token, of prompts and of what is generated. Zero
/// of gate or up silences an MLP's neuron, zero of down removes a unit of what the MLP adds.
///
/// # Errors
/// [`Error::Mismatch`] for a neuron that the model does not have; the hooks are then as they were.
pub fn deactivate(model: &HookedLm, hooks: &mut HookSet, neurons: &[NeuronId]) -> Result<()> {
    let mut sorted = neurons.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for id in &sorted {
        if id.unit >= width(model, id.layer, id.site)? {
            return Err(missing(id.to_string()));
        }
    }
    for group in sorted.chunk_by(|a, b| (a.layer, a.site) == (b.layer, b.site)) {
        let units = group.iter().map(|id| id.unit).collect();
        hooks.edit(Intervention::drop_units(group[0].site.at(group[0].layer), units))?;
    }
    Ok(())
}

/// Puts the rows of a batch in the places of its prompts.
fn place(mut values: ArrayViewMut2<'_, f32>, means: &Array2<f64>, batch: &[usize], from: usize) {
    let columns = from..from + means.ncols();
    for (row, prompt) in means.outer_iter().zip(batch) {
        let mut to = values.index_axis_mut(Axis(0), *prompt);
        to.slice_axis_mut(Axis(0), columns.clone().into()).zip_mut_with(&row, |to, x| *to = *x as f32);
    }
}

fn width(model: &HookedLm, layer: usize, site: MlpSite) -> Result<usize> {
    model.width(&site.at(layer)).ok_or_else(|| missing(site.at(layer).to_string()))
}

fn missing(found: String) -> Error {
    Error::Mismatch { what: "neuron", expected: "one of the model's".to_owned(), found }
}
