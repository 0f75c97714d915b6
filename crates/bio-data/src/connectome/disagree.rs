//! Where sources differ.

use super::consensus::{Role, Source};
use super::merged::Layer;
use crate::neurons::LABELS;
use crate::{Error, Result};

/// What one source says about an edge; zero: it has both neurons and no such edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The source.
    pub source: String,
    /// Its weight.
    pub weight: f64,
}

/// An edge on which sources differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Presynaptic slot; of a gap junction the smaller one.
    pub from: usize,
    /// Postsynaptic slot.
    pub to: usize,
    /// Chemical or gap.
    pub layer: Layer,
    /// Whether a source lacks the edge that another has.
    pub presence: bool,
    /// Largest weight less smallest.
    pub range: f64,
    /// Every source that covers both neurons, in the order of the names.
    pub reported: Vec<Reported>,
}

/// All conflicts of a set of sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// Edges that at least one source has and at least two cover.
    pub compared: usize,
    /// Of those, edges that every covering source has with one weight.
    pub agreed: usize,
    /// Conflicts, the widest range first.
    pub conflicts: Vec<Conflict>,
}

/// Lists the edges on which anatomical sources differ. A source takes part in the comparison of an edge when both
/// neurons occur in it: a nerve-ring reconstruction says nothing about the tail.
///
/// # Errors
/// [`Error::Value`] for fewer than two anatomical sources or two of one name.
pub fn disagree(sources: &[Source]) -> Result<Disagreement> {
    let mut order: Vec<&Source> = sources.iter().filter(|s| s.role == Role::Anatomy).collect();
    order.sort_by(|a, b| a.name.cmp(&b.name));
    let refuse = |found: String| {
        let expected = "two or more of distinct names".to_owned();
        Err(Error::Value { what: "anatomical sources to compare".to_owned(), found, expected })
    };
    if order.len() < 2 {
        return refuse(order.len().to_string());
    }
    if let Some(w) = order.windows(2).find(|w| w[0].name == w[1].name) {
        return refuse(format!("two named {:?}", w[0].name));
    }
    let covered: Vec<Vec<bool>> = order
        .iter()
        .map(|s| {
            let mut seen = vec![false; LABELS.len()];
            s.connectome.slots().into_iter().for_each(|slot| seen[slot] = true);
            seen
        })
        .collect();
    let mut out = Disagreement { compared: 0, agreed: 0, conflicts: Vec::new() };
    for layer in [Layer::Chemical, Layer::Gap] {
        let matrices: Vec<_> = order.iter().map(|s| s.connectome.adjacency(layer)).collect();
        for from in 0..LABELS.len() {
            for to in (if layer == Layer::Gap { from } else { 0 })..LABELS.len() {
                let values = || {
                    (0..order.len())
                        .filter(|k| covered[*k][from] && covered[*k][to])
                        .map(|k| (k, matrices[k][[from, to]]))
                };
                let (mut count, mut least, mut most) = (0, f64::INFINITY, f64::NEG_INFINITY);
                for (_, w) in values() {
                    count += 1;
                    least = least.min(w);
                    most = most.max(w);
                }
                if count < 2 || (least == 0.0 && most == 0.0) {
                    continue;
                }
                out.compared += 1;
                if least == most {
                    out.agreed += 1;
                    continue;
                }
                let reported =
                    values().map(|(k, weight)| Reported { source: order[k].name.clone(), weight }).collect();
                out.conflicts.push(Conflict {
                    from,
                    to,
                    layer,
                    presence: least == 0.0,
                    range: most - least,
                    reported,
                });
            }
        }
    }
    // Stable: ties stay in the order of layer and pair.
    out.conflicts.sort_by(|a, b| b.range.total_cmp(&a.range));
    Ok(out)
}

impl Disagreement {
    /// Conflicts in which a source lacks the edge.
    #[must_use]
    pub fn presence_conflicts(&self) -> usize {
        self.conflicts.iter().filter(|c| c.presence).count()
    }

    /// Conflicts of weight alone.
    #[must_use]
    pub fn weight_conflicts(&self) -> usize {
        self.conflicts.len() - self.presence_conflicts()
    }
}
