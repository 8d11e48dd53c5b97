//! Mail for outside addresses: listed, shown, tried again, held, released, removed.

use crate::error::Error;
use crate::moment::shown;
use crate::party::{Act, Party};
use crate::scope::Scope;
use directory::Directory;
use queue::{Backlog, Damaged, Entry, LastReply, Queue, QueueId, Recipient, RecipientState, Wish};
use serde::{Deserialize, Serialize};
use store::{AccountId, Timestamp};
use wording::tr;

/// A page of the queue has so many messages at most.
pub const QUEUE_LINES_MAX: usize = 200;
/// So many are looked at for a page of the messages of some accounts.
const QUEUE_LOOKED_AT_MAX: usize = 10_000;
/// Of more messages that cannot be read nobody need know one by one.
const DAMAGED_SHOWN_MAX: usize = 1000;

/// The outbound queue for somebody who administers it.
pub struct QueueConsole {
    queue: Queue,
    now: Timestamp,
}

/// A page of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePage {
    /// In order of their numbers; on the last page behind them those that were set aside because they are damaged.
    pub messages: Vec<QueueLine>,
    /// Where the next page begins, if there is one.
    pub next_after: Option<u64>,
}

/// A message for outside addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLine {
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
    /// Which way it will take while it waits: `mx`, `smarthost` or `refuse`.
    #[serde(default)]
    pub way: Option<String>,
    /// The last answer for this recipient.
    pub answer: Option<String>,
}

/// What waits, by domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDestinations {
    /// Most messages first.
    pub destinations: Vec<QueueDestination>,
}

/// What waits for the recipients of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDestination {
    /// The domain.
    pub domain: String,
    /// How many messages.
    pub messages: u64,
    /// How many of them are held.
    pub held: u64,
    /// Which ways they take, one at least: `mx`, `smarthost`, `refuse`.
    #[serde(default)]
    pub ways: Vec<String>,
    /// When the oldest came.
    pub oldest_at: String,
    /// When the first is tried; `None` while all are held.
    pub next_at: Option<String>,
    /// `held`, `new` (not tried yet), `deferred` (its servers say later) or `unreachable`.
    pub why: String,
    /// The last answer.
    pub answer: Option<String>,
}

/// How many messages something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueChanged {
    /// The domain.
    pub domain: String,
    /// How many messages wait for it.
    pub messages: u64,
}

