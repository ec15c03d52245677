//! `--svg FILE`: one line a row, one dot a runtime, by how many times Corelane's time it takes.

use std::fmt::Write;

use crate::report::{Figure, Report};
use crate::rows::{Group, is_ours};

/// How the modes of a runtime begin, its name, its colour (Okabe and Ito's, which the colour-blind tell apart).
const RUNTIMES: [(&str, &str, &str); 6] = [
    ("tokio", "Tokio", "#0072b2"),
    ("nio", "nio", "#e69f00"),
    ("glommio", "glommio", "#009e73"),
    ("monoio", "monoio", "#cc79a7"),
    ("compio", "compio", "#d55e00"),
    ("smol", "smol", "#56b4e9"),
];
const LINE: f64 = 17.0;
const TOP: f64 = 46.0;
const LEFT: f64 = 190.0;
const WIDTH: f64 = 560.0;
/// The axis, in powers of ten: what lies beyond is drawn at its end.
const FROM: f64 = -0.7;
const TO: f64 = 2.5;

/// A runtime's fastest mode in a row, one that keeps its promises if there is any, with that.
fn best<'a>(
    report: &Report,
    figures: impl Iterator<Item = &'a Figure>,
    of: impl Fn(&Figure) -> bool,
) -> Option<(&'a Figure, bool)> {
    let candidates = figures.filter(|figure| of(figure));
    let candidates = candidates.map(|figure| (figure, report.keeps_promises(figure.row, figure.mode)));
    candidates.min_by(|(a, a_keeps), (b, b_keeps)| {
        b_keeps.cmp(a_keeps).then(a.quartiles[1].total_cmp(&b.quartiles[1]))
    })
}

fn x(ratio: f64) -> f64 {
    LEFT + (ratio.log10().clamp(FROM, TO) - FROM) / (TO - FROM) * WIDTH
}

/// The picture.
pub fn draw(report: &Report) -> String {
    let groups = Group::ALL.map(|group| (group, report.rows(group)));
    let lines = groups.iter().map(|(_, rows)| rows.len() + 2).sum::<usize>();
    let (width, bottom) = (LEFT + WIDTH + 16.0, TOP + LINE * lines as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" width=\"{width}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"#57606a\">\n<title>Time as a multiple of \
         Corelane's</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        bottom + 24.0
    );
    // Writing to a string does not fail.
    for (i, (_, name, colour)) in RUNTIMES.iter().enumerate() {
        let at = LEFT + 90.0 * i as f64;
        let _ = writeln!(svg, "<circle cx=\"{at}\" cy=\"14\" r=\"4\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"18\">{name}</text>", at + 8.0);
    }
    for (ratio, name) in [(1.0, "Corelane"), (3.0, "3 ×"), (10.0, "10 ×"), (30.0, "30 ×"), (100.0, "100 ×")]
    {
        let (at, stroke) = (x(ratio), if ratio == 1.0 { "#24292f" } else { "#d0d7de" });
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"{stroke}\"/><text x=\"{at:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{name}</text>",
            TOP - 6.0
        );
    }
    let mut y = TOP;
    for (group, rows) in groups {
        y += 2.0 * LINE;
        let (title, ours) = group.title();
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{:.1}\" font-weight=\"600\">{title} (Corelane: {ours})</text>",
            y - LINE
        );
        for row in rows {
            let here = || report.figures.iter().filter(|figure| figure.group == group && figure.row == row);
            let Some(our) = here().find(|figure| figure.mode == ours) else { continue };
            let _ = writeln!(svg, "<text x=\"16\" y=\"{:.1}\">{row}</text>", y + 4.0);
            for (begin, name, colour) in RUNTIMES {
                let of = |figure: &Figure| !is_ours(figure.mode) && figure.mode.starts_with(begin);
                let Some((figure, keeps)) = best(report, here(), of) else { continue };
                let ratio = figure.quartiles[1] / our.quartiles[1];
                let fill = if keeps { colour } else { "#fff" };
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\"><title>{name} \
                     ({}): {ratio:.2}</title></circle>",
                    x(ratio),
                    figure.mode
                );
            }
            y += LINE;
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">Time (or bytes) as a multiple of Corelane's; to the right is slower. Hollow: \
         breaks a promise in that row.</text>\n</svg>",
        bottom + 14.0
    );
    svg
}
