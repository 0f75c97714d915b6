#[path = "support/engine.rs"]
mod support;
use snn::engine::networks::*;
use snn::engine::*;
use support::firing;
#[test]
fn tmp() {
    for seed in 1..=14 {
        let mut b = cuba::<f64>(Config { seed, ..Config::default() }, 4000).unwrap();
        let n: Vec<usize> = (0..4).map(|_| 0).collect();
        let _ = n;
        let syn = b.net.synapses();
        b.net.record_spikes(&[b.excitatory, b.inhibitory]).unwrap();
        let r = b.net.run(1000.0).unwrap();
        let v = b.net.get(b.excitatory, "v").unwrap();
        let _ = v;
        eprintln!("CUBA seed {seed} {syn} {:.2}: {:?}", r.synaptic_events as f64 / r.spikes as f64, firing(&b.net, &[b.excitatory, b.inhibitory], 200.0, 1000.0));
    }
    for seed in 1..=8 {
        let mut b = coba::<f64>(Config { seed, ..Config::default() }, 4000).unwrap();
        b.net.record_spikes(&[b.excitatory, b.inhibitory]).unwrap();
        b.net.run(1000.0).unwrap();
        eprintln!("COBA seed {seed}: {:?}", firing(&b.net, &[b.excitatory, b.inhibitory], 200.0, 1000.0));
    }
}
