//! `neuropil snn autonomous`: a network whose cliques take turns, and what they learn of an input.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;
use recordings::arrays::Npz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use snn::semantic::{
    AfferentParams, BarsStimulus, DhanParams, Gate, Integrator, LinkParams, NoInput, PatternStimulus,
    SignalParams, Stimulus, Trace, TransientNet, bar_matches, ring_of_cliques,
};

use super::model_files::{check_out, failure, failure_at, read_json, read_rows};
use crate::arguments::{positive, share};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::progress;
use crate::verb::Verb;

/// Run a network of transient states, with or without input that its cliques learn
#[derive(Debug, Args)]
pub(crate) struct Autonomous {
    #[command(flatten)]
    network: NetworkArguments,
    #[command(flatten)]
    input: InputArguments,
    /// Time to run, in units of the model
    #[arg(long, default_value_t = 50_000.0, value_name = "T", value_parser = positive)]
    duration: f64,
    /// How many networks to run, with seeds from --seed on
    #[arg(long, default_value_t = 1, value_name = "N")]
    seeds: usize,
    /// Keep the state every so often, for --out
    #[arg(long, value_name = "T", value_parser = positive, requires = "out")]
    sample_every: Option<f64>,
    /// Where to write winners, fields and states (npz)
    #[arg(long, value_name = "FILE.npz")]
    out: Option<PathBuf>,
    /// Where to write the network as it is at the end
    #[arg(long, value_name = "STATE.npz")]
    save: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct NetworkArguments {
    /// Cliques of the ring [default: 10]
    #[arg(long, value_name = "N", conflicts_with_all = ["network", "weights", "resume"])]
    cliques: Option<usize>,
    /// Sites of a clique [default: 4]
    #[arg(long, value_name = "N", conflicts_with_all = ["network", "weights", "resume"])]
    clique_size: Option<usize>,
    /// Sites that neighbouring cliques share [default: 1]
    #[arg(long, value_name = "N", conflicts_with_all = ["network", "weights", "resume"])]
    shared: Option<usize>,
    /// Other cliques: {"sites": N, "cliques": [[0, 1, ..], ..]}
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["weights", "resume"])]
    network: Option<PathBuf>,
    /// Links, as a matrix: the cliques are those that it holds
    #[arg(long, value_name = "FILE.npy", conflicts_with = "resume")]
    weights: Option<PathBuf>,
    /// A network that --save wrote, to go on with
    #[arg(long, value_name = "STATE.npz", conflicts_with_all = ["constants", "dt", "integrator", "learn_links", "afferent_max"])]
    resume: Option<PathBuf>,
    /// Constants: {"dynamics": {..}, "afferents": {..}, "signal": {..}, "links": {..}}, each with a default
    #[arg(long, value_name = "FILE.json")]
    constants: Option<PathBuf>,
    /// Time step [default: 0.1]
    #[arg(long, value_name = "DT", value_parser = positive)]
    dt: Option<f64>,
    /// How a step is taken [default: euler]
    #[arg(long, value_enum)]
    integrator: Option<IntegratorName>,
    /// Let the links between sites learn
    #[arg(long)]
    learn_links: bool,
    /// Greatest weight of the untrained afferents [default: 0.05]
    #[arg(long, value_name = "V", value_parser = positive)]
    afferent_max: Option<f64>,
}

#[derive(Debug, Args)]
struct InputArguments {
    /// Show overlapping bars
    #[arg(long, conflicts_with = "input")]
    bars: bool,
    /// Pixels of the square's side [default: 5]
    #[arg(long, value_name = "N", requires = "bars")]
    side: Option<usize>,
    /// Probability of each bar [default: 0.1]
    #[arg(long, value_name = "P", requires = "bars", value_parser = share)]
    bar_probability: Option<f64>,
    /// Show these patterns in turn: [patterns, inputs], from 0 to 1
    #[arg(long, value_name = "FILE.npy")]
    input: Option<PathBuf>,
    /// Time between patterns [default: 100]
    #[arg(long, value_name = "T", value_parser = positive)]
    interval: Option<f64>,
    /// What opens the plasticity of the afferents: signal, off, or a constant from 0 to 1 [default: signal, or as it was with --resume]
    #[arg(long, value_name = "signal|off|S", value_parser = gate)]
    learn: Option<Gate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IntegratorName {
    Euler,
    RungeKutta4,
}

/// A network file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    sites: usize,
    cliques: Vec<Vec<usize>>,
}

