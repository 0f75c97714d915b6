//! One neuron a pattern.

use rayon::prelude::*;

use super::pattern::check_patterns;
use super::{BitPattern, Detector, DetectorConfig, SpatialDetector};
use crate::{Error, Result};

/// Detectors of one pattern each, read out by OR: what a shared neuron cannot do, they do exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternBank {
    detectors: Vec<SpatialDetector>,
    converged: bool,
}

impl PatternBank {
    /// Trains a detector for each pattern.
    ///
    /// # Errors
    /// Those of [`SpatialDetector::new`] and [`SpatialDetector::train_one_shot`].
    pub fn train(patterns: &[BitPattern], cfg: DetectorConfig) -> Result<Self> {
        let inputs = patterns.first().map_or(0, BitPattern::inputs);
        check_patterns(inputs, patterns)?;
        let train = |pattern: &BitPattern| {
            let mut detector = SpatialDetector::new(inputs, cfg)?;
            let report = detector.train_one_shot(std::slice::from_ref(pattern))?;
            Ok((detector, report.converged))
        };
        let trained = patterns.par_iter().map(train).collect::<Result<Vec<_>>>()?;
        let converged = trained.iter().all(|(_, converged)| *converged);
        Ok(Self { detectors: trained.into_iter().map(|(detector, _)| detector).collect(), converged })
    }

    /// Whether homeostasis reached its target in every detector.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// The detectors, in the order of the patterns.
    #[must_use]
    pub fn detectors(&self) -> &[SpatialDetector] {
        &self.detectors
    }

    /// Which patterns' detectors fire.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs.
    pub fn firing(&self, x: &BitPattern) -> Result<Vec<usize>> {
        let mut fired = Vec::new();
        for (k, detector) in self.detectors.iter().enumerate() {
            if detector.decide(x)? {
                fired.push(k);
            }
        }
        Ok(fired)
    }

    /// The detector that wins the race to the threshold: the one that fires first, the first of them where several do at
    /// once; `None` where none fires.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of inputs.
    pub fn winner(&self, x: &BitPattern) -> Result<Option<usize>> {
        let mut first: Option<(f64, usize)> = None;
        for (k, detector) in self.detectors.iter().enumerate() {
            if let Some(time) = detector.simulate(x)?.first().copied()
                && first.is_none_or(|(t, _)| time < t)
            {
                first = Some((time, k));
            }
        }
        Ok(first.map(|(_, k)| k))
    }
}

impl Detector for PatternBank {
    fn inputs(&self) -> usize {
        self.detectors.first().map_or(0, Detector::inputs)
    }

    fn decide(&self, x: &BitPattern) -> Result<bool> {
        for detector in &self.detectors {
            if detector.decide(x)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn decide_all(&self) -> Result<Vec<bool>> {
        let none = || Ok(Vec::new());
        self.detectors.par_iter().map(Detector::decide_all).reduce(none, |a, b| {
            let (a, b): (Vec<bool>, Vec<bool>) = (a?, b?);
            Ok::<_, Error>(if a.is_empty() {
                b
            } else if b.is_empty() {
                a
            } else {
                a.iter().zip(&b).map(|(a, b)| *a || *b).collect()
            })
        })
    }
}
