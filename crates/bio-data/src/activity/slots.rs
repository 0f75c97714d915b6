//! Where unlabelled neurons go: free slots, drawn at random.

use numerics::rng::{permutation, stream};

use super::names::NamedColumn;
use super::shape;
use crate::Result;
use crate::neurons::LABELS;

/// A slot for each column: a labelled neuron's own, for the others free ones, drawn without replacement.
///
/// The draw depends on the seed, the source and the worm alone, so a recording gets the same slots in whatever order
/// or on however many threads recordings are processed.
pub(super) fn assign(columns: &[NamedColumn], seed: u64, source: &str, worm: &str) -> Result<Vec<usize>> {
    if columns.len() > LABELS.len() {
        return Err(shape("neurons of a recording", columns.len(), format!("at most {}", LABELS.len())));
    }
    let free: Vec<usize> = (0..LABELS.len()).filter(|s| columns.iter().all(|c| c.slot != Some(*s))).collect();
    let mut draws = stream(seed, &format!("bio-data/unlabelled-slots/{source}/{worm}"), 0);
    let mut order = permutation(&mut draws, free.len()).into_iter().map(|i| free[i]);
    // There are at least as many free slots as unlabelled columns, so that none is left without.
    Ok(columns.iter().filter_map(|c| c.slot.or_else(|| order.next())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::names::order_columns;

    #[test]
    fn slots_are_distinct_seeded_and_bounded() {
        let mut raw: Vec<Option<String>> = vec![None; 298];
        raw.extend(["AVAL", "VD9"].map(|l| Some(l.to_owned())));
        let columns = order_columns(&raw);
        let slots = assign(&columns, 1, "a", "worm0").unwrap();
        assert_eq!(&slots[..2], &[53, 299]);
        let mut sorted = slots.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..300));
        assert_eq!(slots, assign(&columns, 1, "a", "worm0").unwrap());
        assert_ne!(slots, assign(&columns, 2, "a", "worm0").unwrap());
        assert_ne!(slots, assign(&columns, 1, "a", "worm1").unwrap());
        raw.push(None);
        assert!(assign(&order_columns(&raw), 1, "a", "worm0").is_err());
    }
}
