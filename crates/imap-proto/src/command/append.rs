//! APPEND (RFC 9051 §6.3.12), with UTF8 data (RFC 6855 §4) and literal8.

use std::fmt;

use super::Command;
use crate::cursor::{Cursor, Literal, Parse};
use crate::datetime::DateTime;
use crate::flag::Flag;
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::Reason;

/// A message to be put into a mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// The flags it shall have.
    pub flags: Vec<Flag>,
    /// Its internal date, if the client gave one.
    pub date: Option<DateTime>,
    /// The octets as sent, without those that were given away before ([`Event::Octets`](crate::Event::Octets)).
    pub message: Vec<u8>,
    /// How they were sent.
    pub data: AppendData,
    /// What a message is put together of, in this order; the octets of [`CatenatePart::Text`] are `message`.
    pub parts: Vec<CatenatePart>,
    /// The parts that follow come with another [`Event::Message`](crate::Event::Message), or with the command.
    pub goes_on: bool,
    /// Other messages of the command, which come before this one and have not come yet.
    pub before: Vec<Self>,
}

/// A part of a message that is put together (RFC 4469 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatenatePart {
    /// What came with the command: `message`. Only one is told at a time.
    Text,
    /// The address of a message that is here, or of a part of one, as the client wrote it.
    Url(String),
}

/// How the message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendData {
    /// A literal.
    Literal,
    /// A literal8: may have NULs (RFC 9051 §6.3.12, RFC 3516 §4.4).
    Literal8,
    /// `UTF8 (~{…}`: headers in UTF-8; only after ENABLE UTF8=ACCEPT (RFC 6855 §4).
    Utf8,
    /// `CATENATE (…)` (RFC 4469)
    Catenate,
}

/// The message of an APPEND as it stands in the command.
struct Data {
    message: Vec<u8>,
    data: AppendData,
    parts: Vec<CatenatePart>,
    goes_on: bool,
}

impl Append {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = cursor.mailbox()?;
        cursor.space()?;
        let mut append = Self::message(mailbox, cursor)?;
        // RFC 3502 §6.3.11: what has no text comes together with others.
        while cursor.more() && begins_message(cursor) {
            let mut before = std::mem::take(&mut append.before);
            if before.len() == cursor.limits.items_max {
                return Err(Reason::TooMany);
            }
            let next = Self::message(append.mailbox.clone(), cursor)?;
            before.push(append);
            append = Self { before, ..next };
        }
        Ok(append)
    }

    fn message(mailbox: MailboxName, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut flags = Vec::new();
        if cursor.peek() == Some(b'(') {
            flags = super::store::flag_list(cursor)?;
            cursor.space()?;
        }
        let mut date = None;
        if cursor.peek() == Some(b'"') {
            let text = cursor.string()?;
            date = Some(DateTime::parse(&text).ok_or(Reason::Expected("a date-time"))?);
            cursor.space()?;
        }
        let Data { message, data, parts, goes_on } = message(cursor)?;
        Ok(Self { mailbox, flags, date, message, data, parts, goes_on, before: Vec::new() })
    }
}

impl Command {
    /// Whether it is about a message whose other parts have not come yet.
    pub(crate) fn goes_on(&self) -> bool {
        match self {
            Self::Append(append) => append.goes_on,
            Self::Replace(replace) => replace.append.goes_on,
            _ => false,
        }
    }
}

/// How many words stand before the name of the mailbox in a command that brings a message: the tag and the verb, in REPLACE the
/// number of the message too. `None` for other commands, and as long as it cannot be known.
pub(crate) fn words_before_target(text: &[u8]) -> Option<usize> {
    let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).skip(1);
    let mut next = || words.next().map(<[u8]>::to_ascii_uppercase);
    match next()?.as_slice() {
        b"APPEND" => Some(2),
        b"REPLACE" => Some(3),
        b"UID" => (next()? == b"REPLACE").then_some(4),
        _ => None,
    }
}