/// A file of constants.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Constants {
    dynamics: DhanParams,
    afferents: AfferentParams,
    signal: SignalParams,
    links: LinkParams,
}

/// How well receptive fields are bars.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Fields {
    /// Mean over cliques of the cosine with the best bar, before the run.
    mean_cosine_before: f64,
    /// The same after the run.
    mean_cosine: f64,
    /// Different bars that are matched above 0.8.
    distinct: usize,
    /// Best bar of each clique: rows first, then columns.
    bars: Vec<usize>,
    /// Its cosine.
    cosines: Vec<f64>,
}

/// One network's run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Run {
    /// Its seed.
    seed: u64,
    /// How often one winner followed another.
    transitions: usize,
    /// Mean time from winner to winner; null without a transition.
    #[schemars(with = "Option<f64>")]
    mean_dwell: f64,
    /// Wins of each clique.
    visits: Vec<usize>,
    /// Share of transitions that take the way most often taken from that clique.
    #[schemars(with = "Option<f64>")]
    regularity: f64,
    /// Share of transitions in which input turned some site's decline into growth.
    #[schemars(with = "Option<f64>")]
    influenced: f64,
    /// Share of transitions within a quarter of the interval after the input changed.
    #[schemars(with = "Option<f64>")]
    aligned: f64,
    /// Mean of the learning signal.
    #[schemars(with = "Option<f64>")]
    mean_signal: f64,
    /// Since when no site has been active, where none is at the end.
    silent_since: Option<f64>,
    /// Receptive fields, where bars were shown.
    fields: Option<Fields>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Sites.
    sites: usize,
    /// Cliques.
    cliques: usize,
    /// Links, each direction counted.
    links: usize,
    /// When the run began.
    start: f64,
    /// When it ended.
    end: f64,
    /// One run a seed.
    runs: Vec<Run>,
    /// What may keep the network from doing what it should.
    warnings: Vec<String>,
}

