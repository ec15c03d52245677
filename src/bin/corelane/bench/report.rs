//! The results as tables for a terminal.

use std::fmt::Write as _;

use super::grid::{CellResult, ColumnResult, Sample};
use super::summary::{Spread, Stretches, Summary};
use crate::text::{pad, width, wrap};

/// The facts above the tables begin here.
const INDENT: usize = 10;
/// Names of columns are cut to this: those of files may be long. Their end says more.
const NAME: usize = 12;

/// A column of the tables: its head, its width, what stands in it.
pub struct Figure {
    pub head: &'static str,
    width: usize,
    pub show: fn(&CellResult, &ColumnResult) -> Option<String>,
}

const P50: Figure =
    Figure { head: "p50 µs", width: 8, show: |_, column| column.median(|s| s.p50_us).map(us) };
const P99: Figure = Figure { head: "p99 µs", width: 8, show: |_, column| column.median(p99).map(us) };
const P999: Figure = Figure { head: "p99.9 µs", width: 9, show: |_, column| column.median(p999).map(us) };
const REQUESTS: Figure = Figure {
    head: "requests/s",
    width: 11,
    show: |_, column| column.median(rate).map(|rate| format!("{rate:.0}")),
};
const P99_RATIO: Figure = Figure {
    head: "p99 ratio",
    width: 15,
    show: |cell, column| cell.calm_ratio(column, p99_stretches).map(ratio),
};
const P999_RATIO: Figure = Figure {
    head: "p99.9 ratio",
    width: 15,
    show: |cell, column| cell.calm_ratio(column, p999_stretches).map(ratio),
};
const RATE_RATIO: Figure = Figure {
    head: "rate ratio",
    width: 15,
    show: |cell, column| cell.ratio(column, rate, f64::max).map(ratio),
};
const CPU: Figure = Figure { head: "cpu µs", width: 10, show: |_, column| cpu(column) };

/// What is to be seen of runs in the open loop, and in the closed one.
pub fn figures(closed: bool) -> &'static [Figure] {
    const OPEN: &[Figure] = &[P50, P99, P999, P99_RATIO, P999_RATIO, CPU];
    const CLOSED: &[Figure] = &[REQUESTS, RATE_RATIO, P50, P99, P999, CPU];
    if closed { CLOSED } else { OPEN }
}

/// What the figures mean that are not plain.
pub fn legend(summary: &Summary) -> String {
    let tokio =
        summary.cells.iter().flat_map(|cell| &cell.columns).any(|column| column.name.starts_with("tokio"));
    let of = if tokio { "Tokio's best in the same round" } else { "the first one in the same round" };
    let from = if summary.closed { "it was sent" } else { "it was to be sent" };
    let stretch = if summary.closed {
        ""
    } else {
        " Those of p99 and p99.9 are of the calmest quarter of all stretches of 20 ms, with the tenth and the half: what the \
         machine does now and then is left out, and what the server does as seldom."
    };
    format!(
        "Times are from when {from} to when it was answered. Each figure is the median of the rounds. Ratios are to {of}, with \
         the least and the most.{stretch} Cpu is what a request costs the server, user and system."
    )
}

pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    for (name, value) in summary.facts() {
        wrap(&mut out, &pad(name, INDENT), INDENT, &value);
    }
    for cell in &summary.cells {
        table(&mut out, cell, figures(summary.closed));
    }
    overall(&mut out, summary);
    out.push('\n');
    wrap(&mut out, "", 0, &legend(summary));
    out
}

