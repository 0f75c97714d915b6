//! Files: Parquet written by others, raw arrays, HDF5.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Float64Builder, LargeListBuilder, ListBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float16Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use bio_data::Error;
use bio_data::activity::hdf5::Hdf5;
use bio_data::activity::{
    ActivityDataset, Columns, Grid, Homogenizer, Layout, NeuronLabels, RawKeys, RawRecording, Trace,
    WormReader,
};
use half::f16;
use ndarray::{Axis, arr1};
use parquet::arrow::ArrowWriter;
use recordings::arrays::Npz;

use super::{fixture, made_up};

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn lists(rows: &[Vec<f32>]) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for row in rows {
        builder.values().append_slice(row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// The least that a file must have: two worms of two neurons.
fn least(rows: &[Vec<f32>]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("calcium_data", lists(rows)),
        ("worm", text(&["worm0", "worm0", "worm1", "worm1"])),
        ("neuron", text(&["ADAL", "7", "ADAR", "AVAL"])),
        ("slot", Arc::new(Int64Array::from(vec![0, 200, 1, 53]))),
        ("source_dataset", text(&["A"; 4])),
        ("max_timesteps", Arc::new(Int32Array::from(vec![3; 4]))),
    ]
}

fn values() -> Vec<Vec<f32>> {
    (0..4).map(|i| (0..3).map(|k| (i * 10 + k) as f32 + 0.5).collect()).collect()
}

#[test]
fn every_way_to_write_text_and_lists_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let rows = values();
    write(&path, least(&rows));
    let plain = ActivityDataset::from_parquet(&path).unwrap();
    assert_eq!(plain.worms().len(), 2);
    let worm = plain.recording("A", "worm1").unwrap();
    assert_eq!(worm.calcium().unwrap().row(1).to_vec(), rows[3]);
    assert_eq!(worm.times_s, [0.0, 0.333, 2.0 * 0.333]);
    assert!(worm.neurons[1].labelled && !plain.worms()[0].neurons[1].labelled);
    assert!(worm.trace(Trace::Calcium, Grid::Original).is_none() && worm.original_times_s.is_empty());

    let mut large = LargeListBuilder::new(Float64Builder::new());
    for row in &rows {
        row.iter().for_each(|v| large.values().append_value(f64::from(*v)));
        large.append(true);
    }
    let halves = Float16Array::from_iter_values(rows.iter().flatten().map(|v| f16::from_f32(*v)));
    let halves = ListArray::new(
        Arc::new(Field::new("item", DataType::Float16, true)),
        OffsetBuffer::from_lengths([3; 4]),
        Arc::new(halves),
        None,
    );
    let worms = ["worm0", "worm0", "worm1", "worm1"];
    let variants: Vec<(&str, ArrayRef)> = vec![
        ("calcium_data", Arc::new(large.finish())),
        ("calcium_data", Arc::new(halves)),
        ("worm", Arc::new(LargeStringArray::from(worms.to_vec()))),
        ("worm", Arc::new(worms.into_iter().collect::<DictionaryArray<Int32Type>>())),
    ];
    for (name, array) in variants {
        let mut columns = least(&rows);
        columns.iter_mut().filter(|c| c.0 == name).for_each(|c| c.1 = array.clone());
        write(&path, columns);
        assert_eq!(ActivityDataset::from_parquet(&path).unwrap(), plain, "{name} as {}", array.data_type());
    }
}

