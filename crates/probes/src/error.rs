//! The crate's error type.

/// Why a tensor could not be read or changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // -- hooks --
    /// A hook that was set at a site which the model does not have, or did not reach.
    #[error("site {site}: {why}")]
    Site {
        /// The site.
        site: String,
        /// What is wrong with it.
        why: String,
    },
    /// A read whose result is of another kind.
    #[error("the read at {site} holds {found}, not {expected}")]
    Reading {
        /// The site.
        site: String,
        /// What was asked for.
        expected: &'static str,
        /// What there is.
        found: &'static str,
    },
    /// A shape that does not fit.
    #[error("{what}: expected {expected}, got {found}")]
    Shape {
        /// What was checked.
        what: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A parameter outside its range.
    #[error("{name} = {value}: must be {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// The accepted range in words.
        expected: &'static str,
    },
    // -- below --
    /// From an edit or an accumulator.
    #[error("{0}")]
    Recording(String),
    /// From a device or the transfer to and from it.
    #[error("tensor: {0}")]
    Tensor(String),
    /// From a closure that the caller gave as an edit.
    #[error("edit at {site}: {message}")]
    Map {
        /// The site.
        site: String,
        /// What it said.
        message: String,
    },
}

impl From<recordings::Error> for Error {
    fn from(error: recordings::Error) -> Self {
        Self::Recording(error.to_string())
    }
}

impl From<tensor_backend::Error> for Error {
    fn from(error: tensor_backend::Error) -> Self {
        Self::Tensor(error.to_string())
    }
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
