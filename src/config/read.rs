//! From the text of a file to a `Config`, or to what in it is wrong.

use std::cell::RefCell;

use toml::de::DeTable;

use super::error::{ConfigError, Lines, Position, Spot};
use super::keys::{KEYS, Key, SHARD_KEYS, ShardSettings};
use super::value::{Steal, Value, Wrong, one_of, start_of_text};
use super::{Config, Written};

type Entry<'a, 'i> = (&'a str, std::ops::Range<usize>, &'a Value<'i>);

pub(super) fn parse(name: &str, text: &str) -> Result<Config, ConfigError> {
    let reader = Reader { text, lines: Lines::of(text), errors: RefCell::default() };
    let mut config = Config::default();
    config.origin.file = name.into();
    match DeTable::parse(text) {
        // What follows a place that is not TOML is anybody's guess.
        Err(error) => reader.error(error.span().map_or(0, |span| span.start), not_toml(error.message())),
        Ok(document) => {
            in_file_order(document.get_ref()).for_each(|entry| reader.section(&mut config, entry));
        }
    }
    let mut errors = reader.errors.into_inner();
    errors.sort_by_key(|(position, _)| *position);
    if let Some(error) = ConfigError::of(name, errors) {
        return Err(error);
    }
    // The two defaults of `steal`: a multi_thread runtime that keeps a blocked worker's queue out of reach would
    // break what its flavor promises, so only a file that says so gets it.
    if config.has_default_steal() {
        config.scheduler.steal = Steal::All;
    }
    Ok(config)
}

/// Goes on after an error, so that a file is mended in one go.
struct Reader<'a> {
    text: &'a str,
    lines: Lines<'a>,
    errors: RefCell<Vec<(Position, String)>>,
}

impl Reader<'_> {
    fn section(&self, config: &mut Config, (section, place, value): Entry<'_, '_>) {
        let error = |message| self.error(place.start, message);
        let known = sections();
        if !known.contains(&section) {
            let accepted = known.join(", ");
            let is_table = |value: &Value<'_>| value.get_ref().is_table();
            let is_section =
                is_table(value) || value.get_ref().as_array().is_some_and(|a| a.iter().any(is_table));
            let (kind, hint) = match is_section {
                true => (
                    format!("unknown section [{}]", one_line(section)),
                    nearest(section, known.iter().copied()).map(header),
                ),
                false => (
                    format!("unknown key `{}` outside of the sections", one_line(section)),
                    nearest(section, every_key().map(|k| k.name)).map(with_sections),
                ),
            };
            let hint = hint.map(|hint| format!(" did you mean {hint}?")).unwrap_or_default();
            return error(format!("{kind};{hint} accepted sections: {accepted}"));
        }
        if section == "shard" {
            return self.shards(config, place.start, value);
        }
        match value.get_ref().as_table() {
            Some(table) => in_file_order(table).for_each(|entry| self.key(config, section, entry)),
            None => {
                error(format!("`{section}` must be a section: expected [{section}] on a line of its own"));
            }
        }
    }

    /// Each `[[shard]]`. Keys that are missing are found at once, and an `id` that was there before.
    fn shards(&self, config: &mut Config, start: usize, value: &Value<'_>) {
        let tables: Option<Vec<_>> = value.get_ref().as_array().and_then(|items| {
            items.iter().map(|item| Some((item.span(), item.get_ref().as_table()?))).collect()
        });
        let Some(tables) = tables else {
            return self.error(start, "`shard` must be a list: expected [[shard]] for each shard".into());
        };
        let mut ids = Vec::new();
        for (span, table) in tables {
            config.shard.push(ShardSettings::default());
            let errors = self.errors.borrow().len();
            in_file_order(table).for_each(|entry| self.key(config, "shard", entry));
            // One that is misspelt is there.
            let is_known = |name: &str| SHARD_KEYS.iter().any(|key| key.name == name);
            let misspelt = table.keys().any(|name| !is_known(name.get_ref()));
            for key in SHARD_KEYS.iter().filter(|key| !misspelt && !table.contains_key(key.name)) {
                let message = format!("[[shard]] has no `{}`: expected {}", key.name, key.accepts());
                self.error(span.start, message);
            }
            // An id that could not be read is none.
            let is_read = self.errors.borrow().len() == errors;
            let id = config.shard.last().map_or(0, |shard| shard.id);
            match (ids.binary_search(&id), table.get("id")) {
                (Err(free), Some(_)) if is_read => ids.insert(free, id),
                (Ok(_), Some(again)) if is_read => {
                    let message =
                        format!("[[shard]] id = {id}: there is one for this shard above; expected it once");
                    self.error(again.span().start, message);
                }
                _ => {}
            }
        }
    }

    fn key(&self, config: &mut Config, section: &str, (name, place, value): Entry<'_, '_>) {
        let Some(key) = every_key().find(|k| k.section == section && k.name == name) else {
            return self.error(place.start, unknown_key(section, name));
        };
        match key.read(config, value) {
            Ok(()) => {
                let at = |offset| self.lines.position(offset);
                let place = Spot {
                    file: config.origin.file.clone(),
                    position: at(value.span().start),
                    text: start_of_text(value).map(at),
                };
                config.origin.written.push(Written { key, place, value: key.value(config) });
            }
            Err(Wrong { span, message }) => {
                let found = if message.is_some() { value.span() } else { span.clone() };
                let found = one_line(&self.text[found]);
                let message = message.unwrap_or_else(|| format!("expected {}", key.accepts()));
                self.error(span.start, format!("{} {name} = {found}: {message}", header(section)));
            }
        }
    }

    fn error(&self, offset: usize, message: String) {
        self.errors.borrow_mut().push((self.lines.position(offset), message));
    }
}