/// The error of reading a file in which `change` was made.
fn fault(change: impl FnOnce(&mut Vec<(&'static str, ArrayRef)>)) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.parquet");
    let mut columns = least(&values());
    change(&mut columns);
    write(&path, columns);
    ActivityDataset::from_parquet(&path).unwrap_err()
}

fn replace(columns: &mut [(&'static str, ArrayRef)], name: &str, array: ArrayRef) {
    columns.iter_mut().filter(|c| c.0 == name).for_each(|c| c.1 = array.clone());
}

#[test]
fn faults_name_the_row_and_the_column() {
    let mut rows = values();
    rows[2].push(9.0);
    let at = |error: Error| match error {
        Error::Cell { row, column, reason, .. } => (row, column, reason),
        other => panic!("{other}"),
    };
    let (row, column, reason) = at(fault(|c| replace(c, "calcium_data", lists(&rows))));
    assert_eq!((row, column.as_str()), (3, "calcium_data"));
    assert!(reason.contains("list of 4") && reason.contains("max_timesteps is 3"), "{reason}");
    let (row, column, _) = at(fault(|c| replace(c, "slot", Arc::new(Int64Array::from(vec![0, 300, 1, 53])))));
    assert_eq!((row, column.as_str()), (2, "slot"));
    let (row, _, reason) = at(fault(|c| replace(c, "slot", Arc::new(Int64Array::from(vec![0, 0, 1, 53])))));
    assert!(row == 2 && reason.contains("that of ADAL"), "{reason}");
    let (row, _, reason) = at(fault(|c| replace(c, "slot", Arc::new(Int64Array::from(vec![0, 200, 1, 54])))));
    assert!(row == 4 && reason.contains("AVAL has slot 53"), "{reason}");
    let gone = StringArray::from(vec![Some("worm0"), None, Some("worm1"), Some("worm1")]);
    assert_eq!(at(fault(|c| replace(c, "worm", Arc::new(gone)))).0, 2);
    let numbers = Arc::new(Int32Array::from(vec![1; 4]));
    assert!(at(fault(|c| replace(c, "neuron", numbers))).2.contains("expected text"));
    assert!(at(fault(|c| replace(c, "calcium_data", text(&["x"; 4])))).2.contains("list of floats"));
    let (row, column, _) = at(fault(|c| c.push(("time_in_seconds", lists(&values())))));
    assert_eq!((row, column.as_str()), (2, "time_in_seconds"));
    let flags = BooleanArray::from(vec![true; 4]);
    assert_eq!(at(fault(|c| c.push(("is_labeled_neuron", Arc::new(flags))))).0, 2);

    let renamed = fault(|c| c[0].0 = "calcium").to_string();
    assert!(renamed.contains("no column \"calcium_data\"") && renamed.contains("calcium, worm"), "{renamed}");
}

#[test]
fn worms_stream_and_scattered_rows_are_gathered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let streamed: Vec<_> = WormReader::open(&fixture("celegans_neural_tiny.parquet"), Columns::Calcium)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let whole = ActivityDataset::from_parquet(&fixture("celegans_neural_tiny.parquet")).unwrap();
    for (a, b) in streamed.iter().zip(whole.worms()) {
        assert_eq!(a.calcium().unwrap(), b.calcium().unwrap());
        assert_eq!(a.times_s, b.times_s);
        assert!(a.trace(Trace::Calcium, Grid::Original).is_none());
    }
    let mut columns = least(&values());
    replace(&mut columns, "worm", text(&["worm0", "worm1", "worm0", "worm1"]));
    write(&path, columns);
    let data = ActivityDataset::from_parquet(&path).unwrap();
    assert_eq!(data.recording("A", "worm0").unwrap().calcium().unwrap().column(0).to_vec(), [0.5, 20.5]);
    let mut reader = WormReader::open(&path, Columns::All).unwrap();
    assert!(reader.next().unwrap().is_ok() && reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().unwrap_err().to_string().contains("row 3"));
    assert!(reader.next().is_none());
}

#[test]
fn many_worms_and_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    let worms: Vec<_> = (0..12)
        .map(|w| {
            let mut raw = made_up(600 + w, 100, 0.4);
            raw.worm = format!("worm{w}");
            Homogenizer::default().process(&raw).unwrap()
        })
        .collect();
    let data = ActivityDataset::new(worms).unwrap();
    data.write_parquet(&path, Layout::New).unwrap();
    let read = ActivityDataset::from_parquet(&path).unwrap();
    assert_eq!(read.worms().len(), 12);
    for (a, b) in data.worms().iter().zip(read.worms()) {
        assert_eq!((&a.neurons, &a.times_s), (&b.neurons, &b.times_s));
        assert_eq!(a.calcium().unwrap(), b.calcium().unwrap());
        assert_eq!(a.trace(Trace::Calcium, Grid::Original), b.trace(Trace::Calcium, Grid::Original));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let twice = vec![data.worms()[0].clone(), data.worms()[0].clone()];
    assert!(ActivityDataset::new(twice).is_err());
}

#[test]
fn damaged_and_foreign_files_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    let bytes = std::fs::read(fixture("celegans_neural_tiny.parquet")).unwrap();
    for length in [0, 3, 11, 1000, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let said = ActivityDataset::from_parquet(&path).unwrap_err().to_string();
        assert!(said.contains("cut.parquet") && said.contains("Parquet"), "{said}");
    }
    let arrays = fixture("preprocess.npz");
    assert!(ActivityDataset::from_parquet(&arrays).unwrap_err().to_string().contains("PAR1"));
    assert!(matches!(ActivityDataset::from_parquet("nowhere".as_ref()), Err(Error::Io { .. })));
    assert!(matches!(Hdf5::open("nowhere".as_ref()), Err(Error::Io { .. })));
    assert!(matches!(Hdf5::open(&arrays), Err(Error::Format { .. })));
}

#[test]
fn a_small_file_cannot_claim_billions_of_values() {
    // Equal values cost nothing: 40 rows of a million zeros are a few kilobytes.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.parquet");
    let rows = 40usize;
    let mut columns = vec![("calcium_data", lists(&vec![vec![0.0; 1_000_000]; rows]))];
    let names: Vec<String> = (0..rows).map(|i| i.to_string()).collect();
    columns.push(("worm", text(&vec!["worm0"; rows])));
    columns.push(("neuron", text(&names.iter().map(String::as_str).collect::<Vec<_>>())));
    columns.push(("slot", Arc::new(Int32Array::from((0..rows as i32).collect::<Vec<_>>()))));
    columns.push(("source_dataset", text(&vec!["A"; rows])));
    columns.push(("max_timesteps", Arc::new(Int32Array::from(vec![1_000_000; rows]))));
    write(&path, columns);
    assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
    match ActivityDataset::from_parquet(&path) {
        Err(Error::Limit { declared, limit, what, .. }) => {
            assert!(declared > limit && what.contains("calcium_data"), "{declared} {limit} {what}");
        }
        other => panic!("{:?}", other.map(|d| d.worms().len())),
    }
}

#[test]
fn raw_arrays_and_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let raw = made_up(650, 6, 0.5);
    let names: Vec<String> = raw.names.iter().map(|n| n.clone().unwrap_or_default()).collect();
    Npz::new()
        .f64("traces", raw.traces.view().into_dyn())
        .f64("turned", raw.traces.t().into_dyn())
        .f64("times", arr1(&raw.times_s).view().into_dyn())
        .text("labels", &names)
        .text("few", &names[..3])
        .write(&at("raw.npz"))
        .unwrap();
    let open = |keys: RawKeys| RawRecording::open(&at("raw.npz"), "S", "w", &keys);
    let read = open(RawKeys::default()).unwrap();
    assert_eq!((&read.traces, &read.times_s, &read.names), (&raw.traces, &raw.times_s, &raw.names));
    assert_eq!((read.file.as_str(), read.source.as_str()), ("raw.npz", "S"));
    let turned = RawKeys { traces: Some("turned".into()), ..RawKeys::default() };
    let said = open(turned.clone()).unwrap_err().to_string();
    assert!(said.contains("[neurons, samples]?"), "{said}");
    assert_eq!(open(RawKeys { neurons_first: true, ..turned }).unwrap().traces, raw.traces);
    let said = open(RawKeys { traces: Some("x".into()), ..RawKeys::default() }).unwrap_err().to_string();
    assert!(said.contains("no array \"x\"") && said.contains("turned"), "{said}");
    assert!(open(RawKeys { labels: Some("few".into()), ..RawKeys::default() }).is_err());
    assert!(open(RawKeys { traces: Some("times".into()), ..RawKeys::default() }).is_err());
    std::fs::write(at("l.csv"), "column,label\n4,AVAL\n0,AVAR?\n").unwrap();
    let labels = NeuronLabels::read_csv(&at("l.csv")).unwrap();
    let named = read.clone().with_labels(&labels, false).unwrap();
    assert_eq!(named.names.iter().flatten().collect::<Vec<_>>(), ["AVAL"]);
    assert_eq!(read.with_labels(&labels, true).unwrap().names[0].as_deref(), Some("AVAR"));
}

#[test]
fn hdf5_files_are_read_whatever_their_storage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.h5");
    let raw = made_up(640, 5, 0.4);
    let flat: Vec<f64> = raw.traces.iter().copied().collect();
    let single: Vec<f32> = flat.iter().map(|v| *v as f32).collect();
    let mut builder = hdf5_pure::FileBuilder::new();
    let mut gcamp = builder.create_group("gcamp");
    gcamp.create_dataset("trace_array").with_f64_data(&flat).with_shape(&[640, 5]);
    gcamp
        .create_dataset("packed")
        .with_f32_data(&single)
        .with_shape(&[640, 5])
        .with_chunks(&[100, 5])
        .with_deflate(6);
    builder.add_group(gcamp.finish());
    builder.create_dataset("times").with_f64_data(&raw.times_s).with_shape(&[640]);
    builder.write(&path).unwrap();
    let file = Hdf5::open(&path).unwrap();
    let mut keys = file.keys().unwrap();
    keys.sort_unstable();
    assert_eq!(keys, ["gcamp/packed", "gcamp/trace_array", "times"]);
    let read = RawRecording::open(&path, "S", "w", &RawKeys::default()).unwrap();
    assert_eq!((&read.traces, &read.times_s), (&raw.traces, &raw.times_s));
    let packed = RawKeys { traces: Some("/gcamp/packed".into()), ..RawKeys::default() };
    let read = RawRecording::open(&path, "S", "w", &packed).unwrap();
    assert_eq!(
        read.traces.index_axis(Axis(0), 639).to_vec(),
        single[639 * 5..].iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
    );
    assert!(file.read_f64("gcamp/none").is_err());
    assert!(
        RawRecording::open(&path, "S", "w", &RawKeys { labels: Some("x".into()), ..RawKeys::default() })
            .is_err()
    );
}
