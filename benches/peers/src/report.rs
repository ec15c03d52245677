//! What is printed: figures as they come, tables, notes, and where Corelane stands.

use std::fmt::Write;

use corelane_benches::say;

use crate::rows::{Group, is_ours};

/// The rows that mean little where sleeps end early.
pub const TIMERS: &[&str] = &["timeout_ready", "sleep_drop", "sleep_drop_100k"];
/// The rows that mean little where `spawn` runs the task.
pub const SPAWNS: &[&str] = &["spawn1", "spawn1000", "fan_out", "skew"];
/// The rows in which a runtime without a word for it can only wake itself.
pub const YIELDS: &[&str] = &["yield1", "yield1000"];
/// The rows that mean little where who gives way comes first again.
pub const FAIRNESS: &[&str] = &["yield1000", "wake1000"];

/// The row that means little where nothing is refused.
pub const NESTING: &[&str] = &["block_on"];

/// A mode in a row.
#[derive(Debug)]
pub struct Figure {
    pub row: &'static str,
    pub mode: &'static str,
    pub group: Group,
    /// Nanoseconds an operation, or bytes.
    pub quartiles: [f64; 3],
    /// The first quartile of each round's ratio to the group's best.
    pub low: f64,
    /// The median.
    pub ratio: f64,
    /// The third quartile.
    pub high: f64,
}

impl Figure {
    /// A figure that has yet to be compared.
    pub fn new(row: &'static str, mode: &'static str, quartiles: [f64; 3]) -> Self {
        Self { row, mode, group: Group::of(row, mode), quartiles, low: 1.0, ratio: 1.0, high: 1.0 }
    }
}

/// A promise that a mode breaks in some rows.
#[derive(Debug)]
struct Note {
    mode: &'static str,
    rows: Vec<&'static str>,
    text: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    pub figures: Vec<Figure>,
    notes: Vec<Note>,
}

