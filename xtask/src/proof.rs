//! `cargo xtask proof`: does every line of proof that a system owes have a test or a measurement behind it?
//!
//! `docs/proof.toml` holds one entry for every numbered line under "Proof" or "Proof at small scale" of a system's sheet. What an
//! entry names must exist; measured values come from `neuropil reproduce` alone.

mod answers;
mod judge;
mod ledger;
mod sources;

use std::path::PathBuf;

use clap::Args;

use crate::workspace::{self, Verdict};

/// Check docs/proof.toml, or fill in its measured values
#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// Fail on a line without proof, an unknown test, an unknown measurement or one that does not hold (the default)
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Only what can be told without building: lines, tests, registered systems
    #[arg(long = "static", conflicts_with = "update")]
    fixed: bool,
    /// Run every reproduction at full size and write the values that it measured into docs/proof.toml
    #[arg(long)]
    update: bool,
    /// Take the answers of `neuropil reproduce --json` from these files instead of running it
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
}

/// Where the ledger lies.
fn path() -> PathBuf {
    workspace::root().join("docs/proof.toml")
}

impl Proof {
    /// Runs the check or the update.
    pub(crate) fn run(&self) -> Verdict {
        if self.update {
            return self.update();
        }
        check_fixed()?;
        if self.fixed {
            return Ok(());
        }
        let answers = match self.report.as_slice() {
            [] => answers::run(&[])?,
            files => answers::read_all(files)?,
        };
        check_answers(&answers)
    }

    fn update(&self) -> Verdict {
        let answers = match self.report.as_slice() {
            [] => answers::run(&["--full"])?,
            files => answers::read_all(files)?,
        };
        let mut ledger = ledger::read(&path())?;
        let changed = judge::update(&mut ledger, &answers);
        workspace::write(&path(), &ledger::text(&ledger)?)?;
        println!("proof: {changed} measured values written to {}", workspace::short(&path()));
        check_answers(&answers)
    }
}

/// What can be told without building: every line is there, every test that is named exists, and every registered
/// reproduction is in the ledger.
pub(crate) fn check_fixed() -> Verdict {
    let ledger = ledger::read(&path())?;
    let mut faults = judge::lines(&ledger);
    faults.extend(judge::systems(&ledger, &registered()?));
    for entry in &ledger.line {
        for test in &entry.tests {
            if let Err(why) = find_test(test) {
                faults.push(format!("{}: {why}", entry.shown()));
            }
        }
    }
    let sheets = sheets();
    match &sheets {
        Some(folder) => faults.extend(judge::against_sheets(&ledger, folder)),
        None => {
            println!("proof: the sheets are not here, so their number of lines is taken from docs/proof.toml")
        }
    }
    workspace::report("proof", &faults)?;
    println!("proof: {} lines of {} sheets are mapped", ledger.line.len(), ledger.sheet.len());
    Ok(())
}

/// What a run of the reproductions says: every measurement that is named was made, and those of tier `ci` hold.
pub(crate) fn check_answers(answers: &[answers::Answer]) -> Verdict {
    let ledger = ledger::read(&path())?;
    let is_here = |folder: &str| data().join(folder).is_dir();
    let mut faults = judge::measurements(&ledger, answers, &is_here);
    let required = std::env::var_os("NEUROPIL_REQUIRE_DATA").is_some_and(|v| v == "1");
    for (line, folder) in judge::without_data(&ledger, &is_here) {
        let said = format!(
            "{}: {folder} is not in {}, so its {} measurements on real data are not judged",
            line.shown(),
            data().display(),
            line.measurements_on_real_data.len()
        );
        if required {
            faults.push(said);
        } else {
            println!("proof: {said}");
        }
    }
    workspace::report("proof", &faults)?;
    let made: usize = answers.iter().map(|a| a.measurements.len()).sum();
    println!("proof: {made} measurements of {} systems agree with the ledger", answers.len());
    Ok(())
}

/// The reproductions at the size of continuous integration, held against the ledger.
pub(crate) fn check_run() -> Verdict {
    check_answers(&answers::run(&[])?)
}

/// The ids of the reproductions that the sources register.
pub(crate) fn registered() -> Verdict<Vec<String>> {
    sources::registered(&workspace::root())
}

/// The file in which a test stands, written `SUITE::PATH`.
pub(crate) fn find_test(test: &str) -> Verdict<PathBuf> {
    sources::find_test(&workspace::root(), test)
}

/// The ids that `neuropil reproduce --list` names.
pub(crate) fn listed() -> Verdict<Vec<String>> {
    answers::list()
}

/// Where real data lie.
fn data() -> PathBuf {
    std::env::var_os("NEUROPIL_DATA").map_or_else(|| workspace::root().join("../shared/data"), PathBuf::from)
}

/// The folder of the sheets, beside that of the real data.
fn sheets() -> Option<PathBuf> {
    Some(data().join("../specs")).filter(|p| p.is_dir())
}
