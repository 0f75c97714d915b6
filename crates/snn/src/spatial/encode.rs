//! Values, such as the header fields of a network packet, as patterns.

use serde::{Deserialize, Serialize};

use super::BitPattern;
use crate::{Error, Result};

/// How one value becomes inputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Field {
    /// One input a category, numbered from 0: one spikes.
    OneHot {
        /// Number of categories.
        levels: usize,
    },
    /// Inputs whose thresholds part a range evenly: those spike that the value reaches. Near values share inputs.
    Thermometer {
        /// Least value, at which none spikes.
        low: f64,
        /// Greatest value, at which all do.
        high: f64,
        /// Number of inputs.
        levels: usize,
    },
    /// The bits of a whole number, most significant first.
    Bits {
        /// Number of bits, at most 52.
        bits: usize,
    },
    /// Two inputs a bit, one of which spikes: as many spikes for each number, so patterns differ only in which.
    PairedBits {
        /// Number of bits, at most 52.
        bits: usize,
    },
}

impl Field {
    /// How many inputs it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::OneHot { levels } | Self::Thermometer { levels, .. } => *levels,
            Self::Bits { bits } => *bits,
            Self::PairedBits { bits } => 2 * bits,
        }
    }

    fn validate(&self) -> Result<()> {
        let (levels, most) = match self {
            Self::OneHot { levels } | Self::Thermometer { levels, .. } => (*levels, 1 << 20),
            Self::Bits { bits } | Self::PairedBits { bits } => (*bits, 52),
        };
        if levels == 0 || levels > most {
            return Err(Error::parameter("inputs of a field", levels as f64, format!("1 to {most}")));
        }
        match self {
            Self::Thermometer { low, high, .. } if !(low < high && (high - low).is_finite()) => {
                Err(Error::parameter("high", *high, format!("finite and above low = {low}")))
            }
            _ => Ok(()),
        }
    }

    fn encode(&self, value: f64, bits: &mut Vec<bool>) -> Result<()> {
        let whole = |below: f64| {
            if value >= 0.0 && value < below && value.fract() == 0.0 {
                return Ok(value as u64);
            }
            Err(Error::parameter("value of a field", value, format!("a whole number below {below}")))
        };
        match self {
            Self::OneHot { levels } => {
                let category = whole(*levels as f64)? as usize;
                bits.extend((0..*levels).map(|i| i == category));
            }
            Self::Thermometer { low, high, levels } => {
                if !(*low..=*high).contains(&value) {
                    let expected = format!("between {low} and {high}");
                    return Err(Error::parameter("value of a field", value, expected));
                }
                let filled = (value - low) / (high - low) * *levels as f64;
                bits.extend((0..*levels).map(|i| filled >= (i + 1) as f64));
            }
            Self::Bits { bits: width } => {
                let number = whole((*width as f64).exp2())?;
                bits.extend((0..*width).rev().map(|b| number >> b & 1 == 1));
            }
            Self::PairedBits { bits: width } => {
                let number = whole((*width as f64).exp2())?;
                bits.extend((0..*width).rev().flat_map(|b| {
                    let on = number >> b & 1 == 1;
                    [on, !on]
                }));
            }
        }
        Ok(())
    }
}

/// Several fields, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternEncoder {
    fields: Vec<Field>,
}

impl PatternEncoder {
    /// An encoder of these fields.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a field, [`Error::Parameter`] for one without inputs, of too many, or with an empty range.
    pub fn new(fields: Vec<Field>) -> Result<Self> {
        if fields.is_empty() {
            return Err(Error::TooFew { what: "fields".to_owned(), needed: 1, found: 0 });
        }
        fields.iter().try_for_each(Field::validate)?;
        Ok(Self { fields })
    }

    /// How many inputs all fields take.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.fields.iter().map(Field::inputs).sum()
    }

    /// One value a field.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of values, [`Error::Parameter`] for a value that its field cannot hold.
    pub fn encode(&self, values: &[f64]) -> Result<BitPattern> {
        if values.len() != self.fields.len() {
            return Err(Error::shape("values", format!("{} fields", self.fields.len()), values.len()));
        }
        let mut bits = Vec::with_capacity(self.inputs());
        for (field, value) in self.fields.iter().zip(values) {
            field.encode(*value, &mut bits)?;
        }
        Ok(BitPattern::from_bits(&bits))
    }
}
