//! Verbs of the `llm` domain.

mod eigenscore;
mod foxp2;
mod generate;
mod lines;
mod logits;
mod model;
mod parity;
mod sae;
mod steer;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Eigenscore(eigenscore::Eigenscore),
    /// Neural FOXP2: make another language a model's default
    #[command(subcommand)]
    Foxp2(foxp2::Command),
    Generate(generate::Generate),
    Logits(logits::Logits),
    Parity(parity::Parity),
    /// Sparse autoencoders of a model's activations
    #[command(subcommand)]
    Sae(sae::Command),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Foxp2(command) => foxp2::run(command, context),
        Command::Generate(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Parity(verb) => execute(verb, context),
        Command::Sae(command) => sae::run(command, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<eigenscore::Eigenscore>(schemas);
    foxp2::schemas(schemas);
    describe::<generate::Generate>(schemas);
    describe::<logits::Logits>(schemas);
    describe::<parity::Parity>(schemas);
    sae::schemas(schemas);
}
