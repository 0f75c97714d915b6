//! Which neuron is connected to which.

use numerics::rng::{Stream, stream};
use rand::RngExt;
use rayon::prelude::*;

use crate::{Error, Result};

/// Draws of one stream when pairs are drawn in total.
const BATCH: usize = 1 << 16;
/// Most neurons of a population, so that an index fits 32 bits with room.
pub(crate) const MOST_NEURONS: usize = 1 << 31;

/// A rule that says which pairs of neurons are connected. "Self" is a neuron's synapse on itself, which exists only where
/// both populations are the same.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Each with each.
    AllToAll {
        /// Whether self connections are made.
        allow_self: bool,
    },
    /// Neuron `i` with neuron `i`.
    OneToOne,
    /// Each pair with a probability, independently (drawn by geometric skipping: cost per synapse, not per pair).
    Bernoulli {
        /// The probability.
        probability: f64,
        /// Whether self connections are made.
        allow_self: bool,
    },
    /// A fixed number of inputs to each target.
    FixedInDegree {
        /// Inputs of a target.
        degree: usize,
        /// Whether self connections are made.
        allow_self: bool,
        /// Whether a pair may be drawn twice.
        multapses: bool,
    },
    /// A fixed number of targets of each source.
    FixedOutDegree {
        /// Targets of a source.
        degree: usize,
        /// Whether self connections are made.
        allow_self: bool,
        /// Whether a pair may be drawn twice.
        multapses: bool,
    },
    /// A fixed number of synapses, source and target drawn uniformly, multapses allowed.
    FixedTotal {
        /// Number of synapses.
        count: usize,
        /// Whether self connections are made.
        allow_self: bool,
    },
    /// Each pair with a probability that falls with distance.
    Distance {
        /// Positions of the sources.
        sources: Vec<[f64; 2]>,
        /// Positions of the targets.
        targets: Vec<[f64; 2]>,
        /// Probability by distance.
        kernel: Kernel,
        /// Sides of a torus, where the space is one.
        period: Option<[f64; 2]>,
        /// Whether self connections are made.
        allow_self: bool,
    },
    /// Listed pairs (source, target); weights and delays given as lists follow their order.
    Pairs(Vec<(u32, u32)>),
    /// Compressed rows: the targets of source `i` are `targets[starts[i]..starts[i + 1]]`; lists of weights and delays follow
    /// that order.
    Csr {
        /// Start of each row, and the end of the last.
        starts: Vec<usize>,
        /// Targets.
        targets: Vec<u32>,
    },
}

/// Connection probability by distance `d`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kernel {
    /// `p e^{-d/length}`.
    Exponential {
        /// Probability at distance 0.
        peak: f64,
        /// Length constant.
        length: f64,
    },
    /// `p e^{-d^2/(2 sigma^2)}`.
    Gaussian {
        /// Probability at distance 0.
        peak: f64,
        /// Standard deviation.
        sigma: f64,
    },
    /// `p` up to a radius, 0 beyond.
    Disc {
        /// Probability inside.
        peak: f64,
        /// The radius.
        radius: f64,
    },
}

impl Kernel {
    /// The probability at a distance.
    #[must_use]
    pub fn probability(&self, distance: f64) -> f64 {
        match self {
            Self::Exponential { peak, length } => peak * (-distance / length).exp(),
            Self::Gaussian { peak, sigma } => peak * (-0.5 * (distance / sigma).powi(2)).exp(),
            Self::Disc { peak, radius } => {
                if distance <= *radius {
                    *peak
                } else {
                    0.0
                }
            }
        }
    }

    fn validate(&self) -> Result<()> {
        let (peak, scale) = match self {
            Self::Exponential { peak, length } => (*peak, *length),
            Self::Gaussian { peak, sigma } => (*peak, *sigma),
            Self::Disc { peak, radius } => (*peak, *radius),
        };
        probability("kernel.peak", peak)?;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::parameter("kernel: length", scale, "finite and positive"));
        }
        Ok(())
    }
}

impl Rule {
    /// [`Rule::AllToAll`] with self connections.
    #[must_use]
    pub fn all_to_all() -> Self {
        Self::AllToAll { allow_self: true }
    }

    /// [`Rule::Bernoulli`] with self connections.
    #[must_use]
    pub fn bernoulli(probability: f64) -> Self {
        Self::Bernoulli { probability, allow_self: true }
    }

    /// [`Rule::FixedInDegree`] with self connections and multapses, as NEST's default.
    #[must_use]
    pub fn in_degree(degree: usize) -> Self {
        Self::FixedInDegree { degree, allow_self: true, multapses: true }
    }

    /// [`Rule::FixedOutDegree`] with self connections and multapses, as NEST's default.
    #[must_use]
    pub fn out_degree(degree: usize) -> Self {
        Self::FixedOutDegree { degree, allow_self: true, multapses: true }
    }

