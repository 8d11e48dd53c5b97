//! The names of devices, mailboxes and messages: what numbers in the journal mean to a person.

use crate::error::Error;
use crate::words;
use message::{Envelope, Structure, refers};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::device::{Device, shown_name};
use store::{Account, DeviceId, EmailId, MailboxId, Mailboxes, Reader};

/// A subject or a sender is cut to so many characters.
const TEXT_CHARS_MAX: usize = 200;

/// A message by what its sender wrote: to be escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLine {
    /// EMAILID, which is the UIDL.
    pub id: String,
    /// Decoded, on one line.
    pub subject: String,
    /// The sender's name, else address.
    pub from: String,
}

pub(crate) struct Names<'a> {
    devices: Arc<BTreeMap<DeviceId, Device>>,
    /// Those that gave way to others.
    forgotten: BTreeMap<DeviceId, String>,
    mailboxes: Mailboxes,
    reader: Reader<'a>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let (devices, forgotten) = (account.devices()?, account.forgotten_devices()?);
        Ok(Self { devices, forgotten, mailboxes: account.mailboxes()?, reader: account.reader()? })
    }

    pub(crate) fn device(&self, id: DeviceId) -> String {
        match (self.devices.get(&id), self.forgotten.get(&id)) {
            (Some(device), _) => device.shown_name().to_string(),
            (None, Some(name)) => shown_name(name).to_string(),
            (None, None) if id == DeviceId(0) => words::THE_SERVER.to_owned(),
            (None, None) => words::a_device_that_is_gone().to_owned(),
        }
    }

    /// A device that was added as `name`.
    pub(crate) fn added(&self, id: DeviceId, name: &str) -> String {
        self.devices.get(&id).map_or_else(|| shown_name(name), Device::shown_name).to_string()
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> String {
        self.mailboxes
            .by_id(id)
            .map_or_else(|| words::a_mailbox_that_is_gone().to_owned(), |mailbox| mailbox.name.clone())
    }

    /// The Message-ID of a message, without angle brackets, if it is there and has one.
    pub(crate) fn message_id(&self, email: EmailId) -> Result<Option<Vec<u8>>, Error> {
        let field = self.envelope(email)?.and_then(|envelope| envelope.message_id);
        Ok(field.as_deref().and_then(refers::message_id).map(<[u8]>::to_vec))
    }

    /// Whether a message answers that one.
    pub(crate) fn answers(&self, email: EmailId, id: &[u8]) -> Result<bool, Error> {
        let field = self.envelope(email)?.and_then(|envelope| envelope.in_reply_to);
        Ok(field.as_deref().and_then(refers::message_id) == Some(id))
    }

    fn envelope(&self, email: EmailId) -> Result<Option<Envelope>, Error> {
        match self.reader.summary(email) {
            Ok(summary) => Ok(Some(summary.envelope)),
            Err(store::Error::NoSuchMessage) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A message that may be a report on another one, with its structure; `None` if it cannot be one, or is gone.
    pub(crate) fn report(&self, email: EmailId, bytes_max: usize) -> Result<Option<(Vec<u8>, Structure)>, Error> {
        let structure = match self.reader.summary(email) {
            Ok(summary) => summary.structure,
            Err(store::Error::NoSuchMessage) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let may_be = structure.root.is("multipart", "report") || structure.root.is("text", "plain");
        if !may_be || structure.size() > bytes_max {
            return Ok(None);
        }
        match self.reader.body(email) {
            Ok(body) => Ok(Some((body, structure))),
            Err(store::Error::NoSuchMessage) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn message(&self, email: EmailId) -> Result<MessageLine, Error> {
        let id = email.text();
        let summary = match self.reader.summary(email) {
            Ok(summary) => summary,
            Err(store::Error::NoSuchMessage) => {
                return Ok(MessageLine {
                    id,
                    subject: words::a_message_that_is_gone().to_owned(),
                    from: String::new(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let subject = summary.envelope.subject.as_deref().map(message::encoded_word::decode).unwrap_or_default();
        let sender = summary.envelope.from.iter().find(|address| address.host.is_some());
        let from = sender.and_then(|sender| sender.name.clone().or_else(|| sender.addr_spec()));
        let from = from.as_deref().map(message::encoded_word::decode).unwrap_or_default();
        let subject = words::subject(&subject);
        Ok(MessageLine { id, subject, from: shown(&from) })
    }
}

impl Names<'_> {
    /// What was found out about who a message comes from.
    pub(crate) fn examined(&self, email: EmailId) -> Result<Vec<String>, Error> {
        match self.reader.header(email) {
            Ok(header) => Ok(words::examined(&header).iter().map(|text| shown(text)).collect()),
            Err(store::Error::NoSuchMessage) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a stranger wrote, on one line, without what steers a terminal or the direction of text.
pub(crate) fn shown(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).take(TEXT_CHARS_MAX).collect::<String>().trim().to_owned()
}
