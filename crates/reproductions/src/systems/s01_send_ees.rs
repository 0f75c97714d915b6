//! Hallucination Detox: Sensitivity Dropout and Efficient EigenScore

use crate::{Card, Outcome, Plan, Reproduction, Result};

/// The reproduction of sheet 01-send-ees.
pub struct SendEes;

impl Reproduction for SendEes {
    fn card(&self) -> Card {
        Card {
            id: "01-send-ees",
            title: "Hallucination Detox: Sensitivity Dropout and Efficient EigenScore",
            krate: "llm-neurons",
            claim: "A Chebyshev expansion of the density of states tracks the exact EigenScore without an eigendecomposition.",
        }
    }

    fn run(&self, _plan: &Plan) -> Result<Outcome> {
        Ok(Outcome::default())
    }
}
