//! No damaged or hostile file makes a reader allocate more than a stated multiple of its length.
//!
//! One test alone, so that nothing else allocates while it measures.

use std::path::Path;

use ndarray::{Array2, arr1};
use peak_alloc::PeakAlloc;
use recordings::arrays::{ArrayFile, EXPANSION, Npz, Tensors};
use recordings::{NeuronSet, Recording, SpikeTrains, Stamp};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a reader may take beside a multiple of the file: buffers, error texts, the archive's directory, and up to
/// 65,536 empty strings of an array of text without width.
const FIXED: usize = 2 << 20;
/// Bytes per byte of an uncompressed file: the widest case is one-byte text, one `String` per element.
const PLAIN: usize = 40;
/// A compressed archive may expand, and its elements may widen.
const ARCHIVE: usize = EXPANSION as usize * PLAIN;

fn peak(read: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    read();
    MEMORY.peak_usage().saturating_sub(before)
}

fn open(path: &Path) {
    match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => drop(Recording::read(path)),
        Some("json") => drop(NeuronSet::read(path)),
        _ => {
            drop(ArrayFile::open(path));
            if path.extension().is_some_and(|e| e == "npz") {
                drop(SpikeTrains::read(path));
                drop(Recording::read(path));
            }
        }
    }
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

#[test]
fn allocation_is_bounded_by_the_length_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let matrix = Array2::from_shape_fn((20, 5), |(i, j)| i as f64 - j as f64);
    Npz::new().f64("values", matrix.view().into_dyn()).write(&at("good.npz")).unwrap();
    Tensors::new().f64("x", matrix.view().into_dyn()).write(&at("good.safetensors")).unwrap();
    let mut spikes = SpikeTrains::new(vec!["E".to_owned()]);
    spikes.push(3, 0.1, Stamp::Nest, 1, 0).unwrap();
    spikes.write(&at("spikes.npz")).unwrap();
    std::fs::write(at("good.csv"), "a,b\n1,2\n3,4\n").unwrap();
    let set = NeuronSet::new(recordings::ModelIdentity::default(), "lape", 1);
    set.write(&at("good.json")).unwrap();
    let mut files: Vec<(String, Vec<u8>)> =
        ["good.npz", "spikes.npz", "good.safetensors", "good.csv", "good.json"]
            .iter()
            .map(|name| ((*name).to_owned(), std::fs::read(at(name)).unwrap()))
            .collect();
    for (i, (descr, shape)) in [
        ("<f8", "(9000000000, 5)"),
        ("|u1", "(4096,)"),
        ("|S1", "(4096,)"),
        ("<U0", "(60000,)"),
        ("<U1", "(1024,)"),
        ("<f8", "(0, 99999999999)"),
        ("<i8", "(4, 4, 4, 4, 4)"),
    ]
    .iter()
    .enumerate()
    {
        files.push((format!("{i}.npy"), npy(descr, shape, &[65; 4096])));
    }
    let declared = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    files.push(("length.safetensors".to_owned(), declared));
    let header = br#"{"x":{"dtype":"F64","shape":[1000000000,1000],"data_offsets":[0,8000000000000]}}"#;
    files.push(("shape.safetensors".to_owned(), [&(header.len() as u64).to_le_bytes()[..], header].concat()));
    let zeros = arr1(&vec![0_u32; 1 << 16]);
    Npz::new().u32("z", zeros.view().into_dyn()).write(&at("zeros.npz")).unwrap();
    files.push(("zeros.npz".to_owned(), std::fs::read(at("zeros.npz")).unwrap()));
    let mut tried = 0;
    for (name, bytes) in &files {
        let path = at(name);
        for step in 0..40_usize {
            let mut damaged = bytes.clone();
            if step > 0 {
                let place = (step * 7919) % damaged.len();
                damaged[place] = damaged[place].wrapping_add((step * 31) as u8);
            }
            if step % 4 == 3 {
                damaged.truncate(damaged.len() * step / 40);
            }
            std::fs::write(&path, &damaged).unwrap();
            let multiple = if name.ends_with("npz") { ARCHIVE } else { PLAIN };
            let limit = FIXED + multiple * damaged.len();
            let taken = peak(|| open(&path));
            assert!(taken <= limit, "{name}, damage {step}: {taken} bytes, limit {limit}");
            tried += 1;
        }
    }
    assert_eq!(tried, 40 * files.len());
    // The measure itself measures.
    assert!(peak(|| drop(std::hint::black_box(vec![1_u8; 3 << 20]))) >= 3 << 20);
}
