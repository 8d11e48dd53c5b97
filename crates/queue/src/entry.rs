//! A message in the queue and what became of its recipients, as it is kept and as it is shown.

use crate::Error;
use serde::{Deserialize, Serialize};
use smtp_proto::{ForwardPath, Mailbox, Reply, ReversePath};
use std::fmt;
use std::str::FromStr;
use store::objects::Shared;
use store::{AccountId, Claim, Handover, Timestamp};

/// The version that is written before each entry.
const VERSION: u8 = 1;
/// So much of a reply is kept.
const REPLY_TEXT_CHARS_MAX: usize = 400;

/// The number of a message in the queue. Counts up, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for QueueId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A message for outside addresses.
#[derive(Clone)]
pub struct NewEntry {
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// Who gets it; one at least.
    pub recipients: Vec<ForwardPath>,
    /// Header and body, trace header included, with CRLF line ends.
    pub content: Shared,
    /// Whether it was submitted with SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// Whose it is; `None` for what the server itself writes.
    pub account: Option<AccountId>,
    /// What it is known by if its client hands it over again; `None` for what the server itself writes.
    pub handover: Option<Handover>,
}

/// A message that the queue has taken responsibility for.
#[derive(Debug)]
pub struct Enqueued {
    /// Its number. It may be gone from the queue already, if it came before.
    pub id: QueueId,
    /// To be answered.
    pub claim: Option<Claim>,
}

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: QueueId,
    /// Where bounces go, without angle brackets; empty for nobody.
    pub reverse_path: String,
    /// In the order of submission.
    pub recipients: Vec<Recipient>,
    /// The length of the message, octets.
    pub size_bytes: u64,
    /// Whether it needs SMTPUTF8.
    pub smtputf8: bool,
    /// When it came.
    #[serde(with = "timestamp")]
    pub enqueued_at: Timestamp,
    /// How often its delivery was tried.
    pub attempts: u32,
    /// When it is tried next, unless it is held.
    #[serde(with = "timestamp")]
    pub next_at: Timestamp,
    /// An operator holds it back.
    pub held: bool,
    /// The number of the account that sends it; `None` for what the server itself writes, or an earlier version queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<u32>,
}

/// A recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Without angle brackets.
    pub address: String,
    /// What became of it.
    pub state: RecipientState,
    /// How often its destination was tried for it; 0 in what an earlier version queued.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When it is tried next, milliseconds since 1970-01-01T00:00:00Z; `None`: with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<i64>,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum RecipientState {
    /// Still to be delivered.
    Waiting {
        /// The last attempt's reply.
        last: Option<LastReply>,
    },
    /// Another server took it.
    Delivered {
        /// Its reply.
        reply: LastReply,
    },
    /// Never to be delivered.
    Failed {
        /// The final reply.
        reply: LastReply,
        /// Whether the sender has the bounce (or there is nobody to tell).
        reported: bool,
    },
}

/// A reply, of another server or in its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReply {
    /// When.
    #[serde(with = "timestamp")]
    pub at: Timestamp,
    /// Three digits.
    pub code: u16,
    /// RFC 3463: `5.1.1`; of the code's class where the server gave none.
    pub status: String,
    /// What was said, on one line.
    pub text: String,
    /// Whether another server said it; else it is this server's account of what happened. (It was always a smarthost once.)
    pub by_smarthost: bool,
    /// Which host said it, or could not be reached; `None`: the smarthost, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl LastReply {
    pub(crate) fn new(reply: &Reply, by_smarthost: bool, at: Timestamp) -> Self {
        let status = match reply.enhanced {
            Some(enhanced) => enhanced.to_string(),
            None => format!("{}.0.0", (reply.code / 100).clamp(2, 5)),
        };
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let text = reply.text().chars().take(REPLY_TEXT_CHARS_MAX).map(printable).collect();
        Self { at, code: reply.code, status, text, by_smarthost, host: None }
    }
}

