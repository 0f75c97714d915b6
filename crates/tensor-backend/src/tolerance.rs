//! The one table of tolerances: operation x number type x backend -> (absolute, relative).
//!
//! A value passes when `|got - want| <= absolute + relative * |want|`, `want` computed on the host in `f64`. The rows
//! hold for the sizes that tests use (up to some thousand terms in a sum). Two wrong values in a hundred thousand is
//! not a tolerance: every element must pass.

use burn::tensor::DType;

use crate::devices::Backend;
use crate::error::{Error, Result};

/// What kind of operation a result came from: how much rounding it may have gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Additions, products, comparisons, selections.
    Elementwise,
    /// `exp`, `log`, `tanh`, `sqrt` and what is made of a few of them.
    Transcendental,
    /// Sums and means over an axis.
    Reduction,
    /// Matrix products.
    Matmul,
    /// Convolutions.
    Convolution,
    /// Softmax, log-softmax, layer norms: a reduction and a transcendental.
    Softmax,
    /// Gradients of a few of the above.
    Gradient,
}

/// How far a result may lie from the host's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Absolute part.
    pub absolute: f64,
    /// Part relative to the wanted value.
    pub relative: f64,
}

impl Tolerance {
    /// Whether `got` is near enough to `want`. NaN agrees with NaN, an infinity with itself.
    #[must_use]
    pub fn admits(self, got: f64, want: f64) -> bool {
        if got.is_nan() || want.is_nan() {
            return got.is_nan() && want.is_nan();
        }
        // An infinite bound would admit anything.
        got == want || (want.is_finite() && (got - want).abs() <= self.absolute + self.relative * want.abs())
    }
}

/// The tolerance of an operation.
///
/// # Errors
/// [`Error::Unsupported`] when the table has no row: the backend does not compute in the number type.
pub fn tolerance(operation: Operation, dtype: DType, backend: Backend) -> Result<Tolerance> {
    let width = match dtype {
        DType::F64 => Width::F64,
        DType::F32 | DType::Flex32 => Width::F32,
        DType::F16 => Width::F16,
        DType::BF16 => Width::Bf16,
        other => {
            return Err(Error::unsupported(
                format!("a tolerance for {other:?}"),
                "integers and booleans are compared exactly",
            ));
        }
    };
    TABLE
        .iter()
        .find(|row| row.0 == operation && row.1 == width)
        .map(|row| match backend {
            Backend::Cpu => row.2,
            Backend::Wgpu => row.3,
            Backend::Cuda => row.4,
        })
        .filter(|t| t.0 >= 0.0)
        .map(|(absolute, relative)| Tolerance { absolute, relative })
        .ok_or_else(|| {
            Error::unsupported(
                format!("{operation:?} in {dtype:?}"),
                format!("no tolerance is known for {}", backend.name()),
            )
        })
}

#[derive(Clone, Copy, PartialEq)]
enum Width {
    F64,
    F32,
    F16,
    Bf16,
}

/// (absolute, relative).
type Pair = (f64, f64);

/// The backend does not compute in this type.
const NONE: Pair = (-1.0, -1.0);

