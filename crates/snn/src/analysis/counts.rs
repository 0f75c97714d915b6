//! Spikes counted: rates, bins, variability and correlation of counts.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Trains;
use super::trains::{sorted, window};
use crate::{Error, Result};

/// Most bins of a histogram.
const MOST_BINS: f64 = 1e9;
/// By how much of a bin a time may lie below a border and still count as beyond it: times on a grid of 0.1 ms are not
/// exact in binary.
const BORDER: f64 = 1e-9;

/// Mean rate in hertz: spikes over seconds.
///
/// # Errors
/// [`Error::Parameter`] unless the duration is finite and positive.
pub fn rate_hz(spikes: usize, duration_ms: f64) -> Result<f64> {
    if !(duration_ms.is_finite() && duration_ms > 0.0) {
        return Err(Error::parameter("duration in ms", duration_ms, "finite and positive"));
    }
    Ok(spikes as f64 * 1000.0 / duration_ms)
}

/// Spikes in each whole bin of `[start_ms, stop_ms)`: bin k covers `[start + k b, start + (k + 1) b)`. A remainder shorter
/// than a bin is left out, and so are spikes in it or outside the window. Times within 1e-9 of a bin below a border count as on it.
///
/// # Errors
/// [`Error::SpikeTime`]; [`Error::Parameter`] for a window or bin without length, or more than 1e9 bins;
/// [`Error::TooFew`] where the window holds no whole bin.
pub fn counts(times_ms: &[f64], start_ms: f64, stop_ms: f64, bin_ms: f64) -> Result<Vec<u32>> {
    let bins = whole_bins(start_ms, stop_ms, bin_ms)?;
    sorted(|| "train".to_owned(), times_ms)?;
    let mut found = vec![0; bins];
    add(times_ms, start_ms, bin_ms, &mut found);
    Ok(found)
}

/// Rate of a population in each whole bin, in hertz per neuron: spikes of all trains over trains and seconds.
///
/// # Errors
/// Those of [`counts`]; [`Error::TooFew`] without a train.
pub fn rate_histogram(trains: &Trains, bin_ms: f64) -> Result<Vec<f64>> {
    let bins = whole_bins(trains.start_ms(), trains.stop_ms(), bin_ms)?;
    if trains.is_empty() {
        return Err(Error::TooFew { what: "rate histogram: trains".to_owned(), needed: 1, found: 0 });
    }
    let mut total = vec![0_u32; bins];
    trains.iter().for_each(|times| add(times, trains.start_ms(), bin_ms, &mut total));
    let scale = 1000.0 / (bin_ms * trains.len() as f64);
    Ok(total.into_iter().map(|n| f64::from(n) * scale).collect())
}

/// Peri-stimulus time histogram: the rate in hertz in bins around events, `[event + from, event + to)`, averaged over the
/// events. `from_ms` may be negative.
///
/// # Errors
/// Those of [`counts`]; [`Error::TooFew`] without an event.
pub fn peri_event(
    times_ms: &[f64],
    events_ms: &[f64],
    from_ms: f64,
    to_ms: f64,
    bin_ms: f64,
) -> Result<Vec<f64>> {
    let bins = whole_bins(from_ms, to_ms, bin_ms)?;
    sorted(|| "train".to_owned(), times_ms)?;
    sorted(|| "events".to_owned(), events_ms)?;
    if events_ms.is_empty() {
        return Err(Error::TooFew { what: "peri-event histogram: events".to_owned(), needed: 1, found: 0 });
    }
    let mut found = vec![0_u32; bins];
    let mut first = 0;
    for event in events_ms {
        let start = event + from_ms;
        // Events come in order, so what lies before this one's window lies before the next one's.
        first += times_ms[first..].partition_point(|t| *t < start - BORDER * bin_ms);
        let end = start + bins as f64 * bin_ms;
        let within = times_ms[first..].partition_point(|t| *t < end);
        add(&times_ms[first..first + within], start, bin_ms, &mut found);
    }
    let scale = 1000.0 / (bin_ms * events_ms.len() as f64);
    Ok(found.into_iter().map(|n| f64::from(n) * scale).collect())
}

