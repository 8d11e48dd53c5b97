//! UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches), and which commands count messages (RFC 9586).

use super::{Command, SearchKey};
use crate::cursor::{Cursor, Parse};
use crate::sequence::{MessageSet, Numbering};
use std::ops::RangeInclusive;

/// Which parts of a mailbox are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidBatches {
    /// A batch has so many messages, and the last one what is left; never 0.
    pub messages: u32,
    /// Which batches, from 1, the newest messages first; `None` for all.
    pub batches: Option<RangeInclusive<u32>>,
}

impl UidBatches {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let messages = cursor.nz_number()?;
        let mut batches = None;
        if cursor.more() {
            let first = cursor.nz_number()?;
            let last = if cursor.eat(b':') { cursor.nz_number()? } else { first };
            // As in a set, the ends may come in either order.
            batches = Some(first.min(last)..=first.max(last));
        }
        Ok(Self { messages, batches })
    }
}

impl Command {
    /// Whether it names messages by their numbers, or would be answered with such.
    #[must_use]
    pub fn counts_messages(&self) -> bool {
        let search = |numbering, key: &SearchKey| numbering == Numbering::Sequence || key.counts_messages();
        match self {
            Self::Fetch(fetch) => fetch.numbering == Numbering::Sequence,
            Self::Store(store) => store.numbering == Numbering::Sequence,
            Self::Copy(transfer) | Self::Move(transfer) => transfer.numbering == Numbering::Sequence,
            Self::Replace(replace) => replace.numbering == Numbering::Sequence,
            Self::Search(request) => search(request.numbering, &request.key),
            Self::Sort(sort) => search(sort.search.numbering, &sort.search.key),
            Self::Thread(thread) => search(thread.search.numbering, &thread.search.key),
            Self::MultiSearch(multi) => search(multi.search.numbering, &multi.search.key),
            Self::Select(select) | Self::Examine(select) => {
                select.qresync.as_ref().is_some_and(|qresync| qresync.known_sequence.is_some())
            }
            _ => false,
        }
    }
}

impl SearchKey {
    /// Whether it names messages by their numbers; what its filters stand for apart.
    #[must_use]
    pub fn counts_messages(&self) -> bool {
        match self {
            Self::Sequence(MessageSet::Numbers(_)) => true,
            Self::And(keys) => keys.iter().any(Self::counts_messages),
            Self::Or(one, other) => one.counts_messages() || other.counts_messages(),
            Self::Not(key) | Self::Fuzzy(key) => key.counts_messages(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::{check, parse_one, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn batches() {
        let all = UidBatches { messages: 2000, batches: None };
        check("UIDBATCHES 2000", Command::UidBatches(all.clone()));
        check("uidbatches 2000 10:20", Command::UidBatches(UidBatches { batches: Some(10..=20), ..all.clone() }));
        check("UIDBATCHES 2000 4:1", Command::UidBatches(UidBatches { batches: Some(1..=4), ..all.clone() }));
        check("UIDBATCHES 2000 3", Command::UidBatches(UidBatches { batches: Some(3..=3), ..all }));
        refuse_one("UIDBATCHES 0", Reason::Number);
        refuse_one("UIDBATCHES", Reason::Expected("a space"));
        refuse_one("UIDBATCHES 500 0:1", Reason::Number);
        refuse_one("UIDBATCHES 500 1:*", Reason::Expected("a number"));
    }

    #[test]
    fn commands_that_count_messages() {
        let check = |command: &str, counts| assert_eq!(parse_one(command).counts_messages(), counts, "{command}");
        for (command, of_uids) in [
            ("FETCH 1 FLAGS", false),
            ("STORE 1 FLAGS ()", false),
            ("COPY $ a", false),
            ("MOVE 1 a", false),
            ("REPLACE 1 a {1+}\r\nx", false),
            ("SEARCH ALL", false),
            ("SEARCH UID 1 NOT (OR SEEN (DELETED 1:3))", true),
            ("SEARCH RETURN (COUNT) FUZZY 2", true),
            ("SEARCH $ UID 3", false),
            ("SORT (DATE) UTF-8 1", true),
            ("THREAD REFERENCES UTF-8 ALL", false),
        ] {
            check(command, true);
            check(&format!("UID {command}"), of_uids);
        }
        check("SELECT a (QRESYNC (1 2 1:5 (1 5)))", true);
        check("SELECT a (QRESYNC (1 2 1:5))", false);
        check("UID EXPUNGE 1", false);
        check("ESEARCH IN (personal) UNSEEN 1:3", true);
        check("ESEARCH IN (personal) UNSEEN UID 1:3", false);
        check("NOOP", false);
    }
}
