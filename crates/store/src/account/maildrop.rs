//! A maildrop: one POP3 device's own view of the account.
//!
//! It lists each message once that its scope and window ([`crate::pop`]) show and this device has not deleted: INBOX in
//! UID order, then the other mailboxes in order of arrival. What the device takes and deletes is its own affair; what that
//! does to the mailbox is decided by [`crate::removal`] and done in `update`. What is held of another device is listed as if it
//! were still in its mailbox.

use super::Account;
use super::holds::origins;
use crate::codec::{Corrupt, Reader};
use crate::device::{Credential, Device};
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::{DeviceId, EmailId, MailboxId, Timestamp};
use crate::index::{Entry, Index};
use crate::journal::Protocol;
use crate::key;
use crate::maildrops::MaildropLock;
use crate::pop::{RECENT_DAYS, Scope, Window};
use crate::pop_program::{self, Program};
use crate::record::{EmailRecord, Mailbox, grown, open_grown};
use crate::removal::RemovalPolicy;
use crate::role::Role;
use crate::shown::Shown;
use crate::state::{self, AccountState};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// What a device has done with a message over POP3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// First downloaded whole.
    pub(crate) taken_at: Option<Timestamp>,
    /// Deleted from the device's maildrop.
    pub(crate) deleted_at: Option<Timestamp>,
    /// Which of the programs that seem to share the device did that last ([`pop_program::number`]).
    pub(crate) program: Option<u32>,
    /// That it was deleted has no effect on the mailbox, now or later: it is held, or its owner keeps it.
    pub(crate) stays: bool,
}

impl Taken {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut w = grown();
        for at in [self.taken_at, self.deleted_at] {
            w.option(at, |w, at| {
                w.signed(at.0);
            });
        }
        w.option(self.program, |w, program| {
            w.number(program.into());
        });
        w.byte(u8::from(self.stays));
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let taken = Self {
            taken_at: r.option(|r| r.signed().map(Timestamp))?,
            deleted_at: r.option(|r| r.signed().map(Timestamp))?,
            program: if has_grown { r.option(Reader::small)? } else { None },
            stays: has_grown && r.byte()? != 0,
        };
        r.end().map(|()| taken)
    }

    /// Whether a program knows of it: it did it itself, or was not there yet.
    pub(super) fn is_of(&self, program: &Program) -> bool {
        let at = self.taken_at.max(self.deleted_at);
        self.program.is_none_or(|number| number == pop_program::number(&program.fingerprint))
            || at.is_some_and(|at| at < program.first_at)
    }
}

/// What a session asks for beside what its owner chose for the device.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MaildropOptions {
    /// What came in the last [`RECENT_DAYS`], whatever the window.
    pub recent: bool,
    /// This mailbox instead of the device's scope.
    pub mailbox: Option<String>,
    /// How the program logged in that has the main password.
    pub program: Option<String>,
}

/// A message in a maildrop; its number is its place in the list, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaildropMessage {
    /// Which message.
    pub email: EmailId,
    /// Octets of the message as it is.
    pub size: u32,
    /// Where it was when the maildrop was opened.
    pub mailbox: MailboxId,
}

/// An open maildrop: fixed for the session, and locked for the device until it is dropped.
pub struct Maildrop {
    pub(super) device: DeviceId,
    expires_after_days: Option<u16>,
    pub(super) program: Option<u32>,
    messages: Vec<MaildropMessage>,
    shown: HashMap<EmailId, Shown>,
    pub(super) lock: MaildropLock,
}

impl Maildrop {
    /// The messages in order of their numbers.
    #[must_use]
    pub fn messages(&self) -> &[MaildropMessage] {
        &self.messages
    }

    /// The fewest days after which a message may leave the list though neither this device nor a person deletes it
    /// (RFC 2449 §6.7): its window closes, or what another device deleted is put off until then. 0: at once, as soon as this
    /// device has taken it. `None`: never.
    #[must_use]
    pub fn expires_after_days(&self) -> Option<u16> {
        self.expires_after_days
    }

