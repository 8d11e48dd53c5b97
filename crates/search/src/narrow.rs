//! What an index says of a condition, before anything is read.
//!
//! Invariant: a test that is narrowed has the answer that it would have without: the index is made of the same texts that the
//! test looks into ([`crate::indexing`]), and where it does not know, the test is asked.

use crate::condition::{Addresses, Condition, SummaryTest, Value};
use message::fold::Needle;
use message::text::Scope;
use search_index::{AccountIndex, Kind};

/// So many tests of a condition are narrowed: each takes some look-ups.
const NARROWED_MAX: usize = 64;

/// The condition, with what the index knows of its tests.
pub(crate) fn narrow(condition: Condition, index: &AccountIndex) -> Condition {
    Narrower { index, left: NARROWED_MAX }.narrow(condition)
}

struct Narrower<'i> {
    index: &'i AccountIndex,
    left: usize,
}

impl Narrower<'_> {
    fn narrow(&mut self, condition: Condition) -> Condition {
        match condition {
            Condition::And(tests) => Condition::And(tests.into_iter().map(|test| self.narrow(test)).collect()),
            Condition::Or(tests) => Condition::Or(tests.into_iter().map(|test| self.narrow(test)).collect()),
            Condition::Not(test) => Condition::Not(Box::new(self.narrow(*test))),
            Condition::Fuzzy(mut words, place) => {
                let kinds = kinds(&place);
                words.narrow(&mut |piece| {
                    self.left = self.left.checked_sub(1)?;
                    self.index.look_up(kinds?, piece)
                });
                Condition::Fuzzy(words, place)
            }
            Condition::Always(_)
            | Condition::Index(_)
            | Condition::Saved(..)
            | Condition::Header(..)
            | Condition::Conversation(_)
            | Condition::Summary(_)
            | Condition::Text(..)
            | Condition::Narrowed(..) => self.test(condition),
        }
    }

    fn test(&mut self, test: Condition) -> Condition {
        let (Some(kinds), Some(needle)) = (kinds(&test), needle(&test)) else { return test };
        let Some(left) = self.left.checked_sub(1) else { return test };
        self.left = left;
        match self.index.look_up(kinds, needle.folded()) {
            Some(candidates) => Condition::Narrowed(candidates, Box::new(test)),
            None => test,
        }
    }
}

/// Where a test looks, if an index has that.
fn kinds(test: &Condition) -> Option<&'static [Kind]> {
    Some(match test {
        Condition::Text(Scope::Everything, _) => &[Kind::Header, Kind::Body],
        Condition::Text(Scope::Bodies, _) => &[Kind::Body],
        Condition::Summary(SummaryTest::Addresses(list, _)) => of_list(*list),
        Condition::Summary(SummaryTest::Value(Value::Subject, _)) => &[Kind::Subject],
        Condition::Summary(SummaryTest::Value(Value::MessageId | Value::InReplyTo, _) | SummaryTest::Sent(_))
        | Condition::Always(_)
        | Condition::Index(_)
        | Condition::Saved(..)
        | Condition::Header(..)
        | Condition::Conversation(_)
        | Condition::And(_)
        | Condition::Or(_)
        | Condition::Not(_)
        | Condition::Fuzzy(..)
        | Condition::Narrowed(..) => return None,
    })
}

fn needle(test: &Condition) -> Option<&Needle> {
    match test {
        Condition::Text(_, needle)
        | Condition::Summary(SummaryTest::Addresses(_, needle) | SummaryTest::Value(_, needle)) => Some(needle),
        Condition::Summary(SummaryTest::Sent(_))
        | Condition::Always(_)
        | Condition::Index(_)
        | Condition::Saved(..)
        | Condition::Header(..)
        | Condition::Conversation(_)
        | Condition::And(_)
        | Condition::Or(_)
        | Condition::Not(_)
        | Condition::Fuzzy(..)
        | Condition::Narrowed(..) => None,
    }
}

fn of_list(list: Addresses) -> &'static [Kind] {
    match list {
        Addresses::From => &[Kind::From],
        Addresses::To => &[Kind::To],
        Addresses::Cc => &[Kind::Cc],
        Addresses::Bcc => &[Kind::Bcc],
    }
}
