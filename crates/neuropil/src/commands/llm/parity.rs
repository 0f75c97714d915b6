//! `neuropil llm parity`: a model against a dump of a reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use llm_neurons::parity::parity;
use recordings::arrays::ArrayFile;
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{ModelArguments, failure};
use crate::context::Context;
use crate::document;
use crate::failure::{Result, file_failure_at};
use crate::verb::Verb;

/// How far each site lies from a reference's, and where a model first leaves it
#[derive(Debug, Args)]
pub(crate) struct Parity {
    #[command(flatten)]
    model: ModelArguments,
    /// input_ids and tensors by site: .safetensors or .npz
    #[arg(long, value_name = "REF")]
    reference: PathBuf,
    /// Largest relative difference that still agrees
    #[arg(long, default_value_t = 1e-4, allow_hyphen_values = true)]
    tolerance: f64,
}

/// One site.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Site {
    /// Largest absolute difference.
    max_abs: f64,
    /// Euclidean norm of the difference over that of the reference.
    relative: f64,
    /// Cosine of the angle between the two.
    cosine: f64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// By site; `order` says when a forward pass reaches each.
    sites: BTreeMap<String, Site>,
    /// The sites as a forward pass reaches them.
    order: Vec<String>,
    /// The first site whose relative difference is above the tolerance.
    first_divergence: Option<String>,
    /// The tolerance.
    tolerance: f64,
}

impl Verb for Parity {
    const NAME: &'static str = "llm.parity";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let reference = ArrayFile::open(&self.reference).map_err(file_failure_at(&self.reference))?;
        let model = self.model.load(context)?;
        let found =
            parity(&model, &reference, self.tolerance).map_err(|e| failure(e).or_at(&self.reference))?;
        if !found.unread.is_empty() {
            document::warn(&format!("no site of the model: {}", found.unread.join(", ")));
        }
        let order: Vec<String> = found.sites.iter().map(|s| s.site.to_string()).collect();
        let sites = found.sites.into_iter().map(|s| {
            let site = Site { max_abs: s.max_abs, relative: s.relative, cosine: s.cosine };
            (s.site.to_string(), site)
        });
        Ok(Answer {
            sites: sites.collect(),
            order,
            first_divergence: found.first_divergence.map(|s| s.to_string()),
            tolerance: self.tolerance,
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
