//! STATUS (RFC 9051 §6.3.11) and the items that LIST can return too (RFC 5819).

use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::malformed::Reason;

/// A mailbox and what to tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// Which one.
    pub mailbox: MailboxName,
    /// What to tell, in the client's order, repetitions kept.
    pub items: Vec<StatusItem>,
}

/// A fact about a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT` (RFC 3501 §6.3.10)
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`: how many lack `\Seen`.
    Unseen,
    /// `DELETED`: how many have `\Deleted`.
    Deleted,
    /// `SIZE`: octets of all messages (RFC 8438).
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162 §3.1.7)
    HighestModSeq,
    /// `MAILBOXID` (RFC 8474 §4.3)
    MailboxId,
    /// `APPENDLIMIT` (RFC 7889 §3.2)
    AppendLimit,
    /// `DELETED-STORAGE`: what an EXPUNGE would free (RFC 9208 §4.1.4)
    DeletedStorage,
}

impl StatusRequest {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = cursor.mailbox()?;
        cursor.space()?;
        Ok(Self { mailbox, items: cursor.list(StatusItem::parse)? })
    }
}

impl StatusItem {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        Ok(match cursor.keyword("a STATUS item")?.as_str() {
            "MESSAGES" => Self::Messages,
            "RECENT" => Self::Recent,
            "UIDNEXT" => Self::UidNext,
            "UIDVALIDITY" => Self::UidValidity,
            "UNSEEN" => Self::Unseen,
            "DELETED" => Self::Deleted,
            "SIZE" => Self::Size,
            "HIGHESTMODSEQ" => Self::HighestModSeq,
            "MAILBOXID" => Self::MailboxId,
            "APPENDLIMIT" => Self::AppendLimit,
            "DELETED-STORAGE" => Self::DeletedStorage,
            _ => return Err(Reason::Unknown("STATUS item")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};

    #[test]
    fn status() {
        use StatusItem::*;
        let request = |items: &[StatusItem]| {
            Command::Status(StatusRequest { mailbox: name("blurdybloop"), items: items.to_vec() })
        };
        check("STATUS blurdybloop (UIDNEXT MESSAGES)", request(&[UidNext, Messages]));
        check(
            "status blurdybloop ( recent uidvalidity unseen deleted size highestmodseq mailboxid appendlimit \
             deleted-storage )",
            request(&[
                Recent,
                UidValidity,
                Unseen,
                Deleted,
                Size,
                HighestModSeq,
                MailboxId,
                AppendLimit,
                DeletedStorage,
            ]),
        );
        refuse_one("STATUS blurdybloop (FOO)", Reason::Unknown("STATUS item"));
        refuse_one("STATUS blurdybloop", Reason::Expected("a space"));
        refuse_one("STATUS blurdybloop MESSAGES", Reason::Expected("a parenthesised list"));
    }
}
