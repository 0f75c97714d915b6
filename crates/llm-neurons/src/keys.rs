//! Whole numbers that order like floats, and the selection of the least of them.

/// A key that orders like the value; both zeros share one. NaN has no place in the order: look for it first.
pub(crate) fn ascending_f32(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// A key that orders the other way round.
pub(crate) fn descending_f32(x: f32) -> u32 {
    !ascending_f32(x)
}

/// The value behind [`descending_f32`].
pub(crate) fn from_descending(key: u32) -> f32 {
    let key = !key;
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// A key that orders like the value; both zeros share one.
pub(crate) fn ascending_f64(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The places of the `count` least keys, in ascending order of key; equal keys by place. No more than a selection and a
/// sort of what was selected.
pub(crate) fn least(keys: impl Iterator<Item = u64>, count: usize) -> Vec<usize> {
    let mut pairs: Vec<(u64, usize)> = keys.enumerate().map(|(i, key)| (key, i)).collect();
    if count < pairs.len() {
        if count > 0 {
            pairs.select_nth_unstable(count - 1);
        }
        pairs.truncate(count);
    }
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, i)| i).collect()
}

/// Sorts keys; `scratch` is grown as needed and may be used again.
pub(crate) fn sort(keys: &mut Vec<u32>, scratch: &mut Vec<u32>) {
    /// Below this many keys a comparison sort is quicker than three passes over 2048 counters.
    const FEW: usize = 1024;
    const DIGIT: u32 = 11;
    const MASK: u32 = (1 << DIGIT) - 1;
    if keys.len() < FEW {
        keys.sort_unstable();
        return;
    }
    let mut counts = [[0_u32; 1 << DIGIT]; 3];
    for key in keys.iter() {
        for (pass, count) in counts.iter_mut().enumerate() {
            count[((key >> (DIGIT * pass as u32)) & MASK) as usize] += 1;
        }
    }
    scratch.resize(keys.len(), 0);
    for (pass, count) in counts.iter_mut().enumerate() {
        let mut sum = 0;
        for n in count.iter_mut() {
            (*n, sum) = (sum, sum + *n);
        }
        for key in keys.iter() {
            let place = &mut count[((key >> (DIGIT * pass as u32)) & MASK) as usize];
            scratch[*place as usize] = *key;
            *place += 1;
        }
        std::mem::swap(keys, scratch);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_order_like_values() {
        let x = [f32::NEG_INFINITY, -2.5, -1e-40, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(x.windows(2).all(|w| ascending_f32(w[0]) < ascending_f32(w[1])));
        assert!(x.iter().all(|v| from_descending(descending_f32(*v)) == *v));
        assert!(ascending_f32(-0.0) == ascending_f32(0.0) && ascending_f64(-0.0) == ascending_f64(0.0));
        assert!(ascending_f64(-1.0) < ascending_f64(-0.5) && ascending_f64(-0.5) < ascending_f64(2.0));
    }

    proptest! {
        #[test]
        fn the_sort_sorts(seed in 0_u32..1000, n in 0_usize..4000) {
            let mut keys: Vec<u32> = (0..n as u32).map(|i| (i ^ seed).wrapping_mul(0x9e37_79b9).rotate_left(i)).collect();
            let mut wanted = keys.clone();
            wanted.sort_unstable();
            sort(&mut keys, &mut Vec::new());
            prop_assert_eq!(keys, wanted);
        }

        #[test]
        fn the_least_come_first(keys in prop::collection::vec(0_u64..9, 0..40), count in 0_usize..50) {
            let mut order: Vec<usize> = (0..keys.len()).collect();
            order.sort_by_key(|i| keys[*i]); // stable
            order.truncate(count);
            prop_assert_eq!(least(keys.iter().copied(), count), order);
        }
    }
}
