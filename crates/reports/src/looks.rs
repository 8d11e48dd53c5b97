//! Who looked for mail of an account that asked for help, and what they did: for the timeline of its owner.
//!
//! Rows: `l` account moment = a [`Look`]. What somebody does in a short time is one of them, which grows.
//!
//! Invariant: a look is on the disk before what was found is told.

use serde::{Deserialize, Serialize};
use store::{AccountId, EmailId, Error, Row, Store, Table, TableId, Timestamp};

/// What somebody does so soon after their last look belongs to it.
const TOGETHER_MILLIS: i64 = 10 * 60 * 1000;
/// But no look is longer.
const LOOK_MAX_MILLIS: i64 = 60 * 60 * 1000;
/// An account keeps so many looks; the oldest go first.
const KEPT_MAX: usize = 500;
/// Of a look so many questions are kept, and so many messages; it counts on.
const NAMED_MAX: usize = 10;
/// So much is kept of a question.
const QUESTION_CHARS_MAX: usize = 120;
const ROW: &[u8] = b"l";

/// What somebody did with mail of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When it began, in milliseconds since 1970.
    pub at_millis: i64,
    /// When they did something the last time.
    pub last_millis: i64,
    /// The address of who it was, or what stands for the operator.
    pub who: String,
    /// How often they searched.
    pub searches: u64,
    /// What they looked for: the first questions.
    pub questions: Vec<String>,
    /// How often they opened a message.
    pub opened: u64,
    /// How often they saw the text of one.
    pub read: u64,
    /// How often they brought one back.
    pub brought_back: u64,
    /// The first messages that they opened or brought back.
    pub messages: Vec<u64>,
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looking {
    /// They search, by this question.
    For(String),
    /// They open a message.
    At(EmailId),
    /// They see its text, too.
    Into(EmailId),
    /// They bring it back.
    BringBack(EmailId),
}

/// Who looked for mail of whom. Cheap to clone.
#[derive(Clone)]
pub struct Looks(Table);

impl Look {
    /// When it began.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_millis)
    }

    /// The messages, the first that they opened or brought back.
    pub fn emails(&self) -> impl Iterator<Item = EmailId> {
        self.messages.iter().copied().map(EmailId)
    }

    fn new(who: &str, now: Timestamp) -> Self {
        let (at_millis, last_millis, who) = (now.0, now.0, who.to_owned());
        let (questions, messages) = (Vec::new(), Vec::new());
        Self { at_millis, last_millis, who, searches: 0, questions, opened: 0, read: 0, brought_back: 0, messages }
    }

    /// Whether what somebody does now belongs to it. A clock that was set back begins another one.
    fn goes_on(&self, who: &str, now: Timestamp) -> bool {
        let (since, long) = (now.0.saturating_sub(self.last_millis), now.0.saturating_sub(self.at_millis));
        self.who == who && (0..TOGETHER_MILLIS).contains(&since) && (0..LOOK_MAX_MILLIS).contains(&long)
    }

    fn add(&mut self, looking: &Looking, now: Timestamp) {
        self.last_millis = now.0;
        let (count, email) = match looking {
            Looking::For(question) => {
                let question: String = question.chars().take(QUESTION_CHARS_MAX).collect();
                if self.questions.len() < NAMED_MAX && !self.questions.contains(&question) {
                    self.questions.push(question);
                }
                (&mut self.searches, None)
            }
            Looking::At(email) => (&mut self.opened, Some(email)),
            Looking::Into(email) => (&mut self.read, Some(email)),
            Looking::BringBack(email) => (&mut self.brought_back, Some(email)),
        };
        *count = count.saturating_add(1);
        if let Some(email) = email.filter(|email| self.messages.len() < NAMED_MAX && !self.messages.contains(&email.0))
        {
            self.messages.push(email.0);
        }
    }

    /// What cannot be read tells nothing.
    fn of_row((_, value): &Row) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

impl Looks {
    /// Those of `store`.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(store.table(TableId::Reports))
    }

    /// Those of an account, newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, account: AccountId) -> Result<Vec<Look>, Error> {
        let rows = self.0.scan(&prefix(account), &[], 2 * KEPT_MAX)?;
        Ok(rows.iter().rev().filter_map(Look::of_row).collect())
    }

    /// Writes down what somebody does, before they see anything of it. Whether a look begins with it. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults: then nothing is to be shown.
    pub fn note(&self, account: AccountId, who: &str, looking: &Looking, now: Timestamp) -> Result<bool, Error> {
        self.0.change(|tx| {
            let kept = tx.scan_before(&prefix(account), &[], usize::MAX)?;
            let last = kept.last().and_then(|row| Some((row.0.clone(), Look::of_row(row)?)));
            let (key, mut look, is_new) = match last.filter(|(_, look)| look.goes_on(who, now)) {
                Some((key, look)) => (key, look, false),
                None => (free_key(tx, account, now)?, Look::new(who, now), true),
            };
            look.add(looking, now);
            let value = serde_json::to_vec(&look).map_err(|error| Error::Fault(format!("a look: {error}")))?;
            let too_many = (kept.len() + usize::from(is_new)).saturating_sub(KEPT_MAX);
            kept.iter().take(too_many).for_each(|(key, _)| tx.delete(key));
            tx.put(&key, value);
            Ok(is_new)
        })
    }

    /// Forgets what was done with the mail of an account that is gone.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn forget(&self, is_gone: &dyn Fn(AccountId) -> bool) -> Result<(), Error> {
        let gone: Vec<Vec<u8>> = self.0.scan(ROW, ROW, usize::MAX)?.into_iter().map(|(key, _)| key).collect();
        let gone: Vec<Vec<u8>> = gone.into_iter().filter(|key| account_in(key).is_none_or(is_gone)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.0.change(|tx| {
            gone.iter().for_each(|key| tx.delete(key));
            Ok(())
        })
    }
}

