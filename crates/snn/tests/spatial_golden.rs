//! The closed form against the fixture (11-stdp-homeostasis), and the proof lines of sheet 11.

use numerics::rng::{stream, subset};
use serde_json::Value;
use snn::spatial::{
    BitPattern, Detector, DetectorConfig, Lif, PatternBank, SpatialDetector, TestSet, accepted_inputs,
    accuracy_vs_hamming, evaluate, two_pattern_accepted,
};

const FIXTURE: &str = include_str!("fixtures/11-stdp-homeostasis/detector.json");
/// Weights and constants (the fixture's).
const EXACT: f64 = 1e-9;

fn config(margin: f64) -> DetectorConfig {
    DetectorConfig { margin, ..DetectorConfig::default() }
}

fn trained(patterns: &[BitPattern], margin: f64) -> SpatialDetector {
    let mut detector = SpatialDetector::new(patterns[0].inputs(), config(margin)).unwrap();
    detector.train_one_shot(patterns).unwrap();
    detector
}

fn codes(detector: &impl Detector) -> Vec<u64> {
    let decided = detector.decide_all().unwrap();
    decided.iter().zip(0..).filter(|(yes, _)| **yes).map(|(_, code)| code).collect()
}

fn random(inputs: usize, active: usize, index: u64) -> BitPattern {
    let mut draws = stream(3, "test/patterns", index);
    BitPattern::from_indices(inputs, &subset(&mut draws, inputs, active)).unwrap()
}

