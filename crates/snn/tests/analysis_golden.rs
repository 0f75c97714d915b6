//! Numbers that reference implementations printed (fixtures/13-pspm/README.md), and small cases worked out by hand.

use std::path::Path;

use serde_json::Value;
use snn::analysis::{
    Branching, Trains, VanRossum, avalanches, borel_cumulative, borel_ks, borel_probability, branching_ratio,
    coincidence_factor, count_correlation, counts, cv, cv2, fano_factor, intervals_ms, isi_distance,
    ks_two_sample, local_variation, lz_normalized, lz76, mean_event_interval_ms, peri_event, power_law,
    rate_histogram, rate_hz, spike_distance, van_rossum, victor_purpura, wasserstein,
};

/// Largest difference from what Elephant and PySpike printed.
const REFERENCE: f64 = 1e-9;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/13-pspm").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn elephant() -> (Value, Trains) {
    let file = fixture("elephant_metrics.json");
    let trains = file["trains_ms"].as_array().unwrap().iter().map(numbers).collect();
    (file, Trains::new(trains, 0.0, 1000.0).unwrap())
}

fn near(what: &str, got: f64, expected: f64) {
    assert!((got - expected).abs() <= REFERENCE, "{what}: {got} {expected}");
}

#[test]
fn distances_match_elephant() {
    let (file, trains) = elephant();
    let matrix = |key: &str| file[key].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    type Distance = dyn Fn(&[f64], &[f64]) -> snn::Result<f64> + Sync;
    let check = |key: &str, measure: &Distance| {
        let got = trains.pairwise(measure).unwrap();
        for (i, row) in matrix(key).iter().enumerate() {
            for (j, expected) in row.iter().enumerate() {
                near(&format!("{key} {i} {j}"), got[[i, j]], *expected);
            }
        }
    };
    check("van_rossum_tau20ms", &|a, b| van_rossum(a, b, 20.0, VanRossum::Unit));
    check("van_rossum_tau100ms", &|a, b| van_rossum(a, b, 100.0, VanRossum::Unit));
    check("victor_purpura_q0p05_per_ms", &|a, b| victor_purpura(a, b, 0.05));
}

#[test]
fn isi_and_spike_distance_match_pyspike() {
    let file = fixture("pyspike_metrics.json");
    let all = file["trains_ms"].as_array().unwrap().iter().map(numbers).collect();
    let trains = Trains::new(all, 0.0, 1000.0).unwrap();
    type Measure = fn(&[f64], &[f64], f64, f64) -> snn::Result<f64>;
    let measures: [(&str, Measure); 2] = [("isi_distance", isi_distance), ("spike_distance", spike_distance)];
    for (key, measure) in measures {
        let got = trains.pairwise(|a, b| measure(a, b, 0.0, 1000.0)).unwrap();
        for (i, row) in file[key].as_array().unwrap().iter().enumerate() {
            for (j, expected) in numbers(row).into_iter().enumerate() {
                near(&format!("{key} {i} {j}"), got[[i, j]], expected);
            }
        }
    }
}

