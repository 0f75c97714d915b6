//! `neuropil llm logits`: what a model says of given tokens.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::model::Tokens;
use llm_neurons::parity::token_ids;
use llm_neurons::{AnyModel, LanguageModel};
use ndarray::{Array2, ArrayD, Ix2};
use probes::{HookSet, Read};
use recordings::Site;
use recordings::arrays::{ArrayFile, Npz};
use schemars::JsonSchema;
use serde::Serialize;
use tensor_backend::bridge;

use super::lines::check_named;
use super::model::{ModelArguments, failure};
use crate::context::Context;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Logits, and hidden states, of given token ids
#[derive(Debug, Args)]
pub(crate) struct Logits {
    #[command(flatten)]
    model: ModelArguments,
    /// Token ids, `[batch, time]` or one row: .npy, .npz or .safetensors
    #[arg(
        long,
        value_name = "IDS.npy",
        help = "Token ids, [batch, time] or one row: .npy, .npz or .safetensors"
    )]
    ids: PathBuf,
    /// Where to write them (npz: logits [batch, time, vocab])
    #[arg(long, value_name = "OUT.npz")]
    out: PathBuf,
    /// Write embed, resid_post.{i} and final_norm too
    #[arg(long)]
    hidden: bool,
    /// 1 where a token is none of the padding, as many as ids
    #[arg(long, value_name = "M.npy")]
    mask: Option<PathBuf>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Sequences.
    batch: usize,
    /// Tokens of each.
    time: usize,
    /// Tokens of the vocabulary.
    vocab: usize,
    /// Names of the arrays that were written.
    arrays: Vec<String>,
    /// Where.
    out: String,
    #[serde(skip)]
    nonfinite: usize,
}

fn matrix(path: &PathBuf) -> Result<Array2<i64>> {
    let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
    let (_, array) = file.pick(None).map_err(file_failure_at(path))?;
    let array: ArrayD<i64> = array.to_i64().map_err(file_failure_at(path))?;
    let found = format!("{:?}", array.shape());
    let array = if array.ndim() == 1 { array.insert_axis(ndarray::Axis(0)) } else { array };
    array
        .into_dimensionality::<Ix2>()
        .map_err(|_| Failure::input(format!("shape {found}: expected [batch, time] or [time]")).at(path))
}

impl Verb for Logits {
    const NAME: &'static str = "llm.logits";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        check_named(&self.out, "npz")?;
        let ids = token_ids(&matrix(&self.ids)?).map_err(|e| failure(e).at(&self.ids))?;
        let tokens = match &self.mask {
            None => Tokens::new(ids),
            Some(path) => {
                let valid = matrix(path)?.mapv(|x| x != 0);
                Tokens::masked(ids, valid).map_err(|e| failure(e).at(path))?
            }
        };
        let model = self.model.load_any(context)?;
        if let AnyModel::Transformer(model) = &model {
            let (batch, time) = tokens.dim();
            ModelArguments::admit_pass(context, model, time, batch * time, 0)?;
        }
        let mut sites = Vec::new();
        if self.hidden {
            sites.push(("embed".to_owned(), Site::Embed));
            sites.extend((0..model.layers()).map(|l| (format!("resid_post.{l}"), Site::ResidPost(l))));
            if model.width(&Site::FinalNorm).is_some() {
                sites.push(("final_norm".to_owned(), Site::FinalNorm));
            }
        }
        sites.push(("logits".to_owned(), Site::Logits));
        let mut hooks = HookSet::new();
        let mut reads = Vec::new();
        for (name, site) in sites {
            reads.push((name, hooks.read(site, Read::Full).map_err(Failure::input)?));
        }
        model.read(&tokens, None, &mut hooks).map_err(|e| failure(e).or_at(&self.ids))?;
        let (mut npz, mut shape, mut nonfinite) = (Npz::new(), (0, 0), 0);
        let mut arrays = Vec::new();
        for (name, read) in reads {
            let tensor = hooks.full(read).map_err(Failure::input)?;
            let array = bridge::float_array::<f32, 3>(tensor).map_err(|e| Failure::new("device", e))?;
            nonfinite += array.iter().filter(|x| !x.is_finite()).count();
            shape = (array.dim().0, array.dim().1);
            npz = npz.f32(&name, array.view().into_dyn());
            arrays.push(name);
        }
        npz.write(&self.out).map_err(file_failure_at(&self.out))?;
        Ok(Answer {
            batch: shape.0,
            time: shape.1,
            vocab: model.vocabulary(),
            arrays,
            out: self.out.display().to_string(),
            nonfinite,
        })
    }

    fn nonfinite_written(&self, answer: &Answer) -> usize {
        answer.nonfinite
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
