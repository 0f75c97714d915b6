//! The checks, in the order in which they run, and what each needs.

use std::fmt;
use std::path::Path;

use crate::test::{self, Backend};
use crate::workspace::{self, Verdict};
use crate::{bench, docs, examples, mutate, page, proof, tidy};

/// One check.
pub(crate) struct Step {
    /// Its name.
    pub(crate) name: &'static str,
    /// What must be installed.
    pub(crate) needs: Vec<Need>,
    /// The check itself.
    pub(crate) work: Box<dyn Fn() -> Verdict>,
}

/// Something that a check needs on the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// A subcommand of cargo.
    Cargo(&'static str),
    /// One of these programs.
    Program(&'static [&'static str]),
    /// A Vulkan loader and a driver: a software one counts.
    Vulkan,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo(name) => write!(f, "cargo {name}"),
            Self::Program(names) => write!(f, "{}", names.join(" or ")),
            Self::Vulkan => write!(f, "a Vulkan loader with a driver"),
        }
    }
}

impl Need {
    /// Whether the machine has it.
    pub(crate) fn is_met(&self) -> bool {
        match self {
            Self::Cargo(name) => workspace::has_cargo(name),
            Self::Program(names) => workspace::program(names).is_some(),
            Self::Vulkan => vulkan(),
        }
    }
}

impl Step {
    /// A check that needs nothing but cargo.
    pub(crate) fn new(name: &'static str, work: impl Fn() -> Verdict + 'static) -> Self {
        Self { name, needs: Vec::new(), work: Box::new(work) }
    }

    /// What it needs and this machine does not have.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.needs.iter().filter(|n| !n.is_met()).map(|n| format!("{n} is missing")).collect()
    }

    /// With what it needs.
    pub(crate) fn needing(mut self, needs: &[Need]) -> Self {
        self.needs.extend_from_slice(needs);
        self
    }
}

/// A check that is one cargo command.
fn cargo(
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
) -> Step {
    Step::new(name, move || workspace::run(workspace::cargo(arguments).envs(environment.iter().copied())))
}

/// Every check, cheapest first.
pub(crate) fn all() -> Vec<Step> {
    vec![
        cargo("format", &["fmt", "--all", "--check"], &[]).needing(&[Need::Cargo("fmt")]),
        Step::new("tidy", tidy::check),
        Step::new("proof", proof::check_fixed),
        Step::new("mutations", mutate::check_fixed),
        Step::new("peers", bench::check_fixed),
        Step::new("links", docs::check_links),
        cargo("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
            .needing(&[Need::Cargo("clippy")]),
        cargo(
            "docs",
            &["doc", "--workspace", "--no-deps", "--locked", "--exclude", "xtask"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
        Step::new("tests", || test::run_suite(Backend::Cpu, &[])),
        Step::new("hub", test::run_hub),
        cargo("doctests", &["test", "--workspace", "--locked", "--doc"], &[]),
        Step::new("examples", examples::rust),
        Step::new("readme", docs::check_count),
        Step::new("measurements", proof::check_run),
        Step::new("python", examples::python).needing(&[Need::Program(&["python3", "python"])]),
        Step::new("page", page::check).needing(&[Need::Program(page::BROWSERS)]),
        Step::new("wgpu", || test::run_suite(Backend::Wgpu, &[])).needing(&[Need::Vulkan]),
        Step::new("remote", || test::run_suite(Backend::Remote, &[])),
    ]
}

/// Whether a Vulkan loader and a driver's description are installed where they usually are.
fn vulkan() -> bool {
    let any = |folders: &[&str], is: &dyn Fn(&str) -> bool| {
        folders.iter().any(|f| {
            let Ok(entries) = std::fs::read_dir(Path::new(f)) else { return false };
            entries.flatten().any(|e| is(&e.file_name().to_string_lossy()))
        })
    };
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let drivers = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let loader = any(&libraries, &|n| n.starts_with("libvulkan.so"));
    // A driver of a card that is not there is no device; a software one always is.
    let card = Path::new("/dev/dri").is_dir() || Path::new("/dev/nvidia0").exists();
    let driver = std::env::var_os("VK_DRIVER_FILES").is_some()
        || any(&drivers, &|n| n.ends_with(".json") && (card || n.starts_with("lvp")));
    cfg!(windows) || cfg!(target_os = "macos") || (loader && driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_dear_checks_come_last() {
        let names: Vec<&str> = all().iter().map(|s| s.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
        let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
        for pair in ["format", "tidy", "clippy", "tests", "wgpu"].windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
        }
    }
}
