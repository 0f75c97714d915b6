//! Fully linked sets of sites: which there are in a graph, and a ring of them.

use petgraph::Undirected;
use petgraph::graph::{Graph, NodeIndex};

use crate::{Error, Result};

/// More maximal cliques than this are not listed.
const MOST: f64 = 1e7;
/// The adjacency of more sites than this takes too much memory.
const SITES: usize = 20_000;

/// All maximal cliques of a graph, each sorted, in lexicographic order.
///
/// # Errors
/// [`Error::Unsupported`] above 20,000 sites, or where the graph is so dense that it may have over ten million of them
/// (at most `sum_v 3^(d_v / 3)`, with `d_v` the later neighbours of `v` in an order of least degree).
pub fn maximal_cliques<N, E>(graph: &Graph<N, E, Undirected>) -> Result<Vec<Vec<usize>>> {
    let refuse = |why: String| Error::Unsupported { what: "listing all maximal cliques".to_owned(), why };
    if graph.node_count() > SITES {
        return Err(refuse(format!("{} sites, at most {SITES}", graph.node_count())));
    }
    let most = most_cliques(graph);
    if most > MOST {
        return Err(refuse(format!("there may be {most:.0} of them, at most {MOST:.0} are listed")));
    }
    let plain = without_loops(graph);
    let mut found: Vec<Vec<usize>> = petgraph::algo::maximal_cliques(&plain)
        .into_iter()
        .map(|clique| {
            let mut sites: Vec<usize> = clique.into_iter().map(NodeIndex::index).collect();
            sites.sort_unstable();
            sites
        })
        .collect();
    // The sets come in the order of a hash.
    found.sort();
    found.retain(|clique| !clique.is_empty());
    Ok(found)
}

/// A ring of `cliques` cliques of `size` sites, neighbours sharing `shared` of them: the number of sites, and the
/// cliques `a (size - shared) ..` modulo that number. `shared` 0 gives disjoint cliques.
///
/// # Errors
/// [`Error::Parameter`] unless `size >= 2` and `2 shared <= size` (a site belongs to two cliques at most);
/// [`Error::TooFew`] below three cliques where they overlap, one where they do not.
pub fn ring_of_cliques(cliques: usize, size: usize, shared: usize) -> Result<(usize, Vec<Vec<usize>>)> {
    if size < 2 {
        return Err(Error::parameter("size", size as f64, "at least 2 sites in a clique"));
    }
    if 2 * shared > size {
        return Err(Error::parameter("shared", shared as f64, format!("at most half of the {size} sites")));
    }
    let needed = if shared > 0 { 3 } else { 1 };
    if cliques < needed {
        return Err(Error::TooFew { what: "cliques".to_owned(), needed, found: cliques });
    }
    let step = size - shared;
    let sites = cliques.checked_mul(step).filter(|n| *n <= u32::MAX as usize);
    let sites = sites.ok_or_else(|| Error::parameter("cliques", cliques as f64, "fewer sites in all"))?;
    let ring = (0..cliques).map(|a| (0..size).map(|j| (a * step + j) % sites).collect()).collect();
    Ok((sites, ring))
}

/// Whether some two of the cliques share a site: disjoint cliques never hand over to one another.
#[must_use]
pub fn overlapping(cliques: &[Vec<usize>]) -> bool {
    let mut seen: Vec<usize> = cliques.iter().flatten().copied().collect();
    seen.sort_unstable();
    seen.windows(2).any(|pair| pair[0] == pair[1])
}

fn without_loops<N, E>(graph: &Graph<N, E, Undirected>) -> Graph<(), (), Undirected> {
    let mut plain = Graph::with_capacity(graph.node_count(), graph.edge_count());
    for _ in 0..graph.node_count() {
        plain.add_node(());
    }
    for edge in graph.edge_indices() {
        if let Some((a, b)) = graph.edge_endpoints(edge).filter(|(a, b)| a != b) {
            plain.update_edge(a, b, ());
        }
    }
    plain
}

/// A bound on their number: sites are taken away by least degree, each leaves the neighbours that are still there.
fn most_cliques<N, E>(graph: &Graph<N, E, Undirected>) -> f64 {
    let n = graph.node_count();
    let neighbours: Vec<Vec<usize>> = graph
        .node_indices()
        .map(|v| {
            let mut others: Vec<usize> = graph.neighbors(v).map(NodeIndex::index).collect();
            others.sort_unstable();
            others.dedup();
            others.retain(|u| *u != v.index());
            others
        })
        .collect();
    let mut degree: Vec<usize> = neighbours.iter().map(Vec::len).collect();
    let mut by_degree: std::collections::BTreeSet<(usize, usize)> =
        degree.iter().copied().zip(0..n).collect();
    let mut most = 0.0;
    while let Some((d, v)) = by_degree.pop_first() {
        most += 3_f64.powf(d as f64 / 3.0);
        degree[v] = usize::MAX;
        for u in &neighbours[v] {
            if degree[*u] != usize::MAX {
                by_degree.remove(&(degree[*u], *u));
                degree[*u] -= 1;
                by_degree.insert((degree[*u], *u));
            }
        }
    }
    most
}
