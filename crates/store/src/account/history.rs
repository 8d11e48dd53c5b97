//! What happened: to a message, and in the account. Read from the journal; nothing is changed here.

use super::Account;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::flags::{FlagBits, Flags};
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::journal::{Change, Emails, JournalEntry, OfDevice, OfMessages, OfPop, Protocol};
use crate::key;
use crate::record::EmailRecord;
use crate::state::{self, AccountState};
use std::ops::ControlFlow;

/// A page of the timeline looks through at most so many journal entries; then it says where to go on.
pub(crate) const ENTRIES_PER_PAGE_MAX: usize = 20_000;
/// The journal is read backwards in pieces of so many MODSEQs.
const PIECE: u64 = 1024;

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEvent {
    /// The journal entry that tells of it.
    pub modseq: ModSeq,
    /// When.
    pub at: Timestamp,
    /// By which device; 0 is the server itself.
    pub device: DeviceId,
    /// Over which protocol.
    pub protocol: Protocol,
    /// What.
    pub what: MessageChange,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageChange {
    /// It came into the account.
    Arrived(MailboxId),
    /// It was copied.
    Copied(MailboxId),
    /// Its flags were changed.
    Flags {
        /// Where.
        mailbox: MailboxId,
        /// Those that it got.
        set: Flags,
        /// Those that it lost.
        cleared: Flags,
    },
    /// It went from one mailbox to another.
    Moved {
        /// From where.
        from: MailboxId,
        /// To where.
        to: MailboxId,
    },
    /// It was removed from a mailbox.
    Expunged(MailboxId),
    /// It came back into a mailbox.
    Restored(MailboxId),
    /// The event's device downloaded it over POP3.
    PopTaken,
    /// The event's device deleted it from its maildrop.
    PopDeleted,
    /// Its removal by the event's device is held.
    Held,
    /// This device lists it again in its maildrop.
    PopRelisted(DeviceId),
    /// It got the UIDL that it had on another server.
    UidlKept,
}

/// Which entries of the journal a page shows, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimelineQuery {
    /// Only entries before this one.
    pub before: Option<ModSeq>,
    /// Only what this device did.
    pub device: Option<DeviceId>,
    /// Only what happened at this time or later.
    pub since: Option<Timestamp>,
    /// At most so many entries.
    pub limit: usize,
}

/// A page of the timeline.
#[derive(Clone, Debug, Default)]
pub struct TimelinePage {
    /// Newest first.
    pub entries: Vec<JournalEntry>,
    /// There may be more before this one.
    pub next: Option<ModSeq>,
}

impl Account {
    /// How many octets the journal takes, with what leads to its entries.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn history_bytes(&self) -> Result<u64, Error> {
        Ok(self.cell.state()?.history_bytes)
    }

    /// It takes at most so many.
    #[must_use]
    pub fn history_bytes_max(&self) -> u64 {
        self.options.history_bytes_max
    }

    /// When the first entry was made that there still is.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn history_since(&self) -> Result<Option<Timestamp>, Error> {
        let mut first = None;
        state::scan_while(&*self.snapshot()?, key::kind(b'J'), |key, value| {
            let entry = key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value));
            first = Some(entry.map_err(Error::corrupt("a journal entry"))?.at);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// Everything that happened to a message and has not left retention, oldest first. A message that is unknown has no
    /// history.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn message_history(&self, email: EmailId) -> Result<Vec<MessageEvent>, Error> {
        let state = self.cell.state()?;
        let snapshot = self.snapshot()?;
        let mut modseqs = Vec::new();
        if let Some(record) = snapshot.get(&key::email(email))? {
            let record = EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?;
            modseqs.extend(record.arrival.map(|arrival| arrival.modseq));
        }
        let arrived = modseqs.first().copied();
        state::scan(&*snapshot, key::history_of(email), |key, _| {
            modseqs.push(ModSeq(key::long_at(key, 9).map_err(Error::corrupt("a history key"))?));
            Ok(())
        })?;
        state::scan(&*snapshot, key::kind(b'G'), |key, value| {
            let row = key::long_at(key, 1).and_then(|modseq| Ok((ModSeq(modseq), Emails::decode(value)?)));
            let (modseq, emails) = row.map_err(Error::corrupt("a row of many flags"))?;
            modseqs.extend(emails.may_hold(email).then_some(modseq));
            Ok(())
        })?;
        modseqs.sort_unstable();
        let mut events = Vec::new();
        for modseq in modseqs {
            // The arrival may have left retention before the message did.
            let Some(bytes) = snapshot.get(&key::journal(modseq))? else { continue };
            let entry = JournalEntry::decode(modseq, &bytes).map_err(Error::corrupt("a journal entry"))?;
            events.extend(events_of(&entry, email, Some(modseq) == arrived, &state));
        }
        Ok(events)
    }

    /// A page of what happened in the account, newest first.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn timeline(&self, query: &TimelineQuery) -> Result<TimelinePage, Error> {
        let snapshot = self.snapshot()?;
        let mut page = TimelinePage::default();
        let mut looked_at = 0;
        let before = query.before.unwrap_or(ModSeq(snapshot.head().0.saturating_add(1)));
        journal_backwards(&*snapshot, before, |entry| {
            if query.since.is_some_and(|since| entry.at < since) {
                return ControlFlow::Break(());
            }
            if page.entries.len() >= query.limit || looked_at >= ENTRIES_PER_PAGE_MAX {
                page.next = Some(ModSeq(entry.modseq.0.saturating_add(1)));
                return ControlFlow::Break(());
            }
            looked_at += 1;
            if query.device.is_none_or(|device| entry.device == device) {
                page.entries.push(entry);
            }
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }
}

