//! Relation neurons: MLP outputs that tell prompts about one relation from prompts about others.
//!
//! **Method** (Liu et al. 2025, after Cuadros et al. 2022 and Kojima et al. 2024). A neuron is one output unit of a linear
//! map of an MLP: gate (before its non-linearity), up or down. Its response to a prompt is the mean over the prompt's
//! tokens ([`pool_mean`]). With prompts about the relation as positives and four times as many about others as negatives,
//! a neuron's expertise is the average precision of its responses ([`average_precision`]); the k neurons of highest
//! expertise are the relation's ([`top_neurons`]). They are then switched off, and what happens to facts of the same
//! relation is held against what happens to others and to what as many random neurons do ([`DropMatrix`]).
//!
//! [`collect_responses`] makes the responses from a model and prompts; [`Recall`] asks for facts with neurons off.
//! [`find_relation_neurons`] goes the whole way, from facts to a neuron-set file.
//!
//! ```
//! use llm_neurons::relation::{Expert, MlpSite, NeuronId, Pick, Responses, expertise, top_neurons};
//! use ndarray::Array2;
//! # fn main() -> llm_neurons::Result<()> {
//! // 60 prompts, 5 units; the first 12 prompts are the relation's, and unit 3 is high for them.
//! let labels: Vec<bool> = (0..60).map(|e| e < 12).collect();
//! let values = Array2::from_shape_fn((60, 5), |(e, u)| if u == 3 && e < 12 { 2.0 } else { (e * (u + 7) % 11) as f32 / 11.0 });
//! let ids = (0..5).map(|unit| NeuronId { layer: 0, site: MlpSite::GateOut, unit }).collect();
//! let experts = expertise(&Responses::new(values, ids)?, &labels)?;
//! let top: Vec<Expert> = top_neurons(&experts, 1, Pick::Top)?;
//! assert_eq!((top[0].id.unit, top[0].ap), (3, 1.0));
//! # Ok(())
//! # }
//! ```

mod answer;
mod drop_matrix;
mod examples;
mod expertise;
mod facts;
mod neurons;
mod pool;
mod precision;
mod questions;
mod recall;
mod record;
mod search;
mod split;

pub use answer::{AnswerRule, answers};
pub use drop_matrix::{Cumulativity, DropMatrix, cumulativity};
pub use examples::{Examples, LEAST_POSITIVES, NEGATIVES_PER_POSITIVE, examples};
pub use expertise::{Expert, Responses, expertise};
pub use facts::{Fact, LreOptions, RelationSet, lre_files};
pub use neurons::{MlpSite, NeuronId, Pick, neuron_set, overlap, random_neurons, top_neurons};
pub use pool::{pool_mean, pool_means};
pub use precision::average_precision;
pub use questions::{AnswerConfig, answered, question};
pub use recall::{Drops, Means, Question, Recall, Recalled};
pub use record::{collect_responses, deactivate, mlp_sites, neurons_of};
pub use search::{RelationNeurons, SearchConfig, all_experts, find_relation_neurons, relation_set};
pub use split::Split;
