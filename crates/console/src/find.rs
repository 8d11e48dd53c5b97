//! A mail that is looked for: wherever it is now, in a mailbox, in Junk or Trash, held or removed, and how it comes back.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::{MessageLine, Names};
use crate::passed::PassedLine;
use crate::refused::RefusedLine;
use crate::undo::UndoAnswer;
use crate::words;
use search::{Addresses, Condition, Looked, Needle, Scope, Search, SummaryTest, Value, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{
    DeviceId, EmailId, MailboxId, MessageChange, MessageEvent, Role, Timestamp, UndoRequest, UndoWhat, Whereabouts,
};
use wording::tr;

/// Messages on a page at most.
pub(crate) const FOUND_MAX: usize = 100;
/// Words that are looked for at most; what is in "quotes" is one.
const WORDS_MAX: usize = 8;
/// The newest so many messages, with so many octets, are looked through, then those before them.
const STRETCH: (usize, u64) = (10_000, 64 * 1024 * 1024);
/// For one page about so many messages are looked at, then it says where to go on ...
const LOOKED_AT_MAX: usize = 100_000;
/// ... and about so many octets are gone through, which takes a few seconds: those of a message once for each word.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Which mail is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindAsk {
    /// Words that all stand in it: subject, sender, any other field of its header (Message-ID), text of its body. None:
    /// every message.
    pub text: String,
    /// This stands in an address or a name in its From.
    pub from: String,
    /// This stands in its subject.
    pub subject: String,
    /// Words are looked for in From, To, Cc, subject and Message-ID alone: whoever looks is to learn nothing of the text.
    pub fields_only: bool,
    /// Only what was sent on this day or later, by its own Date.
    pub since: Option<Timestamp>,
    /// Only what was sent on this day or earlier.
    pub until: Option<Timestamp>,
    /// Only what was removed.
    pub removed: bool,
    /// Only before this message: `next` of the page before.
    pub before: Option<String>,
    /// At most so many, and at most `FOUND_MAX`.
    pub limit: usize,
}

/// A page of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPage {
    /// Newest first, in the order in which they came.
    pub messages: Vec<FoundMessage>,
    /// How many messages were looked at.
    pub looked_at: usize,
    /// How many of them could not be read.
    pub unreadable: u32,
    /// There may be more before this message.
    pub next: Option<String>,
    /// On the first page: what was forwarded, and not kept here, newest first.
    #[serde(default)]
    pub elsewhere: Vec<PassedLine>,
    /// On the first page: what was refused that was for the account, or that it sent, newest first; at most so many as were asked for.
    #[serde(default)]
    pub refused: Vec<RefusedLine>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundMessage {
    /// The message.
    #[serde(flatten)]
    pub message: MessageLine,
    /// When it came, as far as the journal goes back.
    pub arrived_at: Option<String>,
    /// Octets.
    pub bytes: u32,
    /// The mailboxes that it is in; none where it was removed.
    pub mailboxes: Vec<String>,
    /// When it was removed.
    pub removed_at: Option<String>,
    /// By which device.
    pub removed_by: Option<String>,
    /// Where it is now, in words.
    pub text: String,
    /// What POP devices did with it, in words, a sentence each.
    pub devices: Vec<String>,
    /// Where it was passed on, and what became of it there, in words.
    #[serde(default)]
    pub passed_on: Vec<String>,
    /// What "bring it back" would do; `None`: it is where everybody sees it, or it is held and asks for an answer.
    pub comes_back: Option<String>,
}

/// How a message can come back.
enum Back {
    /// It was removed by this device.
    Removed(DeviceId),
    /// It lies in Junk or Trash.
    Aside(MailboxId),
}

impl Back {
    fn in_words(&self) -> String {
        match self {
            Self::Removed(_) => words::comes_back_from_removed().to_owned(),
            Self::Aside(_) => words::comes_back_from_aside().to_owned(),
        }
    }
}

impl AccountConsole {
    /// A page of the messages that `ask` means, newest first.
    ///
    /// # Errors
    /// [`Error::Refused`] for too many words or a page that is none, faults.
    pub fn find(&self, ask: &FindAsk) -> Result<FoundPage, Error> {
        let words = words_of(&ask.text);
        if words.len() > WORDS_MAX {
            return Err(Error::refused(tr!(
                "at most {most} words; put \"words that belong together\" in quotes",
                most = WORDS_MAX
            )));
        }
        let names = Names::of(&self.account)?;
        let limit = ask.limit.clamp(1, FOUND_MAX);
        let mut before = ask.before.as_deref().map(email).transpose()?;
        let (mut page, mut bytes) = (FoundPage::default(), 0);
        if before.is_none() && !ask.removed {
            let also = [&ask.from, &ask.subject].into_iter().filter(|text| !text.is_empty());
            let words: Vec<String> = words.iter().chain(also).cloned().collect();
            page.elsewhere = self.forwarded_instead(&words, &|passed| ask.means(passed.at))?;
            page.refused = self.refused_instead(ask.of_refused(words, limit))?;
        }
        loop {
            let index = self.account.everything(before, ask.removed, STRETCH)?;
            let Some(oldest) = index.get(0).map(|entry| entry.email) else { return Ok(page) };
            let mut search = Search::new(ask.condition(&words), index.clone(), Wanted::Everything);
            while search.look(&self.account)? == Looked::More {}
            let sizes: u64 = index.iter().map(|entry| u64::from(entry.size)).sum();
            bytes += sizes.saturating_mul(words.len() as u64);
            page.looked_at += index.len();
            page.unreadable += search.unreadable();
            let found: Vec<EmailId> = emails(&search).collect();
            for email in found.into_iter().rev() {
                let Some(place) = self.account.whereabouts(email)? else { continue };
                if page.messages.len() >= limit {
                    page.next = page.messages.last().map(|last| last.message.id.clone());
                    return Ok(page);
                }
                page.messages.push(self.found(email, &place, &names)?);
            }
            before = Some(oldest);
            if page.looked_at >= LOOKED_AT_MAX || bytes >= BYTES_MAX {
                page.next = Some(oldest.text());
                return Ok(page);
            }
        }
    }

