//! `neuropil llm eigenscore`: how far several answers to one prompt lie apart.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use llm_neurons::{
    Ees, EesResult, EesVariant, EigenScoreConvention, ProbeDistribution, SpectralEdge, assess,
};
use ndarray::Array2;
use recordings::arrays::read_matrix;
use schemars::JsonSchema;
use serde::Serialize;
use tensor_backend::{DeviceSpec, Opened};

use super::answers::{AnswerArguments, Sampled};
use crate::arguments::{axes, positive};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Spread of several answers' embeddings: EigenScore, and Efficient EigenScore
#[derive(Debug, Args)]
pub(crate) struct Eigenscore {
    #[arg(
        help = "Embeddings [answers, units], one row an answer: .npy, .npz or .safetensors",
        required_unless_present = "model",
        conflicts_with = "model"
    )]
    file: Option<PathBuf>,
    /// Which array of the file
    #[arg(long, conflicts_with = "model")]
    key: Option<String>,
    /// Order of the array's axes: time,units or units,time
    #[arg(long, value_parser = axes(), conflicts_with = "model")]
    axes: Option<String>,
    /// Which covariance, and whose logarithm
    #[arg(long, value_enum, default_value_t = Convention::InsideCodeLn)]
    convention: Convention,
    /// Regulariser on the covariance's diagonal
    #[arg(long, default_value_t = 1e-3, value_parser = positive, allow_hyphen_values = true)]
    alpha: f64,
    /// How to compute; chebyshev gives the exact score and its estimate
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    method: Method,
    /// Which estimate, with chebyshev or auto [default: shifted]
    #[arg(long, value_enum)]
    variant: Option<Variant>,
    /// Chebyshev moments of the estimate, with chebyshev or auto [default: 50]
    #[arg(long)]
    moments: Option<usize>,
    /// Probe vectors of the estimate, with chebyshev or auto [default: 20]
    #[arg(long)]
    probes: Option<usize>,
    #[command(flatten)]
    model: AnswerArguments,
    /// Where the estimate was computed, once it was.
    #[arg(skip)]
    placed: OnceLock<(String, &'static str)>,
}

/// The conventions of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Convention {
    InsideCodeLn,
    InsideCode,
    InsidePaper,
    SendRegular,
    SendDual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Auto,
    Chebyshev,
    Cholesky,
    Eigen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Variant {
    Shifted,
    Paper,
    Official,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Answers, the rows.
    k: usize,
    /// Units, the columns.
    d: usize,
    /// Which covariance.
    convention: &'static str,
    /// `e` or `10`.
    log_base: &'static str,
    /// Regulariser.
    alpha: f64,
    /// Mean logarithm of the eigenvalues of the regularised covariance.
    eigenscore: f64,
    /// What computed `eigenscore`: chebyshev only where `auto` preferred an estimate.
    eigenscore_method: &'static str,
    /// Device that computed `eigenscore`: exact scores are the processor's. `run.device` is that of `method`, and so of
    /// `ees`.
    eigenscore_device: String,
    /// Number type of `eigenscore`; `run.dtype` is that of `method`.
    eigenscore_dtype: &'static str,
    /// Efficient EigenScore: its estimate from Chebyshev moments. For the variant `official` this is the published
    /// code's own number, which is no estimate of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ees: Option<f64>,
    /// For the variant `paper`: the paper's number, without the logarithm of the largest eigenvalue.
    #[serde(skip_serializing_if = "Option::is_none")]
    ees_raw: Option<f64>,
    /// Standard error of `ees` over its probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    ees_standard_error: Option<f64>,
    /// The method taken.
    method: &'static str,
    /// Why, where it was not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    method_reason: Option<String>,
    /// Chebyshev moments that an estimate has.
    moments: usize,
    /// Probes that an estimate has.
    probes: usize,
    /// Largest eigenvalue of the regularised covariance.
    lambda_max: f64,
    /// Largest error of the Chebyshev series of that many moments on this spectrum, without the noise of the probes.
    bound: Option<f64>,
    /// Device of the model that answered, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_device: Option<String>,
    /// The answers' texts, where a model gave them.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Vec<String>>,
    /// The answers' tokens, where a model gave them.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<Vec<Vec<u32>>>,
}

