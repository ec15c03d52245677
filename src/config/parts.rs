//! CPUs by the parts of the machine they are in: `numa:0.core:0-3.pu:0`.
//!
//! Here: the words. Not here: what they mean on a machine (`topology/parts.rs`).
//!
//! ```text
//! parts    path, then more of them after spaces or a comma
//! path     step, then more of them after a dot, each further in
//! step     level ":" ("all" | index, then more of them after commas)
//! level    "package" | "numa" | "llc" | "core" | "pu"
//! index    N | N-M, counted from 0 within the part before
//! ```
//! A comma before a digit belongs to the indexes. So `core:0,2.pu:0,numa:1` has two paths.

use std::fmt;

use super::cpu_list::CpuList;
use super::value::one_of;

/// Parts of a machine, as `numa:0.core:0-3.pu:0`: the first hardware thread of each of the first four cores of the first node.
///
/// The levels are `package`, `numa`, `llc` (last-level cache), `core` and `pu` (a CPU: a hardware thread). After each
/// stand indexes, `0-3,8` or `all`, that count the parts of *that* part from 0, in the order of their lowest CPUs, as `hwloc-calc`
/// counts them. They are no numbers of sysfs. CPUs that are offline are not counted; those that the process may not use are, so that a
/// file means the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    text: String,
    pub(crate) paths: Vec<Vec<Step>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) level: Level,
    /// `None`: all.
    pub(crate) indexes: Option<CpuList>,
    /// Where it stands in the text.
    pub(crate) offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Package,
    Numa,
    Llc,
    Core,
    Pu,
}

/// Where a text is wrong, and how.
#[derive(Debug)]
pub(crate) struct WrongPart {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Level {
    const ALL: [Level; 5] = [Level::Package, Level::Numa, Level::Llc, Level::Core, Level::Pu];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Numa => "numa",
            Self::Llc => "llc",
            Self::Core => "core",
            Self::Pu => "pu",
        }
    }
}

impl Parts {
    /// Reads `numa:0.core:0-3.pu:0`. `None` when the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text).ok()
    }

    pub(crate) fn read(text: &str) -> Result<Self, WrongPart> {
        // Text that is shown and written again as it is: on one line, and as many columns as bytes.
        if let Some((offset, odd)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic() && *c != ' ') {
            return Err(WrongPart {
                offset,
                message: format!("{odd:?} has no meaning here; expected a space or a comma"),
            });
        }
        let mut paths = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = end_of_path(text, start);
            if end > start {
                paths.push(path(&text[start..end], start)?);
            }
            start = end + 1;
        }
        if paths.is_empty() {
            return Err(WrongPart { offset: 0, message: format!("expected {}", levels(None)) });
        }
        Ok(Self { text: text.into(), paths })
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.indexes {
            Some(indexes) => write!(f, "{}:{indexes}", self.level.name()),
            None => write!(f, "{}:all", self.level.name()),
        }
    }
}

/// The next separator: a space, or a comma that no digit follows.
fn end_of_path(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let separates = |at: &usize| match bytes[*at] {
        b' ' => true,
        b',' => !bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    (start..text.len()).find(separates).unwrap_or(text.len())
}

fn path(text: &str, start: usize) -> Result<Vec<Step>, WrongPart> {
    let mut steps: Vec<Step> = Vec::new();
    let mut offset = start;
    for step in text.split('.') {
        let wrong = |message| WrongPart { offset, message };
        let (name, indexes) = step.split_once(':').map_or((step, None), |(name, rest)| (name, Some(rest)));
        let outer = steps.last().map(|step| step.level);
        let Some(level) = Level::ALL.into_iter().find(|level| level.name() == name) else {
            return Err(wrong(format!("no level is called {name:?}; expected {}", levels(outer))));
        };
        if let Some(outer) = outer.filter(|outer| *outer >= level) {
            let message =
                format!("{name:?} is not a part of {:?}; expected {}", outer.name(), levels(Some(outer)));
            return Err(wrong(message));
        }
        let indexes = match indexes {
            Some("all") => None,
            Some(text) => match CpuList::parse(text).filter(|list| !list.is_empty()) {
                Some(list) => Some(list),
                None => {
                    let offset = offset + name.len() + 1;
                    let message =
                        format!("{text:?} is no index; expected \"all\", or numbers from 0 such as 0-3,8");
                    return Err(WrongPart { offset, message });
                }
            },
            None => {
                return Err(wrong(format!(
                    "{name:?} has no index; expected {name}:0, {name}:0-3 or {name}:all"
                )));
            }
        };
        steps.push(Step { level, indexes, offset });
        offset += step.len() + 1;
    }
    Ok(steps)
}

/// The levels that may stand within one.
fn levels(outer: Option<Level>) -> String {
    let within = Level::ALL.into_iter().filter(|level| outer.is_none_or(|outer| *level > outer));
    match &within.map(|level| level.name().to_owned()).collect::<Vec<_>>()[..] {
        [] => "nothing after \"pu\"".into(),
        names => one_of(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_paths() {
        for (text, steps) in [
            ("pu:0", &["pu:0"][..]),
            ("numa:0.core:0-3.pu:0", &["numa:0", "core:0-3", "pu:0"]),
            ("package:all.llc:1,3", &["package:all", "llc:1,3"]),
            ("core:0,2.pu:0,numa:1", &["core:0,2", "pu:0", "numa:1"]),
            ("core:0 core:3,  core:1", &["core:0", "core:3", "core:1"]),
        ] {
            let parts = Parts::read(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(parts.to_string(), text);
            let shown: Vec<_> = parts.paths.iter().flatten().map(Step::to_string).collect();
            assert_eq!(shown, steps, "{text}");
            for step in parts.paths.iter().flatten() {
                assert!(text[step.offset..].starts_with(step.level.name()), "{text}");
            }
        }
    }
}
