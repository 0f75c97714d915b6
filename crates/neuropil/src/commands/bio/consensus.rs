//! `neuropil bio consensus`: one connectome out of several, with provenance and uncertainty.

use std::path::PathBuf;

use bio_data::connectome::{self, Format, Nodes, RawConnectome, ReadOptions, Role, Source};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::bio_failure;
use super::connectome::{Compat, rule};
use crate::context::Context;
use crate::failure::Result;
use crate::verb::Verb;

/// The consensus of several connectomes, with provenance and uncertainty
#[derive(Debug, Args)]
pub(crate) struct Consensus {
    #[arg(required = true, value_name = "NAME=FILE", value_parser = named, help = "Connectomes; one named funconn, or a functional atlas, is functional")]
    sources: Vec<(String, PathBuf)>,
    /// Where to write the table, in the published order of columns
    #[arg(long)]
    out: PathBuf,
    /// Pairs with a weight, or all 300 x 300
    #[arg(long, value_enum, default_value_t = Which::Trimmed)]
    rows: Which,
    /// Positions and types of neurons (csv: neuron, x, y, z, type)
    #[arg(long, value_name = "F.csv")]
    nodes: Option<PathBuf>,
    /// Follow worm-graph: names must stand in the list as they are, of NeuronConnect only Sp rows count
    #[arg(long, value_enum)]
    compat: Option<Compat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Trimmed,
    Full,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Rows of the table.
    rows: usize,
    /// Rows with a gap weight.
    gap_rows: usize,
    /// Rows with a chemical weight.
    chemical_rows: usize,
    /// Mean of the chemical weights.
    mean_chemical: f64,
    /// Mean of the gap weights.
    mean_gap: f64,
    /// Rows with an uncertainty.
    uncertainties: usize,
    /// Their mean.
    mean_uncertainty: f64,
    /// What took part.
    sources: Vec<Part>,
}

/// One source.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Part {
    /// Its name.
    name: String,
    /// The layout of its file.
    format: String,
    /// The paper behind the layout, where it tells.
    reference: String,
    /// anatomy or function.
    role: String,
    /// Its edges on the 300 neurons.
    edges: usize,
}

/// Splits `NAME=FILE`.
pub(crate) fn named(text: &str) -> std::result::Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

/// Reads and merges every source.
pub(crate) fn load(
    sources: &[(String, PathBuf)],
    compat: Option<Compat>,
) -> Result<(Vec<Source>, Vec<Part>)> {
    let (mut out, mut parts) = (Vec::new(), Vec::new());
    for (name, file) in sources {
        let raw =
            RawConnectome::read(file, &ReadOptions::default()).map_err(|e| bio_failure(e).or_at(file))?;
        let mut source = Source::new(name, raw.merge(rule(compat)).named(name));
        if raw.format() == Format::Randi2023 {
            source.role = Role::Function;
        }
        parts.push(Part {
            name: name.clone(),
            format: raw.format().name().to_owned(),
            reference: raw.format().reference().to_owned(),
            role: if source.role == Role::Function { "function" } else { "anatomy" }.to_owned(),
            edges: source.connectome.edges().len(),
        });
        out.push(source);
    }
    Ok((out, parts))
}

impl Verb for Consensus {
    const NAME: &'static str = "bio.consensus";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let (sources, parts) = load(&self.sources, self.compat)?;
        let nodes = match &self.nodes {
            Some(path) => Nodes::read(path).map_err(|e| bio_failure(e).or_at(path))?,
            None => Nodes::default(),
        };
        let rows = match self.rows {
            Which::Trimmed => connectome::Rows::Trimmed,
            Which::Full => connectome::Rows::Full,
        };
        let table = connectome::consensus(&sources, rows).map_err(bio_failure)?;
        table.write_csv(&self.out, &nodes).map_err(|e| bio_failure(e).or_at(&self.out))?;
        Ok(Answer {
            rows: table.rows.len(),
            gap_rows: table.gap_rows(),
            chemical_rows: table.chemical_rows(),
            mean_chemical: table.mean_of(|r| r.chemical),
            mean_gap: table.mean_of(|r| r.gap),
            uncertainties: table.rows.iter().filter(|r| r.uncertainty.is_some()).count(),
            mean_uncertainty: table.mean_of(|r| r.uncertainty),
            sources: parts,
        })
    }
}
