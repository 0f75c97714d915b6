//! What receptive fields look like, and what winners say about the input.

use ndarray::ArrayView2;

use super::BarsStimulus;
use crate::{Error, Result};

/// The bar that a receptive field resembles most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarMatch {
    /// Which bar: rows first, then columns.
    pub bar: usize,
    /// `sum over the bar of F+ / (sqrt(side) |F+|)`, the cosine of the field's positive part with the bar.
    pub cosine: f64,
}

/// How well the fields of all cliques are bars.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldReport {
    /// The best bar of each clique.
    pub matches: Vec<BarMatch>,
    /// Mean of the best cosines.
    pub mean_cosine: f64,
    /// How many different bars are matched above 0.8.
    pub distinct: usize,
}

/// Compares receptive fields `[cliques, side^2]` with the bars of that square.
///
/// # Errors
/// [`Error::Shape`] for another number of inputs, [`Error::TooFew`] without a field.
pub fn bar_matches(fields: &ArrayView2<'_, f64>, side: usize) -> Result<FieldReport> {
    if side == 0 || fields.ncols() != side * side {
        return Err(Error::shape("receptive fields", format!("{} inputs", side * side), fields.ncols()));
    }
    if fields.nrows() == 0 {
        return Err(Error::TooFew { what: "receptive fields".to_owned(), needed: 1, found: 0 });
    }
    let matches: Vec<BarMatch> = fields
        .rows()
        .into_iter()
        .map(|field| {
            let norm = field.iter().map(|v| v.max(0.0).powi(2)).sum::<f64>().sqrt();
            let cosine = |bar: usize| {
                let inside: f64 =
                    BarsStimulus::pixels(side, bar).into_iter().map(|q| field[q].max(0.0)).sum();
                if norm > 0.0 { inside / ((side as f64).sqrt() * norm) } else { 0.0 }
            };
            let first = BarMatch { bar: 0, cosine: cosine(0) };
            (1..2 * side)
                .map(|bar| BarMatch { bar, cosine: cosine(bar) })
                .fold(first, |best, next| if next.cosine > best.cosine { next } else { best })
        })
        .collect();
    let mean_cosine = matches.iter().map(|m| m.cosine).sum::<f64>() / matches.len() as f64;
    let distinct =
        (0..2 * side).filter(|bar| matches.iter().any(|m| m.bar == *bar && m.cosine > 0.8)).count();
    Ok(FieldReport { matches, mean_cosine, distinct })
}

/// `I(winner; bar)` in bits, summed over bars: what the winner says about each bar alone. Samples are pairs of a winner
/// and the bars that were present. The estimate is the plug-in one, too high by about
/// `bars (winners - 1) / (2 samples ln 2)`: hold it against pairs that do not belong together.
///
/// # Errors
/// [`Error::TooFew`] without a sample, [`Error::Shape`] for differing numbers of winners and of bars.
pub fn mutual_information_bits(winners: &[usize], bars: &[Vec<bool>]) -> Result<f64> {
    if winners.is_empty() {
        return Err(Error::TooFew { what: "winners".to_owned(), needed: 1, found: 0 });
    }
    if winners.len() != bars.len() || bars.iter().any(|b| b.len() != bars[0].len()) {
        return Err(Error::shape("bars", format!("{} rows of one length", winners.len()), bars.len()));
    }
    let n = winners.len() as f64;
    let cliques = winners.iter().max().map_or(0, |c| c + 1);
    let mut total = 0.0;
    for b in 0..bars[0].len() {
        let mut joint = vec![[0.0_f64; 2]; cliques];
        for (winner, present) in winners.iter().zip(bars) {
            joint[*winner][usize::from(present[b])] += 1.0 / n;
        }
        let marginal = joint.iter().fold([0.0, 0.0], |m, j| [m[0] + j[0], m[1] + j[1]]);
        for row in &joint {
            for (p, q) in row.iter().zip(marginal).filter(|(p, _)| **p > 0.0) {
                total += p * (p / ((row[0] + row[1]) * q)).log2();
            }
        }
    }
    Ok(total)
}
