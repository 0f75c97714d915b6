//! Where real data lie.

use std::path::{Path, PathBuf};

/// The folder of real data: `NEUROPIL_DATA`, or `../shared/data` beside the workspace root; `None` when neither
/// exists.
#[must_use]
pub fn root() -> Option<PathBuf> {
    let folder = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    folder.is_dir().then_some(folder)
}
