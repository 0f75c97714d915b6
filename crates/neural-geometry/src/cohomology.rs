//! The reduction behind H1: coboundaries of edges, modulo 2.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::persistence::{Bar, Edges, NO_EDGE};

/// A triangle by its longest edge and the vertex opposite: ascending keys are an order of entry.
type Triangle = u64;

fn triangle(longest: u32, opposite: u32) -> Triangle {
    u64::from(longest) << 32 | u64::from(opposite)
}

fn longest(triangle: Triangle) -> usize {
    (triangle >> 32) as usize
}

/// Bars of H1 of positive length, in no particular order; `tree` marks the edges that joined components.
pub(crate) fn loops(edges: &Edges, tree: &[bool]) -> Vec<Bar> {
    let apparent: Vec<Option<u32>> = (0..edges.ends.len() as u32).map(|e| closing_vertex(edges, e)).collect();
    let mut owner: HashMap<Triangle, u32> = HashMap::new();
    let mut columns: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut bars = Vec::new();
    let mut heap: BinaryHeap<Reverse<Triangle>> = BinaryHeap::new();
    for edge in (0..edges.ends.len() as u32).rev() {
        // Clearing: an edge that ended a component begins no loop. Apparent pairs end where they begin.
        if tree[edge as usize] || apparent[edge as usize].is_some() {
            continue;
        }
        heap.clear();
        push_cofacets(edges, edge, &mut heap);
        let mut column = vec![edge];
        let death = loop {
            let Some(first) = pop_pivot(&mut heap) else { break f64::INFINITY };
            let closes = longest(first) as u32;
            let other = match owner.get(&first) {
                Some(other) => *other,
                None if apparent[closes as usize] == Some(first as u32) => closes,
                None => {
                    owner.insert(first, edge);
                    break edges.length[longest(first)];
                }
            };
            heap.push(Reverse(first));
            match columns.get(&other) {
                Some(added) => {
                    added.iter().for_each(|e| push_cofacets(edges, *e, &mut heap));
                    column.extend(added);
                }
                None => {
                    push_cofacets(edges, other, &mut heap);
                    column.push(other);
                }
            }
        };
        keep_odd(&mut column);
        columns.insert(edge, column);
        let birth = edges.length[edge as usize];
        if death > birth {
            bars.push(Bar { birth, death });
        }
    }
    bars
}

/// The lowest vertex whose triangle with this edge is closed by the edge: an apparent pair.
fn closing_vertex(edges: &Edges, edge: u32) -> Option<u32> {
    let (i, j) = edges.ends[edge as usize];
    let (from_i, from_j) = rows(edges, i, j);
    // Absent edges are larger than any; so is the diagonal, which is absent too.
    from_i.iter().zip(from_j).position(|(a, b)| *a < edge && *b < edge).map(|k| k as u32)
}

fn rows(edges: &Edges, i: u32, j: u32) -> (&[u32], &[u32]) {
    let row = |v: u32| &edges.place[v as usize * edges.n..(v as usize + 1) * edges.n];
    (row(i), row(j))
}

fn push_cofacets(edges: &Edges, edge: u32, heap: &mut BinaryHeap<Reverse<Triangle>>) {
    let (i, j) = edges.ends[edge as usize];
    let (from_i, from_j) = rows(edges, i, j);
    for (k, (a, b)) in (0_u32..).zip(from_i.iter().zip(from_j)) {
        if *a == NO_EDGE || *b == NO_EDGE {
            continue;
        }
        heap.push(Reverse(if edge > *a && edge > *b {
            triangle(edge, k)
        } else if a > b {
            triangle(*a, j)
        } else {
            triangle(*b, i)
        }));
    }
}

/// The first triangle that occurs an odd number of times; pairs vanish.
fn pop_pivot(heap: &mut BinaryHeap<Reverse<Triangle>>) -> Option<Triangle> {
    while let Some(Reverse(first)) = heap.pop() {
        if heap.peek() != Some(&Reverse(first)) {
            return Some(first);
        }
        heap.pop();
    }
    None
}

/// What is left of a column modulo 2.
fn keep_odd(column: &mut Vec<u32>) {
    column.sort_unstable();
    let odd: Vec<u32> = column.chunk_by(|a, b| a == b).filter(|r| r.len() % 2 == 1).map(|r| r[0]).collect();
    *column = odd;
}
