//! The autonomous network against an independent simulation (fixture 16-semantic-learning).

use ndarray::Array2;
use recordings::arrays::ArrayFile;
use snn::semantic::{DhanParams, Links, NoInput, Response, TransientNet};

const FIXTURE: &[u8] = include_bytes!("fixtures/16-semantic-learning/dhan_autonomous.npz");
/// Activities, reservoirs and rates up to t = 595 (the fixture's).
const STATES: f64 = 1e-6;
/// Times of wins.
const TIMES: f64 = 1.0;

fn network(file: &ArrayFile) -> TransientNet {
    let links = Links::from_dense(&file.read_f64_2("W").unwrap().view(), false).unwrap();
    let table = file.read_i64_2("cliques").unwrap();
    let cliques = table.rows().into_iter().map(|c| c.iter().map(|i| *i as usize).collect()).collect();
    let (x, phi) = (file.read_f64_1("x0").unwrap(), file.read_f64_1("phi0").unwrap());
    TransientNet::from_state(links, cliques, DhanParams::default(), &x.to_vec(), &phi.to_vec()).unwrap()
}

fn apart(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn states_and_winners_are_those_of_the_reference() {
    let file = ArrayFile::from_npz(FIXTURE, "dhan_autonomous.npz").unwrap();
    let mut net = network(&file);
    let trace = net.run_sampled(6000.0, &mut NoInput, Some(5.0)).unwrap();
    for (key, ours) in
        [("x", &trace.samples.activity), ("phi", &trace.samples.reservoir), ("r", &trace.samples.rates)]
    {
        let expected = file.read_f64_2(key).unwrap();
        let ours = ours.slice_axis(ndarray::Axis(0), (0..expected.nrows()).into()).to_owned();
        let gap = apart(&ours, &expected);
        println!("{key}: greatest difference {gap:.1e}");
        assert!(gap < STATES, "{key}: {gap}");
    }
    let times = file.read_f64_1("t").unwrap();
    assert!(times.iter().zip(&trace.samples.times).all(|(a, b)| (a - b).abs() < 1e-9));
    let expected = file.read_f64_2("clique_seq").unwrap();
    assert_eq!(trace.sequence.0.len(), expected.nrows());
    for ((time, clique), row) in trace.sequence.0.iter().zip(expected.rows()) {
        assert_eq!(*clique, row[1] as usize, "at {time}");
        assert!((time - row[0]).abs() <= TIMES, "{time} for {}", row[0]);
    }
    assert_eq!(expected.nrows(), 66);
    assert!((trace.sequence.mean_dwell() - 92.0).abs() < 5.0);
    assert_eq!(trace.sequence.regularity(), 1.0, "the ring is visited in order");
}

#[test]
fn responses_end_at_their_floor_and_at_one() {
    for (threshold, floor) in [(0.15, 0.05), (0.7, 0.0), (0.0, 0.3), (1.0, 0.0)] {
        let f = Response::new(threshold, 0.05, floor).unwrap();
        assert!((f.at(0.0) - floor).abs() < 1e-15 && (f.at(1.0) - 1.0).abs() < 1e-14);
        assert!((0..100).all(|k| f.at(k as f64 / 100.0) < f.at((k + 1) as f64 / 100.0)));
    }
    // f_z at its threshold, by hand: atan(14) / (atan(6) + atan(14)).
    let f = Response::new(0.7, 0.05, 0.0).unwrap();
    assert!((f.at(0.7) - 14_f64.atan() / (6_f64.atan() + 14_f64.atan())).abs() < 1e-14);
}
