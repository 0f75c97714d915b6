//! What is read at a site, and what a read holds.

use burn::tensor::{FloatDType, Tensor};
use ndarray::Array2;
use recordings::accumulate::{ActivationCounts, Moments, TopSamples};
use tensor_backend::bridge;

use crate::edit::float;
use crate::{Error, Result, Span};

/// What to read at a site. Padding tokens are never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Read {
    /// The whole tensor of each forward call: its memory grows with the corpus.
    Full,
    /// Each sequence's newest token, `[batch, units]` of each call.
    LastToken,
    /// The mean over each sequence's tokens, `[batch, units]` of each call.
    MeanOverTokens,
    /// How many tokens each unit was above zero at; O(units) whatever the corpus.
    CountPositive,
    /// Mean and variance of each unit over tokens; O(units).
    Moments,
    /// The `k` tokens at which each unit was highest, by their number in the order of reading; O(k units).
    TopSamples(usize),
}

/// What a read holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reading {
    /// Of [`Read::Full`].
    Full(Vec<Tensor<3>>),
    /// Of [`Read::LastToken`] and [`Read::MeanOverTokens`].
    Rows(Vec<Tensor<2>>),
    /// Of [`Read::CountPositive`].
    Counts(ActivationCounts),
    /// Of [`Read::Moments`].
    Moments(Moments),
    /// Of [`Read::TopSamples`].
    TopSamples(TopSamples),
}

impl Reading {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Full(_) => "whole tensors",
            Self::Rows(_) => "rows of units",
            Self::Counts(_) => "counts",
            Self::Moments(_) => "moments",
            Self::TopSamples(_) => "top samples",
        }
    }
}

/// Tokens whose counts wait on the device: far below the 2^24 that 32-bit floats count exactly.
const WAITING: usize = 1 << 20;

/// A read under way.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    read: Read,
    held: Option<Reading>,
    /// Counts that are still on the device, and their tokens.
    waiting: Option<(Tensor<2>, usize)>,
    tokens: u64,
}

impl Reader {
    pub(crate) fn new(read: Read) -> Result<Self> {
        if read == Read::TopSamples(0) {
            return Err(Error::Parameter { name: "k", value: "0".to_owned(), expected: "at least 1" });
        }
        Ok(Self { read, held: None, waiting: None, tokens: 0 })
    }

    /// Takes the tensor of one forward call.
    pub(crate) fn observe(&mut self, x: &Tensor<3>, span: &Span) -> Result<()> {
        let x = x.clone().inner();
        let [batch, time, units] = x.dims();
        let rows = || x.clone().reshape([batch * time, units]);
        match self.read {
            Read::Full => match &mut self.held {
                Some(Reading::Full(tensors)) => tensors.push(x),
                held => *held = Some(Reading::Full(vec![x])),
            },
            Read::LastToken => self.keep_row(last_token(x, span)),
            Read::MeanOverTokens => {
                let weights = span.averaging(float(&x)?, &x.device())?;
                self.keep_row(weights.matmul(x).reshape([batch, units]));
            }
            Read::CountPositive => {
                let positive = rows().greater_elem(0.0).float().cast(FloatDType::F32);
                let weights = span.weights(FloatDType::F32, &x.device())?;
                let counts = weights.matmul(positive);
                let (sum, tokens) = match self.waiting.take() {
                    Some((sum, tokens)) => (sum + counts, tokens + span.tokens()),
                    None => (counts, span.tokens()),
                };
                self.waiting = Some((sum, tokens));
                if tokens > WAITING {
                    self.flush()?;
                }
            }
            Read::Moments => self.moments(rows().cast(FloatDType::F32), span)?,
            Read::TopSamples(k) => self.top(&bridge::float_array::<f64, 2>(rows())?, k, span)?,
        }
        self.tokens += span.tokens() as u64;
        Ok(())
    }

    /// What it holds by now.
    pub(crate) fn reading(&mut self) -> Result<Option<&Reading>> {
        self.flush()?;
        Ok(self.held.as_ref())
    }

    /// Forgets what was read.
    pub(crate) fn reset(&mut self) {
        (self.held, self.waiting, self.tokens) = (None, None, 0);
    }

    fn keep_row(&mut self, row: Tensor<2>) {
        match &mut self.held {
            Some(Reading::Rows(rows)) => rows.push(row),
            held => *held = Some(Reading::Rows(vec![row])),
        }
    }

    /// Brings waiting counts to the host.
    fn flush(&mut self) -> Result<()> {
        let Some((sum, tokens)) = self.waiting.take() else { return Ok(()) };
        let counts = bridge::float_array::<f64, 2>(sum)?;
        let shard =
            ActivationCounts::from_counts(0.0, tokens as u64, counts.iter().map(|c| *c as u64).collect())?;
        match &mut self.held {
            Some(Reading::Counts(held)) => held.merge(&shard)?,
            held => *held = Some(Reading::Counts(shard)),
        }
        Ok(())
    }

    /// Mean and squared deviations of one call on the device, merged on the host.
    fn moments(&mut self, rows: Tensor<2>, span: &Span) -> Result<()> {
        let tokens = span.tokens();
        if tokens == 0 {
            return Ok(());
        }
        let weights = span.weights(FloatDType::F32, &rows.device())?;
        let mean = weights.clone().matmul(rows.clone()).div_scalar(tokens as f64);
        let deviations = rows - mean.clone();
        let squares = weights.matmul(deviations.square());
        let both = bridge::float_array::<f64, 2>(Tensor::cat(vec![mean, squares], 0))?;
        let (mean, squares) = (both.row(0).to_vec(), both.row(1).to_vec());
        let shard = Moments::from_parts(tokens as u64, mean, squares)?;
        match &mut self.held {
            Some(Reading::Moments(held)) => held.merge(&shard)?,
            held => *held = Some(Reading::Moments(shard)),
        }
        Ok(())
    }

    fn top(&mut self, rows: &Array2<f64>, k: usize, span: &Span) -> Result<()> {
        let units = rows.ncols();
        let held = self.held.get_or_insert_with(|| Reading::TopSamples(TopSamples::new(units, k)));
        let Reading::TopSamples(top) = held else { return Ok(()) };
        let mut sample = self.tokens;
        let valid = span.valid().map(|v| v.iter().copied().collect::<Vec<bool>>());
        for (i, row) in rows.rows().into_iter().enumerate() {
            if valid.as_ref().is_none_or(|v| v[i]) {
                top.push(sample, &row.to_vec())?;
                sample += 1;
            }
        }
        Ok(())
    }
}

/// The newest token of each sequence, `[batch, units]`.
fn last_token(x: Tensor<3>, span: &Span) -> Tensor<2> {
    let [batch, time, units] = x.dims();
    let row = if span.ends_together() {
        x.narrow(1, time - 1, 1)
    } else {
        let rows = span.last().into_iter().enumerate();
        let rows = rows.map(|(b, t)| x.clone().narrow(0, b, 1).narrow(1, t, 1)).collect();
        Tensor::cat(rows, 0)
    };
    row.reshape([batch, units])
}
