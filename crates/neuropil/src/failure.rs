//! How a verb fails: one kind, one line, and the path it concerns.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The `error` object of a JSON answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// A short stable word: `input`, `format`, `io`, `device`, `memory`, `unsupported`, `usage`.
    pub(crate) kind: &'static str,
    /// One line that says why.
    pub(crate) message: String,
    /// The file it concerns, where there is one.
    pub(crate) path: Option<PathBuf>,
}

impl Failure {
    /// A failure of `kind`, without a path.
    pub(crate) fn new(kind: &'static str, message: impl std::fmt::Display) -> Self {
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { kind, message, path: None }
    }

    /// Bad input values.
    pub(crate) fn input(message: impl std::fmt::Display) -> Self {
        Self::new("input", message)
    }

    /// Wrong usage: exit status 2.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self::new("usage", message)
    }

    /// The same failure, about this file where it names none.
    #[cfg(any(feature = "bio", feature = "geometry", feature = "llm", feature = "snn"))]
    pub(crate) fn or_at(self, path: impl AsRef<Path>) -> Self {
        if self.path.is_some() { self } else { self.at(path) }
    }

    /// The same failure about a file.
    pub(crate) fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }
}

/// What every verb returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A failure of the file layer.
#[cfg(any(feature = "bio", feature = "geometry", feature = "llm", feature = "snn"))]
pub(crate) fn file_failure(error: recordings::Error) -> Failure {
    use recordings::Error as E;
    let (kind, path) = match &error {
        E::Io { path, .. } => ("io", Some(path.clone())),
        E::Format { path, .. } => ("format", Some(path.clone())),
        E::Limit { path, .. } => ("memory", Some(path.clone())),
        E::Key { path, .. } => ("input", Some(path.clone())),
        _ => ("input", None),
    };
    Failure { path, ..Failure::new(kind, error) }
}

/// A failure of the file layer while this file was read or written.
#[cfg(any(feature = "geometry", feature = "llm", feature = "snn"))]
pub(crate) fn file_failure_at(path: &Path) -> impl Fn(recordings::Error) -> Failure + '_ {
    move |error| file_failure(error).or_at(path)
}
