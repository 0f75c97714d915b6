//! Figures as SVG text, drawn with plotters.
//!
//! Captions and labels are SVG text: no font is embedded, the reader's sans-serif is used.

use plotters::prelude::*;

use crate::{Error, Result};

/// A drawing for the report.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its heading.
    pub title: String,
    /// What it shows, in one or two sentences.
    pub caption: String,
    /// The SVG document.
    pub svg: String,
}

/// One named series of points.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its legend entry.
    pub name: String,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

const SIZE: (u32, u32) = (640, 380);
/// Large enough to be read where the drawing is scaled down to a phone.
const FONT: (&str, i32) = ("sans-serif", 20);

/// A line chart with markers.
///
/// # Errors
/// [`Error::Figure`] when there is no finite point to draw.
pub fn lines(title: &str, caption: &str, x_label: &str, y_label: &str, series: &[Series]) -> Result<Figure> {
    draw(title, caption, x_label, y_label, series, true)
}

/// A scatter chart.
///
/// # Errors
/// [`Error::Figure`] when there is no finite point to draw.
pub fn scatter(
    title: &str,
    caption: &str,
    x_label: &str,
    y_label: &str,
    series: &[Series],
) -> Result<Figure> {
    draw(title, caption, x_label, y_label, series, false)
}

/// A bar chart: one bar per `(label, value)`.
///
/// # Errors
/// [`Error::Figure`] when there is no finite value to draw.
pub fn bars(title: &str, caption: &str, y_label: &str, values: &[(String, f64)]) -> Result<Figure> {
    let fail = |message: String| Error::Figure { title: title.to_owned(), message };
    let finite: Vec<(String, f64)> = values.iter().filter(|(_, v)| v.is_finite()).cloned().collect();
    if finite.is_empty() {
        return Err(fail("no finite value".to_owned()));
    }
    let (low, high) = padded(finite.iter().map(|(_, v)| *v).chain([0.0]));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let n = finite.len();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(58)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..n as f64, low..high)
            .map_err(|e| fail(e.to_string()))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_labels(n * 2 + 1)
            .x_label_formatter(&|x| {
                let slot = x.floor() as usize;
                if (x - x.floor() - 0.5).abs() < 1e-6 {
                    finite.get(slot).map_or(String::new(), |b| b.0.clone())
                } else {
                    String::new()
                }
            })
            .y_desc(y_label)
            .label_style(FONT)
            .axis_desc_style(FONT)
            .draw()
            .map_err(|e| fail(e.to_string()))?;
        chart
            .draw_series(finite.iter().enumerate().map(|(i, (_, v))| {
                let i = i as f64;
                Rectangle::new(
                    [(i + 0.15, 0.0), (i + 0.85, *v)],
                    COLOURS[i as usize % COLOURS.len()].filled(),
                )
            }))
            .map_err(|e| fail(e.to_string()))?;
        root.present().map_err(|e| fail(e.to_string()))?;
    }
    Ok(Figure { title: title.to_owned(), caption: caption.to_owned(), svg })
}

/// Where a legend of `entries` lines hides the fewest points.
fn emptiest_corner(
    points: &[(f64, f64)],
    x: (f64, f64),
    y: (f64, f64),
    entries: usize,
) -> SeriesLabelPosition {
    // The share of the plot that a legend takes, generously.
    let (wide, high) = (0.45, 0.09 * entries as f64);
    let corners = [
        (SeriesLabelPosition::UpperRight, false, true),
        (SeriesLabelPosition::UpperLeft, true, true),
        (SeriesLabelPosition::LowerRight, false, false),
        (SeriesLabelPosition::LowerLeft, true, false),
    ];
    let hidden = |left: bool, upper: bool| {
        let inside = |&&(px, py): &&(f64, f64)| {
            let (u, v) = ((px - x.0) / (x.1 - x.0), (py - y.0) / (y.1 - y.0));
            (if left { u } else { 1.0 - u }) < wide && (if upper { 1.0 - v } else { v }) < high
        };
        points.iter().filter(inside).count()
    };
    let best = corners.into_iter().min_by_key(|(_, left, upper)| hidden(*left, *upper));
    best.map_or(SeriesLabelPosition::UpperRight, |(position, _, _)| position)
}

