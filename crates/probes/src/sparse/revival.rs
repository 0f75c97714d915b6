//! Dead latents pointed at rows that are rebuilt badly.

use ndarray::{Array2, Axis};
use numerics::rng::{self, Stream};
use rand::RngExt;
use tensor_backend::bridge;

use super::config::{SparseAutoencoderConfig, Sparsity};
use super::optimiser::Adam;
use super::parts::{Parts, select};
use super::rows::Rows;
use super::weights::SparseWeights;
use crate::Result;

/// Length of a revived encoder column over the mean of the living (Bricken et al. 2023).
const ENCODER_SCALE: f64 = 0.2;
/// Rows of one pass when losses are measured.
const CHUNK: usize = 4096;

/// The latents that are dead, pointed elsewhere; how many there were. `draw` is this round's stream.
pub(super) fn resample(
    parts: &mut Parts,
    adam: &mut Adam,
    dead: &[usize],
    rows: &Rows<'_>,
    looked_at: usize,
    config: &SparseAutoencoderConfig,
    draw: &mut Stream,
) -> Result<usize> {
    let candidates = rng::subset(draw, rows.len(), looked_at);
    let weights = squared_losses(parts, &candidates, rows, config.sparsity)?;
    let total: f64 = weights.iter().sum();
    // Rows that are rebuilt exactly leave nothing to point at.
    if dead.is_empty() || total <= 0.0 || !total.is_finite() {
        return Ok(0);
    }
    let device = parts.encoder.device();
    let mut host = SparseWeights::read(parts, config)?;
    let living: Vec<usize> = {
        let mut alive = vec![true; host.encoder.ncols()];
        dead.iter().for_each(|j| alive[*j] = false);
        (0..alive.len()).filter(|j| alive[*j]).collect()
    };
    let mean_length = |matrix: &Array2<f64>, axis: Axis| {
        let lengths = living.iter().map(|j| {
            let v = matrix.index_axis(axis, *j);
            v.dot(&v).sqrt()
        });
        if living.is_empty() { 1.0 } else { lengths.sum::<f64>() / living.len() as f64 }
    };
    let encoder_length = mean_length(&host.encoder, Axis(1));
    let decoder_length = host.decoder.as_ref().map(|d| mean_length(d, Axis(0)));
    let mut revived = 0;
    for &latent in dead {
        let row = candidates[pick(&weights, total, draw)];
        let mut direction = rows.host().row(row).mapv(f64::from);
        if let Some(bias) = &host.bias {
            direction -= bias;
        }
        let length = direction.dot(&direction).sqrt();
        if length == 0.0 {
            continue;
        }
        direction /= length;
        match (&mut host.decoder, decoder_length) {
            (Some(decoder), Some(length)) => {
                decoder.row_mut(latent).assign(&(&direction * length));
                host.encoder.column_mut(latent).assign(&(&direction * (ENCODER_SCALE * encoder_length)));
            }
            _ => host.encoder.column_mut(latent).assign(&(&direction * encoder_length)),
        }
        host.encoder_bias[latent] = 0.0;
        revived += 1;
    }
    *parts = host.upload(rows.dtype(), &device)?;
    for memory in [&mut adam.mean, &mut adam.square] {
        let mut host = SparseWeights::read(memory, config)?;
        for &latent in dead {
            host.encoder.column_mut(latent).fill(0.0);
            host.encoder_bias[latent] = 0.0;
            if let Some(decoder) = &mut host.decoder {
                decoder.row_mut(latent).fill(0.0);
            }
        }
        *memory = host.upload(rows.dtype(), &device)?;
    }
    Ok(revived)
}

/// Squares of the rows' squared errors.
fn squared_losses(
    parts: &Parts,
    candidates: &[usize],
    rows: &Rows<'_>,
    sparsity: Sparsity,
) -> Result<Vec<f64>> {
    let mut losses = Vec::with_capacity(candidates.len());
    for chunk in candidates.chunks(CHUNK) {
        let x = rows.take(chunk)?;
        let codes = select(parts.activations(x.clone()), sparsity);
        let error = (x - parts.decode(codes)).square().sum_dim(1);
        losses.extend(bridge::float_array::<f64, 2>(error)?.iter().map(|e| e * e));
    }
    Ok(losses)
}

/// An index drawn with probability proportional to its weight.
fn pick(weights: &[f64], total: f64, draw: &mut Stream) -> usize {
    let mut left = draw.random::<f64>() * total;
    for (i, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return i;
        }
    }
    // Rounding: the last that has any weight.
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_by_their_weight() {
        let weights = [0.0, 3.0, 0.0, 1.0, 0.0];
        let mut draw = rng::stream(1, "revival/test", 0);
        let mut counts = [0; 5];
        for _ in 0..4000 {
            counts[pick(&weights, 4.0, &mut draw)] += 1;
        }
        assert_eq!([counts[0], counts[2], counts[4]], [0; 3]);
        assert!((f64::from(counts[1]) / 4000.0 - 0.75).abs() < 0.03, "{counts:?}");
    }
}
