//! A message in the queue and what became of its recipients, as it is kept and as it is shown.

mod deadline;
mod telling;
pub(crate) mod timestamp;

pub use deadline::Deadline;

use crate::Error;
use crate::passed::PassedOn;
use serde::{Deserialize, Serialize};
use smtp_proto::{
    DeliverBy, ForwardPath, Hold, MailReports, Mailbox, Notify, OriginalRecipient, Rcpt, RcptReports, Reply, Return,
    ReversePath,
};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use store::objects::Shared;
use store::{AccountId, Claim, DeviceId, Handover, Timestamp};

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
    /// How this server calls it: in the reply to its client, in its trace field and in the log; `None` for what the server itself writes.
    pub name: Option<String>,
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// Who gets it, and what reports are wanted of that; one at least.
    pub recipients: Vec<Rcpt>,
    /// Header and body, trace header included, with CRLF line ends.
    pub content: Shared,
    /// Whether it was submitted with SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// What reports are to have.
    pub reports: MailReports,
    /// By when it is to be delivered.
    pub deliver_by: Option<DeliverBy>,
    /// How long its sender wanted it held (RFC 4865), and when it came: of what waits for that, and of what was released then.
    pub hold: Option<(Hold, Timestamp)>,
    /// It waits for a time that its sender chose, and is submitted then ([`crate::Releaser`]).
    pub later: Option<Later>,
    /// How it is to be protected on its way.
    pub tls: TlsWish,
    /// Whose it is; `None` for what the server itself writes.
    pub account: Option<AccountId>,
    /// What it is known by if its client hands it over again; `None` for what the server itself writes.
    pub handover: Option<Handover>,
    /// Somebody with the password of `account` sends it: whether it waits for its owner is looked at.
    pub is_submitted: bool,
    /// It may come back to this server, over its own port: a test of it.
    pub may_come_back: bool,
    /// With which password, if that is known.
    pub device: Option<DeviceId>,
    /// It came for accounts here, whose owners are told what becomes of it.
    pub passed_on: Option<PassedOn>,
}

impl NewEntry {
    /// What the server itself writes, without anything special.
    #[must_use]
    pub fn new(reverse_path: ReversePath, recipients: Vec<Rcpt>, content: Shared) -> Self {
        let reports = MailReports::default();
        Self {
            name: None,
            reverse_path,
            recipients,
            content,
            smtputf8: false,
            reports,
            deliver_by: None,
            hold: None,
            later: None,
            tls: TlsWish::Usual,
            account: None,
            handover: None,
            is_submitted: false,
            may_come_back: false,
            device: None,
            passed_on: None,
        }
    }

    /// As it is kept; it has no number yet.
    pub(crate) fn entry(&self, now: Timestamp) -> Entry {
        Entry {
            id: QueueId(0),
            name: self.name.clone(),
            reverse_path: self.reverse_path.mailbox().map(ToString::to_string).unwrap_or_default(),
            recipients: self.recipients.iter().map(Recipient::new).collect(),
            size_bytes: (*self.content).as_ref().len() as u64,
            smtputf8: self.smtputf8,
            eight_bit: Some(!(*self.content).as_ref().is_ascii()),
            enqueued_at: now,
            attempts: 0,
            next_at: self.later.as_ref().map_or(now, |later| later.at.max(now)),
            held: false,
            is_asked: false,
            asked_of: None,
            account: self.account.map(|account| account.0),
            ret: self.reports.ret,
            envelope_id: self.reports.envelope_id.clone(),
            deliver_by: self.deliver_by.map(|by| Deadline::of(by, now)),
            hold: self.hold.map(|(hold, _)| hold),
            came_at: self.hold.map(|(_, at)| at.0),
            later: self.later.clone(),
            tls: self.tls,
            may_come_back: self.may_come_back,
            passed: Vec::new(),
        }
    }
}

