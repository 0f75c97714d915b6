//! What is read at a site, and what a read holds.

use burn::tensor::{FloatDType, Tensor, TensorData};
use ndarray::Array2;
use recordings::accumulate::{ActivationCounts, Moments, TopSamples};
use tensor_backend::bridge;

use crate::edit::float;
use crate::{Error, Result, Span, host};

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
/// Calls whose moments wait on the device, to come to the host in one transfer.
const CALLS: usize = 16;

/// A read under way.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    read: Read,
    held: Option<Reading>,
    /// Counts that are still on the device, and their tokens.
    waiting: Option<(Tensor<2>, usize)>,
    /// Counts that were made in the host's memory, and their tokens.
    counted: Option<(Vec<u64>, u64)>,
    /// Mean and squared deviations `[2, units]` of some calls, which are still on the device, and their tokens.
    moments: Vec<(Tensor<2>, u64)>,
    /// Units of the site; none before the first call.
    units: Option<usize>,
    tokens: u64,
}

impl Reader {
    pub(crate) fn new(read: Read) -> Result<Self> {
        if read == Read::TopSamples(0) {
            return Err(Error::Parameter { name: "k", value: "0".to_owned(), expected: "at least 1" });
        }
        let (held, waiting, counted, moments) = (None, None, None, Vec::new());
        Ok(Self { read, held, waiting, counted, moments, units: None, tokens: 0 })
    }

    /// Takes the tensor of one forward call, and hands it back.
    pub(crate) fn observe(&mut self, x: Tensor<3>, span: &Span) -> Result<Tensor<3>> {
        let units = x.dims()[2];
        let before = *self.units.get_or_insert(units);
        if before != units {
            return Err(Error::shape("tensor", format!("{before} units, as in the calls before"), units));
        }
        let sums = matches!(self.read, Read::CountPositive | Read::Moments);
        let x = if sums && host::is_host(&x.device()) {
            host::look(x, |data| self.observe_here(data, units, span))?
        } else {
            self.observe_there(x.clone().inner(), span)?;
            x
        };
        self.tokens += span.tokens() as u64;
        Ok(x)
    }

    /// Sums what lies in the host's memory.
    fn observe_here(&mut self, data: &TensorData, units: usize, span: &Span) -> Result<()> {
        let tokens = span.tokens() as u64;
        if self.read == Read::CountPositive {
            let (counts, seen) = self.counted.get_or_insert_with(|| (vec![0; units], 0));
            host::count_positive(data, span, counts)?;
            *seen += tokens;
        } else if tokens > 0 {
            let (mut mean, mut squares) = (vec![0.0; units], vec![0.0; units]);
            host::moments(data, span, &mut mean, &mut squares)?;
            self.keep_moments(Moments::from_parts(tokens, mean, squares)?)?;
        }
        Ok(())
    }

