//! Who sends, who gets it, and how it came.

use message::trace::Received;
use std::net::IpAddr;
use store::{AccountId, Handover, Protocol, Timestamp};

/// A recipient whose mail is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// As the envelope has it, without angle brackets.
    pub address: String,
    /// The accounts that it leads to, each once.
    pub(crate) accounts: Vec<AccountId>,
}

impl Recipient {
    /// How many accounts it leads to.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }
}

/// Whether mail for an address is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientDecision {
    /// It is.
    Deliver(Recipient),
    /// Not now: every mailbox that the address leads to is full.
    Full,
    /// The domain is ours and the address leads nowhere.
    NoSuchUser,
    /// The domain is not ours.
    NotLocal,
}

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
}

/// A message's envelope, its way, and the name that it has in logs.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Where bounces go, without angle brackets; empty for nobody.
    pub reverse_path: &'a str,
    /// The local recipients, in the order of the transaction.
    pub recipients: &'a [Recipient],
    /// How it came.
    pub source: &'a Source,
    /// What finds it in the log.
    pub id: &'a str,
    /// What it is known by when it comes again.
    pub handover: Handover,
}

impl Source {
    /// The trace field of a message that came this way (RFC 5321 §4.4). `recipient`: if it has one only.
    #[must_use]
    pub fn received(&self, by: &str, id: &str, recipient: Option<&str>, now: Timestamp) -> Vec<u8> {
        let received = Received {
            helo: &self.helo,
            client_name: None,
            client: Some(self.client),
            by,
            with: self.with,
            tls: self.tls.as_deref(),
            id,
            recipient,
            unix_seconds: now.unix_seconds(),
        };
        received.to_bytes()
    }
}
