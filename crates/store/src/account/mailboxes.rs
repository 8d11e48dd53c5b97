//! Mailboxes are made, renamed and deleted.

use super::expunge::{Expunging, Left};
use super::{Account, PIECE_MESSAGES_MAX};
use crate::error::Error;
use crate::flags::Keywords;
use crate::ids::{MailboxId, ModSeq, Timestamp, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change, OfAccount, OfMailbox};
use crate::key;
use crate::name::{self, LEVELS_MAX, MAILBOX_NAME_BYTES_MAX};
use crate::record::{Counts, Mailbox};
use crate::rights::{Acl, Rights};
use crate::role::Role;
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::sync::Arc;
use wording::tr;

/// An account has at most this many mailboxes.
pub const MAILBOXES_MAX: usize = 2000;

impl Account {
    /// Begins an account: INBOX and the special-use mailboxes, all subscribed.
    pub(crate) fn create(&self, now: Timestamp) -> Result<(), Error> {
        let quota = self.options.quota;
        self.cell.transact(move |tx| {
            if tx.state.head > ModSeq(0) {
                return Err(Error::AlreadyExists);
            }
            let actor = Actor { device: crate::ids::DeviceId(0), protocol: crate::journal::Protocol::Server, now };
            let record = tx.change_record();
            record.created = now;
            record.settings.quota = quota;
            tx.journal(actor, Change::Account(OfAccount::Created));
            for role in Role::ALL {
                tx.create_mailbox(actor, role.default_name(), Some(role))?;
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
        let name = name::checked(name)?;
        self.transact_shared(move |tx| {
            tx.must_have_parent(&name)?;
            tx.must_be_free(&name)?;
            if role.is_some() && tx.guest.is_some() {
                return Err(Error::NotPermitted);
            }
            if role == Some(Role::Held) {
                return Err(Error::NotAllowed(tr!("the mailbox of what is held is made by the server alone")));
            }
            tx.create_parents(actor, &name)?;
            tx.create_mailbox(actor, &name, role)
        })
    }

    /// Renames a mailbox and all below it; a guest does so with what they may know of, and what they may not know of stays, below a new
    /// mailbox of the old name that is the owner's alone. Renaming INBOX moves its messages to a new mailbox and leaves it empty
    /// (RFC 9051 §6.3.6); on an error some of them may have been moved.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::AlreadyExists`], [`Error::InvalidName`], [`Error::NotAllowed`] (below itself, or the mailbox of what is held),
    /// [`Error::NotPermitted`], [`Error::NotPermittedBelow`],
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn rename_mailbox(&self, actor: Actor, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), name::checked(to)?);
        let moved = self.transact_shared(move |tx| rename(tx, actor, &from, &to))?;
        match moved {
            None => Ok(()),
            Some((inbox, new)) => {
                let uids = self.view(inbox)?.index().iter().map(|entry| entry.uid).collect();
                self.move_messages(actor, inbox, uids, new).map(drop)
            }
        }
    }

    /// Deletes a mailbox with its messages, which stay restorable. What is below it and nothing that a guest may know of stays, as when
    /// they rename it. On an error it is still there, and some of its messages
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
        self.transact_shared(move |tx| {
            let mailbox = tx.state.by_name(&name).ok_or(Error::NoSuchMailbox)?.mailbox.id;
            Ok(Deleting { actor, mailbox, expunging: delete(tx, actor, mailbox, &options)? })
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
        self.expunging = account.transact_shared(move |tx| delete(tx, actor, mailbox, &options))?;
        Ok(!self.is_done())
    }
}

fn may_be_deleted(tx: &Tx<'_>, mailbox: MailboxId) -> Result<(), Error> {
    let mailbox = tx.mailbox(mailbox)?;
    if mailbox.role == Some(Role::Inbox) {
        return Err(Error::NotAllowed(tr!("INBOX cannot be deleted")));
    }
    if tx.below(&mailbox.name).any(|other| tx.may_see(other)) {
        return Err(Error::NotAllowed(tr!("the mailbox has mailboxes below it; delete those first")));
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
    tx.must_have(mailbox, Rights::DELETE_MAILBOX)?;
    tx.must_not_be_held(mailbox)?;
    may_be_deleted(tx, mailbox)?;
    let entries: Vec<Entry> = tx.index(mailbox)?.iter().copied().collect();
    if entries.len() > PIECE_MESSAGES_MAX {
        return Ok(Some(Expunging::new(actor, mailbox, Left::All, &entries)));
    }
    tx.remove(actor, mailbox, &entries, options)?;
    let mailbox = tx.mailbox(mailbox)?.clone();
    tx.forget_pack(mailbox.id)?;
    tx.forget_flag_blocks(mailbox.id)?;
    tx.forget_annotations(mailbox.id)?;
    tx.forget_marks(mailbox.id, None)?;
    tx.delete(key::url_key(mailbox.id));
    tx.remove_mailbox(mailbox.id);
    tx.keep_subscription(&mailbox);
    let Mailbox { id, name, keywords, role, .. } = mailbox;
    tx.journal(actor, Change::Mailbox(OfMailbox::Deleted { mailbox: id, name: name.clone(), keywords, role }));
    tx.keep_above(actor, &name)?;
    Ok(None)
}

impl Tx<'_> {
    /// RFC 4314 §4: who makes a mailbox needs `k` on the nearest one above it that is there. What has none above it only the owner
    /// makes.
    fn must_have_parent(&self, name: &str) -> Result<(), Error> {
        if self.guest.is_none() {
            return Ok(());
        }
        let parent = self.parent(name).ok_or(Error::NotPermitted)?;
        match self.must_have(parent, Rights::CREATE) {
            // That it is there is not said either.
            Err(Error::NoSuchMailbox) => Err(Error::NotPermitted),
            outcome => outcome,
        }
    }

    /// Refuses a name that is taken. Whoever may not know of what has it is told no more than that they may not have it.
    fn must_be_free(&self, name: &str) -> Result<(), Error> {
        match self.state.by_name(name) {
            None => Ok(()),
            Some(state) if self.may_see(&state.mailbox) => Err(Error::AlreadyExists),
            Some(_) => Err(Error::NotPermitted),
        }
    }

    /// Whether whoever does this may know of a mailbox (RFC 4314 §4, `l`).
    fn may_see(&self, mailbox: &Mailbox) -> bool {
        mailbox.acl.of_guest(self.guest).has(Rights::LOOKUP)
    }

    /// The mailboxes below a name.
    fn below(&self, name: &str) -> impl Iterator<Item = &Mailbox> + use<'_> {
        let below = format!("{name}/");
        self.state.mailboxes.values().map(|state| &state.mailbox).filter(move |other| other.name.starts_with(&below))
    }

    /// Where a guest has taken a mailbox away from above others that they may not know of, there is one again, of the owner alone: each
    /// mailbox has one above it, and nobody sees that it has.
    fn keep_above(&mut self, actor: Actor, name: &str) -> Result<(), Error> {
        if self.guest.is_none() || self.below(name).next().is_none() {
            return Ok(());
        }
        let id = self.create_mailbox(actor, name, None)?;
        self.change_mailbox(id)?.mailbox.acl = Acl::default();
        Ok(())
    }

    /// What goes along with a mailbox that is renamed: all below it, and of a guest what they may know of. RFC 4314 §4 asks for `x` on
    /// the mailbox; whoever takes others along by it needs it there, too.
    fn inferiors(&self, name: &str) -> Result<Vec<(MailboxId, String)>, Error> {
        let mut inferiors = Vec::new();
        for mailbox in self.below(name) {
            let rights = mailbox.acl.of_guest(self.guest);
            if rights.has(Rights::DELETE_MAILBOX) {
                inferiors.push((mailbox.id, mailbox.name.clone()));
            } else if rights.has(Rights::LOOKUP) {
                return Err(Error::NotPermittedBelow(mailbox.name.clone()));
            }
        }
        Ok(inferiors)
    }

    /// The nearest mailbox above a name.
    fn parent(&self, name: &str) -> Option<MailboxId> {
        let mut above = name.rmatch_indices('/').filter_map(|(end, _)| name.get(..end));
        above.find_map(|parent| self.state.by_name(parent)).map(|state| state.mailbox.id)
    }

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

    /// Makes a mailbox that was there before: where a new one may not have its name, under one that it may.
    pub(super) fn create_again(&mut self, actor: Actor, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        let name = &self.state.as_spelled(&name::mended(name));
        if let Some(mailbox) = self.state.by_name(name) {
            return Ok(mailbox.mailbox.id);
        }
        self.create_parents(actor, name)?;
        // Its use is its again, unless another mailbox has it by now.
        let has_role = |state: &Arc<crate::state::MailboxState>| state.mailbox.role == role;
        let role = role.filter(|_| !self.state.mailboxes.values().any(has_role));
        let id = self.create_mailbox(actor, name, role)?;
        self.change_mailbox(id)?.mailbox.subscribed = true;
        Ok(id)
    }

    /// Refuses a name that another mailbox, but for some, has in another normal form.
    pub(super) fn must_differ(&self, name: &str, except: &[MailboxId]) -> Result<(), Error> {
        let mut others =
            self.state.mailboxes.values().map(|state| &state.mailbox).filter(|other| !except.contains(&other.id));
        match others.find(|other| name::are_alike(&other.name, name)) {
            None => Ok(()),
            Some(other) if self.may_see(other) => {
                Err(Error::InvalidName(tr!("another mailbox has this name, its characters composed in another way")))
            }
            Some(_) => Err(Error::NotPermitted),
        }
    }

    pub(super) fn create_mailbox(&mut self, actor: Actor, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        if self.state.mailboxes.len() >= MAILBOXES_MAX {
            return Err(Error::Limit(tr!("an account has at most {most} mailboxes", most = MAILBOXES_MAX)));
        }
        self.must_differ(name, &[])?;
        let before = self.state.mailboxes.values().find(|state| role.is_some() && state.mailbox.role == role);
        if let Some(before) = before.map(|state| state.mailbox.id) {
            self.change_mailbox(before)?.mailbox.role = None;
        }
        let (id, uid_validity) = (self.next_mailbox()?, self.next_uid_validity(actor.now)?);
        // RFC 4314 §4: it inherits.
        let parent = self.parent(name).and_then(|parent| self.mailbox(parent).ok());
        let acl = parent.map(|parent| parent.acl.clone()).unwrap_or_default();
        // Programs that show what is subscribed alone would miss what all others file there.
        let subscribed = self.remove_subscription(name) || role.is_some();
        self.insert_mailbox(Mailbox {
            id,
            name: name.to_owned(),
            role,
            subscribed,
            uid_validity,
            uid_next: Uid(1),
            highest_modseq: self.next_modseq(),
            keywords: Keywords::default(),
            counts: Counts::default(),
            packed_to: ModSeq(0),
            unpacked: 0,
            acl,
        });
        self.journal(actor, Change::Mailbox(OfMailbox::Created { mailbox: id, name: name.to_owned() }));
        Ok(id)
    }
}

/// Gives INBOX and its new mailbox, where its messages are still to be moved because they are too many for one commit.
fn rename(tx: &mut Tx<'_>, actor: Actor, from: &str, to: &str) -> Result<Option<(MailboxId, MailboxId)>, Error> {
    let mailbox = &tx.state.by_name(from).ok_or(Error::NoSuchMailbox)?.mailbox;
    let (id, role, from) = (mailbox.id, mailbox.role, mailbox.name.clone());
    tx.must_have(id, Rights::DELETE_MAILBOX)?;
    tx.must_have_parent(to)?;
    if role == Some(Role::Inbox) && tx.guest.is_some() {
        return Err(Error::NotPermitted);
    }
    tx.must_not_be_held(id)?;
    tx.must_be_free(to)?;
    let below = format!("{from}/");
    if to.starts_with(&below) && role != Some(Role::Inbox) {
        return Err(Error::NotAllowed(tr!("a mailbox cannot be renamed to a name below itself")));
    }
    let mut renames = tx.inferiors(&from)?;
    renames.push((id, from.clone()));
    if role != Some(Role::Inbox) {
        let renamed: Vec<MailboxId> = renames.iter().map(|(id, _)| *id).collect();
        tx.must_differ(to, &renamed)?;
    }
    tx.create_parents(actor, to)?;
    if role == Some(Role::Inbox) {
        // RFC 9051 §6.3.6: the mailboxes below INBOX stay where they are.
        let new = tx.create_mailbox(actor, to, None)?;
        tx.copy_annotations(id, new)?;
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
    for (id, before) in renames {
        let after = format!("{to}{}", before.strip_prefix(&from).unwrap_or_default());
        if after.len() > MAILBOX_NAME_BYTES_MAX || after.split('/').count() > LEVELS_MAX {
            return Err(Error::InvalidName(
                "a mailbox below it would get a name that is too long or has too many levels",
            ));
        }
        let was_subscribed = tx.remove_subscription(&after);
        let mailbox = &mut tx.change_mailbox(id)?.mailbox;
        mailbox.subscribed |= was_subscribed;
        mailbox.name.clone_from(&after);
        tx.journal(actor, Change::Mailbox(OfMailbox::Renamed { mailbox: id, before, after }));
    }
    tx.keep_above(actor, &from)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{NewMessage, Target};
    use crate::check::{self, Depth};
    use crate::flags::Flags;
    use crate::ids::{AccountId, DeviceId};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
    const NFC: &str = "Entw\u{fc}rfe";
    const NFD: &str = "Entwu\u{308}rfe";

    fn account() -> (Store, Account) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        (store, account)
    }

    /// As an earlier version made it.
    fn make(account: &Account, name: &str) {
        let mailbox =
            Mailbox { name: name.to_owned(), ..account.mailboxes().unwrap().by_name("Drafts").unwrap().clone() };
        let make = move |tx: &mut Tx<'_>| {
            tx.create_parents(ACTOR, &mailbox.name)?;
            let (id, uid_validity) = (tx.next_mailbox()?, tx.next_uid_validity(NOW)?);
            let highest_modseq = tx.next_modseq();
            tx.insert_mailbox(Mailbox { id, uid_validity, highest_modseq, role: None, ..mailbox.clone() });
            tx.journal(ACTOR, Change::Mailbox(OfMailbox::Created { mailbox: id, name: mailbox.name.clone() }));
            Ok(())
        };
        account.transact(make).unwrap();
    }

