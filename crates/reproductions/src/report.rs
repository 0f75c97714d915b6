//! The report: one self-contained HTML page.
//!
//! No script, no font and no link to elsewhere: styles and SVG drawings stand in the page, so that it can be mailed,
//! printed and read on a phone.

use std::fmt::Write;

use crate::{Card, Measurement, Outcome, Relation, Target, Tier};

/// One system's part of the page.
#[derive(Debug, Clone)]
pub struct Section {
    /// What the system is.
    pub card: Card,
    /// What it measured, or why it could not.
    pub outcome: Result<Outcome, String>,
    /// The run card as name and value.
    pub run: Vec<(String, String)>,
}

const STYLE: &str = "\
:root{color-scheme:light}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1b1f24}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-top:1px solid #ccc;padding-top:1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}\
.wide{overflow-x:auto}figure{margin:1rem 0;break-inside:avoid}figure svg{max-width:100%;height:auto}figcaption{font-size:.9rem;color:#444}\
.yes{color:#00603a;font-weight:600}.no{color:#a02000;font-weight:600}.card{font-size:.85rem;color:#444}\
@media print{body{max-width:none;padding:0}section{break-inside:auto}}";

/// The page.
#[must_use]
pub fn html(sections: &[Section], tier: Tier) -> String {
    let held = sections.iter().filter(|s| s.outcome.as_ref().is_ok_and(Outcome::holds)).count();
    let mut out = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    let _ =
        write!(out, "<title>Neuropil: published claims, measured</title><style>{STYLE}</style></head><body>");
    out.push_str("<h1>Neuropil: published claims, measured</h1>");
    let tier_text = match tier {
        Tier::Quick => "one seed a system: verdicts are indicative",
        Tier::Ci => "the sizes of continuous integration",
        Tier::Full => "full sizes",
    };
    let _ = write!(out, "<p>{held} of {} systems hold ({tier_text}).</p>", sections.len());
    out.push_str("<div class=\"wide\"><table><thead><tr><th>System</th><th>Claim</th><th>Verdict</th></tr></thead><tbody>");
    for s in sections {
        let (class, verdict) = verdict(s);
        let _ = write!(
            out,
            "<tr><td><a href=\"#{0}\">{0}</a></td><td>{1}</td><td class=\"{class}\">{verdict}</td></tr>",
            escape(s.card.id),
            escape(s.card.claim)
        );
    }
    out.push_str("</tbody></table></div>");
    sections.iter().for_each(|s| section(&mut out, s));
    out.push_str("</body></html>\n");
    out
}

fn verdict(section: &Section) -> (&'static str, &'static str) {
    match &section.outcome {
        Ok(outcome) if outcome.holds() => ("yes", "holds"),
        Ok(_) => ("no", "does not hold"),
        Err(_) => ("no", "could not run"),
    }
}

fn section(out: &mut String, s: &Section) {
    let id = escape(s.card.id);
    let _ = write!(out, "<section id=\"{id}\"><h2>{}</h2>", escape(s.card.title));
    let _ = write!(out, "<p>{id}, crate <code>{}</code>. {}</p>", escape(s.card.krate), escape(s.card.claim));
    match &s.outcome {
        Err(why) => {
            let _ = write!(out, "<p class=\"no\">Could not run: {}</p>", escape(why));
        }
        Ok(outcome) => {
            out.push_str("<div class=\"wide\"><table><thead><tr><th>Measured</th><th>Value</th><th>95 %</th><th>Baseline</th><th>Control</th><th>Target</th><th></th></tr></thead><tbody>");
            outcome.measurements.iter().for_each(|m| row(out, m));
            out.push_str("</tbody></table></div>");
            for f in &outcome.figures {
                let _ = write!(
                    out,
                    "<figure role=\"img\" aria-label=\"{0}\">{1}<figcaption><b>{0}</b> {2}</figcaption></figure>",
                    escape(&f.title),
                    f.svg,
                    escape(&f.caption)
                );
            }
            let _ = write!(out, "<p>Data: {}.</p>", escape(&outcome.data.join("; ")));
        }
    }
    let run: Vec<String> = s.run.iter().map(|(k, v)| format!("{} {}", escape(k), escape(v))).collect();
    let _ = write!(out, "<p class=\"card\">{}</p></section>", run.join(" · "));
}

fn row(out: &mut String, m: &Measurement) {
    let note = m.note.as_deref().map_or(String::new(), |n| format!("<br><small>{}</small>", escape(n)));
    let option = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), number);
    let interval = m.ci95.map_or_else(|| "-".to_owned(), |[a, b]| format!("{} to {}", number(a), number(b)));
    let target = match (m.relation, m.target) {
        (_, Target::Interval([a, b])) => format!("{} to {}", number(a), number(b)),
        (Relation::AtLeast, Target::Value(t)) => format!("&ge; {}", number(t)),
        (Relation::AtMost, Target::Value(t)) => format!("&le; {}", number(t)),
        (_, Target::Value(t)) => format!("= {}", number(t)),
    };
    let (class, verdict) = if m.holds { ("yes", "holds") } else { ("no", "fails") };
    let _ = write!(
        out,
        "<tr><td>{}{note}</td><td>{}</td><td>{interval}</td><td>{}</td><td>{}</td><td>{target}</td><td class=\"{class}\">{verdict}</td></tr>",
        escape(&m.name),
        number(m.value),
        option(m.baseline),
        option(m.control)
    );
}

fn number(x: f64) -> String {
    if x != 0.0 && (x.abs() < 1e-3 || x.abs() >= 1e6) { format!("{x:.3e}") } else { format!("{x:.4}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_failures_are_shown() {
        let card = Card { id: "00-x", title: "A <b>", krate: "x", claim: "a & b" };
        let outcome = Outcome {
            measurements: vec![Measurement::at_least("error <1>", 0.25, 0.5)],
            figures: Vec::new(),
            data: vec!["generated".to_owned()],
        };
        let good = Section { card, outcome: Ok(outcome), run: vec![("seed".into(), "0".into())] };
        let broken = Section { outcome: Err("no <data>".to_owned()), ..good.clone() };
        let page = html(&[good, broken], Tier::Quick);
        for expected in
            ["A &lt;b&gt;", "error &lt;1&gt;", "a &amp; b", "no &lt;data&gt;", "does not hold", "0 of 2"]
        {
            assert!(page.contains(expected), "{expected}");
        }
        assert!(!page.contains("http") && !page.contains("<script"));
    }
}
