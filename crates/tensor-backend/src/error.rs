//! The crate's error type.

use std::path::{Path, PathBuf};

/// Why a device, a tensor, a training run or a checkpoint was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // devices
    /// Text that names no device.
    #[error(
        "{text:?} names no device: expected auto, cpu, wgpu[:n], cuda[:n] or remote:ws://host:port ({reason})"
    )]
    Spec {
        /// What was read.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that this build, or this device, cannot do.
    #[error("{what} is not supported: {backend}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Who cannot do it, and what would help.
        backend: String,
    },
    /// The backend is compiled in, but the machine has no such device.
    #[error("no device {what}: {found}")]
    Absent {
        /// What was asked for.
        what: String,
        /// What there is instead.
        found: String,
    },
    /// The device is there and does not work.
    #[error("device {device} does not work: {reason}")]
    Broken {
        /// Which device.
        device: String,
        /// What it said.
        reason: String,
    },

    // tensors
    /// A shape that the operation does not take.
    #[error("{what}: shape {found:?}, expected {expected}")]
    Shape {
        /// Which array or tensor.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would have been accepted.
        expected: String,
    },
    /// A number type that the operation does not take.
    #[error("{what}: number type {found}, expected {expected}")]
    Dtype {
        /// Which array or tensor.
        what: String,
        /// Its type.
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
    /// The device failed while it computed or handed back a result.
    #[error("{what}: {reason}")]
    Execution {
        /// What was read.
        what: String,
        /// What the device said.
        reason: String,
    },
    /// A gradient was asked for a tensor that the result does not depend on.
    #[error("no gradient for {what}: {reason}")]
    NoGradient {
        /// Which tensor.
        what: String,
        /// Why there is none.
        reason: String,
    },

    // training
    /// A loss or a gradient that is NaN or infinite.
    #[error("the {what} is {value} at step {step} (epoch {epoch})")]
    NonFinite {
        /// `loss`, or the path of a parameter.
        what: String,
        /// What it was.
        value: f64,
        /// Step of the run, from 0.
        step: u64,
        /// Epoch of the run, from 0.
        epoch: u64,
    },
    /// A step, or an observer, that failed for a reason of its own.
    #[error("step {step} (epoch {epoch}): {reason}")]
    Step {
        /// Step of the run, from 0.
        step: u64,
        /// Epoch of the run, from 0.
        epoch: u64,
        /// Why.
        reason: String,
    },

    // files
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint that is damaged, or belongs to another run.
    #[error("{path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>, backend: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), backend: backend.into() }
    }

    pub(crate) fn shape(what: &str, found: &[usize], expected: impl Into<String>) -> Self {
        Self::Shape { what: what.to_owned(), found: found.to_owned(), expected: expected.into() }
    }

    pub(crate) fn value(
        what: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { what: what.into(), found: found.to_string(), expected: expected.into() }
    }

    pub(crate) fn dtype(what: &str, found: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Dtype { what: what.to_owned(), found: format!("{found:?}"), expected: expected.into() }
    }

    pub(crate) fn execution(what: &str, reason: impl std::fmt::Display) -> Self {
        Self::Execution { what: what.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn checkpoint(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Checkpoint { path: path.to_owned(), reason: reason.to_string() }
    }
}