/// A message that the queue has taken responsibility for.
#[derive(Debug)]
pub struct Enqueued {
    /// Its number. It may be gone from the queue already, if it came before.
    pub id: QueueId,
    /// To be answered.
    pub claim: Option<Claim>,
    /// It waits for an answer of the account's owner ([`crate::Queue::waiting`]).
    pub waits: bool,
}

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: QueueId,
    /// How this server calls the message; `None` for what the server itself writes, or an earlier version queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where bounces go, without angle brackets; empty for nobody.
    pub reverse_path: String,
    /// In the order of submission.
    pub recipients: Vec<Recipient>,
    /// The length of the message, octets.
    pub size_bytes: u64,
    /// Whether it needs SMTPUTF8.
    pub smtputf8: bool,
    /// Whether it has octets beyond ASCII; `None` in what an earlier version queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eight_bit: Option<bool>,
    /// When it came.
    #[serde(with = "timestamp")]
    pub enqueued_at: Timestamp,
    /// How often its delivery was tried.
    pub attempts: u32,
    /// When it is tried next, unless it is held.
    #[serde(with = "timestamp")]
    pub next_at: Timestamp,
    /// An operator holds it back, or it waits for an answer.
    pub held: bool,
    /// It waits for an answer of the account's owner, because the account never sent as much.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_asked: bool,
    /// Only because this device never sent as much; the others of the account go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_of: Option<u32>,
    /// The number of the account that sends it; `None` for what the server itself writes, or an earlier version queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<u32>,
    /// How much of it comes back with a report (RFC 3461 §4.3).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text")]
    pub ret: Option<Return>,
    /// What its sender calls the envelope (RFC 3461 §4.4): printable ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
    /// By when it is to be delivered (RFC 2852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<Deadline>,
    /// How long its sender wanted it held (RFC 4865).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text")]
    pub hold: Option<Hold>,
    /// When it came that was held, milliseconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_at: Option<i64>,
    /// It waits for a time that its sender chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Later>,
    /// How it is to be protected on its way.
    #[serde(default, skip_serializing_if = "TlsWish::is_usual")]
    pub tls: TlsWish,
    /// This server is no host that is left out on its way (RFC 5321 §5.1): what it tests is its own port.
    #[serde(default, skip_serializing_if = "is_false")]
    pub may_come_back: bool,
    /// Where it is noted that it was passed on: account and number ([`Queue::passed_on`](crate::Queue::passed_on)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<(u32, u64)>,
}

/// A message that waits for a time that its sender chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// When it is released.
    #[serde(with = "timestamp")]
    pub at: Timestamp,
    /// How it came.
    pub way: Way,
    /// With which login, in the form that whoever releases it has chosen; the queue does not look.
    pub login: String,
    /// Its owner, or an operator, has said that it goes now: whoever submitted it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_asked_for: bool,
    /// It is being submitted: some may have it, so it is not cancelled any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_begun: bool,
}

/// How a message came: what its trace field says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What the client called itself.
    pub helo: String,
    /// The client's address.
    pub client: IpAddr,
    /// RFC 3848.
    pub with: String,
    /// The TLS session in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

/// What a sender wants of TLS on the way of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsWish {
    /// What the domain of each recipient asks for.
    #[default]
    Usual,
    /// REQUIRETLS (RFC 8689 §2): a host that proves who it is and promises to pass it on so, or it comes back.
    Required,
    /// `TLS-Required: No` (RFC 8689 §3): rather in the clear than not at all, whatever the domain asks for.
    Waived,
}

impl TlsWish {
    // The signature is serde's.
    fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
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
    /// What its sender wants to be told of (RFC 3461 §4.1); `None`: what this server thinks fit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text")]
    pub notify: Option<Notify>,
    /// Whom its sender wrote to, if a client said so (RFC 3461 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text")]
    pub original: Option<OriginalRecipient>,
    /// Whether the sender knows that it takes long.
    #[serde(default, skip_serializing_if = "Warning::is_none")]
    pub warning: Warning,
    /// The number of the report that its sender is being told it with, where others may come to be told of before that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling: Option<u32>,
}

/// Whether the sender of a message knows that it takes long to deliver it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// It does not take long yet, or the sender does not want to know.
    #[default]
    None,
    /// To be told.
    Due,
    /// Told; once is enough.
    Told,
}

impl Warning {
    // The signature is serde's.
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What the sender of a message is told of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// It could not be delivered.
    Failed,
    /// It takes long.
    Delayed,
    /// Another server has it, which will not report (RFC 3461 §5.2.2).
    Relayed,
}

impl Matter {
    /// As RFC 3464 §2.3.3 calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Relayed => "relayed",
        }
    }
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
        /// The sender wants to know, the other server does not tell, and this one has not yet.
        #[serde(default, skip_serializing_if = "is_false")]
        untold: bool,
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
    /// Whether it was said over TLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tls: bool,
}

