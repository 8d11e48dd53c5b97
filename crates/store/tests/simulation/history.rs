//! What was true once: numbers that must never be used again, and observers that stopped looking long ago.

use crate::found::{Found, fresh};
use crate::model::{Email, Model, Purged};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::sim::{Random, SimEngine, SimObjects};
use store::{
    Account, AccountId, Change, EmailId, Entry, Error, FlagBits, MailboxId, ModSeq, OfAccount, OfDevice, OfMailbox,
    OfMessages, OfPop, Timestamp, Uid, UidValidity,
};

/// Observers that are kept for later.
const OBSERVERS_MAX: usize = 12;

#[derive(Default)]
pub struct History {
    head: ModSeq,
    uid_validities: BTreeMap<MailboxId, UidValidity>,
    /// Every UID that was ever seen, and whether it is still there.
    uids: HashMap<(MailboxId, Uid), (EmailId, ModSeq, bool)>,
    emails: BTreeSet<EmailId>,
    highest: BTreeMap<MailboxId, ModSeq>,
    observers: Vec<Observer>,
}

/// A client that knows the account as of one moment and comes back later.
struct Observer {
    head: ModSeq,
    names: BTreeMap<MailboxId, String>,
    mailboxes: BTreeMap<MailboxId, Messages>,
    indexes: BTreeMap<MailboxId, store::Index>,
}

type Messages = BTreeMap<Uid, Known>;

#[derive(Clone, Debug, PartialEq)]
struct Known {
    email: EmailId,
    flags: FlagBits,
    size: u32,
    date: Timestamp,
}

impl Known {
    fn of(entry: &Entry) -> (Uid, Self) {
        let Entry { uid, email, flags, size, internal_date: date, modseq: _ } = *entry;
        (uid, Self { email, flags, size, date })
    }
}

fn messages(index: &store::Index) -> Messages {
    index.iter().map(Known::of).collect()
}

impl History {
    /// Holds what is found now against all that was found before.
    pub fn note(&mut self, found: &Found) {
        assert!(found.head >= self.head, "the account's MODSEQ went back from {} to {}", self.head, found.head);
        self.head = found.head;
        for (id, at) in &found.mailboxes {
            self.note_mailbox(*id, at);
        }
        let newest = self.emails.last().copied().unwrap_or_default();
        for email in found.mailboxes.values().flat_map(|m| m.index.iter()).map(|entry| entry.email) {
            let new = self.emails.insert(email);
            assert!(!new || email > newest, "the new message {} is older than {}", email.text(), newest.text());
        }
    }

    fn note_mailbox(&mut self, id: MailboxId, at: &crate::found::FoundMailbox) {
        let validity = at.mailbox.uid_validity;
        let known = *self.uid_validities.entry(id).or_insert(validity);
        assert_eq!(known, validity, "mailbox {id} changed its UIDVALIDITY");
        let shared = self.uid_validities.iter().find(|(other, v)| **other != id && **v == validity);
        assert_eq!(shared, None, "mailbox {id} shares its UIDVALIDITY");
        let highest = self.highest.entry(id).or_default();
        assert!(at.mailbox.highest_modseq >= *highest, "HIGHESTMODSEQ of mailbox {id} went back");
        *highest = at.mailbox.highest_modseq;
        let mut last = Uid(0);
        for entry in at.index.iter() {
            assert!(entry.uid > last && entry.uid < at.mailbox.uid_next, "UIDs of mailbox {id} are out of order");
            assert!(entry.modseq <= *highest, "UID {} of mailbox {id} is above HIGHESTMODSEQ", entry.uid);
            last = entry.uid;
            let (email, modseq, there) = self.uids.entry((id, entry.uid)).or_insert((entry.email, entry.modseq, true));
            assert_eq!(*email, entry.email, "UID {} of mailbox {id} is another message now", entry.uid);
            assert!(*there, "UID {} of mailbox {id} came back", entry.uid);
            assert!(entry.modseq >= *modseq, "MODSEQ of UID {} of mailbox {id} went back", entry.uid);
            *modseq = entry.modseq;
        }
        for ((_, uid), (_, _, there)) in self.uids.iter_mut().filter(|((mailbox, _), _)| *mailbox == id) {
            *there &= at.index.find(*uid).is_some();
        }
    }

