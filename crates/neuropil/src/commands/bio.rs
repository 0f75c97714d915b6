//! Verbs of the `bio` domain.

mod homogenize;
mod recordings;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Failure, file_failure};
use crate::verb::{Schemas, describe, execute};

/// Connectomes and recordings of brains
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Homogenize(homogenize::Homogenize),
    Recordings(recordings::Recordings),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Homogenize(verb) => execute(verb, context),
        Command::Recordings(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<homogenize::Homogenize>(schemas);
    describe::<recordings::Recordings>(schemas);
}

/// A failure of the recordings' layer.
fn activity_failure(error: bio_data::Error) -> Failure {
    use bio_data::Error;
    let (kind, path) = match &error {
        Error::Io { path, .. } => ("io", Some(path.clone())),
        Error::Format { path, .. } | Error::Cell { path, .. } => ("format", Some(path.clone())),
        Error::Limit { path, .. } => ("memory", Some(path.clone())),
        _ => ("input", None),
    };
    match error {
        Error::Recording(inner) => file_failure(inner),
        other => Failure { path, ..Failure::new(kind, other) },
    }
}
