//! How strong may untrained input be before the network follows it?

use numerics::rng::{stream, subset};
use numerics::summary::mean;
use rayon::prelude::*;
use snn::semantic::{AfferentParams, BarsStimulus, DhanParams, Gate, Trace};

use super::{fail, ring};
use crate::figure::{Series, lines};
use crate::{Measurement, Outcome, Plan, Result};

/// Multiples of the untrained weights, v <= 0.05.
const SCALES: [f64; 8] = [0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// A transition counts as aligned so long after the input changed.
const WINDOW: f64 = 25.0;

/// What input of one strength does, means over seeds.
struct Level {
    dwell: f64,
    regularity: f64,
    unaligned: f64,
    /// The same share for change times drawn at random.
    unaligned_by_chance: f64,
}

/// Dwell time, order and alignment with input changes, by the strength of untrained input.
pub(super) fn strength(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(1, 3, 10));
    let duration = plan.pick(10_000.0, 30_000.0, 50_000.0);
    let levels = SCALES.iter().map(|s| level(*s, duration, &seeds)).collect::<Result<Vec<Level>>>()?;
    let (none, weak, strong) = (&levels[0], &levels[3], &levels[7]);
    let dwell = (weak.dwell / none.dwell - 1.0).abs();
    let note = format!("T = {duration}; input of no strength: dwell {:.1}", none.dwell);
    outcome.measurements.extend([
        Measurement::at_most("weak input: relative change of the dwell time", dwell, 0.15)
            .control((strong.dwell / none.dwell - 1.0).abs())
            .note(format!("{note}, untrained input: {:.1}; control: 20 x", weak.dwell)),
        Measurement::at_most(
            "weak input: share of transitions out of the usual order",
            1.0 - weak.regularity,
            0.15,
        )
        .baseline(1.0 - none.regularity)
        .control(1.0 - strong.regularity)
        .note("baseline: no input; control: 20 x"),
        Measurement::at_most(
            "strong input: autonomy at 20 x the untrained weights",
            strong.unaligned,
            weak.unaligned,
        )
        .baseline(weak.unaligned)
        .control(strong.unaligned_by_chance)
        .note("share of transitions later than 25 after a change of the input; target and baseline: 1 x; control: change \
               times drawn at random"),
    ]
    .map(|m| m.seeds(&seeds)));
    let points = |f: &dyn Fn(&Level) -> f64| SCALES.iter().zip(&levels).map(|(s, l)| (*s, f(l))).collect();
    let series = [
        ("not aligned with input", points(&|l| l.unaligned)),
        ("by chance", points(&|l| l.unaligned_by_chance)),
        ("usual order", points(&|l| l.regularity)),
        ("dwell over that without input", points(&|l| l.dwell / none.dwell)),
    ]
    .map(|(name, points)| Series { name: name.to_owned(), points });
    outcome.figures.push(lines(
        "Autonomy against the strength of untrained input",
        "Shares of transitions, and relative dwell time, with afferents drawn from 0 to 0.05 times the strength.",
        "strength",
        "share",
        &series,
    )?);
    Ok(())
}

fn level(scale: f64, duration: f64, seeds: &[u64]) -> Result<Level> {
    let traces = seeds
        .par_iter()
        .map(|seed| {
            let p =
                AfferentParams { initial_max: 0.05 * scale, gate: Gate::Off, ..AfferentParams::default() };
            let net = ring(1, DhanParams::default(), *seed)?;
            let mut net = net.with_afferents(p, *seed).map_err(fail)?;
            let mut bars = BarsStimulus::new(5, 0.1, 100.0, *seed).map_err(fail)?;
            Ok((*seed, net.run(duration, &mut bars).map_err(fail)?))
        })
        .collect::<Result<Vec<(u64, Trace)>>>()?;
    let over = |f: &dyn Fn(&(u64, Trace)) -> f64| mean(&traces.iter().map(f).collect::<Vec<_>>());
    Ok(Level {
        dwell: over(&|(_, t)| t.sequence.mean_dwell()),
        regularity: over(&|(_, t)| t.sequence.regularity()),
        unaligned: over(&|(_, t)| 1.0 - t.sequence.aligned(&t.input_changes, WINDOW)),
        unaligned_by_chance: over(&|(seed, t)| {
            let mut draws = stream(*seed, "16-semantic-learning/changes", 0);
            let times = subset(&mut draws, duration as usize, t.input_changes.len());
            let times: Vec<f64> = times.into_iter().map(|c| c as f64).collect();
            1.0 - t.sequence.aligned(&times, WINDOW)
        }),
    })
}
