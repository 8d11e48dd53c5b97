//! The packed index of a mailbox: a cache of what its records say, in few rows. What is lost of it means slow, never wrong.
//!
//! It is a header, which names the modseq up to which it is complete, and pieces. What has changed since is read of the journal. A
//! piece is a sheet of the index ([`crate::index::sheet`]), of which nothing is unpacked until somebody looks at it. Earlier versions
//! told every entry as its difference to the one before; those are read, and not written.

use crate::codec::{Corrupt, Reader, Writer};
use crate::engine::Snapshot;
use crate::error::Error;
use crate::flag_block::FlagBlocks;
use crate::flags::FlagBits;
use crate::ids::{EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::sheet::{self, SHEET_ENTRIES_MIN};
use crate::index::{Builder, Entry, Index};
use crate::journal::JournalEntry;
use crate::key;
use crate::record::{Mailbox, MessageRecord, open};
use crate::state::scan;

/// Reads the index of a mailbox: the packed one brought up to date from the journal, or the records if there is none or
/// it does not fit.
pub(crate) fn load_index(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Index, Error> {
    if mailbox.packed_to > ModSeq(0) {
        if let Some(index) = load_packed(snapshot, mailbox)? {
            return Ok(index);
        }
        tracing::warn!(mailbox = %mailbox.id, "the packed index is damaged: it is made anew from the records");
    }
    load_records(snapshot, mailbox.id)
}

/// Reads the index from the records, the truth.
pub(crate) fn load_records(snapshot: &dyn Snapshot, mailbox: MailboxId) -> Result<Index, Error> {
    let (mut index, mut blocks) = (Builder::default(), FlagBlocks::read(snapshot, mailbox)?);
    scan(snapshot, key::kind_of(b'M', mailbox.0), |key, value| {
        let entry = key::number_at(key, 5).and_then(|uid| MessageRecord::decode(Uid(uid), value));
        let entry = entry.and_then(|entry| blocks.applied_to(entry));
        index.push(entry.map_err(Error::corrupt("a message record"))?);
        Ok(())
    })?;
    Ok(index.finish())
}

/// The packed index brought up to date; `None` when it is not there, damaged, or not what the mailbox counts.
pub(crate) fn load_packed(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Option<Index>, Error> {
    let Some(mut index) = load_pack(snapshot, mailbox)? else { return Ok(None) };
    let complete = mailbox.highest_modseq <= mailbox.packed_to || replay(snapshot, mailbox, &mut index)?;
    let fits = index.len() == mailbox.counts.messages as usize
        && index.last().is_none_or(|last| last.uid < mailbox.uid_next && last.modseq <= mailbox.highest_modseq);
    Ok((complete && fits).then_some(index))
}

/// Brings an index up to its mailbox's last change; `false` when an entry of the journal is damaged.
fn replay(snapshot: &dyn Snapshot, mailbox: &Mailbox, index: &mut Index) -> Result<bool, Error> {
    let from = key::journal(ModSeq(mailbox.packed_to.0 + 1));
    let to = key::journal(ModSeq(mailbox.highest_modseq.0.saturating_add(1)));
    let mut damaged = false;
    scan(snapshot, (from, to), |key, value| {
        match key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value)) {
            Ok(entry) => entry.change.replay(mailbox.id, entry.modseq, index),
            Err(Corrupt) => damaged = true,
        }
        Ok(())
    })?;
    Ok(!damaged)
}

/// `None` when there is no pack of this modseq: it is a cache, the records are read instead.
fn load_pack(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Option<Index>, Error> {
    let Some(header) = snapshot.get(&key::pack(mailbox.id))? else { return Ok(None) };
    let Ok(Header { format, packed_to, pieces }) = read_header(&header) else { return Ok(None) };
    if packed_to != mailbox.packed_to {
        return Ok(None);
    }
    let mut index = Builder::default();
    let mut found = 0;
    let mut damaged = false;
    let (from, to) = (key::pack_piece(mailbox.id, 0), key::pack_piece(mailbox.id, pieces));
    scan(snapshot, (from, to), |_, value| {
        found += 1;
        damaged |= match format {
            Format::Differences => read_differences(value, &mut index).is_err(),
            Format::Sheets => index.push_sheet(value, snapshot.compares_values()).is_err(),
        };
        Ok(())
    })?;
    Ok((found == pieces && !damaged).then(|| index.finish()))
}

/// The number of pieces of a stored pack; when its header is damaged, the most that there can be.
pub(crate) fn pieces_packed(header: &[u8], mailbox: &Mailbox) -> u32 {
    let most = mailbox.uid_next.0 / SHEET_ENTRIES_MIN as u32 + 1;
    read_header(header).map_or(most, |header| header.pieces.min(most))
}

struct Header {
    format: Format,
    packed_to: ModSeq,
    pieces: u32,
}

/// What pieces are.
enum Format {
    /// That of earlier versions: 4,096 entries a piece.
    Differences,
    Sheets,
}

fn read_header(bytes: &[u8]) -> Result<Header, Corrupt> {
    let (format, mut r) = match Reader::of_format(bytes, sheet::FORMAT) {
        Ok(r) => (Format::Sheets, r),
        Err(Corrupt) => (Format::Differences, open(bytes)?),
    };
    let header = Header { format, packed_to: ModSeq(r.number()?), pieces: r.small()? };
    r.end().map(|()| header)
}

fn read_differences(bytes: &[u8], index: &mut Builder) -> Result<(), Corrupt> {
    let mut r = open(bytes)?;
    let mut previous = Entry {
        uid: Uid(0),
        size: 0,
        flags: FlagBits(0),
        modseq: ModSeq(0),
        email: EmailId(0),
        internal_date: Timestamp(0),
    };
    while !r.0.is_empty() {
        previous = read_difference(&mut r, &previous)?;
        if !index.push(previous) {
            return Err(Corrupt);
        }
    }
    Ok(())
}

fn read_difference(r: &mut Reader<'_>, previous: &Entry) -> Result<Entry, Corrupt> {
    Ok(Entry {
        uid: Uid(previous.uid.0.wrapping_add(r.small()?)),
        size: r.small()?,
        flags: FlagBits(r.number()?),
        modseq: ModSeq(previous.modseq.0.wrapping_add_signed(r.signed()?)),
        email: EmailId(previous.email.0.wrapping_add_signed(r.signed()?)),
        internal_date: Timestamp(previous.internal_date.0.wrapping_add(r.signed()?)),
    })
}

/// A packed index as of `modseq`: its header and its pieces.
pub(crate) fn pack(modseq: ModSeq, index: &Index) -> (Vec<u8>, Vec<Vec<u8>>) {
    let pieces = index.sheets();
    let mut header = Writer::of_format(sheet::FORMAT);
    header.number(modseq.0).number(pieces.len() as u64);
    (header.0, pieces)
}

/// Whether enough has changed since the last pack to make a new one: what a cold start replays stays small against what
/// it reads, and what packing writes stays small against what the changes wrote.
pub(crate) fn pack_is_due(mailbox: &Mailbox, head: ModSeq) -> bool {
    mailbox.unpacked > (mailbox.counts.messages / 16).max(1024)
        || (mailbox.unpacked > 0 && head.0 > mailbox.packed_to.0.saturating_add(16 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::engine::{Commit, Engine, Write};
    use crate::ids::AccountId;
    use crate::record::versioned;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const ACCOUNT: AccountId = AccountId(16);

    fn append(account: &Account, count: usize) -> MailboxId {
        let actor = crate::Actor { device: crate::DeviceId(0), protocol: crate::Protocol::Imap, now: Timestamp(0) };
        let one = || {
            let (body, flags, internal_date) = (b"x".to_vec(), crate::Flags::default(), Timestamp(0));
            let message = crate::NewMessage { body, flags, internal_date };
            account.append(actor, crate::Target::Inbox, message).unwrap().mailbox
        };
        (0..count).fold(None, |_, _| Some(one())).unwrap()
    }

    fn opened(engine: &SimEngine) -> (Store, Account) {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.account(ACCOUNT);
        (store, account)
    }

    /// An account with a packed INBOX of 300 messages.
    fn packed() -> (SimEngine, MailboxId, Index) {
        let engine = SimEngine::new();
        let (store, _) = opened(&engine);
        let account = store.create_account(ACCOUNT, Timestamp(0)).unwrap();
        let inbox = append(&account, 300);
        store.pack_indexes();
        let index = account.view(inbox).unwrap().index().clone();
        (engine, inbox, index)
    }

    #[test]
    fn the_first_look_into_a_mailbox_unpacked_every_message_of_it() {
        let (engine, inbox, warm) = packed();
        let (store, account) = opened(&engine);
        let view = account.view(inbox).unwrap();
        let after_the_start = view.index().chunks_unpacked();
        assert!(after_the_start <= 1, "but for the last one: {after_the_start}");
        assert_eq!((view.index().len(), view.index().last()), (300, warm.last()));
        append(&account, 1);
        let view = account.view(inbox).unwrap();
        assert!(view.index().positions(20..21).count() == 1 && view.index().find(Uid(40)) == warm.find(Uid(40)));
        assert!(view.index().chunks_unpacked() <= after_the_start + 3);
        assert!(view.index().iter().take(300).eq(warm.iter()) && view.index().len() == 301);
        assert_eq!(account.check(&store).unwrap(), []);
    }

    #[test]
    fn a_pack_of_an_earlier_version_is_read() {
        let (engine, inbox, warm) = packed();
        let head = engine.head(ACCOUNT).unwrap();
        let mut mailbox =
            Mailbox::decode(&engine.snapshot(ACCOUNT).unwrap().get(&key::mailbox(inbox)).unwrap().unwrap()).unwrap();
        mailbox.packed_to = head;
        let (mut header, mut piece, mut uid) = (versioned(), versioned(), 0);
        header.number(head.0).number(1);
        let (mut modseq, mut email, mut date) = (0, 0, 0);
        for entry in warm.iter() {
            piece.number(u64::from(entry.uid.0 - uid)).number(entry.size.into()).number(entry.flags.0);
            piece.signed(entry.modseq.0 as i64 - modseq).signed(entry.email.0 as i64 - email);
            piece.signed(entry.internal_date.0 - date);
            (uid, modseq) = (entry.uid.0, entry.modseq.0 as i64);
            (email, date) = (entry.email.0 as i64, entry.internal_date.0);
        }
        let put = |key, value| Write::Put { key, value };
        let writes = vec![
            put(key::pack(inbox), header.0),
            put(key::pack_piece(inbox, 0), piece.0),
            put(key::mailbox(inbox), mailbox.encode()),
        ];
        engine.commit(Commit { account: ACCOUNT, expected: head, next: ModSeq(head.0 + 1), writes }).unwrap();
        let snapshot = engine.snapshot(ACCOUNT).unwrap();
        let read = load_packed(&*snapshot, &mailbox).unwrap().unwrap();
        assert!(read.iter().eq(warm.iter()));
    }

    #[test]
    fn a_damaged_piece_of_a_pack_means_that_the_records_are_read() {
        let (engine, inbox, warm) = packed();
        let snapshot = engine.snapshot(ACCOUNT).unwrap();
        let mailbox = Mailbox::decode(&snapshot.get(&key::mailbox(inbox)).unwrap().unwrap()).unwrap();
        let piece = snapshot.get(&key::pack_piece(inbox, 0)).unwrap().unwrap();
        for at in (0..piece.len()).step_by(7) {
            let mut value = piece.clone();
            value[at] ^= 1;
            let head = engine.head(ACCOUNT).unwrap();
            let writes = vec![Write::Put { key: key::pack_piece(inbox, 0), value }];
            engine.commit(Commit { account: ACCOUNT, expected: head, next: ModSeq(head.0 + 1), writes }).unwrap();
            let snapshot = engine.snapshot(ACCOUNT).unwrap();
            assert!(load_packed(&*snapshot, &mailbox).unwrap().is_none(), "{at}");
            assert!(load_index(&*snapshot, &mailbox).unwrap().iter().eq(warm.iter()));
        }
    }
}
