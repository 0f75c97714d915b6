//! Homogenized C. elegans Neural Activity and Connectivity Data (Simeon et al. 2024).
//!
//! The data paper's two halves, one module each. Generated data always run; published connectomes join where they are
//! found.

mod activity;
mod connectome;

use crate::{Card, Error, Outcome, Plan, Reproduction, Result};

const ID: &str = "32-homogenized-worm";

/// The reproduction of sheet 32-homogenized-worm.
pub struct HomogenizedWorm;

impl Reproduction for HomogenizedWorm {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Homogenized C. elegans Neural Activity and Connectivity Data",
            krate: "bio-data",
            claim: "Brought onto 300 labels, the connectomes of different worms share their structure, and a consensus \
                    with provenance and uncertainty can be made of them; brought onto one time step, so do recordings of \
                    their activity.",
        }
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        connectome::connectome(plan, &mut outcome)?;
        activity::activity(plan, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}
