//! Changes of a header that filters ask for.

use message::header;

/// A field that a filter writes has at most so many octets.
const FIELD_BYTES_MAX: usize = 16 * 1024;
/// So many changes filters may ask for, each.
pub(crate) const EDITS_MAX: usize = 100;

/// A change of a header. Its name and its value are what may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A field at the end.
    Append(Field),
    /// A field before that many others.
    Insert(usize, Field),
    /// The n-th field of that name, counted from one, gets another value; without one of them it is appended.
    Change(usize, Field),
    /// The n-th field of that name goes; with 0 all of them.
    Remove(usize, String),
}

/// A field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    /// Folded with CRLF; it begins behind the colon.
    value: Vec<u8>,
}

impl Field {
    /// `None`: that may not stand in a header.
    fn new(name: &str, value: &[u8]) -> Option<Self> {
        if !is_name(name) || name.len() + value.len() > FIELD_BYTES_MAX {
            return None;
        }
        let mut folded = Vec::with_capacity(value.len() + 1);
        if !value.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
            folded.push(b' ');
        }
        let lines = value.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
        for (at, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            if at > 0 {
                folded.extend_from_slice(b"\r\n");
                // A line that begins with anything else would be a field of its own, or the end of the header.
                folded.extend_from_slice(if matches!(line.first(), Some(b' ' | b'\t')) { b"" } else { b"\t" });
            }
            folded.extend(line.iter().filter(|octet| !matches!(octet, 0 | b'\r')));
        }
        Some(Self { name: name.to_owned(), value: folded })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// RFC 5322 §2.2, of a length that is sane.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':')
}

impl Edit {
    /// A field at the end; `None` if it may not stand in a header.
    pub(crate) fn append(name: &str, value: &[u8]) -> Option<Self> {
        Field::new(name, value).map(Self::Append)
    }

    pub(crate) fn insert(at: usize, name: &str, value: &[u8]) -> Option<Self> {
        Some(Self::Insert(at, Field::new(name, value)?))
    }

    /// An empty value removes the field.
    pub(crate) fn change(nth: usize, name: &str, value: &[u8]) -> Option<Self> {
        match value.is_empty() {
            true => is_name(name).then(|| Self::Remove(nth, name.to_owned())),
            false => Field::new(name, value).map(|field| Self::Change(nth.max(1), field)),
        }
    }

    /// The message with the change made.
    #[must_use]
    pub fn apply(&self, content: &[u8]) -> Vec<u8> {
        let (mut kept, mut from) = (Vec::with_capacity(content.len() + 1024), 0);
        let (mut seen, mut at, mut is_done) = (0_usize, 0_usize, false);
        let mut upto = |kept: &mut Vec<u8>, to: usize, then: usize| {
            kept.extend_from_slice(content.get(from..to).unwrap_or_default());
            from = then;
        };
        for field in header::fields(content) {
            match self {
                Self::Insert(before, new) if at == *before => {
                    upto(&mut kept, field.span.start, field.span.start);
                    new.write(&mut kept);
                    is_done = true;
                }
                Self::Change(nth, new) if field.is(&new.name) => {
                    seen += 1;
                    if seen == *nth {
                        upto(&mut kept, field.span.start, field.span.end);
                        new.write(&mut kept);
                        is_done = true;
                    }
                }
                Self::Remove(nth, name) if field.is(name) => {
                    seen += 1;
                    if *nth == 0 || seen == *nth {
                        upto(&mut kept, field.span.start, field.span.end);
                    }
                }
                Self::Append(_) | Self::Insert(..) | Self::Change(..) | Self::Remove(..) => {}
            }
            at += 1;
        }
        match self {
            Self::Append(new) | Self::Insert(_, new) | Self::Change(_, new) if !is_done => {
                let end = header::fields(content).last().map_or(0, |field| field.span.end);
                upto(&mut kept, end, end);
                new.write(&mut kept);
            }
            Self::Append(_) | Self::Insert(..) | Self::Change(..) | Self::Remove(..) => {}
        }
        upto(&mut kept, content.len(), content.len());
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = "A: 1\r\nB: 2\r\n\tfolded\r\na: 3\r\n\r\nA: text\r\n";

    fn check(edit: Option<Edit>, header: &str) {
        let edited = edit.unwrap().apply(CONTENT.as_bytes());
        assert_eq!(String::from_utf8(edited).unwrap(), format!("{header}\r\nA: text\r\n"));
    }

    #[test]
    fn fields_come_change_and_go() {
        let (a, b, c) = ("A: 1\r\n", "B: 2\r\n\tfolded\r\n", "a: 3\r\n");
        check(Edit::append("X", b"y"), &[a, b, c, "X: y\r\n"].concat());
        check(Edit::insert(0, "X", b"y"), &["X: y\r\n", a, b, c].concat());
        check(Edit::insert(2, "X", b"y"), &[a, b, "X: y\r\n", c].concat());
        check(Edit::insert(9, "X", b"y"), &[a, b, c, "X: y\r\n"].concat());
        check(Edit::change(2, "A", b"y"), &[a, b, "A: y\r\n"].concat());
        check(Edit::change(3, "A", b"y"), &[a, b, c, "A: y\r\n"].concat());
        check(Edit::change(1, "b", b""), &[a, c].concat());
        check(Edit::change(0, "a", b""), b);
    }

    #[test]
    fn what_would_end_the_header_does_not_stand_in_it() {
        check(Edit::change(1, "B", b"x\ny\r\n z\n\nW: v\0"), "A: 1\r\nB: x\r\n\ty\r\n z\r\n\tW: v\r\na: 3\r\n");
        for name in ["", "A B", "A:", "A\r\nB", "\u{e9}", &"x".repeat(101)] {
            assert_eq!(Edit::append(name, b"x"), None, "{name:?}");
        }
        assert_eq!(Edit::append("A", &[b'x'; FIELD_BYTES_MAX]), None);
    }

    #[test]
    fn a_message_without_a_header_gets_one() {
        let edit = Edit::append("X", b"y").unwrap();
        assert_eq!(edit.apply(b"\r\ntext\r\n"), b"X: y\r\n\r\ntext\r\n");
        assert_eq!(edit.apply(b""), b"X: y\r\n");
    }
}
