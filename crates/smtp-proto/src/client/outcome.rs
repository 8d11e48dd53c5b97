//! What became of the message, recipient by recipient.

use crate::Reply;
use std::fmt;

/// What the client was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The greeting.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The answer to the message itself.
    Message,
    /// QUIT; the outcomes are settled by then.
    Quit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "the message",
            Self::Quit => "QUIT",
        })
    }
}

/// Who says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The other server; the reply is its own.
    Server,
    /// This client; the reply puts into SMTP's words what happened (RFC 3463 codes).
    Client,
}

/// A refusal, or why it did not come to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it happened.
    pub stage: Stage,
    /// Whose words they are.
    pub author: Author,
    /// The words.
    pub reply: Reply,
}

/// What became of the message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other server took responsibility (RFC 5321 §4.2.5).
    Accepted {
        /// Its words.
        reply: Reply,
        /// Whether it will report what was asked for (RFC 3461).
        reports: bool,
    },
    /// Try again later. If the connection broke after the message was sent, the server may have taken it (RFC 5321 §6.1).
    Temporary(Failure),
    /// Never; tell the sender.
    Permanent(Failure),
    /// The server takes no more messages over this connection (RFC 9422 §4.1): another one may be opened for it at once.
    NotTried,
}

impl Outcome {
    /// What a reply of the server means at `stage`. Before MAIL it says nothing about the message, so it is never permanent.
    pub(super) fn of(stage: Stage, reply: Reply) -> Self {
        if reply.is_positive() {
            return Self::Accepted { reply, reports: false };
        }
        let failure = Failure { stage, author: Author::Server, reply };
        match stage {
            Stage::Rcpt if failure.reply.code == 552 && is_too_many_recipients(&failure.reply) => {
                Self::Temporary(failure)
            }
            Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Message if failure.reply.is_permanent() => {
                Self::Permanent(failure)
            }
            _ => Self::Temporary(failure),
        }
    }
}

/// RFC 5321 §4.5.3.1.10: 452 to RCPT, and 552 means the same, unless the enhanced code says that it means something else.
pub(super) fn is_too_many_recipients(reply: &Reply) -> bool {
    matches!(reply.code, 452 | 552) && reply.enhanced.is_none_or(|code| (code.1, code.2) == (5, 3))
}
