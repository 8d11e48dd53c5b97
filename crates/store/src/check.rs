//! Every invariant of an account as a function. `pillarbox check` runs them, and so do the tests after every story.

mod annotations;
mod damage;
mod holds;
mod imported;

use crate::account::{Account, Taken};
use crate::codec::Corrupt;
use crate::device::Device;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::flag_block::FlagBlocks;
use crate::identity::{Name, Own};
use crate::ids::{AccountId, DeviceId, EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::{Entry, Index};
use crate::journal::{Change, Emails, JournalEntry, OfMessages};
use crate::key;
use crate::record::{
    AccountRecord, BodyRecord, Counts, Digest, EmailRecord, Mailbox, MessageRecord, PLACES_LISTED_MAX, Retained,
    Subscription,
};
use crate::role::Role;
use crate::shown::{SentSizes, Shown};
use crate::state::{self, AccountState, MailboxState};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Something that must not be. Its text says what, where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whose.
    pub account: AccountId,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}: {}", self.account, self.what)
    }
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Records only.
    Records,
    /// Every body too, against its BLAKE3.
    Bodies,
}

/// Checks every invariant of an account as of one snapshot, and that what is on disk is what was written. It goes on after
/// damage: what that leaves over is looked at by itself.
///
/// # Errors
/// [`Error::NoSuchAccount`]. What cannot be read is a finding.
pub fn account(store: &Store, id: AccountId, depth: Depth) -> Result<Vec<Finding>, Error> {
    let (shown, uidls) = (BTreeMap::new(), BTreeSet::new());
    let mut check = Check { id, findings: Vec::new(), shown, sized_to: EmailId(0), uidls };
    let looked = store.engine().snapshot(id).map_err(Error::from).and_then(|snapshot| {
        // Where rows are damaged, that they do not agree with each other tells nothing new.
        if check.rows(store)? {
            return records(&mut check, store, &*snapshot, depth);
        }
        check.bodies_alone(store, &*snapshot, depth);
        Ok(())
    });
    match looked {
        Err(Error::NoSuchAccount) => Err(Error::NoSuchAccount),
        Err(error) => {
            check.found(error);
            Ok(check.findings)
        }
        Ok(()) => Ok(check.findings),
    }
}

fn records(check: &mut Check, store: &Store, snapshot: &dyn Snapshot, depth: Depth) -> Result<(), Error> {
    let Some(state) = check.load(snapshot)? else { return Ok(()) };
    check.sized_to = state.record.sized_to;
    check.mailboxes(&state);
    check.subscriptions(snapshot, &state)?;
    let mut places: BTreeMap<EmailId, BTreeSet<(MailboxId, Uid)>> = BTreeMap::new();
    let mut held = Index::default();
    for mailbox in state.mailboxes.values().map(|state| &state.mailbox) {
        let Some(records) = check.records(snapshot, mailbox)? else { continue };
        check.mailbox(mailbox, &records, state.head);
        if mailbox.packed_to > ModSeq(0) {
            check.packed(mailbox, &records, crate::pack::load_packed(snapshot, mailbox)?);
        }
        for entry in records.iter() {
            places.entry(entry.email).or_default().insert((mailbox.id, entry.uid));
        }
        if mailbox.role == Some(Role::Held) {
            held = records;
        }
    }
    check.holds(snapshot, &state, &held)?;
    let scan = |letter, visit: &mut dyn FnMut(&[u8], &[u8])| {
        state::scan(snapshot, key::kind(letter), |key, value| {
            visit(key, value);
            Ok(())
        })
    };
    let mut emails: BTreeMap<EmailId, EmailRecord> = BTreeMap::new();
    scan(
        b'E',
        &mut |key, value| match key::long_at(key, 1).and_then(|email| Ok((email, EmailRecord::decode(value)?))) {
            Ok((email, record)) => drop(emails.insert(EmailId(email), record)),
            Err(Corrupt) => check.found(format_args!("a message's record is damaged (key {key:02x?})")),
        },
    )?;
    check.emails(&state, &emails, &places);
    let mut retained = BTreeSet::new();
    scan(b'R', &mut |key, _| match (key::long_at(key, 1), key::long_at(key, 9)) {
        (Ok(at), Ok(email)) => drop(retained.insert((Timestamp(at as i64), EmailId(email)))),
        _ => check.found(format_args!("a retention key is damaged ({key:02x?})")),
    })?;
    check.retained(&emails, &retained);
    check.counted(&state, &emails);
    check.what_pop_shows(snapshot, &emails)?;
    let mut bodies = BTreeSet::new();
    scan(
        b'Y',
        &mut |key, value| match key::long_at(key, 1).and_then(|email| Ok((email, BodyRecord::decode(value)?))) {
            Ok((email, record)) => {
                bodies.insert(EmailId(email));
                check.body((store, snapshot), EmailId(email), &record, &emails, depth);
            }
            Err(Corrupt) => check.found(format_args!("a body's record is damaged (key {key:02x?})")),
        },
    )?;
    for email in emails.keys().filter(|email| !bodies.contains(email)) {
        check.found(format_args!("message {} has no body", email.text()));
    }
    check.strays(snapshot, &state, &emails)?;
    check.journals(snapshot, &state, &emails)?;
    scan(b'P', &mut |key, value| check.taken(key, value, &state, &emails))?;
    Ok(())
}

