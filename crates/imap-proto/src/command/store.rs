//! STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3).

use crate::cursor::{Cursor, Parse};
use crate::flag::Flag;
use crate::malformed::Reason;
use crate::sequence::{MessageSet, Numbering};

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// How `set` counts.
    pub numbering: Numbering,
    /// Which messages.
    pub set: MessageSet,
    /// Only those whose mod-sequence is not above this.
    pub unchanged_since: Option<u64>,
    /// What to do with `flags`.
    pub action: StoreAction,
    /// `.SILENT`: the client does not want to see the new flags.
    pub silent: bool,
    /// The flags, in the client's order; `\Recent` is left out.
    pub flags: Vec<Flag>,
}

/// What STORE does with its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`: these and no others.
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

impl Store {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let set = cursor.message_set()?;
        cursor.space()?;
        let mut unchanged_since = None;
        if cursor.peek() == Some(b'(') {
            cursor.list(|cursor| {
                unchanged_since = Some(modifier(cursor)?);
                Ok(())
            })?;
            cursor.space()?;
        }
        let (action, silent) = match cursor.keyword("FLAGS")?.as_str() {
            "FLAGS" => (StoreAction::Replace, false),
            "FLAGS.SILENT" => (StoreAction::Replace, true),
            "+FLAGS" => (StoreAction::Add, false),
            "+FLAGS.SILENT" => (StoreAction::Add, true),
            "-FLAGS" => (StoreAction::Remove, false),
            "-FLAGS.SILENT" => (StoreAction::Remove, true),
            _ => return Err(Reason::Unknown("STORE item")),
        };
        cursor.space()?;
        let flags = if cursor.peek() == Some(b'(') { flag_list(cursor)? } else { bare_flags(cursor)? };
        Ok(Self { numbering, set, unchanged_since, action, silent, flags })
    }
}

fn modifier(cursor: &mut Cursor<'_>) -> Parse<u64> {
    if !cursor.eat_word("UNCHANGEDSINCE") {
        return Err(Reason::Unknown("STORE modifier"));
    }
    cursor.space()?;
    cursor.modseq()
}

/// `(\Seen $Forwarded)`, `\Recent` left out.
pub(super) fn flag_list(cursor: &mut Cursor<'_>) -> Parse<Vec<Flag>> {
    Ok(cursor.list(flag)?.into_iter().flatten().collect())
}

/// RFC 9051 §9: store-att-flags lets the parentheses be left out.
fn bare_flags(cursor: &mut Cursor<'_>) -> Parse<Vec<Flag>> {
    let mut flags = Vec::from_iter(flag(cursor)?);
    while cursor.more() {
        if flags.len() >= cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        flags.extend(flag(cursor)?);
    }
    Ok(flags)
}

/// One flag; what is wrong with it is told by name rather than as a syntax error.
pub(super) fn flag(cursor: &mut Cursor<'_>) -> Parse<Option<Flag>> {
    let text = cursor.take_while(|byte| byte > b' ' && !matches!(byte, b'(' | b')' | b'"' | b'{'));
    Flag::parse(text).map_err(Reason::Flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, messages, refuse_one};
    use crate::flag::FlagError;

    fn add(set: &str, flags: &[Flag]) -> Store {
        Store {
            numbering: Numbering::Sequence,
            set: messages(set),
            unchanged_since: None,
            action: StoreAction::Add,
            silent: false,
            flags: flags.to_vec(),
        }
    }

    #[test]
    fn store() {
        let seen = add("1", &[Flag::Seen]);
        check("STORE 1 +FLAGS (\\Seen)", Command::Store(seen.clone()));
        check("STORE 1 +FLAGS \\Seen", Command::Store(seen.clone()));
        check("store 1 +flags.silent (\\seen)", Command::Store(Store { silent: true, ..seen.clone() }));
        check("STORE 1 +FLAGS \\Seen \\Deleted", Command::Store(add("1", &[Flag::Seen, Flag::Deleted])));
        check("STORE 1 +FLAGS (\\Recent \\Seen)", Command::Store(seen.clone()));
        check(
            "UID STORE $ (UNCHANGEDSINCE 320162338) -FLAGS.SILENT ($Label1)",
            Command::Store(Store {
                numbering: Numbering::Uid,
                set: MessageSet::Saved,
                unchanged_since: Some(320_162_338),
                action: StoreAction::Remove,
                silent: true,
                flags: vec![Flag::Keyword("$Label1".into())],
            }),
        );
        check("STORE 1 FLAGS ()", Command::Store(Store { action: StoreAction::Replace, ..add("1", &[]) }));
        refuse_one("STORE 1 FLAGS", Reason::Expected("a space"));
        refuse_one("STORE 1 FLAGS ", Reason::Flag(FlagError::Empty));
        refuse_one("STORE 1 +FLAGS (\\Foo)", Reason::Flag(FlagError::UnknownSystem));
        refuse_one("STORE 1 +FLAGS (a]b)", Reason::Flag(FlagError::Character));
        refuse_one("STORE 1 (FOO 1) +FLAGS (a)", Reason::Unknown("STORE modifier"));
        refuse_one("STORE 0 +FLAGS (a)", Reason::Number);
    }
}
