//! Mail that is brought from elsewhere: each message once, whatever breaks off, and however often it is asked for again.
//!
//! What is brought is known by a *mark*, which its source gives it for good: the UID that it has in a mailbox of another server, a
//! digest of a file's name. The commit that brings messages writes down their marks with them, and where they came to; so whoever
//! goes on, or comes again, knows what is there. A row is written for each commit, not for each message. Beside the mark it has a
//! digest of the content ([`ContentDigest`]): where the source has given out its marks anew, a message is known by it, also when
//! its owner has moved or removed it here meanwhile.
//!
//! An import is a device of the account ([`Credential::Import`]), and its notes are this device's: the timeline tells what it
//! brought, [`super::undo`] takes that back, and when the device is revoked the next import of the same mail is a new one.
//!
//! Invariant: of two imports that take the same folder at the same time one fails before it commits anything the other did not
//! know of: each commit names the number of rows that it has read.

use super::Account;
use super::NewMessage;
use super::appending::{Piece, store_piece};
use crate::codec::{Corrupt, Reader};
use crate::device::{Credential, DEVICE_NAME_BYTES_MAX};
use crate::error::Error;
use crate::ids::{DeviceId, MailboxId, Uid};
use crate::journal::Actor;
use crate::key;
use crate::objects::ObjectName;
use crate::quota::Amount;
use crate::record::{grown, open_grown};
use crate::state;
use crate::tx::Tx;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wording::tr;

/// A message of another place.
#[derive(Clone, Debug)]
pub struct Arriving {
    /// What it is known by there.
    pub mark: u64,
    /// A digest of the flags that it has there.
    pub flags_there: u32,
    /// What it is known by when its mark has become another.
    pub content: ContentDigest,
    /// The message; `Err`: it is here already.
    pub message: Result<NewMessage, Place>,
}

/// A digest of all octets of a message as its source gave them: the first half of their BLAKE3, which nobody finds another message
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest(pub [u8; 16]);

impl ContentDigest {
    /// That of a message.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self::of_hash(blake3::hash(octets).as_bytes())
    }

    /// That of a message of which the BLAKE3 is known.
    pub(super) fn of_hash(hash: &[u8; 32]) -> Self {
        Self(hash.first_chunk().copied().unwrap_or_default())
    }
}

/// Where a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its number there; it may have gone since.
    pub uid: Uid,
}

/// What an import has taken of a folder elsewhere.
#[derive(Debug)]
pub struct Imported {
    device: DeviceId,
    folder: u64,
    validity: u64,
    rows: u32,
    taken: HashMap<u64, Taken>,
    before: BTreeMap<Place, Option<ContentDigest>>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    place: Place,
    flags_there: u32,
    row: u32,
}

/// A row: what one commit has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportedRow {
    /// Which marks: a folder whose validity is another one has given out all marks anew.
    validity: u64,
    messages: Vec<TakenMessage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TakenMessage {
    mark: u64,
    place: Place,
    flags_there: u32,
    /// Version 1 did not note it.
    content: Option<ContentDigest>,
}

impl Imported {
    /// Where the message of a mark came to, and the digest of the flags that it had there when somebody last looked.
    #[must_use]
    pub fn of(&self, mark: u64) -> Option<(Place, u32)> {
        self.taken.get(&mark).map(|taken| (taken.place, taken.flags_there))
    }

    /// All marks, in no order.
    pub fn marks(&self) -> impl Iterator<Item = u64> {
        self.taken.keys().copied()
    }

    /// What came of the same folder when its marks were others, and has not been found again: where it came to, and what it is
    /// known by; an import of an earlier version did not note that.
    #[must_use]
    pub fn before(&self) -> &BTreeMap<Place, Option<ContentDigest>> {
        &self.before
    }

    /// Where messages came to, in no order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.taken.values().map(|taken| taken.place)
    }

    /// Has forgotten, until it is read again, what came elsewhere than `is_kept` says.
    pub fn keep(&mut self, mut is_kept: impl FnMut(Place) -> bool) {
        self.taken.retain(|_, taken| is_kept(taken.place));
        self.before.retain(|place, _| is_kept(*place));
    }

    fn note(&mut self, row: u32, messages: &[TakenMessage]) {
        self.rows = self.rows.max(row + 1);
        let taken = |TakenMessage { mark, place, flags_there, .. }: &TakenMessage| {
            (*mark, Taken { place: *place, flags_there: *flags_there, row })
        };
        self.taken.extend(messages.iter().map(taken));
    }
}

