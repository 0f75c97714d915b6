//! Damaged files give an error, never a panic.

use ndarray::{Array2, arr1};
use proptest::prelude::*;
use recordings::arrays::{ArrayFile, Npz, read_matrix};

fn sample(folder: &std::path::Path) -> Vec<u8> {
    let path = folder.join("good.npz");
    let matrix = Array2::from_shape_fn((3, 4), |(i, j)| i as f64 - j as f64);
    Npz::new()
        .f64("x", matrix.view().into_dyn())
        .i64("n", arr1(&[1, 2, 3]).view().into_dyn())
        .text("labels", &["a".to_owned(), "bc".to_owned()])
        .write(&path)
        .unwrap();
    std::fs::read(path).unwrap()
}

proptest! {
    #[test]
    fn a_flipped_byte_or_a_cut_never_panics(at in 0..2000_usize, value in any::<u8>(), cut in 0..2000_usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = sample(folder.path());
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut % bytes.len());
        for name in ["bad.npz", "bad.npy", "bad.safetensors"] {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(file) = ArrayFile::open(&path) {
                let _ = file.read_f64_2("x");
                let _ = file.read_text("labels");
            }
        }
    }

    #[test]
    fn noise_after_each_magic_number_never_panics(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        for (name, magic) in [("a.npy", &b"\x93NUMPY\x01\x00"[..]), ("a.npz", b"PK\x03\x04"), ("a.safetensors", b"")] {
            let path = folder.path().join(name);
            std::fs::write(&path, [magic, &tail].concat()).unwrap();
            let _ = ArrayFile::open(&path);
        }
    }
}

#[test]
fn orders_of_axes_and_keys_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let path = folder.path().join("good.npz");
    let (time_first, _) = read_matrix(&path, Some("x"), None).unwrap();
    let (units_first, _) = read_matrix(&path, Some("x"), Some("units,time")).unwrap();
    assert_eq!(time_first.t(), units_first);
    let unknown = read_matrix(&path, None, None).unwrap_err().to_string();
    assert!(unknown.contains("x, n, labels"), "{unknown}");
    assert!(read_matrix(&path, Some("x"), Some("sideways")).is_err());
    let wide = folder.path().join("wide.npz");
    Npz::new().f64("w", Array2::zeros((2, 9)).view().into_dyn()).write(&wide).unwrap();
    assert_eq!(read_matrix(&wide, None, None).unwrap().1.len(), 1);
    assert!(read_matrix(&folder.path().join("absent.npy"), None, None).is_err());
}
