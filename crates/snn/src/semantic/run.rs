//! Running a network for a while, and what is kept of it.

use ndarray::{Array2, Axis};

use super::network::TransientNet;
use super::{CliqueSequence, Stimulus};
use crate::{Error, Result};

/// A network is silent once no site has been above this activity for [`QUIET_TIME`].
const QUIET_LEVEL: f64 = 0.1;
const QUIET_TIME: f64 = 200.0;

/// What happened during a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// When it began and ended.
    pub span: [f64; 2],
    /// The winning cliques, checked once a time unit.
    pub sequence: CliqueSequence,
    /// For each winner, whether input decided some site's course since the winner before.
    pub influenced: Vec<bool>,
    /// For each winner, which pattern was shown when it won.
    pub shown: Vec<u64>,
    /// When the input changed.
    pub input_changes: Vec<f64>,
    /// Mean of the learning signal; NaN for a run of no time.
    pub mean_signal: f64,
    /// Since when the network has been silent, if it is at the end: all activity fell and nothing revives it.
    pub silent_since: Option<f64>,
    /// States that were kept, if any.
    pub samples: Samples,
}

/// States `[samples, sites]`, each taken before the step at its time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// Times.
    pub times: Vec<f64>,
    /// Activities.
    pub activity: Array2<f64>,
    /// Reservoirs.
    pub reservoir: Array2<f64>,
    /// Growth rates.
    pub rates: Array2<f64>,
}

impl Trace {
    /// The share of transitions in which input had a say; NaN without a transition.
    #[must_use]
    pub fn influenced_share(&self) -> f64 {
        self.influenced.iter().skip(1).filter(|on| **on).count() as f64 / self.sequence.transitions() as f64
    }

    /// Adds the run that followed: both are then one.
    ///
    /// # Errors
    /// [`Error::Shape`] where it did not begin when this one ended, or is of another number of sites.
    pub fn append(&mut self, later: Self) -> Result<()> {
        let [start, end] = self.span;
        if later.span[0] != end {
            return Err(Error::shape("later run", format!("a start at {end}"), later.span[0]));
        }
        self.samples.append(later.samples)?;
        let (before, after) = (end - start, later.span[1] - end);
        self.mean_signal = match (before > 0.0, after > 0.0) {
            (_, false) => self.mean_signal,
            (false, true) => later.mean_signal,
            (true, true) => (before * self.mean_signal + after * later.mean_signal) / (before + after),
        };
        self.span[1] = later.span[1];
        self.sequence.0.extend(later.sequence.0);
        self.influenced.extend(later.influenced);
        self.shown.extend(later.shown);
        self.input_changes.extend(later.input_changes);
        self.silent_since = later.silent_since;
        Ok(())
    }
}

impl Samples {
    fn append(&mut self, later: Self) -> Result<()> {
        if self.times.is_empty() {
            *self = later;
        } else if !later.times.is_empty() {
            let misfit = |_| Error::shape("samples of a later run", "as many sites", "another number");
            self.activity.append(Axis(0), later.activity.view()).map_err(misfit)?;
            self.reservoir.append(Axis(0), later.reservoir.view()).map_err(misfit)?;
            self.rates.append(Axis(0), later.rates.view()).map_err(misfit)?;
            self.times.extend(later.times);
        }
        Ok(())
    }
}

impl TransientNet {
    /// Runs for a time (rounded to whole steps) under a stimulus. Runs may follow one another: cut anywhere, they give
    /// what one run does.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time that is negative, not finite or of more than 2^53 steps; [`Error::Shape`] for a
    /// stimulus of another number of inputs.
    pub fn run(&mut self, t: f64, stimulus: &mut dyn Stimulus) -> Result<Trace> {
        self.run_sampled(t, stimulus, None)
    }

