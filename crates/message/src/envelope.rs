//! The envelope of a message: what a list of messages shows (RFC 9051 §7.5.2).
//!
//! Values are unfolded and otherwise as sent: encoded-words are left to the mail program, 8-bit bytes stay.
//! Of a field that is there twice the first counts; `To`, `Cc` and `Bcc` are joined (RFC 5322 §3.6 allows one each).
//! Invariant: no value has a CR, an LF or a NUL in it.

use crate::address::{Address, parse_list};
use crate::header::{Field, known_fields};
use crate::limits::ADDRESSES_MAX;

/// ENVELOPE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`, as sent; [`crate::date::parse`] reads it.
    pub date: Option<Vec<u8>>,
    /// `Subject`; none where the field is missing, empty where it is empty.
    pub subject: Option<Vec<u8>>,
    /// `From`.
    pub from: Vec<Address>,
    /// `Sender`, else `From`.
    pub sender: Vec<Address>,
    /// `Reply-To`, else `From`.
    pub reply_to: Vec<Address>,
    /// `To`.
    pub to: Vec<Address>,
    /// `Cc`.
    pub cc: Vec<Address>,
    /// `Bcc`.
    pub bcc: Vec<Address>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<Vec<u8>>,
    /// `Message-ID`, with its angle brackets.
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads the envelope from a header, or from a whole message.
    #[must_use]
    pub fn parse(header: &[u8]) -> Self {
        let mut envelope = Self::default();
        for field in known_fields(header) {
            envelope.read(&field);
        }
        envelope.fill_in();
        envelope
    }

    /// Takes one field in, if it belongs here.
    pub(crate) fn read(&mut self, field: &Field<'_>) {
        // By length first: nearly all fields of a header are none of these.
        match field.name.len() {
            2 if field.is("to") => add(&mut self.to, field),
            2 if field.is("cc") => add(&mut self.cc, field),
            3 if field.is("bcc") => add(&mut self.bcc, field),
            4 if field.is("from") => first(&mut self.from, field),
            4 if field.is("date") => text(&mut self.date, field),
            6 if field.is("sender") => first(&mut self.sender, field),
            7 if field.is("subject") => text(&mut self.subject, field),
            8 if field.is("reply-to") => first(&mut self.reply_to, field),
            10 if field.is("message-id") => text(&mut self.message_id, field),
            11 if field.is("in-reply-to") => text(&mut self.in_reply_to, field),
            _ => {}
        }
    }

    /// RFC 9051 §7.5.2: without sender or reply-to, or with empty ones, the server fills in from.
    pub(crate) fn fill_in(&mut self) {
        if self.sender.is_empty() {
            self.sender.clone_from(&self.from);
        }
        if self.reply_to.is_empty() {
            self.reply_to.clone_from(&self.from);
        }
    }
}

fn text(slot: &mut Option<Vec<u8>>, field: &Field<'_>) {
    if slot.is_none() {
        *slot = Some(field.unfolded().into_owned());
    }
}

fn first(slot: &mut Vec<Address>, field: &Field<'_>) {
    if slot.is_empty() {
        *slot = parse_list(&field.unfolded());
    }
}

fn add(slot: &mut Vec<Address>, field: &Field<'_>) {
    if slot.len() < ADDRESSES_MAX {
        slot.extend(parse_list(&field.unfolded()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(mailbox: &str) -> Address {
        Address { mailbox: Some(mailbox.into()), host: Some(b"x".to_vec()), ..Address::default() }
    }

    #[test]
    fn an_envelope_has_its_fields_and_defaults() {
        let envelope = Envelope::parse(
            b"Received: x\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: =?utf-8?Q?a?=\r\n b\r\nFROM: a@x\r\n\
              From: b@x\r\nSender:\r\nTo: c@x\r\nTo: d@x\r\nMessage-ID: <1@x>\r\n\r\nCc: e@x\r\n",
        );
        assert_eq!(envelope.date.as_deref(), Some(b"Mon, 1 Jan 2024 00:00:00 +0000".as_slice()));
        assert_eq!(envelope.subject.as_deref(), Some(b"=?utf-8?Q?a?= b".as_slice()));
        assert_eq!(envelope.from, [address("a")]);
        assert_eq!(envelope.sender, envelope.from);
        assert_eq!(envelope.reply_to, envelope.from);
        assert_eq!(envelope.to, [address("c"), address("d")]);
        assert_eq!(envelope.cc, []);
        assert_eq!(envelope.in_reply_to, None);
        assert_eq!(envelope.message_id.as_deref(), Some(b"<1@x>".as_slice()));
        assert_eq!(Envelope::parse(b"Subject:\r\n").subject.as_deref(), Some(b"".as_slice()));
    }
}
