//! Verbs of the `llm` domain.

mod answers;
mod eigenscore;
mod generate;
mod logits;
mod model;
mod parity;
mod train;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Eigenscore(eigenscore::Eigenscore),
    Generate(generate::Generate),
    Logits(logits::Logits),
    Parity(parity::Parity),
    Train(Box<train::Train>),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Generate(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Parity(verb) => execute(verb, context),
        Command::Train(verb) => execute(&**verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<eigenscore::Eigenscore>(schemas);
    describe::<generate::Generate>(schemas);
    describe::<logits::Logits>(schemas);
    describe::<parity::Parity>(schemas);
    describe::<train::Train>(schemas);
}
