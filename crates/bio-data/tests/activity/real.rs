//! Whole-brain recordings of real worms, where they are at hand.

use std::path::{Path, PathBuf};

use bio_data::activity::{Homogenizer, NeuronLabels, RawKeys, RawRecording, WormRecording, standardize};
use recordings::arrays::ArrayFile;

/// The folder of recordings; says aloud when there is none, and fails if that is not allowed.
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("worm-calcium");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no {}", folder.display());
    assert_ne!(std::env::var("NEUROPIL_REQUIRE_DATA").as_deref(), Ok("1"), "no {}", folder.display());
    None
}

/// The recordings' names, from their files.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|e| {
            Some(e.unwrap().file_name().to_string_lossy().strip_suffix(".safetensors")?.to_owned())
        })
        .collect();
    names.sort_unstable();
    names
}

fn open(folder: &Path, name: &str) -> RawRecording {
    let labels = NeuronLabels::read_csv(&folder.join(format!("{name}.labels.csv"))).unwrap();
    let path = folder.join(format!("{name}.safetensors"));
    RawRecording::open(&path, "Dag2023", name, &RawKeys::default())
        .unwrap()
        .with_labels(&labels, false)
        .unwrap()
}

fn correlation(worm: &WormRecording, a: &str, b: &str) -> f64 {
    let z = |n: &str| {
        let row = worm.row(n).unwrap();
        standardize(&worm.calcium().unwrap().row(row).iter().map(|v| f64::from(*v)).collect::<Vec<_>>())
    };
    let (a, b) = (z(a), z(b));
    a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

#[test]
fn every_recording_loads_and_homogenises() {
    let Some(folder) = folder() else { return };
    let names = names(&folder);
    assert_eq!(names.len(), 5);
    for name in names {
        let raw = open(&folder, &name);
        assert_eq!(raw.traces.nrows(), 800);
        let labelled = raw.names.iter().flatten().count();
        let worm = Homogenizer::default().process(&raw).unwrap();
        let length = worm.original_times_s[799];
        assert_eq!(worm.times_s.len(), (length / 0.333).ceil() as usize);
        assert!(worm.labelled() >= 80 && worm.labelled() <= labelled, "{} of {labelled}", worm.labelled());
        assert!(worm.calcium().unwrap().iter().all(|v| v.is_finite()));
        let (ava, ave) = (correlation(&worm, "AVAL", "AVAR"), correlation(&worm, "AVEL", "AVER"));
        println!(
            "{name}: {} neurons, {} labelled, {} samples, AVAL-AVAR {ava:.3}, AVEL-AVER {ave:.3}",
            worm.neurons.len(),
            worm.labelled(),
            worm.times_s.len()
        );
        assert!(ava > 0.9 && ave > 0.9);
    }
}

#[test]
fn the_original_hdf5_file_holds_the_same_numbers() {
    let Some(folder) = folder() else { return };
    let path = folder.join("2022-08-02-31-data.h5");
    let from_hdf5 = RawRecording::open(&path, "Dag2023", "2022-08-02-31", &RawKeys::default()).unwrap();
    let converted = open(&folder, "2022-08-02-31");
    assert_eq!(from_hdf5.times_s, converted.times_s);
    assert_eq!(from_hdf5.traces.dim(), (800, 130));
    assert!(from_hdf5.traces.iter().zip(&converted.traces).all(|(a, b)| f64::from(*a as f32) == *b));
    let keys = RawKeys { traces: Some("gcamp/traces_array_F_F20".to_owned()), ..RawKeys::default() };
    let ratio = RawRecording::open(&path, "Dag2023", "2022-08-02-31", &keys).unwrap();
    let stored = ArrayFile::open(&folder.join("2022-08-02-31.safetensors")).unwrap();
    let stored = stored.read_f64_2("trace_F_over_F20").unwrap();
    assert!(ratio.traces.iter().zip(&stored).all(|(a, b)| f64::from(*a as f32) == *b));
    let file = bio_data::activity::hdf5::Hdf5::open(&path).unwrap();
    let keys = file.keys().unwrap();
    assert_eq!(keys.len(), 24);
    for key in keys {
        assert!(!file.read_f64(&key).unwrap().is_empty(), "{key}");
    }
}
