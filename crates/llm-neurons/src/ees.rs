//! Efficient EigenScore: the log-determinant from Chebyshev moments of the density of states.

pub(crate) mod block;
pub(crate) mod cost;
pub(crate) mod edge;
pub(crate) mod embeddings;
pub(crate) mod operator;
pub(crate) mod panel;
pub(crate) mod probes;
pub(crate) mod series;
pub(crate) mod tensor;

use burn::tensor::{Device, Tensor};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::eigenscore::convention::{EigenScoreConvention, check_alpha, check_embeddings, finite};
use crate::{Error, Result};
use block::{BlockSpace, Step};
use cost::{CostModel, Form};
use edge::{Edge, SpectralEdge, enclosed};
use embeddings::EmbeddingOperator;
use operator::{DenseOperator, OnHost, SymmetricOperator};
use probes::ProbeDistribution;
use series::{LogSeries, jackson_damping, official_coefficients, unit_interval_coefficients};
use tensor::TensorOperator;

/// How the spectrum is mapped and which coefficients the moments are weighed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EesVariant {
    /// `[alpha, b]` is mapped onto [-1, 1] and `ln` expanded there: converges to EigenScore.
    #[default]
    Shifted,
    /// As the paper writes it: the matrix divided by b, the integral over [0, 1] alone. Its number lacks `ln b`;
    /// [`EesResult::raw`] is the paper's, [`EesResult::score`] has `ln b` added.
    PaperUnitInterval,
    /// As the published code computes it, for comparison only: standardised rows divided by their largest singular
    /// value, `cos(m x)` in place of the Chebyshev polynomial, order 0 left out, no alpha. Not an EigenScore. The code
    /// uses [`Gaussian`](ProbeDistribution::Gaussian) probes and 20 moments.
    OfficialCode,
}

/// The method and its parameters.
///
/// With `A = C + alpha I` (K x K), B = A mapped into [-1, 1] and T_m the Chebyshev polynomials,
/// `(1/K) ln det A = sum_m d_m c_m`, where `d_m = (1/K) tr T_m(B)` is estimated from n probes z as
/// `(1/(K n)) sum_j z_j^T T_m(B) z_j`. Products of two blocks of the recurrence give two moments each,
/// `T_2m = 2 T_m^2 - 1` and `T_(2m+1) = 2 T_m T_(m+1) - T_1`, so M moments cost M/2 block products.
///
/// | parameter | default | source |
/// |---|---|---|
/// | `moments` M | 50 | our choice; the published code uses 10 to 100 |
/// | `probes` n | 20 | published code |
/// | `alpha` | 1e-3 | INSIDE |
/// | `variant` | [`Shifted`](EesVariant::Shifted) | our choice: the one that converges |
/// | `distribution` | [`Rademacher`](ProbeDistribution::Rademacher) | our choice: least variance |
/// | `edge` | [`Lanczos`](SpectralEdge::Lanczos) | our choice; published: [`SpectralEdge::POWER`] |
/// | `jackson` | off | our choice |
///
/// ```
/// use llm_neurons::{DenseOperator, Ees};
/// # fn main() -> llm_neurons::Result<()> {
/// let covariance = ndarray::arr2(&[[2.0, 0.5], [0.5, 1.0]]);
/// let ees = Ees { moments: 80, probes: 64, alpha: 0.25, ..Ees::default() };
/// let found = ees.score(&DenseOperator::new(covariance)?)?;
/// let exact = (2.25_f64 * 1.25 - 0.25).ln() / 2.0;
/// assert!((found.score - exact).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ees {
    /// Highest Chebyshev order M, at least 1.
    pub moments: usize,
    /// Probe vectors n, at least 1.
    pub probes: usize,
    /// Regulariser added to the diagonal, and the lower end of the spectrum.
    pub alpha: f64,
    /// Mapping and coefficients.
    pub variant: EesVariant,
    /// What probes are drawn from.
    pub distribution: ProbeDistribution,
    /// How the upper end of the spectrum is found.
    pub edge: SpectralEdge,
    /// Weigh the moments with Jackson's damping.
    pub jackson: bool,
    /// Seed of probes and start vectors.
    pub seed: u64,
}

impl Default for Ees {
    fn default() -> Self {
        Self {
            moments: 50,
            probes: 20,
            alpha: 1e-3,
            variant: EesVariant::default(),
            distribution: ProbeDistribution::default(),
            edge: SpectralEdge::default(),
            jackson: false,
            seed: 0,
        }
    }
}

