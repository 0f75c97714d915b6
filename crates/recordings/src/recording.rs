//! Activity of units over samples.

use ndarray::Array2;

use crate::{Error, Result, Site};

/// Which unit a column is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct UnitId {
    /// Where it was recorded.
    pub site: Site,
    /// Its index there.
    pub index: usize,
    /// Its own name, such as a neuron's (`AVAL`), where it has one.
    pub label: Option<String>,
}

/// Values `[samples, units]` with what is known of both axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording<T> {
    values: Array2<T>,
    units: Vec<UnitId>,
    sample_interval_ms: Option<f64>,
    stimuli: Option<Vec<String>>,
}

impl<T: Clone> Recording<T> {
    /// A recording of `values` `[samples, units]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is not one id per unit, or an axis is empty.
    pub fn new(values: Array2<T>, units: Vec<UnitId>) -> Result<Self> {
        let found = format!("{:?} with {} unit ids", values.dim(), units.len());
        if values.is_empty() || values.ncols() != units.len() {
            let expected = "[samples, units], neither empty, and one id per unit".to_owned();
            return Err(Error::Shape { what: "recording".to_owned(), found, expected });
        }
        Ok(Self { values, units, sample_interval_ms: None, stimuli: None })
    }

    /// With the time between two samples.
    ///
    /// # Errors
    /// [`Error::Value`] unless it is finite and positive.
    pub fn with_sample_interval_ms(mut self, interval: f64) -> Result<Self> {
        if !(interval.is_finite() && interval > 0.0) {
            return Err(Error::value("sample interval in ms", interval, "finite and positive"));
        }
        self.sample_interval_ms = Some(interval);
        Ok(self)
    }

    /// With one stimulus label per sample.
    ///
    /// # Errors
    /// [`Error::Shape`] when their number is not the number of samples.
    pub fn with_stimuli(mut self, stimuli: Vec<String>) -> Result<Self> {
        if stimuli.len() != self.values.nrows() {
            return Err(Error::Shape {
                what: "stimulus labels".to_owned(),
                found: stimuli.len().to_string(),
                expected: format!("{}, one per sample", self.values.nrows()),
            });
        }
        self.stimuli = Some(stimuli);
        Ok(self)
    }

    /// Values `[samples, units]`.
    #[must_use]
    pub fn values(&self) -> &Array2<T> {
        &self.values
    }

    /// One id per column.
    #[must_use]
    pub fn units(&self) -> &[UnitId] {
        &self.units
    }

    /// Milliseconds between two samples, where known.
    #[must_use]
    pub fn sample_interval_ms(&self) -> Option<f64> {
        self.sample_interval_ms
    }

    /// One stimulus label per row, where known.
    #[must_use]
    pub fn stimuli(&self) -> Option<&[String]> {
        self.stimuli.as_deref()
    }

    /// The column of the unit called `label`.
    #[must_use]
    pub fn column(&self, label: &str) -> Option<usize> {
        self.units.iter().position(|u| u.label.as_deref() == Some(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_must_agree() {
        let ids: Vec<UnitId> = ["AVAL", "AVAR"]
            .iter()
            .enumerate()
            .map(|(index, l)| UnitId {
                site: Site::Module("head".into()),
                index,
                label: Some((*l).to_owned()),
            })
            .collect();
        let r = Recording::new(Array2::<f32>::zeros((3, 2)), ids.clone()).unwrap();
        assert_eq!(r.column("AVAR"), Some(1));
        assert!(r.clone().with_sample_interval_ms(0.0).is_err());
        assert!(r.clone().with_stimuli(vec!["a".into()]).is_err());
        assert!(r.with_stimuli(vec!["a".into(), "b".into(), "c".into()]).is_ok());
        assert!(Recording::new(Array2::<f32>::zeros((3, 1)), ids.clone()).is_err());
        assert!(Recording::new(Array2::<f32>::zeros((0, 2)), ids).is_err());
    }
}
