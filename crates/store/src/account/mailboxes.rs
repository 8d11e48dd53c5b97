//! Mailboxes are made, renamed, deleted and subscribed.

use super::expunge::{Expunging, Left};
use super::{Account, PIECE_MESSAGES_MAX};
use crate::error::Error;
use crate::flags::Keywords;
use crate::ids::{MailboxId, ModSeq, Timestamp, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change};
use crate::record::{Counts, Mailbox, Role};
use crate::state::{AccountState, same_name};
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::sync::Arc;

/// An account has at most this many mailboxes.
pub const MAILBOXES_MAX: usize = 2000;
/// A mailbox name is at most this long, all levels together.
pub const MAILBOX_NAME_BYTES_MAX: usize = 1000;
/// A mailbox name has at most this many levels.
const LEVELS_MAX: usize = 32;

impl Account {
    /// Begins an account: INBOX and the special-use mailboxes, all subscribed.
    pub(crate) fn create(&self, now: Timestamp) -> Result<(), Error> {
        let quota_bytes = self.options.quota_bytes;
        self.cell.transact(move |tx| {
            if tx.state.head > ModSeq(0) {
                return Err(Error::AlreadyExists);
            }
            let actor = Actor { device: crate::ids::DeviceId(0), protocol: crate::journal::Protocol::Server, now };
            let record = tx.change_record();
            record.created = now;
            record.settings.quota_bytes = quota_bytes;
            tx.journal(actor, Change::AccountCreated);
            for role in Role::ALL {
                let id = tx.create_mailbox(actor, role.default_name(), Some(role))?;
                tx.change_mailbox(id)?.mailbox.subscribed = true;
            }
            Ok(())
        })
    }

    /// Makes a mailbox, and the mailboxes above it that are missing (RFC 9051 §6.3.4). `role` moves from the mailbox that
    /// has it to the new one (RFC 6154 §3).
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::InvalidName`], [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn create_mailbox(&self, actor: Actor, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        let name = checked_name(name)?;
        self.transact(move |tx| {
            if tx.state.by_name(&name).is_some() {
                return Err(Error::AlreadyExists);
            }
            if role == Some(Role::Held) {
                return Err(Error::NotAllowed("the mailbox of what is held is made by the server alone"));
            }
            tx.create_parents(actor, &name)?;
            tx.create_mailbox(actor, &name, role)
        })
    }

    /// Renames a mailbox and all below it. Renaming INBOX moves its messages to a new mailbox and leaves it empty
    /// (RFC 9051 §6.3.6); on an error some of them may have been moved.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::AlreadyExists`], [`Error::InvalidName`], [`Error::NotAllowed`] (below itself, or the mailbox of what is held),
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn rename_mailbox(&self, actor: Actor, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), checked_name(to)?);
        let moved = self.transact(move |tx| rename(tx, actor, &from, &to))?;
        match moved {
            None => Ok(()),
            Some((inbox, new)) => {
                let uids = self.view(inbox)?.index().iter().map(|entry| entry.uid).collect();
                self.move_messages(actor, inbox, uids, new).map(drop)
            }
        }
    }

    /// Deletes a mailbox with its messages, which stay restorable. On an error it is still there, and some of its messages
    /// may have left it.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (INBOX, what is held, or mailboxes below it), [`Error::NoSpace`],
    /// faults.
    pub fn delete_mailbox(&self, actor: Actor, name: &str) -> Result<(), Error> {
        let mut deleting = self.begin_deletion(actor, name)?;
        while deleting.piece(self)? {}
        Ok(())
    }

    /// Begins to delete a mailbox. One whose messages fit into one commit is deleted at once; of a larger one nothing is
    /// changed yet.
    ///
    /// # Errors
    /// As [`Account::delete_mailbox`].
    pub fn begin_deletion(&self, actor: Actor, name: &str) -> Result<Deleting, Error> {
        let (name, options) = (name.to_owned(), Arc::clone(&self.options));
        self.transact(move |tx| {
            let mailbox = tx.state.by_name(&name).ok_or(Error::NoSuchMailbox)?.mailbox.id;
            Ok(Deleting { actor, mailbox, expunging: delete(tx, actor, mailbox, &options)? })
        })
    }

    /// Puts a mailbox on the list of subscriptions or takes it off.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NoSpace`], faults.
    pub fn subscribe(&self, actor: Actor, name: &str, subscribed: bool) -> Result<(), Error> {
        let name = name.to_owned();
        self.transact(move |tx| {
            let mailbox = &tx.state.by_name(&name).ok_or(Error::NoSuchMailbox)?.mailbox;
            let (id, before) = (mailbox.id, mailbox.subscribed);
            if before != subscribed {
                tx.change_mailbox(id)?.mailbox.subscribed = subscribed;
                tx.journal(actor, Change::Subscribed { mailbox: id, subscribed });
            }
            Ok(())
        })
    }
}

