//! In which order messages come (RFC 5256 §2.2, RFC 5957), slice by slice.
//!
//! What is compared of a message is a number: from the index, or from a sheet, where it stands for the sent date or for the place of
//! a text among those of the mailbox. What no sheet has is read from the summaries first, and is there for whoever sorts next. Then each
//! key, the last one first, puts all messages in order.

use crate::collate::casemap;
use crate::evaluate::address_text;
use crate::numbers::{Numbers, entries};
use crate::relevancy::Relevancy;
use crate::sheet::Draft;
use crate::sheets::{Kind, Known, Sheets};
use message::view::{Addresses, Envelope};
use message::{Address, BaseSubject, date, encoded_word};
use std::ops::ControlFlow;
use std::sync::Arc;
use store::{Account, EmailId, Entry, Error, Index, MailboxId};

/// A slice reads at most this many envelopes.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice takes at most this many messages of which all is known.
const KNOWN_PER_SLICE_MAX: usize = 50_000;
/// The texts that are compared may be so long together…
const TEXTS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// …and so much longer for each message of the mailbox: more than those of people have, and of a large one they are all there at once.
const TEXTS_BYTES_PER_MESSAGE: usize = 64;
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
    /// Message numbers, ascending.
    numbers: Vec<u32>,
    /// Of so many of them it was looked what is known.
    taken: usize,
    sheets: Arc<Sheets>,
    mailbox: MailboxId,
    /// Once it has begun.
    known: Option<Vec<Known>>,
    /// So many criteria are left to order by, the first ones.
    left: usize,
    /// Positions in `numbers`, in the order of the other criteria.
    order: Vec<u32>,
    unreadable: u32,
    relevancy: Relevancy,
}

impl Order {
    /// An order of the messages with these `numbers`, which are positions in `index` from 1.
    #[must_use]
    pub fn new(criteria: &[Criterion], index: Index, numbers: &Numbers) -> Self {
        let mut own: Vec<Criterion> = Vec::new();
        for criterion in criteria {
            // Where a key is the same for two messages it is the second time too.
            if own.iter().all(|before| before.key != criterion.key) {
                own.push(*criterion);
            }
        }
        let numbers: Vec<u32> = numbers.iter().collect();
        Self {
            left: own.len(),
            criteria: own,
            index,
            order: (0..u32::try_from(numbers.len()).unwrap_or(u32::MAX)).collect(),
            numbers,
            taken: 0,
            sheets: Arc::new(Sheets::new(0)),
            mailbox: MailboxId(0),
            known: None,
            unreadable: 0,
            relevancy: Relevancy::default(),
        }
    }

    /// How well each message fits, for [`SortKey::Relevancy`].
    #[must_use]
    pub fn by_relevancy(self, relevancy: Relevancy) -> Self {
        Self { relevancy, ..self }
    }

    /// What is compared is looked up there first, and what is read is kept there. `mailbox`: whose index it is, as a whole.
    #[must_use]
    pub fn with_sheets(self, sheets: Arc<Sheets>, mailbox: MailboxId) -> Self {
        Self { sheets, mailbox, ..self }
    }

