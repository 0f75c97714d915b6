//! A page for every reproduction, under the headings that a reader looks for.

use std::path::Path;

use crate::proof;
use crate::workspace::Verdict;

/// What a system's page has to say, each in a heading or a bold word.
const PARTS: &[&str] = &["Claim", "Equations", "API", "Command", "Measured", "Limits"];

/// Reproductions without a page, pages without a part, pages that the book's summary leaves out.
pub(crate) fn check(root: &Path) -> Verdict<Vec<String>> {
    let mut faults = Vec::new();
    let summary = std::fs::read_to_string(root.join("docs/src/SUMMARY.md")).ok();
    for id in proof::registered()? {
        let path = format!("docs/src/systems/{id}.md");
        match std::fs::read_to_string(root.join(&path)) {
            Err(_) => faults.push(format!("{path}: the reproduction {id} has no page")),
            Ok(text) => {
                faults.extend(missing(&text).iter().map(|part| format!("{path}: says nothing under {part}")))
            }
        }
        if summary.as_ref().is_some_and(|s| !s.contains(&format!("systems/{id}.md"))) {
            faults.push(format!("docs/src/SUMMARY.md leaves out systems/{id}.md"));
        }
    }
    Ok(faults)
}

/// The parts that a page lacks.
fn missing(text: &str) -> Vec<&'static str> {
    let headed = |part: &str| {
        text.lines().any(|l| {
            let l = l.trim_start_matches(['#', '*', ' ']);
            l.starts_with(part) || l.contains(&format!("**{part}"))
        })
    };
    PARTS.iter().copied().filter(|part| !headed(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_part() {
        let page = "# X\n**Claim.** a\n## Equations\nb\n**API.** c **Commands.** d\n## Measured result\n\n## Limits\n";
        assert!(missing(page).is_empty());
        assert_eq!(missing(&page.replace("Limits", "Ends")), ["Limits"]);
    }
}
