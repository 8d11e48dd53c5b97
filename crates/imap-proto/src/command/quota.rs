//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 §4.1).

use super::Command;
use crate::cursor::{Cursor, Parse};

/// New limits of a quota root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetQuota {
    /// Its name.
    pub root: String,
    /// Of each resource, its name in capitals, how much there may be; what is not named has no limit.
    pub limits: Vec<(String, u64)>,
}

/// RFC 9208 §4.1.3: new limits.
pub(super) fn parse_limits(cursor: &mut Cursor<'_>) -> Parse<Command> {
    let root = cursor.astring_utf8("a quota root")?;
    cursor.space()?;
    let limits = cursor.list(|cursor| {
        let name = cursor.keyword("a resource")?;
        cursor.space()?;
        Ok((name, cursor.number64()?))
    })?;
    Ok(Command::SetQuota(SetQuota { root, limits }))
}

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
    use super::SetQuota;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn quota() {
        check("GETQUOTA \"\"", Command::GetQuota(String::new()));
        check("getquota #user/alice", Command::GetQuota("#user/alice".to_owned()));
        check("GETQUOTAROOT INBOX", Command::GetQuotaRoot(name("INBOX")));
        refuse_one("GETQUOTA", Reason::Expected("a space"));
        let set = |root: &str, limits: &[(&str, u64)]| {
            let limits = limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
            Command::SetQuota(SetQuota { root: root.to_owned(), limits })
        };
        check("SETQUOTA \"\" (STORAGE 512)", set("", &[("STORAGE", 512)]));
        check("setquota a ( Storage 1 MESSAGE 2 )", set("a", &[("STORAGE", 1), ("MESSAGE", 2)]));
        check("SETQUOTA a ()", set("a", &[]));
        refuse_one("SETQUOTA a", Reason::Expected("a space"));
        refuse_one("SETQUOTA a (STORAGE -1)", Reason::Expected("a number"));
    }
}
