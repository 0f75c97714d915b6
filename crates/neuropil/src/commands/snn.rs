//! Verbs of the `snn` domain.

mod autonomous;
mod fit_spikes;
mod model_files;
mod stats;
mod stdp_pattern;

use clap::Subcommand;

use crate::context::Context;
use crate::verb::{Schemas, describe, execute};

/// Spiking networks and models built on them
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Stats(stats::Stats),
    StdpPattern(stdp_pattern::StdpPattern),
    FitSpikes(fit_spikes::FitSpikes),
    Autonomous(Box<autonomous::Autonomous>),
}

/// Runs the chosen verb; the exit status.
pub(crate) fn run(command: &Command, context: &Context) -> u8 {
    match command {
        Command::Stats(verb) => execute(verb, context),
        Command::StdpPattern(verb) => execute(verb, context),
        Command::FitSpikes(verb) => execute(verb, context),
        Command::Autonomous(verb) => execute(verb.as_ref(), context),
    }
}

/// Adds the schemas of this domain's verbs.
pub(crate) fn schemas(schemas: &mut Schemas) {
    describe::<stats::Stats>(schemas);
    describe::<stdp_pattern::StdpPattern>(schemas);
    describe::<fit_spikes::FitSpikes>(schemas);
    describe::<autonomous::Autonomous>(schemas);
}
