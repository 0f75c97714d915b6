//! One system's section of the page.

use std::fmt::Write;

use super::text::{escape, interval, number, optional, seeds, target};
use super::{HOLDS, HOLDS_NOT, Section, Verdict};
use crate::{Figure, Measurement, Outcome, Tier};

/// Appends the section.
pub(super) fn write(out: &mut String, section: &Section, tier: Tier) {
    let (id, verdict) = (escape(section.card.id), Verdict::of(section));
    let _ = write!(
        out,
        "<section class=\"system\" id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{}</h2>\n\
         <p class=\"meta\"><a href=\"#{id}\">{id}</a>, crate <code>{}</code>. <a href=\"#summary\">Summary</a></p>\n\
         <p class=\"verdict {}\">{}</p>\n<p>{}</p>\n",
        escape(section.card.title),
        escape(section.card.krate),
        verdict.class,
        verdict.mark_system(tier),
        escape(section.card.claim),
    );
    match &section.outcome {
        Err(why) => {
            let _ = writeln!(out, "<p class=\"maybe\">{}</p>", escape(why));
        }
        Ok(outcome) => body(out, &id, outcome),
    }
    run_card(out, section, tier);
    out.push_str("</section>\n");
}

fn body(out: &mut String, id: &str, outcome: &Outcome) {
    let _ = write!(
        out,
        "<h3 id=\"{id}-measured\">Measurements</h3>\n<div class=\"box\" role=\"region\" aria-labelledby=\"{id}-measured\" tabindex=\"0\">\n\
         <table class=\"stack measured\" role=\"table\" aria-labelledby=\"{id}-measured\">\n<thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for heading in
        ["Measured", "Value", "95 % interval", "Baseline", "Random control", "Target", "Seeds", "Verdict"]
    {
        let _ = write!(out, "<th scope=\"col\" role=\"columnheader\">{heading}</th>");
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (i, m) in outcome.measurements.iter().enumerate() {
        row(out, &format!("{id}-{}", i + 1), m);
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if !outcome.figures.is_empty() {
        out.push_str("<h3>Figures</h3>\n");
        outcome.figures.iter().for_each(|f| figure(out, f));
    }
    if !outcome.data.is_empty() {
        out.push_str("<h3>Data</h3>\n<ul class=\"data\">\n");
        for entry in &outcome.data {
            let _ = writeln!(out, "<li>{}</li>", escape(entry));
        }
        out.push_str("</ul>\n");
    }
}

fn row(out: &mut String, anchor: &str, m: &Measurement) {
    let note = m.note.as_deref().map_or(String::new(), |n| format!("<br><small>{}</small>", escape(n)));
    let _ = write!(
        out,
        "<tr role=\"row\" id=\"{anchor}\"><th scope=\"row\" role=\"rowheader\">{}{note}</th>",
        escape(&m.name)
    );
    let cells = [
        ("Value", number(m.value)),
        ("95 % interval", interval(m.ci95)),
        ("Baseline", optional(m.baseline)),
        ("Random control", optional(m.control)),
        ("Target", target(m)),
        ("Seeds", seeds(&m.seeds)),
    ];
    for (label, value) in cells {
        let class = if value == "-" { "n none" } else { "n" };
        let _ = write!(out, "<td role=\"cell\" class=\"{class}\" data-label=\"{label}\">{value}</td>");
    }
    let verdict = if m.holds { HOLDS } else { HOLDS_NOT };
    let _ = writeln!(
        out,
        "<td role=\"cell\" class=\"verdict {}\" data-label=\"Verdict\"><span>{}</span></td></tr>",
        verdict.class,
        verdict.mark()
    );
}

fn figure(out: &mut String, figure: &Figure) {
    let label = format!("{}. {}", figure.title, figure.caption);
    let _ = write!(
        out,
        "<figure>\n{}\n<figcaption><b>{}.</b> {}</figcaption>\n</figure>\n",
        named_svg(&figure.svg, &label),
        escape(figure.title.trim_end_matches('.')),
        escape(&figure.caption)
    );
}

/// The drawing as one image with a text alternative. Inside HTML an `svg` element needs no name space, which would read
/// like a link, and no prologue.
fn named_svg(svg: &str, label: &str) -> String {
    let inner = svg.find("<svg").map_or(svg, |start| &svg[start..]);
    let rest = inner.strip_prefix("<svg").unwrap_or(inner);
    let rest = rest.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    format!("<svg role=\"img\" aria-label=\"{}\"{}", escape(label), rest.trim_end())
}

fn run_card(out: &mut String, section: &Section, tier: Tier) {
    let flag = match tier {
        Tier::Quick => " --quick",
        Tier::Ci => "",
        Tier::Full => " --full",
    };
    let seed = section.run.iter().find(|(name, _)| name == "seed");
    let seed = seed.map_or(String::new(), |(_, value)| format!(" --seed {}", escape(value)));
    out.push_str("<div class=\"run\">\n<h3>Run card</h3>\n<dl>\n");
    for (name, value) in &section.run {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    let _ = write!(
        out,
        "<div><dt>again</dt><dd><code>neuropil reproduce {}{flag}{seed}</code></dd></div>\n</dl>\n</div>\n",
        escape(section.card.id)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_gets_its_text_and_loses_its_name_space() {
        let svg = "<?xml version=\"1.0\"?>\n<svg width=\"4\" height=\"3\" viewBox=\"0 0 4 3\" xmlns=\"http://www.w3.org/2000/svg\">\n</svg>\n";
        let named = named_svg(svg, "a \"b\"");
        assert_eq!(
            named,
            "<svg role=\"img\" aria-label=\"a &quot;b&quot;\" width=\"4\" height=\"3\" viewBox=\"0 0 4 3\">\n</svg>"
        );
    }
}
