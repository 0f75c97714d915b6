//! What a Parquet file declares, held against its length before anything is decoded.
//!
//! A few bytes may claim billions of values (a run of equal ones), pages of gigabytes or a schema nested a million
//! deep. The footer and every page header are therefore walked first: they are small, and their encoding (Thrift's
//! compact protocol) is simple.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parquet::file::metadata::ParquetMetaData;

use crate::{Error, Result};

/// The columns that are read may decode to at most this many times the file's bytes ([`FLOOR_BYTES`] are always
/// allowed).
pub const EXPANSION: u64 = 64;

/// What any file may decode to, however short it is: constant traces shrink to almost nothing.
pub const FLOOR_BYTES: u64 = 64 << 20;

/// A dictionary of texts may be this long: each of its entries is copied for every row that has it.
const TEXT_DICTIONARY_BYTES: u64 = 2 << 20;

/// Published schemas are three deep (a list's element).
const SCHEMA_DEPTH: usize = 8;
/// Published schemas have some 60 elements.
const SCHEMA_ELEMENTS: usize = 100_000;
const NESTING: usize = 32;
const PAGE_HEADER_BYTES: u64 = 1 << 20;

/// Checks the footer: its schema must be flat and as long as it says.
pub(super) fn check_footer(path: &Path, file: &mut File) -> Result<()> {
    let io = |e| Error::io(path, e);
    let damaged = |why: &str| Error::format(path, format!("not a Parquet file or damaged: {why}"));
    let length = file.metadata().map_err(io)?.len();
    if length < 12 {
        return Err(damaged("shorter than 12 bytes"));
    }
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(length - 8)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    if &tail[4..] != b"PAR1" {
        return Err(damaged("it does not end in PAR1"));
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if footer > length - 12 {
        return Err(damaged("the footer is longer than the file"));
    }
    file.seek(SeekFrom::Start(length - 8 - footer)).map_err(io)?;
    let mut bytes = vec![0; footer as usize];
    file.read_exact(&mut bytes).map_err(io)?;
    schema(&mut Thrift { bytes: &bytes, at: 0 }).ok_or_else(|| damaged("its schema cannot be read"))
}

/// Checks every page of the columns that will be read.
pub(super) fn check_pages(
    path: &Path,
    file: &mut File,
    metadata: &ParquetMetaData,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let limit = length.saturating_mul(EXPANSION).max(FLOOR_BYTES);
    let mut declared = 0u64;
    for (number, group) in metadata.row_groups().iter().enumerate() {
        for chunk in group.columns() {
            let parts = chunk.column_path().parts();
            let Some(name) = parts.first().filter(|n| wanted(n)) else { continue };
            let damaged =
                |why: &str| Error::format(path, format!("column {name}, row group {number}: {why}"));
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let range = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            let Some((mut at, end)) = range.and_then(|(s, n)| Some((s, s.checked_add(n)?))) else {
                return Err(damaged("its place in the file is negative"));
            };
            if end > length {
                return Err(damaged("lies beyond the end of the file: truncated"));
            }
            let text = parts.len() == 1;
            while at < end {
                let page = page(path, file, at, end)
                    .and_then(|p| p.ok_or_else(|| damaged("a page header cannot be read")))?;
                if text && page.dictionary && page.expanded > TEXT_DICTIONARY_BYTES {
                    return Err(damaged("its dictionary of texts is too long"));
                }
                // Per value: up to 8 bytes of itself and 4 of its levels.
                declared =
                    declared.saturating_add(page.expanded).saturating_add(page.values.saturating_mul(12));
                if declared > limit {
                    let what = format!("what column {name} and those before it hold");
                    return Err(Error::Limit { path: path.to_owned(), what, declared, limit });
                }
                at = at.saturating_add(page.stored);
                if at > end {
                    return Err(damaged("a page is longer than its column"));
                }
            }
        }
    }
    Ok(())
}

/// What one page header says.
struct Page {
    /// Bytes of header and content in the file.
    stored: u64,
    /// Bytes of the content after decompression.
    expanded: u64,
    values: u64,
    dictionary: bool,
}

/// The page at `at`, `None` when its header cannot be read.
fn page(path: &Path, file: &mut File, at: u64, end: u64) -> Result<Option<Page>> {
    // Headers are some 30 bytes, but may carry statistics.
    for window in [256, 1 << 14, PAGE_HEADER_BYTES] {
        let size = window.min(end - at);
        let mut bytes = vec![0; size as usize];
        file.seek(SeekFrom::Start(at)).map_err(|e| Error::io(path, e))?;
        file.read_exact(&mut bytes).map_err(|e| Error::io(path, e))?;
        let found = page_header(&mut Thrift { bytes: &bytes, at: 0 });
        if found.is_some() || size == end - at {
            return Ok(found);
        }
    }
    Ok(None)
}

fn page_header(input: &mut Thrift<'_>) -> Option<Page> {
    let mut page = Page { stored: 0, expanded: 0, values: 0, dictionary: false };
    let (mut last, mut compressed, mut seen) = (0, None, false);
    while let Some((id, kind)) = input.field(&mut last)? {
        match (id, kind) {
            (2, Thrift::I32) => {
                page.expanded = u64::try_from(input.zigzag()?).ok()?;
                seen = true;
            }
            (3, Thrift::I32) => compressed = Some(u64::try_from(input.zigzag()?).ok()?),
            // Data page, dictionary page, data page v2: the first field of each counts the values.
            (5 | 7 | 8, Thrift::STRUCT) => {
                let mut inner = 0;
                while let Some((id, kind)) = input.field(&mut inner)? {
                    match (id, kind) {
                        (1, Thrift::I32) => {
                            let values = u64::try_from(input.zigzag()?).ok()?;
                            page.values = page.values.max(values);
                        }
                        _ => input.skip(kind, 1)?,
                    }
                }
                page.dictionary |= id == 7;
            }
            _ => input.skip(kind, 0)?,
        }
    }
    page.stored = compressed?.checked_add(input.at as u64)?;
    seen.then_some(page)
}

/// Walks the schema of a footer; `None` when it is not flat or not what it says.
fn schema(input: &mut Thrift<'_>) -> Option<()> {
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last)? {
        if (id, kind) != (2, Thrift::LIST) {
            input.skip(kind, 0)?;
            continue;
        }
        let (count, element) = input.list()?;
        if element != Thrift::STRUCT || count > SCHEMA_ELEMENTS {
            return None;
        }
        // Children that are still to come, level by level.
        let mut open: Vec<i64> = Vec::new();
        for i in 0..count {
            let (mut inner, mut children) = (0, 0);
            while let Some((id, kind)) = input.field(&mut inner)? {
                match (id, kind) {
                    (5, Thrift::I32) => children = input.zigzag()?,
                    _ => input.skip(kind, 1)?,
                }
            }
            if i > 0 {
                while open.last() == Some(&0) {
                    open.pop();
                }
                *open.last_mut()? -= 1;
            }
            if children < 0 || children > count as i64 || open.len() >= SCHEMA_DEPTH {
                return None;
            }
            open.push(children);
        }
        open.iter().all(|left| *left == 0).then_some(())?;
    }
    Some(())
}

