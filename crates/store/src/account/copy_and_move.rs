//! Messages come into another mailbox: IMAP COPY and MOVE (RFC 6851).

use super::Account;
use super::act;
use super::piece::next_piece;
use crate::codec::{Corrupt, Reader};
use crate::error::Error;
use crate::flags::Flags;
use crate::ids::{DeviceId, EmailId, MailboxId, Timestamp, Uid, UidValidity};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, OfMessages, Protocol, Relisted};
use crate::key;
use crate::known_nodes::NodeNumber;
use crate::quota::Amount;
use crate::record::{open, versioned};
use crate::rights::Rights;
use crate::transact::AccountCell;
use crate::tx::Tx;
use std::sync::{Arc, Mutex, PoisonError};

/// What came where (COPYUID, RFC 4315 §3).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Relisting {
    /// Of the mailbox that the messages came to.
    pub uid_validity: UidValidity,
    /// UID there for each UID here, ascending in both. UIDs that were gone are not in it.
    pub uids: Vec<(Uid, Uid)>,
}

#[derive(Clone, Copy)]
enum How {
    Copy,
    Move,
}

impl Account {
    /// Copies messages, [`crate::PIECE_MESSAGES_MAX`] in a commit; all of them or, on an error, none. UIDs that are gone are passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (into the mailbox of what is held, or out of it but by a copy),
    /// [`Error::OverQuota`], [`Error::Limit`] (a keyword or UID too many), [`Error::NoSpace`], faults.
    pub fn copy(&self, actor: Actor, from: MailboxId, uids: Vec<Uid>, to: MailboxId) -> Result<Relisting, Error> {
        let mut copying = self.begin_copy(actor, from, uids, to);
        while copying.piece()? {}
        Ok(copying.finish())
    }

    /// Begins to copy messages; nothing is changed yet.
    #[must_use]
    pub fn begin_copy(&self, actor: Actor, from: MailboxId, mut uids: Vec<Uid>, to: MailboxId) -> Copying {
        uids.sort_unstable();
        uids.dedup();
        let copied = Relisting::default();
        Copying { account: self.clone(), actor, from, uids, to, done: 0, copied, unfinished: None }
    }

    /// Moves messages, [`crate::PIECE_MESSAGES_MAX`] in a commit; on an error some may have been moved. UIDs that are gone are
    /// passed over.
    ///
    /// # Errors
    /// As [`Account::copy`], but never [`Error::OverQuota`].
    pub fn move_messages(
        &self,
        actor: Actor,
        from: MailboxId,
        mut uids: Vec<Uid>,
        to: MailboxId,
    ) -> Result<Relisting, Error> {
        uids.sort_unstable();
        uids.dedup();
        let mut moved = Relisting::default();
        let mut done = 0;
        // Once also for none at all: the mailboxes must be there.
        loop {
            let piece = next_piece(&uids, done).to_vec();
            done += piece.len();
            let part = self.transact_shared(move |tx| relist(tx, actor, How::Move, from, &piece, to))?;
            moved.uid_validity = part.uid_validity;
            moved.uids.extend(part.uids);
            if done >= uids.len() {
                return Ok(moved);
            }
        }
    }
}

/// Messages on their way into another mailbox, [`crate::PIECE_MESSAGES_MAX`] in a commit. RFC 9051 §6.4.7: all of them or none;
/// so what has come is taken back if it does not get as far as its last piece: when it is dropped, or, after a crash,
/// before anybody sees the account again.
pub struct Copying {
    account: Account,
    actor: Actor,
    from: MailboxId,
    uids: Vec<Uid>,
    to: MailboxId,
    done: usize,
    copied: Relisting,
    /// The record of what has come; none before the first and after the last piece.
    unfinished: Option<Unfinished>,
}