impl QueueConsole {
    /// For whoever may administer.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn of(party: &Party, queue: Queue, now: Timestamp) -> Result<Self, Error> {
        party.may(&Act::Administer)?;
        Ok(Self::unasked(queue, now))
    }

    /// For whoever was asked already.
    pub(crate) fn unasked(queue: Queue, now: Timestamp) -> Self {
        Self { queue, now }
    }

    /// [`QUEUE_LINES_MAX`] messages from the one after number `after` on.
    ///
    /// # Errors
    /// Faults.
    pub fn page(&self, after: Option<u64>) -> Result<QueuePage, Error> {
        let entries = self.queue.list(after.map(QueueId), QUEUE_LINES_MAX).map_err(|error| told(0, error))?;
        let next_after = entries.last().map(|last| last.id.0).filter(|_| entries.len() == QUEUE_LINES_MAX);
        let mut messages: Vec<QueueLine> = entries.iter().map(|entry| self.line(entry)).collect();
        if next_after.is_none() {
            let damaged = self.queue.damaged(DAMAGED_SHOWN_MAX).map_err(|error| told(0, error))?;
            messages.extend(damaged.iter().map(set_aside));
        }
        Ok(QueuePage { messages, next_after })
    }

    /// What waits, by domain.
    ///
    /// # Errors
    /// Faults.
    pub fn destinations(&self) -> Result<QueueDestinations, Error> {
        let backlogs = self.queue.backlogs().map_err(|error| told(0, error))?;
        Ok(QueueDestinations { destinations: backlogs.iter().map(destination).collect() })
    }

    /// Has all messages for a domain tried now, but for those that are held.
    ///
    /// # Errors
    /// Nothing waits for it; faults.
    pub fn retry_all(&self, domain: &str) -> Result<QueueChanged, Error> {
        self.change_all(domain, Wish::Retry)
    }

    /// Keeps all messages for a domain from being tried, also for their other recipients.
    ///
    /// # Errors
    /// As [`Self::retry_all`].
    pub fn hold_all(&self, domain: &str) -> Result<QueueChanged, Error> {
        self.change_all(domain, Wish::Hold)
    }

    /// Ends that; they are tried now.
    ///
    /// # Errors
    /// As [`Self::retry_all`].
    pub fn release_all(&self, domain: &str) -> Result<QueueChanged, Error> {
        self.change_all(domain, Wish::Release)
    }

    fn change_all(&self, domain: &str, wish: Wish) -> Result<QueueChanged, Error> {
        match self.queue.change_all(domain, wish, self.now).map_err(|error| told(0, error))? {
            0 => Err(Error::Unknown(tr!(
                "nothing waits for “{domain}”; `pillarbox queue destinations` shows what waits for whom",
                domain = domain
            ))),
            messages => Ok(QueueChanged { domain: domain.to_lowercase(), messages }),
        }
    }

    /// One message.
    ///
    /// # Errors
    /// There is none of that number, or it is damaged; faults.
    pub fn show(&self, id: u64) -> Result<QueueLine, Error> {
        self.after(id, Ok(()))
    }

    /// Has a message tried now.
    ///
    /// # Errors
    /// As [`Self::show`]; it is held.
    pub fn retry(&self, id: u64) -> Result<QueueLine, Error> {
        self.after(id, self.queue.retry(QueueId(id), self.now))
    }

    /// Keeps a message from being tried.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub fn hold(&self, id: u64) -> Result<QueueLine, Error> {
        self.after(id, self.queue.hold(QueueId(id)))
    }

    /// Ends a hold; the message is tried now.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub fn release(&self, id: u64) -> Result<QueueLine, Error> {
        self.after(id, self.queue.release(QueueId(id), self.now))
    }

    /// Throws a message away; nobody is told.
    ///
    /// # Errors
    /// There is none of that number; faults.
    pub fn remove(&self, id: u64) -> Result<(), Error> {
        self.queue.remove(QueueId(id)).map_err(|error| told(id, error))
    }

    fn after(&self, id: u64, done: Result<(), queue::Error>) -> Result<QueueLine, Error> {
        let entry = done.and_then(|()| self.queue.show(QueueId(id))).map_err(|error| told(id, error))?;
        Ok(self.line(&entry))
    }

    fn line(&self, entry: &Entry) -> QueueLine {
        QueueLine {
            id: entry.id.0,
            from: entry.reverse_path.clone(),
            recipients: entry.recipients.iter().map(|recipient| self.recipient(entry, recipient)).collect(),
            bytes: entry.size_bytes,
            enqueued_at: shown(entry.enqueued_at),
            attempts: entry.attempts,
            next_at: (!entry.held).then(|| shown(entry.next_at)),
            expires_at: shown(self.queue.expires_at(entry)),
            held: entry.held,
            damaged: None,
        }
    }

    fn recipient(&self, entry: &Entry, recipient: &Recipient) -> QueueRecipient {
        let (state, reply) = match &recipient.state {
            RecipientState::Waiting { last } => ("waiting", last.as_ref()),
            RecipientState::Delivered { reply, .. } => ("delivered", Some(reply)),
            RecipientState::Failed { reply, .. } => ("failed", Some(reply)),
        };
        let way = self.queue.way(entry, recipient).ok().filter(|_| state == "waiting");
        QueueRecipient {
            address: recipient.address.clone(),
            state: state.to_owned(),
            way: way.map(|way| way.name().to_owned()),
            answer: reply.map(|reply: &LastReply| format!("{} {}", reply.code, reply.text)),
        }
    }
}

/// The queue to be looked at by whoever administers an account, and only as far as its accounts sent what is in it.
pub struct QueueView {
    queue: QueueConsole,
    scope: Scope,
    directory: Directory,
}

impl QueueView {
    pub(crate) fn new(queue: QueueConsole, scope: Scope, directory: Directory) -> Self {
        Self { queue, scope, directory }
    }