/// Fano factor of counts: their variance (divided by n) over their mean. 1 for a Poisson process.
///
/// # Errors
/// [`Error::TooFew`] without a count, [`Error::Parameter`] where all are 0.
pub fn fano_factor(counts: &[u32]) -> Result<f64> {
    if counts.is_empty() {
        return Err(Error::TooFew { what: "Fano factor: counts".to_owned(), needed: 1, found: 0 });
    }
    let n = counts.len() as f64;
    let mean = counts.iter().map(|c| f64::from(*c)).sum::<f64>() / n;
    if mean == 0.0 {
        return Err(Error::parameter("mean of the counts", mean, "above 0"));
    }
    Ok(counts.iter().map(|c| (f64::from(*c) - mean).powi(2)).sum::<f64>() / n / mean)
}

/// Pearson's correlation of the spike counts of every pair of trains, `[trains, trains]`; NaN beside a train whose count
/// never changes.
///
/// # Errors
/// Those of [`counts`]; [`Error::TooFew`] below two bins.
pub fn count_correlation(trains: &Trains, bin_ms: f64) -> Result<Array2<f64>> {
    let bins = whole_bins(trains.start_ms(), trains.stop_ms(), bin_ms)?;
    if bins < 2 {
        return Err(Error::TooFew { what: "correlation: bins".to_owned(), needed: 2, found: bins });
    }
    let mut standard = Array2::<f64>::zeros((trains.len(), bins));
    standard.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
        let mut found = vec![0_u32; bins];
        add(trains.times_ms(i), trains.start_ms(), bin_ms, &mut found);
        let mean = found.iter().map(|c| f64::from(*c)).sum::<f64>() / bins as f64;
        let norm = found.iter().map(|c| (f64::from(*c) - mean).powi(2)).sum::<f64>().sqrt();
        let constant = found.iter().all(|c| *c == found[0]);
        for (to, c) in row.iter_mut().zip(&found) {
            *to = if constant { f64::NAN } else { (f64::from(*c) - mean) / norm };
        }
    });
    let mut matrix = standard.dot(&standard.t());
    for ((i, j), r) in matrix.indexed_iter_mut() {
        *r = if i == j && !r.is_nan() { 1.0 } else { r.clamp(-1.0, 1.0) };
    }
    Ok(matrix)
}

/// How many whole bins a window holds.
pub(super) fn whole_bins(start_ms: f64, stop_ms: f64, bin_ms: f64) -> Result<usize> {
    window(start_ms, stop_ms)?;
    if !(bin_ms.is_finite() && bin_ms > 0.0) {
        return Err(Error::parameter("bin in ms", bin_ms, "finite and positive"));
    }
    let bins = ((stop_ms - start_ms) / bin_ms + BORDER).floor();
    if bins > MOST_BINS {
        let expected = format!("at least a {MOST_BINS:e}th of the window");
        return Err(Error::parameter("bin in ms", bin_ms, expected));
    }
    if bins < 1.0 {
        return Err(Error::TooFew { what: format!("whole bins of {bin_ms} ms"), needed: 1, found: 0 });
    }
    Ok(bins as usize)
}

/// The bin of a time; negative times have none.
pub(super) fn bin_of(time_ms: f64, start_ms: f64, bin_ms: f64) -> Option<usize> {
    let place = ((time_ms - start_ms) / bin_ms + BORDER).floor();
    (place >= 0.0).then_some(place as usize)
}

fn add(times_ms: &[f64], start_ms: f64, bin_ms: f64, found: &mut [u32]) {
    for t in times_ms {
        if let Some(count) = bin_of(*t, start_ms, bin_ms).and_then(|k| found.get_mut(k)) {
            *count += 1;
        }
    }
}
