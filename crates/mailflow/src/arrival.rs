//! A message that has come: who sends it, who gets it, how it came, and what it is called.

use crate::flow::MailFlow;
use crate::route::Recipient;
use message::content::Content;
use message::header;
use message::trace::Received;
use queue::TlsWish;
use sender_auth::results;
use smtp_proto::{DeliverBy, Hold, MailReports, Rcpt, ReversePath};
use std::net::IpAddr;
use std::sync::Arc;
use store::{AccountId, Handover, Protocol, Timestamp};

/// How a message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Over which protocol: [`Protocol::Smtp`], [`Protocol::Lmtp`] or [`Protocol::Submission`].
    pub protocol: Protocol,
    /// What the client called itself.
    pub helo: String,
    /// The client's address.
    pub client: IpAddr,
    /// RFC 3848: `ESMTPS`.
    pub with: &'static str,
    /// The TLS session in words, if there is one.
    pub tls: Option<String>,
    /// A relay of ours brings it, which cannot take back what it has taken from others.
    pub by_relay: bool,
}

/// What a sender has said of when a message is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// As they said it.
    pub hold: Hold,
    /// When that is.
    pub at: Timestamp,
    /// When the message came.
    pub came_at: Timestamp,
}

/// A message's envelope, and its way.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// The recipients with a mailbox here, in the order of the transaction.
    pub local: Vec<Recipient>,
    /// The recipients elsewhere; only of what an account sends.
    pub outside: Vec<Rcpt>,
    /// Whether the client says that it needs SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// What reports are to have (RFC 3461).
    pub reports: MailReports,
    /// By when it is to be delivered (RFC 2852); only of what an account sends.
    pub deliver_by: Option<DeliverBy>,
    /// When it is released, if its sender chose a time (RFC 4865).
    pub appointment: Option<Appointment>,
    /// It goes on protected by TLS, or not at all (RFC 8689).
    pub requires_tls: bool,
    /// How it came.
    pub source: Source,
}

impl Envelope {
    /// Without recipients, and without anything special.
    #[must_use]
    pub fn new(reverse_path: ReversePath, source: Source) -> Self {
        let (local, outside, reports) = (Vec::new(), Vec::new(), MailReports::default());
        Self {
            reverse_path,
            local,
            outside,
            smtputf8: false,
            reports,
            deliver_by: None,
            appointment: None,
            requires_tls: false,
            source,
        }
    }

    pub(crate) fn tls(&self) -> TlsWish {
        if self.requires_tls { TlsWish::Required } else { TlsWish::Usual }
    }

    /// Where bounces go, without angle brackets; empty for nobody.
    #[must_use]
    pub fn from(&self) -> String {
        self.reverse_path.mailbox().map(ToString::to_string).unwrap_or_default()
    }
}

/// A message that has come, for [`MailFlow::deliver`] or [`MailFlow::submit`].
#[derive(Debug)]
pub struct Arrival {
    pub(crate) id: String,
    /// Where bounces go, without angle brackets; empty for nobody.
    pub(crate) from: String,
    pub(crate) envelope: Envelope,
    /// Once in memory, whoever gets it.
    pub(crate) content: Arc<Content>,
    /// What it is known by when it comes again.
    pub(crate) handover: Handover,
    /// Who sends it, if somebody is logged in.
    pub(crate) account: Option<AccountId>,
    /// Who it comes from, if that was looked at.
    pub(crate) sender: Option<sender_auth::Findings>,
    /// What filters beside us say, if they were asked.
    pub(crate) opinion: Option<scan::Opinion>,
}

impl MailFlow {
    /// A message has come. `content` is what `message::content::transferred` gives; `account`: who sends it, if somebody is
    /// logged in. What it says in our name is taken off: fields of its own kind always, about its sender unless a mail system of ours
    /// brings it (LMTP), which may have looked at the sender in our place.
    #[must_use]
    pub fn arrive(&self, envelope: Envelope, content: Vec<u8>, account: Option<AccountId>, now: Timestamp) -> Arrival {
        let from = envelope.from();
        // What two accounts submit is two messages, even if it is the same.
        let number = account.map_or([0; 4], |account| account.0.to_be_bytes());
        let handover = Handover::new(&[&number, from.as_bytes(), &content], now, self.next_serial());
        let content = self.without_forged(content, envelope.source.protocol);
        let (id, content) = (name(&handover), Arc::new(Content::new(content)));
        Arrival { id, from, envelope, content, handover, account, sender: None, opinion: None }
    }

    /// A message that comes over a protocol without what others wrote in our name.
    #[must_use]
    pub fn without_forged(&self, content: Vec<u8>, protocol: Protocol) -> Vec<u8> {
        let is_forged = |field: &header::Field<'_>| {
            is_own(field.name) || protocol != Protocol::Lmtp && results::is_forged(field, &self.hostname)
        };
        header::without(&content, is_forged).unwrap_or(content)
    }
}

/// RFC 3848, RFC 6531 §4.3: how a message can come.
const TRANSMISSION_TYPES: [&str; 17] = [
    "SMTP",
    "ESMTP",
    "ESMTPA",
    "ESMTPS",
    "ESMTPSA",
    "LMTP",
    "LMTPA",
    "LMTPS",
    "LMTPSA",
    "UTF8SMTP",
    "UTF8SMTPA",
    "UTF8SMTPS",
    "UTF8SMTPSA",
    "UTF8LMTP",
    "UTF8LMTPA",
    "UTF8LMTPS",
    "UTF8LMTPSA",
];

/// The transmission type of this name.
pub(crate) fn transmission_type(name: &str) -> &'static str {
    TRANSMISSION_TYPES.into_iter().find(|known| *known == name).unwrap_or("ESMTP")
}

/// Fields of this server's own kind, such as its junk filter's verdict: nobody else writes them.
const OWN_FIELDS: &[u8] = b"X-Pillarbox-";

fn is_own(name: &[u8]) -> bool {
    name.get(..OWN_FIELDS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_FIELDS))
}

/// A message's name, in the log and in its trace field.
pub(crate) fn name(Handover { at, serial, .. }: &Handover) -> String {
    format!("{:x}.{serial:08x}", at.0)
}

impl Arrival {
    /// What finds it in the log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same with what was found out about its sender.
    #[must_use]
    pub fn from_sender(self, sender: sender_auth::Findings) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// The same with what filters beside us said of it without what others wrote in our name; what they change is changed.
    #[must_use]
    pub fn scanned(self, opinion: scan::Opinion) -> Self {
        let content = match opinion.edits.as_slice() {
            [] => self.content,
            [first, rest @ ..] => {
                let edited = rest.iter().fold(first.apply(&self.content), |content, edit| edit.apply(&content));
                Arc::new(Content::new(edited))
            }
        };
        Self { content, opinion: Some(opinion), ..self }
    }

    /// The trace field of a message that came this way (RFC 5321 §4.4). `recipient`: if it has one only.
    pub(crate) fn received(&self, by: &str, recipient: Option<&str>, now: Timestamp) -> Vec<u8> {
        let source = &self.envelope.source;
        let received = Received {
            helo: &source.helo,
            client_name: None,
            client: Some(source.client),
            by,
            with: source.with,
            tls: source.tls.as_deref(),
            id: &self.id,
            recipient,
            unix_seconds: now.unix_seconds(),
        };
        received.to_bytes()
    }
}
