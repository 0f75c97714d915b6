//! The pipeline from a raw recording to a homogenised one.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::gradient::{Stencil, check_times};
use super::lanes::{Block, LANES, gather, scatter};
use super::names::{NamedColumn, order_columns};
use super::normalize::{fill_strided, normalize_causally, standardize_lanes};
use super::resample::Resampler;
use super::smooth::Kernel;
use super::worm::{Grid, Methods, Neuron, Trace, WormRecording};
use super::{Filters, Normalization, PUBLISHED_DT_S, RawRecording, Smoothing, shape, slots, value};
use crate::Result;

/// How values between two samples are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Interpolation {
    /// On the straight line between them.
    #[default]
    Linear,
}

/// Turns raw recordings into homogenised ones.
///
/// Per neuron, with times counted from the first sample:
/// 1. missing values (NaN) are filled by linear interpolation; traces that [`Filters`] rejects are dropped;
/// 2. residual: the derivative on the original, non-uniform grid ([`super::gradient_nonuniform`]);
/// 3. calcium and residual are smoothed on the original grid, causally ([`Smoothing`]);
/// 4. all four are resampled to `dt_s` ([`super::resample`]);
/// 5. the resampled smoothed calcium is normalised ([`Normalization`]).
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `dt_s` | s | 0.333 | published files |
/// | `smooth` | samples | `moving:15` | published code |
/// | `interpolate` | | linear | published code |
/// | `normalize` | | standard | published code |
/// | `seed` | | 0 | ours: the published code draws unlabelled neurons' slots without a seed |
/// | `filters` | | runs of missing values over 5 % | published code, for one source |
/// | `min_samples` | samples | 600 | published code |
///
/// Results do not depend on the number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Homogenizer {
    /// Common sampling step in seconds.
    #[serde(alias = "dt")]
    pub dt_s: f64,
    /// How traces are smoothed.
    pub smooth: Smoothing,
    /// How values between samples are found.
    pub interpolate: Interpolation,
    /// How resampled traces are normalised.
    pub normalize: Normalization,
    /// Seed of the slots of unlabelled neurons.
    pub seed: u64,
    /// Which raw traces are dropped.
    pub filters: Filters,
    /// Recordings with fewer raw samples are refused.
    pub min_samples: usize,
}

impl Default for Homogenizer {
    fn default() -> Self {
        Self {
            dt_s: PUBLISHED_DT_S,
            smooth: Smoothing::default(),
            interpolate: Interpolation::Linear,
            normalize: Normalization::Standard,
            seed: 0,
            filters: Filters::default(),
            min_samples: 600,
        }
    }
}

/// Everything about the times of one recording that its neurons share.
struct Grids {
    stencil: Stencil,
    kernel: Kernel,
    resampler: Resampler,
    samples: usize,
    normalize: Normalization,
}

/// Blocks of neurons that one thread takes on at a time.
const GROUP: usize = 4;

impl Homogenizer {
    /// Refuses parameters outside their range.
    ///
    /// # Errors
    /// [`crate::Error::Value`] that names the parameter.
    pub fn validate(&self) -> Result<()> {
        if !(self.dt_s.is_finite() && self.dt_s > 0.0) {
            return Err(value("dt_s", self.dt_s, "finite and positive"));
        }
        if self.min_samples < 2 {
            return Err(value("min_samples", self.min_samples, "at least 2"));
        }
        self.smooth.validate()?;
        self.filters.validate()
    }

    /// Homogenises one recording.
    ///
    /// # Errors
    /// [`crate::Error::Value`] for parameters out of range, infinite values, times that do not strictly increase, and
    /// recordings without a labelled neuron; [`crate::Error::Shape`] where traces, times and names do not match, for
    /// fewer than `min_samples` samples and for more than 300 neurons.
    pub fn process(&self, raw: &RawRecording) -> Result<WormRecording> {
        self.process_with(raw, None)
    }

    /// Homogenises many recordings, in parallel; one result each, in their order.
    pub fn process_all(&self, raw: &[RawRecording]) -> Vec<Result<WormRecording>> {
        if raw.len() < 2 * rayon::current_num_threads() {
            return raw.par_iter().map(|r| self.process(r)).collect();
        }
        // Enough recordings to keep every thread busy: each works through whole ones in the same memory.
        raw.par_iter().map_init(Scratch::default, |scratch, r| self.process_with(r, Some(scratch))).collect()
    }

