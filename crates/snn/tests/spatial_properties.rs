//! What must hold for every detector, pattern and encoder.

use proptest::prelude::*;
use snn::spatial::{
    BitPattern, Confusion, Detector, DetectorConfig, Field, PatternBank, PatternEncoder, SpatialDetector,
    TestSet, accepted_inputs, accuracy_vs_hamming, evaluate, two_pattern_accepted,
};

fn bits(n: usize) -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<bool>(), n)
}

fn trained(patterns: &[BitPattern], margin: f64) -> SpatialDetector {
    let cfg = DetectorConfig { margin, ..DetectorConfig::default() };
    let mut detector = SpatialDetector::new(patterns[0].inputs(), cfg).unwrap();
    detector.train_one_shot(patterns).unwrap();
    detector
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn formula_simulation_and_table_agree(
        a in bits(9), b in bits(9), x in bits(9), margin in 0.0_f64..2.0, ratio in 0.1_f64..3.0,
    ) {
        let (a, b, x) = (BitPattern::from_bits(&a), BitPattern::from_bits(&b), BitPattern::from_bits(&x));
        prop_assume!(a.active() > 0 && b.active() > 0 && a != b);
        let cfg = DetectorConfig { margin, depression: ratio, ..DetectorConfig::default() };
        let mut detector = SpatialDetector::new(9, cfg).unwrap();
        detector.train_one_shot(&[a, b]).unwrap();
        let yes = detector.decide(&x).unwrap();
        prop_assert_eq!(!detector.simulate(&x).unwrap().is_empty(), yes);
        let code = x.indices().map(|i| 1_usize << (8 - i)).sum::<usize>();
        prop_assert_eq!(detector.decide_all().unwrap()[code], yes);
        prop_assert_eq!(detector.latency_ms(&x).unwrap().is_some(), yes);
    }

    #[test]
    fn the_trained_pattern_is_accepted_alone_below_the_bound(p in bits(12), share in 0.0_f64..0.999) {
        let p = BitPattern::from_bits(&p);
        prop_assume!(p.active() > 1);
        let n = p.active();
        // Exact if and only if m < 1 / (n - 1).
        let margin = share / (n as f64 - 1.0);
        let accepted = trained(std::slice::from_ref(&p), margin).decide_all().unwrap();
        prop_assert_eq!(accepted.iter().filter(|yes| **yes).count(), 1);
        prop_assert_eq!(accepted_inputs(12, n, margin, 1.0).unwrap(), 1.0);
        let at = 1.0001 / (n as f64 - 1.0);
        prop_assert!(trained(&[p], at).decide_all().unwrap().iter().filter(|yes| **yes).count() > 1);
    }

    #[test]
    fn permuted_inputs_give_permuted_weights(a in bits(8), b in bits(8), shift in 1_usize..8) {
        let turn = |p: &[bool]| { let mut p = p.to_vec(); p.rotate_left(shift); BitPattern::from_bits(&p) };
        let (first, second) = (BitPattern::from_bits(&a), BitPattern::from_bits(&b));
        prop_assume!(first.active() > 0 && second.active() > 0 && first != second);
        let plain = trained(&[first, second], 0.3);
        let turned = trained(&[turn(&a), turn(&b)], 0.3);
        let mut weights = plain.weights().to_vec();
        weights.rotate_left(shift);
        for (a, b) in weights.iter().zip(turned.weights()) {
            prop_assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()));
        }
    }

    #[test]
    fn patterns_are_their_bits(a in bits(130), b in bits(130)) {
        let (p, q) = (BitPattern::from_bits(&a), BitPattern::from_bits(&b));
        prop_assert_eq!(p.indices().collect::<Vec<_>>(), (0..130).filter(|i| a[*i]).collect::<Vec<_>>());
        prop_assert_eq!(p.active(), a.iter().filter(|on| **on).count());
        prop_assert_eq!(p.hamming(&q).unwrap(), a.iter().zip(&b).filter(|(a, b)| a != b).count());
        prop_assert_eq!(&p.flipped(77).flipped(77), &p);
        prop_assert_eq!(p.flipped(77).hamming(&p).unwrap(), 1);
        prop_assert_eq!(&BitPattern::from_indices(130, &p.indices().collect::<Vec<_>>()).unwrap(), &p);
        prop_assert!((0..130).all(|i| p.contains(i) == a[i]) && !p.contains(130));
    }

    #[test]
    fn encoders_keep_what_they_encode(port in 0_u32..65_536, protocol in 0_usize..4, length in 0.0_f64..1500.0) {
        let encoder = PatternEncoder::new(vec![
            Field::Bits { bits: 16 },
            Field::OneHot { levels: 4 },
            Field::Thermometer { low: 0.0, high: 1500.0, levels: 10 },
            Field::PairedBits { bits: 3 },
        ]).unwrap();
        prop_assert_eq!(encoder.inputs(), 16 + 4 + 10 + 6);
        let p = encoder.encode(&[f64::from(port), protocol as f64, length, 5.0]).unwrap();
        let back = (0..16).fold(0, |v, i| v << 1 | u32::from(p.contains(i)));
        prop_assert_eq!(back, port);
        prop_assert!((0..4).all(|i| p.contains(16 + i) == (i == protocol)));
        let filled = (0..10).filter(|i| p.contains(20 + i)).count();
        prop_assert!((filled as f64 - length / 150.0).abs() <= 1.0 && (0..filled).all(|i| p.contains(20 + i)));
        prop_assert_eq!((30..36).map(|i| p.contains(i)).collect::<Vec<_>>(), vec![true, false, false, true, true, false]);
    }
}

