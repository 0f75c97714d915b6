//! What outside scripts rely on: verbs, flags, JSON keys, array names and exit statuses.
//!
//! `contract/*.toml` hold the promise, one table a verb. A verb, flag, key or array may be added to the program without a
//! change here; one that is promised and gone is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

#[cfg(feature = "geometry")]
use ndarray::Array2;
#[cfg(feature = "geometry")]
use recordings::arrays::{ArrayFile, Npz};
use serde::Deserialize;
use serde_json::Value;

const VERBS: &[&str] = &[
    include_str!("contract/general.toml"),
    include_str!("contract/bio.toml"),
    include_str!("contract/geometry.toml"),
    include_str!("contract/llm.toml"),
    include_str!("contract/snn.toml"),
];

/// Flags that every verb takes.
const COMMON: &[&str] = &["--json", "--device", "--seed", "--threads", "--max-memory", "--verbose"];
/// Keys of every document's `run`.
const RUN: &[&str] =
    &["version", "commit", "device", "dtype", "seed", "threads", "seconds", "peak_memory_bytes"];

/// What is promised of one verb.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    /// How many positional arguments the usage line shows, at least.
    #[serde(default)]
    arguments: usize,
    /// Long flags.
    #[serde(default)]
    flags: Vec<String>,
    /// Values that a flag takes by name, as the help lists them.
    #[serde(default)]
    values: BTreeMap<String, Vec<String>>,
    /// Defaults that the help states.
    #[serde(default)]
    defaults: BTreeMap<String, String>,
    /// Keys of the answer; `a.b` is key `b` of the object, or of each object of the list, `a`.
    #[serde(default)]
    keys: Vec<String>,
    /// Whether the verb has a schema.
    #[serde(default = "yes")]
    schema: bool,
}

fn yes() -> bool {
    true
}

fn promises() -> BTreeMap<String, Promise> {
    VERBS
        .iter()
        .flat_map(|text| {
            toml::from_str::<BTreeMap<String, Promise>>(text).expect("the contract is well formed")
        })
        .filter(|(verb, _)| compiled(verb.split(' ').next().unwrap_or_default()))
        .collect()
}

/// Whether this build has the domain (general verbs are in every build).
fn compiled(domain: &str) -> bool {
    match domain {
        "bio" => cfg!(feature = "bio"),
        "geometry" => cfg!(feature = "geometry"),
        "llm" => cfg!(feature = "llm"),
        "snn" => cfg!(feature = "snn"),
        _ => true,
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil")).current_dir(folder).args(arguments).output().unwrap()
}

fn here(arguments: &[&str]) -> Output {
    run(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails once, with every line, so that one run shows all that is missing.
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} promises are broken:\n  {}", faults.len(), faults.join("\n  "));
}

/// The paragraph of a flag in a help text: its line and the lines that belong to it.
fn paragraph<'a>(help: &'a str, flag: &str) -> Option<&'a str> {
    let begins = |line: &str| {
        line.split(|c: char| c.is_whitespace() || c == ',' || c == '=' || c == '[' || c == '.')
            .any(|word| word == flag)
            && line.trim_start().starts_with('-')
    };
    let mut start = None;
    let mut at = 0;
    for line in help.split_inclusive('\n') {
        let is_next = line.trim_start().starts_with('-') && line.starts_with("  ");
        match start {
            None if begins(line) => start = Some(at),
            Some(from) if is_next || line.trim_end().ends_with(':') && !line.starts_with("     ") => {
                return help.get(from..at);
            }
            _ => {}
        }
        at += line.len();
    }
    help.get(start?..)
}

