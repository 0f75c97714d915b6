//! The report's structure: what a browser or a screen reader needs to find in it, and nothing that leads out of it.
//!
//! What only a browser sees (widths, contrast, print) is `cargo xtask page`'s; escaping is tested beside the code.

#[path = "crowded/sections.rs"]
mod sections;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reproductions::Tier;
use reproductions::report::html;
use sections::{SYSTEMS, sections};

/// The start tags of an element, without their brackets.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split('<')
        .filter_map(|rest| rest.split('>').next())
        .filter(|tag| tag.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with([' ', '/'])))
        .collect()
}

/// Every value of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn a_page_of_every_system_is_written_quickly_and_alone() {
    let all = sections();
    let clock = Instant::now();
    let page = html(&all, Tier::Quick);
    assert!(clock.elapsed() < Duration::from_secs(1), "{:?}", clock.elapsed());
    for elsewhere in ["http:", "https:", "<script", "<link", "<img", "src=", "url(", "@import"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert_eq!(page.matches("<section class=\"system\"").count(), SYSTEMS);
    assert_eq!(page.matches("<figure>").count(), SYSTEMS - 1);
}

#[test]
fn the_page_has_a_language_a_title_and_headings_without_gaps() {
    let page = html(&sections(), Tier::Quick);
    assert_eq!(tags(&page, "html"), ["html lang=\"en\""]);
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    assert!(title.is_some_and(|t| !t.trim().is_empty()), "{title:?}");
    let levels: Vec<u8> = page
        .split('<')
        .filter_map(|tag| tag.strip_prefix('h')?.bytes().next().filter(u8::is_ascii_digit))
        .map(|digit| digit - b'0')
        .collect();
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1, "one main heading");
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a heading level is left out: {levels:?}");
    for section in page.split("<section").skip(1) {
        let inside = section.split("</section>").next().unwrap_or_default();
        assert_eq!(tags(inside, "h2").len(), 1, "{inside}");
        assert!(tags(inside, "figure").is_empty() == tags(inside, "tbody").is_empty(), "{inside}");
    }
}

#[test]
fn tables_and_drawings_can_be_read_aloud() {
    let page = html(&sections(), Tier::Quick);
    let heads = tags(&page, "th");
    assert!(!heads.is_empty() && heads.iter().all(|th| th.contains(" scope=\"")));
    let cells = tags(&page, "td");
    // On a phone each cell stands alone under its label.
    assert!(
        !cells.is_empty() && cells.iter().all(|td| values(td, "data-label").iter().any(|l| !l.is_empty()))
    );
    let drawings = tags(&page, "svg");
    assert_eq!(drawings.len(), SYSTEMS - 1);
    for svg in drawings {
        assert!(
            svg.contains(" role=\"img\"") && values(svg, "aria-label").iter().any(|l| !l.is_empty()),
            "{svg}"
        );
    }
}

#[test]
fn names_are_unique_and_links_stay_in_the_page() {
    let page = html(&sections(), Tier::Quick);
    let ids = values(&page, "id");
    let known: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(known.len(), ids.len(), "an id occurs twice");
    let links = values(&page, "href");
    assert!(links.len() >= SYSTEMS);
    for link in links {
        assert!(link.strip_prefix('#').is_some_and(|id| known.contains(id)), "{link} leads nowhere");
    }
    for label in values(&page, "aria-labelledby") {
        assert!(known.contains(label), "{label} names nothing");
    }
}
