//! A condition, made ready to be asked of many messages.
//!
//! Texts are folded, dates and sets resolved, keywords looked up, once. What can be answered from the index stands
//! before what needs the summary, that before what needs the header, and that before what needs the body.

use crate::fuzzy::Words;
use crate::numbers::Numbers;
use message::fold::Needle;
use message::text::Scope;
use search_index::Candidates;
use std::ops::Range;
use std::sync::Arc;
use store::{EmailId, FlagBits, MailboxId, ModSeq};

/// A condition, and what asking it takes.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) condition: Condition,
    /// Whether any test looks into summaries.
    pub(crate) needs_summary: bool,
    /// Whether any test asks since when a message is in this mailbox.
    pub(crate) saved_in: Option<MailboxId>,
    /// Whether any test looks into headers.
    pub(crate) needs_header: bool,
    /// How many tests there are: what a message costs at least.
    pub(crate) tests: usize,
    /// How many of them look into the whole message: how often it is gone through.
    pub(crate) texts: usize,
    /// How many words and phrases the fuzzy ones have.
    pub(crate) terms: usize,
}

/// A condition on a message.
#[derive(Debug)]
pub enum Condition {
    /// Known without a look.
    Always(bool),
    /// All of them, cheap ones first.
    And(Vec<Condition>),
    /// Any of them, cheap ones first.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// The index answers it.
    Index(IndexTest),
    /// It is in this mailbox since then, Unix milliseconds; where that was not noted its INTERNALDATE counts.
    Saved(MailboxId, Range<i64>),
    /// The summary answers it.
    Summary(SummaryTest),
    /// A field of this name has this in it.
    Header(String, Needle),
    /// It belongs to the conversation with this id ([`crate::conversation`]).
    Conversation(String),
    /// The message itself has this in it.
    Text(Scope, Needle),
    /// What an index knows of a test.
    Narrowed(Arc<Candidates>, Box<Condition>),
    /// Nearly these words are where the test looks (RFC 6203).
    Fuzzy(Words, Box<Condition>),
}

/// What the index answers.
#[derive(Debug, PartialEq, Eq)]
pub enum IndexTest {
    /// All of these bits are set.
    Has(FlagBits),
    /// None of these bits is set.
    Lacks(FlagBits),
    /// Message numbers: positions in the index, from 1.
    Numbers(Numbers),
    /// UIDs.
    Uids(Numbers),
    /// INTERNALDATE, Unix milliseconds.
    Date(Range<i64>),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// This mod-sequence or a higher one.
    ModSeq(ModSeq),
    /// This message, wherever it is.
    Email(EmailId),
}

/// What the summary answers.
#[derive(Debug)]
pub enum SummaryTest {
    /// An address of the list has this in it, as a person reads it.
    Addresses(Addresses, Needle),
    /// The value has this in it.
    Value(Value, Needle),
    /// The day of the Date field, days since 1970-01-01.
    Sent(Range<i64>),
}

/// A list of addresses in the envelope.
#[derive(Clone, Copy, Debug)]
pub enum Addresses {
    /// `From`
    From,
    /// `To`
    To,
    /// `Cc`
    Cc,
    /// `Bcc`
    Bcc,
}

/// A text in the envelope.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// `Subject`
    Subject,
    /// `Message-ID`
    MessageId,
    /// `In-Reply-To`
    InReplyTo,
}

impl Program {
    pub(crate) fn new(condition: Condition) -> Self {
        let test = &condition;
        let (needs_summary, needs_header) = (test.any(&Self::reads_summary), test.any(&Self::reads_header));
        let texts = |test: &Condition| match test {
            Condition::Text(..) => 1,
            Condition::Fuzzy(_, place) if matches!(**place, Condition::Text(..)) => FUZZY_TEXTS,
            _ => 0,
        };
        let terms = |test: &Condition| if let Condition::Fuzzy(words, _) = test { words.terms() } else { 0 };
        let (tests, texts, terms) = (test.sum(&|_| 1), test.sum(&texts), test.sum(&terms));
        let saved_in = condition.saved_in();
        Self { condition, needs_summary, saved_in, needs_header, tests, texts, terms }
    }