#[test]
fn two_patterns_follow_the_similarity_law_at_any_margin() {
    for (n, active) in [(10, 5), (9, 3), (11, 6)] {
        for distance in (2..=2 * active.min(n - active)).step_by(2) {
            let first: Vec<usize> = (0..active).collect();
            let second: Vec<usize> = (distance / 2..active + distance / 2).collect();
            let p =
                [BitPattern::from_indices(n, &first).unwrap(), BitPattern::from_indices(n, &second).unwrap()];
            assert_eq!(p[0].hamming(&p[1]).unwrap(), distance);
            for m in [0.0, 0.1, 0.34, 0.6, 1.5] {
                let accepted = trained(&p, m).decide_all().unwrap().iter().filter(|yes| **yes).count();
                let law = two_pattern_accepted(n, active, distance, m).unwrap();
                assert_eq!(accepted as f64, law, "{n} {active} {distance} {m}");
            }
        }
    }
    for (n, active, distance) in [(10, 5, 0), (10, 5, 3), (10, 5, 12), (10, 8, 6)] {
        assert!(two_pattern_accepted(n, active, distance, 0.1).is_err());
    }
}

#[test]
fn a_table_of_decisions_gives_the_usual_figures() {
    let c = Confusion { true_positives: 6, false_positives: 2, true_negatives: 3, false_negatives: 1 };
    assert_eq!(c.total(), 12);
    assert!((c.accuracy() - 0.75).abs() < 1e-15 && (c.precision() - 0.75).abs() < 1e-15);
    assert!((c.recall() - 6.0 / 7.0).abs() < 1e-15 && (c.f1() - 0.8).abs() < 1e-15);
    // (18 - 2) / sqrt(8 7 5 4)
    assert!((c.mcc() - 16.0 / 1120_f64.sqrt()).abs() < 1e-15);
    let none = Confusion { true_negatives: 5, false_negatives: 2, ..Confusion::default() };
    assert!(none.precision().is_nan() && none.mcc() == 0.0 && none.recall() == 0.0);
}

