//! Help with a mail that was lost: its owner asks for it, for a time, and an administrator finds the mail.
//!
//! Invariant: without the owner's leave an administrator sees nothing of an account's mail, and without more leave no text of it:
//! nor is a text looked into, for whether words are found in it tells what it says.
//! Invariant: what an administrator does there is written down before it is done ([`Looks`]).

use crate::account::AccountConsole;
use crate::as_sent::Pictures;
use crate::domain_administration::DomainAdministration;
use crate::error::Error;
use crate::find::{FindAsk, FoundPage};
use crate::moment::shown;
use crate::read::MessageText;
use crate::timeline::StoryLine;
use crate::undo::UndoAnswer;
use crate::words;
use auth::Auth;
use directory::{AccountInfo, Help};
use message::html::Cleaned;
use reports::{Look, Looking, Looks};
use serde::{Deserialize, Serialize};
use store::{AccountId, EmailId, Timestamp};
use wording::tr;

const HOUR_MILLIS: i64 = 3600 * 1000;

/// For how long help is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpFor {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
}

/// Whether help is asked for, and who has looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpCard {
    /// Whether an administrator may look for mail of the account.
    pub open: bool,
    /// Until then.
    pub until: Option<String>,
    /// Whether they may see texts of messages.
    pub texts: bool,
    /// Who has looked, newest first.
    pub looks: Vec<LookLine>,
}

/// What an administrator did within some minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookLine {
    /// When it began.
    pub at: String,
    /// When they did something the last time.
    pub last_at: String,
    /// Who.
    pub who: String,
    /// How often they searched.
    pub searches: u64,
    /// The first things that they looked for.
    pub questions: Vec<String>,
    /// How often they opened a message.
    pub opened: u64,
    /// How often they saw the text of one.
    pub read: u64,
    /// How often they brought one back.
    pub brought_back: u64,
    /// The same in words.
    pub text: String,
}

/// Mail that was found for somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpedPage {
    /// Until when it may be looked for.
    pub until: String,
    /// Whether texts may be seen, and were looked into.
    pub texts: bool,
    /// What was found.
    #[serde(flatten)]
    pub page: FoundPage,
}

/// A message of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpedMessage {
    /// Who wrote it to whom, when, about what; its texts and the names of its files only where they may be seen.
    #[serde(flatten)]
    pub read: MessageText,
    /// Whether they may.
    pub texts_shown: bool,
    /// Where it is now, in words; `None`: it is not kept any more.
    pub now: Option<String>,
    /// What happened to it, oldest first.
    pub lines: Vec<StoryLine>,
    /// What bringing it back would do; `None`: it is where everybody sees it.
    pub comes_back: Option<String>,
}

/// Mail of an account whose owner has asked for help, for whoever helps.
pub struct HelpDesk {
    console: AccountConsole,
    looks: Looks,
    account: AccountId,
    who: String,
    help: Help,
    now: Timestamp,
    /// Whether what was done began another entry of the timeline.
    begins: std::cell::Cell<bool>,
}

impl HelpFor {
    /// `hour`, `day` or `week`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            _ => None,
        }
    }

    fn millis(self) -> i64 {
        match self {
            Self::Hour => HOUR_MILLIS,
            Self::Day => 24 * HOUR_MILLIS,
            Self::Week => 7 * 24 * HOUR_MILLIS,
        }
    }
}

impl AccountConsole {
    /// Whether help is asked for, and who has looked. `auth`: of the same server.
    ///
    /// # Errors
    /// Faults.
    pub fn help(&self, auth: &Auth) -> Result<HelpCard, Error> {
        let help = auth.directory().help(self.account.id(), self.actor.now)?;
        let looks = Looks::of(auth.store()).list(self.account.id())?;
        Ok(HelpCard {
            open: help.is_some(),
            until: help.map(|help| shown(help.until)),
            texts: help.is_some_and(|help| help.with_texts),
            looks: looks.iter().map(look_line).collect(),
        })
    }

    /// Asks for help from now on, perhaps with a look into texts; `None`: not any more. It ends by itself.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn ask_help(&self, auth: &Auth, wanted: Option<(HelpFor, bool)>) -> Result<HelpCard, Error> {
        let now = self.actor.now;
        let until = |long: HelpFor| Timestamp(now.0.saturating_add(long.millis()));
        let help = wanted.map(|(long, with_texts)| Help { until: until(long), with_texts });
        auth.directory().ask_help(self.account.id(), help, now)?;
        self.help(auth)
    }
}

impl DomainAdministration {
    /// Until when an administrator may look for mail of an account.
    ///
    /// # Errors
    /// Faults.
    pub fn helped_until(&self, info: &AccountInfo) -> Result<Option<String>, Error> {
        let help = self.directory().help(info.id, self.whole.actor.now)?;
        Ok(help.map(|help| shown(help.until)))
    }