    /// With working memory: on this thread alone. Without: the neurons spread over threads.
    fn process_with(&self, raw: &RawRecording, scratch: Option<&mut Scratch>) -> Result<WormRecording> {
        self.validate()?;
        let what = |part: &str| format!("{} {}: {part}", raw.source, raw.worm);
        let (samples, neurons) = raw.traces.dim();
        if samples != raw.times_s.len() {
            let found = format!("{samples} rows and {} times", raw.times_s.len());
            return Err(shape(what("traces [samples, neurons]"), found, "one row per time"));
        }
        if neurons != raw.names.len() {
            let found = format!("{neurons} columns and {} names", raw.names.len());
            return Err(shape(what("traces [samples, neurons]"), found, "one column per name"));
        }
        if samples < self.min_samples {
            return Err(shape(what("samples"), samples, format!("at least {}", self.min_samples)));
        }
        check_times(&raw.times_s)?;
        let any_missing = any_missing(&raw.traces.view(), &what("traces"))?;
        let passing = self.filters.passing(&raw.traces.view(), any_missing);
        let columns = columns(raw, &passing);
        if !columns.iter().any(|c| c.slot.is_some()) {
            let found =
                format!("none of {neurons} neurons, {} of which were dropped", neurons - columns.len());
            return Err(value(
                what("neurons with a label"),
                found,
                "one that has one of the 300 labels, or more",
            ));
        }
        let slots = slots::assign(&columns, self.seed, &raw.source, &raw.worm)?;
        let start = raw.times_s[0];
        let original_times_s: Vec<f64> = raw.times_s.iter().map(|t| t - start).collect();
        let grids = Grids {
            stencil: Stencil::new(&original_times_s)?,
            kernel: Kernel::new(self.smooth, samples),
            resampler: Resampler::new(&original_times_s, self.dt_s)?,
            samples,
            normalize: self.normalize,
        };
        let traces = grids.run(&raw.traces.view(), &columns, any_missing, scratch);
        let neurons = columns
            .into_iter()
            .zip(slots)
            .map(|(c, slot)| Neuron { name: c.name, slot, labelled: c.slot.is_some() })
            .collect();
        Ok(WormRecording {
            source: raw.source.clone(),
            worm: raw.worm.clone(),
            raw_file: raw.file.clone(),
            methods: Methods {
                smooth: self.smooth.name().to_owned(),
                interpolate: "linear".to_owned(),
                normalize: Some(self.normalize.name().to_owned()),
            },
            neurons,
            times_s: grids.resampler.times_s(),
            original_times_s,
            traces: traces.map(Some),
        })
    }
}

/// The columns that are kept, in their order and with names that count without the dropped ones.
fn columns(raw: &RawRecording, passing: &[bool]) -> Vec<NamedColumn> {
    let kept: Vec<usize> = (0..passing.len()).filter(|c| passing[*c]).collect();
    let names: Vec<Option<String>> = kept.iter().map(|c| raw.names[*c].clone()).collect();
    let mut columns = order_columns(&names);
    columns.iter_mut().for_each(|c| c.column = kept[c.column]);
    columns
}

/// Whether any value is NaN; infinite ones are an error.
fn any_missing(traces: &ArrayView2<'_, f64>, what: &str) -> Result<bool> {
    // 0 * x is 0 for every finite x and NaN else: a test without branches.
    let finite = match traces.as_slice() {
        Some(values) => {
            let (blocks, rest) = values.as_chunks::<LANES>();
            let mut sum = [0.0; LANES];
            for block in blocks {
                for l in 0..LANES {
                    sum[l] += 0.0 * block[l];
                }
            }
            sum.iter().chain(rest).all(|v| v.is_finite())
        }
        None => traces.iter().all(|v| v.is_finite()),
    };
    if finite {
        return Ok(false);
    }
    match traces.indexed_iter().find(|(_, v)| v.is_infinite()) {
        Some(((sample, neuron), v)) => {
            Err(value(format!("{what}, sample {sample}, neuron {neuron}"), v, "finite or missing (NaN)"))
        }
        None => Ok(true),
    }
}

