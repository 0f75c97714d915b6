//! `bio connectome`, `bio consensus` and `bio disagree` as a user meets them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn neuropil(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil")).current_dir(folder).args(arguments).output().unwrap()
}

fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn failure(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let output = neuropil(folder, arguments);
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    (document["error"].clone(), line)
}

const TABLE: &str = "pre\tpost\ttype\tsynapses\nADAL\tADAR\tchemical\t3\nADAL\tADAR\tchemical\t9\nADAR\tVB01\tchemical\t2\n\
                     ADAL\tADAR\telectrical\t1\nADAR\tADAL\telectrical\t4\nADAL\tMDL05\tchemical\t7\n";

#[test]
fn a_table_is_counted_merged_written_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("t.csv"), TABLE).unwrap();
    let got = answer(at, &["bio", "connectome", "t.csv", "--json", "--out", "edges.csv"]);
    assert_eq!(got["schema"], "neuropil.bio.connectome/1");
    assert_eq!(got["name"], "t");
    let raw = &got["raw"];
    let keys = ["rows", "nodes", "chemical_rows", "chemical_sum", "gap_rows", "gap_sum"];
    assert_eq!(json!(keys.map(|k| raw[k].as_f64().unwrap())), json!([6.0, 4.0, 4.0, 21.0, 2.0, 5.0]));
    let keys = ["neurons", "edges", "chemical_edges", "gap_edges", "chemical_sum", "gap_sum"];
    assert_eq!(json!(keys.map(|k| got[k].as_f64().unwrap())), json!([3.0, 3.0, 2.0, 2.0, 5.0, 5.0]));
    assert_eq!(got["skipped"], json!([{"name": "MDL05", "count": 1}]));
    assert!(got.get("metrics").is_none());
    let edges = std::fs::read_to_string(at.join("edges.csv")).unwrap();
    assert_eq!(
        edges,
        "pre,post,gap,chemical,data_source\nADAL,ADAR,2.5,3,t\nADAR,ADAL,2.5,0,t\nADAR,VB1,0,2,t\n"
    );
    let strict =
        answer(at, &["bio", "connectome", "t.csv", "--json", "--compat", "worm-graph", "--format", "white"]);
    assert_eq!((&strict["neurons"], &strict["chemical_edges"]), (&json!(2), &json!(1)));
    let measured = answer(
        at,
        &["bio", "connectome", "edges.csv", "--json", "--metrics", "--layer", "total", "--null", "3"],
    );
    let metrics = &measured["metrics"];
    assert_eq!((&metrics["nodes"], &metrics["edges"]), (&json!(3), &json!(3)));
    assert_eq!(metrics["scores"][0]["name"], "reciprocity");
    assert_eq!(metrics["scores"][0]["value"], 2.0 / 3.0);
    assert_eq!(metrics["motifs"].as_array().unwrap().len(), 13);
    assert!(measured["nonfinite"].as_u64().unwrap() > 0);
    let schema = answer(at, &["schema", "bio.connectome"]);
    assert!(schema["properties"]["raw"].is_object());
}