impl ImportedRow {
    fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.number(self.validity).number(self.messages.len() as u64);
        let mut before = (0, 0);
        for TakenMessage { mark, place: Place { mailbox, uid }, flags_there, content } in &self.messages {
            // Mostly both go up by one.
            w.signed((*mark as i64).wrapping_sub(before.0)).number(mailbox.0.into());
            w.signed(i64::from(uid.0) - before.1).raw(&flags_there.to_be_bytes());
            w.option(*content, |w, content| {
                w.raw(&content.0);
            });
            before = (*mark as i64, uid.0.into());
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_contents) = open_grown(bytes)?;
        let (validity, mut before) = (r.number()?, (0i64, 0i64));
        let messages = r.list(|r: &mut Reader<'_>| {
            let (mark, mailbox) = (before.0.wrapping_add(r.signed()?), MailboxId(r.small()?));
            let uid = before.1.checked_add(r.signed()?).ok_or(Corrupt)?;
            before = (mark, uid);
            let place = Place { mailbox, uid: Uid(u32::try_from(uid).map_err(|_| Corrupt)?) };
            let flags_there = u32::from_be_bytes(r.array()?);
            let content = if has_contents { r.option(|r| r.array().map(ContentDigest))? } else { None };
            Ok(TakenMessage { mark: mark as u64, place, flags_there, content })
        })?;
        r.end().map(|()| Self { validity, messages })
    }
}

impl Account {
    /// The device that stands for the import of what `source` names; made when it is first seen. `name`: for people.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn import_device(&self, actor: Actor, source: &str, name: &str) -> Result<DeviceId, Error> {
        let credential = Credential::Import { source: source.to_owned() };
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        while name.len() > DEVICE_NAME_BYTES_MAX {
            name.pop();
        }
        self.transact(move |tx| {
            let known =
                |device: &&crate::device::Device| device.revoked_at.is_none() && device.credential == credential;
            match tx.state.devices.values().find(known).map(|device| device.id) {
                Some(id) => Ok(id),
                None => super::devices::add(tx, actor, name.clone(), credential.clone(), None),
            }
        })
    }

    /// What a device has taken of a folder elsewhere; `validity`: which marks the folder has now.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn imported(&self, device: DeviceId, folder: u64, validity: u64) -> Result<Imported, Error> {
        let (taken, before) = (HashMap::new(), BTreeMap::new());
        let mut imported = Imported { device, folder, validity, rows: 0, taken, before };
        let prefix = key::imported(device, folder);
        state::scan(&*self.snapshot()?, key::all(&prefix), |key, value| {
            if key.len() == prefix.len() {
                return Ok(());
            }
            let read = key::number_at(key, prefix.len()).and_then(|number| Ok((number, ImportedRow::decode(value)?)));
            let (number, row) = read.map_err(Error::corrupt("what an import has taken"))?;
            if row.validity == validity {
                imported.note(number, &row.messages);
            } else {
                for TakenMessage { place, content, .. } in row.messages {
                    let known = imported.before.entry(place).or_default();
                    *known = known.or(content);
                }
                imported.rows = imported.rows.max(number + 1);
            }
            Ok(())
        })?;
        let found: BTreeSet<Place> = imported.taken.values().map(|taken| taken.place).collect();
        imported.before.retain(|place, _| !found.contains(place));
        Ok(imported)
    }

    /// Brings messages into a mailbox, all of them or none, and notes that they are taken: at most as many as a piece has
    /// ([`super::PIECE_MESSAGES_MAX`], [`super::APPENDING_PIECE_BYTES_MAX`] or one message). The device of `actor` is that of `imported`.
    ///
    /// # Errors
    /// As [`Account::append`]; [`Error::NoSuchDevice`] (it was revoked), [`Error::NotAllowed`] (another import has taken of the
    /// same folder meanwhile). After a fault read [`Self::imported`] again.
    pub fn import(
        &self,
        actor: Actor,
        mailbox: MailboxId,
        imported: &mut Imported,
        arriving: Vec<Arriving>,
    ) -> Result<(), Error> {
        let (mut piece, mut new, mut noted) = (Piece::default(), Vec::new(), Vec::new());
        for Arriving { mark, flags_there, content, message } in arriving {
            let content = Some(content);
            match message {
                Ok(message) => {
                    piece.add(self, message)?;
                    new.push((mark, flags_there, content));
                }
                Err(place) => noted.push(TakenMessage { mark, place, flags_there, content }),
            }
        }
        let Piece { messages, objects, .. } = piece;
        let names: Vec<ObjectName> = objects.iter().map(|(name, _)| name.clone()).collect();
        let (device, folder, validity, number) = (imported.device, imported.folder, imported.validity, imported.rows);
        let amount = Amount::of(messages.iter().map(|ready| ready.prepared.size));
        let put = self.objects.put_all(self.id(), objects).map_err(Error::from);
        let stored = put.and_then(|()| {
            self.transact(move |tx| {
                tx.must_go_on(device, folder, number)?;
                tx.must_not_be_held(mailbox)?;
                tx.must_fit(amount)?;
                let appended = store_piece(tx, Actor { device, ..actor }, mailbox, &messages)?;
                let arrived = new.iter().zip(&appended).map(|((mark, flags_there, content), appended)| {
                    let place = Place { mailbox, uid: appended.uid };
                    TakenMessage { mark: *mark, place, flags_there: *flags_there, content: *content }
                });
                let row = ImportedRow { validity, messages: noted.iter().copied().chain(arrived).collect() };
                tx.put(key::imported_row(device, folder, number), row.encode());
                tx.put(key::imported(device, folder), (number + 1).to_be_bytes().to_vec());
                Ok(row.messages)
            })
        });
        if let Err(error) = &stored {
            names.into_iter().for_each(|name| self.remove_unless(false, Some(error), Some(name)));
        }
        let messages = stored?;
        for TakenMessage { place, .. } in &messages {
            imported.before.remove(place);
        }
        imported.note(number, &messages);
        Ok(())
    }

    /// Notes the flags that messages have elsewhere now: marks and digests.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotAllowed`], [`Error::NoSpace`], faults.
    pub fn note_flags_elsewhere(&self, imported: &mut Imported, flags: &[(u64, u32)]) -> Result<(), Error> {
        let mut by_row: HashMap<u32, HashMap<u64, u32>> = HashMap::new();
        for (mark, flags_there) in flags {
            if let Some(taken) = imported.taken.get_mut(mark) {
                taken.flags_there = *flags_there;
                by_row.entry(taken.row).or_default().insert(*mark, *flags_there);
            }
        }
        let (device, folder, number) = (imported.device, imported.folder, imported.rows);
        if by_row.is_empty() {
            return Ok(());
        }
        self.transact(move |tx| {
            tx.must_go_on(device, folder, number)?;
            for (number, changed) in &by_row {
                let key = key::imported_row(device, folder, *number);
                let Some(row) = tx.get(&key)? else { continue };
                let mut row = ImportedRow::decode(&row).map_err(Error::corrupt("what an import has taken"))?;
                for message in &mut row.messages {
                    message.flags_there = changed.get(&message.mark).copied().unwrap_or(message.flags_there);
                }
                tx.put(key, row.encode());
            }
            Ok(())
        })
    }
}

