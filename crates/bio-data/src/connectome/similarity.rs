//! How alike two connectomes are: rank correlation of weights, and relabelling as its control.

use numerics::ranks::average_ranks;
use numerics::rng::{permutation, stream};

use super::merged::{Connectome, Edge, Layer};
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
    pearson(&average_ranks(&x)?, &average_ranks(&y)?)
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

fn pearson(x: &[f64], y: &[f64]) -> Result<f64> {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx) * (a - mx);
        yy += (b - my) * (b - my);
    }
    if xx == 0.0 || yy == 0.0 {
        return Err(numerics::Error::Constant { what: "correlation of weights" }.into());
    }
    Ok(xy / (xx * yy).sqrt())
}
