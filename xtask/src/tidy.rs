//! `cargo xtask tidy`: the invariants that a compiler does not see.
#![allow(clippy::print_stdout, reason = "a command-line chore")]

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

/// Check crate arrows, C libraries, file lengths and file shapes
#[derive(Debug, Args)]
pub(crate) struct Tidy {}

/// Crates that must compile no Burn.
const HOST_ONLY: &[&str] = &["numerics", "recordings", "neural-geometry", "bio-data"];
/// Domain crates: none may depend on another.
const DOMAIN: &[&str] = &["llm-neurons", "bio-data"];
/// `cc` and `*-sys` packages that the default build may contain, each with its reason.
const C_ALLOWED: &[(&str, &str)] = &[("linux-raw-sys", "constants of the Linux interface: no C is compiled")];

impl Tidy {
    /// Whether every invariant holds.
    pub(crate) fn run(&self) -> bool {
        let mut faults = Vec::new();
        sources(&mut faults);
        arrows(&mut faults);
        c_libraries(&mut faults);
        for fault in &faults {
            println!("tidy: {fault}");
        }
        faults.is_empty()
    }
}

/// Names of the packages that `package` pulls into a build.
fn tree(package: &str) -> Result<Vec<String>, String> {
    let output = Command::new("cargo")
        .args(["tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none", "-f", "{p}"])
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
}

fn arrows(faults: &mut Vec<String>) {
    for package in HOST_ONLY.iter().chain(DOMAIN) {
        let names = match tree(package) {
            Ok(names) => names,
            Err(why) => {
                faults.push(format!("cargo tree -p {package}: {why}"));
                continue;
            }
        };
        if HOST_ONLY.contains(package) && names.iter().any(|n| n.starts_with("burn")) {
            faults.push(format!("{package} compiles Burn"));
        }
        for other in DOMAIN.iter().filter(|d| *d != package && DOMAIN.contains(package)) {
            if names.iter().any(|n| n == other) {
                faults.push(format!("{package} depends on the domain crate {other}"));
            }
        }
    }
}

fn c_libraries(faults: &mut Vec<String>) {
    match tree("neuropil") {
        Err(why) => faults.push(format!("cargo tree -p neuropil: {why}")),
        Ok(mut names) => {
            names.sort();
            names.dedup();
            faults.extend(
                names
                    .iter()
                    .filter(|n| compiles_c(n))
                    .map(|n| format!("{n} compiles or binds a C library and is not on the allow-list")),
            );
        }
    }
}

fn compiles_c(package: &str) -> bool {
    (package == "cc" || package.ends_with("-sys")) && !C_ALLOWED.iter().any(|(name, _)| *name == package)
}

fn sources(faults: &mut Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root.join(folder), &mut files);
    }
    for file in files {
        match std::fs::read_to_string(&file) {
            Err(why) => faults.push(format!("{}: {why}", file.display())),
            Ok(text) => faults.extend(judge(&file, &text)),
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// What is wrong with one source file.
fn judge(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let shown = path.display();
    let lines = text.lines().count();
    if lines > 500 {
        println!("tidy: warning: {shown} has {lines} lines");
    }
    if lines > 800 {
        faults.push(format!("{shown}: {lines} lines, at most 800"));
    }
    if name == "mod.rs" || name == "utils.rs" {
        faults.push(format!("{shown}: no file is called {name}"));
    }
    if !text.starts_with("//!") {
        faults.push(format!("{shown}: begins without a line that says what it is about"));
    }
    if name == "lib.rs" && !text.contains("#![forbid(unsafe_code)]") {
        faults.push(format!("{shown}: lacks #![forbid(unsafe_code)]"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_heading_or_with_a_bad_name_is_a_fault() {
        assert!(judge(Path::new("a/good.rs"), "//! Good.\n").is_empty());
        assert_eq!(judge(Path::new("a/bad.rs"), "fn f() {}\n").len(), 1);
        assert_eq!(judge(Path::new("a/mod.rs"), "//! X.\n").len(), 1);
        assert_eq!(judge(Path::new("a/lib.rs"), "//! X.\n").len(), 1);
        assert_eq!(judge(Path::new("a/long.rs"), &"//! X.\n".repeat(801)).len(), 1);
    }

    #[test]
    fn c_bindings_are_seen_and_the_allow_list_is_heard() {
        assert!(compiles_c("zstd-sys") && compiles_c("cc"));
        assert!(!compiles_c("linux-raw-sys") && !compiles_c("serde"));
    }
}
