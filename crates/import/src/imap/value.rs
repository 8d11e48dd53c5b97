//! The grammar of responses as a tree (RFC 9051 §9), read generously: servers have their own ideas of it.

use super::reader::Part;

/// Lists within lists; no response of ours has more than a few.
const DEPTH_MAX: usize = 16;
/// Values of a response; none of ours has more.
const VALUES_MAX: usize = 100_000;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `NIL`
    Nil,
    /// A word without quotes: an atom, a number, a flag, `BODY[]`.
    Atom(Vec<u8>),
    /// A string, quoted or a literal.
    Text(Vec<u8>),
    /// A literal that was passed over.
    TooLarge,
    /// What stands in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// A word or a string.
    pub(super) fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(octets) | Self::Text(octets) => Some(octets),
            Self::Nil | Self::TooLarge | Self::List(_) => None,
        }
    }

    /// What stands in parentheses; nothing else has anything in it.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Nil | Self::Atom(_) | Self::Text(_) | Self::TooLarge => &[],
        }
    }
}

/// The values of a response; `None`: it is none.
pub(super) fn parse(parts: Vec<Part>) -> Option<Vec<Value>> {
    let (mut open, mut values) = (vec![Vec::new()], 0);
    for part in parts {
        match part {
            Part::Literal(octets) => open.last_mut()?.push(Value::Text(octets)),
            Part::TooLarge => open.last_mut()?.push(Value::TooLarge),
            Part::Text(text) => read(&text, &mut open, &mut values)?,
        }
    }
    let all = open.pop()?;
    open.is_empty().then_some(all)
}

fn read(mut rest: &[u8], open: &mut Vec<Vec<Value>>, values: &mut usize) -> Option<()> {
    while let [first, tail @ ..] = rest {
        *values += 1;
        if *values > VALUES_MAX {
            return None;
        }
        rest = match first {
            b' ' => tail,
            b'(' if open.len() > DEPTH_MAX => return None,
            b'(' => {
                open.push(Vec::new());
                tail
            }
            b')' => {
                let list = open.pop()?;
                open.last_mut()?.push(Value::List(list));
                tail
            }
            b'"' => {
                let (text, tail) = quoted(tail)?;
                open.last_mut()?.push(Value::Text(text));
                tail
            }
            _ => {
                let (atom, tail) = rest.split_at(atom_bytes(rest));
                let value = if atom.eq_ignore_ascii_case(b"NIL") { Value::Nil } else { Value::Atom(atom.to_vec()) };
                open.last_mut()?.push(value);
                tail
            }
        };
    }
    Some(())
}

fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut read = Vec::new();
    let mut octets = text.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => return Some((read, text.get(at + 1..)?)),
            b'\\' => read.push(*octets.next()?.1),
            _ => read.push(*octet),
        }
    }
    None
}

/// What stands in brackets belongs to the word: `BODY[HEADER.FIELDS (DATE)]`.
fn atom_bytes(text: &[u8]) -> usize {
    let mut is_in_brackets = false;
    let ends = |octet: &u8| {
        match octet {
            b'[' => is_in_brackets = true,
            b']' => is_in_brackets = false,
            _ => {}
        }
        !is_in_brackets && matches!(octet, b' ' | b'(' | b')' | b'"')
    };
    text.iter().position(ends).unwrap_or(text.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<Value>> {
        parse(vec![Part::Text(text.as_bytes().to_vec())])
    }

    fn atom(text: &str) -> Value {
        Value::Atom(text.as_bytes().to_vec())
    }

    #[test]
    fn values_are_read() {
        let expected = vec![
            atom("*"),
            atom("12"),
            atom("FETCH"),
            Value::List(vec![
                atom("BODY[HEADER.FIELDS (X)]"),
                Value::Nil,
                Value::List(vec![atom("\\Seen"), atom("a[b]")]),
                Value::Text(b"q\"\\ ".to_vec()),
            ]),
        ];
        let text = "* 12 FETCH (BODY[HEADER.FIELDS (X)] nil (\\Seen a[b]) \"q\\\"\\\\ \")";
        assert_eq!(parsed(text), Some(expected));
        for text in ["(", ")", "\"a", "\"a\\"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn lists_and_values_have_limits() {
        let nested = |depth: usize| parsed(&format!("{}{}", "(".repeat(depth), ")".repeat(depth))).is_some();
        assert!(nested(DEPTH_MAX) && !nested(DEPTH_MAX + 1));
        assert!(parsed(&"(".repeat(10_000_000)).is_none());
        assert!(parsed(&"a".repeat(VALUES_MAX + 1)).is_some());
        assert!(parsed(&"\"\"".repeat(VALUES_MAX)).is_some() && parsed(&"\"\"".repeat(VALUES_MAX + 1)).is_none());
    }
}