#[test]
fn every_promised_verb_and_flag_is_in_the_help() {
    let mut faults = Vec::new();
    for (verb, promise) in promises() {
        let mut arguments: Vec<&str> = verb.split_whitespace().collect();
        arguments.push("--help");
        let output = here(&arguments);
        if !output.status.success() {
            faults.push(format!("{verb}: there is no such verb"));
            continue;
        }
        let help = text(&output.stdout);
        let usage = help.lines().find(|l| l.starts_with("Usage:")).unwrap_or_default();
        let words: Vec<&str> = usage.split_whitespace().collect();
        let positional = |pair: &&[&str]| {
            pair[1].starts_with(['<', '[']) && pair[1] != "[OPTIONS]" && !pair[0].starts_with("--")
        };
        if words.windows(2).filter(positional).count() < promise.arguments {
            faults.push(format!("{verb}: {} arguments are promised: {usage}", promise.arguments));
        }
        for flag in promise.flags.iter().map(String::as_str).chain(COMMON.iter().copied()) {
            if paragraph(&help, flag).is_none() {
                faults.push(format!("{verb}: no flag {flag}"));
            }
        }
        for (flag, values) in &promise.values {
            let about = paragraph(&help, flag).unwrap_or_default();
            for value in values.iter().filter(|v| !about.contains(v.as_str())) {
                faults.push(format!("{verb}: the help of {flag} does not name {value}"));
            }
        }
        for (flag, default) in &promise.defaults {
            let about = paragraph(&help, flag).unwrap_or_default();
            let stated = about.split_once("[default:").and_then(|(_, rest)| rest.split_once(']'));
            let stated = stated.map_or("nothing", |(value, _)| value.trim());
            let same = match (stated.parse::<f64>(), default.parse::<f64>()) {
                (Ok(a), Ok(b)) => a == b,
                _ => stated == default,
            };
            if !same {
                faults.push(format!(
                    "{verb}: the help of {flag} states {stated} as its default, not {default}"
                ));
            }
        }
    }
    report(&faults);
}

/// Follows `$ref`, `items` and `anyOf` until an object with properties is met.
fn properties<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a serde_json::Map<String, Value>> {
    let mut found: Vec<&serde_json::Map<String, Value>> =
        schema.get("properties").and_then(Value::as_object).into_iter().collect();
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
        found.extend(
            root.get("$defs").and_then(|d| d.get(name)).map(|s| properties(s, root)).unwrap_or_default(),
        );
    }
    for key in ["items", "additionalProperties"] {
        found.extend(schema.get(key).map(|s| properties(s, root)).unwrap_or_default());
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            found.extend(properties(part, root));
        }
    }
    found
}

#[test]
fn every_promised_key_is_in_the_schema() {
    let mut faults = Vec::new();
    for (verb, promise) in promises().into_iter().filter(|(_, p)| p.schema) {
        let mut arguments = vec!["schema"];
        arguments.extend(verb.split_whitespace());
        let output = here(&arguments);
        let Ok(schema) = serde_json::from_slice::<Value>(&output.stdout) else {
            faults.push(format!("{verb}: no schema"));
            continue;
        };
        let keys = ["schema", "nonfinite", "run"].iter().map(|k| (*k).to_owned());
        let run = RUN.iter().map(|k| format!("run.{k}"));
        for path in promise.keys.iter().cloned().chain(keys).chain(run) {
            let mut level = vec![&schema];
            let mut met = true;
            for key in path.split('.') {
                level = level
                    .into_iter()
                    .flat_map(|s| properties(s, &schema))
                    .filter_map(|p| p.get(key))
                    .collect();
                met &= !level.is_empty();
            }
            if !met {
                faults.push(format!("{verb}: no key {path}"));
            }
        }
        let name = verb.replace(' ', ".");
        if !output.stdout.windows(name.len()).any(|w| w == name.as_bytes()) {
            faults.push(format!("{verb}: the schema does not say neuropil.{name}/1"));
        }
    }
    report(&faults);
}

#[test]
fn the_list_of_schemas_holds_every_verb() {
    let listed = text(&here(&["schema"]).stdout);
    let listed: BTreeSet<&str> = listed.lines().collect();
    let faults: Vec<String> = promises()
        .into_iter()
        .filter(|(_, p)| p.schema)
        .map(|(verb, _)| verb.replace(' ', "."))
        .filter(|name| !listed.contains(name.as_str()))
        .map(|name| format!("schema: {name} is not listed"))
        .collect();
    report(&faults);
}