    fn reads_summary(test: &Condition) -> bool {
        // A text is searched for part by part.
        matches!(test.place(), Condition::Summary(_) | Condition::Text(..))
    }

    fn reads_header(test: &Condition) -> bool {
        matches!(test.place(), Condition::Header(..) | Condition::Conversation(_))
    }
}

/// Looking for words in a whole message takes as long as looking for so many texts.
const FUZZY_TEXTS: usize = 4;

impl Condition {
    /// All of them.
    #[must_use]
    pub fn and(mut conditions: Vec<Self>) -> Self {
        conditions.sort_by_key(Self::cost);
        Self::And(conditions)
    }

    /// Any of them.
    #[must_use]
    pub fn or(mut conditions: Vec<Self>) -> Self {
        conditions.sort_by_key(Self::cost);
        Self::Or(conditions)
    }

    /// Nearly the words of `text` where `test` looks for it. What has no words, or looks into what nobody writes, is tested as it
    /// is.
    #[must_use]
    pub fn fuzzy(test: Self, text: &str) -> Self {
        match (&test, Words::of(text)) {
            (
                Self::Summary(SummaryTest::Addresses(..) | SummaryTest::Value(Value::Subject, _))
                | Self::Header(..)
                | Self::Text(..),
                Some(words),
            ) => Self::Fuzzy(words, Box::new(test)),
            _ => test,
        }
    }

    /// The test that says where a fuzzy one looks.
    fn place(&self) -> &Self {
        if let Self::Fuzzy(_, place) = self { place } else { self }
    }

    /// The mailbox of a test that asks since when a message is there.
    fn saved_in(&self) -> Option<MailboxId> {
        match self {
            Self::Saved(mailbox, _) => Some(*mailbox),
            Self::And(tests) | Self::Or(tests) => tests.iter().find_map(Self::saved_in),
            Self::Not(test) | Self::Narrowed(_, test) => test.saved_in(),
            Self::Always(_)
            | Self::Index(_)
            | Self::Summary(_)
            | Self::Header(..)
            | Self::Text(..)
            | Self::Conversation(_)
            | Self::Fuzzy(..) => None,
        }
    }

    /// Nothing, the index, the summary, the header, the body.
    fn cost(&self) -> u8 {
        match self {
            Self::Always(_) => 0,
            Self::Index(_) => 1,
            Self::Saved(..) | Self::Summary(_) => 2,
            Self::Header(..) | Self::Conversation(_) => 3,
            Self::Text(..) => 4,
            Self::Not(test) | Self::Narrowed(_, test) | Self::Fuzzy(_, test) => test.cost(),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
        }
    }

    /// Whether `is` holds for any of the conditions that this one is made of.
    pub(crate) fn any(&self, is: &impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::Always(_)
            | Self::Index(_)
            | Self::Saved(..)
            | Self::Summary(_)
            | Self::Header(..)
            | Self::Conversation(_)
            | Self::Text(..)
            | Self::Fuzzy(..) => is(self),
            Self::Not(test) | Self::Narrowed(_, test) => test.any(is),
            Self::And(tests) | Self::Or(tests) => tests.iter().any(|test| test.any(is)),
        }
    }

    /// The sum of what `of` says of the conditions that this one is made of.
    fn sum(&self, of: &impl Fn(&Self) -> usize) -> usize {
        match self {
            Self::Always(_)
            | Self::Index(_)
            | Self::Saved(..)
            | Self::Summary(_)
            | Self::Header(..)
            | Self::Conversation(_)
            | Self::Text(..)
            | Self::Fuzzy(..) => of(self),
            Self::Not(test) | Self::Narrowed(_, test) => test.sum(of),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(|test| test.sum(of)).sum(),
        }
    }
}