#[test]
fn samples_hold_neighbours_once_and_count_as_all_inputs_do() {
    let p = [
        BitPattern::from_indices(10, &[0, 1, 2, 3]).unwrap(),
        BitPattern::from_indices(10, &[0, 1, 2, 4]).unwrap(),
    ];
    let bank = PatternBank::train(&p, DetectorConfig { margin: 0.1, ..DetectorConfig::default() }).unwrap();
    let near = evaluate(&bank, &p, TestSet::Sample { distance: 1, random: 0, seed: 0 }).unwrap();
    // Two targets at distance 2 with ten neighbours each, two of them shared.
    assert_eq!((near.total(), near.true_positives, near.false_positives), (20, 2, 0));
    let all = TestSet::Sample { distance: 3, random: 50, seed: 1 };
    let one = evaluate(&bank, &p[..1], all).unwrap();
    assert_eq!(
        (one.true_positives, one.false_positives),
        (1, 1),
        "the other target is a false positive then"
    );
    assert!(one.total() >= 1 + 10 + 45 + 120);
    assert_eq!(one, evaluate(&bank, &p[..1], all).unwrap());
    assert!(evaluate(&bank, &p, TestSet::Sample { distance: 4, random: 0, seed: 0 }).is_err());
    assert!(evaluate(&bank, &p, TestSet::Sample { distance: 0, random: 100_000_000, seed: 0 }).is_err());
    assert!(evaluate(&bank, &[], TestSet::Exhaustive).is_err());
    // Large patterns are sampled too.
    let wide = [BitPattern::from_indices(200, &(0..40).collect::<Vec<_>>()).unwrap()];
    let detector = trained(&wide, 0.01);
    let sampled = evaluate(&detector, &wide, TestSet::Sample { distance: 2, random: 100, seed: 2 }).unwrap();
    assert_eq!((sampled.true_positives, sampled.false_positives), (1, 0));
    assert!(evaluate(&detector, &wide, TestSet::Exhaustive).is_err());
}

#[test]
fn threads_do_not_change_the_similarity_table() {
    let cfg = DetectorConfig { margin: 0.1, ..DetectorConfig::default() };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| accuracy_vs_hamming(&cfg, (8, 3, 2), 100, 5).unwrap())
    };
    // As text: where nothing is accepted precision is NaN.
    assert_eq!(format!("{:?}", run(1)), format!("{:?}", run(3)));
    for (shape, what) in [
        ((0, 1, 2), "inputs"),
        ((17, 5, 2), "inputs"),
        ((8, 0, 2), "active"),
        ((8, 9, 2), "active"),
        ((4, 4, 2), "patterns"),
        ((8, 3, 1), "patterns"),
    ] {
        assert!(accuracy_vs_hamming(&cfg, shape, 10, 0).unwrap_err().to_string().contains(what), "{shape:?}");
    }
}

#[test]
fn values_that_are_no_pattern_are_refused() {
    assert!(BitPattern::from_values(&[0.0, 1.0, 0.5]).is_err());
    assert!(BitPattern::from_values(&[f64::NAN]).is_err());
    assert!(BitPattern::from_indices(3, &[3]).is_err());
    assert!(BitPattern::from_code(3, 8).is_err() && BitPattern::from_code(65, 0).is_err());
    assert_eq!(BitPattern::from_code(64, u64::MAX).unwrap().active(), 64);
    assert_eq!(BitPattern::from_code(4, 0b1010).unwrap(), BitPattern::from_indices(4, &[0, 2]).unwrap());
    assert!(BitPattern::silent(3).hamming(&BitPattern::silent(4)).is_err());
    assert!(PatternBank::train(&[], DetectorConfig::default()).is_err());
    for fields in [
        vec![],
        vec![Field::OneHot { levels: 0 }],
        vec![Field::Bits { bits: 53 }],
        vec![Field::OneHot { levels: usize::MAX }],
        vec![Field::Thermometer { low: 1.0, high: 1.0, levels: 3 }],
        vec![Field::Thermometer { low: 0.0, high: f64::NAN, levels: 3 }],
    ] {
        assert!(PatternEncoder::new(fields).is_err());
    }
    let encoder = PatternEncoder::new(vec![Field::OneHot { levels: 3 }, Field::Bits { bits: 2 }]).unwrap();
    for values in [&[3.0, 0.0][..], &[0.5, 0.0], &[0.0, 4.0], &[-1.0, 0.0], &[f64::NAN, 0.0], &[0.0]] {
        assert!(encoder.encode(values).is_err(), "{values:?}");
    }
    for (inputs, active, m, ratio) in
        [(1001, 5, 0.1, 1.0), (5, 0, 0.1, 1.0), (5, 6, 0.1, 1.0), (5, 3, -0.1, 1.0), (5, 3, 0.1, 0.0)]
    {
        assert!(accepted_inputs(inputs, active, m, ratio).is_err());
    }
}
