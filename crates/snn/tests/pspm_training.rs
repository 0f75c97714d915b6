//! What learning does, what it must leave alone, and what it refuses.

use ndarray::Array2;
use snn::Error;
use snn::analysis::{Branching, borel_ks, branching_ratio, ks_two_sample};
use snn::pspm::{
    Condition, Drive, Experiment, Homeostasis, Lif, LifNetwork, PifNetwork, Polarity, PoolSource, PspmConfig,
    PspmReport, Raster, SpikingNetwork, UniformPif, Update, World, sweep, train, weight_correlation,
};

fn small() -> Experiment {
    Experiment { neurons: 20, steps: 300, ..Experiment::default() }
}

fn config() -> PspmConfig {
    PspmConfig { epochs: 30, seed: 5, ..PspmConfig::default() }
}

fn learn(world: &World, config: &PspmConfig) -> (LifNetwork, PspmReport) {
    let mut network = LifNetwork::new(world.student.clone(), Lif::default()).unwrap();
    let report = train(&mut network, &world.target, &world.drive, config).unwrap();
    (network, report)
}

#[test]
fn targets_of_the_initial_weights_change_nothing() {
    let world = small().build(3).unwrap();
    let mut network = LifNetwork::new(world.truth.clone(), Lif::default()).unwrap();
    let everything = PspmConfig { eta_home: 0.2, empty_pool: Some(0.1), ..config() };
    let report = train(&mut network, &world.target, &world.drive, &everything).unwrap();
    assert!(world.target.spikes() > 50);
    for epoch in &report.history {
        assert_eq!(
            (epoch.van_rossum, epoch.f1, epoch.missed, epoch.extra, epoch.updates),
            (0.0, 1.0, 0, 0, 0)
        );
    }
    assert_eq!((&report.best_weights, &report.last_weights), (&world.truth, &world.truth));
    assert_eq!((report.best_epoch, report.unreproducible), (0, 0));
}

#[test]
fn local_updates_bring_spikes_nearer_and_random_pools_do_not() {
    let seeds = [11, 12, 13];
    let conditions = [Condition::Untrained, Condition::Local, Condition::RandomPool];
    let base = PspmConfig { epochs: 80, ..PspmConfig::default() };
    let runs = sweep(&small(), &base, &conditions, &seeds).unwrap();
    let ratio =
        |condition| runs.iter().filter(|r| r.condition == condition).map(|r| r.ratio()).sum::<f64>() / 3.0;
    assert_eq!(ratio(Condition::Untrained), 1.0);
    let (local, random) = (ratio(Condition::Local), ratio(Condition::RandomPool));
    assert!(local < 0.7 && local < random - 0.1, "{local} {random}");
    // Rows of the table.
    let columns = snn::pspm::Run::HEADER.split(',').count();
    assert!(runs.iter().all(|r| r.csv().split(',').count() == columns && r.history.len() == 81));
}

#[test]
fn the_best_weights_are_kept_and_left_in_the_network() {
    let world = small().build(4).unwrap();
    let (mut network, report) = learn(&world, &config());
    let least = report.history.iter().map(|e| e.van_rossum).fold(f64::INFINITY, f64::min);
    assert_eq!(report.best.van_rossum, least);
    assert_eq!(report.history[report.best_epoch].van_rossum, least);
    assert_eq!(network.weights(), &report.best_weights);
    let mut raster = Raster::silent(20, 300).unwrap();
    network.simulate(&world.drive, &mut raster).unwrap();
    let again = snn::pspm::similarity(&world.target, &raster, 2, 10.0).unwrap();
    assert_eq!(again, report.best);
    assert_eq!(report.history.len(), 31);
    assert_eq!(report.history[30].updates, 0, "the last entry is a look, not an update");
}

