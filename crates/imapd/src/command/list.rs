//! LIST (RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819) and SPECIAL-USE (RFC 6154).
//!
//! Every mailbox above another one exists (the store sees to it), so there is never a `\NonExistent`.
//! Deviates from RFC 9051 §6.3.7: a deleted mailbox leaves the list of subscriptions, because the store keeps them with the
//! mailboxes; no client is known to rely on the other behaviour.

use super::{Answer, Context, status};
use crate::tagged::Tagged;
use imap_proto::command::List;
use imap_proto::response::{ListEntry, MailboxAttribute};
use imap_proto::{MailboxName, Pattern, SpecialUse};
use store::{Error, Mailbox, Role};

pub(super) fn run(context: &mut Context<'_>, list: &List) -> Answer {
    if list.is_separator_request() {
        context.encoder().list_separator();
        return Ok(Tagged::ok("LIST done"));
    }
    let mailboxes = context.mailboxes()?;
    let mut all: Vec<&Mailbox> = mailboxes.iter().collect();
    all.sort_by(|a, b| order(a).cmp(&order(b)));
    let matchers = list.matchers();
    for mailbox in &all {
        tell_if_wanted(context, list, &matchers, (mailbox, &all))?;
    }
    Ok(Tagged::ok("LIST done"))
}

/// INBOX first, then by name.
pub(super) fn order(mailbox: &Mailbox) -> (bool, &str) {
    (mailbox.role != Some(Role::Inbox), &mailbox.name)
}

fn tell_if_wanted(
    context: &mut Context<'_>,
    list: &List,
    matchers: &[Pattern],
    (mailbox, all): (&Mailbox, &[&Mailbox]),
) -> Result<(), Error> {
    let Ok(name) = MailboxName::new(&mailbox.name) else { return Ok(()) };
    if !matches_any(matchers, &name) {
        return Ok(());
    }
    let below = below(all, mailbox);
    let wanted = is_selected(list, mailbox);
    // RFC 9051 §6.3.9.6: CHILDINFO tells that something below is selected. RFC 5258 §4: unless all of that is listed itself.
    let is_listed = |child: &Mailbox| MailboxName::new(&child.name).is_ok_and(|name| matches_any(matchers, &name));
    let is_hidden = |child: &&Mailbox| is_selected(list, child) && !is_listed(child);
    let child_wanted = list.selection.recursive_match && below.iter().any(is_hidden);
    if !wanted && !child_wanted {
        return Ok(());
    }
    let attributes = attributes(list, mailbox, !below.is_empty());
    let child_info: &[&str] = match (child_wanted, list.selection.subscribed) {
        (true, true) => &["SUBSCRIBED"],
        (true, false) => &["SPECIAL-USE"],
        (false, _) => &[],
    };
    context.encoder().list(&ListEntry { attributes: &attributes, name: &name, old_name: None, child_info });
    // RFC 5819 §2: STATUS for what was selected, not for a parent that is only there for its children.
    if let Some(items) = list.returns.status.as_ref().filter(|_| wanted) {
        status::tell(context, mailbox, &name, items)?;
    }
    Ok(())
}

fn matches_any(matchers: &[Pattern], name: &MailboxName) -> bool {
    matchers.iter().any(|matcher| matcher.matches(name))
}

/// Whether the selection options choose a mailbox.
fn is_selected(list: &List, mailbox: &Mailbox) -> bool {
    (!list.selection.subscribed || mailbox.subscribed)
        && (!list.selection.special_use || mailbox.role.and_then(special_use).is_some())
}

/// The mailboxes below one; `all` is sorted by [`order`].
pub(super) fn below<'a>(all: &'a [&'a Mailbox], mailbox: &Mailbox) -> Vec<&'a Mailbox> {
    let prefix = format!("{}/", mailbox.name);
    let names = all.split_first().filter(|(first, _)| first.role == Some(Role::Inbox)).map_or(all, |(_, rest)| rest);
    let start = names.partition_point(|other| other.name.as_str() < prefix.as_str());
    let rest = names.get(start..).unwrap_or_default();
    rest.iter().take_while(|other| other.name.starts_with(&prefix)).copied().collect()
}

fn attributes(list: &List, mailbox: &Mailbox, has_children: bool) -> Vec<MailboxAttribute> {
    let children = if has_children { MailboxAttribute::HasChildren } else { MailboxAttribute::HasNoChildren };
    let mut attributes = vec![children];
    if (list.returns.subscribed || list.selection.subscribed) && mailbox.subscribed {
        attributes.push(MailboxAttribute::Subscribed);
    }
    // RFC 6154 §2 allows them in every LIST; clients that never heard of RETURN find Sent and Trash by them.
    attributes.extend(mailbox.role.and_then(special_use).map(MailboxAttribute::SpecialUse));
    attributes
}

/// INBOX and what is held have roles of their own and no attribute.
pub(super) fn special_use(role: Role) -> Option<SpecialUse> {
    match role {
        Role::Inbox | Role::Held => None,
        Role::Drafts => Some(SpecialUse::Drafts),
        Role::Sent => Some(SpecialUse::Sent),
        Role::Junk => Some(SpecialUse::Junk),
        Role::Trash => Some(SpecialUse::Trash),
        Role::Archive => Some(SpecialUse::Archive),
    }
}
