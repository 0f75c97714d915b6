//! The upper end of the spectrum.

use ndarray::{Array2, Axis};
use numerics::linalg::symmetric_eigen;
use numerics::rng::{normals, stream};
use serde::{Deserialize, Serialize};

use super::block::{BlockSpace, Step};
use crate::{Error, Result};

/// How the largest eigenvalue is found. Every choice starts from a random unit vector of the seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SpectralEdge {
    /// Lanczos: the best combination of what power iteration sees. Ends when the largest Ritz value moves by less than
    /// 1e-6 of itself, when after 12 products its residual, which bounds the distance to an eigenvalue, is below a
    /// sixteenth of what the safety factor allows for, or after `steps`.
    ///
    /// In the last case the Ritz value is some per cent low, and the length of the last Lanczos vector is added to it (Zhou
    /// and Li 2011): an end up to half of the spectrum too high. The moments that a given error needs grow with the square
    /// root of the interval's length, so this costs little. No rule that starts from one random vector is certain: an end that
    /// is too low shows as a moment above that of order 0, and the search begins anew.
    Lanczos {
        /// At most this many products; fewer than 12 count as 12, more than 200 as 200.
        steps: usize,
    },
    /// Power iteration, as published: until the estimate moves by less than `tolerance` of itself.
    Power {
        /// Relative change between iterations.
        tolerance: f64,
        /// At most this many.
        iterations: usize,
    },
    /// Known to the caller; the safety factor is not applied.
    Known(f64),
}

impl Default for SpectralEdge {
    fn default() -> Self {
        Self::Lanczos { steps: 16 }
    }
}

impl SpectralEdge {
    /// The published rule: relative tolerance 1e-6, at most 500 iterations.
    pub const POWER: Self = Self::Power { tolerance: 1e-6, iterations: 500 };
    /// Factor between the estimate and the upper end that is used.
    pub const SAFETY: f64 = 1.01;
    /// No search takes more products than these.
    const LANCZOS_CAP: usize = 200;
    /// Products before a search may end on its residual or its budget: after fewer, a small residual can belong to another
    /// eigenvalue, and the last vector's length says little.
    const LANCZOS_LEAST: usize = 12;
    /// Products that a search until the value stands takes on a dense edge, about.
    const LANCZOS_SETTLED: usize = 60;
    /// Relative movement of the Ritz value that counts as none.
    const LANCZOS_TOLERANCE: f64 = 1e-6;