    /// [`Rule::FixedTotal`] with self connections.
    #[must_use]
    pub fn total(count: usize) -> Self {
        Self::FixedTotal { count, allow_self: true }
    }
}

/// Pairs as compressed rows of the sources.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pairs {
    pub(crate) starts: Vec<usize>,
    pub(crate) targets: Vec<u32>,
    /// For listed pairs: where each stood in the list.
    pub(crate) origin: Option<Vec<usize>>,
}

impl Pairs {
    fn from_rows(rows: Vec<Vec<u32>>) -> Self {
        let mut starts = Vec::with_capacity(rows.len() + 1);
        starts.push(0);
        let mut targets = Vec::with_capacity(rows.iter().map(Vec::len).sum());
        for row in rows {
            targets.extend_from_slice(&row);
            starts.push(targets.len());
        }
        Self { starts, targets, origin: None }
    }

    /// Sorts pairs by source, keeping their order.
    fn from_pairs(sources: usize, pairs: &[(u32, u32)], keep_origin: bool) -> Self {
        let mut starts = vec![0; sources + 1];
        for (source, _) in pairs {
            starts[*source as usize + 1] += 1;
        }
        (0..sources).for_each(|i| starts[i + 1] += starts[i]);
        let mut next = starts.clone();
        let mut targets = vec![0; pairs.len()];
        let mut origin = keep_origin.then(|| vec![0; pairs.len()]);
        for (at, (source, target)) in pairs.iter().enumerate() {
            let place = next[*source as usize];
            next[*source as usize] += 1;
            targets[place] = *target;
            if let Some(origin) = &mut origin {
                origin[place] = at;
            }
        }
        Self { starts, targets, origin }
    }
}

/// Makes the pairs of a rule. `same` tells whether both populations are one; draws belong to `(seed, purpose)` and to a row.
pub(crate) fn pairs(
    rule: &Rule,
    sources: usize,
    targets: usize,
    same: bool,
    seed: u64,
    purpose: &str,
) -> Result<Pairs> {
    let row_stream = |row: usize| stream(seed, purpose, row as u64);
    let by_source = |row: &(dyn Fn(usize) -> Result<Vec<u32>> + Sync)| -> Result<Pairs> {
        Ok(Pairs::from_rows((0..sources).into_par_iter().map(row).collect::<Result<_>>()?))
    };
    match rule {
        Rule::AllToAll { allow_self } => by_source(&|i| {
            Ok((0..targets as u32).filter(|j| *allow_self || !same || *j as usize != i).collect())
        }),
        Rule::OneToOne if sources != targets => {
            Err(Error::shape("one-to-one", format!("{sources} targets"), targets))
        }
        Rule::OneToOne => by_source(&|i| Ok(vec![i as u32])),
        Rule::Bernoulli { probability: p, allow_self } => {
            probability("probability", *p)?;
            by_source(&|i| {
                let skip = (same && !allow_self).then_some(i);
                Ok(bernoulli_row(&mut row_stream(i), targets, *p, skip))
            })
        }
        Rule::FixedOutDegree { degree, allow_self, multapses } => {
            let degree = Degree { degree: *degree, allow_self: *allow_self || !same, multapses: *multapses };
            degree.validate("out-degree", targets)?;
            by_source(&|i| Ok(degree.row(&mut row_stream(i), targets, i)))
        }
        Rule::FixedInDegree { degree, allow_self, multapses } => {
            let degree = Degree { degree: *degree, allow_self: *allow_self || !same, multapses: *multapses };
            degree.validate("in-degree", sources)?;
            let rows: Vec<Vec<u32>> =
                (0..targets).into_par_iter().map(|j| degree.row(&mut row_stream(j), sources, j)).collect();
            let mut list = Vec::with_capacity(targets * degree.degree);
            for (target, row) in rows.iter().enumerate() {
                list.extend(row.iter().map(|source| (*source, target as u32)));
            }
            Ok(Pairs::from_pairs(sources, &list, false))
        }
        Rule::FixedTotal { count, allow_self } => {
            let possible = if sources == 0 || targets == 0 { 0 } else { sources * targets };
            if *count > 0 && (possible == 0 || (possible == 1 && same && !allow_self)) {
                return Err(Error::shape("total number of synapses", "0: there is no pair", count));
            }
            let batches = count.div_ceil(BATCH);
            let list: Vec<Vec<(u32, u32)>> = (0..batches)
                .into_par_iter()
                .map(|batch| {
                    let mut rng = row_stream(batch);
                    let size = BATCH.min(count - batch * BATCH);
                    let draw = |_| loop {
                        let pair = (below(&mut rng, sources), below(&mut rng, targets));
                        if *allow_self || !same || pair.0 != pair.1 {
                            break pair;
                        }
                    };
                    (0..size).map(draw).collect()
                })
                .collect();
            Ok(Pairs::from_pairs(sources, &list.concat(), false))
        }
        Rule::Distance { sources: from, targets: to, kernel, period, allow_self } => {
            kernel.validate()?;
            for (what, positions, n) in
                [("source positions", from, sources), ("target positions", to, targets)]
            {
                if positions.len() != n {
                    return Err(Error::shape(what, n, positions.len()));
                }
                if let Some(bad) = positions.iter().flatten().find(|x| !x.is_finite()) {
                    return Err(Error::parameter(what, *bad, "finite"));
                }
            }
            if let Some(bad) = period.iter().flatten().find(|x| !(x.is_finite() && **x > 0.0)) {
                return Err(Error::parameter("period", *bad, "finite and positive"));
            }
            by_source(&|i| {
                let mut rng = row_stream(i);
                let near = |j: &usize| {
                    let p = kernel.probability(distance(from[i], to[*j], *period));
                    rng.random::<f64>() < p && (*allow_self || !same || *j != i)
                };
                Ok((0..targets).filter(near).map(|j| j as u32).collect())
            })
        }
        Rule::Pairs(list) => {
            for (source, target) in list {
                index("source", *source, sources)?;
                index("target", *target, targets)?;
            }
            Ok(Pairs::from_pairs(sources, list, true))
        }
        Rule::Csr { starts, targets: list } => {
            let ordered = starts.windows(2).all(|w| w[0] <= w[1]);
            if starts.len() != sources + 1 || starts[0] != 0 || starts[sources] != list.len() || !ordered {
                let expected = format!("{} ascending starts from 0 to {}", sources + 1, list.len());
                return Err(Error::shape("row starts", expected, format!("{} starts", starts.len())));
            }
            list.iter().try_for_each(|target| index("target", *target, targets))?;
            Ok(Pairs {
                starts: starts.clone(),
                targets: list.clone(),
                origin: Some((0..list.len()).collect()),
            })
        }
    }
}

