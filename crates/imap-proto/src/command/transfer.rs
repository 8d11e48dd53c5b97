//! COPY (RFC 9051 §6.4.7) and MOVE (§6.4.8).

use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::sequence::{MessageSet, Numbering};

/// Messages and where they shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// How `set` counts.
    pub numbering: Numbering,
    /// Which messages.
    pub set: MessageSet,
    /// Where to.
    pub mailbox: MailboxName,
}

impl Transfer {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let set = cursor.message_set()?;
        cursor.space()?;
        Ok(Self { numbering, set, mailbox: cursor.mailbox()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, messages, name, refuse_one};
    use crate::malformed::Reason;

    fn transfer(numbering: Numbering, set: &str, mailbox: &str) -> Transfer {
        Transfer { numbering, set: messages(set), mailbox: name(mailbox) }
    }

    #[test]
    fn copy_and_move() {
        check("COPY 2:4 MEETING", Command::Copy(transfer(Numbering::Sequence, "2:4", "MEETING")));
        check("uid copy 1,7:* \"a b\"", Command::Copy(transfer(Numbering::Uid, "1,7:*", "a b")));
        check("MOVE $ Trash", Command::Move(transfer(Numbering::Sequence, "$", "Trash")));
        check("UID MOVE 42:69 {3+}\r\nfoo", Command::Move(transfer(Numbering::Uid, "42:69", "foo")));
        check("UID EXPUNGE 3000:3002", Command::UidExpunge(messages("3000:3002")));
        refuse_one("COPY MEETING", Reason::Expected("a sequence set"));
        refuse_one("UID NOOP 1", Reason::UnknownCommand);
        refuse_one("UID EXPUNGE", Reason::Expected("a space"));
    }
}