    fn names(account: &Account) -> Vec<String> {
        let mailboxes = account.mailboxes().unwrap();
        let mut names: Vec<String> = mailboxes.iter().filter(|m| m.role.is_none()).map(|m| m.name.clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_names_that_are_one_directory_were_taken() {
        let (store, account) = account();
        let create = |name: &str| account.create_mailbox(ACTOR, name, None).map(drop);
        let rename = |from: &str, to: &str| account.rename_mailbox(ACTOR, from, to);
        let refused =
            |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::InvalidName(_))), "{outcome:?}");
        create(NFC).unwrap();
        create("a/b").unwrap();
        assert_eq!(create(NFC), Err(Error::AlreadyExists));
        refused(create(NFD));
        refused(create(&format!("{NFD}/x")));
        refused(rename("a", NFD));
        refused(rename("a", &format!("{NFD}/x")));
        refused(rename("a", ".."));
        refused(rename("INBOX", NFD));
        rename(NFC, NFD).unwrap();
        rename(NFD, NFC).unwrap();
        create(&format!("{NFC}/x")).unwrap();
        rename(NFC, NFD).unwrap();
        assert_eq!(names(&account), [NFD, &format!("{NFD}/x"), "a", "a/b"]);
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn a_name_that_is_there_can_be_used_renamed_and_deleted() {
        let (store, account) = account();
        for name in ["Projects", "Projects/..", "Projects/../x", NFC, NFD] {
            make(&account, name);
        }
        account.subscribe(ACTOR, "Projects/..", true).unwrap();
        account.rename_mailbox(ACTOR, "Projects", "P").unwrap();
        assert_eq!(names(&account), [NFD, NFC, "P", "P/..", "P/../x"]);
        account.rename_mailbox(ACTOR, "P/..", "P/up").unwrap();
        account.delete_mailbox(ACTOR, "P/up/x").unwrap();
        account.delete_mailbox(ACTOR, NFD).unwrap();
        assert_eq!(names(&account), [NFC, "P", "P/up"]);
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn a_mailbox_comes_back_under_a_name_that_it_may_have() {
        let (store, account) = account();
        let at = |name: &str| {
            let name = name.to_owned();
            account.transact(move |tx| tx.create_again(ACTOR, &name, None)).unwrap()
        };
        make(&account, NFD);
        let id = |name: &str| account.mailboxes().unwrap().by_name(name).unwrap().id;
        assert_eq!(at("Projects/../x"), id("Projects/__/x"));
        assert_eq!(at(NFC), id(NFD));
        assert_eq!(at(&format!("{NFC}/x")), id(&format!("{NFD}/x")));
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Mailbox(id("Projects/__/x")), message).unwrap();
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }
}
