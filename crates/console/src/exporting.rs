//! All mail of an account, to be written down somewhere else.

use crate::account::AccountConsole;
use crate::checking::Steps;
use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::{Account, Entry, Mailbox, MailboxId, Reader, SystemFlag};

/// A part of a message has so many octets at most.
const OCTETS_MAX: usize = 384 * 1024;
/// So many messages are read from one snapshot, which holds resources of the engine.
const PIECE: usize = 100;

/// A part of the mail of an account: a mailbox, then its messages, each with its octets behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStep {
    /// A mailbox.
    Mailbox {
        /// Its name, with `/` between levels.
        name: String,
        /// Whether it is on the list of subscriptions.
        subscribed: bool,
        /// Messages.
        messages: usize,
        /// UIDVALIDITY.
        uid_validity: u32,
        /// The UID of the next message that comes.
        uid_next: u32,
        /// Keywords that messages of it have or had.
        #[serde(default)]
        keywords: Vec<String>,
    },
    /// A message of the last mailbox.
    Message {
        /// Its UID.
        uid: u32,
        /// EMAILID.
        id: String,
        /// What POP3 programs know it by.
        uidl: String,
        /// Flags and keywords, as IMAP has them.
        flags: Vec<String>,
        /// When it came, in seconds since 1970.
        at: i64,
        /// Its octets.
        bytes: usize,
    },
    /// The next octets of the last message.
    Octets {
        /// In base64.
        base64: String,
    },
    /// A message that cannot be read.
    Unreadable {
        /// Its mailbox.
        mailbox: String,
        /// Its UID.
        uid: u32,
        /// Why.
        why: String,
    },
}

impl AccountConsole {
    /// Gives all mail of the account. What is removed meanwhile is left out, what comes meanwhile may be.
    ///
    /// # Errors
    /// Faults; `step` fails.
    pub fn export(&self, step: Steps<'_, ExportStep>) -> Result<(), Error> {
        export_mail(&self.account, step)
    }
}

/// Gives all mail of an account of which nothing but the mail is known.
///
/// # Errors
/// As [`AccountConsole::export`].
pub fn export_mail(account: &Account, step: Steps<'_, ExportStep>) -> Result<(), Error> {
    let mailboxes: Vec<MailboxId> = account.mailboxes()?.iter().map(|mailbox| mailbox.id).collect();
    for id in mailboxes {
        let Ok(view) = account.view(id) else { continue };
        let mailbox = view.mailbox();
        let (name, subscribed, messages) = (mailbox.name.clone(), mailbox.subscribed, view.index().len());
        let (uid_validity, uid_next) = (mailbox.uid_validity.0, mailbox.uid_next.0);
        let keywords = mailbox.keywords.names().to_vec();
        step(ExportStep::Mailbox { name, subscribed, messages, uid_validity, uid_next, keywords })?;
        let entries: Vec<Entry> = view.index().iter().copied().collect();
        for piece in entries.chunks(PIECE) {
            let reader = account.reader()?;
            piece.iter().try_for_each(|entry| message(&reader, mailbox, entry, step))?;
        }
    }
    Ok(())
}

fn message(reader: &Reader<'_>, mailbox: &Mailbox, entry: &Entry, step: Steps<'_, ExportStep>) -> Result<(), Error> {
    let uid = entry.uid.0;
    let octets = match reader.body(entry.email) {
        Ok(octets) => octets,
        Err(store::Error::NoSuchMessage) => return Ok(()),
        // One that is damaged holds up none of the others.
        Err(error) => {
            return step(ExportStep::Unreadable { mailbox: mailbox.name.clone(), uid, why: error.to_string() });
        }
    };
    let flags = mailbox.keywords.flags(entry.flags);
    let system = SystemFlag::ALL.into_iter().filter(|flag| flags.system.has(*flag)).map(|flag| flag.name().to_owned());
    let flags = system.chain(flags.keywords).collect();
    let (id, at) = (entry.email.text(), entry.internal_date.unix_seconds());
    // A damaged note of another server's is no reason to leave the message behind.
    let uidl = reader.uidl(entry.email).unwrap_or_else(|_| id.clone());
    step(ExportStep::Message { uid, id, uidl, flags, at, bytes: octets.len() })?;
    octets.chunks(OCTETS_MAX).try_for_each(|piece| step(ExportStep::Octets { base64: STANDARD.encode(piece) }))
}