/// A reader of Thrift's compact protocol; `None` is the end of the bytes or an impossible size.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    const I32: u8 = 5;
    const LIST: u8 = 9;
    const STRUCT: u8 = 12;

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut out = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(out);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Id and type of a struct's next field, inner `None` at its end.
    fn field(&mut self, last: &mut i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head & 0x0f == 0 {
            return Some(None);
        }
        *last = match head >> 4 {
            0 => self.zigzag()?,
            step => last.checked_add(i64::from(step))?,
        };
        Some(Some((*last, head & 0x0f)))
    }

    /// Length and element type; every element takes a byte at least.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            short => usize::from(short),
        };
        (count <= self.bytes.len() - self.at).then_some((count, head & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > NESTING {
            return None;
        }
        match kind {
            // Truth values of fields are in the type.
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.advance(8),
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.advance(length)
            }
            9 | 10 => {
                let (count, element) = self.list()?;
                (0..count).try_for_each(|_| match element {
                    1 | 2 => self.advance(1),
                    other => self.skip(other, depth + 1),
                })
            }
            11 => {
                let count = usize::try_from(self.varint()?).ok()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (count <= self.bytes.len() - self.at).then_some(())?;
                (0..count).try_for_each(|_| {
                    self.skip(kinds >> 4, depth + 1)?;
                    self.skip(kinds & 0x0f, depth + 1)
                })
            }
            12 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            13 => self.advance(16),
            _ => None,
        }
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        let at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        self.at = at;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Page> {
        page_header(&mut Thrift { bytes, at: 0 })
    }

    #[test]
    fn page_headers_are_read() {
        // type 0, expanded 100, compressed 40, data page with 7 values.
        let bytes = [0x15, 0, 0x15, 200, 1, 0x15, 80, 0x2c, 0x15, 14, 0, 0];
        let page = read(&bytes).unwrap();
        assert_eq!((page.expanded, page.values, page.stored), (100, 7, 40 + 12));
        assert!(!page.dictionary);
        assert!((0..bytes.len()).all(|n| read(&bytes[..n]).is_none()));
        // A negative size.
        assert!(read(&[0x15, 0, 0x15, 1, 0x15, 80, 0]).is_none());
    }

    #[test]
    fn schemas_must_add_up_and_stay_flat() {
        let element = |children: u8| {
            if children == 0 { vec![0] } else { vec![0x55, children * 2, 0] }
        };
        let footer = |children: &[u8]| {
            let mut bytes = vec![0x29, (children.len() as u8) << 4 | 0x0c];
            children.iter().for_each(|c| bytes.extend(element(*c)));
            bytes.push(0);
            schema(&mut Thrift { bytes: &bytes, at: 0 })
        };
        assert!(footer(&[2, 0, 0]).is_some());
        assert!(footer(&[2, 1, 1, 0, 0]).is_some());
        assert!(footer(&[2, 0]).is_none());
        assert!(footer(&[60, 0]).is_none());
        assert!(footer(&[1, 0, 0]).is_none());
        assert!(footer(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]).is_none());
        // More elements than bytes.
        assert!(schema(&mut Thrift { bytes: &[0x29, 0xfc, 0xff, 0xff, 3, 0], at: 0 }).is_none());
    }
}
