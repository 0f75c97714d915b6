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
        let text = std::fs::read_to_string(&index).map_err(|e| Error::file(&index, e))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| Error::file(&index, e))?;
        let map = value.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| Error::file(&index, "no object weight_map"))?;
        let mut shards: Vec<&str> = map.values().filter_map(Value::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        // A name is a file beside the index, not a path out of the folder.
        if let Some(odd) = shards.iter().find(|s| Path::new(s).file_name().is_none_or(|name| name != **s)) {
            return Err(Error::file(&index, format!("shard {odd:?} is no plain file name")));
        }
        let weights = Self::read_headers(shards.iter().map(|s| folder.join(s)).collect())?;
        match map.keys().find(|name| !weights.entries.contains_key(*name)) {
            Some(name) => Err(Error::Weights {
                name: name.clone(),
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
        let wrong =
            |expected: String, found: String| Error::Weights { name: name.to_owned(), expected, found };
        let Some(entry) = self.entries.get(name) else {
            return Err(wrong(format!("a tensor {shape:?}"), "nothing".to_owned()));
        };
        if entry.shape != shape {
            return Err(wrong(format!("shape {shape:?}"), format!("{:?}", entry.shape)));
        }
        let bytes = self.bytes(entry)?;
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => {
                bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
            }
            other => return Err(wrong("F32, F16 or BF16".to_owned(), format!("{other:?}"))),
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(wrong("finite values".to_owned(), format!("{} at element {i}", values[i])));
        }
        Ok(values)
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
            hash.update(self.bytes(entry)?);
            hash.update(b"\n");
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }

    fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let path = &self.files[entry.file];
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(entry.start))?;
            let mut bytes = vec![0; entry.bytes];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e: std::io::Error| Error::file(path, e))
    }
}
