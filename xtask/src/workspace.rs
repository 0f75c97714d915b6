//! The workspace as the chores see it: its root, target folder, packages, commit and machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// What a chore answers: nothing, or one line that says why it failed.
pub(crate) type Verdict<T = ()> = Result<T, String>;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the program and the examples of every crate, and gives the folder of what was built.
///
/// Over the whole workspace and with examples among the targets, so that dependencies have the features that the tests give
/// them: `cargo run -p CRATE` would unify those of that crate's dependencies alone and compile most of them once more.
pub(crate) fn build() -> Verdict<PathBuf> {
    run(&mut cargo(&["build", "--quiet", "--workspace", "--locked", "--lib", "--bins", "--examples"]))?;
    Ok(target().join("debug"))
}

/// A program in a folder, as this system spells it.
pub(crate) fn executable(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// A cargo command that runs at the root.
pub(crate) fn cargo<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).args(arguments.iter().map(AsRef::as_ref));
    command
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Verdict {
    println!("   $ {}", shown(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ended with {status}", shown(command))),
        Err(why) => Err(format!("{}: {why}", shown(command))),
    }
}

/// Runs a command and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Verdict<String> {
    let output = command.output().map_err(|why| format!("{}: {why}", shown(command)))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|why| format!("{}: {why}", shown(command)));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = text.lines().rev().take(12).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(format!("{} ended with {}:\n{}", shown(command), output.status, tail.join("\n")))
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(k, v)| Some(format!("{}={}", k.to_string_lossy(), v?.to_string_lossy())))
        .collect();
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Whether `cargo NAME` answers.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    cargo(&[subcommand, "--version"]).output().is_ok_and(|o| o.status.success())
}

/// The first of the programs that is on the search path.
pub(crate) fn program(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
    names.iter().find_map(|name| {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        folders.iter().map(|f| f.join(&name)).find(|p| p.is_file())
    })
}

/// The commit that is checked out, with `+` when files differ from it.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root()).args(arguments));
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Err(_) => "unknown".to_owned(),
        Ok(hash) => {
            let clean = git(&["status", "--porcelain", "-uno"]).is_ok_and(|s| s.trim().is_empty());
            format!("{}{}", hash.trim(), if clean { "" } else { "+" })
        }
    }
}

/// The processor and how many of its threads there are.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let name = name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{name}, {} threads", threads())
}

/// How many threads may run at once.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A package of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its features and what they switch on.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// What is built from it.
    pub(crate) targets: Vec<Target>,
}

/// Something that is built from a package.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    /// `lib`, `bin`, `test`, `bench`, `example`, ..
    pub(crate) kind: Vec<String>,
    /// Its name.
    pub(crate) name: String,
    /// Its root file.
    pub(crate) src_path: PathBuf,
}

impl Package {
    /// The targets of one kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Target> {
        self.targets.iter().filter(move |t| t.kind.iter().any(|k| k == kind))
    }
}

/// Every package of the workspace, in the order of their names.
pub(crate) fn packages() -> Verdict<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let text = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let mut metadata: Metadata =
        serde_json::from_str(&text).map_err(|why| format!("cargo metadata: {why}"))?;
    metadata.packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(metadata.packages)
}

/// The crates below the top that hold tensors: those with a `wgpu` feature, whose tests run on every backend.
pub(crate) fn tensor_packages() -> Verdict<Vec<String>> {
    let top = ["neuropil", "reproductions"];
    let all = packages()?;
    let names =
        all.into_iter().filter(|p| p.features.contains_key("wgpu") && !top.contains(&p.name.as_str()));
    Ok(names.map(|p| p.name).collect())
}

/// Every file below a folder whose name ends in one of the extensions, in order; build folders are left out.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with("target") && !name.starts_with('.') && name != "book" && name != "report" {
                found.extend(files(&path, extensions));
            }
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Verdict<String> {
    std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Writes a file, making its folder.
pub(crate) fn write(path: &Path, text: &str) -> Verdict {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// A path as it reads from the root.
pub(crate) fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// `Ok` without faults; else they are printed under the chore's name and counted.
pub(crate) fn report(chore: &str, faults: &[String]) -> Verdict {
    for fault in faults {
        println!("{chore}: {fault}");
    }
    match faults.len() {
        0 => Ok(()),
        n => Err(format!("{chore}: {n} fault{}", if n == 1 { "" } else { "s" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_this_crate() {
        assert!(root().join("xtask/src/workspace.rs").is_file());
        assert_eq!(short(&root().join("docs/x.md")), Path::new("docs/x.md").display().to_string());
    }

    #[test]
    fn files_are_found_by_extension_and_build_folders_are_not_entered() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.rs", "a/c.rs", "target/d.rs", "target-x/e.rs", ".git/f.rs", "g.md"] {
            write(&folder.path().join(name), "").unwrap();
        }
        let names: Vec<PathBuf> = files(folder.path(), &["rs"]);
        assert_eq!(names, [folder.path().join("a/c.rs"), folder.path().join("b.rs")]);
    }

    #[test]
    fn faults_are_counted_and_a_command_that_fails_shows_its_last_words() {
        assert!(report("x", &[]).is_ok());
        assert_eq!(report("x", &["a".into(), "b".into()]).unwrap_err(), "x: 2 faults");
        assert!(output(&mut cargo(&["no-such-chore"])).unwrap_err().contains("no-such-chore"));
    }
}
