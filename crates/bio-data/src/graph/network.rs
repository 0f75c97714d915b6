//! A directed, weighted graph ready for measuring.

use ndarray::{Array2, ArrayView2};
use petgraph::Directed;
use petgraph::graph::{DiGraph, Graph, IndexType};
use petgraph::visit::EdgeRef;

use crate::connectome::{Connectome, Layer};
use crate::{Error, Result};

/// A directed graph with positive weights, as a matrix and as compressed rows in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    weights: Array2<f64>,
    out_start: Vec<usize>,
    out_ends: Vec<u32>,
    in_start: Vec<usize>,
    in_ends: Vec<u32>,
}

impl Network {
    /// From a matrix `[n, n]` of weights, rows are sources; zero: no edge.
    ///
    /// # Errors
    /// [`Error::Shape`] unless square, [`Error::Value`] for a weight that is negative or not finite.
    pub fn from_matrix(weights: &ArrayView2<'_, f64>) -> Result<Self> {
        let (rows, columns) = weights.dim();
        if rows != columns || rows > u32::MAX as usize {
            return Err(Error::Shape {
                what: "matrix of weights".to_owned(),
                expected: "a square matrix".to_owned(),
                found: format!("{rows} x {columns}"),
            });
        }
        if let Some(((i, j), w)) = weights.indexed_iter().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::Value {
                what: format!("weight of edge {i} to {j}"),
                found: w.to_string(),
                expected: "finite and zero or more".to_owned(),
            });
        }
        let (mut out_start, mut out_ends) = (vec![0], Vec::new());
        let mut in_start = vec![0_usize; rows + 1];
        for (i, row) in weights.outer_iter().enumerate() {
            for (j, w) in row.iter().enumerate() {
                if *w != 0.0 {
                    out_ends.push(j as u32);
                    in_start[j + 1] += 1;
                }
            }
            out_start.push(out_ends.len());
            debug_assert_eq!(out_start.len(), i + 2);
        }
        for j in 0..rows {
            in_start[j + 1] += in_start[j];
        }
        let mut next = in_start.clone();
        let mut in_ends = vec![0; out_ends.len()];
        for i in 0..rows {
            for j in &out_ends[out_start[i]..out_start[i + 1]] {
                let place = &mut next[*j as usize];
                in_ends[*place] = i as u32;
                *place += 1;
            }
        }
        let weights = weights.as_standard_layout().into_owned();
        Ok(Self { weights, out_start, out_ends, in_start, in_ends })
    }

    /// From a petgraph graph; `weight` reads an edge, parallel edges add up.
    ///
    /// # Errors
    /// [`Error::Value`] for a weight that is negative or not finite.
    pub fn from_graph<N, E, Ix: IndexType>(
        graph: &Graph<N, E, Directed, Ix>,
        weight: impl Fn(&E) -> f64,
    ) -> Result<Self> {
        let n = graph.node_count();
        let mut weights = Array2::zeros((n, n));
        for edge in graph.edge_references() {
            weights[[edge.source().index(), edge.target().index()]] += weight(edge.weight());
        }
        Self::from_matrix(&weights.view())
    }

    /// The neurons of a connectome that have an edge on this layer, in the order of their slots, which are given too.
    ///
    /// # Errors
    /// [`Error::Value`] for a negative weight (functional atlases have some).
    pub fn from_connectome(connectome: &Connectome, layer: Layer) -> Result<(Self, Vec<usize>)> {
        let full = connectome.adjacency(layer);
        let busy = |s: &usize| full.row(*s).iter().chain(full.column(*s)).any(|w| *w != 0.0);
        let slots: Vec<usize> = (0..full.nrows()).filter(busy).collect();
        let part = Array2::from_shape_fn((slots.len(), slots.len()), |(i, j)| full[[slots[i], slots[j]]]);
        Ok((Self::from_matrix(&part.view())?, slots))
    }

    /// The same as a petgraph graph; a node carries its index, an edge its weight.
    #[must_use]
    pub fn to_graph(&self) -> DiGraph<usize, f64> {
        let mut graph = DiGraph::with_capacity(self.nodes(), self.edges());
        let nodes: Vec<_> = (0..self.nodes()).map(|i| graph.add_node(i)).collect();
        for i in 0..self.nodes() {
            for j in self.successors(i) {
                graph.add_edge(nodes[i], nodes[*j as usize], self.weights[[i, *j as usize]]);
            }
        }
        graph
    }

    /// How many nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.weights.nrows()
    }

    /// How many directed edges, self-loops among them.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.out_ends.len()
    }

    /// The matrix of weights, rows are sources.
    #[must_use]
    pub fn weights(&self) -> ArrayView2<'_, f64> {
        self.weights.view()
    }

    /// Targets of a node's edges, ascending.
    ///
    /// # Panics
    /// For a node that is not there, as indexing does.
    #[must_use]
    pub fn successors(&self, node: usize) -> &[u32] {
        &self.out_ends[self.out_start[node]..self.out_start[node + 1]]
    }

    /// Sources of a node's edges, ascending.
    ///
    /// # Panics
    /// For a node that is not there, as indexing does.
    #[must_use]
    pub fn predecessors(&self, node: usize) -> &[u32] {
        &self.in_ends[self.in_start[node]..self.in_start[node + 1]]
    }

    /// Whether there is an edge; `false` for nodes that are not there.
    #[must_use]
    pub fn has(&self, from: usize, to: usize) -> bool {
        self.weights.get([from, to]).is_some_and(|w| *w != 0.0)
    }

    /// The same graph with all weights 1.
    #[must_use]
    pub fn binary(&self) -> Self {
        let weights = self.weights.mapv(|w| f64::from(u8::from(w != 0.0)));
        Self { weights, ..self.clone() }
    }
}
