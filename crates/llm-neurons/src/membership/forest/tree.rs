//! One decision tree as flat arrays.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Nodes in the order in which they were made: children follow their parent, node 0 is the root.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    /// The feature that is asked; 0 in a leaf.
    feature: Vec<u32>,
    /// At most this goes left. Kept as the largest 32-bit number that does not exceed the threshold: the same answer for
    /// every 32-bit feature.
    threshold: Vec<f32>,
    /// The left child, or 0 for a leaf (the root is nobody's child).
    left: Vec<u32>,
    /// The right child, or 0.
    right: Vec<u32>,
    /// The members' share among the training documents that came here.
    value: Vec<f64>,
}

impl Tree {
    /// A leaf for now; its number.
    pub(super) fn push(&mut self, value: f64) -> usize {
        self.feature.push(0);
        self.threshold.push(0.0);
        self.left.push(0);
        self.right.push(0);
        self.value.push(value);
        self.value.len() - 1
    }

    /// Makes a leaf ask a question.
    pub(super) fn branch(&mut self, node: usize, feature: usize, threshold: f32, children: [usize; 2]) {
        self.feature[node] = feature as u32;
        self.threshold[node] = threshold;
        self.left[node] = children[0] as u32;
        self.right[node] = children[1] as u32;
    }

    pub(super) fn predict(&self, row: &[f32]) -> f64 {
        let mut node = 0;
        while self.left[node] != 0 {
            let left = row[self.feature[node] as usize] <= self.threshold[node];
            node = if left { self.left[node] } else { self.right[node] } as usize;
        }
        self.value[node]
    }

    pub(super) fn validate(&self, features: usize) -> Result<()> {
        let nodes = self.value.len();
        let lengths = [self.feature.len(), self.threshold.len(), self.left.len(), self.right.len()];
        let sound = nodes > 0
            && lengths.iter().all(|n| *n == nodes)
            && (0..nodes).all(|i| {
                let (left, right) = (self.left[i] as usize, self.right[i] as usize);
                let leaf = left == 0 && right == 0;
                // Children after their parents: every walk ends.
                let inner = i < left
                    && i < right
                    && left < nodes
                    && right < nodes
                    && (self.feature[i] as usize) < features
                    && self.threshold[i].is_finite();
                (leaf || inner) && (0.0..=1.0).contains(&self.value[i])
            });
        if sound {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "tree of a forest",
            expected: "five arrays of one length, children after their parents, shares in [0, 1]".to_owned(),
            found: format!("{nodes} nodes that are not that"),
        })
    }
}
