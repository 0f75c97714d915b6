//! The protocol spike by spike (check 5 of sheet 11), other orders and time constants, homeostasis by rate.

use snn::spatial::{
    BitPattern, Detector, DetectorConfig, HomeostasisMode, Integration, Lif, SpatialDetector,
};

/// STDP weights and closed form.
const EXACT: f64 = 1e-9;

fn pattern(on: &[usize]) -> BitPattern {
    BitPattern::from_indices(12, on).unwrap()
}

fn trained(cfg: DetectorConfig, patterns: &[BitPattern]) -> (SpatialDetector, snn::spatial::TrainReport) {
    let mut detector = SpatialDetector::new(12, cfg).unwrap();
    let report = detector.train_one_shot(patterns).unwrap();
    (detector, report)
}

#[test]
fn stdp_gives_the_weights_of_the_closed_form() {
    let p = [pattern(&[0, 1, 2, 3]), pattern(&[2, 3, 4, 5, 6]), pattern(&[1, 2, 3, 11])];
    for (plus, minus, tau_plus, tau_minus, delta) in
        [(1.0, 1.0, 20.0, 20.0, 1.0), (0.7, 1.9, 17.0, 34.0, 2.5), (3.0, 0.4, 10.0, 25.0, 0.3)]
    {
        let cfg = DetectorConfig {
            potentiation: plus,
            depression: minus,
            tau_plus_ms: tau_plus,
            tau_minus_ms: tau_minus,
            pairing_ms: delta,
            margin: 0.2,
            ..DetectorConfig::default()
        };
        let (detector, report) = trained(cfg, &p);
        let (up, down) = (plus * (-delta / tau_plus).exp(), minus * (-delta / tau_minus).exp());
        for (change, spikes) in report.changes.iter().zip(&report.teacher_spikes_ms) {
            assert!((change[0] - up).abs() < EXACT && (change[1] + down).abs() < EXACT, "{change:?}");
            assert_eq!(spikes.len(), 1);
            assert!(
                (spikes[0] - delta).abs() < 1e-9,
                "the teacher's spike comes {delta} ms after: {spikes:?}"
            );
        }
        let raw: Vec<f64> =
            (0..12).map(|i| p.iter().map(|p| if p.contains(i) { up } else { -down }).sum()).collect();
        let drive = p.iter().map(|p| p.indices().map(|i| raw[i]).sum::<f64>()).sum::<f64>() / 3.0;
        if drive > 0.0 {
            let factor = 1.2 * detector.threshold_na() / drive;
            for (w, raw) in detector.weights().iter().zip(&raw) {
                assert!((w - raw * factor).abs() < EXACT, "{w}");
            }
            assert!(report.converged && (report.drive_after - 1.2).abs() < EXACT);
        }
    }
}

#[test]
fn a_trained_pattern_brings_one_spike_when_the_formula_says() {
    for (n, m) in [(1, 0.3), (4, 0.1), (8, 0.05), (12, 0.0), (6, 1.0)] {
        let p = pattern(&(0..n).collect::<Vec<_>>());
        let (detector, _) =
            trained(DetectorConfig { margin: m, ..DetectorConfig::default() }, std::slice::from_ref(&p));
        let spikes = detector.simulate(&p).unwrap();
        assert_eq!(spikes.len(), 1, "n = {n}, m = {m}");
        let expected = detector.latency_ms(&p).unwrap().unwrap();
        // Where the potential only touches the threshold its time is as sharp as the root of what counts as touching.
        let sharp = if m > 0.0 { 1e-6 } else { 1e-4 };
        assert!((spikes[0] - expected).abs() < sharp, "{} {expected}", spikes[0]);
        assert!(expected <= detector.config().neuron.peak_time_ms() + 1e-3);
        assert_eq!(detector.latency_ms(&BitPattern::silent(12)).unwrap(), None);
        let ports = detector.ports();
        assert!(
            ports
                .iter()
                .zip(detector.weights())
                .all(|(p, w)| p[0] >= 0.0 && p[1] >= 0.0 && p[0] - p[1] == *w)
        );
    }
}

