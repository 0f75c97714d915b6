//! `neuropil schema [VERB]`: the JSON schema of an answer.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::nearest;
use crate::commands;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result};
use crate::verb::{Schemas, Verb, describe, execute};

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
    describe::<Schema>(&mut schemas);
    commands::reproduce::schemas(&mut schemas);
    #[cfg(feature = "bio")]
    commands::bio::schemas(&mut schemas);
    #[cfg(feature = "geometry")]
    commands::geometry::schemas(&mut schemas);
    #[cfg(feature = "llm")]
    commands::llm::schemas(&mut schemas);
    #[cfg(feature = "snn")]
    commands::snn::schemas(&mut schemas);
    schemas
}

/// The list of the verbs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// What `neuropil schema` takes as VERB.
    verbs: Vec<&'static str>,
}

impl Verb for Schema {
    const NAME: &'static str = "schema";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        Ok(Answer { verbs: all().into_keys().collect() })
    }
}

impl Schema {
    /// Prints the schema, or the list; the exit status.
    pub(crate) fn print(&self, context: &Context) -> u8 {
        let wanted = self.verb.join(".");
        if wanted.is_empty() && context.json {
            return execute(self, context);
        }
        let schemas = all();
        if wanted.is_empty() {
            schemas.keys().for_each(|name| document::print_line(name));
            return 0;
        }
        if let Some(schema) = schemas.get(wanted.as_str()) {
            document::print_line(&format!("{schema:#}"));
            return 0;
        }
        let near = nearest(&wanted, schemas.keys().copied());
        let (word, names) =
            if near.is_empty() { ("there are", schemas.into_keys().collect()) } else { ("nearest", near) };
        let failure = Failure::usage(format!("no verb {wanted:?}; {word}: {}", names.join(", ")));
        document::print_failure("neuropil.schema/1", &failure, context.json)
    }
}
