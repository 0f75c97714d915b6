//! The crate's error type.

/// Why a numerical routine refused its input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that had to agree do not.
    #[error("{what}: expected {expected}, got {found}")]
    Shape {
        /// What was being checked.
        what: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Fewer values than the method needs.
    #[error("{what}: needs at least {needed}, got {found}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// The least the method accepts.
        needed: usize,
        /// What was given.
        found: usize,
    },
    /// A NaN or an infinity at a flat (row-major) index.
    #[error("{what}: value at index {index} is not finite")]
    NotFinite {
        /// The argument.
        what: &'static str,
        /// Row-major index of the first offender.
        index: usize,
    },
    /// Values without spread where the method divides by it.
    #[error("{what}: all values are equal")]
    Constant {
        /// The argument.
        what: &'static str,
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
    /// A position outside its bound.
    #[error("{what} {index}: must be below {bound}")]
    Index {
        /// What the position counts.
        what: &'static str,
        /// The position.
        index: usize,
        /// The bound.
        bound: usize,
    },
    /// A decomposition that does not exist or did not converge.
    #[error("{what} failed: {why}")]
    Decomposition {
        /// Which one.
        what: &'static str,
        /// Why.
        why: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
