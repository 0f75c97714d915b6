//! Links between the pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::workspace;

/// How many pages and links there are, and which links lead nowhere.
pub(crate) fn check(root: &Path) -> (usize, usize, Vec<String>) {
    let pages = workspace::files(root, &["md"]);
    let (mut count, mut faults) = (0, Vec::new());
    for page in &pages {
        let shown = page.strip_prefix(root).unwrap_or(page).display().to_string();
        let text = match std::fs::read_to_string(page) {
            Ok(text) => text,
            Err(why) => {
                faults.push(format!("{shown}: {why}"));
                continue;
            }
        };
        for link in links(&text).into_iter().filter(|l| !outside(l)) {
            count += 1;
            if let Err(why) = lead(root, page, &text, &link) {
                faults.push(format!("{shown}: ({link}) {why}"));
            }
        }
    }
    (pages.len(), count, faults)
}

/// Links that lead out of the tree are not followed.
fn outside(link: &str) -> bool {
    ["http://", "https://", "mailto:", "doi:"].iter().any(|p| link.starts_with(p))
}

/// Whether the link leads to a file of the tree and to a heading that it has.
fn lead(root: &Path, page: &Path, text: &str, link: &str) -> Result<(), String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
    let target: PathBuf = if path.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap_or(root).join(path.replace("%20", " "))
    };
    if path.starts_with('/') {
        return Err("is absolute".to_owned());
    }
    // Cargo's own output is linked before it is built.
    let inside = target.canonicalize().map_err(|_| "leads to no file".to_owned())?;
    if !root.canonicalize().is_ok_and(|r| inside.starts_with(r)) {
        return Err("leads out of the tree".to_owned());
    }
    let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|e| e == "md")) else {
        return Ok(());
    };
    let other = if path.is_empty() {
        text.to_owned()
    } else {
        std::fs::read_to_string(&target).map_err(|e| e.to_string())?
    };
    if anchors(&other).contains(&anchor.to_owned()) {
        Ok(())
    } else {
        Err("names no heading of that page".to_owned())
    }
}

/// The targets of `[text](target)`, `![text](target)` and `[name]: target`, code left out.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let mut rest = line.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            // Parentheses inside a target come in pairs.
            let mut depth = 1;
            let end = rest.char_indices().find(|(_, c)| {
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            let Some((end, _)) = end else { break };
            // A title may follow the target.
            found
                .extend(rest[..end].split_whitespace().next().map(|t| t.trim_matches(['<', '>']).to_owned()));
            rest = &rest[end..];
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|l| l.split_once("]: ")) {
            found.extend(target.split_whitespace().next().map(str::to_owned));
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for line in prose(text) {
        let level = line.chars().take_while(|c| *c == '#').count();
        if !(1..=6).contains(&level) || !line[level..].starts_with(' ') {
            continue;
        }
        let kept = line[level..].trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect();
        let times = seen.entry(slug.clone()).or_insert(0);
        all.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
        *times += 1;
    }
    all
}

/// Lines outside fenced code, with code spans blanked. Headings keep the words of theirs.
fn prose(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let heading = line.starts_with('#');
        let parts = line.split('`').enumerate();
        lines.push(parts.filter(|(i, _)| heading || i % 2 == 0).map(|(_, p)| p).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_prose_alone() {
        let text = "[a](x.md) ![b](y.svg \"t\") `[c](no.md)` [d](f(1).md)\n```\n[e](no.md)\n```\n[f]: z.md\n";
        assert_eq!(links(text), ["x.md", "y.svg", "f(1).md", "z.md"]);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# A `b` c!\n## Twice\n## Twice\n```\n# no\n```\n#no\n";
        assert_eq!(anchors(text), ["a-b-c", "twice", "twice-1"]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| workspace::write(&root.path().join(name), text).unwrap();
        put("docs/a.md", "[up](../README.md#top) [self](#here) [b](b.md)\n# Here\n");
        put("docs/b.md", "# B\n");
        put("README.md", "# Top\n[web](https://example.org/x.md)\n");
        assert_eq!(check(root.path()), (3, 3, vec![]));
        put("docs/b.md", "[1](c.md) [2](a.md#there) [3](#no) [4](../../x.md) [5](/docs/a.md)\n");
        assert_eq!(check(root.path()).2.len(), 5, "{:?}", check(root.path()).2);
    }
}
