//! Where tests find real data.

use std::path::{Path, PathBuf};

/// A folder of real data; without it the test says so and passes, unless it is required.
pub(super) fn real(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join(name);
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var("NEUROPIL_REQUIRE_DATA").is_err(), "{} is missing", folder.display());
    let said = format!("SKIPPED: {} is missing\n", folder.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
    None
}