    /// Reads where the tensor is.
    fn observe_there(&mut self, x: Tensor<3>, span: &Span) -> Result<()> {
        let [batch, time, units] = x.dims();
        let rows = || x.clone().reshape([batch * time, units]);
        match self.read {
            Read::Full => match &mut self.held {
                Some(Reading::Full(tensors)) => tensors.push(x),
                held => *held = Some(Reading::Full(vec![x])),
            },
            Read::LastToken => self.keep_row(last_token(x, span)),
            Read::MeanOverTokens => {
                // Sums over many tokens need more than 16 bits.
                let dtype = match float(&x)? {
                    FloatDType::F64 => FloatDType::F64,
                    _ => FloatDType::F32,
                };
                let weights = span.averaging(dtype, &x.device())?;
                self.keep_row(weights.matmul(x.cast(dtype)).reshape([batch, units]));
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
                    self.flush_counts()?;
                }
            }
            Read::Moments => self.sum_moments(rows().cast(FloatDType::F32), span)?,
            Read::TopSamples(k) => self.top(&bridge::float_array::<f64, 2>(rows())?, k, span)?,
        }
        Ok(())
    }

    /// What it holds by now.
    pub(crate) fn reading(&mut self) -> Result<Option<&Reading>> {
        self.flush_counts()?;
        self.flush_moments()?;
        Ok(self.held.as_ref())
    }

    /// Forgets what was read.
    pub(crate) fn reset(&mut self) {
        (self.held, self.waiting, self.counted) = (None, None, None);
        (self.units, self.tokens) = (None, 0);
        self.moments.clear();
    }

    fn keep_row(&mut self, row: Tensor<2>) {
        match &mut self.held {
            Some(Reading::Rows(rows)) => rows.push(row),
            held => *held = Some(Reading::Rows(vec![row])),
        }
    }

    /// Brings waiting counts to the host.
    fn flush_counts(&mut self) -> Result<()> {
        if let Some((sum, tokens)) = self.waiting.take() {
            let counts = bridge::float_array::<f64, 2>(sum)?;
            self.keep_counts(counts.iter().map(|c| *c as u64).collect(), tokens as u64)?;
        }
        match self.counted.take() {
            Some((counts, tokens)) => self.keep_counts(counts, tokens),
            None => Ok(()),
        }
    }

    fn keep_counts(&mut self, counts: Vec<u64>, tokens: u64) -> Result<()> {
        let shard = ActivationCounts::from_counts(0.0, tokens, counts)?;
        match &mut self.held {
            Some(Reading::Counts(held)) => held.merge(&shard)?,
            held => *held = Some(Reading::Counts(shard)),
        }
        Ok(())
    }

    /// Mean and squared deviations of one call on the device, merged on the host.
    fn sum_moments(&mut self, rows: Tensor<2>, span: &Span) -> Result<()> {
        let tokens = span.tokens();
        if tokens == 0 {
            return Ok(());
        }
        let weights = span.weights(FloatDType::F32, &rows.device())?;
        let mean = weights.clone().matmul(rows.clone()).div_scalar(tokens as f64);
        let deviations = rows - mean.clone();
        let squares = weights.matmul(deviations.square());
        self.moments.push((Tensor::cat(vec![mean, squares], 0), tokens as u64));
        if self.moments.len() == CALLS { self.flush_moments() } else { Ok(()) }
    }

    /// Brings waiting moments to the host, and merges them in their order.
    fn flush_moments(&mut self) -> Result<()> {
        if self.moments.is_empty() {
            return Ok(());
        }
        let (sums, tokens): (Vec<Tensor<2>>, Vec<u64>) = self.moments.drain(..).unzip();
        let sums = bridge::float_array::<f64, 2>(Tensor::cat(sums, 0))?;
        for (call, tokens) in tokens.into_iter().enumerate() {
            let (mean, squares) = (sums.row(2 * call).to_vec(), sums.row(2 * call + 1).to_vec());
            self.keep_moments(Moments::from_parts(tokens, mean, squares)?)?;
        }
        Ok(())
    }

    fn keep_moments(&mut self, shard: Moments) -> Result<()> {
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use ndarray::{Array2, Array3};
    use tensor_backend::DeviceSpec;

    use super::*;

    /// What a GPU does, here: sums made of tensor operations are those of the pass over memory.
    #[test]
    fn tensor_operations_and_the_pass_over_memory_sum_the_same() {
        let device = DeviceSpec::Cpu.open().unwrap().device;
        for read in [Read::CountPositive, Read::Moments] {
            let mut readers = [Reader::new(read).unwrap(), Reader::new(read).unwrap()];
            for call in 0..2 * CALLS + 3 {
                let host = Array3::from_shape_fn((2, 5, 9), |(b, t, u)| {
                    ((1 + call + b * 50 + t * 10) as f64 * (u as f64 + 1.7)).sin() + 0.2
                });
                let x: Tensor<3> = bridge::float_tensor(host.view(), FloatDType::F32, &device).unwrap();
                let valid = Array2::from_shape_fn((2, 5), |(b, t)| (b + t + call) % 4 > 0);
                let span = Span::new(2, 5, vec![0, 0], Some(valid)).unwrap();
                readers[0].observe(x.clone(), &span).unwrap();
                readers[1].observe_there(x, &span).unwrap();
                assert!(readers[1].moments.len() < CALLS, "what waits on the device is bounded");
            }
            let [here, there] = readers.each_mut().map(|r| r.reading().unwrap().unwrap().clone());
            match (here, there) {
                (Reading::Counts(a), Reading::Counts(b)) => assert_eq!(a, b),
                (Reading::Moments(a), Reading::Moments(b)) => {
                    assert_eq!(a.count(), b.count());
                    let pairs = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
                    assert!(pairs(a.mean().unwrap(), b.mean().unwrap()));
                    assert!(pairs(&a.variance().unwrap(), &b.variance().unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
