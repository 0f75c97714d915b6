//! Weight files: one `model.safetensors` or the shards of an index, read tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Where one tensor lies.
#[derive(Debug, Clone)]
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    bytes: usize,
}

/// The tensors of a folder; nothing is read before it is asked for.
#[derive(Debug)]
pub struct WeightFiles {
    files: Vec<PathBuf>,
    entries: BTreeMap<String, Entry>,
}

/// The longest header that is read: Hugging Face's own limit.
const HEADER: u64 = 100 << 20;
/// Bytes of a tensor that are read at a time: whole numbers of every type.
const PIECE: usize = 1 << 20;

impl WeightFiles {
    /// Reads the headers of `model.safetensors`, or of the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or damaged file, [`Error::Weights`] for a tensor that is in no shard.
    pub fn open(folder: &Path) -> Result<Self> {
        let (single, index) = (folder.join("model.safetensors"), folder.join("model.safetensors.index.json"));
        if single.is_file() || !index.is_file() {
            return Self::read_headers(vec![single]);
        }
        let (map, shards) = weight_map(&index)?;
        let weights = Self::read_headers(shards.iter().map(|s| folder.join(s)).collect())?;
        match map.iter().find(|name| !weights.entries.contains_key(*name)) {
            Some(name) => Err(Error::Weights {
                name: format!("{name} of {}", index.display()),
                expected: "a tensor of a shard".to_owned(),
                found: "nothing: no shard holds it".to_owned(),
            }),
            None => Ok(weights),
        }
    }

    /// Reads the header of one file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open_file(path: &Path) -> Result<Self> {
        Self::read_headers(vec![path.to_path_buf()])
    }

    fn read_headers(files: Vec<PathBuf>) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for (number, path) in files.iter().enumerate() {
            let mut file = File::open(path).map_err(|e| Error::file(path, e))?;
            let total = file.metadata().map_err(|e| Error::file(path, e))?.len();
            let mut length = [0; 8];
            file.read_exact(&mut length).map_err(|e| Error::file(path, e))?;
            let header = u64::from_le_bytes(length);
            if header > HEADER || header + 8 > total {
                return Err(Error::file(path, format!("a header of {header} bytes in a file of {total}")));
            }
            let mut bytes = Vec::new();
            (&mut file).take(header).read_to_end(&mut bytes).map_err(|e| Error::file(path, e))?;
            let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|e| Error::file(path, e))?;
            for (name, info) in metadata.tensors() {
                let (from, to) = info.data_offsets;
                let start = 8 + header + from as u64;
                if start + (to - from) as u64 > total {
                    return Err(Error::file(path, format!("{name} ends beyond the file: it is truncated")));
                }
                let entry = Entry {
                    file: number,
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    start,
                    bytes: to - from,
                };
                if entries.insert(name.clone(), entry).is_some() {
                    return Err(Error::file(path, format!("{name} is in an earlier shard too")));
                }
            }
        }
        Ok(Self { files, entries })
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Elements of all tensors.
    #[must_use]
    pub fn elements(&self) -> u64 {
        let sizes = self.entries.values().map(|e| e.shape.iter().map(|n| *n as u64).product::<u64>());
        sizes.fold(0, u64::saturating_add)
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|e| e.shape.as_slice())
    }

    /// The values of a tensor as 32-bit floats.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is missing, of another shape or number type, or holds NaN or an infinity;
    /// [`Error::File`].
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.read_as(name, shape)
    }

    /// The values of a tensor as numbers of another type; stored f16, bf16 and f32 are widened without loss, and narrowed
    /// to the nearest. The file is read in pieces, so that memory holds the values once.
    pub(crate) fn read_as<T: Weight>(&self, name: &str, shape: &[usize]) -> Result<Vec<T>> {
        let Some(entry) = self.entries.get(name) else {
            let found = format!("nothing in {}", self.place());
            return Err(Error::Weights {
                name: name.to_owned(),
                expected: format!("a tensor {shape:?}"),
                found,
            });
        };
        let wrong = |expected: String, found: String| Error::Weights {
            name: format!("{name} of {}", self.files[entry.file].display()),
            expected,
            found,
        };
        if entry.shape != shape {
            return Err(wrong(format!("shape {shape:?}"), format!("{:?}", entry.shape)));
        }
        let widen: fn(&[u8]) -> f32 = match entry.dtype {
            Dtype::F32 => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Dtype::F16 => |b| f16::from_le_bytes([b[0], b[1]]).to_f32(),
            Dtype::BF16 => |b| bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            other => return Err(wrong("F32, F16 or BF16".to_owned(), format!("{other:?}"))),
        };
        let width = if entry.dtype == Dtype::F32 { 4 } else { 2 };
        let mut values: Vec<T> = Vec::with_capacity(entry.bytes / width);
        let mut bad = None;
        self.pieces(entry, |bytes| {
            for stored in bytes.chunks_exact(width) {
                let stored = widen(stored);
                let value = T::narrow(stored);
                if bad.is_none() && !value.is_finite() {
                    bad = Some((values.len(), stored));
                }
                values.push(value);
            }
        })?;
        match bad {
            None => Ok(values),
            Some((i, x)) if x.is_finite() => {
                Err(wrong(format!("values that fit {}", T::NAME), format!("{x:e} at element {i}")))
            }
            Some((i, x)) => Err(wrong("finite values".to_owned(), format!("{x} at element {i}"))),
        }
    }

    /// The files, for messages.
    pub(crate) fn place(&self) -> String {
        match self.files.as_slice() {
            [] => "no file".to_owned(),
            [one] => one.display().to_string(),
            [first, .., last] => format!("{} to {}", first.display(), last.display()),
        }
    }

    /// The hash of the tensors, however they are cut into files: that of [`recordings::tensors_sha256`].
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn tensors_sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for (name, entry) in &self.entries {
            let shape: Vec<String> = entry.shape.iter().map(usize::to_string).collect();
            hash.update(format!("{name}|{:?}|{}|", entry.dtype, shape.join(",")));
            self.pieces(entry, |bytes| hash.update(bytes))?;
            hash.update(b"\n");
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }

    /// Shows the bytes of a tensor, piece after piece.
    fn pieces(&self, entry: &Entry, mut show: impl FnMut(&[u8])) -> Result<()> {
        let path = &self.files[entry.file];
        let mut read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(entry.start))?;
            let mut piece = vec![0; entry.bytes.min(PIECE)];
            let mut left = entry.bytes;
            while left > 0 {
                let now = &mut piece[..left.min(PIECE)];
                file.read_exact(now)?;
                show(now);
                left -= now.len();
            }
            Ok(())
        };
        read().map_err(|e: std::io::Error| Error::file(path, e))
    }
}

