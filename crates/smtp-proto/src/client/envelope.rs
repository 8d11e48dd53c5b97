//! MAIL and RCPT: which are sent, which are answered (RFC 2920).

use super::extensions::Extensions;
use super::{Message, Protocol};
use crate::{ForwardPath, Reply};
use std::fmt::Write;

/// With PIPELINING, how many commands may be unanswered. Bounded, so that neither side's buffers fill up
/// while both write (RFC 2920 §3.1).
const WINDOW_COMMANDS_MAX: usize = 100;

/// Command 0 is MAIL, command n is RCPT for recipient n-1.
pub(super) struct Envelope {
    commands: usize,
    sent: usize,
    answered: usize,
    window: usize,
    refusal: Option<Reply>,
}

/// What an answer was about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Mail,
    Recipient(usize),
}

impl Envelope {
    pub(super) fn new(recipients: usize, pipelining: bool) -> Self {
        let window = if pipelining { WINDOW_COMMANDS_MAX } else { 1 };
        Self { commands: recipients + 1, sent: 0, answered: 0, window, refusal: None }
    }

    /// Numbers of the commands to send now.
    pub(super) fn due(&mut self) -> std::ops::Range<usize> {
        let first = self.sent;
        if self.refusal.is_none() {
            self.sent = self.commands.min(self.answered + self.window);
        }
        first..self.sent
    }

    pub(super) fn answer(&mut self) -> Answered {
        self.answered += 1;
        match self.answered {
            1 => Answered::Mail,
            number => Answered::Recipient(number - 2),
        }
    }

    /// MAIL was refused: what comes next is about nothing.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal = Some(reply);
    }

    pub(super) fn refusal(&self) -> Option<&Reply> {
        self.refusal.as_ref()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.answered == self.sent && (self.sent == self.commands || self.refusal.is_some())
    }

    /// What the next answer is about.
    pub(super) fn awaits_mail(&self) -> bool {
        self.answered == 0
    }
}

/// The MAIL command with the parameters that the server offers and the message needs.
pub(super) fn mail(message: &Message, extensions: &Extensions) -> String {
    let mut command = format!("MAIL FROM:{}", message.reverse_path);
    if extensions.size.is_some() {
        // A String takes every write.
        let _ = write!(command, " SIZE={}", message.content.len());
    }
    if extensions.eight_bit_mime && !message.content.is_ascii() {
        command.push_str(" BODY=8BITMIME");
    }
    if message.needs_smtputf8() {
        command.push_str(" SMTPUTF8");
    }
    command
}

pub(super) fn rcpt(path: &ForwardPath) -> String {
    format!("RCPT TO:{path}")
}

/// The greeting of the client; `HELO` only after EHLO was refused.
pub(super) fn hello(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    }
}
