//! Verbs of `neuropil llm foxp2`.

mod fit;
mod token_sets;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neural FOXP2: make another language a model's default
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Fit(Box<fit::Fit>),
}

/// Runs the chosen verb; the exit status.
pub(super) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Fit(verb) => execute(verb.as_ref(), context),
    }
}

/// Adds the schemas of these verbs.
pub(super) fn schemas(schemas: &mut Schemas) {
    describe::<fit::Fit>(schemas);
}
