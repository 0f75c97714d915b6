//! Short-term and long-term learning of the links between sites.

use super::{LinkParams, Links};
use crate::{Error, Result};

/// Weights `w = w_short + w_long` of links that both learn (recalled from the companion paper; optional):
///
/// ```text
/// w_short' = G_s+ (W_max - w_short) x_i x_j [both active] - G_s- w_short
/// w_long'  = G_l+ D_i (w_long - W_min if D_i < 0, else 1) [both active] - G_l- (w_long - W_min) [i active, j not]
/// D_i      = w_opt - sum of w_ij over active j
/// ```
///
/// So the active links of an active site share a fixed sum. Which sites are linked does not change.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkLearning {
    params: LinkParams,
    short: Vec<f64>,
    long: Vec<f64>,
}

impl LinkLearning {
    /// Begins with the present weights as long-term weights.
    ///
    /// # Errors
    /// Those of [`LinkParams::validate`].
    pub fn new(params: LinkParams, links: &Links) -> Result<Self> {
        params.validate()?;
        Ok(Self { params, short: vec![0.0; links.len()], long: links.weights().to_vec() })
    }

    /// From both parts.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both have one weight a link, and those of [`LinkParams::validate`].
    pub fn from_parts(params: LinkParams, short: Vec<f64>, long: Vec<f64>, links: &Links) -> Result<Self> {
        params.validate()?;
        if short.len() != links.len() || long.len() != links.len() {
            let found = format!("{} and {}", short.len(), long.len());
            return Err(Error::shape("short-term and long-term weights", links.len(), found));
        }
        if short.iter().chain(&long).any(|w| !w.is_finite() || *w < 0.0) {
            return Err(Error::shape("short-term and long-term weights", "finite, not negative", "others"));
        }
        Ok(Self { params, short, long })
    }

    /// The constants.
    #[must_use]
    pub fn params(&self) -> &LinkParams {
        &self.params
    }

    /// Short-term weights, one a link.
    #[must_use]
    pub fn short(&self) -> &[f64] {
        &self.short
    }

    /// Long-term weights, one a link.
    #[must_use]
    pub fn long(&self) -> &[f64] {
        &self.long
    }

    /// One Euler step; writes the new sums into the links.
    pub(super) fn learn(&mut self, links: &mut Links, x: &[f64], active_level: f64, dt: f64) {
        let p = &self.params;
        for i in 0..links.sites() {
            let range = links.offsets()[i]..links.offsets()[i + 1];
            let here = x[i] > active_level;
            let (sources, weights) = links.row(i);
            let active = |j: &u32| x[*j as usize] > active_level;
            let sum: f64 = sources.iter().zip(weights).filter(|(j, _)| active(j)).map(|(_, w)| w).sum();
            let lack = p.active_sum - sum;
            for k in range {
                let j = links.sources()[k] as usize;
                let both = here && x[j] > active_level;
                let (short, long) = (&mut self.short[k], &mut self.long[k]);
                let grown = if both { p.short_growth * (p.short_max - *short) * x[i] * x[j] } else { 0.0 };
                *short = (*short + dt * (grown - p.short_decay * *short)).max(0.0);
                if both {
                    let room = if lack < 0.0 { *long - p.long_min } else { 1.0 };
                    *long += dt * p.long_growth * lack * room;
                } else if here {
                    *long -= dt * p.long_decay * (*long - p.long_min);
                }
                *long = long.max(p.long_min);
            }
        }
        for (w, (short, long)) in links.weights_mut().iter_mut().zip(self.short.iter().zip(&self.long)) {
            *w = short + long;
        }
    }
}
