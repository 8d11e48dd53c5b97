//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1).

use super::Command;
use crate::cursor::{Cursor, Parse};

/// RFC 9208 §4.1.1: the name of a quota root.
pub(super) fn parse_root(cursor: &mut Cursor<'_>) -> Parse<Command> {
    cursor.astring_utf8("a quota root").map(Command::GetQuota)
}

/// RFC 9208 §4.1.2: a mailbox.
pub(super) fn parse_mailbox(cursor: &mut Cursor<'_>) -> Parse<Command> {
    cursor.mailbox().map(Command::GetQuotaRoot)
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn quota() {
        check("GETQUOTA \"\"", Command::GetQuota(String::new()));
        check("getquota #user/alice", Command::GetQuota("#user/alice".to_owned()));
        check("GETQUOTAROOT INBOX", Command::GetQuotaRoot(name("INBOX")));
        refuse_one("GETQUOTA", Reason::Expected("a space"));
        // Only with QUOTASET (RFC 9208 §4.1.3), which is not announced.
        refuse_one("SETQUOTA \"\" (STORAGE 512)", Reason::UnknownCommand);
    }
}
