//! `cargo xtask ci`: every check, cheapest first.
#![allow(clippy::print_stdout, reason = "a command-line chore")]

use std::process::Command;
use std::time::Instant;

use clap::Args;

/// Run every check, cheapest first, and stop at the first that fails
#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// A missing tool is a failure instead of a skip
    #[arg(long)]
    strict: bool,
}

/// One check: its name, what it needs installed, and the cargo arguments.
struct Step {
    name: &'static str,
    needs: Option<&'static str>,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step { name: "format", needs: Some("fmt"), arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step { name: "tidy", needs: None, arguments: &["xtask", "tidy"], environment: &[] },
    Step {
        name: "clippy",
        needs: Some("clippy"),
        arguments: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        environment: &[],
    },
    Step {
        name: "docs",
        needs: None,
        arguments: &["doc", "--workspace", "--no-deps", "--locked", "--exclude", "xtask"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step {
        name: "tests",
        needs: None,
        arguments: &["test", "--workspace", "--locked", "--all-targets"],
        environment: &[],
    },
    Step {
        name: "doctests",
        needs: None,
        arguments: &["test", "--workspace", "--locked", "--doc"],
        environment: &[],
    },
];

impl Ci {
    /// Whether every check passed.
    pub(crate) fn run(&self) -> bool {
        let mut skipped = Vec::new();
        for step in STEPS {
            if let Some(tool) = step.needs.filter(|tool| !installed(tool)) {
                println!("== {}: cargo {tool} is not installed", step.name);
                if self.strict {
                    return false;
                }
                skipped.push(step.name);
                continue;
            }
            println!("== {}: cargo {}", step.name, step.arguments.join(" "));
            let clock = Instant::now();
            let status =
                Command::new("cargo").args(step.arguments).envs(step.environment.iter().copied()).status();
            let passed = status.is_ok_and(|s| s.success());
            let verdict = if passed { "passed" } else { "FAILED" };
            println!("== {}: {verdict} in {:.1} s", step.name, clock.elapsed().as_secs_f64());
            if !passed {
                return false;
            }
        }
        match skipped.as_slice() {
            [] => println!("== all checks passed"),
            names => println!("== passed; skipped: {}", names.join(", ")),
        }
        true
    }
}

fn installed(tool: &str) -> bool {
    Command::new("cargo").args([tool, "--version"]).output().is_ok_and(|o| o.status.success())
}
