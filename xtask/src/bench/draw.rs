//! Timings as a Markdown table and as a drawing.

use std::collections::BTreeMap;
use std::fmt::Write;

use plotters::prelude::*;

use super::record::Record;
use crate::workspace::Verdict;

/// One row for each timing, machines and commits below.
pub(crate) fn table(records: &[Record]) -> String {
    let mut out =
        String::from("| bench | size | backend | median | 95 % interval |\n|---|---|---|---|---|\n");
    for r in records {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} to {} |",
            r.bench,
            r.size,
            r.backend,
            seconds(r.seconds),
            seconds(r.low),
            seconds(r.high)
        );
    }
    let mut sources: Vec<String> =
        records.iter().map(|r| format!("{}, commit {}", r.machine, r.commit)).collect();
    sources.sort();
    sources.dedup();
    let _ = writeln!(out, "\n{}", sources.join("; "));
    out
}

/// A time with the unit that suits it.
pub(crate) fn seconds(time: f64) -> String {
    match time {
        t if t >= 1.0 => format!("{t:.2} s"),
        t if t >= 1e-3 => format!("{:.2} ms", t * 1e3),
        t if t >= 1e-6 => format!("{:.2} us", t * 1e6),
        t => format!("{:.1} ns", t * 1e9),
    }
}

/// Seconds over size, both logarithmic, one line for each bench and backend.
pub(crate) fn plot(records: &[Record]) -> Verdict<String> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for r in records {
        let name = format!("{} ({})", r.bench, r.backend);
        lines.entry(name).or_default().push((r.extent().max(1.0), r.seconds.max(1e-10)));
    }
    let points = || lines.values().flatten();
    let span = |values: &dyn Fn(&(f64, f64)) -> f64| {
        let low = points().map(values).fold(f64::INFINITY, f64::min);
        let high = points().map(values).fold(0.0, f64::max);
        low / 1.5..high * 1.5
    };
    let (x, y) = (span(&|p| p.0), span(&|p| p.1));
    let mut svg = String::new();
    draw(&mut svg, &lines, x, y).map_err(|why| format!("the plot: {why}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    lines: &BTreeMap<String, Vec<(f64, f64)>>,
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let height = 480 + 16 * lines.len() as u32;
    let root = SVGBackend::with_string(svg, (900, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(460);
    let mut chart = ChartBuilder::on(&upper)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("size (product of its extents)")
        .y_desc("median time")
        .x_label_formatter(&|v| format!("{v:.0}"))
        .y_label_formatter(&|v| seconds(*v))
        .light_line_style(WHITE)
        .draw()?;
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let mut points = points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, colour.filled())))?;
        let at = (92, 16 * i as i32);
        lower.draw(&Circle::new((at.0 - 10, at.1 + 6), 4, colour.filled()))?;
        lower.draw(&Text::new(name.clone(), at, ("sans-serif", 13)))?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::record::sample;
    use super::*;

    #[test]
    fn every_line_of_the_plot_is_named_and_every_timing_is_in_the_table() {
        let records = [
            sample("rdm", "10", "cpu", 1e-4),
            sample("rdm", "100", "cpu", 1e-2),
            sample("ees", "", "wgpu", 2.0),
        ];
        let (text, svg) = (table(&records), plot(&records).unwrap());
        assert_eq!(text.matches("| rdm |").count(), 2, "{text}");
        assert!(
            text.contains("100.00 us") && text.contains("2.00 s") && text.contains("m, commit c"),
            "{text}"
        );
        assert!(
            svg.contains("rdm (cpu)") && svg.contains("ees (wgpu)") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }

    #[test]
    fn times_have_units() {
        assert_eq!(
            [seconds(2.5), seconds(0.0025), seconds(2.5e-6), seconds(2.5e-9)],
            ["2.50 s", "2.50 ms", "2.50 us", "2.5 ns"]
        );
    }
}