impl Verb for Autonomous {
    const NAME: &'static str = "snn.autonomous";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        self.check()?;
        let patterns = self.input.input.as_ref().map(|path| read_rows(path, None)).transpose()?;
        let networks = (0..self.seeds as u64)
            .map(|k| {
                let seed = context.seed.wrapping_add(k);
                Ok((seed, self.network(seed, patterns.as_ref(), context)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let (_, first) = networks.first().ok_or_else(|| Failure::usage("--seeds: at least one network"))?;
        let samples = self.sample_every.map_or(0.0, |every| self.duration / every);
        let wins = self.duration / 10.0 * 64.0 * self.seeds as f64;
        context.admit("the run's record", (samples * 72.0 * first.sites() as f64 + wins) as u64)?;
        let answer = |runs| Answer {
            sites: first.sites(),
            cliques: first.cliques().len(),
            links: first.links().len(),
            start: first.time(),
            end: first.time() + self.duration,
            runs,
            warnings: first.warnings(),
        };
        let mut answer = answer(Vec::new());
        answer.warnings.iter().for_each(|w| document::warn(w));
        let bar = progress::bar(100 * self.seeds as u64, "time");
        let done = networks
            .into_par_iter()
            .map(|(seed, net)| self.one(seed, net, patterns.as_ref(), &bar))
            .collect::<Result<Vec<_>>>()?;
        bar.finish_and_clear();
        if let Some((net, trace, _)) = done.first() {
            answer.end = net.time();
            if let Some(path) = &self.save {
                net.save(path).map_err(failure)?;
            }
            if let Some(path) = &self.out {
                write(path, net, trace)?;
            }
        }
        answer.runs = done.into_iter().map(|(_, _, run)| run).collect();
        Ok(answer)
    }
}

impl Autonomous {
    fn check(&self) -> Result<()> {
        let shown = self.input.bars || self.input.input.is_some();
        if self.seeds > 1 && (self.out.is_some() || self.save.is_some() || self.network.resume.is_some()) {
            return Err(Failure::usage("--seeds: --out, --save and --resume go with one network"));
        }
        for (given, flag) in [
            (self.input.interval.is_some(), "--interval"),
            (self.network.afferent_max.is_some(), "--afferent-max"),
            (self.input.learn.is_some(), "--learn"),
        ] {
            if given && !shown {
                return Err(Failure::usage(format!("{flag} goes with an input: --bars or --input")));
            }
        }
        self.out.iter().try_for_each(|path| check_out("--out", path))?;
        self.save.iter().try_for_each(|path| check_out("--save", path))
    }

    fn network(&self, seed: u64, patterns: Option<&Array2<f64>>, context: &Context) -> Result<TransientNet> {
        // What is shown is looked at first: it says how many inputs there are.
        self.stimulus(seed, patterns)?;
        let n = &self.network;
        if let Some(path) = &n.resume {
            let mut net = TransientNet::resume(path).map_err(failure_at(path))?;
            if let Some(gate) = self.input.learn {
                net.set_gate(gate).map_err(failure)?;
            }
            return Ok(net);
        }
        let mut constants: Constants =
            n.constants.as_ref().map_or_else(|| Ok(Constants::default()), |p| read_json(p))?;
        let dynamics = &mut constants.dynamics;
        dynamics.dt = n.dt.unwrap_or(dynamics.dt);
        dynamics.integrator = match n.integrator {
            Some(IntegratorName::Euler) => Integrator::Euler,
            Some(IntegratorName::RungeKutta4) => Integrator::RungeKutta4,
            None => dynamics.integrator,
        };
        let mut net = if let Some(path) = &n.weights {
            let w = read_rows(path, None)?;
            TransientNet::from_weights(&w.view(), constants.dynamics, seed).map_err(failure_at(path))?
        } else if let Some(path) = &n.network {
            let file: NetworkFile = read_json(path)?;
            let largest = file.cliques.iter().map(Vec::len).max().unwrap_or(0);
            self.admit(context, file.sites, largest)?;
            TransientNet::from_cliques(file.sites, &file.cliques, constants.dynamics, seed)
                .map_err(failure_at(path))?
        } else {
            let (cliques, size) = (n.cliques.unwrap_or(10), n.clique_size.unwrap_or(4));
            self.admit(context, cliques.saturating_mul(size), size)?;
            let (sites, cliques) = ring_of_cliques(cliques, size, n.shared.unwrap_or(1)).map_err(failure)?;
            TransientNet::from_cliques(sites, &cliques, constants.dynamics, seed).map_err(failure)?
        };
        let inputs = if self.input.bars {
            self.side().saturating_mul(self.side())
        } else {
            patterns.map_or(0, Array2::ncols)
        };
        if inputs > 0 || self.input.bars {
            let afferents = AfferentParams {
                inputs,
                initial_max: n.afferent_max.unwrap_or(constants.afferents.initial_max),
                gate: self.input.learn.unwrap_or(constants.afferents.gate),
                ..constants.afferents
            };
            net = net.with_afferents(afferents, seed).map_err(failure)?;
        }
        net = net.with_signal(constants.signal).map_err(failure)?;
        if n.learn_links {
            net = net.with_link_learning(constants.links).map_err(failure)?;
        }
        Ok(net)
    }

    /// Refuses networks that would not fit: state and record of each site, its links, its afferents.
    fn admit(&self, context: &Context, sites: usize, links: usize) -> Result<()> {
        let inputs = if self.input.bars { self.side().saturating_mul(self.side()) } else { 0 };
        let site = 400_u64
            .saturating_add(32_u64.saturating_mul(links as u64))
            .saturating_add(8_u64.saturating_mul(inputs as u64));
        context.admit("the networks", site.saturating_mul(sites as u64).saturating_mul(self.seeds as u64))
    }

    fn side(&self) -> usize {
        self.input.side.unwrap_or(5)
    }

    fn interval(&self) -> f64 {
        self.input.interval.unwrap_or(100.0)
    }

    fn stimulus(&self, seed: u64, patterns: Option<&Array2<f64>>) -> Result<Box<dyn Stimulus>> {
        if self.input.bars {
            let probability = self.input.bar_probability.unwrap_or(0.1);
            let bars = BarsStimulus::new(self.side(), probability, self.interval(), seed).map_err(failure)?;
            return Ok(Box::new(bars));
        }
        match patterns {
            Some(patterns) => {
                let shown = PatternStimulus::new(patterns.clone(), self.interval());
                let shown = shown.map_err(|e| match &self.input.input {
                    Some(path) => failure_at(path)(e),
                    None => failure(e),
                })?;
                Ok(Box::new(shown))
            }
            None => Ok(Box::new(NoInput)),
        }
    }

    /// One network's run, in parts so that the bar moves.
    fn one(
        &self,
        seed: u64,
        mut net: TransientNet,
        patterns: Option<&Array2<f64>>,
        bar: &indicatif::ProgressBar,
    ) -> Result<(TransientNet, Trace, Run)> {
        let mut stimulus = self.stimulus(seed, patterns)?;
        let bars = |net: &TransientNet| -> Result<_> {
            if !self.input.bars {
                return Ok(None);
            }
            bar_matches(&net.receptive_fields().view(), self.side()).map(Some).map_err(failure)
        };
        let before = bars(&net)?;
        let start = net.time();
        let mut trace = net.run_sampled(0.0, stimulus.as_mut(), self.sample_every).map_err(failure)?;
        for part in 1..=100 {
            let ahead = start + self.duration * f64::from(part) / 100.0 - net.time();
            let later = net.run_sampled(ahead.max(0.0), stimulus.as_mut(), self.sample_every);
            trace.append(later.map_err(failure)?).map_err(failure)?;
            bar.inc(1);
        }
        let fields = match (before, bars(&net)?) {
            (Some(before), Some(after)) => Some(Fields {
                mean_cosine_before: before.mean_cosine,
                mean_cosine: after.mean_cosine,
                distinct: after.distinct,
                bars: after.matches.iter().map(|m| m.bar).collect(),
                cosines: after.matches.iter().map(|m| m.cosine).collect(),
            }),
            _ => None,
        };
        let run = Run {
            seed,
            transitions: trace.sequence.transitions(),
            mean_dwell: trace.sequence.mean_dwell(),
            visits: trace.sequence.visits(net.cliques().len()),
            regularity: trace.sequence.regularity(),
            influenced: trace.influenced_share(),
            aligned: trace.sequence.aligned(&trace.input_changes, 0.25 * self.interval()),
            mean_signal: trace.mean_signal,
            silent_since: trace.silent_since,
            fields,
        };
        Ok((net, trace, run))
    }
}

fn write(path: &Path, net: &TransientNet, trace: &Trace) -> Result<()> {
    let times = trace.sequence.0.iter().map(|w| w.0).collect::<Array1<f64>>();
    let winners = trace.sequence.0.iter().map(|w| w.1 as i64).collect::<Array1<i64>>();
    let influenced = trace.influenced.iter().map(|on| i64::from(*on)).collect::<Array1<i64>>();
    let changes = Array1::from(trace.input_changes.clone());
    let links = net.links();
    let targets = (0..links.sites()).flat_map(|i| std::iter::repeat_n(i as i64, links.row(i).0.len()));
    let ends: Vec<i64> = targets.zip(links.sources()).flat_map(|(i, j)| [i, i64::from(*j)]).collect();
    let ends = Array2::from_shape_vec((links.len(), 2), ends).map_err(Failure::input)?;
    let mut file = Npz::new()
        .f64("times", times.view().into_dyn())
        .i64("winners", winners.view().into_dyn())
        .i64("influenced", influenced.view().into_dyn())
        .f64("input_changes", changes.view().into_dyn())
        .i64("link_sites", ends.view().into_dyn())
        .f64("link_weights", ArrayView1::from(links.weights()).into_dyn());
    if let Some(afferents) = net.afferents() {
        file = file
            .f64("afferents", afferents.weights().view().into_dyn())
            .f64("receptive_fields", net.receptive_fields().view().into_dyn());
    }
    if !trace.samples.times.is_empty() {
        file = file
            .f64("sample_times", Array1::from(trace.samples.times.clone()).view().into_dyn())
            .f64("activity", trace.samples.activity.view().into_dyn())
            .f64("reservoir", trace.samples.reservoir.view().into_dyn())
            .f64("rates", trace.samples.rates.view().into_dyn());
    }
    file.write(path).map_err(file_failure_at(path))
}

/// `signal`, `off` or a number from 0 to 1.
fn gate(text: &str) -> std::result::Result<Gate, String> {
    match text {
        "signal" => Ok(Gate::Signal),
        "off" => Ok(Gate::Off),
        number => share(number)
            .map(Gate::Constant)
            .map_err(|_| "expected signal, off or a number from 0 to 1".to_owned()),
    }
}