impl Report {
    /// Marks a mode in these rows.
    pub fn note(&mut self, mode: &'static str, rows: &[&'static str], text: String) {
        self.notes.push(Note { mode, rows: rows.to_vec(), text });
    }

    /// A mode does not run a row, or not to its end.
    pub fn broken(&mut self, row: &'static str, mode: &'static str, what: &str) {
        self.note(mode, &[row], format!("left out of {row}: {what}"));
    }

    /// Whether no note stands at a cell.
    pub fn keeps_promises(&self, row: &str, mode: &str) -> bool {
        self.mark(row, mode).is_empty()
    }

    /// The numbers of the notes at a cell.
    fn mark(&self, row: &str, mode: &str) -> String {
        let notes = self.notes.iter().enumerate();
        let here = notes.filter(|(_, note)| note.mode == mode && note.rows.contains(&row));
        here.fold(String::new(), |mut marks, (i, _)| {
            // Writing to a string does not fail.
            let _ = write!(marks, "[{}]", i + 1);
            marks
        })
    }

    /// Takes a row's figures in one group, and prints them.
    pub fn add(&mut self, figures: Vec<Figure>) {
        for figure in &figures {
            let Figure { row, mode, quartiles: [low, median, high], ratio, .. } = figure;
            let mark = self.mark(row, mode);
            say!("{row:<19} {mode:<15} {median:>10.1} {low:>10.1} to {high:<10.1} {ratio:>7.3} {mark}");
        }
        self.figures.extend(figures);
    }

    /// Prints tables, notes and places.
    pub fn print(&mut self) {
        self.compare_single_figures();
        for group in Group::ALL {
            self.print_table(group);
        }
        say!("");
        for (i, note) in self.notes.iter().enumerate() {
            say!("[{}] {} {}", i + 1, note.mode, note.text);
        }
        say!("\nWhere Corelane stands among those that keep their promises:");
        for group in Group::ALL {
            for row in self.rows(group) {
                self.print_place(group, row);
            }
        }
    }

    /// Rows with one figure a mode have no rounds to compare.
    fn compare_single_figures(&mut self) {
        let rows: Vec<_> = Group::ALL
            .iter()
            .flat_map(|group| self.rows(*group).into_iter().map(|row| (*group, row)))
            .collect();
        for (group, row) in rows {
            let alone = |figure: &Figure| {
                figure.group == group && figure.row == row && figure.quartiles[0] == figure.quartiles[2]
            };
            let best = self
                .figures
                .iter()
                .filter(|figure| alone(figure))
                .map(|figure| figure.quartiles[1])
                .min_by(f64::total_cmp);
            let Some(best) = best else { continue };
            for figure in self.figures.iter_mut().filter(|figure| alone(figure)) {
                figure.ratio = figure.quartiles[1] / best;
                (figure.low, figure.high) = (figure.ratio, figure.ratio);
            }
        }
    }

    /// The rows of a group, in order.
    pub fn rows(&self, group: Group) -> Vec<&'static str> {
        distinct(self.figures.iter().filter(|figure| figure.group == group).map(|figure| figure.row))
    }

    fn print_table(&self, group: Group) {
        let modes =
            distinct(self.figures.iter().filter(|figure| figure.group == group).map(|figure| figure.mode));
        if modes.is_empty() {
            return;
        }
        say!("\n{} (ns, or bytes; ratio to the best):\n\n| row | {} |", group.title().0, modes.join(" | "));
        say!("|{}", "---|".repeat(modes.len() + 1));
        for row in self.rows(group) {
            let cells: Vec<_> = modes.iter().map(|mode| self.cell(group, row, mode)).collect();
            say!("| {row} | {} |", cells.join(" | "));
        }
    }

    fn cell(&self, group: Group, row: &str, mode: &str) -> String {
        let found = self
            .figures
            .iter()
            .find(|figure| figure.group == group && figure.row == row && figure.mode == mode);
        let figure = found
            .map_or("–".into(), |figure| format!("{} ({:.2})", short(figure.quartiles[1]), figure.ratio));
        format!("{figure}{}", self.mark(row, mode))
    }

    fn print_place(&self, group: Group, row: &'static str) {
        let ours = group.title().1;
        let here = || self.figures.iter().filter(|figure| figure.group == group && figure.row == row);
        let Some(our) = here().find(|figure| figure.mode == ours) else { return };
        let ahead = |figure: &&Figure| !is_ours(figure.mode) && figure.quartiles[1] < our.quartiles[1];
        let (kept, marked): (Vec<_>, Vec<_>) =
            here().filter(ahead).partition(|figure| self.keeps_promises(row, figure.mode));
        print!("{row:<19} {ours:<10} place {:<3}", kept.len() + 1);
        for figure in &kept {
            print!(" {} {:.2}", figure.mode, our.quartiles[1] / figure.quartiles[1]);
        }
        for figure in &marked {
            let mark = self.mark(row, figure.mode);
            print!(" ({}{mark} {:.2})", figure.mode, our.quartiles[1] / figure.quartiles[1]);
        }
        let sibling = here().filter(|figure| is_ours(figure.mode) && figure.mode != ours);
        for figure in sibling.filter(|figure| figure.quartiles[1] < our.quartiles[1]) {
            print!(" <{} {:.2}>", figure.mode, our.quartiles[1] / figure.quartiles[1]);
        }
        say!("");
    }

    /// All figures, for programs.
    pub fn json(&self) -> String {
        let line = |figure: &Figure| {
            let Figure { row, mode, quartiles: [p25, p50, p75], ratio, low, high, .. } = figure;
            let notes: Vec<_> =
                self.notes.iter().filter(|note| note.mode == *mode && note.rows.contains(row)).collect();
            let notes: Vec<_> = notes.iter().map(|note| format!("{:?}", note.text)).collect();
            format!(
                r#"  {{"row": "{row}", "mode": "{mode}", "group": "{:?}", "p25": {p25:.2}, "median": {p50:.2}, "p75": {p75:.2}, "ratio": {ratio:.4}, "ratio_p25": {low:.4}, "ratio_p75": {high:.4}, "notes": [{}]}}"#,
                figure.group,
                notes.join(", ")
            )
        };
        format!("[\n{}\n]\n", self.figures.iter().map(line).collect::<Vec<_>>().join(",\n"))
    }
}

/// Each once, in the order of the first.
fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut distinct = Vec::new();
    names.for_each(|name| {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    });
    distinct
}

/// Three digits.
fn short(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
