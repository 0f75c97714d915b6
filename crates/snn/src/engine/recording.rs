//! Recorders of a network, and what they wrote.

use ndarray::Array2;
use recordings::{NeuronSet, Recording, Site, SpikeTrains, Stamp, UnitId};

use super::network::{Network, Population, Projection};
use super::real::Real;
use super::recorders::{RateTap, Tap};
use super::stimuli::Stimulus;
use crate::{Error, Result};

/// A recorder of state variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRecorder(usize);

/// A recorder of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightRecorder(usize);

/// A recorder of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRecorder(usize);

/// Where the samples of a state recorder are: per lane, the number of its tap.
pub(crate) struct StateRecorderEntry {
    population: usize,
    variables: Vec<String>,
    neurons: Vec<u32>,
    interval: i64,
    taps: Vec<usize>,
}

/// Samples of weights.
pub(crate) struct WeightRecorderEntry {
    projection: usize,
    interval: i64,
    labels: Vec<String>,
    samples: Vec<Vec<f64>>,
}

impl<R: Real> Network<R> {
    /// Records the spikes of populations.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network.
    pub fn record_spikes(&mut self, populations: &[Population]) -> Result<()> {
        for population in populations {
            self.entry(*population)?;
            self.logged[population.0] = true;
        }
        Ok(())
    }

    /// Records state variables of neurons at the end of every step whose number, counted from 1, is a multiple of the
    /// interval: the first sample is at `interval_ms`, as NEST stamps it.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a variable; [`Error::Parameter`] for a neuron out of range
    /// or an interval below one step; [`Error::TooFew`] for an empty list.
    pub fn record_state(
        &mut self,
        population: Population,
        variables: &[&str],
        neurons: &[u32],
        interval_ms: f64,
    ) -> Result<StateRecorder> {
        let neurons = self.members(population, neurons)?;
        let interval = self.interval_steps(interval_ms)?;
        let indices = variables
            .iter()
            .map(|v| self.variable(population, v).map(|(_, i)| i))
            .collect::<Result<Vec<_>>>()?;
        if neurons.is_empty() || indices.is_empty() {
            let what = "variables and neurons to record".to_owned();
            return Err(Error::TooFew { what, needed: 1, found: 0 });
        }
        let mut taps = Vec::new();
        for lane in &mut self.lanes {
            let group = &mut lane.groups[population.0];
            let inside = neurons.iter().filter(|n| group.range.contains(&(**n as usize)));
            let local = inside.map(|n| *n as usize - group.range.start).collect();
            taps.push(group.taps.len());
            group.taps.push(Tap { variables: indices.clone(), neurons: local, interval, values: Vec::new() });
        }
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        self.state_recorders.push(StateRecorderEntry {
            population: population.0,
            variables,
            neurons,
            interval,
            taps,
        });
        Ok(StateRecorder(self.state_recorders.len() - 1))
    }

    /// Counts the spikes of a population in bins, without keeping them.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Parameter`] for a bin below one step.
    pub fn record_rate(&mut self, population: Population, bin_ms: f64) -> Result<RateRecorder> {
        self.entry(population)?;
        let bin = self.interval_steps(bin_ms)?;
        self.rates.push(RateTap { population: population.0, bin, first: self.step, counts: Vec::new() });
        Ok(RateRecorder(self.rates.len() - 1))
    }

    /// Records the weights of a projection now and after every interval.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Parameter`] for an interval below one step; [`Error::TooFew`] without synapses.
    pub fn record_weights(&mut self, projection: Projection, interval_ms: f64) -> Result<WeightRecorder> {
        let interval = self.interval_steps(interval_ms)?;
        let table = self.synapse_table(projection)?;
        if table.is_empty() {
            return Err(Error::TooFew { what: "synapses to record".to_owned(), needed: 1, found: 0 });
        }
        let labels = table.source.iter().zip(&table.target).map(|(a, b)| format!("{a}->{b}")).collect();
        let samples = vec![table.weight];
        self.weight_recorders.push(WeightRecorderEntry {
            projection: projection.0,
            interval,
            labels,
            samples,
        });
        Ok(WeightRecorder(self.weight_recorders.len() - 1))
    }

    /// The recorded spikes, stamped as NEST does; neurons are numbered through all populations.
    ///
    /// # Errors
    /// None for a network's own recordings.
    pub fn spikes(&self) -> Result<SpikeTrains> {
        self.spikes_stamped(Stamp::Nest)
    }

