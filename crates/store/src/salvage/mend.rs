//! What an account is made into, of what is found of it.

use super::found::{Found, Octets};
use super::{Loss, MARGIN, NUMBER_MARGIN, Remnant, Salvage, holds};
use crate::error::Error;
use crate::flag_block;
use crate::flags::Keywords;
use crate::ids::{AccountId, EmailId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::index::Entry;
use crate::journal::{Change, JournalEntry, Listed, OfMessages};
use crate::key;
use crate::record::{AccountRecord, Counts, EmailRecord, Mailbox, PLACES_LISTED_MAX, Retained};
use crate::rights::Acl;
use crate::role::Role;
use crate::state::{self, AccountState};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What is in no mailbox that is known comes into one of this name.
const RECOVERED: &str = "Recovered";

/// A message whose octets are lost.
#[derive(Debug)]
pub(super) struct Lost {
    /// Where it was; nowhere, where it was removed already.
    pub(super) places: Vec<(MailboxId, Entry)>,
    pub(super) loss: Loss,
}

/// An account in which everything agrees.
pub(super) struct Mended {
    pub(super) found: Found,
    pub(super) head: ModSeq,
    pub(super) record: AccountRecord,
    /// Messages that have to give way to others.
    pub(super) lost: BTreeMap<EmailId, Lost>,
    pub(super) losses: Vec<Loss>,
    pub(super) now: Timestamp,
    /// Mailboxes that have another UIDVALIDITY.
    renewed: BTreeSet<MailboxId>,
}

impl Mended {
    pub(super) fn of(found: Found, salvage: &Salvage<'_>, account: AccountId) -> Result<Self, Error> {
        let record = found.record.clone().unwrap_or_else(|| AccountState::empty(salvage.now).record);
        let (lost, renewed) = (BTreeMap::new(), BTreeSet::new());
        let mut found = found;
        let losses = std::mem::take(&mut found.strays);
        let mut mended = Self { head: found.top, record, lost, losses, now: salvage.now, renewed, found };
        mended.counters();
        mended.apply_blocks();
        mended.find_flags(salvage, account)?;
        mended.find_mailboxes();
        mended.find_places(salvage, account)?;
        mended.find_emails(account);
        mended.take_out_lost(account);
        let dissolved = holds::settle(&mut mended.found, &mut mended.record);
        if dissolved {
            mended.losses.push(Loss::of(
                "what is held and waits for an answer is damaged: nothing is held any more, and the messages stay where they are",
            ));
        }
        mended.tell_guests();
        mended.settle_mailboxes();
        mended.settle_record();
        mended.tell_rest();
        Ok(mended)
    }

    fn counters(&mut self) {
        // UIDs and modseqs that nobody knows of may have been given out.
        if self.found.head.is_none() || self.found.is_torn {
            self.head.0 += MARGIN;
        }
        self.head.0 += 1;
        if self.found.record.is_none() {
            self.losses.push(Loss::of("the record of the account is lost: its settings are those of a new one"));
        }
        let is_unsure = self.found.record.is_none() || self.found.is_torn;
        let record = &mut self.record;
        record.last_device = record.last_device.max(self.found.last_device);
        let mailboxes = self.found.mailboxes.keys().chain(self.found.entries.keys()).chain(self.found.called.keys());
        record.last_mailbox = record.last_mailbox.max(mailboxes.copied().max().unwrap_or_default());
        record.last_hold = record.last_hold.max(self.found.holds.keys().next_back().copied().unwrap_or_default());
        if is_unsure {
            for number in [&mut record.last_device, &mut record.last_mailbox.0, &mut record.last_hold.0] {
                *number = number.saturating_add(NUMBER_MARGIN);
            }
        }
        let emails = self.found.emails.keys().next_back().max(self.found.octets.keys().next_back());
        let emails = emails.max(self.found.removed.keys().next_back()).copied().unwrap_or_default();
        if is_unsure || emails > record.last_email {
            // Numbers of messages are near the clock.
            let clock = EmailId(self.now.0.max(0).unsigned_abs().saturating_mul(1000));
            record.last_email = EmailId(record.last_email.max(emails).max(clock).0.saturating_add(MARGIN));
        }
        let clock = UidValidity(u32::try_from(self.now.0 / 1000).unwrap_or_default());
        let given = self.found.mailboxes.values().map(|mailbox| mailbox.uid_validity).max().unwrap_or_default();
        record.last_uid_validity = record.last_uid_validity.max(given);
        if is_unsure {
            record.last_uid_validity = record.last_uid_validity.max(clock);
        }
        if self.found.is_torn && !self.found.devices.is_empty() {
            self.losses.push(Loss::of(
                "what was taken back last may count again: look through its devices, and through whom its mailboxes are shared with",
            ));
        }
        if self.found.is_torn {
            self.losses.push(Loss::of(
                "what was written last is damaged: all mailboxes have another UIDVALIDITY, and programs read them anew",
            ));
        }
    }

    /// Flags are in each message's own record from now on.
    fn apply_blocks(&mut self) {
        let Found { entries, blocks, .. } = &mut self.found;
        for (mailbox, entries) in entries {
            for entry in entries.values_mut() {
                if let Some(block) = blocks.get(&(*mailbox, flag_block::block_of(entry.uid))) {
                    *entry = block.applied_to(*entry);
                }
            }
        }
        let top = entries_of(&self.found.entries).map(|(_, entry)| entry.modseq).max().unwrap_or_default();
        self.head = self.head.max(top);
    }

    /// Where flags of many messages are lost, those that the journal tells.
    fn find_flags(&mut self, salvage: &Salvage<'_>, account: AccountId) -> Result<(), Error> {
        if self.found.gaps.is_whole(&key::all_flag_blocks()) {
            return Ok(());
        }
        let entries = &mut self.found.entries;
        salvage.remains.rows(account, &mut |remnant| {
            if let Remnant::Row { key: key @ [b'J', ..], value } = remnant
                && let Ok(modseq) = key::long_at(key, 1).map(ModSeq)
                && let Ok(JournalEntry {
                    change: Change::Messages(OfMessages::Reflagged { mailbox, messages }), ..
                }) = JournalEntry::decode(modseq, value)
            {
                for changed in messages {
                    let entry = entries.get_mut(&mailbox).and_then(|entries| entries.get_mut(&changed.uid));
                    if let Some(entry) = entry.filter(|entry| entry.modseq < modseq && entry.email == changed.email) {
                        (entry.flags, entry.modseq) = (changed.after, modseq);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        // Whoever has seen other flags is told these.
        let blocks = &self.found.blocks;
        for (mailbox, entries) in &mut self.found.entries {
            let is_without = |entry: &&mut Entry| !blocks.contains_key(&(*mailbox, flag_block::block_of(entry.uid)));
            entries.values_mut().filter(is_without).for_each(|entry| entry.modseq = self.head);
        }
        self.losses.push(Loss::of(
            "flags that many messages got at once may be lost: those that the timeline tells are there",
        ));
        Ok(())
    }

    /// Where marks of guests are lost, they are told what they see now.
    fn tell_guests(&mut self) {
        if key::all_marks().iter().all(|marks| self.found.gaps.is_whole(marks)) {
            return;
        }
        for mailbox in self.found.mailboxes.values().filter(|mailbox| mailbox.acl != Acl::default()) {
            let entries = self.found.entries.get_mut(&mailbox.id).into_iter().flatten();
            entries.for_each(|(_, entry)| entry.modseq = self.head);
        }
    }

    /// Mailboxes of which there are messages, or INBOX, and no record.
    fn find_mailboxes(&mut self) {
        let listed = self.found.emails.values().flat_map(|record| record.listed.iter().map(|(mailbox, _)| *mailbox));
        let mut ids: BTreeSet<MailboxId> = self.found.entries.keys().copied().chain(listed).collect();
        let (from, to) = key::kind(b'B');
        if !self.found.gaps.is_whole(&(from.clone(), to.clone())) {
            // Those without messages. What stands in a damaged key is believed as far as numbers were given.
            let damaged = self.found.gaps.damaged.range(from..to);
            let damaged = damaged.filter_map(|key| key::number_at(key, 1).ok().filter(|_| key.len() == 5));
            let without = damaged.map(MailboxId).filter(|id| *id <= self.record.last_mailbox);
            let without = without.filter(|id| !self.found.deleted.contains(id));
            ids.extend(without.chain(self.found.called.keys().copied()));
        }
        for id in ids.into_iter().filter(|id| *id != MailboxId(0)) {
            if !self.found.mailboxes.contains_key(&id) {
                self.make_mailbox(id);
            }
        }
        let is_inbox = |mailbox: &Mailbox| state::same_name(&mailbox.name, "INBOX");
        if !self.found.mailboxes.values().any(is_inbox) {
            let first = MailboxId(1);
            let id = if self.found.mailboxes.contains_key(&first) { self.next_mailbox() } else { first };
            self.make_mailbox(id);
            if let Some(mailbox) = self.found.mailboxes.get_mut(&id) {
                (mailbox.name, mailbox.role) = ("INBOX".to_owned(), Some(Role::Inbox));
            }
        }
    }

    fn next_mailbox(&mut self) -> MailboxId {
        self.record.last_mailbox.0 = self.record.last_mailbox.0.saturating_add(1);
        self.record.last_mailbox
    }

    fn make_mailbox(&mut self, id: MailboxId) {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX).wrapping_sub(1);
        // Those that an account begins with have the first numbers.
        let first = Role::ALL.get(at).copied();
        let called = self.found.called.get(&id).cloned();
        let role = first.filter(|role| called.as_deref().is_none_or(|name| name == role.default_name()));
        let role = role.filter(|role| self.found.mailboxes.values().all(|mailbox| mailbox.role != Some(*role)));
        let name =
            called.or(role.map(|role| role.default_name().to_owned())).unwrap_or_else(|| format!("{RECOVERED} {id}"));
        self.losses.push(Loss::of(format_args!(
            "the record of mailbox {id} is lost: it is called {name:?} now, has another UIDVALIDITY, and lost its keywords and \
             whom it is shared with"
        )));
        self.renewed.insert(id);
        let mailbox = Mailbox {
            id,
            name,
            role,
            subscribed: true,
            uid_validity: UidValidity(0),
            uid_next: Uid(1),
            highest_modseq: self.head,
            keywords: Keywords::default(),
            counts: Counts::default(),
            acl: Acl::default(),
            packed_to: ModSeq(0),
            unpacked: 0,
        };
        self.found.mailboxes.insert(id, mailbox);
        self.record.last_mailbox = self.record.last_mailbox.max(id);
    }

    /// Messages whose place in a mailbox is lost, and which say themselves where they are. What the journal tells of them there
    /// is taken from it.
    fn find_places(&mut self, salvage: &Salvage<'_>, account: AccountId) -> Result<(), Error> {
        let Found { entries, emails, .. } = &self.found;
        let is_free =
            |(mailbox, uid): &(MailboxId, Uid)| !entries.get(mailbox).is_some_and(|all| all.contains_key(uid));
        let mut wanted: BTreeMap<(MailboxId, Uid), (Entry, bool)> = BTreeMap::new();
        for (email, record) in emails {
            for place in record.listed.iter().filter(|place| is_free(place) && place.1 > Uid(0)) {
                let came = Timestamp(i64::try_from(email.0 / 1000).unwrap_or_default());
                let internal_date = record.since(*place).unwrap_or(came);
                let (flags, modseq) = (Default::default(), self.head);
                let entry = Entry { uid: place.1, size: record.size, flags, modseq, email: *email, internal_date };
                wanted.entry(*place).or_insert((entry, false));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        salvage.remains.rows(account, &mut |remnant| {
            if let Remnant::Row { key: key @ [b'J', ..], value } = remnant {
                let entry = key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value));
                entry.iter().for_each(|entry| learn(&entry.change, &mut wanted));
            }
            ControlFlow::Continue(())
        })?;
        for ((mailbox, uid), (entry, has_flags)) in wanted {
            let name = self.found.mailboxes.get(&mailbox).map(|mailbox| mailbox.name.clone()).unwrap_or_default();
            let flags =
                if has_flags { "has the flags that the journal tells" } else { "has lost its flags and its date" };
            let what = format!("its place in the mailbox was lost; it is there again, and {flags}");
            let size = Some(entry.size);
            self.losses.push(Loss { places: vec![(name, uid)], email: Some(entry.email), size, ..Loss::of(what) });
            self.found.entries.entry(mailbox).or_default().insert(uid, entry);
        }
        Ok(())
    }

    /// A record for each message, which says where it is; what is nowhere comes into a mailbox of its own.
    fn find_emails(&mut self, account: AccountId) {
        let mut places: BTreeMap<EmailId, Vec<(MailboxId, Entry)>> = BTreeMap::new();
        for (mailbox, entry) in entries_of(&self.found.entries) {
            places.entry(entry.email).or_default().push((mailbox, *entry));
        }
        let known = self.found.emails.keys().chain(self.found.octets.keys()).chain(places.keys());
        let all: BTreeSet<EmailId> = known.copied().collect();
        for email in all {
            let there = places.remove(&email).unwrap_or_default();
            let record = self.found.emails.remove(&email);
            let removed = self.found.removed.get(&email).map(|(at, _)| *at);
            let was_removed = match &record {
                Some(record) => record.places == 0 && record.listed.is_empty(),
                None => removed.is_some(),
            };
            let there = if there.is_empty() && !was_removed { self.recover(email) } else { there };
            if there.is_empty() && !was_removed {
                let loss = self.numbered(account, email);
                self.losses.push(loss);
                continue;
            }
            let (known, places) = (there.len(), record.as_ref().map_or(0, |record| record.places));
            if known > 0 && places as usize > known {
                let what = format!("it was in {places} mailboxes, and of {known} of them something is left");
                self.losses.push(Loss { email: Some(email), ..Loss::of(what) });
            }
            let size = there.first().map_or(0, |(_, entry)| entry.size);
            let mut record = record.unwrap_or(EmailRecord {
                size,
                places: 0,
                removed_at: None,
                object: None,
                arrival: None,
                names: Vec::new(),
                listed: Vec::new(),
                since: Vec::new(),
            });
            let listed: Vec<_> =
                there.iter().map(|(mailbox, entry)| (*mailbox, entry.uid)).take(PLACES_LISTED_MAX).collect();
            record.since = listed.iter().map(|place| record.since(*place)).collect();
            (record.listed, record.places) = (listed, u32::try_from(there.len()).unwrap_or(u32::MAX));
            record.removed_at = there.is_empty().then(|| record.removed_at.or(removed).unwrap_or(self.now));
            record.names = self.found.names.remove(&email).unwrap_or_default();
            self.found.emails.insert(email, record);
        }
        self.found.names.clear();
    }

    /// A message of which nothing is left but its number, and octets that are damaged or cannot be read.
    fn numbered(&self, account: AccountId, email: EmailId) -> Loss {
        let (why, object, is_unread) = match self.found.octets.get(&email) {
            Some(Octets::Lost(why, object)) => (Some(why), object.as_ref(), false),
            Some(Octets::Unread(why, object)) => (Some(why), Some(object), true),
            Some(Octets::Sound { .. }) | None => (None, None, false),
        };
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        let object = object.map(|name| (account, name.clone()));
        let what = format!("nothing is left of it but its number{why}");
        Loss { email: Some(email), object, is_unread, ..Loss::of(what) }
    }

    /// A message of which only the octets are left.
    fn recover(&mut self, email: EmailId) -> Vec<(MailboxId, Entry)> {
        let Some(Octets::Sound { size, .. }) = self.found.octets.get(&email) else { return Vec::new() };
        let size = *size;
        let there = self.found.mailboxes.values().find(|mailbox| mailbox.name == RECOVERED).map(|mailbox| mailbox.id);
        let id = there.unwrap_or_else(|| {
            let id = self.next_mailbox();
            self.found.called.insert(id, RECOVERED.to_owned());
            self.make_mailbox(id);
            self.losses.pop();
            id
        });
        let entries = self.found.entries.entry(id).or_default();
        let next = self.found.mailboxes.get(&id).map_or(Uid(1), |mailbox| mailbox.uid_next);
        let uid = entries.keys().next_back().map_or(next, |last| next.max(Uid(last.0.saturating_add(1))));
        let internal_date = Timestamp(i64::try_from(email.0 / 1000).unwrap_or_default());
        let entry = Entry { uid, size, flags: Default::default(), modseq: self.head, email, internal_date };
        entries.insert(uid, entry);
        let what = "nothing tells in which mailbox it was; it is in this one now";
        let places = vec![(RECOVERED.to_owned(), uid)];
        self.losses.push(Loss { places, email: Some(email), size: Some(size), ..Loss::of(what) });
        vec![(id, entry)]
    }

    /// Messages whose octets are lost leave their mailboxes.
    fn take_out_lost(&mut self, account: AccountId) {
        let emails: Vec<EmailId> = self.found.emails.keys().copied().collect();
        for email in emails {
            let (why, object) = match self.found.octets.get(&email) {
                Some(Octets::Sound { size, object }) => {
                    if let Some(record) = self.found.emails.get_mut(&email) {
                        (record.size, record.object) = (*size, object.clone());
                    }
                    continue;
                }
                Some(Octets::Lost(why, object)) => (why.clone(), object.clone()),
                Some(Octets::Unread(why, object)) => (why.clone(), Some(object.clone())),
                None => ("its text is missing".to_owned(), None),
            };
            let Some(record) = self.found.emails.remove(&email) else { continue };
            let object = object.or_else(|| record.object.clone());
            let mut lost = Lost { places: Vec::new(), loss: Loss::of(why) };
            (lost.loss.email, lost.loss.size) = (Some(email), Some(record.size));
            lost.loss.object = object.map(|name| (account, name));
            lost.loss.is_unread = matches!(self.found.octets.get(&email), Some(Octets::Unread(..)));
            if record.places == 0 {
                lost.loss.what.push_str("; it was removed already, and cannot be put back any more");
            }
            self.lost.insert(email, lost);
        }
        let Found { entries, mailboxes, octets, .. } = &mut self.found;
        for (mailbox, entries) in entries {
            let name = mailboxes.get(mailbox).map(|mailbox| mailbox.name.clone()).unwrap_or_default();
            entries.retain(|uid, entry| {
                let Some(lost) = self.lost.get_mut(&entry.email) else {
                    if let Some(Octets::Sound { size, .. }) = octets.get(&entry.email) {
                        entry.size = *size;
                    }
                    return true;
                };
                lost.places.push((*mailbox, *entry));
                lost.loss.places.push((name.clone(), *uid));
                false
            });
        }
    }

    fn settle_mailboxes(&mut self) {
        let (mut names, mut roles): (Vec<String>, BTreeSet<Role>) = Default::default();
        let lost = self.lost.values().flat_map(|lost| &lost.places);
        let mut gone: BTreeMap<MailboxId, Uid> = BTreeMap::new();
        for (mailbox, entry) in lost {
            let last = gone.entry(*mailbox).or_default();
            *last = (*last).max(entry.uid);
        }
        let mut validities = BTreeSet::new();
        for mailbox in self.found.mailboxes.values_mut() {
            let mut counts = Counts::default();
            let given = self.found.given.get(&mailbox.id);
            let last = gone.get(&mailbox.id).max(given).copied().unwrap_or_default();
            let mut top = Uid(mailbox.uid_next.0.saturating_sub(1)).max(last);
            let keywords = mailbox.keywords.names().len();
            for entry in self.found.entries.entry(mailbox.id).or_default().values_mut() {
                if !entry.flags.is_sound(keywords) {
                    (entry.flags, entry.modseq) = (entry.flags.system(), self.head);
                }
                counts.add(entry);
                top = top.max(entry.uid);
            }
            // Whoever comes back asks what has changed and what has vanished.
            mailbox.highest_modseq = self.head;
            (mailbox.counts, mailbox.uid_next) = (counts, Uid(top.0.saturating_add(1)));
            (mailbox.packed_to, mailbox.unpacked) = (ModSeq(0), counts.messages);
            while names.iter().any(|name| state::same_name(name, &mailbox.name)) {
                mailbox.name = format!("{} {}", mailbox.name, mailbox.id);
            }
            names.push(mailbox.name.clone());
            mailbox.role = mailbox.role.filter(|role| roles.insert(*role));
            let is_twice = !validities.insert(mailbox.uid_validity);
            if self.found.is_torn || is_twice || self.renewed.contains(&mailbox.id) {
                self.record.last_uid_validity.0 = self.record.last_uid_validity.0.saturating_add(1);
                mailbox.uid_validity = self.record.last_uid_validity;
                validities.insert(mailbox.uid_validity);
            }
        }
    }

    fn settle_record(&mut self) {
        let (found, record) = (&self.found, &mut self.record);
        record.retained = Retained::default();
        found.emails.values().filter(|email| email.places == 0).for_each(|email| record.retained.add(email.size));
        record.places_noted_to = None;
        let whole = |letter| found.gaps.is_whole(&key::kind(letter));
        if !whole(b'I') || !whole(b'E') || found.record.is_none() {
            record.named_to = EmailId(0);
        }
        if !whole(b'U') || !whole(b'N') || found.record.is_none() {
            record.sized_to = EmailId(0);
        }
    }

    /// What is lost beside messages.
    fn tell_rest(&mut self) {
        let gaps = &self.found.gaps;
        let whole = |letter| gaps.is_whole(&key::kind(letter));
        if !whole(b'E') && !whole(b'M') {
            self.losses.push(Loss::of("messages may be lost of which nothing tells any more"));
        }
        for (letter, what) in [
            (b'B', "a mailbox without messages may be lost"),
            (b'C', "a copy that had not come to its end may be incomplete"),
            (b'F', "an undo that had not come to its end may be incomplete"),
            (b'W', "names of devices that are gone may be lost"),
            (b'D', "a device may be lost: it cannot log in any more"),
            (b'J', "a part of the timeline is lost"),
            (b'P', "what a POP3 program has had of some messages is lost: it may download them again"),
            (b'U', "the UIDL that another server gave a message may be lost"),
            (b'S', "a subscription may be lost"),
            (b'R', "by which device a message was removed is lost"),
        ] {
            if !whole(letter) {
                self.losses.push(Loss::of(what));
            }
        }
        for (kind, what) in [
            (0, "what the junk filter has learnt is lost: it learns anew"),
            (20, "annotations may be lost"),
            (40, "addresses of messages that were authorized may be lost"),
            (60, "what guests have seen may be lost"),
            (120, "what an import has taken may be lost: it may bring messages again"),
        ] {
            let (from, to) = (vec![b'X', kind], vec![b'X', kind + if kind == 60 || kind == 0 { 3 } else { 1 }]);
            if !gaps.is_whole(&(from, to)) {
                self.losses.push(Loss::of(what));
            }
        }
    }

    /// Whether a mailbox has another UIDVALIDITY.
    pub(super) fn is_renewed(&self, mailbox: Option<u32>) -> bool {
        self.found.is_torn || mailbox.is_some_and(|id| self.renewed.contains(&MailboxId(id)))
    }

    /// Whether what the junk filter has learnt is whole.
    pub(super) fn keeps_training(&self) -> bool {
        self.found.gaps.is_whole(&(vec![b'X', 0], vec![b'X', 3]))
    }
}

fn entries_of(entries: &BTreeMap<MailboxId, BTreeMap<Uid, Entry>>) -> impl Iterator<Item = (MailboxId, &Entry)> {
    entries.iter().flat_map(|(mailbox, entries)| entries.values().map(|entry| (*mailbox, entry)))
}

/// What the journal tells of messages in places.
fn learn(change: &Change, wanted: &mut BTreeMap<(MailboxId, Uid), (Entry, bool)>) {
    let mut came = |mailbox, Listed { uid, email, flags, internal_date, size }: Listed| {
        if let Some((entry, has_flags)) = wanted.get_mut(&(mailbox, uid)).filter(|(entry, _)| entry.email == email) {
            (entry.flags, entry.internal_date, entry.size, *has_flags) = (flags, internal_date, size, true);
        }
    };
    match change {
        Change::Messages(OfMessages::Added { mailbox, messages } | OfMessages::Restored { mailbox, messages }) => {
            messages.iter().for_each(|listed| came(*mailbox, *listed))
        }
        Change::Messages(OfMessages::Moved { to, messages, .. }) => {
            messages.iter().for_each(|moved| came(*to, moved.after()));
        }
        Change::Messages(OfMessages::Reflagged { mailbox, messages }) => {
            for changed in messages {
                if let Some((entry, _)) = wanted.get_mut(&(*mailbox, changed.uid)) {
                    entry.flags = changed.after;
                }
            }
        }
        Change::Messages(OfMessages::Expunged { .. })
        | Change::Mailbox(_)
        | Change::Pop(_)
        | Change::Device(_)
        | Change::Account(_) => {}
    }
}
