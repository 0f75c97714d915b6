//! Files of `torch.save`: a zip of one pickle and one member of bytes per storage.

use std::io::{Cursor, Read};
use std::path::Path;

use half::f16;
use zip::ZipArchive;

use super::limits::{check_archive, over, unfolded};
use super::pickle::{Id, Pickle, Value};
use crate::{Error, Result};

/// Whether a zip archive is a torch file.
pub(crate) fn is_torch(path: &Path, bytes: &[u8]) -> Result<bool> {
    let archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| Error::format(path, format!("not a whole zip archive: {e}")))?;
    Ok(pickle_member(&archive).is_some())
}

/// The member that holds the pickle.
fn pickle_member(archive: &ZipArchive<Cursor<&[u8]>>) -> Option<String> {
    let mut names = archive.file_names().filter_map(|n| n.ok());
    names.find(|n| n == "data.pkl" || n.ends_with("/data.pkl")).map(|n| n.into_owned())
}

/// An open file.
pub(crate) struct Torch<'a> {
    path: &'a Path,
    archive: ZipArchive<Cursor<&'a [u8]>>,
    prefix: String,
    pickle: Pickle,
    limit: u64,
}

/// A tensor's elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    /// Integers up to 2^53 are exact.
    pub(crate) values: Vec<f64>,
}

impl<'a> Torch<'a> {
    pub(crate) fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        check_archive(path, bytes)?;
        let wrong = |e: zip::result::ZipError| Error::format(path, format!("not a whole zip archive: {e}"));
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
        let Some(name) = pickle_member(&archive) else {
            return Err(Error::format(path, "no member data.pkl: not a torch file"));
        };
        let prefix = name.trim_end_matches("data.pkl").to_owned();
        let limit = unfolded(bytes.len());
        let order = member(path, &mut archive, &format!("{prefix}byteorder"), limit).unwrap_or_default();
        if !order.is_empty() && order != b"little" {
            return Err(Error::format(path, "written on a big-endian machine"));
        }
        let pickle = Pickle::parse(path, &member(path, &mut archive, &name, limit)?)?;
        Ok(Self { path, archive, prefix, pickle, limit })
    }

    pub(crate) fn pickle(&self) -> &Pickle {
        &self.pickle
    }

    /// The tensor under a key of the top dictionary; `None` without that key.
    pub(crate) fn tensor(&mut self, key: &str) -> Result<Option<Tensor>> {
        let Some(id) = self.pickle.entry(self.pickle.result(), key) else { return Ok(None) };
        let wrong = |what: &str| Error::format(self.path, format!("{key:?}: {what}"));
        let Value::Call("torch._utils _rebuild_tensor_v2", arguments) = *self.pickle.get(id) else {
            return Err(wrong("not a tensor"));
        };
        let Value::Tuple(arguments) = self.pickle.get(arguments) else { return Err(wrong("not a tensor")) };
        let [storage, offset, shape, stride, ..] = arguments.as_slice() else {
            return Err(wrong("a tensor with too few arguments"));
        };
        let offset = self.size(*offset).ok_or_else(|| wrong("offset"))?;
        let shape = self.sizes(*shape).ok_or_else(|| wrong("shape"))?;
        let stride = self.sizes(*stride).ok_or_else(|| wrong("strides"))?;
        let (kind, member_name) = self.storage(*storage).ok_or_else(|| wrong("storage"))?;
        if shape.len() != stride.len() || shape.len() > 4 {
            return Err(wrong("shape and strides differ"));
        }
        let count = shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s)).ok_or_else(|| wrong("shape"))?;
        let bytes = member(self.path, &mut self.archive, &member_name, self.limit)?;
        let available = bytes.len() / kind.size();
        // A tensor may repeat elements by stride 0; ours must lie in its storage once.
        if count > available {
            let declared = (count as u64).saturating_mul(kind.size() as u64);
            return Err(over(self.path, &format!("tensor {key:?}"), declared, bytes.len() as u64));
        }
        let mut values = Vec::with_capacity(count);
        for flat in 0..count {
            let (mut rest, mut at) = (flat, offset);
            for (size, step) in shape.iter().zip(&stride).rev() {
                at = at
                    .checked_add((rest % size).saturating_mul(*step))
                    .ok_or_else(|| Error::format(self.path, format!("{key:?}: strides")))?;
                rest /= size;
            }
            if at >= available {
                let reason =
                    format!("{key:?}: element {at} is beyond its storage of {available} (cut short?)");
                return Err(Error::format(self.path, reason));
            }
            values.push(kind.decode(&bytes[at * kind.size()..(at + 1) * kind.size()]));
        }
        Ok(Some(Tensor { shape, values }))
    }

    fn storage(&self, id: Id) -> Option<(Kind, String)> {
        let Value::Persistent(id) = self.pickle.get(id) else { return None };
        let Value::Tuple(parts) = self.pickle.get(*id) else { return None };
        let [tag, class, key, ..] = parts.as_slice() else { return None };
        let (Value::Text(tag), Value::Name(class), Value::Text(key)) =
            (self.pickle.get(*tag), self.pickle.get(*class), self.pickle.get(*key))
        else {
            return None;
        };
        let kind = match *class {
            "torch FloatStorage" => Kind::F32,
            "torch DoubleStorage" => Kind::F64,
            "torch LongStorage" => Kind::I64,
            "torch IntStorage" => Kind::I32,
            "torch HalfStorage" => Kind::F16,
            "torch ByteStorage" | "torch BoolStorage" => Kind::U8,
            _ => return None,
        };
        (tag == "storage").then(|| (kind, format!("{}data/{key}", self.prefix)))
    }

    fn size(&self, id: Id) -> Option<usize> {
        match self.pickle.get(id) {
            Value::Int(x) => usize::try_from(*x).ok(),
            _ => None,
        }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        match self.pickle.get(id) {
            Value::Tuple(ids) => ids.iter().map(|id| self.size(*id)).collect(),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    F16,
    F32,
    F64,
    I32,
    I64,
    U8,
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// `raw` has as many bytes as [`Kind::size`] says.
    fn decode(self, raw: &[u8]) -> f64 {
        let word = raw.iter().rev().fold(0_u64, |acc, b| (acc << 8) | u64::from(*b));
        match self {
            Self::U8 => word as f64,
            Self::F16 => f16::from_bits(word as u16).to_f64(),
            Self::F32 => f64::from(f32::from_bits(word as u32)),
            Self::I32 => f64::from(word as u32 as i32),
            Self::F64 => f64::from_bits(word),
            Self::I64 => (word as i64) as f64,
        }
    }
}

fn member(path: &Path, archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, limit: u64) -> Result<Vec<u8>> {
    let file = archive.by_name(name).map_err(|e| Error::format(path, format!("member {name:?}: {e}")))?;
    let mut out = Vec::new();
    let wrong = |e: std::io::Error| Error::format(path, format!("member {name:?}: {e}"));
    file.take(limit + 1).read_to_end(&mut out).map_err(wrong)?;
    if out.len() as u64 > limit {
        return Err(over(path, &format!("member {name:?}"), out.len() as u64, limit));
    }
    Ok(out)
}