impl Eigenscore {
    fn convention(&self) -> EigenScoreConvention {
        match self.convention {
            Convention::InsideCodeLn => EigenScoreConvention::InsideCodeLn,
            Convention::InsideCode => EigenScoreConvention::InsideCode,
            Convention::InsidePaper => EigenScoreConvention::InsidePaper,
            Convention::SendRegular => EigenScoreConvention::SendRegular,
            Convention::SendDual => EigenScoreConvention::SendDual,
        }
    }

    fn variant(&self) -> Variant {
        self.variant.unwrap_or(Variant::Shifted)
    }

    fn moments(&self) -> usize {
        self.moments.unwrap_or(50)
    }

    fn probes(&self) -> usize {
        self.probes.unwrap_or(20)
    }

    /// Says what an exact method that was asked for by name does not use.
    fn tell(&self) {
        if !matches!(self.method, Method::Cholesky | Method::Eigen) {
            return;
        }
        let given = [
            ("--variant", self.variant.is_some()),
            ("--moments", self.moments.is_some()),
            ("--probes", self.probes.is_some()),
        ];
        let method = self.method.to_possible_value();
        let name = method.as_ref().map_or("this method", |m| m.get_name());
        for (flag, _) in given.iter().filter(|(_, given)| *given) {
            document::warn(&format!(
                "{flag} goes with --method chebyshev or auto; {name} makes no estimate: only `bound` heeds it"
            ));
        }
    }

    fn ees(&self, seed: u64) -> Ees {
        let (variant, distribution) = match self.variant() {
            Variant::Shifted => (EesVariant::Shifted, ProbeDistribution::Rademacher),
            Variant::Paper => (EesVariant::PaperUnitInterval, ProbeDistribution::Rademacher),
            Variant::Official => (EesVariant::OfficialCode, ProbeDistribution::Gaussian),
        };
        Ees {
            moments: self.moments(),
            probes: self.probes(),
            alpha: self.alpha,
            variant,
            distribution,
            // The answer states the largest eigenvalue: it is searched for until it stands.
            edge: SpectralEdge::Lanczos { steps: usize::MAX },
            seed,
            ..Ees::default()
        }
    }

    /// What the work may hold at once: embeddings, covariance, the blocks of the recurrence, moments of every probe.
    fn bytes(&self, k: u64, d: u64) -> u64 {
        let (small, moments, probes) = (k.min(d), self.moments() as u64, self.probes() as u64);
        let exact = k.saturating_mul(d).saturating_add(small.saturating_mul(small)).saturating_mul(3);
        let blocks = small.saturating_mul(probes).saturating_mul(5);
        let series = moments.saturating_mul(probes.saturating_add(4));
        exact.saturating_add(blocks).saturating_add(series).saturating_mul(8)
    }

    /// The device that was asked for, where it is not the processor.
    fn device<'a>(&self, context: &'a Context) -> Result<Option<&'a Opened>> {
        if context.device == DeviceSpec::Cpu {
            return Ok(None);
        }
        // A model that answers has a use for the device, whatever the method.
        let unused = self.model.model.is_none() && matches!(self.method, Method::Cholesky | Method::Eigen);
        if context.device != DeviceSpec::Auto && unused {
            return Err(exact_only(&context.device));
        }
        let opened = context.open_device()?;
        Ok((opened.capabilities.id != DeviceSpec::Cpu).then_some(opened))
    }

    fn refused(&self, error: llm_neurons::Error) -> Failure {
        let kind = if matches!(error, llm_neurons::Error::Tensor { .. }) { "device" } else { "input" };
        let failure = Failure::new(kind, error);
        match &self.file {
            Some(file) => failure.at(file),
            None => failure,
        }
    }
}

