//! LIST (RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819) and SPECIAL-USE (RFC 6154).
//!
//! Every mailbox above another one exists (the store sees to it), so `\NonExistent` is only what is subscribed and no
//! mailbox, and what is above such a name.

use super::{Answer, metadata, status};
use crate::context::Context;
use crate::located::{OTHERS, Shared};
use crate::tagged::Tagged;
use imap_proto::command::List;
use imap_proto::response::{ListEntry, MailboxAttribute};
use imap_proto::{Code, MailboxName, Pattern, SpecialUse};
use std::collections::BTreeSet;
use store::{Account, Annotations, Error, Mailbox, Mailboxes, Rights, Role};

/// METADATA of all mailboxes that one LIST tells of has about so many octets, whatever was asked for.
const METADATA_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A name that may be told of.
#[derive(Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) name: &'a str,
    /// `None`: there is none of this name.
    mailbox: Option<&'a Mailbox>,
    subscribed: bool,
    /// Somebody else's, by which it is reached.
    shared: Option<&'a Account>,
}

pub(super) fn run(context: &mut Context<'_>, list: &List) -> Answer {
    if list.is_separator_request() {
        context.encoder().list_separator();
        return Ok(Tagged::ok("LIST done"));
    }
    let mailboxes = context.mailboxes()?;
    let mut all: Vec<Listed<'_>> = mailboxes.iter().map(Listed::mailbox).collect();
    let (shared, above) = of_others(context, &mailboxes)?;
    all.extend(shared.iter().map(|shared| Listed::shared(shared, &mailboxes)));
    all.extend(above.iter().map(|name| Listed::without_mailbox(name, false)));
    let is_shared = |name: &&str| shared.iter().any(|shared| shared.name == *name);
    // RFC 5258 §3.1: subscribed names, existing or not.
    if list.selection.subscribed {
        let without = mailboxes.subscribed_without_mailbox().filter(|name| !is_shared(name));
        all.extend(without.map(|name| Listed::without_mailbox(name, true)));
    }
    if list.selection.subscribed && list.selection.recursive_match {
        let missing = missing_above(&mailboxes).into_iter().filter(|name| !above.contains(*name) && !is_shared(name));
        all.extend(missing.map(|name| Listed::without_mailbox(name, false)));
    }
    all.sort_by(|a, b| a.order().cmp(&b.order()));
    let matchers = list.matchers();
    let annotations = match &list.returns.metadata {
        Some(_) => context.user.account.all_annotations()?,
        None => Annotations::new(),
    };
    let mut metadata_bytes = 0;
    for listed in &all {
        let is_told = tell_if_wanted(context, list, &matchers, (listed, &all))?;
        // RFC 9590 §3: of what can be selected.
        if let (true, Some(entries), Some(mailbox)) = (is_told, &list.returns.metadata, listed.own())
            && let Ok(name) = MailboxName::new(listed.name)
        {
            let before = context.output.len();
            metadata::tell_listed(context, &annotations, (mailbox, &name), entries);
            metadata_bytes += context.output.len() - before;
            if metadata_bytes > METADATA_BYTES_MAX {
                return Err(Tagged::refused(Code::Limit, "Too many entries of too many mailboxes"));
            }
        }
    }
    Ok(Tagged::ok("LIST done"))
}

/// What others share, but for what has the name of a mailbox of one's own, and the names above it of which there is nothing.
fn of_others(context: &Context<'_>, own: &Mailboxes) -> Result<(Vec<Shared>, BTreeSet<String>), Error> {
    let mut shared = context.user.shared()?;
    shared.retain(|shared| own.by_name(&shared.name).is_none());
    let names: BTreeSet<&str> = shared.iter().map(|shared| shared.name.as_str()).collect();
    let above = names.iter().flat_map(|name| name.match_indices('/').filter_map(|(end, _)| name.get(..end)));
    let above = above.filter(|above| !names.contains(above) && own.by_name(above).is_none());
    let above = above.map(str::to_owned).collect();
    Ok((shared, above))
}

/// NAMESPACE (RFC 9051 §6.3.10): one's own, without a prefix, and that of the others.
pub(super) fn namespace(context: &mut Context<'_>) -> Answer {
    context.encoder().namespace(OTHERS);
    Ok(Tagged::ok("NAMESPACE done"))
}

/// What is on the list of subscriptions.
pub(super) fn subscribed(mailboxes: &Mailboxes) -> Vec<Listed<'_>> {
    let there = mailboxes.iter().filter(|mailbox| mailbox.subscribed).map(Listed::mailbox);
    let without = mailboxes.subscribed_without_mailbox().map(|name| Listed::without_mailbox(name, true));
    let mut all: Vec<Listed<'_>> = there.chain(without).collect();
    all.sort_by(|a, b| a.order().cmp(&b.order()));
    all
}

/// Every mailbox.
pub(super) fn all(mailboxes: &Mailboxes) -> Vec<Listed<'_>> {
    let mut all: Vec<Listed<'_>> = mailboxes.iter().map(Listed::mailbox).collect();
    all.sort_by(|a, b| a.order().cmp(&b.order()));
    all
}

/// The names above subscribed ones of which there is nothing at all.
fn missing_above(mailboxes: &Mailboxes) -> BTreeSet<&str> {
    let names = || mailboxes.subscribed_without_mailbox();
    let known: BTreeSet<&str> = mailboxes.iter().map(|mailbox| mailbox.name.as_str()).chain(names()).collect();
    let above = names().flat_map(|name| name.match_indices('/').filter_map(|(end, _)| name.get(..end)));
    above.filter(|above| !known.contains(above)).collect()
}

impl<'a> Listed<'a> {
    fn mailbox(mailbox: &'a Mailbox) -> Self {
        Self { name: &mailbox.name, mailbox: Some(mailbox), subscribed: mailbox.subscribed, shared: None }
    }

