//! A new message comes into a mailbox: delivery and IMAP APPEND.

use super::Account;
use super::sent::{Upload, origin};
use crate::error::Error;
use crate::flags::Flags;
use crate::identity::{Identity, Origin, Own};
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, OfMessages, Protocol};
use crate::key;
use crate::objects::{ObjectName, Shared};
use crate::quota::Amount;
use crate::record::{Arrival, BodyRecord, Digest, EmailRecord, HeaderCopy, MessageRecord};
use crate::rights::Rights;
use crate::shown::SentSizes;
use crate::store::takes_mail;
use crate::tx::Tx;
use message::content::HasNul;
use message::{Summary, binary};
use std::sync::Arc;
use wording::tr;

/// A longer summary is not kept but made anew whenever it is asked for: only a message made to be a nuisance has one.
const SUMMARY_BYTES_MAX: usize = 1024 * 1024;

const NUL: &str = "the message has a NUL octet, which mail must not have and IMAP cannot carry";

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// All octets, header and body.
    pub body: Vec<u8>,
    /// The flags that it begins with.
    pub flags: Flags,
    /// INTERNALDATE; one that readers cannot parse becomes the nearest that they can ([`Timestamp::as_internal_date`]).
    pub internal_date: Timestamp,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A mailbox by number.
    Mailbox(MailboxId),
    /// INBOX.
    Inbox,
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The mailbox's.
    pub uid_validity: UidValidity,
    /// The message's.
    pub uid: Uid,
    /// The message.
    pub email: EmailId,
    /// The change.
    pub modseq: ModSeq,
}

/// What of a new message is written in the transaction.
pub(super) struct Prepared {
    pub(super) size: u32,
    body_record: Vec<u8>,
    summary: Vec<u8>,
    pub(super) object: Option<String>,
    sizes: SentSizes,
    pub(super) identity: Identity,
    /// Whether it names recipients in Bcc.
    pub(super) has_bcc: bool,
}

impl Account {
    /// Stores a message. A body larger than the inline limit is made durable as an object first. A program's own copy of
    /// what a device submitted takes the place of the one that was saved ([`Account::submit`]). Binary parts with a NUL get
    /// base64 ([`message::binary`]).
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (the mailbox of what is held), [`Error::InvalidContent`],
    /// [`Error::OverQuota`], [`Error::Limit`] (a keyword too many, 4 GiB, UIDs used up), [`Error::NoSpace`], faults.
    pub fn append(&self, actor: Actor, target: Target, message: NewMessage) -> Result<Appended, Error> {
        let NewMessage { body, flags, internal_date } = message;
        let summary = Summary::parse(&body);
        let body: Shared = Arc::new(body);
        let prepared = self.prepare(&body, &summary, origin(&target))?;
        drop(body);
        let object = prepared.object.clone();
        let appended = self.transact_shared(move |tx| append(tx, actor, &target, &flags, internal_date, &prepared));
        self.remove_unless(appended.as_ref().is_ok_and(|(_, is_stored)| *is_stored), appended.as_ref().err(), object);
        appended.map(|(appended, _)| appended)
    }

