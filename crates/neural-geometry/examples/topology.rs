//! A circle and a line of patterns: their geometry differs by much, and their topology tells them apart.
#![allow(clippy::print_stdout, reason = "the example's output")]

use ndarray::Array2;
use neural_geometry::{Comparison, GeoTopological, Metric, Rdm, compare, geo_topological, persistence};

fn main() -> neural_geometry::Result<()> {
    let circle = Array2::from_shape_fn((24, 2), |(i, j)| {
        let angle = std::f64::consts::TAU * i as f64 / 24.0;
        if j == 0 { angle.cos() } else { angle.sin() }
    });
    let line = Array2::from_shape_fn((24, 2), |(i, j)| if j == 0 { i as f64 / 12.0 } else { 0.0 });
    let circle = Rdm::from_patterns(&circle.view(), Metric::Euclidean)?;
    let line = Rdm::from_patterns(&line.view(), Metric::Euclidean)?;
    println!("Spearman of the two matrices: {:.3}", compare(&circle, &line, Comparison::Spearman)?);
    for (name, rdm) in [("circle", &circle), ("line", &line)] {
        let near = geo_topological(rdm.condensed(), GeoTopological::Ramp { lower: 0.2, upper: 0.8 })?;
        let loops = persistence(rdm.condensed(), None)?.h1;
        let longest = loops.iter().map(|bar| bar.length()).fold(0.0, f64::max);
        let same = near.iter().filter(|d| **d == 0.0).count();
        println!("{name}: {same} pairs count as one place; the longest loop lasts {longest:.3}");
    }
    Ok(())
}
