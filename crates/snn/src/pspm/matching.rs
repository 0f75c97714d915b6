//! Which spikes of a model answer which target spikes.

use crate::{Error, Result};

/// A pairing of target spikes and model spikes of one neuron.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Targets with the model's spike that answers each.
    pub hits: Vec<(u32, u32)>,
    /// Targets without one.
    pub missed: Vec<u32>,
    /// Spikes of the model that answer none.
    pub extra: Vec<u32>,
}

/// Pairs each target with the first model spike from `window` steps before it that no earlier target took, if that is at
/// most `window` steps after it. One to one, in order of time, which leaves as few alone as any pairing does.
///
/// # Errors
/// [`Error::Shape`] for steps that do not increase.
pub fn match_spikes(target: &[u32], model: &[u32], window: u32) -> Result<Matching> {
    for (what, train) in [("target steps", target), ("model steps", model)] {
        if let Some(pair) = train.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Error::shape(what, "increasing", format!("{} then {}", pair[0], pair[1])));
        }
    }
    let mut matching = Matching::default();
    matching.fill(target, model, window);
    Ok(matching)
}

impl Matching {
    /// [`match_spikes`] of trains in order, into buffers that are kept.
    pub(super) fn fill(&mut self, target: &[u32], model: &[u32], window: u32) {
        self.hits.clear();
        self.missed.clear();
        self.extra.clear();
        let mut waiting = model.iter().copied().peekable();
        for t in target.iter().copied() {
            while let Some(early) = waiting.next_if(|m| *m < t.saturating_sub(window)) {
                self.extra.push(early);
            }
            match waiting.next_if(|m| *m <= t.saturating_add(window)) {
                Some(m) => self.hits.push((t, m)),
                None => self.missed.push(t),
            }
        }
        self.extra.extend(waiting);
    }
}