/// What all cells come to, where there is more than one.
fn overall(out: &mut String, summary: &Summary) {
    let ([first, _, ..], Some(base)) = (&summary.cells[..], summary.base()) else { return };
    type Of = fn(&Sample) -> f64;
    const FIGURES: [(&str, Of); 4] =
        [("requests/s", rate), ("p50", |s| s.p50_us), ("p99", p99), ("p99.9", p999)];
    const CALM: [(&str, Stretches); 2] = [("calm p99", p99_stretches), ("calm p99.9", p999_stretches)];
    let cells = summary.cells.len();
    out.push('\n');
    wrap(
        out,
        "",
        2,
        &format!("all {cells} cells: multiples of {base}, the geometric mean of the cells' medians"),
    );
    let heads = FIGURES.iter().map(|(head, _)| head).chain(CALM.iter().map(|(head, _)| head));
    let heads: String = heads.map(|head| format!("{head:>11}")).collect();
    let _ = writeln!(out, "  {}{heads}", pad("", NAME));
    for column in &first.columns {
        let ratios = FIGURES.iter().map(|(_, of)| summary.overall(&column.name, of));
        let calm = CALM.iter().map(|(_, of)| summary.overall_calm(&column.name, *of));
        let show = |ratio: Option<f64>| ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let ratios: String = ratios.chain(calm).map(|ratio| format!("{:>11}", show(ratio))).collect();
        let _ = writeln!(out, "  {}{ratios}", pad(&short(&column.name), NAME));
    }
}

fn table(out: &mut String, cell: &CellResult, figures: &[Figure]) {
    out.push('\n');
    wrap(out, "", 2, &format!("{}: {}", cell.name(), cell.offer()));
    let _ = write!(out, "  {}", pad("", NAME));
    for figure in figures {
        let _ = write!(out, "{:>1$}", figure.head, figure.width);
    }
    out.push('\n');
    for column in &cell.columns {
        let mut line = format!("  {}", pad(&short(&column.name), NAME));
        for figure in figures {
            let value = (figure.show)(cell, column).unwrap_or_else(|| "-".into());
            let _ = write!(line, "{value:>0$}", figure.width);
        }
        let _ = writeln!(out, "{line}");
    }
    if let Some(doubt) = cell.doubt() {
        wrap(out, "  note    ", INDENT, &doubt);
    }
    for error in errors_of(cell) {
        wrap(out, "  failed  ", INDENT, &error);
    }
}

fn errors_of(cell: &CellResult) -> Vec<String> {
    let of_columns = cell
        .columns
        .iter()
        .flat_map(|column| column.errors.iter().map(|error| format!("{}, {error}", column.name)));
    cell.error.iter().cloned().chain(of_columns).collect()
}

/// All that failed, a line each.
pub fn errors(summary: &Summary) -> String {
    let lines = summary.cells.iter().flat_map(|cell| {
        errors_of(cell).into_iter().map(|error| format!("error: {}: {error}\n", cell.name()))
    });
    lines.collect()
}

fn short(name: &str) -> String {
    let cut = width(name).saturating_sub(NAME - 1);
    if cut == 0 { name.to_owned() } else { format!("…{}", name.chars().skip(cut + 1).collect::<String>()) }
}

fn p99(sample: &Sample) -> f64 {
    sample.p99_us
}

fn p999(sample: &Sample) -> f64 {
    sample.p999_us
}

fn p99_stretches(sample: &Sample) -> &[f64] {
    &sample.p99_stretches_us
}

fn p999_stretches(sample: &Sample) -> &[f64] {
    &sample.p999_stretches_us
}

fn rate(sample: &Sample) -> f64 {
    sample.requests_per_s
}

fn cpu(column: &ColumnResult) -> Option<String> {
    let all = |of: fn(&Sample) -> f64| Some(column.mean(of)? / 1e3);
    Some(format!("{:.1}+{:.1}", all(|s| s.user_ns)?, all(|s| s.system_ns)?))
}

fn us(us: f64) -> String {
    if us < 99.95 { format!("{us:.1}") } else { format!("{us:.0}") }
}

fn ratio(Spread { median, least, most }: Spread) -> String {
    let short = |ratio: f64| if ratio < 9.995 { format!("{ratio:.2}") } else { format!("{ratio:.0}") };
    format!("{} {}-{}", short(median), short(least), short(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_a_terminal() {
        for closed in [false, true] {
            let columns: usize = figures(closed).iter().map(|figure| figure.width).sum();
            assert!(2 + NAME + columns <= crate::text::COLUMNS, "{columns}");
        }
        let spread = Spread { median: 0.914, least: 0.8, most: 123.4 };
        assert_eq!(ratio(spread), "0.91 0.80-123");
        assert_eq!(short("a/very/long/name.toml"), "…/name.toml");
        assert_eq!(short("tokio-local"), "tokio-local");
    }
}
