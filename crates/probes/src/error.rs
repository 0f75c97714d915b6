//! The crate's error type.

/// Why a tensor could not be read or changed, or a sparse autoencoder not be made, trained or loaded.
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
    // -- sparse autoencoders --
    /// A NaN or an infinity in what was given.
    #[error("{what}: value {value} at row {row}, column {column} is not finite")]
    NotFinite {
        /// The argument.
        what: String,
        /// Row of the first offender.
        row: usize,
        /// Its column.
        column: usize,
        /// The value itself.
        value: f64,
    },
    /// A loss, or a weight after training, that is NaN or infinite.
    #[error("the {what} is {value} at step {step} (epoch {epoch})")]
    Diverged {
        /// `loss`, or a weight's name.
        what: &'static str,
        /// What it was.
        value: f64,
        /// Step of the run, from 0.
        step: u64,
        /// Epoch of the run, from 0.
        epoch: u64,
    },
    /// A file that is damaged, or holds something else.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    // -- below --
    /// From a file, an edit or an accumulator.
    #[error("{0}")]
    Recording(String),
    /// From a numerical routine.
    #[error(transparent)]
    Numerics(#[from] numerics::Error),
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

impl Error {
    pub(crate) fn parameter(
        name: &'static str,
        value: impl std::fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::Parameter { name, value: value.to_string(), expected }
    }

    pub(crate) fn shape(what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Debug) -> Self {
        Self::Shape { what: what.to_owned(), expected: expected.to_string(), found: format!("{found:?}") }
    }
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
