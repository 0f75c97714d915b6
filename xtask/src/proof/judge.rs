//! What is wrong with a ledger, by itself and beside what was measured.

use std::path::Path;

use super::answers::Answer;
use super::ledger::{Ledger, Line, Measured, Tier};

/// Gaps, doubles and lines with nothing behind them.
pub(crate) fn lines(ledger: &Ledger) -> Vec<String> {
    let mut faults = Vec::new();
    for sheet in &ledger.sheet {
        for number in 1..=sheet.lines {
            match ledger.line.iter().filter(|l| l.sheet == sheet.id && l.line == number).count() {
                1 => {}
                0 => faults.push(format!("{} line {number} is not mapped", sheet.id)),
                n => faults.push(format!("{} line {number} is mapped {n} times", sheet.id)),
            }
        }
    }
    for entry in &ledger.line {
        match ledger.sheet.iter().find(|s| s.id == entry.sheet) {
            None => faults.push(format!("{}: the sheet is not listed", entry.shown())),
            Some(s) if !(1..=s.lines).contains(&entry.line) => {
                faults.push(format!("{}: the sheet has {} lines", entry.shown(), s.lines));
            }
            Some(_) => {}
        }
        let proven = !entry.tests.is_empty() || entry.names().next().is_some();
        match (&entry.due, proven) {
            (None, false) => faults.push(format!("{}: neither a test nor a measurement", entry.shown())),
            (Some(_), true) => faults.push(format!("{}: due, yet with proof", entry.shown())),
            (Some(why), _) if why.trim().is_empty() => {
                faults.push(format!("{}: due without a reason", entry.shown()));
            }
            _ => {}
        }
        if entry.real_data.is_some() == entry.measurements_on_real_data.is_empty() {
            faults.push(format!(
                "{}: measurements_on_real_data and real_data, the folder they need, go together",
                entry.shown()
            ));
        }
        for m in &entry.measured {
            if !entry.names().any(|n| *n == m.name) {
                faults.push(format!("{}: a value of `{}`, which it does not name", entry.shown(), m.name));
            }
        }
        for name in entry.names() {
            if !entry.measured.iter().any(|m| m.name == *name) {
                faults.push(format!(
                    "{}: no value of `{name}` yet; run `cargo xtask proof --update`",
                    entry.shown()
                ));
            }
        }
    }
    faults
}

/// Registered reproductions that the ledger leaves out.
pub(crate) fn systems(ledger: &Ledger, registered: &[String]) -> Vec<String> {
    let missing = registered.iter().filter(|id| !ledger.sheet.iter().any(|s| s.id == **id));
    missing.map(|id| format!("the reproduction {id} is registered and has no line")).collect()
}

/// Sheets that have another number of lines than the ledger says.
pub(crate) fn against_sheets(ledger: &Ledger, folder: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for sheet in &ledger.sheet {
        match std::fs::read_to_string(folder.join(format!("{}.md", sheet.id))) {
            Err(why) => faults.push(format!("{}: its sheet: {why}", sheet.id)),
            Ok(text) if proof_lines(&text) != sheet.lines => faults.push(format!(
                "{}: its sheet has {} lines of proof, docs/proof.toml says {}",
                sheet.id,
                proof_lines(&text),
                sheet.lines
            )),
            Ok(_) => {}
        }
    }
    faults
}

/// How many numbered lines stand under "Proof" or "Proof at small scale".
fn proof_lines(sheet: &str) -> usize {
    let section = sheet.lines().skip_while(|l| !l.starts_with("## Proof")).skip(1);
    let section = section.take_while(|l| !l.starts_with("## "));
    section.filter(|l| l.split_once(". ").is_some_and(|(n, _)| n.parse::<usize>().is_ok())).count()
}

/// The lines whose data are not here, and which: their measurements cannot be judged.
pub(crate) fn without_data<'a>(
    ledger: &'a Ledger,
    is_here: &dyn Fn(&str) -> bool,
) -> Vec<(&'a Line, &'a str)> {
    let needed = ledger.line.iter().filter_map(|l| Some((l, l.real_data.as_deref()?)));
    needed.filter(|(_, folder)| !is_here(folder)).collect()
}

