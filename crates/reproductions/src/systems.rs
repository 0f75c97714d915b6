//! One module per paper, named after its sheet.

#[cfg(feature = "geometry")]
pub mod s26_trsa;
#[cfg(feature = "bio")]
#[cfg_attr(not(test), allow(dead_code, reason = "the system's own module calls it"))]
mod s32_activity;