#[test]
fn spinnakers_order_has_a_peak_of_its_own_and_agrees_with_itself() {
    let cfg = DetectorConfig {
        integration: Integration::Spinnaker { step_ms: 1.0 },
        margin: 0.05,
        ..DetectorConfig::default()
    };
    let p = BitPattern::from_indices(10, &[0, 2, 4, 6, 8]).unwrap();
    let mut held = SpatialDetector::new(10, cfg).unwrap();
    held.train_one_shot(std::slice::from_ref(&p)).unwrap();
    let continuous = Lif::default().threshold_na();
    let shift = held.threshold_na() / continuous - 1.0;
    println!("threshold weight in steps of 1 ms: {:+.2} %", 100.0 * shift);
    assert!(shift.abs() > 1e-4 && shift.abs() < 0.05);
    for code in 0..1024 {
        let x = BitPattern::from_code(10, code).unwrap();
        assert_eq!(held.decide(&x).unwrap(), x == p);
        assert_eq!(!held.simulate(&x).unwrap().is_empty(), x == p, "{code}");
    }
    let spikes = held.simulate(&p).unwrap();
    assert_eq!((spikes.len(), spikes[0].fract()), (1, 0.0));
    assert!(held.latency_ms(&p).is_err());
    // In ever finer steps it approaches the continuous neuron.
    let fine = DetectorConfig { integration: Integration::Spinnaker { step_ms: 0.01 }, ..cfg };
    let near = SpatialDetector::new(10, fine).unwrap().threshold_na();
    assert!((near / continuous - 1.0).abs() < 1e-3, "{near}");
}

#[test]
fn peaks_are_right_for_any_time_constants_equal_ones_too() {
    for (tau_m, tau_s) in
        [(20.0, 5.0), (5.0, 20.0), (10.0, 10.0), (10.0, 10.0 + 1e-9), (10.0, 10.001), (30.0, 0.5)]
    {
        let neuron = Lif { tau_m_ms: tau_m, tau_syn_ms: tau_s, ..Lif::default() };
        // The greatest value on a fine grid.
        let (mut best, mut at) = (0.0, 0.0);
        for k in 0..400_000 {
            let t = k as f64 * 1e-3;
            let v = neuron.response_mv_per_na(t);
            if v > best {
                (best, at) = (v, t);
            }
        }
        assert!((neuron.peak_mv_per_na() - best).abs() < 1e-6 * best, "{tau_m} {tau_s}");
        assert!((neuron.peak_time_ms() - at).abs() < 2e-3, "{tau_m} {tau_s}");
        let crossing = neuron.crossing_ms(1.5 * neuron.threshold_na()).unwrap();
        let there = 1.5 * neuron.threshold_na() * neuron.response_mv_per_na(crossing);
        assert!((there - neuron.v_threshold_mv).abs() < 1e-9);
        assert_eq!(neuron.crossing_ms(0.999 * neuron.threshold_na()), None);
        // Agreement of formula and simulation where the teacher brings one spike.
        let cfg = DetectorConfig {
            neuron: Lif { t_ref_ms: 4.0 * tau_s.max(tau_m), ..neuron },
            interval_ms: 40.0 * tau_s.max(tau_m),
            margin: 0.2,
            ..DetectorConfig::default()
        };
        let p = BitPattern::from_indices(6, &[0, 1, 2, 3, 4]).unwrap();
        let mut detector = SpatialDetector::new(6, cfg).unwrap();
        detector.train_one_shot(std::slice::from_ref(&p)).unwrap();
        for code in 0..64 {
            let x = BitPattern::from_code(6, code).unwrap();
            assert_eq!(!detector.simulate(&x).unwrap().is_empty(), detector.decide(&x).unwrap(), "{code}");
        }
    }
}

