//! A connectome on the 300 labels.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;

use ndarray::Array2;
use petgraph::graph::DiGraph;

use super::Format;
use super::raw::{Kind, Merge, RawConnectome, Skipped, slot_of};
use crate::neurons::LABELS;
use crate::{Error, Result};

/// How far the two directions of a gap junction may differ.
const SYMMETRY: f64 = 1e-6;

/// The two weights of an ordered pair.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Synapses {
    /// Gap junctions, the same in both directions.
    pub gap: f64,
    /// Chemical synapses.
    pub chemical: f64,
}

/// An edge between two slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Slot of the presynaptic neuron.
    pub pre: usize,
    /// Slot of the postsynaptic neuron.
    pub post: usize,
    /// Its weights; at least one is not zero.
    pub synapses: Synapses,
}

/// Which weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Chemical synapses.
    Chemical,
    /// Gap junctions.
    Gap,
    /// Their sum.
    Total,
}

/// A connectome on the 300 labels: edges in the order of (pre, post), each with a weight that is not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Connectome {
    name: String,
    reference: String,
    edges: Vec<Edge>,
    skipped: Vec<Skipped>,
    blanks: usize,
    zeros: usize,
}

impl Connectome {
    /// A connectome from edges in any order; zero edges are dropped.
    ///
    /// # Errors
    /// [`Error::Value`] for a slot beyond the 300, a pair given twice, a weight that is not finite, or gap junctions
    /// whose two directions differ by more than 1e-6.
    pub fn from_edges(name: &str, reference: &str, mut edges: Vec<Edge>) -> Result<Self> {
        let wrong = |what: String, found: String, expected: &str| Error::Value {
            what,
            found,
            expected: expected.to_owned(),
        };
        for e in &edges {
            if e.pre.max(e.post) >= LABELS.len() {
                let what = format!("{name}: an edge's slot");
                return Err(wrong(what, e.pre.max(e.post).to_string(), "below 300"));
            }
            if !(e.synapses.gap.is_finite() && e.synapses.chemical.is_finite()) {
                let what = format!("{name}: {} to {}", LABELS[e.pre], LABELS[e.post]);
                return Err(wrong(what, format!("{:?}", e.synapses), "a pair of finite weights"));
            }
        }
        edges.sort_by_key(|e| (e.pre, e.post));
        if let Some(w) = edges.windows(2).find(|w| (w[0].pre, w[0].post) == (w[1].pre, w[1].post)) {
            let what = format!("{name}: {} to {}", LABELS[w[0].pre], LABELS[w[0].post]);
            return Err(wrong(what, "a second edge".to_owned(), "one edge a pair"));
        }
        edges.retain(|e| e.synapses != Synapses::default());
        let out = Self {
            name: name.to_owned(),
            reference: reference.to_owned(),
            edges,
            skipped: Vec::new(),
            blanks: 0,
            zeros: 0,
        };
        for e in &out.edges {
            let back = out.get(e.post, e.pre).gap;
            if (e.synapses.gap - back).abs() > SYMMETRY {
                let what = format!("{name}: gap junctions of {} and {}", LABELS[e.pre], LABELS[e.post]);
                return Err(wrong(
                    what,
                    format!("{} and {back}", e.synapses.gap),
                    "the same in both directions",
                ));
            }
        }
        Ok(out)
    }

    /// Its name: the file's, unless given another with [`Connectome::named`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The paper its edges come from; empty when the layout does not tell.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The edges, by (pre, post).
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Names of the file that are not among the 300, alphabetically.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Rows between two of the 300 without a weight.
    #[must_use]
    pub fn blanks(&self) -> usize {
        self.blanks
    }

    /// Rows between two of the 300 of weight zero.
    #[must_use]
    pub fn zeros(&self) -> usize {
        self.zeros
    }

    /// The weights of an ordered pair; zeros where there is no edge.
    #[must_use]
    pub fn get(&self, pre: usize, post: usize) -> Synapses {
        match self.edges.binary_search_by_key(&(pre, post), |e| (e.pre, e.post)) {
            Ok(at) => self.edges[at].synapses,
            Err(_) => Synapses::default(),
        }
    }

