//! `docs/proof.toml`: the lines of proof, what stands behind each, and what was measured last.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::workspace::{self, Verdict};

/// The comment at the head of the file, written anew with it.
const HEAD: &str = "\
# Every numbered line under \"Proof\" or \"Proof at small scale\" of the sheets whose systems are here, and what stands behind it.
# `says` paraphrases the line. `tests` are written SUITE::PATH as `cargo nextest list` writes them; `measurements` are
# names that `neuropil reproduce SHEET --json` prints, `measurements_on_real_data` those it prints where the folder
# `real_data` is (relative to NEUROPIL_DATA; without it the check says that they are not judged). `tier` says what is
# enough to see it hold: ci, or full for what costs more than about 25 s. A line whose system is not here yet says so
# with `due`.
# `cargo xtask proof --check` holds this file against the sources and a run; `cargo xtask proof --update` measures at
# full size and writes every [[line.measured]].

";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    /// The sheets.
    pub(crate) sheet: Vec<Sheet>,
    /// Their lines.
    pub(crate) line: Vec<Line>,
}

/// A sheet and how many lines of proof it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sheet {
    /// Its name, for example `26-trsa`.
    pub(crate) id: String,
    /// The number of its last line.
    pub(crate) lines: usize,
}

/// A line of proof.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Its sheet.
    pub(crate) sheet: String,
    /// Its number.
    pub(crate) line: usize,
    /// What it asks, in short.
    pub(crate) says: String,
    /// What is enough to see it hold.
    pub(crate) tier: Tier,
    /// What the tests assert, where a figure says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<String>,
    /// Why nothing stands behind it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<String>,
    /// Tests that fail when it does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tests: Vec<String>,
    /// Measurements of the sheet's reproduction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measurements: Vec<String>,
    /// The folder of the data, relative to that of real data, that [`Line::measurements_on_real_data`] need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) real_data: Option<String>,
    /// Measurements that are made only where that folder is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measurements_on_real_data: Vec<String>,
    /// What they were last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measured: Vec<Measured>,
}

/// What must run for a line to be seen to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// Continuous integration.
    #[default]
    Ci,
    /// `neuropil reproduce --full`.
    Full,
}

/// A value that a reproduction printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    /// The measurement.
    pub(crate) name: String,
    /// Its value; none where it is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    /// The baseline's value, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<f64>,
    /// Whether it held.
    pub(crate) holds: bool,
    /// At which size.
    pub(crate) tier: String,
    /// At which commit.
    pub(crate) commit: String,
}

impl Line {
    /// Every measurement that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.measurements.iter().chain(&self.measurements_on_real_data)
    }

    /// `26-trsa line 3`.
    pub(crate) fn shown(&self) -> String {
        format!("{} line {}", self.sheet, self.line)
    }
}

/// Reads the ledger.
pub(crate) fn read(path: &Path) -> Verdict<Ledger> {
    toml::from_str(&workspace::read(path)?).map_err(|why| format!("{}: {why}", workspace::short(path)))
}

/// The ledger as it is written: the head, then its entries.
pub(crate) fn text(ledger: &Ledger) -> Verdict<String> {
    let body = toml::to_string_pretty(ledger).map_err(|why| format!("docs/proof.toml: {why}"))?;
    Ok(format!("{HEAD}{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let measured = Measured {
            name: "x: y".into(),
            value: Some(0.1),
            baseline: None,
            holds: true,
            tier: "full".into(),
            commit: "abc".into(),
        };
        let line = Line {
            sheet: "26-trsa".into(),
            line: 1,
            says: "a \"b\"".into(),
            tier: Tier::Full,
            tests: vec!["a::b".into()],
            measured: vec![measured],
            ..Line::default()
        };
        let ledger = Ledger { sheet: vec![Sheet { id: "26-trsa".into(), lines: 1 }], line: vec![line] };
        assert_eq!(toml::from_str::<Ledger>(&text(&ledger).unwrap()).unwrap(), ledger);
        assert!(toml::from_str::<Ledger>("sheet = []\nline = []\nlyne = 1").is_err());
    }
}
