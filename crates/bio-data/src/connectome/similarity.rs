//! How alike two connectomes are: rank correlation of weights, and relabelling as its control.

use std::collections::BTreeMap;

use numerics::correlation::spearman;
use numerics::rng::{permutation, stream};

use super::merged::{Connectome, Edge, Layer};
use super::raw::{Kind, RawConnectome};
use crate::{Error, Result};

/// Spearman's correlation of the weights of two connectomes, over all ordered pairs of different neurons that take
/// part in either; an absent edge weighs 0.
///
/// # Errors
/// [`Error::Value`] when fewer than two neurons take part, or all weights of one side are equal.
pub fn weight_correlation(a: &Connectome, b: &Connectome, layer: Layer) -> Result<f64> {
    let mut slots: Vec<usize> = a.slots().into_iter().chain(b.slots()).collect();
    slots.sort_unstable();
    slots.dedup();
    let weights = |c: &Connectome| {
        let matrix = c.adjacency(layer);
        let pairs = slots.iter().flat_map(|i| slots.iter().map(move |j| (*i, *j)));
        pairs.filter(|(i, j)| i != j).map(|(i, j)| matrix[[i, j]]).collect::<Vec<f64>>()
    };
    let (x, y) = (weights(a), weights(b));
    if x.is_empty() {
        return Err(Error::Value {
            what: "correlation of weights".to_owned(),
            found: format!("{} neurons", slots.len()),
            expected: "two or more".to_owned(),
        });
    }
    Ok(spearman(&x, &y)?)
}

/// Spearman's correlation of the chemical weights of two files over all ordered pairs of different *cells* that either
/// names, muscles and glia among them; an absent edge weighs 0, and of two rows of a pair the first counts. With
/// `relabel = (seed, index)` the names of the second file's cells are exchanged at random first: the control.
///
/// # Errors
/// [`Error::Value`] when fewer than two cells are named, or all weights of one side are equal.
pub fn cell_correlation(a: &RawConnectome, b: &RawConnectome, relabel: Option<(u64, u64)>) -> Result<f64> {
    let cells = |raw: &RawConnectome| -> Vec<String> {
        let mut seen = vec![false; raw.names().len()];
        for c in raw.connections() {
            seen[c.pre as usize] = true;
            seen[c.post as usize] = true;
        }
        let mut names: Vec<String> =
            raw.names().iter().zip(seen).filter(|n| n.1).map(|n| n.0.clone()).collect();
        names.sort_unstable();
        names
    };
    let (of_a, of_b) = (cells(a), cells(b));
    let mut index: BTreeMap<&str, usize> = of_a.iter().chain(&of_b).map(|n| (n.as_str(), 0)).collect();
    index.values_mut().enumerate().for_each(|(k, at)| *at = k);
    let n = index.len();
    if n < 2 {
        return Err(Error::Value {
            what: "correlation of weights".to_owned(),
            found: format!("{n} cells"),
            expected: "two or more".to_owned(),
        });
    }
    let mut moved: Vec<usize> = (0..n).collect();
    if let Some((seed, draw)) = relabel {
        let order = permutation(&mut stream(seed, "bio-data/relabel-cells", draw), of_b.len());
        for (k, name) in of_b.iter().enumerate() {
            moved[index[name.as_str()]] = index[of_b[order[k]].as_str()];
        }
    }
    let weights = |raw: &RawConnectome, place: &dyn Fn(usize) -> usize| {
        let mut matrix = vec![0.0; n * n];
        // The first row of a pair counts: later ones are written before it.
        for c in raw.connections().iter().rev().filter(|c| c.kind == Kind::Chemical && !c.weight.is_nan()) {
            let at = |name: u32| place(index[raw.names()[name as usize].as_str()]);
            matrix[at(c.pre) * n + at(c.post)] = c.weight;
        }
        let off = (0..n * n).filter(|k| k / n != k % n);
        off.map(|k| matrix[k]).collect::<Vec<f64>>()
    };
    let (x, y) = (weights(a, &|k| k), weights(b, &|k| moved[k]));
    Ok(spearman(&x, &y)?)
}

/// The same graph with its neurons' labels exchanged at random among those that take part: the control of
/// [`weight_correlation`], drawn from `(seed, index)`.
///
/// # Errors
/// None for a connectome that holds; those of [`Connectome::from_edges`] otherwise.
pub fn relabelled(connectome: &Connectome, seed: u64, index: u64) -> Result<Connectome> {
    let slots = connectome.slots();
    let order = permutation(&mut stream(seed, "bio-data/relabel", index), slots.len());
    let mut to = vec![0; crate::neurons::LABELS.len()];
    for (k, slot) in slots.iter().enumerate() {
        to[*slot] = slots[order[k]];
    }
    let edges = connectome
        .edges()
        .iter()
        .map(|e| Edge { pre: to[e.pre], post: to[e.post], synapses: e.synapses })
        .collect();
    Connectome::from_edges(connectome.name(), connectome.reference(), edges)
}
