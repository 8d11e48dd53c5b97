//! IMAP's search keys, compiled into conditions.

use super::place::Place;
use crate::located::id_told;
use imap_proto::command::SearchKey;
use imap_proto::{Date, Flag, MessageSet};
use search::{Addresses, Condition, IndexTest, Needle, Numbers, Scope, SummaryTest, Value};
use std::ops::{Range, RangeInclusive};
use store::{FlagBits, Keywords, ModSeq, SystemFlag, Timestamp};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The condition that a key means in a place; `now` is for OLDER and YOUNGER.
pub(super) fn condition(key: &SearchKey, place: &Place<'_>, now: Timestamp) -> Condition {
    Compiler { place, now, is_fuzzy: false }.condition(key)
}

/// RFC 7162 §3.1.5: whether the key asks for mod-sequences, so that the answer tells one.
pub(super) fn asks_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::And(keys) => keys.iter().any(asks_modseq),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => asks_modseq(key),
        key => matches!(key, SearchKey::ModSeq { .. }),
    }
}

struct Compiler<'s> {
    place: &'s Place<'s>,
    now: Timestamp,
    /// Whether texts are looked for inexactly (RFC 6203 §3).
    is_fuzzy: bool,
}

impl Compiler<'_> {
    /// As deep as the parser lets keys be nested.
    fn condition(&self, key: &SearchKey) -> Condition {
        match key {
            SearchKey::And(keys) => Condition::and(keys.iter().map(|key| self.condition(key)).collect()),
            SearchKey::Or(one, other) => Condition::or(vec![self.condition(one), self.condition(other)]),
            // What is nearly something is not told not to be it.
            SearchKey::Not(key) => Condition::Not(Box::new(Compiler { is_fuzzy: false, ..*self }.condition(key))),
            // RFC 6203 §5: what is no text is matched as it is.
            SearchKey::Fuzzy(key) => Compiler { is_fuzzy: true, ..*self }.condition(key),
            SearchKey::All => Condition::Always(true),
            // RFC 3501 §6.4.4. To a client with IMAP4rev2 no message is recent.
            SearchKey::Recent => self.recent(),
            SearchKey::Old => Condition::Not(Box::new(self.recent())),
            SearchKey::New => Condition::and(vec![self.recent(), self.lacks(&Flag::Seen)]),
            SearchKey::From(text) => self.text(addresses(Addresses::From, text), text),
            SearchKey::To(text) => self.text(addresses(Addresses::To, text), text),
            SearchKey::Cc(text) => self.text(addresses(Addresses::Cc, text), text),
            SearchKey::Bcc(text) => self.text(addresses(Addresses::Bcc, text), text),
            SearchKey::Subject(text) => self.text(value(Value::Subject, text), text),
            SearchKey::SavedBefore(day) => self.saved(i64::MIN..midnight(*day)),
            SearchKey::SavedOn(day) => self.saved(midnight(*day)..midnight(*day) + DAY_MILLIS),
            SearchKey::SavedSince(day) => self.saved(midnight(*day)..i64::MAX),
            // RFC 8514 §4.3: it is noted in every mailbox.
            SearchKey::SaveDateSupported => Condition::Always(true),
            SearchKey::SentBefore(day) => sent(i64::MIN..day.days_since_epoch()),
            SearchKey::SentOn(day) => sent(day.days_since_epoch()..day.days_since_epoch() + 1),
            SearchKey::SentSince(day) => sent(day.days_since_epoch()..i64::MAX),
            SearchKey::Header(name, text) => self.text(header(name, text), text),
            SearchKey::Body(text) => self.text(body(Scope::Bodies, text), text),
            SearchKey::Text(text) => self.text(body(Scope::Everything, text), text),
            SearchKey::Has(flag) => self.has(flag),
            SearchKey::Lacks(flag) => self.lacks(flag),
            SearchKey::EmailId(id) => {
                let id = id_told(self.place.guest_of, id).and_then(|id| id.parse().ok());
                id.map_or(Condition::Always(false), |id| Condition::Index(IndexTest::Email(id)))
            }
            // What it stands for was put in its place.
            SearchKey::Filter(_) => Condition::Always(false),
            SearchKey::ThreadId(id) => {
                id_told(self.place.guest_of, id).map_or(Condition::Always(false), Condition::Conversation)
            }
            SearchKey::Sequence(set) => Condition::Index(self.numbers(set)),
            SearchKey::Uid(set) => Condition::Index(IndexTest::Uids(self.uids(set))),
            // RFC 9738 §3.2: as `*` is no number, nothing is above the last one.
            SearchKey::UidAfter(uid) => uids(uid.checked_add(1).map(|first| first..=u32::MAX)),
            SearchKey::UidBefore(uid) => uids(uid.checked_sub(1).map(|last| 1..=last)),
            SearchKey::Before(day) => internal_date(i64::MIN..midnight(*day)),
            SearchKey::On(day) => internal_date(midnight(*day)..midnight(*day) + DAY_MILLIS),
            SearchKey::Since(day) => internal_date(midnight(*day)..i64::MAX),
            SearchKey::Larger(octets) => Condition::Index(IndexTest::Larger(*octets)),
            SearchKey::Smaller(octets) => Condition::Index(IndexTest::Smaller(*octets)),
            // RFC 5032 §3: a message of exactly that age is both.
            SearchKey::Older(seconds) => internal_date(i64::MIN..self.ago(*seconds).saturating_add(1)),
            SearchKey::Younger(seconds) => internal_date(self.ago(*seconds)..i64::MAX),
            // One mod-sequence for all flags of a message: whose flag is meant makes no difference.
            SearchKey::ModSeq { modseq, entry: _ } => Condition::Index(IndexTest::ModSeq(ModSeq(*modseq))),
        }
    }

    fn saved(&self, millis: Range<i64>) -> Condition {
        Condition::Saved(self.place.mailbox, millis)
    }

    fn text(&self, test: Condition, text: &str) -> Condition {
        if self.is_fuzzy { Condition::fuzzy(test, text) } else { test }
    }

    fn recent(&self) -> Condition {
        Condition::Index(IndexTest::Uids(self.place.recent.clone()))
    }

    fn ago(&self, seconds: u32) -> i64 {
        self.now.0.saturating_sub(i64::from(seconds) * 1000)
    }

    /// Numbers above EXISTS find nothing: unlike in FETCH nobody could mistake the answer.
    fn numbers(&self, set: &MessageSet) -> IndexTest {
        match set {
            MessageSet::Numbers(set) => IndexTest::Numbers(Numbers::from_ranges(set.resolve(self.place.exists()))),
            MessageSet::Saved => IndexTest::Uids(self.uids(set)),
        }
    }

    fn uids(&self, set: &MessageSet) -> Numbers {
        match set {
            MessageSet::Numbers(set) => Numbers::from_ranges(set.resolve(self.place.highest_uid())),
            MessageSet::Saved => Numbers::from_sorted(self.place.saved.iter().map(|uid| uid.0)),
        }
    }

    fn has(&self, flag: &Flag) -> Condition {
        self.bits(flag).map_or(Condition::Always(false), |bits| Condition::Index(IndexTest::Has(bits)))
    }

    fn lacks(&self, flag: &Flag) -> Condition {
        self.bits(flag).map_or(Condition::Always(true), |bits| Condition::Index(IndexTest::Lacks(bits)))
    }

    /// The bit of a flag; none for a keyword that no message of the mailbox ever had.
    fn bits(&self, flag: &Flag) -> Option<FlagBits> {
        bits(flag, self.place.keywords)
    }
}