impl Entry {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, self)
            .map_err(|error| Error::damaged(format_args!("{}: {error}", self.id)))?;
        Ok(bytes)
    }

    pub(crate) fn decode(id: QueueId, bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((&VERSION, json)) => {
                serde_json::from_slice(json).map_err(|error| Error::damaged(format_args!("entry {id}: {error}")))
            }
            _ => Err(Error::damaged(format_args!("entry {id} has an unknown form"))),
        }
    }

    /// Recipients that are still to be delivered, with their places.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (usize, &Recipient)> {
        self.recipients.iter().enumerate().filter(|(_, recipient)| recipient.is_waiting())
    }

    /// Recipients that failed and whose sender does not know it.
    pub(crate) fn unreported(&self) -> impl Iterator<Item = (&str, &LastReply)> {
        self.recipients.iter().filter_map(|recipient| match &recipient.state {
            RecipientState::Failed { reply, reported: false } => Some((recipient.address.as_str(), reply)),
            RecipientState::Failed { .. } | RecipientState::Waiting { .. } | RecipientState::Delivered { .. } => None,
        })
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting().next().is_none() && self.unreported().next().is_none()
    }

    pub(crate) fn reverse(&self) -> Result<ReversePath, Error> {
        if self.reverse_path.is_empty() {
            return Ok(ReversePath::Null);
        }
        self.reverse_path
            .parse()
            .map(ReversePath::Mailbox)
            .map_err(|error| Error::damaged(format_args!("entry {}: reverse path: {error:?}", self.id)))
    }
}

impl Recipient {
    pub(crate) fn new(path: &ForwardPath) -> Self {
        let address = match path {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
        };
        Self { address, state: RecipientState::Waiting { last: None }, attempts: 0, next_at: None }
    }

    /// Whether it waits and its time has come.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.is_waiting() && self.next_at.is_none_or(|at| at <= now.0)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, RecipientState::Waiting { .. })
    }

    pub(crate) fn forward(&self) -> Result<ForwardPath, Error> {
        if self.address == "postmaster" {
            return Ok(ForwardPath::Postmaster);
        }
        let mailbox = self.address.parse::<Mailbox>();
        mailbox.map(ForwardPath::Mailbox).map_err(|error| Error::damaged(format_args!("{}: {error:?}", self.address)))
    }
}

// The signature is serde's.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Milliseconds since 1970-01-01T00:00:00Z.
mod timestamp {
    use serde::{Deserialize, Deserializer, Serializer};
    use store::Timestamp;

    // The signature is serde's.
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtp_proto::Enhanced;

    fn entry() -> Entry {
        let at = Timestamp(1_790_000_000_000);
        let reply = LastReply::new(&Reply::new(550, Enhanced(5, 1, 1), "no such\r\nuser"), true, at);
        let recipient =
            |address: &str, state| Recipient { address: address.into(), state, attempts: 0, next_at: Some(5) };
        Entry {
            id: QueueId(7),
            reverse_path: "\"a b\"@example.org".into(),
            recipients: vec![
                recipient("b@y", RecipientState::Waiting { last: None }),
                recipient("c@y", RecipientState::Delivered { reply: reply.clone() }),
                recipient("postmaster", RecipientState::Failed { reply, reported: false }),
            ],
            size_bytes: 3,
            smtputf8: true,
            enqueued_at: at,
            attempts: 2,
            next_at: Timestamp(at.0 + 1),
            held: true,
            account: Some(20),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let entry = entry();
        assert_eq!(Entry::decode(QueueId(7), &entry.encode().unwrap()), Ok(entry.clone()));
        assert_eq!(entry.reverse().unwrap().to_string(), "<\"a b\"@example.org>");
        let paths: Vec<String> = entry.recipients.iter().map(|r| r.forward().unwrap().to_string()).collect();
        assert_eq!(paths, ["<b@y>", "<c@y>", "<postmaster>"]);
        assert_eq!(entry.unreported().next().unwrap().1.text, "no such  user");
    }

    #[test]
    fn damage_is_a_fault_and_no_absence() {
        for bytes in [&b""[..], b"\x02{}", b"\x01{}", b"\x01"] {
            assert!(matches!(Entry::decode(QueueId(7), bytes), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn a_reply_without_enhanced_code_has_a_status() {
        let status = |code| LastReply::new(&Reply::plain(code, "x"), true, Timestamp(0)).status;
        assert_eq!([status(250), status(450), status(554)], ["2.0.0", "4.0.0", "5.0.0"]);
    }
}
