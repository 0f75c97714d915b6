//! A saved simulation: bytes that only the same network takes back.

use sha2::{Digest, Sha256};

use super::real::Real;
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"neuropil-snn-st1";

/// Sees every array of a simulation in a fixed order, to write it or to fill it.
pub(crate) trait StateVisitor<R> {
    fn reals(&mut self, values: &mut [R]) -> Result<()>;
    fn integers(&mut self, values: &mut [i64]) -> Result<()>;
    /// A list of any length of numbers below a bound, ascending.
    fn list(&mut self, values: &mut Vec<u32>, bound: usize) -> Result<()>;
}

/// What stands before the arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) structure: [u8; 32],
    pub(crate) threads: u64,
    pub(crate) step: i64,
}

/// Writes a state.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(header: &Header) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&header.structure);
        bytes.extend_from_slice(&header.threads.to_le_bytes());
        bytes.extend_from_slice(&header.step.to_le_bytes());
        Self { bytes }
    }

    /// The state with its checksum.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = Sha256::digest(&self.bytes);
        self.bytes.extend_from_slice(&sum);
        self.bytes
    }

    fn len(&mut self, n: usize) {
        self.bytes.extend_from_slice(&(n as u64).to_le_bytes());
    }
}

impl<R: Real> StateVisitor<R> for Writer {
    fn reals(&mut self, values: &mut [R]) -> Result<()> {
        self.len(values.len());
        // Exact for both number types.
        values.iter().for_each(|x| self.bytes.extend_from_slice(&x.to_f64().to_bits().to_le_bytes()));
        Ok(())
    }

    fn integers(&mut self, values: &mut [i64]) -> Result<()> {
        self.len(values.len());
        values.iter().for_each(|x| self.bytes.extend_from_slice(&x.to_le_bytes()));
        Ok(())
    }

    fn list(&mut self, values: &mut Vec<u32>, _bound: usize) -> Result<()> {
        self.len(values.len());
        values.iter().for_each(|x| self.bytes.extend_from_slice(&x.to_le_bytes()));
        Ok(())
    }
}

/// Reads a state.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    // A dry run checks everything and changes nothing.
    dry: bool,
}

impl<'a> Reader<'a> {
    /// Checks the checksum and reads the header.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<(Header, Self)> {
        let damaged = |found: &str| Error::shape("saved state", "a whole state of this version", found);
        let body = bytes.len().checked_sub(32).ok_or_else(|| damaged("too few bytes"))?;
        let (body, sum) = bytes.split_at(body);
        if !body.starts_with(MAGIC) {
            return Err(damaged("something else"));
        }
        if Sha256::digest(body).as_slice() != sum {
            return Err(damaged("a damaged or truncated one: its checksum differs"));
        }
        let mut reader = Self { rest: &body[MAGIC.len()..], dry: false };
        let mut structure = [0; 32];
        structure.copy_from_slice(reader.take(32)?);
        let threads = reader.number()?;
        let step = reader.number()? as i64;
        if step < 0 {
            return Err(damaged("a negative step"));
        }
        Ok((Header { structure, threads, step }, reader))
    }

    /// The same place again, to be read without effect.
    pub(crate) fn rehearsal(&self) -> Self {
        Self { rest: self.rest, dry: true }
    }

    /// Refuses bytes that are left over.
    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::shape(
            "saved state",
            "the arrays of this network",
            format!("{} bytes more", self.rest.len()),
        ))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.rest.len() {
            return Err(Error::shape("saved state", format!("{n} bytes more"), self.rest.len()));
        }
        let (head, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(head)
    }

    fn number(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(bytes.as_chunks::<8>().0.first().map_or(0, |b| u64::from_le_bytes(*b)))
    }

    fn expect(&mut self, n: usize) -> Result<()> {
        let found = self.number()?;
        if found == n as u64 {
            return Ok(());
        }
        Err(Error::shape("array of the saved state", n, found))
    }
}

impl<R: Real> StateVisitor<R> for Reader<'_> {
    fn reals(&mut self, values: &mut [R]) -> Result<()> {
        self.expect(values.len())?;
        let bytes = self.take(values.len() * 8)?;
        if !self.dry {
            for (x, b) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *x = R::of(f64::from_bits(u64::from_le_bytes(*b)));
            }
        }
        Ok(())
    }

    fn integers(&mut self, values: &mut [i64]) -> Result<()> {
        self.expect(values.len())?;
        let bytes = self.take(values.len() * 8)?;
        if !self.dry {
            for (x, b) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *x = i64::from_le_bytes(*b);
            }
        }
        Ok(())
    }

    fn list(&mut self, values: &mut Vec<u32>, bound: usize) -> Result<()> {
        let n = self.number()?;
        if n > bound as u64 {
            return Err(Error::shape("spikes of a step in the saved state", format!("at most {bound}"), n));
        }
        let bytes = self.take(n as usize * 4)?;
        let list: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        if list.iter().any(|x| *x as usize >= bound) || list.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Error::shape("spikes of a step in the saved state", "ascending neurons", "others"));
        }
        if !self.dry {
            *values = list;
        }
        Ok(())
    }
}
