//! `cargo xtask bench`: criterion over sizes and backends, and peers measured beside ours.

mod draw;
mod pairs;
mod peers;
mod record;
mod sweep;
pub(crate) mod venv;

use std::path::PathBuf;

use clap::Args;
use record::Record;

use crate::workspace::{self, Verdict};

/// Run the benches; sweep them over sizes and backends, measure peers, merge, compare
///
/// Without a flag: every criterion bench as `cargo bench` runs it.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure every bench at every size on every backend, and write JSON lines, a table and a plot
    #[arg(long)]
    sweep: bool,
    /// Measure only every n-th bench, beginning with number i (from 0); a finished shard is not measured again
    #[arg(long, value_name = "I/N", value_parser = shard, requires = "sweep")]
    shard: Option<(usize, usize)>,
    /// Backends that the sweep measures; those of the tensor crates are built with the feature of that name
    #[arg(long, value_delimiter = ',', default_value = "cpu", requires = "sweep")]
    backend: Vec<String>,
    /// Only benches whose id has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Fewer samples: for a look, not for a claim
    #[arg(long, requires = "sweep")]
    quick: bool,
    /// Python peers and ours, alternately, with one number of threads
    #[arg(long, conflicts_with_all = ["sweep", "merge"])]
    peers: bool,
    /// Threads of both sides
    #[arg(long, default_value_t = workspace::threads(), requires = "peers")]
    threads: usize,
    /// How often each side is started, in turn
    #[arg(long, requires = "peers")]
    rounds: Option<usize>,
    /// A ratio below its threshold is a failure
    #[arg(long, requires = "peers")]
    strict: bool,
    /// Merge the results of shards into one file, a table and a plot
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "sweep")]
    merge: Vec<PathBuf>,
    /// Compare with earlier results of the same machine; slower ones are a failure
    #[arg(long, value_name = "BASELINE")]
    compare: Option<PathBuf>,
    /// How much slower than the baseline is too slow
    #[arg(long, value_name = "RATIO", default_value_t = 1.15, requires = "compare")]
    tolerance: f64,
    /// Where results go
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `i/n` with `i < n`.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(i, n)| i < n).ok_or_else(|| "expected i/n with 0 <= i < n, such as 0/4".to_owned())
}

/// Whether all that benches/peers/pairs.toml names exists.
pub(crate) fn check_fixed() -> Verdict {
    pairs::check_fixed()
}

impl Bench {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        let out = self.out.clone().unwrap_or_else(|| workspace::target().join("bench"));
        if self.peers {
            let plan =
                peers::Plan { threads: self.threads, rounds: self.rounds, filter: self.filter.clone() };
            return peers::run(&plan, &out, self.strict);
        }
        let records = if !self.merge.is_empty() {
            record::merge(&self.merge)?
        } else if self.sweep {
            let (i, n) = self.shard.unwrap_or((0, 1));
            sweep::run(&sweep::Plan {
                shard: (i, n),
                backends: self.backend.clone(),
                filter: self.filter.clone(),
                quick: self.quick,
                file: out.join(format!("shard-{i}-of-{n}.jsonl")),
            })?
        } else if self.compare.is_some() {
            record::merge(&[out.join("results.jsonl")])?
        } else {
            return workspace::run(&mut workspace::cargo(&["bench", "--workspace", "--locked", "--benches"]));
        };
        publish(&records, &out)?;
        match &self.compare {
            None => Ok(()),
            Some(file) => self.compare(&records, &record::merge(std::slice::from_ref(file))?),
        }
    }

    fn compare(&self, records: &[Record], baseline: &[Record]) -> Verdict {
        let comparison = record::compare(records, baseline, self.tolerance);
        print!("{}", comparison.table);
        if comparison.compared == 0 {
            return Err("nothing was measured on the baseline's machine, so nothing was compared".to_owned());
        }
        workspace::report("bench", &comparison.slower)
    }
}

/// Writes the results as JSON lines, a table and a plot.
fn publish(records: &[Record], out: &std::path::Path) -> Verdict {
    if records.is_empty() {
        return Err("nothing was measured".to_owned());
    }
    let table = draw::table(records);
    println!("{table}");
    workspace::write(&out.join("results.jsonl"), &record::text(records)?)?;
    workspace::write(&out.join("results.md"), &table)?;
    let drawing = draw::plot(records)?;
    workspace::write(&out.join("results.svg"), &drawing)?;
    println!("bench: results.jsonl, results.md and results.svg are in {}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_zero() {
        assert_eq!(shard("0/4"), Ok((0, 4)));
        assert!(
            shard("4/4").is_err() && shard("1").is_err() && shard("a/b").is_err() && shard("0/0").is_err()
        );
    }

    #[test]
    fn results_are_written_in_three_forms() {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<Record> = ["8", "16"].iter().map(|s| record::sample("rdm", s, "cpu", 0.5)).collect();
        publish(&records, folder.path()).unwrap();
        for name in ["results.jsonl", "results.md", "results.svg"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        assert!(publish(&[], folder.path()).is_err());
    }
}
