//! Verbs of the `llm` domain.

mod ablate;
mod eigenscore;
mod generate;
mod language_neurons;
mod logits;
mod model;
mod neuron_sets;
mod parity;
mod relation_neurons;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ablate(ablate::Ablate),
    Eigenscore(eigenscore::Eigenscore),
    Generate(generate::Generate),
    LanguageNeurons(language_neurons::LanguageNeurons),
    Logits(logits::Logits),
    Parity(parity::Parity),
    RelationNeurons(relation_neurons::RelationNeurons),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Ablate(verb) => execute(verb, context),
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Generate(verb) => execute(verb, context),
        Command::LanguageNeurons(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Parity(verb) => execute(verb, context),
        Command::RelationNeurons(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<ablate::Ablate>(schemas);
    describe::<eigenscore::Eigenscore>(schemas);
    describe::<generate::Generate>(schemas);
    describe::<language_neurons::LanguageNeurons>(schemas);
    describe::<logits::Logits>(schemas);
    describe::<parity::Parity>(schemas);
    describe::<relation_neurons::RelationNeurons>(schemas);
}
