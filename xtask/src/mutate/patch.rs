//! A mutation: a patch and what it says of itself.

use std::path::{Path, PathBuf};

use crate::workspace::{self, Verdict};

/// One wrong change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Patch {
    /// The file's name without `.patch`.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// The test that must turn red, `SUITE::PATH`.
    pub(crate) test: String,
    /// What the change breaks.
    pub(crate) wrong: String,
}

/// Every patch of a folder, in the order of their names.
pub(crate) fn read_all(folder: &Path) -> Verdict<Vec<Patch>> {
    let files = workspace::files(folder, &["patch"]);
    files.iter().map(|file| parse(file, &workspace::read(file)?)).collect()
}

fn parse(path: &Path, text: &str) -> Verdict<Patch> {
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let head = text.lines().take_while(|l| !l.starts_with("diff ") && !l.starts_with("--- "));
    let of = |key: &str| {
        let found = head.clone().find_map(|l| l.strip_prefix(key)).map(|v| v.trim().to_owned());
        found
            .filter(|v| !v.is_empty())
            .ok_or_else(|| format!("{}: no line `{key} ..` above the diff", path.display()))
    };
    if !text.lines().any(|l| l.starts_with("+++ ")) {
        return Err(format!("{}: holds no diff", path.display()));
    }
    Ok(Patch { test: of("test:")?, wrong: of("wrong:")?, name, path: path.to_owned() })
}

impl Patch {
    /// The arguments of `cargo test` that choose the test alone.
    pub(crate) fn selection(&self) -> Verdict<Vec<String>> {
        let bad = || format!("{}: `{}` is not SUITE::PATH", self.name, self.test);
        let (package, rest) = self.test.split_once("::").ok_or_else(bad)?;
        let first = rest.split("::").next().ok_or_else(bad)?;
        let own = workspace::root().join("crates").join(package).join("tests").join(format!("{first}.rs"));
        let (target, filter) = if let Some(binary) = first.strip_prefix("bin/") {
            (vec!["--bin".to_owned(), binary.to_owned()], rest.split_once("::").ok_or_else(bad)?.1)
        } else if own.is_file() {
            (vec!["--test".to_owned(), first.to_owned()], rest.split_once("::").ok_or_else(bad)?.1)
        } else {
            (vec!["--lib".to_owned()], rest)
        };
        let mut arguments = vec!["-p".to_owned(), package.to_owned()];
        arguments.extend(target);
        arguments.extend(["--", "--exact", filter].map(str::to_owned));
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "test: numerics::ranks::tests::x\nwrong: ranks\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n";

    #[test]
    fn a_patch_says_what_it_breaks_and_which_test_sees_it() {
        let patch = parse(Path::new("m/ties.patch"), TEXT).unwrap();
        assert_eq!((patch.name.as_str(), patch.wrong.as_str()), ("ties", "ranks"));
        for missing in ["test: numerics::ranks::tests::x\n", "wrong: ranks\n", "+++ b/x\n"] {
            assert!(parse(Path::new("m/x.patch"), &TEXT.replace(missing, "")).is_err(), "{missing}");
        }
    }

    #[test]
    fn the_test_is_chosen_alone() {
        let with = |test: &str| Patch {
            name: "x".into(),
            path: PathBuf::new(),
            test: test.into(),
            wrong: String::new(),
        };
        let chosen = |test: &str| with(test).selection().unwrap().join(" ");
        assert_eq!(chosen("numerics::ranks::tests::x"), "-p numerics --lib -- --exact ranks::tests::x");
        assert_eq!(chosen("neural-geometry::golden::x"), "-p neural-geometry --test golden -- --exact x");
        assert_eq!(chosen("neuropil::bin/neuropil::cli::x"), "-p neuropil --bin neuropil -- --exact cli::x");
        assert!(with("x").selection().is_err());
    }
}
