//! `cargo xtask ci`: every check, cheapest first.

mod steps;

use std::time::Instant;

use clap::Args;
use steps::Step;

use crate::workspace::Verdict;

/// Run every check, cheapest first, and stop at the first that fails
#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// A missing tool is a failure instead of a skip
    #[arg(long)]
    strict: bool,
    /// Leave out a check and say why, `NAME=REASON`; the reason is printed in the summary
    #[arg(long, value_name = "NAME=REASON", value_parser = reasoned)]
    skip: Vec<(String, String)>,
    /// Run these checks alone
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
    /// Name the checks and what each needs, run nothing
    #[arg(long)]
    list: bool,
    /// Whether this machine has what a check needs; run nothing
    #[arg(long, value_name = "NAME", conflicts_with_all = ["strict", "skip", "only", "keep_going", "list"])]
    ready: Option<String>,
}

/// `NAME=REASON`, both with something in them.
fn reasoned(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(n, r)| (n.trim().to_owned(), r.trim().to_owned()));
    parts
        .filter(|(n, r)| !n.is_empty() && !r.is_empty())
        .ok_or_else(|| "expected NAME=REASON, such as page=no browser can be installed".to_owned())
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Passed(f64),
    Failed(f64, String),
    Skipped(String),
}

impl Ci {
    /// Runs the checks.
    pub(crate) fn run(&self) -> Verdict {
        let steps = steps::all();
        self.names_are_known(&steps)?;
        if self.list {
            for step in &steps {
                let needs: Vec<String> = step.needs.iter().map(ToString::to_string).collect();
                println!("{:<14} {}", step.name, needs.join(", "));
            }
            return Ok(());
        }
        if let Some(step) = self.ready.as_ref().and_then(|name| steps.iter().find(|s| s.name == name)) {
            let missing = step.missing();
            return if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) };
        }
        let clock = Instant::now();
        let mut outcomes: Vec<(&str, Outcome)> = Vec::new();
        for step in steps.iter().filter(|s| self.only.is_empty() || self.only.iter().any(|o| o == s.name)) {
            println!("== {}", step.name);
            let outcome = self.one(step);
            match &outcome {
                Outcome::Passed(seconds) => println!("== {}: passed in {seconds:.1} s", step.name),
                Outcome::Skipped(why) => println!("== {}: SKIPPED: {why}", step.name),
                Outcome::Failed(seconds, why) => {
                    println!("== {}: FAILED in {seconds:.1} s: {why}", step.name);
                }
            }
            let failed = matches!(outcome, Outcome::Failed(..));
            outcomes.push((step.name, outcome));
            if failed && !self.keep_going {
                break;
            }
        }
        print!("{}", summary(&outcomes, clock.elapsed().as_secs_f64()));
        match outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Failed(..))).count() {
            0 => Ok(()),
            n => Err(format!("{n} check{} failed", if n == 1 { "" } else { "s" })),
        }
    }

    fn one(&self, step: &Step) -> Outcome {
        if let Some((_, reason)) = self.skip.iter().find(|(name, _)| name == step.name) {
            return Outcome::Skipped(reason.clone());
        }
        let missing = step.missing();
        if !missing.is_empty() {
            let why = missing.join(", ");
            return if self.strict { Outcome::Failed(0.0, why) } else { Outcome::Skipped(why) };
        }
        let clock = Instant::now();
        let verdict = (step.work)();
        let seconds = clock.elapsed().as_secs_f64();
        match verdict {
            Ok(()) => Outcome::Passed(seconds),
            Err(why) => Outcome::Failed(seconds, why),
        }
    }

    fn names_are_known(&self, steps: &[Step]) -> Verdict {
        let wanted = self.skip.iter().map(|(n, _)| n).chain(&self.only).chain(&self.ready);
        for name in wanted {
            if !steps.iter().any(|s| s.name == name) {
                let known: Vec<&str> = steps.iter().map(|s| s.name).collect();
                return Err(format!("there is no check `{name}`; there are {}", known.join(", ")));
            }
        }
        Ok(())
    }
}

/// The table at the end.
fn summary(outcomes: &[(&str, Outcome)], total: f64) -> String {
    let mut text = format!("\n{:<14} {:>9}  seconds\n", "check", "verdict");
    let mut counts = [0_usize; 3];
    for (name, outcome) in outcomes {
        let (index, line) = match outcome {
            Outcome::Passed(seconds) => (0, format!("{name:<14} {:>9}  {seconds:>7.1}", "passed")),
            Outcome::Failed(seconds, why) => {
                let first = why.lines().next().unwrap_or_default();
                (1, format!("{name:<14} {:>9}  {seconds:>7.1}  {first}", "FAILED"))
            }
            Outcome::Skipped(why) => (2, format!("{name:<14} {:>9}  {:>7}  {why}", "skipped", "-")),
        };
        counts[index] += 1;
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&format!("{:<14} {:>9}  {total:>7.1}\n\n", "all", ""));
    text.push_str(&format!("checks: {} passed, {} failed, {} skipped\n", counts[0], counts[1], counts[2]));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ci(strict: bool) -> Ci {
        Ci { strict, skip: vec![], only: vec![], keep_going: false, list: false, ready: None }
    }

    #[test]
    fn a_missing_tool_is_a_skip_and_under_strict_a_failure() {
        let step = Step::new("x", || Ok(())).needing(&[steps::Need::Program(&["no-such-program-here"])]);
        assert!(matches!(ci(false).one(&step), Outcome::Skipped(_)));
        assert!(matches!(ci(true).one(&step), Outcome::Failed(..)));
        let excused = Ci { skip: vec![("x".into(), "why".into())], ..ci(true) };
        assert_eq!(excused.one(&step), Outcome::Skipped("why".into()));
        assert!(matches!(ci(true).one(&Step::new("y", || Ok(()))), Outcome::Passed(_)));
        assert!(matches!(ci(true).one(&Step::new("z", || Err("no".into()))), Outcome::Failed(..)));
    }

    #[test]
    fn reasons_are_asked_for_and_unknown_checks_refused() {
        assert!(reasoned("page=no browser").is_ok());
        assert!(reasoned("page=").is_err() && reasoned("page").is_err());
        let wrong = Ci { only: vec!["pages".into()], ..ci(true) };
        assert!(wrong.names_are_known(&steps::all()).unwrap_err().contains("page"));
    }

    #[test]
    fn the_summary_counts() {
        let outcomes = [
            ("a", Outcome::Passed(1.0)),
            ("b", Outcome::Skipped("no tool".into())),
            ("c", Outcome::Failed(2.0, "broke\nbadly".into())),
        ];
        let text = summary(&outcomes, 3.0);
        assert!(text.contains("checks: 1 passed, 1 failed, 1 skipped\n"), "{text}");
        assert!(text.contains("no tool") && text.contains("broke") && !text.contains("badly"), "{text}");
    }
}
