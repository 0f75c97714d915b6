//! `neuropil bio connectome`: any published connectome file, counted, merged and measured.

use std::path::PathBuf;

use bio_data::connectome::{Kind, Layer, Merge, RawConnectome, ReadOptions};
use bio_data::graph::{Network, motifs, null, rewire};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::bio_failure;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Read a connectome: counts as it stands, and of its graph on the 300 neurons
#[derive(Debug, Args)]
pub(crate) struct Connectome {
    #[arg(help = "Connectome: xlsx, xls, csv, tab-separated, or .pt")]
    file: PathBuf,
    /// The sheet of a workbook, or a part of its name that no other sheet has
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The layout of the file
    #[arg(long, value_enum, default_value_t = Layout::Auto)]
    format: Layout,
    /// Follow worm-graph: names must stand in the list as they are, of NeuronConnect only Sp rows count
    #[arg(long, value_enum)]
    compat: Option<Compat>,
    /// Where to write the merged edges (csv: pre, post, gap, chemical, data_source)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure the graph beside random graphs of the same degrees
    #[arg(long)]
    metrics: bool,
    /// Which weights to measure
    #[arg(long, value_enum, default_value_t = Weights::Chemical, requires = "metrics")]
    layer: Weights,
    /// How many random graphs
    #[arg(long, default_value_t = 20, value_name = "N", requires = "metrics", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    null: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    Auto,
    Csv,
    Matrix,
    Edgelist,
    White,
    Cook2019,
    Witvliet,
    Varshney,
    Chklovskii,
    Openworm,
    Randi2023,
    Pt,
}

/// Whose rules to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    /// The published pipeline.
    WormGraph,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Weights {
    Chemical,
    Gap,
    Total,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The file's name without extension.
    name: String,
    /// The layout it was read as.
    format: String,
    /// The paper behind the layout, where it tells.
    reference: String,
    /// Counts of the file as it stands.
    raw: Raw,
    /// Neurons with an edge.
    neurons: usize,
    /// Ordered pairs with a weight.
    edges: usize,
    /// Ordered pairs with a chemical weight.
    chemical_edges: usize,
    /// Ordered pairs with a gap weight: each junction counts in both directions.
    gap_edges: usize,
    /// Sum of the chemical weights.
    chemical_sum: f64,
    /// Sum of the gap weights over ordered pairs.
    gap_sum: f64,
    /// Names that are not among the 300, and how many connections name them.
    skipped: Vec<SkippedName>,
    /// Connections between two of the 300 without a weight.
    blank: usize,
    /// Connections between two of the 300 of weight zero.
    zero: usize,
    /// Graph measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
}

