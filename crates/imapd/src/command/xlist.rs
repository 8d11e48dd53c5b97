//! XLIST, which Gmail had before there was SPECIAL-USE (RFC 6154): LIST with what each mailbox is for, in its words.

use super::Answer;
use super::list::{self, Listed};
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::command::Lsub;
use imap_proto::{MailboxName, SpecialUse};

pub(super) fn run(context: &mut Context<'_>, xlist: &Lsub) -> Answer {
    if xlist.pattern.is_empty() {
        context.encoder().xlist_separator();
        return Ok(Tagged::ok("XLIST done"));
    }
    let mailboxes = context.mailboxes()?;
    let all = list::all(&mailboxes);
    let matcher = xlist.matcher();
    for listed in &all {
        let Ok(name) = MailboxName::new(listed.name) else { continue };
        if matcher.matches(&name) {
            let children = if list::below(&all, listed).is_empty() { "\\HasNoChildren" } else { "\\HasChildren" };
            let attributes: Vec<&str> = [children].into_iter().chain(purpose(listed)).collect();
            context.encoder().xlist(&attributes, &name);
        }
    }
    Ok(Tagged::ok("XLIST done"))
}

/// What SPECIAL-USE calls otherwise has the name that it had before.
fn purpose(listed: &Listed<'_>) -> Option<&'static str> {
    match listed.special_use() {
        None => listed.is_inbox().then_some("\\Inbox"),
        Some(SpecialUse::All) => Some("\\AllMail"),
        Some(SpecialUse::Flagged) => Some("\\Starred"),
        Some(SpecialUse::Junk) => Some("\\Spam"),
        Some(other) => Some(other.as_str()),
    }
}
