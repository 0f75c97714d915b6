//! `neuropil reproduce`: the report.

use clap::Args;

use crate::context::Context;
use crate::verb::Schemas;

/// Measure published claims beside their baselines
#[derive(Debug, Args, Default)]
pub(crate) struct Reproduce {
    /// Sheet names or numbers, for example 26-trsa or 26; all when left out
    ids: Vec<String>,
}

impl Reproduce {
    /// What the bare program does.
    pub(crate) fn quick() -> Self {
        Self::default()
    }

    /// Runs the chosen reproductions; the exit status.
    pub(crate) fn run(&self, _context: &Context) -> u8 {
        u8::from(self.ids.is_empty())
    }
}

/// Adds the schema of a report line.
pub(crate) fn schemas(_schemas: &mut Schemas) {}
