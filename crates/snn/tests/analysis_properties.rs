//! What holds for every train.

use proptest::prelude::*;
use snn::Error;
use snn::analysis::{
    Trains, VanRossum, avalanches, binarize, coincidence_factor, coincidences, count_correlation, counts, cv,
    cv2, intervals_ms, isi_distance, ks_two_sample, local_variation, lz76, spike_distance, van_rossum,
    van_rossum_steps, victor_purpura, wasserstein,
};

const WINDOW: f64 = 100.0;

fn train() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(0.0..WINDOW, 0..25).prop_map(|mut times| {
        times.sort_by(f64::total_cmp);
        times
    })
}

/// Trains on a grid, so that spikes coincide.
fn gridded() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::btree_set(0_u32..40, 0..25)
        .prop_map(|s| s.into_iter().map(|t| f64::from(t) * 2.5).collect())
}

fn mixed() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![train(), gridded()]
}

/// The sum over all pairs of spikes, as it is written.
fn van_rossum_slowly(a: &[f64], b: &[f64], tau: f64) -> f64 {
    let sum = |x: &[f64], y: &[f64]| -> f64 {
        x.iter().flat_map(|s| y.iter().map(move |t| (-(s - t).abs() / tau).exp())).sum()
    };
    (sum(a, a) + sum(b, b) - 2.0 * sum(a, b)).max(0.0).sqrt()
}

/// Kaspar and Schuster's scan.
fn lz76_slowly(s: &[bool]) -> usize {
    let n = s.len();
    let (mut i, mut components) = (0, 0);
    while i < n {
        let known = |length: usize| (0..i).any(|j| s[j..j + length] == s[i..i + length]);
        let mut length = 1;
        while i + length <= n && known(length) {
            length += 1;
        }
        components += 1;
        i += length;
    }
    components
}

/// The most pairs that any pairing has.
fn most_pairs(a: &[f64], b: &[f64], precision: f64) -> usize {
    fn grow(a: usize, near: &[Vec<usize>], seen: &mut [bool], partner: &mut [Option<usize>]) -> bool {
        near[a].iter().any(|b| {
            !std::mem::replace(&mut seen[*b], true)
                && (partner[*b].is_none_or(|other| grow(other, near, seen, partner)) && {
                    partner[*b] = Some(a);
                    true
                })
        })
    }
    let near: Vec<Vec<usize>> =
        a.iter().map(|x| (0..b.len()).filter(|j| (x - b[*j]).abs() <= precision).collect()).collect();
    let mut partner = vec![None; b.len()];
    (0..a.len()).filter(|i| grow(*i, &near, &mut vec![false; b.len()], &mut partner)).count()
}

