//! One module per paper, named after its sheet.

#[cfg(feature = "geometry")]
pub mod s26_trsa;
#[cfg(feature = "bio")]
pub mod s32_homogenized_worm;