impl Copying {
    /// Copies one piece; whether there is more to do.
    ///
    /// # Errors
    /// As [`Account::copy`].
    pub fn piece(&mut self) -> Result<bool, Error> {
        let piece = next_piece(&self.uids, self.done).to_vec();
        let next = self.done + piece.len();
        let (is_first, is_last) = (self.done == 0, next >= self.uids.len());
        let (actor, from, to) = (self.actor, self.from, self.to);
        let all = if is_first && !is_last { self.uids.clone() } else { Vec::new() };
        let before = self.unfinished.clone();
        let noted = Noted::default();
        let to_note = noted.clone();
        let done = self.account.transact_shared(move |tx| {
            // Whoever copies too much hears so before anything has come.
            let index = tx.index(from)?;
            let amount = Amount::of(all.iter().filter_map(|uid| index.find(*uid)).map(|entry| entry.size));
            tx.must_fit(amount)?;
            let mut unfinished = Unfinished::go_on(tx, before.as_ref(), to, actor.now)?;
            let part = relist(tx, actor, How::Copy, from, &piece, to)?;
            if is_last {
                unfinished.forget(tx);
                return Ok((part, None));
            }
            unfinished.note(tx, part.uids.first().zip(part.uids.last()).map(|(first, last)| (first.1, last.1)));
            to_note.set(&unfinished);
            Ok((part, Some(unfinished)))
        });
        let (part, unfinished) = done.inspect_err(|_| noted.may_be_durable(&mut self.unfinished))?;
        self.copied.uid_validity = part.uid_validity;
        self.copied.uids.extend(part.uids);
        self.done = next;
        self.unfinished = unfinished;
        Ok(!is_last)
    }

    /// What was copied, after the last piece.
    #[must_use]
    pub fn finish(mut self) -> Relisting {
        std::mem::take(&mut self.copied)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take()
            && let Err(error) = unfinished.take_back(&self.account.cell)
        {
            tracing::error!(account = %self.account.id(), %error, "a part of a copy stays until the next start");
        }
    }
}

const RECORD: &str = "the record of what comes in pieces";

/// A copy, or an upload of several messages, that has not come to its end: the UIDs that it has given so far. Its key is the
/// first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    to: MailboxId,
    at: Timestamp,
    /// First and last of each piece, ascending.
    uids: Vec<(Uid, Uid)>,
    /// Which of several nodes does it.
    node: Option<NodeNumber>,
}

impl Unfinished {
    /// Of messages that come to `to`; `before`: what was noted with the last piece.
    ///
    /// # Errors
    /// A fault, where another node took this one for gone and has taken back what had come.
    pub(super) fn go_on(tx: &mut Tx<'_>, before: Option<&Self>, to: MailboxId, at: Timestamp) -> Result<Self, Error> {
        let Some(before) = before else { return Ok(Self { to, at, uids: Vec::new(), node: tx.node() }) };
        let is_there = match before.key() {
            Some(key) => tx.get(&key)?.is_some_and(|row| row == before.encode()),
            None => true,
        };
        if !is_there {
            return Err(Error::fault(
                "this server was away for too long: what had come of a copy or an upload was taken back",
            ));
        }
        Ok(before.clone())
    }

    fn key(&self) -> Option<Vec<u8>> {
        self.uids.first().map(|(first, _)| key::copying(self.to, *first))
    }

    /// Notes the first and the last UID of a piece, which has come with this transaction.
    pub(super) fn note(&mut self, tx: &mut Tx<'_>, piece: Option<(Uid, Uid)>) {
        self.uids.extend(piece);
        if let Some(key) = self.key() {
            tx.put(key, self.encode());
        }
    }

    /// All has come.
    pub(super) fn forget(&self, tx: &mut Tx<'_>) {
        if let Some(key) = self.key() {
            tx.delete(key);
        }
    }

