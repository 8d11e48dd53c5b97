//! What was passed on of the mail for an account, what it has written to lists and what became of it there, and of which lists it became
//! a member, which senders were told that it calls their mail junk, in words: in the timeline,
//! in the story of a message, and where somebody looks for a mail of which the mailbox has no copy.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::{MessageLine, Names, shown as one_line};
use crate::timeline::{StoryLine, Timeline, TimelineAsk, TimelineLine};
use crate::words;
use directory::Membership;
use posts::Written;
use queue::{Passed, RecipientState};
use reports::{Look, OwnComplaint};
use serde::{Deserialize, Serialize};
use store::{DeviceId, EmailId, ModSeq, Protocol, TimelineQuery, Timestamp};

/// Fewer are told, so that each of the same moment has a number.
const OF_A_MOMENT_MAX: u64 = 1024;

/// A message that was forwarded, and of which the mailbox has no copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedLine {
    /// When it came: `2026-11-22T22:36:40Z`.
    pub at: String,
    /// Its subject, decoded.
    pub subject: String,
    /// Who wrote it.
    pub from: String,
    /// Its Message-ID.
    pub message_id: String,
    /// To whom it went, and what became of it there, in words.
    pub text: String,
}

/// What stands beside the journal.
enum Told {
    Passed(Passed),
    Written(Written),
    Membership(Membership),
    Complaint(OwnComplaint),
    Look(Look),
}

/// Lines that stand beside those of the journal, newest first, each with its number: when it was, and a counter within the moment.
pub(crate) struct Beside {
    lines: Vec<(u64, TimelineLine)>,
    /// A page before this one has said where they go on.
    is_later: bool,
}

impl AccountConsole {
    /// What was passed on, newest first, each with its number.
    pub(crate) fn passed_on(&self) -> Result<Vec<(u64, Passed)>, Error> {
        match &self.queue {
            None => Ok(Vec::new()),
            Some(queue) => queue.passed_on(self.account.id()).map_err(|error| match error {
                queue::Error::Store(error) => error.into(),
                error => Error::refused(error.to_string()),
            }),
        }
    }

    /// Lines for a page of the timeline.
    pub(crate) fn beside(&self, ask: &TimelineAsk, names: &Names<'_>, search: Option<&str>) -> Result<Beside, Error> {
        // Nothing of it is the doing of a device.
        let is_of_devices = ask.device.is_some_and(|device| device != DeviceId(0));
        if is_of_devices || ask.removals || ask.mailbox.is_some() {
            return Ok(Beside { lines: Vec::new(), is_later: false });
        }
        let newest = match (ask.before_passed, ask.before) {
            (None, Some(before)) => {
                let query = TimelineQuery { before: Some(ModSeq(before)), limit: 1, ..TimelineQuery::default() };
                // Before the journal begins there is nothing.
                Some(self.account.timeline(&query)?.entries.first().map_or_else(String::new, |entry| shown(entry.at)))
            }
            (Some(_), _) | (None, None) => None,
        };
        let mut lines = Vec::new();
        for (number, told) in self.told()? {
            let is_wanted = ask.before_passed.is_none_or(|before| number < before)
                && ask.since.is_none_or(|since| told.at() >= since)
                && ask.until.is_none_or(|until| told.at() <= until)
                && newest.as_ref().is_none_or(|newest| shown(told.at()) <= *newest);
            if is_wanted && search.is_none_or(|search| told.holds(search)) {
                lines.push((number, told.line(names)?));
            }
        }
        Ok(Beside { lines, is_later: ask.before_passed.is_some() })
    }

    /// All that stands beside the journal, newest first, each with its number.
    fn told(&self) -> Result<Vec<(u64, Told)>, Error> {
        let passed = self.passed_on()?.into_iter().map(|(_, passed)| Told::Passed(passed));
        let written = self.written()?.into_iter().map(Told::Written);
        let memberships = self.memberships()?.into_iter().map(Told::Membership);
        let complaints = self.complaints()?.into_iter().map(Told::Complaint);
        let looks = self.looks()?.into_iter().map(Told::Look);
        let mut told: Vec<Told> =
            passed.chain(written).chain(memberships).chain(complaints).chain(looks).rev().collect();
        told.sort_by_key(Told::at);
        let (mut moment, mut counter) = (Timestamp(0), 0);
        let mut number = |told: Told| {
            counter = if told.at() == moment { counter + 1 } else { 0 };
            moment = told.at();
            (u64::try_from(moment.0).unwrap_or(0).saturating_mul(OF_A_MOMENT_MAX) + counter, told)
        };
        let mut numbered: Vec<(u64, Told)> = told.into_iter().map(&mut number).collect();
        numbered.reverse();
        Ok(numbered)
    }