/// How many partners a neuron draws.
struct Degree {
    degree: usize,
    allow_self: bool,
    multapses: bool,
}

impl Degree {
    fn validate(&self, what: &str, others: usize) -> Result<()> {
        let available = if self.allow_self { others } else { others.saturating_sub(1) };
        let most = match (available, self.multapses) {
            (0, _) => 0,
            (_, true) => MOST_NEURONS,
            (n, false) => n,
        };
        if self.degree > most {
            return Err(Error::shape(what, format!("at most {most}"), self.degree));
        }
        Ok(())
    }

    fn row(&self, rng: &mut Stream, others: usize, own: usize) -> Vec<u32> {
        let allowed = |x: u32| self.allow_self || x as usize != own;
        if self.multapses {
            let draw = |_| loop {
                let x = below(rng, others);
                if allowed(x) {
                    break x;
                }
            };
            return (0..self.degree).map(draw).collect();
        }
        // Floyd's sampling without replacement, over the neurons without the own one.
        let n = if self.allow_self { others } else { others - 1 };
        let mut chosen = std::collections::BTreeSet::new();
        for last in n - self.degree..n {
            let x = rng.random_range(0..=last) as u32;
            if !chosen.insert(x) {
                chosen.insert(last as u32);
            }
        }
        chosen.into_iter().map(|x| if !self.allow_self && x as usize >= own { x + 1 } else { x }).collect()
    }
}

/// Targets of a row, each with probability `p`: the gaps between them are geometric.
fn bernoulli_row(rng: &mut Stream, targets: usize, p: f64, skip: Option<usize>) -> Vec<u32> {
    if p <= 0.0 {
        return Vec::new();
    }
    if p >= 1.0 {
        return (0..targets).filter(|j| Some(*j) != skip).map(|j| j as u32).collect();
    }
    let scale = 1.0 / (-p).ln_1p();
    let mut row = Vec::with_capacity((targets as f64 * p * 1.2) as usize + 4);
    let mut next = 0.0;
    loop {
        next += ((1.0 - rng.random::<f64>()).ln() * scale).floor();
        if next >= targets as f64 {
            return row;
        }
        if skip != Some(next as usize) {
            row.push(next as u32);
        }
        next += 1.0;
    }
}

fn below(rng: &mut Stream, n: usize) -> u32 {
    rng.random_range(0..n as u32)
}

fn distance(a: [f64; 2], b: [f64; 2], period: Option<[f64; 2]>) -> f64 {
    let along = |axis: usize| {
        let gap = (a[axis] - b[axis]).abs();
        period.map_or(gap, |p| {
            let gap = gap.rem_euclid(p[axis]);
            gap.min(p[axis] - gap)
        })
    };
    along(0).hypot(along(1))
}

fn probability(name: &str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) { Ok(()) } else { Err(Error::parameter(name, p, "in [0, 1]")) }
}

