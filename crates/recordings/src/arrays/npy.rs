//! NumPy's `.npy` format, versions 1 to 3.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use half::f16;
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

use super::Array;
use crate::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself writes headers of some hundred bytes.
const LONGEST_HEADER: usize = 1 << 16;

pub(super) fn read_file(path: &Path) -> Result<Array> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    read(&mut BufReader::new(file), length, path, "array")
}

/// Reads one array from a stream that is known to hold at most `limit` bytes.
pub(super) fn read(input: &mut impl Read, limit: u64, path: &Path, name: &str) -> Result<Array> {
    let bad = |reason: String| Error::format(path, format!("{name}: {reason}"));
    let ended = |e: std::io::Error| bad(format!("the header ends early ({e})"));
    let mut head = [0_u8; 8];
    input.read_exact(&mut head).map_err(ended)?;
    if !head.starts_with(MAGIC) {
        return Err(bad("does not begin as an .npy file".to_owned()));
    }
    let length = match head[6] {
        1 => {
            let mut n = [0_u8; 2];
            input.read_exact(&mut n).map_err(ended)?;
            usize::from(u16::from_le_bytes(n))
        }
        2 | 3 => {
            let mut n = [0_u8; 4];
            input.read_exact(&mut n).map_err(ended)?;
            u32::from_le_bytes(n) as usize
        }
        other => return Err(bad(format!("version {other}, expected 1 to 3"))),
    };
    if length > LONGEST_HEADER {
        return Err(bad(format!("a header of {length} bytes, at most {LONGEST_HEADER}")));
    }
    let mut text = vec![0_u8; length];
    input.read_exact(&mut text).map_err(ended)?;
    let text = String::from_utf8(text).map_err(|_| bad("the header is no text".to_owned()))?;
    let header = Header::parse(&text).map_err(bad)?;
    let bytes = header.bytes().ok_or_else(|| bad(format!("shape {:?} overflows", header.shape)))?;
    if bytes > limit {
        return Err(Error::Limit {
            path: path.to_owned(),
            what: format!("{name} of shape {:?}", header.shape),
            declared: bytes,
            limit,
        });
    }
    let mut data = Vec::new();
    input.take(bytes).read_to_end(&mut data).map_err(|e| Error::io(path, e))?;
    if data.len() as u64 != bytes {
        return Err(bad(format!("data end after {} of {bytes} bytes", data.len())));
    }
    header.decode(&data).map_err(bad)
}