    /// Neurons with at least one edge.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.slots().len()
    }

    /// Slots with at least one edge, in order.
    #[must_use]
    pub fn slots(&self) -> Vec<usize> {
        let mut seen = [false; LABELS.len()];
        for e in &self.edges {
            seen[e.pre] = true;
            seen[e.post] = true;
        }
        (0..LABELS.len()).filter(|s| seen[*s]).collect()
    }

    /// Ordered pairs with a weight on this layer.
    #[must_use]
    pub fn count(&self, layer: Layer) -> usize {
        self.edges.iter().filter(|e| e.synapses.on(layer) != 0.0).count()
    }

    /// Sum of the weights over ordered pairs, so that a gap junction counts in both directions.
    #[must_use]
    pub fn sum(&self, layer: Layer) -> f64 {
        self.edges.iter().map(|e| e.synapses.on(layer)).sum()
    }

    /// All 300 x 300 ordered pairs in row-major order, absent ones with zeros.
    pub fn completed(&self) -> impl Iterator<Item = Edge> + '_ {
        let mut edges = self.edges.iter().peekable();
        (0..LABELS.len() * LABELS.len()).map(move |pair| {
            let (pre, post) = (pair / LABELS.len(), pair % LABELS.len());
            match edges.next_if(|e| (e.pre, e.post) == (pre, post)) {
                Some(edge) => *edge,
                None => Edge { pre, post, synapses: Synapses::default() },
            }
        })
    }

    /// The 300 x 300 matrix of a layer, rows presynaptic.
    #[must_use]
    pub fn adjacency(&self, layer: Layer) -> Array2<f64> {
        let mut out = Array2::zeros((LABELS.len(), LABELS.len()));
        for e in &self.edges {
            out[[e.pre, e.post]] = e.synapses.on(layer);
        }
        out
    }

    /// A petgraph graph of the 300 neurons; a node's index is its slot.
    #[must_use]
    pub fn to_graph(&self) -> DiGraph<&'static str, Synapses> {
        let mut graph = DiGraph::with_capacity(LABELS.len(), self.edges.len());
        let nodes: Vec<_> = LABELS.iter().map(|l| graph.add_node(*l)).collect();
        for e in &self.edges {
            graph.add_edge(nodes[e.pre], nodes[e.post], e.synapses);
        }
        graph
    }

    /// Writes `pre,post,gap,chemical,data_source`, whole or not at all; [`RawConnectome::read`] reads it back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        recordings::atomic::write(path, |file| {
            let mut out = csv::Writer::from_writer(std::io::BufWriter::new(file));
            out.write_record(["pre", "post", "gap", "chemical", "data_source"])?;
            for e in &self.edges {
                let (gap, chemical) = (e.synapses.gap.to_string(), e.synapses.chemical.to_string());
                out.write_record([LABELS[e.pre], LABELS[e.post], &gap, &chemical, &self.name])?;
            }
            out.into_inner().map_err(|e| e.into_error())?.flush()
        })
        .map_err(|e| Error::io(path, e))
    }
}

impl Synapses {
    /// The weight on a layer.
    #[must_use]
    pub fn on(self, layer: Layer) -> f64 {
        match layer {
            Layer::Chemical => self.chemical,
            Layer::Gap => self.gap,
            Layer::Total => self.gap + self.chemical,
        }
    }
}

/// See [`RawConnectome::merge`].
pub(crate) fn merge(raw: &RawConnectome, rule: Merge) -> Connectome {
    let slots: Vec<Option<usize>> = raw.names.iter().map(|n| slot_of(n, rule)).collect();
    let neuron_connect = matches!(raw.format, Format::Varshney | Format::Chklovskii);
    let mut gaps: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
    let mut edges: BTreeMap<(usize, usize), Synapses> = BTreeMap::new();
    let mut first: HashSet<(usize, usize, u16)> = HashSet::new();
    let mut skipped = vec![0_usize; raw.names.len()];
    let (mut blanks, mut zeros) = (0, 0);
    for c in raw.connections.iter().filter(|c| c.kind != Kind::Other) {
        if rule == Merge::WormGraph && neuron_connect && raw.labels[usize::from(c.label)].0 == "S" {
            continue;
        }
        let (pre, post) = match (slots[c.pre as usize], slots[c.post as usize]) {
            (Some(pre), Some(post)) => (pre, post),
            (pre, post) => {
                skipped[c.pre as usize] += usize::from(pre.is_none());
                skipped[c.post as usize] += usize::from(post.is_none() && c.pre != c.post);
                continue;
            }
        };
        if c.weight.is_nan() || c.weight == 0.0 {
            blanks += usize::from(c.weight.is_nan());
            zeros += usize::from(c.weight == 0.0);
        } else if c.kind == Kind::Gap {
            let entry = gaps.entry((pre.min(post), pre.max(post))).or_insert((0.0, 0));
            entry.0 += c.weight;
            entry.1 += 1;
        } else if first.insert((pre, post, c.label)) {
            // Rows of one type and pair repeat each other; S and Sp are different synapses and add up.
            edges.entry((pre, post)).or_default().chemical += c.weight;
        }
    }
    for ((a, b), (sum, count)) in gaps {
        let mean = sum / count as f64;
        edges.entry((a, b)).or_default().gap = mean;
        edges.entry((b, a)).or_default().gap = mean;
    }
    let mut skipped: Vec<Skipped> = raw
        .names
        .iter()
        .zip(skipped)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| Skipped { name: name.clone(), count })
        .collect();
    skipped.sort_by(|a, b| a.name.cmp(&b.name));
    let edges = edges
        .into_iter()
        .filter(|(_, s)| *s != Synapses::default())
        .map(|((pre, post), synapses)| Edge { pre, post, synapses })
        .collect();
    let reference = raw.format.reference().to_owned();
    Connectome { name: raw.name.clone(), reference, edges, skipped, blanks, zeros }
}
