//! The crate's error type.

/// Why a representational-geometry method refused its input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From a numerical routine.
    #[error(transparent)]
    Numerics(#[from] numerics::Error),
    /// Fewer stimuli, subjects or labels than the method needs.
    #[error("{what}: needs at least {needed}, got {found}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// The least.
        needed: usize,
        /// What was given.
        found: usize,
    },
    /// Lengths that had to agree.
    #[error("{what}: expected {expected}, got {found}")]
    Length {
        /// What was checked.
        what: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: usize,
    },
    /// A value that is NaN, infinite or negative where it may not be.
    #[error("{what}: value {value} at index {index} must be {expected}")]
    Value {
        /// The argument.
        what: &'static str,
        /// Row-major index.
        index: usize,
        /// The value.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// A pattern without variance or length, where the measure divides by it.
    #[error("pattern {row}: {why}")]
    Degenerate {
        /// Its row.
        row: usize,
        /// Why the dissimilarity is undefined.
        why: &'static str,
    },
    /// A fold without an observation of a condition.
    #[error("fold {fold} has no observation of condition {condition}")]
    Missing {
        /// The condition.
        condition: i64,
        /// The fold.
        fold: i64,
    },
    /// Stimuli of two RDMs that do not correspond.
    #[error("labels: {0}")]
    Labels(String),
    /// A parameter outside its range.
    #[error("{name} = {value}: must be {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The accepted range.
        expected: &'static str,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
