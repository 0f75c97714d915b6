//! `cargo xtask test`: the test suites, on one backend.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::workspace::{self, Verdict};

/// Run the tests on one backend; a missing device is a failure
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Where tensors live: cpu runs every crate, the others the crates that hold tensors
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,
    /// Passed on to the test runner, after `--`
    #[arg(last = true)]
    rest: Vec<String>,
}

/// A backend that the tests know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// The processor.
    Cpu,
    /// A graphics adapter, or a software one.
    Wgpu,
    /// An NVIDIA card; needs what `burn/cuda` needs to build.
    Cuda,
    /// A device of another machine, which these tests serve to themselves on the loopback.
    Remote,
}

impl Backend {
    /// The features of each tensor crate.
    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Cpu => None,
            // Both of these suites are built together, for most of Burn is compiled anew with either.
            Self::Wgpu | Self::Remote => Some("wgpu"),
            Self::Cuda => Some("cuda"),
        }
    }
}

impl Test {
    /// Runs the suite.
    pub(crate) fn run(&self) -> Verdict {
        run_suite(self.backend, &self.rest)
    }
}

/// Runs every test (cpu), or those of the tensor crates on a device that must be there.
pub(crate) fn run_suite(backend: Backend, rest: &[String]) -> Verdict {
    let nextest = workspace::has_cargo("nextest");
    let mut arguments: Vec<String> =
        if nextest { vec!["nextest".into(), "run".into()] } else { vec!["test".into()] };
    arguments.push("--locked".into());
    match backend.feature() {
        None => arguments.push("--workspace".into()),
        Some(feature) => {
            let names = workspace::tensor_packages()?;
            for name in &names {
                arguments.extend(["-p".into(), name.clone()]);
            }
            let mut features: Vec<String> = names.iter().map(|n| format!("{n}/{feature}")).collect();
            if feature == "wgpu" {
                features.push("tensor-backend/remote-server".to_owned());
            }
            arguments.extend(["--features".into(), features.join(",")]);
            // One test at a time: a software adapter compiles each kernel on every core, and its driver is not
            // fond of several processes doing so.
            if nextest {
                arguments.extend(["--test-threads".into(), "1".into()]);
            }
            // What knows nothing of devices, and the same bodies on the processor, ran in the first suite.
            if nextest && rest.is_empty() && backend != Backend::Remote {
                let bodies = format!("test(/::{feature}$/) or package(tensor-backend)");
                arguments.extend(["--filterset".into(), bodies]);
            }
        }
    }
    if backend == Backend::Remote {
        arguments.extend(["--test".into(), "remote".into()]);
    } else if !nextest {
        arguments.extend(["--lib", "--bins", "--tests"].map(str::to_owned));
    }
    if !rest.is_empty() {
        arguments.push("--".into());
        arguments.extend(rest.iter().cloned());
    }
    let mut command = workspace::cargo(&arguments);
    match backend {
        Backend::Cpu | Backend::Remote => {}
        Backend::Wgpu => {
            command.env("NEUROPIL_REQUIRE_DEVICE", "wgpu");
            wgpu_environment(&mut command)?;
        }
        Backend::Cuda => {
            command.env("NEUROPIL_REQUIRE_DEVICE", "cuda");
        }
    }
    workspace::run(&mut command)
}

/// Builds the downloads from a hub, which no default build has, and runs their test against a hub on the loopback. The
/// other packages are named so that all that is built already fits.
pub(crate) fn run_hub() -> Verdict {
    let runner: &[&str] = if workspace::has_cargo("nextest") { &["nextest", "run"] } else { &["test"] };
    let mut arguments: Vec<&str> = runner.to_vec();
    arguments.extend(["--locked", "--workspace", "--features", "llm-neurons/hub", "--test", "hub"]);
    workspace::run(&mut workspace::cargo(&arguments))
}

/// Points the Vulkan loader at Mesa's software adapter where it is installed and no other was chosen.
pub(crate) fn wgpu_environment(command: &mut Command) -> Verdict {
    if std::env::var_os("VK_DRIVER_FILES").is_none()
        && let Some(driver) = lavapipe(Path::new("/usr/share/vulkan/icd.d"))
    {
        command.env("VK_DRIVER_FILES", driver);
    }
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        let folder = workspace::target().join("runtime");
        std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        command.env("XDG_RUNTIME_DIR", folder);
    }
    Ok(())
}

/// The description of Mesa's software Vulkan driver in this folder: `lvp_icd.ARCH.json`, or `lvp_icd.json`.
pub(crate) fn lavapipe(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    found.sort();
    let native = format!("lvp_icd.{}.json", std::env::consts::ARCH);
    let is = |p: &PathBuf, name: &str| p.file_name().is_some_and(|n| n == name);
    found.iter().find(|p| is(p, &native)).or_else(|| found.iter().find(|p| is(p, "lvp_icd.json"))).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_software_adapter_of_this_machine_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(lavapipe(folder.path()), None);
        let native = format!("lvp_icd.{}.json", std::env::consts::ARCH);
        for name in ["radeon_icd.x86_64.json", "lvp_icd.json", "lvp_icd.other.json"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(lavapipe(folder.path()), Some(folder.path().join("lvp_icd.json")));
        std::fs::write(folder.path().join(&native), "").unwrap();
        assert_eq!(lavapipe(folder.path()), Some(folder.path().join(native)));
    }
}
