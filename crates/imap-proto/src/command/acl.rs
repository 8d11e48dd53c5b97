//! GETACL, SETACL, DELETEACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).

use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;

/// Who may do what in a mailbox. Identifiers and rights are as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acl {
    /// RFC 4314 §3.1: an identifier gets rights, loses them after a `-`, gets more after a `+`.
    Set(MailboxName, String, String),
    /// RFC 4314 §3.2.
    Delete(MailboxName, String),
    /// RFC 4314 §3.3.
    Get(MailboxName),
    /// RFC 4314 §3.4.
    ListRights(MailboxName, String),
    /// RFC 4314 §3.5.
    MyRights(MailboxName),
}

impl Acl {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Set(..) => "SETACL",
            Self::Delete(..) => "DELETEACL",
            Self::Get(_) => "GETACL",
            Self::ListRights(..) => "LISTRIGHTS",
            Self::MyRights(_) => "MYRIGHTS",
        }
    }

    pub(super) fn parse(verb: &str, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = cursor.mailbox()?;
        Ok(match verb {
            "SETACL" => {
                let identifier = identifier(cursor)?;
                cursor.space()?;
                Self::Set(mailbox, identifier, cursor.astring_utf8("rights")?)
            }
            "DELETEACL" => Self::Delete(mailbox, identifier(cursor)?),
            "LISTRIGHTS" => Self::ListRights(mailbox, identifier(cursor)?),
            "MYRIGHTS" => Self::MyRights(mailbox),
            _ => Self::Get(mailbox),
        })
    }
}

fn identifier(cursor: &mut Cursor<'_>) -> Parse<String> {
    cursor.space()?;
    cursor.astring_utf8("an identifier")
}

#[cfg(test)]
mod tests {
    use super::Acl;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn access_control() {
        let text = str::to_owned;
        check(
            "SETACL INBOX bob@example.org +lrs",
            Command::Acl(Acl::Set(name("INBOX"), text("bob@example.org"), text("+lrs"))),
        );
        check("setacl \"a b\" \"\" \"\"", Command::Acl(Acl::Set(name("a b"), text(""), text(""))));
        check("DELETEACL Work -bob", Command::Acl(Acl::Delete(name("Work"), text("-bob"))));
        check("GETACL Work", Command::Acl(Acl::Get(name("Work"))));
        check("LISTRIGHTS Work anyone", Command::Acl(Acl::ListRights(name("Work"), text("anyone"))));
        check("MYRIGHTS Shared/alice/INBOX", Command::Acl(Acl::MyRights(name("Shared/alice/INBOX"))));
        refuse_one("SETACL INBOX bob", Reason::Expected("a space"));
        refuse_one("GETACL", Reason::Expected("a space"));
    }
}
