//! Which keys a word means.

use super::keys::{KEYS, Key, SHARD_KEYS};
use super::read::nearest;
use super::value::one_of;

/// The keys that a user means by `pin`, `placement.pin`, or `placement` for a whole section; at least one. A name that
/// stands in several sections means each of them.
///
/// # Errors
///
/// When there is no such key or section: a sentence with the nearest one, or with the sections if none is near.
///
/// # Examples
///
/// ```
/// use corelane::config::find_keys;
///
/// assert_eq!(find_keys("placement.pin").unwrap()[0].name, "pin");
/// assert_eq!(find_keys("max_thread").unwrap_err(), "unknown key `max_thread`; did you mean `blocking.max_threads`?");
/// ```
pub fn find_keys(word: &str) -> Result<Vec<&'static Key>, String> {
    let all = || KEYS.iter().chain(SHARD_KEYS);
    let means = |key: &&Key| match word.split_once('.') {
        Some((section, name)) => section == key.section && name == key.name,
        None => word == key.name || word.trim_matches(['[', ']']) == key.section,
    };
    let found: Vec<&Key> = all().filter(means).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let (section, name) = word.split_once('.').map_or((None, word), |(section, name)| (Some(section), name));
    let here = || all().filter(|key| section.is_none_or(|section| section == key.section));
    let full = |key: &Key| format!("`{}.{}`", key.section, key.name);
    let mut sections: Vec<&str> = all().map(|key| key.section).collect();
    sections.dedup();
    // A key of another section, or of a misspelt one, is meant more often than a misspelt key.
    let near = all().find(|key| key.name == name).map(|key| key.name);
    let near = near.or_else(|| nearest(name, here().map(|key| key.name)));
    if let Some(near) = near {
        let keys: Vec<String> = all().filter(|key| key.name == near).map(full).collect();
        return Err(format!("unknown key `{word}`; did you mean {}?", one_of(&keys)));
    }
    if let Some(near) = nearest(word, sections.iter().copied()) {
        return Err(format!("unknown key `{word}`; did you mean the section `{near}`?"));
    }
    Err(format!("unknown key `{word}`; the sections are {}", sections.join(", ")))
}