impl LastReply {
    pub(crate) fn new(reply: &Reply, by_smarthost: bool, at: Timestamp) -> Self {
        let status = match reply.enhanced {
            Some(enhanced) => enhanced.to_string(),
            None => format!("{}.0.0", (reply.code / 100).clamp(2, 5)),
        };
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let text = reply.text().chars().take(REPLY_TEXT_CHARS_MAX).map(printable).collect();
        Self { at, code: reply.code, status, text, by_smarthost, host: None, tls: false }
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
    pub fn waiting(&self) -> impl Iterator<Item = (usize, &Recipient)> {
        self.recipients.iter().enumerate().filter(|(_, recipient)| recipient.is_waiting())
    }

    /// When it came from its sender.
    #[must_use]
    pub fn arrived_at(&self) -> Timestamp {
        self.came_at.map_or(self.enqueued_at, Timestamp)
    }

    /// Since when it is tried, or will be.
    pub(crate) fn tried_from(&self) -> Timestamp {
        self.later.as_ref().map_or(self.enqueued_at, |later| later.at.max(self.enqueued_at))
    }

    /// Whether its time has come. What was to be tried at once when it came is due, whatever the clock says of the server that took it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.next_at <= now || (self.attempts == 0 && self.later.is_none() && self.next_at == self.enqueued_at)
    }

    /// Something that the sender is to be told.
    pub(crate) fn matter(&self) -> Option<Matter> {
        self.recipients.iter().find_map(Recipient::to_report)
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting().next().is_none() && self.matter().is_none()
    }

    /// What of TLS counts on its way. RFC 8689 §5: a bounce rather goes unprotected than not at all.
    pub(crate) fn tls_on_the_way(&self) -> TlsWish {
        match self.tls {
            TlsWish::Required if self.reverse_path.is_empty() => TlsWish::Usual,
            tls => tls,
        }
    }

    /// Where bounces go.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn reverse(&self) -> Result<ReversePath, Error> {
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
    pub(crate) fn new(rcpt: &Rcpt) -> Self {
        let address = match &rcpt.forward_path {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
        };
        let RcptReports { notify, original } = rcpt.reports.clone();
        let state = RecipientState::Waiting { last: None };
        Self { address, state, attempts: 0, next_at: None, notify, original, warning: Warning::None, telling: None }
    }

    /// The last answer, or how this server puts it.
    #[must_use]
    pub fn last_reply(&self) -> Option<&LastReply> {
        match &self.state {
            RecipientState::Waiting { last } => last.as_ref(),
            RecipientState::Delivered { reply, .. } | RecipientState::Failed { reply, .. } => Some(reply),
        }
    }

    /// What its sender is to be told.
    pub(crate) fn to_report(&self) -> Option<Matter> {
        match &self.state {
            RecipientState::Failed { reported: false, .. } => Some(Matter::Failed),
            RecipientState::Delivered { untold: true, .. } => Some(Matter::Relayed),
            RecipientState::Waiting { .. } if self.warning == Warning::Due => Some(Matter::Delayed),
            RecipientState::Failed { .. } | RecipientState::Delivered { .. } | RecipientState::Waiting { .. } => None,
        }
    }

    /// Its sender knows, or is not to know.
    pub(crate) fn mark_told(&mut self) {
        self.telling = None;
        match &mut self.state {
            RecipientState::Failed { reported, .. } => *reported = true,
            RecipientState::Delivered { untold, .. } => *untold = false,
            RecipientState::Waiting { .. } if self.warning == Warning::Due => self.warning = Warning::Told,
            RecipientState::Waiting { .. } => {}
        }
    }

    /// Whether its sender wants to know. RFC 3461 §4.1: of what, where nothing was said, is for this server to choose.
    pub(crate) fn wants(&self, matter: Matter) -> bool {
        let notify = self.notify.unwrap_or(Notify { success: false, failure: true, delay: true });
        match matter {
            Matter::Failed => notify.failure,
            Matter::Delayed => notify.delay,
            Matter::Relayed => notify.success,
        }
    }

    /// Whether it waits and its time has come.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.is_waiting() && self.next_at.is_none_or(|at| at <= now.0)
    }

    /// Whether it is still to be delivered.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, RecipientState::Waiting { .. })
    }

    pub(crate) fn forward(&self) -> Result<ForwardPath, Error> {
        if self.address == "postmaster" {
            return Ok(ForwardPath::Postmaster);
        }
        let mailbox = self.address.parse::<Mailbox>();
        mailbox.map(ForwardPath::Mailbox).map_err(|error| Error::damaged(format_args!("{}: {error:?}", self.address)))
    }

    /// NOTIFY=NEVER.
    pub(crate) fn wants_nothing(&self) -> bool {
        self.notify == Some(Notify::default())
    }

    /// With what the next server is asked for.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn rcpt(&self) -> Result<Rcpt, Error> {
        let reports = RcptReports { notify: self.notify, original: self.original.clone() };
        Ok(Rcpt { forward_path: self.forward()?, reports })
    }
}