impl Eigenscore {
    /// The embeddings of the file, or of the answers that a model samples.
    fn embeddings(&self, context: &Context) -> Result<(Array2<f64>, Option<Sampled>)> {
        if let Some(sampled) = self.model.sample(context)? {
            return Ok((sampled.answers.embeddings.clone(), Some(sampled)));
        }
        let file =
            self.file.as_ref().ok_or_else(|| Failure::usage("FILE or --model: one of them is needed"))?;
        // Few answers of many units are the rule here: no warning asks whether the rows are the samples.
        let axes = self.axes.as_deref().or(Some("time,units"));
        let (e, warnings) = read_matrix(file, self.key.as_deref(), axes).map_err(file_failure_at(file))?;
        warnings.iter().for_each(|w| document::warn(w));
        Ok((e, None))
    }
}

fn exact_only(device: &DeviceSpec) -> Failure {
    let message = format!(
        "--device {device} places the tensors of --method chebyshev; exact scores are computed on the cpu"
    );
    Failure::new("unsupported", message)
}

impl Verb for Eigenscore {
    const NAME: &'static str = "llm.eigenscore";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        self.tell();
        let opened = self.device(context)?;
        let (e, sampled) = self.embeddings(context)?;
        let (k, d) = e.dim();
        context.admit("the covariance and its estimate", self.bytes(k as u64, d as u64))?;
        let (convention, ees) = (self.convention(), self.ees(context.seed));
        let method = match self.method {
            Method::Auto => llm_neurons::Method::Auto,
            Method::Chebyshev => llm_neurons::Method::Chebyshev,
            Method::Cholesky => llm_neurons::Method::Cholesky,
            Method::Eigen => llm_neurons::Method::Eigen,
        };
        let view = e.view();
        let estimate = opened.map(|opened| {
            let (view, ees, device) = (&view, &ees, &opened.device);
            move || ees.score_uploaded(view, convention, device)
        });
        let estimate = estimate.as_ref().map(|f| f as &dyn Fn() -> llm_neurons::Result<EesResult>);
        let found = assess(&view, convention, method, &ees, estimate).map_err(|e| self.refused(e))?;
        if let Some(opened) = opened {
            if found.details.is_some() {
                // A verb runs once, so that the cell is empty.
                let _ = self.placed.set((opened.capabilities.id.to_string(), "f32"));
            } else if context.device != DeviceSpec::Auto && sampled.is_none() {
                return Err(exact_only(&context.device));
            }
        }
        let host = || ("cpu".to_owned(), "f64");
        let (eigenscore_device, eigenscore_dtype) =
            if found.eigenscore_method == llm_neurons::Method::Chebyshev {
                self.placement(context)
            } else {
                host()
            };
        let base = convention.log_base();
        let details = found.details.as_ref();
        Ok(Answer {
            k,
            d,
            convention: convention.name(),
            log_base: base.name(),
            alpha: self.alpha,
            eigenscore: found.eigenscore,
            eigenscore_method: found.eigenscore_method.name(),
            eigenscore_device,
            eigenscore_dtype,
            ees: found.ees,
            ees_raw: details.filter(|_| self.variant() == Variant::Paper).map(|r| base.of_ln(r.raw)),
            ees_standard_error: details.and_then(|r| r.standard_error).map(|x| base.of_ln(x)),
            method: found.method.name(),
            method_reason: found.reason,
            moments: self.moments(),
            probes: self.probes(),
            lambda_max: found.lambda_max,
            bound: found.bound,
            model_device: sampled.as_ref().map(|s| s.device.clone()),
            token_ids: sampled.as_ref().map(|s| s.answers.tokens.clone()),
            answers: sampled.map(|s| s.texts),
        })
    }

    fn placement(&self, _context: &Context) -> (String, &'static str) {
        self.placed.get().cloned().unwrap_or_else(|| ("cpu".to_owned(), "f64"))
    }
}