/// Rows of (operation, number type, cpu, wgpu, cuda).
///
/// `f32` on the processor and elementwise anywhere: a few units in the last place (1.2e-7). Graphics drivers may
/// compute `exp` and division to only 2 or 3 such units, and matrix products on tensor cores may keep 10 bits of the
/// mantissa, hence the wider right-hand columns. WGSL has no `f64`.
#[rustfmt::skip]
const TABLE: &[(Operation, Width, Pair, Pair, Pair)] = &[
    (Operation::Elementwise,    Width::F64,  (1e-14, 1e-14), NONE,           (1e-14, 1e-14)),
    (Operation::Transcendental, Width::F64,  (1e-13, 1e-13), NONE,           (1e-13, 1e-13)),
    (Operation::Reduction,      Width::F64,  (1e-12, 1e-12), NONE,           (1e-12, 1e-12)),
    (Operation::Matmul,         Width::F64,  (1e-12, 1e-12), NONE,           (1e-12, 1e-12)),
    (Operation::Convolution,    Width::F64,  (1e-12, 1e-12), NONE,           (1e-12, 1e-12)),
    (Operation::Softmax,        Width::F64,  (1e-13, 1e-12), NONE,           (1e-13, 1e-12)),
    (Operation::Gradient,       Width::F64,  (1e-12, 1e-12), NONE,           (1e-12, 1e-12)),

    (Operation::Elementwise,    Width::F32,  (1e-6, 1e-6),   (1e-6, 1e-6),   (1e-6, 1e-6)),
    (Operation::Transcendental, Width::F32,  (1e-6, 2e-6),   (5e-6, 1e-5),   (2e-6, 5e-6)),
    (Operation::Reduction,      Width::F32,  (1e-5, 2e-6),   (1e-5, 5e-6),   (1e-5, 5e-6)),
    (Operation::Matmul,         Width::F32,  (1e-5, 1e-5),   (2e-5, 1e-4),   (2e-3, 2e-3)),
    (Operation::Convolution,    Width::F32,  (1e-5, 1e-5),   (2e-5, 1e-4),   (2e-3, 2e-3)),
    (Operation::Softmax,        Width::F32,  (1e-6, 1e-5),   (5e-6, 2e-5),   (2e-6, 1e-5)),
    (Operation::Gradient,       Width::F32,  (1e-5, 1e-5),   (2e-5, 1e-4),   (2e-3, 2e-3)),

    (Operation::Elementwise,    Width::F16,  (1e-3, 1e-3),   (1e-3, 1e-3),   (1e-3, 1e-3)),
    (Operation::Transcendental, Width::F16,  (2e-3, 2e-3),   (4e-3, 4e-3),   (2e-3, 2e-3)),
    (Operation::Reduction,      Width::F16,  (1e-2, 1e-2),   (2e-2, 2e-2),   (1e-2, 1e-2)),
    (Operation::Matmul,         Width::F16,  (1e-2, 1e-2),   (2e-2, 2e-2),   (1e-2, 1e-2)),
    (Operation::Convolution,    Width::F16,  (1e-2, 1e-2),   (2e-2, 2e-2),   (1e-2, 1e-2)),
    (Operation::Softmax,        Width::F16,  (2e-3, 1e-2),   (4e-3, 2e-2),   (2e-3, 1e-2)),
    (Operation::Gradient,       Width::F16,  (2e-2, 2e-2),   (4e-2, 4e-2),   (2e-2, 2e-2)),

    (Operation::Elementwise,    Width::Bf16, (8e-3, 8e-3),   NONE,           (8e-3, 8e-3)),
    (Operation::Transcendental, Width::Bf16, (2e-2, 2e-2),   NONE,           (2e-2, 2e-2)),
    (Operation::Reduction,      Width::Bf16, (5e-2, 5e-2),   NONE,           (5e-2, 5e-2)),
    (Operation::Matmul,         Width::Bf16, (5e-2, 5e-2),   NONE,           (5e-2, 5e-2)),
    (Operation::Convolution,    Width::Bf16, (5e-2, 5e-2),   NONE,           (5e-2, 5e-2)),
    (Operation::Softmax,        Width::Bf16, (2e-2, 5e-2),   NONE,           (2e-2, 5e-2)),
    (Operation::Gradient,       Width::Bf16, (1e-1, 1e-1),   NONE,           (1e-1, 1e-1)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_width_has_exactly_one_row() {
        for (i, a) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|b| (b.0, b.1 as u8) != (a.0, a.1 as u8)), "{:?} twice", a.0);
        }
        assert_eq!(TABLE.len(), 7 * 4);
    }

    #[test]
    fn a_value_off_by_more_is_not_admitted() {
        let t = tolerance(Operation::Elementwise, DType::F32, Backend::Cpu).unwrap();
        assert!(t.admits(1.0 + 1.9e-6, 1.0) && !t.admits(1.0 + 2.1e-6, 1.0));
        assert!(t.admits(f64::NAN, f64::NAN) && !t.admits(f64::NAN, 1.0) && !t.admits(1.0, f64::NAN));
        assert!(t.admits(f64::INFINITY, f64::INFINITY) && !t.admits(f64::INFINITY, 1.0));
        assert!(!t.admits(1.0, f64::INFINITY) && !t.admits(f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn types_that_a_backend_lacks_have_no_tolerance() {
        assert!(tolerance(Operation::Matmul, DType::F64, Backend::Wgpu).is_err());
        assert!(tolerance(Operation::Matmul, DType::I64, Backend::Cpu).is_err());
    }
}