/// Counts of the file as it stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Raw {
    /// Rows, or entries other than zero of matrices.
    rows: usize,
    /// Names that take part.
    nodes: usize,
    /// Chemical rows.
    chemical_rows: usize,
    /// Sum of their weights.
    chemical_sum: f64,
    /// Gap rows.
    gap_rows: usize,
    /// Sum of their weights.
    gap_sum: f64,
    /// The same for each of the file's own words for a type.
    types: Vec<Type>,
    /// Sizes of the matrices that were read.
    matrices: Vec<Matrix>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Type {
    /// The file's word.
    label: String,
    /// How it is understood: chemical, gap or other.
    kind: String,
    /// Rows.
    rows: usize,
    /// Sum of the weights.
    sum: f64,
    /// Names that take part.
    nodes: usize,
    /// Rows from a neuron to itself.
    self_loops: usize,
    /// Largest weight.
    max: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Matrix {
    /// The sheet.
    sheet: String,
    /// Labelled rows.
    rows: usize,
    /// Labelled columns.
    columns: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SkippedName {
    /// The name as it stands.
    name: String,
    /// Connections that name it.
    count: usize,
}

/// Measures of the graph, each beside degree-preserving random graphs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Metrics {
    /// Which weights.
    layer: String,
    /// Neurons with an edge on that layer.
    nodes: usize,
    /// Directed edges.
    edges: usize,
    /// Edges over those that could be.
    density: f64,
    /// Random graphs.
    replicates: usize,
    /// Reciprocity, clustering, path lengths, efficiency and the small-world index.
    scores: Vec<Score>,
    /// The thirteen connected triads.
    motifs: Vec<Score>,
    /// Counts of all sixteen classes of triads.
    triads: Vec<Triad>,
    /// Rich-club coefficient for degrees above 0, 1, ..
    rich_club: Vec<f64>,
    /// The same over its mean in the random graphs.
    rich_club_normalised: Vec<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Score {
    /// What was measured.
    name: String,
    /// Its value.
    value: f64,
    /// Mean over the random graphs.
    mean: f64,
    /// Standard deviation over them.
    sd: f64,
    /// (value - mean) / sd.
    z: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Triad {
    /// The class, by its mutual, asymmetric and null pairs.
    class: String,
    /// How many.
    count: u64,
}

/// The merging rule of a `--compat` flag.
pub(crate) fn rule(compat: Option<Compat>) -> Merge {
    if compat == Some(Compat::WormGraph) { Merge::WormGraph } else { Merge::Standard }
}

impl Layout {
    fn format(self) -> Option<bio_data::connectome::Format> {
        let value = self.to_possible_value()?;
        value.get_name().parse().ok()
    }
}

impl Verb for Connectome {
    const NAME: &'static str = "bio.connectome";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let options = ReadOptions { format: self.format.format(), sheet: self.sheet.clone() };
        let raw = RawConnectome::read(&self.file, &options).map_err(|e| bio_failure(e).or_at(&self.file))?;
        let merged = raw.merge(rule(self.compat));
        let metrics = if self.metrics {
            let (layer, word) = match self.layer {
                Weights::Chemical => (Layer::Chemical, "chemical"),
                Weights::Gap => (Layer::Gap, "gap"),
                Weights::Total => (Layer::Total, "total"),
            };
            Some(measure(&merged, layer, word, self.null as usize, context.seed)?)
        } else {
            None
        };
        if let Some(out) = &self.out {
            merged.write_csv(out).map_err(|e| bio_failure(e).or_at(out))?;
        }
        Ok(Answer {
            name: raw.name().to_owned(),
            format: raw.format().name().to_owned(),
            reference: merged.reference().to_owned(),
            raw: counts(&raw),
            neurons: merged.neurons(),
            edges: merged.edges().len(),
            chemical_edges: merged.count(Layer::Chemical),
            gap_edges: merged.count(Layer::Gap),
            chemical_sum: merged.sum(Layer::Chemical),
            gap_sum: merged.sum(Layer::Gap),
            skipped: merged
                .skipped()
                .iter()
                .map(|s| SkippedName { name: s.name.clone(), count: s.count })
                .collect(),
            blank: merged.blanks(),
            zero: merged.zeros(),
            metrics,
        })
    }
}

fn counts(raw: &RawConnectome) -> Raw {
    let c = raw.counts();
    let kind = |k: Kind| match k {
        Kind::Chemical => "chemical",
        Kind::Gap => "gap",
        Kind::Other => "other",
    };
    let types = raw.types().into_iter().map(|t| Type {
        label: t.label,
        kind: kind(t.kind).to_owned(),
        rows: t.rows,
        sum: t.sum,
        nodes: t.nodes,
        self_loops: t.self_loops,
        max: t.max,
    });
    let matrices =
        raw.matrices().iter().map(|m| Matrix { sheet: m.sheet.clone(), rows: m.rows, columns: m.columns });
    Raw {
        rows: c.rows,
        nodes: c.nodes,
        chemical_rows: c.chemical_rows,
        chemical_sum: c.chemical_sum,
        gap_rows: c.gap_rows,
        gap_sum: c.gap_sum,
        types: types.collect(),
        matrices: matrices.collect(),
    }
}

fn measure(
    merged: &bio_data::connectome::Connectome,
    layer: Layer,
    word: &str,
    replicates: usize,
    seed: u64,
) -> Result<Metrics> {
    let (network, _) = Network::from_connectome(merged, layer).map_err(bio_failure)?;
    if network.nodes() < 2 {
        return Err(Failure::input(format!(
            "--metrics: the file has no {word} edge between two of the 300 neurons"
        )));
    }
    let report =
        null::compare(&network, replicates, rewire::DEFAULT_SWAPS_PER_EDGE, seed).map_err(bio_failure)?;
    let (motif, other): (Vec<_>, Vec<_>) =
        report.scores.into_iter().partition(|s| s.name.starts_with("motif "));
    let score = |s: null::Score| Score { name: s.name, value: s.value, mean: s.mean, sd: s.sd, z: s.z };
    let census = motifs::census(&network);
    Ok(Metrics {
        layer: word.to_owned(),
        nodes: network.nodes(),
        edges: network.edges(),
        density: bio_data::graph::degrees::density(&network),
        replicates,
        scores: other.into_iter().map(score).collect(),
        motifs: motif.into_iter().map(score).collect(),
        triads: motifs::CLASSES
            .iter()
            .zip(census)
            .map(|(class, count)| Triad { class: (*class).to_owned(), count })
            .collect(),
        rich_club: report.rich_club,
        rich_club_normalised: report.rich_club_normalised,
    })
}
