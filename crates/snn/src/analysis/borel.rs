//! Borel's law: the sizes of the avalanches of a Poisson branching process.

use numerics::distributions::ln_gamma;

use crate::{Error, Result};

/// Greatest size whose cumulative probability is summed up.
const LARGEST: u64 = 100_000_000;

/// The probability that the family of one ancestor, each member of which has a Poisson number of children of mean `sigma`,
/// has `size` members: `P(s) = e^{-sigma s} (sigma s)^{s-1} / s!`. Its mean is `1 / (1 - sigma)`; at `sigma = 1` the tail
/// falls as `s^{-3/2}`. It is the limit of large all-to-all networks of probabilistic neurons.
///
/// # Errors
/// [`Error::Parameter`] unless `0 <= sigma <= 1`.
pub fn borel_probability(size: u64, sigma: f64) -> Result<f64> {
    ratio(sigma)?;
    if size == 0 {
        return Ok(0.0);
    }
    Ok(probability(size, sigma)?)
}

/// The probability of each size up to `largest` or less: entry k is `P(size <= k)`.
///
/// # Errors
/// [`Error::Parameter`] unless `0 <= sigma <= 1`, and for a size above 1e8.
pub fn borel_cumulative(largest: u64, sigma: f64) -> Result<Vec<f64>> {
    ratio(sigma)?;
    if largest > LARGEST {
        return Err(Error::parameter("size of an avalanche", largest as f64, format!("at most {LARGEST}")));
    }
    let mut sum = 0.0;
    let mut all = Vec::with_capacity(largest as usize + 1);
    all.push(0.0);
    for size in 1..=largest {
        sum += probability(size, sigma)?;
        all.push(sum);
    }
    Ok(all)
}

/// The Kolmogorov-Smirnov distance of sizes from Borel's law: the greatest difference of the cumulative distributions. Above
/// `1.36 / sqrt(n)` the law is refused at the 5 % level (the bound is conservative for a discrete law).
///
/// # Errors
/// Those of [`borel_cumulative`]; [`Error::TooFew`] without a size; [`Error::Parameter`] for a size of 0.
pub fn borel_ks(sizes: &[u64], sigma: f64) -> Result<f64> {
    let Some(largest) = sizes.iter().copied().max() else {
        return Err(Error::TooFew { what: "Borel's law: sizes".to_owned(), needed: 1, found: 0 });
    };
    if sizes.contains(&0) {
        return Err(Error::parameter("size of an avalanche", 0.0, "1 or more"));
    }
    let law = borel_cumulative(largest, sigma)?;
    let mut seen = vec![0_usize; law.len()];
    sizes.iter().for_each(|s| seen[*s as usize] += 1);
    let n = sizes.len() as f64;
    let (mut total, mut worst) = (0_usize, 0.0_f64);
    for (count, expected) in seen.iter().zip(&law) {
        total += count;
        worst = worst.max((total as f64 / n - expected).abs());
    }
    Ok(worst)
}

fn ratio(sigma: f64) -> Result<()> {
    if (0.0..=1.0).contains(&sigma) {
        Ok(())
    } else {
        Err(Error::parameter("branching ratio", sigma, "from 0 to 1"))
    }
}

fn probability(size: u64, sigma: f64) -> numerics::Result<f64> {
    let s = size as f64;
    if sigma == 0.0 {
        return Ok(f64::from(u8::from(size == 1)));
    }
    Ok((-sigma * s + (s - 1.0) * (sigma * s).ln() - ln_gamma(s + 1.0)?).exp())
}