    /// Takes out again what has come, the last ones first: what of it is durable its record says, and nobody else. Where a commit
    /// had an unknown outcome, more may have come than was told, or all.
    pub(super) fn take_back(self, cell: &AccountCell) -> Result<(), Error> {
        let Some(key) = self.key() else { return Ok(()) };
        let (to, at) = (self.to, self.at);
        loop {
            let key = key.clone();
            let is_there_more = cell.transact(move |tx| {
                let Some(record) = tx.get(&key)? else { return Ok(false) };
                let mut record = Self::decode(&key, &record).map_err(Error::corrupt(RECORD))?;
                // What did not come has left its UIDs to others.
                if record.at != at {
                    return Ok(false);
                }
                let piece = record.uids.pop();
                match record.key() {
                    Some(_) => tx.put(key.clone(), record.encode()),
                    None => tx.delete(key.clone()),
                }
                // Somebody may have deleted the mailbox, or moved copies on: those are his.
                if let Some((first, last)) = piece.filter(|_| tx.mailbox(to).is_ok()) {
                    let entries: Vec<Entry> = tx.index(to)?.uids(first, last).map(|(_, entry)| *entry).collect();
                    let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: at };
                    tx.expunge(actor, to, &entries)?;
                }
                Ok(!record.uids.is_empty())
            })?;
            if !is_there_more {
                return Ok(());
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.signed(self.at.0).number(self.uids.len() as u64);
        for (first, last) in &self.uids {
            w.number(first.0.into()).number(last.0.into());
        }
        // One that was alone says nothing of it, as earlier versions did.
        if let Some(NodeNumber(node)) = self.node {
            w.number(node);
        }
        w.0
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, Corrupt> {
        let to = MailboxId(key::number_at(key, 1)?);
        let mut r = open(value)?;
        let at = Timestamp(r.signed()?);
        let uids = r.list(|r: &mut Reader<'_>| Ok((Uid(r.small()?), Uid(r.small()?))))?;
        let node = if r.0.is_empty() { None } else { Some(NodeNumber(r.number()?)) };
        r.end().map(|()| Self { to, at, uids, node })
    }
}

/// What the last run of a piece has noted in its transaction.
#[derive(Clone, Default)]
pub(super) struct Noted(Arc<Mutex<Option<Unfinished>>>);

impl Noted {
    pub(super) fn set(&self, unfinished: &Unfinished) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unfinished.clone());
    }

    /// The piece failed: it may have come all the same.
    pub(super) fn may_be_durable(&self, unfinished: &mut Option<Unfinished>) {
        if let Some(noted) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            *unfinished = Some(noted);
        }
    }
}

/// Takes back the copies that a crash has left half-way, and notes what it has left of undoing and clearing. `is_new`: nobody in
/// this process has used the account before.
pub(crate) fn take_back(cell: &AccountCell, is_new: bool) -> Result<(), Error> {
    act::close_all(cell, is_new)?;
    let mut unfinished = Vec::new();
    crate::state::scan(&*cell.engine.snapshot(cell.id)?, key::kind(b'C'), |key, value| {
        unfinished.push(Unfinished::decode(key, value).map_err(Error::corrupt(RECORD))?);
        Ok(())
    })?;
    for copy in unfinished {
        if !cell.is_nobodys(copy.node, is_new)? {
            continue;
        }
        tracing::warn!(account = %cell.id, mailbox = %copy.to, "taking back what a copy or an upload left that was broken off");
        copy.take_back(cell)?;
    }
    Ok(())
}

