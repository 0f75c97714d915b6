//! Verbs of the `llm` domain.

mod core;
mod core_bank;
mod eigenscore;
mod generate;
mod logits;
mod model;
mod parity;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    CoreBank(core_bank::CoreBank),
    Eigenscore(eigenscore::Eigenscore),
    Generate(generate::Generate),
    Logits(logits::Logits),
    Parity(parity::Parity),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::CoreBank(verb) => execute(verb, context),
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Generate(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Parity(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<core_bank::CoreBank>(schemas);
    describe::<eigenscore::Eigenscore>(schemas);
    describe::<generate::Generate>(schemas);
    describe::<logits::Logits>(schemas);
    describe::<parity::Parity>(schemas);
}
