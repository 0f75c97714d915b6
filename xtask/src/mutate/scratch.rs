//! A copy of the sources in which wrong changes are tried.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::patch::Patch;
use crate::workspace::{self, Verdict};

/// The copy and its own build folder; both stay, so that the next run builds little.
pub(crate) struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

/// What a run of one test showed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// It passed.
    Passed,
    /// It ran and failed.
    Failed,
    /// It did not compile.
    NotBuilt(String),
    /// No test of that name ran.
    NotRun,
}

impl Scratch {
    /// Copies every file that git knows or would add; files that did not change keep their time.
    pub(crate) fn new() -> Verdict<Self> {
        let folder = workspace::target().join("mutate");
        let scratch = Self { tree: folder.join("tree"), target: folder.join("build") };
        let root = workspace::root();
        let list = workspace::output(Command::new("git").current_dir(&root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let names: BTreeSet<&str> =
            list.split('\0').filter(|n| !n.is_empty() && root.join(n).is_file()).collect();
        for name in &names {
            copy(&root.join(name), &scratch.tree.join(name))?;
        }
        for file in everything(&scratch.tree) {
            let name = file.strip_prefix(&scratch.tree).map(|p| p.to_string_lossy().replace('\\', "/"));
            if name.is_ok_and(|n| !names.contains(n.as_str())) {
                std::fs::remove_file(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            }
        }
        scratch.seed();
        Ok(scratch)
    }

    /// Starts from what is built already, where a copy costs nothing to try.
    fn seed(&self) {
        let built = workspace::target().join("debug");
        if cfg!(unix) && built.is_dir() && !self.target.join("debug").exists() {
            let made = std::fs::create_dir_all(&self.target).is_ok();
            let copied = made
                && Command::new("cp")
                    .args(["-a", "--reflink=auto"])
                    .arg(&built)
                    .arg(&self.target)
                    .status()
                    .is_ok_and(|s| s.success());
            if !copied {
                println!("mutate: {} was not copied, so the dependencies are built anew", built.display());
            }
        }
    }

    /// Runs one test.
    pub(crate) fn test(&self, selection: &[String]) -> Verdict<Seen> {
        let run = |build_only: bool| {
            let mut command = Command::new("cargo");
            command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).args(["test", "--locked"]);
            if build_only {
                command.arg("--no-run").args(selection.iter().take_while(|a| *a != "--"));
            } else {
                command.args(selection);
            }
            command.output().map_err(|why| format!("{}: {why}", workspace::shown(&command)))
        };
        let built = run(true)?;
        if !built.status.success() {
            let text = String::from_utf8_lossy(&built.stderr).into_owned();
            let first = text.lines().find(|l| l.starts_with("error")).unwrap_or("cargo failed");
            return Ok(Seen::NotBuilt(first.to_owned()));
        }
        let ran = run(false)?;
        Ok(seen(ran.status.success(), &String::from_utf8_lossy(&ran.stdout)))
    }

    /// Does something with the patch applied, and takes it back.
    pub(crate) fn with<T>(&self, patch: &Patch, act: impl FnOnce(&Self) -> Verdict<T>) -> Verdict<T> {
        apply(&self.tree, &patch.path, false).map_err(|why| format!("{}: {why}", patch.name))?;
        let answer = act(self);
        let root = workspace::root();
        let text = workspace::read(&patch.path)?;
        for name in text.lines().filter_map(|l| l.strip_prefix("+++ b/")) {
            // The original with a new time, so that cargo sees the change back.
            let content = std::fs::read(root.join(name)).map_err(|why| format!("{name}: {why}"))?;
            std::fs::write(self.tree.join(name), content).map_err(|why| format!("{name}: {why}"))?;
        }
        answer
    }
}

/// What the test runner's last words mean.
fn seen(success: bool, text: &str) -> Seen {
    let result = text.lines().find_map(|l| l.trim().strip_prefix("test result: "));
    let ran = result.is_some_and(|r| !r.contains(" 0 passed; 0 failed"));
    match (ran, success) {
        // A test that ends the whole process leaves no result line.
        (false, false) if text.contains("running 1 test") => Seen::Failed,
        (false, _) => Seen::NotRun,
        (true, true) => Seen::Passed,
        (true, false) => Seen::Failed,
    }
}

/// `git apply`, with any repository around the folder out of sight: inside one it skips what lies elsewhere.
pub(crate) fn apply(folder: &Path, patch: &Path, only_check: bool) -> Verdict {
    let mut command = Command::new("git");
    command.current_dir(folder).arg("apply");
    if only_check {
        command.arg("--check");
    } else {
        command.env("GIT_DIR", folder.join("no-repository-here"));
    }
    command.arg(patch);
    workspace::output(&mut command).map(|_| ())
}

fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() { found.extend(everything(&path)) } else { found.push(path) }
    }
    found
}

/// Copies a file unless the copy holds the same.
fn copy(from: &Path, to: &Path) -> Verdict {
    let content = std::fs::read(from).map_err(|why| format!("{}: {why}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(to, content))
        .map_err(|why| format!("{}: {why}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_shows_is_read_from_its_result_line() {
        let line = |result: &str| format!("running 1 test\ntest result: {result}; finished\n");
        assert_eq!(seen(true, &line("ok. 1 passed; 0 failed")), Seen::Passed);
        assert_eq!(seen(false, &line("FAILED. 0 passed; 1 failed")), Seen::Failed);
        assert_eq!(seen(true, &line("ok. 0 passed; 0 failed; 9 filtered out")), Seen::NotRun);
        assert_eq!(seen(true, ""), Seen::NotRun);
        assert_eq!(seen(false, "running 1 test\n"), Seen::Failed, "an abort");
    }

    #[test]
    fn patches_are_applied_and_refused_outside_any_repository() {
        let folder = tempfile::tempdir_in(workspace::target()).unwrap();
        let (tree, patch) = (folder.path().join("tree"), folder.path().join("x.patch"));
        workspace::write(&tree.join("a.txt"), "one\ntwo\n").unwrap();
        let text = "test: a::b\nwrong: x\n\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n";
        workspace::write(&patch, text).unwrap();
        apply(&tree, &patch, false).unwrap();
        assert_eq!(workspace::read(&tree.join("a.txt")).unwrap(), "one\nthree\n");
        assert!(apply(&tree, &patch, false).is_err(), "it applies once");
    }
}