    /// The recorded spikes with a stamp.
    ///
    /// # Errors
    /// None for a network's own recordings.
    pub fn spikes_stamped(&self, stamp: Stamp) -> Result<SpikeTrains> {
        let mut first = Vec::with_capacity(self.populations.len());
        let mut neurons = 0_u32;
        for population in &self.populations {
            first.push(neurons);
            neurons += population.size as u32;
        }
        let mut trains = SpikeTrains::new(self.populations.iter().map(|p| p.name.clone()).collect());
        let log = &self.log;
        for ((step, population), neuron) in log.steps.iter().zip(&log.populations).zip(&log.neurons) {
            let global = first[usize::from(*population)] + neuron;
            trains.push(*step, self.config.dt_ms, stamp, global, *population).map_err(recorded)?;
        }
        Ok(trains)
    }

    /// The recorded spikes of one population: steps and neurons of the population.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network.
    pub fn spikes_of(&self, population: Population) -> Result<Vec<(i64, u32)>> {
        self.entry(population)?;
        let log = &self.log;
        let all = log.steps.iter().zip(&log.populations).zip(&log.neurons);
        let own = all.filter(|((_, p), _)| usize::from(**p) == population.0);
        Ok(own.map(|((step, _), neuron)| (*step, *neuron)).collect())
    }

    /// Spikes of a population since the start, whether they were recorded or not.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network.
    pub fn spike_count(&self, population: Population) -> Result<u64> {
        self.entry(population)?;
        Ok(self.counts[population.0])
    }

    /// What a state recorder sampled of a variable: `[samples, neurons]`, in the order in which the neurons were named.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a recorder of another network or a variable that it does not record; [`Error::TooFew`] before
    /// the first sample.
    pub fn state(&self, recorder: StateRecorder, variable: &str) -> Result<Recording<f64>> {
        let unknown = |what: &str, known: String| Error::Unknown {
            what: what.to_owned(),
            name: variable.to_owned(),
            known,
        };
        let entry = self.state_recorders.get(recorder.0).ok_or_else(|| {
            unknown("state recorder", format!("{} in this network", self.state_recorders.len()))
        })?;
        let index = entry
            .variables
            .iter()
            .position(|v| v == variable)
            .ok_or_else(|| unknown("recorded variable", entry.variables.join(", ")))?;
        let taps: Vec<&Tap<R>> = self
            .lanes
            .iter()
            .zip(&entry.taps)
            .map(|(lane, tap)| &lane.groups[entry.population].taps[*tap])
            .collect();
        let samples = taps
            .iter()
            .filter(|t| !t.neurons.is_empty())
            .map(|t| t.values.len() / (t.variables.len() * t.neurons.len()))
            .max()
            .unwrap_or(0);
        if samples == 0 {
            return Err(Error::TooFew { what: "samples of a state".to_owned(), needed: 1, found: 0 });
        }
        let mut values = Array2::zeros((samples, entry.neurons.len()));
        for (column, neuron) in entry.neurons.iter().enumerate() {
            for (lane, tap) in self.lanes.iter().zip(&taps) {
                let range = &lane.groups[entry.population].range;
                let local = (*neuron as usize).wrapping_sub(range.start);
                // A neuron that is named twice is sampled twice: either column will do.
                let Some(place) = tap.neurons.iter().position(|n| *n == local) else { continue };
                let width = tap.neurons.len();
                for sample in 0..samples {
                    let at = (sample * tap.variables.len() + index) * width + place;
                    values[[sample, column]] = tap.values[at].to_f64();
                }
            }
        }
        let site = Site::Module(self.populations[entry.population].name.clone());
        let units =
            entry.neurons.iter().map(|n| UnitId { site: site.clone(), index: *n as usize, label: None });
        let interval = entry.interval as f64 * self.config.dt_ms;
        Recording::new(values, units.collect())
            .and_then(|r| r.with_sample_interval_ms(interval))
            .map_err(recorded)
    }

