//! The report as a reader meets it: in headless Chromium, as wide as a phone, and printed.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::Deserialize;

use crate::proof;
use crate::workspace::{self, Verdict};

/// A phone's width in CSS pixels.
const PHONE: u32 = 390;
/// Where Chromium and its kin are found.
pub(crate) const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Put into a copy of the page: tells the frame around it what a reader of this width would see.
const PROBE: &str = "<script>addEventListener('load',()=>{const r=document.documentElement,q=s=>[...document.querySelectorAll(s)];\
const scrolls=e=>{for(;e&&e!==document.body;e=e.parentElement)if(getComputedStyle(e).overflowX!=='visible')return true;return false};\
const wide=q('body *').filter(e=>!e.closest('svg')&&!scrolls(e)&&e.getBoundingClientRect().right>innerWidth+1);\
parent.postMessage({width:innerWidth,scroll:r.scrollWidth,title:document.title,h1:q('h1').map(e=>e.textContent),\
sections:q('section').map(e=>({id:e.id,heading:(e.querySelector('h2')||{}).textContent||'',\
drawings:[...e.querySelectorAll('svg')].filter(s=>s.getBoundingClientRect().width>0&&s.getBoundingClientRect().right<=innerWidth+1).length,\
rows:e.querySelectorAll('tbody tr').length})),\
small:q('body *').filter(e=>!e.closest('svg')&&e.childElementCount===0&&e.textContent.trim()&&parseFloat(getComputedStyle(e).fontSize)<11).length,\
wide:wide.slice(0,5).map(e=>e.tagName+' '+e.textContent.slice(0,40)),\
links:q('a[href]').map(e=>e.getAttribute('href')).filter(h=>!(h.startsWith('#')&&document.getElementById(h.slice(1)))),\
loads:q('script[src],link[href],img[src]').length},'*')})</script>";

/// What the page looks like to its reader.
#[derive(Debug, Clone, Deserialize)]
struct Seen {
    width: f64,
    scroll: f64,
    title: String,
    h1: Vec<String>,
    sections: Vec<Section>,
    small: usize,
    wide: Vec<String>,
    links: Vec<String>,
    loads: usize,
}

/// One system's part.
#[derive(Debug, Clone, Deserialize)]
struct Section {
    id: String,
    heading: String,
    drawings: usize,
    rows: usize,
}

/// Look at the report in headless Chromium: as wide as a phone, and printed
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
                let folder = folder()?;
                workspace::write(&folder.join("index.html"), &text)?;
                inspect(&folder)
            }
        }
    }
}

/// Where what was seen is left.
fn folder() -> Verdict<PathBuf> {
    let folder = workspace::target().join("page");
    std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    folder.canonicalize().map_err(|why| format!("{}: {why}", folder.display()))
}

/// Writes the report with the program and looks at it.
pub(crate) fn check() -> Verdict {
    let folder = folder()?;
    let mut program = Command::new(workspace::executable(&workspace::build()?, "neuropil"));
    program.current_dir(workspace::root()).args(["reproduce", "--quick", "--out"]).arg(&folder);
    workspace::run(&mut program)?;
    inspect(&folder)
}

