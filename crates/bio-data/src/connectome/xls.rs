//! `.xls` workbooks of Excel 97 to 2003 (BIFF8): the values of cells, and nothing else.

use std::path::Path;

use super::cfb;
use super::limits::over;
use super::sheet::{Cell, Sheet};
use super::workbook::rows;
use crate::{Error, Result};

const BIFF8: u16 = 0x0600;
/// Text may take this many times the workbook's bytes: many cells may name one shared string.
const TEXT_EXPANSION: u64 = 100;

/// An open workbook: its stream, its sheets and its shared strings.
pub(crate) struct Xls {
    stream: Vec<u8>,
    sheets: Vec<(String, usize)>,
    strings: Vec<String>,
}

impl Xls {
    pub(crate) fn open(path: &Path, bytes: &[u8]) -> Result<Self> {
        let stream = cfb::stream(path, bytes, &["Workbook", "Book"])?;
        let (mut sheets, mut strings) = (Vec::new(), Vec::new());
        let mut records = Records { path, stream: &stream, at: 0 };
        let first = records.next()?;
        if !first.as_ref().is_some_and(|r| r.kind == 0x0809 && r.u16(0) == Some(BIFF8)) {
            return Err(Error::format(path, "an xls workbook older than Excel 97, or none at all"));
        }
        while let Some(record) = records.next()? {
            match record.kind {
                0x000a => break,
                0x002f => return Err(Error::format(path, "the workbook is encrypted")),
                0x0085 => sheets.extend(sheet_entry(&record)),
                0x00fc => strings = shared_strings(path, &record, &mut records)?,
                _ => {}
            }
        }
        if sheets.is_empty() {
            return Err(Error::format(path, "the workbook has no sheet"));
        }
        Ok(Self { stream, sheets, strings })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.sheets.iter().map(|s| s.0.clone()).collect()
    }

    pub(crate) fn sheet(&self, path: &Path, name: &str) -> Result<Sheet> {
        let (_, start) = self
            .sheets
            .iter()
            .find(|s| s.0 == name)
            .ok_or_else(|| Error::format(path, format!("no sheet {name:?}")))?;
        let mut records = Records { path, stream: &self.stream, at: *start };
        let mut cells = Vec::new();
        let mut pending: Option<(usize, usize)> = None;
        let mut depth = 0;
        let (mut text_bytes, limit) = (0, self.stream.len() as u64 * TEXT_EXPANSION);
        loop {
            let Some(record) = records.next()? else {
                return Err(Error::format(path, format!("sheet {name:?} is cut short")));
            };
            // A chart inside a sheet is a stream within the stream.
            match record.kind {
                0x0809 => depth += 1,
                0x000a if depth <= 1 => break,
                0x000a => depth -= 1,
                _ => {}
            }
            if depth > 1 {
                continue;
            }
            let damaged = || Error::format(path, format!("sheet {name:?}: a cell record is cut short"));
            let place = || -> Option<(usize, usize)> {
                Some((usize::from(record.u16(0)?), usize::from(record.u16(2)?)))
            };
            let (at, value) = match record.kind {
                0x00fd => {
                    let index = record.u32(6).ok_or_else(damaged)? as usize;
                    let text = self.strings.get(index).ok_or_else(damaged)?;
                    text_bytes += text.len() as u64;
                    if text_bytes > limit {
                        return Err(over(path, &format!("the text of sheet {name:?}"), text_bytes, limit));
                    }
                    (place(), Cell::Text(text.clone()))
                }
                0x0203 => (place(), Cell::Number(record.f64(6).ok_or_else(damaged)?)),
                0x027e => (place(), Cell::Number(packed(record.u32(6).ok_or_else(damaged)?))),
                0x0204 => (place(), Cell::Text(record.text(6).ok_or_else(damaged)?)),
                0x0205 => (place(), Cell::Strange("a boolean or an error value".to_owned())),
                0x00bd => {
                    let (row, first) = place().ok_or_else(damaged)?;
                    let body = record.data.get(4..record.data.len().saturating_sub(2)).ok_or_else(damaged)?;
                    for (i, one) in body.chunks_exact(6).enumerate() {
                        let word = u32::from_le_bytes([one[2], one[3], one[4], one[5]]);
                        cells.push((row, first + i, Cell::Number(packed(word))));
                    }
                    continue;
                }
                0x0006 => {
                    if record.u16(12) != Some(0xffff) {
                        (place(), Cell::Number(record.f64(6).ok_or_else(damaged)?))
                    } else if record.data.get(6) == Some(&0) {
                        pending = place();
                        continue;
                    } else {
                        (place(), Cell::Strange("a formula without a number".to_owned()))
                    }
                }
                0x0207 => match pending.take() {
                    Some(at) => (Some(at), Cell::Text(record.text(0).ok_or_else(damaged)?)),
                    None => continue,
                },
                _ => continue,
            };
            let (row, column) = at.ok_or_else(damaged)?;
            cells.push((row, column, value));
        }
        Ok(Sheet { name: name.to_owned(), rows: rows(cells) })
    }
}

