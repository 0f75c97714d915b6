//! `neuropil geometry identify`: from which region does a matrix come?

use std::path::PathBuf;

use clap::Args;
use recordings::arrays::ArrayFile;
use schemars::JsonSchema;
use serde::Serialize;

use super::lists::whole_numbers;
use crate::context::Context;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Leave-one-subject-out identification of regions or layers
#[derive(Debug, Args)]
pub(crate) struct Identify {
    #[arg(help = "npz with rdms [k, m], subjects [k] and labels [k]")]
    input: PathBuf,
    /// Subject of each row, when the file has none: comma separated, or a file with one number a line
    #[arg(long, value_name = "LIST")]
    subjects: Option<String>,
    /// Label of each row, when the file has none: comma separated, or a file with one number a line
    #[arg(long, value_name = "LIST")]
    labels: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Share of the rows that got their own label.
    accuracy: f64,
    /// One over the number of labels.
    chance: f64,
    /// The labels, in the order of the confusion matrix.
    labels: Vec<i64>,
    /// Counts: rows are true labels, columns given ones.
    confusion: Vec<Vec<usize>>,
    /// Mean distance to vectors of the same label over that to other labels.
    within_across_ratio: f64,
}

impl Verb for Identify {
    const NAME: &'static str = "geometry.identify";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let file = ArrayFile::open(&self.input).map_err(file_failure_at(&self.input))?;
        let rdms = file.read_f64_2("rdms").map_err(file_failure_at(&self.input))?;
        let list = |flag: &Option<String>, key: &str| match flag {
            Some(text) => whole_numbers(text),
            None => Ok(file.read_i64_1(key).map_err(file_failure_at(&self.input))?.to_vec()),
        };
        let (subjects, labels) = (list(&self.subjects, "subjects")?, list(&self.labels, "labels")?);
        let answer = neural_geometry::identify(&rdms.view(), &subjects, &labels)
            .map_err(|e| Failure::input(e).at(&self.input))?;
        let apart = neural_geometry::separation(&rdms.view(), &subjects, &labels)
            .map_err(|e| Failure::input(e).at(&self.input))?;
        Ok(Answer {
            accuracy: answer.accuracy,
            chance: answer.chance,
            labels: answer.labels,
            confusion: answer.confusion.outer_iter().map(|r| r.to_vec()).collect(),
            within_across_ratio: apart.ratio,
        })
    }
}
