//! `graph_tensors_*.pt`: the published tensors of one connectome.

use std::path::Path;

use super::limits;
use super::pickle::{Id, Pickle, Value};
use super::raw::{Builder, Kind};
use super::torch::{Tensor, Torch};
use super::{Format, RawConnectome};
use crate::{Error, Result};

/// A published graph. The filler `x` is never read.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphTensors {
    /// Source and target of each edge, as node numbers.
    pub edges: Vec<(usize, usize)>,
    /// Gap and chemical weight of each edge.
    pub weights: Vec<[f64; 2]>,
    /// Position of each node; empty when the file has none.
    pub positions: Vec<[f64; 3]>,
    /// Class of each node (`y`); empty when the file has none.
    pub classes: Vec<i64>,
    /// Label of each node, by node number.
    pub labels: Vec<(usize, String)>,
}

impl GraphTensors {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of [`GraphTensors::from_bytes`], [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(path, &limits::read(path)?)
    }

    /// The same from bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Format`] for a file that is cut short, whose pickle holds anything but plain data and tensors, or whose
    /// tensors are missing or do not fit each other; [`Error::Limit`].
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut file = Torch::open(path, bytes)?;
        let index = need(path, file.tensor("edge_index")?, "edge_index")?;
        let attributes = need(path, file.tensor("edge_attr")?, "edge_attr")?;
        let shape = |what: &str, expected: &str, found: &[usize]| {
            Error::format(path, format!("{what:?}: expected {expected}, found {found:?}"))
        };
        let [2, count] = index.shape[..] else { return Err(shape("edge_index", "[2, edges]", &index.shape)) };
        if attributes.shape != [count, 2] {
            return Err(shape("edge_attr", &format!("[{count}, 2]"), &attributes.shape));
        }
        let node = |x: f64| -> Result<usize> {
            if x >= 0.0 && x <= f64::from(u32::MAX) && x.fract() == 0.0 {
                return Ok(x as usize);
            }
            Err(Error::format(path, format!("\"edge_index\": {x} is not a node")))
        };
        let (from, to) = index.values.split_at(count);
        let edges = from.iter().zip(to).map(|(a, b)| Ok((node(*a)?, node(*b)?))).collect::<Result<_>>()?;
        let weights: Vec<[f64; 2]> = attributes.values.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
        if let Some(at) = weights.iter().position(|w| !(w[0].is_finite() && w[1].is_finite())) {
            return Err(Error::format(path, format!("\"edge_attr\": edge {at} has no finite weight")));
        }
        let positions = match file.tensor("pos")? {
            Some(t) if t.shape.len() == 2 && t.shape[1] == 3 => {
                t.values.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()
            }
            Some(t) => return Err(shape("pos", "[nodes, 3]", &t.shape)),
            None => Vec::new(),
        };
        let classes =
            file.tensor("y")?.map_or_else(Vec::new, |t| t.values.iter().map(|x| *x as i64).collect());
        let pickle = file.pickle();
        let dict = pickle.entry(pickle.result(), "node_label");
        let labels = dict.and_then(|id| labels(pickle, id));
        let labels =
            labels.ok_or_else(|| Error::format(path, "\"node_label\": not a dictionary of labels"))?;
        Ok(Self { edges, weights, positions, classes, labels })
    }

    /// The same as raw connections: one for each weight that is not zero.
    pub(crate) fn to_raw(&self, path: &Path) -> Result<RawConnectome> {
        let mut builder = Builder::new(path, Format::GraphTensors);
        let size = self.labels.iter().map(|l| l.0 + 1).max().unwrap_or(0);
        let mut names = vec![None; size];
        for (node, label) in &self.labels {
            names[*node] = Some(builder.intern(label));
        }
        let gap = builder.label("electrical", Kind::Gap)?;
        let chemical = builder.label("chemical", Kind::Chemical)?;
        for ((from, to), weights) in self.edges.iter().zip(&self.weights) {
            let name =
                |node: usize| {
                    names.get(node).copied().flatten().ok_or_else(|| {
                        Error::format(path, format!("\"edge_index\": node {node} has no label"))
                    })
                };
            let (pre, post) = (name(*from)?, name(*to)?);
            for (weight, label) in weights.iter().zip([gap, chemical]) {
                if *weight != 0.0 {
                    builder.push(pre, post, label, *weight, 0);
                }
            }
        }
        Ok(builder.finish())
    }
}

fn need(path: &Path, tensor: Option<Tensor>, key: &str) -> Result<Tensor> {
    tensor.ok_or_else(|| Error::format(path, format!("no key {key:?} in the file's dictionary")))
}

/// Labels by node number; numbers beyond any worm's are refused.
fn labels(pickle: &Pickle, id: Id) -> Option<Vec<(usize, String)>> {
    let Value::Dict(pairs) = pickle.get(id) else { return None };
    let mut out = Vec::new();
    for (key, value) in pairs {
        match (pickle.get(*key), pickle.get(*value)) {
            (Value::Int(node), Value::Text(label)) if (0..100_000).contains(node) => {
                out.push((*node as usize, label.clone()));
            }
            _ => return None,
        }
    }
    Some(out)
}
