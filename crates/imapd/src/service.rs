//! What all sessions share.

use auth::Auth;
use metrics::Commands;
use search::Sheets;
use search_index::Indexes;
use std::num::NonZeroU32;
use std::sync::Arc;
use store_objects::Spool;

/// What every IMAP session of a server needs; made once by the server.
pub struct ImapService {
    /// Checks logins and leads to the store.
    pub auth: Auth,
    /// The server's name in the greeting.
    pub hostname: String,
    /// Whether STARTTLS can be offered on connections that begin without TLS.
    pub tls_available: bool,
    /// The largest message that APPEND takes, in octets (announced as APPENDLIMIT, RFC 7889).
    pub message_bytes_max: u64,
    /// Where long messages lie while they come in.
    pub spool: Arc<Spool>,
    /// Where texts are looked up before they are read; without it they are read.
    pub indexes: Option<Arc<Indexes>>,
    /// What messages are put in order and in threads by, as far as it was read.
    pub sheets: Arc<Sheets>,
    /// Times and counts.
    pub limits: Limits,
    /// How long commands took.
    pub commands: Commands,
}

/// Times and counts that bound what a client can hold or try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the connection to a successful login, in milliseconds.
    pub login_millis: u64,
    /// Silence after which a session outside of IDLE ends, in milliseconds; at least 30 minutes (RFC 9051 §5.4).
    pub autologout_millis: u64,
    /// How long one IDLE may take, in milliseconds; clients begin a new one after 29 minutes (RFC 2177 §3).
    pub idle_millis: u64,
    /// How often a session looks for changes that nobody woke it for, in milliseconds.
    pub refresh_millis: u64,
    /// The commands that a stranger may send.
    pub stranger_commands_max: u32,
    /// The malformed or misplaced commands in a row after which a connection ends.
    pub bad_commands_max: u32,
    /// How many messages one command may be about.
    pub messages: MessageLimit,
}

/// How many messages one command may be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageLimit {
    /// As many as there are, and nothing is announced.
    #[default]
    None,
    /// So many, whatever the command does with them: MESSAGELIMIT.
    Every(NonZeroU32),
    /// So many, where it brings them into a mailbox (COPY, APPEND): SAVELIMIT.
    Saving(NonZeroU32),
}

impl MessageLimit {
    /// RFC 9738 §3: one of both is announced.
    pub(crate) fn capability(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Every(max) => Some(format!("MESSAGELIMIT={max}")),
            Self::Saving(max) => Some(format!("SAVELIMIT={max}")),
        }
    }

    /// For commands that do something with messages.
    pub(crate) fn processed(self) -> Option<u32> {
        match self {
            Self::Every(max) => Some(max.get()),
            Self::None | Self::Saving(_) => None,
        }
    }

    /// For commands that bring messages into a mailbox.
    pub(crate) fn saved(self) -> Option<u32> {
        match self {
            Self::Every(max) | Self::Saving(max) => Some(max.get()),
            Self::None => None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_millis: 60_000,
            autologout_millis: 30 * 60_000,
            idle_millis: 35 * 60_000,
            refresh_millis: 30_000,
            stranger_commands_max: 100,
            bad_commands_max: 50,
            messages: MessageLimit::None,
        }
    }
}
