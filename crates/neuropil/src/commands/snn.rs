//! Verbs of the `snn` domain.

mod fit_spikes;
mod stats;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;
use crate::verb::{Schemas, describe, execute};

/// Spiking networks
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Stats(stats::Stats),
    FitSpikes(fit_spikes::FitSpikes),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Stats(verb) => execute(verb, context),
        Command::FitSpikes(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<stats::Stats>(schemas);
    describe::<fit_spikes::FitSpikes>(schemas);
}

/// A failure of the snn crate.
pub(crate) fn snn_failure(error: snn::Error) -> Failure {
    match &error {
        snn::Error::File { path, .. } => Failure::new("format", &error).at(path),
        snn::Error::Unsupported { .. } => Failure::new("unsupported", error),
        _ => Failure::input(error),
    }
}
