//! Tests and reproductions as the sources name them.

use std::path::{Path, PathBuf};

use crate::workspace::{self, Verdict};

/// Finds a test written `SUITE::PATH`: a test of the library is `numerics::ranks::tests::NAME`, one of an integration
/// test `neural-geometry::golden::NAME` (with `::cpu` after it for one backend of a cross-backend test), one of a program
/// `neuropil::bin/neuropil::verb::tests::NAME`.
pub(crate) fn find_test(root: &Path, test: &str) -> Verdict<PathBuf> {
    let mut parts: Vec<&str> = test.split("::").collect();
    // `cross_backend_tests!` makes a module of a function, and in it a test for each backend.
    if parts.len() > 3 && parts.last().is_some_and(|last| ["cpu", "wgpu", "cuda"].contains(last)) {
        parts.pop();
    }
    let [package, modules @ .., name] = parts.as_slice() else {
        return Err(format!("{test} is not written PACKAGE::PATH::NAME"));
    };
    let folder = root.join("crates").join(package);
    if !folder.is_dir() {
        return Err(format!("{test}: there is no crate {package}"));
    }
    let modules = match modules {
        [binary, rest @ ..] if binary.starts_with("bin/") => rest,
        all => all,
    };
    let mut candidates = Vec::new();
    if let [suite, inner @ ..] = modules {
        candidates.extend(places(&folder.join("tests"), &[&[*suite], inner].concat()));
    }
    candidates.extend(places(&folder.join("src"), modules));
    candidates.push(folder.join("src/lib.rs"));
    let mut seen = Vec::new();
    for file in candidates {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        match test_in(&text, name) {
            Found::Test => return Ok(file),
            Found::Ignored => return Err(format!("{test} is ignored, so it shows nothing")),
            Found::Plain => {
                seen.push(format!("{} has a function of that name that is no test", file.display()))
            }
            Found::No => {}
        }
    }
    Err(format!(
        "{test}: no such test{}",
        if seen.is_empty() { String::new() } else { format!(" ({})", seen.join(", ")) }
    ))
}

/// The files in which a module may stand: its own, or that of any module around it.
fn places(folder: &Path, modules: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for depth in (1..=modules.len()).rev() {
        let path: PathBuf = modules[..depth].iter().collect();
        found.push(folder.join(&path).with_extension("rs"));
        found.push(folder.join(path).join("main.rs"));
    }
    found
}

#[derive(Debug, PartialEq)]
enum Found {
    Test,
    Ignored,
    Plain,
    No,
}

/// Whether a test of this name stands in the text: a function under `#[test]`, or a name given to
/// `cross_backend_tests!`.
fn test_in(text: &str, name: &str) -> Found {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is = |line: &str| {
        let rest = line.strip_prefix("fn ").and_then(|r| r.strip_prefix(name));
        rest.is_some_and(|r| r.starts_with(['(', '<']))
    };
    let Some(at) = lines.iter().position(|l| is(l)) else {
        return if named_by_macro(text, name) { Found::Test } else { Found::No };
    };
    let above: Vec<&&str> =
        lines[..at].iter().rev().take_while(|l| l.starts_with('#') || l.starts_with("//")).collect();
    if above.iter().any(|l| l.starts_with(concat!("#[ig", "nore"))) {
        return Found::Ignored;
    }
    if above.iter().any(|l| **l == "#[test]") || named_by_macro(text, name) {
        Found::Test
    } else {
        Found::Plain
    }
}

fn named_by_macro(text: &str, name: &str) -> bool {
    let calls = text.split("cross_backend_tests!").skip(1);
    let word = |c: char| c.is_alphanumeric() || c == '_';
    calls.into_iter().any(|call| call.split(|c: char| !word(c)).any(|w| w == name))
}

/// The ids of the reproductions whose modules stand in `systems.rs`.
pub(crate) fn registered(root: &Path) -> Verdict<Vec<String>> {
    let folder = root.join("crates/reproductions/src");
    let list = workspace::read(&folder.join("systems.rs"))?;
    let registry = workspace::read(&folder.join("registry.rs"))?;
    let mut ids = Vec::new();
    for module in modules(&list) {
        if !registry.contains(&format!("systems::{module}::")) {
            return Err(format!("systems.rs holds {module}, which the registry does not name"));
        }
        let file = folder.join("systems").join(&module);
        let text = workspace::read(&file.with_extension("rs"))?;
        ids.push(id_in(&text).ok_or_else(|| format!("{module}.rs has no `const ID: &str = \"..\"`"))?);
    }
    Ok(ids)
}

fn modules(text: &str) -> Vec<String> {
    let name =
        |l: &str| l.trim().strip_prefix("pub mod ").or(l.trim().strip_prefix("mod ")).map(str::to_owned);
    let systems = text.lines().filter_map(name).filter_map(|n| n.strip_suffix(';').map(str::to_owned));
    // `s26_trsa`: a system; other modules hold what systems share.
    systems.filter(|n| n.starts_with('s') && n[1..].starts_with(|c: char| c.is_ascii_digit())).collect()
}

fn id_in(text: &str) -> Option<String> {
    let line = text.lines().find(|l| l.contains("const ID: &str = \""))?;
    line.split('"').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_functions_and_from_ignored_tests() {
        let text = "proptest! {\n #[test]\n fn a(x in 0..1) {}\n}\nfn b() {}\n#[test]\n#[ig\
                    nore]\nfn c() {}\n\
                    // why\n#[test]\n// how\nfn d() {}\ncross_backend_tests! { e, f => g }\nfn e(device: &D) {}";
        let kinds = ["a", "b", "c", "d", "e", "f", "h"].map(|n| test_in(text, n));
        use Found::{Ignored, No, Plain, Test};
        assert_eq!(kinds, [Test, Plain, Ignored, Test, Test, Test, No]);
    }

    #[test]
    fn a_test_is_found_where_its_path_says() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str| workspace::write(&root.path().join(path), "#[test]\nfn works() {}\n").unwrap();
        put("crates/a/src/ranks.rs");
        put("crates/a/tests/golden.rs");
        put("crates/a/tests/more/deep.rs");
        for test in [
            "a::ranks::tests::works",
            "a::golden::works",
            "a::more::deep::works",
            "a::bin/a::ranks::tests::works",
            "a::golden::works::cpu",
        ] {
            assert!(find_test(root.path(), test).is_ok(), "{test}");
        }
        for test in ["a::golden::fails", "a::silver::works", "b::golden::works", "works"] {
            assert!(find_test(root.path(), test).is_err(), "{test}");
        }
    }

    #[test]
    fn registered_systems_are_read_from_the_sources() {
        assert_eq!(
            modules("#[cfg(x)]\npub mod s26_trsa;\nmod s01_x;\npub mod shared;\n"),
            ["s26_trsa", "s01_x"]
        );
        assert_eq!(id_in("const ID: &str = \"26-trsa\";\n").as_deref(), Some("26-trsa"));
        assert!(registered(&workspace::root()).unwrap().contains(&"26-trsa".to_owned()));
    }
}
