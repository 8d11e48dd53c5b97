//! A search key made ready to be asked of many messages.
//!
//! Texts are folded, dates and sets resolved, keywords looked up, once. What can be answered from the index stands
//! before what needs the summary, that before what needs the header, and that before what needs the body.

use crate::numbers::Numbers;
use crate::selected::Selected;
use imap_proto::command::SearchKey;
use imap_proto::{Date, Flag, MessageSet};
use message::fold::Needle;
use message::text::Scope;
use std::ops::Range;
use store::{EmailId, FlagBits, Flags, Keywords, ModSeq, SystemFlag, Timestamp};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A prepared search key.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) test: Test,
    /// Whether any test looks into summaries.
    pub(super) needs_summary: bool,
    /// Whether any test looks into headers.
    pub(super) needs_header: bool,
    /// How many tests there are: what a message costs at least.
    pub(super) tests: usize,
    /// How many of them look into the whole message: how often it is gone through.
    pub(super) texts: usize,
}

/// A condition on a message.
#[derive(Debug)]
pub(super) enum Test {
    Always(bool),
    /// All of them, cheap ones first.
    And(Vec<Test>),
    /// Any of them, cheap ones first.
    Or(Vec<Test>),
    Not(Box<Test>),
    Index(IndexTest),
    Summary(SummaryTest),
    /// A field of this name has this in it.
    Header(String, Needle),
    /// The message itself has this in it.
    Text(Scope, Needle),
}

/// What the index answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IndexTest {
    /// All of these bits are set.
    Has(FlagBits),
    /// None of these bits is set.
    Lacks(FlagBits),
    Numbers(Numbers),
    Uids(Numbers),
    /// INTERNALDATE, Unix milliseconds.
    Date(Range<i64>),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
    Email(EmailId),
}

/// What the summary answers.
#[derive(Debug)]
pub(super) enum SummaryTest {
    Addresses(Addresses, Needle),
    Value(Value, Needle),
    /// The day of the Date field, days since 1970-01-01.
    Sent(Range<i64>),
}

/// A list of addresses in the envelope.
#[derive(Clone, Copy, Debug)]
pub(super) enum Addresses {
    From,
    To,
    Cc,
    Bcc,
}

/// A text in the envelope.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Subject,
    MessageId,
    InReplyTo,
}

impl Program {
    pub(super) fn new(key: &SearchKey, selected: &Selected, now: Timestamp) -> Self {
        let test = Compiler { selected, now }.test(key);
        let (needs_summary, needs_header) = (test.any(&Self::reads_summary), test.any(&Self::reads_header));
        let (tests, texts) = (test.count(&|_| true), test.count(&|test| matches!(test, Test::Text(..))));
        Self { test, needs_summary, needs_header, tests, texts }
    }
}

impl Program {
    fn reads_summary(test: &Test) -> bool {
        // A text is searched for part by part.
        matches!(test, Test::Summary(_) | Test::Text(..))
    }

    fn reads_header(test: &Test) -> bool {
        matches!(test, Test::Header(..))
    }
}

/// RFC 7162 §3.1.5: whether the key asks for mod-sequences, so that the answer tells one.
pub(super) fn asks_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::And(keys) => keys.iter().any(asks_modseq),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        SearchKey::Not(key) => asks_modseq(key),
        key => matches!(key, SearchKey::ModSeq { .. }),
    }
}

struct Compiler<'s> {
    selected: &'s Selected,
    now: Timestamp,
}

