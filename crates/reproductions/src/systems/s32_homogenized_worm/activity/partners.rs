//! Real recordings: do a neuron and its partner on the other side of the body, found by name after homogenisation, go
//! together more than other pairs?

use std::path::Path;

use bio_data::activity::{Grid, Homogenizer, NeuronLabels, RawKeys, RawRecording, Trace, WormRecording};
use ndarray::{Array2, ArrayView1};
use numerics::correlation::pearson;
use numerics::rng::{permutation, stream};
use numerics::summary::mean;
use rayon::prelude::*;

use super::super::fail;
use super::calcium;
use crate::figure::{Series, bars, scatter};
use crate::{Error, Measurement, Outcome, Plan, Result};

/// Command neurons that the README of the data vouches for, and the range over its animals of their correlation, in
/// traces as they were recorded.
const COMMAND: [(&str, &str); 2] = [("AVA", "0.93 to 0.99"), ("AVE", "0.94 to 0.96")];

/// What one worm says.
struct Worm {
    name: String,
    /// Stems of the neurons that are labelled on both sides (`AVA`).
    stems: Vec<String>,
    /// `[left, right]`: correlation of every left neuron with every right one; partners on the diagonal.
    sides: Array2<f64>,
    /// Stem and correlation of command neurons in the traces as they were recorded.
    recorded: Vec<(String, f64)>,
}

impl Worm {
    /// Mean correlation of left neurons with the right ones dealt to them.
    fn dealt(&self, order: &[usize]) -> f64 {
        mean(&order.iter().enumerate().map(|(i, j)| self.sides[[i, *j]]).collect::<Vec<f64>>())
    }

    /// The same of the command neurons, one value each.
    fn command<'a>(&'a self, order: &'a [usize]) -> impl Iterator<Item = f64> + 'a {
        let known = |i: &usize| COMMAND.iter().any(|(stem, _)| *stem == self.stems[*i]);
        (0..self.stems.len()).filter(known).map(|i| self.sides[[i, order[i]]])
    }

    fn truth(&self) -> Vec<usize> {
        (0..self.stems.len()).collect()
    }
}

/// Correlations of left-right partners against those of partners dealt at random, in every real recording. A recording
/// that cannot be used is named, fails a measurement of its own, and leaves the others to be measured.
pub(super) fn partners(plan: &Plan, folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let found = recordings(folder)?;
    let (mut worms, mut broken) = (Vec::new(), Vec::new());
    for (name, worm) in found {
        match worm {
            Ok(worm) => worms.push(worm),
            Err(why) => broken.push(format!("{name}: {why}")),
        }
    }
    let mut usable =
        Measurement::equal("real worms: recordings that could not be used", broken.len() as f64, 0.0)
            .note(format!("{} could be used", worms.len()));
    for why in &broken {
        usable = usable.note(why.as_str());
    }
    outcome.measurements.push(usable);
    outcome.data.push(format!(
        "{} whole-brain recordings of Dag et al. 2023 (real, worm-calcium: {})",
        worms.len(),
        worms.iter().map(|w| w.name.as_str()).collect::<Vec<_>>().join(", ")
    ));
    if worms.is_empty() {
        return Ok(());
    }
    let deals = Deals::draw(plan, &worms);
    contrast(plan, &worms, &deals, outcome);
    command_neurons(plan, &worms, &deals, outcome)?;
    let series = |name: &str, values: &[f64]| Series {
        name: name.to_owned(),
        points: values.iter().enumerate().map(|(i, v)| (i as f64 + 1.0, *v)).collect(),
    };
    outcome.figures.push(scatter(
        "Partners on the two sides of the body",
        "Mean correlation of left-right partners in each worm, found by name after homogenisation, and of partners dealt at random.",
        "worm",
        "mean correlation",
        &[series("partners", &own(&worms)), series("dealt at random", &deals.by_worm)],
    )?);
    Ok(())
}

/// Partners dealt at random in every worm, again and again.
struct Deals {
    /// Mean over worms, one value a deal.
    over_worms: Vec<f64>,
    /// Mean over deals, one value a worm.
    by_worm: Vec<f64>,
    /// Mean over the command neurons of all worms, one value a deal.
    command: Vec<f64>,
}

impl Deals {
    fn draw(plan: &Plan, worms: &[Worm]) -> Self {
        let deals = plan.pick(199, 999, 4999);
        let drawn: Vec<(Vec<f64>, f64)> = (0..deals)
            .into_par_iter()
            .map(|deal| {
                let (mut each, mut known) = (Vec::new(), Vec::new());
                for worm in worms {
                    let purpose = format!("32-homogenized-worm/partners/{}", worm.name);
                    let order = permutation(&mut stream(plan.seed, &purpose, deal), worm.stems.len());
                    each.push(worm.dealt(&order));
                    known.extend(worm.command(&order));
                }
                (each, mean(&known))
            })
            .collect();
        Self {
            over_worms: drawn.iter().map(|d| mean(&d.0)).collect(),
            by_worm: (0..worms.len())
                .map(|w| mean(&drawn.iter().map(|d| d.0[w]).collect::<Vec<f64>>()))
                .collect(),
            command: drawn.iter().map(|d| d.1).collect(),
        }
    }
}