impl Tx<'_> {
    /// The import is not revoked, and has read all rows.
    fn must_go_on(&mut self, device: DeviceId, folder: u64, rows: u32) -> Result<(), Error> {
        if self.state.devices.get(&device).is_none_or(|device| device.revoked_at.is_some()) {
            return Err(Error::NoSuchDevice);
        }
        let there = self.get(&key::imported(device, folder))?;
        let there =
            there.map_or(Ok(0), |row| key::number_at(&row, 0)).map_err(Error::corrupt("what an import has taken"))?;
        if there == rows {
            return Ok(());
        }
        Err(Error::NotAllowed(tr!("another import takes the same mail at this moment; wait for its end")))
    }

    /// The device gives way to another one.
    pub(super) fn forget_imported(&mut self, device: DeviceId) -> Result<(), Error> {
        let rows = self.rows(key::all_imported_by(device), usize::MAX)?;
        rows.into_iter().for_each(|(key, _)| self.delete(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{FlagChange, UndoRequest, UndoWhat};
    use crate::check::{self, Depth};
    use crate::flags::Flags;
    use crate::ids::{AccountId, Timestamp};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };

    fn account() -> (Store, Account) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        (store, account)
    }

    fn arriving(mark: u64) -> Arriving {
        let body = format!("Subject: {mark}\r\n\r\ntext\r\n").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        let content = ContentDigest::of(&message.body);
        Arriving { mark, flags_there: mark as u32, content, message: Ok(message) }
    }

    fn inbox(account: &Account) -> MailboxId {
        account.mailboxes().unwrap().by_name("INBOX").unwrap().id
    }

    fn all_is_well(store: &Store) {
        assert_eq!(check::account(store, AccountId(16), Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn what_was_taken_is_known_to_whoever_comes_again() {
        let (store, account) = account();
        let inbox = inbox(&account);
        let device = account.import_device(ACTOR, "imap://old", "Import from old").unwrap();
        assert_eq!(account.import_device(ACTOR, "imap://old", "again").unwrap(), device);
        let mut imported = account.imported(device, 7, 1).unwrap();
        account.import(ACTOR, inbox, &mut imported, vec![arriving(5), arriving(u64::MAX)]).unwrap();
        account.import(ACTOR, inbox, &mut imported, vec![arriving(6)]).unwrap();
        account.note_flags_elsewhere(&mut imported, &[(5, 9), (6, 8)]).unwrap();
        let again = account.imported(device, 7, 1).unwrap();
        let place = |uid| Place { mailbox: inbox, uid: Uid(uid) };
        for found in [&imported, &again] {
            assert_eq!(found.of(5), Some((place(1), 9)));
            assert_eq!(found.of(u64::MAX), Some((place(2), u32::MAX)));
            assert_eq!(found.of(6), Some((place(3), 8)));
            assert_eq!((found.of(4), found.marks().count(), found.before().len()), (None, 3, 0));
        }
        assert_eq!(account.imported(device, 8, 1).unwrap().marks().count(), 0, "another folder");
        all_is_well(&store);
    }

    #[test]
    fn a_folder_with_new_numbers_is_told_from_what_came_before() {
        let (store, account) = account();
        let inbox = inbox(&account);
        let device = account.import_device(ACTOR, "imap://old", "Import").unwrap();
        let mut imported = account.imported(device, 7, 1).unwrap();
        account.import(ACTOR, inbox, &mut imported, vec![arriving(1), arriving(2)]).unwrap();
        let mut renumbered = account.imported(device, 7, 2).unwrap();
        let (one, two) = (Place { mailbox: inbox, uid: Uid(1) }, Place { mailbox: inbox, uid: Uid(2) });
        let known = |mark| Some(arriving(mark).content);
        assert_eq!(
            (renumbered.of(1), renumbered.before()),
            (None, &BTreeMap::from([(one, known(1)), (two, known(2))]))
        );
        let here = Arriving { mark: 1, message: Err(two), ..arriving(2) };
        account.import(ACTOR, inbox, &mut renumbered, vec![here]).unwrap();
        let again = account.imported(device, 7, 2).unwrap();
        let left = BTreeMap::from([(one, known(1))]);
        assert_eq!((again.of(1), again.before(), renumbered.before()), (Some((two, 2)), &left, &left));
        assert_eq!(account.view(inbox).unwrap().index().len(), 2);
        all_is_well(&store);
    }

    #[test]
    fn rows_of_the_version_before_are_read() {
        let row = [1, 9, 2, 14, 3, 8, 0, 0, 0, 5, 2, 3, 2, 0, 0, 1, 0];
        let taken = |mark, uid, flags_there| {
            let place = Place { mailbox: MailboxId(3), uid: Uid(uid) };
            TakenMessage { mark, place, flags_there, content: None }
        };
        let expected = ImportedRow { validity: 9, messages: vec![taken(7, 4, 5), taken(8, 5, 256)] };
        assert_eq!(ImportedRow::decode(&row), Ok(expected.clone()));
        let content = Some(ContentDigest::of(b"x"));
        let messages = [&expected.messages[..], &[TakenMessage { content, ..taken(u64::MAX, 6, 0) }]].concat();
        let row = ImportedRow { validity: 9, messages };
        assert_eq!(ImportedRow::decode(&row.encode()), Ok(row));
    }

    #[test]
    fn two_imports_of_the_same_folder_double_nothing() {
        let (store, account) = account();
        let inbox = inbox(&account);
        let device = account.import_device(ACTOR, "imap://old", "Import").unwrap();
        let mut first = account.imported(device, 7, 1).unwrap();
        let mut second = account.imported(device, 7, 1).unwrap();
        account.import(ACTOR, inbox, &mut first, vec![arriving(1)]).unwrap();
        let refused = account.import(ACTOR, inbox, &mut second, vec![arriving(1)]);
        assert!(matches!(refused, Err(Error::NotAllowed(_))), "{refused:?}");
        assert_eq!(account.view(inbox).unwrap().index().len(), 1);
        all_is_well(&store);
    }

    #[test]
    fn an_undo_takes_back_what_was_brought_but_for_what_its_owner_touched() {
        let (store, account) = account();
        let inbox = inbox(&account);
        let device = account.import_device(ACTOR, "imap://old", "Import").unwrap();
        let mut imported = account.imported(device, 7, 1).unwrap();
        account.import(ACTOR, inbox, &mut imported, (1..=3).map(arriving).collect()).unwrap();
        let seen = Flags::system(&[crate::flags::SystemFlag::Seen]);
        let seen = FlagChange { mode: crate::flags::FlagMode::Add, flags: seen, unchanged_since: None };
        account.change_flags(ACTOR, inbox, vec![Uid(2)], seen).unwrap();
        let what = UndoWhat::Device { device, since: Timestamp(0) };
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        let report = account.undo(ACTOR, request).unwrap();
        assert_eq!(report.removed, 2);
        let left: Vec<Uid> = account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
        assert_eq!(left, [Uid(2)]);
        assert_eq!(account.imported(device, 7, 1).unwrap().marks().count(), 3, "it does not come again by itself");
        account.revoke_device(ACTOR, device).unwrap();
        let refused = account.import(ACTOR, inbox, &mut imported, vec![arriving(4)]);
        assert_eq!(refused, Err(Error::NoSuchDevice));
        assert_ne!(account.import_device(ACTOR, "imap://old", "Import").unwrap(), device);
        all_is_well(&store);
    }
}
