//! Whether HTML is what the cleaner may write, told by rules that are stricter than those of HTML, and by other code.

use super::allowed::{self, Kind};
use super::link::Link;
use super::text_of_value;

/// # Errors
/// A sentence about the first thing that the cleaner may not write.
pub(crate) fn is_clean(html: &str) -> Result<(), String> {
    let (mut rest, mut open) = (html, Vec::new());
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at(at);
        no_bare_end(text)?;
        let (inside, after) = markup
            .get(1..)
            .and_then(|inside| inside.split_once('>'))
            .ok_or_else(|| format!("a tag has no end: {markup:?}"))?;
        rest = after;
        let (name, attributes) = inside.split_at(inside.find(' ').unwrap_or(inside.len()));
        let (is_end, name) = name.strip_prefix('/').map_or((false, name), |name| (true, name));
        let element = allowed::element(name).filter(|element| element.kind != Kind::Formatting);
        let element = element.ok_or_else(|| format!("{name} is no element that is shown"))?;
        if is_end && open.pop() != Some(name) {
            return Err(format!("{name} ends, which is not open"));
        }
        // What is of the page ends with it.
        if !is_end && !matches!(element.kind, Kind::Void | Kind::Picture | Kind::Body) {
            open.push(name);
        }
        if is_end && !attributes.is_empty() {
            return Err(format!("the end of {name} has attributes"));
        }
        are_clean(name, attributes)?;
    }
    no_bare_end(rest)?;
    open.pop().map_or(Ok(()), |name| Err(format!("{name} is open at the end")))
}

fn no_bare_end(text: &str) -> Result<(), String> {
    if text.contains('>') { Err(format!("a bare > in {text:?}")) } else { Ok(()) }
}

fn are_clean(name: &str, mut attributes: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    while !attributes.is_empty() {
        let odd = || format!("the attributes of {name} are odd: {attributes:?}");
        let (attribute, after) =
            attributes.strip_prefix(' ').and_then(|from| from.split_once("=\"")).ok_or_else(odd)?;
        let (value, after) = after.split_once('"').ok_or_else(odd)?;
        if seen.contains(&attribute) {
            return Err(format!("{name} has {attribute} twice"));
        }
        seen.push(attribute);
        let value = text_of_value(value);
        is_known(name, attribute, &value).map_err(|()| format!("{attribute}={value:?} in {name}"))?;
        attributes = after;
    }
    Ok(())
}

fn is_known(name: &str, attribute: &str, value: &str) -> Result<(), ()> {
    let is_known = match (name, attribute) {
        ("a", "href" | "title") => Link::to(value).is_some_and(|link| link.target == value),
        ("a", "target") => value == "_blank",
        ("a", "rel") => value == "noopener noreferrer nofollow",
        ("a", "data-to") => !value.is_empty(),
        ("div", "data-part") => value.is_empty(),
        ("img", "src") => value.starts_with("data:image/"),
        // What is let through is let through again as it is.
        _ => allowed::attribute(name, attribute, value, &mut 0).is_some_and(|(_, again)| again == value),
    };
    if is_known { Ok(()) } else { Err(()) }
}