#[test]
fn wrong_usage_exits_2_and_names_what_is_near() {
    let near: &[(&[&str], &str)] = &[
        (&["geometri"], "geometry"),
        (&["devises"], "devices"),
        (&["reproduse"], "reproduce"),
        (&["geometry", "rdmm"], "rdm"),
        (&["geometry", "rsaa"], "rsa"),
        (&["geometry", "persistense"], "persistence"),
        (&["bio", "connectom"], "connectome"),
        (&["bio", "homogenise"], "homogenize"),
        (&["llm", "eigenscor"], "eigenscore"),
        (&["geometry", "rdm", "x.npz", "--metrik", "cosine"], "--metric"),
        (&["geometry", "rdm", "x.npz", "--metric", "corelation", "--out", "r.npz"], "correlation"),
        (&["bio", "connectome", "x.csv", "--metrix"], "--metrics"),
        (&["llm", "eigenscore", "x.npz", "--moment", "50"], "--moments"),
        (&["llm", "eigenscore", "x.npz", "--method", "choleski"], "cholesky"),
        (&["geometry", "rmd"], "geometry rdm"),
        (&["geometry", "eigenscore", "x.npz"], "llm eigenscore"),
        (&["rdm", "x.npz", "--metric", "cosine"], "geometry rdm"),
        (&["connectom", "x.csv"], "bio connectome"),
        (&["geometry", "trsa", "x.npz", "--out", "o.npz", "--zeroedges", "drop"], "--zero-edges"),
        (&["geometry", "trsa", "x.npz", "--out", "o.npz", "--knn", "symetric"], "symmetric"),
        (&["geometry", "trsa", "x.npz", "--out", "o.npz", "--geodesic", "twosteps"], "twostep, p-shortest:P"),
        (&["geometry", "trsa", "x.npz", "--out", "o.npz", "--geodesic", "k-nearest:two"], "K a whole number"),
        (
            &["geometry", "rdm", "x.npz", "--metric", "cosine", "--out", "o.npz", "--axes", "unit,time"],
            "units,time",
        ),
        (
            &["geometry", "rdm", "x.npz", "--metric", "cosine", "--out", "o.npz", "--scale", "channel"],
            "per-channel",
        ),
        (&["bio", "connectome", "x.csv", "--format", "cook"], "cook2019"),
        (
            &["bio", "homogenize", "x", "--source", "s", "--worm", "w", "--out", "o", "--smooth", "mean:3"],
            "moving:15",
        ),
        (
            &["bio", "homogenize", "x", "--source", "s", "--worm", "w", "--out", "o", "--layout", "newer"],
            "new, old",
        ),
        (&["devices", "--device", "wgp"], "wgpu[:n]"),
        (&["reproduce", "26-tsra"], "nearest: 26-trsa"),
        (&["reproduce", "trssa"], "nearest: 26-trsa"),
        (&["reproduce", "homogenised"], "nearest: 32-homogenized-worm"),
        (&["reproduce", "99-nothing"], "26-trsa"),
        (&["reproduce", "--lst"], "--list"),
        (&["reproduce", "--shard", "4/4"], "0/4"),
        (&["schema", "geometry.rmd"], "nearest: geometry.rdm"),
        (&["schema", "eigenscor"], "llm.eigenscore"),
        (&["schema", "nothing"], "there are: "),
        (&["--sed", "1", "devices"], "--seed"),
    ];
    let mut faults = Vec::new();
    let built = |wanted: &str| wanted.split(' ').all(compiled);
    for (arguments, expected) in near.iter().filter(|(a, e)| a.iter().all(|word| compiled(word)) && built(e))
    {
        let output = here(arguments);
        let said = text(&output.stderr);
        if output.status.code() != Some(2) {
            faults.push(format!("{arguments:?}: exit {:?}, expected 2", output.status.code()));
        } else if !said.contains(expected) {
            faults.push(format!("{arguments:?}: does not name {expected}: {said}"));
        }
    }
    report(&faults);
}