/// A mailbox on its way out: first its messages leave in pieces, then with the last ones the mailbox itself. Dropped
/// half-way, it is still there with what has not left it.
pub struct Deleting {
    actor: Actor,
    mailbox: MailboxId,
    /// What has to leave before the mailbox can; `None` when it is gone.
    expunging: Option<Expunging>,
}

impl Deleting {
    /// Whether the mailbox is gone.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.expunging.is_none()
    }

    /// Does one piece; whether there is more to do.
    ///
    /// # Errors
    /// As [`Account::delete_mailbox`].
    pub fn piece(&mut self, account: &Account) -> Result<bool, Error> {
        let Some(expunging) = &mut self.expunging else { return Ok(false) };
        if !expunging.is_done() {
            return expunging.piece(account).map(|_| true);
        }
        let (actor, mailbox, options) = (self.actor, self.mailbox, Arc::clone(&account.options));
        self.expunging = account.transact(move |tx| delete(tx, actor, mailbox, &options))?;
        Ok(!self.is_done())
    }
}

fn may_be_deleted(state: &AccountState, mailbox: MailboxId) -> Result<(), Error> {
    let mailbox = &state.mailbox(mailbox)?.mailbox;
    if mailbox.role == Some(Role::Inbox) {
        return Err(Error::NotAllowed("INBOX cannot be deleted"));
    }
    let below = format!("{}/", mailbox.name);
    if state.mailboxes.values().any(|other| other.mailbox.name.starts_with(&below)) {
        return Err(Error::NotAllowed("the mailbox has mailboxes below it; delete those first"));
    }
    Ok(())
}

/// Deletes a mailbox, unless it has too many messages for one commit: gives those.
fn delete(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    options: &StoreOptions,
) -> Result<Option<Expunging>, Error> {
    tx.must_not_be_held(mailbox)?;
    may_be_deleted(&tx.state, mailbox)?;
    let entries: Vec<Entry> = tx.index(mailbox)?.iter().copied().collect();
    if entries.len() > PIECE_MESSAGES_MAX {
        return Ok(Some(Expunging::new(actor, mailbox, Left::All, &entries)));
    }
    tx.remove(actor, mailbox, &entries, options)?;
    let mailbox = tx.mailbox(mailbox)?.clone();
    tx.forget_pack(mailbox.id)?;
    tx.remove_mailbox(mailbox.id);
    let Mailbox { id, name, keywords, role, .. } = mailbox;
    tx.journal(actor, Change::MailboxDeleted { mailbox: id, name, keywords, role });
    Ok(None)
}

impl Tx<'_> {
    pub(super) fn create_parents(&mut self, actor: Actor, name: &str) -> Result<(), Error> {
        for (end, _) in name.match_indices('/') {
            let parent = name.get(..end).unwrap_or_default();
            if self.state.by_name(parent).is_none() {
                self.create_mailbox(actor, parent, None)?;
            }
        }
        Ok(())
    }

    /// The mailbox of a purpose; where there is none, the one of its usual name, which is made by need.
    pub(super) fn mailbox_of(&mut self, actor: Actor, role: Role) -> Result<MailboxId, Error> {
        let mut mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        if let Some(id) = mailboxes.find(|mailbox| mailbox.role == Some(role)).map(|mailbox| mailbox.id) {
            return Ok(id);
        }
        match self.state.by_name(role.default_name()).map(|state| state.mailbox.id) {
            Some(id) => Ok(id),
            None => self.create_mailbox(actor, role.default_name(), Some(role)),
        }
    }

    /// Makes a mailbox that was there before.
    pub(super) fn create_again(&mut self, actor: Actor, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        self.create_parents(actor, name)?;
        // Its use is its again, unless another mailbox has it by now.
        let has_role = |state: &Arc<crate::state::MailboxState>| state.mailbox.role == role;
        let role = role.filter(|_| !self.state.mailboxes.values().any(has_role));
        let id = self.create_mailbox(actor, name, role)?;
        self.change_mailbox(id)?.mailbox.subscribed = true;
        Ok(id)
    }

    pub(super) fn create_mailbox(&mut self, actor: Actor, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        if self.state.mailboxes.len() >= MAILBOXES_MAX {
            return Err(Error::Limit(format!("an account has at most {MAILBOXES_MAX} mailboxes")));
        }
        let before = self.state.mailboxes.values().find(|state| role.is_some() && state.mailbox.role == role);
        if let Some(before) = before.map(|state| state.mailbox.id) {
            self.change_mailbox(before)?.mailbox.role = None;
        }
        let (id, uid_validity) = (self.next_mailbox()?, self.next_uid_validity(actor.now)?);
        self.insert_mailbox(Mailbox {
            id,
            name: name.to_owned(),
            role,
            subscribed: false,
            uid_validity,
            uid_next: Uid(1),
            highest_modseq: self.next_modseq(),
            keywords: Keywords::default(),
            counts: Counts::default(),
            packed_to: ModSeq(0),
            unpacked: 0,
        });
        self.journal(actor, Change::MailboxCreated { mailbox: id, name: name.to_owned() });
        Ok(id)
    }
}

