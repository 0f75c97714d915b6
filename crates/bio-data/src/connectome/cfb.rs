//! Compound files (the container of `.xls`): one named stream out of sectors chained by a table.

use std::path::Path;

use crate::{Error, Result};

const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
const END_OF_CHAIN: u32 = 0xffff_fffe;
/// Numbers from here on are marks, not sectors.
const FIRST_MARK: u32 = 0xffff_fffa;
const HEADER: usize = 512;
const IN_HEADER: usize = 109;
const ENTRY: usize = 128;

/// Whether these bytes begin a compound file.
pub(crate) fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The stream of one of these names.
pub(crate) fn stream(path: &Path, bytes: &[u8], names: &[&str]) -> Result<Vec<u8>> {
    let file = Compound::open(path, bytes)?;
    let directory = file.chain(file.u32(48)?, &file.table, None)?;
    let entries: Vec<Entry> = directory.chunks_exact(ENTRY).filter_map(Entry::parse).collect();
    let wanted = names.iter().find_map(|n| entries.iter().find(|e| e.kind == 2 && e.name == *n));
    let Some(entry) = wanted else {
        let found: Vec<&str> = entries.iter().map(|e| e.name.as_str()).take(8).collect();
        let reason = format!("no stream {}: the file holds {}", names.join(" or "), found.join(", "));
        return Err(Error::format(path, reason));
    };
    // A stream cannot be longer than its file, whatever its size field says.
    if entry.size > bytes.len() as u64 {
        let reason = format!(
            "stream {:?} declares {} bytes, the file has {} (cut short?)",
            entry.name,
            entry.size,
            bytes.len()
        );
        return Err(Error::format(path, reason));
    }
    let cutoff = u64::from(file.u32(56)?);
    if entry.size >= cutoff {
        return file.chain(entry.start, &file.table, Some(entry.size as usize));
    }
    let root = entries.iter().find(|e| e.kind == 5).ok_or_else(|| Error::format(path, "no root entry"))?;
    let small = file.chain(root.start, &file.table, None)?;
    let table = words(&file.chain(file.u32(60)?, &file.table, None)?);
    let mut out = Vec::new();
    for sector in follow(path, entry.start, &table)? {
        let part = small.get(sector * 64..(sector + 1) * 64).ok_or_else(|| cut(path, sector))?;
        out.extend_from_slice(part);
    }
    shorten(path, out, Some(entry.size as usize))
}

struct Entry {
    name: String,
    kind: u8,
    start: u32,
    size: u64,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let length = usize::from(u16::from_le_bytes([bytes[64], bytes[65]])).min(64);
        let units: Vec<u16> =
            bytes[..length].chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        let name = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // The upper half of the size is undefined in the version that spreadsheets use.
        Some(Self { name, kind: bytes[66], start: word(116), size: u64::from(word(120)) })
    }
}

struct Compound<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    shift: u32,
    /// The next sector of every sector.
    table: Vec<u32>,
}

impl<'a> Compound<'a> {
    fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        if !is_compound(bytes) || bytes.len() < HEADER {
            return Err(Error::format(path, "not a whole xls workbook: the header is missing or cut short"));
        }
        let shift = u32::from(u16::from_le_bytes([bytes[30], bytes[31]]));
        if !(shift == 9 || shift == 12) {
            return Err(Error::format(
                path,
                format!("sectors of 2^{shift} bytes: not a workbook's container"),
            ));
        }
        let mut file = Self { path, bytes, shift, table: Vec::new() };
        let mut places: Vec<u32> = (0..IN_HEADER).map(|i| file.u32(76 + 4 * i)).collect::<Result<_>>()?;
        let (mut next, mut hops) = (file.u32(68)?, 0);
        while next < FIRST_MARK {
            let part = words(file.sector(next as usize)?);
            let (last, list) = part.split_last().ok_or_else(|| cut(path, next as usize))?;
            places.extend_from_slice(list);
            next = *last;
            hops += 1;
            if hops > bytes.len() >> shift {
                return Err(Error::format(path, "the list of allocation tables runs in a circle"));
            }
        }
        // A table sector named twice would let a small file claim a long table.
        let mut seen = vec![false; (bytes.len() >> shift) + 1];
        for place in places.into_iter().filter(|p| *p < FIRST_MARK) {
            match seen.get_mut(place as usize) {
                Some(mark) if !*mark => *mark = true,
                _ => return Err(cut(path, place as usize)),
            }
            let part = words(file.sector(place as usize)?);
            file.table.extend(part);
        }
        Ok(file)
    }

    fn u32(&self, at: usize) -> Result<u32> {
        match self.bytes.get(at..at + 4) {
            Some(b) => Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            None => Err(Error::format(self.path, format!("cut short at byte {at}"))),
        }
    }

    fn sector(&self, index: usize) -> Result<&'a [u8]> {
        let size = 1_usize << self.shift;
        let start = (index + 1).checked_mul(size).ok_or_else(|| cut(self.path, index))?;
        self.bytes.get(start..start.saturating_add(size)).ok_or_else(|| cut(self.path, index))
    }

    fn chain(&self, start: u32, table: &[u32], size: Option<usize>) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for sector in follow(self.path, start, table)? {
            if size.is_some_and(|s| out.len() >= s) {
                break;
            }
            // The last sector of a stream of known size need not be whole.
            let begin = (sector + 1) << self.shift;
            let end = match size {
                Some(_) => (begin + (1 << self.shift)).min(self.bytes.len()),
                None => begin + (1 << self.shift),
            };
            out.extend_from_slice(self.bytes.get(begin..end).ok_or_else(|| cut(self.path, sector))?);
        }
        shorten(self.path, out, size)
    }
}

fn shorten(path: &Path, mut bytes: Vec<u8>, size: Option<usize>) -> Result<Vec<u8>> {
    if let Some(size) = size {
        if bytes.len() < size {
            let reason = format!("cut short: a stream of {size} bytes ends after {}", bytes.len());
            return Err(Error::format(path, reason));
        }
        bytes.truncate(size);
    }
    Ok(bytes)
}

/// The sectors of a chain; one that is longer than its table runs in a circle.
fn follow(path: &Path, start: u32, table: &[u32]) -> Result<Vec<usize>> {
    let mut chain = Vec::new();
    let mut next = start;
    while next != END_OF_CHAIN {
        let sector = next as usize;
        next = *table.get(sector).ok_or_else(|| cut(path, sector))?;
        chain.push(sector);
        if chain.len() > table.len() {
            return Err(Error::format(path, "a chain of sectors runs in a circle"));
        }
    }
    Ok(chain)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
}

fn cut(path: &Path, sector: usize) -> Error {
    Error::format(path, format!("cut short: sector {sector} is beyond the end of the file"))
}
