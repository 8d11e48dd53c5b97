//! GETMETADATA and SETMETADATA (RFC 5464), and the entries that LIST can return (RFC 9590).

use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::malformed::Reason;

/// Which entries to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMetadata {
    /// `None`: the server's.
    pub mailbox: Option<MailboxName>,
    /// Names in lower case; at least one.
    pub entries: Vec<String>,
    /// `MAXSIZE`: values of more octets are left out.
    pub max_size: Option<u32>,
    /// `DEPTH`
    pub depth: Depth,
}

/// How far below an entry (RFC 5464 §4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// `0`: not.
    #[default]
    Itself,
    /// `1`: those directly below too.
    Below,
    /// `infinity`: all below too.
    AllBelow,
}

/// Which entries to set, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMetadata {
    /// `None`: the server's.
    pub mailbox: Option<MailboxName>,
    /// Names in lower case, with any octets; `None` removes the entry. At least one.
    pub values: Vec<(String, Option<Vec<u8>>)>,
}

impl GetMetadata {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let (mut max_size, mut depth) = (None, Depth::default());
        // RFC 5464 §5 has the options first, its examples have them behind the mailbox, and clients do both.
        if cursor.peek() == Some(b'(') {
            options(cursor, &mut max_size, &mut depth)?;
            cursor.space()?;
        }
        let mailbox = mailbox(cursor)?;
        cursor.space()?;
        if cursor.peek() == Some(b'(') && are_options(cursor) {
            options(cursor, &mut max_size, &mut depth)?;
            cursor.space()?;
        }
        Ok(Self { mailbox, entries: entries(cursor)?, max_size, depth })
    }
}

impl SetMetadata {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mailbox = mailbox(cursor)?;
        cursor.space()?;
        let values = cursor.list(|cursor| {
            let entry = entry(cursor)?;
            if entry.matches('/').count() < 2 {
                return Err(ENTRY);
            }
            cursor.space()?;
            Ok((entry, value(cursor)?))
        })?;
        if values.is_empty() { Err(ENTRY) } else { Ok(Self { mailbox, values }) }
    }
}

const ENTRY: Reason = Reason::Expected("the name of an entry");

/// RFC 5464 §5: the empty string is the server.
fn mailbox(cursor: &mut Cursor<'_>) -> Parse<Option<MailboxName>> {
    let wire = cursor.astring("a mailbox name")?;
    if wire.is_empty() {
        return Ok(None);
    }
    MailboxName::from_wire(&wire, cursor.dialect).map(Some).map_err(Reason::Name)
}

/// Whether the list that begins here is one of options: an entry begins with a slash, quoted or not.
fn are_options(cursor: &Cursor<'_>) -> bool {
    cursor.peek_in_list().is_some_and(|byte| byte.is_ascii_alphabetic())
}

fn options(cursor: &mut Cursor<'_>, max_size: &mut Option<u32>, depth: &mut Depth) -> Parse<()> {
    cursor.list(|cursor| {
        match cursor.keyword("a GETMETADATA option")?.as_str() {
            "MAXSIZE" => {
                cursor.space()?;
                *max_size = Some(cursor.number()?);
            }
            "DEPTH" => {
                cursor.space()?;
                *depth = match cursor.keyword("a depth")?.as_str() {
                    "0" => Depth::Itself,
                    "1" => Depth::Below,
                    "INFINITY" => Depth::AllBelow,
                    _ => return Err(Reason::Unknown("depth")),
                };
            }
            _ => return Err(Reason::Unknown("GETMETADATA option")),
        }
        Ok(())
    })?;
    Ok(())
}

/// One, or several in parentheses.
pub(super) fn entries(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let entries = if cursor.peek() == Some(b'(') { cursor.list(entry)? } else { vec![entry(cursor)?] };
    if entries.is_empty() { Err(ENTRY) } else { Ok(entries) }
}

/// RFC 5464 §3.2
fn entry(cursor: &mut Cursor<'_>) -> Parse<String> {
    let mut name = cursor.astring_utf8("the name of an entry")?;
    name.make_ascii_lowercase();
    let is_one = name.bytes().all(|byte| (0x1a..0x7f).contains(&byte) && !matches!(byte, b'*' | b'%'))
        && !name.contains("//")
        && !name.ends_with('/')
        && ["/private", "/shared"]
            .iter()
            .any(|scope| name.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if is_one { Ok(name) } else { Err(ENTRY) }
}

/// RFC 5464 §5: nstring / literal8.
fn value(cursor: &mut Cursor<'_>) -> Parse<Option<Vec<u8>>> {
    if cursor.eat_word("NIL") {
        return Ok(None);
    }
    if cursor.at_literal() {
        let literal = cursor.literal()?;
        let has_nul = !literal.binary && memchr::memchr(0, &literal.data).is_some();
        return if has_nul { Err(Reason::Nul) } else { Ok(Some(literal.data)) };
    }
    cursor.string().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};

    #[test]
    fn what_is_asked_for() {
        let get = |mailbox, entries: &[&str], max_size, depth| {
            let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
            Command::GetMetadata(GetMetadata { mailbox, entries, max_size, depth })
        };
        check("GETMETADATA \"\" /shared/Comment", get(None, &["/shared/comment"], None, Depth::Itself));
        let both = &["/private/comment", "/shared/comment"];
        check(
            "getmetadata (depth infinity) INBOX (\"/private/comment\" /shared/comment)",
            get(Some(name("INBOX")), both, None, Depth::AllBelow),
        );
        check(
            "GETMETADATA INBOX (MAXSIZE 1024 DEPTH 1) (/private/comment /shared/comment)",
            get(Some(name("INBOX")), both, Some(1024), Depth::Below),
        );
        refuse_one("GETMETADATA INBOX (DEPTH 2) /private/a", Reason::Unknown("depth"));
        refuse_one("GETMETADATA (SIZE 2) INBOX /private/a", Reason::Unknown("GETMETADATA option"));
        refuse_one("GETMETADATA INBOX ()", ENTRY);
        for entry in
            ["/other/x", "/privateer", "/private//x", "/private/x/", "/private/%", "private/x", "/private/\u{e9}"]
        {
            refuse_one(&format!("GETMETADATA INBOX \"{entry}\""), ENTRY);
        }
    }

    #[test]
    fn what_is_set() {
        let value = |entry: &str, value: Option<&[u8]>| (entry.to_owned(), value.map(<[u8]>::to_vec));
        check(
            "SETMETADATA INBOX (/private/comment \"a b\" /shared/comment NIL /private/x ~{3+}\r\na\0b)",
            Command::SetMetadata(SetMetadata {
                mailbox: Some(name("INBOX")),
                values: vec![
                    value("/private/comment", Some(b"a b")),
                    value("/shared/comment", None),
                    value("/private/x", Some(b"a\0b")),
                ],
            }),
        );
        refuse_one("SETMETADATA \"\" ()", ENTRY);
        refuse_one("SETMETADATA \"\" (/private \"x\")", ENTRY);
        refuse_one("SETMETADATA \"\" (/private/x x)", Reason::Expected("a quoted string"));
        refuse_one("SETMETADATA \"\" (/private/x {3+}\r\na\0b)", Reason::Nul);
    }
}
