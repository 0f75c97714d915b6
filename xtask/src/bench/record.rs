//! What was measured: one JSON line for each bench, size and backend.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::workspace::{self, Verdict};

/// One timing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What was timed.
    pub(crate) bench: String,
    /// At which size, as the bench writes it; empty where it has one.
    pub(crate) size: String,
    /// On which backend; `cpu` for what holds no tensors.
    pub(crate) backend: String,
    /// Median seconds of one run.
    pub(crate) seconds: f64,
    /// Lower end of its 95 % interval.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
    /// The processor.
    pub(crate) machine: String,
    /// The commit; `+` follows when files differed from it.
    pub(crate) commit: String,
}

/// What tells one timing from another.
type Key = (String, u64, String, String, String);

impl Record {
    /// Sorts by bench, then size as a number, then backend and machine.
    pub(crate) fn key(&self) -> Key {
        let extent = self.extent().to_bits();
        (self.bench.clone(), extent, self.size.clone(), self.backend.clone(), self.machine.clone())
    }

    /// The size as a number: the product of the numbers in it (`1000x2000` is 2 million); 1 without any.
    pub(crate) fn extent(&self) -> f64 {
        let numbers = self.size.split(|c: char| !c.is_ascii_digit()).filter(|s| !s.is_empty());
        numbers.filter_map(|s| s.parse::<f64>().ok()).product()
    }
}

/// A timing with a narrow interval, for tests.
#[cfg(test)]
pub(crate) fn sample(bench: &str, size: &str, backend: &str, seconds: f64) -> Record {
    let text = |s: &str| s.to_owned();
    Record {
        bench: text(bench),
        size: text(size),
        backend: text(backend),
        seconds,
        low: seconds * 0.99,
        high: seconds * 1.01,
        machine: text("m"),
        commit: text("c"),
    }
}

/// The timings as JSON lines.
pub(crate) fn text(records: &[Record]) -> Verdict<String> {
    let mut out = String::new();
    for record in records {
        out.push_str(&serde_json::to_string(record).map_err(|why| why.to_string())?);
        out.push('\n');
    }
    Ok(out)
}

/// The timings of one text; a line that marks the end of a shard is none.
pub(crate) fn parse(text: &str) -> Verdict<Vec<Record>> {
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.contains("\"finished\":"));
    lines.map(|l| serde_json::from_str(l).map_err(|why| format!("not a timing ({why}): {l}"))).collect()
}

/// The timings of several files, sorted. One machine has one commit: times of two versions are not one result.
pub(crate) fn merge(files: &[PathBuf]) -> Verdict<Vec<Record>> {
    let mut all: BTreeMap<Key, Record> = BTreeMap::new();
    let mut commits: BTreeMap<String, String> = BTreeMap::new();
    for file in files {
        let records = parse(&workspace::read(file)?).map_err(|why| format!("{}: {why}", file.display()))?;
        for record in records {
            let commit = commits.entry(record.machine.clone()).or_insert_with(|| record.commit.clone());
            if *commit != record.commit {
                return Err(format!(
                    "{}: {} was measured at commit {} and at {commit}",
                    file.display(),
                    record.machine,
                    record.commit
                ));
            }
            all.insert(record.key(), record);
        }
    }
    Ok(all.into_values().collect())
}

/// New timings beside old ones.
pub(crate) struct Comparison {
    /// A table of all.
    pub(crate) table: String,
    /// How many were in both.
    pub(crate) compared: usize,
    /// Those that became slower by more than the tolerance and more than noise.
    pub(crate) slower: Vec<String>,
}

/// Compares timings of the same bench, size, backend and machine.
pub(crate) fn compare(records: &[Record], baseline: &[Record], tolerance: f64) -> Comparison {
    let old: BTreeMap<Key, &Record> = baseline.iter().map(|r| (r.key(), r)).collect();
    let mut out = Comparison { table: String::new(), compared: 0, slower: Vec::new() };
    let _ = writeln!(
        out.table,
        "| bench | size | backend | before, s | now, s | ratio |\n|---|---|---|---|---|---|"
    );
    for now in records {
        let Some(before) = old.get(&now.key()) else { continue };
        out.compared += 1;
        let ratio = now.seconds / before.seconds;
        // Overlapping intervals are noise, whatever the medians say.
        if ratio > tolerance && now.low > before.high {
            out.slower
                .push(format!("{} {} on {}: {ratio:.2} times as long", now.bench, now.size, now.backend));
        }
        let _ = writeln!(
            out.table,
            "| {} | {} | {} | {:.3e} | {:.3e} | {ratio:.2} |",
            now.bench, now.size, now.backend, before.seconds, now.seconds
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_merge_to_one_sorted_result() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, records: &[Record]| {
            let path = folder.path().join(name);
            workspace::write(&path, &(text(records).unwrap() + "{\"finished\":true}\n")).unwrap();
            path
        };
        let a = put("a", &[sample("rdm", "100", "cpu", 1.0), sample("rdm", "20", "cpu", 0.5)]);
        let b = put("b", &[sample("rdm", "20", "wgpu", 0.1), sample("rdm", "100", "cpu", 1.0)]);
        let sizes: Vec<String> =
            merge(&[a.clone(), b]).unwrap().into_iter().map(|r| r.size + &r.backend).collect();
        assert_eq!(sizes, ["20cpu", "20wgpu", "100cpu"]);
        let other = put("c", &[Record { commit: "d".into(), ..sample("x", "1", "cpu", 1.0) }]);
        assert!(merge(&[a.clone(), other]).unwrap_err().contains("commit"));
        let far =
            put("d", &[Record { commit: "d".into(), machine: "n".into(), ..sample("x", "1", "cpu", 1.0) }]);
        assert_eq!(merge(&[a, far]).unwrap().len(), 3);
        assert!(parse("{\"bench\":1}").is_err());
    }

    #[test]
    fn sizes_are_numbers() {
        let extent = |size: &str| sample("x", size, "cpu", 1.0).extent();
        assert_eq!((extent("1000x2000"), extent("k=3"), extent("")), (2e6, 3.0, 1.0));
    }

    #[test]
    fn slower_is_what_noise_does_not_explain() {
        let before =
            [sample("a", "1", "cpu", 1.0), sample("b", "1", "cpu", 1.0), sample("c", "1", "cpu", 1.0)];
        let noisy = Record { low: 0.9, ..sample("c", "1", "cpu", 1.5) };
        let now =
            [sample("a", "1", "cpu", 1.1), sample("b", "1", "cpu", 1.3), noisy, sample("d", "1", "cpu", 9.0)];
        let got = compare(&now, &before, 1.15);
        assert_eq!((got.compared, got.slower.len()), (3, 1), "{:?}", got.slower);
        assert!(got.slower[0].starts_with("b 1 on cpu"));
    }
}
