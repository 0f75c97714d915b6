//! Homogenized C. elegans Neural Activity and Connectivity Data

use crate::{Card, Outcome, Plan, Reproduction, Result};

/// The reproduction of sheet 32-homogenized-worm.
pub struct HomogenizedWorm;

impl Reproduction for HomogenizedWorm {
    fn card(&self) -> Card {
        Card {
            id: "32-homogenized-worm",
            title: "Homogenized C. elegans Neural Activity and Connectivity Data",
            krate: "bio-data",
            claim: "Recordings and connectomes from many sources share one layout, and their structure agrees across animals.",
        }
    }

    fn run(&self, _plan: &Plan) -> Result<Outcome> {
        Ok(Outcome::default())
    }
}