    /// A message's UIDL (RFC 1939 §7): the one that another server gave it, else the text of its EMAILID.
    #[must_use]
    pub fn uidl(&self, message: &MaildropMessage) -> Cow<'_, str> {
        let imported = self.shown.get(&message.email).and_then(|shown| shown.uidl.as_deref());
        imported.map_or_else(|| Cow::Owned(message.email.text()), Cow::Borrowed)
    }

    /// A message's octets as they are sent, in lines that end with CRLF (RFC 1939 §11); of its surrogate, unless `utf8`
    /// (RFC 6856 §2.1). Of a message that a version stored which did not note it they are known once
    /// [`Account::note_sent_sizes`] has been there.
    #[must_use]
    pub fn size(&self, message: &MaildropMessage, utf8: bool) -> u32 {
        let sizes = self.shown.get(&message.email).map(|shown| shown.sizes).unwrap_or_default();
        sizes.surrogate.filter(|_| !utf8).or(sizes.lines).unwrap_or(message.size)
    }
}

impl Account {
    /// Opens a device's maildrop.
    ///
    /// # Errors
    /// [`Error::MaildropInUse`], [`Error::NoSuchDevice`], [`Error::NoSuchMailbox`] (that `options` name), faults.
    pub fn open_maildrop(
        &self,
        device: DeviceId,
        options: &MaildropOptions,
        now: Timestamp,
    ) -> Result<Maildrop, Error> {
        self.cell.recover();
        let lock = self.maildrops.lock(&self.cell, device)?;
        let wanted = options.mailbox.clone();
        let choose = move |state: &AccountState| {
            let device = reader(state, device, now);
            let mailboxes = device.and_then(|device| sources(state, &device, wanted.as_deref()));
            mailboxes.unwrap_or_default().into_iter().chain(held(state)).collect()
        };
        let state = self.cell.state_with_indexes(choose)?;
        let device = &*reader(&state, device, now)?;
        let mailboxes = sources(&state, device, options.mailbox.as_deref())?;
        let window = if options.recent { Window::LastDays(RECENT_DAYS) } else { device.pop.window };
        let listing = Listing {
            device: device.id,
            opens_at: window.opens_at(device.pop_since, now),
            taken: self.taken_by(device.id)?,
            near: 0,
            messages: Vec::new(),
        };
        let filed = options.mailbox.is_none() && device.pop.scope == Scope::InboxAndFiled;
        let messages = self.list(listing, &state, &mailboxes, filed.then_some(device))?;
        Ok(Maildrop {
            device: device.id,
            expires_after_days: expires_after_days(device.id, window, &state.devices),
            program: options.program.as_deref().map(pop_program::number),
            messages,
            shown: self.shown()?,
            lock,
        })
    }

    /// The messages that POP3 shows otherwise than they are.
    fn shown(&self) -> Result<HashMap<EmailId, Shown>, Error> {
        let mut all = HashMap::new();
        state::scan(&*self.snapshot()?, key::kind(b'U'), |key, value| {
            let email = EmailId(key::long_at(key, 1).map_err(Error::corrupt("the key of what POP3 shows"))?);
            all.insert(email, Shown::decode(value).map_err(Error::corrupt("the record of what POP3 shows"))?);
            Ok(())
        })?;
        Ok(all)
    }

    /// What a device has done with each message, ascending.
    pub(super) fn taken_by(&self, device: DeviceId) -> Result<Vec<(EmailId, Taken)>, Error> {
        let mut all = Vec::new();
        state::scan(&*self.snapshot()?, key::kind_of(b'P', device.0), |key, value| {
            let email = EmailId(key::long_at(key, 5).map_err(Error::corrupt("a maildrop key"))?);
            all.push((email, Taken::decode(value).map_err(Error::corrupt("a maildrop record"))?));
            Ok(())
        })?;
        Ok(all)
    }

