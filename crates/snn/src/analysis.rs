//! Statistics of spike trains, distances between them, and figures.
//!
//! A train is a slice of times in milliseconds, in ascending order (equal times are allowed); [`Trains`] holds those of a
//! population and the window in which they were watched. Every function refuses times that are not finite or not in order
//! with [`Error::SpikeTime`](crate::Error::SpikeTime).
//!
//! | question | function | cost |
//! |---|---|---|
//! | how often | [`rate_hz`], [`fn@counts`], [`rate_histogram`], [`peri_event`] | n |
//! | how regularly | [`intervals_ms`], [`cv`], [`cv2`], [`local_variation`], [`fano_factor`] | n |
//! | how alike | [`fn@van_rossum`], [`fn@isi_distance`], [`fn@spike_distance`], [`coincidence_factor`] | n + m |
//! | | [`fn@victor_purpura`] | n m, two rows |
//! | | [`count_correlation`] | neurons^2 bins |
//! | how complex | [`lz76`], [`lz_normalized`] | n |
//! | in which bursts | [`fn@avalanches`], [`branching_ratio`], [`fn@power_law`], [`borel_ks`] | n |
//! | how distributions differ | [`ks_two_sample`], [`wasserstein`] | n log n |
//! | what it looks like | [`raster_svg`], [`rates_svg`] | n |
//!
//! ```
//! use snn::analysis::{Trains, VanRossum, cv, intervals_ms, van_rossum};
//! # fn main() -> snn::Result<()> {
//! let trains = Trains::new(vec![vec![10.0, 20.0, 40.0], vec![12.0, 21.0]], 0.0, 50.0)?;
//! let [a, b] = [trains.times_ms(0), trains.times_ms(1)];
//! assert_eq!(cv(&intervals_ms(a)?)?, 1.0 / 3.0);
//! // One spike against none lies at distance 1 in this convention.
//! assert_eq!(van_rossum(&[5.0], &[], 20.0, VanRossum::Unit)?, 1.0);
//! let matrix = trains.pairwise(|a, b| van_rossum(a, b, 20.0, VanRossum::Unit))?;
//! assert_eq!(matrix[[0, 1]], van_rossum(a, b, 20.0, VanRossum::Unit)?);
//! # Ok(())
//! # }
//! ```

mod avalanches;
mod borel;
mod coincidence;
mod complexity;
mod counts;
mod distributions;
mod figures;
mod intervals;
mod isi_distance;
mod power_law;
mod spike_distance;
mod trains;
pub(crate) mod van_rossum;
mod victor_purpura;

pub use avalanches::{Avalanche, Branching, avalanches, branching_ratio, mean_event_interval_ms};
pub use borel::{borel_cumulative, borel_ks, borel_probability};
pub use coincidence::{Coincidences, coincidence_factor, coincidences};
pub use complexity::{binarize, lz_normalized, lz76};
pub use counts::{count_correlation, counts, fano_factor, peri_event, rate_histogram, rate_hz};
pub use distributions::{ks_two_sample, wasserstein};
pub use figures::{raster_svg, rates_svg};
pub use intervals::{cv, cv2, intervals_ms, local_variation};
pub use isi_distance::isi_distance;
pub use power_law::{PowerLaw, power_law};
pub use spike_distance::spike_distance;
pub use trains::Trains;
pub use van_rossum::{VanRossum, van_rossum, van_rossum_steps};
pub use victor_purpura::victor_purpura;