/// The parser sorts by name.
fn in_file_order<'a, 'i>(table: &'a DeTable<'i>) -> impl Iterator<Item = Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().map(|(k, v)| (k.get_ref().as_ref(), k.span(), v)).collect();
    entries.sort_by_key(|(_, place, _)| place.start);
    entries.into_iter()
}

fn sections() -> Vec<&'static str> {
    let mut names: Vec<_> = every_key().map(|k| k.section).collect();
    names.dedup();
    names
}

fn every_key() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(SHARD_KEYS)
}

/// A section as it stands in a file.
fn header(section: &str) -> String {
    if section == "shard" { "[[shard]]".into() } else { format!("[{section}]") }
}

fn unknown_key(section: &str, name: &str) -> String {
    let here = || every_key().filter(|k| k.section == section);
    let accepted: Vec<_> = here().map(|k| k.name).collect();
    let elsewhere = every_key().any(|k| k.name == name).then(|| with_sections(name));
    let hint = elsewhere.or_else(|| nearest(name, here().map(|k| k.name)).map(|key| format!("`{key}`")));
    let hint = hint.map(|hint| format!(" did you mean {hint}?")).unwrap_or_default();
    let name = one_line(name);
    format!("unknown key `{name}` in {};{hint} accepted: {}", header(section), accepted.join(", "))
}

/// A key and the sections that have it, as a hint names them.
fn with_sections(name: &str) -> String {
    let has = |k: &&Key| k.name == name;
    let sections: Vec<_> = every_key().filter(has).map(|k| header(k.section)).collect();
    format!("`{name}` in {}", one_of(&sections))
}

/// The candidate that takes the fewest edits to reach, if those are few for the word's length.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (edits, candidate) = candidates.map(|c| (distance(word, c), c)).min_by_key(|(edits, _)| *edits)?;
    (edits <= candidate.len().div_ceil(3)).then_some(candidate)
}

/// Levenshtein's distance in characters, where upper and lower case and `-` and `_` count as the same.
fn distance(a: &str, b: &str) -> usize {
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let b: Vec<char> = b.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(fold).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The parser's message may have several lines and may be empty.
fn not_toml(message: &str) -> String {
    format!("not valid TOML: {}", message.lines().collect::<Vec<_>>().join(", "))
}

/// The text of a value, or a name, short enough for an error. A name may have control characters, which a terminal would obey.
fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let mut shown = String::new();
    for c in line.chars().take(CHARS_MAX) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    let is_all = line.len() == text.len() && line.chars().count() <= CHARS_MAX;
    if is_all { shown } else { shown + "…" }
}
