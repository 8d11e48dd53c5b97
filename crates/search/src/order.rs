//! In which order messages come (RFC 5256 §2.2, RFC 5957), slice by slice.
//!
//! What is compared of a message is made once, as octets whose order is the order wanted (a reversed key has them inverted),
//! from the index or the envelope in the summary. Each slice makes a sorted run, or makes one run of two.

use crate::collate::casemap;
use crate::evaluate::address_text;
use crate::numbers::Numbers;
use crate::relevancy::Relevancy;
use message::{Address, BaseSubject, Envelope, date, encoded_word};
use std::cmp::Ordering;
use store::{Account, Entry, Error, Index};

/// A slice reads at most this many envelopes.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice takes at most this many messages in whose place in the order the index knows.
const KNOWN_PER_SLICE_MAX: usize = 50_000;
/// What is compared of all messages together, the first octets of each apart, may be so long: a million subjects are.
const KEYS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// So many octets of a text are compared.
const TEXT_BYTES_MAX: usize = 1000;
/// After so many messages that cannot be read the order is given up: the disk is not well.
const UNREADABLE_MAX: u32 = 8;

/// By what messages are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// INTERNALDATE.
    Arrival,
    /// The local part of the first `Cc` address.
    Cc,
    /// The `Date` field in UTC, else INTERNALDATE.
    Date,
    /// The local part of the first `From` address.
    From,
    /// Octets of the message.
    Size,
    /// The base subject.
    Subject,
    /// The local part of the first `To` address.
    To,
    /// The name of the first `From` address, else the address (RFC 5957).
    DisplayFrom,
    /// The name of the first `To` address, else the address (RFC 5957).
    DisplayTo,
    /// How well it fits, the best first (RFC 6203 §6).
    Relevancy,
}

/// A key and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// What is compared.
    pub key: SortKey,
    /// Whether the highest comes first.
    pub reverse: bool,
}

/// How far a slice came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// There is more to do.
    More,
    /// All are in order.
    Done,
    /// There is too much to compare.
    TooMuch,
}

/// Messages on their way into an order.
#[derive(Debug)]
pub struct Order {
    criteria: Vec<Criterion>,
    index: Index,
    /// Message numbers, descending: the next one is the last.
    rest: Vec<u32>,
    runs: Vec<Vec<Item>>,
    /// The keys of all items, but for the octets that stand in the items.
    keys: Vec<u8>,
    unreadable: u32,
    relevancy: Relevancy,
}

/// A message and its key.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// The first octets of its key, then zeros.
    first: u64,
    /// Where the others stand.
    start: u32,
    len: u32,
    number: u32,
}

impl Order {
    /// An order of the messages with these `numbers`, which are positions in `index` from 1.
    #[must_use]
    pub fn new(criteria: &[Criterion], index: Index, numbers: &Numbers) -> Self {
        let mut rest: Vec<u32> = numbers.iter().collect();
        rest.reverse();
        let mut own: Vec<Criterion> = Vec::new();
        for criterion in criteria {
            // Where a key is the same for two messages it is the second time too.
            if own.iter().all(|before| before.key != criterion.key) {
                own.push(*criterion);
            }
        }
        let relevancy = Relevancy::default();
        Self { criteria: own, index, rest, runs: Vec::new(), keys: Vec::new(), unreadable: 0, relevancy }
    }

    /// How well each message fits, for [`SortKey::Relevancy`].
    #[must_use]
    pub fn by_relevancy(self, relevancy: Relevancy) -> Self {
        Self { relevancy, ..self }
    }

