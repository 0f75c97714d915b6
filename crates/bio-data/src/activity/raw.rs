//! Raw recordings and the files they come from.

use std::path::Path;

use ndarray::{Array2, ArrayD, Ix1, Ix2};
use recordings::arrays::ArrayFile;

use super::hdf5::Hdf5;
use super::labels::settle;
use super::{NeuronLabels, shape, value};
use crate::{Error, Result};

/// Calcium traces of one worm before homogenisation.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecording {
    /// The data set, such as `Kato2015`.
    pub source: String,
    /// The worm within it, such as `worm0`.
    pub worm: String,
    /// The file it came from.
    pub file: String,
    /// Time of each sample in seconds, from any origin.
    pub times_s: Vec<f64>,
    /// Traces `[samples, neurons]`; missing values are NaN.
    pub traces: Array2<f64>,
    /// One raw label per neuron, where it has one.
    pub names: Vec<Option<String>>,
}

/// Which arrays of a file hold what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawKeys {
    /// Traces; by default the first there is of `traces`, `trace_z`, `gcamp/trace_array`.
    pub traces: Option<String>,
    /// Times in seconds; by default the first there is of `times`, `times_s`, `time_s`, `timing/timestamp_confocal`.
    pub times: Option<String>,
    /// Raw labels as text (`.npz` only); by default `names` or `labels` where there is one, else no neuron has a label.
    pub labels: Option<String>,
    /// Whether the traces are stored `[neurons, samples]`.
    pub neurons_first: bool,
    /// Whether labels that end in `?` count.
    pub accept_uncertain: bool,
}

const TRACES: [&str; 3] = ["traces", "trace_z", "gcamp/trace_array"];
const TIMES: [&str; 4] = ["times", "times_s", "time_s", "timing/timestamp_confocal"];
const LABELS: [&str; 2] = ["names", "labels"];

impl RawRecording {
    /// Reads traces and times of a `.npz`, `.safetensors`, `.h5` or `.hdf5` file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] and [`Error::Limit`] for damaged files, [`Error::Recording`] for a key that is
    /// not there, [`Error::Shape`] for arrays with another number of axes, or when traces, times and labels do not
    /// match.
    pub fn open(path: &Path, source: &str, worm: &str, keys: &RawKeys) -> Result<Self> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (traces, times, labels) = match extension.as_str() {
            "h5" | "hdf5" => from_hdf5(path, keys)?,
            _ => from_arrays(path, keys)?,
        };
        let what = |name: &str| format!("{}: {name}", path.display());
        let dims = format!("{:?}", traces.shape());
        let traces =
            traces.into_dimensionality::<Ix2>().map_err(|_| shape(what("traces"), &dims, "two axes"))?;
        let traces = if keys.neurons_first {
            traces.reversed_axes().as_standard_layout().into_owned()
        } else {
            traces
        };
        let dims = format!("{:?}", times.shape());
        let times =
            times.into_dimensionality::<Ix1>().map_err(|_| shape(what("times"), &dims, "one axis"))?;
        let (samples, neurons) = traces.dim();
        if samples != times.len() {
            let found = format!("{samples} rows and {} times", times.len());
            let hint = if neurons == times.len() { "; is the file [neurons, samples]?" } else { "" };
            let expected = format!("one row [samples, neurons] per time{hint}");
            return Err(shape(what("traces"), found, expected));
        }
        let names = match labels {
            None => vec![None; neurons],
            Some(labels) if labels.len() == neurons => {
                labels.iter().map(|l| settle(l.trim(), keys.accept_uncertain)).collect()
            }
            Some(labels) => {
                return Err(shape(what("labels"), labels.len(), format!("{neurons}, one per neuron")));
            }
        };
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (source, worm) = (source.to_owned(), worm.to_owned());
        Ok(Self { source, worm, file, times_s: times.to_vec(), traces, names })
    }

    /// With the labels of a table.
    ///
    /// # Errors
    /// [`Error::Value`] for a column that the recording does not have.
    pub fn with_labels(mut self, labels: &NeuronLabels, accept_uncertain: bool) -> Result<Self> {
        self.names = labels.names(self.traces.ncols(), accept_uncertain)?;
        Ok(self)
    }
}

type Parts = (ArrayD<f64>, ArrayD<f64>, Option<Vec<String>>);

fn from_arrays(path: &Path, keys: &RawKeys) -> Result<Parts> {
    let file = ArrayFile::open(path)?;
    let names = file.keys();
    let traces = file.get(pick(path, "traces", keys.traces.as_deref(), &TRACES, &names)?)?.to_f64()?;
    let times = file.get(pick(path, "times", keys.times.as_deref(), &TIMES, &names)?)?.to_f64()?;
    let labels = match &keys.labels {
        Some(key) => Some(file.read_text(key)?),
        None => match LABELS.into_iter().find(|l| names.contains(l)) {
            Some(key) => Some(file.read_text(key)?),
            None => None,
        },
    };
    Ok((traces, times, labels))
}

fn from_hdf5(path: &Path, keys: &RawKeys) -> Result<Parts> {
    if let Some(key) = &keys.labels {
        return Err(value(format!("{}: labels", path.display()), key, "a CSV table: HDF5 text is not read"));
    }
    let file = Hdf5::open(path)?;
    let names = file.keys()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let traces = file.read_f64(pick(path, "traces", keys.traces.as_deref(), &TRACES, &names)?)?;
    let times = file.read_f64(pick(path, "times", keys.times.as_deref(), &TIMES, &names)?)?;
    Ok((traces, times, None))
}

fn pick<'a>(
    path: &Path,
    what: &str,
    wanted: Option<&'a str>,
    usual: &[&'static str],
    available: &[&str],
) -> Result<&'a str> {
    let missing = |wanted: String| {
        let (path, available) = (path.to_owned(), available.join(", "));
        Error::Recording(recordings::Error::Key { path, wanted, available })
    };
    match wanted {
        Some(key) if available.contains(&key.trim_start_matches('/')) => Ok(key.trim_start_matches('/')),
        Some(key) => Err(missing(format!("no array {key:?} for the {what}"))),
        None => usual
            .iter()
            .copied()
            .find(|u| available.contains(u))
            .ok_or_else(|| missing(format!("no array for the {what} ({}): name one", usual.join(", ")))),
    }
}
