//! Dependency trees: crates that hold no Burn, arrows between crates, C libraries.

use toml::Table;

use crate::workspace::{self, Verdict};

/// Crates below the top, in two rows: a crate of a row may use those of the row above and, in the foundation, its own.
const FOUNDATION: &[&str] = &["numerics", "recordings", "neural-geometry", "tensor-backend", "probes"];
/// Crates at the top, which may use all.
const TOP: &[&str] = &["reproductions", "neuropil", "xtask"];
/// Crates that must compile no Burn, with the features that must not be on for it.
const HOST_ONLY: &[&str] =
    &["numerics", "recordings", "neural-geometry", "bio-data", "snn", "learning-systems", "edge-infer"];

/// The file that allows C libraries.
const ALLOWED: &str = "xtask/c-libraries.toml";

/// What is wrong with the trees.
pub(crate) fn check() -> Verdict<Vec<String>> {
    let packages: Vec<String> = workspace::packages()?.into_iter().map(|p| p.name).collect();
    let mut faults = Vec::new();
    for package in packages.iter().filter(|p| !TOP.contains(&p.as_str())) {
        let names = tree(package)?;
        if HOST_ONLY.contains(&package.as_str())
            && names.iter().any(|n| n == "burn" || n.starts_with("burn-"))
        {
            faults.push(format!("{package} compiles Burn"));
        }
        faults.extend(wrong_arrows(package, &names, &packages));
    }
    let allowed = allowed(&workspace::read(&workspace::root().join(ALLOWED))?)?;
    let mut names = tree("neuropil")?;
    names.sort();
    names.dedup();
    faults.extend(c_libraries(&names, &allowed));
    Ok(faults)
}

/// Names of the packages that `package` pulls into a build with its default features.
fn tree(package: &str) -> Verdict<Vec<String>> {
    let text = workspace::output(&mut workspace::cargo(&[
        "tree",
        "--locked",
        "-p",
        package,
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "-f",
        "{p}",
    ]))?;
    Ok(text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
}

/// Crates of the workspace that `package` uses and must not.
fn wrong_arrows(package: &str, tree: &[String], workspace: &[String]) -> Vec<String> {
    let may = |other: &str| FOUNDATION.contains(&other);
    let ours = workspace.iter().filter(|w| *w != package && tree.contains(w) && !may(w));
    ours.map(|other| {
        let kind = if TOP.contains(&other.as_str()) { "top" } else { "domain" };
        format!("{package} depends on the {kind} crate {other}")
    })
    .collect()
}

/// The names on the allow-list; each has a reason.
fn allowed(text: &str) -> Verdict<Vec<String>> {
    let table: Table = text.parse().map_err(|why| format!("{ALLOWED}: {why}"))?;
    for (name, reason) in &table {
        if reason.as_str().is_none_or(|r| r.trim().len() < 10) {
            return Err(format!("{ALLOWED}: {name} is allowed without a reason"));
        }
    }
    Ok(table.keys().cloned().collect())
}

/// Packages that compile or bind C and are not allowed, and allowances that nothing uses.
fn c_libraries(tree: &[String], allowed: &[String]) -> Vec<String> {
    let binds =
        |name: &String| name == "cc" || name == "cmake" || name == "bindgen" || name.ends_with("-sys");
    let extra = tree.iter().filter(|n| binds(n) && !allowed.contains(n));
    let idle = allowed.iter().filter(|a| !tree.contains(a));
    extra
        .map(|n| format!("{n} compiles or binds a C library and is not in {ALLOWED}"))
        .chain(idle.map(|n| format!("{ALLOWED} allows {n}, which nothing uses")))
        .collect()
}

/// Whether the file of allowances is where it belongs.
#[cfg(test)]
fn allow_list() -> std::path::PathBuf {
    workspace::root().join(ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_domain_crate_may_use_the_foundation_alone() {
        let all = names(&["numerics", "bio-data", "llm-neurons", "neuropil"]);
        assert!(wrong_arrows("bio-data", &names(&["bio-data", "numerics", "serde"]), &all).is_empty());
        assert_eq!(wrong_arrows("bio-data", &names(&["bio-data", "llm-neurons"]), &all).len(), 1);
        assert_eq!(wrong_arrows("numerics", &names(&["numerics", "bio-data"]), &all).len(), 1);
        assert_eq!(wrong_arrows("numerics", &names(&["numerics", "neuropil"]), &all).len(), 1);
    }

    #[test]
    fn c_bindings_are_seen_and_the_allow_list_is_heard() {
        let tree = names(&["serde", "zstd-sys", "cc", "linux-raw-sys"]);
        assert_eq!(c_libraries(&tree, &names(&["linux-raw-sys"])).len(), 2);
        assert_eq!(c_libraries(&tree, &names(&["linux-raw-sys", "cc", "zstd-sys", "old-sys"])).len(), 1);
    }

    #[test]
    fn an_allowance_has_a_reason() {
        assert!(allowed("a-sys = \"constants alone: no C\"\n").is_ok());
        assert!(allowed("a-sys = \"\"\n").is_err());
        assert!(allowed(&std::fs::read_to_string(allow_list()).unwrap()).is_ok());
    }
}
