//! Counts what a client does wrong, or for nothing, and when it is enough.

use crate::limits::Limits;
use crate::replies;
use smtp_proto::{Enhanced, Reply};

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// RCPT.
    Recipient,
    /// AUTH, or a line of it.
    Login,
    /// MAIL, DATA, BDAT, a message, QUIT, STARTTLS.
    Transfer,
    /// Anything that leads nowhere.
    Idle,
}

/// What a client did wrong, where it is counted for its network and answered late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A recipient that does not exist.
    Recipient,
    /// What is no command, not now, or not so (RFC 5321 §4.2.2).
    Command,
}

impl Mistake {
    /// Which it was, by its reply.
    pub(crate) fn of(deed: Deed, reply: &Reply) -> Option<Self> {
        match (deed, reply.code) {
            // RFC 3463 §3.2: X.1.x is about the address. That its sender or its host is refused is none of the client's mistakes.
            (Deed::Recipient, 550) => matches!(reply.enhanced, Some(Enhanced(_, 1, _))).then_some(Self::Recipient),
            (_, 500..=504 | 555) => Some(Self::Command),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    bad_commands: u32,
    refused_recipients: u32,
    put_off_recipients: u32,
    idle_commands: u32,
    /// What was counted as a [`Mistake`].
    pub(crate) mistakes: u32,
    pub(crate) messages: u32,
}

impl Tally {
    /// Counts a deed by its reply; the last word, if it was one too many.
    pub(crate) fn note(&mut self, deed: Deed, reply: &Reply, limits: &Limits) -> Option<Reply> {
        if deed == Deed::Recipient && reply.is_positive() {
            self.put_off_recipients = 0;
        }
        let (count, limit, text) = match deed {
            Deed::Recipient if reply.code / 100 == 4 => {
                let text = "Too many recipients that are to come again later";
                (&mut self.put_off_recipients, limits.put_off_recipients_max, text)
            }
            Deed::Recipient if reply.code == 550 => {
                (&mut self.refused_recipients, limits.refused_recipients_max, "Too many recipients that do not exist")
            }
            _ if reply.is_permanent() => (&mut self.bad_commands, limits.bad_commands_max, "Too many errors"),
            Deed::Idle => (&mut self.idle_commands, limits.idle_commands_max, "Too many commands without a message"),
            Deed::Recipient | Deed::Login | Deed::Transfer => return None,
        };
        *count = count.saturating_add(1);
        (*count > limit).then(|| replies::bye(Enhanced(4, 7, 0), text))
    }

    /// A message was accepted.
    pub(crate) fn message(&mut self) {
        self.messages = self.messages.saturating_add(1);
        self.idle_commands = 0;
    }
}
