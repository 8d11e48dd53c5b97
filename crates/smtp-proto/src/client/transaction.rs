//! A message's transactions: what the server must offer for it, MAIL with RCPT and DATA, the message, and what is said of it.

use super::envelope::{self, Envelope, Part};
use super::outcome::is_too_many_recipients;
use super::sending::Sending;
use super::{Author, Client, Failure, Outcome, Protocol, Stage, State};
use crate::{Enhanced, Reply};

impl Client {
    pub(super) fn begin_envelope(&mut self) {
        if let Some(reply) = self.obstacle() {
            let failure = Failure { stage: Stage::Mail, author: Author::Client, reply };
            self.settle(&Outcome::Permanent(failure));
            return self.finish();
        }
        self.begin_transaction();
    }

    /// The next transaction, for as many recipients as the server takes in one.
    pub(super) fn begin_transaction(&mut self) {
        if std::mem::take(&mut self.is_reset_due) {
            return self.send("RSET", State::Reset);
        }
        let limits = &self.extensions.limits;
        if !limits.allow_another(self.transactions) {
            self.settle(&Outcome::NotTried);
            return self.send_quit();
        }
        self.transactions += 1;
        let recipients = limits.take(&mut self.waiting, &self.message.recipients);
        self.send_envelope(Envelope::new(recipients, &self.extensions));
    }

    /// What the message needs and the server does not offer.
    fn obstacle(&self) -> Option<Reply> {
        let offered = &self.extensions;
        if offered.size.is_some_and(|limit| limit > 0 && limit < self.message.size_bytes) {
            // RFC 1870 §6.1.
            return Some(Reply::new(552, Enhanced(5, 3, 4), "the message is larger than the server takes"));
        }
        if let Some(by) = self.message.deliver_by.filter(|by| by.returns)
            && offered.deliver_by.is_none_or(|least| by.seconds < least)
        {
            // RFC 2852 §4.1.4: whoever cannot return it in time does not get it. RFC 3463, X.3.3: not capable of that.
            return Some(Reply::new(
                554,
                Enhanced(5, 3, 3),
                "the server does not promise to deliver in the time asked for",
            ));
        }
        let is_bounce = self.message.reverse_path.mailbox().is_none();
        if self.message.requires_tls && !offered.requires_tls && !is_bounce {
            // RFC 8689 §4.2.1.
            let text = "the server does not promise to keep the message protected (REQUIRETLS)";
            return Some(Reply::new(550, Enhanced(5, 7, 30), text));
        }
        if !offered.smtputf8 && self.message.needs_smtputf8() {
            // RFC 6531 §3.5.
            return Some(Reply::new(553, Enhanced(5, 6, 7), "the server takes no addresses beyond ASCII"));
        }
        if !offered.eight_bit_mime && self.message.eight_bit {
            // RFC 6152 §3: not to be sent; nothing here re-encodes.
            return Some(Reply::new(554, Enhanced(5, 6, 3), "the server takes no 8-bit messages"));
        }
        None
    }

    fn send_envelope(&mut self, mut envelope: Envelope) {
        for part in envelope.due() {
            let command = match part {
                Part::Mail => envelope::mail(&self.message, &self.extensions),
                Part::Recipient(index) => match self.message.recipients.get(index) {
                    Some(rcpt) => envelope::rcpt(rcpt, &self.extensions),
                    // There is none of that place.
                    None => continue,
                },
                Part::Data => "DATA".to_owned(),
            };
            self.write_line(&command);
        }
        self.state = State::Envelope(envelope);
    }

    pub(super) fn handle_envelope(&mut self, mut envelope: Envelope, reply: Reply) {
        match envelope.answer() {
            Part::Data => envelope.data_answered(reply),
            Part::Mail if reply.is_positive() => {}
            Part::Mail => envelope.refuse(reply),
            Part::Recipient(_) if envelope.refusal().is_some() => {}
            Part::Recipient(index) if reply.is_positive() => self.accepted.push_back(index),
            // RFC 5321 §4.5.3.1.10: the rest goes in a transaction of its own, as long as each brings some.
            Part::Recipient(index) if is_too_many_recipients(&reply) && !self.accepted.is_empty() => {
                self.waiting.push_back(index);
            }
            Part::Recipient(index) => self.settle_one(index, Outcome::of(Stage::Rcpt, reply)),
        }
        if !envelope.is_complete() {
            return self.send_envelope(envelope);
        }
        let data = envelope.take_data();
        let is_wanted = data.as_ref().is_some_and(|reply| reply.code == 354);
        match envelope.refusal() {
            // What was answered to RCPT is about nothing.
            Some(reply) => {
                self.refuse_with(Stage::Mail, reply.clone());
                self.leave_nobody(is_wanted, false);
            }
            None if self.accepted.is_empty() => {
                self.is_reset_due = !is_wanted;
                self.leave_nobody(is_wanted, true);
            }
            None => match data {
                Some(reply) => self.handle_data(reply),
                // RFC 3030 §2: a round trip less.
                None if self.extensions.chunking => {
                    self.begin_message(Sending::chunks(self.message.size_bytes, self.extensions.pipelining));
                }
                None => self.send("DATA", State::Data),
            },
        }
    }

    /// No recipient is left in the transaction. `is_wanted`: the server waits for the message all the same.
    fn leave_nobody(&mut self, is_wanted: bool, goes_on: bool) {
        match (is_wanted, goes_on) {
            // RFC 2920 §3.1: a single dot.
            (true, _) => self.send(".", State::Nobody { goes_on }),
            (false, true) => self.end_transaction(),
            (false, false) => self.send_quit(),
        }
    }

    pub(super) fn handle_data(&mut self, reply: Reply) {
        match reply.code {
            354 => self.begin_message(Sending::lines(self.message.size_bytes)),
            _ => self.refuse(Stage::Data, reply),
        }
    }

    fn begin_message(&mut self, sending: Sending) {
        self.state = State::Sending(sending);
        if self.message.size_bytes == 0 {
            self.send_piece(&[]);
        }
    }

    pub(super) fn send_piece(&mut self, piece: &[u8]) {
        let State::Sending(sending) = &mut self.state else { return };
        if let Some(chunks) = sending.take(piece, &mut self.output) {
            self.state = State::Message { chunks };
        }
    }

    pub(super) fn handle_message(&mut self, reply: Reply) {
        let outcome = match Outcome::of(Stage::Message, reply) {
            Outcome::Accepted { reply, .. } => Outcome::Accepted { reply, reports: self.extensions.dsn },
            outcome => outcome,
        };
        // RFC 2033 §4.2: one reply for each recipient that RCPT accepted, in that order.
        let count = if self.config.protocol == Protocol::Lmtp { 1 } else { self.accepted.len() };
        // RFC 3030 §2: after chunks that were refused there is a transaction still.
        self.is_reset_due = self.extensions.chunking && !matches!(outcome, Outcome::Accepted { .. });
        for index in self.accepted.drain(..count.min(self.accepted.len())).collect::<Vec<_>>() {
            self.settle_one(index, outcome.clone());
        }
        if self.accepted.is_empty() {
            self.end_transaction();
        } else {
            self.state = State::Message { chunks: 0 };
        }
    }

    pub(super) fn end_transaction(&mut self) {
        if self.waiting.is_empty() { self.finish() } else { self.begin_transaction() }
    }
}
