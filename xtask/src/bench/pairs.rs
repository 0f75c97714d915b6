//! `benches/peers/pairs.toml`: what is measured against whom, and by how much ours has to be faster.

use std::path::Path;

use serde::Deserialize;

use crate::workspace::{self, Verdict};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pairs {
    /// The comparisons.
    pub(crate) pair: Vec<Pair>,
}

/// One computation, ours and others'.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    /// The name under which ours prints its seconds.
    pub(crate) name: String,
    /// What is computed, at which size.
    pub(crate) what: String,
    /// Our crate.
    pub(crate) package: String,
    /// Its example that measures.
    pub(crate) example: String,
    /// What the example is started with; one repetition and the names that are wanted when left out.
    pub(crate) arguments: Option<Vec<String>>,
    /// How often each side is started; 7 when left out.
    #[serde(default = "seven")]
    pub(crate) rounds: usize,
    /// Those it is measured against.
    pub(crate) peer: Vec<Peer>,
}

fn seven() -> usize {
    7
}

fn usual() -> String {
    "requirements.txt".to_owned()
}

/// Someone else's way, or a slower way of our own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// The name under which it prints its seconds.
    pub(crate) name: String,
    /// Whose it is, for the table.
    pub(crate) label: String,
    /// The script in `benches/peers`; our own example when left out.
    pub(crate) script: Option<String>,
    /// The locked requirements in `benches/peers` that the script runs with.
    #[serde(default = "usual")]
    pub(crate) requirements: String,
    /// What it is started with; one repetition and the names that are wanted when left out.
    pub(crate) arguments: Option<Vec<String>>,
    /// How many times faster ours has to be; shown without judgement when left out.
    pub(crate) at_least: Option<f64>,
}

/// Reads the comparisons and sees that all they name exists.
pub(crate) fn read(folder: &Path) -> Verdict<Pairs> {
    let path = folder.join("pairs.toml");
    let pairs: Pairs =
        toml::from_str(&workspace::read(&path)?).map_err(|why| format!("{}: {why}", path.display()))?;
    let packages = workspace::packages()?;
    for pair in &pairs.pair {
        let package = packages.iter().find(|p| p.name == pair.package);
        let known = package.is_some_and(|p| p.of_kind("example").any(|t| t.name == pair.example));
        if !known {
            return Err(format!("{}: {} has no example {}", pair.name, pair.package, pair.example));
        }
        if pair.peer.is_empty() || pair.rounds < 7 {
            return Err(format!("{}: at least one peer and seven rounds are wanted", pair.name));
        }
        for file in pair.peer.iter().filter_map(|p| Some([p.script.as_ref()?, &p.requirements])).flatten() {
            if !folder.join(file).is_file() {
                return Err(format!("{}: {} is missing", pair.name, folder.join(file).display()));
            }
        }
    }
    Ok(pairs)
}

/// Whether all that pairs.toml names exists.
pub(crate) fn check_fixed() -> Verdict {
    let pairs = read(&super::venv::folder())?;
    println!(
        "bench: {} comparisons with {} peers are declared",
        pairs.pair.len(),
        pairs.pair.iter().map(|p| p.peer.len()).sum::<usize>()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pair_names_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let put = |text: &str| {
            workspace::write(&folder.path().join("pairs.toml"), text).unwrap();
            read(folder.path())
        };
        let text = "[[pair]]\nname = \"x\"\nwhat = \"y\"\npackage = \"numerics\"\nexample = \"absent\"\n\
                    [[pair.peer]]\nname = \"x_numpy\"\nlabel = \"NumPy\"\nscript = \"x.py\"\nat_least = 2.0\n";
        assert!(put(text).unwrap_err().contains("has no example"));
        assert!(put(&text.replace("at_least", "atleast")).is_err());
        let lock = text.replace("\"x.py\"", "\"x.py\"\nrequirements = \"big.txt\"");
        let (usual, other) =
            (toml::from_str::<Pairs>(text).unwrap(), toml::from_str::<Pairs>(&lock).unwrap());
        let requirements = |p: &Pairs| p.pair[0].peer[0].requirements.clone();
        assert_eq!(
            (requirements(&usual), requirements(&other)),
            ("requirements.txt".into(), "big.txt".into())
        );
        let parsed: Pairs = toml::from_str(text).unwrap();
        assert_eq!((parsed.pair[0].rounds, parsed.pair[0].peer[0].at_least), (7, Some(2.0)));
    }
}
