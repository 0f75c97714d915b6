//! A network: populations, projections, stimuli, recorders, and the run.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::astrocyte::{Astrocyte, Compartments};
use super::config::Config;
use super::lane::{Group, Kind, Lane, Projection as LaneProjection};
use super::model::{Arrival, BuildContext, NeuronModel, Port};
use super::plasticity::{self, DelayPlacement, Homeostasis, Plasticity, ShortTermState, TsodyksMarkram};
use super::real::Real;
use super::recorders::{RateTap, SpikeLog};
use super::rules::{self, MOST_NEURONS, Rule};
use super::state::{Header, Reader, Writer};
use super::stimuli::{Source, Stimulus};
use super::synapses::{Drawn, History, Ring, Rows, Shared, Synapse, SynapseTable};
use super::threads::{self, Notes};
use super::values::Values;
use crate::{Error, Result};

/// Most steps between two exchanges of spikes.
const LONGEST_INTERVAL: i64 = 64;

/// A population of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Population(pub(crate) usize);

/// A projection of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Projection(pub(crate) usize);

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Steps taken.
    pub steps: i64,
    /// Time simulated.
    pub simulated_ms: f64,
    /// Spikes of all populations.
    pub spikes: u64,
    /// Synapses that spikes passed, of projections without plasticity.
    pub synaptic_events: u64,
    /// Wall time.
    pub wall_seconds: f64,
}

impl Report {
    /// Wall time by simulated time: below 1 is faster than real time.
    #[must_use]
    pub fn real_time_factor(&self) -> f64 {
        self.wall_seconds * 1e3 / self.simulated_ms
    }
}

/// A network of point neurons with numbers of type `R`.
///
/// ```
/// use snn::engine::{Config, IafPscExp, Network, Rule, Stimulus, Synapse};
/// # fn main() -> snn::Result<()> {
/// let mut net = Network::<f64>::new(Config::default())?;
/// let e = net.population("E", IafPscExp::default(), 80)?;
/// let i = net.population("I", IafPscExp::default(), 20)?;
/// for target in [e, i] {
///     net.connect(e, target, Rule::bernoulli(0.1), Synapse::new(45.0).delay(1.5), "ex")?;
///     net.connect(i, target, Rule::bernoulli(0.1), Synapse::new(-200.0).delay(1.5), "in")?;
///     net.stimulate(target, Stimulus::poisson(9000.0, 45.0, 1.5, "ex"))?;
/// }
/// net.record_spikes(&[e, i])?;
/// let report = net.run(200.0)?;
/// assert_eq!(net.spikes()?.len() as u64, report.spikes);
/// # Ok(())
/// # }
/// ```
pub struct Network<R: Real = f64> {
    pub(crate) config: Config,
    pub(crate) populations: Vec<PopulationEntry>,
    pub(crate) projections: Vec<ProjectionEntry>,
    pub(crate) lanes: Vec<Lane<R>>,
    pub(crate) step: i64,
    structure: Sha256,
    prepared: bool,
    interval: i64,
    pub(crate) log: SpikeLog,
    pub(crate) logged: Vec<bool>,
    pub(crate) rates: Vec<RateTap>,
    pub(crate) state_recorders: Vec<super::recording::StateRecorderEntry>,
    pub(crate) weight_recorders: Vec<super::recording::WeightRecorderEntry>,
    pub(crate) counts: Vec<u64>,
}

/// What is known of a population beside its states.
pub(crate) struct PopulationEntry {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) variables: &'static [&'static str],
    pub(crate) ports: &'static [Port],
    accepts_current: bool,
}

/// What is known of a projection beside its synapses.
pub(crate) struct ProjectionEntry {
    pub(crate) pre: usize,
    pub(crate) post: usize,
    pub(crate) synapses: usize,
    shortest: u16,
    longest: u16,
    rings: bool,
}

/// How a projection is stored.
enum Storage<'a, R: Real> {
    Static,
    ShortTerm(TsodyksMarkram),
    Glia(Arc<dyn Astrocyte>, i64),
    Plastic(
        &'a (dyn Fn(&Drawn, Range<usize>) -> Result<Box<dyn plasticity::PlasticProjection<R>>> + 'a),
        DelayPlacement,
    ),
}

