//! A message in the place of one that is lost: with the fields of its header, as far as they are left, a sentence that says what
//! happened, and what was found of its octets, as a file.
//!
//! It is another message, with another UID: what a UID was given to never changes (RFC 9051 §2.3.1.1).

use super::mend::{Lost, Mended};
use super::{Loss, Remnant, Salvage};
use crate::account::{Account, NewMessage, Target};
use crate::error::Error;
use crate::ids::{DeviceId, EmailId};
use crate::journal::{Actor, Protocol};
use crate::key;
use crate::record::BodyRecord;
use crate::role::Role;
use message::header::{self, find_all};
use message::transfer::to_base64;
use message::{Address, Envelope, Summary};
use std::ops::ControlFlow;

/// Fields that are taken over of a header.
const FIELDS: [&str; 10] =
    ["date", "from", "sender", "reply-to", "to", "cc", "subject", "message-id", "in-reply-to", "references"];
/// A longer header is cut off.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Of what was found of a message, more is left where it lies.
const OCTETS_MAX: usize = 32 * 1024 * 1024;
/// Octets of a line of base64 (RFC 2045 §6.8).
const LINE_BYTES: usize = 57;
/// Of a subject or a sender so much is told.
const TOLD_CHARS_MAX: usize = 80;

/// What is left of a message.
#[derive(Default)]
struct Rest {
    envelope: Option<Envelope>,
    /// Its first octets.
    header: Option<Vec<u8>>,
    octets: Option<Vec<u8>>,
}

