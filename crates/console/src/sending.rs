//! What an account sends and what of it waits, because it is far more than ever: its owner, or an administrator, lets it go or
//! throws it away.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::Names;
use crate::words;
use queue::{Entry, Queue};
use serde::{Deserialize, Serialize};
use wording::{tr, trn};

/// So many of the messages that wait are shown.
const SHOWN_MAX: usize = 10;

/// What of an account waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingCard {
    /// Messages that wait.
    pub waiting: u64,
    /// The oldest of them.
    pub messages: Vec<WaitingLine>,
    /// The names of the devices of which alone it is; the others go on.
    #[serde(default)]
    pub devices: Vec<String>,
    /// The same in words.
    pub text: String,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingLine {
    /// Its number in the queue.
    pub id: u64,
    /// When it came.
    pub at: String,
    /// To how many it goes.
    pub recipients: usize,
    /// One of them.
    pub to: String,
}

/// What becomes of what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendingAnswer {
    /// It goes, and as much is usual from now on.
    LetGo,
    /// It is thrown away.
    ThrowAway,
}

impl AccountConsole {
    /// What of the account waits.
    ///
    /// # Errors
    /// Faults.
    pub fn sending(&self, queue: &Queue) -> Result<SendingCard, Error> {
        self.card(queue, None)
    }

    /// Lets go what waits, or throws it away.
    ///
    /// # Errors
    /// Faults.
    pub fn answer_sending(&self, queue: &Queue, answer: SendingAnswer) -> Result<SendingCard, Error> {
        let account = self.account.id();
        let done = match answer {
            SendingAnswer::LetGo => queue
                .let_go(account, self.actor.now)
                .map(|count| trn!(count, "{n} message goes now.", "{n} messages go now.")),
            SendingAnswer::ThrowAway => queue
                .throw_away(account)
                .map(|count| trn!(count, "{n} message was thrown away.", "{n} messages were thrown away.")),
        };
        self.card(queue, Some(done.map_err(told)?))
    }

    fn card(&self, queue: &Queue, done: Option<String>) -> Result<SendingCard, Error> {
        let (waiting, first) = queue.waiting(self.account.id(), SHOWN_MAX).map_err(told)?;
        let names = Names::of(&self.account)?;
        let devices: Vec<String> = waiting.devices.iter().map(|device| names.device(*device)).collect();
        let text = done.unwrap_or_else(|| match waiting.messages {
            0 => tr!("Nothing waits.").to_owned(),
            count => {
                let waits = trn!(
                    count,
                    "{n} message waits, and nothing of it has left.",
                    "{n} messages wait, and nothing of them has left."
                );
                words::sentences(&[&waits, &of_devices(&devices)])
            }
        });
        Ok(SendingCard { waiting: waiting.messages, messages: first.iter().map(line).collect(), devices, text })
    }
}

fn of_devices(devices: &[String]) -> String {
    match devices {
        [] => String::new(),
        devices => {
            let names: Vec<String> = devices.iter().map(|name| tr!("“{name}”", name = name)).collect();
            tr!("It was sent by {devices}; other devices go on sending.", devices = names.join(", "))
        }
    }
}

fn line(entry: &Entry) -> WaitingLine {
    let to = entry.recipients.first().map(|recipient| recipient.address.clone()).unwrap_or_default();
    WaitingLine { id: entry.id.0, at: shown(entry.enqueued_at), recipients: entry.recipients.len(), to }
}

fn told(error: queue::Error) -> Error {
    match error {
        queue::Error::Store(error) => error.into(),
        error => Error::refused(error.to_string()),
    }
}
