//! Answers on standard output: JSON documents and readable tables.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::failure::Failure;

/// The `run` object: enough to run it again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct RunCard {
    /// Version of the program.
    pub(crate) version: &'static str,
    /// Commit it was built from.
    pub(crate) commit: &'static str,
    /// Device the tensors lived on.
    pub(crate) device: String,
    /// Number type of the computation.
    pub(crate) dtype: &'static str,
    /// Seed of the draws.
    pub(crate) seed: u64,
    /// Threads.
    pub(crate) threads: usize,
    /// Wall-clock seconds.
    pub(crate) seconds: f64,
    /// Peak resident memory of the process, where the system tells.
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl RunCard {
    /// The card of a verb that just ended.
    pub(crate) fn new(context: &Context, device: String, dtype: &'static str, elapsed: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("NEUROPIL_COMMIT"),
            device,
            dtype,
            seed: context.seed,
            threads: rayon::current_num_threads(),
            seconds: elapsed.as_secs_f64(),
            peak_memory_bytes: peak_memory(),
        }
    }
}

/// Peak resident set in bytes (`VmHWM`), where `/proc` exists.
pub(crate) fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))?
        .split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?;
    Some(kib * 1024)
}

/// Prints an answer; exit status 0.
pub(crate) fn print_answer(body: &Value, as_json: bool) -> u8 {
    if as_json {
        print_line(&body.to_string());
    } else if let Value::Object(fields) = body {
        print(&table(fields), 0);
    }
    0
}

/// How many floats of an answer are NaN or infinite: JSON writes them as `null`, like an absent figure, so they are
/// counted on a form that keeps them.
pub(crate) fn nonfinite<T: Serialize>(answer: &T) -> usize {
    fn count(value: &ciborium::Value) -> usize {
        match value {
            ciborium::Value::Float(x) => usize::from(!x.is_finite()),
            ciborium::Value::Array(items) => items.iter().map(count).sum(),
            ciborium::Value::Map(pairs) => pairs.iter().map(|(_, v)| count(v)).sum(),
            _ => 0,
        }
    }
    ciborium::Value::serialized(answer).map_or(0, |v| count(&v))
}

/// Prints a failure; exit status 1, or 2 for wrong usage.
pub(crate) fn print_failure(schema: &str, failure: &Failure, as_json: bool) -> u8 {
    match &failure.path {
        Some(path) if !failure.message.contains(&path.display().to_string()) => {
            warn(&format!("{}: {}", path.display(), failure.message));
        }
        _ => warn(&failure.message),
    }
    if as_json {
        print_failure_document(schema, failure);
    }
    if failure.kind == "usage" { 2 } else { 1 }
}

/// Prints a failure's document alone.
pub(crate) fn print_failure_document(schema: &str, failure: &Failure) {
    let line = json!({"schema": schema, "error": failure}).to_string();
    // A failure stays one, whether or not somebody reads it.
    print(&format!("{line}\n"), if failure.kind == "usage" { 2 } else { 1 });
}

/// A plain table of an answer: scalars as `name  value`, lists of objects as columns, objects indented below their name.
fn table(fields: &Map<String, Value>) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        let unsaid = name == "schema" || (name == "nonfinite" && value == &json!(0));
        match value {
            _ if unsaid => {}
            Value::Object(run) if name == "run" => {
                let parts = ["version", "commit", "device", "dtype", "seed", "threads", "seconds"];
                let parts = parts.iter().filter_map(|k| run.get(*k).map(|v| format!("{k} {}", plain(v))));
                entry(&mut out, fields, name, &Value::String(parts.collect::<Vec<_>>().join(", ")), 0);
            }
            _ => entry(&mut out, fields, name, value, 0),
        }
    }
    out
}

/// Adds one field, `depth` levels deep; names of one level are padded to the longest.
fn entry(out: &mut String, siblings: &Map<String, Value>, name: &str, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {
            out.push_str(&format!("{indent}{name}:\n"));
            columns(rows).lines().for_each(|line| out.push_str(&format!("{indent}{line}\n")));
        }
        Value::Object(inner) => {
            out.push_str(&format!("{indent}{name}:\n"));
            inner.iter().for_each(|(k, v)| entry(out, inner, k, v, depth + 1));
        }
        _ => {
            let width = siblings.keys().map(|k| k.chars().count()).max().unwrap_or(0);
            out.push_str(&format!("{indent}{name:<width$}  {}\n", plain(value)));
        }
    }
}

fn columns(rows: &[Value]) -> String {
    let header: Vec<&String> = rows[0].as_object().map(|o| o.keys().collect()).unwrap_or_default();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|r| header.iter().map(|h| r.get(h.as_str()).map_or(String::new(), plain)).collect())
        .collect();
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(j, h)| cells.iter().map(|c| c[j].chars().count()).chain([h.len()]).max().unwrap_or(0))
        .collect();
    let line = |parts: &mut dyn Iterator<Item = String>| {
        format!("  {}\n", parts.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = line(&mut header.iter().zip(&widths).map(|(h, w)| format!("{h:<w$}")));
    for row in &cells {
        out.push_str(&line(&mut row.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}"))));
    }
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        Value::Number(n) => {
            n.as_f64().filter(|_| n.is_f64()).map_or_else(|| n.to_string(), |x| format!("{x:.6}"))
        }
        Value::Array(items) if items.len() <= 8 => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Array(items) => format!("[{} values]", items.len()),
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| format!("{k} {}", plain(v))).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(b) => b.to_string(),
    }
}

/// Prints one line.
pub(crate) fn print_line(text: &str) {
    print(&format!("{text}\n"), 0);
}

/// Tells the user something beside the answer.
pub(crate) fn warn(text: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(std::io::stderr(), "neuropil: {text}");
}

/// Writes to standard output, and ends the program where that is closed (a reader such as `head` has what it wanted: with
/// the status that it would have had) or cannot be written (a full disk: the answer is lost).
fn print(text: &str, status: i32) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(status),
        Err(error) => {
            warn(&format!("standard output: {error}"));
            std::process::exit(1);
        }
    }
}