    /// Products that the rule takes, about: what a cost model counts.
    #[must_use]
    pub fn products(self) -> usize {
        match self {
            Self::Lanczos { steps } => steps.clamp(Self::LANCZOS_LEAST, Self::LANCZOS_SETTLED),
            Self::Power { iterations, .. } => iterations.min(4 * Self::LANCZOS_SETTLED),
            Self::Known(_) => 0,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Estimate of the largest eigenvalue of `C + alpha I`, never above it; some per cent low where the search was cut
    /// short.
    pub lambda_max: f64,
    /// Upper end of the interval that the series is built on, at or above it.
    pub upper: f64,
    /// Products with the matrix that it took.
    pub products: usize,
}

/// The largest eigenvalue of `C + alpha I`; `attempt` picks another start vector.
pub(crate) fn find<S: BlockSpace>(
    space: &mut S,
    alpha: f64,
    edge: SpectralEdge,
    seed: u64,
    attempt: u64,
) -> Result<Edge> {
    match edge {
        SpectralEdge::Known(upper) => {
            if !(upper.is_finite() && upper > alpha) {
                let expected = "finite and above alpha";
                return Err(Error::Parameter { name: "upper end of the spectrum", value: upper, expected });
            }
            Ok(Edge { lambda_max: upper, upper, products: 0 })
        }
        SpectralEdge::Power { tolerance, iterations } => {
            if !(tolerance.is_finite() && tolerance > 0.0) {
                return Err(Error::Parameter { name: "tolerance", value: tolerance, expected: "positive" });
            }
            power(space, alpha, tolerance, iterations, &start(space.dim(), seed, attempt))
        }
        SpectralEdge::Lanczos { steps } => lanczos(space, alpha, steps, &start(space.dim(), seed, attempt)),
    }
}

/// A random unit vector `[dim, 1]`.
fn start(dim: usize, seed: u64, attempt: u64) -> Array2<f64> {
    let values = normals(&mut stream(seed, "llm-neurons/ees/start", attempt), dim);
    let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    Array2::from_shape_fn((dim, 1), |(i, _)| values[i] / norm)
}

fn dot<S: BlockSpace>(space: &mut S, x: &S::Block, y: &S::Block) -> Result<f64> {
    let sums = space.sums(x, y)?;
    let value = space.read(vec![sums])?[[0, 0]];
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::Spectrum { why: "a product with the matrix is not finite".to_owned() })
}

/// Norms of successive images of a unit vector.
fn power<S: BlockSpace>(
    space: &mut S,
    alpha: f64,
    tolerance: f64,
    iterations: usize,
    start: &Array2<f64>,
) -> Result<Edge> {
    if iterations == 0 {
        return Err(Error::TooFew { what: "power iterations", needed: 1, found: 0 });
    }
    let mut v = space.load(&start.view())?;
    let (mut norm, mut lambda) = (1.0, 0.0_f64);
    for products in 1..=iterations {
        let by = Step { gain: 1.0 / norm, shift: alpha / norm, damp: 0.0, last: false };
        let next = space.step(&v, None, by)?;
        norm = dot(space, &next, &next)?.sqrt();
        v = next;
        let moved = (norm - lambda).abs();
        lambda = norm;
        if moved <= tolerance * lambda || products == iterations {
            return Ok(Edge { lambda_max: lambda, upper: SpectralEdge::SAFETY * lambda, products });
        }
    }
    Err(Error::Spectrum { why: "power iteration did not start".to_owned() })
}

/// The largest Ritz value of a growing Krylov space.
fn lanczos<S: BlockSpace>(space: &mut S, alpha: f64, steps: usize, start: &Array2<f64>) -> Result<Edge> {
    let dim = space.dim();
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut v = space.load(&start.view())?;
    let mut previous: Option<S::Block> = None;
    let (mut norm, mut before) = (1.0_f64, 0.0_f64);
    let cap = steps.clamp(SpectralEdge::LANCZOS_LEAST, SpectralEdge::LANCZOS_CAP).min(dim);
    loop {
        // v is kept unnormalised, of length `norm`: w = (A v - norm * previous) / norm.
        let damp = if previous.is_some() { norm } else { 0.0 };
        let by = Step { gain: 1.0 / norm, shift: alpha / norm, damp, last: false };
        let next = space.step(&v, previous.take(), by)?;
        let along = dot(space, &next, &v)? / norm;
        let next = space.combine(1.0, next, -along / norm, &v)?;
        diagonal.push(along);
        let length = dot(space, &next, &next)?.sqrt();
        let products = diagonal.len();
        let scale = diagonal.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let exhausted = products >= cap || length <= space.roundoff() * 8.0 * scale;
        // Late in a long search each look costs more than a product, and little changes from one to the next.
        if exhausted || products <= 32 || products.is_multiple_of(8) {
            let (ritz, last) = largest_ritz(&diagonal, &beside)?;
            let residual = length * last;
            let room = (SpectralEdge::SAFETY - 1.0) / 16.0;
            let settled = products > 2 && (ritz - before).abs() <= SpectralEdge::LANCZOS_TOLERANCE * ritz;
            let found = settled || (products >= SpectralEdge::LANCZOS_LEAST && residual <= room * ritz);
            if found || exhausted {
                // A space of the full dimension holds every eigenvalue; below that the residual must fit too.
                let slack = match (products >= dim, found) {
                    (true, _) => 0.0,
                    (false, true) => residual,
                    (false, false) => length,
                };
                let upper = (SpectralEdge::SAFETY * ritz).max(ritz + slack);
                return Ok(Edge { lambda_max: ritz, upper, products });
            }
            before = ritz;
        }
        beside.push(length);
        // The next step needs the current vector at unit length.
        let unit = space.combine(1.0 / norm, v, 0.0, &next)?;
        previous = Some(unit);
        v = next;
        norm = length;
    }
}

/// The largest eigenvalue of a symmetric tridiagonal matrix and the modulus of the last entry of its unit eigenvector.
fn largest_ritz(diagonal: &[f64], beside: &[f64]) -> Result<(f64, f64)> {
    let n = diagonal.len();
    let mut matrix = Array2::from_diag(&ndarray::aview1(diagonal));
    for (i, b) in beside.iter().enumerate().take(n - 1) {
        matrix[[i + 1, i]] = *b;
        matrix[[i, i + 1]] = *b;
    }
    let eigen = symmetric_eigen(&matrix.view())?;
    Ok((eigen.values[n - 1], eigen.vectors[[n - 1, n - 1]].abs()))
}

/// A probe-wise look at moments `[M+1, n]` that belong to a spectrum inside [-1, 1]: none exceeds that of order 0.
pub(crate) fn enclosed(moments: &Array2<f64>, roundoff: f64) -> bool {
    let orders = moments.nrows() as f64;
    // Rounding errors of the recurrence grow with the square of the order at worst.
    let slack = 1.0 + 8.0 * roundoff * orders * orders;
    moments.axis_iter(Axis(1)).all(|probe| probe.iter().all(|d| d.is_finite() && d.abs() <= probe[0] * slack))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DenseOperator, OnHost};

    fn spd(seed: u64, n: usize, rank: usize) -> Array2<f64> {
        let values = normals(&mut stream(seed, "edge/test", 0), n * rank);
        let x = Array2::from_shape_vec((n, rank), values).unwrap();
        x.dot(&x.t())
    }

