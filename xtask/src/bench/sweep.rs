//! Criterion over benches, sizes and backends, one id at a time, so that shards and restarts lose little.
//!
//! An id is `GROUP/FUNCTION/SIZE`. A part that names a backend is the backend; the last part with a digit in it is the
//! size; the rest is the bench. Benches of tensor crates open the device that `NEUROPIL_DEVICE` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::record::{self, Record};
use crate::workspace::{self, Verdict};

/// What to measure.
pub(crate) struct Plan {
    /// Which ids: every n-th from the i-th.
    pub(crate) shard: (usize, usize),
    /// On which backends.
    pub(crate) backends: Vec<String>,
    /// Only ids that contain this.
    pub(crate) filter: String,
    /// With fewer samples.
    pub(crate) quick: bool,
    /// Where the lines go as they come.
    pub(crate) file: PathBuf,
}

/// One criterion id on one backend.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    program: PathBuf,
    id: String,
    backend: String,
}

/// Words of an id that name a backend, and what the results call it.
const BACKENDS: &[(&str, &str)] = &[
    ("cpu", "cpu"),
    ("flex", "cpu"),
    ("host", "cpu"),
    ("wgpu", "wgpu"),
    ("cuda", "cuda"),
    ("remote", "remote"),
];

/// Measures what the shard lacks; every timing of the shard.
pub(crate) fn run(plan: &Plan) -> Verdict<Vec<Record>> {
    let (commit, machine) = (workspace::commit(), workspace::machine());
    let (mut records, finished) = resume(&plan.file, &commit, &machine)?;
    if finished {
        println!("bench: {} is finished", plan.file.display());
        return Ok(records);
    }
    let home = workspace::target().join("bench-criterion");
    let items = share(items(plan)?, plan.shard);
    println!("bench: {} of shard {}/{}", items.len(), plan.shard.0, plan.shard.1);
    for (done, item) in items.iter().enumerate() {
        let named = name(&item.id, &item.backend);
        if records.iter().any(|r| (r.bench.as_str(), r.size.as_str(), r.backend.as_str()) == named.as_str()) {
            continue;
        }
        println!("bench: {}/{} {} on {}", done + 1, items.len(), item.id, item.backend);
        let mut command = Command::new(&item.program);
        command.current_dir(workspace::root()).args(["--bench", "--noplot", "--exact", &item.id]);
        if plan.quick {
            command.args(["--warm-up-time", "0.5", "--measurement-time", "1", "--sample-size", "10"]);
        }
        command.env("CRITERION_HOME", &home).env("NEUROPIL_DEVICE", &item.backend);
        if item.backend == "wgpu" {
            crate::test::wgpu_environment(&mut command)?;
        }
        workspace::output(&mut command)?;
        let time = estimate(&home, &item.id)?;
        let Named { bench, size, backend } = named;
        let record = Record {
            bench,
            size,
            backend,
            seconds: time.point,
            low: time.low,
            high: time.high,
            machine: machine.clone(),
            commit: commit.clone(),
        };
        append(&plan.file, &record::text(std::slice::from_ref(&record))?)?;
        records.push(record);
    }
    append(&plan.file, "{\"finished\":true}\n")?;
    records.sort_by_key(Record::key);
    Ok(records)
}

/// The timings of an earlier run of this shard and whether it finished; those of another commit or machine go.
fn resume(file: &Path, commit: &str, machine: &str) -> Verdict<(Vec<Record>, bool)> {
    let Ok(text) = std::fs::read_to_string(file) else {
        workspace::write(file, "")?;
        return Ok((Vec::new(), false));
    };
    // A run that was killed may leave half a line.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let records = record::parse(whole)?;
    let same = !commit.ends_with('+') && records.iter().all(|r| r.commit == commit && r.machine == machine);
    if !same {
        println!("bench: {} is of other sources or another machine: measured anew", file.display());
        workspace::write(file, "")?;
        return Ok((Vec::new(), false));
    }
    workspace::write(file, whole)?;
    Ok((records, whole.contains("\"finished\":true")))
}

fn append(file: &Path, text: &str) -> Verdict {
    use std::io::Write;
    std::fs::OpenOptions::new()
        .append(true)
        .open(file)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|why| format!("{}: {why}", file.display()))
}

/// Builds the benches and lists their ids, each with the backends that it can run on.
fn items(plan: &Plan) -> Verdict<Vec<Item>> {
    let tensor: BTreeSet<String> = workspace::tensor_packages()?.into_iter().collect();
    let mut all = Vec::new();
    for package in workspace::packages()? {
        if package.of_kind("bench").next().is_none() {
            continue;
        }
        let holds_tensors = tensor.contains(&package.name);
        for backend in &plan.backends {
            if !holds_tensors && backend != "cpu" {
                continue;
            }
            let feature = format!("{}/{backend}", package.name);
            let mut arguments =
                vec!["bench", "--locked", "--no-run", "--benches", "--message-format", "json", "-p"];
            arguments.push(&package.name);
            if backend != "cpu" {
                arguments.extend(["--features", &feature]);
            }
            for program in programs(&workspace::output(&mut workspace::cargo(&arguments))?) {
                let text = workspace::output(Command::new(&program).args(["--bench", "--list"]))?;
                let here = ids(&text).into_iter().filter(|id| id.contains(&plan.filter));
                let here = here.filter(|id| named_backend(id).is_none_or(|b| b == *backend));
                all.extend(here.map(|id| Item { program: program.clone(), id, backend: backend.clone() }));
            }
        }
    }
    Ok(all)
}

/// The items of one shard.
fn share(items: Vec<Item>, (i, n): (usize, usize)) -> Vec<Item> {
    items.into_iter().enumerate().filter_map(|(k, item)| (k % n == i).then_some(item)).collect()
}

