//! What `neuropil reproduce --json` prints, one document a line.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use crate::workspace::{self, Verdict};

/// One system's answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    /// The system.
    pub(crate) id: String,
    /// The size it ran at.
    pub(crate) tier: String,
    /// What it measured.
    pub(crate) measurements: Vec<Measurement>,
    /// The run card.
    pub(crate) run: Card,
}

/// One measured figure.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Measurement {
    /// Its name.
    pub(crate) name: String,
    /// Its value; null where it is not finite.
    pub(crate) value: Option<f64>,
    /// The baseline's.
    pub(crate) baseline: Option<f64>,
    /// Whether it holds.
    pub(crate) holds: bool,
}

/// What is read of a run card.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Card {
    /// The commit that was built.
    pub(crate) commit: String,
}

/// Runs the reproductions; `--full` ones in the release profile.
pub(crate) fn run(extra: &[&str]) -> Verdict<Vec<Answer>> {
    let mut command = neuropil(extra.contains(&"--full"))?;
    command.args(["reproduce", "--json"]).args(extra);
    println!("   $ {}", workspace::shown(&command));
    parse(&workspace::output(&mut command)?)
}

/// The ids that `neuropil reproduce --list` names.
pub(crate) fn list() -> Verdict<Vec<String>> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
    }
    let mut command = neuropil(false)?;
    command.args(["reproduce", "--list", "--json"]);
    let text = workspace::output(&mut command)?;
    let entries = text.lines().map(|l| serde_json::from_str::<Entry>(l).map(|e| e.id));
    entries.collect::<Result<_, _>>().map_err(|why| format!("reproduce --list --json: {why}"))
}

/// The program, built: for release as its users build it, else as the tests do.
fn neuropil(release: bool) -> Verdict<Command> {
    let folder = if release {
        let arguments = ["build", "--quiet", "--release", "--locked", "-p", "neuropil"];
        workspace::run(&mut workspace::cargo(&arguments))?;
        workspace::target().join("release")
    } else {
        workspace::build()?
    };
    let mut command = Command::new(workspace::executable(&folder, "neuropil"));
    command.current_dir(workspace::root());
    Ok(command)
}

/// The answers in these files, for example those of several shards.
pub(crate) fn read_all(files: &[PathBuf]) -> Verdict<Vec<Answer>> {
    let mut all = Vec::new();
    for file in files {
        all.extend(parse(&workspace::read(file)?).map_err(|why| format!("{}: {why}", file.display()))?);
    }
    Ok(all)
}

/// One answer a line. An error document is an error.
pub(crate) fn parse(text: &str) -> Verdict<Vec<Answer>> {
    let lines = text.lines().filter(|l| !l.trim().is_empty());
    lines
        .map(|l| serde_json::from_str(l).map_err(|why| format!("not an answer of reproduce ({why}): {l}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_failures_are_not_answers() {
        let good = r#"{"schema":"neuropil.reproduce/1","id":"26-trsa","tier":"ci","measurements":[{"name":"a","value":null,"baseline":0.5,"holds":false}],"run":{"commit":"abc"}}"#;
        let answers = parse(&format!("{good}\n\n{good}\n")).unwrap();
        assert_eq!((answers.len(), answers[0].measurements[0].value), (2, None));
        assert!(parse(r#"{"schema":"neuropil.reproduce/1","error":{"kind":"io"}}"#).is_err());
    }
}
