//! LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154 §2) and LSUB (RFC 3501 §6.3.9).

use super::metadata;
use super::status::StatusItem;
use crate::cursor::{Cursor, Parse};
use crate::mailbox;
use crate::malformed::Reason;
use crate::pattern::Pattern;

/// Which mailboxes to list and what to tell of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What stands before each pattern, UTF-8; mostly empty.
    pub reference: String,
    /// The patterns, UTF-8, wildcards live; at least one.
    pub patterns: Vec<String>,
    /// Which mailboxes.
    pub selection: ListSelection,
    /// What to tell.
    pub returns: ListReturn,
    /// Whether the client used the extended syntax: it then gets no attributes beyond the base ones unasked
    /// (RFC 9051 §6.3.9.7).
    pub extended: bool,
}

/// Selection options (RFC 9051 §6.3.9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSelection {
    /// Subscribed names only, existing or not.
    pub subscribed: bool,
    /// Remote mailboxes too; there are none here.
    pub remote: bool,
    /// Also those above a name that is selected, with CHILDINFO.
    pub recursive_match: bool,
    /// Mailboxes with a special use only.
    pub special_use: bool,
}

/// Return options (RFC 9051 §6.3.9.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// Whether each is subscribed.
    pub subscribed: bool,
    /// Whether each has children.
    pub children: bool,
    /// What each is for.
    pub special_use: bool,
    /// A STATUS of each with these items.
    pub status: Option<Vec<StatusItem>>,
    /// What may be done in each (RFC 8440).
    pub my_rights: bool,
    /// METADATA of each with these entries, names in lower case (RFC 9590).
    pub metadata: Option<Vec<String>>,
}

/// Which subscribed names to list, or with XLIST which mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lsub {
    /// What stands before the pattern, UTF-8.
    pub reference: String,
    /// The pattern, UTF-8.
    pub pattern: String,
}

impl List {
    /// The patterns with the reference before them, ready to match.
    #[must_use]
    pub fn matchers(&self) -> Vec<Pattern> {
        self.patterns.iter().map(|pattern| Pattern::new(&format!("{}{pattern}", self.reference))).collect()
    }

    /// Whether the client asks for the hierarchy separator only (RFC 9051 §6.3.9: an empty pattern).
    #[must_use]
    pub fn is_separator_request(&self) -> bool {
        !self.extended && self.patterns.iter().all(String::is_empty)
    }

    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut extended = false;
        let mut selection = ListSelection::default();
        if cursor.peek() == Some(b'(') {
            extended = true;
            cursor.list(|cursor| selection.option(cursor))?;
            cursor.space()?;
        }
        // RFC 5258 §3: RECURSIVEMATCH needs another option that selects.
        if selection.recursive_match && !selection.subscribed && !selection.special_use {
            return Err(Reason::Expected("a selection option beside RECURSIVEMATCH"));
        }
        let reference = decode(cursor.astring("a reference")?, cursor)?;
        cursor.space()?;
        let patterns = if cursor.peek() == Some(b'(') {
            extended = true;
            cursor.list(pattern)?
        } else {
            vec![pattern(cursor)?]
        };
        if patterns.is_empty() {
            return Err(Reason::Expected("a mailbox pattern"));
        }
        let mut returns = ListReturn::default();
        if cursor.more() {
            extended = true;
            if !cursor.eat_word("RETURN") {
                return Err(Reason::Expected("RETURN"));
            }
            cursor.space()?;
            cursor.list(|cursor| returns.option(cursor))?;
        }
        Ok(Self { reference, patterns, selection, returns, extended })
    }
}

impl ListSelection {
    fn option(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        match cursor.keyword("a LIST selection option")?.as_str() {
            "SUBSCRIBED" => self.subscribed = true,
            "REMOTE" => self.remote = true,
            "RECURSIVEMATCH" => self.recursive_match = true,
            "SPECIAL-USE" => self.special_use = true,
            _ => return Err(Reason::Unknown("LIST selection option")),
        }
        Ok(())
    }
}

impl ListReturn {
    fn option(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        match cursor.keyword("a LIST return option")?.as_str() {
            "SUBSCRIBED" => self.subscribed = true,
            "CHILDREN" => self.children = true,
            "MYRIGHTS" => self.my_rights = true,
            "SPECIAL-USE" => self.special_use = true,
            "STATUS" => {
                cursor.space()?;
                self.status = Some(cursor.list(StatusItem::parse)?);
            }
            "METADATA" => {
                cursor.space()?;
                self.metadata = Some(metadata::entries(cursor)?);
            }
            _ => return Err(Reason::Unknown("LIST return option")),
        }
        Ok(())
    }
}

