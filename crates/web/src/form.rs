//! Fields: what stands in a query, in a form or in a flat JSON object, by name.

use crate::problem::Problem;
use message::percent;
use serde_json::{Map, Value};
use std::str::FromStr;

/// At most so many; a page of ours has fewer.
const FIELDS_MAX: usize = 200;

/// Names and values, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `application/x-www-form-urlencoded`, in a query or a body.
    pub(crate) fn urlencoded(text: &[u8]) -> Result<Self, Problem> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let pair = |pair: &[u8]| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            Some((decoded(halves.next()?)?, decoded(halves.next().unwrap_or_default())?))
        };
        let fields: Option<Vec<_>> = pairs.take(FIELDS_MAX + 1).map(pair).collect();
        fields.and_then(Self::few).ok_or_else(|| Problem::bad(tr!("the form is not one of ours")))
    }

    /// A flat JSON object; nothing at all is an empty one.
    pub(crate) fn json(text: &[u8]) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(text) else { return Err(not_flat()) };
        Self::of(object)
    }

    /// A flat JSON object.
    pub(crate) fn of(object: Map<String, Value>) -> Result<Self, Problem> {
        let field = |(name, value): (String, Value)| match value {
            Value::Null => Some(None),
            Value::Bool(value) => Some(Some((name, value.to_string()))),
            Value::Number(value) => Some(Some((name, value.to_string()))),
            Value::String(value) => Some(Some((name, value))),
            Value::Array(_) | Value::Object(_) => None,
        };
        let fields: Option<Vec<_>> = object.into_iter().map(field).collect();
        fields.map(|fields| fields.into_iter().flatten().collect()).and_then(Self::few).ok_or_else(not_flat)
    }

    fn few(fields: Vec<(String, String)>) -> Option<Self> {
        (fields.len() <= FIELDS_MAX).then_some(Self(fields))
    }

    /// The value of a field, without blanks around it; a field that is not there is empty.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value as it was typed: for passwords.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    /// The value, unless it is empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// An address whose part after the `@` may stand in a field of its own.
    pub(crate) fn address(&self, name: &str, domain: &str) -> String {
        match (self.text(name), self.optional(domain)) {
            (address, Some(domain)) if !address.contains('@') => format!("{address}@{domain}"),
            (address, _) => address.to_owned(),
        }
    }

    /// A box that is ticked, or `true`. A form sends nothing for a box that is not; so ours have a hidden `false` before it.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.trim());
        values.any(|value| matches!(value, "on" | "true" | "yes" | "1"))
    }

    /// What a box says, if it was sent at all.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.has(name).then(|| self.is_on(name))
    }

    /// Whether the field was sent at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// A number, if one was given.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::bad(tr!("“{name}” must be a number", name)))
    }
}

fn not_flat() -> Problem {
    Problem::bad(tr!("the body must be a JSON object whose values are text, numbers, true or false"))
}

/// `None`: an escape that is none, or no UTF-8.
fn decoded(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|octet| if *octet == b'+' { b' ' } else { *octet }).collect();
    String::from_utf8(percent::decode(&spaced)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_objects_are_read_alike() {
        let form = Fields::urlencoded(b"name=Old+PC%21&on=on&days=30&empty=&pass=%20x%20&lone").unwrap();
        let json =
            Fields::json(br#"{"name":"Old PC!","on":true,"days":30,"empty":"","pass":" x ","none":null}"#).unwrap();
        for fields in [form, json] {
            assert_eq!(
                (fields.text("name"), fields.is_on("on"), fields.number("days").unwrap()),
                ("Old PC!", true, Some(30))
            );
            assert_eq!((fields.optional("empty"), fields.has("empty"), fields.has("none")), (None, true, false));
            assert_eq!((fields.text("pass"), fields.raw("pass")), ("x", " x "));
            assert!(fields.number::<u8>("name").is_err());
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"\xff=a"] {
            assert!(Fields::urlencoded(bad).is_err(), "{bad:?}");
        }
        for bad in [&b"["[..], b"[]", b"1", br#"{"a":[]}"#, br#"{"a":{}}"#, b"\xff"] {
            assert!(Fields::json(bad).is_err(), "{bad:?}");
        }
        let many = |count: usize| vec!["a=b"; count].join("&");
        assert!(Fields::urlencoded(many(FIELDS_MAX).as_bytes()).is_ok());
        assert!(Fields::urlencoded(many(FIELDS_MAX + 1).as_bytes()).is_err());
    }
}
