//! The sheets of all mailboxes, for all sessions: whoever sorts a mailbox again reads no message of it.

use crate::sheet::{Draft, Sheet};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use store::{AccountId, EmailId, MailboxId};

/// A draft of so many messages is put into its sheet, so that no slice has more to put in order.
const DRAFT_MESSAGES_MAX: usize = 50_000;
/// So many messages that are gone may be in a sheet, beside as many as there are.
const GONE_MAX: usize = 10_000;

/// What a sheet says of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The sent date.
    Sent,
    Subject,
    From,
    To,
    Cc,
    DisplayFrom,
    DisplayTo,
    /// What threads by subjects are made of.
    Topic,
    /// What threads by references are made of.
    References,
}

/// What messages are compared by in orders and threads, as far as it was read: for each mailbox, within a bound.
#[derive(Debug)]
pub struct Sheets {
    bytes_max: usize,
    /// Gives seconds since some start.
    seconds: fn() -> u64,
    /// Nobody outside can make two texts have the same.
    hashes: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sheets: HashMap<(AccountId, MailboxId, Kind), (LastUse, Arc<Sheet>)>,
    uses: u64,
    bytes: usize,
}

/// When a sheet was used last.
#[derive(Clone, Copy, Debug)]
struct LastUse {
    second: u64,
    /// How many uses there had been, of all sheets: tells apart what was used in one second.
    uses: u64,
}

/// What is known, and what was read since.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    pub(crate) draft: Draft,
    sheet: Arc<Sheet>,
    hint: usize,
    is_new: bool,
}