/// One record of the stream.
struct Record<'a> {
    kind: u16,
    data: &'a [u8],
}

impl Record<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        self.data.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn f64(&self, at: usize) -> Option<f64> {
        let bytes: [u8; 8] = self.data.get(at..at + 8)?.try_into().ok()?;
        Some(f64::from_le_bytes(bytes))
    }

    /// A string with a 16-bit length.
    fn text(&self, at: usize) -> Option<String> {
        characters(self.data, at + 3, usize::from(self.u16(at)?), *self.data.get(at + 2)?)
    }
}

struct Records<'a> {
    path: &'a Path,
    stream: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    fn next(&mut self) -> Result<Option<Record<'a>>> {
        let Some(head) = self.stream.get(self.at..self.at.saturating_add(4)) else {
            return Ok(None);
        };
        let kind = u16::from_le_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let start = self.at + 4;
        let data = self.stream.get(start..start + length).ok_or_else(|| {
            Error::format(self.path, format!("cut short in a record at byte {} of the workbook", self.at))
        })?;
        self.at = start + length;
        Ok(Some(Record { kind, data }))
    }

    /// The next record if it continues the last.
    fn continuation(&mut self) -> Result<Option<&'a [u8]>> {
        let before = self.at;
        match self.next()? {
            Some(record) if record.kind == 0x003c => Ok(Some(record.data)),
            _ => {
                self.at = before;
                Ok(None)
            }
        }
    }
}

fn sheet_entry(record: &Record<'_>) -> Option<(String, usize)> {
    let worksheet = *record.data.get(5)? == 0;
    let name = characters(record.data, 8, usize::from(*record.data.get(6)?), *record.data.get(7)?)?;
    worksheet.then_some((name, record.u32(0)? as usize))
}

/// `count` characters of one or two bytes each.
fn characters(data: &[u8], at: usize, count: usize, flags: u8) -> Option<String> {
    if flags & 1 == 0 {
        return Some(data.get(at..at + count)?.iter().map(|b| char::from(*b)).collect());
    }
    let units: Vec<u16> =
        data.get(at..at + 2 * count)?.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

/// A number packed in 32 bits: 30 bits of integer or of a float's upper half, and whether it was times 100.
fn packed(word: u32) -> f64 {
    let value = if word & 2 != 0 {
        f64::from((word as i32) >> 2)
    } else {
        f64::from_bits(u64::from(word & 0xffff_fffc) << 32)
    };
    if word & 1 != 0 { value / 100.0 } else { value }
}

/// The table of shared strings, which runs over continuation records and may break inside a string.
fn shared_strings(path: &Path, first: &Record<'_>, records: &mut Records<'_>) -> Result<Vec<String>> {
    let damaged = || Error::format(path, "the table of shared strings is cut short");
    let count = first.u32(4).ok_or_else(damaged)? as usize;
    let mut parts = vec![first.data.get(8..).ok_or_else(damaged)?];
    while let Some(part) = records.continuation()? {
        parts.push(part);
    }
    let mut cursor = Parts { parts, part: 0, at: 0 };
    let mut strings = Vec::new();
    for _ in 0..count {
        strings.push(cursor.string().ok_or_else(damaged)?);
    }
    Ok(strings)
}

struct Parts<'a> {
    parts: Vec<&'a [u8]>,
    part: usize,
    at: usize,
}

impl Parts<'_> {
    fn string(&mut self) -> Option<String> {
        let length = usize::from(u16::from_le_bytes([self.byte()?, self.byte()?]));
        let mut flags = self.byte()?;
        let runs =
            if flags & 8 != 0 { usize::from(u16::from_le_bytes([self.byte()?, self.byte()?])) } else { 0 };
        let extra = if flags & 4 != 0 {
            u32::from_le_bytes([self.byte()?, self.byte()?, self.byte()?, self.byte()?]) as usize
        } else {
            0
        };
        let mut units: Vec<u16> = Vec::new();
        while units.len() < length {
            if self.parts.get(self.part)?.len() == self.at {
                // The characters go on in the next record, which begins with a flag of its own.
                self.part += 1;
                self.at = 0;
                flags = self.byte()?;
            }
            units.push(if flags & 1 == 0 {
                u16::from(self.byte()?)
            } else {
                u16::from_le_bytes([self.byte()?, self.byte()?])
            });
        }
        self.skip((4 * runs).checked_add(extra)?)?;
        Some(String::from_utf16_lossy(&units))
    }

    fn byte(&mut self) -> Option<u8> {
        loop {
            let part = self.parts.get(self.part)?;
            if let Some(byte) = part.get(self.at) {
                self.at += 1;
                return Some(*byte);
            }
            self.part += 1;
            self.at = 0;
        }
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let left = self.parts.get(self.part)?.len() - self.at;
            let step = left.min(count);
            self.at += step;
            count -= step;
            if count > 0 {
                self.part += 1;
                self.at = 0;
            }
        }
        Some(())
    }
}