/// The tensors that an index names, and the shards that hold them: plain file names, sorted, each once.
fn weight_map(index: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let text = std::fs::read_to_string(index).map_err(|e| Error::file(index, e))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| Error::file(index, e))?;
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| Error::file(index, "no object weight_map"))?;
    let mut shards = Vec::with_capacity(map.len());
    for (name, shard) in map {
        let odd = || Error::file(index, format!("weight_map: {name}: {shard} is no file name"));
        shards.push(shard.as_str().ok_or_else(odd)?.to_owned());
    }
    if shards.is_empty() {
        return Err(Error::file(index, "weight_map names no shard"));
    }
    shards.sort_unstable();
    shards.dedup();
    // A name is a file beside the index, not a path out of the folder.
    if let Some(odd) = shards.iter().find(|s| Path::new(s).file_name().is_none_or(|name| name != s.as_str()))
    {
        return Err(Error::file(index, format!("shard {odd:?} is no plain file name")));
    }
    Ok((map.keys().cloned().collect(), shards))
}

/// The shards that an index names.
#[cfg(feature = "hub")]
pub(crate) fn shards(index: &Path) -> Result<Vec<String>> {
    weight_map(index).map(|(_, shards)| shards)
}

/// A number type that weights are held in.
pub(crate) trait Weight: burn::tensor::Element + Default {
    /// Its name in messages.
    const NAME: &'static str;
    /// The nearest such number.
    fn narrow(x: f32) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

macro_rules! weight {
    ($type:ty, $name:literal, $narrow:expr) => {
        impl Weight for $type {
            const NAME: &'static str = $name;
            fn narrow(x: f32) -> Self {
                $narrow(x)
            }
            fn is_finite(self) -> bool {
                <$type>::is_finite(self)
            }
        }
    };
}
weight!(f64, "f64", f64::from);
weight!(f32, "f32", |x| x);
weight!(f16, "f16", f16::from_f32);
weight!(bf16, "bf16", bf16::from_f32);
