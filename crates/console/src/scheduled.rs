//! What an account has submitted for a time to come: its owner sees it, sends it now, or cancels it.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use message::{encoded_word, header};
use queue::{Entry, LastReply, Queue, QueueId};
use serde::{Deserialize, Serialize};
use store::Timestamp;
use wording::{tr, trn};

/// What waits for its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledCard {
    /// What goes first comes first.
    pub messages: Vec<ScheduledLine>,
    /// The same in words, or what was done.
    pub text: String,
}

/// A message that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledLine {
    /// Its number in the queue.
    pub id: u64,
    /// When it goes; `None` while an operator holds it back.
    pub goes_at: Option<String>,
    /// When it was submitted.
    pub submitted_at: String,
    /// What it is about.
    pub subject: String,
    /// Whom it is for.
    pub to: Vec<String>,
    /// Its length in octets.
    pub bytes: u64,
    /// Why it did not go at its time.
    pub answer: Option<String>,
}

impl AccountConsole {
    /// What waits for its time.
    ///
    /// # Errors
    /// Faults.
    pub fn scheduled(&self, queue: &Queue) -> Result<ScheduledCard, Error> {
        self.scheduled_after(queue, None)
    }

    /// Has a message go now.
    ///
    /// # Errors
    /// There is none of that number (any more), an operator holds it; faults.
    pub fn send_now(&self, queue: &Queue, id: u64) -> Result<ScheduledCard, Error> {
        queue.send_now(self.account.id(), QueueId(id), self.actor.now).map_err(|error| told(id, error))?;
        self.scheduled_after(queue, Some(tr!("It goes now.")))
    }

    /// Throws a message away that has not begun to go.
    ///
    /// # Errors
    /// As [`Self::send_now`].
    pub fn cancel(&self, queue: &Queue, id: u64) -> Result<ScheduledCard, Error> {
        let was_tried = queue.cancel(self.account.id(), QueueId(id)).map_err(|error| told(id, error))?;
        self.scheduled_after(
            queue,
            Some(match was_tried {
                false => tr!("It was cancelled; nothing of it has left."),
                true => tr!("It was cancelled, and goes to nobody more; it was tried before, and who has it since then keeps it."),
            }),
        )
    }

    fn scheduled_after(&self, queue: &Queue, done: Option<&str>) -> Result<ScheduledCard, Error> {
        let mut entries = queue.scheduled(self.account.id()).map_err(|error| told(0, error))?;
        entries.sort_by_key(|entry| (entry.next_at, entry.id));
        let messages = entries.iter().map(|entry| line(queue, entry)).collect::<Result<Vec<_>, _>>()?;
        let text = match (done, messages.len()) {
            (Some(done), _) => done.to_owned(),
            (None, 0) => tr!("Nothing waits for its time.").to_owned(),
            (None, count) => trn!(count, "{n} message waits for its time.", "{n} messages wait for their time."),
        };
        Ok(ScheduledCard { messages, text })
    }
}

fn line(queue: &Queue, entry: &Entry) -> Result<ScheduledLine, Error> {
    // One that goes just now has gone from the list the next time.
    let begin = match queue.beginning(entry) {
        Ok(begin) => begin,
        Err(queue::Error::NoSuchEntry | queue::Error::Damaged(_)) => Vec::new(),
        Err(error) => return Err(told(entry.id.0, error)),
    };
    let subject = header::find(&begin, "subject").map(|field| encoded_word::decode(&field.unfolded()));
    let subject = subject.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let answer = entry.waiting().find_map(|(_, recipient)| recipient.last_reply());
    let answer = answer.map(|LastReply { code, text, .. }| format!("{code} {text}"));
    let arrived_at: Timestamp = entry.arrived_at();
    Ok(ScheduledLine {
        id: entry.id.0,
        goes_at: (!entry.held).then(|| shown(entry.next_at)),
        submitted_at: shown(arrived_at),
        subject,
        to: entry.waiting().map(|(_, recipient)| recipient.address.clone()).collect(),
        bytes: entry.size_bytes,
        answer,
    })
}

fn told(id: u64, error: queue::Error) -> Error {
    match error {
        queue::Error::NoSuchEntry => Error::refused(tr!(
            "Message {id} does not wait for its time (any more): it has gone, or was cancelled.",
            id = id
        )),
        queue::Error::Underway => {
            Error::refused(tr!("Message {id} is being sent just now; some may have it.", id = id))
        }
        queue::Error::Held => Error::refused(tr!("Message {id} is held back by whoever runs this server.", id = id)),
        queue::Error::Store(error) => error.into(),
        error => Error::refused(error.to_string()),
    }
}