impl Lsub {
    /// The pattern with the reference before it, ready to match.
    #[must_use]
    pub fn matcher(&self) -> Pattern {
        Pattern::new(&format!("{}{}", self.reference, self.pattern))
    }

    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let reference = decode(cursor.astring("a reference")?, cursor)?;
        cursor.space()?;
        Ok(Self { reference, pattern: pattern(cursor)? })
    }
}

fn pattern(cursor: &mut Cursor<'_>) -> Parse<String> {
    decode(cursor.list_mailbox()?, cursor)
}

/// A pattern that is not modified UTF-7 is taken as it is; it matches what it matches.
fn decode(wire: Vec<u8>, cursor: &Cursor<'_>) -> Parse<String> {
    if let Ok(text) = mailbox::decode(&wire, cursor.dialect) {
        return Ok(text.into_owned());
    }
    String::from_utf8(wire).map_err(|_| Reason::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, parse_one, refuse_one};

    fn list(pattern: &str) -> List {
        List {
            reference: String::new(),
            patterns: vec![pattern.into()],
            selection: ListSelection::default(),
            returns: ListReturn::default(),
            extended: false,
        }
    }

    #[test]
    fn base_syntax() {
        check("LIST \"\" *", Command::List(list("*")));
        check("list \"\" \"%\"", Command::List(list("%")));
        check("LIST \"\" \"\"", Command::List(list("")));
        check("LIST foo/ %/b]r", Command::List(List { reference: "foo/".into(), ..list("%/b]r") }));
        check("LIST \"\" Entw&APw-*", Command::List(list("Entwü*")));
        check("LIST \"\" R&D*", Command::List(list("R&D*")));
        check("LIST {0}\r\n {1+}\r\n*", Command::List(list("*")));
        check("LSUB \"\" \"*\"", Command::Lsub(Lsub { reference: String::new(), pattern: "*".into() }));
        refuse_one("LIST \"\"", Reason::Expected("a space"));
        refuse_one("LIST \"\" * FOO", Reason::Expected("RETURN"));
    }

    #[test]
    fn extended_syntax() {
        let extended = List { extended: true, ..list("*") };
        let special = ListSelection { special_use: true, ..ListSelection::default() };
        let subscribed = ListReturn { subscribed: true, ..ListReturn::default() };
        check(
            "LIST (SPECIAL-USE) \"\" \"*\" RETURN (SUBSCRIBED)",
            Command::List(List { selection: special, returns: subscribed, ..extended.clone() }),
        );
        check(
            "LIST (SPECIAL-USE) \"\" \"INBOX/*\"",
            Command::List(List { selection: special, extended: true, ..list("INBOX/*") }),
        );
        check(
            "LIST () \"\" (\"INBOX\" \"Drafts\" Sent/%) RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES UNSEEN))",
            Command::List(List {
                patterns: vec!["INBOX".into(), "Drafts".into(), "Sent/%".into()],
                returns: ListReturn {
                    children: true,
                    special_use: true,
                    status: Some(vec![StatusItem::Messages, StatusItem::Unseen]),
                    ..ListReturn::default()
                },
                ..extended.clone()
            }),
        );
        check(
            "LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" *",
            Command::List(List {
                selection: ListSelection { subscribed: true, remote: true, recursive_match: true, special_use: false },
                ..extended.clone()
            }),
        );
        check("LIST \"\" * RETURN ()", Command::List(extended));
        refuse_one("LIST (RECURSIVEMATCH) \"\" *", Reason::Expected("a selection option beside RECURSIVEMATCH"));
        refuse_one("LIST (FOO) \"\" *", Reason::Unknown("LIST selection option"));
        refuse_one("LIST \"\" * RETURN (FOO)", Reason::Unknown("LIST return option"));
        refuse_one("LIST \"\" ()", Reason::Expected("a mailbox pattern"));
    }

    #[test]
    fn a_reference_stands_before_the_pattern() {
        let Command::List(list) = parse_one("LIST a/ (b %c)") else { panic!("not LIST") };
        let matchers = list.matchers();
        assert!(matchers[0].matches(&name("a/b")) && matchers[1].matches(&name("a/xc")));
        let Command::List(separator) = parse_one("LIST \"\" \"\"") else { panic!("not LIST") };
        assert!(separator.is_separator_request() && !list.is_separator_request());
    }
}
