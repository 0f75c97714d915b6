//! The verbs, one module per domain.

#[cfg(feature = "bio")]
pub(crate) mod bio;
pub(crate) mod devices;
#[cfg(feature = "geometry")]
pub(crate) mod geometry;
#[cfg(feature = "llm")]
pub(crate) mod llm;
pub(crate) mod reproduce;
pub(crate) mod schema;
#[cfg(feature = "snn")]
pub(crate) mod snn;
