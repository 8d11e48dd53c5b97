//! What of an account is damaged on disk, in words that an operator and an owner can use: every row is looked at by
//! itself, so that one that is damaged hides no other.

use super::{Check, Depth};
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::{EmailId, MailboxId};
use crate::key;
use crate::record::{BodyRecord, Digest, Mailbox};
use crate::store::Store;
use message::Summary;
use std::collections::BTreeMap;

/// More damaged rows of an account are counted, not named.
const NAMED_MAX: usize = 100;
/// Of a subject or a Message-ID so much is shown.
const SHOWN_CHARS_MAX: usize = 60;

impl Check {
    /// Looks at every row; whether all are sound.
    pub(super) fn rows(&mut self, store: &Store) -> Result<bool, Error> {
        let (mut damaged, mut mailboxes) = (Vec::new(), BTreeMap::new());
        let looked = store.engine().inspect(self.id, &mut |key, value| match value {
            None => damaged.push(key.to_vec()),
            Some(value) if key.first() == Some(&b'B') => {
                mailboxes.extend(Mailbox::decode(value).map(|mailbox| (mailbox.id, mailbox.name)));
            }
            Some(_) => {}
        });
        if let Err(error) = looked {
            self.found(error);
        }
        let snapshot = store.engine().snapshot(self.id)?;
        for key in damaged.iter().take(NAMED_MAX) {
            let what = row(&*snapshot, key, &mailboxes);
            self.found(format_args!("{what} is damaged on disk, or what stood beside it is missing"));
        }
        if damaged.len() > NAMED_MAX {
            self.found(format_args!("{} more records are damaged on disk", damaged.len() - NAMED_MAX));
        }
        Ok(damaged.is_empty())
    }

    /// The bodies of an account of which not all records can be read.
    pub(super) fn bodies_alone(&mut self, store: &Store, snapshot: &dyn Snapshot, depth: Depth) {
        let mut bodies = Vec::new();
        let _told = store.engine().inspect(self.id, &mut |key, value| {
            if let (Some(b'Y'), Ok(email), Some(value)) = (key.first(), key::long_at(key, 1), value) {
                bodies.push((EmailId(email), value.to_vec()));
            }
        });
        for (email, record) in bodies {
            match BodyRecord::decode(&record) {
                Ok(BodyRecord::Object { digest: Digest { hash, .. }, size, name, .. }) => {
                    self.object(store, snapshot, (email, &name), (size, hash), depth);
                }
                Ok(BodyRecord::Inline { .. }) => {}
                Err(_) => self.found(format_args!("the body record of {} is damaged", message(snapshot, email))),
            }
        }
    }

    /// That an object is there and as long as it must be; when bodies are read, that it is what it was. Gives it then.
    pub(super) fn object(
        &mut self,
        store: &Store,
        snapshot: &dyn Snapshot,
        (email, name): (EmailId, &str),
        (size, hash): (u32, [u8; 32]),
        depth: Depth,
    ) -> Option<Vec<u8>> {
        let told = match depth {
            Depth::Records => store.objects().length(self.id, name).map(|length| (length, None)),
            Depth::Bodies => store.objects().read(self.id, name).map(|body| (body.len() as u64, Some(body))),
        };
        let (length, body) = match told {
            Ok(told) => told,
            Err(error) => {
                self.found(format_args!(
                    "the body of {} cannot be read: {error} (object {name})",
                    message(snapshot, email)
                ));
                return None;
            }
        };
        if length != u64::from(size) {
            let what = message(snapshot, email);
            self.found(format_args!("the body of {what} has {length} octets instead of {size} (object {name})"));
            return None;
        }
        let body = body?;
        if *blake3::hash(&body).as_bytes() != hash {
            self.found(format_args!("the body of {} is damaged (object {name})", message(snapshot, email)));
            return None;
        }
        Some(body)
    }
}

/// What a row is, by its key.
fn row(snapshot: &dyn Snapshot, key: &[u8], mailboxes: &BTreeMap<MailboxId, String>) -> String {
    let mailbox = || {
        let id = key::number_at(key, 1).map(MailboxId).unwrap_or_default();
        mailboxes.get(&id).map_or_else(|| format!("mailbox {id}"), |name| format!("the mailbox {name:?}"))
    };
    let email = |at| key::long_at(key, at).map_or_else(|_| "a message".to_owned(), |id| message(snapshot, EmailId(id)));
    match key.first() {
        None => "the beginning of the account".to_owned(),
        Some(b'A') => "the record of the account".to_owned(),
        Some(b'B') => format!("the record of {}", mailbox()),
        Some(b'K' | b'L') => format!("the packed index of {}", mailbox()),
        Some(b'M') => format!("message UID {} of {}", key::number_at(key, 5).unwrap_or_default(), mailbox()),
        Some(b'D') => format!("the record of device {}", key::number_at(key, 1).unwrap_or_default()),
        Some(b'E') => format!("the record of {}", email(1)),
        Some(b'Y') => format!("the body of {}", email(1)),
        Some(b'T') => format!("the summary of {}", email(1)),
        Some(b'U') => format!("what POP3 shows of {}", email(1)),
        Some(b'H') => format!("the history of {}", email(1)),
        Some(b'P') => format!("what a POP3 device has done with {}", email(5)),
        Some(b'S') => "the subscription of a name that is no mailbox".to_owned(),
        Some(b'X') if key.get(1) == Some(&8) => "flags of many messages".to_owned(),
        Some(b'X') if key.get(1) == Some(&20) => "annotations".to_owned(),
        Some(b'X') if key.get(1) == Some(&40) => "the key with which addresses are authorized".to_owned(),
        Some(b'X') if key.get(1) == Some(&120) => "what an import has taken".to_owned(),
        Some(b'X') => "what the junk filter has learnt".to_owned(),
        Some(b'R') => format!("the removal of {}", email(9)),
        Some(b'J') => format!("journal entry {}", key::long_at(key, 1).unwrap_or_default()),
        Some(_) => format!("a record (key {key:02x?})"),
    }
}

/// A message as people know it.
pub(super) fn message(snapshot: &dyn Snapshot, email: EmailId) -> String {
    let summary = snapshot.get(&key::summary(email)).ok().flatten().and_then(|bytes| Summary::decode(&bytes).ok());
    let Some(envelope) = summary.map(|summary| summary.envelope) else { return format!("message {}", email.text()) };
    let shown = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets);
        text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect::<String>()
    };
    let subject = envelope.subject.map_or_else(String::new, |subject| format!(" {:?}", shown(&subject)));
    let id = envelope.message_id.map_or_else(String::new, |id| format!(" {}", shown(&id)));
    format!("message {}{subject}{id}", email.text())
}