    /// [`TransientNet::run`] that keeps the state every so often.
    ///
    /// # Errors
    /// As there; [`Error::Parameter`] for an interval below a step.
    pub fn run_sampled(&mut self, t: f64, stimulus: &mut dyn Stimulus, every: Option<f64>) -> Result<Trace> {
        let dt = self.params.dt;
        let steps = (t / dt).round();
        if !(t >= 0.0 && steps <= 9e15) {
            return Err(Error::parameter(
                "duration",
                t,
                "finite, not negative, and of fewer than 9e15 steps",
            ));
        }
        let every = match every {
            Some(interval) if interval >= dt * (1.0 - 1e-9) && interval.is_finite() => {
                Some((interval / dt).round() as u64)
            }
            Some(interval) => {
                return Err(Error::parameter("sample interval", interval, format!("finite, at least {dt}")));
            }
            None => None,
        };
        let inputs = self.afferents.as_ref().map_or(0, |a| a.params().inputs);
        if stimulus.inputs() != 0 && stimulus.inputs() != inputs {
            return Err(Error::shape("stimulus", format!("{inputs} inputs"), stimulus.inputs()));
        }
        let mut run = Run::new(self.time());
        let mut y = vec![0.0; inputs];
        let watch = (1.0 / dt).round().max(1.0) as u64;
        for _ in 0..steps as u64 {
            let step = self.steps;
            self.show(stimulus, &mut y, &mut run)?;
            if every.is_some_and(|every| step.is_multiple_of(every)) {
                run.sample(self);
            }
            self.advance();
            run.signal += self.signal.level();
            if step.is_multiple_of(watch) {
                self.watch(&mut run.trace);
            }
        }
        Ok(run.finish(self, steps))
    }

    /// Shows the pattern that is due, where it is another one.
    fn show(&mut self, stimulus: &dyn Stimulus, y: &mut [f64], run: &mut Run) -> Result<()> {
        let Some(afferents) = &mut self.afferents else { return Ok(()) };
        let index = (stimulus.inputs() > 0).then(|| stimulus.index_at(self.steps as f64 * self.params.dt));
        if run.ready && index == self.shown {
            return Ok(());
        }
        match index {
            Some(index) => stimulus.pattern(index, y),
            None => y.fill(0.0),
        }
        afferents.show(y)?;
        if index != self.shown {
            run.trace.input_changes.push(self.steps as f64 * self.params.dt);
        }
        self.shown = index;
        run.ready = true;
        Ok(())
    }

    /// Looks for a winner and for silence.
    fn watch(&mut self, trace: &mut Trace) {
        let time = self.time();
        if let Some((clique, influenced)) =
            self.tracker.observe(&self.x, &self.cliques, self.params.winner_level)
        {
            trace.sequence.0.push((time, clique));
            trace.influenced.push(influenced);
            trace.shown.push(self.shown.unwrap_or(0));
        }
        if self.x.iter().any(|x| *x > QUIET_LEVEL) {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(time);
        }
    }
}

/// What a run has gathered.
struct Run {
    trace: Trace,
    signal: f64,
    /// Whether the stimulus has been asked once: a network may have been shown something by hand.
    ready: bool,
    states: [Vec<f64>; 3],
}

impl Run {
    fn new(start: f64) -> Self {
        let trace = Trace { span: [start, start], ..Trace::default() };
        Self { trace, signal: 0.0, ready: false, states: Default::default() }
    }

    fn sample(&mut self, net: &TransientNet) {
        self.trace.samples.times.push(net.time());
        self.states[0].extend_from_slice(&net.x);
        self.states[1].extend_from_slice(&net.phi);
        self.states[2].extend(net.growth_rates());
    }

    fn finish(self, net: &TransientNet, steps: f64) -> Trace {
        let mut trace = self.trace;
        let rows = trace.samples.times.len();
        let table = |values: Vec<f64>| {
            Array2::from_shape_vec((rows, net.sites()), values).unwrap_or_else(|_| Array2::zeros((0, 0)))
        };
        let [activity, reservoir, rates] = self.states;
        trace.samples.activity = table(activity);
        trace.samples.reservoir = table(reservoir);
        trace.samples.rates = table(rates);
        trace.span[1] = net.time();
        trace.mean_signal = self.signal / steps;
        trace.silent_since = net.quiet_since.filter(|since| net.time() - since >= QUIET_TIME);
        trace
    }
}
