//! `Cargo.toml` files: what they inherit, and who may name a backend.

use std::path::Path;

use toml::{Table, Value};

use crate::workspace::{self, Verdict};

/// Package keys that every crate takes from the workspace.
const INHERITED: &[&str] =
    &["version", "edition", "rust-version", "license", "repository", "authors", "publish"];
/// The one crate that switches Burn's features on.
const BACKENDS: &str = "tensor-backend";
/// Licences that a dependency of the workspace's own text may not weaken.
const LICENCE: &str = "MIT OR Apache-2.0";

/// What is wrong with the manifests.
pub(crate) fn check(root: &Path) -> Verdict<Vec<String>> {
    let mut faults = workspace_manifest(&parse(&root.join("Cargo.toml"))?);
    let mut folders: Vec<_> = workspace::files(&root.join("crates"), &["toml"])
        .into_iter()
        .filter(|f| f.ends_with("Cargo.toml"))
        .collect();
    folders.push(root.join("xtask/Cargo.toml"));
    for file in folders {
        let shown = workspace::short(&file);
        faults.extend(crate_manifest(&parse(&file)?).into_iter().map(|fault| format!("{shown}: {fault}")));
    }
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !root.join(name).is_file() {
            faults.push(format!("{name} is missing"));
        }
    }
    Ok(faults)
}

fn parse(path: &Path) -> Verdict<Table> {
    workspace::read(path)?.parse().map_err(|why| format!("{}: {why}", path.display()))
}

fn workspace_manifest(manifest: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    let whole = manifest.get("workspace").and_then(Value::as_table).cloned().unwrap_or_default();
    let package = whole.get("package").and_then(Value::as_table).cloned().unwrap_or_default();
    if package.get("license").and_then(Value::as_str) != Some(LICENCE) {
        faults.push(format!("Cargo.toml: the licence is not {LICENCE}"));
    }
    let dependencies = whole.get("dependencies").and_then(Value::as_table).cloned().unwrap_or_default();
    if let Some(burn) = dependencies.get("burn").and_then(Value::as_table) {
        if burn.get("default-features").and_then(Value::as_bool) != Some(false) {
            faults.push("Cargo.toml: burn comes with its default features".to_owned());
        }
        let exact = burn.get("version").and_then(Value::as_str).is_some_and(|v| v.starts_with('='));
        if !exact {
            faults.push("Cargo.toml: burn is not pinned to one version".to_owned());
        }
        for feature in strings(burn.get("features")) {
            if ["flex", "wgpu", "vulkan", "cuda", "cpu", "fusion", "autotune", "remote"]
                .contains(&feature.as_str())
            {
                faults.push(format!("Cargo.toml: burn's feature {feature} belongs to {BACKENDS} alone"));
            }
        }
    }
    faults
}

fn crate_manifest(manifest: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    let table = |key: &str| manifest.get(key).and_then(Value::as_table).cloned().unwrap_or_default();
    let package = table("package");
    let name = package.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    for key in INHERITED {
        let inherited = package.get(*key).and_then(Value::as_table).and_then(|t| t.get("workspace"));
        if inherited.and_then(Value::as_bool) != Some(true) {
            faults.push(format!("{key} is not the workspace's"));
        }
    }
    if package.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
        faults.push("has no description".to_owned());
    }
    if table("lints").get("workspace").and_then(Value::as_bool) != Some(true) {
        faults.push("lints are not the workspace's".to_owned());
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (dependency, value) in table(section) {
            let inherited = value.as_table().and_then(|t| t.get("workspace")).and_then(Value::as_bool);
            if inherited != Some(true) {
                faults.push(format!("{dependency} is not the workspace's"));
            }
            let with_features = value.as_table().is_some_and(|t| t.contains_key("features"));
            if dependency.starts_with("burn") && with_features {
                faults.push(format!("{dependency} has features of its own"));
            }
            if dependency.starts_with("burn-") {
                faults.push(format!("{dependency} is named directly; burn re-exports it"));
            }
        }
    }
    for (feature, switched) in table("features") {
        for item in strings(Some(&switched)) {
            if item.starts_with("burn/") && name != BACKENDS {
                faults.push(format!("the feature {feature} switches {item}; only {BACKENDS} may"));
            }
        }
    }
    faults
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        let inherited: String = INHERITED.iter().map(|k| format!("{k}.workspace = true\n")).collect();
        format!("[package]\nname = \"x\"\ndescription = \"X\"\n{inherited}[lints]\nworkspace = true\n")
    }

    fn faults(text: &str) -> Vec<String> {
        crate_manifest(&text.parse().unwrap())
    }

    #[test]
    fn what_a_crate_must_inherit_is_missed() {
        assert!(faults(&good()).is_empty());
        for line in good().lines().filter(|l| l.contains("workspace") || l.starts_with("description")) {
            let without: Vec<String> = good().lines().filter(|l| *l != line).map(str::to_owned).collect();
            assert_eq!(faults(&without.join("\n")).len(), 1, "{line}");
        }
        assert_eq!(faults(&(good() + "[dependencies]\nserde = \"1\"\n")).len(), 1);
        assert!(faults(&(good() + "[dependencies]\nserde.workspace = true\n")).is_empty());
    }

    #[test]
    fn backends_are_switched_in_one_crate() {
        let forwarded = good() + "[features]\nwgpu = [\"tensor-backend/wgpu\"]\n";
        assert!(faults(&forwarded).is_empty());
        let direct = good() + "[features]\nwgpu = [\"burn/wgpu\"]\n";
        assert_eq!(faults(&direct).len(), 1);
        assert!(faults(&direct.replace("\"x\"", "\"tensor-backend\"")).is_empty());
        let own = good() + "[dependencies]\nburn = { workspace = true, features = [\"flex\"] }\n";
        assert_eq!(faults(&own).len(), 1);
        assert_eq!(faults(&(good() + "[dependencies]\nburn-linalg.workspace = true\n")).len(), 1);
    }

    #[test]
    fn the_workspace_pins_burn_without_a_backend() {
        let text = "[workspace.package]\nlicense = \"MIT OR Apache-2.0\"\n[workspace.dependencies]\n\
                    burn = { version = \"=0.22.1\", default-features = false, features = [\"std\"] }\n";
        let judge = |t: &str| workspace_manifest(&t.parse().unwrap());
        assert!(judge(text).is_empty());
        assert_eq!(judge(&text.replace("=0.22.1", "0.22")).len(), 1);
        assert_eq!(judge(&text.replace("\"std\"", "\"std\", \"wgpu\"")).len(), 1);
        assert_eq!(judge(&text.replace(", default-features = false", "")).len(), 1);
        assert_eq!(judge(&text.replace("MIT OR ", "")).len(), 1);
    }
}