#[test]
fn results_do_not_depend_on_threads() {
    let world = Experiment { neurons: 40, steps: 200, ..Experiment::default() }.build(6).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| learn(&world, &PspmConfig { eta_home: 0.05, epochs: 8, ..config() }).1)
    };
    let (one, two, four) = (with(1), with(2), with(4));
    assert_eq!(one, two);
    assert_eq!(one, four);
}

#[test]
fn masks_bounds_and_signs_are_kept() {
    let world = small().build(8).unwrap();
    let mask = Array2::from_shape_fn((20, 20), |(i, j)| (i * 7 + j * 3) % 4 != 0);
    let dale: Vec<Polarity> =
        (0..20).map(|j| if j % 5 == 0 { Polarity::Inhibitory } else { Polarity::Excitatory }).collect();
    for update in [Update::Additive, Update::Multiplicative] {
        for homeostasis in [Homeostasis::Additive, Homeostasis::Scaling] {
            let config = PspmConfig {
                mask: Some(mask.clone()),
                dale: Some(dale.clone()),
                bounds: Some((-0.3, 0.4)),
                eta_home: 0.2,
                empty_pool: Some(0.1),
                update,
                homeostasis,
                ..config()
            };
            let (_, report) = learn(&world, &config);
            assert!(report.history.iter().any(|e| e.updates > 0));
            for weights in [&report.best_weights, &report.last_weights] {
                for ((i, j), w) in weights.indexed_iter() {
                    assert!(mask[[i, j]] && i != j || *w == 0.0, "{i} {j} {w}");
                    assert!((-0.3..=0.4).contains(w));
                    assert!(if dale[j] == Polarity::Inhibitory { *w <= 0.0 } else { *w >= 0.0 });
                }
            }
        }
    }
}

#[test]
fn every_synapse_and_event_has_an_amount_of_its_own() {
    // Two sources fire alike before each target of neuron 2, which is silent: only fresh draws tell them apart.
    let target = Raster::from_trains(vec![vec![], vec![], vec![12, 22, 32]], 40).unwrap();
    let events: Vec<(u32, u32, f64)> =
        [10, 20, 30].into_iter().flat_map(|t| [(0, t, 2.0), (1, t, 2.0)]).collect();
    let drive = Drive::from_events(&events, 3, 40).unwrap();
    let mut network = LifNetwork::new(Array2::zeros((3, 3)), Lif::default()).unwrap();
    let config = PspmConfig { epochs: 1, ..config() };
    let report = train(&mut network, &target, &drive, &config).unwrap();
    let w = &report.last_weights;
    let largest = 3.0 * 0.15 / 3.0_f64.sqrt();
    assert!(w[[2, 0]] > 0.0 && w[[2, 1]] > 0.0 && w[[2, 0]] != w[[2, 1]], "{w}");
    assert!(w[[2, 0]] < largest && w[[2, 1]] < largest);
    // Neuron 2 missed three times with two in its pool; 0 and 1 fired three times too often, each with the other in its pool
    // but for the first time, before which nobody fired.
    assert_eq!((report.history[0].missed, report.history[0].extra), (3, 6));
    assert_eq!(report.history[0].updates, 6 + 4, "{:?}", report.history[0]);
}

#[test]
fn homeostasis_moves_all_inputs_with_the_count() {
    let target = Raster::from_trains(vec![vec![1, 9, 20, 30], vec![]], 40).unwrap();
    let drive = Drive::from_events(&[(0, 5, 2.0), (1, 5, 2.0), (1, 15, 2.0)], 2, 40).unwrap();
    let start = ndarray::arr2(&[[0.0, 0.25], [0.5, 0.0]]);
    let mut network = LifNetwork::new(start, Lif::default()).unwrap();
    let config = PspmConfig { epochs: 1, eta: 0.0, eta_home: 0.2, ..config() };
    let report = train(&mut network, &target, &drive, &config).unwrap();
    // Neuron 0 fired once of four, neuron 1 twice of none.
    let expected = ndarray::arr2(&[[0.0, 0.25 + 0.2 * 0.75 * 0.25], [0.5 - 0.2 * 2.0 * 0.5, 0.0]]);
    assert!((&report.last_weights - &expected).iter().all(|d| d.abs() < 1e-15), "{}", report.last_weights);
}