/// What the method found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EesResult {
    /// Estimate of the mean natural logarithm of the eigenvalues of `C + alpha I`.
    pub score: f64,
    /// `sum_m d_m c_m` as the variant writes it; differs from `score` for
    /// [`PaperUnitInterval`](EesVariant::PaperUnitInterval) alone, by `ln b`.
    pub raw: f64,
    /// Standard error of `score` over the probes; none for a single probe.
    pub standard_error: Option<f64>,
    /// Moments `d_0 ..= d_M`.
    pub moments: Vec<f64>,
    /// Coefficients `c_0 ..= c_M`, damped where asked for; those of order 0 that a variant leaves out are zero.
    pub coefficients: Vec<f64>,
    /// Estimate of the largest eigenvalue of the matrix.
    pub lambda_max: f64,
    /// The interval that was mapped.
    pub interval: [f64; 2],
    /// Largest error of the truncated series on that interval, without the probes' noise; for
    /// [`Shifted`](EesVariant::Shifted) without damping.
    pub bound: Option<f64>,
    /// Products with the matrix, of a block or of a vector.
    pub products: usize,
    /// How often the upper end had to be raised because a moment exceeded that of order 0.
    pub raised: usize,
    /// Whether the matrix was formed; none where the caller brought an operator.
    pub form: Option<Form>,
}

/// Times that the upper end may be raised.
const RAISES: usize = 6;

impl Ees {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no moment or probe, [`Error::Parameter`] unless alpha is positive.
    pub fn validate(&self) -> Result<()> {
        if self.moments < 1 {
            return Err(Error::TooFew { what: "moments", needed: 1, found: self.moments });
        }
        if self.probes < 1 {
            return Err(Error::TooFew { what: "probes", needed: 1, found: self.probes });
        }
        check_alpha(self.alpha)
    }

    /// EES of `C + alpha I` for an operator C.
    ///
    /// # Errors
    /// Those of [`Ees::validate`] and of the operator; [`Error::Spectrum`] when its spectrum cannot be enclosed, as
    /// when C is not positive semidefinite.
    pub fn score(&self, operator: &impl SymmetricOperator) -> Result<EesResult> {
        self.score_on(&mut OnHost(operator), None)
    }

    /// [`Ees::score`] with given probes `[dim, n]` in place of drawn ones.
    ///
    /// # Errors
    /// Those of [`Ees::score`]; [`Error::Shape`], [`Error::NotFinite`] for the probes.
    pub fn score_with_probes(
        &self,
        operator: &impl SymmetricOperator,
        probes: &ArrayView2<'_, f64>,
    ) -> Result<EesResult> {
        self.score_on(&mut OnHost(operator), Some(probes))
    }

    /// EES of embeddings `e [K, D]` on the host, in `f64`. Forms the covariance only where that costs fewer flops
    /// ([`CostModel::form`]).
    ///
    /// # Errors
    /// Those of [`Ees::score`] and of [`eigenscore`](crate::eigenscore()).
    pub fn score_embeddings(
        &self,
        e: &ArrayView2<'_, f64>,
        convention: EigenScoreConvention,
    ) -> Result<EesResult> {
        self.validate()?;
        let (answers, units) = e.dim();
        let (centred, scale) = match self.variant {
            EesVariant::OfficialCode => (standardised(e)?, 1.0),
            _ => (convention.centred(e)?, convention.scale(answers, units)),
        };
        let form = CostModel::form(answers, units, self.moments, self.probes);
        let found = match form {
            Form::Gram => {
                let mut gram = numerics::gram::gram(&centred.view());
                gram *= scale;
                self.score_on(&mut OnHost(DenseOperator::new(gram)?), None)?
            }
            Form::MatrixFree => {
                let mut operator = EmbeddingOperator::from_centred(centred, scale);
                self.score_on(&mut operator, None)?
            }
        };
        Ok(self.counted(found, convention, (answers, units), form))
    }

    /// EES of embeddings `e [K, D]` on the device they are on, in their own number type (16-bit ones are widened to
    /// 32 bits). The embeddings stay there; probes go up, moments come down. Gradients are not recorded.
    ///
    /// # Errors
    /// Those of [`Ees::score_embeddings`]; [`Error::Tensor`] from the device.
    pub fn score_tensor(&self, e: Tensor<2>, convention: EigenScoreConvention) -> Result<EesResult> {
        self.validate()?;
        let [answers, units] = e.dims();
        let form = CostModel::form(answers, units, self.moments, self.probes);
        let mut operator = match self.variant {
            EesVariant::OfficialCode => TensorOperator::standardised(e, form)?,
            _ => TensorOperator::new(e, convention, form)?,
        };
        let found = self.score_on(&mut operator, None)?;
        Ok(self.counted(found, convention, (answers, units), form))
    }

