//! What holds for every raster, pairing and pool.

use ndarray::Array2;
use proptest::prelude::*;
use snn::pspm::{
    Drive, Lif, LifNetwork, Pools, Raster, SpikingNetwork, match_spikes, metrics, random_weights, similarity,
};

const STEPS: usize = 60;

fn train() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::btree_set(0..STEPS as u32, 0..20).prop_map(|s| s.into_iter().collect())
}

fn raster(neurons: std::ops::Range<usize>) -> impl Strategy<Value = Raster> {
    proptest::collection::vec(train(), neurons).prop_map(|t| Raster::from_trains(t, STEPS).unwrap())
}

/// The most targets that any pairing answers.
fn most_hits(target: &[u32], model: &[u32], window: u32) -> usize {
    fn grow(t: usize, near: &[Vec<usize>], seen: &mut [bool], partner: &mut [Option<usize>]) -> bool {
        near[t].iter().any(|m| {
            !std::mem::replace(&mut seen[*m], true)
                && (partner[*m].is_none_or(|other| grow(other, near, seen, partner)) && {
                    partner[*m] = Some(t);
                    true
                })
        })
    }
    let near: Vec<Vec<usize>> = target
        .iter()
        .map(|t| (0..model.len()).filter(|m| t.abs_diff(model[*m]) <= window).collect())
        .collect();
    let mut partner = vec![None; model.len()];
    (0..target.len()).filter(|t| grow(*t, &near, &mut vec![false; model.len()], &mut partner)).count()
}

/// The network as the sheet writes it, neuron by neuron.
fn simulate_slowly(weights: &Array2<f64>, drive: &Array2<f64>, lif: Lif) -> Vec<Vec<u32>> {
    let (n, steps) = drive.dim();
    let decay = (-lif.step_ms / lif.tau_ms).exp();
    let (mut v, mut held, mut fired) = (vec![0.0; n], vec![0; n], vec![false; n]);
    let mut trains = vec![Vec::new(); n];
    for t in 0..steps {
        let before = fired.clone();
        for i in 0..n {
            let input: f64 = (0..n).filter(|j| before[*j]).map(|j| weights[[i, j]]).sum();
            v[i] = decay * v[i] + input + drive[[i, t]];
            fired[i] = held[i] == 0 && v[i] >= lif.threshold;
            if held[i] > 0 || fired[i] {
                v[i] = 0.0;
            }
            held[i] = if fired[i] { lif.refractory_steps } else { held[i].saturating_sub(1) };
            if fired[i] {
                trains[i].push(t as u32);
            }
        }
    }
    trains
}

