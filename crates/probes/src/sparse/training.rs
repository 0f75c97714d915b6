//! Training over a host matrix: seeded batches, Adam, nothing read back within an epoch but every 64th step.

use burn::tensor::{DType, Tensor};
use ndarray::{Array1, ArrayView2, Axis};
use numerics::rng;
use tensor_backend::bridge;

use super::SparseAutoencoder;
use super::checkpoint::{self, Checkpoints, Position, Saved};
use super::config::{DecoderNorm, SparseAutoencoderConfig, Sparsity};
use super::optimiser::{Adam, along_sphere, gradients_of};
use super::parts::{self, Outcome, Parts};
use super::plan::{Revival, SparseTraining};
use super::revival;
use super::rows::Rows;
use super::selection::keep_top;
use super::weights::{self, SparseWeights};
use crate::{Error, Result};

/// Steps whose losses are read from the device together.
const READ_EVERY: usize = 64;

/// What an epoch did; losses are means over its rows, each measured before the step of its batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EpochSummary {
    /// Its number, from 0.
    pub epoch: u64,
    /// Steps of the run so far.
    pub steps: u64,
    /// What was trained on, the auxiliary loss included.
    pub loss: f64,
    /// Mean over rows and units of the squared error.
    pub reconstruction: f64,
    /// Mean over rows of the sum of the codes.
    pub magnitude: f64,
    /// Codes that are not zero, per row.
    pub l0: f64,
    /// Latents that are dead at the end of the epoch, by the plan's own measure; 0 without revival.
    pub dead: usize,
    /// Latents resampled so far.
    pub revived: usize,
}

/// What training leaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrainedSparse {
    /// The autoencoder, on its device, outside autodiff.
    pub model: SparseAutoencoder,
    /// One summary for each epoch.
    pub epochs: Vec<EpochSummary>,
}

/// Trains an autoencoder on rows `[n, D]`. After each epoch `observer` hears of it and says whether to go on.
///
/// The same model, rows and plan give the same result on one device: on the processor bit for bit, for any number of
/// threads.
///
/// # Errors
/// Those of [`SparseTraining::validate`]; [`Error::Shape`] for no rows or rows of another width; [`Error::NotFinite`]
/// for a NaN or an infinity among them; [`Error::Diverged`] for a loss or a weight that becomes NaN or infinite;
/// [`Error::Tensor`] from the device.
pub fn train(
    model: SparseAutoencoder,
    rows: &ArrayView2<'_, f32>,
    plan: &SparseTraining,
    observer: &mut dyn FnMut(&EpochSummary) -> bool,
) -> Result<TrainedSparse> {
    run(model, rows, plan, None, observer)
}

/// [`train`] with checkpoints between epochs. A run that was interrupted and resumed is the run that was not, bit for bit;
/// what the model given to a resumed run holds is replaced.
///
/// # Errors
/// Those of [`train`]; [`Error::Recording`] for a file that cannot be read or written, [`Error::File`] for one that is
/// damaged, or of another plan (its number of epochs excepted), autoencoder, number type or rows.
pub fn train_resumable(
    model: SparseAutoencoder,
    rows: &ArrayView2<'_, f32>,
    plan: &SparseTraining,
    checkpoints: &Checkpoints,
    observer: &mut dyn FnMut(&EpochSummary) -> bool,
) -> Result<TrainedSparse> {
    checkpoints.validate()?;
    run(model, rows, plan, Some(checkpoints), observer)
}

fn run(
    model: SparseAutoencoder,
    rows: &ArrayView2<'_, f32>,
    plan: &SparseTraining,
    checkpoints: Option<&Checkpoints>,
    observer: &mut dyn FnMut(&EpochSummary) -> bool,
) -> Result<TrainedSparse> {
    let config = model.config().clone();
    plan.validate(&config)?;
    let mut parts = model.parts().map(Tensor::inner, Tensor::inner);
    let device = parts.encoder.device();
    let rows = Rows::new(rows.view(), config.inputs, parts.encoder.dtype(), &device, plan.resident_bytes)?;
    if plan.centre && config.pre_bias {
        parts.bias = Some(centre(&rows, &parts)?);
    }
    let mut run = Run {
        config: &config,
        plan,
        rows: &rows,
        adam: Adam::new(&parts, plan),
        parts,
        since: Tensor::zeros([1, config.latents], (&device, DType::F32)),
        at: Position::default(),
        pending: Vec::new(),
        sums: Sums::default(),
    };
    let mut epochs = Vec::new();
    let identity = match checkpoints {
        Some(_) => checkpoint::identity(plan, &config, rows.dtype(), &rows.host()),
        None => String::new(),
    };
    if let Some(from) = checkpoints.filter(|c| c.resume) {
        let saved = from.read(&identity, &config, rows.dtype(), &device)?;
        run.adam.resume(saved.mean, saved.square, saved.at.step);
        (run.parts, run.since, run.at, epochs) = (saved.parts, saved.since, saved.at, saved.epochs);
    }
    while run.at.epoch < plan.epochs {
        let summary = run.epoch()?;
        epochs.push(summary);
        let stop = !observer(&summary) || run.at.epoch == plan.epochs;
        if let Some(to) = checkpoints.filter(|c| stop || run.at.epoch.is_multiple_of(c.every)) {
            check_finite(&SparseWeights::read(&run.parts, &config)?, run.at)?;
            to.write(&run.saved(&epochs), &identity, &config)?;
        }
        if stop {
            break;
        }
    }
    check_finite(&SparseWeights::read(&run.parts, &config)?, run.at)?;
    let threshold = match config.sparsity {
        Sparsity::BatchTopK { .. } => Some(run.threshold()?),
        _ => None,
    };
    Ok(TrainedSparse { model: SparseAutoencoder::assemble(run.parts, threshold, config), epochs })
}

