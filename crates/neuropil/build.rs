//! Tells the program which commit it was built from.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        Command::new("git")
            .args(args)
            .output()
            .ok()
            .filter(|o| o.status.success())
            .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])
        .filter(|c| !c.is_empty())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=NEUROPIL_COMMIT={commit}");
    println!("cargo::rerun-if-changed=build.rs");
    // HEAD's log changes with every commit; outside a checkout nothing is watched.
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        let log = std::path::Path::new(&folder).join("logs/HEAD");
        if log.exists() {
            println!("cargo::rerun-if-changed={}", log.display());
        }
    }
}
