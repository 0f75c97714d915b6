//! Verbs of the `bio` domain.

mod connectome;
mod consensus;
mod disagree;
mod homogenize;
mod recordings;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Failure, file_failure};
use crate::verb::{Schemas, describe, execute};

/// Connectomes and recordings of brains
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Connectome(connectome::Connectome),
    Consensus(consensus::Consensus),
    Disagree(disagree::Disagree),
    Homogenize(homogenize::Homogenize),
    Recordings(recordings::Recordings),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Connectome(verb) => execute(verb, context),
        Command::Consensus(verb) => execute(verb, context),
        Command::Disagree(verb) => execute(verb, context),
        Command::Homogenize(verb) => execute(verb, context),
        Command::Recordings(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<connectome::Connectome>(schemas);
    describe::<consensus::Consensus>(schemas);
    describe::<disagree::Disagree>(schemas);
    describe::<homogenize::Homogenize>(schemas);
    describe::<recordings::Recordings>(schemas);
}

/// A failure of the bio-data crate.
pub(crate) fn bio_failure(error: bio_data::Error) -> Failure {
    use bio_data::Error as E;
    let (kind, path) = match &error {
        E::Io { path, .. } => ("io", Some(path.clone())),
        E::Format { path, .. } | E::Cell { path, .. } => ("format", Some(path.clone())),
        E::Limit { path, .. } => ("memory", Some(path.clone())),
        _ => ("input", None),
    };
    match (error, path) {
        (E::Recording(inner), _) => file_failure(inner),
        (error, Some(path)) => Failure::new(kind, error).at(path),
        (error, None) => Failure::new(kind, error),
    }
}
