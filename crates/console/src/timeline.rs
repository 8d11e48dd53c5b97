//! The timeline: what happened, newest first, and the story of one message.

mod arrivals;
mod wanted;

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::{MessageLine, Names};
use crate::returned;
use crate::words;
use serde::{Deserialize, Serialize};
use store::{DeviceId, EmailId, JournalEntry, ModSeq, Protocol, TimelineQuery, Timestamp};
use wording::tr;

/// Messages that a line names; how many there are in all stands beside them.
const MESSAGES_NAMED_MAX: usize = 5;
/// Lines on a page at most.
pub(crate) const LINES_MAX: usize = 500;
/// A search looks through about so many entries of the journal and messages for a page, then says where to go on.
const SEARCHED_MAX: usize = 5_000;
/// Entries that are read of the journal together at most. Where few of them make a line, each reading is of more than the one
/// before it.
const READ_TOGETHER_MAX: usize = 1_000;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineAsk {
    /// Only before this entry: `next` of the page before.
    pub before: Option<u64>,
    /// Only what was passed on, or written to lists, before: `next_passed` of the page before.
    pub before_passed: Option<u64>,
    /// Only what this device did.
    pub device: Option<DeviceId>,
    /// Only what happened then or later.
    pub since: Option<Timestamp>,
    /// Only what happened then or earlier.
    pub until: Option<Timestamp>,
    /// Only what took mail away, or wanted to.
    pub removals: bool,
    /// Only what concerns this mailbox, by its name.
    pub mailbox: Option<String>,
    /// What comes in, one after the other within a day, is one line; not with `search`.
    pub fold: bool,
    /// Only lines in which this text stands, or whose messages have it in subject or sender; case does not count.
    pub search: Option<String>,
    /// At most so many lines, and at most `LINES_MAX`.
    pub limit: usize,
}

/// A page of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Newest first.
    pub lines: Vec<TimelineLine>,
    /// There may be more before this entry.
    pub next: Option<u64>,
    /// Where the next page goes on with what was passed on, or written to lists, which has numbers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_passed: Option<u64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineLine {
    /// Its number in the journal; 0: it tells what became of mail that was passed on, or was written to a list.
    pub entry: u64,
    /// When: `2026-11-22T22:36:40Z`.
    pub at: String,
    /// When the first came of those that are one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<String>,
    /// The number of the device; 0 is the server.
    pub device_id: u32,
    /// The device's name.
    pub device: String,
    /// Over which protocol.
    pub protocol: String,
    /// What, in words.
    pub text: String,
    /// How many messages it is about.
    pub count: usize,
    /// Some of them: the first, or those that a search meant.
    pub messages: Vec<MessageLine>,
    /// It is an undo, which can be undone by its number.
    pub is_undo: bool,
}

/// The story of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStory {
    /// The message.
    pub message: MessageLine,
    /// Where it is now, in words; `None`: it is not kept any more.
    #[serde(default)]
    pub now: Option<String>,
    /// What happened to it, oldest first.
    pub lines: Vec<StoryLine>,
    /// What was found out about who it comes from when it came, in words; nothing if nobody looked.
    #[serde(default)]
    pub examined: Vec<String>,
}

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// When.
    pub at: String,
    /// The number of the device; 0 is the server.
    pub device_id: u32,
    /// The device's name.
    pub device: String,
    /// Over which protocol.
    pub protocol: String,
    /// What, in words.
    pub text: String,
}

