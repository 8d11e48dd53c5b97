//! Messages come into another mailbox: IMAP COPY and MOVE (RFC 6851).

use super::Account;
use crate::error::Error;
use crate::flags::Flags;
use crate::ids::{EmailId, MailboxId, Uid, UidValidity};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, Relisted};
use crate::tx::Tx;

/// What came where (COPYUID, RFC 4315 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Copies messages; all of them or, on an error, none. UIDs that are gone are passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (into the mailbox of what is held, or out of it but by a copy),
    /// [`Error::OverQuota`], [`Error::Limit`] (a keyword or UID too many), [`Error::NoSpace`], faults.
    pub fn copy(&self, actor: Actor, from: MailboxId, uids: Vec<Uid>, to: MailboxId) -> Result<Relisting, Error> {
        self.transact(move |tx| relist(tx, actor, How::Copy, from, &uids, to))
    }

    /// Moves messages; all of them or, on an error, none. UIDs that are gone are passed over.
    ///
    /// # Errors
    /// As [`Account::copy`], but never [`Error::OverQuota`].
    pub fn move_messages(
        &self,
        actor: Actor,
        from: MailboxId,
        uids: Vec<Uid>,
        to: MailboxId,
    ) -> Result<Relisting, Error> {
        self.transact(move |tx| relist(tx, actor, How::Move, from, &uids, to))
    }
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
    tx.must_not_be_held(to)?;
    match how {
        How::Copy => {}
        How::Move => tx.must_not_be_held(from)?,
    }
    let index = tx.index(from)?;
    let mut entries: Vec<Entry> = uids.iter().filter_map(|uid| index.find(*uid)).copied().collect();
    entries.sort_unstable_by_key(|entry| entry.uid);
    entries.dedup_by_key(|entry| entry.uid);
    if matches!(how, How::Copy) {
        tx.must_fit(entries.iter().map(|entry| u64::from(entry.size)).sum())?;
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
    tx.filed(actor, to, &filed)?;
    tx.note_put_away(actor, (from, to), pairs.len())?;
    Ok(Relisting { uid_validity, uids: pairs })
}

fn copy(tx: &mut Tx<'_>, actor: Actor, to: MailboxId, relisted: &[Relisted]) -> Result<(), Error> {
    let modseq = tx.next_modseq();
    let messages: Vec<Listed> = relisted.iter().map(Relisted::after).collect();
    for listed in &messages {
        tx.list(to, &listed.entry(modseq))?;
        tx.enter(listed.email)?;
    }
    tx.journal(actor, Change::Added { mailbox: to, messages });
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
            let flags = self.flag_bits(to, &keywords.flags(entry.flags))?;
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
                let flags = self.flag_bits(to, flags)?;
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
        }
        self.change_mailbox(from)?.mailbox.highest_modseq = modseq;
        self.journal(actor, Change::Moved { from, to, messages });
        Ok(())
    }

    /// Moves all messages of a mailbox (RENAME of INBOX, RFC 9051 §6.3.6).
    pub(super) fn move_all(&mut self, actor: Actor, from: MailboxId, to: MailboxId) -> Result<(), Error> {
        let entries: Vec<Entry> = self.index(from)?.iter().copied().collect();
        for batch in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            let relisted = self.relisted(from, batch, to)?;
            self.move_batch(actor, (from, batch), to, relisted)?;
        }
        Ok(())
    }
}
