//! Writes a report of as many systems as there are sheets, with long names, long words, failures and every kind of figure.
//!
//! Not run in CI: `cargo xtask page` runs it and looks at what it writes.
#![allow(clippy::print_stderr, reason = "an example tells how it is used")]

#[path = "../tests/crowded/sections.rs"]
mod sections;

use reproductions::Tier;
use reproductions::report::html;

fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: crowded_report FILE.html ({} systems)", sections::SYSTEMS);
        std::process::exit(2);
    };
    std::fs::write(path, html(&sections::sections(), Tier::Quick))
}