    /// Goes on until the slice's work or the order is done. `account`: whose messages the index names.
    ///
    /// # Errors
    /// Nothing can be read, or too many messages cannot.
    pub fn go_on(&mut self, account: &Account) -> Result<Ordered, Error> {
        match self.runs.as_slice() {
            // As long as they are about as long as each other: each message is in few of these.
            [.., before, last] if self.rest.is_empty() || before.len() <= last.len() => self.join(),
            _ => self.take_in(account)?,
        }
        Ok(if self.keys.len() > KEYS_BYTES_MAX {
            Ordered::TooMuch
        } else if self.rest.is_empty() && self.runs.len() <= 1 {
            Ordered::Done
        } else {
            Ordered::More
        })
    }

    /// Message numbers in order, once it is done.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.runs.iter().flatten().map(|item| item.number)
    }

    /// How many messages could not be read: where they stand is not right.
    #[must_use]
    pub fn unreadable(&self) -> u32 {
        self.unreadable
    }

    fn join(&mut self) {
        let (Some(last), Some(mut run)) = (self.runs.pop(), self.runs.pop()) else { return };
        run.extend(last);
        self.sort(&mut run);
        self.runs.push(run);
    }

    /// The stable sort finds runs that are there, and only joins them.
    fn sort(&self, run: &mut [Item]) {
        let more = |item: &Item| self.keys.get(item.start as usize..(item.start + item.len) as usize);
        run.sort_by(|one, other| {
            let by_key = one.first.cmp(&other.first).then_with(|| match one.len.min(other.len) {
                0 => Ordering::Equal,
                _ => more(one).cmp(&more(other)),
            });
            // RFC 5256 §2.2: what is equal comes as in the mailbox, also when reversed.
            by_key.then(one.number.cmp(&other.number))
        });
    }

    fn take_in(&mut self, account: &Account) -> Result<(), Error> {
        let is_known = |key| matches!(key, SortKey::Arrival | SortKey::Size | SortKey::Relevancy);
        let known = self.criteria.iter().all(|criterion| is_known(criterion.key));
        let many = if known { KNOWN_PER_SLICE_MAX } else { READS_PER_SLICE_MAX };
        let reader = if known { None } else { Some(account.reader()?) };
        let next = self.rest.split_off(self.rest.len().saturating_sub(many));
        let mut run = Vec::with_capacity(next.len());
        let mut key = Vec::new();
        for number in next.into_iter().rev() {
            let Some(entry) = self.index.get((number as usize).saturating_sub(1)) else { continue };
            let envelope = match reader.as_ref().map(|reader| reader.envelope(entry.email)) {
                Some(Ok(envelope)) => envelope,
                // It has left retention: there is nothing in it any more.
                None | Some(Err(Error::NoSuchMessage)) => Envelope::default(),
                Some(Err(error)) => {
                    self.unreadable += 1;
                    if self.unreadable >= UNREADABLE_MAX {
                        return Err(error);
                    }
                    Envelope::default()
                }
            };
            key.clear();
            let relevancy = self.relevancy.of(number);
            self.criteria.iter().for_each(|criterion| criterion.put((entry, relevancy), &envelope, &mut key));
            run.push(item(number, &key, &mut self.keys));
        }
        self.sort(&mut run);
        self.runs.push(run);
        Ok(())
    }
}

fn item(number: u32, key: &[u8], keys: &mut Vec<u8>) -> Item {
    let mut first = [0; 8];
    first.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let more = key.get(first.len()..).unwrap_or_default();
    let start = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    keys.extend_from_slice(more);
    let len = u32::try_from(more.len()).unwrap_or(u32::MAX);
    Item { first: u64::from_be_bytes(first), start, len, number }
}