/// A matrix as coloured cells, row 0 on top; `values[row][column]`, `None` is left blank.
///
/// # Errors
/// [`Error::Figure`] for an empty or ragged matrix.
pub fn heatmap(title: &str, caption: &str, values: &[Vec<Option<f64>>]) -> Result<Figure> {
    let fail = |message: String| Error::Figure { title: title.to_owned(), message };
    let rows = values.len();
    let columns = values.first().map_or(0, Vec::len);
    if rows == 0 || columns == 0 || values.iter().any(|r| r.len() != columns) {
        return Err(fail("matrix is empty or ragged".to_owned()));
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in values.iter().flatten().flatten().filter(|v| v.is_finite()) {
        low = low.min(*v);
        high = high.max(*v);
    }
    if low > high {
        return Err(fail("no finite value".to_owned()));
    }
    let side = 420;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (side, side)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .build_cartesian_2d(0.0..columns as f64, 0.0..rows as f64)
            .map_err(|e| fail(e.to_string()))?;
        let cells = values.iter().enumerate().flat_map(|(i, row)| {
            row.iter().enumerate().filter_map(move |(j, v)| {
                let v = v.filter(|v| v.is_finite())?;
                let t = if high > low { (v - low) / (high - low) } else { 0.5 };
                let (x, y) = (j as f64, (rows - 1 - i) as f64);
                Some(Rectangle::new([(x, y), (x + 1.0, y + 1.0)], shade(t).filled()))
            })
        });
        chart.draw_series(cells).map_err(|e| fail(e.to_string()))?;
        root.present().map_err(|e| fail(e.to_string()))?;
    }
    let caption = format!("{caption} Dark = {low:.3}, bright = {high:.3}.");
    Ok(Figure { title: title.to_owned(), caption, svg })
}

/// A dark-to-bright map that is monotone in lightness.
fn shade(t: f64) -> RGBColor {
    let stops = [
        (68.0, 1.0, 84.0),
        (59.0, 82.0, 139.0),
        (33.0, 145.0, 140.0),
        (94.0, 201.0, 98.0),
        (253.0, 231.0, 37.0),
    ];
    let position = t.clamp(0.0, 1.0) * 4.0;
    let i = (position.floor() as usize).min(3);
    let f = position - i as f64;
    let mix = |a: f64, b: f64| (a + (b - a) * f).round() as u8;
    RGBColor(
        mix(stops[i].0, stops[i + 1].0),
        mix(stops[i].1, stops[i + 1].1),
        mix(stops[i].2, stops[i + 1].2),
    )
}

fn padded(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let pad = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
    (low - pad, high + pad)
}

fn draw(
    title: &str,
    caption: &str,
    x_label: &str,
    y_label: &str,
    series: &[Series],
    joined: bool,
) -> Result<Figure> {
    let fail = |message: String| Error::Figure { title: title.to_owned(), message };
    let finite = |s: &Series| -> Vec<(f64, f64)> {
        s.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
    };
    let all: Vec<(f64, f64)> = series.iter().flat_map(finite).collect();
    if all.is_empty() {
        return Err(fail("no finite point".to_owned()));
    }
    let (x_low, x_high) = padded(all.iter().map(|p| p.0));
    let (y_low, y_high) = padded(all.iter().map(|p| p.1));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(58)
            .y_label_area_size(84)
            .build_cartesian_2d(x_low..x_high, y_low..y_high)
            .map_err(|e| fail(e.to_string()))?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(x_label)
            .y_desc(y_label)
            .label_style(FONT)
            .axis_desc_style(FONT)
            .draw()
            .map_err(|e| fail(e.to_string()))?;
        for (i, s) in series.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let points = finite(s);
            if joined {
                chart
                    .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))
                    .map_err(|e| fail(e.to_string()))?;
            }
            chart
                .draw_series(points.iter().map(|p| Circle::new(*p, 3, colour.filled())))
                .map_err(|e| fail(e.to_string()))?
                .label(s.name.as_str())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        if series.len() > 1 {
            chart
                .configure_series_labels()
                .position(emptiest_corner(&all, (x_low, x_high), (y_low, y_high), series.len()))
                .label_font(FONT)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.3))
                .draw()
                .map_err(|e| fail(e.to_string()))?;
        }
        root.present().map_err(|e| fail(e.to_string()))?;
    }
    Ok(Figure { title: title.to_owned(), caption: caption.to_owned(), svg })
}