#[test]
fn an_empty_pool_raises_all_inputs_where_it_is_asked_to() {
    let target = Raster::from_trains(vec![vec![5], vec![]], 20).unwrap();
    let drive = Drive::bernoulli(2, 20, 0.0, 1.0, 0).unwrap();
    let start = ndarray::arr2(&[[0.0, 0.25], [0.5, 0.0]]);
    let run = |empty_pool| {
        let mut network = LifNetwork::new(start.clone(), Lif::default()).unwrap();
        train(&mut network, &target, &drive, &PspmConfig { epochs: 1, empty_pool, ..config() })
            .unwrap()
            .last_weights
    };
    assert_eq!(run(None), start);
    let raised = run(Some(0.1));
    assert!((raised[[0, 1]] - (0.25 + 0.15 * 0.1 * 0.25)).abs() < 1e-15 && raised[[1, 0]] == 0.5, "{raised}");
}

#[test]
fn pools_may_come_from_the_targets() {
    // The model is silent: its own pools are empty, those of the targets are not.
    let target = Raster::from_trains(vec![vec![5], vec![8]], 20).unwrap();
    let drive = Drive::bernoulli(2, 20, 0.0, 1.0, 0).unwrap();
    let run = |pool_source| {
        let mut network = LifNetwork::new(Array2::zeros((2, 2)), Lif::default()).unwrap();
        train(&mut network, &target, &drive, &PspmConfig { epochs: 1, pool_source, ..config() })
            .unwrap()
            .last_weights
    };
    assert_eq!(run(PoolSource::Model), Array2::<f64>::zeros((2, 2)));
    let taught = run(PoolSource::Target);
    assert!(taught[[1, 0]] > 0.0 && taught[[0, 1]] == 0.0, "{taught}");
}

#[test]
fn what_cannot_be_taught_is_refused_or_said() {
    let world = small().build(9).unwrap();
    let mut network = LifNetwork::new(world.student.clone(), Lif::default()).unwrap();
    let mut refused = |config: PspmConfig| {
        matches!(
            train(&mut network, &world.target, &world.drive, &config),
            Err(Error::Parameter { .. } | Error::Shape { .. })
        )
    };
    assert!(refused(PspmConfig { pool: 0, ..config() }) && refused(PspmConfig { epochs: 0, ..config() }));
    for bad in [f64::NAN, -0.1, f64::INFINITY] {
        assert!(
            refused(PspmConfig { eta: bad, ..config() }) && refused(PspmConfig { eta_home: bad, ..config() })
        );
        assert!(refused(PspmConfig { tau_steps: bad, ..config() }));
        assert!(refused(PspmConfig { empty_pool: Some(bad), ..config() }));
    }
    assert!(refused(PspmConfig { bounds: Some((0.1, 0.4)), ..config() }));
    assert!(refused(PspmConfig { bounds: Some((-0.1, f64::NAN)), ..config() }));
    assert!(refused(PspmConfig { mask: Some(Array2::from_elem((20, 19), true)), ..config() }));
    assert!(refused(PspmConfig { dale: Some(vec![Polarity::Excitatory; 3]), ..config() }));
    // Weights, targets and input that do not fit.
    let weights = |w: Array2<f64>| LifNetwork::new(w, Lif::default()).is_err();
    assert!(weights(Array2::zeros((2, 3))) && weights(Array2::zeros((0, 0))) && weights(Array2::eye(2)));
    assert!(weights(ndarray::arr2(&[[0.0, f64::NAN], [0.0, 0.0]])));
    assert!(LifNetwork::new(Array2::zeros((2, 2)), Lif { tau_ms: 0.0, ..Lif::default() }).is_err());
    let other = Raster::silent(20, 299).unwrap();
    assert!(train(&mut network, &other, &world.drive, &config()).is_err());
    assert!(train(&mut network, &Raster::silent(19, 300).unwrap(), &world.drive, &config()).is_err());
    assert!(
        Raster::from_trains(vec![vec![3, 3]], 5).is_err() && Raster::from_trains(vec![vec![5]], 5).is_err()
    );
    assert!(Raster::silent(0, 5).is_err() && Raster::silent(5, 0).is_err());
    assert!(
        Drive::from_events(&[(0, 9, 1.0)], 1, 5).is_err()
            && Drive::from_events(&[(0, 1, f64::NAN)], 1, 5).is_err()
    );
    assert!(
        match_is_refused() && weight_correlation(&Array2::zeros((2, 2)), &Array2::zeros((3, 3))).is_err()
    );
    // Spikes closer than the refractory time: said, not refused.
    let close = Raster::from_trains((0..20).map(|_| vec![10, 11, 13, 16]).collect(), 300).unwrap();
    assert_eq!(train(&mut network, &close, &world.drive, &config()).unwrap().unreproducible, 40);
}

