//! CREATE (RFC 9051 §6.3.4) with USE (RFC 6154 §3).

use super::Answer;
use crate::command::status::mailbox_id;
use crate::context::Context;
use crate::tagged::{ResultCode, Tagged};
use imap_proto::command::Create;
use imap_proto::{Code, SpecialUse};
use store::{Error, Role, Uid};

pub(super) fn run(context: &mut Context<'_>, create: &Create) -> Answer {
    let (account, name) = context.user.locate_new(create.mailbox.as_str(), context.now)?;
    let name = name.as_str();
    let is_own = account.guest().is_none();
    let role = match create.special_uses.as_slice() {
        [] if is_own => role_by_alias(context, name)?,
        [] => None,
        [special] => Some(role_of(*special).ok_or_else(no_such_use)?),
        // RFC 6154 §3: a combination that the server does not support.
        [_, _, ..] => return Err(no_such_use()),
    };
    let id = account.create_mailbox(context.actor_in(&account), name, role)?;
    Ok(Tagged::ok("CREATE done").with_code(ResultCode::MailboxId(mailbox_id(&account, id))))
}

fn no_such_use() -> Tagged {
    Tagged::refused(Code::UseAttr, "A mailbox cannot have this use")
}

fn role_of(special: SpecialUse) -> Option<Role> {
    match special {
        SpecialUse::Archive => Some(Role::Archive),
        SpecialUse::Drafts => Some(Role::Drafts),
        SpecialUse::Junk => Some(Role::Junk),
        SpecialUse::Sent => Some(Role::Sent),
        SpecialUse::Trash => Some(Role::Trash),
        SpecialUse::All | SpecialUse::Flagged | SpecialUse::Important => None,
    }
}

/// A program that makes "Sent Items" will file sent mail there. As long as nobody has ever put anything into the mailbox
/// that has the use, the new one takes it over, and all devices find one Sent; after that the new one is just a mailbox.
fn role_by_alias(context: &Context<'_>, name: &str) -> Result<Option<Role>, Error> {
    let Some(role) = Role::of_alias(name) else { return Ok(None) };
    let mailboxes = context.mailboxes()?;
    let holder = mailboxes.iter().find(|mailbox| mailbox.role == Some(role));
    Ok(Some(role).filter(|_| holder.is_none_or(|mailbox| mailbox.uid_next == Uid(1))))
}