/// The bench programs that cargo built.
fn programs(messages: &str) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
        target: Option<Built>,
    }
    #[derive(Deserialize)]
    struct Built {
        kind: Vec<String>,
    }
    let parsed = messages.lines().filter_map(|l| serde_json::from_str::<Message>(l).ok());
    let benches = parsed.filter(|m| m.target.as_ref().is_some_and(|t| t.kind.iter().any(|k| k == "bench")));
    benches.filter_map(|m| m.executable).collect()
}

/// The ids of a criterion program's `--list`.
fn ids(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|l| l.strip_suffix(": benchmark").or(l.strip_suffix(": bench")))
        .map(str::to_owned)
        .collect()
}

fn named_backend(id: &str) -> Option<&'static str> {
    id.split('/').find_map(|part| BACKENDS.iter().find(|(word, _)| *word == part).map(|(_, name)| *name))
}

/// An id taken apart.
#[derive(Debug, PartialEq)]
struct Named {
    bench: String,
    size: String,
    backend: String,
}

impl Named {
    fn as_str(&self) -> (&str, &str, &str) {
        (&self.bench, &self.size, &self.backend)
    }
}

fn name(id: &str, backend: &str) -> Named {
    let mut parts: Vec<&str> =
        id.split('/').filter(|p| !BACKENDS.iter().any(|(word, _)| word == p)).collect();
    let sized = parts.len() > 1 && parts.last().is_some_and(|p| p.chars().any(|c| c.is_ascii_digit()));
    let size = if sized { parts.pop().unwrap_or_default().to_owned() } else { String::new() };
    Named { bench: parts.join("/"), size, backend: named_backend(id).unwrap_or(backend).to_owned() }
}

/// Seconds with their interval.
#[derive(Debug, PartialEq)]
struct Time {
    point: f64,
    low: f64,
    high: f64,
}

/// What criterion wrote for one id.
fn estimate(home: &Path, id: &str) -> Verdict<Time> {
    #[derive(Deserialize)]
    struct Benchmark {
        full_id: String,
    }
    for file in workspace::files(home, &["json"]).iter().filter(|f| f.ends_with("new/benchmark.json")) {
        let benchmark: Benchmark =
            serde_json::from_str(&workspace::read(file)?).map_err(|why| why.to_string())?;
        if benchmark.full_id == id {
            return median(&workspace::read(&file.with_file_name("estimates.json"))?);
        }
    }
    Err(format!("criterion wrote nothing for {id} under {}", home.display()))
}

/// The median of an `estimates.json`, which counts nanoseconds.
fn median(estimates: &str) -> Verdict<Time> {
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
        confidence_interval: Interval,
    }
    #[derive(Deserialize)]
    struct Interval {
        lower_bound: f64,
        upper_bound: f64,
    }
    let Estimates { median } =
        serde_json::from_str(estimates).map_err(|why| format!("estimates.json: {why}"))?;
    let Interval { lower_bound, upper_bound } = median.confidence_interval;
    Ok(Time { point: median.point_estimate / 1e9, low: lower_bound / 1e9, high: upper_bound / 1e9 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_apart() {
        let named = |id: &str| name(id, "wgpu");
        let expected =
            |b: &str, s: &str, k: &str| Named { bench: b.into(), size: s.into(), backend: k.into() };
        assert_eq!(named("rdm/correlation/1000x2000"), expected("rdm/correlation", "1000x2000", "wgpu"));
        assert_eq!(named("ees/cpu/2000"), expected("ees", "2000", "cpu"));
        assert_eq!(named("ees/flex/2000"), expected("ees", "2000", "cpu"));
        assert_eq!(named("h0"), expected("h0", "", "wgpu"));
    }

    #[test]
    fn what_the_tools_print_is_read() {
        assert_eq!(ids("a/1: benchmark\nb: bench\n\n2 benches\nc: test\n"), ["a/1", "b"]);
        let built = r#"{"reason":"compiler-artifact","target":{"kind":["bench"]},"executable":"/x/rdm-1"}
{"reason":"compiler-artifact","target":{"kind":["lib"]},"executable":null}
{"reason":"build-finished","success":true}"#;
        assert_eq!(programs(built), [PathBuf::from("/x/rdm-1")]);
        let estimates = r#"{"mean":{},"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1e9,"upper_bound":3e9},"point_estimate":2e9}}"#;
        assert_eq!(median(estimates).unwrap(), Time { point: 2.0, low: 1.0, high: 3.0 });
    }

    #[test]
    fn shards_share_every_item_once() {
        let items: Vec<Item> = (0..7)
            .map(|i| Item { program: PathBuf::new(), id: i.to_string(), backend: String::new() })
            .collect();
        let mut seen: Vec<String> = (0..3).flat_map(|i| share(items.clone(), (i, 3))).map(|i| i.id).collect();
        seen.sort();
        assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn a_shard_goes_on_where_it_stopped_unless_the_sources_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shard.jsonl");
        assert_eq!(resume(&file, "c", "m").unwrap(), (vec![], false));
        let line = record::text(&[record::sample("a", "1", "cpu", 1.0)]).unwrap();
        append(&file, &(line.clone() + "{\"bench\":\"half")).unwrap();
        assert_eq!(resume(&file, "c", "m").unwrap().0.len(), 1);
        append(&file, "{\"finished\":true}\n").unwrap();
        assert!(resume(&file, "c", "m").unwrap().1);
        assert_eq!(resume(&file, "d", "m").unwrap(), (vec![], false));
        assert_eq!(workspace::read(&file).unwrap(), "");
    }
}