fn uids(range: Option<RangeInclusive<u32>>) -> Condition {
    let ranges = range.filter(|range| !range.is_empty()).into_iter().collect();
    Condition::Index(IndexTest::Uids(Numbers::from_ranges(ranges)))
}

fn bits(flag: &Flag, keywords: &Keywords) -> Option<FlagBits> {
    let system = |flag| FlagBits::default().with(flag);
    let bits = match flag {
        Flag::Seen => system(SystemFlag::Seen),
        Flag::Answered => system(SystemFlag::Answered),
        Flag::Flagged => system(SystemFlag::Flagged),
        Flag::Deleted => system(SystemFlag::Deleted),
        Flag::Draft => system(SystemFlag::Draft),
        Flag::Keyword(name) => return keywords.one(name),
    };
    Some(bits)
}

/// The internal date is told in UTC, so its day is the one in UTC.
fn midnight(day: Date) -> i64 {
    day.days_since_epoch() * DAY_MILLIS
}

fn internal_date(millis: Range<i64>) -> Condition {
    Condition::Index(IndexTest::Date(millis))
}

fn addresses(list: Addresses, text: &str) -> Condition {
    Condition::Summary(SummaryTest::Addresses(list, Needle::new(text)))
}

fn value(value: Value, text: &str) -> Condition {
    Condition::Summary(SummaryTest::Value(value, Needle::new(text)))
}

fn sent(days: Range<i64>) -> Condition {
    Condition::Summary(SummaryTest::Sent(days))
}

/// The fields that clients look messages up by are in the summary, word for word.
fn header(name: &str, text: &str) -> Condition {
    let known = [("Message-ID", Value::MessageId), ("In-Reply-To", Value::InReplyTo), ("Subject", Value::Subject)];
    match known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, known)) => value(known, text),
        None => Condition::Header(name.to_owned(), Needle::new(text)),
    }
}

/// Nothing is in every text.
fn body(scope: Scope, text: &str) -> Condition {
    if text.is_empty() { Condition::Always(true) } else { Condition::Text(scope, Needle::new(text)) }
}
