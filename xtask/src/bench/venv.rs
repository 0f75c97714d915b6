//! Python with the peers' packages, in a virtual environment outside the sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{self, Verdict};

/// Where the peers and their locked requirements are.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("benches/peers")
}

/// The interpreter of an environment with every package of one of the locked requirements: `requirements.txt`, or
/// `requirements-NAME.txt` of peers that want packages too large for everyone.
pub(crate) fn complete(requirements: &str) -> Verdict<PathBuf> {
    let name = requirements.trim_start_matches("requirements").trim_end_matches(".txt");
    let text = workspace::read(&folder().join(requirements))?;
    make(&format!("peers{name}-venv"), &text)
}

/// An interpreter that has NumPy: the machine's own, or that of a small environment with NumPy alone, at the version and
/// hashes of the same file.
pub(crate) fn with_numpy() -> Verdict<PathBuf> {
    if let Some(python) = workspace::program(&["python3", "python"])
        && Command::new(&python).args(["-c", "import numpy"]).output().is_ok_and(|o| o.status.success())
    {
        return Ok(python);
    }
    let requirements = workspace::read(&folder().join("requirements.txt"))?;
    let entry = entry(&requirements, "numpy").ok_or("benches/peers/requirements.txt locks no numpy")?;
    make("numpy-venv", &entry)
}

/// The lines that lock one package.
fn entry(requirements: &str, package: &str) -> Option<String> {
    let start = format!("{package}==");
    let mut lines = requirements.lines().skip_while(|l| !l.starts_with(&start));
    let mut text = String::from(lines.next()?);
    for line in lines.take_while(|l| l.starts_with(' ')) {
        text.push('\n');
        text.push_str(line);
    }
    Some(text + "\n")
}

/// Makes the environment unless one from these very requirements is there.
fn make(name: &str, requirements: &str) -> Verdict<PathBuf> {
    let home = workspace::target().join(name);
    let home = if home.is_absolute() { home } else { workspace::root().join(home) };
    let python = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let lock = home.join("requirements.txt");
    if python.exists() && std::fs::read_to_string(&lock).is_ok_and(|text| text == requirements) {
        return Ok(python);
    }
    if home.exists() {
        std::fs::remove_dir_all(&home).map_err(|why| format!("{}: {why}", home.display()))?;
    }
    let base = workspace::program(&["python3", "python"]).ok_or("no python3 is installed")?;
    workspace::run(Command::new(base).args(["-m", "venv"]).arg(&home))?;
    // The lock is written last, under another name, so that an environment that was cut short is made anew.
    let wanted = home.join("wanted.txt");
    workspace::write(&wanted, requirements)?;
    install(&python, &wanted)?;
    std::fs::rename(&wanted, &lock).map_err(|why| format!("{}: {why}", lock.display()))?;
    Ok(python)
}

fn install(python: &Path, requirements: &Path) -> Verdict {
    let mut command = Command::new(python);
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]);
    workspace::run(command.args(["--only-binary", ":all:", "-r"]).arg(requirements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package_is_taken_out_of_the_lock() {
        let text = "# head\nnetworkx==3 \\\n    --hash=sha256:a\nnumpy==2 \\\n    --hash=sha256:b \\\n    --hash=sha256:c\nscipy==1\n";
        assert_eq!(
            entry(text, "numpy").unwrap(),
            "numpy==2 \\\n    --hash=sha256:b \\\n    --hash=sha256:c\n"
        );
        assert!(entry(text, "num").is_none());
    }

    #[test]
    fn every_locked_package_has_a_hash() {
        for (file, needed) in [
            ("requirements.txt", &["numpy", "scipy", "networkx", "rsatoolbox", "threadpoolctl"][..]),
            ("requirements-torch.txt", &["torch", "transformers"]),
        ] {
            let text = workspace::read(&folder().join(file)).unwrap();
            let packages: Vec<&str> =
                text.lines().filter_map(|l| l.split_once("==")).map(|(name, _)| name).collect();
            assert!(needed.iter().all(|n| packages.contains(n)), "{file}: {needed:?}");
            for package in packages {
                assert!(entry(&text, package).unwrap().contains("--hash=sha256:"), "{package}");
            }
        }
    }
}
