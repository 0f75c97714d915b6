//! The file of a checkpoint: a safetensors file that other programs can read, sealed with a hash.
//!
//! Tensors `model.PATH` and `optimizer.PATH.NAME`; one metadata entry `neuropil` holds the rest as JSON, with the
//! SHA-256 of everything else in the file. A file is written under a temporary name and renamed.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::tensor::{BoolStore, DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::training::Position;
use crate::training::tensors::Named;
use crate::training::update::Number;

const FORMAT: &str = "neuropil.checkpoint/1";
const KEY: &str = "neuropil";

/// What a checkpoint holds.
pub(super) struct Checkpoint {
    /// [`crate::training::Training`] as JSON, epochs left out.
    pub(super) plan: String,
    /// What the run is of, as JSON.
    pub(super) about: String,
    pub(super) position: Position,
    pub(super) observer: Value,
    pub(super) model: Named,
    pub(super) optimizer: Named,
    pub(super) scalars: BTreeMap<String, Number>,
    /// Rank of each parameter that the optimiser remembers.
    pub(super) ranks: BTreeMap<String, usize>,
}

/// The metadata entry.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    sha256: String,
    body: String,
}

/// What the header's body says, as JSON in JSON so that it can be hashed as it was written.
#[derive(Serialize, Deserialize)]
struct Body {
    plan: String,
    about: String,
    position: Position,
    observer: Value,
    scalars: BTreeMap<String, Number>,
    ranks: BTreeMap<String, usize>,
}

/// One tensor on its way to or from the file.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// Writes the file whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut raw = BTreeMap::new();
        for (prefix, tensors) in [("model", &self.model), ("optimizer", &self.optimizer)] {
            for (name, data) in tensors {
                raw.insert(format!("{prefix}.{name}"), encode(data).map_err(|e| Error::checkpoint(path, e))?);
            }
        }
        let body = Body {
            plan: self.plan.clone(),
            about: self.about.clone(),
            position: self.position,
            observer: self.observer.clone(),
            scalars: self.scalars.clone(),
            ranks: self.ranks.clone(),
        };
        let json = |e: serde_json::Error| Error::checkpoint(path, e);
        let body = serde_json::to_string(&body).map_err(json)?;
        let header = Header { format: FORMAT.to_owned(), sha256: hash(&body, &raw), body };
        let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&header).map_err(json)?)]);
        let views = raw
            .iter()
            .map(|(name, raw)| {
                Ok((name.as_str(), TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes)?))
            })
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| Error::checkpoint(path, e))?;
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| Error::checkpoint(path, e))?;
        replace(path, &bytes).map_err(|e| Error::io(path, e))
    }

    /// Reads a file and believes nothing that its hash does not cover.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&bytes).map_err(|reason| Error::checkpoint(path, reason))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let damaged = |e: &dyn std::fmt::Display| format!("it is not a whole checkpoint: {e}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(&e))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(&e))?;
        let entry = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let entry = entry.ok_or("it is a safetensors file, but not a checkpoint of a training run")?;
        let header: Header = serde_json::from_str(entry).map_err(|e| damaged(&e))?;
        if header.format != FORMAT {
            return Err(format!("its format is {:?}, this build reads {FORMAT:?}", header.format));
        }
        let raw: BTreeMap<String, Raw> = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                (name, Raw { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() })
            })
            .collect();
        if hash(&header.body, &raw) != header.sha256 {
            return Err("it is damaged: its contents do not have the hash that it names".to_owned());
        }
        let body: Body = serde_json::from_str(&header.body).map_err(|e| damaged(&e))?;
        let (mut model, mut optimizer) = (BTreeMap::new(), BTreeMap::new());
        for (name, raw) in raw {
            let data = decode(raw).map_err(|e| format!("tensor {name}: {e}"))?;
            match (name.strip_prefix("model."), name.strip_prefix("optimizer.")) {
                (Some(rest), _) => model.insert(rest.to_owned(), data),
                (_, Some(rest)) => optimizer.insert(rest.to_owned(), data),
                _ => return Err(format!("tensor {name} belongs to neither model nor optimiser")),
            };
        }
        let Body { plan, about, position, observer, scalars, ranks } = body;
        Ok(Self { plan, about, position, observer, model, optimizer, scalars, ranks })
    }
}

/// SHA-256 over the body and every tensor with its name, type, shape and length.
fn hash(body: &str, tensors: &BTreeMap<String, Raw>) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(body.as_bytes());
    for (name, raw) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", raw.dtype, raw.shape).as_bytes());
        part(&raw.bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number types that both sides know.
const TYPES: &[(DType, Dtype)] = &[
    (DType::F64, Dtype::F64),
    (DType::F32, Dtype::F32),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I64, Dtype::I64),
    (DType::I32, Dtype::I32),
    (DType::I16, Dtype::I16),
    (DType::I8, Dtype::I8),
    (DType::U64, Dtype::U64),
    (DType::U32, Dtype::U32),
    (DType::U16, Dtype::U16),
    (DType::U8, Dtype::U8),
    (DType::Bool(BoolStore::Native), Dtype::BOOL),
];

fn encode(data: &TensorData) -> std::result::Result<Raw, String> {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    if matches!(data.dtype(), DType::Bool(_)) {
        return Ok(Raw { dtype: Dtype::BOOL, shape, bytes: data.iter::<bool>().map(u8::from).collect() });
    }
    let found = TYPES.iter().find(|(ours, _)| *ours == data.dtype());
    let (_, dtype) =
        found.ok_or_else(|| format!("number type {:?} has no place in safetensors", data.dtype()))?;
    Ok(Raw { dtype: *dtype, shape, bytes: data.as_bytes().to_vec() })
}

fn decode(raw: Raw) -> std::result::Result<TensorData, String> {
    let found = TYPES.iter().find(|(_, theirs)| *theirs == raw.dtype);
    let (dtype, _) =
        found.ok_or_else(|| format!("number type {:?} is not one of a checkpoint", raw.dtype))?;
    if raw.dtype == Dtype::BOOL && raw.bytes.iter().any(|&b| b > 1) {
        return Err("a boolean is neither 0 nor 1".to_owned());
    }
    TensorData::try_from_bytes_vec(raw.bytes, raw.shape, *dtype).map_err(|e| e.to_string())
}

/// Writes under a temporary name in the same folder, then renames.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new().prefix(".neuropil-").tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    // Temporary files are private; an output file has the usual permissions.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    temporary.persist(path).map_err(|e| e.error)?;
    Ok(())
}
