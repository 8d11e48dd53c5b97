//! REPLACE and UID REPLACE (RFC 8508).

use super::Append;
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::sequence::{MessageSet, Numbering, SequenceSet};

/// A message that takes the place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    /// How `replaced` counts.
    pub numbering: Numbering,
    /// The message that goes: one.
    pub replaced: MessageSet,
    /// The message that comes.
    pub append: Append,
}

impl Replace {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        // RFC 9051 §9: seq-number
        let replaced = if cursor.eat(b'*') { SequenceSet::last() } else { SequenceSet::single(cursor.nz_number()?) };
        cursor.space()?;
        let append = Append::parse(cursor)?;
        // RFC 8508 §4.7: one message; §4.2: it may be put together of parts.
        if !append.before.is_empty() {
            return Err(Reason::Trailing);
        }
        Ok(Self { numbering, replaced: MessageSet::Numbers(replaced), append })
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use crate::command::Command;
    use crate::command::tests::{messages, parse_one, refuse_one};
    use crate::sequence::Numbering;

    fn check(wire: &str, numbering: Numbering, replaced: &str, append: &str) {
        let Command::Replace(replace) = parse_one(wire) else { panic!("{wire}") };
        assert_eq!((replace.numbering, replace.replaced), (numbering, messages(replaced)), "{wire}");
        assert_eq!(format!("{:?}", replace.append), format!("Append {{ mailbox: MailboxName({append} }}"), "{wire}");
    }

    #[test]
    fn replace() {
        check(
            "REPLACE 4 Drafts (\\Seen) {3}\r\nabc",
            Numbering::Sequence,
            "4",
            "\"Drafts\"), flags: [Seen], date: None, message_bytes: 3, data: Literal",
        );
        check(
            "uid replace * {6}\r\nDrafts ~{3+}\r\nabc",
            Numbering::Uid,
            "*",
            "\"Drafts\"), flags: [], date: None, message_bytes: 3, data: Literal8",
        );
        check(
            "UID REPLACE 7 a UTF8 (~{1+}\r\nx)",
            Numbering::Uid,
            "7",
            "\"a\"), flags: [], date: None, message_bytes: 1, data: Utf8",
        );
        check(
            "UID REPLACE 7 a CATENATE (TEXT {1+}\r\nx URL {1+}\r\nb)",
            Numbering::Uid,
            "7",
            "\"a\"), flags: [], date: None, message_bytes: 1, data: Catenate, parts: [Text, Url(\"b\")], goes_on: false",
        );
        refuse_one("REPLACE 1 a CATENATE (URL b) CATENATE (URL c)", Reason::Trailing);
        refuse_one("REPLACE 1 a CATENATE (TEXT {1+}\r\nx", Reason::Expected("the end of CATENATE"));
        refuse_one("REPLACE 1:2 a {1+}\r\nx", Reason::Expected("a space"));
        refuse_one("REPLACE $ a {1+}\r\nx", Reason::Expected("a number"));
        refuse_one("REPLACE 0 a {1+}\r\nx", Reason::Number);
        // RFC 8508 §4.7: of several messages nothing is said.
        refuse_one("REPLACE 1 a {1+}\r\nx {1+}\r\ny", Reason::Trailing);
    }
}