    /// Goes on until the slice's work or the order is done. `account`: whose messages the index names.
    ///
    /// # Errors
    /// Nothing can be read, or too many messages cannot.
    pub fn go_on(&mut self, account: &Account) -> Result<Ordered, Error> {
        let mut known = match self.known.take() {
            Some(known) => known,
            None => self.begin(account),
        };
        if known.is_empty() {
            self.taken = self.numbers.len();
        }
        if self.taken < self.numbers.len() {
            self.take_in(account, &mut known)?;
            if self.taken == self.numbers.len() {
                self.keep(account, &mut known);
            }
        } else if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.order_by(left, &mut known);
        }
        let is_too_much = known.iter().map(Known::text_bytes).sum::<usize>() > texts_bytes_max(self.index.len());
        self.known = Some(known);
        Ok(if is_too_much {
            Ordered::TooMuch
        } else if self.taken == self.numbers.len() && self.left == 0 {
            Ordered::Done
        } else {
            Ordered::More
        })
    }

    /// Message numbers in order, once it is done.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.order.iter().filter_map(|at| self.numbers.get(*at as usize).copied())
    }

    /// How many messages could not be read: where they stand is not right.
    #[must_use]
    pub fn unreadable(&self) -> u32 {
        self.unreadable
    }

    fn begin(&self, account: &Account) -> Vec<Known> {
        let kinds = self.criteria.iter().filter_map(|criterion| criterion.key.kind());
        let place = (account.id(), self.mailbox);
        kinds.map(|kind| self.sheets.known(place, kind, self.index.len())).collect()
    }

    /// Takes in what is known, and reads some of what is not.
    fn take_in(&mut self, account: &Account, known: &mut [Known]) -> Result<(), Error> {
        known.iter_mut().for_each(Known::fold_much);
        let mut unread = Vec::new();
        let next = self.numbers.get(self.taken..).unwrap_or_default();
        let next = next.get(..next.len().min(KNOWN_PER_SLICE_MAX)).unwrap_or_default();
        for (_, entry) in entries(&self.index, next) {
            if unread.len() >= READS_PER_SLICE_MAX {
                break;
            }
            self.taken += 1;
            if !known.iter_mut().all(|known| known.find(entry.email).is_some()) {
                unread.push(entry.email);
            }
        }
        if unread.is_empty() { Ok(()) } else { self.read(account, &unread, known) }
    }

    fn read(&mut self, account: &Account, emails: &[EmailId], known: &mut [Known]) -> Result<(), Error> {
        let (mut next, mut outcome) = (emails.iter(), Ok(()));
        account.reader()?.summaries(emails.iter().copied(), |summary| {
            let Some(email) = next.next() else { return ControlFlow::Break(()) };
            let envelope = match &summary {
                Ok(summary) => Some(&summary.envelope),
                // It has left retention: there is nothing in it any more.
                Err(Error::NoSuchMessage) => None,
                Err(error) => {
                    self.unreadable += 1;
                    if self.unreadable < UNREADABLE_MAX {
                        return ControlFlow::Continue(());
                    }
                    outcome = Err(error.clone());
                    return ControlFlow::Break(());
                }
            };
            for known in &mut *known {
                if known.find(*email).is_none() {
                    let number = known.kind.number(envelope, &mut known.draft);
                    known.draft.add(*email, &[number]);
                }
            }
            ControlFlow::Continue(())
        });
        outcome
    }

    /// All was looked at.
    fn keep(&self, account: &Account, known: &mut [Known]) {
        for known in known {
            known.fold();
            // Of what could not be read this time nothing is known.
            self.sheets.keep((account.id(), self.mailbox), known);
        }
    }

    /// Puts all in the order of a criterion, leaving what is equal as it is.
    fn order_by(&mut self, criterion: usize, known: &mut [Known]) {
        let Some(Criterion { key, reverse }) = self.criteria.get(criterion).copied() else { return };
        let mut known = known.iter_mut().find(|known| Some(known.kind) == key.kind());
        let mut values = Vec::with_capacity(self.numbers.len());
        for (number, entry) in entries(&self.index, &self.numbers) {
            let number = match &mut known {
                Some(known) => key.of_sheet(entry, known.find(entry.email)),
                None => key.of_index(entry, self.relevancy.of(number)),
            };
            values.push(if reverse { !number } else { number });
        }
        // RFC 5256 §2.2: what is equal comes as in the mailbox, also when reversed: the sort is stable.
        let value = |at: &u32| values.get(*at as usize).copied().unwrap_or(u64::MAX);
        let mut pairs: Vec<(u64, u32)> = self.order.iter().map(|at| (value(at), *at)).collect();
        pairs.sort_by_key(|(value, _)| *value);
        self.order.iter_mut().zip(pairs).for_each(|(to, (_, at))| *to = at);
    }
}

/// What the texts of a mailbox of so many messages may take, in octets.
fn texts_bytes_max(messages: usize) -> usize {
    TEXTS_BYTES_MAX.saturating_add(messages.saturating_mul(TEXTS_BYTES_PER_MESSAGE))
}

impl SortKey {
    /// Which sheet has it; none: the index knows it.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Arrival | Self::Size | Self::Relevancy => None,
            Self::Date => Some(Kind::Sent),
            Self::Subject => Some(Kind::Subject),
            Self::From => Some(Kind::From),
            Self::To => Some(Kind::To),
            Self::Cc => Some(Kind::Cc),
            Self::DisplayFrom => Some(Kind::DisplayFrom),
            Self::DisplayTo => Some(Kind::DisplayTo),
        }
    }

    fn of_index(self, entry: &Entry, relevancy: u8) -> u64 {
        match self {
            Self::Arrival => ordered(entry.internal_date.as_internal_date().0),
            Self::Size => u64::from(entry.size),
            // The best first.
            Self::Relevancy => u64::from(u8::MAX - relevancy),
            Self::Date | Self::Subject | Self::From | Self::To | Self::Cc | Self::DisplayFrom | Self::DisplayTo => 0,
        }
    }

    fn of_sheet(self, entry: &Entry, numbers: Option<&[u64]>) -> u64 {
        let number = numbers.and_then(<[u64]>::first).copied().unwrap_or(0);
        if self == Self::Date { sent_at(number, entry) } else { number }
    }
}

