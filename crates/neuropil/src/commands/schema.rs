//! `neuropil schema [VERB]`: the JSON schema of an answer.

use clap::Args;

use crate::commands;
use crate::document;
use crate::failure::Failure;
use crate::verb::{Schemas, describe};

/// Print the JSON schema of a verb's answer, or list the verbs
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// For example "bio connectome" or bio.connectome; all names when left out
    #[arg(num_args = 0.., value_name = "VERB")]
    verb: Vec<String>,
}

/// Every verb's schema by name.
pub(crate) fn all() -> Schemas {
    let mut schemas = Schemas::new();
    describe::<commands::devices::Devices>(&mut schemas);
    commands::reproduce::schemas(&mut schemas);
    #[cfg(feature = "bio")]
    commands::bio::schemas(&mut schemas);
    #[cfg(feature = "geometry")]
    commands::geometry::schemas(&mut schemas);
    #[cfg(feature = "llm")]
    commands::llm::schemas(&mut schemas);
    schemas
}

impl Schema {
    /// Prints the schema; the exit status.
    pub(crate) fn run(&self) -> u8 {
        let schemas = all();
        let wanted = self.verb.join(".");
        if wanted.is_empty() {
            for name in schemas.keys() {
                document::print_line(name);
            }
            return 0;
        }
        match schemas.get(wanted.as_str()) {
            Some(schema) => {
                document::print_line(&format!("{schema:#}"));
                0
            }
            None => {
                let names: Vec<&str> = schemas.keys().copied().collect();
                let failure = Failure::usage(format!("no verb {wanted:?}; there are: {}", names.join(", ")));
                document::print_failure("neuropil.schema/1", &failure, false)
            }
        }
    }
}