    /// [`Ees::score_tensor`] of host embeddings, uploaded as 32-bit floats.
    ///
    /// # Errors
    /// Those of [`Ees::score_tensor`].
    pub fn score_uploaded(
        &self,
        e: &ArrayView2<'_, f64>,
        convention: EigenScoreConvention,
        device: &Device,
    ) -> Result<EesResult> {
        check_embeddings(e)?;
        self.score_tensor(tensor::upload(e, device)?, convention)
    }

    /// The method itself, wherever the vectors live.
    ///
    /// # Errors
    /// Those of [`Ees::score_with_probes`] and of the space.
    pub fn score_on<S: BlockSpace>(
        &self,
        space: &mut S,
        probes: Option<&ArrayView2<'_, f64>>,
    ) -> Result<EesResult> {
        self.validate()?;
        let dim = space.dim();
        let drawn;
        let probes = match probes {
            Some(given) => {
                finite("probes", given)?;
                if given.nrows() != dim || given.ncols() == 0 {
                    let found = format!("{:?}", given.dim());
                    return Err(Error::Shape {
                        what: "probes",
                        expected: format!("[{dim}, n], n >= 1"),
                        found,
                    });
                }
                given.view()
            }
            None => {
                drawn = self.distribution.draw(dim, self.probes, self.seed);
                drawn.view()
            }
        };
        let (mut products, mut floor, mut largest) = (0, 0.0_f64, 0.0_f64);
        for raised in 0..=RAISES {
            let mut edge = self.find_edge(space, raised)?;
            // A Ritz value is never above the spectrum: of two, the greater is the better.
            largest = largest.max(edge.lambda_max);
            edge = Edge { lambda_max: largest, upper: edge.upper.max(floor), ..edge };
            products += edge.products;
            let plan = self.plan(edge)?;
            let moments = self.moments_of(space, &probes, &plan)?;
            products += self.moments.div_ceil(2);
            if let Some(bad) = moments.iter().find(|d| d.is_nan()) {
                return Err(Error::Spectrum { why: format!("a moment is {bad}") });
            }
            // The published code's own scaling touches 1, where rounding alone can exceed it.
            if self.variant == EesVariant::OfficialCode || enclosed(&moments, space.roundoff()) {
                let found = self.weigh(&moments, plan, edge, dim);
                return Ok(EesResult { products, raised, ..found });
            }
            floor = 1.05 * edge.upper;
        }
        let why = format!("moments exceed that of order 0 even with an upper end of {floor}");
        Err(Error::Spectrum { why })
    }

    /// The upper end of the spectrum; each try after the first starts elsewhere and looks no shorter, twice as long where
    /// it can. The variants that use the largest eigenvalue itself search until it stands.
    fn find_edge<S: BlockSpace>(&self, space: &mut S, raised: usize) -> Result<Edge> {
        let settled = SpectralEdge::Lanczos { steps: usize::MAX };
        let again = match self.edge {
            SpectralEdge::Lanczos { steps } => {
                SpectralEdge::Lanczos { steps: steps.saturating_mul(1 << raised) }
            }
            _ => settled,
        };
        match (self.variant, self.edge) {
            (EesVariant::OfficialCode, known @ SpectralEdge::Known(_)) => {
                edge::find(space, 0.0, known, self.seed, 0)
            }
            (EesVariant::OfficialCode, _) => {
                let found = edge::find(space, 0.0, settled, self.seed, 0)?;
                if found.lambda_max > 0.0 {
                    return Ok(Edge { upper: found.lambda_max, ..found });
                }
                Err(Error::Spectrum { why: "the matrix is zero".to_owned() })
            }
            (EesVariant::PaperUnitInterval, SpectralEdge::Lanczos { .. }) => {
                edge::find(space, self.alpha, settled, self.seed, raised as u64)
            }
            (_, first) => {
                let rule = if raised == 0 { first } else { again };
                edge::find(space, self.alpha, rule, self.seed, raised as u64)
            }
        }
    }