/// Measurements that were not made, or do not hold at the size at which they must. Those on real data are due where
/// `is_here` knows their folder.
pub(crate) fn measurements(
    ledger: &Ledger,
    answers: &[Answer],
    is_here: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut faults = Vec::new();
    for answer in answers {
        if !ledger.sheet.iter().any(|s| s.id == answer.id) {
            faults.push(format!("the reproduction {} has no line", answer.id));
        }
        let quick = answer.tier == "quick";
        for m in answer.measurements.iter().filter(|m| !m.holds && !quick) {
            // A measurement that no line names is still a claim of the report.
            let tier = owner(ledger, &answer.id, &m.name).map_or(Tier::Ci, |l| l.tier);
            if tier == Tier::Ci || answer.tier == "full" {
                faults.push(format!("{}: `{}` does not hold: {:?}", answer.id, m.name, m.value));
            }
        }
    }
    for entry in ledger.line.iter().filter(|l| l.names().next().is_some()) {
        let Some(answer) = answers.iter().find(|a| a.id == entry.sheet) else {
            faults.push(format!("{}: its reproduction did not run", entry.shown()));
            continue;
        };
        // What belongs to the full size may be left out below it.
        let due = entry.tier == Tier::Ci || answer.tier == "full";
        let here = entry.real_data.as_deref().is_some_and(is_here);
        let real = entry.measurements_on_real_data.iter().filter(|_| here);
        for name in entry.measurements.iter().chain(real).filter(|_| due) {
            if !answer.measurements.iter().any(|m| m.name == *name) {
                let near: Vec<&str> = answer.measurements.iter().map(|m| m.name.as_str()).collect();
                faults.push(format!(
                    "{}: the reproduction measures no `{name}`; it has: {}",
                    entry.shown(),
                    near.join(" | ")
                ));
            }
        }
    }
    faults
}

fn owner<'a>(ledger: &'a Ledger, sheet: &str, name: &str) -> Option<&'a Line> {
    ledger.line.iter().find(|l| l.sheet == sheet && l.names().any(|m| m == name))
}