#[test]
fn irregularity_matches_elephant() {
    let (file, trains) = elephant();
    type Measure = fn(&[f64]) -> snn::Result<f64>;
    let measures: [(&str, Measure); 3] = [("cv_isi", cv), ("lv_isi", local_variation), ("cv2_isi", cv2)];
    let mut checked = 0;
    for (key, measure) in measures {
        for (i, expected) in file[key].as_array().unwrap().iter().enumerate() {
            let got = measure(&intervals_ms(trains.times_ms(i)).unwrap());
            match expected.as_f64() {
                Some(expected) => near(&format!("{key} {i}"), got.unwrap(), expected),
                None => assert!(got.is_err(), "{key} {i}: {got:?}"),
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 24);
    let counts: Vec<u32> = (2..6).map(|i| trains.times_ms(i).len() as u32).collect();
    near("Fano", fano_factor(&counts).unwrap(), file["fanofactor_counts_of_trains_2_to_5"].as_f64().unwrap());
}

#[test]
fn the_conventions_of_van_rossum_differ_by_root_two() {
    let (a, b) = ([3.0, 40.0], [5.0, 41.0, 90.0]);
    let unit = van_rossum(&a, &b, 20.0, VanRossum::Unit).unwrap();
    let original = van_rossum(&a, &b, 20.0, VanRossum::Original).unwrap();
    assert!((unit / original - 2.0_f64.sqrt()).abs() < 1e-14);
    assert_eq!(van_rossum(&[7.0], &[], 20.0, VanRossum::Unit).unwrap(), 1.0);
    assert!((van_rossum(&[7.0], &[], 20.0, VanRossum::Original).unwrap() - 0.5_f64.sqrt()).abs() < 1e-15);
}

#[test]
fn van_rossum_keeps_its_digits_where_trains_are_near() {
    // Two spikes 1e-6 ms apart: D^2 = 2 (1 - exp(-d / tau)), of which a difference of sums keeps half the digits.
    let d = 1e-6_f64 / 20.0;
    let expected = (-2.0 * (-d).exp_m1()).sqrt();
    let got = van_rossum(&[0.0], &[1e-6], 20.0, VanRossum::Unit).unwrap();
    assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
}

#[test]
fn worked_cases_of_interval_and_spike_distance() {
    // Intervals 20 and 10 ms everywhere inside the common window of two clocks.
    let slow: Vec<f64> = (0..=5).map(|k| 20.0 * f64::from(k)).collect();
    let fast: Vec<f64> = (0..=10).map(|k| 10.0 * f64::from(k)).collect();
    near("clocks", isi_distance(&slow, &fast, 0.0, 100.0).unwrap(), 0.5);
    // A clock and itself, 3 ms late: equal intervals but for none; S = 3 everywhere over a mean interval of 10.
    let late: Vec<f64> = fast.iter().map(|t| t + 3.0).collect();
    near("late clock", isi_distance(&fast, &late, 0.0, 103.0).unwrap(), 0.0);
    let got = spike_distance(&fast, &late, 0.0, 103.0).unwrap();
    near("late clock", got, 3.0 / 10.0);
    near("silence", isi_distance(&[], &[], 0.0, 9.0).unwrap(), 0.0);
    near("silence", spike_distance(&[], &[], 0.0, 9.0).unwrap(), 0.0);
}

#[test]
fn coincidences_beyond_chance() {
    let reference = [10.0, 30.0, 50.0, 70.0];
    let model = [11.0, 29.0, 58.0];
    let got = coincidence_factor(&reference, &model, 100.0, 2.0).unwrap();
    assert_eq!(got.count, 2);
    near("expected", got.expected, 2.0 * 0.03 * 2.0 * 4.0);
    near("gamma", got.gamma, (2.0 - 0.48) / 3.5 / 0.88);
    assert_eq!(coincidence_factor(&reference, &reference, 100.0, 2.0).unwrap().gamma, 1.0);
    // One spike of the model answers one of two.
    assert_eq!(coincidence_factor(&[10.0, 11.0], &[10.5], 100.0, 2.0).unwrap().count, 1);
}

#[test]
fn complexity_follows_the_fixed_conventions() {
    let bits = |text: &str| text.bytes().map(|b| b == b'1').collect::<Vec<bool>>();
    for (text, components) in
        [("", 0), ("1", 1), ("01", 2), ("0001101001000101", 6), ("10011011100101000100", 7)]
    {
        assert_eq!(lz76(&bits(text)), components, "{text}");
    }
    assert_eq!(lz76(&bits(&"0".repeat(16))), 2);
    assert_eq!(lz76(&bits(&"01".repeat(8))), 3);
    near("normalised", lz_normalized(&bits("0001101001000101")).unwrap(), 6.0 * 4.0 / 16.0);
}

#[test]
fn counts_rates_and_histograms() {
    // 0.3 / 0.1 is below 3 in binary: the spike belongs to bin 3 all the same.
    assert_eq!(counts(&[0.0, 0.05, 0.3, 0.35], 0.0, 0.4, 0.1).unwrap(), [2, 0, 0, 2]);
    // What is left over of the window, and what lies outside, is not counted.
    assert_eq!(counts(&[-5.0, 1.0, 19.0, 21.0, 24.0], 0.0, 25.0, 10.0).unwrap(), [1, 1]);
    assert_eq!(rate_hz(20, 500.0).unwrap(), 40.0);
    let trains = Trains::new(vec![vec![1.0, 2.0], vec![12.0]], 0.0, 20.0).unwrap();
    assert_eq!(rate_histogram(&trains, 10.0).unwrap(), [100.0, 50.0]);
    let around = peri_event(&[8.0, 11.0, 19.0, 21.0, 21.5], &[10.0, 20.0], -5.0, 5.0, 5.0).unwrap();
    assert_eq!(around, [2.0 * 100.0, 3.0 * 100.0]);
    let matrix = count_correlation(
        &Trains::new(vec![vec![1.0, 11.0], vec![1.0, 11.0], vec![21.0, 31.0], vec![]], 0.0, 40.0).unwrap(),
        10.0,
    )
    .unwrap();
    near("alike", matrix[[0, 1]], 1.0);
    near("opposite", matrix[[0, 2]], -1.0);
    assert!(matrix[[0, 3]].is_nan() && matrix[[3, 3]].is_nan() && matrix[[0, 0]] == 1.0);
}

#[test]
fn avalanches_and_their_ratio() {
    let activity = [0, 2, 3, 0, 0, 1, 0, 4, 2, 1];
    let found: Vec<(u64, u64)> = avalanches(&activity).iter().map(|a| (a.size, a.duration)).collect();
    assert_eq!(found, [(5, 2), (1, 1), (7, 3)]);
    // Bins with spikes and a next one: 2->3, 3->0, 1->0, 4->2, 2->1.
    near(
        "mean",
        branching_ratio(&activity, Branching::MeanOfRatios).unwrap(),
        (1.5 + 0.0 + 0.0 + 0.5 + 0.5) / 5.0,
    );
    near("sums", branching_ratio(&activity, Branching::RatioOfSums).unwrap(), 6.0 / 12.0);
    assert!(branching_ratio(&[0, 0, 3], Branching::MeanOfRatios).is_err());
    let trains = Trains::new(vec![vec![1.0, 4.0], vec![2.0, 10.0]], 0.0, 20.0).unwrap();
    near("interval", mean_event_interval_ms(&trains).unwrap(), 3.0);
}

#[test]
fn exponents_maximise_the_likelihood() {
    // Expected counts of a zeta law of exponent 2.5: the estimate lies at it, the distance at rounding.
    let values: Vec<u64> =
        (1..200_u64).flat_map(|x| vec![x; (1e6 * (x as f64).powf(-2.5)).round() as usize]).collect();
    let fit = power_law(&values, 1).unwrap();
    assert!((fit.alpha - 2.5).abs() < 5e-3, "{fit:?}");
    assert!(
        fit.ks < 1e-3 && (fit.standard_error * (values.len() as f64).sqrt() - 1.3).abs() < 0.4,
        "{fit:?}"
    );
    // The tail above 5 has the same exponent.
    assert!((power_law(&values, 5).unwrap().alpha - 2.5).abs() < 0.05);
    assert!(
        power_law(&[3, 3, 3], 3).is_err() && power_law(&[1, 2], 0).is_err() && power_law(&[1], 1).is_err()
    );
}

#[test]
fn borels_law_has_its_mean() {
    for sigma in [0.0, 0.3, 0.5, 0.8] {
        let mean: f64 = (1..4000).map(|s| s as f64 * borel_probability(s, sigma).unwrap()).sum();
        assert!((mean * (1.0 - sigma) - 1.0).abs() < 1e-9, "{sigma}: {mean}");
    }
    near("first", borel_probability(1, 0.5).unwrap(), (-0.5_f64).exp());
    let law = borel_cumulative(3, 0.5).unwrap();
    near("third", law[3] - law[2], (-1.5_f64).exp() * 1.5_f64.powi(2) / 6.0);
    // All sizes 1: the law has not got there yet.
    near("distance", borel_ks(&[1, 1], 0.5).unwrap(), 1.0 - (-0.5_f64).exp());
    assert!(borel_ks(&[], 0.5).is_err() && borel_ks(&[0], 0.5).is_err() && borel_ks(&[1], 1.5).is_err());
}

#[test]
fn distributions_of_two_samples() {
    near("ks", ks_two_sample(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]).unwrap(), 0.5);
    near("shift", wasserstein(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]).unwrap(), 2.0);
    near("sizes", wasserstein(&[0.0, 1.0], &[0.0]).unwrap(), 0.5);
    near("equal", ks_two_sample(&[0.0, -0.0], &[0.0]).unwrap(), 0.0);
    assert!(ks_two_sample(&[], &[1.0]).is_err() && wasserstein(&[f64::NAN], &[1.0]).is_err());
}
