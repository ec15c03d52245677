//! Is a text well-formed XML? Enough of the grammar for files of elements, attributes and text.

/// The names of the elements in the order they begin, or what is wrong.
pub fn elements(text: &str) -> Result<Vec<String>, String> {
    let (mut names, mut open) = (Vec::new(), Vec::<String>::new());
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        if !names.is_empty() && open.is_empty() {
            return Err(format!("after the root: {:.40}", rest));
        }
        let (before, tag) = rest.split_once('<').ok_or("text outside of elements")?;
        characters(before)?;
        let (tag, after) = tag.split_once('>').ok_or("a tag without end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes what is not open"));
            }
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("not the name of an element: {name:?}"));
        }
        self::attributes(attributes).map_err(|error| format!("<{tag}>: {error}"))?;
        names.push(name.to_owned());
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    if open.is_empty() && !names.is_empty() { Ok(names) } else { Err(format!("not closed: {open:?}")) }
}

fn attributes(text: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or_else(|| format!("not an attribute: {rest:?}"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("no end of {name}"))?;
        if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-') || seen.contains(&name) {
            return Err(format!("a wrong or second {name:?}"));
        }
        characters(value)?;
        seen.push(name);
        rest = after.trim_start();
    }
    Ok(())
}

fn characters(text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
        return Err(format!("{c:?} cannot be in XML"));
    }
    for reference in text.split('&').skip(1) {
        let name = reference.split_once(';').map(|(name, _)| name);
        if !matches!(name, Some("amp" | "lt" | "gt" | "quot")) {
            return Err(format!("not a reference: &{reference:.10}"));
        }
    }
    Ok(())
}

#[test]
fn tells_right_from_wrong() {
    assert_eq!(elements("<a x=\"1\"><b/>t &amp; u<b>v</b></a>\n").unwrap(), ["a", "b", "b"]);
    for wrong in [
        "",
        "a",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a x=1/>",
        "<a x=\"&\"/>",
        "<a>&lt</a>",
        "<a>\u{1}</a>",
        "<a x=\"\" x=\"\"/>",
    ] {
        assert!(elements(wrong).is_err(), "{wrong:?}");
    }
}