/// Puts a message in the place of each that is lost, as far as anything of it is left.
pub(super) fn replace(salvage: &Salvage<'_>, account: &Account, mended: &mut Mended) -> Result<(), Error> {
    if mended.lost.is_empty() {
        return Ok(());
    }
    let mut outcome = Ok(());
    // Envelopes come before octets; they are short.
    let mut envelopes = std::collections::BTreeMap::new();
    salvage.remains.rows(account.id(), &mut |remnant| {
        let (key, value) = match remnant {
            Remnant::Row { key, value } => (key, Some(value)),
            Remnant::Damaged { key, octets } => (key, octets),
            Remnant::Gap { .. } => return ControlFlow::Continue(()),
        };
        let Ok(email) = key::long_at(key, 1).map(EmailId) else { return ControlFlow::Continue(()) };
        match (key.first(), value) {
            (Some(b'T'), Some(value)) if mended.lost.contains_key(&email) => {
                envelopes.extend(Summary::decode_envelope(value).ok().map(|envelope| (email, envelope)));
            }
            (Some(b'Y'), value) => {
                if let Some(lost) = mended.lost.remove(&email) {
                    let mut rest = value.map(|value| left(salvage, account, value)).unwrap_or_default();
                    rest.envelope = envelopes.remove(&email);
                    outcome = put(account, mended, lost, &rest);
                }
            }
            _ => {}
        }
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome?;
    for (email, lost) in std::mem::take(&mut mended.lost) {
        let rest = Rest { envelope: envelopes.remove(&email), ..Rest::default() };
        put(account, mended, lost, &rest)?;
    }
    Ok(())
}

/// What is left of octets, by the row that had them or says where they are.
fn left(salvage: &Salvage<'_>, account: &Account, row: &[u8]) -> Rest {
    match BodyRecord::decode(row) {
        Ok(BodyRecord::Object { name, header, .. }) => {
            let octets = salvage.objects.read(account.id(), &name).ok();
            Rest { header: header.and_then(|copy| copy.intact().map(<[u8]>::to_vec)), octets, envelope: None }
        }
        Ok(BodyRecord::Inline { body, .. }) => Rest { octets: Some(body.to_vec()), ..Rest::default() },
        Err(_) => Rest::default(),
    }
}

fn put(account: &Account, mended: &mut Mended, lost: Lost, rest: &Rest) -> Result<(), Error> {
    let Lost { places, mut loss } = lost;
    let octets = rest.octets.as_deref().filter(|octets| !octets.is_empty());
    let own = octets.map(|octets| octets.get(..header::end(octets).min(HEADER_BYTES_MAX)).unwrap_or(octets));
    let head = match (rest.header.as_deref(), &rest.envelope, own) {
        (Some(header), _, _) => fields(header),
        (None, Some(envelope), _) => of_envelope(envelope),
        (None, None, Some(own)) => fields(own),
        (None, None, None) => Vec::new(),
    };
    let told = |name| header::find(&head, name).map(|field| told(&field.unfolded()));
    (loss.subject, loss.from) = (told("subject"), told("from"));
    // Without a header nobody would know what it was.
    if !head.is_empty() {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: mended.now };
        for (mailbox, entry) in &places {
            let Some(of) = mended.found.mailboxes.get(mailbox).filter(|of| of.role != Some(Role::Held)) else {
                continue;
            };
            let flags = of.keywords.flags(entry.flags);
            let octets = octets.filter(|octets| octets.len() <= OCTETS_MAX);
            // Where the account is full, without what is long.
            for octets in [octets, None] {
                let body = stub(&head, &loss, octets);
                let message = NewMessage { body, flags: flags.clone(), internal_date: entry.internal_date };
                match account.append(actor, Target::Mailbox(*mailbox), message) {
                    Ok(_) => {
                        loss.is_replaced = true;
                        break;
                    }
                    Err(Error::OverQuota { .. } | Error::InvalidContent(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    mended.losses.push(loss);
    Ok(())
}

/// A field's text, for a report.
fn told(value: &[u8]) -> String {
    let text = message::encoded_word::decode(value.trim_ascii());
    text.chars().filter(|c| !c.is_control()).take(TOLD_CHARS_MAX).collect()
}

/// The fields of a header that say what a message is.
fn fields(header: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for name in FIELDS {
        // RFC 5322 §3.6: each is there once.
        if let Some(field) = find_all(header, name).next() {
            for octet in field.span.of(header).trim_ascii_end() {
                fields.push(if *octet == 0 { b'?' } else { *octet });
            }
            fields.extend_from_slice(b"\r\n");
        }
    }
    fields
}

fn of_envelope(envelope: &Envelope) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut field = |name: &str, value: &[u8]| {
        if !value.is_empty() {
            fields.extend_from_slice(name.as_bytes());
            fields.extend_from_slice(b": ");
            fields.extend(value.iter().map(|octet| if octet.is_ascii_control() { b' ' } else { *octet }));
            fields.extend_from_slice(b"\r\n");
        }
    };
    let Envelope { date, subject, message_id, in_reply_to, .. } = envelope;
    field("Date", date.as_deref().unwrap_or_default());
    for (name, list) in [("From", &envelope.from), ("To", &envelope.to), ("Cc", &envelope.cc)] {
        field(name, &addresses(list));
    }
    field("Subject", subject.as_deref().unwrap_or_default());
    field("Message-ID", message_id.as_deref().unwrap_or_default());
    field("In-Reply-To", in_reply_to.as_deref().unwrap_or_default());
    fields
}

fn addresses(list: &[Address]) -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for address in list {
        let Some(spec) = address.addr_spec() else { continue };
        all.push(match &address.name {
            Some(name) => {
                let quoted = name.iter().flat_map(|octet| match octet {
                    b'"' | b'\\' => vec![b'\\', *octet],
                    octet => vec![*octet],
                });
                // An encoded word is none between quotes (RFC 2047 §5).
                let name: Vec<u8> = match name.starts_with(b"=?") {
                    true => name.clone(),
                    false => [b'"'].into_iter().chain(quoted).chain([b'"']).collect(),
                };
                [&name[..], b" <", &spec, b">"].concat()
            }
            None => spec,
        });
    }
    all.join(&b", "[..])
}

fn stub(head: &[u8], loss: &Loss, octets: Option<&[u8]>) -> Vec<u8> {
    let number = loss.email.map(EmailId::text).unwrap_or_default();
    let what = match octets {
        Some(_) => "What was found of it is attached as it was found, and is not what was sent.",
        None => "Nothing of its text is left.",
    };
    let text = format!(
        "This message was damaged on the disk of the mail server: {}.\r\nIt could not be saved. {what}\r\n\r\nIt had {} octets; \
         its number was {number}.\r\n",
        loss.what,
        loss.size.unwrap_or_default()
    );
    let mut message = head.to_vec();
    let boundary = format!("=_damaged-{number}");
    let Some(octets) = octets else {
        message.extend_from_slice(
            format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}").as_bytes(),
        );
        return message;
    };
    message.extend_from_slice(
        format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n--{boundary}\r\n\
             Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=damaged.eml\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        )
        .as_bytes(),
    );
    for line in octets.chunks(LINE_BYTES) {
        message.extend_from_slice(to_base64(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    message
}
