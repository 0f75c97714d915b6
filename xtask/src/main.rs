//! The project's own chores, started with `cargo xtask`.
#![forbid(unsafe_code)]

mod ci;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// The project's own chores
#[derive(Debug, Parser)]
#[command(name = "xtask")]
enum Chore {
    Ci(ci::Ci),
    Tidy(tidy::Tidy),
}

fn main() -> ExitCode {
    let passed = match Chore::parse() {
        Chore::Ci(chore) => chore.run(),
        Chore::Tidy(chore) => chore.run(),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