/// What the header's dictionary says.
#[derive(Debug, PartialEq)]
struct Header {
    big_endian: bool,
    kind: char,
    width: usize,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let descr = value_of(text, "descr")?;
        let descr = descr
            .strip_prefix(['\'', '"'])
            .and_then(|d| d.find(['\'', '"']).and_then(|end| d.get(..end)))
            .ok_or("structured number types are not supported")?;
        let fortran = value_of(text, "fortran_order")?;
        let fortran = if fortran.starts_with("True") {
            true
        } else if fortran.starts_with("False") {
            false
        } else {
            return Err("fortran_order is neither True nor False".to_owned());
        };
        let shape = value_of(text, "shape")?;
        let shape = shape
            .strip_prefix('(')
            .and_then(|s| s.find(')').and_then(|end| s.get(..end)))
            .ok_or("shape is not a tuple")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| s.parse().map_err(|_| format!("axis length {s:?}")))
            .collect::<std::result::Result<Vec<usize>, String>>()?;
        let mut letters = descr.chars();
        let mut kind = letters.next().ok_or("empty number type")?;
        let mut big_endian = false;
        if matches!(kind, '<' | '>' | '|' | '=') {
            big_endian = kind == '>';
            kind = letters.next().ok_or("empty number type")?;
        }
        let width =
            letters.as_str().parse().map_err(|_| format!("number type {descr:?} is not supported"))?;
        match (kind, width) {
            ('f', 2 | 4 | 8) | ('i' | 'u', 1 | 2 | 4 | 8) | ('b', 1) | ('U' | 'S', _) => {}
            _ => return Err(format!("number type {descr:?} is not supported")),
        }
        Ok(Self { big_endian, kind, width, fortran, shape })
    }

    /// Bytes of one element.
    fn size(&self) -> usize {
        if self.kind == 'U' { self.width.saturating_mul(4) } else { self.width }
    }

    fn count(&self) -> Option<usize> {
        // ndarray refuses products of non-zero axes beyond isize, even when another axis is zero.
        let nonzero = self.shape.iter().filter(|n| **n > 0).try_fold(1_usize, |a, n| a.checked_mul(*n))?;
        isize::try_from(nonzero).ok()?;
        Some(if self.shape.contains(&0) { 0 } else { nonzero })
    }

    fn bytes(&self) -> Option<u64> {
        let count = self.count()?;
        // Strings of width zero take no bytes but each costs a String: they are held to the file's length too.
        u64::try_from(count.checked_mul(self.size().max(1))?)
            .ok()
            .filter(|_| self.size() > 0 || count <= 1 << 16)
            .map(|b| if self.size() == 0 { 0 } else { b })
    }

    fn decode(&self, data: &[u8]) -> std::result::Result<Array, String> {
        Ok(match (self.kind, self.width) {
            ('f', 8) => Array::F64(self.build(self.elements(data, f64::from_le_bytes))?),
            ('f', 4) => Array::F32(self.build(self.elements(data, f32::from_le_bytes))?),
            ('f', _) => Array::F16(self.build(self.elements(data, f16::from_le_bytes))?),
            ('i', 8) => Array::I64(self.build(self.elements(data, i64::from_le_bytes))?),
            ('i', 4) => Array::I64(self.build(self.elements(data, |b| i32::from_le_bytes(b).into()))?),
            ('i', 2) => Array::I64(self.build(self.elements(data, |b| i16::from_le_bytes(b).into()))?),
            ('i', _) => Array::I64(self.build(self.elements(data, |b| i8::from_le_bytes(b).into()))?),
            ('u', 8) => Array::U64(self.build(self.elements(data, u64::from_le_bytes))?),
            ('u', 4) => Array::I64(self.build(self.elements(data, |b| u32::from_le_bytes(b).into()))?),
            ('u', 2) => Array::I64(self.build(self.elements(data, |b| u16::from_le_bytes(b).into()))?),
            ('u', _) => Array::I64(self.build(self.elements(data, |b| u8::from_le_bytes(b).into()))?),
            ('b', _) => Array::Bool(self.build(data.iter().map(|b| *b != 0).collect())?),
            _ => Array::Text(self.build(self.strings(data)?)?),
        })
    }

    fn elements<const N: usize, T>(&self, data: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (chunks, _) = data.as_chunks::<N>();
        chunks
            .iter()
            .map(|chunk| {
                let mut bytes = *chunk;
                if self.big_endian {
                    bytes.reverse();
                }
                read(bytes)
            })
            .collect()
    }

    fn strings(&self, data: &[u8]) -> std::result::Result<Vec<String>, String> {
        if self.size() == 0 {
            return Ok(vec![String::new(); self.count().unwrap_or(0)]);
        }
        data.chunks_exact(self.size())
            .map(|cell| {
                if self.kind == 'S' {
                    let text =
                        String::from_utf8(cell.to_vec()).map_err(|_| "text that is not UTF-8".to_owned())?;
                    return Ok(text.trim_end_matches('\0').to_owned());
                }
                let text: Option<String> =
                    self.elements(cell, u32::from_le_bytes).into_iter().map(char::from_u32).collect();
                Ok(text.ok_or("text that is not Unicode")?.trim_end_matches('\0').to_owned())
            })
            .collect()
    }

    fn build<T>(&self, values: Vec<T>) -> std::result::Result<ArrayD<T>, String> {
        let shape = IxDyn(&self.shape);
        ArrayD::from_shape_vec(shape.set_f(self.fortran), values).map_err(|e| e.to_string())
    }
}

