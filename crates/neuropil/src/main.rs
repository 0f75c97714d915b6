//! The Neuropil command line: a thin shell over the crates.
#![forbid(unsafe_code)]

mod arguments;
mod cli;
mod commands;
mod context;
mod document;
mod failure;
mod progress;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
