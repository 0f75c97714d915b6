//! The Topology and Geometry of Neural Representations

use crate::{Card, Outcome, Plan, Reproduction, Result};

/// The reproduction of sheet 26-trsa.
pub struct Trsa;

impl Reproduction for Trsa {
    fn card(&self) -> Card {
        Card {
            id: "26-trsa",
            title: "The Topology and Geometry of Neural Representations",
            krate: "neural-geometry",
            claim: "Geo-topological matrices identify a representation about as well as the full RDM while discarding metric detail.",
        }
    }

    fn run(&self, _plan: &Plan) -> Result<Outcome> {
        Ok(Outcome::default())
    }
}
