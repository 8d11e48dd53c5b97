//! The filter reads on in the journal, and learns from what it finds. A lesson and how far it was read are one commit, so that
//! what a crash interrupts is learnt once; what was taught as one thing and is said to be the other is unlearnt first.

use super::experience::Experience;
use super::judge::{experience, facts_in};
use super::lessons::{Said, lessons, moved_into_junk, read_in};
use crate::flow::{MailFlow, Teacher};
use junk::{Class, Facts, Features, Learn, Verdict, start};
use std::collections::{BTreeMap, BTreeSet};
use store::{Account, AccountId, EmailId, Error, Lesson, MailboxId, MessageChange, ModSeq, Timestamp};
use tracing::warn;

/// Of what was moved into Junk longer ago than this no sender is told: it was before somebody switched that on, or the server stood still.
const LATE_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// So many entries of the journal are read for a commit: all are in memory, and each can be of thousands of messages.
const ENTRIES_PER_LESSON_MAX: usize = 100;
/// A commit has at least what one entry teaches, and ends after so many messages.
const MESSAGES_PER_LESSON: usize = 200;
/// Mail that was read and is still there after so long is wanted: three days.
const KEPT_MILLIS: i64 = 3 * 24 * 60 * 60 * 1000;
/// In one turn of an account so many commits are made, so that nobody's filter waits long for somebody else's mail.
const LESSONS_PER_TURN_MAX: usize = 4;
/// Of a message so much is read.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// What an account's filter did in one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// How many messages it learnt or unlearnt.
    pub messages: usize,
    /// Whether it may have more to read: it wants another turn.
    pub is_behind: bool,
}

impl MailFlow {
    /// Lets the filter of an account read its journal on, until it has, or this turn is over, or `is_stopping`.
    /// For a thread that may take long; nobody's session waits for it.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn learn_junk(&self, id: AccountId, now: Timestamp, is_stopping: &dyn Fn() -> bool) -> Result<Turn, Error> {
        let account = self.auth.store().account(id);
        if !self.auth.directory().filters_junk(id)? {
            return skip(&account, is_stopping).map(|()| Turn::default());
        }
        if !self.filters_junk && self.teacher.is_none() && self.complaining.is_none() {
            return Ok(Turn::default());
        }
        let mut turn = Turn { messages: 0, is_behind: true };
        for _ in 0..LESSONS_PER_TURN_MAX {
            if is_stopping() {
                break;
            }
            match self.lesson(&account, now, is_stopping)? {
                Some(messages) => {
                    self.figures.learnt.add([], messages);
                    turn.messages += messages;
                }
                None => {
                    turn.is_behind = false;
                    break;
                }
            }
        }
        Ok(turn)
    }

    /// One commit, if there is something to write down.
    fn lesson(
        &self,
        account: &Account,
        now: Timestamp,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Option<usize>, Error> {
        // Its own commits move the account's head, but write no entry.
        if !account.journal(account.learnt_to()?, 1)?.is_empty() {
            let complain = |moved: &[EmailId]| self.complain(account, moved, now);
            let complain = self.complaining.as_ref().map(|_| &complain as &dyn Fn(&[EmailId]));
            let late = Timestamp(now.0.saturating_sub(LATE_MILLIS));
            let read_on = self.pupil(account)?.read_on(self.teacher.as_deref(), (complain, late), is_stopping)?;
            if read_on.is_some() {
                return Ok(read_on);
            }
        }
        let before = Timestamp(now.0.saturating_sub(KEPT_MILLIS));
        self.pupil(account)?.look_back(before, is_stopping)
    }

    fn pupil<'a>(&'a self, account: &'a Account) -> Result<Pupil<'a>, Error> {
        let experience = experience(account)?;
        let after = experience.learnt_to;
        let lesson = Lesson { after, learnt_to: after, ..Lesson::default() };
        Ok(Pupil {
            account,
            hostname: &self.hostname,
            experience,
            lesson,
            taught: BTreeMap::new(),
            said: Vec::new(),
            moved: Vec::new(),
        })
    }
}

