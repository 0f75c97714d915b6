//! Recordings become trains, and trains become drawings.

use recordings::{SpikeTrains, Stamp};
use snn::Error;
use snn::analysis::{Trains, raster_svg, rates_svg};

fn recording() -> SpikeTrains {
    let mut spikes = SpikeTrains::new(vec!["E".to_owned(), "I".to_owned()]);
    for (step, neuron, population) in [(9, 0, 0), (9, 70_000, 1), (19, 0, 0), (49, 3, 0), (99, 70_000, 1)] {
        spikes.push(step, 0.1, Stamp::Nest, neuron, population).unwrap();
    }
    spikes
}

#[test]
fn a_recording_is_sorted_by_neuron() {
    let trains = Trains::from_recording(&recording(), None, 0.0, 20.0).unwrap();
    assert_eq!((trains.ids(), trains.population()), (&[0, 3, 70_000][..], &[0, 0, 1][..]));
    assert_eq!(trains.times_ms(0), [1.0, 2.0]);
    assert_eq!((trains.len(), trains.spikes(), trains.duration_ms()), (3, 5, 20.0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spikes.npz");
    recording().write(&path).unwrap();
    assert_eq!(Trains::read(&path, None, 0.0, 20.0).unwrap(), trains);
    let absent = Trains::read(&folder.path().join("absent.npz"), None, 0.0, 20.0);
    assert!(matches!(&absent, Err(Error::File { path, .. }) if path.ends_with("absent.npz")), "{absent:?}");
    // Named neurons, one of which is silent; and a window that leaves spikes out.
    let some = Trains::from_recording(&recording(), Some(&[5, 70_000]), 1.5, 20.0).unwrap();
    assert_eq!((some.times_ms(0), some.times_ms(1)), (&[][..], &[10.0][..]));
}

#[test]
fn a_neuron_in_two_populations_and_times_out_of_order_are_refused() {
    let mut twice = recording();
    twice.push(120, 0.1, Stamp::Nest, 0, 1).unwrap();
    assert!(matches!(Trains::from_recording(&twice, None, 0.0, 20.0), Err(Error::Shape { .. })));
    let mut back = recording();
    back.push(5, 0.1, Stamp::Nest, 0, 0).unwrap();
    let refused = Trains::from_recording(&back, None, 0.0, 20.0);
    assert!(
        matches!(&refused, Err(Error::SpikeTime { train, index: 2, .. }) if train == "neuron 0"),
        "{refused:?}"
    );
}

#[test]
fn drawings_hold_a_tick_for_every_spike_and_a_curve_for_every_population() {
    let trains = Trains::from_recording(&recording(), None, 0.0, 20.0).unwrap();
    let svg = raster_svg(&trains, "spikes").unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let ticks = |svg: &str, colour: &str| svg.matches(&format!("stroke=\"{colour}\"")).count();
    assert_eq!((ticks(&svg, "#0072B2"), ticks(&svg, "#D55E00")), (3, 2), "{svg}");
    let rates = rates_svg(&trains, 5.0, "rates").unwrap();
    assert!(rates.contains("rate (Hz)") && rates.contains("#0072B2") && rates.contains("#D55E00"));
    assert!(rates_svg(&trains, 1e-4, "rates").is_err() && rates_svg(&trains, 0.0, "rates").is_err());
    // Nothing to draw is a drawing of nothing.
    assert!(raster_svg(&Trains::new(vec![vec![]], 0.0, 1.0).unwrap(), "silence").is_ok());
}

#[test]
fn a_crowd_is_thinned_and_says_so() {
    let times: Vec<f64> = (0..1000).map(f64::from).collect();
    let trains = Trains::new(vec![times; 120], 0.0, 1000.0).unwrap();
    let svg = raster_svg(&trains, "crowd").unwrap();
    assert!(svg.contains("one of 3 drawn"), "not thinned");
    assert_eq!(svg.matches("stroke=\"#0072B2\"").count(), 40_000);
}
