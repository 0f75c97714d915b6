//! Source files: their names, lengths, first lines, and what they must not contain.

use std::path::Path;

use crate::workspace;

/// Longer files are named.
const LONG: usize = 500;
/// Longer files are faults.
const TOO_LONG: usize = 800;
/// Marks of unfinished work. They are put together here so that this file does not hold them itself.
const UNFINISHED: &[[&str; 2]] = &[
    ["TO", "DO"],
    ["FIX", "ME"],
    ["XX", "X"],
    ["HA", "CK"],
    ["todo", "!("],
    ["unimple", "mented!("],
    ["#[ig", "nore"],
];

/// What is wrong with the source files below `crates`, `xtask`, `benches` and `examples`.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for folder in ["crates", "xtask", "benches", "examples"] {
        for file in workspace::files(&root.join(folder), &["rs", "py", "sh"]) {
            let shown = workspace::short(&file);
            match std::fs::read_to_string(&file) {
                Err(why) => faults.push(format!("{shown}: {why}")),
                Ok(text) => {
                    let lines = text.lines().count();
                    if (LONG + 1..=TOO_LONG).contains(&lines) {
                        println!("tidy: warning: {shown} has {lines} lines");
                    }
                    faults.extend(judge(&file, &text).into_iter().map(|fault| format!("{shown}: {fault}")));
                }
            }
        }
    }
    faults
}

/// What is wrong with one source file.
fn judge(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let lines = text.lines().count();
    if lines > TOO_LONG {
        faults.push(format!("{lines} lines, at most {TOO_LONG}"));
    }
    for (number, line) in text.lines().enumerate() {
        for [a, b] in UNFINISHED {
            let mark = format!("{a}{b}");
            if words_hold(line, &mark) {
                faults.push(format!("line {}: {mark} marks unfinished work", number + 1));
            }
        }
    }
    if !name.ends_with(".rs") {
        return faults;
    }
    if ["mod.rs", "utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"].contains(&name.as_str()) {
        faults.push(format!("no file is called {name}: name it after what it is about"));
    }
    if !text.starts_with("//!") {
        faults.push("begins without a line that says what it is about".to_owned());
    }
    if (name == "lib.rs" || name == "main.rs") && !text.contains("#![forbid(unsafe_code)]") {
        faults.push("lacks #![forbid(unsafe_code)]".to_owned());
    }
    let kernel = path.components().any(|c| c.as_os_str() == "kernels");
    if !kernel && text.contains(concat!("allow(unsafe", "_code)")) {
        faults.push("allows unsafe code outside kernels/".to_owned());
    }
    faults
}

/// Whether a line holds the mark and no letter stands beside it.
fn words_hold(line: &str, mark: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let open = |c: Option<char>| c.is_none_or(|c| !word(c));
        open(before) && (mark.ends_with('(') || open(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_heading_or_with_a_bad_name_is_a_fault() {
        assert!(judge(Path::new("a/good.rs"), "//! Good.\n").is_empty());
        assert_eq!(judge(Path::new("a/bad.rs"), "fn f() {}\n").len(), 1);
        assert_eq!(judge(Path::new("a/mod.rs"), "//! X.\n").len(), 1);
        assert_eq!(judge(Path::new("a/utils.rs"), "//! X.\n").len(), 1);
        assert_eq!(judge(Path::new("a/lib.rs"), "//! X.\n").len(), 1);
        assert_eq!(judge(Path::new("a/long.rs"), &"//! X.\n".repeat(801)).len(), 1);
        assert!(judge(Path::new("a/script.py"), "print()\n").is_empty());
    }

    #[test]
    fn marks_of_unfinished_work_are_seen_as_words() {
        for [a, b] in UNFINISHED {
            let text = format!("//! X.\n// {a}{b} later\n");
            assert_eq!(judge(Path::new("a/x.rs"), &text).len(), 1, "{a}{b}");
        }
        assert!(!words_hold("masked", "ask") && !words_hold("ask_me", "ask") && words_hold("(ask)", "ask"));
    }

    #[test]
    fn unsafe_code_is_allowed_in_kernels_alone() {
        let text = concat!("//! X.\n#![allow(unsafe", "_code)]\n");
        assert_eq!(judge(Path::new("a/src/x.rs"), text).len(), 1);
        assert!(judge(Path::new("a/src/kernels/x.rs"), text).is_empty());
    }
}