proptest! {
    #[test]
    fn a_pairing_is_one_to_one_and_as_large_as_any(target in train(), model in train(), window in 0_u32..6) {
        let found = match_spikes(&target, &model, window).unwrap();
        let mut targets: Vec<u32> = found.hits.iter().map(|h| h.0).chain(found.missed.iter().copied()).collect();
        let mut spikes: Vec<u32> = found.hits.iter().map(|h| h.1).chain(found.extra.iter().copied()).collect();
        targets.sort_unstable();
        spikes.sort_unstable();
        prop_assert_eq!((&targets, &spikes), (&target, &model));
        prop_assert!(found.hits.iter().all(|(t, m)| t.abs_diff(*m) <= window));
        prop_assert_eq!(found.hits.len(), most_hits(&target, &model, window));
        let alone = match_spikes(&target, &target, window).unwrap();
        prop_assert!(alone.missed.is_empty() && alone.extra.is_empty());
    }

    #[test]
    fn a_pool_holds_who_fired_in_its_window(raster in raster(1..90), length in 1_usize..80, step in 0..STEPS, except in 0_usize..90) {
        let pools = Pools::new(&raster, length).unwrap();
        let fired = |train: &Vec<u32>| train.iter().any(|t| (*t as usize) < step && *t as usize + length >= step);
        let expected: Vec<usize> = raster.trains().iter().enumerate().filter(|(j, t)| *j != except && fired(t)).map(|(j, _)| j).collect();
        prop_assert_eq!(pools.members(step, except).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn spikes_drive_what_the_equation_says(n in 1_usize..12, seed in 0_u64..1000, gain in 0.0..3.0, refractory in 0_u32..4) {
        let weights = random_weights(n, gain, 1.0, seed, 0).unwrap();
        let drive = Drive::bernoulli(n, STEPS, 0.1, 0.6, seed).unwrap();
        let lif = Lif { refractory_steps: refractory, ..Lif::default() };
        let mut raster = Raster::silent(n, STEPS).unwrap();
        let mut network = LifNetwork::new(weights.clone(), lif).unwrap();
        network.simulate(&drive, &mut raster).unwrap();
        prop_assert_eq!(raster.trains(), &simulate_slowly(&weights, &drive.to_dense(), lif)[..]);
        prop_assert_eq!(raster.unreproducible(refractory as usize), 0);
        // A second run starts from rest too.
        let first = raster.clone();
        network.simulate(&drive, &mut raster).unwrap();
        prop_assert_eq!(raster, first);
    }

    #[test]
    fn permuting_neurons_permutes_spikes(n in 2_usize..10, seed in 0_u64..1000) {
        // Weights on a coarse binary grid: sums are exact in any order.
        let grid = |x: f64| (x * 64.0).round() / 64.0;
        let weights = random_weights(n, 1.5, 1.0, seed, 0).unwrap().mapv(grid);
        let drive = Drive::bernoulli(n, STEPS, 0.1, 0.625, seed).unwrap().to_dense();
        let order = numerics::rng::permutation(&mut numerics::rng::stream(seed, "order", 0), n);
        let turned = Array2::from_shape_fn((n, n), |(i, j)| weights[[order[i], order[j]]]);
        let turned_drive = Array2::from_shape_fn(drive.dim(), |(i, t)| drive[[order[i], t]]);
        let run = |weights: Array2<f64>, drive: &Array2<f64>| {
            let mut raster = Raster::silent(n, STEPS).unwrap();
            LifNetwork::new(weights, Lif::default()).unwrap().simulate(&Drive::from_dense(&drive.view()).unwrap(), &mut raster).unwrap();
            raster
        };
        let (plain, permuted) = (run(weights, &drive), run(turned, &turned_drive));
        for (i, from) in order.iter().enumerate() {
            prop_assert_eq!(&permuted.trains()[i], &plain.trains()[*from]);
        }
    }

    #[test]
    fn shuffled_intervals_keep_counts_and_intervals(raster in raster(1..8), seed in 0_u64..100) {
        let shuffled = raster.intervals_shuffled(seed);
        prop_assert_eq!(shuffled.steps(), raster.steps());
        for (a, b) in raster.trains().iter().zip(shuffled.trains()) {
            let sorted = |t: &Vec<u32>| { let mut x: Vec<u32> = t.windows(2).map(|p| p[1] - p[0]).collect(); x.sort_unstable(); x };
            prop_assert_eq!((a.len(), sorted(a)), (b.len(), sorted(b)));
        }
        prop_assert!(Raster::from_trains(shuffled.trains().to_vec(), STEPS).is_ok());
    }

    #[test]
    fn slices_recompose_and_recordings_round_trip(raster in raster(1..8), cut in 1..STEPS) {
        let (head, tail) = (raster.slice(0, cut).unwrap(), raster.slice(cut, STEPS).unwrap());
        for ((whole, a), b) in raster.trains().iter().zip(head.trains()).zip(tail.trains()) {
            let joined: Vec<u32> = a.iter().copied().chain(b.iter().map(|t| t + cut as u32)).collect();
            prop_assert_eq!(&joined, whole);
        }
        let ids: Vec<u32> = (0..raster.neurons() as u32).collect();
        let recorded = raster.to_recording("E", 0.7).unwrap();
        let (read, merged) = Raster::from_recording(&recorded, &ids, 0.0, STEPS, 0.7).unwrap();
        prop_assert_eq!((read, merged), (raster, 0));
    }

    #[test]
    fn dense_and_listed_input_are_one(seed in 0_u64..1000, n in 1_usize..6) {
        let drive = Drive::bernoulli(n, STEPS, 0.3, -0.4, seed).unwrap();
        let dense = drive.to_dense();
        prop_assert_eq!(&Drive::from_dense(&dense.view()).unwrap(), &drive);
        let mut events: Vec<(u32, u32, f64)> = dense.indexed_iter().filter(|(_, x)| **x != 0.0).map(|((i, t), x)| (i as u32, t as u32, *x)).collect();
        events.reverse();
        prop_assert_eq!(Drive::from_events(&events, n, STEPS).unwrap(), drive);
    }

    #[test]
    fn similarity_has_its_ends(raster in raster(1..6)) {
        let same = similarity(&raster, &raster, 2, 10.0).unwrap();
        prop_assert_eq!((same.van_rossum, same.f1), (0.0, 1.0));
        let silent = Raster::silent(raster.neurons(), STEPS).unwrap();
        let none = similarity(&raster, &silent, 2, 10.0).unwrap();
        if raster.spikes() > 0 {
            prop_assert_eq!((same.similarity, same.count_ratio, same.recall), (Some(1.0), Some(1.0), Some(1.0)));
            prop_assert_eq!((none.similarity, none.f1, none.precision), (Some(0.0), 0.0, None));
        } else {
            prop_assert_eq!((none.similarity, none.f1), (None, 1.0));
        }
        prop_assert_eq!(metrics::f1(&raster, &raster, 0).unwrap(), 1.0);
    }
}