    /// Puts a short message of the server itself into INBOX, also where the disk has no room for mail.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn write_letter(&self, now: Timestamp, body: Vec<u8>) -> Result<(), Error> {
        self.transact(move |tx| tx.append_letter(now, &body))
    }

    /// Removes an object that nothing refers to, and nothing ever will. After a fault we do not know; then the sweep
    /// decides.
    pub(super) fn remove_unless(&self, is_stored: bool, error: Option<&Error>, object: Option<String>) {
        if let (false, Some(name)) = (is_stored || matches!(error, Some(Error::Fault(_))), object) {
            let _ = self.objects.remove(self.id(), &name);
        }
    }

    /// What every new message goes through, whichever way it comes. The body is shared, because a large one should be in
    /// memory once.
    pub(super) fn prepare(&self, shared: &Shared, parsed: &Summary, origin: Origin) -> Result<Prepared, Error> {
        let (prepared, object) = self.prepare_but_object(shared, parsed, origin)?;
        if let Some((name, content)) = object {
            self.objects.put_shared(self.id(), &name, content)?;
        }
        Ok(prepared)
    }

    /// The same; the object that has to be there before the message is stored is given back.
    pub(super) fn prepare_but_object(
        &self,
        shared: &Shared,
        parsed: &Summary,
        origin: Origin,
    ) -> Result<(Prepared, Option<(ObjectName, Shared)>), Error> {
        takes_mail(&*self.cell.engine, &*self.cell.space)?;
        let body = (**shared).as_ref();
        if let Some(made) = binary::without_nul(body).map_err(|HasNul| Error::InvalidContent(NUL))? {
            let (parsed, shared): (_, Shared) = (Summary::parse(&made), Arc::new(made));
            return self.prepare_but_object(&shared, &parsed, origin);
        }
        let size = u32::try_from(body.len()).map_err(|_| Error::Limit(tr!("a message has at most 4 GiB").into()))?;
        let hash = *blake3::hash(body).as_bytes();
        let mut summary = parsed.encode();
        if summary.len() > SUMMARY_BYTES_MAX {
            summary.clear();
        }
        let (body_record, object) = if body.len() <= self.inline_bytes_max {
            (BodyRecord::Inline { hash, body }.encode(), None)
        } else {
            let name = object_name(&hash)?;
            let header = HeaderCopy::of(body);
            (
                BodyRecord::Object { digest: Digest::of(body, hash), size, name: name.clone(), header }.encode(),
                Some(name),
            )
        };
        let (identity, has_bcc) = (Identity::of(body, &hash, parsed, origin), !parsed.envelope.bcc.is_empty());
        let content = object.clone().map(|name| (name, Arc::clone(shared)));
        let sizes = SentSizes::of(body);
        Ok((Prepared { size, body_record, summary, object, sizes, identity, has_bcc }, content))
    }
}

/// The BLAKE3 of the content, and a random part: an object belongs to one message and is never shared, so that removing
/// it cannot race with another message of the same content.
fn object_name(hash: &[u8; 32]) -> Result<String, Error> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|error| Error::fault(format_args!("no random numbers: {error}")))?;
    Ok(format!("{}-{:016x}", blake3::Hash::from_bytes(*hash).to_hex(), u64::from_be_bytes(nonce)))
}

/// Also gives whether what was prepared is stored.
pub(super) fn append(
    tx: &mut Tx<'_>,
    actor: Actor,
    target: &Target,
    flags: &Flags,
    internal_date: Timestamp,
    prepared: &Prepared,
) -> Result<(Appended, bool), Error> {
    append_where(tx, actor, target, (flags, internal_date), prepared, &|tx, more| tx.must_fit(more))
}

