//! Inputs that no verb was made for: empty files, folders, one neuron, NaN, constants.
//!
//! No panic; a failure is one document with its kind and the file, one line and exit status 1, and leaves no file behind;
//! a success is one document and the file that was asked for.
#![cfg(any(feature = "bio", feature = "geometry", feature = "llm"))]

use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::{Array1, Array2};
use recordings::arrays::Npz;
use serde_json::Value;

/// What is in the file. The first two are no arrays at all.
const KINDS: [&str; 7] = ["empty", "folder", "nan", "infinite", "one", "constant", "zeros"];
/// Nothing can be made of these.
const HOPELESS: &[&str] = &["empty", "folder", "nan", "infinite"];

/// Without two different values there are no ranks and no correlation.
const EQUAL: &[&str] = &["constant", "zeros"];

/// The value at `(row, unit)` of an array of this kind.
fn value(kind: &str, row: usize, unit: usize) -> f64 {
    match kind {
        "nan" => f64::NAN,
        "infinite" => f64::INFINITY,
        "constant" => 1.5,
        "zeros" => 0.0,
        _ => ((row + 1) * (row + 1)) as f64 + unit as f64,
    }
}

/// Writes every kind of every file: `KIND/x.npz` (patterns), `rdm.npz`, `ids.npz` (for identify), `raw.npz` (calcium),
/// and files of other layouts that are empty or folders.
fn write(at: &Path) {
    for kind in KINDS {
        let folder = at.join(kind);
        std::fs::create_dir(&folder).unwrap();
        let names = ["x.npz", "x.npy", "x.safetensors", "rdm.npz", "ids.npz", "raw.npz"];
        let others = ["raw.h5", "t.csv", "t.xlsx", "t.xls", "t.tsv", "t.pt", "w.parquet"];
        for name in names.iter().chain(&others) {
            match kind {
                "empty" => std::fs::write(folder.join(name), b"").unwrap(),
                "folder" => std::fs::create_dir(folder.join(name)).unwrap(),
                _ => {}
            }
        }
        if matches!(kind, "empty" | "folder") {
            continue;
        }
        let units = if kind == "one" { 1 } else { 4 };
        let x = Array2::from_shape_fn((6, units), |(i, j)| value(kind, i, j));
        Npz::new().f64("x", x.view().into_dyn()).write(&folder.join("x.npz")).unwrap();
        // Of one neuron: what its patterns lie apart.
        let pairs = (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j)));
        let apart =
            |(i, j): (usize, usize)| if kind == "one" { (x[[i, 0]] - x[[j, 0]]).abs() } else { x[[0, 0]] };
        let rdm: Array1<f64> = pairs.map(apart).collect();
        Npz::new().f64("rdm", rdm.view().into_dyn()).write(&folder.join("rdm.npz")).unwrap();
        let ids = ndarray::arr1(&[0_i64, 0, 1, 1, 2, 2]);
        Npz::new()
            .f64("rdms", Array2::from_shape_fn((6, 3), |(i, j)| value(kind, i % 2, j)).view().into_dyn())
            .i64("subjects", ids.view().into_dyn())
            .i64("labels", ndarray::arr1(&[0_i64, 1, 0, 1, 0, 1]).view().into_dyn())
            .write(&folder.join("ids.npz"))
            .unwrap();
        let times: Array1<f64> = (0..700).map(|i| 0.2 * f64::from(i)).collect();
        Npz::new()
            .f64(
                "traces",
                Array2::from_shape_fn((700, units), |(i, j)| value(kind, i % 9, j)).view().into_dyn(),
            )
            .f64("times", times.view().into_dyn())
            .text("who", &["AVAL", "AVAR", "RIML", "RIMR"].map(str::to_owned)[..units])
            .write(&folder.join("raw.npz"))
            .unwrap();
    }
}

/// A way to call a verb: `@NAME` is the file of that name of each kind, `o.npz` and the like what it writes.
struct Call {
    arguments: &'static str,
    /// Kinds that it cannot use, beside the hopeless ones.
    refuses: &'static [&'static str],
    /// Kinds that are tried; all where empty.
    tried: &'static [&'static str],
    /// Whether infinite values mean something: pairs that nothing joins.
    infinite: bool,
}

