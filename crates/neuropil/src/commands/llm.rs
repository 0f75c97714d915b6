//! Verbs of the `llm` domain.

mod any_model;
mod eigenscore;
mod generate;
mod logits;
mod membership;
mod model;
mod parity;
mod perplexity;
mod texts;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Eigenscore(eigenscore::Eigenscore),
    Generate(generate::Generate),
    Logits(logits::Logits),
    Membership(membership::Membership),
    Parity(parity::Parity),
    Perplexity(perplexity::Perplexity),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Generate(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Membership(group) => membership::run(group, context),
        Command::Parity(verb) => execute(verb, context),
        Command::Perplexity(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<eigenscore::Eigenscore>(schemas);
    describe::<generate::Generate>(schemas);
    describe::<logits::Logits>(schemas);
    membership::schemas(schemas);
    describe::<parity::Parity>(schemas);
    describe::<perplexity::Perplexity>(schemas);
}
