//! A report with what stretches a layout, for the test of its structure and for the look at it in a browser.

use reproductions::figure::{Series, bars, heatmap, lines, scatter};
use reproductions::report::Section;
use reproductions::{Card, Measurement, Outcome};

/// Systems of the page, as many as there are sheets.
pub(crate) const SYSTEMS: usize = 41;

/// A page with what stretches a layout: long names, long words, every kind of figure, failures.
pub(crate) fn sections() -> Vec<Section> {
    let card = |i: usize| -> Card {
        let id =
            format!("{:02}-{}", i + 1, ["trsa", "homogenized-worm", "most-discriminative-stimuli"][i % 3]);
        Card {
            id: Box::leak(id.into_boxed_str()),
            title: "A title as papers have them, about the topology and geometry of neural representations",
            krate: "neural-geometry",
            claim: "Geo-topological matrices tell layers apart about as well as ranked RDMs while keeping less of them, \
                    and geodesic ones bring curves of one topology together.",
        }
    };
    let run: Vec<(String, String)> = [
        ("version", "0.1.0"),
        ("commit", "0123456789ab"),
        ("device", "cpu"),
        ("seed", "0"),
        ("threads", "2"),
        ("seconds", "2.31"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    (0..SYSTEMS)
        .map(|i| {
            let outcome = if i == 2 {
                Err("/data/a/very/long/path/without/any/space/2022-08-02-31-data.safetensors: no such file"
                    .to_owned())
            } else {
                Ok(outcome(i))
            };
            Section { card: card(i), outcome, run: run.clone() }
        })
        .collect()
}

fn outcome(i: usize) -> Outcome {
    let line = |name: &str, slope: f64| Series {
        name: name.to_owned(),
        points: (0..8).map(|x| (f64::from(x), slope * f64::from(x * x))).collect(),
    };
    let series = [line("ranked RDM", 0.1), line("ramp (0.2, 0.8)", 0.2), line("raw RDM", -0.1)];
    let values =
        |n: usize| -> Vec<(String, f64)> { (0..n).map(|k| (format!("layer {k}"), k as f64)).collect() };
    let matrix: Vec<Vec<Option<f64>>> =
        (0..20).map(|r| (0..20).map(|c| (r != c).then(|| f64::from(r * c))).collect()).collect();
    let figures = match i % 4 {
        0 => lines(
            "Accuracy under noise",
            "Mean over draws.",
            "noise (standard deviations)",
            "accuracy",
            &series,
        ),
        1 => scatter("Descriptors", "One point a network.", "first axis", "second axis", &series),
        2 => bars("Accuracy by layer", "Chance is 0.2.", "accuracy", &values(5)),
        _ => heatmap("Dissimilarities", "Stimuli in the order of the file.", &matrix),
    };
    let seeds: Vec<u64> = (0..20).collect();
    Outcome {
        measurements: vec![
            Measurement::at_least("layer identification, ramp (0.2, 0.8), noise 0.6", 0.527, 0.45)
                .baseline(0.554)
                .control(0.203)
                .seeds(&seeds)
                .ci95(0.51, 0.544)
                .note("chance 0.2; baseline: ranked RDM; control: labels permuted"),
            Measurement::at_most(
                "greatest_absolute_difference_from_the_published_code_in_any_array",
                3.1e-16,
                1e-12,
            ),
            Measurement::within("curves: topology over geometry", if i == 4 { 7.0 } else { 0.67 }, 0.5, 1.0),
            Measurement::equal("edges", 3145.0, 3145.0),
        ],
        figures: vec![figures.unwrap()],
        data: vec![
            "four closed curves (shipped, tadasets)".to_owned(),
            "NEUROPIL_DATA/worm-connectomes/SI 5 Connectome adjacency matrices.xlsx (real)".to_owned(),
        ],
    }
}
