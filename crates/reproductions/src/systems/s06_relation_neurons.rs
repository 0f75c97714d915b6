//! On Relation-Specific Neurons in Large Language Models (Liu et al. 2025).
//!
//! MLP outputs are ranked by how well they tell prompts about one relation from prompts about others; the best are set to
//! zero, and facts of subjects that took no part in the search are asked for. Three models: one set by hand, in which it is
//! known what is to be found; a small Llama that knows 1500 facts of six relations; and, at full size, Llamas trained on
//! such facts from the start, one a seed. The control is as many random outputs.

mod figures;
mod knowledge;
mod planted;
mod ranked;
mod shuffled;
mod stored;
mod trained;

use burn::tensor::Device;
use tensor_backend::DeviceSpec;

use crate::{Card, Error, Outcome, Plan, Reproduction, Result, Tier};

const ID: &str = "06-relation-neurons";

/// The reproduction of lines 2 to 5 of sheet 06-relation-neurons.
pub struct RelationNeurons;

impl Reproduction for RelationNeurons {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "On Relation-Specific Neurons in Large Language Models",
            krate: "llm-neurons",
            claim: "Some MLP neurons serve a relation whatever the entities: without them the model loses facts of that \
                    relation, more the more of them are off, and of others little.",
        }
    }

    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let device: Device = plan.device.parse::<DeviceSpec>().map_err(fail)?.open().map_err(fail)?.device;
        let mut outcome = Outcome {
            data: vec![
                "a network set by hand (generated)".to_owned(),
                "a small Llama that knows 1500 facts (shipped)".to_owned(),
            ],
            ..Outcome::default()
        };
        planted::run(plan, &device, &mut outcome)?;
        stored::run(plan, &device, &mut outcome)?;
        if plan.tier == Tier::Full {
            outcome.data.push("1500 facts of six relations, drawn anew for each seed (generated)".to_owned());
            trained::run(plan, &device, &mut outcome)?;
        }
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}
