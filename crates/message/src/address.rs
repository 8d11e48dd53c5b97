//! Address lists as ENVELOPE tells them (RFC 9051 §7.5.2), from anything that stands in an address field.
//!
//! Knows RFC 5322 §3.4 and §4.4 (comments, quoted strings, groups, routes) and what is sent instead: missing angle
//! brackets, commas, domains or names, semicolons between addresses, encoded-words with commas in them.
//! Values are unquoted but not decoded.

use crate::lex::Cursor;
use crate::limits::{ADDRESSES_MAX, ENCODED_WORD_BYTES_MAX};

/// An address, or the start or the end of a group.
///
/// `host` is none only for groups, as IMAP demands: a group's start has its name in `mailbox`, its end has nothing at
/// all. An address without a domain has an empty `host`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name, else a comment; unquoted, encoded-words as sent.
    pub name: Option<Vec<u8>>,
    /// The obsolete source route: `@a,@b`.
    pub adl: Option<Vec<u8>>,
    /// The local part, unquoted; or the name of a group.
    pub mailbox: Option<Vec<u8>>,
    /// The domain.
    pub host: Option<Vec<u8>>,
}

impl Address {
    /// Whether this begins a group.
    #[must_use]
    pub(crate) fn is_group_start(&self) -> bool {
        self.host.is_none() && self.mailbox.is_some()
    }

    /// Whether this ends a group.
    #[must_use]
    pub(crate) fn is_group_end(&self) -> bool {
        self.host.is_none() && self.mailbox.is_none()
    }

    /// `mailbox@host` of an address that has both.
    #[must_use]
    pub fn addr_spec(&self) -> Option<Vec<u8>> {
        let (mailbox, host) = (self.mailbox.as_deref()?, self.host.as_deref()?);
        (!mailbox.is_empty() && !host.is_empty()).then(|| [mailbox, b"@", host].concat())
    }
}

/// Reads an unfolded address list; at most [`ADDRESSES_MAX`] entries, then the end of the last group.
#[must_use]
pub fn parse_list(value: &[u8]) -> Vec<Address> {
    let mut reader = Reader { cursor: Cursor::new(value), draft: Draft::default(), in_group: false, list: Vec::new() };
    while reader.list.len() < ADDRESSES_MAX && reader.step() {}
    if reader.list.len() < ADDRESSES_MAX {
        reader.finish();
    }
    reader.end_group();
    reader.list
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    draft: Draft,
    in_group: bool,
    list: Vec<Address>,
}

impl Reader<'_> {
    /// Reads one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(byte) = self.cursor.peek() else { return false };
        match byte {
            b'(' => {
                let comment = self.cursor.comment();
                self.draft.comment(comment);
            }
            b'"' => {
                let text = self.cursor.quoted();
                self.draft.quoted(&text);
            }
            b'=' => {
                let len = encoded_word_len(self.cursor.rest()).unwrap_or(1);
                self.draft.word(self.cursor.take(len));
            }
            b'[' if self.draft.expects_literal() => {
                let rest = self.cursor.rest();
                let len = rest.iter().position(|&byte| byte == b']').map_or(rest.len(), |at| at + 1);
                self.draft.word(self.cursor.take(len));
            }
            b'<' => {
                if self.draft.angle.is_some() {
                    self.finish();
                }
                self.draft.angle = Some(read_angle(&mut self.cursor));
            }
            _ => {
                self.cursor.skip(1);
                self.single(byte);
            }
        }
        true
    }

    fn single(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.draft.gap = true,
            b',' => self.finish(),
            b';' => {
                self.finish();
                self.end_group();
            }
            b':' if !self.in_group && self.draft.may_name_a_group() => {
                let name = std::mem::take(&mut self.draft).text;
                self.list.push(Address { mailbox: Some(name), ..Address::default() });
                self.in_group = true;
            }
            b'@' => {
                if let Some(next) = self.draft.split_off_next() {
                    self.finish();
                    self.draft = next;
                }
                self.draft.at_sign();
            }
            // Brackets and colons that open nothing.
            b'>' => {}
            b':' if self.draft.text.is_empty() => {}
            _ => self.draft.word(&[byte]),
        }
    }

    fn finish(&mut self) {
        self.list.extend(std::mem::take(&mut self.draft).finish());
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.list.push(Address::default());
        }
    }
}

/// An address of which we do not know yet whether its words are a display name or the address itself.
#[derive(Default)]
struct Draft {
    /// All words, unquoted, one space where white space was.
    text: Vec<u8>,
    /// Where in `text` the last word before the `@` begins: the local part, if there are no angle brackets.
    word_start: usize,
    /// Where the first unquoted `@` is.
    at: Option<usize>,
    /// Where the domain after it ended, if more words follow.
    host_end: Option<usize>,
    /// White space was read that is not in `text` yet.
    gap: bool,
    comment: Option<Vec<u8>>,
    angle: Option<Angle>,
}

