//! The sequence of winning cliques.

/// Winners in the order in which they won.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CliqueSequence(pub Vec<(f64, usize)>);

impl CliqueSequence {
    /// How often one winner followed another.
    #[must_use]
    pub fn transitions(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// Times from each winner to the next.
    #[must_use]
    pub fn dwell_times(&self) -> Vec<f64> {
        self.0.windows(2).map(|w| w[1].0 - w[0].0).collect()
    }

    /// Mean of [`CliqueSequence::dwell_times`]; NaN without a transition.
    #[must_use]
    pub fn mean_dwell(&self) -> f64 {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => (last.0 - first.0) / self.transitions() as f64,
            _ => f64::NAN,
        }
    }

    /// How often each of so many cliques won.
    #[must_use]
    pub fn visits(&self, cliques: usize) -> Vec<usize> {
        let mut counts = vec![0; cliques];
        for (_, clique) in &self.0 {
            if let Some(count) = counts.get_mut(*clique) {
                *count += 1;
            }
        }
        counts
    }

    /// The share of transitions that go from `a` to where most transitions from `a` go: 1 for a fixed order, NaN
    /// without a transition.
    #[must_use]
    pub fn regularity(&self) -> f64 {
        let mut counts = std::collections::BTreeMap::<usize, std::collections::BTreeMap<usize, usize>>::new();
        for w in self.0.windows(2) {
            *counts.entry(w[0].1).or_default().entry(w[1].1).or_default() += 1;
        }
        let usual: usize = counts.values().filter_map(|next| next.values().max()).sum();
        usual as f64 / self.transitions() as f64
    }

    /// The share of transitions within `window` after one of the `changes` (increasing times), or NaN without a
    /// transition.
    #[must_use]
    pub fn aligned(&self, changes: &[f64], window: f64) -> f64 {
        let after = |t: f64| {
            let later = changes.partition_point(|c| *c <= t);
            later > 0 && t - changes[later - 1] <= window
        };
        self.0.iter().skip(1).filter(|(t, _)| after(*t)).count() as f64 / self.transitions() as f64
    }
}

/// Notices when another clique has won: all its sites above the level, and no other clique so.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tracker {
    pub(super) last: Option<usize>,
    /// Whether input decided something since the last winner.
    pub(super) influenced: bool,
}

impl Tracker {
    /// The clique that has just won, if one has, and whether input had a share in it.
    pub(super) fn observe(&mut self, x: &[f64], cliques: &[Vec<usize>], level: f64) -> Option<(usize, bool)> {
        let mut active = cliques.iter().enumerate().filter(|(_, c)| c.iter().all(|i| x[*i] > level));
        let (winner, _) = active.next()?;
        // While two are active at once, the old one has not lost yet.
        if active.next().is_some() || self.last == Some(winner) {
            return None;
        }
        self.last = Some(winner);
        Some((winner, std::mem::take(&mut self.influenced)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clique_wins_once_it_is_active_alone() {
        let cliques = vec![vec![0, 1], vec![1, 2]];
        let mut tracker = Tracker::default();
        let mut see = |x: [f64; 3], influenced: bool| {
            tracker.influenced |= influenced;
            tracker.observe(&x, &cliques, 0.8)
        };
        assert_eq!(see([0.9, 0.7, 0.0], false), None, "not all of its sites");
        assert_eq!(see([0.9, 0.9, 0.1], false), Some((0, false)));
        assert_eq!(see([0.9, 0.9, 0.1], true), None, "the same winner");
        assert_eq!(see([0.9, 0.9, 0.9], false), None, "both are active");
        assert_eq!(see([0.5, 0.9, 0.9], false), Some((1, true)));
        assert_eq!(see([0.9, 0.9, 0.9], false), None, "both again");
        assert_eq!(
            see([0.9, 0.9, 0.2], false),
            Some((0, false)),
            "what influenced one transition is not counted again"
        );
    }
}
