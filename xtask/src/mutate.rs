//! `cargo xtask mutate`: small wrong changes, each of which must turn a named test red.
//!
//! `tests/mutations/NAME.patch` is a diff against the root with two lines above it: `test: SUITE::PATH`, written as in
//! docs/proof.toml, and `wrong: what the change breaks`. The chore copies the sources into a scratch folder, sees the
//! test pass there, applies the patch, and sees the test fail; a mutant that does not compile shows nothing.

mod patch;
mod scratch;

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;
use patch::Patch;
use scratch::{Scratch, Seen};

use crate::workspace::{self, Verdict};

/// Apply each wrong change of tests/mutations in a scratch copy and see its test fail
#[derive(Debug, Args)]
pub(crate) struct Mutate {
    /// Names of patches; all when left out
    names: Vec<String>,
    /// Only see that every patch applies and that its test exists
    #[arg(long)]
    check: bool,
}

impl Mutate {
    /// Runs the chore.
    pub(crate) fn run(&self) -> Verdict {
        let mut patches = patch::read_all(&workspace::root().join("tests/mutations"))?;
        for name in &self.names {
            if !patches.iter().any(|p| p.name == *name) {
                let known: Vec<&str> = patches.iter().map(|p| p.name.as_str()).collect();
                return Err(format!("there is no mutation `{name}`; there are {}", known.join(", ")));
            }
        }
        patches.retain(|p| self.names.is_empty() || self.names.contains(&p.name));
        check_patches(&patches)?;
        if self.check { Ok(()) } else { run_all(&patches) }
    }
}

/// Whether every patch applies to the sources as they are and names a test that exists.
pub(crate) fn check_fixed() -> Verdict {
    check_patches(&patch::read_all(&workspace::root().join("tests/mutations"))?)
}

fn check_patches(patches: &[Patch]) -> Verdict {
    let mut faults = Vec::new();
    for patch in patches {
        if let Err(why) = scratch::apply(&workspace::root(), &patch.path, true) {
            faults.push(format!("{}: does not apply: {why}", patch.name));
        }
        if let Err(why) = crate::proof::find_test(&patch.test) {
            faults.push(format!("{}: {why}", patch.name));
        }
    }
    workspace::report("mutate", &faults)?;
    println!("mutate: {} patches apply and name tests that exist", patches.len());
    Ok(())
}

fn run_all(patches: &[Patch]) -> Verdict {
    let scratch = Scratch::new()?;
    let mut before: BTreeMap<&str, Seen> = BTreeMap::new();
    let mut faults = Vec::new();
    for patch in patches {
        let clock = Instant::now();
        if !before.contains_key(patch.test.as_str()) {
            before.insert(&patch.test, scratch.test(&patch.selection()?)?);
        }
        let sound = &before[patch.test.as_str()];
        let verdict = if *sound == Seen::Passed {
            let mutated = scratch.with(patch, |s| s.test(&patch.selection()?))?;
            judge(&mutated)
        } else {
            Err(format!("{} is not green without the change: {sound:?}", patch.test))
        };
        let seconds = clock.elapsed().as_secs_f64();
        match verdict {
            Ok(()) => println!("mutate: {}: caught by {} ({seconds:.0} s)", patch.name, patch.test),
            Err(why) => {
                println!("mutate: {}: NOT CAUGHT: {why} ({seconds:.0} s)", patch.name);
                faults.push(format!("{} ({}): {why}", patch.name, patch.wrong));
            }
        }
    }
    workspace::report("mutate", &faults)?;
    println!("mutate: {} wrong changes, all caught", patches.len());
    Ok(())
}

/// A mutant is caught when its test ran and failed.
fn judge(seen: &Seen) -> Verdict {
    match seen {
        Seen::Failed => Ok(()),
        Seen::Passed => Err("the test passes all the same".to_owned()),
        Seen::NotBuilt(why) => Err(format!("it does not compile, which shows nothing: {why}")),
        Seen::NotRun => Err("no test ran".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_red_test_catches_a_mutant() {
        assert!(judge(&Seen::Failed).is_ok());
        for seen in [Seen::Passed, Seen::NotRun, Seen::NotBuilt("error".into())] {
            assert!(judge(&seen).is_err(), "{seen:?}");
        }
    }

    #[test]
    fn the_shipped_patches_are_well_formed() {
        let patches = patch::read_all(&workspace::root().join("tests/mutations")).unwrap();
        assert!(patches.len() >= 6);
        assert!(patches.iter().all(|p| p.selection().is_ok()));
    }
}
