//! How much to compute, and with which seeds.

use numerics::rng::stream;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// How much a run costs and so how much its verdict weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// One seed and few draws from it, about 3 s a system; verdicts are indicative.
    Quick,
    /// What continuous integration runs: up to about 25 s a system.
    Ci,
    /// Everything, at the sheet's sizes.
    Full,
}

/// What a reproduction is asked to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How much.
    pub tier: Tier,
    /// The first seed; a reproduction that needs several takes `seed`, `seed + 1`, ...
    pub seed: u64,
    /// Where real data lie, if anywhere (`NEUROPIL_DATA`).
    pub data: Option<std::path::PathBuf>,
    /// The device, as `DeviceSpec` reads it; reproductions without tensors ignore it.
    pub device: String,
}

impl Plan {
    /// `quick` values for one tier, `ci` and `full` for the others.
    pub fn pick<T>(&self, quick: T, ci: T, full: T) -> T {
        match self.tier {
            Tier::Quick => quick,
            Tier::Ci => ci,
            Tier::Full => full,
        }
    }

    /// The seeds of `n` draws: `seed`, `seed + 1`, ..; one alone in [`Tier::Quick`].
    #[must_use]
    pub fn seeds(&self, n: usize) -> Vec<u64> {
        let n = if self.tier == Tier::Quick { n.min(1) } else { n };
        (0..n as u64).map(|i| self.seed.wrapping_add(i)).collect()
    }

    /// The keys of `n` draws: the seeds, and in [`Tier::Quick`], which has one, that seed and others derived from it. A
    /// claim about means or rates over noise says nothing from a single draw.
    #[must_use]
    pub fn draws(&self, n: usize) -> Vec<u64> {
        let mut keys = self.seeds(n);
        let mut derived = stream(self.seed, "reproductions/draws", 0);
        while keys.len() < n {
            keys.push(derived.random());
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_draws_come_from_one_seed() {
        let plan = |tier, seed| Plan { tier, seed, data: None, device: "cpu".to_owned() };
        let (quick, ci) = (plan(Tier::Quick, 7), plan(Tier::Ci, 7));
        assert_eq!((quick.seeds(5), ci.seeds(3)), (vec![7], vec![7, 8, 9]));
        assert_eq!(ci.draws(3), ci.seeds(3));
        let keys = quick.draws(5);
        assert_eq!((keys[0], keys.len()), (7, 5));
        assert!((1..5).all(|i| !keys[..i].contains(&keys[i])));
        assert_eq!(keys, quick.draws(5));
        assert_ne!(keys[1..], plan(Tier::Quick, 8).draws(5)[1..]);
        assert!(quick.seeds(0).is_empty() && quick.draws(0).is_empty());
    }
}
