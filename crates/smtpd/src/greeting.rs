//! The first words, and how a session names itself in trace fields.

use crate::service::{Role, SmtpService};
use session::Peer;
use smtp_proto::{Enhanced, Reply};

/// How the client greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// What it calls itself.
    pub(crate) name: String,
    /// EHLO or LHLO: extensions may be used.
    pub(crate) extended: bool,
}

/// RFC 5321 §3.1.
pub(crate) fn greeting(service: &SmtpService, peer: &Peer) -> Reply {
    let name = &service.common.hostname;
    if !service.admits(peer) {
        // RFC 5321 §3.1: 554 instead of 220.
        return Reply::new(554, Enhanced(5, 7, 1), format!("{name} takes LMTP from this machine only"));
    }
    match service.role {
        Role::Mx | Role::Submission { .. } => Reply::plain(220, format!("{name} ESMTP Pillarbox")),
        Role::Lmtp { .. } => Reply::plain(220, format!("{name} LMTP Pillarbox")),
    }
}

/// What a connection is made of, for RFC 3848 and RFC 6531 §4.3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers {
    pub(crate) lmtp: bool,
    pub(crate) extended: bool,
    pub(crate) tls: bool,
    pub(crate) login: bool,
    pub(crate) utf8: bool,
}

/// The transmission type of a trace field.
pub(crate) fn with(layers: Layers) -> &'static str {
    let Layers { lmtp, extended, tls, login, utf8 } = layers;
    match (lmtp, utf8, tls, login) {
        (true, false, false, false) => "LMTP",
        (true, false, true, false) => "LMTPS",
        (true, false, false, true) => "LMTPA",
        (true, false, true, true) => "LMTPSA",
        (true, true, false, false) => "UTF8LMTP",
        (true, true, true, false) => "UTF8LMTPS",
        (true, true, false, true) => "UTF8LMTPA",
        (true, true, true, true) => "UTF8LMTPSA",
        (false, false, false, false) if !extended => "SMTP",
        (false, false, false, false) => "ESMTP",
        (false, false, true, false) => "ESMTPS",
        (false, false, false, true) => "ESMTPA",
        (false, false, true, true) => "ESMTPSA",
        (false, true, false, false) => "UTF8SMTP",
        (false, true, true, false) => "UTF8SMTPS",
        (false, true, false, true) => "UTF8SMTPA",
        (false, true, true, true) => "UTF8SMTPSA",
    }
}
