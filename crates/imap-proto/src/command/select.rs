//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).

use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::malformed::Reason;
use crate::sequence::SequenceSet;

/// A mailbox to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Which one.
    pub mailbox: MailboxName,
    /// Whether `(CONDSTORE)` was there.
    pub condstore: bool,
    /// What the client knows; only after ENABLE QRESYNC.
    pub qresync: Option<Qresync>,
}

/// What a client remembers of a mailbox (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY it saw; everything else counts only if it still holds.
    pub uidvalidity: u32,
    /// Everything up to this mod-sequence is known to it.
    pub modseq: u64,
    /// The UIDs it has, without `*`; all when absent.
    pub known_uids: Option<SequenceSet>,
    /// Message numbers and their UIDs that it remembers (RFC 7162 §3.2.5.2).
    pub known_sequence: Option<SequenceMatch>,
}

/// Message numbers and the UIDs they had, position by position, both without `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceMatch {
    /// The message numbers.
    pub sequence: SequenceSet,
    /// Their UIDs.
    pub uids: SequenceSet,
}

impl Select {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut select = Self { mailbox: cursor.mailbox()?, condstore: false, qresync: None };
        if cursor.more() {
            cursor.list(|cursor| select.parameter(cursor))?;
        }
        Ok(select)
    }

    fn parameter(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        match cursor.keyword("a SELECT parameter")?.as_str() {
            "CONDSTORE" => self.condstore = true,
            "QRESYNC" => {
                cursor.space()?;
                self.qresync = Some(Qresync::parse(cursor)?);
            }
            _ => return Err(Reason::Unknown("SELECT parameter")),
        }
        Ok(())
    }
}

impl Qresync {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.expect(b'(', "( after QRESYNC")?;
        cursor.spaces();
        let uidvalidity = cursor.nz_number()?;
        cursor.space()?;
        let mut qresync = Self { uidvalidity, modseq: cursor.modseq()?, known_uids: None, known_sequence: None };
        if cursor.more() && cursor.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'*') {
            qresync.known_uids = Some(super::set_without_star(cursor)?);
            cursor.spaces();
        }
        if cursor.peek() == Some(b'(') {
            qresync.known_sequence = Some(SequenceMatch::parse(cursor)?);
            cursor.spaces();
        }
        cursor.expect(b')', ") after the QRESYNC parameters")?;
        Ok(qresync)
    }
}

impl SequenceMatch {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.expect(b'(', "(")?;
        let sequence = super::set_without_star(cursor)?;
        cursor.space()?;
        let uids = super::set_without_star(cursor)?;
        cursor.spaces();
        cursor.expect(b')', ") after the known UIDs")?;
        Ok(Self { sequence, uids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one, set};

    fn plain(mailbox: &str) -> Select {
        Select { mailbox: name(mailbox), condstore: false, qresync: None }
    }

    fn resync(known_uids: Option<&str>, known_sequence: Option<(&str, &str)>) -> Command {
        let known_sequence = known_sequence.map(|(a, b)| SequenceMatch { sequence: set(a), uids: set(b) });
        let known_uids = known_uids.map(set);
        let qresync = Some(Qresync { uidvalidity: 67_890_007, modseq: 90_060_115, known_uids, known_sequence });
        Command::Select(Select { qresync, ..plain("INBOX") })
    }

    #[test]
    fn select_and_examine() {
        check("SELECT inbox", Command::Select(plain("INBOX")));
        check("EXAMINE \"a b\" ", Command::Examine(plain("a b")));
        check("SELECT a (CONDSTORE)", Command::Select(Select { condstore: true, ..plain("a") }));
        refuse_one("SELECT", Reason::Expected("a space"));
        refuse_one("SELECT a (FOO)", Reason::Unknown("SELECT parameter"));
    }

    #[test]
    fn qresync() {
        check("SELECT INBOX (QRESYNC (67890007 90060115))", resync(None, None));
        check("SELECT INBOX (QRESYNC (67890007 90060115 41:211))", resync(Some("41:211"), None));
        check(
            "SELECT INBOX (QRESYNC (67890007 90060115 41,43:211 (1:2 4:5)))",
            resync(Some("41,43:211"), Some(("1:2", "4:5"))),
        );
        check("SELECT INBOX (QRESYNC (67890007 90060115 (1 4)))", resync(None, Some(("1", "4"))));
        refuse_one("SELECT INBOX (QRESYNC (1 1 1:*))", Reason::Expected("a set without *"));
        refuse_one("SELECT INBOX (QRESYNC (0 1))", Reason::Number);
        refuse_one("SELECT INBOX (QRESYNC (1 9223372036854775808))", Reason::Number);
        refuse_one("SELECT INBOX (QRESYNC (1))", Reason::Expected("a space"));
    }
}