    /// A flag that changed has a new MODSEQ; one that did not keeps it.
    pub fn note_flags(before: &Found, after: &Found) {
        for (id, mailbox) in &after.mailboxes {
            let Some(old) = before.mailboxes.get(id) else { continue };
            for entry in old.index.iter() {
                let Some(now) = mailbox.index.find(entry.uid) else { continue };
                let (same_flags, same_modseq) = (now.flags == entry.flags, now.modseq == entry.modseq);
                assert_eq!(same_flags, same_modseq, "UID {} of mailbox {id}: {entry:?} became {now:?}", now.uid);
            }
            let same = mailbox.index.iter().eq(old.index.iter());
            let same_highest = mailbox.mailbox.highest_modseq == old.mailbox.highest_modseq;
            assert!(same || !same_highest, "mailbox {id} changed and its HIGHESTMODSEQ did not");
        }
    }

    /// Lets a client remember the account as it is now.
    pub fn observe(&mut self, found: &Found, random: &mut Random) {
        if self.observers.len() == OBSERVERS_MAX {
            self.observers.swap_remove(random.below(OBSERVERS_MAX as u64) as usize);
        }
        let of = |m: &MailboxId| found.mailboxes[m].index.clone();
        self.observers.push(Observer {
            head: found.head,
            names: found.mailboxes.iter().map(|(id, m)| (*id, m.mailbox.name.clone())).collect(),
            mailboxes: found.mailboxes.iter().map(|(id, m)| (*id, messages(&m.index))).collect(),
            indexes: found.mailboxes.keys().map(|id| (*id, of(id))).collect(),
        });
    }

    /// Every observer comes back by each of its ways and must then know what is found now.
    pub fn observers_converge(&self, account: &Account, found: &Found) {
        let floor = account.journal_floor().unwrap();
        for observer in &self.observers {
            for (id, told) in &observer.mailboxes {
                let Some(at) = found.mailboxes.get(id) else { continue };
                by_qresync(account, observer.head, *id, told, at, floor);
                by_difference(&observer.indexes[id], &at.index);
            }
            if observer.head >= floor {
                by_journal(account, observer, found);
            }
        }
    }
}

/// RFC 7162 §3.2.5: VANISHED (EARLIER) and the messages that changed since are all that a client needs.
fn by_qresync(
    account: &Account,
    since: ModSeq,
    id: MailboxId,
    told: &Messages,
    at: &crate::found::FoundMailbox,
    floor: ModSeq,
) {
    let vanished = account.vanished_since(id, since).unwrap();
    assert!(vanished.windows(2).all(|two| two[0] < two[1]), "vanished UIDs ascend");
    assert!(vanished.iter().all(|uid| at.index.find(*uid).is_none()), "a message that is there is told as gone");
    if since >= floor {
        let gone = told.keys().filter(|uid| at.index.find(**uid).is_none()).count();
        assert!(vanished.iter().filter(|uid| told.contains_key(uid)).count() == gone && vanished.len() >= gone);
    }
    let mut knows = told.clone();
    knows.retain(|uid, _| vanished.binary_search(uid).is_err());
    knows.extend(at.index.iter().filter(|entry| entry.modseq > since).map(Known::of));
    assert_eq!(knows, messages(&at.index), "mailbox {id} resynchronised from {since}");
}

fn by_difference(told: &store::Index, now: &store::Index) {
    let delta = now.since(told);
    let mut knows: Vec<Entry> = told.iter().copied().collect();
    for (position, uid) in delta.vanished.iter().rev() {
        assert_eq!(knows.remove(*position).uid, *uid);
    }
    for entry in &delta.changed {
        let at = knows.binary_search_by_key(&entry.uid, |known| known.uid).unwrap();
        knows[at] = *entry;
    }
    knows.extend(&delta.added);
    assert!(knows.iter().eq(now.iter()));
}

