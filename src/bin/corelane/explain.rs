//! `corelane explain`: what the table of keys says.

use std::fmt::Write as _;

use corelane::config::{Config, Key, find_keys, keys, shard_keys};

use crate::answer::{Answer, Refusal};
use crate::text::{pad, width, wrap};

pub fn explain(word: Option<&str>) -> Result<Answer, Refusal> {
    let Some(word) = word else { return Ok(list().into()) };
    let found = find_keys(word)
        .map_err(|message| Refusal::bad(format!("error: {message}\n`corelane explain` lists all keys")))?;
    let texts: Vec<String> = found.into_iter().map(one).collect();
    Ok(texts.join("\n").into())
}

fn one(key: &Key) -> String {
    let of_a_shard = is_of_a_shard(key);
    let mut out = format!("{} {}\n\n", section_of(key), key.name);
    let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
    wrap(&mut out, "  ", 2, &doc.join(" "));
    out.push('\n');
    wrap(&mut out, "  takes    ", 11, &key.accepts());
    let value = if of_a_shard { "  example  " } else { "  default  " };
    wrap(&mut out, value, 11, &key.value(&Config::default()));
    out += if key.is_live() {
        "  changes  while running: see `reload`\n"
    } else {
        "  changes  with a restart\n"
    };
    out
}

/// These have no defaults: a shard that is not told anything has no `[[shard]]`.
fn is_of_a_shard(key: &Key) -> bool {
    shard_keys().iter().any(|other| other.section == key.section)
}

fn section_of(key: &Key) -> String {
    if is_of_a_shard(key) { format!("[[{}]]", key.section) } else { format!("[{}]", key.section) }
}

fn list() -> String {
    let default = Config::default();
    let column = keys().iter().map(|key| width(key.name)).max().unwrap_or(0) + 3;
    let mut out = String::new();
    let mut section = "";
    for key in keys().iter().chain(shard_keys()) {
        if key.section != section {
            let _ = writeln!(out, "{}{}", if section.is_empty() { "" } else { "\n" }, section_of(key));
            section = key.section;
        }
        let _ = writeln!(out, "  {}{}", pad(key.name, column), key.value(&default));
    }
    out + "\nEach with its default, those of [[shard]] with an example. What one does:\n`corelane explain KEY`\n"
}