fn own(worms: &[Worm]) -> Vec<f64> {
    worms.iter().map(|w| w.dealt(&w.truth())).collect()
}

/// `(1 + #{deals at least as large}) / (1 + deals)`.
fn p_of(observed: f64, deals: &[f64]) -> f64 {
    (1 + deals.iter().filter(|d| **d >= observed).count()) as f64 / (1 + deals.len()) as f64
}

/// [`p_of`] of the first deal among the others: a control, which has any value with equal chance.
fn p_of_a_deal(deals: &[f64]) -> f64 {
    deals.split_first().map_or(f64::NAN, |(first, others)| p_of(*first, others))
}

/// All partners: over worms as they would come again, and over deals.
fn contrast(plan: &Plan, worms: &[Worm], deals: &Deals, outcome: &mut Outcome) {
    let own = own(worms);
    let gaps: Vec<f64> = own.iter().zip(&deals.by_worm).map(|(a, b)| a - b).collect();
    outcome.measurements.push(
        Measurement::lower_bound("real worms: left-right partners minus shuffled ones (lower bound)", &gaps, 0.0)
            .baseline(mean(&own))
            .control(mean(&deals.by_worm))
            .seeds(&[plan.seed])
            .note(format!(
                "{} worms are the draws; baseline: mean correlation of partners (the data's README: .5 to .58 in traces as \
                 recorded), control: of partners dealt at random ({} deals)",
                worms.len(),
                deals.over_worms.len()
            )),
    );
    outcome.measurements.push(
        Measurement::at_most(
            "real worms: p of left-right partners",
            p_of(mean(&own), &deals.over_worms),
            0.05,
        )
        .control(p_of_a_deal(&deals.over_worms))
        .seeds(&[plan.seed])
        .note("deals whose mean over worms is at least that of the true partners; control: the first deal among the others"),
    );
}

/// The neurons that the README names.
fn command_neurons(plan: &Plan, worms: &[Worm], deals: &Deals, outcome: &mut Outcome) -> Result<()> {
    let known: Vec<f64> = worms.iter().flat_map(|w| w.command(&w.truth()).collect::<Vec<f64>>()).collect();
    let title = "real worms: p of AVAL-AVAR and AVEL-AVER";
    if known.is_empty() {
        outcome.measurements.push(
            Measurement::at_most(title, f64::NAN, 0.05).note("no worm has both sides of AVA or AVE labelled"),
        );
        return Ok(());
    }
    let mut line = Measurement::at_most(title, p_of(mean(&known), &deals.command), 0.05)
        .control(p_of_a_deal(&deals.command))
        .seeds(&[plan.seed])
        .note(format!(
            "{} pairs found by name, after homogenisation {:.3} on average, dealt at random {:.3}",
            known.len(),
            mean(&known),
            mean(&deals.command)
        ));
    let mut shown = Vec::new();
    for (stem, cited) in COMMAND {
        let of: Vec<f64> =
            worms.iter().flat_map(|w| &w.recorded).filter(|(s, _)| s == stem).map(|(_, r)| *r).collect();
        shown.extend(of.iter().enumerate().map(|(i, r)| (format!("{stem} {}", i + 1), *r)));
        let low = of.iter().copied().fold(f64::INFINITY, f64::min);
        let high = of.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        line = line.note(format!("{stem} as recorded {low:.3} to {high:.3} (the data's README: {cited})"));
    }
    outcome.measurements.push(line);
    outcome.figures.push(bars(
        "Command neurons of the two sides",
        "Correlation of AVAL with AVAR and of AVEL with AVER in the traces of each worm as they were recorded.",
        "correlation",
        &shown,
    )?);
    Ok(())
}

/// Every recording of the folder that has a label table, by name: what it says or why it says nothing.
fn recordings(folder: &Path) -> Result<Vec<(String, Result<Worm>)>> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    let mut names: Vec<String> = entries
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().strip_suffix(".safetensors")?.to_owned()))
        .filter(|n| folder.join(format!("{n}.labels.csv")).is_file())
        .collect();
    names.sort_unstable();
    let config = Homogenizer::default();
    Ok(names
        .into_par_iter()
        .map(|name| {
            let worm = open(folder, &name).and_then(|raw| {
                let worm = config.process(&raw).map_err(fail)?;
                read(&name, &worm)
            });
            (name, worm)
        })
        .collect())
}

fn open(folder: &Path, name: &str) -> Result<RawRecording> {
    let labels = NeuronLabels::read_csv(&folder.join(format!("{name}.labels.csv"))).map_err(fail)?;
    let path = folder.join(format!("{name}.safetensors"));
    let raw = RawRecording::open(&path, "Dag2023", name, &RawKeys::default()).map_err(fail)?;
    raw.with_labels(&labels, false).map_err(fail)
}

