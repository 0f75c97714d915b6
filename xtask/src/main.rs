//! The project's own chores, started with `cargo xtask`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line chore talks to its terminal")]

mod bench;
mod ci;
mod docs;
mod examples;
mod fuzz;
mod metrics;
mod mutate;
mod page;
mod proof;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// The project's own chores
#[derive(Debug, Parser)]
#[command(name = "xtask")]
enum Chore {
    Bench(bench::Bench),
    Ci(ci::Ci),
    Docs(docs::Docs),
    Fuzz(fuzz::Fuzz),
    Metrics(metrics::Metrics),
    Mutate(mutate::Mutate),
    Page(page::Page),
    Proof(proof::Proof),
    Test(test::Test),
    Tidy(tidy::Tidy),
}

fn main() -> ExitCode {
    let verdict = match Chore::parse() {
        Chore::Bench(chore) => chore.run(),
        Chore::Ci(chore) => chore.run(),
        Chore::Docs(chore) => chore.run(),
        Chore::Fuzz(chore) => chore.run(),
        Chore::Metrics(chore) => chore.run(),
        Chore::Mutate(chore) => chore.run(),
        Chore::Page(chore) => chore.run(),
        Chore::Proof(chore) => chore.run(),
        Chore::Test(chore) => chore.run(),
        Chore::Tidy(chore) => chore.run(),
    };
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