    const RULES: [SpectralEdge; 4] = [
        SpectralEdge::Lanczos { steps: 12 },
        SpectralEdge::Lanczos { steps: 16 },
        SpectralEdge::Lanczos { steps: usize::MAX },
        SpectralEdge::POWER,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_rule_oversteps_the_spectrum(seed in 0_u64..10_000, n in 2_usize..60, rank in 1_usize..80) {
            let c = spd(seed, n, rank);
            let exact = symmetric_eigen(&c.view()).unwrap().values[n - 1] + 0.1;
            let mut space = OnHost(DenseOperator::new(c).unwrap());
            for edge in RULES {
                let found = find(&mut space, 0.1, edge, seed, 0).unwrap();
                prop_assert!(found.lambda_max <= exact * (1.0 + 1e-9));
                // No length of a Lanczos vector exceeds half the spectrum's width.
                let most = if matches!(edge, SpectralEdge::Lanczos { steps: 12 | 16 }) { 1.51 } else { 1.05 };
                prop_assert!(found.upper <= most * exact, "{edge:?}: {found:?} {exact}");
            }
        }
    }

    /// A start vector may by chance miss the leading eigenvector for long, so that either rule can end below it: the
    /// check of the moments is what catches that. None of these starts does.
    #[test]
    fn the_spectrum_is_enclosed_from_six_hundred_start_vectors() {
        let misses = |edge: SpectralEdge| {
            (0..600_u64)
                .filter(|seed| {
                    let (n, rank) = (2 + (seed * 7 % 58) as usize, 1 + (seed * 13 % 79) as usize);
                    let c = spd(*seed, n, rank);
                    let exact = symmetric_eigen(&c.view()).unwrap().values[n - 1] + 0.1;
                    let mut space = OnHost(DenseOperator::new(c).unwrap());
                    find(&mut space, 0.1, edge, *seed, 0).unwrap().upper < exact * (1.0 - 1e-9)
                })
                .count()
        };
        for edge in RULES {
            let missed = misses(edge);
            println!("{edge:?}: {missed} of 600 missed");
            assert_eq!(missed, 0, "{edge:?}: of 600");
        }
    }

    /// Spectra whose edge sixteen products do not settle, at sizes where they are far from all dimensions.
    #[test]
    fn a_short_search_encloses_dense_edges_and_lone_eigenvalues() {
        let bulk = |n: usize, top: &[f64]| -> Vec<f64> {
            let rest = n - top.len();
            (0..rest).map(|i| 0.5 + 0.5 * i as f64 / (rest - 1) as f64).chain(top.iter().copied()).collect()
        };
        let spectra: Vec<(&str, Vec<f64>)> = vec![
            ("even", bulk(500, &[])),
            ("slow decay", (1..=500).map(|i| f64::from(i).powf(-0.3)).collect()),
            ("a lone eigenvalue at 1.05", bulk(500, &[1.05])),
            ("a lone eigenvalue at 1.5", bulk(500, &[1.5])),
            ("two close ones", bulk(500, &[1.01, 1.011])),
            ("geometric", (0..500).map(|i| 0.99_f64.powi(i)).collect()),
        ];
        for (name, values) in spectra {
            let exact = values.iter().copied().fold(0.0, f64::max);
            // The start vector is random, so a diagonal matrix stands for any with these eigenvalues.
            let diagonal = Array2::from_diag(&ndarray::Array1::from(values));
            let mut space = OnHost(DenseOperator::new(diagonal).unwrap());
            for seed in 0..20 {
                let found = find(&mut space, 0.0, SpectralEdge::default(), seed, 0).unwrap();
                assert!(
                    found.products <= 16 && found.lambda_max <= exact * (1.0 + 1e-12),
                    "{name}: {found:?}"
                );
                assert!(found.upper >= exact && found.upper <= 1.5 * exact, "{name}, seed {seed}: {found:?}");
            }
            let settled = find(&mut space, 0.0, SpectralEdge::Lanczos { steps: usize::MAX }, 0, 0).unwrap();
            assert!((settled.lambda_max / exact - 1.0).abs() < 2e-3, "{name}: {settled:?}");
        }
    }

    #[test]
    fn a_zero_matrix_has_alpha_as_its_edge() {
        let mut space = OnHost(DenseOperator::new(Array2::zeros((5, 5))).unwrap());
        for edge in [SpectralEdge::default(), SpectralEdge::POWER] {
            let found = find(&mut space, 0.5, edge, 0, 0).unwrap();
            assert!((found.lambda_max - 0.5).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn lanczos_needs_fewer_products_than_power_iteration() {
        let mut space = OnHost(DenseOperator::new(spd(3, 300, 600)).unwrap());
        let lanczos = find(&mut space, 1e-3, SpectralEdge::default(), 0, 0).unwrap();
        let power = find(&mut space, 1e-3, SpectralEdge::POWER, 0, 0).unwrap();
        assert!(4 * lanczos.products < power.products, "{} {}", lanczos.products, power.products);
    }

    #[test]
    fn impossible_rules_are_refused() {
        let mut space = OnHost(DenseOperator::new(Array2::eye(3)).unwrap());
        for edge in [
            SpectralEdge::Known(0.5),
            SpectralEdge::Known(f64::NAN),
            SpectralEdge::Power { tolerance: 0.0, iterations: 5 },
            SpectralEdge::Power { tolerance: 1e-3, iterations: 0 },
        ] {
            assert!(find(&mut space, 0.5, edge, 0, 0).is_err(), "{edge:?}");
        }
    }
}