    /// Mail of an account that they may change, if its owner has asked for help. `console`: of that account, acting as the server.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the owner's leave; faults.
    pub fn help_desk(&self, info: &AccountInfo, console: AccountConsole, who: &str) -> Result<HelpDesk, Error> {
        self.may_change(info)?;
        let now = self.whole.actor.now;
        let help = self.directory().help(info.id, now)?.ok_or_else(|| {
            Error::Forbidden(tr!(
                "The owner of this account has not asked for help, or not for so long. They do it on their page “My account”; until then nobody else looks for their mail."
            ))
        })?;
        let looks = Looks::of(self.whole.auth.store());
        let begins = std::cell::Cell::new(false);
        Ok(HelpDesk { console, looks, account: info.id, who: who.to_owned(), help, now, begins })
    }
}

impl HelpDesk {
    /// Whether what was done began another entry of the timeline: what belongs to one stands in the audit once.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.begins.get()
    }

    /// What a page has before anything is looked for.
    #[must_use]
    pub fn nothing(&self) -> HelpedPage {
        HelpedPage { until: shown(self.help.until), texts: self.help.with_texts, page: FoundPage::default() }
    }

    /// As [`AccountConsole::find`]; texts are looked into only where they may be seen.
    ///
    /// # Errors
    /// The same; what is done cannot be written down.
    pub fn find(&self, ask: &FindAsk) -> Result<HelpedPage, Error> {
        self.note(&Looking::For(ask.in_words()))?;
        let ask = FindAsk { fields_only: !self.help.with_texts, ..ask.clone() };
        let (page, until) = (self.console.find(&ask)?, shown(self.help.until));
        Ok(HelpedPage { until, texts: self.help.with_texts, page })
    }

    /// A message: who wrote it to whom and about what, where it is and what happened to it; its texts only where they may be seen.
    ///
    /// # Errors
    /// As [`AccountConsole::read`] and [`AccountConsole::story`]; what is done cannot be written down.
    pub fn open(&self, id: &str) -> Result<HelpedMessage, Error> {
        let email = email(id)?;
        self.note(&if self.help.with_texts { Looking::Into(email) } else { Looking::At(email) })?;
        let read = match self.help.with_texts {
            true => self.console.read(id)?,
            false => self.console.letterhead(id)?,
        };
        self.opened(read, email)
    }

    /// The same without its texts: they are looked at as they were sent ([`HelpDesk::as_sent`]).
    ///
    /// # Errors
    /// As [`HelpDesk::open`].
    pub fn look_at(&self, id: &str) -> Result<HelpedMessage, Error> {
        let email = email(id)?;
        self.note(&Looking::At(email))?;
        self.opened(self.console.letterhead(id)?, email)
    }

    fn opened(&self, read: MessageText, email: EmailId) -> Result<HelpedMessage, Error> {
        let (story, comes_back) = (self.console.story(&email.text())?, self.console.comes_back(email)?);
        Ok(HelpedMessage { read, texts_shown: self.help.with_texts, now: story.now, lines: story.lines, comes_back })
    }

    /// The HTML of a message, made safe, where texts may be seen. Pictures in it are attachments, which are not.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where they may not; as [`AccountConsole::as_sent`]; what is done cannot be written down.
    pub fn as_sent(&self, id: &str) -> Result<Cleaned, Error> {
        if !self.help.with_texts {
            return Err(Error::Forbidden(tr!("The owner does not let you read its text.")));
        }
        self.note(&Looking::Into(email(id)?))?;
        self.console.as_sent(id, Pictures::LeftOut)
    }

    /// As [`AccountConsole::bring_back`].
    ///
    /// # Errors
    /// The same; what is done cannot be written down.
    pub fn bring_back(&self, id: &str) -> Result<UndoAnswer, Error> {
        self.note(&Looking::BringBack(email(id)?))?;
        self.console.bring_back(id)
    }

    fn note(&self, looking: &Looking) -> Result<(), Error> {
        let begins = self.looks.note(self.account, &self.who, looking, self.now)?;
        self.begins.set(begins);
        Ok(())
    }
}

fn email(id: &str) -> Result<EmailId, Error> {
    id.parse().map_err(|_| {
        Error::refused(tr!("nothing is known of a message {id}; a search shows their names", id = format!("{id:?}")))
    })
}

fn look_line(look: &Look) -> LookLine {
    LookLine {
        at: shown(look.at()),
        last_at: shown(Timestamp(look.last_millis)),
        who: look.who.clone(),
        searches: look.searches,
        questions: look.questions.iter().map(|question| crate::names::shown(question)).collect(),
        opened: look.opened,
        read: look.read,
        brought_back: look.brought_back,
        text: words::looked(look),
    }
}
