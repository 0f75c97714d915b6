//! One module per paper, named after its sheet.

#[cfg(feature = "llm")]
pub mod s01_send_ees;
#[cfg(feature = "llm")]
pub mod s02_document_membership;
#[cfg(feature = "llm")]
pub mod s03_language_neurons;
#[cfg(feature = "llm")]
pub mod s04_coreinfer;
#[cfg(feature = "llm")]
pub mod s05_foxp2;
#[cfg(feature = "llm")]
pub mod s06_relation_neurons;
#[cfg(feature = "snn")]
pub mod s11_stdp_homeostasis;
#[cfg(feature = "snn")]
pub mod s13_pspm;
#[cfg(feature = "snn")]
pub mod s16_semantic_learning;
#[cfg(feature = "geometry")]
pub mod s26_trsa;
#[cfg(feature = "bio")]
pub mod s32_homogenized_worm;