    /// What a weight recorder sampled: `[samples, synapses]` in the order of [`Network::synapse_table`], each labelled
    /// `source->target`; the first sample is at the recorder's start.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a recorder of another network.
    pub fn weights(&self, recorder: WeightRecorder) -> Result<Recording<f64>> {
        let entry = self.weight_recorders.get(recorder.0).ok_or_else(|| Error::Unknown {
            what: "weight recorder".to_owned(),
            name: recorder.0.to_string(),
            known: format!("{} in this network", self.weight_recorders.len()),
        })?;
        let shape = (entry.samples.len(), entry.labels.len());
        let values = Array2::from_shape_vec(shape, entry.samples.concat())
            .map_err(|e| Error::shape("samples of weights", format!("{shape:?}"), e))?;
        let site = Site::Module(format!("projection {}", entry.projection));
        let units = entry.labels.iter().enumerate().map(|(index, label)| UnitId {
            site: site.clone(),
            index,
            label: Some(label.clone()),
        });
        let interval = entry.interval as f64 * self.config.dt_ms;
        Recording::new(values, units.collect())
            .and_then(|r| r.with_sample_interval_ms(interval))
            .map_err(recorded)
    }

    /// Mean rate of a population in each whole bin of a rate recorder, in Hz.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a recorder of another network.
    pub fn rate_hz(&self, recorder: RateRecorder) -> Result<Vec<f64>> {
        let tap = self.rates.get(recorder.0).ok_or_else(|| Error::Unknown {
            what: "rate recorder".to_owned(),
            name: recorder.0.to_string(),
            known: format!("{} in this network", self.rates.len()),
        })?;
        let whole = ((self.step - tap.first) / tap.bin) as usize;
        let seconds = tap.bin as f64 * self.config.dt_ms * 1e-3;
        let size = self.populations[tap.population].size as f64;
        Ok(tap.counts.iter().take(whole).map(|n| *n as f64 / size / seconds).collect())
    }

    /// Forgets the recorded spikes and samples; the recorders go on.
    pub fn clear_recordings(&mut self) {
        self.log = super::recorders::SpikeLog::default();
        let groups = self.lanes.iter_mut().flat_map(|lane| &mut lane.groups);
        groups.flat_map(|group| &mut group.taps).for_each(|tap| tap.values.clear());
        self.weight_recorders.iter_mut().for_each(|entry| entry.samples.clear());
        let step = self.step;
        self.rates.iter_mut().for_each(|tap| {
            tap.counts.clear();
            tap.first = step;
        });
    }

    /// Silences the neurons of a set; layers (or sites) are names of populations.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a set or population that does not exist, [`Error::Parameter`] for a neuron out of range.
    pub fn lesion_set(&mut self, set: &NeuronSet, name: &str) -> Result<()> {
        for (population, neurons) in self.resolve_set(set, name)? {
            self.lesion(population, &neurons)?;
        }
        Ok(())
    }

    /// Drives the neurons of a set.
    ///
    /// # Errors
    /// Those of [`Network::lesion_set`] and [`Network::stimulate_neurons`].
    pub fn stimulate_set(&mut self, set: &NeuronSet, name: &str, stimulus: &Stimulus) -> Result<()> {
        for (population, neurons) in self.resolve_set(set, name)? {
            self.stimulate_neurons(population, &neurons, stimulus.clone())?;
        }
        Ok(())
    }

    fn resolve_set(&self, set: &NeuronSet, name: &str) -> Result<Vec<(Population, Vec<u32>)>> {
        let members = set.sets.get(name).ok_or_else(|| Error::Unknown {
            what: "set of neurons".to_owned(),
            name: name.to_owned(),
            known: set.sets.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        let mut chosen = Vec::new();
        for part in members {
            let population =
                self.find(&part.layer).or_else(|error| self.find(&part.site).map_err(|_| error))?;
            let neurons: Vec<u32> =
                part.units.iter().map(|n| u32::try_from(*n).unwrap_or(u32::MAX)).collect();
            chosen.push((population, self.members(population, &neurons)?));
        }
        Ok(chosen)
    }

    /// The end of the next stretch without a sample of weights.
    pub(crate) fn next_weight_sample(&self, end: i64) -> i64 {
        let next = |entry: &WeightRecorderEntry| (self.step / entry.interval + 1) * entry.interval;
        self.weight_recorders.iter().map(next).min().map_or(end, |next| next.min(end))
    }

    pub(crate) fn sample_weights(&mut self) -> Result<()> {
        for at in 0..self.weight_recorders.len() {
            if self.step % self.weight_recorders[at].interval == 0 {
                let table = self.synapse_table(Projection(self.weight_recorders[at].projection))?;
                self.weight_recorders[at].samples.push(table.weight);
            }
        }
        Ok(())
    }
}

fn recorded(error: recordings::Error) -> Error {
    Error::shape("recording", "values that fit their description", error)
}
