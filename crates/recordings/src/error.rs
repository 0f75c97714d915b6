//! The crate's error type.

use std::path::{Path, PathBuf};

/// Why a recording or a file of arrays was refused.
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
    /// The file is not what its name says, or is damaged.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
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
    /// No array has this name, or a name is needed.
    #[error("{path}: {wanted}; the file has {available}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// The names there are.
        available: String,
    },
    /// A number type that the operation does not take.
    #[error("{what}: number type {found}, expected {expected}")]
    Type {
        /// Which array.
        what: String,
        /// Its type.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// A shape that the operation does not take.
    #[error("{what}: shape {found}, expected {expected}")]
    Shape {
        /// Which array.
        what: String,
        /// Its shape.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A value outside its range.
    #[error("{what}: {found} is not {expected}")]
    Value {
        /// Which value.
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
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn format(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn value(
        what: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { what: what.into(), found: found.to_string(), expected: expected.into() }
    }
}
