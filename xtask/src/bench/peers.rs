//! Ours and theirs, one after the other, on the same cores with the same number of threads.
//!
//! A program is started as `PROGRAM REPEATS NAME..`: it warms up by itself and prints one JSON line
//! `{"name": .., "seconds": ..}` for each repetition that it measured. It may print more names than it was asked for.
//! Sides take turns, so that what the machine does besides meets both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::draw::seconds;
use super::pairs::{self, Pair};
use super::venv;
use crate::workspace::{self, Verdict};

/// How to measure.
pub(crate) struct Plan {
    /// Threads of both sides.
    pub(crate) threads: usize,
    /// Rounds, where not those of the pair.
    pub(crate) rounds: Option<usize>,
    /// Only pairs whose name has this in it.
    pub(crate) filter: String,
}

/// One repetition as a program prints it.
#[derive(Debug, Deserialize)]
struct Printed {
    name: String,
    seconds: f64,
    /// With how many threads, where the program says.
    threads: Option<usize>,
}

/// A pair with its times.
#[derive(Debug, Clone, Serialize)]
struct Row {
    what: String,
    name: String,
    ours: Vec<f64>,
    peer: String,
    label: String,
    theirs: Vec<f64>,
    ratio: f64,
    at_least: Option<f64>,
    threads: usize,
    machine: String,
    commit: String,
}

impl Row {
    fn holds(&self) -> bool {
        self.at_least.is_none_or(|least| self.ratio >= least)
    }
}

/// Measures every pair and writes the ratios; under `strict` a ratio below its threshold is an error.
pub(crate) fn run(plan: &Plan, out: &Path, strict: bool) -> Verdict {
    let pairs = pairs::read(&venv::folder())?;
    let chosen: Vec<&Pair> = pairs.pair.iter().filter(|p| p.name.contains(&plan.filter)).collect();
    if chosen.is_empty() {
        return Err(format!("no pair has `{}` in its name", plan.filter));
    }
    let pythons = pythons(&chosen)?;
    let mut rows = Vec::new();
    for suite in suites(&chosen) {
        let (package, example) = (&suite[0].package, &suite[0].example);
        workspace::run(&mut workspace::cargo(&[
            "build",
            "--quiet",
            "--release",
            "--locked",
            "-p",
            package,
            "--example",
            example,
        ]))?;
        rows.extend(measure(&suite, plan, &pythons)?);
        // After each suite: what was measured outlives a program that fails later.
        write(&rows, out)?;
    }
    println!("\n{}", table(&rows));
    println!("bench: peers.jsonl and peers.md are in {}", out.display());
    let slow: Vec<String> = rows.iter().filter(|r| !r.holds()).map(fault).collect();
    if strict { workspace::report("bench", &slow) } else { Ok(()) }
}

/// The interpreter of each script.
fn pythons(pairs: &[&Pair]) -> Verdict<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for peer in pairs.iter().flat_map(|p| &p.peer) {
        if let Some(script) = &peer.script {
            found.insert(script.clone(), venv::complete(&peer.requirements)?);
        }
    }
    Ok(found)
}

/// The rows as JSON lines and as a table.
fn write(rows: &[Row], out: &Path) -> Verdict {
    let mut lines = String::new();
    for row in rows {
        lines.push_str(&serde_json::to_string(row).map_err(|why| why.to_string())?);
        lines.push('\n');
    }
    workspace::write(&out.join("peers.jsonl"), &lines)?;
    workspace::write(&out.join("peers.md"), &table(rows))
}

fn fault(row: &Row) -> String {
    let least = row.at_least.unwrap_or_default();
    format!("{}: {:.1} times as fast as {}, at least {least} is claimed", row.what, row.ratio, row.label)
}

/// The pairs of one example are measured together.
fn suites<'a>(pairs: &[&'a Pair]) -> Vec<Vec<&'a Pair>> {
    let mut suites: Vec<Vec<&Pair>> = Vec::new();
    for pair in pairs {
        match suites.iter_mut().find(|s| (&s[0].package, &s[0].example) == (&pair.package, &pair.example)) {
            Some(suite) => suite.push(pair),
            None => suites.push(vec![pair]),
        }
    }
    suites
}

/// A program, `None` for ours, and what it is started with.
type Program = (Option<String>, Option<Vec<String>>);