    /// Brings a message back: what was removed, into the mailbox where it was; what lies in Junk or Trash, into INBOX. A POP
    /// device does not list it again that has it.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is nothing to bring back, [`store::Error::NoSpace`], faults.
    pub fn bring_back(&self, id: &str) -> Result<UndoAnswer, Error> {
        let email = email(id)?;
        let gone = || Error::refused(tr!("that message has left retention: it cannot come back"));
        let place = self.account.whereabouts(email)?.ok_or_else(gone)?;
        match self.back(&place)? {
            Some(Back::Removed(device)) => {
                let what = UndoWhat::Removals { device };
                let request = UndoRequest { what, mailbox: None, email: Some(email), relist: false, dry_run: false };
                self.carry_out(request, &mut |_| {})
            }
            Some(Back::Aside(from)) => self.take_out(email, from),
            None => Err(Error::refused(tr!("that message is in a mailbox already; its story says where"))),
        }
    }

    /// What bringing a message back would do; `None`: it is where everybody sees it, or not kept any more.
    pub(crate) fn comes_back(&self, email: EmailId) -> Result<Option<String>, Error> {
        let Some(place) = self.account.whereabouts(email)? else { return Ok(None) };
        Ok(self.back(&place)?.map(|back| back.in_words()))
    }

    fn take_out(&self, email: EmailId, from: MailboxId) -> Result<UndoAnswer, Error> {
        let view = self.account.view(from)?;
        let uids = view.index().iter().filter(|entry| entry.email == email).map(|entry| entry.uid).collect();
        let inbox = self.account.mailboxes()?.by_name("INBOX").map(|inbox| inbox.id);
        let inbox = inbox.ok_or(store::Error::NoSuchMailbox)?;
        let moved = self.account.move_messages(self.actor, from, uids, inbox)?.uids.len();
        Ok(UndoAnswer { moved, text: vec![words::moved_to_inbox(moved)], ..UndoAnswer::default() })
    }

    fn back(&self, place: &Whereabouts) -> Result<Option<Back>, Error> {
        if let Some((_, device)) = place.removed {
            return Ok(Some(Back::Removed(device)));
        }
        let mailboxes = self.account.mailboxes()?;
        let role = |id: &MailboxId| mailboxes.by_id(*id).and_then(|mailbox| mailbox.role);
        let is_aside = |id: &&MailboxId| matches!(role(id), Some(Role::Junk | Role::Trash));
        let all_aside = place.mailboxes.iter().all(|id| is_aside(&id));
        Ok(place.mailboxes.first().copied().filter(|_| all_aside).map(Back::Aside))
    }

    /// Where a message is now, in words.
    pub(crate) fn is_now(&self, email: EmailId, names: &Names<'_>) -> Result<Option<String>, Error> {
        let Some(place) = self.account.whereabouts(email)? else { return Ok(None) };
        let mailboxes: Vec<String> = place.mailboxes.iter().map(|id| names.mailbox(*id)).collect();
        let removed = place.removed.map(|(at, device)| (at, names.device(device)));
        Ok(Some(words::whereabouts(&mailboxes, removed.as_ref())))
    }

    fn found(&self, email: EmailId, place: &Whereabouts, names: &Names<'_>) -> Result<FoundMessage, Error> {
        let events = self.account.message_history(email)?;
        let arrived = events.iter().find(|event| matches!(event.what, MessageChange::Arrived(_)));
        let mailboxes: Vec<String> = place.mailboxes.iter().map(|id| names.mailbox(*id)).collect();
        let removed = place.removed.map(|(at, device)| (at, names.device(device)));
        Ok(FoundMessage {
            message: names.message(email)?,
            arrived_at: arrived.map(|event| shown(event.at)),
            bytes: place.size,
            text: words::whereabouts(&mailboxes, removed.as_ref()),
            mailboxes,
            devices: on_pop_devices(&events, names),
            passed_on: self.passed_on_of(names, email)?.iter().map(words::passed).collect(),
            comes_back: self.back(place)?.map(|back| back.in_words()),
            removed_at: removed.as_ref().map(|(at, _)| shown(*at)),
            removed_by: removed.map(|(_, device)| device),
        })
    }
}

