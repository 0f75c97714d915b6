//! Avalanches: bursts of activity between silences.

use super::Trains;
use crate::{Error, Result};

/// A run of bins that are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Avalanche {
    /// Spikes in it.
    pub size: u64,
    /// Bins that it lasts.
    pub duration: u64,
}

/// How the growth of activity from one bin to the next is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Branching {
    /// The mean of `A_{t+1} / A_t`.
    #[default]
    MeanOfRatios,
    /// The sum of `A_{t+1}` over that of `A_t`: large avalanches weigh as much as they have spikes.
    RatioOfSums,
}

/// The avalanches of a population's counts, one a bin: every longest run of bins above 0, runs at both ends included.
#[must_use]
pub fn avalanches(counts: &[u32]) -> Vec<Avalanche> {
    counts
        .split(|c| *c == 0)
        .filter(|run| !run.is_empty())
        .map(|run| Avalanche { size: run.iter().map(|c| u64::from(*c)).sum(), duration: run.len() as u64 })
        .collect()
}

/// The branching ratio of a population's counts, over all bins t with `A_t > 0` that have a next one: how many spikes one
/// spike leads to. 1 at criticality. Input from outside raises it, the more the weaker the activity.
///
/// # Errors
/// [`Error::TooFew`] where no bin but the last has a spike.
pub fn branching_ratio(counts: &[u32], how: Branching) -> Result<f64> {
    let (mut ratios, mut bins, mut ancestors, mut descendants) = (0.0, 0_usize, 0_u64, 0_u64);
    for pair in counts.windows(2).filter(|pair| pair[0] > 0) {
        ratios += f64::from(pair[1]) / f64::from(pair[0]);
        bins += 1;
        ancestors += u64::from(pair[0]);
        descendants += u64::from(pair[1]);
    }
    if bins == 0 {
        return Err(Error::TooFew {
            what: "branching ratio: bins with spikes".to_owned(),
            needed: 1,
            found: 0,
        });
    }
    Ok(match how {
        Branching::MeanOfRatios => ratios / bins as f64,
        Branching::RatioOfSums => descendants as f64 / ancestors as f64,
    })
}

/// The mean interval between successive spikes of the whole population, in milliseconds: the usual bin of avalanches (Beggs
/// and Plenz 2003).
///
/// # Errors
/// [`Error::TooFew`] below two spikes; [`Error::Parameter`] where all are at one time.
pub fn mean_event_interval_ms(trains: &Trains) -> Result<f64> {
    let spikes = trains.spikes();
    if spikes < 2 {
        return Err(Error::TooFew {
            what: "interval between events: spikes".to_owned(),
            needed: 2,
            found: spikes,
        });
    }
    let ends = trains.iter().filter_map(|t| Some((*t.first()?, *t.last()?)));
    let (first, last) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (a, b)| (l.min(a), h.max(b)));
    let mean = (last - first) / (spikes - 1) as f64;
    if mean > 0.0 {
        Ok(mean)
    } else {
        Err(Error::parameter("mean interval between events in ms", mean, "above 0"))
    }
}