fn match_is_refused() -> bool {
    snn::pspm::match_spikes(&[2, 1], &[], 1).is_err() && snn::pspm::match_spikes(&[], &[1, 1], 1).is_err()
}

#[test]
fn probabilistic_networks_branch_as_their_weights_say() {
    let sizes = |sigma: f64, neurons: u64| -> Vec<u64> {
        let network = UniformPif::new(neurons, sigma).unwrap();
        (0..4000).map(|k| network.avalanche(1_000_000, 1, k).unwrap().size).collect()
    };
    for sigma in [0.5, 0.8] {
        let found = sizes(sigma, 2000);
        let mean = found.iter().sum::<u64>() as f64 / 4000.0;
        assert!((mean * (1.0 - sigma) - 1.0).abs() < 0.05, "{sigma}: {mean}");
        let distance = borel_ks(&found, sigma).unwrap();
        assert!(distance < 1.36 / 4000.0_f64.sqrt(), "{sigma}: {distance}");
    }
    // The same law is not that of another ratio.
    assert!(borel_ks(&sizes(0.8, 2000), 0.7).unwrap() > 0.0215);
    let activity = UniformPif::new(200, 0.8).unwrap().activity(400_000, 2e-5, 3).unwrap();
    let ratio = branching_ratio(&activity, Branching::MeanOfRatios).unwrap();
    assert!((ratio - 0.8).abs() < 0.03, "{ratio}");
}

#[test]
fn the_probabilistic_network_is_the_one_that_counts_neurons() {
    // Avalanches from one spike, neuron by neuron, against the binomial form: sizes of one distribution.
    let (neurons, sigma) = (50, 0.8);
    let weights = PifNetwork::uniform_weights(neurons, sigma).unwrap();
    let mut network = PifNetwork::new(weights, 0.0, 0, 2).unwrap();
    let drive = Drive::from_events(&[(0, 0, 1.0)], neurons, 200).unwrap();
    let mut raster = Raster::silent(neurons, 200).unwrap();
    let fast = UniformPif::new(neurons as u64, sigma).unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for k in 0..2000 {
        network.simulate(&drive, &mut raster).unwrap();
        one.push(raster.spikes() as f64);
        other.push(fast.avalanche(1_000_000, 4, k).unwrap().size as f64);
    }
    let distance = ks_two_sample(&one, &other).unwrap();
    assert!(distance < 1.36 * (2.0 / 2000.0_f64).sqrt(), "{distance}");
    assert!(UniformPif::new(0, 0.5).is_err() && UniformPif::new(5, f64::NAN).is_err());
    assert!(
        PifNetwork::uniform_weights(1, 0.5).is_err()
            && PifNetwork::new(Array2::zeros((2, 2)), 1.5, 0, 0).is_err()
    );
}