/// The owner has switched the filter off: what is done meanwhile teaches it nothing, also not when it is on again.
fn skip(account: &Account, is_stopping: &dyn Fn() -> bool) -> Result<(), Error> {
    while !is_stopping() {
        let after = account.learnt_to()?;
        let entries = account.journal(after, ENTRIES_PER_LESSON_MAX)?;
        let Some(last) = entries.last() else { break };
        // What another has learnt meanwhile is where the next look begins.
        let _is_first = account.learn(Lesson { after, learnt_to: last.modseq, ..Lesson::default() })?;
    }
    Ok(())
}

/// Tells senders of messages that were moved into Junk.
type Complain<'a> = &'a dyn Fn(&[EmailId]);

struct Pupil<'a> {
    account: &'a Account,
    /// In whose name it stands in a message who it comes from.
    hostname: &'a str,
    experience: Experience,
    lesson: Lesson,
    /// As what messages are taught, with what this lesson changes.
    taught: BTreeMap<EmailId, Option<Taught>>,
    /// What people said, in its order.
    said: Vec<(EmailId, Class)>,
    /// What they moved into Junk of late.
    moved: Vec<EmailId>,
}

impl Pupil<'_> {
    /// `None`: there was nothing to write down.
    fn read_on(
        mut self,
        teacher: Option<&dyn Teacher>,
        (complain, late): (Option<Complain<'_>>, Timestamp),
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Option<usize>, Error> {
        let mailboxes = self.account.mailboxes()?;
        let entries = self.account.journal(self.lesson.after, ENTRIES_PER_LESSON_MAX)?;
        for entry in &entries {
            if is_stopping() || self.lesson.taught.len().max(self.said.len()) >= MESSAGES_PER_LESSON {
                break;
            }
            for (email, said) in lessons(entry, &mailboxes) {
                self.hear(email, said)?;
            }
            if complain.is_some() && entry.at >= late {
                self.moved.extend(moved_into_junk(entry, &mailboxes));
            }
            self.lesson.learnt_to = entry.modseq;
        }
        let learnt = self.lesson.taught.len();
        self.lesson.pages = self.experience.changed();
        // Entries that say nothing are read once more rather than written down for nothing.
        let is_told = teacher.is_some() && !self.said.is_empty() || !self.moved.is_empty();
        let says_nothing =
            learnt == 0 && !is_told && self.lesson.pages.is_empty() && entries.len() < ENTRIES_PER_LESSON_MAX;
        if says_nothing || self.lesson.learnt_to == self.lesson.after {
            return Ok(None);
        }
        // What another has learnt meanwhile is where the next look begins; they tell what follows.
        if !self.account.learn(std::mem::take(&mut self.lesson))? {
            return Ok(None);
        }
        if let Some(complain) = complain.filter(|_| !self.moved.is_empty()) {
            complain(&self.moved);
        }
        if let Some(teacher) = teacher {
            self.pass_on(teacher, is_stopping)?;
        }
        Ok(Some(learnt))
    }

    /// Tells another filter what people said. It hears of a lesson once, or, if it cannot be reached or the server stops, not at all.
    fn pass_on(&self, teacher: &dyn Teacher, is_stopping: &dyn Fn() -> bool) -> Result<(), Error> {
        for (email, class) in &self.said {
            if is_stopping() {
                break;
            }
            let Some(octets) = self.octets(*email)? else { continue };
            if let Err(why) = teacher.teach(*class == Class::Junk, octets) {
                warn!(account = %self.account.id(), why, "a filter beside ours was not told what people say of their mail");
                break;
            }
        }
        Ok(())
    }

    /// Mail that was read, and is still where it was read some days later, is wanted; so the filter knows enough wanted mail even of
    /// somebody who never files any away. Only until it does: whoever reads junk and leaves it there has not said that it is mail.
    /// `None`: there was nothing to write down.
    fn look_back(mut self, before: Timestamp, is_stopping: &dyn Fn() -> bool) -> Result<Option<usize>, Error> {
        if !Verdict::lacks_wanted(&self.experience.counts) {
            return Ok(None);
        }
        let (mailboxes, from) = (self.account.mailboxes()?, self.experience.read_to());
        let entries = self.account.journal(from, ENTRIES_PER_LESSON_MAX)?;
        let old: Vec<_> = entries.iter().take_while(|entry| entry.at <= before).collect();
        let mut read_to = from;
        for entry in &old {
            let is_enough = !Verdict::lacks_wanted(&self.experience.counts);
            if is_stopping() || is_enough || self.lesson.taught.len() >= MESSAGES_PER_LESSON {
                break;
            }
            if let Some((mailbox, read)) = read_in(entry, &mailboxes) {
                self.hear_what_stayed(mailbox, &read)?;
            }
            read_to = entry.modseq;
        }
        let learnt = self.lesson.taught.len();
        let says_nothing = learnt == 0 && old.len() < ENTRIES_PER_LESSON_MAX;
        if says_nothing || read_to == from {
            return Ok(None);
        }
        // A filter that has learnt something has read something. What it read until here said nothing, or it would be known.
        self.lesson.learnt_to = self.lesson.learnt_to.max(ModSeq(1));
        self.experience.note_read_to(read_to);
        self.lesson.pages = self.experience.changed();
        Ok(self.account.learn(self.lesson)?.then_some(learnt))
    }

    fn hear_what_stayed(&mut self, mailbox: MailboxId, read: &[EmailId]) -> Result<(), Error> {
        let view = match self.account.view(mailbox) {
            Err(Error::NoSuchMailbox) => return Ok(()),
            view => view?,
        };
        let there: BTreeSet<EmailId> = view.index().iter().map(|entry| entry.email).collect();
        for email in read.iter().filter(|email| there.contains(email)) {
            let was = self.taught.contains_key(email) || self.account.taught_as(*email)?.is_some();
            let Some(octets) = (if was { None } else { self.octets(*email)? }) else { continue };
            let features = self.features(&octets);
            self.teach(*email, &features, Some(Class::Wanted));
            if !Verdict::lacks_wanted(&self.experience.counts) {
                break;
            }
        }
        Ok(())
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
            None => self.account.taught_as(email)?.and_then(Taught::numbered),
        };
        if was.is_some_and(|was| was.class == class) {
            return Ok(());
        }
        let Some(octets) = self.octets(email)? else { return Ok(()) };
        self.said.push((email, class));
        let features = self.features(&octets);
        match was {
            Some(Taught { class, handwriting: true }) => {
                self.experience.counts.learn(&features, class, Learn::Remove);
            }
            Some(Taught { class, handwriting: false }) => {
                // Nor was it told what is odd about a host.
                let facts = Facts { doubts: junk::Doubts::default(), ..facts_in(&octets, self.hostname) };
                let features = Features::of(&octets, facts).without_handwriting();
                self.experience.counts.learn(&features, class, Learn::Remove);
            }
            None => {}
        }
        let teaches = Verdict::of(&features, &self.experience.counts, start()).teaches(class);
        if teaches || was.is_some() {
            self.teach(email, &features, teaches.then_some(class));
        }
        Ok(())
    }

    /// As what a message is taught from now on.
    fn teach(&mut self, email: EmailId, features: &Features, class: Option<Class>) {
        if let Some(class) = class {
            self.experience.counts.learn(features, class, Learn::Add);
        }
        let taught = class.map(|class| Taught { class, handwriting: true });
        self.taught.insert(email, taught);
        self.lesson.taught.push((email, taught.map(Taught::number)));
    }

    /// As they were when the message came, with what was found out about its sender then.
    fn features(&self, octets: &[u8]) -> Features {
        Features::of(octets, facts_in(octets, self.hostname))
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

/// As what a message was taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taught {
    class: Class,
    /// Whether its handwriting was learnt with it, which filters did not do in the beginning.
    handwriting: bool,
}

impl Taught {
    fn number(self) -> u8 {
        match (self.class, self.handwriting) {
            (Class::Wanted, false) => 1,
            (Class::Junk, false) => 2,
            (Class::Wanted, true) => 3,
            (Class::Junk, true) => 4,
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        let all = [Class::Wanted, Class::Junk].into_iter();
        let all = all.flat_map(|class| [false, true].map(|handwriting| Self { class, handwriting }));
        all.into_iter().find(|taught| taught.number() == number)
    }
}

#[cfg(test)]
mod tests;
