//! Machines and plans as JSON: the library's types, field by field.

use serde::Serialize;

use crate::answer::Refusal;

pub fn show(value: &impl Serialize) -> Result<String, Refusal> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Refusal::bad(format!("error: {error}")))?;
    Ok(text + "\n")
}
