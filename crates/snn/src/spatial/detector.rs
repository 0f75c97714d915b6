//! A detector: one neuron that one presentation of each pattern has trained.

use super::closed_form::{accepted, drive_na, reaches};
use super::pattern::check_patterns;
use super::simulation::{Teacher, Volley, peak_mv_per_na, present, stdp};
use super::{BitPattern, DetectorConfig, HomeostasisMode, Integration};
use crate::{Error, Result};

/// Whatever says yes or no to a pattern.
pub trait Detector: Sync {
    /// Number of inputs.
    fn inputs(&self) -> usize;

    /// Whether it fires.
    ///
    /// # Errors
    /// [`Error::Shape`] for a pattern of another number of inputs.
    fn decide(&self, x: &BitPattern) -> Result<bool>;

    /// What it decides on each of the `2^inputs` patterns, in the order of their codes ([`BitPattern::from_code`]).
    ///
    /// # Errors
    /// [`Error::Shape`] above 24 inputs.
    fn decide_all(&self) -> Result<Vec<bool>>;
}

/// One output neuron and the weights of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct SpatialDetector {
    config: DetectorConfig,
    threshold_na: f64,
    teacher: Teacher,
    weights: Vec<f64>,
}

/// What happened during training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainReport {
    /// Weight changes of each presentation `[patterns]`: of an input of the pattern, and of another one, in units of the
    /// amplitudes.
    pub changes: Vec<[f64; 2]>,
    /// When the neuron fired in each presentation, in ms from the pattern, stamped with the end of a step.
    pub teacher_spikes_ms: Vec<Vec<f64>>,
    /// Mean drive of the trained patterns after STDP, over the threshold.
    pub drive_before: f64,
    /// The same after homeostasis; unchanged where nothing could be scaled.
    pub drive_after: f64,
    /// Whether homeostasis reached its target: the mean drive was above 0 (one step), or each trained pattern brings
    /// one spike (rate target).
    pub converged: bool,
    /// Presentations of the whole set that homeostasis took.
    pub epochs: usize,
}

impl SpatialDetector {
    /// An untrained detector: all weights are 0.
    ///
    /// # Errors
    /// [`Error::TooFew`] without inputs, those of [`DetectorConfig::validate`], and [`Error::Parameter`] for a refractory
    /// time so short that the teacher would make the neuron fire twice.
    pub fn new(n_inputs: usize, cfg: DetectorConfig) -> Result<Self> {
        cfg.validate()?;
        if n_inputs == 0 {
            return Err(Error::TooFew { what: "inputs".to_owned(), needed: 1, found: 0 });
        }
        let threshold_na = cfg.neuron.v_threshold_mv / peak_mv_per_na(&cfg);
        let teacher = Teacher::new(&cfg, threshold_na)?;
        Ok(Self { config: cfg, threshold_na, teacher, weights: vec![0.0; n_inputs] })
    }

    /// Trains from nothing: each pattern is presented once, to a neuron at rest, then homeostasis scales all weights,
    /// once for the set.
    ///
    /// A presentation is simulated spike by spike. Weights are grown in a unit so small that what has been learned of
    /// other patterns cannot move the teacher's spike; homeostasis sets their size.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no pattern or an empty one, [`Error::Shape`] for one of another number of inputs or one that
    /// is there twice. The detector is then as before.
    pub fn train_one_shot(&mut self, patterns: &[BitPattern]) -> Result<TrainReport> {
        check_patterns(self.weights.len(), patterns)?;
        let unit = 1e-6 * self.threshold_na
            / (self.config.potentiation.max(self.config.depression)
                * (patterns.len() * self.weights.len()) as f64);
        let mut learned = vec![0.0; self.weights.len()];
        let mut report = TrainReport {
            changes: Vec::with_capacity(patterns.len()),
            teacher_spikes_ms: Vec::with_capacity(patterns.len()),
            drive_before: 0.0,
            drive_after: 0.0,
            converged: false,
            epochs: 1,
        };
        for pattern in patterns {
            let (change, spikes) = self.teach(&learned, pattern);
            for (i, w) in learned.iter_mut().enumerate() {
                *w += unit * change[usize::from(!pattern.contains(i))];
            }
            report.changes.push(change);
            report.teacher_spikes_ms.push(spikes);
        }
        self.weights = learned;
        report.drive_before = self.mean_drive(patterns);
        match self.config.homeostasis {
            HomeostasisMode::OneStep => {
                report.converged = report.drive_before > 0.0;
                if report.converged {
                    let target = 1.0 + self.config.margin;
                    let factor = target / report.drive_before;
                    self.weights.iter_mut().for_each(|w| *w *= factor);
                }
            }
            HomeostasisMode::RateTarget { rate, most } => {
                report.epochs = 0;
                while report.epochs < most {
                    report.epochs += 1;
                    let counts = patterns.iter().map(|p| self.spikes(p).len()).collect::<Vec<_>>();
                    report.converged = counts.iter().all(|c| *c == 1);
                    if report.converged {
                        break;
                    }
                    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
                    let factor = 1.0 + rate * (1.0 - mean);
                    // Many spikes at once may not turn weights over.
                    self.weights.iter_mut().for_each(|w| *w *= factor.max(1.0 - rate));
                }
            }
        }
        report.drive_after = self.mean_drive(patterns);
        Ok(report)
    }

