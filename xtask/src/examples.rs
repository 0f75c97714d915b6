//! Examples: every one of the crates', and the Python ones that drive the program.
//!
//! An example runs unless its name ends in `_speed` (measurements: `cargo xtask bench --peers` starts those) or its
//! heading has a line `//! Not run in CI: ..` with the reason.

use crate::bench::venv;
use crate::workspace::{self, Verdict};

/// The examples of one package that run in CI.
fn quick(targets: &[(String, String)]) -> Vec<String> {
    let measures = |name: &str| name.ends_with("_speed");
    let left_out =
        |text: &str| text.lines().take_while(|l| l.starts_with("//!")).any(|l| l.contains("Not run in CI:"));
    let chosen = targets.iter().filter(|(name, text)| !measures(name) && !left_out(text));
    chosen.map(|(name, _)| name.clone()).collect()
}

/// Runs every quick example of the crates.
pub(crate) fn rust() -> Verdict {
    let built = workspace::build()?.join("examples");
    let mut ran = 0;
    for package in workspace::packages()? {
        let targets: Vec<(String, String)> = package
            .of_kind("example")
            .map(|t| Ok((t.name.clone(), workspace::read(&t.src_path)?)))
            .collect::<Verdict<_>>()?;
        for name in quick(&targets) {
            let mut command = std::process::Command::new(workspace::executable(&built, &name));
            workspace::run(command.current_dir(workspace::root()))?;
            ran += 1;
        }
    }
    if ran == 0 {
        return Err("no crate has an example that runs".to_owned());
    }
    println!("examples: {ran} ran");
    Ok(())
}

/// Runs the Python examples against the program, with the NumPy of the peers' locked requirements.
pub(crate) fn python() -> Verdict {
    let root = workspace::root();
    let scripts = workspace::files(&root.join("examples/python"), &["py"]);
    if scripts.is_empty() {
        return Err("examples/python holds no script".to_owned());
    }
    let program = workspace::executable(&workspace::build()?, "neuropil");
    let python = venv::with_numpy()?;
    for script in &scripts {
        let mut command = std::process::Command::new(&python);
        workspace::run(command.current_dir(&root).arg(script).env("NEUROPIL_BIN", &program))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_and_excused_examples_do_not_run() {
        let all = [
            ("tour", "//! A tour.\nfn main() {}\n"),
            ("geometry_speed", "//! Times.\n"),
            ("train", "//! Trains.\n//! Not run in CI: an hour.\n"),
            ("talk", "//! Talks.\nfn main() { println!(\"Not run in CI:\") }\n"),
        ];
        let all: Vec<(String, String)> =
            all.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        assert_eq!(quick(&all), ["tour", "talk"]);
    }
}
