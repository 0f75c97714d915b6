//! What switching neurons off does to facts of the same relation, of others, and beside random neurons.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::Serialize;

use crate::{Error, Result};

/// Loss of each relation when each relation's neurons are off.
#[derive(Debug, Clone, PartialEq)]
pub struct DropMatrix {
    /// Names of the relations.
    pub relations: Vec<String>,
    /// Loss of relation `i` while the neurons of `j` are off, `[i, j]`.
    pub drop: Array2<f64>,
    /// Loss of relation `i` while as many random neurons are off as `j` has, `[i, j]`.
    pub random: Array2<f64>,
}

impl DropMatrix {
    /// From accuracies: `drop[i, j] = (a[i] - a[i, j]) / a[i]`, with `a[i]` those of the intact model. `ablated` and `random`
    /// are `[evaluated relation, relation whose neurons are off]`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Parameter`] for an accuracy outside [0, 1], or an intact one of 0:
    /// then there is nothing to lose.
    pub fn from_accuracy(
        relations: &[&str],
        intact: &ArrayView1<'_, f64>,
        ablated: &ArrayView2<'_, f64>,
        random: &ArrayView2<'_, f64>,
    ) -> Result<Self> {
        check(relations, intact, ablated, random)?;
        let inside = |x: &f64| (0.0..=1.0).contains(x);
        if let Some(x) = intact.iter().chain(ablated).chain(random).find(|x| !inside(x)) {
            return Err(Error::Parameter { name: "accuracy", value: *x, expected: "in [0, 1]" });
        }
        if intact.iter().any(|a| *a == 0.0) {
            return Err(Error::Parameter { name: "intact accuracy", value: 0.0, expected: "above 0" });
        }
        Ok(Self::by(relations, ablated, random, |i, x| (intact[i] - x) / intact[i]))
    }

    /// From negative log-likelihoods of the objects, in nats: `drop[i, j] = l[i, j] - l[i]`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`].
    pub fn from_nll(
        relations: &[&str],
        intact: &ArrayView1<'_, f64>,
        ablated: &ArrayView2<'_, f64>,
        random: &ArrayView2<'_, f64>,
    ) -> Result<Self> {
        check(relations, intact, ablated, random)?;
        Ok(Self::by(relations, ablated, random, |i, x| x - intact[i]))
    }

    /// Mean loss of the relations whose own neurons are off.
    #[must_use]
    pub fn intra(&self) -> f64 {
        mean(self.drop.diag().iter().copied())
    }

    /// Mean loss of the others; NaN for a single relation.
    #[must_use]
    pub fn inter(&self) -> f64 {
        mean(self.drop.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, x)| *x))
    }

    /// Mean loss under random neurons, over all pairs.
    #[must_use]
    pub fn random_mean(&self) -> f64 {
        mean(self.random.iter().copied())
    }

    /// Each relation's loss under its own neurons.
    #[must_use]
    pub fn own(&self) -> Array1<f64> {
        self.drop.diag().to_owned()
    }

    /// Pairs (evaluated, switched off) of different relations in which the evaluated one improves, most improved first.
    #[must_use]
    pub fn interference(&self) -> Vec<(usize, usize, f64)> {
        let mut found: Vec<(usize, usize, f64)> = self
            .drop
            .indexed_iter()
            .filter(|((i, j), x)| i != j && **x < 0.0)
            .map(|((i, j), x)| (i, j, *x))
            .collect();
        found.sort_by(|a, b| a.2.total_cmp(&b.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        found
    }

    fn by(
        relations: &[&str],
        ablated: &ArrayView2<'_, f64>,
        random: &ArrayView2<'_, f64>,
        loss: impl Fn(usize, f64) -> f64,
    ) -> Self {
        let matrix = |x: &ArrayView2<'_, f64>| Array2::from_shape_fn(x.dim(), |(i, j)| loss(i, x[(i, j)]));
        let relations = relations.iter().map(|r| (*r).to_owned()).collect();
        Self { relations, drop: matrix(ablated), random: matrix(random) }
    }
}

/// Facts that are lost between two numbers of neurons, and how many of them the added neurons alone take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cumulativity {
    /// Right with the first k1 neurons off, wrong with the first k2.
    pub lost_between: usize,
    /// Of these, wrong with only the neurons of rank k1 to k2 off.
    pub still_lost: usize,
}

impl Cumulativity {
    /// Share of the lost facts that the added neurons alone take away; `None` where none was lost. Far below 1, the
    /// neurons act together.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.lost_between > 0).then(|| self.still_lost as f64 / self.lost_between as f64)
    }
}

/// Compares, fact by fact, which answers are right with the k1 best neurons off, with the k2 best off, and with those
/// between alone.
///
/// # Errors
/// [`Error::Shape`] for lists of different lengths.
pub fn cumulativity(first: &[bool], both: &[bool], added_alone: &[bool]) -> Result<Cumulativity> {
    for found in [both.len(), added_alone.len()] {
        if found != first.len() {
            return Err(Error::shape("answers by fact", first.len(), found));
        }
    }
    let lost: Vec<bool> = first
        .iter()
        .zip(both)
        .zip(added_alone)
        .filter(|((first, both), _)| **first && !**both)
        .map(|(_, alone)| !alone)
        .collect();
    Ok(Cumulativity { lost_between: lost.len(), still_lost: lost.iter().filter(|l| **l).count() })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
    sum / n
}

fn check(
    relations: &[&str],
    intact: &ArrayView1<'_, f64>,
    ablated: &ArrayView2<'_, f64>,
    random: &ArrayView2<'_, f64>,
) -> Result<()> {
    let n = relations.len();
    if n == 0 {
        return Err(Error::TooFew { what: "relations", needed: 1, found: 0 });
    }
    if intact.len() != n {
        return Err(Error::shape("intact figures", n, intact.len()));
    }
    for (what, x) in [("figures with neurons off", ablated), ("figures with random neurons off", random)] {
        if x.dim() != (n, n) {
            return Err(Error::shape(what, format!("[{n}, {n}]"), format!("{:?}", x.shape())));
        }
        if let Some(((row, column), value)) = x.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NotFinite { what, row, column, value: *value });
        }
    }
    match intact.iter().position(|x| !x.is_finite()) {
        Some(row) => Err(Error::NotFinite { what: "intact figures", row, column: 0, value: intact[row] }),
        None => Ok(()),
    }
}