impl<R: Real> Network<R> {
    /// An empty network.
    ///
    /// # Errors
    /// Those of [`Config::validate`].
    pub fn new(config: Config) -> Result<Self> {
        config.validate()?;
        let lane = || Lane {
            groups: Vec::new(),
            projections: Vec::new(),
            histories: Vec::new(),
            outbox: Vec::new(),
            events: 0,
        };
        let mut structure = Sha256::new();
        let described = Config { threads: 1, ..config };
        structure.update(format!("{} {described:?} {}\n", env!("CARGO_PKG_VERSION"), R::NAME));
        Ok(Self {
            config,
            populations: Vec::new(),
            projections: Vec::new(),
            lanes: (0..config.threads).map(|_| lane()).collect(),
            step: 0,
            structure,
            prepared: false,
            interval: 1,
            log: SpikeLog::default(),
            logged: Vec::new(),
            rates: Vec::new(),
            state_recorders: Vec::new(),
            weight_recorders: Vec::new(),
            counts: Vec::new(),
        })
    }

    /// Settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Steps taken since the start.
    #[must_use]
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Time since the start.
    #[must_use]
    pub fn time_ms(&self) -> f64 {
        self.step as f64 * self.config.dt_ms
    }

    /// Number of neurons.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.populations.iter().map(|p| p.size).sum()
    }

    /// Number of synapses.
    #[must_use]
    pub fn synapses(&self) -> usize {
        self.projections.iter().map(|p| p.synapses).sum()
    }

    /// Adds a population of `size` neurons under a name of its own.
    ///
    /// # Errors
    /// Those of the model; [`Error::Parameter`] for a size of 0 or too many; [`Error::Unsupported`] for a name that is taken,
    /// and once the network has run.
    pub fn population(&mut self, name: &str, model: impl NeuronModel<R>, size: usize) -> Result<Population> {
        self.population_of(name, &model, size)
    }

    /// As [`Network::population`], of a model known at run time.
    ///
    /// # Errors
    /// Those of [`Network::population`].
    pub fn population_of(
        &mut self,
        name: &str,
        model: &dyn NeuronModel<R>,
        size: usize,
    ) -> Result<Population> {
        self.still_open("a population")?;
        if self.populations.iter().any(|p| p.name == name) {
            return Err(Error::Unsupported {
                what: format!("a second population {name:?}"),
                why: "names of populations are keys".to_owned(),
            });
        }
        if !(1..MOST_NEURONS).contains(&size) {
            return Err(Error::parameter(format!("size of {name}"), size as f64, "1 to 2^31 - 1"));
        }
        if self.populations.len() >= usize::from(u16::MAX) {
            return Err(Error::parameter("populations", self.populations.len() as f64, "at most 65535"));
        }
        let mut groups = Vec::with_capacity(self.lanes.len());
        for lane in 0..self.lanes.len() {
            let range = size * lane / self.lanes.len()..size * (lane + 1) / self.lanes.len();
            let context =
                BuildContext { config: self.config, population: name.to_owned(), size, range: range.clone() };
            let mut block = model.build(&context)?;
            let arrivals = (0..model.ports().len()).map(|port| block.port(port).arrival).collect();
            groups.push(Group {
                block,
                range,
                arrivals,
                rings: model.ports().iter().map(|_| None).collect(),
                incoming: Vec::new(),
                sources: Vec::new(),
                current: Vec::new(),
                silenced: Vec::new(),
                taps: Vec::new(),
                fired: Vec::with_capacity(context.len()),
            });
        }
        self.lanes.iter_mut().zip(groups).for_each(|(lane, group)| lane.groups.push(group));
        self.structure.update(format!("population {name:?} {size} {} {model:?}\n", model.name()));
        self.populations.push(PopulationEntry {
            name: name.to_owned(),
            size,
            variables: model.variables(),
            ports: model.ports(),
            accepts_current: model.accepts_current(),
        });
        self.logged.push(false);
        self.counts.push(0);
        Ok(Population(self.populations.len() - 1))
    }

    /// The population called `name`.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the names there are.
    pub fn find(&self, name: &str) -> Result<Population> {
        let known = || self.populations.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        let place = self.populations.iter().position(|p| p.name == name);
        place.map(Population).ok_or_else(|| Error::Unknown {
            what: "population".to_owned(),
            name: name.to_owned(),
            known: known(),
        })
    }

    /// Name and size of a population.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network.
    pub fn about(&self, population: Population) -> Result<(&str, usize)> {
        self.entry(population).map(|p| (p.name.as_str(), p.size))
    }

    /// All populations.
    #[must_use]
    pub fn all(&self) -> Vec<Population> {
        (0..self.populations.len()).map(Population).collect()
    }

    /// Connects two populations by a rule, at the port of the target called `port`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or an unknown port; [`Error::Parameter`] for weights that are
    /// not finite or negative at a conductance, delays below one step; [`Error::Shape`]; [`Error::Unsupported`] once the
    /// network has run.
    pub fn connect(
        &mut self,
        pre: Population,
        post: Population,
        rule: Rule,
        synapse: Synapse,
        port: &str,
    ) -> Result<Projection> {
        self.add_projection(pre, post, &rule, &synapse, port, &Storage::Static)
    }

    /// As [`Network::connect`], with short-term plasticity.
    ///
    /// # Errors
    /// Those of [`Network::connect`] and [`TsodyksMarkram::validate`].
    pub fn connect_short_term(
        &mut self,
        pre: Population,
        post: Population,
        rule: Rule,
        synapse: Synapse,
        port: &str,
        short_term: TsodyksMarkram,
    ) -> Result<Projection> {
        short_term.validate()?;
        self.structure.update(format!("{short_term:?}\n"));
        self.add_projection(pre, post, &rule, &synapse, port, &Storage::ShortTerm(short_term))
    }

    /// As [`Network::connect`], with an astrocytic compartment on each target that is updated every `interval_ms`.
    ///
    /// # Errors
    /// Those of [`Network::connect`] and of the astrocyte; [`Error::Parameter`] for an interval below one step.
    pub fn connect_with_astrocytes(
        &mut self,
        pre: Population,
        post: Population,
        rule: Rule,
        synapse: Synapse,
        port: &str,
        astrocyte: Arc<dyn Astrocyte>,
        interval_ms: f64,
    ) -> Result<Projection> {
        astrocyte.validate()?;
        let interval = self.interval_steps(interval_ms)?;
        self.structure.update(format!("{astrocyte:?} {interval}\n"));
        self.add_projection(pre, post, &rule, &synapse, port, &Storage::Glia(astrocyte, interval))
    }

    /// As [`Network::connect`], with a plasticity rule.
    ///
    /// # Errors
    /// Those of [`Network::connect`] and of the rule.
    pub fn connect_plastic<P: Plasticity<R>>(
        &mut self,
        pre: Population,
        post: Population,
        rule: Rule,
        synapse: Synapse,
        port: &str,
        plasticity: P,
        placement: DelayPlacement,
    ) -> Result<Projection> {
        let sources = self.entry(pre)?.size;
        let dt_ms = self.config.dt_ms;
        self.structure.update(format!("{plasticity:?} {placement:?}\n"));
        let build = |drawn: &Drawn, block: Range<usize>| {
            plasticity::build(&plasticity, drawn, block, sources, placement, dt_ms)
        };
        self.add_projection(pre, post, &rule, &synapse, port, &Storage::Plastic(&build, placement))
    }

    /// Regulates the weights of a plastic projection.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a projection without plasticity ([`Fixed`](super::plasticity::Fixed) will do) and once the
    /// network has run; those of [`Homeostasis::validate`].
    pub fn regulate(&mut self, projection: Projection, homeostasis: Homeostasis) -> Result<()> {
        self.still_open("homeostasis")?;
        homeostasis.validate()?;
        let interval = self.interval_steps(homeostasis.interval_ms())?;
        self.each_plastic(projection, |plastic| {
            plastic.homeostasis(homeostasis, interval);
            Ok(())
        })?;
        self.structure.update(format!("{projection:?} {homeostasis:?}\n"));
        Ok(())
    }

    /// Rewards the synapses of a projection with reward-modulated plasticity, now.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another projection; [`Error::Parameter`] for an amount that is not finite.
    pub fn reward(&mut self, projection: Projection, amount: f64) -> Result<()> {
        if !amount.is_finite() {
            return Err(Error::parameter("reward", amount, "finite"));
        }
        let step = self.step;
        self.each_plastic(projection, |plastic| plastic.reward(step, amount))
    }

    /// Stops (or resumes) the changes of a plastic projection.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a projection without plasticity.
    pub fn freeze(&mut self, projection: Projection, frozen: bool) -> Result<()> {
        self.each_plastic(projection, |plastic| {
            plastic.freeze(frozen);
            Ok(())
        })
    }

    /// Drives all neurons of a population.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a port; [`Error::Parameter`] for parameters out of range;
    /// [`Error::Unsupported`] for a current into a model that takes none, and once the network has run.
    pub fn stimulate(&mut self, population: Population, stimulus: Stimulus) -> Result<()> {
        self.add_stimulus(population, &stimulus, None)
    }

    /// Drives some neurons of a population.
    ///
    /// # Errors
    /// Those of [`Network::stimulate`]; [`Error::Parameter`] for a neuron out of range.
    pub fn stimulate_neurons(
        &mut self,
        population: Population,
        neurons: &[u32],
        stimulus: Stimulus,
    ) -> Result<()> {
        self.add_stimulus(population, &stimulus, Some(neurons))
    }

    /// Silences neurons: they are integrated but fire no more.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Parameter`] for a neuron out of range.
    pub fn lesion(&mut self, population: Population, neurons: &[u32]) -> Result<()> {
        let mut sorted = self.members(population, neurons)?;
        sorted.sort_unstable();
        for lane in &mut self.lanes {
            let group = &mut lane.groups[population.0];
            group.silenced.resize(group.range.len(), false);
            for n in sorted.iter().filter(|n| group.range.contains(&(**n as usize))) {
                group.silenced[*n as usize - group.range.start] = true;
            }
        }
        self.structure.update(format!("lesion {population:?} {sorted:?}\n"));
        Ok(())
    }

    /// Sets a state variable of all neurons of a population.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a variable; those of [`Values::resolve`].
    pub fn set(&mut self, population: Population, variable: &str, values: impl Into<Values>) -> Result<()> {
        let (entry, index) = self.variable(population, variable)?;
        let purpose = format!("initial {}.{variable}", entry.name);
        let all = values.into().resolve(entry.size, self.config.seed, &purpose)?;
        for lane in &mut self.lanes {
            let group = &mut lane.groups[population.0];
            for (local, n) in group.range.clone().enumerate() {
                group.block.write(index, local, R::of(all[n]));
            }
        }
        Ok(())
    }

    /// A state variable of all neurons of a population, as it is now.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a variable.
    pub fn get(&self, population: Population, variable: &str) -> Result<Vec<f64>> {
        let (entry, index) = self.variable(population, variable)?;
        let mut all = Vec::with_capacity(entry.size);
        for lane in &self.lanes {
            let group = &lane.groups[population.0];
            all.extend((0..group.range.len()).map(|n| group.block.read(index, n).to_f64()));
        }
        Ok(all)
    }

    /// The synapses of a projection as they are now.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a projection of another network.
    pub fn synapse_table(&self, projection: Projection) -> Result<SynapseTable> {
        self.table(projection, None)
    }

    /// As [`Network::synapse_table`], with a variable of the plasticity rule in the place of the weight.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Unsupported`] for a projection without plasticity, [`Error::Parameter`] for a variable
    /// that the rule does not have.
    pub fn synapse_variable(&self, projection: Projection, variable: usize) -> Result<SynapseTable> {
        self.table(projection, Some(variable))
    }

    /// Sets the weights of a projection: `weight(source, target, delay in steps, old weight)`.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Parameter`] for a weight that is not finite; [`Error::Unsupported`] for a projection that
    /// was built with one weight for all.
    pub fn set_weights(
        &mut self,
        projection: Projection,
        mut weight: impl FnMut(u32, u32, u16, f64) -> f64,
    ) -> Result<()> {
        self.projection_entry(projection)?;
        let mut bad = None;
        let mut new = |source: u32, target: u32, delay: u16, old: R| {
            let w = weight(source, target, delay, old.to_f64());
            if !w.is_finite() {
                bad = Some(w);
                return old;
            }
            R::of(w)
        };
        for lane in &mut self.lanes {
            let part = &mut lane.projections[projection.0];
            let start = lane.groups[part.post].range.start as u32;
            match &mut part.kind {
                Kind::Plastic(plastic) => plastic.assign(&mut new),
                Kind::Direct { rows, .. } | Kind::Ring { rows, .. } => {
                    let places: Vec<_> = (0..rows.cells.len()).map(|i| rows.place(i)).collect();
                    let sources = rows.starts.windows(2).enumerate();
                    let source_of: Vec<u32> = sources
                        .flat_map(|(s, w)| std::iter::repeat_n(s as u32, (w[1] - w[0]) as usize))
                        .collect();
                    let Shared::Each(weights) = &mut rows.weights else {
                        return Err(Error::Unsupported {
                            what: "setting weights".to_owned(),
                            why: "the projection was built with one weight for all".to_owned(),
                        });
                    };
                    for (i, w) in weights.iter_mut().enumerate() {
                        let (delay, target) = places[i];
                        *w = new(source_of[i], start + target, delay, *w);
                    }
                }
            }
        }
        bad.map_or(Ok(()), |w| Err(Error::parameter("weight", w, "finite")))
    }

    /// Runs for a duration, rounded to steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a duration that is negative or not finite, and for an astrocyte whose gain is not.
    pub fn run(&mut self, duration_ms: f64) -> Result<Report> {
        let steps = self.config.steps("duration_ms", duration_ms)?;
        self.run_steps(steps)
    }

    /// As [`Network::run`], calling `progress` with the network after every `every_ms`; it stops the run by returning false.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Parameter`] for an interval below one step.
    pub fn run_with(
        &mut self,
        duration_ms: f64,
        every_ms: f64,
        mut progress: impl FnMut(&Self, &Report) -> bool,
    ) -> Result<Report> {
        let steps = self.config.steps("duration_ms", duration_ms)?;
        let every = self.interval_steps(every_ms)?;
        let mut total =
            Report { steps: 0, simulated_ms: 0.0, spikes: 0, synaptic_events: 0, wall_seconds: 0.0 };
        while total.steps < steps {
            let part = self.run_steps(every.min(steps - total.steps))?;
            total.steps += part.steps;
            total.simulated_ms = total.steps as f64 * self.config.dt_ms;
            total.spikes += part.spikes;
            total.synaptic_events += part.synaptic_events;
            total.wall_seconds += part.wall_seconds;
            if !progress(self, &total) {
                break;
            }
        }
        Ok(total)
    }

    /// Runs for a number of steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a negative number, and for an astrocyte whose gain is not finite.
    pub fn run_steps(&mut self, steps: i64) -> Result<Report> {
        if steps < 0 {
            return Err(Error::parameter("steps", steps as f64, "0 or more"));
        }
        self.prepare();
        let began = Instant::now();
        let before: u64 = self.counts.iter().sum();
        let events = |lanes: &[Lane<R>]| lanes.iter().map(|l| l.events).sum::<u64>();
        let events_before = events(&self.lanes);
        let taps = self.lanes.iter_mut().flat_map(|l| &mut l.groups).flat_map(|g| &mut g.taps);
        taps.for_each(|tap| tap.reserve(steps));
        let end = self.step + steps;
        while self.step < end {
            let next = self.next_weight_sample(end);
            let notes = Notes {
                log: &mut self.log,
                logged: &self.logged,
                rates: &mut self.rates,
                counts: &mut self.counts,
            };
            threads::run(&mut self.lanes, self.step, next, self.interval, notes)?;
            self.step = next;
            self.sample_weights()?;
        }
        Ok(Report {
            steps,
            simulated_ms: steps as f64 * self.config.dt_ms,
            spikes: self.counts.iter().sum::<u64>() - before,
            synaptic_events: events(&self.lanes) - events_before,
            wall_seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// The state of the simulation, without what was recorded.
    ///
    /// # Errors
    /// None today; the signature leaves room for models that cannot be saved.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        self.prepare();
        let mut writer = Writer::new(&self.header());
        let sizes = self.sizes();
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(self.step, &sizes, &mut writer))?;
        Ok(writer.finish())
    }

    /// Puts a saved state back, into a network built by the same calls with the same number of threads; what was recorded
    /// before stays. A state that is refused leaves the network as it was.
    ///
    /// # Errors
    /// [`Error::Shape`] for bytes that are damaged or truncated, and for the state of another network;
    /// [`Error::Unsupported`] for another number of threads.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.prepare();
        let (header, mut reader) = Reader::open(state)?;
        let own = self.header();
        if header.structure != own.structure {
            return Err(Error::shape("saved state", "one of this network", "one of another network"));
        }
        if header.threads != own.threads {
            return Err(Error::Unsupported {
                what: format!("a state of {} threads in a run of {}", header.threads, own.threads),
                why: "states are saved by thread".to_owned(),
            });
        }
        let sizes = self.sizes();
        let mut rehearsal = reader.rehearsal();
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(self.step, &sizes, &mut rehearsal))?;
        rehearsal.finish()?;
        self.lanes.iter_mut().try_for_each(|lane| lane.visit(header.step, &sizes, &mut reader))?;
        self.step = header.step;
        Ok(())
    }

    /// Hash of the structure: settings but the threads, populations, projections, stimuli.
    #[must_use]
    pub fn structure_sha256(&self) -> String {
        self.structure.clone().finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Milliseconds between two exchanges of spikes among threads: the shortest delay, unless it is very long.
    #[must_use]
    pub fn exchange_interval_ms(&mut self) -> f64 {
        self.prepare();
        self.interval as f64 * self.config.dt_ms
    }

    pub(crate) fn entry(&self, population: Population) -> Result<&PopulationEntry> {
        self.populations.get(population.0).ok_or_else(|| Error::Unknown {
            what: "population".to_owned(),
            name: format!("number {}", population.0),
            known: format!("{} in this network", self.populations.len()),
        })
    }

    pub(crate) fn projection_entry(&self, projection: Projection) -> Result<&ProjectionEntry> {
        self.projections.get(projection.0).ok_or_else(|| Error::Unknown {
            what: "projection".to_owned(),
            name: format!("number {}", projection.0),
            known: format!("{} in this network", self.projections.len()),
        })
    }

    pub(crate) fn variable(
        &self,
        population: Population,
        variable: &str,
    ) -> Result<(&PopulationEntry, usize)> {
        let entry = self.entry(population)?;
        match entry.variables.iter().position(|v| *v == variable) {
            Some(index) => Ok((entry, index)),
            None => Err(Error::Unknown {
                what: format!("state variable of {}", entry.name),
                name: variable.to_owned(),
                known: entry.variables.join(", "),
            }),
        }
    }

    /// Checks neurons of a population.
    pub(crate) fn members(&self, population: Population, neurons: &[u32]) -> Result<Vec<u32>> {
        let size = self.entry(population)?.size;
        match neurons.iter().find(|n| **n as usize >= size) {
            Some(bad) => Err(Error::parameter("neuron", f64::from(*bad), format!("below {size}"))),
            None => Ok(neurons.to_vec()),
        }
    }

    pub(crate) fn interval_steps(&self, interval_ms: f64) -> Result<i64> {
        match self.config.steps("interval_ms", interval_ms)? {
            0 => Err(Error::parameter("interval_ms", interval_ms, "one step or more")),
            steps => Ok(steps),
        }
    }

    fn port(&self, population: Population, name: &str) -> Result<usize> {
        let entry = self.entry(population)?;
        entry.ports.iter().position(|p| p.name == name).ok_or_else(|| Error::Unknown {
            what: format!("port of {}", entry.name),
            name: name.to_owned(),
            known: entry.ports.iter().map(|p| p.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn still_open(&self, what: &str) -> Result<()> {
        if !self.prepared {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("adding {what}"),
            why: "the network has run or was saved: its buffers are laid out".to_owned(),
        })
    }

    fn header(&self) -> Header {
        Header {
            structure: self.structure.clone().finalize().into(),
            threads: self.lanes.len() as u64,
            step: self.step,
        }
    }

    fn sizes(&self) -> Vec<usize> {
        self.populations.iter().map(|p| p.size).collect()
    }

    fn each_plastic(
        &mut self,
        projection: Projection,
        mut f: impl FnMut(&mut dyn plasticity::PlasticProjection<R>) -> Result<()>,
    ) -> Result<()> {
        self.projection_entry(projection)?;
        for lane in &mut self.lanes {
            match &mut lane.projections[projection.0].kind {
                Kind::Plastic(plastic) => f(plastic.as_mut())?,
                _ => return Err(not_plastic()),
            }
        }
        Ok(())
    }

    fn table(&self, projection: Projection, variable: Option<usize>) -> Result<SynapseTable> {
        let entry = self.projection_entry(projection)?;
        let mut by_source = vec![SynapseTable::default(); self.populations[entry.pre].size];
        for lane in &self.lanes {
            let part = &lane.projections[projection.0];
            let start = lane.groups[part.post].range.start as u32;
            match (&part.kind, variable) {
                (Kind::Plastic(plastic), variable) => plastic.read(self.step, variable, &mut by_source)?,
                (_, Some(_)) => return Err(not_plastic()),
                (Kind::Direct { rows, .. } | Kind::Ring { rows, .. }, None) => {
                    for (source, table) in by_source.iter_mut().enumerate() {
                        for i in rows.row(source as u32) {
                            let (delay, target) = rows.place(i);
                            table.source.push(source as u32);
                            table.target.push(start + target);
                            table.delay_steps.push(delay);
                            table.weight.push(rows.weights.at(i).to_f64());
                        }
                    }
                }
            }
        }
        let mut all = SynapseTable::default();
        for row in by_source {
            // Threads come one after the other; within each the order is that of delay and target.
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by_key(|i| (row.delay_steps[*i], row.target[*i]));
            all.source.extend(order.iter().map(|i| row.source[*i]));
            all.target.extend(order.iter().map(|i| row.target[*i]));
            all.delay_steps.extend(order.iter().map(|i| row.delay_steps[*i]));
            all.weight.extend(order.iter().map(|i| row.weight[*i]));
        }
        Ok(all)
    }

    fn add_projection(
        &mut self,
        pre: Population,
        post: Population,
        rule: &Rule,
        synapse: &Synapse,
        port: &str,
        storage: &Storage<'_, R>,
    ) -> Result<Projection> {
        self.still_open("a projection")?;
        let (sources, targets) = (self.entry(pre)?.size, self.entry(post)?.size);
        let port_index = self.port(post, port)?;
        let sign = self.entry(post)?.ports[port_index].sign;
        if synapse.immediate {
            let before = self.lanes[0].groups[post.0].arrivals[port_index] == Arrival::BeforeUpdate;
            if before || !matches!(storage, Storage::Static) {
                return Err(Error::Unsupported {
                    what: format!("a synapse without delay at port {port:?} of {}", self.populations[post.0].name),
                    why: "only fixed weights on ports whose arrivals are added after the update can have none".to_owned(),
                });
            }
        }
        let number = self.projections.len();
        let (from, to) = (&self.populations[pre.0].name, &self.populations[post.0].name);
        let purpose = format!("projection {number} {from}->{to}");
        let pairs = rules::pairs(
            rule,
            sources,
            targets,
            pre == post,
            self.config.seed,
            &format!("pairs of {purpose}"),
        )?;
        let drawn = Drawn::new(pairs, synapse, sign, &self.config, &purpose)?;
        let mut parts = Vec::with_capacity(self.lanes.len());
        let mut rings = false;
        for lane in &self.lanes {
            let block = lane.groups[post.0].range.clone();
            let kind = match storage {
                Storage::Static => match drawn.delays {
                    Shared::Same(delay) => Kind::Direct { rows: Rows::new(&drawn, block, false)?, delay },
                    Shared::Each(_) => {
                        Kind::Ring { rows: Rows::new(&drawn, block, true)?, short_term: None, glia: None }
                    }
                },
                Storage::ShortTerm(rule) => {
                    let state = ShortTermState::new(*rule, sources, self.config.dt_ms);
                    Kind::Ring { rows: Rows::new(&drawn, block, true)?, short_term: Some(state), glia: None }
                }
                Storage::Glia(model, interval) => {
                    let glia = Compartments::new(model.clone(), *interval, block.len(), self.config.dt_ms);
                    Kind::Ring { rows: Rows::new(&drawn, block, true)?, short_term: None, glia: Some(glia) }
                }
                Storage::Plastic(build, placement) => {
                    rings |= *placement == DelayPlacement::Dendritic;
                    Kind::Plastic(build(&drawn, block)?)
                }
            };
            rings |= matches!(kind, Kind::Ring { .. });
            parts.push(LaneProjection { pre: pre.0, post: post.0, port: port_index, kind });
        }
        for (lane, part) in self.lanes.iter_mut().zip(parts) {
            lane.projections.push(part);
            lane.groups[post.0].incoming.push(number);
        }
        self.structure.update(format!("{purpose} {port} {}\n", drawn.len()));
        fingerprint_rule(&mut self.structure, rule);
        fingerprint_values(&mut self.structure, &synapse.weight);
        fingerprint_values(&mut self.structure, &synapse.delay_ms);
        self.structure.update(format!("{}\n", synapse.immediate));
        self.projections.push(ProjectionEntry {
            pre: pre.0,
            post: post.0,
            synapses: drawn.len(),
            shortest: drawn.shortest(),
            longest: drawn.longest(),
            rings,
        });
        Ok(Projection(number))
    }

    fn add_stimulus(
        &mut self,
        population: Population,
        stimulus: &Stimulus,
        neurons: Option<&[u32]>,
    ) -> Result<()> {
        self.still_open("a stimulus")?;
        let entry = self.entry(population)?;
        if stimulus.is_current() && !entry.accepts_current {
            return Err(Error::Unsupported {
                what: format!("a current into {}", entry.name),
                why: "its model takes none".to_owned(),
            });
        }
        let port = match stimulus {
            Stimulus::Poisson { port, .. } => self.port(population, port)?,
            _ => 0,
        };
        if let Stimulus::Poisson { weight, .. } = stimulus
            && *weight < 0.0
            && entry.ports[port].sign == super::model::Sign::NonNegative
        {
            return Err(Error::parameter(
                "weight of a stimulus",
                *weight,
                "0 or more: the port is a conductance",
            ));
        }
        let chosen = neurons.map(|list| self.members(population, list)).transpose()?.map(|mut list| {
            list.sort_unstable();
            list.dedup();
            list
        });
        let number = self.lanes[0].groups[population.0].sources.len();
        let purpose = format!("stimulus {number} of {}", self.populations[population.0].name);
        self.structure.update(format!("{purpose} {stimulus:?} {chosen:?}\n"));
        for lane in &mut self.lanes {
            let group = &mut lane.groups[population.0];
            let range = group.range.clone();
            let local = chosen.as_ref().map(|list| {
                let inside = list.iter().filter(|n| range.contains(&(**n as usize)));
                inside.map(|n| n - range.start as u32).collect()
            });
            group.sources.push(Source::new(stimulus, port, &self.config, purpose.clone(), range, local)?);
            if stimulus.is_current() {
                let padded = group.range.len().next_multiple_of(super::model::CHUNK);
                group.current.resize(padded, R::ZERO);
            }
        }
        Ok(())
    }

    /// Lays out the buffers that depend on the longest and the shortest delay.
    fn prepare(&mut self) {
        if self.prepared {
            return;
        }
        self.prepared = true;
        let connected = self.projections.iter().filter(|p| p.synapses > 0);
        let shortest = connected.map(|p| i64::from(p.shortest)).min().unwrap_or(LONGEST_INTERVAL);
        self.interval = shortest.clamp(1, LONGEST_INTERVAL);
        let longest = self.projections.iter().map(|p| usize::from(p.longest)).max().unwrap_or(0);
        for lane in &mut self.lanes {
            lane.histories.clear();
            lane.histories.extend(
                (0..self.populations.len()).map(|_| History::new(longest + self.interval as usize + 1)),
            );
            lane.outbox = vec![vec![Vec::new(); self.interval as usize]; self.populations.len()];
            for (entry, part) in self.projections.iter().zip(&lane.projections) {
                if !entry.rings {
                    continue;
                }
                let group = &mut lane.groups[part.post];
                let needed = self
                    .projections
                    .iter()
                    .zip(&lane.projections)
                    .filter(|(e, p)| e.rings && (p.post, p.port) == (part.post, part.port))
                    .map(|(e, _)| e.longest)
                    .max()
                    .unwrap_or(1);
                group.rings[part.port].get_or_insert_with(|| Ring::new(group.range.len(), needed));
            }
            for group in &mut lane.groups {
                let sparse = group.rings.iter().all(Option::is_none) && group.sources.is_empty();
                group.block.prepare(sparse);
            }
        }
    }
}

fn not_plastic() -> Error {
    Error::Unsupported {
        what: "this on a projection without plasticity".to_owned(),
        why: "connect it with connect_plastic".to_owned(),
    }
}

fn fingerprint_values(hash: &mut Sha256, values: &Values) {
    match values {
        Values::Each(list) => list.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes())),
        other => hash.update(format!("{other:?}\n")),
    }
}

fn fingerprint_rule(hash: &mut Sha256, rule: &Rule) {
    match rule {
        Rule::Pairs(list) => list.iter().for_each(|(a, b)| {
            hash.update(a.to_le_bytes());
            hash.update(b.to_le_bytes());
        }),
        Rule::Csr { starts, targets } => {
            starts.iter().for_each(|x| hash.update((*x as u64).to_le_bytes()));
            targets.iter().for_each(|x| hash.update(x.to_le_bytes()));
        }
        other => hash.update(format!("{other:?}\n")),
    }
}
