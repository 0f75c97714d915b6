//! How tests start the verbs of `llm`, with JSON answers.

use std::process::{Command, Output};

use serde_json::Value;

pub(super) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuropil"));
    command.arg("llm").args(arguments).arg("--json").output().unwrap()
}

/// The answer of a command that must succeed.
pub(super) fn answer(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