    fn shared(shared: &'a Shared, own: &Mailboxes) -> Self {
        let subscribed = own.subscribed_without_mailbox().any(|name| name == shared.name);
        Self { name: &shared.name, mailbox: Some(&shared.mailbox), subscribed, shared: Some(&shared.account) }
    }

    fn without_mailbox(name: &'a str, subscribed: bool) -> Self {
        Self { name, mailbox: None, subscribed, shared: None }
    }

    /// One's own mailbox.
    fn own(&self) -> Option<&'a Mailbox> {
        self.mailbox.filter(|_| self.shared.is_none())
    }

    /// INBOX first, then by name.
    fn order(&self) -> (bool, &'a str) {
        (!self.is_inbox(), self.name)
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.own().is_some_and(|mailbox| mailbox.role == Some(Role::Inbox))
    }

    pub(super) fn special_use(&self) -> Option<SpecialUse> {
        // What a mailbox is for somebody else is nothing that programs file by.
        self.own().and_then(|mailbox| mailbox.role).and_then(special_use)
    }

    /// Whether the selection options choose it.
    fn is_selected(&self, list: &List) -> bool {
        (!list.selection.subscribed || self.subscribed) && (!list.selection.special_use || self.special_use().is_some())
    }
}

/// Whether it was told.
fn tell_if_wanted(
    context: &mut Context<'_>,
    list: &List,
    matchers: &[Pattern],
    (listed, all): (&Listed<'_>, &[Listed<'_>]),
) -> Result<bool, Error> {
    let Ok(name) = MailboxName::new(listed.name) else { return Ok(false) };
    if !matches_any(matchers, &name) {
        return Ok(false);
    }
    let below = below(all, listed);
    let wanted = listed.is_selected(list);
    // RFC 9051 §6.3.9.6: CHILDINFO tells that something below is selected. RFC 5258 §4: unless all of that is listed itself.
    let is_listed = |child: &Listed<'_>| MailboxName::new(child.name).is_ok_and(|name| matches_any(matchers, &name));
    let is_hidden = |child: &Listed<'_>| child.is_selected(list) && !is_listed(child);
    let child_wanted = list.selection.recursive_match && below.iter().any(is_hidden);
    if !wanted && !child_wanted {
        return Ok(false);
    }
    let attributes = attributes(list, listed, below.iter().any(|child| child.mailbox.is_some()));
    let child_info: &[&str] = match (child_wanted, list.selection.subscribed) {
        (true, true) => &["SUBSCRIBED"],
        (true, false) => &["SPECIAL-USE"],
        (false, _) => &[],
    };
    context.encoder().list(&ListEntry { attributes: &attributes, name: &name, old_name: None, child_info });
    // RFC 5819 §2: STATUS for what was selected and is there, not for a parent that is only there for its children.
    if let (Some(items), Some(mailbox), true) = (&list.returns.status, listed.mailbox, wanted) {
        status::be_aware(context, items);
        let account = listed.shared.unwrap_or(&context.user.account).clone();
        match status::tell(context, (&account, mailbox), &name, items) {
            // RFC 5819 §2: without the right to read it there is none.
            Err(Error::NotPermitted | Error::NoSuchMailbox) if listed.shared.is_some() => {}
            outcome => outcome?,
        }
    }
    if let (true, Some(mailbox), true) = (list.returns.my_rights, listed.mailbox, wanted) {
        // RFC 8440 §3
        let rights = listed.shared.map_or(Ok(Rights::ALL), |account| account.rights(mailbox.id));
        context.encoder().my_rights(&name, &rights.unwrap_or_default().told());
    }
    Ok(true)
}

fn matches_any(matchers: &[Pattern], name: &MailboxName) -> bool {
    matchers.iter().any(|matcher| matcher.matches(name))
}

/// What is below a name; `all` is in order.
pub(super) fn below<'a>(all: &'a [Listed<'a>], listed: &Listed<'_>) -> &'a [Listed<'a>] {
    let prefix = format!("{}/", listed.name);
    let names = all.split_first().filter(|(first, _)| first.is_inbox()).map_or(all, |(_, rest)| rest);
    let start = names.partition_point(|other| other.name < prefix.as_str());
    let rest = names.get(start..).unwrap_or_default();
    let end = rest.partition_point(|other| other.name.starts_with(&prefix));
    rest.get(..end).unwrap_or_default()
}

fn attributes(list: &List, listed: &Listed<'_>, has_children: bool) -> Vec<MailboxAttribute> {
    let mut attributes = Vec::new();
    if listed.mailbox.is_none() {
        // RFC 9051 §7.3.1: it implies \Noselect.
        attributes.push(MailboxAttribute::NonExistent);
    }
    attributes.push(if has_children { MailboxAttribute::HasChildren } else { MailboxAttribute::HasNoChildren });
    if (list.returns.subscribed || list.selection.subscribed) && listed.subscribed {
        attributes.push(MailboxAttribute::Subscribed);
    }
    // RFC 6154 §2 allows them in every LIST; clients that never heard of RETURN find Sent and Trash by them.
    attributes.extend(listed.special_use().map(MailboxAttribute::SpecialUse));
    attributes
}

/// INBOX and what is held have roles of their own and no attribute.
fn special_use(role: Role) -> Option<SpecialUse> {
    match role {
        Role::Inbox | Role::Held => None,
        Role::Drafts => Some(SpecialUse::Drafts),
        Role::Sent => Some(SpecialUse::Sent),
        Role::Junk => Some(SpecialUse::Junk),
        Role::Trash => Some(SpecialUse::Trash),
        Role::Archive => Some(SpecialUse::Archive),
    }
}