/// The same, where `fits` says whether there is room for so much more.
pub(super) fn append_where(
    tx: &mut Tx<'_>,
    actor: Actor,
    target: &Target,
    (flags, internal_date): (&Flags, Timestamp),
    prepared: &Prepared,
    fits: &dyn Fn(&Tx<'_>, Amount) -> Result<(), Error>,
) -> Result<(Appended, bool), Error> {
    let mailbox = match target {
        Target::Mailbox(id) => *id,
        Target::Inbox => {
            let inbox = tx.state.inbox()?.id;
            tx.must_have(inbox, Rights::INSERT)?;
            fits(tx, Amount::of_one(prepared.size))?;
            return Ok((store_new(tx, actor, inbox, flags, internal_date, prepared)?, true));
        }
    };
    // That there is no such mailbox is told before that there is no room (RFC 9051 §6.3.12: TRYCREATE).
    tx.must_have(mailbox, Rights::INSERT)?;
    tx.must_not_be_held(mailbox)?;
    let upload = match tx.guest {
        // What the owner's devices submitted is no matter of theirs.
        Some(_) => Upload::New,
        None => tx.upload(prepared, mailbox, actor.now)?,
    };
    match upload {
        Upload::New => {
            fits(tx, Amount::of_one(prepared.size))?;
            Ok((store_new(tx, actor, mailbox, flags, internal_date, prepared)?, true))
        }
        Upload::Same(saved) => Ok((tx.file_saved(actor, mailbox, flags, &saved)?, false)),
        Upload::Instead(saved) => {
            fits(tx, Amount { bytes: prepared.size.saturating_sub(saved.entry.size).into(), messages: 0 })?;
            let appended = store_new(tx, actor, mailbox, flags, internal_date, prepared)?;
            tx.give_way(actor, (mailbox, appended.uid), &saved)?;
            Ok((appended, true))
        }
    }
}

/// Stores a message as one of its own.
pub(super) fn store_new(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    flags: &Flags,
    internal_date: Timestamp,
    prepared: &Prepared,
) -> Result<Appended, Error> {
    let (modseq, listed) = (tx.next_modseq(), put_new(tx, actor, mailbox, (flags, internal_date), prepared)?);
    let (uid, email) = (listed.uid, listed.email);
    tx.journal_arrival(actor, Change::Messages(OfMessages::Added { mailbox, messages: vec![listed] }));
    let uid_validity = tx.mailbox(mailbox)?.uid_validity;
    Ok(Appended { mailbox, uid_validity, uid, email, modseq })
}

/// Puts a message of its own into a mailbox; the next entry of the journal must tell it.
pub(super) fn put_new(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    (flags, internal_date): (&Flags, Timestamp),
    prepared: &Prepared,
) -> Result<Listed, Error> {
    let email = tx.next_email(actor.now)?;
    let (flags, seen_by) = tx.flags_of_new(mailbox, flags)?;
    let flags = tx.flag_bits(mailbox, &flags)?;
    let uid = tx.next_uid(mailbox)?;
    let internal_date = internal_date.as_internal_date();
    let listed = Listed { uid, email, flags, internal_date, size: prepared.size };
    tx.put(key::body(email), prepared.body_record.clone());
    tx.put(key::summary(email), prepared.summary.clone());
    tx.note_sizes(email, prepared.sizes);
    let modseq = tx.next_modseq();
    let record = EmailRecord {
        size: prepared.size,
        places: 1,
        removed_at: None,
        object: prepared.object.clone(),
        arrival: Some(Arrival { modseq, mailbox }),
        names: prepared.identity.names.clone(),
        listed: vec![(mailbox, uid)],
        since: vec![Some(actor.now)],
    };
    let own = Own::encode(prepared.identity.own);
    prepared.identity.names.iter().for_each(|name| tx.put(key::named(*name, email), own.clone()));
    tx.put(key::email(email), record.encode());
    tx.list(mailbox, &listed.entry(modseq))?;
    if let Some(guest) = seen_by {
        tx.mark((mailbox, guest), &[(uid, true)], modseq)?;
    }
    Ok(listed)
}

impl Tx<'_> {
    /// Puts a short message of the server itself into INBOX.
    pub(super) fn append_letter(&mut self, now: Timestamp, body: &[u8]) -> Result<(), Error> {
        let (size, hash) = (u32::try_from(body.len()).unwrap_or(u32::MAX), *blake3::hash(body).as_bytes());
        let parsed = Summary::parse(body);
        let prepared = Prepared {
            size,
            body_record: BodyRecord::Inline { hash, body }.encode(),
            summary: parsed.encode(),
            object: None,
            sizes: SentSizes::of(body),
            identity: Identity::of(body, &hash, &parsed, origin(&Target::Inbox)),
            has_bcc: false,
        };
        let (actor, inbox) = (Actor { device: DeviceId(0), protocol: Protocol::Server, now }, self.state.inbox()?.id);
        store_new(self, actor, inbox, &Flags::default(), now, &prepared).map(drop)
    }

    /// RFC 9051 §2.3.1.1: strictly ascending, never used again.
    pub(super) fn next_uid(&mut self, mailbox: MailboxId) -> Result<Uid, Error> {
        let next = &mut self.change_mailbox(mailbox)?.mailbox.uid_next;
        let uid = *next;
        let used_up = || Error::Limit("the mailbox has used up its UIDs; copy its messages to a new one".into());
        next.0 = uid.0.checked_add(1).ok_or_else(used_up)?;
        Ok(uid)
    }

    /// Puts a message into a mailbox: record, counts, index.
    pub(super) fn list(&mut self, mailbox: MailboxId, entry: &Entry) -> Result<(), Error> {
        self.put(key::message(mailbox, entry.uid), MessageRecord::encode(entry));
        let state = self.change_mailbox(mailbox)?;
        state.mailbox.counts.add(entry);
        state.mailbox.unpacked = state.mailbox.unpacked.saturating_add(1);
        state.mailbox.highest_modseq = entry.modseq;
        if let Some(index) = &mut state.index {
            index.push(*entry);
        }
        Ok(())
    }
}
