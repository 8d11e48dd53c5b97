//! RESETKEY, GENURLAUTH and URLFETCH (RFC 4467 §7, §9).

use super::Command;
use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::malformed::Reason;

/// A command about addresses that others can fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlAuth {
    /// Of one mailbox, or of all.
    ResetKey(Option<ResetKey>),
    /// At least one.
    Generate(Vec<ToAuthorize>),
    /// At least one address, as the client wrote it.
    Fetch(Vec<String>),
}

impl UrlAuth {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ResetKey(_) => "RESETKEY",
            Self::Generate(_) => "GENURLAUTH",
            Self::Fetch(_) => "URLFETCH",
        }
    }
}

/// An address and the mechanism with which it is to be authorized (RFC 4467 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToAuthorize {
    /// As the client wrote it.
    pub url: String,
    /// In capitals.
    pub mechanism: String,
}

/// RESETKEY of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetKey {
    /// Which.
    pub mailbox: MailboxName,
    /// In capitals; none: the usual one.
    pub mechanisms: Vec<String>,
}

pub(super) fn parse_reset_key(cursor: &mut Cursor<'_>) -> Parse<Command> {
    if !cursor.more() {
        return Ok(Command::UrlAuth(UrlAuth::ResetKey(None)));
    }
    let mut reset = ResetKey { mailbox: cursor.mailbox()?, mechanisms: Vec::new() };
    while cursor.more() {
        if reset.mechanisms.len() == cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        reset.mechanisms.push(cursor.keyword("a mechanism")?);
    }
    Ok(Command::UrlAuth(UrlAuth::ResetKey(Some(reset))))
}

pub(super) fn parse_generate(cursor: &mut Cursor<'_>) -> Parse<Command> {
    let mut all = Vec::new();
    loop {
        if all.len() == cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        let url = cursor.astring_utf8("a URL")?;
        cursor.space()?;
        all.push(ToAuthorize { url, mechanism: cursor.keyword("a mechanism")? });
        if !cursor.more() {
            return Ok(Command::UrlAuth(UrlAuth::Generate(all)));
        }
    }
}

pub(super) fn parse_fetch(cursor: &mut Cursor<'_>) -> Parse<Command> {
    let mut urls = Vec::new();
    loop {
        if urls.len() == cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        urls.push(cursor.astring_utf8("a URL")?);
        if !cursor.more() {
            return Ok(Command::UrlAuth(UrlAuth::Fetch(urls)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::{check, name, refuse_one};

    #[test]
    fn urlauth() {
        check("RESETKEY", Command::UrlAuth(UrlAuth::ResetKey(None)));
        let reset = |mechanisms: &[&str]| {
            let mechanisms = mechanisms.iter().map(|name| (*name).to_owned()).collect();
            Command::UrlAuth(UrlAuth::ResetKey(Some(ResetKey { mailbox: name("INBOX"), mechanisms })))
        };
        check("RESETKEY INBOX", reset(&[]));
        check("resetkey {5}\r\ninbox internal X", reset(&["INTERNAL", "X"]));
        let wanted = |url: &str, mechanism: &str| ToAuthorize { url: url.to_owned(), mechanism: mechanism.to_owned() };
        check("GENURLAUTH a internal", Command::UrlAuth(UrlAuth::Generate(vec![wanted("a", "INTERNAL")])));
        let two = vec![wanted("a b", "INTERNAL"), wanted("c", "X")];
        check("GENURLAUTH \"a b\" INTERNAL {1}\r\nc X", Command::UrlAuth(UrlAuth::Generate(two)));
        check("URLFETCH a \"b\" {1}\r\nc", Command::UrlAuth(UrlAuth::Fetch(vec!["a".into(), "b".into(), "c".into()])));
        refuse_one("GENURLAUTH a", Reason::Expected("a space"));
        refuse_one("GENURLAUTH a INTERNAL b", Reason::Expected("a space"));
        refuse_one("URLFETCH", Reason::Expected("a space"));
        refuse_one("URLFETCH (a)", Reason::Expected("a URL"));
    }
}
