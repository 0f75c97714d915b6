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
    // -- documents and attacks --
    /// A token id that the vocabulary does not have.
    #[error("token {token} at position {position}: the vocabulary has {vocabulary} ids")]
    TokenOutOfVocabulary {
        /// The id.
        token: u32,
        /// Where it stands in its document.
        position: usize,
        /// Number of ids.
        vocabulary: usize,
    },
    /// A probability outside `[0, 1]`, a NaN, or a distribution that does not sum to 1.
    #[error("{what}: {value} at position {position} is not in [0, 1] (sums: not 1)")]
    Probability {
        /// Which probability.
        what: &'static str,
        /// Where: a position of the document, a token id, or a row.
        position: usize,
        /// The value.
        value: f64,
    },
    /// Members alone, or others alone, where a method must tell them apart.
    #[error("{what}: {members} members and {others} others; both are needed")]
    SingleClass {
        /// Which documents.
        what: String,
        /// Members among them.
        members: usize,
        /// Others.
        others: usize,
    },
    /// One document under two names, as member and as other, or one name twice.
    #[error("documents {first:?} and {second:?} are the same")]
    Overlap {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// Something that an option asks for and the input does not have.
    #[error("{what}: missing")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// Two things that were made for one another and are not.
    #[error("{what}: expected {expected}, got {found}")]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// What would have fitted.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file that cannot be read, written or understood.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    // -- numerics --
    /// An iteration that did not settle.
    #[error("{what}: not converged after {steps} steps, residual {residual}")]
    Convergence {
        /// Which iteration.
        what: &'static str,
        /// Steps taken.
        steps: usize,
        /// What was left.
        residual: f64,
    },
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
