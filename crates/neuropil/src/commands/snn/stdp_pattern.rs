//! `neuropil snn stdp-pattern`: detectors of spatial patterns, trained by one presentation each.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::Array2;
use recordings::arrays::Npz;
use schemars::JsonSchema;
use serde::Serialize;
use snn::spatial::{
    BitPattern, Confusion, Detector, DetectorConfig, HomeostasisMode, Integration, PatternBank,
    SpatialDetector, TestSet, accepted_inputs, evaluate,
};

use super::model_files::{check_out, failure, failure_at, read_rows};
use crate::arguments::positive;
use crate::context::Context;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Train a detector of spatial patterns once, by STDP and homeostasis, and test it
#[derive(Debug, Args)]
pub(crate) struct StdpPattern {
    #[arg(
        value_name = "PATTERNS",
        help = "Patterns to detect: an array [patterns, inputs] of 0 and 1, a text file of such lines, or 110100,001011"
    )]
    patterns: String,
    /// Homeostatic factor: how far above threshold a trained pattern lies
    #[arg(long, default_value_t = 0.0, value_name = "M", allow_negative_numbers = true)]
    margin: f64,
    /// A+, the potentiation of the pattern's inputs
    #[arg(long, default_value_t = 1.0, value_name = "A", value_parser = positive)]
    potentiation: f64,
    /// A-, the depression of the others
    #[arg(long, default_value_t = 1.0, value_name = "A", value_parser = positive)]
    depression: f64,
    /// One neuron a pattern instead of one for all
    #[arg(long)]
    bank: bool,
    /// How weights are scaled
    #[arg(long, value_enum, default_value_t = HomeostasisName::OneStep)]
    homeostasis: HomeostasisName,
    /// How the neuron is integrated
    #[arg(long, value_enum, default_value_t = IntegrationName::Exact)]
    integration: IntegrationName,
    /// Step of the simulation, ms [default: 0.1, spinnaker 1]
    #[arg(long, value_name = "MS", value_parser = positive)]
    step_ms: Option<f64>,
    /// What to test on [default: all up to 20 inputs, else a sample]
    #[arg(long, value_enum)]
    test: Option<TestName>,
    /// Sample: all inputs that differ from a pattern in so many places
    #[arg(long, default_value_t = 2, value_name = "N")]
    distance: usize,
    /// Sample: random inputs for each pattern, with as many spikes
    #[arg(long, default_value_t = 1000, value_name = "N")]
    random: usize,
    /// Inputs to decide on, given like the patterns
    #[arg(long, value_name = "INPUTS")]
    inputs: Option<String>,
    /// Where to write weights and decisions (npz)
    #[arg(long, value_name = "FILE.npz")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HomeostasisName {
    OneStep,
    RateTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IntegrationName {
    Exact,
    Spinnaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TestName {
    All,
    Sample,
}

/// A trained pattern.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Trained {
    /// Inputs that spike.
    active: usize,
    /// Whether its detector accepts it.
    accepted: bool,
    /// Spikes of the simulated neuron, ms from the pattern.
    spikes_ms: Vec<f64>,
    /// When the closed form says that the neuron fires first; null where it does not, and in SpiNNaker's order.
    latency_ms: Option<f64>,
}

/// How the detector did on inputs of known answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Test {
    /// all or sample.
    set: &'static str,
    /// Inputs tried.
    inputs: u64,
    /// Patterns accepted.
    true_positives: u64,
    /// Others accepted.
    false_positives: u64,
    /// Others refused.
    true_negatives: u64,
    /// Patterns refused.
    false_negatives: u64,
    /// Share of right answers: near 1 wherever patterns are few.
    accuracy: f64,
    /// Share of the accepted that are patterns; null where none was accepted.
    #[schemars(with = "Option<f64>")]
    precision: f64,
    /// Share of the patterns that were accepted.
    recall: f64,
    /// Harmonic mean of both.
    f1: f64,
    /// Matthews' correlation.
    mcc: f64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Inputs.
    inputs: usize,
    /// Patterns.
    patterns: usize,
    /// Output neurons.
    neurons: usize,
    /// Summed weight from which a neuron fires, nA.
    threshold_na: f64,
    /// Whether homeostasis reached its target in every neuron.
    converged: bool,
    /// Mean Hamming distance of two patterns; null for one.
    mean_hamming: Option<f64>,
    /// Each pattern, on its neuron.
    trained: Vec<Trained>,
    /// The test.
    test: Test,
    /// How many inputs the closed form accepts in all, for one pattern.
    law: Option<f64>,
    /// For each of --inputs, whether the detector fires.
    decisions: Option<Vec<bool>>,
}