const fn call(arguments: &'static str, refuses: &'static [&'static str]) -> Call {
    Call { arguments, refuses, tried: &[], infinite: false }
}

/// Files of other layouts: empty, or folders.
const fn other(arguments: &'static str) -> Call {
    Call { arguments, refuses: &[], tried: &["empty", "folder"], infinite: false }
}

/// A verb that takes infinite dissimilarities, as geodesics can be.
const fn taking_infinite(arguments: &'static str) -> Call {
    Call { arguments, refuses: &[], tried: &[], infinite: true }
}

/// Tries every call on every kind; says all that is wrong at once.
fn judge(calls: &[Call]) {
    let inputs = tempfile::tempdir().unwrap();
    write(inputs.path());
    let mut faults = Vec::new();
    for call in calls {
        for kind in KINDS.iter().filter(|k| call.tried.is_empty() || call.tried.contains(k)) {
            let hopeless = HOPELESS.contains(kind) && !(call.infinite && *kind == "infinite");
            let refused = hopeless || call.refuses.contains(kind);
            if let Err(why) = once(call.arguments, &inputs.path().join(kind), refused) {
                faults.push(format!("{} on {kind}: {why}", call.arguments));
            }
        }
    }
    assert!(faults.is_empty(), "{} calls are wrong:\n  {}", faults.len(), faults.join("\n  "));
}

fn once(arguments: &str, inputs: &Path, refused: bool) -> Result<(), String> {
    let place = tempfile::tempdir().unwrap();
    let words: Vec<String> = arguments
        .split(' ')
        .map(|word| match word.split_once('@') {
            Some((before, name)) => format!("{before}{}", inputs.join(name).display()),
            None => word.to_owned(),
        })
        .collect();
    let output = Command::new(env!("CARGO_BIN_EXE_neuropil"))
        .current_dir(place.path())
        .args(&words)
        .arg("--json")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("panicked") || !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("{}: {said}", output.status));
    }
    let left: Vec<PathBuf> = std::fs::read_dir(place.path()).unwrap().flatten().map(|e| e.path()).collect();
    let document: Value =
        serde_json::from_slice(&output.stdout).map_err(|why| format!("no document: {why}: {said}"))?;
    let mut name = words.iter().take(2);
    let schema = format!("neuropil.{}.{}/1", name.next().unwrap(), name.next().unwrap());
    if document["schema"] != schema.as_str() {
        return Err(format!("schema {}", document["schema"]));
    }
    if output.status.success() {
        let wanted = words.iter().filter(|w| w.starts_with("o.")).count();
        return match (refused, left.len() == wanted && document["run"].is_object()) {
            (true, _) => Err(format!("is not refused: {document}")),
            (false, true) => Ok(()),
            (false, false) => Err(format!("{document} left {left:?}")),
        };
    }
    let error = &document["error"];
    let message = error["message"].as_str().unwrap_or_default();
    let kinds = ["input", "format", "io", "device", "memory", "unsupported"];
    let typed = error["kind"].as_str().is_some_and(|k| kinds.contains(&k));
    let path = error["path"].as_str().unwrap_or_default();
    if !typed || message.is_empty() || !path.contains(&*inputs.to_string_lossy()) {
        return Err(format!("what failed is not said: {document}"));
    }
    // The readers of arrays say it in their own words; the other layouts leave a folder to the operating system.
    let reason = match inputs.file_name().and_then(|n| n.to_str()) {
        Some("empty") => "empty",
        Some("folder") => "directory",
        _ => "",
    };
    if arguments.contains("@x.") && !message.contains(reason) {
        return Err(format!("does not say {reason}: {message}"));
    }
    if said.lines().filter(|l| !l.contains("rows are taken as samples")).count() != 1 {
        return Err(format!("not one line: {said}"));
    }
    if !left.is_empty() {
        return Err(format!("leaves {left:?}"));
    }
    if refused { Ok(()) } else { Err(format!("is refused: {message}")) }
}

#[cfg(feature = "geometry")]
#[test]
fn geometry_verbs_answer_or_say_why_not() {
    judge(&[
        call("geometry rdm @x.npz --metric euclidean --out o.npz", &[]),
        call("geometry rdm @x.npz --metric sqeuclidean --out o.npz", &[]),
        call("geometry rdm @x.npz --metric correlation --out o.npz", &["one", "constant", "zeros"]),
        call("geometry rdm @x.npz --metric cosine --out o.npz", &["zeros"]),
        call(
            "geometry rdm @x.npz --metric crossnobis --conditions 0,1,2,0,1,2 --folds 0,0,0,1,1,1 --out o.npz",
            &[],
        ),
        other("geometry rdm @x.npy --metric euclidean --out o.npz"),
        other("geometry rdm @x.safetensors --metric euclidean --out o.npz"),
        call(
            "geometry rsa @x.npz @x.npz --patterns --metric euclidean --bootstrap 9 --permutations 9",
            EQUAL,
        ),
        call("geometry rsa @rdm.npz @rdm.npz --bootstrap 9 --permutations 9", EQUAL),
        call("geometry trsa @rdm.npz --out o.npz", EQUAL),
        call("geometry trsa @rdm.npz --sigmoid 10,0.5 --out o.npz", EQUAL),
        call("geometry trsa @rdm.npz --geodesic twostep --out o.npz", EQUAL),
        call("geometry trsa @rdm.npz --geodesic p-shortest:0.5 --no-rank --out o.npz", EQUAL),
        call("geometry trsa @rdm.npz --geodesic k-nearest:2 --out o.npz", EQUAL),
        call("geometry trsa @rdm.npz --geodesic p-nearest:0.5 --out o.npz", EQUAL),
        call("geometry identify @ids.npz", &[]),
        taking_infinite("geometry persistence @rdm.npz --out o.npz"),
        taking_infinite("geometry persistence @rdm.npz --max-dimension 0 --out o.npz"),
        call("geometry mds @rdm.npz --out o.npz", &[]),
        call("geometry mds @rdm.npz --dimensions 1 --method smacof --out o.npz", &[]),
        call("geometry agtic @x.npz @x.npz --permutations 9", &[]),
    ]);
}