#[test]
fn the_step_does_not_change_what_is_detected() {
    let p = [pattern(&[0, 1, 2, 3, 4]), pattern(&[3, 4, 5, 6, 7])];
    let spikes = |step_ms: f64| {
        let cfg = DetectorConfig {
            integration: Integration::Exact { step_ms },
            margin: 0.25,
            ..DetectorConfig::default()
        };
        let (detector, _) = trained(cfg, &p);
        (0..4096)
            .step_by(7)
            .map(|c| detector.simulate(&BitPattern::from_code(12, c).unwrap()).unwrap().first().copied())
            .collect::<Vec<_>>()
    };
    let (fine, coarse) = (spikes(0.1), spikes(1.0));
    assert!(fine.iter().any(Option::is_some));
    for (a, b) in fine.iter().zip(&coarse) {
        assert_eq!(a.is_some(), b.is_some());
        assert!(a.zip(*b).is_none_or(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
    }
}

#[test]
fn homeostasis_by_rate_ends_where_each_pattern_brings_one_spike() {
    let cfg = DetectorConfig {
        homeostasis: HomeostasisMode::RateTarget { rate: 0.1, most: 1000 },
        ..DetectorConfig::default()
    };
    let p = pattern(&[0, 3, 5, 9]);
    let (detector, report) = trained(cfg, std::slice::from_ref(&p));
    println!("{} presentations, drive {:.3}", report.epochs, report.drive_after);
    assert!(report.converged && report.epochs > 10);
    // The weights grew by a tenth a presentation until the first spike.
    assert!((1.0..=1.1).contains(&report.drive_after), "{}", report.drive_after);
    assert_eq!(detector.simulate(&p).unwrap().len(), 1);
    assert_eq!(detector.decide_all().unwrap().iter().filter(|yes| **yes).count(), 1);
    let hasty = DetectorConfig { homeostasis: HomeostasisMode::RateTarget { rate: 0.1, most: 5 }, ..cfg };
    assert!(!trained(hasty, &[p]).1.converged);
}

#[test]
fn patterns_that_cancel_leave_nothing_to_scale() {
    let (a, b) = (pattern(&[0, 1, 2, 3, 4, 5]), pattern(&[6, 7, 8, 9, 10, 11]));
    let (detector, report) = trained(DetectorConfig::default(), &[a.clone(), b]);
    assert!(!report.converged);
    assert_eq!(report.drive_before, report.drive_after);
    assert!(!detector.decide(&a).unwrap());
}

#[test]
fn nonsense_is_refused() {
    let c = DetectorConfig::default;
    let lif = |f: &dyn Fn(&mut Lif)| {
        let mut neuron = Lif::default();
        f(&mut neuron);
        DetectorConfig { neuron, ..c() }
    };
    for bad in [
        DetectorConfig { margin: -0.1, ..c() },
        DetectorConfig { margin: f64::NAN, ..c() },
        DetectorConfig { potentiation: 0.0, ..c() },
        DetectorConfig { depression: -1.0, ..c() },
        DetectorConfig { tau_plus_ms: 0.0, ..c() },
        DetectorConfig { tau_minus_ms: f64::INFINITY, ..c() },
        DetectorConfig { pairing_ms: 0.05, ..c() },
        DetectorConfig { pairing_ms: 0.0, ..c() },
        DetectorConfig { interval_ms: 2.0, ..c() },
        DetectorConfig { interval_ms: 1e9, ..c() },
        DetectorConfig { integration: Integration::Exact { step_ms: 0.0 }, ..c() },
        DetectorConfig { homeostasis: HomeostasisMode::RateTarget { rate: 1.0, most: 9 }, ..c() },
        DetectorConfig { homeostasis: HomeostasisMode::RateTarget { rate: 0.1, most: 0 }, ..c() },
        lif(&|n| n.tau_m_ms = 0.0),
        lif(&|n| n.tau_syn_ms = f64::NAN),
        lif(&|n| n.c_m_nf = -1.0),
        lif(&|n| n.v_threshold_mv = 0.0),
        lif(&|n| n.t_ref_ms = -1.0),
        lif(&|n| n.t_ref_ms = 60.0),
        lif(&|n| n.t_ref_ms = 0.0),
    ] {
        assert!(SpatialDetector::new(4, bad).is_err(), "{bad:?}");
    }
    let said = SpatialDetector::new(4, lif(&|n| n.t_ref_ms = 0.0)).unwrap_err().to_string();
    assert!(said.contains("one spike of the teacher"), "{said}");
    assert!(SpatialDetector::new(0, c()).is_err());
    let mut detector = SpatialDetector::new(12, c()).unwrap();
    assert!(detector.train_one_shot(&[]).is_err());
    assert!(detector.train_one_shot(&[BitPattern::silent(12)]).is_err());
    assert!(detector.train_one_shot(&[BitPattern::from_indices(11, &[1]).unwrap()]).is_err());
    assert!(detector.train_one_shot(&[pattern(&[1]), pattern(&[2]), pattern(&[1])]).is_err());
    let other = BitPattern::from_indices(11, &[1]).unwrap();
    assert!(detector.decide(&other).is_err() && detector.simulate(&other).is_err());
    assert!(detector.latency_ms(&other).is_err());
    assert!(SpatialDetector::new(25, c()).unwrap().decide_all().is_err());
}