    /// What the account has written to lists, newest first.
    fn written(&self) -> Result<Vec<Written>, Error> {
        Ok(self.posts.as_ref().map(|posts| posts.written(self.account.id())).transpose()?.unwrap_or_default())
    }

    /// Of which lists the account became a member, and of which it is none any more, newest first.
    fn memberships(&self) -> Result<Vec<Membership>, Error> {
        let known = self.directory.as_ref().map(|known| known.memberships(self.account.id(), self.actor.now));
        Ok(known.transpose()?.unwrap_or_default())
    }

    /// What senders were told, newest first.
    fn complaints(&self) -> Result<Vec<OwnComplaint>, Error> {
        Ok(self.complaints.as_ref().map(|known| known.list(self.account.id())).transpose()?.unwrap_or_default())
    }

    /// Who has looked for mail of the account, newest first.
    fn looks(&self) -> Result<Vec<Look>, Error> {
        Ok(self.looks.as_ref().map(|known| known.list(self.account.id())).transpose()?.unwrap_or_default())
    }

    /// What stands in the story of a message whose sender was told that it is called junk.
    pub(crate) fn complained_in_story(&self, email: EmailId) -> Result<Vec<StoryLine>, Error> {
        let line = |complaint: &OwnComplaint| StoryLine {
            at: shown(complaint.at()),
            device_id: 0,
            device: words::THE_SERVER.to_owned(),
            protocol: words::protocol(Protocol::Smtp).to_owned(),
            text: words::complained(complaint),
        };
        Ok(self.complaints()?.iter().filter(|complaint| complaint.email() == email).map(line).collect())
    }

    /// What stands in the story of a message that was written to a list.
    pub(crate) fn written_in_story(&self, names: &Names<'_>, email: EmailId) -> Result<Vec<StoryLine>, Error> {
        let written = self.written()?;
        if written.is_empty() {
            return Ok(Vec::new());
        }
        let id = names.message_id(email)?.filter(|id| !id.is_empty());
        let is_it = |written: &&Written| id.as_ref().is_some_and(|id| bare(&written.message_id).as_bytes() == id);
        let line = |written: &Written| StoryLine {
            at: shown(written.at()),
            device_id: 0,
            device: words::THE_SERVER.to_owned(),
            protocol: words::protocol(Protocol::Smtp).to_owned(),
            text: words::written(written),
        };
        Ok(written.iter().filter(is_it).map(line).collect())
    }

    /// What stands in the story of a message.
    pub(crate) fn passed_in_story(&self, names: &Names<'_>, email: EmailId) -> Result<Vec<StoryLine>, Error> {
        let mut lines = Vec::new();
        for passed in self.passed_on_of(names, email)? {
            for to in &passed.to {
                let at = match &to.state {
                    RecipientState::Waiting { last } => last.as_ref().map_or(passed.at, |last| last.at),
                    RecipientState::Delivered { reply, .. } | RecipientState::Failed { reply, .. } => reply.at,
                };
                lines.push(StoryLine {
                    at: shown(at),
                    device_id: 0,
                    device: words::THE_SERVER.to_owned(),
                    protocol: words::protocol(Protocol::Smtp).to_owned(),
                    text: words::passed_on(&passed, &words::passed_to(&passed, to)),
                });
            }
        }
        Ok(lines)
    }

    /// What was passed on of a message in the mailbox. Which copy is whose, an alias does not say: there the Message-ID does.
    pub(crate) fn passed_on_of(&self, names: &Names<'_>, email: EmailId) -> Result<Vec<Passed>, Error> {
        let passed = self.passed_on()?;
        if passed.is_empty() {
            return Ok(Vec::new());
        }
        let id = names.message_id(email)?.filter(|id| !id.is_empty());
        let is_it = |passed: &Passed| match (passed.about.email(), &id) {
            (Some(copy), _) => copy == email,
            (None, Some(id)) => passed.about.by_alias && bare(&passed.about.message_id).as_bytes() == id,
            (None, None) => false,
        };
        Ok(passed.into_iter().map(|(_, passed)| passed).filter(is_it).collect())
    }

    /// What was forwarded instead of kept, and has all of these words.
    pub(crate) fn forwarded_instead(
        &self,
        wanted: &[String],
        is_then: &dyn Fn(&Passed) -> bool,
    ) -> Result<Vec<PassedLine>, Error> {
        let wanted: Vec<String> = wanted.iter().map(|word| word.to_lowercase()).collect();
        let is_it =
            |passed: &Passed| is_elsewhere(passed) && is_then(passed) && wanted.iter().all(|word| holds(passed, word));
        let line = |passed: &Passed| PassedLine {
            at: shown(passed.at),
            subject: one_line(&passed.about.subject),
            from: one_line(&passed.about.from),
            message_id: one_line(&passed.about.message_id),
            text: words::passed(passed),
        };
        Ok(self.passed_on()?.iter().map(|(_, passed)| passed).filter(|passed| is_it(passed)).map(line).collect())
    }
}

