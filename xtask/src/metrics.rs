//! `cargo xtask metrics`: what the project costs to build, ship and test, held against budgets.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::workspace::{self, Verdict};

/// Measure build time, binary size and test time; fail over the budgets of xtask/budgets.toml
#[derive(Debug, Args)]
pub(crate) struct Metrics {
    /// Build from nothing, in a folder of its own; without it only what is left to build is built, and not judged
    #[arg(long)]
    cold: bool,
    /// One JSON line instead of a table
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Measured {
    /// Seconds of `cargo build --release -p neuropil`, from nothing.
    build_seconds: Option<f64>,
    /// Bytes of the release program.
    binary_bytes: u64,
    /// Seconds of the bare program: one quick run of every reproduction.
    run_seconds: f64,
    /// Seconds of every test, once built.
    test_seconds: f64,
    machine: String,
    commit: String,
}

/// What is allowed, on a machine of two cores.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    build_seconds: f64,
    binary_bytes: u64,
    run_seconds: f64,
    test_seconds: f64,
}

impl Metrics {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        let path = workspace::root().join("xtask/budgets.toml");
        let budgets: Budgets =
            toml::from_str(&workspace::read(&path)?).map_err(|why| format!("{}: {why}", path.display()))?;
        let measured = self.measure()?;
        if self.json {
            println!("{}", serde_json::to_string(&measured).map_err(|why| why.to_string())?);
        } else {
            print!("{}", table(&measured, &budgets));
        }
        workspace::report("metrics", &judge(&measured, &budgets))
    }

    fn measure(&self) -> Verdict<Measured> {
        let own = workspace::target().join("metrics");
        if self.cold && own.exists() {
            std::fs::remove_dir_all(&own).map_err(|why| format!("{}: {why}", own.display()))?;
        }
        let built = timed(|| {
            let mut command =
                workspace::cargo(&["build", "--quiet", "--release", "--locked", "-p", "neuropil"]);
            workspace::run(command.env("CARGO_TARGET_DIR", &own))
        })?;
        let program = own.join("release").join(format!("neuropil{}", std::env::consts::EXE_SUFFIX));
        let size = std::fs::metadata(&program).map_err(|why| format!("{}: {why}", program.display()))?.len();
        let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
        let ran = timed(|| bare(&program, folder.path()))?;
        workspace::run(&mut workspace::cargo(&[
            "test",
            "--quiet",
            "--workspace",
            "--locked",
            "--tests",
            "--no-run",
        ]))?;
        let tested = timed(|| crate::test::run_suite(crate::test::Backend::Cpu, &[]))?;
        Ok(Measured {
            build_seconds: self.cold.then_some(built),
            binary_bytes: size,
            run_seconds: ran,
            test_seconds: tested,
            machine: workspace::machine(),
            commit: workspace::commit(),
        })
    }
}

/// The program as the README starts it, in an empty folder.
fn bare(program: &Path, folder: &Path) -> Verdict {
    let mut command = std::process::Command::new(program);
    workspace::run(command.current_dir(folder).stdout(std::process::Stdio::null()))?;
    if folder.join("report/index.html").is_file() {
        Ok(())
    } else {
        Err("the bare program wrote no report".to_owned())
    }
}

fn timed(work: impl FnOnce() -> Verdict) -> Verdict<f64> {
    let clock = Instant::now();
    work()?;
    Ok(clock.elapsed().as_secs_f64())
}

/// What is over its budget.
fn judge(measured: &Measured, budgets: &Budgets) -> Vec<String> {
    let seconds = [
        ("building", measured.build_seconds, budgets.build_seconds),
        ("the bare program", Some(measured.run_seconds), budgets.run_seconds),
        ("testing", Some(measured.test_seconds), budgets.test_seconds),
    ];
    let mut faults: Vec<String> = seconds
        .iter()
        .filter_map(|(what, found, most)| {
            let over = found.filter(|f| f > most)?;
            Some(format!("{what} took {over:.0} s, at most {most:.0}"))
        })
        .collect();
    if measured.binary_bytes > budgets.binary_bytes {
        faults.push(format!(
            "the program has {} bytes, at most {}",
            measured.binary_bytes, budgets.binary_bytes
        ));
    }
    faults
}

fn table(m: &Measured, b: &Budgets) -> String {
    let build = m.build_seconds.map_or_else(|| "not cold".to_owned(), |s| format!("{s:.0}"));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!(
        "{:<24} {:>10} {:>10}\n{:<24} {build:>10} {:>10.0}\n{:<24} {:>10.1} {:>10.1}\n{:<24} {:>10.1} {:>10.0}\n{:<24} {:>10.1} {:>10.0}\n{}, {}\n",
        "",
        "measured",
        "budget",
        "release build, s",
        b.build_seconds,
        "program, MiB",
        mib(m.binary_bytes),
        mib(b.binary_bytes),
        "bare program, s",
        m.run_seconds,
        b.run_seconds,
        "tests, s",
        m.test_seconds,
        b.test_seconds,
        m.machine,
        m.commit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_budget_is_held() {
        let text = workspace::read(&workspace::root().join("xtask/budgets.toml")).unwrap();
        let budgets: Budgets = toml::from_str(&text).unwrap();
        let within = Measured {
            build_seconds: Some(budgets.build_seconds),
            binary_bytes: budgets.binary_bytes,
            run_seconds: budgets.run_seconds,
            test_seconds: budgets.test_seconds,
            machine: "m".into(),
            commit: "c".into(),
        };
        assert!(judge(&within, &budgets).is_empty());
        let over = Measured {
            build_seconds: Some(budgets.build_seconds + 1.0),
            binary_bytes: budgets.binary_bytes + 1,
            run_seconds: budgets.run_seconds + 1.0,
            test_seconds: budgets.test_seconds + 1.0,
            ..within.clone()
        };
        assert_eq!(judge(&over, &budgets).len(), 4);
        assert_eq!(
            judge(&Measured { build_seconds: None, ..over }, &budgets).len(),
            3,
            "a warm build is not judged"
        );
        assert!(table(&within, &budgets).contains("release build"));
        assert!(toml::from_str::<Budgets>(&text.replace("binary_bytes", "bytes")).is_err());
    }
}
