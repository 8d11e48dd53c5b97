//! Mail for outside addresses: listed, shown, tried again, held, released, removed.

use console::shown;
use queue::{Damaged, Entry, LastReply, QueueId, Recipient, RecipientState};
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// Messages that are read from the queue at once.
const PAGE: usize = 200;
/// Of more messages that cannot be read the operator need not know one by one.
const DAMAGED_SHOWN_MAX: usize = 1000;

/// What can be asked about the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueRequest {
    /// All messages: [`Item::Queue`] each, those that were set aside because they are damaged last.
    List,
    /// One message: [`Item::Queue`].
    Show {
        /// Its number.
        id: u64,
    },
    /// Has it tried now. Answered with [`Item::Queue`].
    Retry {
        /// Its number.
        id: u64,
    },
    /// Keeps it from being tried. Answered with [`Item::Queue`].
    Hold {
        /// Its number.
        id: u64,
    },
    /// Ends a hold; it is tried now. Answered with [`Item::Queue`].
    Release {
        /// Its number.
        id: u64,
    },
    /// Throws it away; nobody is told. No items.
    Remove {
        /// Its number.
        id: u64,
    },
}

/// A message for outside addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueItem {
    /// Its number.
    pub id: u64,
    /// Who gets it back if it cannot be delivered; empty for nobody.
    pub from: String,
    /// Who it is for.
    pub recipients: Vec<QueueRecipient>,
    /// Its length in octets.
    pub bytes: u64,
    /// When it came; of one that is damaged, when that was found out.
    pub enqueued_at: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; `None` while it is held.
    pub next_at: Option<String>,
    /// When it is given up.
    pub expires_at: String,
    /// Whether an operator holds it back.
    pub held: bool,
    /// Why it cannot be read, if it was set aside for that; then little else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// A recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecipient {
    /// The address.
    pub address: String,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    /// The last answer for this recipient.
    pub answer: Option<String>,
}

impl QueueRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        let queue = &admin.stores.queue;
        let (id, done) = match self {
            Self::List => return list(admin, item),
            Self::Show { id } => (id, Ok(())),
            Self::Retry { id } => (id, queue.retry(QueueId(id), admin.now())),
            Self::Hold { id } => (id, queue.hold(QueueId(id))),
            Self::Release { id } => (id, queue.release(QueueId(id), admin.now())),
            Self::Remove { id } => return queue.remove(QueueId(id)).map_err(|error| failure(id, error)),
        };
        let entry = done.and_then(|()| queue.show(QueueId(id))).map_err(|error| failure(id, error))?;
        Ok(item(Item::Queue(admin.queued(&entry)))?)
    }
}

fn list(admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = admin.stores.queue.list(after, PAGE).map_err(|error| failure(0, error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for entry in &page {
            item(Item::Queue(admin.queued(entry)))?;
        }
    }
    for damaged in admin.stores.queue.damaged(DAMAGED_SHOWN_MAX).map_err(|error| failure(0, error))? {
        item(Item::Queue(set_aside(&damaged)))?;
    }
    Ok(())
}

/// Of what cannot be read little more is known than that.
fn set_aside(damaged: &Damaged) -> QueueItem {
    QueueItem {
        id: damaged.id.0,
        from: String::new(),
        recipients: Vec::new(),
        bytes: 0,
        enqueued_at: damaged.at.map(shown).unwrap_or_default(),
        attempts: 0,
        next_at: None,
        expires_at: String::new(),
        held: false,
        damaged: Some(damaged.why.clone()),
    }
}

impl Admin {
    fn queued(&self, entry: &Entry) -> QueueItem {
        QueueItem {
            id: entry.id.0,
            from: entry.reverse_path.clone(),
            recipients: entry.recipients.iter().map(recipient).collect(),
            bytes: entry.size_bytes,
            enqueued_at: shown(entry.enqueued_at),
            attempts: entry.attempts,
            next_at: (!entry.held).then(|| shown(entry.next_at)),
            expires_at: shown(self.stores.queue.expires_at(entry)),
            held: entry.held,
            damaged: None,
        }
    }
}

fn recipient(recipient: &Recipient) -> QueueRecipient {
    let (state, reply) = match &recipient.state {
        RecipientState::Waiting { last } => ("waiting", last.as_ref()),
        RecipientState::Delivered { reply } => ("delivered", Some(reply)),
        RecipientState::Failed { reply, .. } => ("failed", Some(reply)),
    };
    let answer = |reply: &LastReply| format!("{} {}", reply.code, reply.text);
    QueueRecipient { address: recipient.address.clone(), state: state.to_owned(), answer: reply.map(answer) }
}

fn failure(id: u64, error: queue::Error) -> Failure {
    match error {
        queue::Error::NoSuchEntry => {
            Failure::refused(format!("there is no message {id} in the queue; `pillarbox queue list` shows all"))
        }
        queue::Error::Held => {
            Failure::refused(format!("message {id} is held; `pillarbox queue release {id}` has it tried"))
        }
        queue::Error::Full(text) | queue::Error::Share(text) | queue::Error::Rate(text) => Failure::Refused(text),
        queue::Error::Damaged(what) => Failure::refused(format!(
            "message {id} is damaged ({what}); restore it from a backup, or `pillarbox queue remove {id}` throws it away"
        )),
        queue::Error::Store(error) => error.into(),
    }
}
