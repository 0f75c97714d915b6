//! Where blocks of probe vectors live, and the few operations that the method needs of them.

use ndarray::{Array2, ArrayView2};

use crate::Result;

/// One step of a three-term recurrence: `gain * C v + shift * v - damp * previous`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Factor of `C v`.
    pub gain: f64,
    /// Factor of `v`.
    pub shift: f64,
    /// Factor of the block before `v`.
    pub damp: f64,
    /// No further step will start from the result.
    pub last: bool,
}

/// A symmetric positive semidefinite operator `C` together with the memory its vectors live in: host arrays, a
/// [fused pass](crate::EmbeddingOperator) over embeddings, or a [device](crate::TensorOperator). The method itself is
/// written once, against this trait.
pub trait BlockSpace {
    /// A block of n vectors, `[dim, n]`.
    type Block;
    /// n column sums that may still be on their way.
    type Sums;

    /// Length of the vectors.
    fn dim(&self) -> usize;

    /// Unit roundoff of the arithmetic, to tell rounding from divergence.
    fn roundoff(&self) -> f64;

    /// Brings a block of host vectors `[dim, n]` over.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape), or what the device says.
    fn load(&mut self, vectors: &ArrayView2<'_, f64>) -> Result<Self::Block>;

    /// `gain * C v + shift * v - damp * previous`, in the memory of `previous` where possible; without `previous`
    /// that term is zero.
    ///
    /// # Errors
    /// What the operator or the device says.
    fn step(&mut self, v: &Self::Block, previous: Option<Self::Block>, by: Step) -> Result<Self::Block>;

    /// `a x + b y`, in the memory of `x` where possible.
    ///
    /// # Errors
    /// What the device says.
    fn combine(&mut self, a: f64, x: Self::Block, b: f64, y: &Self::Block) -> Result<Self::Block>;

    /// Sums over each column of `x * y`, elementwise; may be queued until [`BlockSpace::read`].
    ///
    /// # Errors
    /// What the device says.
    fn sums(&mut self, x: &Self::Block, y: &Self::Block) -> Result<Self::Sums>;

    /// Brings queued sums to the host, one row each: `[queued, n]`.
    ///
    /// # Errors
    /// What the device says.
    fn read(&mut self, queued: Vec<Self::Sums>) -> Result<Array2<f64>>;
}
