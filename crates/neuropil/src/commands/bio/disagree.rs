//! `neuropil bio disagree`: the edges on which connectomes differ.

use std::io::Write;
use std::path::{Path, PathBuf};

use bio_data::connectome::{self, Conflict, Layer, Role, weight_correlation};
use bio_data::neurons::LABELS;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::bio_failure;
use super::connectome::Compat;
use super::consensus::{Part, load, named};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// List the edges on which connectomes differ, with sources and weights
#[derive(Debug, Args)]
pub(crate) struct Disagree {
    #[arg(required = true, value_name = "NAME=FILE", value_parser = named, help = "Two or more connectomes")]
    sources: Vec<(String, PathBuf)>,
    /// How many conflicts to list here, the widest first
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Where to write all of them (csv: from, to, layer, presence, range, then one column a source)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Follow worm-graph: names must stand in the list as they are, of NeuronConnect only Sp rows count
    #[arg(long, value_enum)]
    compat: Option<Compat>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Edges that at least one source has and at least two cover.
    compared: usize,
    /// Of those, edges on which all covering sources agree.
    agreed: usize,
    /// Edges on which sources differ.
    conflicts: usize,
    /// Of those, edges that a covering source lacks.
    presence_conflicts: usize,
    /// Of those, edges that all have, with different weights.
    weight_conflicts: usize,
    /// Spearman's correlation of the chemical weights of every two sources.
    pairs: Vec<Pair>,
    /// The widest conflicts.
    edges: Vec<Edge>,
    /// What took part.
    sources: Vec<Part>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pair {
    /// One source.
    a: String,
    /// The other.
    b: String,
    /// Over all ordered pairs of neurons that take part in either; NaN where one has no chemical edge.
    spearman: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Edge {
    /// Presynaptic neuron.
    from: String,
    /// Postsynaptic neuron.
    to: String,
    /// chemical or gap.
    layer: String,
    /// Whether a source lacks it.
    presence: bool,
    /// Largest weight less smallest.
    range: f64,
    /// What each covering source says; 0: no such edge.
    reported: Vec<Reported>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reported {
    /// The source.
    source: String,
    /// Its weight.
    weight: f64,
}

impl Verb for Disagree {
    const NAME: &'static str = "bio.disagree";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let (sources, parts) = load(&self.sources, self.compat)?;
        let found = connectome::disagree(&sources).map_err(bio_failure)?;
        if let Some(out) = &self.out {
            write(out, &self.sources, &found.conflicts)?;
        }
        let mut pairs = Vec::new();
        for (k, a) in sources.iter().enumerate().filter(|s| s.1.role == Role::Anatomy) {
            for b in sources.iter().skip(k + 1).filter(|s| s.role == Role::Anatomy) {
                let spearman =
                    weight_correlation(&a.connectome, &b.connectome, Layer::Chemical).unwrap_or(f64::NAN);
                pairs.push(Pair { a: a.name.clone(), b: b.name.clone(), spearman });
            }
        }
        Ok(Answer {
            compared: found.compared,
            agreed: found.agreed,
            conflicts: found.conflicts.len(),
            presence_conflicts: found.presence_conflicts(),
            weight_conflicts: found.weight_conflicts(),
            pairs,
            edges: found.conflicts.iter().take(self.limit).map(edge).collect(),
            sources: parts,
        })
    }
}

fn word(layer: Layer) -> &'static str {
    if layer == Layer::Gap { "gap" } else { "chemical" }
}

fn edge(conflict: &Conflict) -> Edge {
    Edge {
        from: LABELS[conflict.from].to_owned(),
        to: LABELS[conflict.to].to_owned(),
        layer: word(conflict.layer).to_owned(),
        presence: conflict.presence,
        range: conflict.range,
        reported: conflict
            .reported
            .iter()
            .map(|r| Reported { source: r.source.clone(), weight: r.weight })
            .collect(),
    }
}

/// One line a conflict; the cell of a source that does not cover the edge is empty.
fn write(path: &Path, sources: &[(String, PathBuf)], conflicts: &[Conflict]) -> Result<()> {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    recordings::atomic::write(path, |file| {
        let mut out = std::io::BufWriter::new(file);
        write!(out, "from,to,layer,presence,range")?;
        for (name, _) in sources {
            write!(out, ",{}", quoted(name))?;
        }
        writeln!(out)?;
        for c in conflicts {
            write!(out, "{},{},{},{},{}", LABELS[c.from], LABELS[c.to], word(c.layer), c.presence, c.range)?;
            for (name, _) in sources {
                match c.reported.iter().find(|r| r.source == *name) {
                    Some(r) => write!(out, ",{}", r.weight)?,
                    None => write!(out, ",")?,
                }
            }
            writeln!(out)?;
        }
        out.flush()
    })
    .map_err(|e| Failure::new("io", e).at(path))
}
