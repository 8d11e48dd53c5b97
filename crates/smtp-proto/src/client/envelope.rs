//! MAIL, RCPT, and DATA where it goes with them: which are sent, which are answered (RFC 2920).

use super::extensions::Extensions;
use super::{Message, Protocol};
use crate::dsn::encode_xtext;
use crate::{Rcpt, Reply};
use std::fmt::Write;

/// With PIPELINING, how many commands may be unanswered. Bounded, so that neither side's buffers fill up
/// while both write (RFC 2920 §3.1).
const WINDOW_COMMANDS_MAX: usize = 100;

/// Command 0 is MAIL, command n is RCPT for the n-th of `recipients`, and the one behind the last is DATA.
pub(super) struct Envelope {
    /// Places of the transaction's recipients among those of the message.
    recipients: Vec<usize>,
    /// DATA goes with them. RFC 2920 §3.1: as the last command of a group.
    has_data: bool,
    sent: usize,
    answered: usize,
    window: usize,
    refusal: Option<Reply>,
    /// What DATA was answered.
    data: Option<Reply>,
}

/// One of its commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Mail,
    /// RCPT, for the recipient at this place of the message's.
    Recipient(usize),
    Data,
}

impl Envelope {
    /// `extensions`: what the server offers.
    pub(super) fn new(recipients: Vec<usize>, extensions: &Extensions) -> Self {
        let window = if extensions.pipelining { WINDOW_COMMANDS_MAX } else { 1 };
        // Chunks begin without it (RFC 3030 §2).
        let has_data = extensions.pipelining && !extensions.chunking;
        Self { recipients, has_data, sent: 0, answered: 0, window, refusal: None, data: None }
    }

    fn commands(&self) -> usize {
        self.recipients.len() + 1 + usize::from(self.has_data)
    }

    /// The commands to send now.
    pub(super) fn due(&mut self) -> Vec<Part> {
        let first = self.sent;
        if self.refusal.is_none() {
            self.sent = self.commands().min(self.answered + self.window);
        }
        (first..self.sent).map(|number| self.part(number)).collect()
    }

    /// What the next answer is about.
    pub(super) fn awaited(&self) -> Part {
        self.part(self.answered)
    }

    /// What an answer that has come is about.
    pub(super) fn answer(&mut self) -> Part {
        let part = self.awaited();
        self.answered += 1;
        part
    }

    fn part(&self, number: usize) -> Part {
        match number.checked_sub(1).map(|place| self.recipients.get(place)) {
            None => Part::Mail,
            Some(Some(recipient)) => Part::Recipient(*recipient),
            Some(None) => Part::Data,
        }
    }

    /// DATA was answered.
    pub(super) fn data_answered(&mut self, reply: Reply) {
        self.data = Some(reply);
    }

    /// What DATA was answered, if it went with the others.
    pub(super) fn take_data(&mut self) -> Option<Reply> {
        self.data.take()
    }

    /// MAIL was refused: what comes next is about nothing.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal = Some(reply);
    }

    pub(super) fn refusal(&self) -> Option<&Reply> {
        self.refusal.as_ref()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.answered == self.sent && (self.sent == self.commands() || self.refusal.is_some())
    }
}

/// The MAIL command with the parameters that the server offers and the message needs.
pub(super) fn mail(message: &Message, extensions: &Extensions) -> String {
    let mut command = format!("MAIL FROM:{}", message.reverse_path);
    if extensions.size.is_some() {
        // A String takes every write.
        let _ = write!(command, " SIZE={}", message.size_bytes);
    }
    if extensions.eight_bit_mime && message.eight_bit {
        command.push_str(" BODY=8BITMIME");
    }
    if message.needs_smtputf8() {
        command.push_str(" SMTPUTF8");
    }
    if message.requires_tls && extensions.requires_tls {
        command.push_str(" REQUIRETLS");
    }
    // RFC 3461 §5.2.1: what was asked of this server is asked of the next.
    if extensions.dsn {
        if let Some(ret) = message.reports.ret {
            let _ = write!(command, " RET={ret}");
        }
        if let Some(id) = &message.reports.envelope_id {
            let _ = write!(command, " ENVID={}", encode_xtext(id));
        }
    }
    // RFC 2852 §4.1.4: with the time that is left, in modes that the server can keep.
    if let Some(by) = message.deliver_by.filter(|by| extensions.deliver_by.is_some_and(|least| by.seconds >= least)) {
        let _ = write!(command, " BY={by}");
    }
    command
}

pub(super) fn rcpt(rcpt: &Rcpt, extensions: &Extensions) -> String {
    let mut command = format!("RCPT TO:{}", rcpt.forward_path);
    if extensions.dsn {
        if let Some(notify) = rcpt.reports.notify {
            let _ = write!(command, " NOTIFY={notify}");
        }
        if let Some(original) = &rcpt.reports.original {
            let _ = write!(command, " ORCPT={original}");
        }
    }
    command
}

/// The greeting of the client; `HELO` only after EHLO was refused.
pub(super) fn hello(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    }
}
