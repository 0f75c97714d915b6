//! The crate's error type.

use std::path::PathBuf;

/// Why a reproduction or its report could not be finished. A claim that fails is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system's own error.
    #[error("{system}: {message}")]
    System {
        /// The reproduction's id.
        system: &'static str,
        /// What it said.
        message: String,
    },
    /// A file that could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A figure that could not be drawn.
    #[error("figure {title:?}: {message}")]
    Figure {
        /// Its title.
        title: String,
        /// Why.
        message: String,
    },
    /// Text that is not the document it should be.
    #[error("{what}: {message}")]
    Format {
        /// What was read.
        what: String,
        /// What was wrong.
        message: String,
    },
    /// No reproduction has this id.
    #[error("no reproduction {wanted:?}; nearest: {near}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// Ids that resemble it.
        near: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of one system, from whatever its crate returned.
    pub fn system(system: &'static str, source: impl std::fmt::Display) -> Self {
        Self::System { system, message: source.to_string() }
    }
}
