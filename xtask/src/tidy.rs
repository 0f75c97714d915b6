//! `cargo xtask tidy`: the invariants that a compiler does not see.

mod manifests;
mod pages;
mod sources;
mod trees;

use clap::Args;

use crate::workspace::{self, Verdict};

/// Check crate arrows, C libraries, manifests, sources and pages
#[derive(Debug, Args)]
pub(crate) struct Tidy {}

impl Tidy {
    /// Runs the check.
    pub(crate) fn run(&self) -> Verdict {
        check()
    }
}

/// Whether every invariant holds.
pub(crate) fn check() -> Verdict {
    let root = workspace::root();
    let mut faults = sources::check(&root);
    faults.extend(manifests::check(&root)?);
    faults.extend(pages::check(&root)?);
    faults.extend(trees::check()?);
    workspace::report("tidy", &faults)
}
