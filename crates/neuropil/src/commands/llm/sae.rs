//! Verbs of `neuropil llm sae`.

mod eval;
mod train;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Sparse autoencoders of a model's activations
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<train::Train>),
    Eval(eval::Eval),
}

/// Runs the chosen verb; the exit status.
pub(super) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Train(verb) => execute(verb.as_ref(), context),
        Command::Eval(verb) => execute(verb, context),
    }
}

/// Adds the schemas of these verbs.
pub(super) fn schemas(schemas: &mut Schemas) {
    describe::<train::Train>(schemas);
    describe::<eval::Eval>(schemas);
}