/// Sums over the rows of an epoch.
#[derive(Debug, Default)]
struct Sums {
    rows: f64,
    loss: f64,
    reconstruction: f64,
    magnitude: f64,
    fired: f64,
    dead: f64,
}

struct Run<'a> {
    config: &'a SparseAutoencoderConfig,
    plan: &'a SparseTraining,
    rows: &'a Rows<'a>,
    parts: Parts,
    adam: Adam,
    /// `[1, F]`: rows since each latent fired.
    since: Tensor<2>,
    at: Position,
    /// Rows and numbers (loss, reconstruction, magnitude, L0, dead) of steps that were not read yet.
    pending: Vec<(usize, Tensor<1>)>,
    sums: Sums,
}

impl Run<'_> {
    fn epoch(&mut self) -> Result<EpochSummary> {
        self.sums = Sums::default();
        let order = rng::permutation(
            &mut rng::stream(self.plan.seed, "sparse.order", self.at.epoch),
            self.rows.len(),
        );
        for batch in order.chunks(self.plan.batch_size) {
            let x = self.rows.take(batch)?;
            self.step(x)?;
            if self.pending.len() >= READ_EVERY {
                self.read()?;
            }
            self.resample()?;
        }
        if self.config.norm == DecoderNorm::PerEpoch {
            self.parts = self.parts.clone().normalised();
        }
        self.read()?;
        let of = |sum: f64| sum / self.sums.rows;
        let summary = EpochSummary {
            epoch: self.at.epoch,
            steps: self.at.step,
            loss: of(self.sums.loss),
            reconstruction: of(self.sums.reconstruction),
            magnitude: of(self.sums.magnitude),
            l0: of(self.sums.fired),
            dead: self.sums.dead as usize,
            revived: self.at.revived,
        };
        self.at.epoch += 1;
        Ok(summary)
    }

    fn step(&mut self, x: Tensor<2>) -> Result<()> {
        let [count, _] = x.dims();
        let leaves = self.parts.clone().map(|t| t.autodiff().require_grad(), |t| t.autodiff().require_grad());
        let outcome = leaves.forward(x.clone(), self.config);
        let warmth = match self.plan.warmup {
            0 => 1.0,
            warmup => ((self.at.step + 1) as f64 / warmup as f64).min(1.0),
        };
        let mut total = parts::total(&outcome, self.config.sparsity, warmth);
        if let (true, Some(auxiliary)) = (self.at.auxiliary, self.auxiliary_loss(&leaves, &x, &outcome)) {
            total = total + auxiliary;
        }
        self.note(count, &total, &outcome);
        let mut found = total.backward();
        let mut gradients = gradients_of(&leaves, &mut found)?;
        // Tensors that no one else holds are changed in place.
        drop((leaves, outcome, found));
        if self.config.norm == DecoderNorm::PerStep {
            gradients = along_sphere(&self.parts, gradients);
        }
        self.parts = self.adam.step(self.parts.clone(), gradients, self.plan.rate.at(self.at.step));
        if self.config.norm == DecoderNorm::PerStep {
            self.parts = self.parts.clone().normalised();
        }
        self.at.step += 1;
        Ok(())
    }

    /// The weighted error of rebuilding the error with dead latents; zero where there are none.
    fn auxiliary_loss(&self, leaves: &Parts, x: &Tensor<2>, outcome: &Outcome) -> Option<Tensor<1>> {
        let Revival::AuxiliaryLoss { k, coefficient, .. } = self.plan.revival else { return None };
        let dead = self.since.clone().greater_equal_elem(self.plan.dead_after());
        let living = dead.clone().bool_not().expand(outcome.activations.dims());
        let kept = keep_top(outcome.activations.clone().mask_fill(living, 0.0), k);
        let error = (x.clone() - outcome.output.clone()).detach();
        let loss = (error - kept.matmul(leaves.directions())).square().mean();
        let any = dead.any().float().cast(loss.dtype());
        Some(loss.mul_scalar(coefficient) * any)
    }

    /// Keeps what the step did, on the device.
    fn note(&mut self, count: usize, total: &Tensor<1>, outcome: &Outcome) {
        let dtype = total.dtype();
        let fired = outcome.codes.clone().inner().greater_elem(0.0).float().sum_dim(0);
        let silent = fired.clone().equal_elem(0.0);
        let since = self.since.clone().add_scalar(count as f64).mask_fill(silent.bool_not(), 0.0);
        let dead = since.clone().greater_equal_elem(self.plan.dead_after()).float().sum();
        self.since = since;
        let numbers = vec![
            total.clone().inner(),
            outcome.reconstruction.clone().inner(),
            outcome.magnitude.clone().inner(),
            fired.sum().div_scalar(count as f64).cast(dtype),
            dead.cast(dtype),
        ];
        self.pending.push((count, Tensor::cat(numbers, 0)));
    }

    /// Reads the steps since the last time in one transfer.
    fn read(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let first = self.at.step - self.pending.len() as u64;
        let (counts, tensors): (Vec<usize>, Vec<Tensor<1>>) = self.pending.drain(..).unzip();
        let numbers: Array1<f64> = bridge::float_array::<f64, 1>(Tensor::cat(tensors, 0))?;
        let numbers = numbers.to_vec();
        for (i, (count, step)) in counts.iter().zip(numbers.chunks_exact(5)).enumerate() {
            let rows = *count as f64;
            let [loss, reconstruction, magnitude, fired, dead] =
                [step[0], step[1], step[2], step[3], step[4]];
            if !loss.is_finite() {
                let step = first + i as u64;
                return Err(Error::Diverged { what: "loss", value: loss, step, epoch: self.at.epoch });
            }
            self.sums.rows += rows;
            self.sums.loss += rows * loss;
            self.sums.reconstruction += rows * reconstruction;
            self.sums.magnitude += rows * magnitude;
            self.sums.fired += rows * fired;
            self.sums.dead = dead;
        }
        self.at.auxiliary = self.sums.dead > 0.0;
        Ok(())
    }

    fn resample(&mut self) -> Result<()> {
        let Revival::Resample { every, rounds, rows, .. } = self.plan.revival else { return Ok(()) };
        if self.at.rounds >= rounds || !self.at.step.is_multiple_of(every) {
            return Ok(());
        }
        let since = bridge::float_array::<f64, 2>(self.since.clone())?;
        let limit = self.plan.dead_after();
        let dead: Vec<usize> = (0..self.config.latents).filter(|j| since[[0, *j]] >= limit).collect();
        let mut draw = rng::stream(self.plan.seed, "sparse.resample", self.at.rounds);
        self.at.rounds += 1;
        self.at.revived += revival::resample(
            &mut self.parts,
            &mut self.adam,
            &dead,
            self.rows,
            rows,
            self.config,
            &mut draw,
        )?;
        let revived = self.since.clone().greater_equal_elem(limit);
        self.since = self.since.clone().mask_fill(revived, 0.0);
        Ok(())
    }

    fn saved(&self, epochs: &[EpochSummary]) -> Saved {
        Saved {
            parts: self.parts.clone(),
            mean: self.adam.mean.clone(),
            square: self.adam.square.clone(),
            since: self.since.clone(),
            at: self.at,
            epochs: epochs.to_vec(),
        }
    }

    /// The mean over batches of the smallest code that a batch keeps.
    fn threshold(&self) -> Result<Tensor<1>> {
        let order = rng::permutation(&mut rng::stream(self.plan.seed, "sparse.order", 0), self.rows.len());
        let mut least = Vec::new();
        for batch in order.chunks(self.plan.batch_size) {
            let codes = parts::select(self.parts.activations(self.rows.take(batch)?), self.config.sparsity);
            let none = codes.clone().equal_elem(0.0);
            least.push(codes.mask_fill(none, f32::MAX).min());
        }
        let least = bridge::float_array::<f64, 1>(Tensor::cat(least, 0))?;
        let found: Vec<f64> = least.iter().copied().filter(|v| *v < f64::from(f32::MAX)).collect();
        let mean = if found.is_empty() { 0.0 } else { found.iter().sum::<f64>() / found.len() as f64 };
        let parts = &self.parts;
        Ok(Tensor::full([1], mean, (&parts.encoder.device(), parts.encoder.dtype())))
    }
}

/// The mean of the rows, as a pre-bias.
fn centre(rows: &Rows<'_>, parts: &Parts) -> Result<Tensor<1>> {
    let mut sum = Array1::<f64>::zeros(rows.host().ncols());
    for row in rows.host().axis_iter(Axis(0)) {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
    }
    sum /= rows.len() as f64;
    Ok(bridge::float_tensor(sum.view(), rows.dtype(), &parts.encoder.device())?)
}

/// A weight can become NaN in the last step, after its loss was measured.
fn check_finite(found: &SparseWeights, at: Position) -> Result<()> {
    let faulty = |what: &'static str, values: &ArrayView2<'_, f64>| match weights::finite(what, values) {
        Err(Error::NotFinite { value, .. }) => {
            Err(Error::Diverged { what, value, step: at.step, epoch: at.epoch })
        }
        other => other,
    };
    faulty("encoder", &found.encoder.view())?;
    faulty("encoder bias", &found.encoder_bias.view().insert_axis(Axis(0)))?;
    if let Some(decoder) = &found.decoder {
        faulty("decoder", &decoder.view())?;
    }
    match &found.bias {
        Some(bias) => faulty("pre-bias", &bias.view().insert_axis(Axis(0))),
        None => Ok(()),
    }
}
