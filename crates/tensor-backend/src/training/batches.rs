//! Which samples go together: an order for each epoch, drawn from `(seed, "training.order", epoch)`.

use numerics::rng;

use crate::random::Key;
use crate::training::Training;

/// One batch.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Batch<'a> {
    /// Its samples, each in `0..samples`.
    pub indices: &'a [usize],
    /// Optimiser steps done before it.
    pub step: u64,
    /// Epochs done before it.
    pub epoch: u64,
    /// The run's seed.
    pub seed: u64,
}

impl<'a> Batch<'a> {
    /// The stream of this step for a purpose: noise drawn from it is the same in a resumed run.
    #[must_use]
    pub fn key(&self, purpose: &'a str) -> Key<'a> {
        Key::new(self.seed, purpose, self.step)
    }
}

/// Batches of an epoch.
pub(super) fn count(plan: &Training, samples: usize) -> u64 {
    let whole = samples / plan.batch_size;
    let rest = usize::from(!plan.drop_last && !samples.is_multiple_of(plan.batch_size));
    (whole + rest) as u64
}

/// The order of an epoch's samples.
pub(super) fn order(plan: &Training, epoch: u64, samples: usize) -> Vec<usize> {
    match plan.shuffle {
        true => rng::permutation(&mut rng::stream(plan.seed, "training.order", epoch), samples),
        false => (0..samples).collect(),
    }
}

/// The `batch`-th batch of an order.
pub(super) fn slice<'a>(plan: &Training, order: &'a [usize], batch: u64) -> &'a [usize] {
    let start = usize::try_from(batch).unwrap_or(usize::MAX).saturating_mul(plan.batch_size).min(order.len());
    &order[start..start.saturating_add(plan.batch_size).min(order.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(batch_size: usize, drop_last: bool) -> Training {
        Training { batch_size, drop_last, seed: 5, ..Training::default() }
    }

    proptest::proptest! {
        #[test]
        fn an_epoch_visits_each_sample_once(samples in 1usize..200, size in 1usize..40, epoch in 0u64..5) {
            let plan = plan(size, false);
            let order = order(&plan, epoch, samples);
            let mut seen: Vec<usize> =
                (0..count(&plan, samples)).flat_map(|b| slice(&plan, &order, b).to_vec()).collect();
            seen.sort_unstable();
            proptest::prop_assert!(seen.into_iter().eq(0..samples));
        }

        #[test]
        fn without_the_last_all_batches_are_full(samples in 1usize..200, size in 1usize..40) {
            let plan = plan(size, true);
            let order = order(&plan, 0, samples);
            for b in 0..count(&plan, samples) {
                proptest::prop_assert_eq!(slice(&plan, &order, b).len(), size);
            }
        }
    }

    #[test]
    fn epochs_and_seeds_have_their_own_orders() {
        let plan = plan(4, false);
        assert_eq!(order(&plan, 3, 50), order(&plan, 3, 50));
        assert_ne!(order(&plan, 3, 50), order(&plan, 4, 50));
        assert_ne!(order(&plan, 3, 50), order(&Training { seed: 6, ..plan.clone() }, 3, 50));
        assert!(order(&Training { shuffle: false, ..plan }, 3, 50).into_iter().eq(0..50));
    }
}