fn index(what: &str, index: u32, bound: usize) -> Result<()> {
    if (index as usize) < bound {
        return Ok(());
    }
    Err(Error::parameter(format!("{what} neuron"), f64::from(index), format!("below {bound}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(p: &Pairs) -> Vec<&[u32]> {
        p.starts.windows(2).map(|w| &p.targets[w[0]..w[1]]).collect()
    }

    fn make(rule: Rule, n: usize, m: usize, same: bool) -> Result<Pairs> {
        pairs(&rule, n, m, same, 5, "test")
    }

    #[test]
    fn each_rule_makes_what_it_says() {
        assert_eq!(make(Rule::all_to_all(), 3, 2, false).unwrap().targets, [0, 1, 0, 1, 0, 1]);
        assert_eq!(make(Rule::AllToAll { allow_self: false }, 2, 2, true).unwrap().targets, [1, 0]);
        assert_eq!(make(Rule::AllToAll { allow_self: false }, 2, 2, false).unwrap().targets.len(), 4);
        assert_eq!(make(Rule::OneToOne, 3, 3, true).unwrap().targets, [0, 1, 2]);
        let p = make(Rule::bernoulli(0.1), 400, 500, false).unwrap();
        assert!((p.targets.len() as f64 - 20_000.0).abs() < 5.0 * 18_000.0_f64.sqrt(), "{}", p.targets.len());
        assert!(rows(&p).iter().all(|r| r.windows(2).all(|w| w[0] < w[1])));
        let apart = make(Rule::Bernoulli { probability: 0.9, allow_self: false }, 50, 50, true).unwrap();
        assert!(rows(&apart).iter().enumerate().all(|(i, r)| !r.contains(&(i as u32))));
        let inward = make(Rule::in_degree(7), 40, 30, false).unwrap();
        let mut degrees = [0; 30];
        inward.targets.iter().for_each(|j| degrees[*j as usize] += 1);
        assert_eq!(degrees, [7; 30]);
        let rule = Rule::FixedInDegree { degree: 9, allow_self: false, multapses: false };
        let single = make(rule, 10, 10, true).unwrap();
        assert_eq!(single, make(Rule::AllToAll { allow_self: false }, 10, 10, true).unwrap());
        let out = make(Rule::out_degree(4), 10, 3, false).unwrap();
        assert!(rows(&out).iter().all(|r| r.len() == 4));
        let total = make(Rule::total(100_000), 30, 20, false).unwrap();
        assert_eq!(total.targets.len(), 100_000);
        let row = rows(&total)[3].len() as f64;
        assert!((row - 100_000.0 / 30.0).abs() < 5.0 * (100_000.0_f64 / 30.0).sqrt(), "{row}");
        let listed = make(Rule::Pairs(vec![(1, 0), (0, 2), (1, 1)]), 2, 3, false).unwrap();
        assert_eq!((listed.targets, listed.origin), (vec![2, 0, 1], Some(vec![1, 0, 2])));
        let csr = Rule::Csr { starts: vec![0, 1, 3], targets: vec![2, 0, 1] };
        assert_eq!(make(csr, 2, 3, false).unwrap().targets, [2, 0, 1]);
    }

    #[test]
    fn distance_falls_off_on_a_torus() {
        let grid: Vec<[f64; 2]> = (0..400).map(|i| [f64::from(i % 20), f64::from(i / 20)]).collect();
        let rule = Rule::Distance {
            sources: grid.clone(),
            targets: grid,
            kernel: Kernel::Disc { peak: 1.0, radius: 1.0 },
            period: Some([20.0, 20.0]),
            allow_self: false,
        };
        let p = make(rule, 400, 400, true).unwrap();
        assert!(rows(&p).iter().all(|r| r.len() == 4));
        assert_eq!(rows(&p)[0], [1, 19, 20, 380]);
    }

    #[test]
    fn impossible_rules_are_refused() {
        for rule in [
            Rule::bernoulli(1.5),
            Rule::bernoulli(f64::NAN),
            Rule::OneToOne,
            Rule::FixedInDegree { degree: 5, allow_self: true, multapses: false },
            Rule::Pairs(vec![(4, 0)]),
            Rule::Pairs(vec![(0, 3)]),
            Rule::Csr { starts: vec![0, 1], targets: vec![0] },
            Rule::Csr { starts: vec![0, 2, 1, 1, 1], targets: vec![0] },
            Rule::Csr { starts: vec![0, 1, 1, 1, 1], targets: vec![9] },
        ] {
            assert!(make(rule.clone(), 4, 3, false).is_err(), "{rule:?}");
        }
        assert!(make(Rule::total(1), 1, 1, true).is_ok());
        assert!(make(Rule::FixedTotal { count: 1, allow_self: false }, 1, 1, true).is_err());
    }
}