proptest! {
    #[test]
    fn distances_are_metrics(a in mixed(), b in mixed(), c in mixed(), tau in 0.5..200.0, cost in 0.0..2.0) {
        let vr = |x: &[f64], y: &[f64]| van_rossum(x, y, tau, VanRossum::Unit).unwrap();
        let vp = |x: &[f64], y: &[f64]| victor_purpura(x, y, cost).unwrap();
        for distance in [&vr as &dyn Fn(&[f64], &[f64]) -> f64, &vp] {
            prop_assert_eq!(distance(&a, &a), 0.0);
            let (ab, ba) = (distance(&a, &b), distance(&b, &a));
            prop_assert!((ab - ba).abs() < 1e-9 && ab >= 0.0, "{} {}", ab, ba);
            prop_assert!(ab <= distance(&a, &c) + distance(&c, &b) + 1e-9);
        }
        for distance in [isi_distance, spike_distance] {
            let ab = distance(&a, &b, 0.0, WINDOW).unwrap();
            prop_assert!((0.0..=1.0 + 1e-12).contains(&ab), "{}", ab);
            prop_assert!((ab - distance(&b, &a, 0.0, WINDOW).unwrap()).abs() < 1e-12);
            prop_assert_eq!(distance(&a, &a, 0.0, WINDOW).unwrap(), 0.0);
        }
    }

    #[test]
    fn van_rossum_equals_its_double_sum(a in mixed(), b in mixed(), tau in 0.5..200.0) {
        let (got, expected) = (van_rossum(&a, &b, tau, VanRossum::Unit).unwrap(), van_rossum_slowly(&a, &b, tau));
        prop_assert!((got * got - expected * expected).abs() < 1e-9 * (1.0 + expected * expected), "{} {}", got, expected);
    }

    #[test]
    fn van_rossum_on_a_grid_equals_the_filtered_sum(
        a in proptest::collection::btree_set(0_u32..200, 0..30),
        b in proptest::collection::btree_set(0_u32..200, 0..30),
        tau in 1.0..50.0_f64,
    ) {
        let (a, b): (Vec<u32>, Vec<u32>) = (a.into_iter().collect(), b.into_iter().collect());
        let (mut x, mut sum) = (0.0_f64, 0.0);
        for t in 0..200_u32 {
            x = x * (-1.0 / tau).exp() + f64::from(u8::from(a.contains(&t))) - f64::from(u8::from(b.contains(&t)));
            sum += x * x;
        }
        let got = van_rossum_steps(&a, &b, 200, tau).unwrap();
        prop_assert!((got - (sum / tau).sqrt()).abs() < 1e-9, "{} {}", got, (sum / tau).sqrt());
    }

    #[test]
    fn victor_and_purpura_at_its_ends(a in gridded(), b in gridded()) {
        let shared = a.iter().filter(|t| b.contains(t)).count();
        prop_assert_eq!(victor_purpura(&a, &b, 0.0).unwrap(), (a.len() as f64 - b.len() as f64).abs());
        prop_assert_eq!(victor_purpura(&a, &b, f64::INFINITY).unwrap(), (a.len() + b.len() - 2 * shared) as f64);
    }

    #[test]
    fn moving_both_trains_changes_nothing(a in train(), b in train(), by in -50.0..50.0) {
        let moved = |x: &[f64]| x.iter().map(|t| t + by).collect::<Vec<f64>>();
        let (c, d) = (moved(&a), moved(&b));
        let same = |x: f64, y: f64| (x - y).abs() < 1e-9;
        prop_assert!(same(van_rossum(&a, &b, 20.0, VanRossum::Unit).unwrap(), van_rossum(&c, &d, 20.0, VanRossum::Unit).unwrap()));
        prop_assert!(same(victor_purpura(&a, &b, 0.1).unwrap(), victor_purpura(&c, &d, 0.1).unwrap()));
        // Borders are moved with the trains; spikes on them may fall out by a rounding.
        let (start, stop) = (by - 1.0, WINDOW + by + 1.0);
        prop_assert!(same(isi_distance(&a, &b, -1.0, WINDOW + 1.0).unwrap(), isi_distance(&c, &d, start, stop).unwrap()));
        prop_assert!(same(spike_distance(&a, &b, -1.0, WINDOW + 1.0).unwrap(), spike_distance(&c, &d, start, stop).unwrap()));
    }

    #[test]
    fn irregularity_has_no_unit(a in train(), scale in 0.1..10.0) {
        let intervals = intervals_ms(&a).unwrap();
        prop_assume!(intervals.len() >= 2 && intervals.iter().all(|x| *x > 1e-6));
        let scaled: Vec<f64> = intervals.iter().map(|x| x * scale).collect();
        for measure in [cv, cv2, local_variation] {
            let (x, y) = (measure(&intervals).unwrap(), measure(&scaled).unwrap());
            prop_assert!((x - y).abs() < 1e-9 && x >= 0.0);
        }
        prop_assert!(cv2(&intervals).unwrap() <= 2.0 && local_variation(&intervals).unwrap() <= 3.0);
        prop_assert!(cv(&[7.0; 5]).unwrap() < 1e-12 && cv2(&[7.0; 5]).unwrap() == 0.0);
    }

    #[test]
    fn greedy_pairs_are_as_many_as_any(a in mixed(), b in mixed(), precision in 0.0..8.0) {
        prop_assert_eq!(coincidences(&a, &b, precision).unwrap(), most_pairs(&a, &b, precision));
        if let Ok(found) = coincidence_factor(&a, &b, WINDOW, precision) {
            prop_assert!(found.gamma <= 1.0 + 1e-12);
        }
    }

    #[test]
    fn every_spike_is_in_one_bin_and_one_avalanche(a in mixed(), bin in 0.3..20.0) {
        let found = counts(&a, 0.0, WINDOW, bin).unwrap();
        let covered = found.len() as f64 * bin;
        let inside = a.iter().filter(|t| **t < covered).count();
        let total: u32 = found.iter().sum();
        // A spike within rounding of the end may fall on either side.
        prop_assert!((i64::from(total) - inside as i64).abs() <= i64::from(a.iter().any(|t| (t - covered).abs() < 1e-6)));
        let bursts = avalanches(&found);
        prop_assert_eq!(bursts.iter().map(|b| b.size).sum::<u64>(), u64::from(total));
        prop_assert_eq!(bursts.iter().map(|b| b.duration).sum::<u64>(), found.iter().filter(|c| **c > 0).count() as u64);
        let bits = binarize(&a, 0.0, WINDOW, bin).unwrap();
        prop_assert!(bits.iter().zip(&found).all(|(bit, count)| *bit == (*count > 0)));
    }

    #[test]
    fn correlations_follow_the_order_of_trains(all in proptest::collection::vec(train(), 2..6)) {
        let forward = count_correlation(&Trains::new(all.clone(), 0.0, WINDOW).unwrap(), 5.0).unwrap();
        let reversed: Vec<Vec<f64>> = all.into_iter().rev().collect();
        let n = reversed.len();
        let backward = count_correlation(&Trains::new(reversed, 0.0, WINDOW).unwrap(), 5.0).unwrap();
        for i in 0..n {
            for j in 0..n {
                let (x, y) = (forward[[i, j]], backward[[n - 1 - i, n - 1 - j]]);
                prop_assert!((x.is_nan() && y.is_nan()) || (x - y).abs() < 1e-12);
                prop_assert!(x.is_nan() || x.abs() <= 1.0);
            }
        }
    }

    #[test]
    fn distances_of_samples(a in proptest::collection::vec(-9.0..9.0_f64, 1..30), b in proptest::collection::vec(-9.0..9.0_f64, 1..30), by in 0.0..5.0_f64) {
        let moved: Vec<f64> = a.iter().map(|x| x + by).collect();
        prop_assert!((wasserstein(&a, &moved).unwrap() - by).abs() < 1e-9);
        prop_assert_eq!(ks_two_sample(&a, &a).unwrap(), 0.0);
        prop_assert!((0.0..=1.0).contains(&ks_two_sample(&a, &b).unwrap()));
        // No more can lie between than the whole range times the greatest difference.
        prop_assert!(wasserstein(&a, &b).unwrap() <= 18.0 * ks_two_sample(&a, &b).unwrap() + 1e-12);
    }

    #[test]
    fn times_out_of_order_and_not_a_number_are_refused(a in train(), at in any::<prop::sample::Index>()) {
        prop_assume!(a.len() >= 2 && a[0] < a[a.len() - 1]);
        let mut reversed = a.clone();
        reversed.reverse();
        let mut broken = a.clone();
        broken[at.index(a.len())] = f64::NAN;
        for bad in [reversed, broken] {
            let refused = |r: snn::Result<f64>| matches!(r, Err(Error::SpikeTime { .. }));
            prop_assert!(refused(van_rossum(&a, &bad, 20.0, VanRossum::Unit)));
            prop_assert!(refused(victor_purpura(&bad, &a, 0.1)));
            prop_assert!(refused(isi_distance(&bad, &a, 0.0, WINDOW)));
            prop_assert!(refused(spike_distance(&a, &bad, 0.0, WINDOW)));
            prop_assert!(refused(coincidence_factor(&a, &bad, WINDOW, 1.0).map(|c| c.gamma)));
            prop_assert!(refused(intervals_ms(&bad).map(|_| 0.0)));
            prop_assert!(refused(Trains::new(vec![bad], 0.0, WINDOW).map(|_| 0.0)));
        }
    }
}

