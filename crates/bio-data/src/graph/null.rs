//! Measures against random graphs of the same degrees.

use numerics::summary;
use rayon::prelude::*;

use super::{Lengths, Network, clustering, degrees, motifs, paths, rewire, rich_club};
use crate::{Error, Result};

/// A measure of a graph beside its distribution over random graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Mean over the random graphs.
    pub mean: f64,
    /// Sample standard deviation over them.
    pub sd: f64,
    /// `(value - mean) / sd`; NaN where all random graphs agree.
    pub z: f64,
    /// The values of the random graphs, in the order of their indices.
    pub random: Vec<f64>,
}

/// All measures of a graph beside degree-preserving random graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Reciprocity, clustering (weighted and not), path length and efficiency (unit and inverse-weight lengths), the
    /// small-world index and the counts of the thirteen motifs.
    pub scores: Vec<Score>,
    /// The rich-club coefficient for k = 0, 1, ..
    pub rich_club: Vec<f64>,
    /// The same over its mean in the random graphs: above 1 there is a rich club.
    pub rich_club_normalised: Vec<f64>,
    /// How many random graphs.
    pub replicates: usize,
    /// The seed they were drawn from.
    pub seed: u64,
}

/// Figures of one graph: names and values in a fixed order.
///
/// # Errors
/// [`Error::Value`] below two nodes.
pub fn measures(network: &Network) -> Result<Vec<(String, f64)>> {
    let unit = paths::summary(network, Lengths::Unit)?;
    let inverse = paths::summary(network, Lengths::Inverse)?;
    let mut out = vec![
        ("reciprocity".to_owned(), degrees::reciprocity(network)),
        ("clustering".to_owned(), clustering::mean(&clustering::unweighted(network)?)),
        ("weighted clustering".to_owned(), clustering::mean(&clustering::weighted(network)?)),
        ("characteristic path length".to_owned(), unit.characteristic),
        ("efficiency".to_owned(), unit.efficiency),
        ("weighted path length".to_owned(), inverse.characteristic),
        ("weighted efficiency".to_owned(), inverse.efficiency),
    ];
    let census = motifs::census(network);
    for (class, count) in census.iter().enumerate().filter(|(class, _)| motifs::connected(*class)) {
        out.push((format!("motif {}", motifs::CLASSES[class]), *count as f64));
    }
    Ok(out)
}

/// Measures a graph and `replicates` random graphs of its degrees, in parallel; the result does not depend on the
/// number of threads. The small-world index is `(C / C_random) / (L / L_random)` (Humphries and Gurney 2008) with the
/// unweighted figures; its distribution takes each random graph against the mean of all.
///
/// # Errors
/// [`Error::Value`] below two nodes or two replicates.
pub fn compare(network: &Network, replicates: usize, swaps_per_edge: usize, seed: u64) -> Result<Report> {
    if replicates < 2 {
        return Err(Error::Value {
            what: "random graphs to compare with".to_owned(),
            found: replicates.to_string(),
            expected: "two or more".to_owned(),
        });
    }
    let own = measures(network)?;
    let drawn = (0..replicates as u64)
        .into_par_iter()
        .map(|index| {
            let random = rewire::degree_preserving(network, swaps_per_edge, seed, index)?;
            let values = measures(&random)?.into_iter().map(|m| m.1).collect();
            Ok((values, rich_club::coefficients(&random)))
        })
        .collect::<Result<Vec<(Vec<f64>, Vec<f64>)>>>()?;
    let column = |k: usize| drawn.iter().map(|d| d.0[k]).collect::<Vec<f64>>();
    let mut scores: Vec<Score> =
        own.iter().enumerate().map(|(k, (name, value))| score(name, *value, &column(k))).collect();
    let (c, l) = (&scores[1], &scores[3]);
    let index = |clustering: f64, length: f64| (clustering / c.mean) / (length / l.mean);
    let random: Vec<f64> = drawn.iter().map(|d| index(d.0[1], d.0[3])).collect();
    let small_world = score("small-world index", index(c.value, l.value), &random);
    scores.insert(7, small_world);
    let rich_club = rich_club::coefficients(network);
    // Degrees are kept, so every random graph has coefficients for the same k.
    let rich_club_normalised = rich_club
        .iter()
        .enumerate()
        .map(|(k, phi)| {
            let mean = drawn.iter().filter_map(|d| d.1.get(k)).sum::<f64>() / replicates as f64;
            phi / mean
        })
        .collect();
    Ok(Report { scores, rich_club, rich_club_normalised, replicates, seed })
}

impl Report {
    /// The score of a name.
    #[must_use]
    pub fn score(&self, name: &str) -> Option<&Score> {
        self.scores.iter().find(|s| s.name == name)
    }
}

impl Score {
    /// The one-sided p-value of as large a value in a random graph: `(1 + #{random >= value}) / (1 + replicates)`. It needs
    /// no normal distribution, as `z` does, and cannot be below `1 / (1 + replicates)`.
    #[must_use]
    pub fn p_upper(&self) -> f64 {
        upper(self.value, &self.random)
    }

    /// The same for the first random graph in the place of the graph, against the others: a control, which has any value
    /// with equal chance.
    #[must_use]
    pub fn p_upper_of_random(&self) -> f64 {
        self.random.split_first().map_or(f64::NAN, |(first, others)| upper(*first, others))
    }
}

/// Rounding of sums in another order does not undo a tie; a random graph without a value counts as one that reaches it.
fn upper(value: f64, random: &[f64]) -> f64 {
    if !value.is_finite() {
        return f64::NAN;
    }
    let bar = value - 1e-12 * value.abs();
    (1 + random.iter().filter(|r| r.is_nan() || **r >= bar).count()) as f64 / (1 + random.len()) as f64
}

fn score(name: &str, value: f64, random: &[f64]) -> Score {
    let (mean, sd) = (summary::mean(random), summary::standard_deviation(random));
    let z = if sd > 0.0 { (value - mean) / sd } else { f64::NAN };
    Score { name: name.to_owned(), value, mean, sd, z, random: random.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_count_the_graph_itself() {
        let s = score("x", 3.0, &[1.0, 2.0, 3.0 + 1e-15, 4.0]);
        assert_eq!((s.p_upper(), s.p_upper_of_random()), (3.0 / 5.0, 1.0));
        assert_eq!(score("x", 9.0, &[1.0, 2.0, 3.0]).p_upper(), 0.25);
        assert!(score("x", f64::NAN, &[1.0, 2.0]).p_upper().is_nan());
        assert!((s.mean - 2.5).abs() < 1e-12 && (s.z - 0.5 / s.sd).abs() < 1e-12);
    }
}
