//! `cargo xtask fuzz`: the readers against damaged files, as long as one likes.
//!
//! Each crate that reads files has `tests/hostile.rs`: proptest cases that cut, flip and lie. The test suite runs some
//! hundred of each; this chore runs as many as it is told.

use clap::Args;

use crate::workspace::{self, Verdict};

/// Feed damaged files to every reader
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Cases of each property
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// Crates; all that have tests/hostile.rs when left out
    packages: Vec<String>,
}

impl Fuzz {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        let all: Vec<String> = workspace::packages()?
            .into_iter()
            .filter(|p| p.of_kind("test").any(|t| t.name == "hostile"))
            .map(|p| p.name)
            .collect();
        if let Some(unknown) = self.packages.iter().find(|p| !all.contains(p)) {
            return Err(format!("{unknown} has no tests/hostile.rs; {} have", all.join(", ")));
        }
        for package in all.iter().filter(|p| self.packages.is_empty() || self.packages.contains(p)) {
            let mut command = workspace::cargo(&["test", "--locked", "-p", package, "--test", "hostile"]);
            workspace::run(command.env("PROPTEST_CASES", self.cases.to_string()))?;
        }
        Ok(())
    }
}
