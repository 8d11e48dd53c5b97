//! The trail of a device in the journal: for each message that it touched, where it was before and where it was left.

use crate::account::history::journal_backwards;
use crate::error::Error;
use crate::flags::Keywords;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::journal::{Change, JournalEntry, Listed, OfMailbox, OfMessages, OfPop, Stretches};
use crate::key;
use crate::role::Role;
use crate::tx::Tx;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use wording::tr;

/// An undo looks at no more journal entries.
const ENTRIES_MAX: usize = 1_000_000;
/// An undo is about no more changes of messages: they are in memory, and in one commit.
const CHANGES_MAX: usize = 1_000_000;

/// A message in a mailbox.
pub(super) type Place = (MailboxId, Uid);

/// A message that was touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    /// Where it was before; of what was made, where it was made.
    pub(super) mailbox: MailboxId,
    /// As it was before, or as it was made.
    pub(super) before: Listed,
    /// It was not there before: a copy or an upload.
    pub(super) made: bool,
    /// The last of these changes.
    pub(super) last: ModSeq,
}

/// What was done, in sum.
#[derive(Default)]
pub(super) struct Trail {
    /// What is still in a mailbox, as far as these changes go.
    pub(super) left: HashMap<Place, Track>,
    /// What was removed, in the order in which it was.
    pub(super) removed: Vec<Track>,
    /// What the device deleted from its maildrop.
    pub(super) pop_deleted: HashSet<EmailId>,
    /// What was listed again in a maildrop.
    pub(super) relisted: Vec<(DeviceId, EmailId)>,
    /// Mailboxes that were deleted since, by whomever.
    pub(super) deleted_mailboxes: HashMap<MailboxId, DeletedMailbox>,
    /// Where messages came back to since, by whomever, and the last time that they did.
    pub(super) came_back: HashMap<EmailId, Vec<(MailboxId, ModSeq)>>,
}

/// A mailbox as it was.
#[derive(Clone, Debug)]
pub(super) struct DeletedMailbox {
    pub(super) name: String,
    pub(super) keywords: Keywords,
    pub(super) role: Option<Role>,
}

/// Entries are in order, their times only nearly: each session takes its own, and may wait before its change is done.
const TIMES_APART_MILLIS_MAX: i64 = 10 * 60 * 1000;

/// What a device did at `since` or later.
pub(super) fn of_device(tx: &mut Tx<'_>, device: DeviceId, since: Timestamp) -> Result<Trail, Error> {
    // The server is none of the devices: a policy that removes later, a page.
    if device != DeviceId(0) && !tx.state.devices.contains_key(&device) && tx.get(&key::forgotten(device))?.is_none() {
        return Err(Error::NoSuchDevice);
    }
    let reach = Timestamp(since.0.saturating_sub(TIMES_APART_MILLIS_MAX));
    collect(tx, |entry| entry.device == device && entry.at >= since, |entry| entry.at >= reach)
}

/// What an undo did that went from `first` to `last`, but for what others did meanwhile.
pub(super) fn of_undo(tx: &mut Tx<'_>, first: ModSeq, last: ModSeq, others: &Stretches) -> Result<Trail, Error> {
    let own = |entry: &JournalEntry| (first..=last).contains(&entry.modseq) && !others.contain(entry.modseq);
    collect(tx, own, |entry| entry.modseq >= first)
}

/// Follows the entries that are `meant`, back to the first that is not in `reach`.
fn collect(
    tx: &mut Tx<'_>,
    meant: impl Fn(&JournalEntry) -> bool,
    reach: impl Fn(&JournalEntry) -> bool,
) -> Result<Trail, Error> {
    let (mut entries, mut trail) = (Vec::new(), Trail::default());
    let (mut looked_at, mut changes) = (0, 0);
    let snapshot = tx.snapshot()?;
    let end = ModSeq(snapshot.head().0.saturating_add(1));
    journal_backwards(snapshot, end, |entry| {
        looked_at += 1;
        if !reach(&entry) || looked_at > ENTRIES_MAX || changes > CHANGES_MAX {
            return ControlFlow::Break(());
        }
        if let Change::Mailbox(OfMailbox::Deleted { mailbox, name, keywords, role }) = &entry.change {
            let deleted = DeletedMailbox { name: name.clone(), keywords: keywords.clone(), role: *role };
            trail.deleted_mailboxes.insert(*mailbox, deleted);
        }
        if let Change::Messages(OfMessages::Restored { mailbox, messages }) = &entry.change {
            for listed in messages {
                trail.came_back.entry(listed.email).or_default().push((*mailbox, entry.modseq));
            }
        }
        if meant(&entry) {
            changes += entry.change.emails().len();
            entries.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    if looked_at > ENTRIES_MAX || changes > CHANGES_MAX {
        return Err(Error::Limit(tr!("that is more than one undo takes; choose a later time, or one mailbox").into()));
    }
    entries.iter().rev().for_each(|entry| trail.follow(entry));
    Ok(trail)
}

impl Trail {
    /// Goes on with the next entry, oldest first.
    fn follow(&mut self, entry: &JournalEntry) {
        let last = entry.modseq;
        match &entry.change {
            Change::Messages(OfMessages::Added { mailbox, messages })
            | Change::Messages(OfMessages::Restored { mailbox, messages }) => {
                for listed in messages {
                    let track = Track { mailbox: *mailbox, before: *listed, made: true, last };
                    self.left.insert((*mailbox, listed.uid), track);
                }
            }
            Change::Messages(OfMessages::Reflagged { mailbox, messages }) => {
                for changed in messages {
                    let place = (*mailbox, changed.uid);
                    // Size and date are those of the entry that is there: plan takes them from it.
                    let before = Listed {
                        uid: changed.uid,
                        email: changed.email,
                        flags: changed.before,
                        internal_date: Timestamp(0),
                        size: 0,
                    };
                    self.left.entry(place).or_insert(Track { mailbox: *mailbox, before, made: false, last }).last =
                        last;
                }
            }
            Change::Messages(OfMessages::Expunged { mailbox, messages }) => {
                for listed in messages {
                    let track = self.take((*mailbox, listed.uid), listed, last);
                    self.removed.push(track);
                }
            }
            Change::Messages(OfMessages::Moved { from, to, messages }) => {
                for moved in messages {
                    let track = self.take((*from, moved.before.uid), &moved.before, last);
                    self.left.insert((*to, moved.uid), track);
                }
            }
            Change::Pop(OfPop::Deleted { emails }) => self.pop_deleted.extend(emails),
            Change::Pop(OfPop::Relisted { device, emails }) => {
                self.relisted.extend(emails.iter().map(|email| (*device, *email)));
            }
            Change::Mailbox(_)
            | Change::Pop(OfPop::Taken { .. } | OfPop::UidlsKept { .. })
            | Change::Device(_)
            | Change::Account(_) => {}
        }
    }

    /// The track that leads away from a place; `listed` is the message as it was when it left.
    fn take(&mut self, place: Place, listed: &Listed, last: ModSeq) -> Track {
        match self.left.remove(&place) {
            Some(track) => {
                let Listed { internal_date, size, .. } = *listed;
                Track { before: Listed { internal_date, size, ..track.before }, last, ..track }
            }
            None => Track { mailbox: place.0, before: *listed, made: false, last },
        }
    }
}
