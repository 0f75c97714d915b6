//! Growing a tree.

use numerics::rng::Stream;
use rand::RngExt;

use super::ForestConfig;
use super::columns::{Column, Columns};
use super::tree::Tree;

/// Values closer than this are one value (scikit-learn's FEATURE_THRESHOLD).
const NEAR: f32 = 1e-7;

/// A branch to be: the feature, the threshold, and how many of the node's documents go left.
struct Split {
    feature: usize,
    threshold: f32,
}

/// A node that waits: its number, its documents in `samples`, its depth.
struct Waiting {
    node: usize,
    begin: usize,
    end: usize,
    depth: usize,
}

/// Grows one tree after another in the same memory.
pub(super) struct Grower<'a> {
    columns: &'a Columns,
    members: &'a [bool],
    tried: usize,
    max_depth: usize,
    min_samples_leaf: usize,
    /// How often a document was drawn, as (all, if a member), of the present tree.
    weights: Vec<[f64; 2]>,
    /// Documents of the tree, those of a node side by side.
    samples: Vec<u32>,
    /// Documents that go right, while a node is parted.
    parted: Vec<u32>,
    /// A node's documents in the order of one feature.
    sorted: Vec<u32>,
    /// The last node that each document was in.
    inside: Vec<u32>,
    /// All features, those drawn first.
    drawn: Vec<u32>,
    waiting: Vec<Waiting>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(
        columns: &'a Columns,
        members: &'a [bool],
        tried: usize,
        config: &ForestConfig,
    ) -> Self {
        Self {
            columns,
            members,
            tried,
            max_depth: config.max_depth.unwrap_or(usize::MAX),
            min_samples_leaf: config.min_samples_leaf,
            weights: vec![[0.0; 2]; columns.documents],
            samples: Vec::with_capacity(columns.documents),
            parted: Vec::with_capacity(columns.documents),
            sorted: Vec::with_capacity(columns.documents),
            inside: vec![0; columns.documents],
            drawn: Vec::with_capacity(columns.features),
            waiting: Vec::new(),
        }
    }

    /// A tree on documents that count as often as `weights` says.
    pub(super) fn grow(&mut self, weights: &[u32], mut draws: Stream) -> Tree {
        self.samples.clear();
        for (i, ((weight, pair), member)) in
            weights.iter().zip(&mut self.weights).zip(self.members).enumerate()
        {
            let w = f64::from(*weight);
            *pair = [w, if *member { w } else { 0.0 }];
            if *weight > 0 {
                self.samples.push(i as u32);
            }
        }
        // Trees must not depend on which thread grew what before.
        self.inside.fill(u32::MAX);
        self.drawn.clear();
        self.drawn.extend(0..self.columns.features as u32);
        let mut tree = Tree::default();
        let all = self.samples.len();
        let root = tree.push(self.share(0, all));
        self.waiting.push(Waiting { node: root, begin: 0, end: all, depth: 0 });
        while let Some(Waiting { node, begin, end, depth }) = self.waiting.pop() {
            let count = end - begin;
            let (weight, hits) = self.weigh(begin, end);
            if depth >= self.max_depth
                || count < 2
                || count / 2 < self.min_samples_leaf
                || hits == 0.0
                || hits == weight
            {
                continue;
            }
            let Some(split) = self.split(node as u32, begin, end, [weight, hits], &mut draws) else {
                continue;
            };
            let middle = self.part(begin, end, &split);
            let left = tree.push(self.share(begin, middle));
            let right = tree.push(self.share(middle, end));
            tree.branch(node, split.feature, split.threshold, [left, right]);
            self.waiting.push(Waiting { node: right, begin: middle, end, depth: depth + 1 });
            self.waiting.push(Waiting { node: left, begin, end: middle, depth: depth + 1 });
        }
        tree
    }

    fn weigh(&self, begin: usize, end: usize) -> (f64, f64) {
        self.samples[begin..end].iter().fold((0.0, 0.0), |(w, h), i| {
            let [weight, hit] = self.weights[*i as usize];
            (w + weight, h + hit)
        })
    }

    fn share(&self, begin: usize, end: usize) -> f64 {
        let (weight, hits) = self.weigh(begin, end);
        hits / weight
    }

    /// The best split over features drawn without replacement; none where all of them are constant or every threshold
    /// leaves too few documents on a side.
    fn split(
        &mut self,
        node: u32,
        begin: usize,
        end: usize,
        total: [f64; 2],
        draws: &mut Stream,
    ) -> Option<Split> {
        self.samples[begin..end].iter().for_each(|i| self.inside[*i as usize] = node);
        let features = self.columns.features;
        let (mut best, mut best_purity, mut any) = (None, f64::NEG_INFINITY, false);
        for visit in 0..features {
            if visit >= self.tried && any {
                break;
            }
            let pick = draws.random_range(visit..features);
            self.drawn.swap(visit, pick);
            let feature = self.drawn[visit] as usize;
            let columns = self.columns;
            let column = columns.column(feature);
            self.sort(column, node, begin, end);
            let at = |place: usize| column.values[self.sorted[place] as usize];
            if at(self.sorted.len() - 1) <= at(0) + NEAR {
                continue;
            }
            any = true;
            if let Some((purity, threshold)) = self.threshold(column.values, total, best_purity) {
                best_purity = purity;
                best = Some(Split { feature, threshold });
            }
        }
        best
    }

    /// The node's documents in the order of a column: few are sorted by their rank, many are picked out of the column.
    fn sort(&mut self, column: Column<'_>, node: u32, begin: usize, end: usize) {
        let samples = &self.samples[begin..end];
        self.sorted.clear();
        let comparisons = samples.len() * (samples.len().ilog2() as usize + 1);
        if comparisons < column.order.len() {
            self.sorted.extend(samples.iter().map(|i| column.rank[*i as usize]));
            self.sorted.sort_unstable();
            self.sorted.iter_mut().for_each(|r| *r = column.order[*r as usize]);
        } else {
            self.sorted.extend(column.order.iter().filter(|i| self.inside[**i as usize] == node));
        }
    }

    /// The threshold with the purest sides, where it beats `floor`: minimal Gini impurity is maximal
    /// `sum over sides of (members^2 + others^2) / weight`.
    fn threshold(&self, values: &[f32], [weight, hits]: [f64; 2], floor: f64) -> Option<(f64, f32)> {
        let (mut best, mut place) = (floor, None);
        let (mut left, mut left_hits) = (0.0, 0.0);
        let least = self.min_samples_leaf;
        let count = self.sorted.len();
        let mut next = values[self.sorted[0] as usize];
        for (i, pair) in self.sorted.windows(2).enumerate() {
            let [w, h] = self.weights[pair[0] as usize];
            left += w;
            left_hits += h;
            let here = next;
            next = values[pair[1] as usize];
            if next <= here + NEAR || i + 1 < least || count - i - 1 < least {
                continue;
            }
            let (right, right_hits) = (weight - left, hits - left_hits);
            let (left_rest, right_rest) = (left - left_hits, right - right_hits);
            let purity = (left_hits * left_hits + left_rest * left_rest) / left
                + (right_hits * right_hits + right_rest * right_rest) / right;
            if purity > best {
                best = purity;
                place = Some((here, next));
            }
        }
        place.map(|(here, next)| (best, between(here, next)))
    }

    /// Brings those that go left to the front; where the others begin.
    fn part(&mut self, begin: usize, end: usize, split: &Split) -> usize {
        let values = self.columns.column(split.feature).values;
        self.parted.clear();
        let mut middle = begin;
        for place in begin..end {
            let document = self.samples[place];
            if values[document as usize] <= split.threshold {
                self.samples[middle] = document;
                middle += 1;
            } else {
                self.parted.push(document);
            }
        }
        self.samples[middle..end].copy_from_slice(&self.parted);
        middle
    }
}

/// The largest 32-bit number that does not exceed the middle of two.
fn between(here: f32, next: f32) -> f32 {
    let middle = f64::from(here) / 2.0 + f64::from(next) / 2.0;
    let rounded = middle as f32;
    let below = if f64::from(rounded) > middle { rounded.next_down() } else { rounded };
    if below < next { below } else { here }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_parts_its_neighbours() {
        for (a, b) in [(0.0_f32, 1.0), (1.0, 1.0_f32.next_up()), (-1.0, 2.0e30), (0.0, f32::MIN_POSITIVE)] {
            let t = between(a, b);
            assert!(a <= t && t < b, "{a} {t} {b}");
        }
        assert_eq!(between(0.25, 0.75), 0.5);
    }
}