impl Grids {
    fn run(
        &self,
        traces: &ArrayView2<'_, f64>,
        columns: &[NamedColumn],
        any_missing: bool,
        scratch: Option<&mut Scratch>,
    ) -> [Array2<f32>; Trace::COUNT] {
        let mut out: [Array2<f32>; Trace::COUNT] = std::array::from_fn(|i| {
            let samples = if i % 2 == 0 { self.samples } else { self.resampler.len() };
            Array2::zeros((columns.len(), samples))
        });
        // Columns are read as they lie in memory, and each goes to the row that its name has.
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_unstable_by_key(|row| columns[*row].column);
        let source: Vec<usize> = order.iter().map(|row| columns[*row].column).collect();
        let mut rows: Vec<_> = out.iter_mut().map(|array| in_order(array, &order).into_iter()).collect();
        let mut groups: Vec<Group<'_>> = source
            .chunks(GROUP * LANES)
            .map(|columns| {
                let rows = rows.iter_mut().map(|rows| rows.take(columns.len()).collect()).collect();
                Group { rows, columns }
            })
            .collect();
        let work = |scratch: &mut Scratch, group: &mut Group<'_>| {
            dispatch(Work { grids: self, traces, any_missing, scratch, group });
        };
        match scratch {
            Some(scratch) => groups.iter_mut().for_each(|g| work(scratch, g)),
            None => groups.par_iter_mut().for_each_init(Scratch::default, work),
        }
        out
    }

    #[inline(always)]
    fn group(
        &self,
        traces: &ArrayView2<'_, f64>,
        any_missing: bool,
        scratch: &mut Scratch,
        group: &mut Group<'_>,
    ) {
        scratch.resize(self.samples, self.resampler.len());
        let Scratch { calcium, residual, smooth, spare, resampled } = scratch;
        gather(traces, group.columns, calcium);
        for (block, calcium) in calcium.iter_mut().enumerate().take(group.columns.len().div_ceil(LANES)) {
            group.emit(block, Trace::Calcium, Grid::Original, calcium);
            if any_missing {
                for lane in 0..LANES {
                    fill_strided(calcium.as_flattened_mut(), lane, LANES);
                }
            }
            self.kernel.apply(calcium, smooth, spare);
            group.emit(block, Trace::Smooth, Grid::Original, smooth);
            self.resampler.apply(smooth, resampled);
            group.emit(block, Trace::Smooth, Grid::Resampled, resampled);
            match self.normalize {
                Normalization::Standard => standardize_lanes(resampled),
                Normalization::Causal => normalize_causally(resampled),
            }
            group.emit(block, Trace::Calcium, Grid::Resampled, resampled);
            self.stencil.apply(calcium, residual);
            group.emit(block, Trace::Residual, Grid::Original, residual);
            self.resampler.apply(residual, resampled);
            group.emit(block, Trace::Residual, Grid::Resampled, resampled);
            self.kernel.apply(residual, smooth, spare);
            group.emit(block, Trace::SmoothResidual, Grid::Original, smooth);
            self.resampler.apply(smooth, resampled);
            group.emit(block, Trace::SmoothResidual, Grid::Resampled, resampled);
        }
    }
}

/// The rows of an array in another order.
fn in_order<'a>(array: &'a mut Array2<f32>, order: &[usize]) -> Vec<&'a mut [f32]> {
    let samples = array.ncols().max(1);
    let mut rows: Vec<Option<&mut [f32]>> =
        array.as_slice_mut().unwrap_or_default().chunks_mut(samples).map(Some).collect();
    order.iter().filter_map(|row| rows.get_mut(*row)?.take()).collect()
}

/// Neurons that one thread takes on, and the rows of the eight outputs that they fill.
struct Group<'a> {
    rows: Vec<Vec<&'a mut [f32]>>,
    columns: &'a [usize],
}

impl Group<'_> {
    /// Writes the values of one block of neurons to their rows.
    #[inline(always)]
    fn emit(&mut self, block: usize, trace: Trace, grid: Grid, values: &Block) {
        let rows = &mut self.rows[trace.index(grid)];
        let to = (block * LANES + LANES).min(rows.len());
        scatter(values, &mut rows[block * LANES..to]);
    }
}

/// Runs what is compiled once for each instruction set. Of x86-64's the one of eight doubles is passed over: turning rows
/// with it takes gathers and scatters, and the whole a quarter longer.
fn dispatch(work: Work<'_, '_>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(simd, work);
    }
    pulp::Arch::new().dispatch(work);
}

/// One group's work, for [`dispatch`].
struct Work<'a, 'b> {
    grids: &'a Grids,
    traces: &'a ArrayView2<'a, f64>,
    any_missing: bool,
    scratch: &'a mut Scratch,
    group: &'a mut Group<'b>,
}

impl pulp::WithSimd for Work<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.grids.group(self.traces, self.any_missing, self.scratch, self.group);
    }
}

/// Working memory of one thread.
#[derive(Default)]
struct Scratch {
    calcium: [Vec<[f64; LANES]>; GROUP],
    residual: Vec<[f64; LANES]>,
    smooth: Vec<[f64; LANES]>,
    spare: Vec<[f64; LANES]>,
    resampled: Vec<[f64; LANES]>,
}

impl Scratch {
    fn resize(&mut self, samples: usize, resampled: usize) {
        for block in self.calcium.iter_mut().chain([&mut self.residual, &mut self.smooth, &mut self.spare]) {
            block.resize(samples, [0.0; LANES]);
        }
        self.resampled.resize(resampled, [0.0; LANES]);
    }
}