/// Gives INBOX and its new mailbox, where its messages are still to be moved because they are too many for one commit.
fn rename(tx: &mut Tx<'_>, actor: Actor, from: &str, to: &str) -> Result<Option<(MailboxId, MailboxId)>, Error> {
    let mailbox = &tx.state.by_name(from).ok_or(Error::NoSuchMailbox)?.mailbox;
    let (id, role, from) = (mailbox.id, mailbox.role, mailbox.name.clone());
    tx.must_not_be_held(id)?;
    if tx.state.by_name(to).is_some() {
        return Err(Error::AlreadyExists);
    }
    let below = format!("{from}/");
    if to.starts_with(&below) && role != Some(Role::Inbox) {
        return Err(Error::NotAllowed("a mailbox cannot be renamed to a name below itself"));
    }
    tx.create_parents(actor, to)?;
    if role == Some(Role::Inbox) {
        // RFC 9051 §6.3.6: the mailboxes below INBOX stay where they are.
        let new = tx.create_mailbox(actor, to, None)?;
        let entries: Vec<Entry> = tx.index(id)?.iter().copied().collect();
        if entries.len() > PIECE_MESSAGES_MAX {
            return Ok(Some((id, new)));
        }
        let relisted = tx.relisted(id, &entries, new)?;
        if !entries.is_empty() {
            tx.move_batch(actor, (id, &entries), new, relisted)?;
        }
        return Ok(None);
    }
    let inferior = |state: &Arc<crate::state::MailboxState>| {
        let rest = state.mailbox.name.strip_prefix(&below)?;
        Some((state.mailbox.id, format!("{to}/{rest}")))
    };
    let mut renames: Vec<(MailboxId, String)> = tx.state.mailboxes.values().filter_map(inferior).collect();
    renames.push((id, to.to_owned()));
    for (id, after) in renames {
        if after.len() > MAILBOX_NAME_BYTES_MAX || after.split('/').count() > LEVELS_MAX {
            return Err(Error::InvalidName(
                "a mailbox below it would get a name that is too long or has too many levels",
            ));
        }
        let mailbox = &mut tx.change_mailbox(id)?.mailbox;
        let before = std::mem::replace(&mut mailbox.name, after.clone());
        tx.journal(actor, Change::MailboxRenamed { mailbox: id, before, after });
    }
    Ok(None)
}

/// A name that a mailbox may have; its first level INBOX in capitals.
fn checked_name(name: &str) -> Result<String, Error> {
    let refuse = |why| Err(Error::InvalidName(why));
    // RFC 9051 §6.3.4: a trailing separator says that names will be made below it; it is not part of the name.
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        return refuse("a mailbox name cannot be empty");
    }
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return refuse("the mailbox name is too long");
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '*' | '%' | '\u{2028}' | '\u{2029}')) {
        return refuse("a mailbox name cannot hold control characters, * or %");
    }
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    if name.split('/').any(str::is_empty) || name.split('/').count() > LEVELS_MAX {
        return refuse("a mailbox name has 1 to 32 levels, none of them empty");
    }
    Ok(match rest {
        _ if !same_name(first, "INBOX") => name.to_owned(),
        None => "INBOX".to_owned(),
        Some(rest) => format!("INBOX/{rest}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (name, expected) in [
            ("Work", Some("Work")),
            ("inbox", Some("INBOX")),
            ("iNbox/a", Some("INBOX/a")),
            ("Work/2026/", Some("Work/2026")),
            ("Post/Gelöscht", Some("Post/Gelöscht")),
            ("", None),
            ("/", None),
            ("/a", None),
            ("a//b", None),
            ("a\r\nb", None),
            ("a*", None),
        ] {
            assert_eq!(checked_name(name).ok().as_deref(), expected, "{name:?}");
        }
        assert!(checked_name(&"x".repeat(MAILBOX_NAME_BYTES_MAX)).is_ok());
        assert!(checked_name(&"x".repeat(MAILBOX_NAME_BYTES_MAX + 1)).is_err());
        assert!(checked_name(&vec!["x"; LEVELS_MAX].join("/")).is_ok());
        assert!(checked_name(&vec!["x"; LEVELS_MAX + 1].join("/")).is_err());
    }
}