/// Visits journal entries before `before`, newest first, until the visitor breaks.
pub(super) fn journal_backwards(
    snapshot: &dyn Snapshot,
    before: ModSeq,
    mut visit: impl FnMut(JournalEntry) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut end = before;
    while end > ModSeq(0) {
        let start = ModSeq(end.0.saturating_sub(PIECE));
        let mut piece: Vec<(ModSeq, Vec<u8>)> = Vec::new();
        state::scan(snapshot, (key::journal(start), key::journal(end)), |key, value| {
            piece.push((ModSeq(key::long_at(key, 1).map_err(Error::corrupt("a journal key"))?), value.to_vec()));
            Ok(())
        })?;
        if piece.is_empty() && start < oldest(snapshot)? {
            return Ok(());
        }
        for (modseq, value) in piece.into_iter().rev() {
            let entry = JournalEntry::decode(modseq, &value).map_err(Error::corrupt("a journal entry"))?;
            if visit(entry).is_break() {
                return Ok(());
            }
        }
        end = start;
    }
    Ok(())
}

/// The first journal entry that there is; above all if there is none.
fn oldest(snapshot: &dyn Snapshot) -> Result<ModSeq, Error> {
    let mut first = ModSeq(u64::MAX);
    state::scan_while(snapshot, key::kind(b'J'), |key, _| {
        first = ModSeq(key::long_at(key, 1).map_err(Error::corrupt("a journal key"))?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(first)
}

/// What an entry says of one message; more than one thing where it has copies in a mailbox.
fn events_of(entry: &JournalEntry, email: EmailId, arrived: bool, state: &AccountState) -> Vec<MessageEvent> {
    let count = |emails: &mut dyn Iterator<Item = EmailId>| emails.filter(|one| *one == email).count();
    let several = |what: MessageChange, times: usize| vec![what; times];
    let changes = match &entry.change {
        Change::Messages(OfMessages::Added { mailbox, messages }) => {
            let what = if arrived { MessageChange::Arrived(*mailbox) } else { MessageChange::Copied(*mailbox) };
            several(what, count(&mut messages.iter().map(|listed| listed.email)))
        }
        Change::Messages(OfMessages::Expunged { mailbox, messages }) => {
            several(MessageChange::Expunged(*mailbox), count(&mut messages.iter().map(|listed| listed.email)))
        }
        Change::Messages(OfMessages::Restored { mailbox, messages }) => {
            several(MessageChange::Restored(*mailbox), count(&mut messages.iter().map(|listed| listed.email)))
        }
        Change::Messages(OfMessages::Moved { from, to, messages }) => several(
            MessageChange::Moved { from: *from, to: *to },
            count(&mut messages.iter().map(|moved| moved.before.email)),
        ),
        Change::Messages(OfMessages::Reflagged { mailbox, messages }) => {
            let changed = messages.iter().filter(|changed| changed.email == email);
            changed.map(|changed| flags_changed(state, *mailbox, changed.before, changed.after)).collect()
        }
        Change::Pop(OfPop::Taken { emails }) => several(MessageChange::PopTaken, count(&mut emails.iter().copied())),
        Change::Pop(OfPop::Deleted { emails }) => {
            several(MessageChange::PopDeleted, count(&mut emails.iter().copied()))
        }
        Change::Device(OfDevice::Held { emails, .. }) => {
            several(MessageChange::Held, count(&mut emails.iter().copied()))
        }
        Change::Pop(OfPop::Relisted { device, emails }) => {
            several(MessageChange::PopRelisted(*device), count(&mut emails.iter().copied()))
        }
        Change::Pop(OfPop::UidlsKept { emails }) => {
            several(MessageChange::UidlKept, count(&mut emails.iter().copied()))
        }
        Change::Mailbox(_)
        | Change::Device(
            OfDevice::Added { .. }
            | OfDevice::Changed { .. }
            | OfDevice::Revoked { .. }
            | OfDevice::HoldAnswered { .. },
        )
        | Change::Account(_) => Vec::new(),
    };
    let JournalEntry { modseq, at, device, protocol, .. } = *entry;
    changes.into_iter().map(|what| MessageEvent { modseq, at, device, protocol, what }).collect()
}

/// Of a mailbox that is gone only the system flags have names.
fn flags_changed(state: &AccountState, mailbox: MailboxId, before: FlagBits, after: FlagBits) -> MessageChange {
    let keywords = state.mailbox(mailbox).map(|state| state.mailbox.keywords.clone()).unwrap_or_default();
    MessageChange::Flags {
        mailbox,
        set: keywords.flags(after.minus(before)),
        cleared: keywords.flags(before.minus(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{NewMessage, Target};
    use crate::ids::AccountId;
    use crate::journal::Actor;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    #[test]
    fn the_journal_of_an_earlier_version_is_counted_when_it_is_opened() {
        let engine = SimEngine::new();
        let store = |engine: &SimEngine| Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store(&engine).create_account(AccountId(16), Timestamp(0)).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(0) };
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: Timestamp(0) };
        account.append(actor, Target::Inbox, message).unwrap();
        let bytes = account.history_bytes().unwrap();
        assert!(bytes > 50);
        let forget = |tx: &mut crate::tx::Tx<'_>| {
            tx.delete(key::history_bytes());
            Ok(())
        };
        account.transact(forget).unwrap();
        let (later, account) = (store(&engine), store(&engine).account(AccountId(16)));
        assert_eq!(account.history_bytes(), Ok(bytes));
        assert_eq!(account.check(&later).unwrap(), []);
    }
}
