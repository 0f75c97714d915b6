//! The consensus of several connectomes.

use super::merged::Connectome;
use crate::neurons::LABELS;
use crate::{Error, Result};

/// What a source contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Gap junctions and chemical synapses.
    Anatomy,
    /// Responses to stimulation, filed under chemical weights; they do not enter the mean of the synapses.
    Function,
}

/// A named connectome.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name that the provenance of each edge gives.
    pub name: String,
    /// What it contributes.
    pub role: Role,
    /// The graph.
    pub connectome: Connectome,
}

impl Source {
    /// A source; one named `funconn`, as the published data set names it, is functional.
    #[must_use]
    pub fn new(name: &str, connectome: Connectome) -> Self {
        let role = if name == "funconn" { Role::Function } else { Role::Anatomy };
        Self { name: name.to_owned(), role, connectome }
    }
}

/// Which ordered pairs a table of the consensus holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// Pairs with a weight.
    #[default]
    Trimmed,
    /// All 300 x 300.
    Full,
}

/// What the sources say about one ordered pair.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsensusRow {
    /// Presynaptic slot.
    pub from: usize,
    /// Postsynaptic slot.
    pub to: usize,
    /// Mean of the distinct gap weights.
    pub gap: Option<f64>,
    /// Mean of the chemical weights over the anatomical sources that have the synapse.
    pub chemical: Option<f64>,
    /// 0.9 of the standard deviation of the chemical weights and 0.1 of that of the distinct gap weights, where there
    /// are both.
    pub uncertainty: Option<f64>,
    /// The functional weight.
    pub functional: Option<f64>,
    /// Names of the sources that have the edge, sorted.
    pub sources: Vec<String>,
}

/// Consensus weights with their provenance.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    /// Rows in the order of (from, to).
    pub rows: Vec<ConsensusRow>,
    /// Whether a functional source took part.
    pub functional: bool,
}

/// The consensus of sources: for every ordered pair the mean of the *distinct* gap weights over all sources and both
/// directions, the mean of the chemical weights over the anatomical sources that have one, and the uncertainty
/// `0.9 std(chemical) + 0.1 std(distinct gap)` (population standard deviations), absent unless both exist.
///
/// # Errors
/// [`Error::Value`] without a source, for two sources of one name, or for two functional sources.
pub fn consensus(sources: &[Source], rows: Rows) -> Result<Consensus> {
    let refuse = |found: String, expected: &str| {
        Err(Error::Value { what: "sources of a consensus".to_owned(), found, expected: expected.to_owned() })
    };
    let mut order: Vec<&Source> = sources.iter().collect();
    order.sort_by(|a, b| a.name.cmp(&b.name));
    if order.is_empty() {
        return refuse("none".to_owned(), "one or more");
    }
    if let Some(w) = order.windows(2).find(|w| w[0].name == w[1].name) {
        return refuse(format!("two named {:?}", w[0].name), "a set of distinct names");
    }
    let functional = order.iter().filter(|s| s.role == Role::Function).count();
    if functional > 1 {
        return refuse(format!("{functional} functional ones"), "at most one functional");
    }
    // One walk over the edges of all sources at once, in the order of pairs.
    let mut at = vec![0; order.len()];
    let mut out = Vec::new();
    for from in 0..LABELS.len() {
        for to in 0..LABELS.len() {
            let row = one_pair(&order, &mut at, from, to);
            if rows == Rows::Full || !row.sources.is_empty() {
                out.push(row);
            }
        }
    }
    Ok(Consensus { rows: out, functional: functional == 1 })
}

fn one_pair(order: &[&Source], at: &mut [usize], from: usize, to: usize) -> ConsensusRow {
    let (mut gaps, mut chemical, mut functional, mut names) = (Vec::new(), Vec::new(), None, Vec::new());
    for (source, at) in order.iter().zip(at) {
        let edge = source.connectome.edges().get(*at).filter(|e| (e.pre, e.post) == (from, to));
        let Some(edge) = edge else { continue };
        *at += 1;
        names.push(source.name.clone());
        // Merged gap weights are the same in both directions, so one direction holds every value.
        if edge.synapses.gap != 0.0 {
            gaps.push(edge.synapses.gap);
        }
        if edge.synapses.chemical != 0.0 {
            match source.role {
                Role::Anatomy => chemical.push(edge.synapses.chemical),
                Role::Function => functional = Some(edge.synapses.chemical),
            }
        }
    }
    gaps.sort_by(f64::total_cmp);
    gaps.dedup();
    let uncertainty = spread(&chemical).zip(spread(&gaps)).map(|(c, g)| 0.9 * c + 0.1 * g);
    ConsensusRow {
        from,
        to,
        gap: mean(&gaps),
        chemical: mean(&chemical),
        uncertainty,
        functional,
        sources: names,
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn spread(values: &[f64]) -> Option<f64> {
    let m = mean(values)?;
    Some((values.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / values.len() as f64).sqrt())
}

impl Consensus {
    /// How many rows have a gap weight.
    #[must_use]
    pub fn gap_rows(&self) -> usize {
        self.rows.iter().filter(|r| r.gap.is_some()).count()
    }

    /// How many rows have a chemical weight.
    #[must_use]
    pub fn chemical_rows(&self) -> usize {
        self.rows.iter().filter(|r| r.chemical.is_some()).count()
    }

    /// Mean of a figure over the rows that have it; NaN when none has.
    pub fn mean_of(&self, figure: impl Fn(&ConsensusRow) -> Option<f64>) -> f64 {
        let values: Vec<f64> = self.rows.iter().filter_map(figure).collect();
        mean(&values).unwrap_or(f64::NAN)
    }
}