/// The journal is the truth: what it says happened since leads from what was to what is.
fn by_journal(account: &Account, observer: &Observer, found: &Found) {
    let (mut names, mut mailboxes) = (observer.names.clone(), observer.mailboxes.clone());
    let entries = account.journal(observer.head, usize::MAX).unwrap();
    assert!(entries.iter().all(|entry| entry.modseq > observer.head && entry.modseq <= found.head));
    assert!(entries.windows(2).all(|two| two[0].modseq < two[1].modseq));
    let listed = |listed: &store::Listed| {
        let store::Listed { uid, email, flags, internal_date: date, size } = *listed;
        (uid, Known { email, flags, size, date })
    };
    for entry in entries {
        match entry.change {
            Change::Messages(OfMessages::Added { mailbox, messages })
            | Change::Messages(OfMessages::Restored { mailbox, messages }) => {
                mailboxes.get_mut(&mailbox).unwrap().extend(messages.iter().map(listed));
            }
            Change::Messages(OfMessages::Reflagged { mailbox, messages }) => {
                for changed in messages {
                    let known = mailboxes.get_mut(&mailbox).unwrap().get_mut(&changed.uid).unwrap();
                    assert_eq!((known.flags, known.email), (changed.before, changed.email));
                    known.flags = changed.after;
                }
            }
            Change::Messages(OfMessages::Expunged { mailbox, messages }) => {
                for gone in messages {
                    assert_eq!(mailboxes.get_mut(&mailbox).unwrap().remove(&gone.uid), Some(listed(&gone).1));
                }
            }
            Change::Messages(OfMessages::Moved { from, to, messages }) => {
                for moved in &messages {
                    let before = mailboxes.get_mut(&from).unwrap().remove(&moved.before.uid);
                    assert_eq!(before, Some(listed(&moved.before).1));
                }
                mailboxes.get_mut(&to).unwrap().extend(messages.iter().map(|moved| listed(&moved.after())));
            }
            Change::Mailbox(OfMailbox::Created { mailbox, name }) => {
                assert_eq!(names.insert(mailbox, name), None);
                mailboxes.insert(mailbox, Messages::new());
            }
            Change::Mailbox(OfMailbox::Renamed { mailbox, before, after }) => {
                assert_eq!(names.insert(mailbox, after), Some(before));
            }
            Change::Mailbox(OfMailbox::Deleted { mailbox, name, keywords: _, role: _ }) => {
                assert_eq!(names.remove(&mailbox), Some(name));
                assert_eq!(mailboxes.remove(&mailbox), Some(Messages::new()), "its messages were expunged first");
            }
            Change::Account(OfAccount::Created)
            | Change::Mailbox(OfMailbox::Subscribed { .. })
            | Change::Mailbox(OfMailbox::NameSubscribed { .. })
            | Change::Mailbox(OfMailbox::Annotated { .. } | OfMailbox::Shared { .. })
            | Change::Pop(OfPop::Taken { .. })
            | Change::Pop(OfPop::Deleted { .. })
            | Change::Device(OfDevice::Added { .. })
            | Change::Device(OfDevice::Changed { .. })
            | Change::Device(OfDevice::Revoked { .. })
            | Change::Account(OfAccount::SettingsChanged)
            | Change::Pop(OfPop::Relisted { .. })
            | Change::Device(OfDevice::Held { .. })
            | Change::Device(OfDevice::HoldAnswered { .. })
            | Change::Pop(OfPop::UidlsKept { .. })
            | Change::Account(OfAccount::Undone { .. })
            | Change::Account(OfAccount::Cleared { .. })
            | Change::Account(OfAccount::Repaired) => {}
        }
    }
    let now: BTreeMap<MailboxId, String> =
        found.mailboxes.iter().map(|(id, m)| (*id, m.mailbox.name.clone())).collect();
    assert_eq!(names, now);
    let now: BTreeMap<MailboxId, Messages> = found.mailboxes.iter().map(|(id, m)| (*id, messages(&m.index))).collect();
    assert_eq!(mailboxes, now, "the journal from {} leads elsewhere", observer.head);
}

/// Everything that can be looked at, from a cold start.
pub fn check_all(
    engine: &SimEngine,
    objects: &SimObjects,
    id: AccountId,
    model: &Model,
    history: &mut History,
) -> Found {
    let store = fresh(engine, objects);
    assert_eq!(store::check::all(&store, store::check::Depth::Bodies).unwrap(), []);
    let found = Found::read(engine, objects, id, None);
    model.compare(&found).unwrap_or_else(|what| panic!("account {id}: {what}"));
    history.note(&found);
    let account = store.account(id);
    history.observers_converge(&account, &found);
    let reader = account.reader().unwrap();
    for (email, expected) in &model.emails {
        check_body(*email, expected, reader.body(*email));
    }
    for entry in found.mailboxes.values().flat_map(|m| m.index.iter()) {
        let email = &model.emails[&entry.email];
        assert_eq!((entry.size as usize, entry.internal_date), (email.size, email.date));
    }
    found
}

fn check_body(email: EmailId, expected: &Email, body: Result<Vec<u8>, Error>) {
    match (expected.purged, body) {
        (Purged::No | Purged::Perhaps, Ok(body)) => match &expected.body {
            Some(expected) => assert!(body == **expected, "{} changed", email.text()),
            None => assert!(body.starts_with(b"From: Pillarbox"), "{} is no message of the server", email.text()),
        },
        (Purged::Yes | Purged::Perhaps, Err(Error::NoSuchMessage)) => {}
        (purged, body) => panic!("{}: purged {purged:?}, read {:?}", email.text(), body.map(|b| b.len())),
    }
}
