//! `neuropil llm membership`: was a document in a model's training data?

mod documents;
mod features;
mod score;
mod train;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Whether documents were in a model's training data
#[derive(Debug, Args)]
pub(crate) struct Membership {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Features(features::Features),
    Train(train::Train),
    Score(score::Score),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(group: &Membership, context: &Context) -> u8 {
    match &group.command {
        Command::Features(verb) => execute(verb, context),
        Command::Train(verb) => execute(verb, context),
        Command::Score(verb) => execute(verb, context),
    }
}

/// Adds the schemas of these verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<features::Features>(schemas);
    describe::<train::Train>(schemas);
    describe::<score::Score>(schemas);
}