/// Writes what was measured into the ledger; how many values.
pub(crate) fn update(ledger: &mut Ledger, answers: &[Answer]) -> usize {
    let mut written = 0;
    for entry in &mut ledger.line {
        let Some(answer) = answers.iter().find(|a| a.id == entry.sheet) else { continue };
        let made = |name: &String| {
            let m = answer.measurements.iter().find(|m| m.name == *name)?;
            Some(Measured {
                name: name.clone(),
                value: m.value,
                baseline: m.baseline,
                holds: m.holds,
                tier: answer.tier.clone(),
                commit: answer.run.commit.clone(),
            })
        };
        let new: Vec<Measured> = entry.names().filter_map(made).collect();
        written += new.len();
        // A value that this run could not measure, without real data or below full size, stays.
        entry.measured.retain(|old| !new.iter().any(|m| m.name == old.name));
        entry.measured.extend(new);
        let order: Vec<String> = entry.names().cloned().collect();
        entry.measured.sort_by_key(|m| order.iter().position(|n| *n == m.name));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::super::answers::parse;
    use super::super::ledger::Sheet;
    use super::*;

    fn line(number: usize) -> Line {
        Line { sheet: "26-trsa".into(), line: number, tests: vec!["a::b".into()], ..Line::default() }
    }

    fn ledger(line: Vec<Line>) -> Ledger {
        Ledger { sheet: vec![Sheet { id: "26-trsa".into(), lines: 2 }], line }
    }

    fn measured(names: &[&str]) -> Line {
        Line { tests: Vec::new(), measurements: names.iter().map(|n| (*n).to_owned()).collect(), ..line(1) }
    }

    fn answer(tier: &str, holds: bool) -> Vec<Answer> {
        let text = format!(
            r#"{{"id":"26-trsa","tier":"{tier}","measurements":[{{"name":"a","value":1.5,"baseline":null,"holds":{holds}}}],"run":{{"commit":"c0"}}}}"#
        );
        parse(&text).unwrap()
    }

    #[test]
    fn gaps_doubles_strangers_and_lines_without_proof_are_faults() {
        assert!(lines(&ledger(vec![line(1), line(2)])).is_empty());
        assert_eq!(lines(&ledger(vec![line(1)])).len(), 1);
        assert_eq!(lines(&ledger(vec![line(1), line(2), line(2)])).len(), 1);
        assert_eq!(lines(&ledger(vec![line(1), line(2), line(3)])).len(), 1);
        let bare = Line { tests: Vec::new(), ..line(2) };
        assert_eq!(lines(&ledger(vec![line(1), bare.clone()])).len(), 1);
        assert!(lines(&ledger(vec![line(1), Line { due: Some("later".into()), ..bare.clone() }])).is_empty());
        assert_eq!(lines(&ledger(vec![line(1), Line { due: Some(" ".into()), ..bare }])).len(), 1);
        assert_eq!(lines(&ledger(vec![line(1), Line { due: Some("later".into()), ..line(2) }])).len(), 1);
        let stranger = Line { sheet: "99-x".into(), ..line(1) };
        assert_eq!(lines(&ledger(vec![line(1), line(2), stranger])).len(), 1);
        assert_eq!(lines(&ledger(vec![measured(&["a"]), line(2)])).len(), 1, "a value must be written");
        let homeless = Line { measurements_on_real_data: vec!["w".into()], ..line(1) };
        let faults = lines(&ledger(vec![homeless, line(2)]));
        assert!(faults.iter().any(|f| f.contains("real_data")), "{faults:?}");
        assert_eq!(lines(&ledger(vec![Line { real_data: Some("x".into()), ..line(1) }, line(2)])).len(), 1);
        assert_eq!(systems(&ledger(vec![]), &["26-trsa".into(), "32-x".into()]).len(), 1);
    }

    #[test]
    fn sheets_are_counted() {
        let sheet = "# X\n1. no\n## Proof at small scale (f)\n1. one\n  more\n2. two\n   3 nine.\n## Performance\n3. no\n";
        assert_eq!(proof_lines(sheet), 2);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(against_sheets(&ledger(vec![]), folder.path()).len(), 1);
        std::fs::write(folder.path().join("26-trsa.md"), sheet).unwrap();
        assert!(against_sheets(&ledger(vec![]), folder.path()).is_empty());
        std::fs::write(folder.path().join("26-trsa.md"), "## Proof at small scale\n1. one\n").unwrap();
        assert_eq!(against_sheets(&ledger(vec![]), folder.path()).len(), 1);
    }

    #[test]
    fn a_measurement_must_be_made_and_hold() {
        let known = ledger(vec![measured(&["a"]), line(2)]);
        let judged = |l: &Ledger, a: &[Answer]| measurements(l, a, &|_| true).len();
        assert_eq!(judged(&known, &answer("ci", true)), 0);
        assert_eq!(judged(&known, &answer("ci", false)), 1);
        assert_eq!(judged(&known, &answer("quick", false)), 0, "one seed proves nothing");
        assert_eq!(judged(&known, &[]), 1);
        assert_eq!(judged(&ledger(vec![measured(&["b"])]), &answer("ci", true)), 1);
        let late = |names: &[&str]| ledger(vec![Line { tier: Tier::Full, ..measured(names) }]);
        assert_eq!(judged(&late(&["a"]), &answer("ci", false)), 0);
        assert_eq!(judged(&late(&["a"]), &answer("full", false)), 1);
        assert_eq!(judged(&late(&["b"]), &answer("ci", true)), 0, "not due yet");
        assert_eq!(judged(&late(&["b"]), &answer("full", true)), 1);
        assert_eq!(judged(&ledger(vec![line(1)]), &answer("ci", false)), 1, "unmapped ones count");
        let real = Line {
            measurements_on_real_data: vec!["w".into()],
            real_data: Some("../beside".into()),
            ..measured(&["a"])
        };
        let needs = ledger(vec![real]);
        // Other real data are here: what counts is the folder that the line needs.
        for (here, faults) in [("../beside", 1), ("worms", 0)] {
            let is_here = |folder: &str| folder == here;
            assert_eq!(measurements(&needs, &answer("ci", true), &is_here).len(), faults, "{here}");
            assert_eq!(without_data(&needs, &is_here).len(), 1 - faults, "{here}");
        }
    }

    #[test]
    fn values_are_written_with_their_commit() {
        let mut known = ledger(vec![measured(&["a"]), line(2)]);
        assert_eq!(update(&mut known, &answer("full", true)), 1);
        let m = &known.line[0].measured[0];
        assert_eq!((m.value, m.commit.as_str(), m.tier.as_str()), (Some(1.5), "c0", "full"));
        assert!(lines(&known).is_empty());
        known.line[0].measurements_on_real_data.push("w".into());
        known.line[0].real_data = Some("worms".into());
        let old = Measured { name: "w".into(), ..known.line[0].measured[0].clone() };
        known.line[0].measured.push(old);
        assert_eq!(update(&mut known, &answer("ci", true)), 1);
        assert_eq!(known.line[0].measured.len(), 2, "a value that was not measured now stays");
    }
}