impl Draft {
    fn word(&mut self, word: &[u8]) {
        if self.angle.is_some() {
            // Words after an angle address have no meaning.
            return;
        }
        if std::mem::take(&mut self.gap) && !self.text.is_empty() && !self.joins_host(word) {
            if self.at.is_some() {
                self.host_end = self.host_end.or(Some(self.text.len()));
            } else {
                self.word_start = self.text.len() + 1;
            }
            self.text.push(b' ');
        }
        self.text.extend_from_slice(word);
    }

    /// RFC 5322 §4.4: white space may stand around the `@` and the dots of a domain.
    fn joins_host(&self, word: &[u8]) -> bool {
        self.at.is_some() && self.host_end.is_none() && (word == b"." || matches!(self.text.last(), Some(b'@' | b'.')))
    }

    /// A quoted string is a word even when it is empty; after one, white space separates as usual.
    fn quoted(&mut self, text: &[u8]) {
        self.word(text);
    }

    fn at_sign(&mut self) {
        if self.at.is_none() && self.angle.is_none() {
            self.gap = false;
            self.at = Some(self.text.len());
        }
        self.word(b"@");
    }

    /// The last word as a draft of its own, where it stands after a whole address: a comma was forgotten.
    fn split_off_next(&mut self) -> Option<Self> {
        let host_end = self.host_end?;
        // A space stands at `host_end` and before the last word.
        let start = self.text.iter().rposition(|&byte| byte == b' ').filter(|&space| space >= host_end)? + 1;
        let text = self.text.split_off(start);
        Some(Self { text, ..Self::default() })
    }

    fn comment(&mut self, comment: Vec<u8>) {
        let comment = comment.trim_ascii();
        if !comment.is_empty() {
            self.comment = Some(comment.to_vec());
        }
        self.gap = true;
    }

    fn expects_literal(&self) -> bool {
        self.at.is_some() && self.text.last() == Some(&b'@')
    }

    fn may_name_a_group(&self) -> bool {
        self.at.is_none() && self.angle.is_none() && !self.text.is_empty()
    }

    fn finish(self) -> Option<Address> {
        let name = |text: &[u8], comment: Option<Vec<u8>>| {
            let text = text.trim_ascii();
            if text.is_empty() { comment } else { Some(text.to_vec()) }
        };
        if let Some(angle) = self.angle {
            return Some(Address {
                name: name(&self.text, self.comment),
                adl: angle.adl,
                mailbox: Some(angle.local),
                host: Some(angle.host),
            });
        }
        if self.text.is_empty() {
            return None;
        }
        let Some(at) = self.at else {
            let mailbox = Some(self.text);
            return Some(Address { name: self.comment, adl: None, mailbox, host: Some(Vec::new()) });
        };
        // `word_start <= at < host_end <= len`: the first two are set from growing lengths, in this order.
        let local = self.text.get(self.word_start..at).unwrap_or_default();
        let host = self.text.get(at + 1..self.host_end.unwrap_or(self.text.len())).unwrap_or_default();
        let before = self.text.get(..self.word_start).unwrap_or_default();
        Some(Address {
            name: name(before, self.comment),
            adl: None,
            mailbox: Some(local.to_vec()),
            host: Some(host.to_vec()),
        })
    }
}

/// What stands in angle brackets.
#[derive(Default)]
struct Angle {
    adl: Option<Vec<u8>>,
    local: Vec<u8>,
    host: Vec<u8>,
}

/// Reads from `<` to `>`; where that is missing, to the comma after a domain, or to the end.
fn read_angle(cursor: &mut Cursor<'_>) -> Angle {
    let mut angle = Angle::default();
    cursor.take_while(|byte| matches!(byte, b'<' | b' ' | b'\t'));
    if cursor.peek() == Some(b'@') {
        // RFC 5322 §4.4: obs-route.
        let rest = cursor.rest();
        if let Some(len) = rest.iter().position(|byte| matches!(byte, b':' | b'>')).filter(|&at| rest[at] == b':') {
            angle.adl = Some(cursor.take(len).iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect());
            cursor.skip(1);
        }
    }
    let mut text = Vec::new();
    let mut at = None;
    while let Some(byte) = cursor.peek() {
        match byte {
            b'"' => text.extend(cursor.quoted()),
            b'(' => {
                cursor.comment();
            }
            b',' if at.is_some() => break,
            b'>' => {
                cursor.skip(1);
                break;
            }
            _ => {
                cursor.skip(1);
                if byte == b'@' {
                    at = at.or(Some(text.len()));
                }
                if byte != b'<' {
                    text.push(byte);
                }
            }
        }
    }
    let (local, host) = match at {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text.as_slice(), b"".as_slice()),
    };
    angle.local = local.trim_ascii().to_vec();
    angle.host = host.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    angle
}

