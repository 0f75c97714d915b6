//! One array of any number type that the readers know.

use half::{bf16, f16};
use ndarray::ArrayD;

use crate::{Error, Result};

/// An array as its file holds it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Array {
    /// 64-bit floats.
    F64(ArrayD<f64>),
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 16-bit floats, IEEE.
    F16(ArrayD<f16>),
    /// 16-bit floats, brain format.
    Bf16(ArrayD<bf16>),
    /// Signed whole numbers of any width.
    I64(ArrayD<i64>),
    /// Unsigned 64-bit numbers; narrower ones are in [`Array::I64`].
    U64(ArrayD<u64>),
    /// Truth values.
    Bool(ArrayD<bool>),
    /// Strings.
    Text(ArrayD<String>),
}

impl Array {
    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F64(a) => a.shape(),
            Self::F32(a) => a.shape(),
            Self::F16(a) => a.shape(),
            Self::Bf16(a) => a.shape(),
            Self::I64(a) => a.shape(),
            Self::U64(a) => a.shape(),
            Self::Bool(a) => a.shape(),
            Self::Text(a) => a.shape(),
        }
    }

    /// The name of the number type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F64(_) => "f64",
            Self::F32(_) => "f32",
            Self::F16(_) => "f16",
            Self::Bf16(_) => "bf16",
            Self::I64(_) => "i64",
            Self::U64(_) => "u64",
            Self::Bool(_) => "bool",
            Self::Text(_) => "text",
        }
    }

    /// Any number type as `f64`; whole numbers beyond 2^53 are rounded.
    ///
    /// # Errors
    /// [`Error::Type`] for text.
    pub fn to_f64(&self) -> Result<ArrayD<f64>> {
        Ok(match self {
            Self::F64(a) => a.clone(),
            Self::F32(a) => a.mapv(f64::from),
            Self::F16(a) => a.mapv(f64::from),
            Self::Bf16(a) => a.mapv(f64::from),
            Self::I64(a) => a.mapv(|x| x as f64),
            Self::U64(a) => a.mapv(|x| x as f64),
            Self::Bool(a) => a.mapv(|x| f64::from(u8::from(x))),
            Self::Text(_) => return Err(self.refuse("a number")),
        })
    }

    /// Whole numbers; floats only when every value is one.
    ///
    /// # Errors
    /// [`Error::Type`] for text and fractions, [`Error::Value`] for numbers beyond the range of `i64`.
    pub fn to_i64(&self) -> Result<ArrayD<i64>> {
        match self {
            Self::I64(a) => Ok(a.clone()),
            Self::Bool(a) => Ok(a.mapv(i64::from)),
            Self::U64(a) => {
                if let Some(x) = a.iter().find(|x| i64::try_from(**x).is_err()) {
                    return Err(Error::value("unsigned value", x, "below 2^63"));
                }
                Ok(a.mapv(|x| x as i64))
            }
            Self::Text(_) => Err(self.refuse("whole numbers")),
            floats => {
                let values = floats.to_f64()?;
                if values.iter().any(|x| x.fract() != 0.0 || !x.is_finite() || x.abs() > 9.0e15) {
                    return Err(self.refuse("whole numbers"));
                }
                Ok(values.mapv(|x| x as i64))
            }
        }
    }

    /// Strings, in row-major order.
    ///
    /// # Errors
    /// [`Error::Type`] for numbers.
    pub fn to_text(&self) -> Result<Vec<String>> {
        match self {
            Self::Text(a) => Ok(a.iter().cloned().collect()),
            _ => Err(self.refuse("text")),
        }
    }

    fn refuse(&self, expected: &'static str) -> Error {
        Error::Type { what: "array".to_owned(), found: self.kind().to_owned(), expected }
    }
}
