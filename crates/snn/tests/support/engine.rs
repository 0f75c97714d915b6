//! What the tests of the engine share: fixtures and statistics of spikes.
#![allow(dead_code, reason = "each suite uses a part")]

use std::path::PathBuf;

use recordings::arrays::ArrayFile;
use snn::engine::Real;
use snn::engine::{Network, Population};

/// A file of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/B-snn-engine").join(name)
}

/// The arrays of a fixture.
pub(crate) fn arrays(name: &str) -> ArrayFile {
    ArrayFile::open(&fixture(name)).unwrap()
}

/// The document of a fixture.
pub(crate) fn document(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// Rates and irregularity of a population in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Firing {
    /// Mean rate in Hz.
    pub(crate) rate_hz: f64,
    /// Mean coefficient of variation of neurons with at least four spikes.
    pub(crate) cv: f64,
    /// Fraction of neurons without a spike.
    pub(crate) silent: f64,
}

/// Statistics of the recorded spikes of populations from `from_ms` to `to_ms`.
pub(crate) fn firing<R: Real>(
    net: &Network<R>,
    populations: &[Population],
    from_ms: f64,
    to_ms: f64,
) -> Firing {
    let dt = net.config().dt_ms;
    let (mut spikes, mut neurons, mut silent) = (0, 0, 0);
    let mut cvs = Vec::new();
    for population in populations {
        let size = net.about(*population).unwrap().1;
        let mut trains = vec![Vec::new(); size];
        for (step, neuron) in net.spikes_of(*population).unwrap() {
            let t = step as f64 * dt;
            if t >= from_ms && t < to_ms {
                trains[neuron as usize].push(t);
            }
        }
        neurons += size;
        spikes += trains.iter().map(Vec::len).sum::<usize>();
        silent += trains.iter().filter(|t| t.is_empty()).count();
        for train in trains.iter().filter(|t| t.len() >= 4) {
            let gaps: Vec<f64> = train.windows(2).map(|w| w[1] - w[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let var = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            cvs.push(var.sqrt() / mean);
        }
    }
    Firing {
        rate_hz: spikes as f64 / neurons as f64 / (to_ms - from_ms) * 1e3,
        cv: cvs.iter().sum::<f64>() / cvs.len() as f64,
        silent: silent as f64 / neurons as f64,
    }
}
