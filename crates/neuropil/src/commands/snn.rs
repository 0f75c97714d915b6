//! Verbs of the `snn` domain.

mod autonomous;
mod model_files;
mod stdp_pattern;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Spiking networks and models built on them
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Autonomous(Box<autonomous::Autonomous>),
    StdpPattern(stdp_pattern::StdpPattern),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Autonomous(verb) => execute(verb.as_ref(), context),
        Command::StdpPattern(verb) => execute(verb, context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<autonomous::Autonomous>(schemas);
    describe::<stdp_pattern::StdpPattern>(schemas);
}