#[test]
fn wrong_values_of_common_flags_say_what_is_expected() {
    let mut faults = Vec::new();
    for (flag, value, expected) in [
        ("--seed", "ten", "expected a whole number from 0 to 18446744073709551615"),
        ("--seed", "-1", "expected a whole number from 0"),
        ("--seed", "1.5", "expected a whole number from 0"),
        ("--threads", "many", "expected a whole number from 0"),
        ("--threads", "-2", "expected a whole number from 0"),
        ("--max-memory", "1GB", "expected a whole number from 0"),
        ("--device", "gpu", "expected auto, cpu, wgpu[:n], cuda[:n] or remote:"),
        ("--device", "wgpu:x", "the device number is not a whole number"),
        ("--device", "cpu:1", "take no number"),
        ("--device", "", "names no device"),
    ] {
        let output = here(&["devices", flag, value, "--json"]);
        let said = text(&output.stderr);
        if output.status.code() != Some(2) || !said.contains(expected) || !said.contains(flag) {
            faults.push(format!("{flag} {value:?}: exit {:?}: {said}", output.status.code()));
        }
        // A program that reads the answer gets a document here too.
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(document) => {
                let error = &document["error"];
                let message = error["message"].as_str().unwrap_or_default();
                if error["kind"] != "usage" || !message.contains(expected) || !document["schema"].is_string()
                {
                    faults.push(format!("{flag} {value:?}: {document}"));
                }
            }
            Err(why) => faults.push(format!("{flag} {value:?}: {why}")),
        }
    }
    report(&faults);
}

/// Every document has its own schema and a run card, whatever verb printed it.
#[test]
fn every_json_answer_has_a_schema_and_a_run_card() {
    let mut faults = Vec::new();
    let general: &[(&[&str], &str)] = &[
        (&["devices", "--json"], "neuropil.devices/1"),
        (&["schema", "--json"], "neuropil.schema/1"),
        (&["reproduce", "--list", "--json"], "neuropil.reproduce.list/1"),
    ];
    for (arguments, schema) in general {
        let output = here(arguments);
        let mut name = vec!["schema"];
        name.extend(schema.trim_start_matches("neuropil.").trim_end_matches("/1").split('.'));
        let described: Value = serde_json::from_slice(&here(&name).stdout).unwrap_or_default();
        let lines = text(&output.stdout);
        if lines.lines().next().is_none() {
            faults.push(format!("{arguments:?}: no line"));
        }
        for line in lines.lines() {
            let document: Value = serde_json::from_str(line).unwrap_or_default();
            if document["schema"] != *schema || document["nonfinite"] != 0 {
                faults.push(format!("{arguments:?}: {line}"));
            }
            for key in RUN.iter().filter(|k| document["run"].get(**k).is_none()) {
                faults.push(format!("{arguments:?}: no run.{key}: {line}"));
            }
            for key in document.as_object().into_iter().flat_map(|o| o.keys()) {
                if properties(&described, &described).iter().all(|p| p.get(key).is_none()) {
                    faults.push(format!("{arguments:?}: {key} is not in the schema"));
                }
            }
        }
    }
    report(&faults);
}

/// A reader that has enough, such as `head`, is no failure; a full disk is one.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_or_full_standard_output_is_no_panic() {
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuropil"));
        command.args(["schema", "devices"]).stderr(std::process::Stdio::piped());
        command
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = command().stdout(writer).output().unwrap();
    assert_eq!((closed.status.code(), text(&closed.stderr)), (Some(0), String::new()));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = command().stdout(full).output().unwrap();
    assert_eq!(full.status.code(), Some(1));
    let said = text(&full.stderr);
    assert!(said.starts_with("neuropil: standard output: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn the_version_names_commit_and_features() {
    let output = here(&["--version"]);
    assert!(output.status.success());
    let said = text(&output.stdout);
    assert!(said.starts_with(&format!("neuropil {}", env!("CARGO_PKG_VERSION"))), "{said}");
    let commit = said.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(c, _)| c);
    let commit = commit.unwrap_or_else(|| panic!("no commit in {said}"));
    assert!(
        commit == "unknown" || (commit.len() >= 12 && commit.bytes().all(|b| b.is_ascii_hexdigit())),
        "{commit}"
    );
    let features = said.lines().find_map(|l| l.strip_prefix("features:")).unwrap_or_default();
    let features: BTreeSet<&str> = features.split_whitespace().collect();
    for (name, on) in [
        ("bio", cfg!(feature = "bio")),
        ("geometry", cfg!(feature = "geometry")),
        ("llm", cfg!(feature = "llm")),
        ("snn", cfg!(feature = "snn")),
        ("flex", cfg!(feature = "flex")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
        ("remote", cfg!(feature = "remote")),
    ] {
        assert_eq!(features.contains(name), on, "{name} in {said}");
    }
}

/// Runs a verb with `--json`; its document.
#[cfg(feature = "geometry")]
fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = run(folder, &all);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}"))
}

