//! The list of reproductions and how one is found.

use crate::{Error, Outcome, Plan, Result};

/// What a reproduction is about.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The sheet's name, for example `26-trsa`; its number alone finds it too.
    pub id: &'static str,
    /// The paper's title.
    pub title: &'static str,
    /// The crate that implements it.
    pub krate: &'static str,
    /// The published claim in one sentence.
    pub claim: &'static str,
}

/// One paper's experiment.
pub trait Reproduction: Sync {
    /// What it is about.
    fn card(&self) -> Card;

    /// Whether it computes on [`Plan::device`]; the others run on the processor.
    fn tensors(&self) -> bool {
        false
    }

    /// Runs the experiment at the size the plan asks for.
    ///
    /// # Errors
    /// When the experiment could not be run; a claim that does not hold is an [`Outcome`], not an error.
    fn run(&self, plan: &Plan) -> Result<Outcome>;
}

/// Every reproduction that this build contains, in the order of their numbers.
#[must_use]
pub fn all() -> Vec<&'static dyn Reproduction> {
    vec![
        #[cfg(feature = "llm")]
        &crate::systems::s01_send_ees::SendEes,
        #[cfg(feature = "llm")]
        &crate::systems::s02_document_membership::DocumentMembership,
        #[cfg(feature = "llm")]
        &crate::systems::s03_language_neurons::LanguageNeurons,
        #[cfg(feature = "llm")]
        &crate::systems::s04_coreinfer::CoreInfer,
        #[cfg(feature = "llm")]
        &crate::systems::s05_foxp2::NeuralFoxp2,
        #[cfg(feature = "llm")]
        &crate::systems::s06_relation_neurons::RelationNeurons,
        #[cfg(feature = "snn")]
        &crate::systems::s11_stdp_homeostasis::StdpHomeostasis,
        #[cfg(feature = "snn")]
        &crate::systems::s13_pspm::Pspm,
        #[cfg(feature = "snn")]
        &crate::systems::s16_semantic_learning::SemanticLearning,
        #[cfg(feature = "geometry")]
        &crate::systems::s26_trsa::Trsa,
        #[cfg(feature = "bio")]
        &crate::systems::s32_homogenized_worm::HomogenizedWorm,
    ]
}

/// The reproduction with this id or number (`26-trsa`, `26`, `1`, `01`).
///
/// # Errors
/// [`Error::Unknown`] with the ids that resemble it.
pub fn find(wanted: &str) -> Result<&'static dyn Reproduction> {
    let number = |id: &str| id.split('-').next().map(|n| n.trim_start_matches('0').to_owned());
    let known = all();
    known
        .iter()
        .copied()
        .find(|r| {
            r.card().id == wanted || number(r.card().id).as_deref() == Some(wanted.trim_start_matches('0'))
        })
        .ok_or_else(|| {
            let near: Vec<&str> = known
                .iter()
                .map(|r| r.card().id)
                .filter(|id| {
                    id.split('-').any(|part| wanted.split('-').any(|w| !w.is_empty() && part.starts_with(w)))
                })
                .collect();
            let near = if near.is_empty() { known.iter().map(|r| r.card().id).collect() } else { near };
            Error::Unknown { wanted: wanted.to_owned(), near: near.join(", ") }
        })
}
