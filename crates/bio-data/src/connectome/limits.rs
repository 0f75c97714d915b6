//! How much a reader may take from a file it does not trust.

use std::io::{Cursor, Read};
use std::path::Path;

use crate::{Error, Result};

/// The largest file that is read at all; the largest published connectome has 4.2 MB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// A compressed file may unfold to this many times its size plus 1 MiB; published workbooks unfold 7 to 13 times.
pub const EXPANSION: u64 = 100;
/// What every compressed file may unfold to, however small it is.
pub(crate) const SLACK: u64 = 1 << 20;

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(over(path, "the file", length.max(bytes.len() as u64), MAX_FILE_BYTES));
    }
    Ok(bytes)
}

/// Bytes that an archive of this size may unfold to.
pub(crate) fn unfolded(compressed: usize) -> u64 {
    (compressed as u64).saturating_mul(EXPANSION).saturating_add(SLACK)
}

/// Unfolds every member of a zip archive into nothing, counting: declared sizes are not believed.
pub(crate) fn check_archive(path: &Path, bytes: &[u8]) -> Result<()> {
    let wrong = |e: &dyn std::fmt::Display| Error::format(path, format!("not a whole zip archive: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| wrong(&e))?;
    let limit = unfolded(bytes.len());
    let mut total = 0;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|e| wrong(&e))?;
        let room = limit - total;
        let taken = std::io::copy(&mut member.take(room + 1), &mut std::io::sink()).map_err(|e| wrong(&e))?;
        if taken > room {
            return Err(over(path, &format!("member {index}"), total + taken, limit));
        }
        total += taken;
    }
    Ok(())
}

/// The error of a file that asks for too much.
pub(crate) fn over(path: &Path, what: &str, declared: u64, limit: u64) -> Error {
    Error::Limit { path: path.to_owned(), what: what.to_owned(), declared, limit }
}
