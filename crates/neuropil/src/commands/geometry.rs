//! Verbs of the `geometry` domain.

mod agtic;
mod identify;
mod rdm;
mod trsa;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Representational geometry
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Rdm(rdm::Rdm),
    Trsa(trsa::Trsa),
    Identify(identify::Identify),
    Agtic(agtic::Agtic),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Rdm(verb) => execute(verb, context),
        Command::Trsa(verb) => execute(verb, context),
        Command::Identify(verb) => execute(verb, context),
        Command::Agtic(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<rdm::Rdm>(schemas);
    describe::<trsa::Trsa>(schemas);
    describe::<identify::Identify>(schemas);
    describe::<agtic::Agtic>(schemas);
}
