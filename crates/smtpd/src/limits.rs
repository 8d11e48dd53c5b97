//! What a client may do, above all one that nobody knows.

use crate::networks::NetworkLimits;

const SECOND_MILLIS: u64 = 1000;
const MINUTE_MILLIS: u64 = 60 * SECOND_MILLIS;

/// Limits of one service. A client that passes one of those that end the connection reads `421` and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a message (RFC 1870): more is answered with 552.
    pub message_bytes_max: usize,
    /// Recipients of a message (RFC 5321 §4.5.3.1.8: 100 at least): more are answered with 452, and come again.
    pub recipients_max: usize,
    /// Accounts that a message reaches, each recipient with all that its aliases lead to: more are answered with 452, and
    /// come again; a recipient that leads to more by itself is answered with 550.
    pub accounts_max: usize,
    /// Messages on one connection; one more ends it.
    pub messages_max: u32,
    /// Commands that are answered with 5xx; one more ends the connection.
    pub bad_commands_max: u32,
    /// Recipients that do not exist, or are elsewhere; one more ends the connection.
    pub refused_recipients_max: u32,
    /// Recipients in a row that are to come again later (full mailboxes, strangers, too many for one message), or are refused for
    /// their sender or host; one more ends the connection.
    pub put_off_recipients_max: u32,
    /// Commands that lead nowhere (EHLO, NOOP, RSET, VRFY, …) between two messages; one more ends the connection.
    pub idle_commands_max: u32,
    /// How long a stranger waits for the greeting of port 25; one who speaks before it has to go. Nobody on this machine waits.
    pub greeting_pause_millis: u64,
    /// How long an answer to a mistake of a stranger waits at most; 0: it does not. Nobody on this machine waits.
    pub tarpit_millis_max: u64,
    /// What hosts of one network may do together, on port 25.
    pub networks: NetworkLimits,
    /// Silence that ends the connection (RFC 5321 §4.5.3.2.7: 5 minutes at least).
    pub idle_millis: u64,
    /// The time from the greeting, or the message before, to DATA.
    pub envelope_millis: u64,
    /// The time from DATA to the end of the message.
    pub content_millis: u64,
}

impl Default for Limits {
    /// For strangers.
    fn default() -> Self {
        Self {
            message_bytes_max: 50 * 1024 * 1024,
            recipients_max: 100,
            accounts_max: 200,
            messages_max: 1000,
            bad_commands_max: 20,
            refused_recipients_max: 50,
            put_off_recipients_max: 1000,
            idle_commands_max: 100,
            greeting_pause_millis: 0,
            tarpit_millis_max: 0,
            networks: NetworkLimits::default(),
            idle_millis: 5 * MINUTE_MILLIS,
            envelope_millis: 10 * MINUTE_MILLIS,
            content_millis: 30 * MINUTE_MILLIS,
        }
    }
}

/// RFC 9422 §4: a limit has six digits at most.
const ANNOUNCED_MAX: u64 = 999_999;

impl Limits {
    /// RFC 9422: what whoever sends is told in advance. A larger number is as good as none, and how many domains the recipients
    /// of a message are of is nobody's business here.
    pub(crate) fn announced(&self) -> String {
        let limits = [("MAILMAX", u64::from(self.messages_max)), ("RCPTMAX", self.recipients_max as u64)];
        let told = limits.iter().filter(|(_, max)| (1..=ANNOUNCED_MAX).contains(max));
        told.fold("LIMITS".to_owned(), |line, (name, max)| format!("{line} {name}={max}"))
    }

    /// For a mail system on the same machine: it may keep its connection and send as much as it likes.
    #[must_use]
    pub fn trusted() -> Self {
        Self {
            recipients_max: 1000,
            accounts_max: 2000,
            messages_max: u32::MAX,
            bad_commands_max: 1000,
            refused_recipients_max: u32::MAX,
            put_off_recipients_max: u32::MAX,
            envelope_millis: 60 * MINUTE_MILLIS,
            ..Self::default()
        }
    }
}
