//! The crate's error type.

use std::path::{Path, PathBuf};

/// Why a connectome, a recording or a graph was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file as a whole is not what was expected: wrong kind, truncated, no such sheet or column.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong; names the sheet or column where there is one.
        reason: String,
    },
    /// One cell of a table cannot be read.
    #[error("{path}: row {row}, column {column}: {reason}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// Row as a spreadsheet or editor counts it, from 1.
        row: usize,
        /// The column's header, or its number from 1.
        column: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A file that declares more than it can hold.
    #[error("{path}: {what} would take {declared} bytes, the limit for this file is {limit}")]
    Limit {
        /// The file.
        path: PathBuf,
        /// What was about to be read.
        what: String,
        /// Bytes it declares.
        declared: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// From the layer of array files.
    #[error(transparent)]
    Recording(#[from] recordings::Error),
    /// From a numerical routine.
    #[error(transparent)]
    Numerics(#[from] numerics::Error),
    /// Two lengths or shapes that had to agree.
    #[error("{what}: expected {expected}, got {found}")]
    Shape {
        /// What was checked.
        what: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A value outside its range.
    #[error("{what}: {found} is not {expected}")]
    Value {
        /// Which value, and where.
        what: String,
        /// What was found.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the operating system about `path`.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A file that is not what was expected.
    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }
}
