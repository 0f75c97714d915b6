//! Raster and rate plots as SVG text.
//!
//! Labels are SVG text: no font is embedded, the reader's sans-serif is used.

use plotters::prelude::*;

use super::{Trains, rate_histogram};
use crate::{Error, Result};

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const SIZE: (u32, u32) = (900, 480);
const FONT: (&str, i32) = ("sans-serif", 20);
/// Most spikes that are drawn: a browser still shows them.
const MOST_TICKS: usize = 50_000;
/// Most points of a rate curve.
const MOST_POINTS: usize = 20_000;

/// A raster: one row a train, one tick a spike, one colour a population. Above 50,000 spikes only every k-th train is drawn,
/// and the axis says so.
///
/// # Errors
/// [`Error::Figure`].
pub fn raster_svg(trains: &Trains, title: &str) -> Result<String> {
    let every = trains.spikes().div_ceil(MOST_TICKS).max(1);
    let rows: Vec<usize> = (0..trains.len()).step_by(every).collect();
    let label = match every {
        1 => "neuron".to_owned(),
        k => format!("neuron (one of {k} drawn)"),
    };
    let top = rows.len().max(1) as f64;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .caption(title, FONT)
            .margin(12)
            .x_label_area_size(58)
            .y_label_area_size(84)
            .build_cartesian_2d(trains.start_ms()..trains.stop_ms(), 0.0..top)
            .map_err(fail)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("time (ms)")
            .y_desc(label)
            .y_label_formatter(&|y| format!("{}", (y * every as f64).round()))
            .label_style(FONT)
            .axis_desc_style(FONT)
            .draw()
            .map_err(fail)?;
        for (row, train) in rows.iter().enumerate() {
            let colour = colour(trains.population()[*train]);
            let row = row as f64;
            let tick =
                |t: &f64| PathElement::new(vec![(*t, row + 0.1), (*t, row + 0.9)], colour.stroke_width(1));
            chart.draw_series(trains.times_ms(*train).iter().map(tick)).map_err(fail)?;
        }
        root.present().map_err(fail)?;
    }
    Ok(svg)
}

/// Rates over time in hertz per neuron, one curve a population.
///
/// # Errors
/// [`Error::Figure`]; those of [`rate_histogram`]; [`Error::Parameter`] for more than 20,000 bins.
pub fn rates_svg(trains: &Trains, bin_ms: f64, title: &str) -> Result<String> {
    let mut curves = Vec::new();
    for (index, name) in trains.population_names().iter().enumerate() {
        let members =
            || trains.population().iter().zip(trains.iter()).filter(|(p, _)| usize::from(**p) == index);
        if members().next().is_none() {
            continue;
        }
        let times = members().map(|(_, times)| times.to_vec()).collect();
        let rates = rate_histogram(&Trains::new(times, trains.start_ms(), trains.stop_ms())?, bin_ms)?;
        if rates.len() > MOST_POINTS {
            let expected = format!("long enough for at most {MOST_POINTS} bins");
            return Err(Error::parameter("bin in ms", bin_ms, expected));
        }
        curves.push((index, name, rates));
    }
    let top = curves.iter().flat_map(|c| &c.2).fold(0.0_f64, |m, r| m.max(*r));
    let top = if top > 0.0 { 1.06 * top } else { 1.0 };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .caption(title, FONT)
            .margin(12)
            .x_label_area_size(58)
            .y_label_area_size(84)
            .build_cartesian_2d(trains.start_ms()..trains.stop_ms(), 0.0..top)
            .map_err(fail)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("time (ms)")
            .y_desc("rate (Hz)")
            .label_style(FONT)
            .axis_desc_style(FONT)
            .draw()
            .map_err(fail)?;
        for (index, name, rates) in &curves {
            let colour = colour(*index as u16);
            let middle = |k: usize| trains.start_ms() + (k as f64 + 0.5) * bin_ms;
            let points = rates.iter().enumerate().map(|(k, r)| (middle(k), *r));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(fail)?
                .label(name.as_str())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        if curves.len() > 1 {
            chart
                .configure_series_labels()
                .label_font(FONT)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.3))
                .draw()
                .map_err(fail)?;
        }
        root.present().map_err(fail)?;
    }
    Ok(svg)
}

fn colour(population: u16) -> RGBColor {
    COLOURS[usize::from(population) % COLOURS.len()]
}

fn fail(error: impl std::fmt::Display) -> Error {
    Error::Figure(error.to_string())
}
