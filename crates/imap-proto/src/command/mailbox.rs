//! CREATE (RFC 9051 §6.3.4) with USE (RFC 6154 §3), RENAME (§6.3.6), ENABLE (§6.3.1).

use crate::atom::is_atom_char;
use crate::cursor::{Cursor, Parse};
use crate::mailbox::{MailboxName, SpecialUse};
use crate::malformed::Reason;

/// A mailbox to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its name.
    pub mailbox: MailboxName,
    /// What it shall be for.
    pub special_uses: Vec<SpecialUse>,
}

/// A mailbox to be named anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Its name now.
    pub from: MailboxName,
    /// Its name then.
    pub to: MailboxName,
}

impl Create {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = cursor.mailbox()?;
        let special_uses = if cursor.more() { create_parameters(cursor)? } else { Vec::new() };
        Ok(Self { mailbox, special_uses })
    }
}

/// RFC 6154 §3: `(USE (\Sent))`.
fn create_parameters(cursor: &mut Cursor<'_>) -> Parse<Vec<SpecialUse>> {
    let uses = cursor.list(|cursor| {
        if !cursor.eat_word("USE") {
            return Err(Reason::Unknown("CREATE parameter"));
        }
        cursor.space()?;
        cursor.list(special_use)
    })?;
    Ok(uses.into_iter().flatten().collect())
}

fn special_use(cursor: &mut Cursor<'_>) -> Parse<SpecialUse> {
    let attribute = cursor.take_while(|byte| is_atom_char(byte) || byte == b'\\');
    SpecialUse::parse(attribute).ok_or(Reason::UseAttribute)
}

impl Rename {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let from = cursor.mailbox()?;
        cursor.space()?;
        Ok(Self { from, to: cursor.mailbox()? })
    }
}

/// Capability names in capitals; unknown ones are for the session to ignore (RFC 9051 §6.3.1).
pub(super) fn parse_enable(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let mut names = vec![cursor.keyword("a capability")?];
    while cursor.more() {
        if names.len() == cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        names.push(cursor.keyword("a capability")?);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};
    use crate::mailbox::NameError;

    fn create(mailbox: &str, special_uses: &[SpecialUse]) -> Command {
        Command::Create(Create { mailbox: name(mailbox), special_uses: special_uses.to_vec() })
    }

    #[test]
    fn create_with_and_without_use() {
        check("CREATE Archive", create("Archive", &[]));
        check("create \"a b/\"", create("a b", &[]));
        check("CREATE x (USE (\\sent \\Drafts))", create("x", &[SpecialUse::Sent, SpecialUse::Drafts]));
        check("CREATE x ()", create("x", &[]));
        refuse_one("CREATE x (USE (\\Nonsense))", Reason::UseAttribute);
        refuse_one("CREATE x (FOO (\\Sent))", Reason::Unknown("CREATE parameter"));
        refuse_one("CREATE \"a//b\"", Reason::Name(NameError::EmptyComponent));
        refuse_one("CREATE R&D", Reason::Name(NameError::NotModifiedUtf7));
        refuse_one("CREATE", Reason::Expected("a space"));
    }

    #[test]
    fn the_commands_on_one_or_two_names() {
        check("DELETE foo]bar", Command::Delete(name("foo]bar")));
        check("SUBSCRIBE inbox", Command::Subscribe(name("INBOX")));
        check("UNSUBSCRIBE Entw&APw-rfe", Command::Unsubscribe(name("Entwürfe")));
        check("RENAME a {3}\r\nb c", Command::Rename(Rename { from: name("a"), to: name("b c") }));
        refuse_one("RENAME a", Reason::Expected("a space"));
    }

    #[test]
    fn enable() {
        check("ENABLE utf8=accept", Command::Enable(vec!["UTF8=ACCEPT".into()]));
        check("ENABLE CONDSTORE  X-FOO ", Command::Enable(vec!["CONDSTORE".into(), "X-FOO".into()]));
        refuse_one("ENABLE", Reason::Expected("a space"));
    }
}