impl Criterion {
    /// Appends what is compared: no two different values, one of which begins with the other.
    fn put(self, (entry, relevancy): (&Entry, u8), envelope: &Envelope, key: &mut Vec<u8>) {
        let start = key.len();
        match self.key {
            SortKey::Arrival => put_number(key, entry.internal_date.as_internal_date().0),
            SortKey::Size => put_number(key, i64::from(entry.size)),
            SortKey::Date => put_number(key, sent(entry, envelope)),
            SortKey::Cc => put_text(key, &mailbox(&envelope.cc)),
            SortKey::From => put_text(key, &mailbox(&envelope.from)),
            SortKey::To => put_text(key, &mailbox(&envelope.to)),
            SortKey::Subject => put_text(key, &subject(envelope)),
            SortKey::DisplayFrom => put_text(key, &display(&envelope.from)),
            SortKey::DisplayTo => put_text(key, &display(&envelope.to)),
            SortKey::Relevancy => put_number(key, -i64::from(relevancy)),
        }
        if self.reverse {
            key.iter_mut().skip(start).for_each(|octet| *octet = !*octet);
        }
    }
}

fn put_number(key: &mut Vec<u8>, number: i64) {
    key.extend((number ^ i64::MIN).to_be_bytes());
}

/// A NUL is made two octets, two NULs are the end.
fn put_text(key: &mut Vec<u8>, text: &str) {
    let text = casemap(compared(text));
    for octet in text.bytes() {
        key.push(octet);
        if octet == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 0]);
}