#[test]
fn weights_threshold_and_accepted_inputs_are_the_fixtures() {
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    let neuron = Lif::default();
    assert!((neuron.peak_time_ms() - number(&fixture["t_peak_ms"])).abs() < EXACT);
    assert!((neuron.peak_mv_per_na() - number(&fixture["kappa_mV_per_nA"])).abs() < EXACT);
    assert!((neuron.threshold_na() - number(&fixture["w_theta_nA"])).abs() < EXACT);
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let row = |v: &Value| v.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
        let patterns: Vec<BitPattern> = case["patterns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| BitPattern::from_values(&row(p)).unwrap())
            .collect();
        let detector = trained(&patterns, number(&case["m"]));
        for (ours, expected) in detector.weights().iter().zip(row(&case["w_nA"])) {
            assert!((ours - expected).abs() < EXACT, "{ours} {expected}");
        }
        let expected: Vec<u64> =
            case["firing_input_codes"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
        assert_eq!(codes(&detector), expected);
        for code in 0..1024 {
            let x = BitPattern::from_code(10, code).unwrap();
            let fires = expected.binary_search(&code).is_ok();
            assert_eq!(detector.decide(&x).unwrap(), fires, "{code}");
            assert_eq!(!detector.simulate(&x).unwrap().is_empty(), fires, "{code}");
        }
    }
}

#[test]
fn one_pattern_is_detected_exactly_by_formula_and_by_spikes() {
    for n in 1..=10 {
        let pattern = random(10, n, n as u64);
        let detector = trained(std::slice::from_ref(&pattern), 0.5 / n as f64);
        for code in 0..1024 {
            let x = BitPattern::from_code(10, code).unwrap();
            assert_eq!(detector.decide(&x).unwrap(), x == pattern, "n = {n}, {code}");
            assert_eq!(!detector.simulate(&x).unwrap().is_empty(), x == pattern, "n = {n}, {code}");
        }
        let counts = evaluate(&detector, std::slice::from_ref(&pattern), TestSet::Exhaustive).unwrap();
        assert_eq!((counts.true_positives, counts.false_positives, counts.false_negatives), (1, 0, 0));
        assert_eq!(
            (counts.accuracy(), counts.precision(), counts.recall(), counts.mcc()),
            (1.0, 1.0, 1.0, 1.0)
        );
    }
}

#[test]
fn tolerance_grows_with_the_margin_as_the_binomial_sum_says() {
    let pattern = random(10, 6, 0);
    for (m, expected) in [(0.08, 1), (0.2, 11), (0.25, 11), (0.5, 56), (1.0, 176)] {
        let detector = trained(std::slice::from_ref(&pattern), m);
        assert_eq!(codes(&detector).len(), expected, "m = {m}");
        assert_eq!(accepted_inputs(10, 6, m, 1.0).unwrap(), expected as f64);
        // The borderline drives of m = 0.2 and 0.5 as well.
        for code in 0..1024 {
            let x = BitPattern::from_code(10, code).unwrap();
            assert_eq!(
                !detector.simulate(&x).unwrap().is_empty(),
                detector.decide(&x).unwrap(),
                "{m} {code}"
            );
        }
    }
    // Weaker depression tolerates more: the law with another ratio.
    for (ratio, m) in [(0.5, 0.3), (2.0, 0.7), (0.3, 0.05)] {
        let cfg = DetectorConfig { depression: ratio, ..config(m) };
        let mut detector = SpatialDetector::new(10, cfg).unwrap();
        detector.train_one_shot(std::slice::from_ref(&pattern)).unwrap();
        assert_eq!(codes(&detector).len() as f64, accepted_inputs(10, 6, m, ratio).unwrap(), "{ratio} {m}");
    }
}

#[test]
fn similar_patterns_share_a_neuron_better_than_different_ones() {
    let two = accuracy_vs_hamming(&config(0.1), (10, 5, 2), 3000, 0).unwrap();
    let expected = [(2.0, 0.998, 2.0), (4.0, 0.986, 14.0), (6.0, 0.940, 62.0), (8.0, 0.752, 254.0)];
    for (distance, accuracy, false_positives) in expected {
        let row = two.iter().find(|r| r.distance == distance).unwrap();
        println!("K = 2, distance {distance}: accuracy {:.4} over {} draws", row.accuracy, row.draws);
        assert!((row.accuracy - accuracy).abs() < 0.01, "{row:?}");
        assert_eq!((row.false_positives, row.recall), (false_positives, 1.0), "{row:?}");
        let law = two_pattern_accepted(10, 5, distance as usize, 0.1).unwrap();
        assert_eq!(law, false_positives + 2.0);
    }
    let shown: Vec<_> = two.iter().filter(|r| r.draws > 20 && r.distance < 10.0).collect();
    assert!(shown.windows(2).all(|w| w[0].accuracy > w[1].accuracy));
    // Complementary patterns leave nothing: every weight is 0, nothing is accepted.
    assert_eq!(two_pattern_accepted(10, 5, 10, 0.1).unwrap(), 0.0);
    let three = accuracy_vs_hamming(&config(0.1), (10, 5, 3), 3000, 0).unwrap();
    let at = |d: f64| three.iter().find(|r| (r.distance - d).abs() < 0.01).unwrap();
    println!("K = 3: {three:?}");
    assert!((at(8.0 / 3.0).accuracy - 0.992).abs() < 0.01);
    assert!((at(20.0 / 3.0).accuracy - 0.828).abs() < 0.01);
    let shown: Vec<_> = three.iter().filter(|r| r.draws > 20).collect();
    assert!(shown.windows(2).all(|w| w[0].accuracy > w[1].accuracy), "{three:?}");
}

#[test]
fn a_bank_keeps_twenty_patterns_apart_where_one_neuron_loses_them() {
    let mut patterns: Vec<BitPattern> = Vec::new();
    for index in 100.. {
        let next = random(16, 5, index);
        if !patterns.contains(&next) {
            patterns.push(next);
        }
        if patterns.len() == 20 {
            break;
        }
    }
    let bank = PatternBank::train(&patterns, config(0.1)).unwrap();
    let counts = evaluate(&bank, &patterns, TestSet::Exhaustive).unwrap();
    assert_eq!(counts.total(), 65_536);
    assert_eq!((counts.true_positives, counts.false_positives, counts.false_negatives), (20, 0, 0));
    for (k, pattern) in patterns.iter().enumerate() {
        assert_eq!(bank.firing(pattern).unwrap(), [k]);
        assert_eq!(bank.winner(pattern).unwrap(), Some(k));
    }
    assert_eq!(bank.winner(&BitPattern::silent(16)).unwrap(), None);
    let shared = evaluate(&trained(&patterns, 0.1), &patterns, TestSet::Exhaustive).unwrap();
    println!("shared: {shared:?}");
    assert_eq!((shared.true_positives, shared.recall()), (0, 0.0));
    assert!(shared.accuracy() > 0.99, "accuracy hides it: {}", shared.accuracy());
    assert!(shared.mcc() <= 0.0);
}
