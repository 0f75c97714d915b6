//! Texts of a file, one a line, and the windows of tokens they are cut into: read as they are needed, so that memory does
//! not grow with the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Error, Result, TextTokenizer};

/// The longest line that is read, in bytes: a file without line ends would be one text.
const LONGEST: u64 = 64 << 20;

/// The documents of a UTF-8 file, one a line. Blank lines are passed over, as is a byte-order mark.
///
/// Ends after the first error.
#[derive(Debug)]
pub struct Documents {
    path: PathBuf,
    reader: BufReader<File>,
    hash: Sha256,
    line: usize,
    bytes: u64,
    ended: bool,
}

impl Documents {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Self { path: path.to_owned(), reader, hash: Sha256::new(), line: 0, bytes: 0, ended: false })
    }

    /// SHA-256, in hexadecimal, of the bytes read so far: of the whole file once there is no further document.
    #[must_use]
    pub fn sha256(&self) -> String {
        hexadecimal(self.hash.clone())
    }

    fn read(&mut self) -> Result<Option<String>> {
        loop {
            let mut bytes = Vec::new();
            let mut line = (&mut self.reader).take(LONGEST + 1);
            let read = line.read_until(b'\n', &mut bytes).map_err(|e| Error::file(&self.path, e))?;
            if read == 0 {
                return Ok(None);
            }
            self.hash.update(&bytes);
            self.line += 1;
            if bytes.len() as u64 > LONGEST {
                let message = format!("a line of more than {LONGEST} bytes");
                return Err(Error::line(&self.path, self.line, message));
            }
            let before = self.bytes;
            self.bytes += bytes.len() as u64;
            let text = std::str::from_utf8(&bytes).map_err(|e| {
                let place = before + e.valid_up_to() as u64;
                Error::line(&self.path, self.line, format!("not UTF-8 at byte {place} of the file"))
            })?;
            let text = if before == 0 { text.trim_start_matches('\u{feff}') } else { text };
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.trim().is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }
}

impl Iterator for Documents {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The tokens of all documents of a file, with what the tokenizer puts around each, as one stream cut into windows.
///
/// The part of a window that is left at the end is dropped, or with [`Windows::with_rest`] given if it has two tokens or
/// more.
#[derive(Debug)]
pub struct Windows<'a> {
    documents: Documents,
    tokenizer: &'a TextTokenizer,
    window: usize,
    rest: bool,
    waiting: Vec<u32>,
    /// Where in `waiting` the next window begins.
    at: usize,
    read: usize,
}

impl<'a> Windows<'a> {
    /// Windows of `window` tokens.
    ///
    /// # Errors
    /// [`Error::Parameter`] below 2: of one token nothing is predicted.
    pub fn new(documents: Documents, tokenizer: &'a TextTokenizer, window: usize) -> Result<Self> {
        if window < 2 {
            return Err(Error::Parameter { name: "window", value: window as f64, expected: "at least 2" });
        }
        Ok(Self { documents, tokenizer, window, rest: false, waiting: Vec::new(), at: 0, read: 0 })
    }

    /// Gives what is left at the end too.
    #[must_use]
    pub fn with_rest(self) -> Self {
        Self { rest: true, ..self }
    }

    /// How many documents were read so far.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.read
    }

    /// [`Documents::sha256`].
    #[must_use]
    pub fn sha256(&self) -> String {
        self.documents.sha256()
    }
}

impl Iterator for Windows<'_> {
    type Item = Result<Vec<u32>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let left = self.waiting.len() - self.at;
            if left >= self.window {
                let window = self.waiting[self.at..self.at + self.window].to_vec();
                self.at += self.window;
                return Some(Ok(window));
            }
            let text = match self.documents.next() {
                Some(Ok(text)) => text,
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    let rest = self.waiting.split_off(self.at);
                    (self.waiting, self.at) = (Vec::new(), 0);
                    return (self.rest && rest.len() >= 2).then_some(Ok(rest));
                }
            };
            self.waiting.drain(..self.at);
            self.at = 0;
            match self.tokenizer.encode(&text, true) {
                Ok(ids) => self.waiting.extend(ids),
                Err(error) => return Some(Err(error)),
            }
            self.read += 1;
        }
    }
}

/// The hash of several named files: that of the lines `NAME=HASH` in their order; of one file alone its own.
#[must_use]
pub fn data_sha256(files: &[(&str, String)]) -> String {
    match files {
        [(_, only)] => only.clone(),
        files => {
            let mut hash = Sha256::new();
            files.iter().for_each(|(name, sha256)| hash.update(format!("{name}={sha256}\n")));
            hexadecimal(hash)
        }
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// [`Error::File`].
pub fn file_sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::file(path, e))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(hexadecimal(hash)),
            Ok(n) => hash.update(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::file(path, e)),
        }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn lines_are_documents_and_the_hash_is_that_of_the_file() {
        let (_folder, path) = written("\u{feff}one\r\n\n  \ntwo \nthree".as_bytes());
        let mut documents = Documents::open(&path).unwrap();
        let texts: Vec<String> = documents.by_ref().map(Result::unwrap).collect();
        assert_eq!(texts, ["one", "two ", "three"]);
        let (_folder, path) = written(b"abc");
        let mut documents = Documents::open(&path).unwrap();
        assert_eq!(documents.by_ref().count(), 1);
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(documents.sha256(), abc);
        assert_eq!(file_sha256(&path).unwrap(), abc);
        assert_eq!(data_sha256(&[("x", abc.to_owned())]), abc);
        let two = |a: &str, b: &str| data_sha256(&[(a, "1".to_owned()), (b, "2".to_owned())]);
        assert!(two("x", "y") == two("x", "y") && two("x", "y") != two("y", "x"));
    }

    #[test]
    fn what_is_not_utf_8_is_named_by_line_and_ends_the_file() {
        let (_folder, path) = written(b"good\nb\xffd\nmore\n");
        let found: Vec<_> = Documents::open(&path).unwrap().collect();
        assert_eq!(found.len(), 2);
        let said = found[1].as_ref().unwrap_err().to_string();
        assert!(said.contains("line 2") && said.contains("byte 6"), "{said}");
        assert!(Documents::open(Path::new("/nowhere/at/all")).is_err());
    }
}
