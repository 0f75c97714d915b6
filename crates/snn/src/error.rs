//! The crate's error type.

use std::path::{Path, PathBuf};

/// What this crate's functions give.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a network, a rule or a spike train was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter out of its range.
    #[error("{name} = {value}: expected {expected}")]
    Parameter {
        /// Its name, with its unit.
        name: String,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        expected: String,
    },
    /// Numbers or shapes that had to agree.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What was checked.
        what: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Less than a method needs.
    #[error("{what}: needs at least {needed}, found {found}")]
    TooFew {
        /// What there is too little of.
        what: String,
        /// The least.
        needed: usize,
        /// What was given.
        found: usize,
    },
    /// A name that stands for nothing here.
    #[error("no {what} is called {name:?}; there are {known}")]
    Unknown {
        /// What was looked for.
        what: String,
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Something this crate cannot represent or do.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be.
        why: String,
    },
    /// A file that cannot be read or written, or is damaged.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A spike time that a train cannot hold.
    #[error("{train}: spike {index}, at {time_ms} ms, {why}")]
    SpikeTime {
        /// Which train.
        train: String,
        /// Which of its spikes, from 0.
        index: usize,
        /// Its time.
        time_ms: f64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A figure that could not be drawn.
    #[error("figure: {0}")]
    Figure(String),
    /// From a numerical routine.
    #[error(transparent)]
    Numerics(#[from] numerics::Error),
}

impl Error {
    pub(crate) fn parameter(name: impl Into<String>, value: f64, expected: impl Into<String>) -> Self {
        Self::Parameter { name: name.into(), value, expected: expected.into() }
    }

    pub(crate) fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    pub(crate) fn file(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), message: message.to_string() }
    }
}
