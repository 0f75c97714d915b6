//! `cargo xtask docs`: the book, its links, and the number of systems in README.

mod links;

use clap::Args;

use crate::proof;
use crate::workspace::{self, Verdict};

/// Build the book where mdbook is installed; check links and README's number of systems
#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// Check, write nothing (the default)
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Write the number of systems that `neuropil reproduce --list` names into README.md
    #[arg(long)]
    update: bool,
}

impl Docs {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        if self.update {
            let path = workspace::root().join("README.md");
            let text = with_count(&workspace::read(&path)?, proof::listed()?.len())?;
            workspace::write(&path, &text)?;
        }
        check_links()?;
        check_count()?;
        if workspace::program(&["mdbook"]).is_some() {
            let mut command = std::process::Command::new("mdbook");
            workspace::run(command.current_dir(workspace::root()).args(["build", "docs"]))
        } else {
            println!("docs: mdbook is not installed, so the book was checked and not built");
            Ok(())
        }
    }
}

/// Every relative link of the pages leads to a file and, where it names one, a heading.
pub(crate) fn check_links() -> Verdict {
    let (pages, links, faults) = links::check(&workspace::root());
    workspace::report("docs", &faults)?;
    println!("docs: {links} links of {pages} pages lead somewhere");
    Ok(())
}

/// README's number of systems is the number of registered reproductions.
pub(crate) fn check_count() -> Verdict {
    let stated = count(&workspace::read(&workspace::root().join("README.md"))?)?;
    let listed = proof::listed()?.len();
    if stated == listed {
        println!("docs: README counts {listed} systems, as `neuropil reproduce --list` does");
        return Ok(());
    }
    Err(format!(
        "README.md counts {stated} systems, `neuropil reproduce --list` names {listed}: run `cargo xtask docs --update`"
    ))
}

/// The bold words that hold the number: `**3 systems are implemented**`.
const ENDINGS: [&str; 2] = [" systems are implemented**", " system is implemented**"];

/// The number that README states.
fn count(readme: &str) -> Verdict<usize> {
    span(readme).and_then(|(from, to)| readme[from..to].parse().map_err(|why| format!("README.md: {why}")))
}

/// README with another number.
fn with_count(readme: &str, number: usize) -> Verdict<String> {
    let (from, to) = span(readme)?;
    let tail = &readme[to..];
    let old = ENDINGS.iter().find(|e| tail.starts_with(**e)).map_or(0, |e| e.len());
    let ending = ENDINGS[usize::from(number == 1)];
    Ok(format!("{}{number}{ending}{}", &readme[..from], &tail[old..]))
}

/// Where the number stands.
fn span(readme: &str) -> Verdict<(usize, usize)> {
    let to = ENDINGS
        .iter()
        .find_map(|e| readme.find(e))
        .ok_or("README.md has no `**N systems are implemented**`")?;
    let from =
        readme[..to].rfind("**").map(|at| at + 2).ok_or("README.md: the number of systems is not bold")?;
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_systems_is_read_and_written() {
        let text = "# N\n\n**1 system is implemented** (x). **Bold**.\n";
        assert_eq!(count(text).unwrap(), 1);
        let three = with_count(text, 3).unwrap();
        assert_eq!(three, "# N\n\n**3 systems are implemented** (x). **Bold**.\n");
        assert_eq!(with_count(&three, 1).unwrap(), text);
        assert!(count("# N\n").is_err() && count("**many systems are implemented**").is_err());
    }
}