/// One neuron or several.
enum Trainee {
    One(Box<SpatialDetector>),
    Bank(PatternBank),
}

impl Verb for StdpPattern {
    const NAME: &'static str = "snn.stdp-pattern";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        self.out.iter().try_for_each(|path| check_out("--out", path))?;
        let patterns = read_patterns(&self.patterns)?;
        let shown = self.inputs.as_deref().map(read_patterns).transpose()?;
        let inputs = patterns.first().map_or(0, BitPattern::inputs);
        let config = self.config();
        let (trainee, converged) = self.train(&patterns, inputs, config)?;
        let all = match self.test {
            Some(TestName::All) => true,
            Some(TestName::Sample) => false,
            None => inputs <= 20,
        };
        let bytes = if all { 3_u64 << inputs.min(40) } else { self.sample_bytes(patterns.len(), inputs) };
        context.admit("the test", bytes)?;
        let sample = TestSet::Sample { distance: self.distance, random: self.random, seed: context.seed };
        let counts = trainee.test(&patterns, if all { TestSet::Exhaustive } else { sample })?;
        let decide = |x: &BitPattern| trainee.decide(x);
        let decisions =
            shown.as_ref().map(|x| x.iter().map(decide).collect::<Result<Vec<_>>>()).transpose()?;
        let neurons = trainee.neurons();
        let trained = patterns
            .iter()
            .enumerate()
            .map(|(k, pattern)| {
                let neuron = neurons[k.min(neurons.len() - 1)];
                Ok(Trained {
                    active: pattern.active(),
                    accepted: neuron.decide(pattern).map_err(failure)?,
                    spikes_ms: neuron.simulate(pattern).map_err(failure)?,
                    latency_ms: match self.integration {
                        IntegrationName::Exact => neuron.latency_ms(pattern).map_err(failure)?,
                        IntegrationName::Spinnaker => None,
                    },
                })
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some(path) = &self.out {
            let weights = Array2::from_shape_fn((neurons.len(), inputs), |(k, i)| neurons[k].weights()[i]);
            let mut file = Npz::new().f64("weights_na", weights.view().into_dyn());
            if let Some(decisions) = &decisions {
                let fired = decisions.iter().map(|on| i64::from(*on)).collect::<ndarray::Array1<i64>>();
                file = file.i64("decisions", fired.view().into_dyn());
            }
            file.write(path).map_err(file_failure_at(path))?;
        }
        let one_step = self.homeostasis == HomeostasisName::OneStep && patterns.len() == 1 && inputs <= 1000;
        let law = one_step
            .then(|| {
                accepted_inputs(
                    inputs,
                    patterns[0].active(),
                    self.margin,
                    config.depression / config.potentiation,
                )
            })
            .transpose();
        Ok(Answer {
            inputs,
            patterns: patterns.len(),
            neurons: neurons.len(),
            threshold_na: neurons[0].threshold_na(),
            converged,
            mean_hamming: mean_hamming(&patterns)?,
            trained,
            test: Test {
                set: if all { "all" } else { "sample" },
                inputs: counts.total(),
                true_positives: counts.true_positives,
                false_positives: counts.false_positives,
                true_negatives: counts.true_negatives,
                false_negatives: counts.false_negatives,
                accuracy: counts.accuracy(),
                precision: counts.precision(),
                recall: counts.recall(),
                f1: counts.f1(),
                mcc: counts.mcc(),
            },
            law: law.map_err(failure)?,
            decisions,
        })
    }
}

impl StdpPattern {
    fn config(&self) -> DetectorConfig {
        DetectorConfig {
            margin: self.margin,
            potentiation: self.potentiation,
            depression: self.depression,
            homeostasis: match self.homeostasis {
                HomeostasisName::OneStep => HomeostasisMode::OneStep,
                HomeostasisName::RateTarget => HomeostasisMode::RateTarget { rate: 0.1, most: 10_000 },
            },
            integration: match self.integration {
                IntegrationName::Exact => Integration::Exact { step_ms: self.step_ms.unwrap_or(0.1) },
                IntegrationName::Spinnaker => Integration::Spinnaker { step_ms: self.step_ms.unwrap_or(1.0) },
            },
            ..DetectorConfig::default()
        }
    }

