//! APPEND (RFC 9051 §6.3.12), with UTF8 data (RFC 6855 §4) and literal8.

use std::fmt;

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
}

impl Append {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = cursor.mailbox()?;
        cursor.space()?;
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
        let (message, data) = message(cursor)?;
        Ok(Self { mailbox, flags, date, message, data })
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

fn message(cursor: &mut Cursor<'_>) -> Parse<(Vec<u8>, AppendData)> {
    if !cursor.eat_word("UTF8") {
        let literal = cursor.literal()?;
        return Ok((literal.data, if literal.binary { AppendData::Literal8 } else { AppendData::Literal }));
    }
    cursor.space()?;
    cursor.expect(b'(', "( after UTF8")?;
    let literal = cursor.literal()?;
    cursor.spaces();
    cursor.expect(b')', ") after the message")?;
    if literal.binary { Ok((literal.data, AppendData::Utf8)) } else { Err(Reason::Expected("a literal8")) }
}

/// Shows the size of the message only.
impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append")
            .field("mailbox", &self.mailbox)
            .field("flags", &self.flags)
            .field("date", &self.date)
            .field("message_bytes", &self.message.len())
            .field("data", &self.data)
            .finish()
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
        refuse_one("APPEND a", Reason::Expected("a space"));
        refuse_one("APPEND a \"abc\"", Reason::Expected("a date-time"));
        refuse_one("APPEND a abc", Reason::Expected("a literal"));
        refuse_one("APPEND a {1}\r\na b", Reason::Trailing);
        refuse_one("APPEND a UTF8 ({1}\r\na)", Reason::Expected("a literal8"));
    }
}
