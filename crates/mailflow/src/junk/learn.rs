//! The filter reads on in the journal, and learns from what it finds. A lesson and how far it was read are one commit, so that
//! what a crash interrupts is learnt once; what was taught as one thing and is said to be the other is unlearnt first.

use super::experience::Experience;
use super::judge::experience;
use super::lessons::{Said, lessons};
use crate::flow::MailFlow;
use junk::{Class, Facts, Features, Learn, Verdict, start};
use std::collections::BTreeMap;
use store::{Account, AccountId, EmailId, Error, Lesson, MessageChange};

/// So many entries of the journal are read for a commit.
const ENTRIES_PER_LESSON_MAX: usize = 1000;
/// A commit has at least what one entry teaches, and ends after so many messages.
const MESSAGES_PER_LESSON: usize = 200;
/// Of a message so much is read.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

impl MailFlow {
    /// Lets the filter of an account read its journal on, until it has or `is_stopping`. Gives how many messages it learnt
    /// or unlearnt. For a thread that may take long; nobody's session waits for it.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn learn_junk(&self, id: AccountId, is_stopping: &dyn Fn() -> bool) -> Result<usize, Error> {
        let account = self.auth.store().account(id);
        let mut learnt = 0;
        // Its own commits move the account's head, but write no entry.
        while self.filters_junk && !is_stopping() && !account.journal(account.learnt_to()?, 1)?.is_empty() {
            match Pupil::new(&account)?.read_on(is_stopping)? {
                Some(messages) => learnt += messages,
                None => break,
            }
        }
        Ok(learnt)
    }
}

struct Pupil<'a> {
    account: &'a Account,
    experience: Experience,
    lesson: Lesson,
    /// As what messages are taught, with what this lesson changes.
    taught: BTreeMap<EmailId, Option<Class>>,
}

impl<'a> Pupil<'a> {
    fn new(account: &'a Account) -> Result<Self, Error> {
        let experience = experience(account)?;
        let after = experience.learnt_to;
        let lesson = Lesson { after, learnt_to: after, ..Lesson::default() };
        Ok(Self { account, experience, lesson, taught: BTreeMap::new() })
    }

    /// `None`: there was nothing to write down.
    fn read_on(mut self, is_stopping: &dyn Fn() -> bool) -> Result<Option<usize>, Error> {
        let mailboxes = self.account.mailboxes()?;
        let entries = self.account.journal(self.lesson.after, ENTRIES_PER_LESSON_MAX)?;
        for entry in &entries {
            if is_stopping() || self.lesson.taught.len() >= MESSAGES_PER_LESSON {
                break;
            }
            for (email, said) in lessons(entry, &mailboxes) {
                self.hear(email, said)?;
            }
            self.lesson.learnt_to = entry.modseq;
        }
        let learnt = self.lesson.taught.len();
        self.lesson.pages = self.experience.changed();
        // Entries that say nothing are read once more rather than written down for nothing.
        let says_nothing = learnt == 0 && self.lesson.pages.is_empty() && entries.len() < ENTRIES_PER_LESSON_MAX;
        if says_nothing || self.lesson.learnt_to == self.lesson.after {
            return Ok(None);
        }
        // What another has learnt meanwhile is where the next look begins.
        Ok(self.account.learn(self.lesson)?.then_some(learnt))
    }

    fn hear(&mut self, email: EmailId, said: Said) -> Result<(), Error> {
        let class = match said {
            Said::Junk => Class::Junk,
            Said::Wanted => Class::Wanted,
            Said::Rescued if self.is_copy(email)? => Class::Wanted,
            Said::Rescued => return Ok(()),
            Said::Sent => return self.know_recipients(email),
        };
        let was = match self.taught.get(&email) {
            Some(was) => *was,
            None => self.account.taught_as(email)?.and_then(class_of),
        };
        if was == Some(class) {
            return Ok(());
        }
        let Some(octets) = self.octets(email)? else { return Ok(()) };
        let features = Features::of(&octets, Facts::default());
        if let Some(was) = was {
            self.experience.counts.learn(&features, was, Learn::Remove);
        }
        let teaches = Verdict::of(&features, &self.experience.counts, start()).teaches(class);
        if teaches {
            self.experience.counts.learn(&features, class, Learn::Add);
        }
        if teaches || was.is_some() {
            let now = teaches.then_some(class);
            self.taught.insert(email, now);
            self.lesson.taught.push((email, now.map(number_of)));
        }
        Ok(())
    }

    /// The beginning of a message, if it is still there.
    fn octets(&self, email: EmailId) -> Result<Option<Vec<u8>>, Error> {
        let reader = self.account.reader()?;
        let mut body = match reader.open(email, None) {
            Err(Error::NoSuchMessage) => return Ok(None),
            body => body?,
        };
        let mut octets = Vec::new();
        let length = body.len().min(MESSAGE_BYTES_MAX);
        body.copy(0..length, &mut octets)?;
        Ok(Some(octets))
    }

    /// Whether a message was in the account before it was put into INBOX by hand.
    fn is_copy(&self, email: EmailId) -> Result<bool, Error> {
        let history = self.account.message_history(email)?;
        Ok(history.iter().any(|event| matches!(event.what, MessageChange::Copied(_))))
    }

    fn know_recipients(&mut self, email: EmailId) -> Result<(), Error> {
        let header = match self.account.reader()?.header(email) {
            Err(Error::NoSuchMessage) => return Ok(()),
            header => header?,
        };
        let envelope = message::Envelope::parse(&header);
        for address in envelope.to.iter().chain(&envelope.cc).chain(&envelope.bcc).take(LESSON_RECIPIENTS_MAX) {
            if let Some(address) = address.addr_spec() {
                self.experience.note_known(&address);
            }
        }
        Ok(())
    }
}

/// So many recipients of a message become known.
const LESSON_RECIPIENTS_MAX: usize = 50;

fn number_of(class: Class) -> u8 {
    match class {
        Class::Wanted => 1,
        Class::Junk => 2,
    }
}

fn class_of(number: u8) -> Option<Class> {
    [Class::Wanted, Class::Junk].into_iter().find(|class| number_of(*class) == number)
}

#[cfg(test)]
mod tests;