    /// One presentation: the changes of the pattern's inputs and of the others, and the neuron's spikes.
    fn teach(&self, learned: &[f64], pattern: &BitPattern) -> ([f64; 2], Vec<f64>) {
        let pairing = self.config.pairing_steps();
        let others: f64 = learned.iter().sum::<f64>() - drive_na(learned, pattern);
        // A teacher that needs longer than the pairing arrives before the pattern does.
        let shown = self.teacher.latency_steps.saturating_sub(pairing);
        let volleys = [
            Volley { step: shown, drive_na: drive_na(learned, pattern) },
            Volley { step: shown + pairing - self.teacher.latency_steps, drive_na: self.teacher.drive_na },
            Volley { step: shown + 2 * pairing, drive_na: others },
        ];
        let spikes = present(&self.config, &volleys);
        let change = stdp(&self.config, [shown, shown + 2 * pairing], &spikes);
        let step_ms = self.config.integration.step_ms();
        (change, spikes.iter().map(|s| s.step as f64 * step_ms - shown as f64 * step_ms).collect())
    }

    /// Mean drive of patterns over the threshold.
    fn mean_drive(&self, patterns: &[BitPattern]) -> f64 {
        let sum: f64 = patterns.iter().map(|p| drive_na(&self.weights, p)).sum();
        sum / patterns.len() as f64 / self.threshold_na
    }

    fn spikes(&self, x: &BitPattern) -> Vec<f64> {
        let volley = Volley { step: 0, drive_na: drive_na(&self.weights, x) };
        present(&self.config, &[volley]).iter().map(|s| s.time_ms).collect()
    }

    /// The closed form: whether simultaneous spikes of these inputs make the neuron fire.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs.
    pub fn decide(&self, x: &BitPattern) -> Result<bool> {
        self.check(x)?;
        Ok(reaches(drive_na(&self.weights, x), self.threshold_na))
    }

    /// Presents a pattern to the simulated neuron: its spikes, in ms from the pattern.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs.
    pub fn simulate(&self, x: &BitPattern) -> Result<Vec<f64>> {
        self.check(x)?;
        Ok(self.spikes(x))
    }

    /// When the closed form says that the neuron fires first, in ms; `None` where it does not. Continuous: in SpiNNaker's
    /// order a spike comes at the end of a step.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs, [`Error::Unsupported`] in SpiNNaker's order.
    pub fn latency_ms(&self, x: &BitPattern) -> Result<Option<f64>> {
        self.check(x)?;
        if let Integration::Spinnaker { .. } = self.config.integration {
            return Err(Error::Unsupported {
                what: "a continuous latency".to_owned(),
                why: "in SpiNNaker's order the potential has no values between steps".to_owned(),
            });
        }
        Ok(self.config.neuron.crossing_ms(drive_na(&self.weights, x)))
    }

    /// Weights in nA, negative ones inhibit.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The two synapses of each input: excitatory and inhibitory weight, neither negative; `w = w+ - w-`.
    #[must_use]
    pub fn ports(&self) -> Vec<[f64; 2]> {
        self.weights.iter().map(|w| [w.max(0.0), (-w).max(0.0)]).collect()
    }

    /// Summed weight from which the neuron fires, in nA.
    #[must_use]
    pub fn threshold_na(&self) -> f64 {
        self.threshold_na
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    fn check(&self, x: &BitPattern) -> Result<()> {
        if x.inputs() != self.weights.len() {
            return Err(Error::shape("pattern", format!("{} inputs", self.weights.len()), x.inputs()));
        }
        Ok(())
    }
}

impl Detector for SpatialDetector {
    fn inputs(&self) -> usize {
        self.weights.len()
    }

    fn decide(&self, x: &BitPattern) -> Result<bool> {
        Self::decide(self, x)
    }

    fn decide_all(&self) -> Result<Vec<bool>> {
        accepted(&self.weights, self.threshold_na)
    }
}