#[cfg(feature = "geometry")]
fn arrays(folder: &Path, name: &str) -> BTreeSet<String> {
    ArrayFile::open(&folder.join(name)).unwrap().keys().into_iter().map(str::to_owned).collect()
}

#[cfg(feature = "geometry")]
#[test]
fn written_files_hold_the_promised_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let patterns =
        Array2::from_shape_fn((8, 5), |(i, j)| ((i * 7 + j * 3) % 5) as f64 + 0.1 * (i * i) as f64);
    Npz::new().f64("x", patterns.view().into_dyn()).write(&at.join("x.npz")).unwrap();
    let made = answer(at, &["geometry", "rdm", "x.npz", "--metric", "euclidean", "--out", "r.npz"]);
    assert_eq!(made["schema"], "neuropil.geometry.rdm/1");
    for key in RUN {
        assert!(made["run"].get(key).is_some(), "run.{key} in {made}");
    }
    let rdm: BTreeSet<String> = ["rdm", "n", "metric"].map(str::to_owned).into();
    assert!(rdm.is_subset(&arrays(at, "r.npz")), "{:?}", arrays(at, "r.npz"));
    let file = ArrayFile::open(&at.join("r.npz")).unwrap();
    assert_eq!(file.get("rdm").unwrap().kind(), "f64");
    assert_eq!(file.read_f64_1("rdm").unwrap().len(), 8 * 7 / 2);
    answer(at, &["geometry", "trsa", "r.npz", "--lower", "0.2", "--upper", "0.8", "--out", "t.npz"]);
    assert!(rdm.is_subset(&arrays(at, "t.npz")), "{:?}", arrays(at, "t.npz"));
}

/// A vector as NumPy's `.npy`, version 1.
#[cfg(feature = "geometry")]
fn npy(values: &[i64]) -> Vec<u8> {
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(118_u16.to_le_bytes());
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[cfg(feature = "geometry")]
#[test]
fn crossnobis_needs_conditions_and_folds_and_geodesics_their_own_flags() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let patterns = Array2::from_shape_fn((8, 3), |(i, j)| ((i * 5 + j * 2) % 7) as f64 + 0.3 * i as f64);
    Npz::new().f64("x", patterns.view().into_dyn()).write(&at.join("x.npz")).unwrap();
    std::fs::write(at.join("c.npy"), npy(&[0, 1, 2, 3, 0, 1, 2, 3])).unwrap();
    std::fs::write(at.join("f.npy"), npy(&[0, 0, 0, 0, 1, 1, 1, 1])).unwrap();
    let crossnobis = ["geometry", "rdm", "x.npz", "--metric", "crossnobis", "--out", "r.npz"];
    assert_eq!(run(at, &crossnobis).status.code(), Some(2), "crossnobis without conditions and folds");
    let mut whole = crossnobis.to_vec();
    whole.extend(["--conditions", "c.npy", "--folds", "f.npy"]);
    assert_eq!(answer(at, &whole)["n"], 4);
    let (all, near) =
        (["twostep", "p-shortest:0.5", "k-nearest:2", "p-nearest:0.5"], ["k-nearest:2", "p-nearest:0.5"]);
    // Thresholds of another transform are refused; what is only idle is said.
    let flags: &[(&[&str], &[&str], i32)] = &[
        (&["--lower", "0.1"], &["none", "twostep"], 2),
        (&["--upper", "0.9"], &["none", "twostep"], 2),
        (&["--sigmoid", "10,0.5"], &["none"], 2),
        (&["--knn", "reference"], &near, 0),
        (&["--zero-edges", "keep"], &all, 0),
        (&["--no-rank"], &all, 0),
    ];
    for (flag, takers, else_code) in flags {
        for geodesic in all.iter().chain(&["none"]) {
            let mut words =
                vec!["geometry", "trsa", "r.npz", "--geodesic", geodesic, "--out", "t.npz", "--json"];
            words.extend(*flag);
            let output = run(at, &words);
            let takes = takers.contains(geodesic);
            let code = if takes { 0 } else { *else_code };
            assert_eq!(
                output.status.code(),
                Some(code),
                "{flag:?} with {geodesic}: {}",
                text(&output.stderr)
            );
            let said = text(&output.stderr);
            assert!(
                takes || said.contains(flag[0]) && takers.iter().all(|t| said.contains(&t[..7.min(t.len())])),
                "{said}"
            );
        }
    }
}

