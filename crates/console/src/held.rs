//! What is held because a device removed far more than it ever did, and the owner's answer.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::MessageLine;
use crate::names::Names;
use crate::words;
use serde::{Deserialize, Serialize};
use store::hold::{Answer, Hold, ThenDevice};
use store::{DeviceId, HoldId};
use wording::tr;

/// Messages that a hold names; how many there are in all stands beside them.
const MESSAGES_NAMED_MAX: usize = 5;

/// Removals of a device that are held, or were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldCard {
    /// Its number, to answer it by.
    pub id: u32,
    /// The number of the device.
    pub device_id: u32,
    /// The device's name.
    pub device: String,
    /// Over which protocol it asked.
    pub protocol: String,
    /// When it asked for the first removal.
    pub began_at: String,
    /// When it asked for the last.
    pub last_at: String,
    /// How many messages.
    pub messages: u64,
    /// How many of which mailbox, as long as there is no answer.
    pub mailboxes: Vec<HeldMailbox>,
    /// Some of them.
    pub named: Vec<MessageLine>,
    /// How many are held beside those.
    #[serde(default)]
    pub more: usize,
    /// What happened, in words.
    pub text: String,
    /// What the owner answered, in words.
    pub answer: Option<String>,
    /// When.
    pub answered_at: Option<String>,
}

/// So many messages of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMailbox {
    /// Its name.
    pub mailbox: String,
    /// How many.
    pub messages: usize,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAsk {
    /// The number of the hold.
    pub id: u32,
    /// What becomes of the messages.
    pub answer: HeldAnswer,
    /// What becomes of the device; with `keep` only.
    #[serde(default)]
    pub then: HeldThen,
}

/// What becomes of messages that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldAnswer {
    /// They stay, or go back to where they were.
    Keep,
    /// They are removed.
    Allow,
}

/// What becomes of the device whose removals are not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldThen {
    /// Nothing.
    #[default]
    Stays,
    /// What it deletes over POP stays in the mailbox from now on.
    Keeps,
    /// It may not log in any more.
    IsRevoked,
}

/// What an answer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutcome {
    /// The hold as it is now.
    pub card: HeldCard,
    /// Messages that stayed or went back.
    pub kept: usize,
    /// Messages that were removed.
    pub removed: usize,
    /// The same in words.
    pub text: String,
}

impl AccountConsole {
    /// What is held and waits for an answer, the newest first; `answered`: what has one too, as long as it is known.
    ///
    /// # Errors
    /// Faults.
    pub fn holds(&self, answered: bool) -> Result<Vec<HeldCard>, Error> {
        let names = Names::of(&self.account)?;
        let holds = self.account.holds()?;
        let wanted = holds.iter().filter(|hold| answered || hold.answer.is_none());
        wanted.map(|hold| self.held_card(hold, &names)).collect()
    }

    /// Answers; one commit. The same answer twice does nothing the second time.
    ///
    /// # Errors
    /// What [`store::Account::answer_hold`] refuses; [`Error::Refused`] for a device that is to change though its removals
    /// are allowed.
    pub fn answer_hold(&self, ask: HeldAsk) -> Result<HeldOutcome, Error> {
        let then = match ask.then {
            HeldThen::Stays => ThenDevice::Stays,
            HeldThen::Keeps => ThenDevice::Keeps,
            HeldThen::IsRevoked => ThenDevice::IsRevoked,
        };
        let answer = match (ask.answer, then) {
            (HeldAnswer::Keep, then) => Answer::Keep(then),
            (HeldAnswer::Allow, ThenDevice::Stays) => Answer::Allow,
            (HeldAnswer::Allow, ThenDevice::Keeps | ThenDevice::IsRevoked) => {
                return Err(Error::refused(tr!("a device is restrained only with the answer keep")));
            }
        };
        let report = self.account.answer_hold(self.actor, HoldId(ask.id), answer)?;
        let names = Names::of(&self.account)?;
        let hold = self.account.holds()?.into_iter().find(|hold| hold.id.0 == ask.id);
        // It has left retention between the answer and here.
        let hold = hold.ok_or_else(|| Error::refused(tr!("the hold {id} is not known any more", id = ask.id)))?;
        let card = self.held_card(&hold, &names)?;
        let text = words::held_outcome(report, &card.device, then);
        Ok(HeldOutcome { card, kept: report.kept, removed: report.removed, text })
    }

    /// Switches the brake of a device on or off.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`], [`store::Error::NoSpace`], faults.
    pub fn set_brake(&self, device: DeviceId, on: bool) -> Result<(), Error> {
        Ok(self.account.set_brake(self.actor, device, on)?)
    }

    fn held_card(&self, hold: &Hold, names: &Names<'_>) -> Result<HeldCard, Error> {
        let held = self.account.held(hold.id)?;
        let first = held.iter().flat_map(|held| &held.emails).take(MESSAGES_NAMED_MAX);
        let mailbox =
            |held: &store::HeldIn| HeldMailbox { mailbox: names.mailbox(held.mailbox), messages: held.emails.len() };
        let device = names.device(hold.device);
        Ok(HeldCard {
            id: hold.id.0,
            device_id: hold.device.0,
            protocol: words::protocol(hold.protocol).to_owned(),
            began_at: shown(hold.began_at),
            last_at: shown(hold.last_at),
            messages: hold.messages,
            mailboxes: held.iter().map(mailbox).collect(),
            more: held.iter().map(|held| held.emails.len()).sum::<usize>().saturating_sub(MESSAGES_NAMED_MAX),
            named: first.map(|email| names.message(*email)).collect::<Result<_, Error>>()?,
            text: words::held(hold, &device),
            answer: hold.answer.map(|answer| words::answer(answer.kept).to_owned()),
            answered_at: hold.answer.map(|answer| shown(answer.at)),
            device,
        })
    }
}
