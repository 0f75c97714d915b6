//! One module per paper, named after its sheet.

#[cfg(feature = "geometry")]
pub mod s26_trsa;
