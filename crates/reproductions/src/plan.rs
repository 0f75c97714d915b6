//! How much to compute, and with which seeds.

use serde::{Deserialize, Serialize};

/// How much a run costs and so how much its verdict weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// One seed, about 3 s a system; verdicts are indicative.
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

    /// The first `n` seeds from [`Plan::seed`].
    #[must_use]
    pub fn seeds(&self, n: usize) -> Vec<u64> {
        (0..n as u64).map(|i| self.seed.wrapping_add(i)).collect()
    }
}