    fn plan(&self, edge: Edge) -> Result<Plan> {
        let (alpha, b) = (self.alpha, edge.upper);
        let mut plan = match self.variant {
            EesVariant::Shifted => {
                let series = LogSeries::new(alpha, b, self.moments)?;
                Plan {
                    gain: 1.0 / series.half_width,
                    shift: (alpha - series.centre) / series.half_width,
                    interval: [alpha, b],
                    bound: (!self.jackson).then(|| series.truncation_bound()),
                    coefficients: series.coefficients,
                }
            }
            EesVariant::PaperUnitInterval => Plan {
                gain: 1.0 / b,
                shift: alpha / b,
                interval: [0.0, b],
                bound: None,
                coefficients: unit_interval_coefficients(self.moments),
            },
            EesVariant::OfficialCode => {
                let mut coefficients = official_coefficients(self.moments);
                coefficients[0] = 0.0;
                Plan { gain: 1.0 / b, shift: 0.0, interval: [0.0, b], bound: None, coefficients }
            }
        };
        if self.jackson {
            let damping = jackson_damping(self.moments);
            plan.coefficients.iter_mut().zip(damping).for_each(|(c, g)| *c *= g);
        }
        Ok(plan)
    }

    /// `z_j^T T_m(B) z_j` for every order and probe, `[M+1, n]`.
    fn moments_of<S: BlockSpace>(
        &self,
        space: &mut S,
        probes: &ArrayView2<'_, f64>,
        plan: &Plan,
    ) -> Result<Array2<f64>> {
        let half = self.moments.div_ceil(2);
        let mut queued = Vec::with_capacity(self.moments + 1);
        let mut older = space.load(probes)?;
        queued.push(space.sums(&older, &older)?);
        let first = Step { gain: plan.gain, shift: plan.shift, damp: 0.0, last: half == 1 };
        let mut newer = space.step(&older, None, first)?;
        queued.push(space.sums(&older, &newer)?);
        for m in 1..=half {
            // T_m is in `newer`: orders 2m and 2m + 1.
            if queued.len() <= self.moments {
                queued.push(space.sums(&newer, &newer)?);
            }
            if m == half {
                break;
            }
            let by = Step { gain: 2.0 * plan.gain, shift: 2.0 * plan.shift, damp: 1.0, last: m + 1 == half };
            let next = space.step(&newer, Some(older), by)?;
            older = newer;
            newer = next;
            if queued.len() <= self.moments {
                queued.push(space.sums(&older, &newer)?);
            }
        }
        let mut moments = space.read(queued)?;
        let (zeroth, first) = (moments.row(0).to_owned(), moments.row(1).to_owned());
        for (m, mut row) in moments.axis_iter_mut(Axis(0)).enumerate().skip(2) {
            let base = if m % 2 == 0 { &zeroth } else { &first };
            row.zip_mut_with(base, |d, base| *d = 2.0 * *d - base);
        }
        Ok(moments)
    }

    /// Moments and coefficients to a score.
    fn weigh(&self, moments: &Array2<f64>, plan: Plan, edge: Edge, dim: usize) -> EesResult {
        let n = moments.ncols() as f64;
        let coefficients = Array1::from(plan.coefficients);
        let by_probe = coefficients.dot(moments) / dim as f64;
        let raw = by_probe.sum() / n;
        let spread: f64 = by_probe.iter().map(|s| (s - raw).powi(2)).sum();
        let scale = if self.variant == EesVariant::PaperUnitInterval { edge.upper.ln() } else { 0.0 };
        EesResult {
            score: raw + scale,
            raw,
            standard_error: (n > 1.0).then(|| (spread / (n - 1.0) / n).sqrt()),
            moments: (moments.sum_axis(Axis(1)) / (n * dim as f64)).to_vec(),
            coefficients: coefficients.to_vec(),
            lambda_max: edge.lambda_max,
            interval: plan.interval,
            bound: plan.bound,
            products: 0,
            raised: 0,
            form: None,
        }
    }

    /// Takes out the eigenvalues that a convention does not sum over; they are all alpha.
    fn counted(
        &self,
        mut found: EesResult,
        convention: EigenScoreConvention,
        (answers, units): (usize, usize),
        form: Form,
    ) -> EesResult {
        let left_out = (answers - convention.summed(answers, units)) as f64 / answers as f64;
        if self.variant != EesVariant::OfficialCode && left_out > 0.0 {
            found.score -= left_out * self.alpha.ln();
        }
        found.form = Some(form);
        found
    }
}

/// The mapping `B = gain C + shift I` and its coefficients.
struct Plan {
    gain: f64,
    shift: f64,
    interval: [f64; 2],
    bound: Option<f64>,
    coefficients: Vec<f64>,
}

/// Rows without mean and of population standard deviation 1; constant rows become zero.
fn standardised(e: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let mut centred = EigenScoreConvention::InsideCodeLn.centred(e)?;
    for mut row in centred.rows_mut() {
        let deviation = (row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64).sqrt();
        if deviation > 0.0 {
            row /= deviation;
        }
    }
    Ok(centred)
}

#[cfg(test)]
mod tests;
