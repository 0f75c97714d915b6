//! Verbs of the `llm` domain.

mod ablate;
mod answers;
mod any_model;
mod core;
mod core_bank;
mod eigenscore;
mod foxp2;
mod generate;
mod language_neurons;
mod lines;
mod logits;
mod membership;
mod model;
mod neuron_sets;
mod parity;
mod perplexity;
mod relation_neurons;
mod sae;
mod steer;
mod texts;
mod train;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Neurons of language models
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ablate(ablate::Ablate),
    CoreBank(core_bank::CoreBank),
    Eigenscore(eigenscore::Eigenscore),
    /// Neural FOXP2: make another language a model's default
    #[command(subcommand)]
    Foxp2(foxp2::Command),
    Generate(generate::Generate),
    LanguageNeurons(language_neurons::LanguageNeurons),
    Logits(logits::Logits),
    Membership(membership::Membership),
    Parity(parity::Parity),
    Perplexity(perplexity::Perplexity),
    RelationNeurons(relation_neurons::RelationNeurons),
    Train(Box<train::Train>),
    /// Sparse autoencoders of a model's activations
    #[command(subcommand)]
    Sae(sae::Command),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Ablate(verb) => execute(verb, context),
        Command::CoreBank(verb) => execute(verb, context),
        Command::Eigenscore(verb) => execute(verb, context),
        Command::Foxp2(command) => foxp2::run(command, context),
        Command::Generate(verb) => execute(verb, context),
        Command::LanguageNeurons(verb) => execute(verb, context),
        Command::Logits(verb) => execute(verb, context),
        Command::Membership(group) => membership::run(group, context),
        Command::Parity(verb) => execute(verb, context),
        Command::Perplexity(verb) => execute(verb, context),
        Command::RelationNeurons(verb) => execute(verb, context),
        Command::Train(verb) => execute(&**verb, context),
        Command::Sae(command) => sae::run(command, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<ablate::Ablate>(schemas);
    describe::<core_bank::CoreBank>(schemas);
    describe::<eigenscore::Eigenscore>(schemas);
    foxp2::schemas(schemas);
    describe::<generate::Generate>(schemas);
    describe::<language_neurons::LanguageNeurons>(schemas);
    describe::<logits::Logits>(schemas);
    membership::schemas(schemas);
    describe::<parity::Parity>(schemas);
    describe::<perplexity::Perplexity>(schemas);
    describe::<relation_neurons::RelationNeurons>(schemas);
    describe::<train::Train>(schemas);
    sae::schemas(schemas);
}