#[test]
fn failures_are_one_document_one_line_and_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("cut.npz"), b"PK\x03\x04 and nothing more").unwrap();
    std::fs::write(at.join("cut.csv"), b"pre,post\nAVAL").unwrap();
    std::fs::write(at.join("cut.parquet"), b"PAR1").unwrap();
    let cases: &[&[&str]] = &[
        &["geometry", "rdm", "cut.npz", "--metric", "cosine", "--out", "o.npz"],
        &["geometry", "rdm", "absent.npz", "--metric", "cosine", "--out", "o.npz"],
        &["geometry", "trsa", "cut.npz", "--out", "o.npz"],
        &["geometry", "rsa", "cut.npz", "cut.npz", "--compare", "spearman"],
        &["geometry", "identify", "cut.npz"],
        &["geometry", "persistence", "cut.npz"],
        &["geometry", "mds", "cut.npz", "--dimensions", "2"],
        &["geometry", "agtic", "cut.npz", "cut.npz"],
        &["bio", "connectome", "cut.csv"],
        &["bio", "connectome", "absent.csv"],
        &["bio", "consensus", "a=cut.csv", "b=cut.csv", "--out", "o.csv"],
        &["bio", "disagree", "a=cut.csv", "b=cut.csv"],
        &["bio", "homogenize", "cut.npz", "--source", "S", "--worm", "worm0", "--out", "o.parquet"],
        &["bio", "recordings", "cut.parquet"],
        &["llm", "eigenscore", "cut.npz"],
    ];
    let mut faults = Vec::new();
    for case in cases.iter().filter(|case| compiled(case[0])) {
        let mut arguments = case.to_vec();
        arguments.push("--json");
        let output = run(at, &arguments);
        if output.status.code() != Some(1) {
            faults.push(format!("{case:?}: exit {:?}: {}", output.status.code(), text(&output.stderr)));
            continue;
        }
        let lines = text(&output.stderr).lines().count();
        if lines != 1 {
            faults.push(format!("{case:?}: {lines} lines on standard error: {}", text(&output.stderr)));
        }
        let name = format!("neuropil.{}.{}/1", case[0], case[1]);
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(document) => {
                let error = &document["error"];
                let whole = document["schema"] == name.as_str()
                    && error["kind"].is_string()
                    && error["message"].is_string()
                    && error.get("path").is_some();
                if !whole {
                    faults.push(format!("{case:?}: {document}"));
                }
            }
            Err(why) => faults.push(format!("{case:?}: {why}")),
        }
        if std::fs::read_dir(at).unwrap().flatten().any(|e| e.file_name().to_string_lossy().starts_with("o."))
        {
            faults.push(format!("{case:?}: leaves a file behind"));
        }
    }
    report(&faults);
}
