//! A raw recording of three neurons at uneven times, homogenised and written as Parquet.
#![allow(clippy::print_stdout, reason = "the example's output")]

use bio_data::activity::{Grid, Homogenizer, RawRecording, Trace};
use ndarray::Array2;

fn main() -> bio_data::Result<()> {
    let times_s: Vec<f64> = (0..900).map(|i| 0.25 * f64::from(i) + 0.02 * f64::from(i % 3)).collect();
    let traces = Array2::from_shape_fn((900, 3), |(i, n)| (0.1 * times_s[i] + n as f64).sin() + 2.0);
    let names = ["AVAL", "AVAR", "RMED"].map(|name| Some(name.to_owned())).to_vec();
    let (source, worm, file) = ("Example".to_owned(), "worm0".to_owned(), "made up".to_owned());
    let worm =
        Homogenizer::default().process(&RawRecording { source, worm, file, times_s, traces, names })?;
    println!("{} neurons, {} samples, one every {} s", worm.neurons.len(), worm.times_s.len(), worm.dt_s());
    for (neuron, row) in worm.neurons.iter().zip(worm.calcium()?.rows()) {
        let n = row.len() as f32;
        let variance = row.iter().map(|v| v * v).sum::<f32>() / n;
        println!("{} in slot {}: variance {variance:.4}", neuron.name, neuron.slot);
    }
    println!(
        "derivatives kept on the microscope's times: {}",
        worm.trace(Trace::Residual, Grid::Original).is_some()
    );
    Ok(())
}