impl Default for Sheets {
    /// As long as nothing else is configured.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Sheets {
    /// Sheets that take at most so many octets together. 0: none are kept.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, seconds, hashes: RandomState::new(), state: Mutex::default() }
    }

    /// What stands for a text where only equality counts; never 0.
    pub(crate) fn hash(&self, text: &[u8]) -> u64 {
        self.hashes.hash_one(text).max(1)
    }

    /// Whether what is known can be kept with so many numbers of one message more.
    pub(crate) fn has_room(&self, known: &Known, numbers: usize) -> bool {
        known.number_bytes().saturating_add((numbers + 2) * size_of::<u64>()) <= self.bytes_max
    }

    /// What is known of a mailbox of `messages` messages.
    pub(crate) fn known(&self, (account, mailbox): (AccountId, MailboxId), kind: Kind, messages: usize) -> Known {
        let mut state = self.lock();
        state.uses += 1;
        let now = LastUse { second: (self.seconds)(), uses: state.uses };
        let kept = state.sheets.get_mut(&(account, mailbox, kind)).map(|(used, sheet)| {
            *used = now;
            Arc::clone(sheet)
        });
        // One that is mostly about messages that are gone is made anew.
        let sheet = kept.filter(|sheet| sheet.len() <= messages.saturating_mul(2).saturating_add(GONE_MAX));
        Known { kind, draft: Draft::default(), sheet: sheet.unwrap_or_default(), hint: 0, is_new: false }
    }

    /// Keeps what is known now, if there is anything new in it.
    pub(crate) fn keep(&self, (account, mailbox): (AccountId, MailboxId), known: &mut Known) {
        known.fold();
        let bytes = known.sheet.memory_bytes();
        if !std::mem::take(&mut known.is_new) || bytes > self.bytes_max {
            return;
        }
        let mut state = self.lock();
        let now = LastUse { second: (self.seconds)(), uses: state.uses };
        let before = state.sheets.insert((account, mailbox, known.kind), (now, Arc::clone(&known.sheet)));
        state.bytes = state.bytes + bytes - before.map_or(0, |(_, sheet)| sheet.memory_bytes());
        if state.bytes > self.bytes_max {
            state.shrink(self.bytes_max, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since the first use of any.
fn seconds() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed().as_secs()
}

impl State {
    /// Some give way. Of two accounts that have as much, those that nobody used for the longest time; the more an account has the
    /// less time it takes: whoever has nearly all does not push out those that others use meanwhile, and gets the room of those
    /// that nobody uses.
    fn shrink(&mut self, bytes_max: usize, now: LastUse) {
        let mut held: HashMap<AccountId, usize> = HashMap::new();
        for ((account, ..), (_, sheet)) in &self.sheets {
            *held.entry(*account).or_default() += sheet.memory_bytes();
        }
        let weighed = self.sheets.iter().map(|(key, (used, _))| {
            let seconds = u128::from(now.second.saturating_sub(used.second)) + 1;
            (held.get(&key.0).map_or(0, |bytes| *bytes as u128) * seconds, Reverse(used.uses), *key)
        });
        let mut weighed: Vec<_> = weighed.collect();
        weighed.sort_unstable_by_key(|(weight, used, _)| Reverse((*weight, *used)));
        for (.., key) in weighed {
            if self.bytes <= bytes_max {
                return;
            }
            self.bytes -= self.sheets.remove(&key).map_or(0, |(_, sheet)| sheet.memory_bytes());
        }
    }
}

impl Known {
    /// The numbers of a message, once what was read is [folded in](Self::fold).
    pub(crate) fn find(&mut self, email: EmailId) -> Option<&[u64]> {
        self.sheet.find(email, &mut self.hint)
    }

    /// What its texts take, in octets.
    pub(crate) fn text_bytes(&self) -> usize {
        self.sheet.text_bytes() + self.draft.text_bytes()
    }

    /// What its numbers take, in octets, about.
    pub(crate) fn number_bytes(&self) -> usize {
        self.sheet.memory_bytes() + self.draft.number_bytes()
    }

    /// Puts what was read into the sheet, if that is much.
    pub(crate) fn fold_much(&mut self) {
        if self.draft.len() >= DRAFT_MESSAGES_MAX {
            self.fold();
        }
    }

    /// Puts what was read into the sheet.
    pub(crate) fn fold(&mut self) {
        if self.draft.len() > 0 {
            self.sheet = Arc::new(self.sheet.with(std::mem::take(&mut self.draft)));
            self.hint = 0;
            self.is_new = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Criterion, Mark, Numbers, Order, Ordered, SortKey, Threads};
    use proptest::prelude::*;
    use std::cell::Cell;
    use store::sim::{SimEngine, SimObjects};
    use store::{
        Account, Actor, DeviceId, Expunge, FlagChange, FlagMode, Flags, NewMessage, Protocol, Store, SystemFlag,
        Target, Timestamp, Uid,
    };

    const ACTOR: Actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: Timestamp(0) };
    const INBOX: MailboxId = MailboxId(1);

    #[derive(Clone, Debug)]
    enum Act {
        /// Subject, who it is from, what it answers.
        Deliver(String, u8, u8),
        /// In per cent of what is there.
        Expunge(u8),
        Flag(u8),
        /// With which of two bounds of memory, and of which messages.
        Sort(Vec<(SortKey, bool)>, bool, u8),
        Thread(Algorithm, bool, u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        use SortKey::{Arrival, Date, DisplayFrom, From, Size, Subject, To};
        let key = prop::sample::select(vec![Arrival, Date, DisplayFrom, From, Size, Subject, To]);
        let threads = [Algorithm::OrderedSubject, Algorithm::References, Algorithm::Refs];
        prop_oneof![
            4 => ("(re: )?[a-c]{0,2}", 0..4u8, 0..30u8).prop_map(|(subject, from, id)| Act::Deliver(subject, from, id)),
            1 => any::<u8>().prop_map(Act::Expunge),
            1 => any::<u8>().prop_map(Act::Flag),
            2 => (prop::collection::vec((key, any::<bool>()), 1..4), any::<bool>(), 1..4u8)
                .prop_map(|(keys, tight, every)| Act::Sort(keys, tight, every)),
            2 => (prop::sample::select(threads.to_vec()), any::<bool>(), 1..4u8)
                .prop_map(|(algorithm, tight, every)| Act::Thread(algorithm, tight, every)),
        ]
    }

    fn deliver(account: &Account, number: usize, (subject, from, answers): (&str, u8, u8)) {
        let date = (answers % 3 > 0).then(|| format!("Date: Sun, 1 Feb 2026 00:{:02}:00 +0000\r\n", from * 7 % 5));
        let text = format!(
            "Subject: {subject}\r\nFrom: {from} <f{}@x>\r\nTo: t{from}@x\r\nMessage-ID: <{number}@x>\r\n\
             References: <{answers}@x>\r\n{}\r\n",
            from % 2,
            date.unwrap_or_default(),
        );
        let internal_date = Timestamp(i64::from(answers) * 1000);
        let message = NewMessage { body: text.into(), flags: Flags::default(), internal_date };
        account.append(ACTOR, Target::Mailbox(INBOX), message).unwrap();
    }

    /// The message at so many of 256.
    fn one_of(account: &Account, at: u8) -> Option<Uid> {
        let view = account.view(INBOX).unwrap();
        view.index().get(view.index().len() * usize::from(at) / 256).map(|entry| entry.uid)
    }

    fn ordered(mut order: Order, account: &Account) -> Vec<u32> {
        while order.go_on(account).unwrap() == Ordered::More {}
        order.numbers().collect()
    }

    fn threaded(mut threads: Threads, account: &Account) -> Vec<Mark> {
        while threads.go_on(account).unwrap() == Ordered::More {}
        threads.marks().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn sheets_late_or_lost_give_what_reading_gives(acts in prop::collection::vec(act(), 1..40)) {
            let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
            let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
            let sheets = [Arc::new(Sheets::default()), Arc::new(Sheets::new(2000))];
            for (number, act) in acts.iter().enumerate() {
                let index = account.view(INBOX).unwrap().index().clone();
                let some = |every: u8| Numbers::from_sorted((1..=index.len() as u32).step_by(usize::from(every)));
                match act {
                    Act::Deliver(subject, from, answers) => deliver(&account, number, (subject, *from, *answers)),
                    Act::Expunge(at) | Act::Flag(at) => {
                        let flags = Flags::system(&[SystemFlag::Deleted]);
                        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
                        let uids: Vec<Uid> = one_of(&account, *at).into_iter().collect();
                        account.change_flags(ACTOR, INBOX, uids.clone(), change).unwrap();
                        if matches!(act, Act::Expunge(_)) {
                            account.expunge(ACTOR, INBOX, Expunge::DeletedAmong(uids)).unwrap();
                        }
                    }
                    Act::Sort(keys, tight, every) => {
                        let criteria: Vec<_> =
                            keys.iter().map(|(key, reverse)| Criterion { key: *key, reverse: *reverse }).collect();
                        let order = || Order::new(&criteria, index.clone(), &some(*every));
                        let kept = order().with_sheets(Arc::clone(&sheets[usize::from(*tight)]), INBOX);
                        prop_assert_eq!(ordered(kept, &account), ordered(order(), &account));
                    }
                    Act::Thread(algorithm, tight, every) => {
                        let threads = || Threads::new(*algorithm, index.clone(), &some(*every));
                        let kept = threads().with_sheets(Arc::clone(&sheets[usize::from(*tight)]), INBOX);
                        prop_assert_eq!(threaded(kept, &account), threaded(threads(), &account));
                    }
                }
            }
        }
    }

    fn fill(sheets: &Sheets, mailbox: u32, messages: u64) {
        fill_of(sheets, 16, mailbox, messages);
    }

    fn fill_of(sheets: &Sheets, account: u32, mailbox: u32, messages: u64) {
        let at = (AccountId(account), MailboxId(mailbox));
        let mut known = sheets.known(at, Kind::Subject, messages as usize);
        for email in 1..=messages {
            if known.find(EmailId(email)).is_none() {
                let number = known.draft.text(format!("{email}").as_bytes());
                known.draft.add(EmailId(email), &[number]);
            }
        }
        sheets.keep(at, &mut known);
    }

    fn known(sheets: &Sheets, mailbox: u32, messages: usize) -> usize {
        known_of(sheets, 16, mailbox, messages)
    }

    fn known_of(sheets: &Sheets, account: u32, mailbox: u32, messages: usize) -> usize {
        sheets.known((AccountId(account), MailboxId(mailbox)), Kind::Subject, messages).sheet.len()
    }

    #[test]
    fn one_with_a_large_mailbox_pushed_out_all_others_each_time() {
        let large = {
            let sheets = Sheets::default();
            fill(&sheets, 1, 1_000);
            sheets.lock().bytes
        };
        thread_local! {
            static SECOND: Cell<u64> = const { Cell::new(0) };
        }
        let pass = |seconds: u64| SECOND.set(SECOND.get() + seconds);
        let sheets = Sheets { seconds: || SECOND.get(), ..Sheets::new(large * 21 / 20) };
        let others = 17..27;
        others.clone().for_each(|account| fill_of(&sheets, account, 1, 10));
        for _ in 0..20 {
            // It sorts as often as it can, and they now and then.
            (0..5).for_each(|_| fill(&sheets, 1, 1_000));
            pass(3);
            for account in others.clone() {
                assert_eq!(known_of(&sheets, account, 1, 10), 10, "it is used all the time: {account}");
            }
        }
        assert_eq!(known(&sheets, 1, 1_000), 0, "there is no room for it beside them");
        pass(600);
        fill(&sheets, 1, 1_000);
        assert_eq!(known(&sheets, 1, 1_000), 1_000, "nobody uses theirs any more");
        assert!(sheets.lock().bytes <= large * 21 / 20);
    }

    #[test]
    fn those_that_nobody_used_for_the_longest_time_give_way() {
        let one = {
            let sheets = Sheets::default();
            fill(&sheets, 1, 100);
            sheets.lock().bytes
        };
        let sheets = Sheets::new(one * 5 / 2);
        (1..=2).for_each(|mailbox| fill(&sheets, mailbox, 100));
        assert_eq!(known(&sheets, 1, 100), 100);
        fill(&sheets, 3, 100);
        assert_eq!([1, 2, 3].map(|mailbox| known(&sheets, mailbox, 100)), [100, 0, 100]);
        fill(&sheets, 4, 1000);
        assert_eq!(known(&sheets, 4, 1000), 0, "one that is too large is not kept");
        assert_eq!([1, 3].map(|mailbox| known(&sheets, mailbox, 100)), [100, 100]);
        let held: usize = sheets.lock().sheets.values().map(|(_, sheet)| sheet.memory_bytes()).sum();
        assert_eq!(sheets.lock().bytes, held);
        let none = Sheets::new(0);
        fill(&none, 1, 1);
        assert_eq!(known(&none, 1, 1), 0);
    }

    /// All that was known of it was thrown away, and all of it read each time.
    #[test]
    fn threads_of_more_messages_than_there_is_room_for_were_read_each_time() {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        (0..60).for_each(|number| deliver(&account, number, ("x", 0, number as u8)));
        let index = account.view(INBOX).unwrap().index().clone();
        let sheets = Arc::new(Sheets::new(2000));
        let reads = || {
            let before = engine.reads();
            let threads = Threads::new(Algorithm::References, index.clone(), &Numbers::from_sorted(1..=60));
            let marks = threaded(threads.with_sheets(Arc::clone(&sheets), INBOX), &account);
            (marks, engine.reads() - before)
        };
        let ((first, of_all), (again, of_rest)) = (reads(), reads());
        assert_eq!(first, again);
        let kept = sheets.known((account.id(), INBOX), Kind::References, 60).sheet.len() as u64;
        assert!((30..60).contains(&kept) && sheets.lock().bytes <= 2000, "{kept}");
        assert!(of_rest <= of_all - kept, "{of_all} {of_rest} {kept}");
    }

    #[test]
    fn one_of_messages_that_are_gone_is_made_anew() {
        let sheets = Sheets::default();
        fill(&sheets, 1, GONE_MAX as u64 + 20);
        assert_eq!(known(&sheets, 1, 10), GONE_MAX + 20);
        assert_eq!(known(&sheets, 1, 9), 0);
    }
}