#[test]
fn fast_and_slow_complexity_agree_on_ten_thousand_strings() {
    use rand::RngExt;
    let mut rng = numerics::rng::stream(7, "lz76", 0);
    for trial in 0..10_000 {
        let n = rng.random_range(0..60);
        let p = [0.05, 0.3, 0.5][trial % 3];
        // Every fourth string repeats itself, so that components grow long.
        let period = if trial % 4 == 0 { rng.random_range(1..12) } else { n.max(1) };
        let seed: Vec<bool> = (0..period).map(|_| rng.random::<f64>() < p).collect();
        let bits: Vec<bool> = (0..n).map(|i| seed[i % period] ^ (rng.random::<f64>() < 0.02)).collect();
        assert_eq!(lz76(&bits), lz76_slowly(&bits), "{bits:?}");
    }
}

#[test]
fn windows_bins_and_scales_without_sense_are_refused() {
    let a = [1.0, 2.0];
    for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(van_rossum(&a, &a, tau, VanRossum::Unit).is_err());
        assert!(van_rossum_steps(&[1], &[2], 5, tau).is_err());
    }
    assert!(van_rossum_steps(&[2, 1], &[], 5, 1.0).is_err() && van_rossum_steps(&[5], &[], 5, 1.0).is_err());
    for cost in [-1.0, f64::NAN] {
        assert!(victor_purpura(&a, &a, cost).is_err());
    }
    for (start, stop) in [(0.0, 0.0), (5.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(isi_distance(&[], &[], start, stop).is_err());
        assert!(counts(&[], start, stop, 1.0).is_err());
    }
    assert!(isi_distance(&a, &[], 1.5, 3.0).is_err() && spike_distance(&a, &[], 0.0, 1.5).is_err());
    for bin in [0.0, -1.0, f64::NAN, 1e-9, 200.0] {
        assert!(counts(&a, 0.0, 100.0, bin).is_err(), "{bin}");
    }
    for precision in [-1.0, f64::NAN, 30.0] {
        assert!(coincidence_factor(&a, &a, 100.0, precision).is_err(), "{precision}");
    }
    assert!(coincidence_factor(&[], &[], 100.0, 1.0).is_err());
}
