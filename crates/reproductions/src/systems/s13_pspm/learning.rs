//! Lines 1 to 3: what local and homeostatic updates do to spikes, counts and weights.

use numerics::summary::mean;
use snn::pspm::{Condition, Experiment, PspmConfig, Run, sweep};

use super::{fail, greatest, least};
use crate::figure::{Series, bars, lines};
use crate::{Measurement, Outcome, Plan, Result};

/// Seeds that the sheet asks for.
const SEEDS: usize = 5;
const CONDITIONS: [Condition; 6] = [
    Condition::Untrained,
    Condition::Local,
    Condition::Homeostasis,
    Condition::Both,
    Condition::ShuffledTargets,
    Condition::RandomPool,
];

/// The runs of one condition, a seed each.
struct Group<'a>(Vec<&'a Run>);

impl Group<'_> {
    fn each(&self, f: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.0.iter().map(|r| f(r)).collect()
    }

    fn ratios(&self) -> Vec<f64> {
        self.each(Run::ratio)
    }

    fn gains(&self) -> Vec<f64> {
        self.each(|r| r.best.f1 - r.before.f1)
    }
}

pub(super) fn run(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(SEEDS);
    let base = PspmConfig::default();
    let experiment = Experiment::default();
    let runs = sweep(&experiment, &base, &CONDITIONS, &seeds).map_err(fail)?;
    let sparse = Experiment { density: 0.2, ..experiment };
    let sparse = sweep(&sparse, &base, &[Condition::Local], &seeds).map_err(fail)?;
    let group = |c: Condition| Group(runs.iter().filter(|r| r.condition == c).collect());
    let (local, home, both) =
        (group(Condition::Local), group(Condition::Homeostasis), group(Condition::Both));
    let (shuffled, random) = (group(Condition::ShuffledTargets), group(Condition::RandomPool));
    let untrained = group(Condition::Untrained);
    let mut push = |m: Measurement| outcome.measurements.push(m.seeds(&seeds));

    // Line 1.
    let ratios = local.ratios();
    push(
        Measurement::at_most("local: van Rossum distance after over before, greatest of the seeds", greatest(&ratios), 0.70)
            .baseline(mean(&untrained.ratios()))
            .control(mean(&random.ratios()))
            .interval_of(&ratios)
            .note(format!(
                "mean {:.3}, interval of the mean; the last epoch's weights: {:.3}; baseline: not trained; control: as many \
                 neurons drawn at random in the place of the pool",
                mean(&ratios),
                mean(&local.each(|r| r.last.van_rossum / r.before.van_rossum)),
            )),
    );
    let gains = local.gains();
    push(
        Measurement::at_least("local: gain of F1, least of the seeds", least(&gains), 0.2)
            .baseline(mean(&untrained.gains()))
            .control(mean(&random.gains()))
            .interval_of(&gains)
            .note(format!(
                "mean {:.3}, from F1 {:.3}; baseline: not trained; control: random pools",
                mean(&gains),
                mean(&local.each(|r| r.before.f1)),
            )),
    );
    let over = differences(&shuffled.ratios(), &ratios);
    push(
        Measurement::lower_bound(
            "shuffled targets minus local: ratio of distances to the true targets (lower bound)",
            &over,
            0.0,
        )
        .baseline(mean(&ratios))
        .control(mean(&shuffled.ratios()))
        .note("baseline: local; control: taught intervals in random order"),
    );

    // Line 2.
    let over = differences(&home.ratios(), &ratios);
    push(
        Measurement::at_least("homeostasis minus local: ratio of distances, mean", mean(&over), 0.1)
            .baseline(mean(&ratios))
            .control(mean(&home.ratios()))
            .interval_of(&over)
            .note("baseline: local; control: homeostasis alone"),
    );
    let count = |r: &Run| r.best.count_ratio.unwrap_or(f64::NAN);
    let counts = home.each(count);
    let last = home.each(|r| r.last.count_ratio.unwrap_or(f64::NAN));
    let before = mean(&home.each(|r| r.before.count_ratio.unwrap_or(f64::NAN)));
    let range = |values: &[f64]| format!("{:.3} to {:.3} by seed", least(values), greatest(values));
    push(
        Measurement::within("homeostasis: spikes over target spikes, mean", mean(&counts), 0.85, 1.15)
            .baseline(before)
            .control(mean(&random.each(count)))
            .interval_of(&counts)
            .note(format!(
                "weights of least van Rossum distance, which prefers few spikes: {}; baseline: before; control: random pools",
                range(&counts)
            )),
    );
    push(
        Measurement::within(
            "homeostasis, last weights: spikes over target spikes, mean",
            mean(&last),
            0.85,
            1.15,
        )
        .baseline(before)
        .control(mean(&random.each(|r| r.last.count_ratio.unwrap_or(f64::NAN))))
        .interval_of(&last)
        .note(format!("{}; baseline: before; control: random pools", range(&last))),
    );
    let apart = differences(&both.ratios(), &ratios);
    push(
        Measurement::within("both minus local: ratio of distances, mean", mean(&apart), -0.1, 0.1)
            .baseline(mean(&ratios))
            .interval_of(&apart)
            .note("the sheet's \"about the same\", taken as within 0.1; baseline: local"),
    );

    // Line 3.
    let correlations = local.each(|r| r.weight_correlation);
    push(
        Measurement::at_most(
            "local: correlation of learned with true weights, greatest of the seeds",
            greatest(&correlations),
            0.7,
        )
        .baseline(mean(&untrained.each(|r| r.weight_correlation)))
        .control(mean(&home.each(|r| r.weight_correlation)))
        .interval_of(&correlations)
        .note(format!("mean {:.3}; baseline: not trained; control: homeostasis alone", mean(&correlations))),
    );
    let f1 = local.each(|r| r.best.f1);
    push(
        Measurement::at_least(
            "local: F1 of the spikes of these weights, least of the seeds",
            least(&f1),
            0.5,
        )
        .baseline(mean(&local.each(|r| r.before.f1)))
        .control(mean(&random.each(|r| r.best.f1)))
        .interval_of(&f1)
        .note("spikes are alike while weights are not; baseline: before; control: random pools"),
    );

    let curve = |name: &str, runs: &[&Run]| Series {
        name: name.to_owned(),
        points: (0..runs.first().map_or(0, |r| r.history.len()))
            .step_by(5)
            .map(|e| (e as f64, mean(&runs.iter().map(|r| r.history[e] / r.history[0]).collect::<Vec<_>>())))
            .collect(),
    };
    outcome.figures.push(lines(
        "Learning curves",
        "Mean van Rossum distance to what was taught, over that before learning; mean over seeds.",
        "epoch",
        "distance over distance before",
        &[
            curve("local", &local.0),
            curve("homeostasis", &home.0),
            curve("both", &both.0),
            curve("random pool", &random.0),
        ],
    )?);
    let sparse = mean(&sparse.iter().map(Run::ratio).collect::<Vec<_>>());
    let mut ratios: Vec<(String, f64)> =
        [("local", &local), ("home", &home), ("both", &both), ("shuffled", &shuffled), ("random", &random)]
            .map(|(name, group)| (name.to_owned(), mean(&group.ratios())))
            .into();
    ratios.push(("sparse".to_owned(), sparse));
    outcome.figures.push(bars(
        "Distance to the true targets after learning",
        "Mean van Rossum distance with the best weights over that before; 1 is no gain. Shuffled: taught targets with shuffled \
         intervals; random: pools drawn at random; sparse: a reference with a fifth of the synapses, learned locally by a student \
         with all of them.",
        "distance over distance before",
        &ratios,
    )?);
    Ok(())
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