/// The programs of a suite, ours first, and the names that are wanted of each.
fn sides(suite: &[&Pair]) -> Vec<(Program, BTreeSet<String>)> {
    let ours = suite.iter().map(|p| ((None, p.arguments.clone()), p.name.clone()));
    let peers = suite.iter().flat_map(|p| &p.peer);
    let theirs = peers.map(|p| ((p.script.clone(), p.arguments.clone()), p.name.clone()));
    let mut sides: Vec<(Program, BTreeSet<String>)> = Vec::new();
    for (program, name) in ours.chain(theirs) {
        match sides.iter_mut().find(|(known, _)| *known == program) {
            Some((_, names)) => {
                names.insert(name);
            }
            None => sides.push((program, BTreeSet::from([name]))),
        }
    }
    sides
}

/// Starts ours and each script in turn, as many rounds as asked for.
fn measure(suite: &[&Pair], plan: &Plan, pythons: &BTreeMap<String, PathBuf>) -> Verdict<Vec<Row>> {
    let example = format!("{}{}", suite[0].example, std::env::consts::EXE_SUFFIX);
    let ours = workspace::target().join("release/examples").join(example);
    let rounds = plan.rounds.unwrap_or_else(|| suite.iter().map(|p| p.rounds).max().unwrap_or(7));
    let mut times: BTreeMap<(Program, String), Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let mut turn = sides(suite);
        // Whoever begins finds another machine than whoever follows: the order turns around each round.
        if round % 2 == 1 {
            turn.reverse();
        }
        for (program, names) in turn {
            let mut command = match &program.0 {
                Some(script) => {
                    let python = pythons.get(script).ok_or_else(|| format!("{script}: no interpreter"))?;
                    pinned(python, &[&venv::folder().join(script).display().to_string()], plan.threads)
                }
                None => pinned(&ours, &[], plan.threads),
            };
            match &program.1 {
                Some(arguments) => command.args(arguments),
                None => command.arg("1").args(&names),
            };
            println!(
                "   round {}/{rounds}: {}",
                round + 1,
                program.0.as_deref().unwrap_or(&suite[0].example)
            );
            let text = workspace::output(&mut command)?;
            for name in names {
                let found = times_of(&name, plan.threads, &text)?;
                times.entry((program.clone(), name)).or_default().extend(found);
            }
        }
    }
    let (machine, commit) = (workspace::machine(), workspace::commit());
    let of = |script: Option<&String>, arguments: Option<&Vec<String>>, name: &String| {
        let program = (script.cloned(), arguments.cloned());
        times.get(&(program, name.clone())).cloned().unwrap_or_default()
    };
    let mut rows = Vec::new();
    for (pair, peer) in suite.iter().flat_map(|pair| pair.peer.iter().map(move |peer| (pair, peer))) {
        let ours = of(None, pair.arguments.as_ref(), &pair.name);
        let theirs = of(peer.script.as_ref(), peer.arguments.as_ref(), &peer.name);
        rows.push(Row {
            what: pair.what.clone(),
            name: pair.name.clone(),
            ratio: median(&theirs) / median(&ours),
            ours,
            peer: peer.name.clone(),
            label: peer.label.clone(),
            theirs,
            at_least: peer.at_least,
            threads: plan.threads,
            machine: machine.clone(),
            commit: commit.clone(),
        });
    }
    Ok(rows)
}