impl AccountConsole {
    /// A page of the timeline.
    ///
    /// # Errors
    /// Faults.
    pub fn timeline(&self, ask: &TimelineAsk) -> Result<Timeline, Error> {
        let names = Names::of(&self.account)?;
        let search = ask.search.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_lowercase);
        let limit = ask.limit.clamp(1, LINES_MAX);
        let beside = self.beside(ask, &names, search.as_deref())?;
        let (mut timeline, oldest) = self.journal_page(ask, &names, search.as_deref())?;
        beside.join(&mut timeline, oldest.map(shown).as_deref(), limit);
        Ok(timeline)
    }

    /// What the journal has for a page, and when the last entry was that was looked at.
    fn journal_page(
        &self,
        ask: &TimelineAsk,
        names: &Names<'_>,
        search: Option<&str>,
    ) -> Result<(Timeline, Option<Timestamp>), Error> {
        let limit = ask.limit.clamp(1, LINES_MAX);
        let wanted = self.wanted(ask)?;
        let mut timeline = Timeline { next: ask.before, ..Timeline::default() };
        let (mut searched, mut oldest, mut came, mut together) = (0, None, None, limit);
        loop {
            let before = timeline.next.map(ModSeq);
            let query = TimelineQuery { before, device: ask.device, since: ask.since, limit: together };
            let page = self.account.timeline(&query)?;
            together = (together * 4).min(READ_TOGETHER_MAX);
            timeline.next = page.next.map(|next| next.0);
            for entry in &page.entries {
                let is_wanted = wanted.has(entry);
                let comes = arrivals::of(entry).filter(|_| ask.fold && search.is_none());
                let is_more = is_wanted && (comes.is_none() || comes != came);
                if searched >= SEARCHED_MAX || is_more && timeline.lines.len() >= limit {
                    timeline.next = Some(entry.modseq.0.saturating_add(1));
                    return Ok((timeline, oldest));
                }
                oldest = Some(entry.at);
                searched += 1 + search.map_or(0, |_| entry.change.emails().len());
                if !is_wanted {
                    continue;
                }
                match timeline.lines.last_mut().filter(|_| !is_more) {
                    Some(last) => arrivals::fold(last, entry, names)?,
                    None => timeline.lines.extend(line(entry, names, search)?),
                }
                came = comes;
            }
            let is_enough = timeline.lines.len() >= limit || searched >= SEARCHED_MAX || page.entries.is_empty();
            if timeline.next.is_none() || is_enough {
                return Ok((timeline, oldest));
            }
        }
    }

    /// The story of a message.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is known of it, faults.
    pub fn story(&self, id: &str) -> Result<MessageStory, Error> {
        let unknown =
            || Error::refused(tr!("nothing is known of a message “{id}”; the timeline shows their names", id = id));
        let email: EmailId = id.parse().map_err(|_| unknown())?;
        let names = Names::of(&self.account)?;
        let events = self.account.message_history(email)?;
        if events.is_empty() {
            return Err(unknown());
        }
        let story = |event: &store::MessageEvent| StoryLine {
            at: shown(event.at),
            device_id: event.device.0,
            device: names.device(event.device),
            protocol: words::protocol(event.protocol).to_owned(),
            text: words::event(event, &names),
        };
        // What somebody put here brings along whatever it says.
        let came = events.first().is_some_and(|event| matches!(event.protocol, Protocol::Smtp | Protocol::Lmtp));
        let examined = if came { names.examined(email)? } else { Vec::new() };
        let mut lines: Vec<StoryLine> = events.iter().map(story).collect();
        if let Some(came) = lines.first().cloned() {
            let told = returned::told(&self.account, &names, email)?;
            let at = lines.len().min(1);
            lines.splice(at..at, told.into_iter().map(|text| StoryLine { text, ..came.clone() }));
        }
        for (report, texts) in returned::on(&self.account, &names, email)? {
            if let Some(came) = self.account.message_history(report)?.first().map(story) {
                lines.extend(texts.into_iter().map(|text| StoryLine { text, ..came.clone() }));
            }
        }
        lines.extend(self.passed_in_story(&names, email)?);
        lines.extend(self.written_in_story(&names, email)?);
        lines.extend(self.complained_in_story(email)?);
        lines.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(MessageStory { message: names.message(email)?, now: self.is_now(email, &names)?, lines, examined })
    }
}

/// The line of an entry; `None` if `search` (in lower case) stands nowhere in it. With `search` the messages that have it
/// are named, or, where it stands in the line itself, the first.
fn line(entry: &JournalEntry, names: &Names<'_>, search: Option<&str>) -> Result<Option<TimelineLine>, Error> {
    let holds = |text: &str| search.is_none_or(|search| text.to_lowercase().contains(search));
    let (device, text, emails) = (names.device(entry.device), words::entry(entry, names), entry.change.emails());
    let in_line = holds(&text) || holds(&device);
    let mut messages = Vec::new();
    for email in &emails {
        if messages.len() == MESSAGES_NAMED_MAX {
            break;
        }
        let message = names.message(*email)?;
        if in_line || holds(&message.subject) || holds(&message.from) {
            messages.push(message);
        }
    }
    Ok((in_line || !messages.is_empty()).then(|| TimelineLine {
        entry: entry.modseq.0,
        at: shown(entry.at),
        first_at: None,
        device_id: entry.device.0,
        device,
        protocol: words::protocol(entry.protocol).to_owned(),
        text,
        count: emails.len(),
        messages,
        is_undo: matches!(
            entry.change,
            store::Change::Account(store::OfAccount::Undone { .. } | store::OfAccount::Cleared { .. })
        ),
    }))
}
