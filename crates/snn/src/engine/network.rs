//! A network: populations, projections, stimuli, recorders, and the run.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::astrocyte::{Astrocyte, Compartments};
use super::config::Config;
use super::lane::{Group, Kind, Lane, Projection as LaneProjection};
use super::model::{Arrival, BuildContext, NeuronModel, Port};
use super::plasticity::{self, DelayPlacement, Plasticity, ShortTermState, TsodyksMarkram};
use super::real::Real;
use super::recorders::{RateTap, SpikeLog};
use super::rules::{self, MOST_NEURONS, Rule};
use super::stimuli::{Source, Stimulus};
use super::synapses::{Drawn, Rows, Shared, Synapse};
use super::values::Values;
use crate::{Error, Result};

/// A population of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Population(pub(crate) usize);

/// A projection of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Projection(pub(crate) usize);

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
    pub(crate) structure: Sha256,
    pub(crate) prepared: bool,
    pub(crate) interval: i64,
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
    pub(crate) synapses: usize,
    pub(crate) shortest: u16,
    pub(crate) longest: u16,
    pub(crate) rings: bool,
}

/// Builds the part of a plastic projection that ends on a block of neurons.
type PlasticBuilder<'a, R> =
    dyn Fn(&Drawn, Range<usize>) -> Result<Box<dyn plasticity::PlasticProjection<R>>> + 'a;

/// How a projection is stored.
enum Storage<'a, R: Real> {
    Static,
    ShortTerm(TsodyksMarkram),
    Glia(Arc<dyn Astrocyte>, i64),
    Plastic(&'a PlasticBuilder<'a, R>, DelayPlacement),
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
    #[expect(clippy::too_many_arguments, reason = "what `connect` takes and what acts on it")]
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
    #[expect(clippy::too_many_arguments, reason = "what `connect` takes and what acts on it")]
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

    /// Hash of the structure: settings but the threads, populations, projections, stimuli.
    #[must_use]
    pub fn structure_sha256(&self) -> String {
        self.structure.clone().finalize().iter().map(|b| format!("{b:02x}")).collect()
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

    pub(crate) fn still_open(&self, what: &str) -> Result<()> {
        if !self.prepared {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("adding {what}"),
            why: "the network has run or was saved: its buffers are laid out".to_owned(),
        })
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
                    what: format!(
                        "a synapse without delay at port {port:?} of {}",
                        self.populations[post.0].name
                    ),
                    why:
                        "only fixed weights on ports whose arrivals are added after the update can have none"
                            .to_owned(),
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
                    Kind::Ring {
                        rows: Rows::new(&drawn, block, true)?,
                        short_term: Some(Box::new(state)),
                        glia: None,
                    }
                }
                Storage::Glia(model, interval) => {
                    let glia = Compartments::new(model.clone(), *interval, block.len(), self.config.dt_ms);
                    Kind::Ring {
                        rows: Rows::new(&drawn, block, true)?,
                        short_term: None,
                        glia: Some(Box::new(glia)),
                    }
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
