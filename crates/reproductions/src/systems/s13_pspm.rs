//! Pre-Synaptic Pool Modification (Bagley, Bordelon, Moseley, Wessel 2020).
//!
//! A student network of integrate-and-fire neurons is taught the spikes of a reference with other weights: by local updates,
//! by homeostatic ones, by both, and by controls (targets with shuffled intervals, pools drawn at random). Are spikes
//! learned, and are weights? Probabilistic networks: do their avalanches follow the law of branching processes? And does
//! homeostasis towards the spikes of a critical one make a student's avalanches like its?

mod avalanches;
mod critical;
mod learning;

use crate::{Card, Error, Outcome, Plan, Reproduction, Result};

const ID: &str = "13-pspm";

/// The reproduction of sheet 13-pspm.
pub struct Pspm;

impl Reproduction for Pspm {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Pre-Synaptic Pool Modification (PSPM): A supervised learning procedure for recurrent spiking neural networks",
            krate: "snn",
            claim: "Strengthening and weakening whoever fired just before makes a recurrent network fire given trains without \
                    recovering the weights behind them; homeostasis alone matches rates and avalanches.",
        }
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome = Outcome {
            data: vec![
                "integrate-and-fire networks of random weights under random input, and their spikes (generated)".to_owned(),
                "probabilistic networks and their avalanches (generated)".to_owned(),
            ],
            ..Outcome::default()
        };
        learning::run(plan, &mut outcome)?;
        avalanches::run(plan, &mut outcome)?;
        critical::run(plan, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// The greatest of values.
fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The least of values.
fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
