//! The crate's error type.

/// Why a method about language-model neurons refused its input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // -- input --
    /// Fewer answers, units, moments or probes than the method needs.
    #[error("{what}: needs at least {needed}, got {found}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// The least the method accepts.
        needed: usize,
        /// What was given.
        found: usize,
    },
    /// A NaN or an infinity.
    #[error("{what}: value {value} at row {row}, column {column} is not finite")]
    NotFinite {
        /// The argument.
        what: &'static str,
        /// Row of the first offender.
        row: usize,
        /// Its column.
        column: usize,
        /// The value itself.
        value: f64,
    },
    /// A parameter outside its range.
    #[error("{name} = {value}: must be {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The accepted range in words.
        expected: &'static str,
    },
    /// A shape that the method does not take.
    #[error("{what}: expected {expected}, got {found}")]
    Shape {
        /// What was checked.
        what: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    // -- numerics --
    /// From a numerical routine.
    #[error(transparent)]
    Numerics(#[from] numerics::Error),
    /// A spectrum that could not be enclosed, or moments that are not finite.
    #[error("spectrum: {why}")]
    Spectrum {
        /// What went wrong.
        why: String,
    },
    // -- tensors --
    /// From a device or the transfer to and from it.
    #[error("tensor: {message}")]
    Tensor {
        /// What it said.
        message: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
