//! The files of a [`Recording`]: npz with everything that is known of it, csv with values and labels.

use std::path::Path;

use ndarray::{Array2, ArrayView1, arr1};

use crate::arrays::{ArrayFile, Npz};
use crate::{Error, Recording, Result, Site, UnitId, atomic};

/// What a csv file says of a unit: its column's header.
const CSV_SITE: &str = "csv";

impl Recording<f64> {
    /// Writes `.npz` (arrays `values [samples, units]`, `unit_sites`, `unit_indices`, `unit_labels`, and where known
    /// `sample_interval_ms` and `stimuli`) or `.csv` (one header line of unit labels, one line per sample; sites,
    /// interval and stimuli are not kept), whole or not at all.
    ///
    /// # Errors
    /// [`Error::Format`] for another extension, [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        match extension(path).as_deref() {
            Some("npz") => self.write_npz(path),
            Some("csv") => self.write_csv(path),
            _ => Err(Error::format(path, "a recording is written as .npz or .csv")),
        }
    }

    /// Reads what [`Recording::write`] wrote, or any csv of numbers under one header line.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] with the line and column of a cell that is no number, those of
    /// [`ArrayFile::open`].
    pub fn read(path: &Path) -> Result<Self> {
        match extension(path).as_deref() {
            Some("npz") => Self::read_npz(path),
            Some("csv") => Self::read_csv(path),
            _ => Err(Error::format(path, "a recording is read from .npz or .csv")),
        }
    }

    fn write_npz(&self, path: &Path) -> Result<()> {
        let sites: Vec<String> = self.units().iter().map(|u| u.site.to_string()).collect();
        let labels: Vec<String> = self.units().iter().map(|u| u.label.clone().unwrap_or_default()).collect();
        let indices: Vec<i64> = self.units().iter().map(|u| u.index as i64).collect();
        let mut file = Npz::new()
            .f64("values", self.values().view().into_dyn())
            .text("unit_sites", &sites)
            .i64("unit_indices", ArrayView1::from(&indices).into_dyn())
            .text("unit_labels", &labels);
        if let Some(interval) = self.sample_interval_ms() {
            file = file.f64("sample_interval_ms", arr1(&[interval]).view().into_dyn());
        }
        if let Some(stimuli) = self.stimuli() {
            file = file.text("stimuli", stimuli);
        }
        file.write(path)
    }

    fn read_npz(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path)?;
        let values = file.read_f64_2("values")?;
        let (sites, labels) = (file.read_text("unit_sites")?, file.read_text("unit_labels")?);
        let indices = file.read_i64_1("unit_indices")?;
        if sites.len() != labels.len() || sites.len() != indices.len() {
            return Err(Error::format(path, "unit_sites, unit_indices and unit_labels differ in length"));
        }
        let units = sites
            .iter()
            .zip(labels)
            .zip(&indices)
            .map(|((site, label), index)| {
                let site = site.parse::<Site>()?;
                let index = usize::try_from(*index)
                    .map_err(|_| Error::format(path, format!("unit_indices: {index} is below 0")))?;
                Ok(UnitId { site, index, label: (!label.is_empty()).then_some(label) })
            })
            .collect::<Result<Vec<UnitId>>>()?;
        let mut recording = Self::new(values, units)?;
        if file.keys().contains(&"sample_interval_ms") {
            let interval = file.read_f64_1("sample_interval_ms")?;
            let [interval] = interval.as_slice().unwrap_or_default() else {
                return Err(Error::format(path, "sample_interval_ms: expected one value"));
            };
            recording = recording.with_sample_interval_ms(*interval)?;
        }
        if file.keys().contains(&"stimuli") {
            recording = recording.with_stimuli(file.read_text("stimuli")?)?;
        }
        Ok(recording)
    }

    fn write_csv(&self, path: &Path) -> Result<()> {
        atomic::write(path, |file| {
            let mut table = csv::Writer::from_writer(std::io::BufWriter::new(file));
            let header = self.units().iter().map(|u| u.label.clone().unwrap_or_else(|| u.index.to_string()));
            table.write_record(header)?;
            for row in self.values().outer_iter() {
                table.write_record(row.iter().map(|x| x.to_string()))?;
            }
            table.flush()
        })
        .map_err(|e| Error::io(path, e))
    }

    fn read_csv(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let mut table = csv::Reader::from_reader(std::io::BufReader::new(file));
        let bad = |e: csv::Error| Error::format(path, e);
        let labels: Vec<String> = table.headers().map_err(bad)?.iter().map(|h| h.trim().to_owned()).collect();
        let mut values = Vec::new();
        for record in table.records() {
            let record = record.map_err(bad)?;
            let line = record.position().map_or(0, csv::Position::line);
            for (label, cell) in labels.iter().zip(&record) {
                let value: f64 = cell.trim().parse().map_err(|_| {
                    Error::format(path, format!("line {line}, column {label:?}: {cell:?} is no number"))
                })?;
                values.push(value);
            }
        }
        let samples = values.len().checked_div(labels.len()).unwrap_or(0);
        let values =
            Array2::from_shape_vec((samples, labels.len()), values).map_err(|e| Error::format(path, e))?;
        let units = labels
            .into_iter()
            .enumerate()
            .map(|(index, label)| UnitId {
                site: Site::Module(CSV_SITE.to_owned()),
                index,
                label: (!label.is_empty()).then_some(label),
            })
            .collect();
        Self::new(values, units)
    }
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|e| e.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Recording<f64> {
        let units = ["AVAL", ""]
            .iter()
            .enumerate()
            .map(|(index, l)| UnitId {
                site: Site::Act(3),
                index,
                label: (!l.is_empty()).then(|| (*l).to_owned()),
            })
            .collect();
        let values = Array2::from_shape_fn((3, 2), |(i, j)| i as f64 / 3.0 - j as f64);
        Recording::new(values, units).unwrap()
    }

    #[test]
    fn npz_keeps_everything_and_csv_keeps_values_and_labels() {
        let folder = tempfile::tempdir().unwrap();
        let stimuli = ["a", "b", "c"].map(str::to_owned).to_vec();
        let whole = sample().with_sample_interval_ms(2.5).unwrap().with_stimuli(stimuli).unwrap();
        let path = folder.path().join("r.npz");
        whole.write(&path).unwrap();
        assert_eq!(Recording::read(&path).unwrap(), whole);
        let path = folder.path().join("r.csv");
        whole.write(&path).unwrap();
        let back = Recording::read(&path).unwrap();
        assert_eq!(back.values(), whole.values());
        assert_eq!(back.column("AVAL"), Some(0));
        assert!(whole.write(&folder.path().join("r.txt")).is_err());
    }

    #[test]
    fn a_cell_that_is_no_number_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.csv");
        std::fs::write(&path, "a,b\n1,2\n3,x\n").unwrap();
        let message = Recording::read(&path).unwrap_err().to_string();
        assert!(message.contains("line 3, column \"b\""), "{message}");
        std::fs::write(&path, "a,b\n1,2\n3\n").unwrap();
        assert!(Recording::read(&path).is_err());
        std::fs::write(&path, "a,b\n").unwrap();
        assert!(Recording::read(&path).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(Recording::read(&path).is_err());
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0..3000_usize, value in any::<u8>(), cut in 0..3000_usize) {
            let folder = tempfile::tempdir().unwrap();
            for name in ["r.npz", "r.csv"] {
                let path = folder.path().join(name);
                sample().write(&path).unwrap();
                let mut bytes = std::fs::read(&path).unwrap();
                let at = at % bytes.len();
                bytes[at] = value;
                bytes.truncate(bytes.len() - cut % bytes.len());
                std::fs::write(&path, &bytes).unwrap();
                let _ = Recording::read(&path);
            }
        }
    }
}
