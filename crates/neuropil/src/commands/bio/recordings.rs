//! `neuropil bio recordings`: which worms a Parquet file of homogenised recordings holds.

use std::path::PathBuf;

use bio_data::activity::{Columns, WormReader};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::bio_failure;
use crate::context::Context;
use crate::failure::Result;
use crate::verb::Verb;

/// List the worms of a Parquet file of homogenised recordings, either published layout
#[derive(Debug, Args)]
pub(crate) struct Recordings {
    #[arg(help = "Parquet file of homogenised recordings")]
    file: PathBuf,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// In the file's order.
    worms: Vec<Worm>,
}

/// One recording.
#[derive(Debug, Serialize, JsonSchema)]
struct Worm {
    /// Name of the data set.
    source: String,
    /// Name of the worm.
    worm: String,
    /// Neurons.
    neurons: usize,
    /// Those that have one of the 300 labels.
    labelled: usize,
    /// Samples after resampling.
    samples: usize,
    /// Sampling step in seconds; the published 0.333 is recovered from times that passed through 16-bit floats.
    dt: f64,
}

impl Verb for Recordings {
    const NAME: &'static str = "bio.recordings";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let reader =
            WormReader::open(&self.file, Columns::Calcium).map_err(|e| bio_failure(e).or_at(&self.file))?;
        let worms = reader
            .map(|worm| {
                let worm = worm.map_err(|e| bio_failure(e).or_at(&self.file))?;
                Ok(Worm {
                    neurons: worm.neurons.len(),
                    labelled: worm.labelled(),
                    samples: worm.times_s.len(),
                    // k dt differ in their last digits; the first step is dt itself.
                    dt: worm.times_s.get(1).map_or(0.0, |t| t - worm.times_s[0]),
                    source: worm.source,
                    worm: worm.worm,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Answer { worms })
    }
}