fn read(name: &str, worm: &WormRecording) -> Result<Worm> {
    let sides = sides(worm);
    if sides.len() < 2 {
        return Err(fail("fewer than two neurons are labelled on both sides"));
    }
    let z = calcium(worm)?;
    let wide = |row: ArrayView1<'_, f32>| row.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let left: Vec<Vec<f64>> = sides.iter().map(|s| wide(z.row(s.1))).collect();
    let right: Vec<Vec<f64>> = sides.iter().map(|s| wide(z.row(s.2))).collect();
    let n = sides.len();
    let all = (0..n * n)
        .map(|at| pearson(&left[at / n], &right[at % n]).map_err(fail))
        .collect::<Result<Vec<f64>>>()?;
    let mut recorded = Vec::new();
    if let Some(x) = worm.trace(Trace::Calcium, Grid::Original) {
        for (stem, l, r) in sides.iter().filter(|s| COMMAND.iter().any(|c| c.0 == s.0)) {
            recorded.push((stem.clone(), pearson(&wide(x.row(*l)), &wide(x.row(*r))).map_err(fail)?));
        }
    }
    Ok(Worm {
        name: name.to_owned(),
        stems: sides.into_iter().map(|s| s.0).collect(),
        sides: Array2::from_shape_vec((n, n), all).map_err(fail)?,
        recorded,
    })
}

/// Stem, left row and right row of the neurons that are labelled on both sides.
fn sides(worm: &WormRecording) -> Vec<(String, usize, usize)> {
    let labelled = |name: &str| worm.row(name).filter(|r| worm.neurons[*r].labelled);
    worm.neurons
        .iter()
        .filter_map(|left| {
            let stem = left.name.strip_suffix('L').filter(|_| left.labelled)?;
            Some((stem.to_owned(), labelled(&left.name)?, labelled(&format!("{stem}R"))?))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
mod tests {
    use super::*;
    use crate::Tier;

    fn plan() -> Plan {
        Plan { tier: Tier::Ci, seed: 1, data: crate::data::root(), device: "cpu".to_owned() }
    }

    fn real() -> Option<std::path::PathBuf> {
        let folder = crate::data::root().map(|d| d.join("worm-calcium")).filter(|f| f.is_dir());
        if folder.is_none() {
            assert!(
                std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
                "NEUROPIL_REQUIRE_DATA=1, and there is no worm-calcium"
            );
            eprintln!("SKIPPED: no worm-calcium, real worms were not looked at");
        }
        folder
    }

    #[test]
    fn partners_of_real_worms_go_together() {
        let Some(folder) = real() else { return };
        let mut outcome = Outcome::default();
        partners(&plan(), &folder, &mut outcome).unwrap();
        assert_eq!(outcome.measurements.len(), 4);
        for m in &outcome.measurements {
            assert!(m.holds, "{m:?}");
        }
    }

    #[test]
    fn a_worm_that_cannot_be_used_is_named_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::write(at.join("bad.safetensors"), b"no tensors").unwrap();
        std::fs::write(at.join("bad.labels.csv"), "column,label\n0,AVAL\n").unwrap();
        let measured = || {
            let mut outcome = Outcome::default();
            partners(&plan(), at, &mut outcome).unwrap();
            outcome
        };
        let alone = measured();
        let first = &alone.measurements[0];
        assert!(!alone.holds() && first.value == 1.0, "{first:?}");
        assert!(first.note.as_deref().is_some_and(|n| n.contains("bad: ")), "{first:?}");
        let Some(real) = real() else { return };
        for file in ["2022-08-02-31.safetensors", "2022-08-02-31.labels.csv"] {
            std::fs::copy(real.join(file), at.join(file)).unwrap();
        }
        let both = measured();
        assert_eq!(both.measurements.len(), 4);
        assert!(!both.measurements[0].holds && both.measurements[2].holds, "{:?}", both.measurements);
    }

    #[test]
    fn p_counts_the_true_partners_as_one_deal() {
        assert_eq!(p_of(0.5, &[0.1, 0.5, 0.7]), 0.75);
        assert_eq!(p_of(0.9, &[0.1; 19]), 0.05);
        let worm = Worm {
            name: "x".into(),
            stems: vec!["AIA".into(), "AVA".into()],
            sides: Array2::from_shape_vec((2, 2), vec![0.8, 0.1, 0.3, 0.9]).unwrap(),
            recorded: Vec::new(),
        };
        assert!(
            (worm.dealt(&[1, 0]) - 0.2).abs() < 1e-12 && (worm.dealt(&worm.truth()) - 0.85).abs() < 1e-12
        );
        assert_eq!(worm.command(&[1, 0]).collect::<Vec<_>>(), [0.3]);
    }
}
