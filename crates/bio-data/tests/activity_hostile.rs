//! Damaged files: an error each time, no panic, and no more memory than the limits say.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bio_data::activity::hdf5::Hdf5;
use bio_data::activity::{
    ActivityDataset, EXPANSION, FLOOR_BYTES, Homogenizer, Layout, NeuronLabels, RawKeys, RawRecording,
};
use ndarray::Array2;
use proptest::prelude::*;

/// Bytes that the allocator and the file's own copies may add.
const SLACK: u64 = 384 << 20;

fn scratch() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

fn raw() -> RawRecording {
    RawRecording {
        source: "S".to_owned(),
        worm: "worm0".to_owned(),
        file: "raw.npz".to_owned(),
        times_s: (0..600).map(|i| 0.4 * f64::from(i)).collect(),
        traces: Array2::from_shape_fn((600, 3), |(i, n)| ((i * (n + 3)) as f64 * 0.11).sin()),
        names: vec![Some("AVAL".to_owned()), None, Some("AVAR".to_owned())],
    }
}

fn parquet_file() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let path = scratch().join("good.parquet");
        let data = ActivityDataset::new(vec![Homogenizer::default().process(&raw()).unwrap()]).unwrap();
        data.write_parquet(&path, Layout::Old).unwrap();
        std::fs::read(path).unwrap()
    })
}

fn hdf5_file() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let raw = raw();
        let flat: Vec<f64> = raw.traces.iter().copied().collect();
        let mut builder = hdf5_pure::FileBuilder::new();
        let mut group = builder.create_group("gcamp");
        group
            .create_dataset("trace_array")
            .with_f64_data(&flat)
            .with_shape(&[600, 3])
            .with_chunks(&[100, 3])
            .with_deflate(4);
        group.create_dataset("plain").with_f64_data(&flat).with_shape(&[600, 3]);
        builder.add_group(group.finish());
        builder.create_dataset("times").with_f64_data(&raw.times_s).with_shape(&[600]);
        let path = scratch().join("good.h5");
        builder.write(&path).unwrap();
        std::fs::read(path).unwrap()
    })
}

/// The original recording, where it is at hand: another writer's HDF5.
fn real_hdf5() -> Option<Vec<u8>> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    std::fs::read(root.join("worm-calcium/2022-08-02-31-data.h5")).ok()
}

/// Cut after a share of the bytes, then some bytes overwritten; positions crowd where the structure is.
#[derive(Debug, Clone)]
struct Damage {
    keep: f64,
    edits: Vec<(Place, u8)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Share(f64),
    Start(usize),
    End(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = prop_oneof![
        (0.0f64..1.0).prop_map(Place::Share),
        (0usize..4096).prop_map(Place::Start),
        (0usize..8192).prop_map(Place::End),
    ];
    let keep = prop_oneof![4 => Just(1.0), 1 => 0.0f64..1.0];
    (keep, prop::collection::vec((place, any::<u8>()), 0..6)).prop_map(|(keep, edits)| Damage { keep, edits })
}

impl Damage {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes[..(bytes.len() as f64 * self.keep) as usize].to_vec();
        let length = out.len();
        for (place, value) in &self.edits {
            let at = match *place {
                Place::Share(share) => (share * length as f64) as usize,
                Place::Start(n) => n,
                Place::End(n) => length.wrapping_sub(n + 1),
            };
            if let Some(byte) = out.get_mut(at) {
                *byte = *value;
            }
        }
        out
    }
}

/// Greatest resident memory of this process so far, where the system tells.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

fn assert_bounded(file: usize) -> Result<(), TestCaseError> {
    let limit = (EXPANSION * file as u64).max(FLOOR_BYTES) + SLACK;
    prop_assert!(peak_bytes() <= limit, "{} bytes resident, at most {limit}", peak_bytes());
    Ok(())
}

/// Panics of the decoders are caught and become errors; their messages would drown this test's own.
fn quiet() {
    static HOOK: OnceLock<()> = OnceLock::new();
    HOOK.get_or_init(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let foreign =
                |f: &str| ["parquet-", "hdf5-pure-", "arrow-", "/library/"].iter().any(|p| f.contains(p));
            if !info.location().is_some_and(|l| foreign(l.file())) {
                usual(info);
            }
        }));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn parquet(damage in damage()) {
        quiet();
        let bytes = damage.apply(parquet_file());
        let path = scratch().join("damaged.parquet");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(data) = ActivityDataset::from_parquet(&path) {
            prop_assert!(data.worms().iter().all(|w| w.validate().is_ok()));
        }
        assert_bounded(bytes.len())?;
    }

    #[test]
    fn hdf5(damage in damage()) {
        quiet();
        let bytes = damage.apply(hdf5_file());
        let path = scratch().join("damaged.h5");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(raw) = RawRecording::open(&path, "S", "w", &RawKeys::default()) {
            prop_assert_eq!(raw.traces.nrows(), raw.times_s.len());
        }
        if let Ok(file) = Hdf5::open(&path) {
            let _ = file.read_f64("gcamp/plain");
        }
        assert_bounded(bytes.len())?;
    }

    #[test]
    fn labels(text in "(column,label\n)?[ -~\n]{0,80}") {
        let path = scratch().join("damaged.csv");
        std::fs::write(&path, &text).unwrap();
        if let Ok(labels) = NeuronLabels::read_csv(&path) {
            let _ = labels.names(5, true);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn another_writers_hdf5(damage in damage()) {
        quiet();
        let Some(good) = real_hdf5() else {
            println!("skipped: no original recording");
            assert_ne!(std::env::var("NEUROPIL_REQUIRE_DATA").as_deref(), Ok("1"));
            return Ok(());
        };
        let bytes = damage.apply(&good);
        let path = scratch().join("damaged-original.h5");
        std::fs::write(&path, &bytes).unwrap();
        let _ = RawRecording::open(&path, "S", "w", &RawKeys::default());
        assert_bounded(bytes.len())?;
    }
}
