//! Arrays in `.npy`, `.npz` and `.safetensors` files.
//!
//! **Limits.** Sizes declared in a header are never allocated before the bytes are there: an uncompressed array costs
//! at most the file's own length, a compressed one at most [`EXPANSION`] times the compressed bytes.

mod array;
mod matrix;
mod npy;
mod npz;
mod tensors;

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, Ix1, Ix2, Ix3};

pub use array::Array;
pub use matrix::read_matrix;
pub use npz::{EXPANSION, Npz};
pub use tensors::Tensors;

use crate::{Error, Result};

/// A file of named arrays.
#[derive(Debug)]
pub struct ArrayFile {
    path: PathBuf,
    arrays: Vec<(String, Array)>,
    about: Option<String>,
}

impl ArrayFile {
    /// Reads every array of an `.npy` (one array, named `array`), `.npz` or `.safetensors` file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for damaged files or unsupported number types (objects, complex),
    /// [`Error::Limit`] for archives that expand beyond [`EXPANSION`].
    pub fn open(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if found.is_dir() {
            return Err(Error::io(path, std::io::ErrorKind::IsADirectory.into()));
        }
        if found.is_file() && found.len() == 0 {
            return Err(Error::format(path, "the file is empty"));
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let (arrays, about) = match extension.as_deref() {
            Some("npy") => (vec![("array".to_owned(), npy::read_file(path)?)], None),
            Some("npz") => (npz::read_file(path)?, None),
            Some("safetensors") => tensors::read_file(path)?,
            other => {
                let found = other.map_or_else(|| "no extension".to_owned(), |e| format!(".{e}"));
                return Err(Error::format(path, format!("{found}: expected .npy, .npz or .safetensors")));
            }
        };
        Ok(Self { path: path.to_owned(), arrays, about })
    }

    /// Reads an `.npz` archive that is in memory; `name` is its name in errors.
    ///
    /// # Errors
    /// Those of [`ArrayFile::open`].
    pub fn from_npz(bytes: &[u8], name: &str) -> Result<Self> {
        let path = PathBuf::from(name);
        let arrays = npz::read(std::io::Cursor::new(bytes), bytes.len() as u64, &path)?;
        Ok(Self { path, arrays, about: None })
    }

    /// What [`Tensors::about`] wrote into a `.safetensors` file.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// The names, in the file's order.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.arrays.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The array called `key`.
    ///
    /// # Errors
    /// [`Error::Key`] with the names there are.
    pub fn get(&self, key: &str) -> Result<&Array> {
        self.arrays
            .iter()
            .find_map(|(name, array)| (name == key).then_some(array))
            .ok_or_else(|| self.missing(format!("no array {key:?}")))
    }

    /// The array called `key`, or the only one when `key` is `None`.
    ///
    /// # Errors
    /// [`Error::Key`] with the names there are.
    pub fn pick(&self, key: Option<&str>) -> Result<(&str, &Array)> {
        match (key, self.arrays.as_slice()) {
            (None, [(name, array)]) => Ok((name, array)),
            (None, _) => Err(self.missing("several arrays or none: name one with a key".to_owned())),
            (Some(key), _) => {
                let array = self.get(key)?;
                let name = self.arrays.iter().find(|(n, _)| n == key).map_or("", |(n, _)| n);
                Ok((name, array))
            }
        }
    }

    /// A vector of numbers as `f64`.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for text, [`Error::Shape`].
    pub fn read_f64_1(&self, key: &str) -> Result<Array1<f64>> {
        let array = self.get(key)?;
        array.to_f64()?.into_dimensionality::<Ix1>().map_err(|_| self.shape(key, array, "one axis"))
    }

    /// A matrix of numbers as `f64`.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for text, [`Error::Shape`].
    pub fn read_f64_2(&self, key: &str) -> Result<Array2<f64>> {
        let array = self.get(key)?;
        array.to_f64()?.into_dimensionality::<Ix2>().map_err(|_| self.shape(key, array, "two axes"))
    }

    /// A vector of whole numbers.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for text or fractions, [`Error::Shape`].
    pub fn read_i64_1(&self, key: &str) -> Result<Array1<i64>> {
        let array = self.get(key)?;
        array.to_i64()?.into_dimensionality::<Ix1>().map_err(|_| self.shape(key, array, "one axis"))
    }

    /// A matrix of whole numbers.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for text or fractions, [`Error::Shape`].
    pub fn read_i64_2(&self, key: &str) -> Result<Array2<i64>> {
        let array = self.get(key)?;
        array.to_i64()?.into_dimensionality::<Ix2>().map_err(|_| self.shape(key, array, "two axes"))
    }

    /// Numbers with three axes.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for text, [`Error::Shape`].
    pub fn read_f64_3(&self, key: &str) -> Result<Array3<f64>> {
        let array = self.get(key)?;
        array.to_f64()?.into_dimensionality::<Ix3>().map_err(|_| self.shape(key, array, "three axes"))
    }

    /// A list of strings.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Type`] for numbers.
    pub fn read_text(&self, key: &str) -> Result<Vec<String>> {
        self.get(key)?.to_text()
    }

    fn missing(&self, wanted: String) -> Error {
        Error::Key { path: self.path.clone(), wanted, available: self.keys().join(", ") }
    }

    fn shape(&self, key: &str, array: &Array, expected: &str) -> Error {
        Error::Shape {
            what: format!("{}: {key}", self.path.display()),
            found: format!("{:?}", array.shape()),
            expected: expected.to_owned(),
        }
    }
}
