//! Methods about the neurons of language models.
#![forbid(unsafe_code)]