impl Beside {
    /// Puts them between the lines of a page, which has at most `limit` then. `oldest`: when the last entry was that the page looked
    /// at; what came before belongs to the next one.
    pub(crate) fn join(self, timeline: &mut Timeline, oldest: Option<&str>, limit: usize) {
        let Self { lines: all, is_later } = self;
        let is_here = |line: &TimelineLine| timeline.next.is_none() || oldest.is_some_and(|oldest| *line.at >= *oldest);
        let here = all.iter().take_while(|(_, line)| is_here(line)).count();
        let (mut journal, mut lines, mut taken) = (timeline.lines.iter().peekable(), Vec::new(), 0);
        while lines.len() < limit {
            let next = all.get(..here).and_then(|here| here.get(taken)).map(|(_, line)| line);
            match (journal.peek(), next) {
                // What becomes of a message comes after it.
                (Some(line), Some(passed)) if passed.at < line.at => lines.extend(journal.next().cloned()),
                (_, Some(passed)) => {
                    lines.push(passed.clone());
                    taken += 1;
                }
                (Some(_), None) => lines.extend(journal.next().cloned()),
                (None, None) => break,
            }
        }
        if let Some(left) = journal.next() {
            timeline.next = Some(left.entry.saturating_add(1));
        }
        let left = all.get(taken).map(|(number, _)| number.saturating_add(1));
        if left.is_some() {
            // Before the first entry of the journal.
            timeline.next = timeline.next.or(Some(1));
        }
        timeline.next_passed = timeline.next.and(left.or((is_later || !all.is_empty()).then_some(0)));
        timeline.lines = lines;
    }
}

impl Told {
    fn at(&self) -> Timestamp {
        match self {
            Self::Passed(passed) => passed.at,
            Self::Written(written) => written.at(),
            Self::Membership(membership) => membership.at,
            Self::Complaint(complaint) => complaint.at(),
            Self::Look(look) => look.at(),
        }
    }

    /// Whether a text, in lower case, stands in what is told of it.
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Passed(passed) => holds(passed, text),
            Self::Written(written) => {
                let said = words::written_of(written);
                [&written.message_id, &said].iter().any(|known| known.to_lowercase().contains(text))
            }
            Self::Membership(membership) => words::membership(membership).to_lowercase().contains(text),
            Self::Complaint(complaint) => words::complained_of(complaint).to_lowercase().contains(text),
            Self::Look(look) => words::looked(look).to_lowercase().contains(text),
        }
    }

    fn line(&self, names: &Names<'_>) -> Result<TimelineLine, Error> {
        let (text, emails, protocol): (_, Vec<EmailId>, _) = match self {
            Self::Passed(passed) => (words::passed(passed), passed.about.email().into_iter().collect(), Protocol::Smtp),
            Self::Written(written) => (words::written_of(written), Vec::new(), Protocol::Smtp),
            Self::Membership(membership) => (words::membership(membership), Vec::new(), Protocol::Server),
            Self::Complaint(complaint) => (words::complained_of(complaint), vec![complaint.email()], Protocol::Smtp),
            Self::Look(look) => (words::looked(look), look.emails().collect(), Protocol::Web),
        };
        let messages: Vec<MessageLine> =
            emails.into_iter().map(|email| names.message(email)).collect::<Result<_, _>>()?;
        Ok(TimelineLine {
            entry: 0,
            at: shown(self.at()),
            first_at: None,
            device_id: 0,
            device: words::THE_SERVER.to_owned(),
            protocol: words::protocol(protocol).to_owned(),
            text,
            count: 1,
            messages,
            is_undo: false,
        })
    }
}

/// Whether a text, in lower case, stands in what is told of it.
fn holds(passed: &Passed, text: &str) -> bool {
    let about = &passed.about;
    let said = words::passed(passed);
    [&about.subject, &about.from, &about.message_id, &said].iter().any(|known| known.to_lowercase().contains(text))
}

/// Whether the mailbox has no copy.
fn is_elsewhere(passed: &Passed) -> bool {
    !passed.about.by_alias && passed.about.email.is_none()
}

fn bare(message_id: &str) -> &str {
    message_id.trim().trim_start_matches('<').trim_end_matches('>')
}