// The signature is serde's.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

// The signature is serde's.
fn is_false(truth: &bool) -> bool {
    !truth
}

/// As a parameter of SMTP has it.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Display;
    use std::str::FromStr;

    // The signature is serde's.
    pub(super) fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&value.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use smtp_proto::Enhanced;

    pub(crate) fn later_at(at: Timestamp) -> Later {
        let client = IpAddr::from([192, 0, 2, 1]);
        let way = Way { helo: "pc".into(), client, with: "ESMTPSA".into(), tls: None };
        Later { at, way, login: "7".into(), is_asked_for: false, has_begun: false }
    }

    fn entry() -> Entry {
        let at = Timestamp(1_790_000_000_000);
        let reply = LastReply::new(&Reply::new(550, Enhanced(5, 1, 1), "no such\r\nuser"), true, at);
        let rcpt = |address: &str| Recipient {
            address: address.into(),
            notify: "SUCCESS,DELAY".parse().ok(),
            original: "rfc822;a+2Bb@y".parse().ok(),
            ..Recipient::new(&ForwardPath::Postmaster.into())
        };
        let recipient = |address: &str, state| Recipient { state, next_at: Some(5), ..rcpt(address) };
        Entry {
            name: None,
            id: QueueId(7),
            reverse_path: "\"a b\"@example.org".into(),
            recipients: vec![
                recipient("b@y", RecipientState::Waiting { last: None }),
                recipient("c@y", RecipientState::Delivered { reply: reply.clone(), untold: true }),
                recipient("postmaster", RecipientState::Failed { reply, reported: false }),
            ],
            size_bytes: 3,
            smtputf8: true,
            eight_bit: Some(true),
            enqueued_at: at,
            attempts: 2,
            next_at: Timestamp(at.0 + 1),
            held: true,
            is_asked: true,
            asked_of: Some(3),
            account: Some(20),
            ret: Some(Return::Full),
            envelope_id: Some("QQ 3".into()),
            deliver_by: Some(Deadline { at, returns: true, trace: false }),
            hold: Some(Hold::For(60)),
            came_at: Some(5),
            later: Some(Later { is_asked_for: true, has_begun: true, ..later_at(at) }),
            tls: TlsWish::Required,
            may_come_back: true,
            passed: vec![(20, 3)],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let entry = entry();
        assert_eq!(Entry::decode(QueueId(7), &entry.encode().unwrap()), Ok(entry.clone()));
        assert_eq!(entry.reverse().unwrap().to_string(), "<\"a b\"@example.org>");
        let paths: Vec<String> = entry.recipients.iter().map(|r| r.forward().unwrap().to_string()).collect();
        assert_eq!(paths, ["<b@y>", "<c@y>", "<postmaster>"]);
        let failed = entry.to_report(Matter::Failed).next().unwrap();
        assert_eq!((failed.address.as_str(), &*failed.last_reply().unwrap().text), ("postmaster", "no such  user"));
        assert_eq!(entry.to_report(Matter::Relayed).next().unwrap().address, "c@y");
    }

    #[test]
    fn what_earlier_versions_queued_is_read() {
        let json = br#"{"id":7,"reverse_path":"a@x","recipients":[{"address":"b@y","state":{"is":"waiting","last":null}},
            {"address":"c@y","state":{"is":"delivered","reply":{"at":1,"code":250,"status":"2.0.0","text":"ok",
            "by_smarthost":true}}}],"size_bytes":3,"smtputf8":false,"enqueued_at":1,"attempts":0,"next_at":1,"held":false}"#;
        let entry = Entry::decode(QueueId(7), &[&[VERSION][..], json].concat()).unwrap();
        assert_eq!((entry.ret, &entry.envelope_id, entry.matter()), (None, &None, None));
        assert_eq!(entry.recipients[0], Recipient::new(&ForwardPath::Mailbox("b@y".parse().unwrap()).into()));
        let written = String::from_utf8(entry.encode().unwrap()).unwrap();
        assert!(!written.contains("hold") && !written.contains("later"), "{written}");
        assert!(!written.contains("notify") && !written.contains("untold") && !written.contains("ret"), "{written}");
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
