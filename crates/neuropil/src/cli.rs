//! Arguments and dispatch.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands;
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::verb::execute;

/// Methods about single neurons: in language models, spiking networks, vision models and brains.
///
/// Without a command: `reproduce --quick`.
#[derive(Debug, Parser)]
#[command(name = "neuropil", version, long_version = long_version(), max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    context: Context,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Reproduce(commands::reproduce::Reproduce),
    Devices(commands::devices::Devices),
    Schema(commands::schema::Schema),
    /// Representational geometry of any recording
    #[cfg(feature = "geometry")]
    #[command(subcommand)]
    Geometry(commands::geometry::Command),
    /// Connectomes and recordings of brains
    #[cfg(feature = "bio")]
    #[command(subcommand)]
    Bio(commands::bio::Command),
    /// Neurons of language models
    #[cfg(feature = "llm")]
    #[command(subcommand)]
    Llm(commands::llm::Command),
}

/// Version, commit and compiled features.
fn long_version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("NEUROPIL_COMMIT"), ")")
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let version = format!("{}\nfeatures: {}", long_version(), features().join(" "));
    let matches = Cli::command().version(version.clone()).long_version(version).get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(cli.context.threads).build_global() {
        return ExitCode::from(document::print_failure(
            "neuropil/1",
            &Failure::input(error),
            cli.context.json,
        ));
    }
    let context = &cli.context;
    let status = match &cli.command {
        None => commands::reproduce::Reproduce::quick().run(context),
        Some(Command::Reproduce(verb)) => verb.run(context),
        Some(Command::Devices(verb)) => execute(verb, context),
        Some(Command::Schema(verb)) => verb.run(),
        #[cfg(feature = "geometry")]
        Some(Command::Geometry(command)) => commands::geometry::run(command, context),
        #[cfg(feature = "bio")]
        Some(Command::Bio(command)) => commands::bio::run(command, context),
        #[cfg(feature = "llm")]
        Some(Command::Llm(command)) => commands::llm::run(command, context),
    };
    ExitCode::from(status)
}

/// The features this binary was built with.
fn features() -> Vec<&'static str> {
    [
        ("bio", cfg!(feature = "bio")),
        ("geometry", cfg!(feature = "geometry")),
        ("llm", cfg!(feature = "llm")),
        ("flex", cfg!(feature = "flex")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
        ("remote", cfg!(feature = "remote")),
        ("fusion", cfg!(feature = "fusion")),
        ("autotune", cfg!(feature = "autotune")),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect()
}
