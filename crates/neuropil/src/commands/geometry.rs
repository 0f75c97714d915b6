//! Verbs of the `geometry` domain.

mod agtic;
mod identify;
mod lists;
mod mds;
mod persistence;
mod rdm;
mod rsa;
mod trsa;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Representational geometry
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Rdm(rdm::Rdm),
    Rsa(rsa::Rsa),
    Trsa(trsa::Trsa),
    Identify(identify::Identify),
    Persistence(persistence::Persistence),
    Mds(mds::Mds),
    Agtic(agtic::Agtic),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Rdm(verb) => execute(verb, context),
        Command::Rsa(verb) => execute(verb, context),
        Command::Trsa(verb) => execute(verb, context),
        Command::Identify(verb) => execute(verb, context),
        Command::Persistence(verb) => execute(verb, context),
        Command::Mds(verb) => execute(verb, context),
        Command::Agtic(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<rdm::Rdm>(schemas);
    describe::<rsa::Rsa>(schemas);
    describe::<trsa::Trsa>(schemas);
    describe::<identify::Identify>(schemas);
    describe::<persistence::Persistence>(schemas);
    describe::<mds::Mds>(schemas);
    describe::<agtic::Agtic>(schemas);
}
