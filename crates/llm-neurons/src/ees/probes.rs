//! Random probe vectors of the stochastic trace.

use ndarray::Array2;
use numerics::rng::{normals, rademacher, stream};
use serde::{Deserialize, Serialize};

/// What the entries of the probes are drawn from; both have `E[z z^T] = I`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProbeDistribution {
    /// +1 or -1: the smaller variance, none from the diagonal.
    #[default]
    Rademacher,
    /// Standard normal, as in the published code.
    Gaussian,
}

impl ProbeDistribution {
    /// Probes `[dim, n]` of a seed. Probe j has its own stream, so more probes keep the first ones.
    #[must_use]
    pub fn draw(self, dim: usize, n: usize, seed: u64) -> Array2<f64> {
        let mut probes = Array2::zeros((dim, n));
        for (j, mut column) in probes.columns_mut().into_iter().enumerate() {
            let mut stream = stream(seed, "llm-neurons/ees/probe", j as u64);
            let values = match self {
                Self::Rademacher => rademacher(&mut stream, dim),
                Self::Gaussian => normals(&mut stream, dim),
            };
            column.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        }
        probes
    }
}
