//! The covariance of embeddings as an operator that is never formed.

use ndarray::{Array1, Array2, ArrayView2};
use pulp::Arch;
use rayon::prelude::*;

use super::block::{BlockSpace, Step};
use super::operator::stack;
use super::panel::{COLUMN_PAD, Pass, ROW_PAD};
use crate::eigenscore::convention::EigenScoreConvention;
use crate::{Error, Result};

/// Rows are shared out in at most this many chunks, whatever the number of threads: partial sums are then always
/// added in one order.
const CHUNKS: usize = 16;
/// Chunks of fewer rows are not worth a thread.
const LEAST_ROWS: usize = 32;

/// Numbers that a thread sums at a time.
const STRIP: usize = 4096;

/// `C = s E_c E_c^T` of embeddings `E [K, D]`, applied as `s E_c (E_c^T v)` in `f64`: 4 K D flops a vector, and one
/// pass over `E_c` a step, since the two products are fused row by row.
#[derive(Debug, Clone)]
pub struct EmbeddingOperator {
    /// Centred embeddings, padded with zeros to `[rows, width]`.
    e: Vec<f64>,
    answers: usize,
    rows: usize,
    width: usize,
    scale: f64,
    arch: Arch,
    /// Each chunk's part of the image, kept from step to step.
    parts: Vec<Vec<f64>>,
}

/// Vectors beside their projections on the units.
#[derive(Debug, Clone)]
pub struct EmbeddingBlock {
    /// `[rows, n]`, padded.
    vectors: Vec<f64>,
    /// `E_c^T v`, `[n, width]`; empty after a last step.
    image: Vec<f64>,
    n: usize,
}

impl EmbeddingOperator {
    /// The covariance of a convention.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two answers or units, [`Error::NotFinite`].
    pub fn new(e: &ArrayView2<'_, f64>, convention: EigenScoreConvention) -> Result<Self> {
        let centred = convention.centred(e)?;
        let (answers, units) = centred.dim();
        Ok(Self::from_centred(centred, convention.scale(answers, units)))
    }

    /// `scale * E E^T` of rows that are centred already.
    pub(crate) fn from_centred(centred: Array2<f64>, scale: f64) -> Self {
        let (answers, units) = centred.dim();
        let (rows, width) = (answers.next_multiple_of(ROW_PAD), units.next_multiple_of(COLUMN_PAD));
        let e = if (rows, width) == (answers, units) && centred.is_standard_layout() {
            let (mut cells, offset) = centred.into_raw_vec_and_offset();
            // An array may be a part of what it owns.
            cells.drain(..offset.unwrap_or(0));
            cells.truncate(rows * width);
            cells
        } else {
            let mut e = vec![0.0; rows * width];
            for (to, from) in e.chunks_exact_mut(width).zip(centred.rows()) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
            e
        };
        Self { e, answers, rows, width, scale, arch: Arch::new(), parts: Vec::new() }
    }

    /// Rows of one chunk: a function of the problem alone.
    fn chunk(&self) -> usize {
        self.rows.div_ceil(CHUNKS).max(LEAST_ROWS).next_multiple_of(ROW_PAD)
    }

    /// Runs the pass over all chunks and sums their images into `total`, which is left empty after a last step.
    fn sweep(
        &mut self,
        forward: Option<(&EmbeddingBlock, Step)>,
        next: &mut [f64],
        n: usize,
        total: &mut Vec<f64>,
    ) {
        let (chunk, width, arch) = (self.chunk(), self.width, self.arch);
        let wanted = forward.is_none_or(|(_, by)| !by.last);
        let forward = forward.map(|(block, by)| (block, Step { gain: by.gain * self.scale, ..by }));
        let one = |i: usize, e: &[f64], next: &mut [f64], image: &mut Vec<f64>| {
            image.clear();
            image.resize(if wanted { n * width } else { 0 }, 0.0);
            let forward = forward.map(|(block, by)| {
                (block.image.as_slice(), &block.vectors[i * chunk * n..][..next.len()], by)
            });
            let out = wanted.then_some(image.as_mut_slice());
            arch.dispatch(Pass { e, width, n, forward, next, image: out });
        };
        if self.rows <= chunk {
            return one(0, &self.e, next, total);
        }
        self.parts.resize_with(self.rows.div_ceil(chunk), Vec::new);
        self.e
            .par_chunks(chunk * width)
            .zip(next.par_chunks_mut(chunk * n))
            .zip(self.parts.par_iter_mut())
            .enumerate()
            .for_each(|(i, ((e, next), image))| one(i, e, next, image));
        total.clear();
        total.resize(if wanted { n * width } else { 0 }, 0.0);
        let parts = &self.parts;
        total.par_chunks_mut(STRIP).enumerate().for_each(|(i, total)| {
            for part in parts {
                total.iter_mut().zip(&part[i * STRIP..]).for_each(|(t, p)| *t += p);
            }
        });
    }
}

impl BlockSpace for EmbeddingOperator {
    type Block = EmbeddingBlock;
    type Sums = Array1<f64>;

    fn dim(&self) -> usize {
        self.answers
    }

    fn roundoff(&self) -> f64 {
        f64::EPSILON
    }

    fn load(&mut self, vectors: &ArrayView2<'_, f64>) -> Result<EmbeddingBlock> {
        let (answers, n) = vectors.dim();
        if answers != self.answers {
            return Err(Error::Shape {
                what: "block of vectors",
                expected: format!("{} rows", self.answers),
                found: answers.to_string(),
            });
        }
        let mut padded = vec![0.0; self.rows * n];
        padded.iter_mut().zip(vectors.iter()).for_each(|(to, from)| *to = *from);
        let mut image = Vec::new();
        self.sweep(None, &mut padded, n, &mut image);
        Ok(EmbeddingBlock { vectors: padded, image, n })
    }

    fn step(
        &mut self,
        v: &EmbeddingBlock,
        previous: Option<EmbeddingBlock>,
        by: Step,
    ) -> Result<EmbeddingBlock> {
        if v.image.is_empty() {
            let why = "a step was asked to start from a last one".to_owned();
            return Err(Error::Spectrum { why });
        }
        let n = v.n;
        let (mut vectors, mut image) = previous
            .map_or_else(|| (vec![0.0; self.rows * n], Vec::new()), |block| (block.vectors, block.image));
        self.sweep(Some((v, by)), &mut vectors, n, &mut image);
        Ok(EmbeddingBlock { vectors, image, n })
    }

    fn combine(
        &mut self,
        a: f64,
        mut x: EmbeddingBlock,
        b: f64,
        y: &EmbeddingBlock,
    ) -> Result<EmbeddingBlock> {
        let add = |x: &mut [f64], y: &[f64]| x.iter_mut().zip(y).for_each(|(x, y)| *x = a * *x + b * y);
        add(&mut x.vectors, &y.vectors);
        add(&mut x.image, &y.image);
        Ok(x)
    }

    fn sums(&mut self, x: &EmbeddingBlock, y: &EmbeddingBlock) -> Result<Array1<f64>> {
        let mut sums = vec![0.0; x.n];
        for (x, y) in x.vectors.chunks_exact(x.n).zip(y.vectors.chunks_exact(x.n)) {
            sums.iter_mut().zip(x).zip(y).for_each(|((s, x), y)| *s += x * y);
        }
        Ok(sums.into())
    }

    fn read(&mut self, queued: Vec<Array1<f64>>) -> Result<Array2<f64>> {
        stack(&queued)
    }
}