impl FindAsk {
    /// Whether it means what came then.
    fn means(&self, at: Timestamp) -> bool {
        let day = |at: Timestamp| at.0.div_euclid(DAY_MILLIS);
        self.since.is_none_or(|since| day(at) >= day(since)) && self.until.is_none_or(|until| day(at) <= day(until))
    }

    /// Which refused mail is meant: it has no Date that could be asked, and was refused when it came.
    fn of_refused(&self, words: Vec<String>, limit: usize) -> reports::Wanted {
        let day = |at: Timestamp| at.0.div_euclid(DAY_MILLIS).saturating_mul(DAY_MILLIS);
        let since = self.since.map(|since| Timestamp(day(since)));
        let until = self.until.map(|until| Timestamp(day(until).saturating_add(DAY_MILLIS - 1)));
        reports::Wanted { words, since, until, limit }
    }

    /// What is looked for, for whoever reads later what was.
    pub(crate) fn in_words(&self) -> String {
        let named = |name: &str, text: &str| (!text.is_empty()).then(|| format!("{name} {text}"));
        let day = |name: &str, at: Option<Timestamp>| at.and_then(|at| named(name, shown(at).get(..10)?));
        let parts = [
            Some(self.text.clone()).filter(|text| !text.is_empty()),
            named("from", &self.from),
            named("subject", &self.subject),
            day("since", self.since),
            day("until", self.until),
            self.removed.then(|| "removed".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
    }

    fn condition(&self, words: &[String]) -> Condition {
        let text = |word: &String| match self.fields_only {
            true => in_fields(word),
            false => Condition::Text(Scope::Everything, Needle::new(word)),
        };
        let mut all: Vec<Condition> = words.iter().map(text).collect();
        if !self.from.is_empty() {
            all.push(Condition::Summary(SummaryTest::Addresses(Addresses::From, Needle::new(&self.from))));
        }
        if !self.subject.is_empty() {
            all.push(Condition::Summary(SummaryTest::Value(Value::Subject, Needle::new(&self.subject))));
        }
        if self.since.is_some() || self.until.is_some() {
            let day = |at: Timestamp| at.0.div_euclid(DAY_MILLIS);
            let days = self.since.map_or(i64::MIN, day)..self.until.map_or(i64::MAX, |at| day(at).saturating_add(1));
            all.push(Condition::Summary(SummaryTest::Sent(days)));
        }
        Condition::and(all)
    }
}

/// A word where somebody may look who is not to see texts.
fn in_fields(word: &str) -> Condition {
    let addresses = |of| Condition::Summary(SummaryTest::Addresses(of, Needle::new(word)));
    let value = |of| Condition::Summary(SummaryTest::Value(of, Needle::new(word)));
    Condition::or(vec![
        value(Value::Subject),
        addresses(Addresses::From),
        addresses(Addresses::To),
        addresses(Addresses::Cc),
        value(Value::MessageId),
    ])
}

/// Words, and what is in quotes.
#[must_use]
pub fn words_of(text: &str) -> Vec<String> {
    let parts = text.split('"').enumerate().flat_map(|(n, part)| {
        let is_quoted = n % 2 == 1;
        let words: Vec<&str> = if is_quoted { vec![part.trim()] } else { part.split_whitespace().collect() };
        words
    });
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn email(id: &str) -> Result<EmailId, Error> {
    id.parse().map_err(|_| {
        Error::refused(tr!("nothing is known of a message “{id}”; `pillarbox find` shows their names", id = id))
    })
}

fn emails(search: &Search) -> impl Iterator<Item = EmailId> {
    let numbers = search.found().numbers.ranges().iter().flat_map(|range| range.clone());
    numbers.filter_map(|number| search.index().get(number as usize - 1)).map(|entry| entry.email)
}

/// What each POP device did last with the message.
fn on_pop_devices(events: &[MessageEvent], names: &Names<'_>) -> Vec<String> {
    let mut last: BTreeMap<DeviceId, &MessageEvent> = BTreeMap::new();
    for event in events {
        match event.what {
            MessageChange::PopTaken | MessageChange::PopDeleted => drop(last.insert(event.device, event)),
            MessageChange::PopRelisted(device) => drop(last.insert(device, event)),
            _ => {}
        }
    }
    last.into_iter().map(|(device, event)| words::on_pop_device(&names.device(device), event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_apart_and_quotes_keep_them_together() {
        for (text, words) in [
            ("", vec![]),
            ("  invoice  May ", vec!["invoice", "May"]),
            ("\"two words\" three", vec!["two words", "three"]),
            ("<a@example.org>", vec!["<a@example.org>"]),
            ("open \"quote", vec!["open", "quote"]),
            ("\"\" \" \"", vec![]),
        ] {
            assert_eq!(words_of(text), words, "{text:?}");
        }
    }
}