/// The text after `'key':` in the header's dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> std::result::Result<&'a str, String> {
    [format!("'{key}'"), format!("\"{key}\"")]
        .iter()
        .find_map(|quoted| text.split_once(quoted.as_str()))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| format!("the header lacks {key}"))
}

/// Element types that are written.
pub(super) trait Element: Copy {
    const DESCR: &'static str;
    fn put(self, out: &mut Vec<u8>);
}

impl Element for f64 {
    const DESCR: &'static str = "<f8";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}
impl Element for f32 {
    const DESCR: &'static str = "<f4";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}
impl Element for i64 {
    const DESCR: &'static str = "<i8";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}
impl Element for u32 {
    const DESCR: &'static str = "<u4";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}
impl Element for u16 {
    const DESCR: &'static str = "<u2";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

/// The bytes of an `.npy` file.
pub(super) fn encode<T: Element>(array: ArrayViewD<'_, T>) -> Vec<u8> {
    let mut out = preamble(T::DESCR, array.shape());
    out.reserve(array.len() * size_of::<T>());
    array.iter().for_each(|x| x.put(&mut out));
    out
}

/// The bytes of an `.npy` file of strings, NumPy's `<U` type.
pub(super) fn encode_text(values: &[String]) -> Vec<u8> {
    let width = values.iter().map(|v| v.chars().count()).max().unwrap_or(0).max(1);
    let mut out = preamble(&format!("<U{width}"), &[values.len()]);
    for value in values {
        let letters = value.chars().map(u32::from).chain(std::iter::repeat(0));
        letters.take(width).for_each(|c| c.put(&mut out));
    }
    out
}

fn preamble(descr: &str, shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|n| format!("{n},")).collect();
    let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    let padding = 64 - (MAGIC.len() + 4 + dictionary.len() + 1) % 64;
    let length = dictionary.len() + padding % 64 + 1;
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&(length as u16).to_le_bytes());
    // Writing to a vector cannot fail.
    let _ = writeln!(out, "{dictionary:<width$}", width = length - 1);
    out
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    fn decode(bytes: &[u8]) -> Result<Array> {
        read(&mut &bytes[..], bytes.len() as u64, Path::new("t.npy"), "array")
    }

    fn file(dictionary: &str, data: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[1, 0]);
        out.extend_from_slice(&(dictionary.len() as u16).to_le_bytes());
        out.extend_from_slice(dictionary.as_bytes());
        out.extend_from_slice(data);
        out
    }

    #[test]
    fn what_is_written_is_read_back_and_aligned_as_numpy_wants() {
        let a = arr2(&[[1.0, 2.0, f64::NAN], [4.0, 5.0, 6.0]]).into_dyn();
        let bytes = encode(a.view());
        assert_eq!((bytes.len() - 48) % 64, 0);
        let back = decode(&bytes).unwrap().to_f64().unwrap();
        assert!(back.iter().zip(&a).all(|(x, y)| x.to_bits() == y.to_bits()));
        let words = vec!["AVAL".to_owned(), "é".to_owned(), String::new()];
        assert_eq!(decode(&encode_text(&words)).unwrap().to_text().unwrap(), words);
    }

    #[test]
    fn fortran_order_and_big_endian_are_heard() {
        let data: Vec<u8> = [1_i16, 2, 3, 4, 5, 6].iter().flat_map(|x| x.to_be_bytes()).collect();
        let bytes = file("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", &data);
        let got = decode(&bytes).unwrap().to_i64().unwrap();
        assert_eq!(got, arr2(&[[1, 3, 5], [2, 4, 6]]).into_dyn());
    }

    #[test]
    fn hostile_headers_are_refused_before_anything_is_allocated() {
        for dictionary in [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 9999999999999), }",
            "{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1",
            "",
            "{'shape': 3}",
        ] {
            assert!(decode(&file(dictionary, &[0; 8])).is_err(), "{dictionary}");
        }
        let promise = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }";
        assert!(
            matches!(decode(&file(promise, &[0; 8])), Err(Error::Limit { .. })),
            "refused before it is read"
        );
        assert!(decode(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").is_err());
        assert!(decode(b"PK").is_err());
    }
}
