//! NumPy's `.npz` archives.

use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use ndarray::ArrayViewD;
use zip::write::SimpleFileOptions;

use super::{Array, npy};
use crate::{Error, Result, atomic};

/// A compressed entry may expand to at most this many times its compressed bytes. Deflate cannot exceed 1032.
pub const EXPANSION: u64 = 1100;

pub(super) fn read_file(path: &Path) -> Result<Vec<(String, Array)>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    read(BufReader::new(file), length, path)
}

/// Reads an archive of `length` bytes; `path` is its name in errors.
pub(super) fn read(input: impl Read + Seek, length: u64, path: &Path) -> Result<Vec<(String, Array)>> {
    let mut archive =
        zip::ZipArchive::new(input).map_err(|e| Error::format(path, format!("not an npz archive: {e}")))?;
    // Entries may share bytes ("overlapping" bombs): the file's length pays for all of them together.
    let mut purse = length.saturating_mul(EXPANSION);
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for index in 0..archive.len() {
        let mut entry =
            archive.by_index(index).map_err(|e| Error::format(path, format!("entry {index}: {e}")))?;
        if entry.is_dir() {
            continue;
        }
        let full = entry.name().map_err(|e| Error::format(path, format!("entry {index}: {e}")))?.into_owned();
        let name = full.strip_suffix(".npy").unwrap_or(&full).to_owned();
        let limit =
            entry.compressed_size().min(length).saturating_mul(EXPANSION).min(entry.size()).min(purse);
        let array = npy::read(&mut entry, limit, path, &name)?;
        purse = purse.saturating_sub(limit);
        // NumPy refuses objects here; a damaged checksum shows when the entry has been read to its end.
        std::io::copy(&mut entry, &mut std::io::sink())
            .map_err(|e| Error::format(path, format!("{name}: {e}")))?;
        if arrays.iter().any(|(n, _)| *n == name) {
            return Err(Error::format(path, format!("two arrays are called {name:?}")));
        }
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// An `.npz` archive to be written: uncompressed, as `numpy.savez` does.
#[derive(Debug, Default)]
pub struct Npz {
    entries: Vec<(String, Vec<u8>)>,
}

impl Npz {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With an array of 64-bit floats.
    #[must_use]
    pub fn f64(self, name: &str, array: ArrayViewD<'_, f64>) -> Self {
        self.with(name, npy::encode(array))
    }

    /// With an array of 32-bit floats.
    #[must_use]
    pub fn f32(self, name: &str, array: ArrayViewD<'_, f32>) -> Self {
        self.with(name, npy::encode(array))
    }

    /// With an array of signed 64-bit numbers.
    #[must_use]
    pub fn i64(self, name: &str, array: ArrayViewD<'_, i64>) -> Self {
        self.with(name, npy::encode(array))
    }

    /// With an array of unsigned 32-bit numbers.
    #[must_use]
    pub fn u32(self, name: &str, array: ArrayViewD<'_, u32>) -> Self {
        self.with(name, npy::encode(array))
    }

    /// With an array of unsigned 16-bit numbers.
    #[must_use]
    pub fn u16(self, name: &str, array: ArrayViewD<'_, u16>) -> Self {
        self.with(name, npy::encode(array))
    }

    /// With a list of strings.
    #[must_use]
    pub fn text(self, name: &str, values: &[String]) -> Self {
        self.with(name, npy::encode_text(values))
    }

    /// Writes the archive under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        atomic::write(path, |file| {
            let mut archive = zip::ZipWriter::new(file);
            let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            for (name, bytes) in &self.entries {
                let options = options.large_file(bytes.len() as u64 >= u64::from(u32::MAX));
                archive.start_file(format!("{name}.npy"), options).map_err(std::io::Error::other)?;
                archive.write_all(bytes)?;
            }
            archive.finish().map_err(std::io::Error::other)?;
            Ok(())
        })
        .map_err(|e| Error::io(path, e))
    }

    fn with(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.entries.push((name.to_owned(), bytes));
        self
    }
}
