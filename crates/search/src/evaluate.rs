//! Whether a message meets a condition, from as little of it as possible.
//!
//! The answer may be "not known from this": a test that needs the body says so when only the index is at hand, and
//! AND, OR and NOT make of it what they can (Kleene's logic). The search then reads more and asks again.

use crate::answers::Answers;
use crate::condition::{Addresses, Condition, IndexTest, SummaryTest, Value};
use crate::conversation::conversation;
use crate::fuzzy::{Tally, Words};
use message::encoded_word;
use message::text::{contains, header_contains, header_values, pieces};
use message::{Address, Envelope, Summary, date};
use store::{Entry, Timestamp};

/// What is at hand of a message.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'m> {
    /// Its message sequence number.
    pub(crate) number: u32,
    /// Where the index of texts has it, if it does.
    pub(crate) indexed: Option<usize>,
    pub(crate) entry: &'m Entry,
    /// Since when it is in its mailbox, if that is asked for.
    pub(crate) saved: Option<Timestamp>,
    pub(crate) summary: Option<&'m Summary>,
    /// With its empty line.
    pub(crate) header: Option<&'m [u8]>,
    pub(crate) body: Option<Text<'m>>,
}

/// The message itself.
#[derive(Clone, Copy)]
pub(crate) enum Text<'m> {
    Whole(&'m [u8]),
    /// What was found so far in one that is not held whole.
    Large(&'m Answers),
}

impl Condition {
    /// Whether it holds; none when these facts do not say.
    pub(crate) fn holds(&self, facts: Facts<'_>) -> Option<bool> {
        match self {
            Self::Always(answer) => Some(*answer),
            Self::And(tests) => unless(false, tests, facts),
            Self::Or(tests) => unless(true, tests, facts),
            Self::Not(test) => test.holds(facts).map(|holds| !holds),
            Self::Index(test) => Some(test.holds(facts)),
            Self::Narrowed(candidates, test) => match facts.indexed {
                None => test.holds(facts),
                Some(at) => candidates.says(at).or_else(|| {
                    let holds = test.holds(facts);
                    holds.inspect(|holds| candidates.learn(at, *holds))
                }),
            },
            Self::Saved(_, range) => facts.saved.map(|saved| range.contains(&saved.0)),
            Self::Summary(test) => facts.summary.map(|summary| test.holds(&summary.envelope)),
            Self::Header(name, needle) => facts.header.map(|header| header_contains(header, name, needle)),
            Self::Conversation(id) => facts.header.map(|header| conversation(header, facts.entry.email) == *id),
            Self::Text(scope, needle) => match facts.body? {
                Text::Whole(body) => Some(contains(body, &facts.summary?.structure, *scope, needle)),
                Text::Large(answers) => answers.has(*scope, needle),
            },
            Self::Fuzzy(words, _) if facts.indexed.is_some_and(|at| words.is_ruled_out(at)) => Some(false),
            Self::Fuzzy(words, place) => {
                if let (Self::Text(scope, _), Some(Text::Large(answers))) = (&**place, facts.body) {
                    return answers.has_nearly(*scope, words);
                }
                let mut tally = Tally::default();
                place.count(words, facts, &mut tally, &|tally| words.are_in(tally))?;
                Some(words.are_in(&tally))
            }
        }
    }

    /// Whether an index alone says that it does not hold for the message at this position: asked of each message first.
    pub(crate) fn is_ruled_out(&self, at: usize) -> bool {
        match self {
            Self::Narrowed(candidates, _) => candidates.says(at) == Some(false),
            Self::Fuzzy(words, _) => words.is_ruled_out(at),
            Self::And(tests) => tests.iter().any(|test| test.is_ruled_out(at)),
            Self::Or(tests) => !tests.is_empty() && tests.iter().all(|test| test.is_ruled_out(at)),
            Self::Always(_)
            | Self::Not(_)
            | Self::Index(_)
            | Self::Saved(..)
            | Self::Summary(_)
            | Self::Header(..)
            | Self::Conversation(_)
            | Self::Text(..) => false,
        }
    }

    /// What the fuzzy tests find, one after the other, as far as these facts say; what is not to be met finds nothing.
    pub(crate) fn weigh(&self, facts: Facts<'_>, all: &mut Tally) {
        match self {
            Self::And(tests) | Self::Or(tests) => tests.iter().for_each(|test| test.weigh(facts, all)),
            Self::Fuzzy(words, place) => {
                let mut tally = Tally::default();
                if let (Self::Text(scope, _), Some(Text::Large(answers))) = (&**place, facts.body) {
                    tally = answers.tally(*scope, words).cloned().unwrap_or_default();
                } else {
                    let _not_known = place.count(words, facts, &mut tally, &|_| false);
                }
                tally.counts.resize(words.terms(), 0);
                all.counts.append(&mut tally.counts);
                all.length = all.length.saturating_add(tally.length);
            }
            Self::Not(_)
            | Self::Always(_)
            | Self::Index(_)
            | Self::Saved(..)
            | Self::Narrowed(..)
            | Self::Summary(_)
            | Self::Header(..)
            | Self::Conversation(_)
            | Self::Text(..) => {}
        }
    }

    /// Counts words where this test looks, until it `is_enough`; none when these facts do not say.
    fn count(
        &self,
        words: &Words,
        facts: Facts<'_>,
        tally: &mut Tally,
        is_enough: &dyn Fn(&Tally) -> bool,
    ) -> Option<()> {
        // Whether to go on.
        let mut take = |text: &str| {
            words.count(text, tally);
            !is_enough(tally)
        };
        match self {
            Self::Summary(SummaryTest::Addresses(list, _)) => {
                list.of(&facts.summary?.envelope).iter().map(address_text).all(|text| take(&text));
            }
            Self::Summary(SummaryTest::Value(value, _)) => {
                value.of(&facts.summary?.envelope).into_iter().map(value_text).all(|text| take(&text));
            }
            Self::Header(name, _) => {
                header_values(facts.header?, name).all(|text| take(&text));
            }
            Self::Text(scope, _) => match facts.body? {
                Text::Whole(body) => {
                    pieces(body, &facts.summary?.structure, *scope).all(|text| take(&text));
                }
                // It was counted while it was read.
                Text::Large(_) => return None,
            },
            // Nobody looks for words there.
            Self::Summary(SummaryTest::Sent(_))
            | Self::Always(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::Index(_)
            | Self::Conversation(_)
            | Self::Saved(..)
            | Self::Narrowed(..)
            | Self::Fuzzy(..) => {}
        }
        Some(())
    }
}

impl Addresses {
    fn of(self, envelope: &Envelope) -> &[Address] {
        match self {
            Self::From => &envelope.from,
            Self::To => &envelope.to,
            Self::Cc => &envelope.cc,
            Self::Bcc => &envelope.bcc,
        }
    }
}

impl Value {
    fn of(self, envelope: &Envelope) -> Option<&[u8]> {
        let value = match self {
            Self::Subject => &envelope.subject,
            Self::MessageId => &envelope.message_id,
            Self::InReplyTo => &envelope.in_reply_to,
        };
        value.as_deref()
    }
}

/// `decisive` as soon as one test says so, the opposite when all say the opposite.
fn unless(decisive: bool, tests: &[Condition], facts: Facts<'_>) -> Option<bool> {
    let mut answer = Some(!decisive);
    for test in tests {
        match test.holds(facts) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl IndexTest {
    fn holds(&self, Facts { number, entry, .. }: Facts<'_>) -> bool {
        match self {
            Self::Has(bits) => entry.flags.has_all(*bits),
            Self::Lacks(bits) => entry.flags.has_none(*bits),
            Self::Numbers(numbers) => numbers.contains(number),
            Self::Uids(uids) => uids.contains(entry.uid.0),
            Self::Date(range) => range.contains(&entry.internal_date.as_internal_date().0),
            Self::Larger(octets) => u64::from(entry.size) > *octets,
            Self::Smaller(octets) => u64::from(entry.size) < *octets,
            Self::ModSeq(modseq) => entry.modseq >= *modseq,
            Self::Email(email) => entry.email == *email,
        }
    }
}

impl SummaryTest {
    fn holds(&self, envelope: &Envelope) -> bool {
        match self {
            Self::Addresses(list, needle) => {
                list.of(envelope).iter().any(|address| needle.is_in(&address_text(address)))
            }
            Self::Value(value, needle) => value.of(envelope).is_some_and(|value| needle.is_in(&value_text(value))),
            // RFC 9051 §6.4.4: the date in the header, "disregarding time and timezone"; without one never.
            Self::Sent(days) => {
                envelope.date.as_deref().and_then(date::parse).is_some_and(|sent| days.contains(&sent.day().0))
            }
        }
    }
}

/// As a person reads it.
pub(crate) fn value_text(value: &[u8]) -> String {
    encoded_word::decode(value)
}

/// As a person reads it: `Name <mailbox@host>`, `mailbox@host`, or the name of a group.
pub(crate) fn address_text(address: &Address) -> String {
    let name = address.name.as_deref().map(encoded_word::decode);
    let mailbox = String::from_utf8_lossy(address.mailbox.as_deref().unwrap_or_default());
    let spec = match address.host.as_deref() {
        Some(host) if !host.is_empty() => format!("{mailbox}@{}", String::from_utf8_lossy(host)),
        // The name of a group may be an encoded word too.
        Some(_) | None => encoded_word::decode(mailbox.as_bytes()),
    };
    match name {
        Some(name) => format!("{name} <{spec}>"),
        None => spec,
    }
}
