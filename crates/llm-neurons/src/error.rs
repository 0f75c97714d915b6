//! The crate's error type.

use std::path::{Path, PathBuf};

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
    // -- files --
    /// A file that cannot be read or written, or is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A line of a file that is not what it should be.
    #[error("{}, line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
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
    // -- models --
    /// A key of a configuration that is unknown, missing, or has a value that is not computed here.
    #[error("{key} = {found}: expected {expected}")]
    Config {
        /// The key.
        key: String,
        /// What it says.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A tensor of a model that is missing, left over, of another shape, or not finite.
    #[error("tensor {name}: expected {expected}, found {found}")]
    Weights {
        /// The tensor.
        name: String,
        /// What would have been accepted.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A prompt that is empty, or longer than the context.
    #[error("{what}: {found} tokens, expected {expected}")]
    Prompt {
        /// Which prompt.
        what: String,
        /// Its tokens.
        found: usize,
        /// The accepted number in words.
        expected: String,
    },
    /// A model that could not be had from a hub.
    #[error("hub: {what}: {message}")]
    Hub {
        /// The model, or its file.
        what: String,
        /// What is wrong.
        message: String,
    },
    /// From a tokenizer.
    #[error("tokenizer: {message}")]
    Tokenizer {
        /// What it said.
        message: String,
    },
    // -- training --
    /// A loss or a gradient that is NaN or infinite: the rate is too high, or the data are damaged.
    #[error("{what} is {value} at training step {step}")]
    Diverged {
        /// What went out of bounds.
        what: String,
        /// Its value.
        value: f64,
        /// Steps done before.
        step: u64,
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
    // -- steering --
    /// Token sets that cannot be compared.
    #[error("token sets: {why}")]
    Tokens {
        /// What is wrong with them.
        why: String,
    },
    /// A steering plan that is damaged, or of another model.
    #[error("steering plan: {why}")]
    Plan {
        /// What is wrong with it.
        why: String,
    },
    // -- files --
    /// From a file of arrays.
    #[error("{message}")]
    Recording {
        /// What it said.
        message: String,
    },
    // -- tensors --
    /// From a sparse autoencoder or a hook.
    #[error(transparent)]
    Probes(#[from] probes::Error),
    /// From a device or the transfer to and from it.
    #[error("tensor: {message}")]
    Tensor {
        /// What it said.
        message: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl From<tensor_backend::Error> for Error {
    fn from(error: tensor_backend::Error) -> Self {
        Self::from_tensor(error)
    }
}

impl Error {
    pub(crate) fn config(
        key: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Config { key: key.into(), found: found.to_string(), expected: expected.into() }
    }

    /// The same, saying in which file.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Config { key, found, expected } => {
                Self::Config { key: format!("{}: {key}", path.display()), found, expected }
            }
            other => other,
        }
    }

    pub(crate) fn tokens(why: String) -> Self {
        Self::Tokens { why }
    }

    pub(crate) fn plan(why: String) -> Self {
        Self::Plan { why }
    }

    pub(crate) fn from_recording(error: recordings::Error) -> Self {
        Self::Recording { message: error.to_string() }
    }

    pub(crate) fn from_tensor(error: tensor_backend::Error) -> Self {
        match error {
            tensor_backend::Error::NonFinite { what, value, step, .. } => {
                Self::Diverged { what, value, step }
            }
            other => Self::Tensor { message: other.to_string() },
        }
    }

    pub(crate) fn file(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), message: message.to_string() }
    }

    #[cfg(feature = "hub")]
    pub(crate) fn hub(what: &str, message: impl std::fmt::Display) -> Self {
        Self::Hub { what: what.to_owned(), message: message.to_string() }
    }

    pub(crate) fn line(path: &Path, line: usize, message: impl std::fmt::Display) -> Self {
        Self::Line { path: path.to_owned(), line, message: message.to_string() }
    }

    pub(crate) fn shape(
        what: &'static str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Shape { what, expected: expected.to_string(), found: found.to_string() }
    }
}