    /// As [`QueueConsole::page`]; of a page of theirs so many messages are looked at that it may have less than are to come.
    ///
    /// # Errors
    /// Faults.
    pub fn page(&self, after: Option<u64>) -> Result<QueuePage, Error> {
        if self.scope == Scope::Server {
            return self.queue.page(after);
        }
        let (mut messages, mut from, mut looked_at) = (Vec::new(), after, 0);
        while messages.len() < QUEUE_LINES_MAX && looked_at < QUEUE_LOOKED_AT_MAX {
            let entries = self.queue.queue.list(from.map(QueueId), QUEUE_LINES_MAX).map_err(|error| told(0, error))?;
            looked_at += entries.len();
            for entry in &entries {
                if messages.len() < QUEUE_LINES_MAX && self.is_theirs(entry)? {
                    messages.push(self.queue.line(entry));
                }
                if messages.len() < QUEUE_LINES_MAX {
                    from = Some(entry.id.0);
                }
            }
            if entries.len() < QUEUE_LINES_MAX {
                let is_full = messages.len() == QUEUE_LINES_MAX;
                let next_after = messages.last().map(|last| last.id).filter(|_| is_full);
                return Ok(QueuePage { messages, next_after });
            }
        }
        let next_after = match messages.len() {
            QUEUE_LINES_MAX => messages.last().map(|last| last.id),
            _ => from,
        };
        Ok(QueuePage { messages, next_after })
    }

    /// As [`QueueConsole::show`]; a message of others is told as one that is not there.
    ///
    /// # Errors
    /// The same.
    pub fn show(&self, id: u64) -> Result<QueueLine, Error> {
        if self.scope == Scope::Server {
            return self.queue.show(id);
        }
        let missing = || told(id, queue::Error::NoSuchEntry);
        match self.queue.queue.show(QueueId(id)) {
            Ok(entry) if self.is_theirs(&entry)? => Ok(self.queue.line(&entry)),
            Ok(_) | Err(queue::Error::NoSuchEntry | queue::Error::Damaged(_)) => Err(missing()),
            Err(error) => Err(told(id, error)),
        }
    }

    fn is_theirs(&self, entry: &Entry) -> Result<bool, Error> {
        let Some(account) = entry.account else { return Ok(false) };
        let info = self.directory.account_by_id(AccountId(account))?;
        Ok(info.is_some_and(|info| self.scope.has_address(&info.address)))
    }
}

/// Of what cannot be read little more is known than that.
fn set_aside(damaged: &Damaged) -> QueueLine {
    QueueLine {
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

fn destination(backlog: &Backlog) -> QueueDestination {
    let why = match &backlog.last {
        _ if backlog.held == backlog.messages => "held",
        None => "new",
        Some(last) if last.by_smarthost => "deferred",
        Some(_) => "unreachable",
    };
    QueueDestination {
        domain: backlog.domain.clone(),
        messages: backlog.messages,
        held: backlog.held,
        ways: backlog.ways.iter().map(|way| way.name().to_owned()).collect(),
        oldest_at: shown(backlog.oldest_at),
        next_at: backlog.next_at.map(shown),
        why: why.to_owned(),
        answer: backlog.last.as_ref().map(|last| format!("{} {}", last.code, last.text)),
    }
}

fn told(id: u64, error: queue::Error) -> Error {
    match error {
        queue::Error::NoSuchEntry => {
            Error::Unknown(tr!("there is no message {id} in the queue; `pillarbox queue list` shows all", id = id))
        }
        queue::Error::Held => {
            Error::refused(tr!("message {id} is held; `pillarbox queue release {id}` has it tried", id = id))
        }
        queue::Error::Underway => Error::refused(tr!("message {id} is being sent just now", id = id)),
        queue::Error::Full(text)
        | queue::Error::Share(text)
        | queue::Error::Rate(text)
        | queue::Error::Scheduled(text) => Error::Refused(text),
        queue::Error::Damaged(what) => Error::refused(tr!(
            "message {id} is damaged ({what}); restore it from a backup, or `pillarbox queue remove {id}` throws it away",
            id = id,
            what = what
        )),
        error @ queue::Error::Superseded => Error::refused(error.to_string()),
        queue::Error::Store(error) => error.into(),
    }
}
