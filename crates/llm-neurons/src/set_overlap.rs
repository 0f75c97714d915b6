//! How much of one set of neurons is in another.

use serde::Serialize;

/// What became of a set: neurons in both, only before, only after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SetOverlap {
    /// In both.
    pub kept: usize,
    /// In the first alone.
    pub lost: usize,
    /// In the second alone.
    pub gained: usize,
}

impl SetOverlap {
    /// Compares two lists of distinct neurons in any order.
    #[must_use]
    pub fn of<T: Ord + Copy>(before: &[T], after: &[T]) -> Self {
        let sorted = |list: &[T]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list.dedup();
            list
        };
        let (before, after) = (sorted(before), sorted(after));
        let (mut i, mut j, mut kept) = (0, 0, 0);
        while i < before.len() && j < after.len() {
            match before[i].cmp(&after[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => (i, j, kept) = (i + 1, j + 1, kept + 1),
            }
        }
        Self { kept, lost: before.len() - kept, gained: after.len() - kept }
    }

    /// Jaccard's index, `|A and B| / |A or B|`; 1 for two empty sets.
    #[must_use]
    pub fn jaccard(&self) -> f64 {
        let union = self.kept + self.lost + self.gained;
        if union == 0 { 1.0 } else { self.kept as f64 / union as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_index_agree() {
        let o = SetOverlap::of(&[5, 1, 9], &[1, 2, 5, 7]);
        assert_eq!(o, SetOverlap { kept: 2, lost: 1, gained: 2 });
        assert_eq!(o.jaccard(), 0.4);
        assert_eq!(SetOverlap::of::<usize>(&[], &[]).jaccard(), 1.0);
        assert_eq!(SetOverlap::of(&[1], &[2]).jaccard(), 0.0);
        assert_eq!(SetOverlap::of(&[1, 1], &[1]), SetOverlap { kept: 1, lost: 0, gained: 0 });
    }
}
