//! Verbs of the `bio` domain.

use clap::Subcommand;

use crate::context::Context;
use crate::verb::Schemas;
#[allow(unused_imports, reason = "used as soon as the domain has a verb")]
use crate::verb::{describe, execute};

/// Connectomes and recordings of brains
#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, _context: &Context) -> u8 {
    match *command {}
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(_schemas: &mut Schemas) {}