/// Checks every account.
///
/// # Errors
/// As [`account`].
pub fn all(store: &Store, depth: Depth) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for id in store.accounts()? {
        match account(store, id, depth) {
            Ok(found) => findings.extend(found),
            // It was removed meanwhile.
            Err(Error::NoSuchAccount) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// What leads from messages to journal entries.
#[derive(Default)]
struct Histories {
    rows: BTreeSet<(ModSeq, EmailId)>,
    bulk: BTreeMap<ModSeq, Emails>,
}

struct Check {
    id: AccountId,
    findings: Vec<Finding>,
    /// What POP3 shows otherwise than it is.
    shown: BTreeMap<EmailId, Shown>,
    /// Of messages up to this one it is noted.
    sized_to: EmailId,
    /// The imported UIDLs for which nothing was found yet that leads to their message.
    uidls: BTreeSet<String>,
}

impl Check {
    fn found(&mut self, what: impl fmt::Display) {
        self.findings.push(Finding { account: self.id, what: what.to_string() });
    }

    fn must(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.found(what);
        }
    }

    /// The account without what is damaged; `None` when its record is.
    fn load(&mut self, snapshot: &dyn Snapshot) -> Result<Option<AccountState>, Error> {
        let mut state = AccountState::empty(Timestamp(0));
        state.head = snapshot.head();
        match state::history_bytes(snapshot) {
            Ok(bytes) => state.history_bytes = bytes,
            Err(_) => self.found("the record of how much the journal takes is damaged"),
        }
        match snapshot.get(&key::account())?.as_deref().map(AccountRecord::decode) {
            Some(Ok((record, grown))) => {
                state.record = record;
                if grown.is_none() {
                    // A record that does not count yet what is checked below.
                    state.record = AccountState::load(snapshot)?.record;
                }
            }
            None if state.head == ModSeq(0) => return Err(Error::NoSuchAccount),
            None | Some(Err(Corrupt)) => {
                self.found("the record of the account is damaged or missing");
                return Ok(None);
            }
        }
        state::scan(snapshot, key::kind(b'B'), |key, value| {
            match Mailbox::decode(value) {
                Ok(mailbox) => {
                    let (id, state) = (mailbox.id, &mut state.mailboxes);
                    self.must(key == key::mailbox(id), format_args!("mailbox {id} lies under another's key"));
                    state.insert(id, Arc::new(MailboxState { mailbox, index: None }));
                }
                Err(Corrupt) => self.found(format_args!("a mailbox record is damaged (key {key:02x?})")),
            }
            Ok(())
        })?;
        let mut devices = BTreeMap::new();
        state::scan(snapshot, key::kind(b'D'), |key, value| {
            match key::number_at(key, 1).and_then(|id| Device::decode(DeviceId(id), value)) {
                Ok(device) => drop(devices.insert(device.id, device)),
                Err(Corrupt) => self.found(format_args!("a device record is damaged (key {key:02x?})")),
            }
            Ok(())
        })?;
        state.devices = Arc::new(devices);
        Ok(Some(state))
    }

    /// The records of a mailbox's messages; `None` when one is damaged.
    fn records(&mut self, snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Option<Index>, Error> {
        let (mut records, mut intact) = (Index::default(), true);
        let mut blocks = FlagBlocks::read(snapshot, mailbox.id)?;
        state::scan(snapshot, key::kind_of(b'M', mailbox.id.0), |key, value| {
            let entry = key::number_at(key, 5).and_then(|uid| MessageRecord::decode(Uid(uid), value));
            match entry.and_then(|entry| blocks.applied_to(entry)) {
                Ok(entry) => records.push(entry),
                Err(Corrupt) => {
                    self.found(format_args!("a message of {:?} is damaged (key {key:02x?})", mailbox.name));
                    intact = false;
                }
            }
            Ok(())
        })?;
        Ok(intact.then_some(records))
    }

    fn mailboxes(&mut self, state: &AccountState) {
        self.must(state.by_name("INBOX").is_some(), "there is no INBOX");
        let mut names: Vec<String> = Vec::new();
        let mut validities = BTreeSet::new();
        for mailbox in state.mailboxes.values().map(|state| &state.mailbox) {
            let name = &mailbox.name;
            let twice = names.iter().any(|other| state::same_name(other, name));
            self.must(!twice, format_args!("two mailboxes are called {name:?}"));
            names.push(name.clone());
            self.must(validities.insert(mailbox.uid_validity), format_args!("{name:?} shares its UIDVALIDITY"));
            let known =
                mailbox.uid_validity <= state.record.last_uid_validity && mailbox.id <= state.record.last_mailbox;
            self.must(known, format_args!("{name:?} has a number that was never given out"));
        }
        let roles: Vec<_> = state.mailboxes.values().filter_map(|state| state.mailbox.role).collect();
        let distinct: BTreeSet<_> = roles.iter().collect();
        self.must(roles.len() == distinct.len(), "two mailboxes have the same special use");
        let last = DeviceId(state.record.last_device);
        self.must(state.devices.keys().all(|id| *id <= last), "a device has a number that was never given out");
    }

    /// The names on the list of subscriptions that no mailbox has.
    fn subscriptions(&mut self, snapshot: &dyn Snapshot, state: &AccountState) -> Result<(), Error> {
        state::scan(snapshot, key::kind(b'S'), |key, value| {
            match Subscription::decode(value) {
                Ok(name) => {
                    let is_mailbox = state.by_name(&name).is_some();
                    self.must(!is_mailbox, format_args!("{name:?} is a mailbox, and subscribed as if it was none"));
                    let lies_right = key == key::subscription(&name);
                    self.must(lies_right, format_args!("the subscription of {name:?} lies under another's key"));
                }
                Err(Corrupt) => self.found(format_args!("a subscription is damaged (key {key:02x?})")),
            }
            Ok(())
        })
    }

    fn packed(&mut self, mailbox: &Mailbox, records: &Index, packed: Option<Index>) {
        let same = packed.is_some_and(|packed| records.len() == packed.len() && records.iter().eq(packed.iter()));
        self.must(same, format_args!("the packed index of {:?} is not what its records say", mailbox.name));
    }

    fn mailbox(&mut self, mailbox: &Mailbox, records: &Index, head: ModSeq) {
        let name = &mailbox.name;
        let mut counts = Counts::default();
        records.iter().for_each(|entry| counts.add(entry));
        let expected = mailbox.counts;
        self.must(counts == expected, format_args!("{name:?} counts {expected:?} and holds {counts:?}"));
        let top = records.last().map_or(Uid(0), |entry| entry.uid);
        self.must(
            top < mailbox.uid_next,
            format_args!("{name:?} holds UID {top} and would give out {} next", mailbox.uid_next),
        );
        self.must(mailbox.highest_modseq <= head, format_args!("{name:?} has a MODSEQ above the account's"));
        let newest = records.iter().map(|entry| entry.modseq).max().unwrap_or_default();
        self.must(newest <= mailbox.highest_modseq, format_args!("{name:?} holds MODSEQ {newest} above its highest"));
        let keywords = mailbox.keywords.names().len();
        let is_sound = |entry: &Entry| entry.flags.is_sound(keywords);
        self.must(records.iter().all(is_sound), format_args!("{name:?} uses a keyword that has no name"));
    }

    fn emails(
        &mut self,
        state: &AccountState,
        emails: &BTreeMap<EmailId, EmailRecord>,
        places: &BTreeMap<EmailId, BTreeSet<(MailboxId, Uid)>>,
    ) {
        let (none, all_noted) = (BTreeSet::new(), state.record.places_noted_to.is_none());
        for (email, record) in emails {
            let (text, there) = (email.text(), places.get(email).unwrap_or(&none));
            let found = there.len();
            self.must(
                record.places as usize == found,
                format_args!("message {text} is in {found} places and says {}", record.places),
            );
            let listed: BTreeSet<_> = record.listed.iter().copied().collect();
            let holds = listed.len() == record.listed.len() && listed.is_subset(there);
            self.must(holds, format_args!("message {text} lists a place that it is not in, or one twice"));
            let lists_enough = listed.len() == found || found > PLACES_LISTED_MAX || !all_noted;
            self.must(lists_enough, format_args!("message {text} is in {found} places and lists {}", listed.len()));
            self.must(
                *email <= state.record.last_email,
                format_args!("message {text} has an id that was never given out"),
            );
            self.must(
                (record.places == 0) == record.removed_at.is_some(),
                format_args!("message {text}: removal time"),
            );
        }
        for email in places.keys().filter(|email| !emails.contains_key(email)) {
            self.found(format_args!("message {} is in a mailbox and has no record", email.text()));
        }
    }

    fn counted(&mut self, state: &AccountState, emails: &BTreeMap<EmailId, EmailRecord>) {
        let mut retained = Retained::default();
        emails.values().filter(|record| record.places == 0).for_each(|record| retained.add(record.size));
        let said = state.record.retained;
        self.must(retained == said, format_args!("it retains {retained:?} and says {said:?}"));
    }

    fn retained(&mut self, emails: &BTreeMap<EmailId, EmailRecord>, retained: &BTreeSet<(Timestamp, EmailId)>) {
        let expected: BTreeSet<_> = emails
            .iter()
            .filter_map(|(email, record)| Some((Timestamp(record.removed_at?.0.max(0)), *email)))
            .collect();
        for (_, email) in expected.symmetric_difference(retained) {
            self.found(format_args!(
                "message {} is removed and not in retention, or the other way round",
                email.text()
            ));
        }
    }

    fn named(&mut self, snapshot: &dyn Snapshot, emails: &BTreeMap<EmailId, EmailRecord>) -> Result<(), Error> {
        let mut named = BTreeSet::new();
        state::scan(snapshot, key::kind(b'I'), |key, value| {
            match (key::long_at(key, 1), key::long_at(key, 9), Own::decode(value)) {
                (Ok(name), Ok(email), Ok(_)) => drop(named.insert((Name(name), EmailId(email)))),
                _ => self.found(format_args!("a row of the index by name is damaged (key {key:02x?})")),
            }
            Ok(())
        })?;
        let of =
            |(email, record): (&EmailId, &EmailRecord)| record.names.iter().map(|n| (*n, *email)).collect::<Vec<_>>();
        let expected: BTreeSet<_> = emails.iter().flat_map(of).collect();
        for (_, email) in expected.symmetric_difference(&named) {
            self.found(format_args!("message {} is not found by its names, or by others", email.text()));
        }
        Ok(())
    }

    fn body(
        &mut self,
        (store, snapshot): (&Store, &dyn Snapshot),
        email: EmailId,
        body: &BodyRecord<'_>,
        emails: &BTreeMap<EmailId, EmailRecord>,
        depth: Depth,
    ) {
        let text = email.text();
        let Some(record) = emails.get(&email) else { return self.found(format_args!("body {text} has no message")) };
        match body {
            BodyRecord::Inline { hash, body } => {
                self.must(record.size as usize == body.len(), format_args!("message {text} has the wrong size"));
                let intact = depth == Depth::Records || blake3::hash(body).as_bytes() == hash;
                self.must(intact, format_args!("the body of {} is damaged", damage::message(snapshot, email)));
                if depth == Depth::Bodies {
                    self.sizes(email, body);
                }
            }
            BodyRecord::Object { digest: Digest { hash, .. }, size, name, header } => {
                self.must(record.size == *size, format_args!("message {text} has the wrong size"));
                self.must(record.object.as_ref() == Some(name), format_args!("message {text} names two objects"));
                if let Some(body) = self.object(store, snapshot, (email, name), (*size, *hash), depth) {
                    let same = header.is_none_or(|copy| copy.intact() == body.get(..message::header::end(&body)));
                    self.must(same, format_args!("the header kept of message {text} is not what it begins with"));
                    self.sizes(email, &body);
                }
            }
        }
    }

    /// What POP3 shows otherwise than it is, and where the imported UIDLs lead.
    fn what_pop_shows(
        &mut self,
        snapshot: &dyn Snapshot,
        emails: &BTreeMap<EmailId, EmailRecord>,
    ) -> Result<(), Error> {
        state::scan(snapshot, key::kind(b'U'), |key, value| {
            self.shown(key, value, emails);
            Ok(())
        })?;
        state::scan(snapshot, key::kind(b'N'), |key, value| {
            self.uidl(key, value);
            Ok(())
        })?;
        for uidl in std::mem::take(&mut self.uidls) {
            self.found(format_args!("the UIDL {uidl:?} leads to no message"));
        }
        Ok(())
    }

    fn shown(&mut self, key: &[u8], value: &[u8], emails: &BTreeMap<EmailId, EmailRecord>) {
        let (Ok(email), Ok(shown)) = (key::long_at(key, 1).map(EmailId), Shown::decode(value)) else {
            return self.found(format_args!("a record of what POP3 shows is damaged (key {key:02x?})"));
        };
        let text = email.text();
        self.must(emails.contains_key(&email), format_args!("POP3 shows {text}, which is no message"));
        if let Some(uidl) = &shown.uidl {
            let once = self.uidls.insert(uidl.clone());
            self.must(once, format_args!("two messages have the UIDL {uidl:?}"));
        }
        self.shown.insert(email, shown);
    }

    /// Each imported UIDL leads to its message.
    fn uidl(&mut self, key: &[u8], value: &[u8]) {
        let uidl = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
        let email = value.try_into().map(u64::from_be_bytes).ok().map(EmailId);
        let shown = email.and_then(|email| self.shown.get(&email)).and_then(|shown| shown.uidl.as_deref());
        let known = shown == Some(uidl.as_str()) && self.uidls.remove(&uidl);
        self.must(known, format_args!("the UIDL {uidl:?} leads to a message that does not have it"));
    }

    /// A message of which POP3 sends other octets than it has says how many, unless a version stored it that did not note it.
    fn sizes(&mut self, email: EmailId, body: &[u8]) {
        let said = self.shown.get(&email).map(|shown| shown.sizes).unwrap_or_default();
        let holds = email > self.sized_to || said == SentSizes::of(body);
        self.must(holds, format_args!("POP3 sends message {} in another size than it tells", email.text()));
    }

    /// What was left behind when its mailbox or message went.
    fn strays(
        &mut self,
        snapshot: &dyn Snapshot,
        state: &AccountState,
        emails: &BTreeMap<EmailId, EmailRecord>,
    ) -> Result<(), Error> {
        for (letter, what) in [(b'M', "a message"), (b'K', "a packed index"), (b'L', "a piece of a packed index")] {
            state::scan(snapshot, key::kind(letter), |key, _| {
                let known = key::number_at(key, 1).is_ok_and(|id| state.mailboxes.contains_key(&MailboxId(id)));
                self.must(known, format_args!("{what} lies in no mailbox (key {key:02x?})"));
                Ok(())
            })?;
        }
        state::scan(snapshot, key::kind(b'T'), |key, _| {
            let known = key::long_at(key, 1).is_ok_and(|email| emails.contains_key(&EmailId(email)));
            self.must(known, format_args!("a summary has no message (key {key:02x?})"));
            Ok(())
        })?;
        state::scan(snapshot, key::all_taught(), |key, _| {
            let known = key::long_at(key, 2).is_ok_and(|email| emails.contains_key(&EmailId(email)));
            self.must(known, format_args!("the junk filter was taught what is no message (key {key:02x?})"));
            Ok(())
        })?;
        state::scan(snapshot, key::all_flag_blocks(), |key, _| {
            let known = key::number_at(key, 2).is_ok_and(|id| state.mailboxes.contains_key(&MailboxId(id)));
            self.must(known, format_args!("flags of messages lie in no mailbox (key {key:02x?})"));
            Ok(())
        })?;
        self.annotations(snapshot, state)?;
        self.imported(snapshot, state)?;
        self.named(snapshot, emails)
    }

    /// The journal and the histories of messages, which name its entries.
    fn journals(
        &mut self,
        snapshot: &dyn Snapshot,
        state: &AccountState,
        emails: &BTreeMap<EmailId, EmailRecord>,
    ) -> Result<(), Error> {
        let (counted, said) = (state::count_history(snapshot)?, state.history_bytes);
        self.must(counted == said, format_args!("the journal takes {counted} octets and says {said}"));
        let mut last = state.record.journal_floor;
        let mut histories = Histories::default();
        state::scan(snapshot, key::kind(b'G'), |key, value| {
            match key::long_at(key, 1).and_then(|modseq| Ok((modseq, Emails::decode(value)?))) {
                Ok((modseq, emails)) => drop(histories.bulk.insert(ModSeq(modseq), emails)),
                Err(Corrupt) => self.found(format_args!("a row of many flags is damaged ({key:02x?})")),
            }
            Ok(())
        })?;
        state::scan(snapshot, key::kind(b'H'), |key, _| {
            match (key::long_at(key, 1), key::long_at(key, 9)) {
                (Ok(email), Ok(modseq)) => drop(histories.rows.insert((ModSeq(modseq), EmailId(email)))),
                _ => self.found(format_args!("a history key is damaged ({key:02x?})")),
            }
            Ok(())
        })?;
        state::scan(snapshot, key::kind(b'J'), |key, value| {
            if let Some(entry) = self.journal(key, value, &mut last, state.head) {
                self.history(&entry, state, emails, &mut histories);
            }
            Ok(())
        })?;
        for modseq in histories.bulk.keys() {
            self.found(format_args!("a row of many flags names journal entry {modseq}, which is not there"));
        }
        for (modseq, email) in histories.rows {
            let text = email.text();
            self.found(format_args!("the history of {text} names journal entry {modseq}, which is not about it"));
        }
        Ok(())
    }

    /// Every entry is in the history of each message that it is about, except as its arrival.
    fn history(
        &mut self,
        entry: &JournalEntry,
        state: &AccountState,
        emails: &BTreeMap<EmailId, EmailRecord>,
        histories: &mut Histories,
    ) {
        let bulk = histories.bulk.remove(&entry.modseq);
        for email in entry.change.emails().into_iter().collect::<BTreeSet<_>>() {
            let known = bulk.is_some_and(|emails| emails.may_hold(email));
            let known =
                histories.rows.remove(&(entry.modseq, email)) || known || entry.modseq <= state.record.history_from;
            // A message that was purged has taken along what told its arrival.
            let arrived = matches!(entry.change, Change::Messages(OfMessages::Added { .. }))
                && emails.get(&email).is_none_or(|r| r.arrival.is_some_and(|arrival| arrival.modseq == entry.modseq));
            self.must(known || arrived, format_args!("{} is not in the history of {}", entry.modseq, email.text()));
        }
    }

    fn journal(&mut self, key: &[u8], value: &[u8], last: &mut ModSeq, head: ModSeq) -> Option<JournalEntry> {
        match key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value)) {
            Ok(entry) => {
                let in_order = *last < entry.modseq && entry.modseq <= head;
                self.must(in_order, format_args!("journal entry {} is out of order", entry.modseq));
                *last = entry.modseq;
                Some(entry)
            }
            Err(Corrupt) => {
                self.found(format_args!("a journal entry is damaged (key {key:02x?})"));
                None
            }
        }
    }

    fn taken(&mut self, key: &[u8], value: &[u8], state: &AccountState, emails: &BTreeMap<EmailId, EmailRecord>) {
        let parts = key::number_at(key, 1).and_then(|d| Ok((DeviceId(d), EmailId(key::long_at(key, 5)?))));
        match (parts, Taken::decode(value)) {
            (Ok((device, email)), Ok(_)) => {
                // Of one that gave way to another it goes with a purge.
                let was_there = device.0 != 0 && device.0 <= state.record.last_device;
                self.must(was_there, format_args!("a maildrop of no device ({device})"));
                let is_gone = !state.devices.contains_key(&device);
                let known = is_gone || emails.contains_key(&email);
                self.must(known, format_args!("a maildrop names no message ({})", email.text()));
            }
            _ => self.found(format_args!("a maildrop record is damaged (key {key:02x?})")),
        }
    }
}

impl Account {
    /// Checks every invariant of this account, records only; for tests and assertions.
    ///
    /// # Errors
    /// As [`account`].
    pub fn check(&self, store: &Store) -> Result<Vec<Finding>, Error> {
        account(store, self.id(), Depth::Records)
    }
}