/// The length of the encoded-word that begins here: commas, colons and `@` inside it separate nothing.
fn encoded_word_len(rest: &[u8]) -> Option<usize> {
    let window = rest.get(..ENCODED_WORD_BYTES_MAX).unwrap_or(rest);
    let mut marks = 0;
    if !window.starts_with(b"=?") {
        return None;
    }
    for (at, &byte) in window.iter().enumerate() {
        match byte {
            b' ' | b'\t' | b'<' | b'>' | b'"' => return None,
            b'?' => {
                marks += 1;
                if marks >= 4 && window.get(at + 1) == Some(&b'=') {
                    return Some(at + 2);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|adl|mailbox|host`, `-` for none, one a line.
    fn shown(list: &[Address]) -> String {
        let piece = |value: &Option<Vec<u8>>| match value {
            Some(value) => String::from_utf8_lossy(value).into_owned(),
            None => "-".to_owned(),
        };
        let line = |a: &Address| [piece(&a.name), piece(&a.adl), piece(&a.mailbox), piece(&a.host)].join("|");
        list.iter().map(line).collect::<Vec<_>>().join(" / ")
    }

    fn check(input: &str, expected: &str) {
        assert_eq!(shown(&parse_list(input.as_bytes())), expected, "{input}");
    }

    #[test]
    fn addresses_as_the_rfc_has_them() {
        check("", "");
        check("a@b", "-|-|a|b");
        check("a@b, c@d", "-|-|a|b / -|-|c|d");
        check("Alice Bo <a@b>", "Alice Bo|-|a|b");
        check("\"Bo, Alice\" <a@b>", "Bo, Alice|-|a|b");
        check("\"A \\\"B\\\"\" <a@b>", "A \"B\"|-|a|b");
        check("a@b (Alice)", "Alice|-|a|b");
        check("(pre) Alice (mid) <a@b> (post)", "Alice|-|a|b");
        check("\"john doe\"@b", "-|-|john doe|b");
        check("<\"j@d\"@b>", "-|-|j@d|b");
        check("<@x,@y:a@b>", "-|@x,@y|a|b");
        check("a @ b . c", "-|-|a|b.c");
        check("a@[IPv6:::1]", "-|-|a|[IPv6:::1]");
        check("=?utf-8?Q?a,_b?= <a@b>", "=?utf-8?Q?a,_b?=|-|a|b");
        check("J\u{e9} <a@b>", "J\u{e9}|-|a|b");
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        check("Team: a@b, C <c@d>;", "-|-|Team|- / -|-|a|b / C|-|c|d / -|-|-|-");
        check("undisclosed-recipients:;", "-|-|undisclosed-recipients|- / -|-|-|-");
        check("A Team: a@b", "-|-|A Team|- / -|-|a|b / -|-|-|-");
        check("G:a@b;, c@d", "-|-|G|- / -|-|a|b / -|-|-|- / -|-|c|d");
    }

    #[test]
    fn addresses_as_they_are_sent() {
        check("alice", "-|-|alice|");
        check("Alice <bob>", "Alice|-|bob|");
        check("Mailer <>", "Mailer|-||");
        check("Alice <a@b", "Alice|-|a|b");
        check("Alice <a@b, Bob <c@d>", "Alice|-|a|b / Bob|-|c|d");
        check("Alice a@b", "Alice|-|a|b");
        check("a@b <a@b>", "a@b|-|a|b");
        check("a@b; c@d", "-|-|a|b / -|-|c|d");
        check("<a@b> <c@d>", "-|-|a|b / -|-|c|d");
        check("a@b c@d e@f", "-|-|a|b / -|-|c|d / -|-|e|f");
        check("a@b Alice c@d", "-|-|a|b / -|-|c|d");
        check("a@b@c", "-|-|a|b@c");
        check("<<a@b>>", "-|-|a|b");
        check("< a@b >", "-|-|a|b");
        check(",, a@b ,", "-|-|a|b");
        check("@b", "-|-||b");
        check("a@", "-|-|a|");
        check("[x] y <a@b>", "[x] y|-|a|b");
        check("\"open <a@b>", "-|-|open <a@b>|");
        check(": a@b", "-|-|a|b");
    }

    #[test]
    fn lists_end_at_the_limit() {
        let list = |count| parse_list("a@b,".repeat(count).as_bytes()).len();
        assert_eq!(list(ADDRESSES_MAX), ADDRESSES_MAX);
        assert_eq!(list(ADDRESSES_MAX + 1), ADDRESSES_MAX);
        assert_eq!(parse_list(format!("g:{}", "a@b,".repeat(ADDRESSES_MAX)).as_bytes()).len(), ADDRESSES_MAX + 1);
    }
}