/// Where an APPEND goes whose message is still to come, and where in `text` that ends: `text` is the command up to the message,
/// `first` its first literal, which may be the name. `None` where the name is none, which the command will be refused for.
pub(crate) fn target(
    text: &[u8],
    first: Option<&Literal>,
    limits: &Limits,
    dialect: Dialect,
) -> Option<(MailboxName, usize)> {
    let name = first.map(|literal| Literal { data: literal.data.clone(), binary: literal.binary });
    let mut cursor = Cursor::new(text, name.into_iter().collect(), limits, dialect);
    for _ in 0..words_before_target(text)? {
        cursor.spaces();
        cursor.take_while(|byte| byte != b' ');
    }
    cursor.spaces();
    let name = cursor.mailbox().ok()?;
    Some((name, cursor.at()))
}

fn message(cursor: &mut Cursor<'_>) -> Parse<Data> {
    let of = |literal: Literal, data| Data { message: literal.data, data, parts: Vec::new(), goes_on: false };
    if cursor.eat_word("CATENATE") {
        return catenation(cursor);
    }
    if !cursor.eat_word("UTF8") {
        let literal = cursor.literal()?;
        let data = if literal.binary { AppendData::Literal8 } else { AppendData::Literal };
        return Ok(of(literal, data));
    }
    cursor.space()?;
    cursor.expect(b'(', "( after UTF8")?;
    let literal = cursor.literal()?;
    cursor.spaces();
    cursor.expect(b')', ") after the message")?;
    if literal.binary { Ok(of(literal, AppendData::Utf8)) } else { Err(Reason::Expected("a literal8")) }
}

/// RFC 4469 §5: `(` parts `)`; or up to the first text and no further, where that is all that has come.
fn catenation(cursor: &mut Cursor<'_>) -> Parse<Data> {
    cursor.spaces();
    cursor.expect(b'(', "( after CATENATE")?;
    let mut data = Data { message: Vec::new(), data: AppendData::Catenate, parts: Vec::new(), goes_on: false };
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return if data.parts.is_empty() { Err(Reason::Expected("a part")) } else { Ok(data) };
        }
        if cursor.peek().is_none() && data.parts.last() == Some(&CatenatePart::Text) {
            data.goes_on = true;
            return Ok(data);
        }
        if data.parts.len() == cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        if cursor.eat_word("URL") {
            cursor.space()?;
            data.parts.push(CatenatePart::Url(cursor.astring_utf8("a URL")?));
        } else if !data.parts.contains(&CatenatePart::Text) && cursor.eat_word("TEXT") {
            cursor.space()?;
            data.message = cursor.literal()?.data;
            data.parts.push(CatenatePart::Text);
        } else {
            return Err(Reason::Expected("TEXT, URL or )"));
        }
    }
}

/// Whether another message of an APPEND comes next: its flags, its date or itself.
fn begins_message(cursor: &Cursor<'_>) -> bool {
    let has_details = matches!(cursor.peek(), Some(b'(' | b'"'));
    has_details || cursor.at_literal() || ["CATENATE", "UTF8"].into_iter().any(|word| cursor.at_word(word))
}

/// The octets of a text outside of quoted strings.
fn unquoted(text: &[u8]) -> impl Iterator<Item = (usize, u8)> + '_ {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.iter().copied().enumerate().filter(move |(_, byte)| {
        let was_quoted = is_quoted;
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && was_quoted && !is_escaped;
        !was_quoted
    })
}

/// Whether a text ends within parentheses: those of a catenation, or of UTF8.
fn is_open(text: &[u8]) -> bool {
    let count = |depth: u32, (_, byte)| match byte {
        b'(' => depth.saturating_add(1),
        b')' => depth.saturating_sub(1),
        _ => depth,
    };
    unquoted(text).fold(0, count) > 0
}

/// Whether a literal after `before`, the command up to there, is an address of a catenation.
pub(crate) fn is_url(before: &[u8]) -> bool {
    let Some(before) = before.strip_suffix(b" ") else { return false };
    let word = before.trim_ascii_end().rsplit(|byte| matches!(byte, b' ' | b'(')).next().unwrap_or_default();
    word.eq_ignore_ascii_case(b"URL") && is_open(before)
}

/// Where the message ends that has a literal, in the `line` behind that literal; `head` is what stands before it, after the
/// mailbox. `None`: in none of it, because it is a catenation that goes on.
pub(crate) fn message_end(head: &[u8], line: &[u8]) -> Option<usize> {
    if !is_open(head) {
        return Some(0);
    }
    unquoted(line).find(|(_, byte)| *byte == b')').map(|(at, _)| at + 1)
}

