//! A fence around other crates' decoders.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{Error, Result};

/// Runs a decoder of another crate; a panic inside it becomes [`Error::Format`].
///
/// The decoders of Parquet and HDF5 check most of what they read, but not all: some damaged files reach an assertion
/// or an index out of range. Nothing that they touched is used afterwards, so unwinding past them is safe.
pub(super) fn guard<T>(path: &Path, decoder: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Error::format(path, format!("damaged: the {decoder} decoder gave up ({said})")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let failed =
            guard::<()>("a.parquet".as_ref(), "Parquet", || std::panic::panic_any("out of range".to_owned()));
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("a.parquet") && text.contains("out of range"), "{text}");
    }
}
