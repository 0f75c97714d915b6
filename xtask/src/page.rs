//! The report as a reader meets it, in headless Chromium: on a phone and on a desk, in both colour schemes, and printed.
//!
//! Two reports are looked at: the program's own, and a crowded one with as many systems as there are sheets and with what
//! stretches a layout. What needs no browser (structure, links, escaping) is tested in `crates/reproductions`.

mod judge;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::proof;
use crate::workspace::{self, Verdict};
use judge::{Seen, View};

/// Widths of a phone and of a desk, in CSS pixels.
const WIDTHS: [u32; 2] = [390, 1200];
/// Where Chromium and its kin are found.
pub(crate) const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];
const PROBE: &str = include_str!("page/probe.js");

/// Look at the report in headless Chromium: on a phone and a desk, light and dark, and printed
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// A report that is there already; the program writes one when left out
    report: Option<PathBuf>,
}

impl Page {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        match &self.report {
            None => check(),
            Some(report) => {
                let text = workspace::read(report)?;
                let folder = folder("given")?;
                workspace::write(&folder.join("index.html"), &text)?;
                inspect(&folder, Some(&proof::registered()?))
            }
        }
    }
}

/// Where what was seen is left.
fn folder(name: &str) -> Verdict<PathBuf> {
    let folder = workspace::target().join("page").join(name);
    std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    folder.canonicalize().map_err(|why| format!("{}: {why}", folder.display()))
}

/// Writes both reports and looks at them.
pub(crate) fn check() -> Verdict {
    let built = workspace::build()?;
    let crowded = folder("crowded")?;
    let mut example = Command::new(workspace::executable(&built.join("examples"), "crowded_report"));
    workspace::run(example.current_dir(workspace::root()).arg(crowded.join("index.html")))?;
    inspect(&crowded, None)?;
    let own = folder("own")?;
    let mut program = Command::new(workspace::executable(&built, "neuropil"));
    program.current_dir(workspace::root()).args(["reproduce", "--quick", "--out"]).arg(&own);
    workspace::run(&mut program)?;
    inspect(&own, Some(&proof::registered()?))
}

/// Looks at `index.html` of a folder, which holds these systems where they are given.
fn inspect(folder: &Path, systems: Option<&[String]>) -> Verdict {
    let browser = workspace::program(BROWSERS).ok_or("no Chromium is installed")?;
    let page = folder.join("index.html");
    let mut faults = Vec::new();
    let mut sections = 0;
    for width in WIDTHS {
        for dark in [false, true] {
            let view = View { width, dark };
            let seen = look(&browser, &page, folder, view)?;
            faults.extend(judge::legible(&seen, view));
            // What is there does not depend on the width; whether drawings fit does, and a phone is the narrowest.
            if let Some(systems) = systems.filter(|_| width == WIDTHS[0] && !dark) {
                faults.extend(judge::complete(&seen, systems));
            }
            sections = seen.sections.len();
        }
    }
    faults.extend(print(&browser, &page, folder)?);
    workspace::report("page", &faults)?;
    println!(
        "page: {sections} systems can be read at {WIDTHS:?} px in both colour schemes; screenshots and print in {}",
        folder.display()
    );
    Ok(())
}

/// Chromium with a new profile and nothing of its own on the network.
fn chromium(browser: &Path, profile: &Path, arguments: &[String]) -> Verdict<String> {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        "--virtual-time-budget=10000",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display())).args(arguments);
    workspace::output(&mut command)
}

/// Opens the page in a frame of a view and asks what is seen; leaves a screenshot.
fn look(browser: &Path, page: &Path, folder: &Path, view: View) -> Verdict<Seen> {
    let profile = tempfile::tempdir().map_err(|why| why.to_string())?;
    let text = workspace::read(page)?;
    let (before, after) = text.rsplit_once("</body>").ok_or("the report has no </body>")?;
    workspace::write(
        &folder.join("probed.html"),
        &format!("{before}<script>{PROBE}</script></body>{after}"),
    )?;
    // A window cannot be made as narrow as a phone everywhere; a frame can. It hands down its colour scheme.
    let (width, scheme) = (view.width, view.scheme());
    let frame = format!(
        "<!doctype html><meta name=\"color-scheme\" content=\"{scheme}\">\
         <style>body{{margin:0}}iframe{{border:0;width:{width}px;height:3000px;color-scheme:{scheme}}}</style><pre id=seen></pre>\
         <script>addEventListener('message',e=>{{document.getElementById('seen').textContent=JSON.stringify(e.data)}})</script>\
         <iframe src=\"probed.html\"></iframe>"
    );
    let harness = folder.join("frame.html");
    workspace::write(&harness, &frame)?;
    let url = format!("file://{}", harness.display());
    let dom = chromium(browser, profile.path(), &["--dump-dom".to_owned(), url.clone()])?;
    let image = folder.join(format!("{width}-{scheme}.png"));
    let shot = format!("--screenshot={}", image.display());
    chromium(browser, profile.path(), &[shot, format!("--window-size={},3000", width.max(500)), url])?;
    if !std::fs::read(&image).is_ok_and(|b| b.starts_with(b"\x89PNG")) {
        return Err("Chromium made no screenshot".to_owned());
    }
    parse(&dom)
}

/// What the harness wrote down.
fn parse(dom: &str) -> Verdict<Seen> {
    let inside = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = inside
        .map(|(text, _)| text)
        .filter(|t| !t.is_empty())
        .ok_or("the page did not answer in Chromium")?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&text).map_err(|why| format!("what the page answered: {why}"))
}

/// Prints the page; what is wrong with the print.
fn print(browser: &Path, page: &Path, folder: &Path) -> Verdict<Vec<String>> {
    let profile = tempfile::tempdir().map_err(|why| why.to_string())?;
    let pdf: PathBuf = folder.join("report.pdf");
    let arguments = [
        format!("--print-to-pdf={}", pdf.display()),
        "--no-pdf-header-footer".to_owned(),
        format!("file://{}", page.display()),
    ];
    chromium(browser, profile.path(), &arguments)?;
    let bytes = std::fs::read(&pdf).map_err(|why| format!("{}: {why}", pdf.display()))?;
    Ok(if bytes.starts_with(b"%PDF-") && sheets(&bytes) > 0 {
        Vec::new()
    } else {
        vec!["the print has no page".to_owned()]
    })
}

/// How many pages a PDF says it has.
fn sheets(pdf: &[u8]) -> usize {
    String::from_utf8_lossy(pdf).matches("/Type /Page\n").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read_out_of_the_dom() {
        let dom = "<pre id=\"seen\">{\"width\":390,\"scroll\":390,\"contrast\":7,\"faint\":\"a &amp; b\",\"text\":14,\"drawing\":9,\"dark\":false,\"wide\":[],\"crushed\":0,\"loaded\":[],\"sections\":[]}</pre>";
        assert_eq!(parse(dom).unwrap().faint, "a & b");
        assert!(parse("<pre id=\"seen\"></pre>").is_err());
        assert_eq!(sheets(b"%PDF-1.4 << /Type /Page\n>> << /Type /Pages\n>>"), 1);
    }
}
