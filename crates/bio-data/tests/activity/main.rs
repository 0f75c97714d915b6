//! The homogenisation of recordings: golden values, properties, files, real data.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]

mod files;
mod golden;
mod properties;
mod real;

use std::path::{Path, PathBuf};

use bio_data::activity::RawRecording;
use ndarray::Array2;

/// A file of the shipped fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/32-homogenized-worm").join(name)
}

/// A made-up recording of `neurons` neurons, the first five labelled.
fn made_up(samples: usize, neurons: usize, step_s: f64) -> RawRecording {
    let labels = ["VB01", "AVAR", "AVAL", "AS10", "RMED"];
    RawRecording {
        source: "MadeUp2026".to_owned(),
        worm: "worm0".to_owned(),
        file: "made-up.npz".to_owned(),
        times_s: (0..samples)
            .map(|i| 7.0 + step_s * (i as f64 + 0.2 * ((i * 7919) % 10) as f64 / 10.0))
            .collect(),
        traces: Array2::from_shape_fn((samples, neurons), |(i, n)| {
            (0.03 * (n + 1) as f64 * i as f64).sin() + 0.3 * (0.41 * i as f64 + n as f64).cos() + n as f64
        }),
        names: (0..neurons).map(|n| labels.get(n).map(|l| (*l).to_owned())).collect(),
    }
}
