//! Words and numbers of the page.

use std::fmt::Write;

use crate::{Measurement, Relation, Target};

/// Text for HTML, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number with about four digits behind the point; whole numbers as they are.
pub(super) fn number(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() { "not a number".to_owned() } else { format!("{x}") };
    }
    if x.fract() == 0.0 && x.abs() < 1e9 {
        return format!("{x:.0}");
    }
    if x.abs() < 1e-3 || x.abs() >= 1e6 { format!("{x:.3e}") } else { format!("{x:.4}") }
}

/// A number that may be absent.
pub(super) fn optional(x: Option<f64>) -> String {
    x.map_or_else(|| "-".to_owned(), number)
}

/// An interval that may be absent.
pub(super) fn interval(x: Option<[f64; 2]>) -> String {
    x.map_or_else(|| "-".to_owned(), |[a, b]| format!("{} to {}", number(a), number(b)))
}

/// What the claim asks for, with its relation, as HTML.
pub(super) fn target(m: &Measurement) -> String {
    match (m.relation, m.target) {
        (_, Target::Interval([a, b])) => format!("{} to {}", number(a), number(b)),
        (Relation::AtLeast, Target::Value(t)) => format!("&ge; {}", number(t)),
        (Relation::AtMost, Target::Value(t)) => format!("&le; {}", number(t)),
        (_, Target::Value(t)) => format!("= {}", number(t)),
    }
}

/// The seeds in one short phrase: runs of neighbours are joined, and a long list is cut after its first runs.
pub(super) fn seeds(seeds: &[u64]) -> String {
    const RUNS: usize = 4;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*seed) => *last = *seed,
            _ => runs.push((*seed, *seed)),
        }
    }
    let mut out = String::new();
    for (i, (first, last)) in runs.iter().take(RUNS).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let _ = if first == last {
            write!(out, "{comma}{first}")
        } else {
            write!(out, "{comma}{first} to {last}")
        };
    }
    match (seeds.len(), runs.len() > RUNS) {
        (0, _) => "-".to_owned(),
        (n, true) => format!("{out}, .. ({n} in all)"),
        (n, false) if n > 2 => format!("{out} ({n})"),
        _ => out,
    }
}

/// Which kinds of data a list of descriptions names: generated, shipped, real.
pub(super) fn origins(data: &[String]) -> Vec<&'static str> {
    let named = |entry: &String, word: &str| {
        entry.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w.eq_ignore_ascii_case(word))
    };
    let mut kinds = Vec::new();
    for (kind, words) in [
        ("generated", ["generated", "synthetic"]),
        ("shipped", ["shipped", "fixture"]),
        ("real", ["real", "NEUROPIL_DATA"]),
    ] {
        if data.iter().any(|entry| words.iter().any(|word| named(entry, word))) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() && !data.is_empty() {
        kinds.push("see below");
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_honest() {
        let expected =
            [(3145.0, "3145"), (0.25, "0.2500"), (1e-12, "1.000e-12"), (0.0, "0"), (-2.5, "-2.5000")];
        for (x, text) in expected {
            assert_eq!(number(x), text);
        }
        assert_eq!(number(f64::NAN), "not a number");
        assert_eq!(number(f64::NEG_INFINITY), "-inf");
        assert_eq!(interval(Some([0.0, 1.5])), "0 to 1.5000");
    }

    #[test]
    fn seeds_are_told_in_runs() {
        assert_eq!(seeds(&[]), "-");
        assert_eq!(seeds(&[7]), "7");
        assert_eq!(seeds(&(0..20).collect::<Vec<_>>()), "0 to 19 (20)");
        assert_eq!(seeds(&[1, 2, 9]), "1 to 2, 9 (3)");
        assert_eq!(seeds(&[0, 2, 4, 6, 8, 10]), "0, 2, 4, 6, .. (6 in all)");
        assert_eq!(seeds(&[u64::MAX, 0]), "18446744073709551615, 0");
    }

    #[test]
    fn origins_are_whole_words() {
        let data = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(origins(&data(&["a (generated)", "b (shipped, x)"])), ["generated", "shipped"]);
        assert_eq!(origins(&data(&["really unrealistic"])), ["see below"]);
        assert_eq!(origins(&data(&["White 1986 at NEUROPIL_DATA"])), ["real"]);
        assert!(origins(&[]).is_empty());
    }
}