/// The key of a look that begins now, behind all that are there.
fn free_key(tx: &store::TableTx<'_>, account: AccountId, now: Timestamp) -> Result<Vec<u8>, Error> {
    let key = |at: i64| [&prefix(account)[..], &at.to_be_bytes()].concat();
    let mut at = now.0;
    while tx.get(&key(at))?.is_some() {
        at += 1;
    }
    Ok(key(at))
}

fn prefix(account: AccountId) -> Vec<u8> {
    [ROW, &account.0.to_be_bytes()].concat()
}

fn account_in(key: &[u8]) -> Option<AccountId> {
    key.get(1..5).and_then(|number| number.try_into().ok()).map(|number| AccountId(u32::from_be_bytes(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

    const ROOT: &str = "root@example.org";
    const ALICE: AccountId = AccountId(16);

    fn looks() -> Looks {
        Looks::of(&Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new())))
    }

    fn later(millis: i64) -> Timestamp {
        Timestamp(SIM_EPOCH.0 + millis)
    }

    #[test]
    fn a_burst_is_one_look_and_counts() {
        let looks = looks();
        let note = |who: &str, looking: Looking, millis| looks.note(ALICE, who, &looking, later(millis)).unwrap();
        assert!(note(ROOT, Looking::For("invoice".into()), 0));
        for n in 0..1000 {
            assert!(!note(ROOT, Looking::For(format!("word {}", n % 20)), n));
        }
        assert!(!note(ROOT, Looking::At(EmailId(7)), 1000) && !note(ROOT, Looking::Into(EmailId(7)), 1001));
        assert!(!note(ROOT, Looking::BringBack(EmailId(8)), 1001 + TOGETHER_MILLIS - 1));
        let all = looks.list(ALICE).unwrap();
        let look = &all[0];
        assert_eq!((all.len(), look.searches, look.opened, look.read, look.brought_back), (1, 1001, 1, 1, 1));
        assert_eq!((look.questions.len(), look.questions[0].as_str()), (NAMED_MAX, "invoice"));
        assert_eq!((look.at(), look.emails().collect::<Vec<_>>()), (SIM_EPOCH, vec![EmailId(7), EmailId(8)]));
        assert_eq!(looks.list(AccountId(17)).unwrap(), []);
    }

    #[test]
    fn another_person_a_pause_and_an_hour_begin_another_look() {
        let looks = looks();
        let note = |who: &str, millis| looks.note(ALICE, who, &Looking::At(EmailId(1)), later(millis)).unwrap();
        assert!(note(ROOT, 0) && note("eve@example.org", 1) && note(ROOT, 2));
        assert!(note(ROOT, 2 + TOGETHER_MILLIS));
        assert!(note(ROOT, 1), "the clock was set back");
        let begun = 10 * LOOK_MAX_MILLIS;
        let new = (0..=LOOK_MAX_MILLIS / 60_000).filter(|minute| note(ROOT, begun + minute * 60_000)).count();
        assert_eq!(new, 2);
        assert_eq!(looks.list(ALICE).unwrap().len(), 7);
    }

    #[test]
    fn as_many_are_kept_as_the_limit_and_a_question_is_cut() {
        let looks = looks();
        let long = Looking::For("ü".repeat(QUESTION_CHARS_MAX + 1));
        for n in 0..=KEPT_MAX {
            looks.note(ALICE, &format!("{n}"), &long, later(n as i64)).unwrap();
        }
        let all = looks.list(ALICE).unwrap();
        assert_eq!((all.len(), all[0].who.as_str(), all[KEPT_MAX - 1].who.as_str()), (KEPT_MAX, "500", "1"));
        assert_eq!(all[0].questions[0].chars().count(), QUESTION_CHARS_MAX);
        looks.note(AccountId(17), ROOT, &long, SIM_EPOCH).unwrap();
        looks.forget(&|account| account == ALICE).unwrap();
        assert_eq!((looks.list(ALICE).unwrap().len(), looks.list(AccountId(17)).unwrap().len()), (0, 1));
    }
}