    /// `filed_for`: of mailboxes other than INBOX only what came to INBOX after this device was added, and it has not
    /// taken yet: filing must not hide mail from a device that sees INBOX only.
    fn list(
        &self,
        mut listing: Listing,
        state: &AccountState,
        mailboxes: &[MailboxId],
        filed_for: Option<&Device>,
    ) -> Result<Vec<MaildropMessage>, Error> {
        let inbox = state.inbox()?.id;
        let snapshot = self.snapshot()?;
        let mut others: Vec<(MailboxId, Entry)> = Vec::new();
        for (id, was_in, index) in listing.sources(&*snapshot, state, mailboxes)? {
            match (was_in == inbox, filed_for) {
                (true, _) => index.iter().for_each(|entry| listing.add(id, entry)),
                (false, None) => others.extend(index.iter().map(|entry| (id, *entry))),
                (false, Some(device)) => {
                    for entry in index.iter() {
                        if !listing.may_be_new_to(device, entry) {
                            continue;
                        }
                        // Gone for good since the index was read.
                        let Some(record) = snapshot.get(&key::email(entry.email))? else { continue };
                        let record = EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?;
                        if record.arrival.is_some_and(|arrival| arrival.mailbox == inbox) {
                            others.push((id, *entry));
                        }
                    }
                }
            }
        }
        others.sort_by_key(|(_, entry)| entry.email);
        others.iter().for_each(|(id, entry)| listing.add(*id, entry));
        Ok(each_once(listing.messages))
    }
}

/// A maildrop's list in the making.
struct Listing {
    device: DeviceId,
    opens_at: Option<Timestamp>,
    /// What the device has done with messages, ascending.
    taken: Vec<(EmailId, Taken)>,
    /// Where in `taken` the last message was, or would be: the next one is mostly the one after it.
    near: usize,
    messages: Vec<MaildropMessage>,
}

impl Listing {
    /// What is listed from: where it lies, the mailbox that it counts as, and what is there. What another device wanted to
    /// remove counts as still being where it was.
    fn sources(
        &self,
        snapshot: &dyn Snapshot,
        state: &AccountState,
        mailboxes: &[MailboxId],
    ) -> Result<Vec<(MailboxId, MailboxId, Index)>, Error> {
        let index = |id: MailboxId| state.mailbox(id).map(|state| state.index.clone().unwrap_or_default());
        let mut sources = mailboxes.iter().map(|id| Ok((*id, *id, index(*id)?))).collect::<Result<Vec<_>, Error>>()?;
        if let Some(held) = held(state) {
            let origins = origins(snapshot)?;
            let mut by_mailbox: BTreeMap<MailboxId, Index> = BTreeMap::new();
            for entry in index(held)?.iter() {
                let origin =
                    origins.get(&entry.uid).filter(|(from, by)| mailboxes.contains(from) && *by != self.device);
                if let Some((from, _)) = origin {
                    by_mailbox.entry(*from).or_default().push(*entry);
                }
            }
            sources.extend(by_mailbox.into_iter().map(|(from, index)| (held, from, index)));
        }
        Ok(sources)
    }

    fn add(&mut self, mailbox: MailboxId, entry: &Entry) {
        if self.opens_at.is_some_and(|at| entry.internal_date < at) {
            return;
        }
        if self.taken(entry.email).is_none_or(|taken| taken.deleted_at.is_none()) {
            self.messages.push(MaildropMessage { email: entry.email, size: entry.size, mailbox });
        }
    }

    fn may_be_new_to(&mut self, device: &Device, entry: &Entry) -> bool {
        entry.email.came_since(device.added_at) && self.taken(entry.email).is_none()
    }

    fn taken(&mut self, email: EmailId) -> Option<Taken> {
        let is_here = |at: usize| self.taken.get(at).is_some_and(|(here, _)| *here == email);
        self.near = match self.near + 1 {
            next if is_here(next) => next,
            _ => self.taken.partition_point(|(here, _)| *here < email),
        };
        self.taken.get(self.near).filter(|(here, _)| *here == email).map(|(_, taken)| *taken)
    }
}

/// A copy is the same message: it is listed where it comes first.
fn each_once(mut messages: Vec<MaildropMessage>) -> Vec<MaildropMessage> {
    // Mail that nobody moved is in the order of its arrival.
    if messages.is_sorted_by(|one, next| one.email < next.email) {
        return messages;
    }
    let mut places: Vec<(EmailId, usize)> = messages.iter().map(|message| message.email).zip(0..).collect();
    places.sort_unstable();
    places.dedup_by_key(|(email, _)| *email);
    let mut first = vec![false; messages.len()];
    places.into_iter().for_each(|(_, at)| first.get_mut(at).into_iter().for_each(|first| *first = true));
    let mut first = first.into_iter();
    messages.retain(|_| first.next() == Some(true));
    messages
}