/// Looks at `index.html` of a folder.
fn inspect(folder: &Path) -> Verdict {
    let browser = workspace::program(BROWSERS).ok_or("no Chromium is installed")?;
    let page = folder.join("index.html");
    let seen = look(&browser, &page, folder)?;
    let mut faults = judge(&seen, &proof::registered()?);
    faults.extend(print(&browser, &page, folder)?);
    workspace::report("page", &faults)?;
    println!(
        "page: {} systems at {PHONE} px, nothing wider than the page; screenshot and print in {}",
        seen.sections.len(),
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

/// Opens the page in a frame as wide as a phone and asks what is seen; leaves a screenshot.
fn look(browser: &Path, page: &Path, folder: &Path) -> Verdict<Seen> {
    let profile = tempfile::tempdir().map_err(|why| why.to_string())?;
    let text = workspace::read(page)?;
    let (before, after) = text.rsplit_once("</body>").ok_or("the report has no </body>")?;
    let probed = folder.join("probed.html");
    workspace::write(&probed, &format!("{before}{PROBE}</body>{after}"))?;
    // A window cannot be made as narrow as a phone everywhere; a frame can.
    let frame = format!(
        "<!doctype html><style>body{{margin:0}}iframe{{border:0;width:{PHONE}px;height:3000px}}</style><pre id=seen></pre>\
         <script>addEventListener('message',e=>{{document.getElementById('seen').textContent=JSON.stringify(e.data)}})</script>\
         <iframe src=\"probed.html\"></iframe>"
    );
    let harness = folder.join("phone.html");
    workspace::write(&harness, &frame)?;
    let url = format!("file://{}", harness.display());
    let dom = chromium(browser, profile.path(), &["--dump-dom".to_owned(), url.clone()])?;
    let shot = format!("--screenshot={}", folder.join("phone.png").display());
    chromium(browser, profile.path(), &[shot, "--window-size=500,3000".to_owned(), url])?;
    if !std::fs::read(folder.join("phone.png")).is_ok_and(|b| b.starts_with(b"\x89PNG")) {
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

/// What a reader would miss.
fn judge(seen: &Seen, systems: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    if (seen.width - f64::from(PHONE)).abs() > 0.5 {
        faults.push(format!("the page was seen at {} px instead of {PHONE}", seen.width));
    }
    if seen.scroll > seen.width {
        faults.push(format!("the page is {} px wide on a phone of {} px", seen.scroll, seen.width));
    }
    faults.extend(seen.wide.iter().map(|what| format!("wider than a phone: {what}")));
    if seen.title.trim().is_empty() || seen.h1.len() != 1 {
        faults.push(format!(
            "a title and one main heading are wanted, there are {:?} and {:?}",
            seen.title, seen.h1
        ));
    }
    for id in systems {
        match seen.sections.iter().find(|s| s.id == *id) {
            None => faults.push(format!("{id} has no section")),
            Some(s) => {
                if s.heading.trim().is_empty() {
                    faults.push(format!("{id} has no heading"));
                }
                if s.drawings == 0 {
                    faults.push(format!("{id} has no drawing that fits a phone"));
                }
                if s.rows == 0 {
                    faults.push(format!("{id} shows no measurement"));
                }
            }
        }
    }
    let strangers = seen.sections.iter().filter(|s| !systems.contains(&s.id));
    faults.extend(strangers.map(|s| format!("the section {:?} is of no listed system", s.id)));
    if seen.small > 0 {
        faults.push(format!("{} texts are smaller than 11 px", seen.small));
    }
    faults.extend(seen.links.iter().map(|l| format!("a link leads out of the page or nowhere: {l}")));
    if seen.loads > 0 {
        faults.push(format!("the page loads {} things from elsewhere", seen.loads));
    }
    faults
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

    fn good() -> Seen {
        let section = Section { id: "26-trsa".into(), heading: "T".into(), drawings: 1, rows: 2 };
        Seen {
            width: 390.0,
            scroll: 390.0,
            title: "N".into(),
            h1: vec!["N".into()],
            sections: vec![section],
            small: 0,
            wide: vec![],
            links: vec![],
            loads: 0,
        }
    }

    #[test]
    fn whatever_a_reader_misses_is_a_fault() {
        let systems = ["26-trsa".to_owned()];
        assert!(judge(&good(), &systems).is_empty());
        let worse: [fn(&mut Seen); 11] = [
            |s| s.scroll = 400.0,
            |s| s.width = 500.0,
            |s| s.h1.clear(),
            |s| s.sections.clear(),
            |s| s.sections[0].drawings = 0,
            |s| s.sections[0].heading.clear(),
            |s| s.sections[0].rows = 0,
            |s| s.wide.push("TABLE".into()),
            |s| s.links.push("https://x".into()),
            |s| s.loads = 1,
            |s| s.small = 1,
        ];
        for (i, worsen) in worse.iter().enumerate() {
            let mut seen = good();
            worsen(&mut seen);
            assert!(!judge(&seen, &systems).is_empty(), "{i}");
        }
        assert_eq!(judge(&good(), &[]).len(), 1, "a section of no system");
    }

    #[test]
    fn the_answer_is_read_out_of_the_dom() {
        let dom = "<pre id=\"seen\">{\"width\":390,\"scroll\":390,\"title\":\"a &amp; b\",\"h1\":[],\"sections\":[],\"small\":0,\"wide\":[],\"links\":[],\"loads\":0}</pre>";
        assert_eq!(parse(dom).unwrap().title, "a & b");
        assert!(parse("<pre id=\"seen\"></pre>").is_err());
        assert_eq!(sheets(b"%PDF-1.4 << /Type /Page\n>> << /Type /Pages\n>>"), 1);
    }
}