/// A command on the first cores, with every pool of threads at the same width.
fn pinned(program: &Path, arguments: &[&str], threads: usize) -> Command {
    let mut command = match workspace::program(&["taskset"]) {
        Some(taskset) => {
            let mut command = Command::new(taskset);
            command.args(["-c", &format!("0-{}", threads.saturating_sub(1))]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(arguments).current_dir(workspace::root());
    for pool in [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ] {
        command.env(pool, threads.to_string());
    }
    // A kernel that the environment forces on OpenBLAS may not be the best for this processor: theirs runs at its best.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    command
}

/// The seconds that were printed under a name, with this number of threads where the program says; others are ignored.
fn times_of(name: &str, threads: usize, text: &str) -> Verdict<Vec<f64>> {
    let printed = text.lines().filter_map(|l| serde_json::from_str::<Printed>(l).ok());
    let ours = printed.filter(|p| p.name == name && p.threads.is_none_or(|t| t == threads));
    let times: Vec<f64> = ours.map(|p| p.seconds).collect();
    let sound = !times.is_empty() && times.iter().all(|t| t.is_finite() && *t > 0.0);
    if sound { Ok(times) } else { Err(format!("no time of `{name}` in:\n{text}")) }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The table as it stands in the book.
fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | ours, median (least to most) | beside | theirs, median (least to most) | ratio | claimed |\n|---|---|---|---|---|---|\n",
    );
    let span = |times: &[f64]| {
        let low = times.iter().copied().fold(f64::INFINITY, f64::min);
        let high = times.iter().copied().fold(0.0, f64::max);
        format!("{} ({} to {}, n {})", seconds(median(times)), seconds(low), seconds(high), times.len())
    };
    for r in rows {
        let claimed = match r.at_least {
            None => "-".to_owned(),
            Some(least) => format!(">= {least}{}", if r.holds() { "" } else { ", MISSED" }),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.2} | {claimed} |",
            r.what,
            span(&r.ours),
            r.label,
            span(&r.theirs),
            r.ratio
        );
    }
    if let Some(r) = rows.first() {
        let _ = writeln!(out, "\n{}; {} on both sides; commit {}.", r.machine, threads(r.threads), r.commit);
    }
    out
}

fn threads(n: usize) -> String {
    if n == 1 { "1 thread".to_owned() } else { format!("{n} threads") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], theirs: &[f64], at_least: Option<f64>) -> Row {
        let text = |s: &str| s.to_owned();
        Row {
            what: text("RDM"),
            name: text("rdm"),
            ratio: median(theirs) / median(ours),
            ours: ours.to_vec(),
            peer: text("rdm_x"),
            label: text("x"),
            theirs: theirs.to_vec(),
            at_least,
            threads: 2,
            machine: text("m"),
            commit: text("c"),
        }
    }

    #[test]
    fn times_are_read_by_name() {
        let text = "warming up\n{\"name\":\"a\",\"seconds\":0.5}\n{\"name\":\"b\",\"seconds\":1}\n{\"name\":\"a\",\"seconds\":0.6,\"n\":1}\n";
        assert_eq!(times_of("a", 2, text).unwrap(), [0.5, 0.6]);
        assert!(times_of("c", 2, text).is_err());
        assert!(times_of("a", 2, "{\"name\":\"a\",\"seconds\":0}").is_err(), "no computation takes no time");
        let both =
            "{\"name\":\"a\",\"seconds\":2,\"threads\":1}\n{\"name\":\"a\",\"seconds\":1,\"threads\":2}\n";
        assert_eq!(times_of("a", 2, both).unwrap(), [1.0]);
    }

    #[test]
    fn ratios_are_of_medians_and_thresholds_are_heard() {
        let fast = row(&[1.0, 9.0, 1.1], &[10.0, 11.0, 12.0], Some(10.0));
        assert!((fast.ratio - 10.0).abs() < 1e-12 && fast.holds());
        let slow = row(&[1.0], &[2.0], Some(3.0));
        assert!(!slow.holds() && fault(&slow).contains("2.0 times"));
        assert!(row(&[1.0], &[0.5], None).holds());
        let text = table(&[fast, slow]);
        assert!(text.contains(">= 10 |") && text.contains(">= 3, MISSED") && text.contains("n 3"), "{text}");
        assert!((median(&[1.0, 2.0, 3.0, 4.0]) - 2.5).abs() < 1e-12);
    }

    #[test]
    fn a_program_is_started_once_for_all_that_is_wanted_of_it() {
        let text = |name: &str| {
            format!(
                "[[pair]]\nname = \"{name}\"\nwhat = \"w\"\npackage = \"p\"\nexample = \"e\"\n\
                 [[pair.peer]]\nname = \"{name}\"\nlabel = \"theirs\"\nscript = \"s.py\"\n\
                 [[pair.peer]]\nname = \"{name}_slow\"\nlabel = \"ours, slow\"\n"
            )
        };
        let mut pairs: pairs::Pairs = toml::from_str(&(text("a") + &text("b") + &text("c"))).unwrap();
        pairs.pair[2].example = "f".into();
        let all: Vec<&Pair> = pairs.pair.iter().collect();
        let suites = suites(&all);
        assert_eq!(suites.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<String>>();
        let script = Some("s.py".to_owned());
        let expected =
            [((None, None), set(&["a", "a_slow", "b", "b_slow"])), ((script, None), set(&["a", "b"]))];
        assert_eq!(sides(&suites[0]), expected);
        let mut other = pairs.pair[1].clone();
        other.peer[0].arguments = Some(vec!["100".into()]);
        let apart = sides(&[&pairs.pair[0], &other]);
        assert_eq!(apart.len(), 3, "other arguments are another program: {apart:?}");
    }

    #[test]
    fn both_sides_get_the_same_threads() {
        let command = pinned(Path::new("/x/program"), &["--flag"], 2);
        let shown = workspace::shown(&command);
        for part in
            ["OMP_NUM_THREADS=2", "RAYON_NUM_THREADS=2", "OPENBLAS_NUM_THREADS=2", "/x/program --flag"]
        {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
