//! Changes to a recorded tensor, as data.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Site};

/// Which positions along time an edit touches. With a cache, `Last` is the newest position of each forward call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Positions {
    /// Every position.
    #[default]
    All,
    /// The newest position.
    Last,
    /// This position and those after it.
    From(usize),
}

impl Positions {
    /// The positions among `time` of them.
    #[must_use]
    pub fn range(self, time: usize) -> std::ops::Range<usize> {
        match self {
            Self::All => 0..time,
            Self::Last => time.saturating_sub(1)..time,
            Self::From(t) => t.min(time)..time,
        }
    }
}

/// What is done to the units of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Edit {
    /// `x[unit] = value`; zero ablates.
    SetUnits {
        /// Unit indices.
        units: Vec<usize>,
        /// One value per unit.
        values: Vec<f64>,
    },
    /// `x[unit] *= factor`.
    ScaleUnits {
        /// Unit indices.
        units: Vec<usize>,
        /// One factor per unit.
        factors: Vec<f64>,
    },
    /// `x += vector`.
    AddVector {
        /// One value per unit of the site.
        vector: Vec<f64>,
    },
    /// Every unit outside the set becomes zero.
    RestrictTo {
        /// Unit indices that stay.
        units: Vec<usize>,
    },
}

/// One edit at one site. Edits at a site apply in the order in which they are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervention {
    /// Where.
    pub site: Site,
    /// What.
    pub edit: Edit,
    /// When.
    #[serde(default)]
    pub positions: Positions,
}

impl Intervention {
    /// Ablation: the units become zero at every position.
    #[must_use]
    pub fn drop_units(site: Site, units: Vec<usize>) -> Self {
        let values = vec![0.0; units.len()];
        Self { site, edit: Edit::SetUnits { units, values }, positions: Positions::All }
    }

    /// Checks the edit against a site of `width` units.
    ///
    /// # Errors
    /// [`Error::Value`] for a unit out of range, a value that is not finite, or lists of unequal length.
    pub fn validate(&self, width: usize) -> Result<()> {
        let (units, values): (&[usize], &[f64]) = match &self.edit {
            Edit::SetUnits { units, values } => (units, values),
            Edit::ScaleUnits { units, factors } => (units, factors),
            Edit::AddVector { vector } => (&[], vector),
            Edit::RestrictTo { units } => (units, &[]),
        };
        if let Some(unit) = units.iter().find(|u| **u >= width) {
            return Err(Error::value(format!("{}: unit", self.site), unit, format!("below {width}")));
        }
        if let Some(x) = values.iter().find(|x| !x.is_finite()) {
            return Err(Error::value(format!("{}: edit value", self.site), x, "finite"));
        }
        let expected = match &self.edit {
            Edit::RestrictTo { .. } => 0,
            Edit::AddVector { .. } => width,
            _ => units.len(),
        };
        if values.len() != expected {
            let found = format!("{} values", values.len());
            return Err(Error::value(format!("{}: edit", self.site), found, format!("{expected} values")));
        }
        Ok(())
    }

    /// Applies the edit to host values `[time, units]` in place: the oracle of the tensor versions.
    ///
    /// # Errors
    /// Those of [`Intervention::validate`].
    pub fn apply(&self, values: &mut ndarray::ArrayViewMut2<'_, f64>) -> Result<()> {
        let (time, width) = values.dim();
        self.validate(width)?;
        let keep: Option<Vec<bool>> = match &self.edit {
            Edit::RestrictTo { units } => {
                let mut keep = vec![false; width];
                units.iter().for_each(|u| keep[*u] = true);
                Some(keep)
            }
            _ => None,
        };
        for t in self.positions.range(time) {
            let mut row = values.row_mut(t);
            match &self.edit {
                Edit::SetUnits { units, values } => units.iter().zip(values).for_each(|(u, x)| row[*u] = *x),
                Edit::ScaleUnits { units, factors } => {
                    units.iter().zip(factors).for_each(|(u, x)| row[*u] *= x);
                }
                Edit::AddVector { vector } => row.iter_mut().zip(vector).for_each(|(r, x)| *r += x),
                Edit::RestrictTo { .. } => {
                    row.iter_mut()
                        .zip(keep.iter().flatten())
                        .filter(|(_, k)| !**k)
                        .for_each(|(r, _)| *r = 0.0);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;

    #[test]
    fn edits_touch_their_positions_alone() {
        let mut x = arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let add = Edit::AddVector { vector: vec![10.0, 20.0] };
        Intervention { site: Site::Embed, edit: add, positions: Positions::Last }
            .apply(&mut x.view_mut())
            .unwrap();
        assert_eq!(x, arr2(&[[1.0, 2.0], [3.0, 4.0], [15.0, 26.0]]));
        let keep = Edit::RestrictTo { units: vec![1] };
        Intervention { site: Site::Embed, edit: keep, positions: Positions::From(1) }
            .apply(&mut x.view_mut())
            .unwrap();
        assert_eq!(x, arr2(&[[1.0, 2.0], [0.0, 4.0], [0.0, 26.0]]));
        let scale = Edit::ScaleUnits { units: vec![1], factors: vec![0.5] };
        Intervention { site: Site::Embed, edit: scale, positions: Positions::All }
            .apply(&mut x.view_mut())
            .unwrap();
        assert_eq!(x.column(1).to_vec(), [1.0, 2.0, 13.0]);
    }

    #[test]
    fn wrong_edits_are_refused() {
        let mut x = Array2::zeros((1, 2));
        let set = |units: Vec<usize>, values: Vec<f64>| Intervention {
            site: Site::Act(0),
            edit: Edit::SetUnits { units, values },
            positions: Positions::All,
        };
        assert!(set(vec![2], vec![0.0]).apply(&mut x.view_mut()).is_err());
        assert!(set(vec![0], vec![]).apply(&mut x.view_mut()).is_err());
        assert!(set(vec![0], vec![f64::NAN]).apply(&mut x.view_mut()).is_err());
        assert!(set(vec![0], vec![1.0]).apply(&mut x.view_mut()).is_ok());
    }
}
