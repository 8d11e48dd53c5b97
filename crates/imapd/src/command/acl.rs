//! GETACL, SETACL, DELETEACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).
//!
//! Identifiers are accounts of this server. Left out on purpose: `anyone` and negative rights
//! (`docs/decisions/0105-shared-mailboxes.md`).

use super::Answer;
use crate::context::Context;
use crate::located::Located;
use crate::tagged::Tagged;
use imap_proto::command::Acl;
use imap_proto::{Code, MailboxName};
use store::{AccountId, Error, Rights, RightsChange};

/// What can be given: nothing is tied to anything else.
const OPTIONAL: [&str; 13] = ["l", "r", "s", "w", "i", "p", "k", "x", "t", "e", "a", "c", "d"];

pub(super) fn run(context: &mut Context<'_>, asked: &Acl) -> Answer {
    match asked {
        Acl::Set(mailbox, identifier, rights) => {
            let change = change(rights).ok_or_else(|| Tagged::bad("There is no such right"))?;
            set(context, mailbox, identifier, change)?;
            Ok(Tagged::ok("SETACL done"))
        }
        Acl::Delete(mailbox, identifier) => {
            set(context, mailbox, identifier, RightsChange::Replace(Rights::default()))?;
            Ok(Tagged::ok("DELETEACL done"))
        }
        Acl::Get(mailbox) => get(context, mailbox),
        Acl::ListRights(mailbox, identifier) => list_rights(context, mailbox, identifier),
        Acl::MyRights(mailbox) => {
            let located = context.locate(mailbox, Rights::default())?;
            context.encoder().my_rights(mailbox, &located.rights.told());
            Ok(Tagged::ok("MYRIGHTS done"))
        }
    }
}

/// RFC 4314 §3.1
fn change(rights: &str) -> Option<RightsChange> {
    Some(match (rights.strip_prefix('+'), rights.strip_prefix('-')) {
        (Some(more), _) => RightsChange::Add(Rights::parse(more)?),
        (_, Some(fewer)) => RightsChange::Remove(Rights::parse(fewer)?),
        (None, None) => RightsChange::Replace(Rights::parse(rights)?),
    })
}

fn set(context: &Context<'_>, mailbox: &MailboxName, identifier: &str, change: RightsChange) -> Result<(), Tagged> {
    let Located { account, mailbox, .. } = context.locate(mailbox, Rights::ADMINISTER)?;
    let with = account_of(context, identifier)?;
    let actor = context.actor_in(&account);
    let shared = context.service.auth.directory().share(&account, actor, mailbox.id, with, change);
    shared.map(drop).map_err(|error| match error {
        Error::NoSuchAccount => no_such_account(),
        other => other.into(),
    })
}

fn get(context: &mut Context<'_>, name: &MailboxName) -> Answer {
    let Located { account, mailbox, .. } = context.locate(name, Rights::ADMINISTER)?;
    let directory = context.service.auth.directory();
    let mut entries = Vec::new();
    for (account, rights) in [(account.id(), Rights::ALL)].into_iter().chain(mailbox.acl.iter()) {
        // Whose account is gone may do nothing.
        if let Some(record) = directory.record(account)? {
            entries.push((record.address.clone(), rights.told()));
        }
    }
    context.encoder().acl(name, entries.iter().map(|(address, rights)| (address.as_str(), rights.as_str())));
    Ok(Tagged::ok("GETACL done"))
}

fn list_rights(context: &mut Context<'_>, name: &MailboxName, identifier: &str) -> Answer {
    let located = context.locate(name, Rights::ADMINISTER)?;
    // The owner has them all, always.
    let all = Rights::ALL.told();
    let rights: (&str, &[&str]) = match account_of(context, identifier)? == located.account.id() {
        true => (&all, &[]),
        false => ("", &OPTIONAL),
    };
    context.encoder().list_rights(name, identifier, rights);
    Ok(Tagged::ok("LISTRIGHTS done"))
}

/// Whose account an identifier means.
fn account_of(context: &Context<'_>, identifier: &str) -> Result<AccountId, Tagged> {
    if identifier.is_empty() {
        return Err(Tagged::bad("The identifier is empty"));
    }
    if identifier.starts_with('-') {
        return Err(Tagged::refused(Code::Cannot, "Rights are given, and taken away; there are no negative ones"));
    }
    if identifier.eq_ignore_ascii_case("anyone") {
        return Err(Tagged::refused(
            Code::Cannot,
            "Mailboxes are shared with accounts by their names, not with anyone",
        ));
    }
    let found = context.service.auth.directory().who_logs_in(identifier)?;
    found.map(|(account, _)| account).ok_or_else(no_such_account)
}

fn no_such_account() -> Tagged {
    Tagged::no("There is no such account on this server")
}
