//! What a client is told: how to talk, and what to deliver.

use crate::{DeliverBy, ForwardPath, MailReports, Rcpt, ReversePath};
use std::fmt;

/// The protocol of the other server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP: one reply to the message, for all recipients.
    Smtp,
    /// LMTP (RFC 2033): LHLO, and one reply for each recipient.
    Lmtp,
}

/// When TLS is used. Checking the certificate is the driver's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Not at all; credentials go in the clear. For a server on the same machine.
    Never,
    /// STARTTLS if it is offered. Credentials are never sent without.
    Opportunistic,
    /// STARTTLS, or the message stays here.
    Required,
    /// The driver did the handshake before the first step (RFC 8314 §3.3).
    Implicit,
}

/// User name and password for AUTH PLAIN or LOGIN. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The authentication identity.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How to talk to the other server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The name for EHLO, HELO and LHLO: a host name or an address literal (RFC 5321 §4.1.4).
    pub name: String,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// When TLS is used.
    pub tls: TlsPolicy,
    /// Who the client is, where the server asks for it.
    pub credentials: Option<Credentials>,
}

/// The envelope of a message, which itself is asked for when it is sent (`ClientStep::Content`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// Who gets it, and what reports are wanted of that. Outcomes come in this order.
    pub recipients: Vec<Rcpt>,
    /// The length of header and body, octets.
    pub size_bytes: u64,
    /// Whether they have octets beyond ASCII.
    pub eight_bit: bool,
    /// Whether the header has UTF-8 (RFC 6532), so that SMTPUTF8 is needed even if all addresses are ASCII.
    pub smtputf8: bool,
    /// What reports are to have.
    pub reports: MailReports,
    /// By when it is to be delivered, from now on.
    pub deliver_by: Option<DeliverBy>,
    /// It goes over TLS to whoever promises to pass it on so (REQUIRETLS, RFC 8689), or not at all; from the null reverse path also to
    /// others (RFC 8689 §5).
    pub requires_tls: bool,
}

impl Message {
    pub(crate) fn needs_smtputf8(&self) -> bool {
        let recipient_is_ascii = |rcpt: &Rcpt| match &rcpt.forward_path {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(mailbox) => mailbox.is_ascii(),
        };
        self.smtputf8
            || self.reverse_path.mailbox().is_some_and(|mailbox| !mailbox.is_ascii())
            || !self.recipients.iter().all(recipient_is_ascii)
    }
}
