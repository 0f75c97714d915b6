//! Input from outside that is known: the same for the reference and the model.

use ndarray::{Array2, ArrayView2};
use numerics::rng::stream;
use rand::RngExt;

use crate::{Error, Result};

/// What is added to each neuron at each step, kept as events in order of their steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    neurons: usize,
    /// Where the events of each step begin, and the end of the last.
    starts: Vec<usize>,
    events: Vec<(u32, f64)>,
}

impl Drive {
    /// Amplitudes `[neurons, steps]`; zeros cost nothing.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an amplitude that is not finite; [`Error::Shape`] for an empty array.
    pub fn from_dense(amplitudes: &ArrayView2<'_, f64>) -> Result<Self> {
        let (neurons, steps) = amplitudes.dim();
        let mut drive = Self::empty(neurons, steps)?;
        for (t, column) in amplitudes.columns().into_iter().enumerate() {
            for (neuron, amplitude) in (0_u32..).zip(column) {
                drive.add(neuron, *amplitude)?;
            }
            drive.starts[t + 1] = drive.events.len();
        }
        Ok(drive)
    }

    /// Events `(neuron, step, amplitude)` in any order; those of one neuron and step add up.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an amplitude that is not finite; [`Error::Shape`] for a neuron or step that is not there.
    pub fn from_events(events: &[(u32, u32, f64)], neurons: usize, steps: usize) -> Result<Self> {
        let mut drive = Self::empty(neurons, steps)?;
        if let Some((neuron, step, _)) =
            events.iter().find(|(n, t, _)| *n as usize >= neurons || *t as usize >= steps)
        {
            let expected = format!("neurons below {neurons}, steps below {steps}");
            return Err(Error::shape("event", expected, format!("neuron {neuron}, step {step}")));
        }
        let mut sorted = events.to_vec();
        sorted.sort_by_key(|(neuron, step, _)| (*step, *neuron));
        let mut sorted = sorted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).peekable();
        for t in 0..steps {
            while let Some(same) = sorted.next_if(|same| same[0].1 as usize == t) {
                drive.add(same[0].0, same.iter().map(|e| e.2).sum())?;
            }
            drive.starts[t + 1] = drive.events.len();
        }
        Ok(drive)
    }

    /// Independent events of probability `rate` per neuron and step, all of one amplitude. Each neuron draws from a stream of
    /// its own.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `0 <= rate <= 1` and the amplitude is finite; [`Error::Shape`] for an empty grid.
    pub fn bernoulli(neurons: usize, steps: usize, rate: f64, amplitude: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::parameter("probability of input per step", rate, "from 0 to 1"));
        }
        let mut events = Vec::new();
        for neuron in 0..neurons as u32 {
            let mut rng = stream(seed, "13-pspm/drive", u64::from(neuron));
            events.extend(
                (0..steps as u32).filter(|_| rng.random::<f64>() < rate).map(|t| (neuron, t, amplitude)),
            );
        }
        Self::from_events(&events, neurons, steps)
    }

    /// The same events with another amplitude each.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one that is not finite.
    pub fn with_amplitude(&self, amplitude: f64) -> Result<Self> {
        finite(amplitude)?;
        let events = self.events.iter().map(|(neuron, _)| (*neuron, amplitude)).collect();
        Ok(Self { events, ..self.clone() })
    }

    /// The steps `from..to`, numbered from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `from < to <= steps`.
    pub fn slice(&self, from: usize, to: usize) -> Result<Self> {
        if from >= to || to > self.steps() {
            let expected = format!("a range that is not empty, up to {}", self.steps());
            return Err(Error::shape("steps", expected, format!("{from}..{to}")));
        }
        let first = self.starts[from];
        Ok(Self {
            neurons: self.neurons,
            starts: self.starts[from..=to].iter().map(|s| s - first).collect(),
            events: self.events[first..self.starts[to]].to_vec(),
        })
    }

    /// Number of neurons.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// The neurons that get input at a step, ascending, and how much; none after the last step.
    #[must_use]
    pub fn at(&self, step: usize) -> &[(u32, f64)] {
        match self.starts.get(step..=step + 1) {
            Some([from, to]) => &self.events[*from..*to],
            _ => &[],
        }
    }

    /// `[neurons, steps]`.
    #[must_use]
    pub fn to_dense(&self) -> Array2<f64> {
        let mut dense = Array2::zeros((self.neurons, self.steps()));
        for t in 0..self.steps() {
            self.at(t).iter().for_each(|(neuron, amplitude)| dense[[*neuron as usize, t]] = *amplitude);
        }
        dense
    }

    fn empty(neurons: usize, steps: usize) -> Result<Self> {
        if neurons == 0 || steps == 0 || neurons > u32::MAX as usize || steps > u32::MAX as usize {
            let expected = "[neurons, steps], from 1 to 2^32 - 1 each";
            return Err(Error::shape("drive", expected, format!("[{neurons}, {steps}]")));
        }
        Ok(Self { neurons, starts: vec![0; steps + 1], events: Vec::new() })
    }

    fn add(&mut self, neuron: u32, amplitude: f64) -> Result<()> {
        finite(amplitude)?;
        if amplitude != 0.0 {
            self.events.push((neuron, amplitude));
        }
        Ok(())
    }
}

fn finite(amplitude: f64) -> Result<()> {
    if amplitude.is_finite() {
        Ok(())
    } else {
        Err(Error::parameter("amplitude of the input", amplitude, "finite"))
    }
}
