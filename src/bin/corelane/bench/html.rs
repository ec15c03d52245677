//! The results as one page: plots of latency by percentile, tables, and what they were measured on. Nothing in it runs or is loaded
//! from elsewhere.

use std::fmt::Write as _;

use super::grid::{CellResult, ColumnResult};
use super::histogram::Point;
use super::report::{figures, legend};
use super::summary::Summary;
use crate::svg::escaped;

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;color:#1b1f24;max-width:1100px;margin:2em auto;padding:0 1em}\
h1{font-size:1.4em}h2{font-size:1.1em;margin:2em 0 0}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #d0d7de;font-weight:400}\
th{color:#57606a}td:first-child,th:first-child{text-align:left}\
dl{display:grid;grid-template-columns:max-content auto;gap:0 1.5em}dt{color:#57606a}dd{margin:0}\
.bad{color:#b3261e}p{margin:.3em 0}\
svg text{font:11px system-ui,sans-serif;fill:#57606a}";

/// Told apart also by those who see few colours.
const COLORS: [&str; 8] =
    ["#0b63ce", "#d9730d", "#1a7f37", "#a333a3", "#57606a", "#b3261e", "#008b8b", "#8a6d00"];

const PLOT: (f64, f64) = (640.0, 260.0);
const LEFT: f64 = 60.0;
const TOP: f64 = 12.0;
const BELOW: f64 = 24.0;

pub fn page(summary: &Summary) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\"/>\n");
    let _ =
        writeln!(out, "<title>corelane bench</title>\n<style>{STYLE}</style>\n<h1>corelane bench</h1>\n<dl>");
    for (name, value) in summary.facts() {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    let _ = writeln!(out, "</dl>\n<p>{}</p>", escaped(&legend(summary)));
    for cell in &summary.cells {
        let _ = writeln!(out, "<h2>{}</h2>\n<p>{}</p>", escaped(&cell.name()), escaped(&cell.offer()));
        plot(&mut out, cell);
        table(&mut out, cell, summary.closed);
    }
    out + "</html>\n"
}

fn table(out: &mut String, cell: &CellResult, closed: bool) {
    out.push_str("<table>\n<tr><th></th>");
    for figure in figures(closed) {
        let _ = write!(out, "<th>{}</th>", figure.head);
    }
    out.push_str("<th>bytes a connection</th><th>late</th><th>generator busy</th></tr>\n");
    for (column, color) in cell.columns.iter().zip(COLORS.iter().cycle()) {
        let _ = write!(out, "<tr><td><span style=\"color:{color}\">■</span> {}</td>", escaped(&column.name));
        let bytes = column.median(|sample| sample.connection_bytes as f64).map(|bytes| format!("{bytes:.0}"));
        let busy = column.mean(|sample| sample.generator_busy);
        let percent = |part: f64| format!("{:.1}%", 100.0 * part);
        let own = figures(closed).iter().map(|figure| (figure.show)(cell, column));
        for value in own.chain([bytes, Some(percent(column.late())), busy.map(percent)]) {
            let _ = write!(out, "<td>{}</td>", value.as_deref().unwrap_or("-"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    let errors = cell.columns.iter().flat_map(|column| &column.errors).chain(&cell.error);
    for error in errors {
        let _ = writeln!(out, "<p class=\"bad\">{}</p>", escaped(error));
    }
}

/// Latency over percentile, both by their logarithm: each nine has as much room as the one before it.
fn plot(out: &mut String, cell: &CellResult) {
    let columns = || cell.columns.iter().filter(|column| column.points.len() > 1);
    let all = || columns().flat_map(|column| &column.points);
    let Some(most_nines) = all().map(nines).reduce(f64::max).map(f64::ceil) else { return };
    let decade = |us: f64| us.max(0.001).log10();
    let low = all().map(|point| decade(point.us)).fold(f64::INFINITY, f64::min).floor();
    let high = all().map(|point| decade(point.us)).fold(low + 1.0, f64::max).ceil();
    let x = |nines: f64| LEFT + PLOT.0 * nines / most_nines.max(1.0);
    let y = |decade: f64| TOP + PLOT.1 * (high - decade) / (high - low);
    let (width, height) = (LEFT + PLOT.0 + 20.0, TOP + PLOT.1 + BELOW);
    let _ = writeln!(
        out,
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">"
    );
    for n in 0..=most_nines as u32 {
        let (at, bottom) = (x(f64::from(n)), TOP + PLOT.1);
        let _ = writeln!(out, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#eaeef2\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            percentile(n)
        );
    }
    for n in low as i32..=high as i32 {
        let (at, right) = (y(f64::from(n)), LEFT + PLOT.0);
        let _ = writeln!(out, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#d0d7de\"/>");
        let label = time(n);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for (column, color) in cell.columns.iter().zip(COLORS.iter().cycle()) {
        if column.points.len() > 1 {
            line(out, column, color, |point| (x(nines(point)), y(decade(point.us))));
        }
    }
    out.push_str("</svg>\n");
}

fn line(out: &mut String, column: &ColumnResult, color: &str, at: impl Fn(&Point) -> (f64, f64)) {
    let points: Vec<String> = column
        .points
        .iter()
        .map(|point| {
            let (x, y) = at(point);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"{}\"><title>{}</title></polyline>",
        points.join(" "),
        escaped(&column.name)
    );
}

/// 90% has one, 99% two.
fn nines(point: &Point) -> f64 {
    -(1.0 - point.part).max(1e-12).log10()
}

fn percentile(nines: u32) -> String {
    match nines {
        0 => "0%".into(),
        1 => "90%".into(),
        2 => "99%".into(),
        n => format!("99.{}%", "9".repeat(n as usize - 2)),
    }
}

fn time(decade: i32) -> String {
    match decade {
        ..=-1 => format!("{} ns", 10_i64.pow((decade + 3).clamp(0, 2) as u32)),
        0..=2 => format!("{} µs", 10_i64.pow(decade as u32)),
        3..=5 => format!("{} ms", 10_i64.pow(decade as u32 - 3)),
        _ => format!("{} s", 10_i64.pow(decade as u32 - 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_labelled_in_decades() {
        let times: Vec<String> = (-1..8).map(time).collect();
        assert_eq!(times, ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        let percentiles: Vec<String> = (0..5).map(percentile).collect();
        assert_eq!(percentiles, ["0%", "90%", "99%", "99.9%", "99.99%"]);
        let at = |part| nines(&Point { part, us: 1.0 });
        assert!((at(0.99) - 2.0).abs() < 1e-9 && at(0.0) == 0.0);
    }
}