    fn train(
        &self,
        patterns: &[BitPattern],
        inputs: usize,
        config: DetectorConfig,
    ) -> Result<(Trainee, bool)> {
        if self.homeostasis == HomeostasisName::RateTarget && self.margin != 0.0 {
            return Err(Failure::usage("--margin goes with --homeostasis one-step"));
        }
        if self.bank {
            let bank = PatternBank::train(patterns, config).map_err(failure)?;
            let converged = bank.converged();
            return Ok((Trainee::Bank(bank), converged));
        }
        let mut detector = SpatialDetector::new(inputs, config).map_err(failure)?;
        let report = detector.train_one_shot(patterns).map_err(failure)?;
        Ok((Trainee::One(Box::new(detector)), report.converged))
    }

    /// What a sample holds at most.
    fn sample_bytes(&self, patterns: usize, inputs: usize) -> u64 {
        let near = (inputs as u64).saturating_pow(self.distance.min(4) as u32);
        let all = (near.saturating_add(self.random as u64)).saturating_mul(patterns as u64);
        all.saturating_mul(64 + inputs as u64 / 4)
    }
}

impl Trainee {
    fn neurons(&self) -> Vec<&SpatialDetector> {
        match self {
            Self::One(detector) => vec![detector],
            Self::Bank(bank) => bank.detectors().iter().collect(),
        }
    }

    fn decide(&self, x: &BitPattern) -> Result<bool> {
        match self {
            Self::One(detector) => detector.decide(x),
            Self::Bank(bank) => bank.decide(x),
        }
        .map_err(failure)
    }

    fn test(&self, patterns: &[BitPattern], set: TestSet) -> Result<Confusion> {
        match self {
            Self::One(detector) => evaluate(detector.as_ref(), patterns, set),
            Self::Bank(bank) => evaluate(bank, patterns, set),
        }
        .map_err(failure)
    }
}

fn mean_hamming(patterns: &[BitPattern]) -> Result<Option<f64>> {
    let mut apart = Vec::new();
    for (k, first) in patterns.iter().enumerate() {
        for second in &patterns[..k] {
            apart.push(first.hamming(second).map_err(failure)? as f64);
        }
    }
    Ok((!apart.is_empty()).then(|| numerics::summary::mean(&apart)))
}

/// An array file, a text file of lines of 0 and 1, or such words with commas between.
fn read_patterns(text: &str) -> Result<Vec<BitPattern>> {
    let path = Path::new(text);
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    if matches!(extension.as_deref(), Some("npy" | "npz" | "safetensors")) {
        let rows = read_rows(path, None)?;
        let row = |r: ndarray::ArrayView1<'_, f64>| BitPattern::from_values(&r.to_vec());
        return rows.rows().into_iter().map(row).collect::<snn::Result<Vec<_>>>().map_err(failure_at(path));
    }
    let is_file = path.is_file();
    let read = if is_file {
        std::fs::read_to_string(path).map_err(|e| Failure::new("io", e).at(path))?
    } else {
        text.to_owned()
    };
    let words = read.split([',', '\n']).map(|w| w.split_whitespace().collect::<String>());
    let mut patterns = Vec::new();
    for word in words.filter(|w| !w.is_empty()) {
        if let Some(other) = word.chars().find(|c| !matches!(c, '0' | '1')) {
            let failure = Failure::input(format!("{other:?} in a pattern: expected 0 and 1"));
            return Err(if is_file { failure.at(path) } else { failure });
        }
        patterns.push(BitPattern::from_bits(&word.chars().map(|c| c == '1').collect::<Vec<_>>()));
    }
    if patterns.is_empty() {
        return Err(Failure::input("no pattern was given"));
    }
    Ok(patterns)
}