/// As much of a text as is compared.
pub(crate) fn compared(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// RFC 5256 §2.2: the sent date, in Unix seconds; INTERNALDATE where there is none.
pub(crate) fn sent(entry: &Entry, envelope: &Envelope) -> i64 {
    match envelope.date.as_deref().and_then(date::parse) {
        Some(date) => date.unix_seconds,
        None => entry.internal_date.as_internal_date().0.div_euclid(1000),
    }
}

fn subject(envelope: &Envelope) -> String {
    envelope.subject.as_deref().map(|subject| BaseSubject::of(subject).text).unwrap_or_default()
}

/// RFC 5256 §3: addr-mailbox of the first address.
fn mailbox(list: &[Address]) -> String {
    let mailbox = list.first().and_then(|address| address.mailbox.as_deref());
    String::from_utf8_lossy(mailbox.unwrap_or_default()).into_owned()
}

/// RFC 5957 §3.1: the name of the first address or group, else the address itself.
fn display(list: &[Address]) -> String {
    let Some(first) = list.first() else { return String::new() };
    match first.name.as_deref().map(encoded_word::decode).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => address_text(&Address { name: None, ..first.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{AccountId, Actor, DeviceId, Flags, MailboxId, NewMessage, Protocol, Store, Target, Timestamp};

    const NOW: Timestamp = Timestamp(1_769_940_000_000);
    const INBOX: MailboxId = MailboxId(1);

    fn mailbox(messages: impl IntoIterator<Item = (i64, String)>) -> (Account, Index, SimEngine) {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: NOW };
        for (seconds, text) in messages {
            let internal_date = Timestamp(seconds * 1000);
            let message = NewMessage { body: text.into_bytes(), flags: Flags::default(), internal_date };
            account.append(actor, Target::Mailbox(INBOX), message).unwrap();
        }
        let index = account.view(INBOX).unwrap().index().clone();
        (account, index, engine)
    }

    fn by(key: SortKey, reverse: bool) -> Criterion {
        Criterion { key, reverse }
    }

    fn all(index: &Index) -> Numbers {
        Numbers::from_sorted(1..=u32::try_from(index.len()).unwrap())
    }

    /// The order, and in how many slices it came.
    fn sorted(criteria: &[Criterion], account: &Account, index: &Index) -> (Vec<u32>, usize) {
        let mut order = Order::new(criteria, index.clone(), &all(index));
        for slices in 1.. {
            match order.go_on(account).unwrap() {
                Ordered::More => {}
                Ordered::Done => return (order.numbers().collect(), slices),
                Ordered::TooMuch => panic!("too much"),
            }
        }
        unreachable!("an order is done")
    }

    #[test]
    fn many_messages_come_in_slices_and_runs_are_joined() {
        let count = READS_PER_SLICE_MAX * 5 / 2;
        let messages = (0..count).map(|n| (0, format!("Subject: {}\r\n\r\n", (n * 7919) % count)));
        let (account, index, _) = mailbox(messages);
        let (numbers, slices) = sorted(&[by(SortKey::Subject, false)], &account, &index);
        let mut expected: Vec<u32> = (1..=u32::try_from(count).unwrap()).collect();
        expected.sort_by_key(|number| ((*number as usize - 1) * 7919 % count).to_string());
        assert_eq!(numbers, expected);
        assert_eq!(slices, 5, "three that read and two that join");
    }

    #[test]
    fn an_order_that_the_index_knows_reads_nothing() {
        let (account, index, engine) = mailbox((0..20).map(|n| (n % 5, "\r\n".to_owned())));
        engine.plan_read_error(0);
        let (numbers, _) = sorted(&[by(SortKey::Arrival, true), by(SortKey::Size, false)], &account, &index);
        assert_eq!(numbers[..5], [5, 10, 15, 20, 4]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (account, index, engine) = mailbox((0..3).map(|n| (n, "Subject: x\r\n\r\n".to_owned())));
        let mut order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
        // The first read is the snapshot.
        engine.plan_read_error(1);
        assert_eq!(order.go_on(&account).unwrap(), Ordered::Done);
        assert_eq!((order.unreadable(), order.numbers().count()), (1, 3));
    }

    #[test]
    fn keys_beyond_their_bound_are_refused() {
        let (account, index, _) = mailbox([(0, "Subject: something to compare\r\n\r\n".to_owned())]);
        let mut order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
        order.keys = vec![0; KEYS_BYTES_MAX];
        assert_eq!(order.go_on(&account).unwrap(), Ordered::TooMuch);
    }

    #[test]
    fn a_date_that_nobody_can_read_is_the_internal_one() {
        let dated = |date: &str| format!("Date: {date}\r\n\r\n");
        let (account, index, _) = mailbox([
            (1_769_947_200, dated("yesterday")),
            (0, dated("Sun, 1 Feb 2026 13:00:00 +0100")),
            (0, dated("Sun, 1 Feb 2026 13:00:00 +0000")),
            (1_769_947_201, "\r\n".to_owned()),
        ]);
        assert_eq!(sorted(&[by(SortKey::Date, false)], &account, &index).0, [1, 2, 4, 3]);
        assert_eq!(sorted(&[by(SortKey::Date, true)], &account, &index).0, [3, 4, 1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn keys_compare_as_their_values(
            messages in prop::collection::vec((0..4_i64, "([aAbB\u{e9}]| =\\?utf-8\\?Q\\?=00\\?= ){0,6}", "[ab]{0,2}"), 0..20),
            reverse: (bool, bool),
        ) {
            let text = |(seconds, subject, from): &(i64, String, String)| {
                (*seconds, format!("Subject: {subject}\r\nFrom: {from}@x\r\n\r\n"))
            };
            let (account, index, _) = mailbox(messages.iter().map(text));
            let criteria = [by(SortKey::Subject, reverse.0), by(SortKey::From, reverse.1), by(SortKey::Arrival, true)];
            let (numbers, _) = sorted(&criteria, &account, &index);
            let values = |number: u32| {
                let entry = index.get(number as usize - 1).unwrap();
                let envelope = account.reader().unwrap().envelope(entry.email).unwrap();
                (casemap(&subject(&envelope)), casemap(&super::mailbox(&envelope.from)), entry.internal_date)
            };
            let turned = |order: Ordering, reverse: bool| if reverse { order.reverse() } else { order };
            let mut expected: Vec<u32> = (1..=u32::try_from(index.len()).unwrap()).collect();
            expected.sort_by(|one, other| {
                let (one, other) = (values(*one), values(*other));
                turned(one.0.cmp(&other.0), reverse.0)
                    .then(turned(one.1.cmp(&other.1), reverse.1))
                    .then(other.2.cmp(&one.2))
            });
            prop_assert_eq!(numbers, expected);
        }
    }
}