fn relist(
    tx: &mut Tx<'_>,
    actor: Actor,
    how: How,
    from: MailboxId,
    uids: &[Uid],
    to: MailboxId,
) -> Result<Relisting, Error> {
    let uid_validity = tx.mailbox(to)?.uid_validity;
    tx.mailbox(from)?;
    tx.must_have(to, Rights::INSERT)?;
    tx.must_have(from, Rights::READ)?;
    tx.must_not_be_held(to)?;
    match how {
        How::Copy => {}
        How::Move => {
            tx.must_have(from, Rights::DELETE_MESSAGES.and(Rights::EXPUNGE))?;
            tx.must_not_be_held(from)?;
        }
    }
    let index = tx.index(from)?;
    let mut entries: Vec<Entry> = uids.iter().filter_map(|uid| index.find(*uid)).copied().collect();
    entries.sort_unstable_by_key(|entry| entry.uid);
    entries.dedup_by_key(|entry| entry.uid);
    if matches!(how, How::Copy) {
        tx.must_fit(Amount::of(entries.iter().map(|entry| entry.size)))?;
    }
    let mut pairs = Vec::with_capacity(entries.len());
    let mut filed: Vec<(Uid, EmailId)> = Vec::new();
    for batch in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
        let relisted = tx.relisted(from, batch, to)?;
        pairs.extend(relisted.iter().map(|moved| (moved.before.uid, moved.uid)));
        filed.extend(relisted.iter().map(|moved| (moved.uid, moved.before.email)));
        match how {
            How::Copy => copy(tx, actor, to, &relisted)?,
            How::Move => tx.move_batch(actor, (from, batch), to, relisted)?,
        }
    }
    tx.copy_marks(from, to, &pairs)?;
    tx.filed(actor, to, &filed)?;
    tx.note_put_away(actor, (from, to), pairs.len())?;
    Ok(Relisting { uid_validity, uids: pairs })
}

fn copy(tx: &mut Tx<'_>, actor: Actor, to: MailboxId, relisted: &[Relisted]) -> Result<(), Error> {
    let modseq = tx.next_modseq();
    let messages: Vec<Listed> = relisted.iter().map(Relisted::after).collect();
    for listed in &messages {
        tx.list(to, &listed.entry(modseq))?;
        tx.enter(listed.email, (to, listed.uid), actor.now)?;
    }
    tx.journal(actor, Change::Messages(OfMessages::Added { mailbox: to, messages }));
    Ok(())
}

impl Tx<'_> {
    /// Gives each message a UID and flags in the mailbox that it comes to.
    pub(super) fn relisted(
        &mut self,
        from: MailboxId,
        entries: &[Entry],
        to: MailboxId,
    ) -> Result<Vec<Relisted>, Error> {
        let keywords = self.mailbox(from)?.keywords.clone();
        let relisted = entries.iter().map(|entry| {
            let flags = self.flags_of_copy(to, keywords.flags(entry.flags))?;
            let flags = self.flag_bits_with_room(to, &flags)?;
            Ok(Relisted { before: Listed::of(entry), uid: self.next_uid(to)?, flags })
        });
        relisted.collect()
    }

    /// Moves entries, each with the flags that it gets.
    pub(super) fn move_with_flags(
        &mut self,
        actor: Actor,
        (from, to): (MailboxId, MailboxId),
        messages: &[(Entry, Flags)],
    ) -> Result<(), Error> {
        for batch in messages.chunks(MESSAGES_PER_ENTRY_MAX) {
            let relisted = |(entry, flags): &(Entry, Flags)| {
                let flags = self.flag_bits_with_room(to, flags)?;
                Ok(Relisted { before: Listed::of(entry), uid: self.next_uid(to)?, flags })
            };
            let relisted = batch.iter().map(relisted).collect::<Result<_, Error>>()?;
            let entries: Vec<Entry> = batch.iter().map(|(entry, _)| *entry).collect();
            self.move_batch(actor, (from, &entries), to, relisted)?;
        }
        Ok(())
    }

    pub(super) fn move_batch(
        &mut self,
        actor: Actor,
        (from, batch): (MailboxId, &[Entry]),
        to: MailboxId,
        messages: Vec<Relisted>,
    ) -> Result<(), Error> {
        self.unlist(from, batch)?;
        let modseq = self.next_modseq();
        for moved in &messages {
            self.list(to, &moved.after().entry(modseq))?;
            self.change_place(moved, (from, to), actor.now)?;
        }
        self.change_mailbox(from)?.mailbox.highest_modseq = modseq;
        self.journal(actor, Change::Messages(OfMessages::Moved { from, to, messages }));
        Ok(())
    }
}