#[cfg(feature = "llm")]
#[test]
fn language_model_verbs_answer_or_say_why_not() {
    judge(&[
        call("llm eigenscore @x.npz", &["one"]),
        call("llm eigenscore @x.npz --method chebyshev", &["one"]),
        call("llm eigenscore @x.npz --method cholesky", &["one"]),
        call("llm eigenscore @x.npz --method eigen", &["one"]),
        call("llm eigenscore @x.npz --convention send-dual", &["one"]),
        other("llm eigenscore @x.npy"),
        other("llm eigenscore @x.safetensors"),
    ]);
}

#[cfg(feature = "bio")]
#[test]
fn brain_verbs_answer_or_say_why_not() {
    judge(&[
        other("bio connectome @t.csv --out o.csv"),
        other("bio connectome @t.csv --metrics"),
        other("bio connectome @t.tsv --out o.csv"),
        other("bio connectome @t.xlsx --out o.csv"),
        other("bio connectome @t.xls --out o.csv"),
        other("bio connectome @t.pt --out o.csv"),
        other("bio consensus a=@t.csv b=@t.csv --out o.csv"),
        other("bio disagree a=@t.csv b=@t.csv --out o.csv"),
        call("bio homogenize @raw.npz --labels who --source S --worm w --out o.parquet", &[]),
        call(
            "bio homogenize @raw.npz --labels who --normalize causal --source S --worm w --out o.parquet",
            &[],
        ),
        other("bio homogenize @raw.h5 --labels who --source S --worm w --out o.parquet"),
        other("bio recordings @w.parquet"),
    ]);
}

/// What cannot be written is said with its place, and nothing half-written stays.
#[cfg(feature = "geometry")]
#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at);
    std::fs::create_dir(at.join("taken.npz")).unwrap();
    let before = std::fs::read_dir(at).unwrap().count();
    for out in ["absent/o.npz", "taken.npz"] {
        for words in [
            "rdm one/x.npz --metric euclidean",
            "trsa one/rdm.npz",
            "mds one/rdm.npz",
            "persistence one/rdm.npz",
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_neuropil"))
                .current_dir(at)
                .arg("geometry")
                .args(words.split(' '))
                .args(["--json", "--out", out])
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{words} {out}");
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(document["error"]["kind"], "io", "{document}");
            assert!(document["error"]["path"].as_str().unwrap().contains(out), "{document}");
        }
    }
    assert_eq!(std::fs::read_dir(at).unwrap().count(), before, "a temporary file stays");
}

/// A size that no machine holds is refused before it is tried.
#[test]
fn absurd_sizes_are_refused_by_their_estimate() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at);
    for words in [
        "llm eigenscore constant/x.npz --moments 99999999999999",
        "llm eigenscore constant/x.npz --method chebyshev --moments 18446744073709551615",
        "llm eigenscore constant/x.npz --method chebyshev --probes 18446744073709551615",
        "geometry persistence one/rdm.npz --points 99999999999",
        "geometry rsa one/rdm.npz one/rdm.npz --bootstrap 18446744073709551615",
        "geometry rsa one/rdm.npz one/rdm.npz --permutations 99999999999",
        "geometry agtic one/x.npz one/x.npz --permutations 99999999999",
        "geometry agtic one/x.npz one/x.npz --thresholds 18446744073709551615",
    ] {
        let domain = words.split(' ').next().unwrap();
        if !(domain == "llm" && cfg!(feature = "llm") || domain == "geometry" && cfg!(feature = "geometry")) {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_neuropil"))
            .current_dir(at)
            .args(words.split(' '))
            .args(["--json", "--max-memory", "1000000000"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "memory", "{document}");
        assert!(document["error"]["message"].as_str().unwrap().contains("--max-memory"), "{document}");
    }
}
