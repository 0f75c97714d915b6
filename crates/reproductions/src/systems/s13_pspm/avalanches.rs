//! Line 5: avalanches of probabilistic networks follow the law of branching processes.

use numerics::summary::mean;
use rayon::prelude::*;
use snn::analysis::{Branching, avalanches, borel_cumulative, borel_ks, branching_ratio, power_law};
use snn::pspm::UniformPif;

use super::fail;
use crate::figure::{Series, lines};
use crate::{Measurement, Outcome, Plan, Result};

const AVALANCHES: u64 = 4000;
const NEURONS: u64 = 2000;
/// Events from outside per step of the whole network.
const EVENTS: f64 = 0.004;
/// The 5 % limit of the Kolmogorov-Smirnov distance.
const LIMIT: f64 = 1.36;

pub(super) fn run(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seed = plan.seed;
    let seeds = plan.seeds(1);
    let mut series = Vec::new();
    for sigma in [0.5, 0.8] {
        let network = UniformPif::new(NEURONS, sigma).map_err(fail)?;
        let sizes = (0..AVALANCHES)
            .into_par_iter()
            .map(|k| Ok(network.avalanche(u64::MAX, seed, k).map_err(fail)?.size))
            .collect::<Result<Vec<u64>>>()?;
        let limit = LIMIT / (AVALANCHES as f64).sqrt();
        // The same sizes against the law of another ratio, a tenth lower.
        let other = borel_ks(&sizes, 0.9 * sigma).map_err(fail)?;
        outcome.measurements.push(
            Measurement::at_most(
                &format!("avalanches, sigma {sigma}: distance of sizes from Borel's law"),
                borel_ks(&sizes, sigma).map_err(fail)?,
                limit,
            )
            .control(other)
            .seeds(&seeds)
            .note("the 5 % limit 1.36 / sqrt(4000); control: the law of a branching ratio a tenth lower"),
        );
        let found: Vec<f64> = sizes.iter().map(|s| *s as f64).collect();
        outcome.measurements.push(
            Measurement::within(
                &format!("avalanches, sigma {sigma}: mean size times 1 - sigma"),
                mean(&found) * (1.0 - sigma),
                0.95,
                1.05,
            )
            .seeds(&seeds)
            .note("the law's mean is 1 / (1 - sigma)"),
        );
        series.extend(tails(sigma, &sizes)?);
    }
    outcome.figures.push(lines(
        "Sizes of avalanches",
        "Share of avalanches of a size or more, logarithms to base 10: 4000 of a network of 2000 probabilistic neurons beside \
         Borel's law.",
        "log10 of the size",
        "log10 of the share",
        &series,
    )?);
    ratios(plan, outcome)
}

/// The measured and the expected tail, at sizes a constant factor apart.
fn tails(sigma: f64, sizes: &[u64]) -> Result<[Series; 2]> {
    let largest = sizes.iter().copied().max().unwrap_or(1);
    let law = borel_cumulative(largest, sigma).map_err(fail)?;
    let mut at: Vec<u64> = (0..40).map(|k| 1.3_f64.powi(k) as u64).filter(|s| *s <= largest).collect();
    at.dedup();
    let share = |s: u64| sizes.iter().filter(|x| **x >= s).count() as f64 / sizes.len() as f64;
    let point = |s: u64, p: f64| ((s as f64).log10(), p.log10());
    Ok([
        Series {
            name: format!("network, sigma {sigma}"),
            points: at.iter().map(|s| point(*s, share(*s))).collect(),
        },
        Series {
            name: format!("law, sigma {sigma}"),
            points: at.iter().map(|s| point(*s, (1.0 - law[*s as usize - 1]).max(1e-12))).collect(),
        },
    ])
}

/// Does the estimator of the branching ratio return the ratio that was set? Where all neurons of a critical network fire at
/// once they go on for ever, which says nothing: the activity is cut before.
fn ratios(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    const NEURONS: u64 = 20_000;
    let steps = plan.pick(400_000, 2_000_000, 4_000_000);
    let sigmas = [0.5, 0.8, 0.9, 1.0];
    let found = sigmas
        .par_iter()
        .map(|sigma| {
            let network = UniformPif::new(NEURONS, *sigma).map_err(fail)?;
            let mut activity = network.activity(steps, EVENTS / NEURONS as f64, plan.seed).map_err(fail)?;
            let end = activity.iter().position(|k| u64::from(*k) == NEURONS).unwrap_or(steps);
            activity.truncate(end);
            let ratio = |how| branching_ratio(&activity, how).map_err(fail);
            let sizes: Vec<u64> = avalanches(&activity).iter().map(|a| a.size).collect();
            let exponent = power_law(&sizes, 1).map_err(fail)?.alpha;
            Ok((ratio(Branching::MeanOfRatios)?, ratio(Branching::RatioOfSums)?, exponent, end))
        })
        .collect::<Result<Vec<(f64, f64, f64, usize)>>>()?;
    for (sigma, (ratio, sums, exponent, end)) in sigmas.iter().zip(found) {
        outcome.measurements.push(
            Measurement::within(
                &format!("branching ratio of probabilistic neurons, sigma {sigma}"),
                ratio,
                sigma - 0.03,
                sigma + 0.03,
            )
            .baseline(sums)
            .seeds(&plan.seeds(1))
            .note(format!(
                "{NEURONS} neurons, {EVENTS} events a step, {end} steps; baseline: ratio of sums, in which large avalanches weigh \
                 more; exponent of the sizes {exponent:.2}, which does not tell the ratios apart"
            )),
        );
    }
    Ok(())
}