#[test]
fn a_damaged_file_is_named_with_its_place_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (file, text, expected) in [
        ("cut.csv", TABLE.strip_suffix("\tchemical\t7\n").unwrap(), vec!["row 7", "type", "cut short"]),
        ("renamed.csv", &TABLE.replace("type", "kind of"), vec!["row 1", "type", "\"kind of\""]),
        (
            "fly.csv",
            "pre,post,type,synapses\nDM1,DM2,chemical,3\n",
            vec!["row 2", "presynaptic", "C. elegans"],
        ),
        ("letters.csv", &TABLE.replace("\t9", "\tnine"), vec!["row 3", "synapses", "nine"]),
    ] {
        std::fs::write(at.join(file), text).unwrap();
        let (error, line) = failure(at, &["bio", "connectome", file, "--json", "--out", "never.csv"]);
        assert_eq!(error["kind"], "format", "{error}");
        assert_eq!(error["path"], file);
        for part in expected.iter().chain(&[file]) {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert!(!at.join("never.csv").exists());
    let (error, _) = failure(at, &["bio", "connectome", "nowhere.csv", "--json"]);
    assert_eq!(error["kind"], "io");
    assert_eq!(neuropil(at, &["bio", "connectome", "cut.csv", "--format", "whit"]).status.code(), Some(2));
    assert_eq!(neuropil(at, &["bio", "consensus", "cut.csv", "--out", "c.csv"]).status.code(), Some(2));
}

#[test]
fn several_tables_agree_or_differ() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("a.csv"), TABLE).unwrap();
    std::fs::write(
        at.join("b.csv"),
        TABLE.replace("\t3", "\t5").replace("VB01\tchemical\t2", "VB01\tchemical\t0"),
    )
    .unwrap();
    let got = answer(at, &["bio", "consensus", "x=a.csv", "y=b.csv", "--out", "c.csv", "--json"]);
    assert_eq!(got["schema"], "neuropil.bio.consensus/1");
    let keys = ["rows", "gap_rows", "chemical_rows", "mean_chemical", "uncertainties", "mean_uncertainty"];
    assert_eq!(json!(keys.map(|k| got[k].as_f64().unwrap())), json!([3.0, 2.0, 2.0, 3.0, 1.0, 0.9]));
    let text = std::fs::read_to_string(at.join("c.csv")).unwrap();
    assert!(text.contains(
        "ADAL,ADAR,\"(nan, nan, nan)\",\"(nan, nan, nan)\",unknown,unknown,2.5,4.0,0.9,\"['x', 'y']\""
    ));
    let full = answer(at, &["bio", "consensus", "x=a.csv", "--out", "f.csv", "--rows", "full", "--json"]);
    assert_eq!(full["rows"], 90_000);
    let got = answer(at, &["bio", "disagree", "x=a.csv", "y=b.csv", "--json", "--out", "d.csv"]);
    assert_eq!(got["schema"], "neuropil.bio.disagree/1");
    assert_eq!((&got["compared"], &got["agreed"], &got["conflicts"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(
        got["edges"][0]["reported"],
        json!([{"source": "x", "weight": 3.0}, {"source": "y", "weight": 5.0}])
    );
    assert_eq!(
        std::fs::read_to_string(at.join("d.csv")).unwrap(),
        "from,to,layer,presence,range,x,y\nADAL,ADAR,chemical,false,2,3,5\n"
    );
    assert_eq!(neuropil(at, &["bio", "disagree", "x=a.csv"]).status.code(), Some(1));
}

#[test]
fn the_published_sources_make_the_published_consensus() {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let sources = root.join("../fixtures/32-homogenized-worm/connectomes");
    if !sources.is_dir() || !root.join("worm-connectomes").is_dir() {
        assert!(
            std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
            "{} is missing",
            root.display()
        );
        eprintln!("skipped: {} is missing", root.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str, file: &str| format!("{name}={}", sources.join(file).display());
    let list = [
        named("white1986_whole", "white_1986_whole.csv"),
        named("white1986_n2u", "white_1986_n2u.csv"),
        named("white1986_jsh", "white_1986_jsh.csv"),
        named("witvliet2020_7", "witvliet_2020_7.csv"),
        named("witvliet2020_8", "witvliet_2020_8.csv"),
    ];
    let mut arguments = vec!["bio", "consensus"];
    arguments.extend(list.iter().map(String::as_str));
    arguments.extend(["--out", "c.csv", "--json"]);
    let got = answer(folder.path(), &arguments);
    assert_eq!(
        (&got["rows"], &got["gap_rows"], &got["chemical_rows"]),
        (&json!(5011), &json!(1625), &json!(3923))
    );
    assert_eq!(got["uncertainties"], 537);
    assert!((got["mean_chemical"].as_f64().unwrap() - 2.46514).abs() < 5e-6);
    assert!((got["mean_uncertainty"].as_f64().unwrap() - 0.481441).abs() < 5e-7);
    let si5 = root.join("worm-connectomes/SI 5 Connectome adjacency matrices.xlsx");
    let si5 = si5.to_str().unwrap();
    let got =
        answer(folder.path(), &["bio", "connectome", si5, "--sheet", "hermaphrodite chemical", "--json"]);
    assert_eq!((&got["raw"]["chemical_rows"], &got["raw"]["chemical_sum"]), (&json!(4879), &json!(28113.0)));
    assert_eq!(
        got["raw"]["matrices"],
        json!([{"sheet": "hermaphrodite chemical", "rows": 300, "columns": 453}])
    );
}
