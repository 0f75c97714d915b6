//! Arguments and dispatch.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::arguments::nearest;
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
    /// Spiking networks and models built on them
    #[cfg(feature = "snn")]
    #[command(subcommand)]
    Snn(commands::snn::Command),
}

/// Version, commit and compiled features.
fn long_version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("NEUROPIL_COMMIT"), ")")
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let version = format!("{}\nfeatures: {}", long_version(), features().join(" "));
    let mut command = Cli::command().version(version.clone()).long_version(version);
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refused(error, &command),
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
        Some(Command::Schema(verb)) => verb.print(context),
        #[cfg(feature = "geometry")]
        Some(Command::Geometry(command)) => commands::geometry::run(command, context),
        #[cfg(feature = "bio")]
        Some(Command::Bio(command)) => commands::bio::run(command, context),
        #[cfg(feature = "llm")]
        Some(Command::Llm(command)) => commands::llm::run(command, context),
        #[cfg(feature = "snn")]
        Some(Command::Snn(command)) => commands::snn::run(command, context),
    };
    ExitCode::from(status)
}

/// Prints what clap refused (or the help that was asked for); the exit status.
fn refused(mut error: clap::Error, program: &clap::Command) -> ExitCode {
    let unknown = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        _ => None,
    };
    // Clap compares a verb with the verbs beside it, letter by letter from the start; it may be a swap of letters away,
    // or belong to another domain.
    if let (Some(name), None) = (unknown, error.get(ContextKind::SuggestedSubcommand)) {
        let verbs = verbs(program, "");
        let near = nearest(&name, verbs.iter().map(String::as_str));
        if !near.is_empty() {
            let near = near.into_iter().map(str::to_owned).collect();
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(near));
        }
    }
    if error.use_stderr() && std::env::args_os().any(|a| a == "--json") {
        let said = error.render().to_string();
        let said = said.split("\n\nUsage:").next().unwrap_or_default();
        let said = said.split("\n\nFor more information").next().unwrap_or_default();
        let failure = Failure::usage(one_line(said.trim_start_matches("error: ")));
        document::print_failure_document("neuropil/1", &failure);
    }
    // Help and version go to standard output; a reader that left is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Clap's lines as one: what follows a colon belongs to it, a tip or a list of values is another clause.
fn one_line(said: &str) -> String {
    let mut line = String::new();
    for part in said.lines().map(str::trim).filter(|l| !l.is_empty()) {
        line.push_str(match line.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        });
        line.push_str(part);
    }
    line
}

/// The verbs of a command and of those below it, each with its domain.
fn verbs(command: &clap::Command, domain: &str) -> Vec<String> {
    let below = command.get_subcommands().filter(|c| c.get_name() != "help");
    below
        .flat_map(|c| {
            let name = format!("{domain}{}", c.get_name());
            match c.has_subcommands() {
                true => verbs(c, &format!("{name} ")),
                false => vec![name],
            }
        })
        .collect()
}

/// The features this binary was built with.
fn features() -> Vec<&'static str> {
    [
        ("bio", cfg!(feature = "bio")),
        ("geometry", cfg!(feature = "geometry")),
        ("llm", cfg!(feature = "llm")),
        ("snn", cfg!(feature = "snn")),
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