/// What stands before the parts of a catenation that goes on.
pub(crate) const GOES_ON: &[u8] = b" CATENATE (";

/// Shows the size of the message only.
impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Append");
        shown
            .field("mailbox", &self.mailbox)
            .field("flags", &self.flags)
            .field("date", &self.date)
            .field("message_bytes", &self.message.len())
            .field("data", &self.data);
        if !self.before.is_empty() {
            shown.field("before", &self.before);
        }
        if self.data == AppendData::Catenate {
            shown.field("parts", &self.parts).field("goes_on", &self.goes_on);
        }
        shown.finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::command::tests::{parse_one, refuse_one};
    use crate::malformed::Reason;

    fn check(wire: &str, expected: &str) {
        assert_eq!(format!("{:?}", parse_one(wire)), format!("Append(Append {{ mailbox: {expected} }})"), "{wire}");
    }

    #[test]
    fn append() {
        check(
            "APPEND INBOX {3}\r\nabc",
            "MailboxName(\"INBOX\"), flags: [], date: None, message_bytes: 3, data: Literal",
        );
        check(
            "append {4}\r\nSent (\\Seen $Forwarded \\Recent) \" 7-Jul-1996 02:44:25 -0700\" {3+}\r\nabc",
            "MailboxName(\"Sent\"), flags: [Seen, Keyword(\"$Forwarded\")], \
             date: Some(DateTime { unix_seconds: 836732665, offset_minutes: -420 }), message_bytes: 3, data: Literal",
        );
        check(
            "APPEND a UTF8 (~{2+}\r\n\0x)",
            "MailboxName(\"a\"), flags: [], date: None, message_bytes: 2, data: Utf8",
        );
        check("APPEND a ~{1}\r\n\0", "MailboxName(\"a\"), flags: [], date: None, message_bytes: 1, data: Literal8");
        check("APPEND a () {0}\r\n", "MailboxName(\"a\"), flags: [], date: None, message_bytes: 0, data: Literal");
        check(
            "APPEND a (\\Seen) CATENATE (URL \"/b/;UID=1\" URL {4}\r\n;u\"d TEXT {3}\r\na)b  url c)",
            "MailboxName(\"a\"), flags: [Seen], date: None, message_bytes: 3, data: Catenate, \
             parts: [Url(\"/b/;UID=1\"), Url(\";u\\\"d\"), Text, Url(\"c\")], goes_on: false",
        );
        check(
            "APPEND {3}\r\nURL catenate(url a)",
            "MailboxName(\"URL\"), flags: [], date: None, message_bytes: 0, data: Catenate, \
             parts: [Url(\"a\")], goes_on: false",
        );
        check(
            "APPEND a CATENATE (URL b) (\\Seen) catenate (URL c)",
            "MailboxName(\"a\"), flags: [Seen], date: None, message_bytes: 0, data: Catenate, before: [\
             Append { mailbox: MailboxName(\"a\"), flags: [], date: None, message_bytes: 0, data: Catenate, \
             parts: [Url(\"b\")], goes_on: false }], parts: [Url(\"c\")], goes_on: false",
        );
        refuse_one(
            "APPEND a CATENATE (URL b) {1}
a c",
            Reason::Trailing,
        );
        refuse_one("APPEND a CATENATE ()", Reason::Expected("a part"));
        refuse_one("APPEND a CATENATE (URL b", Reason::Expected("TEXT, URL or )"));
        refuse_one("APPEND a CATENATE (TEXT {1}\r\na", Reason::Expected("the end of CATENATE"));
        refuse_one("APPEND a CATENATE (WHAT b)", Reason::Expected("TEXT, URL or )"));
        refuse_one("APPEND a", Reason::Expected("a space"));
        refuse_one("APPEND a \"abc\"", Reason::Expected("a date-time"));
        refuse_one("APPEND a abc", Reason::Expected("a literal"));
        refuse_one("APPEND a {1}\r\na b", Reason::Trailing);
        refuse_one("APPEND a UTF8 ({1}\r\na)", Reason::Expected("a literal8"));
    }
}