/// See [`Maildrop::expires_after_days`].
fn expires_after_days(device: DeviceId, window: Window, devices: &BTreeMap<DeviceId, Device>) -> Option<u16> {
    let listed = match window {
        Window::Everything | Window::FromNowOn => None,
        Window::LastDays(days) => Some(days),
    };
    // What this device itself has deleted is not in its list any more.
    let others = devices.values().filter(|other| other.id != device && other.has_used(Protocol::Pop3));
    let put_off = others.filter_map(|other| match other.pop.removal {
        RemovalPolicy::ExpungeAfterDays(days) => Some(days),
        RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt => Some(0),
        // What these do is done when a person says so.
        RemovalPolicy::KeepWhenShared
        | RemovalPolicy::Keep
        | RemovalPolicy::MarkRead
        | RemovalPolicy::Archive
        | RemovalPolicy::Trash
        | RemovalPolicy::Expunge => None,
    });
    listed.into_iter().chain(put_off).min()
}

/// The mailbox of what is held, as long as a hold waits for an answer.
fn held(state: &AccountState) -> Option<MailboxId> {
    let mut mailboxes = state.mailboxes.values().map(|state| &state.mailbox).filter(|_| state.record.open_holds > 0);
    mailboxes.find(|mailbox| mailbox.role == Some(Role::Held)).map(|mailbox| mailbox.id)
}

/// Whose maildrop is opened: one that could not be noted lists what a new device would.
fn reader(state: &AccountState, id: DeviceId, now: Timestamp) -> Result<Cow<'_, Device>, Error> {
    if id == DeviceId::UNNOTED {
        let credential = Credential::MainPassword { fingerprint: String::new() };
        return Ok(Cow::Owned(Device::new(id, (String::new(), credential), &state.record.settings, now)));
    }
    let known = state.devices.get(&id).filter(|device| device.revoked_at.is_none());
    known.map(Cow::Borrowed).ok_or(Error::NoSuchDevice)
}

/// The mailboxes that a device lists mail from, INBOX first.
fn sources(state: &AccountState, device: &Device, wanted: Option<&str>) -> Result<Vec<MailboxId>, Error> {
    if let Some(name) = wanted {
        return named(state, name).map(|mailbox| vec![mailbox.id]).ok_or(Error::NoSuchMailbox);
    }
    let inbox = state.inbox()?.id;
    Ok(match device.pop.scope {
        Scope::Inbox => vec![inbox],
        Scope::InboxAndFiled | Scope::AllButSpecial => ordinary(state, inbox),
    })
}

/// INBOX first, then all that are not Junk, Trash, Sent, Drafts or what is held.
pub(super) fn ordinary(state: &AccountState, inbox: MailboxId) -> Vec<MailboxId> {
    let others = state.mailboxes.values().map(|state| &state.mailbox);
    let others = others.filter(|mailbox| match mailbox.role {
        Some(Role::Inbox | Role::Drafts | Role::Sent | Role::Junk | Role::Trash | Role::Held) => false,
        Some(Role::Archive) | None => mailbox.id != inbox,
    });
    std::iter::once(inbox).chain(others.map(|mailbox| mailbox.id)).collect()
}

/// A mailbox by its name, as people type it into a user name: the case counts only where it has to.
fn named<'a>(state: &'a AccountState, name: &str) -> Option<&'a Mailbox> {
    let same = |mailbox: &&Mailbox| mailbox.name.to_lowercase() == name.to_lowercase();
    let mut alike = state.mailboxes.values().map(|state| &state.mailbox).filter(same);
    let (first, second) = (alike.next(), alike.next());
    state.by_name(name).map(|state| &state.mailbox).or(first.filter(|_| second.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_listed_where_the_message_comes_first() {
        let list = |emails: &[u64]| {
            let message = |(at, email): (usize, &u64)| MaildropMessage {
                email: EmailId(*email),
                size: at as u32,
                mailbox: MailboxId(1),
            };
            let once = each_once(emails.iter().enumerate().map(message).collect());
            once.iter().map(|message| (message.email.0, message.size)).collect::<Vec<_>>()
        };
        assert_eq!(list(&[]), []);
        assert_eq!(list(&[1, 2, 5]), [(1, 0), (2, 1), (5, 2)]);
        assert_eq!(list(&[7, 3, 7, 3, 4, 7]), [(7, 0), (3, 1), (4, 4)]);
        assert_eq!(list(&[3, 3]), [(3, 0)]);
    }
}