impl Compiler<'_> {
    /// As deep as the parser lets keys be nested.
    fn test(&self, key: &SearchKey) -> Test {
        match key {
            SearchKey::And(keys) => Test::and(keys.iter().map(|key| self.test(key)).collect()),
            SearchKey::Or(one, other) => Test::or(vec![self.test(one), self.test(other)]),
            SearchKey::Not(key) => Test::Not(Box::new(self.test(key))),
            SearchKey::All | SearchKey::Old => Test::Always(true),
            // RFC 9051 has no \Recent; here no message ever has it.
            SearchKey::Recent | SearchKey::New => Test::Always(false),
            SearchKey::From(text) => addresses(Addresses::From, text),
            SearchKey::To(text) => addresses(Addresses::To, text),
            SearchKey::Cc(text) => addresses(Addresses::Cc, text),
            SearchKey::Bcc(text) => addresses(Addresses::Bcc, text),
            SearchKey::Subject(text) => value(Value::Subject, text),
            SearchKey::SentBefore(day) => sent(i64::MIN..day.days_since_epoch()),
            SearchKey::SentOn(day) => sent(day.days_since_epoch()..day.days_since_epoch() + 1),
            SearchKey::SentSince(day) => sent(day.days_since_epoch()..i64::MAX),
            SearchKey::Header(name, text) => header(name, text),
            SearchKey::Body(text) => body(Scope::Bodies, text),
            SearchKey::Text(text) => body(Scope::Everything, text),
            SearchKey::Has(flag) => self.has(flag),
            SearchKey::Lacks(flag) => self.lacks(flag),
            SearchKey::EmailId(id) => id.parse().map_or(Test::Always(false), |id| Test::Index(IndexTest::Email(id))),
            // RFC 8474 §5.2: THREADID is NIL for all messages here.
            SearchKey::ThreadId(_) => Test::Always(false),
            SearchKey::Sequence(set) => Test::Index(self.numbers(set)),
            SearchKey::Uid(set) => Test::Index(IndexTest::Uids(self.uids(set))),
            SearchKey::Before(day) => internal_date(i64::MIN..midnight(*day)),
            SearchKey::On(day) => internal_date(midnight(*day)..midnight(*day) + DAY_MILLIS),
            SearchKey::Since(day) => internal_date(midnight(*day)..i64::MAX),
            SearchKey::Larger(octets) => Test::Index(IndexTest::Larger(*octets)),
            SearchKey::Smaller(octets) => Test::Index(IndexTest::Smaller(*octets)),
            // RFC 5032 §3: a message of exactly that age is both.
            SearchKey::Older(seconds) => internal_date(i64::MIN..self.ago(*seconds).saturating_add(1)),
            SearchKey::Younger(seconds) => internal_date(self.ago(*seconds)..i64::MAX),
            // One mod-sequence for all flags of a message: whose flag is meant makes no difference.
            SearchKey::ModSeq { modseq, entry: _ } => Test::Index(IndexTest::ModSeq(ModSeq(*modseq))),
        }
    }

    fn ago(&self, seconds: u32) -> i64 {
        self.now.0.saturating_sub(i64::from(seconds) * 1000)
    }

    /// Numbers above EXISTS find nothing: unlike in FETCH nobody could mistake the answer.
    fn numbers(&self, set: &MessageSet) -> IndexTest {
        match set {
            MessageSet::Numbers(set) => IndexTest::Numbers(Numbers::of(set, self.selected.exists())),
            MessageSet::Saved => IndexTest::Uids(self.uids(set)),
        }
    }

    fn uids(&self, set: &MessageSet) -> Numbers {
        let highest = self.selected.told.last().map_or(0, |entry| entry.uid.0);
        Numbers::of_uids(set, highest, &self.selected.saved)
    }

    fn has(&self, flag: &Flag) -> Test {
        self.bits(flag).map_or(Test::Always(false), |bits| Test::Index(IndexTest::Has(bits)))
    }

    fn lacks(&self, flag: &Flag) -> Test {
        self.bits(flag).map_or(Test::Always(true), |bits| Test::Index(IndexTest::Lacks(bits)))
    }

    /// The bit of a flag; none for a keyword that no message of the mailbox ever had.
    fn bits(&self, flag: &Flag) -> Option<FlagBits> {
        bits(flag, &self.selected.view.mailbox().keywords)
    }
}

fn bits(flag: &Flag, keywords: &Keywords) -> Option<FlagBits> {
    let system = |flag| FlagBits::default().with(flag);
    let bits = match flag {
        Flag::Seen => system(SystemFlag::Seen),
        Flag::Answered => system(SystemFlag::Answered),
        Flag::Flagged => system(SystemFlag::Flagged),
        Flag::Deleted => system(SystemFlag::Deleted),
        Flag::Draft => system(SystemFlag::Draft),
        Flag::Keyword(name) => {
            keywords.known_bits(&Flags { system: FlagBits::default(), keywords: vec![name.clone()] })
        }
    };
    (bits != FlagBits::default()).then_some(bits)
}

/// The internal date is told in UTC, so its day is the one in UTC.
fn midnight(day: Date) -> i64 {
    day.days_since_epoch() * DAY_MILLIS
}

fn internal_date(millis: Range<i64>) -> Test {
    Test::Index(IndexTest::Date(millis))
}

fn addresses(list: Addresses, text: &str) -> Test {
    Test::Summary(SummaryTest::Addresses(list, Needle::new(text)))
}

fn value(value: Value, text: &str) -> Test {
    Test::Summary(SummaryTest::Value(value, Needle::new(text)))
}

fn sent(days: Range<i64>) -> Test {
    Test::Summary(SummaryTest::Sent(days))
}

/// The fields that clients look messages up by are in the summary, word for word.
fn header(name: &str, text: &str) -> Test {
    let known = [("Message-ID", Value::MessageId), ("In-Reply-To", Value::InReplyTo), ("Subject", Value::Subject)];
    match known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, known)) => value(known, text),
        None => Test::Header(name.to_owned(), Needle::new(text)),
    }
}

/// Nothing is in every text.
fn body(scope: Scope, text: &str) -> Test {
    if text.is_empty() { Test::Always(true) } else { Test::Text(scope, Needle::new(text)) }
}

impl Test {
    fn and(mut tests: Vec<Self>) -> Self {
        tests.sort_by_key(Self::cost);
        Self::And(tests)
    }

    fn or(mut tests: Vec<Self>) -> Self {
        tests.sort_by_key(Self::cost);
        Self::Or(tests)
    }

    /// Nothing, the index, the summary, the header, the body.
    fn cost(&self) -> u8 {
        match self {
            Self::Always(_) => 0,
            Self::Index(_) => 1,
            Self::Summary(_) => 2,
            Self::Header(..) => 3,
            Self::Text(..) => 4,
            Self::Not(test) => test.cost(),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
        }
    }

    /// Whether `is` holds for any of the conditions that this one is made of.
    fn any(&self, is: &impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::Always(_) | Self::Index(_) | Self::Summary(_) | Self::Header(..) | Self::Text(..) => is(self),
            Self::Not(test) => test.any(is),
            Self::And(tests) | Self::Or(tests) => tests.iter().any(|test| test.any(is)),
        }
    }

    /// How many of the conditions that this one is made of are `such`.
    fn count(&self, such: &impl Fn(&Self) -> bool) -> usize {
        match self {
            Self::Always(_) | Self::Index(_) | Self::Summary(_) | Self::Header(..) | Self::Text(..) => {
                usize::from(such(self))
            }
            Self::Not(test) => test.count(such),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(|test| test.count(such)).sum(),
        }
    }
}
