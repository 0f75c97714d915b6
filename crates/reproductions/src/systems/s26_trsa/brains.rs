//! Real data: RDMs of 92 images in human and monkey inferior temporal cortex, and of models (Kriegeskorte et al. 2008).

use std::path::Path;

use ndarray::{Array2, Axis, Ix2};
use neural_geometry::{Comparison, Rdm, RsaPlan, compare, rsa};
use numerics::rng::{permutation, stream};
use recordings::arrays::ArrayFile;

use super::fail;
use crate::{Measurement, Outcome, Plan, Result};

/// Model, Spearman's correlation of its RDM with the mean human one.
///
/// Average ranks for ties, as SciPy computes them. The two-valued animacy model gets 0.52, the figure that comes with
/// the data, when its ties are ranked in the order of the pairs.
const MODELS: [(&str, &str, f64); 5] = [
    ("model.animacy", "animacy", 0.588),
    ("fig1.mIT_674neurons", "monkey IT", 0.439),
    ("model.EVA", "EVA", 0.354),
    ("model.HMAX", "HMAX", 0.101),
    ("model.V1", "V1", 0.039),
];

/// Compares the RDMs, if the data are there.
pub(super) fn compare_brains(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let Some(path) =
        plan.data.as_ref().map(|d| d.join("rdm-92images/rdms.safetensors")).filter(|p| p.is_file())
    else {
        outcome.data.push("rdm-92images not found (NEUROPIL_DATA): its comparisons are left out".to_owned());
        return Ok(());
    };
    outcome
        .data
        .push("RDMs of 92 images in human and monkey IT and in models (real, rdm-92images)".to_owned());
    let file = ArrayFile::open(&path).map_err(fail)?;
    let sessions = sessions(&file, &path)?;
    let mean = Rdm::from_condensed(
        (0..sessions[0][0].condensed().len())
            .map(|i| sessions.iter().flatten().map(|r| r.condensed()[i]).sum::<f64>() / 8.0)
            .collect(),
    )
    .map_err(fail)?;
    let seeds = plan.seeds(1);
    let draws = plan.pick(200, 1000, 10_000);
    let plan = RsaPlan { bootstraps: draws, permutations: draws - 1, seed: plan.seed };
    for (key, name, expected) in MODELS {
        let model = condensed(&file.read_f64_2(key).map_err(fail)?)?;
        let found = rsa(&mean, &model, Comparison::Spearman, &plan).map_err(fail)?;
        let order = permutation(&mut stream(plan.seed, "26-trsa/stimuli", 0), model.stimuli());
        let shuffled = model.subset(&order).map_err(fail)?;
        let control = compare(&mean, &shuffled, Comparison::Spearman).map_err(fail)?;
        let title = format!("92 images: Spearman of human IT with {name}");
        let mut line = Measurement::within(&title, found.similarity, expected - 0.005, expected + 0.005)
            .control(control)
            .seeds(&seeds);
        if let Some((low, high)) = found.ci95 {
            line = line.ci95(low, high);
        }
        let ties = if name == "animacy" { "; 0.52 with ties ranked in order of appearance" } else { "" };
        let p = found.p.unwrap_or(1.0);
        outcome.measurements.push(line.note(format!("control: stimuli permuted; p {p:.4}{ties}")));
    }
    reliability(&sessions, outcome)
}

/// Sessions of one subject resemble one another more than those of two.
fn reliability(sessions: &[Vec<Rdm>], outcome: &mut Outcome) -> Result<()> {
    let pearson = |a: &Rdm, b: &Rdm| compare(a, b, Comparison::Pearson).map_err(fail);
    let same = sessions.iter().map(|s| pearson(&s[0], &s[1])).collect::<Result<Vec<f64>>>()?;
    let mut other = Vec::new();
    for (i, first) in sessions.iter().enumerate() {
        for second in &sessions[i + 1..] {
            for a in first {
                for b in second {
                    other.push(pearson(a, b)?);
                }
            }
        }
    }
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (same, other) = (mean(&same), mean(&other));
    outcome.measurements.push(
        Measurement::within("92 images: Pearson of two sessions of one subject", same, 0.221, 0.231)
            .baseline(other)
            .note("baseline: sessions of different subjects"),
    );
    outcome.measurements.push(
        Measurement::within("92 images: Pearson of sessions of two subjects", other, 0.179, 0.189)
            .baseline(same),
    );
    Ok(())
}

/// RDMs by subject and session.
fn sessions(file: &ArrayFile, path: &Path) -> Result<Vec<Vec<Rdm>>> {
    let array = file.get("hIT_subject_session").and_then(|a| a.to_f64()).map_err(fail)?;
    if array.shape() != [4, 2, 92, 92] {
        return Err(fail(format!("{}: hIT_subject_session has shape {:?}", path.display(), array.shape())));
    }
    array
        .axis_iter(Axis(0))
        .map(|subject| {
            subject
                .axis_iter(Axis(0))
                .map(|square| condensed(&square.to_owned().into_dimensionality::<Ix2>().map_err(fail)?))
                .collect()
        })
        .collect()
}

/// The upper triangle of a square RDM.
fn condensed(square: &Array2<f64>) -> Result<Rdm> {
    let n = square.nrows();
    if square.ncols() != n {
        return Err(fail(format!("an RDM of shape {:?}", square.dim())));
    }
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| square[[i, j]]));
    Rdm::from_condensed(pairs.collect()).map_err(fail)
}