impl Kind {
    /// What is compared of an envelope, if there is one.
    fn number(self, envelope: Option<&Envelope<'_>>, draft: &mut Draft) -> u64 {
        let Some(envelope) = envelope else { return if self == Self::Sent { 0 } else { draft.text(b"") } };
        let text = match self {
            Self::Sent => return sent(envelope.date),
            Self::Subject => BaseSubject::of(envelope.subject.unwrap_or_default()).text,
            Self::From => mailbox(envelope.from),
            Self::To => mailbox(envelope.to),
            Self::Cc => mailbox(envelope.cc),
            Self::DisplayFrom => display(envelope.from),
            Self::DisplayTo => display(envelope.to),
            // Not by what messages are ordered.
            Self::Topic | Self::References => return 0,
        };
        draft.text(casemap(compared(&text)).as_bytes())
    }
}

/// Numbers below 0 come before those above.
fn ordered(number: i64) -> u64 {
    (number ^ i64::MIN).cast_unsigned()
}

/// As much of a text as is compared.
pub(crate) fn compared(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// RFC 5256 §2.2: what stands for the sent date of a `Date` field, in the order of those dates; 0 where nobody can read one.
pub(crate) fn sent(date: Option<&[u8]>) -> u64 {
    date.and_then(date::parse).map_or(0, |date| ordered(date.unix_seconds))
}

/// RFC 5256 §2.2: INTERNALDATE where there is no sent date.
pub(crate) fn sent_at(sent: u64, entry: &Entry) -> u64 {
    if sent == 0 { ordered(entry.internal_date.as_internal_date().0.div_euclid(1000)) } else { sent }
}

/// RFC 5256 §3: addr-mailbox of the first address.
fn mailbox(list: Addresses<'_>) -> String {
    let mailbox = list.iter().next().and_then(|address| address.mailbox);
    String::from_utf8_lossy(mailbox.unwrap_or_default()).into_owned()
}

/// RFC 5957 §3.1: the name of the first address or group, else the address itself.
fn display(list: Addresses<'_>) -> String {
    let Some(first) = list.iter().next() else { return String::new() };
    match first.name.map(encoded_word::decode).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => {
            let own = |octets: Option<&[u8]>| octets.map(<[u8]>::to_vec);
            address_text(&Address { name: None, adl: None, mailbox: own(first.mailbox), host: own(first.host) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;
    use store::sim::{SimEngine, SimObjects};
    use store::{
        AccountId, Actor, Delta, DeviceId, FlagBits, Flags, MailboxId, ModSeq, NewMessage, Protocol, Store, Target,
        Timestamp, Uid,
    };

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
        slices(Order::new(criteria, index.clone(), &all(index)), account)
    }

    fn slices(mut order: Order, account: &Account) -> (Vec<u32>, usize) {
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
    fn many_messages_come_in_slices() {
        let count = READS_PER_SLICE_MAX * 5 / 2;
        let messages = (0..count).map(|n| (0, format!("Subject: {}\r\n\r\n", (n * 7919) % count)));
        let (account, index, _) = mailbox(messages);
        let (numbers, slices) = sorted(&[by(SortKey::Subject, false)], &account, &index);
        let mut expected: Vec<u32> = (1..=u32::try_from(count).unwrap()).collect();
        expected.sort_by_key(|number| ((*number as usize - 1) * 7919 % count).to_string());
        assert_eq!(numbers, expected);
        assert_eq!(slices, 4, "three that read, and one that orders");
    }

    #[test]
    fn an_order_that_the_index_knows_reads_nothing() {
        let (account, index, engine) = mailbox((0..20).map(|n| (n % 5, "\r\n".to_owned())));
        engine.plan_read_error(0);
        let (numbers, _) = sorted(&[by(SortKey::Arrival, true), by(SortKey::Size, false)], &account, &index);
        assert_eq!(numbers[..5], [5, 10, 15, 20, 4]);
    }

    #[test]
    fn who_sorts_again_reads_only_what_came_since() {
        let (account, index, engine) = mailbox((0..20).map(|n| (0, format!("Subject: {}\r\n\r\n", n % 7))));
        let sheets = Arc::new(Sheets::default());
        let sorted = |index: &Index, key| {
            let order = Order::new(&[by(key, false)], index.clone(), &all(index));
            slices(order.with_sheets(Arc::clone(&sheets), INBOX), &account).0
        };
        let first = sorted(&index, SortKey::Subject);
        engine.plan_read_error(0);
        assert_eq!(sorted(&index, SortKey::Subject), first);
        assert!(account.reader().is_err(), "nothing was read");
        let actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: NOW };
        let body = b"Subject: 1a\r\n\r\n".to_vec();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(actor, Target::Mailbox(INBOX), message).unwrap();
        let index = account.view(INBOX).unwrap().index().clone();
        assert_eq!(sorted(&index, SortKey::Subject)[4..9], [9, 16, 21, 3, 10]);
    }

    #[test]
    fn what_could_not_be_read_was_known_as_empty_the_next_time() {
        let (account, index, engine) = mailbox((0..3).map(|n| (0, format!("Subject: {}\r\n\r\n", 3 - n))));
        let sheets = Arc::new(Sheets::default());
        let order = || {
            let order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
            order.with_sheets(Arc::clone(&sheets), INBOX)
        };
        let mut failing = order();
        // The first read is the snapshot.
        engine.plan_read_error(1);
        assert_eq!(failing.go_on(&account).unwrap(), Ordered::More);
        assert_eq!(failing.unreadable(), 1);
        assert_eq!(slices(order(), &account).0, [3, 2, 1]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (account, index, engine) = mailbox((0..3).map(|n| (n, "Subject: x\r\n\r\n".to_owned())));
        let mut order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
        // The first read is the snapshot.
        engine.plan_read_error(1);
        assert_eq!(order.go_on(&account).unwrap(), Ordered::More);
        assert_eq!(order.go_on(&account).unwrap(), Ordered::Done);
        assert_eq!((order.unreadable(), order.numbers().count()), (1, 3));
    }

    #[test]
    fn keys_beyond_their_bound_are_refused() {
        let subject = "something to compare";
        let (account, index, _) = mailbox([(0, format!("Subject: {subject}\r\n\r\n"))]);
        let beside = texts_bytes_max(1) - subject.len();
        for (octets, expected) in [(beside, Ordered::More), (beside + 1, Ordered::TooMuch)] {
            let mut order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
            let mut known = order.begin(&account);
            known[0].draft.text(&vec![b'x'; octets]);
            order.known = Some(known);
            assert_eq!(order.go_on(&account).unwrap(), expected, "{octets}");
        }
    }

    /// The bound was the same for all mailboxes: half a million subjects of 70 octets were more, and so are these.
    #[test]
    fn a_large_mailbox_with_long_subjects_was_not_sorted() {
        const MESSAGES: u64 = 200_000;
        let entry = |n: u64| Entry {
            uid: Uid(u32::try_from(n).unwrap()),
            size: 1,
            flags: FlagBits::default(),
            modseq: ModSeq(1),
            email: EmailId(n),
            internal_date: NOW,
        };
        let added = (1..=MESSAGES).map(entry).collect();
        let index = Index::default().with_expunges_held_back(&Delta { added, ..Delta::default() });
        let (account, _, engine) = mailbox([]);
        let mut known = Sheets::default().known((account.id(), INBOX), Kind::Subject, index.len());
        for n in 1..=MESSAGES {
            let number = known.draft.text(format!("{:0170}", n * 7919 % MESSAGES).as_bytes());
            known.draft.add(EmailId(n), &[number]);
        }
        known.fold();
        assert!(known.text_bytes() > TEXTS_BYTES_MAX);
        let mut order = Order::new(&[by(SortKey::Subject, false)], index.clone(), &all(&index));
        order.known = Some(vec![known]);
        // All is known, and nothing has to be read.
        engine.plan_read_error(0);
        let (numbers, slices) = slices(order, &account);
        assert_eq!(slices as u64, MESSAGES / KNOWN_PER_SLICE_MAX as u64 + 1);
        let value = |number: u32| u64::from(number) * 7919 % MESSAGES;
        assert!(numbers.is_sorted_by_key(|number| value(*number)) && numbers.len() as u64 == MESSAGES);
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
                let base = BaseSubject::of(envelope.subject.as_deref().unwrap_or_default()).text;
                let from = envelope.from.first().and_then(|address| address.mailbox.clone()).unwrap_or_default();
                (casemap(&base), casemap(&String::from_utf8_lossy(&from)), entry.internal_date)
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
