//! A message that a device submits: saved to Sent once, and the messages that it answers or forwards get their flags.
//!
//! Many programs upload a copy of what they send themselves, before or after. Both are the same message
//! ([`crate::identity::Fingerprint`]), and one of them stays: the program's own, because it may have more in it (Bcc), unless
//! it is no different, or has less. Where the program files it ("Sent Items", the folder of the conversation) is where it
//! is then. A message that is not surely the same is another one; nothing is ever joined on less.
//!
//! The copy that the server saved and that gives way is removed in the name of the server: no device has removed it, and
//! no undo of what a device did brings it back beside the other. It stays restorable like all that is removed.

use super::append::{Appended, Prepared, store_new};
use super::{Account, Target};
use crate::codec::Corrupt;
use crate::error::Error;
use crate::flags::{FlagBits, Flags, SystemFlag};
use crate::identity::{Name, Origin, Own};
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Protocol};
use crate::key;
use crate::objects::Shared;
use crate::quota::Amount;
use crate::receipt::{Claim, Claims, Handover};
use crate::record::Mailbox;
use crate::role::Role;
use crate::tx::{Row, Tx};
use message::{Refers, Summary};
use std::sync::Arc;

/// A message is looked for among so many of the same name, the oldest first.
pub(super) const NAMESAKES_MAX: usize = 64;
/// A program files its copy in any mailbox for so long; later only in one for sent mail, because then it is a person who
/// files.
const PROGRAM_FILES_MILLIS: i64 = 15 * 60 * 1000;
/// So many commits, at most, bring the index by Message-ID up to date before a message is sent: as a rule one of a few
/// messages. Of a mailbox that was just imported the rest is done within the hour.
const NAMED_COMMITS_MAX: usize = 10;
/// A COPY or MOVE of more messages is no program that files what it sent.
const RELISTED_MAX: usize = 64;

/// A message that a device submits.
#[derive(Clone)]
pub struct Submission {
    /// All octets, as they are to be in Sent.
    pub body: Shared,
    /// So many octets at its beginning are what it lacked (RFC 6409 §8): a program's own copy does not have them.
    pub added_bytes: usize,
    /// How it was handed over; it comes again when its client has no answer.
    pub handover: Option<Handover>,
}

/// What became of a submission in the account of the sender.
#[derive(Debug)]
pub struct Submitted {
    /// The copy in Sent.
    pub copy: SentCopy,
    /// So many places of messages got `\Answered` or `$Forwarded`.
    pub flagged: usize,
    /// To be answered, if a receipt was written for it.
    pub claim: Option<Claim>,
}

/// The copy in Sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentCopy {
    /// It is there now.
    Saved(Appended),
    /// The program has uploaded it already, or the message was submitted before.
    WasThere,
    /// The owner does not want it ([`crate::device::Device::saves_sent`]).
    Off,
    /// It cannot be kept, and would not be the next time: why.
    Refused(Error),
}

impl Account {
    /// Saves what a device submits, and flags what it answers or forwards: in one commit, done when this returns. The flags
    /// are a courtesy: where one cannot be set, the rest is done.
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults: nothing was changed, and it is worth another try.
    pub fn submit(&self, actor: Actor, submission: Submission) -> Result<Submitted, Error> {
        let Submission { body: shared, added_bytes, handover } = submission;
        let body = (*shared).as_ref();
        let saves = self.devices()?.get(&actor.device).is_none_or(|device| device.saves_sent);
        let summary = Summary::parse(body);
        let refers = Refers::of(body, &summary.structure);
        if !refers.is_empty()
            && let Err(error) = self.index_message_ids(NAMED_COMMITS_MAX)
        {
            tracing::warn!(account = %self.id(), %error, "what a sent message answers may not be found");
        }
        if !saves && refers.is_empty() {
            return Ok(Submitted { copy: SentCopy::Off, flagged: 0, claim: None });
        }
        let prepared = match saves {
            true => Some(self.prepare(&shared, &summary, Origin::Submitted { added_bytes })?),
            false => None,
        };
        drop(shared);
        let object = prepared.as_ref().and_then(|prepared| prepared.object.clone());
        let claims = Arc::clone(&self.cell.claims);
        let handover = handover.map(Handover::for_sent);
        let submitted = self.transact(move |tx| {
            let saved =
                prepared.as_ref().map(|prepared| tx.attempt(|tx| save(tx, actor, (prepared, handover), &claims)));
            submitted(tx, actor, saved, &refers)
        });
        let is_stored = matches!(&submitted, Ok(Submitted { copy: SentCopy::Saved(_), .. }));
        self.remove_unless(is_stored, submitted.as_ref().err(), object);
        self.forget_gone_receipts();
        submitted
    }
}

/// The copy in Sent, and its receipt.
type Saved = (SentCopy, Option<Claim>);

fn submitted(
    tx: &mut Tx<'_>,
    actor: Actor,
    saved: Option<Result<Saved, Error>>,
    refers: &Refers,
) -> Result<Submitted, Error> {
    let (copy, claim) = match saved {
        None => (SentCopy::Off, None),
        Some(Ok(saved)) => saved,
        Some(Err(error)) if will_not_fit(&error) => (SentCopy::Refused(error), None),
        Some(Err(error)) => return Err(error),
    };
    let flagged = tx.attempt(|tx| tx.mark_referred(actor, refers)).unwrap_or_else(|error| {
        tracing::warn!(%error, "what a sent message answers was not flagged");
        0
    });
    Ok(Submitted { copy, flagged, claim })
}

/// Whether another try would end the same way.
fn will_not_fit(error: &Error) -> bool {
    match error {
        Error::Limit(_)
        | Error::OverQuota { .. }
        | Error::InvalidName(_)
        | Error::InvalidContent(_)
        | Error::NotAllowed(_)
        | Error::NotPermitted
        | Error::NotPermittedBelow(_)
        | Error::AlreadyExists
        | Error::NoSuchMailbox => true,
        Error::NoSuchAccount
        | Error::NoSuchMessage
        | Error::NoSuchDevice
        | Error::LoginEnded
        | Error::MaildropInUse
        | Error::NoSpace(_)
        | Error::ReadOnly
        | Error::Damaged(_)
        | Error::Fault(_) => false,
    }
}

fn save(
    tx: &mut Tx<'_>,
    actor: Actor,
    (prepared, handover): (&Prepared, Option<Handover>),
    claims: &Arc<Claims>,
) -> Result<Saved, Error> {
    if let Some((_, claim)) = handover.and_then(|handover| tx.known(claims, &handover, actor.now)) {
        return Ok((SentCopy::WasThere, Some(claim)));
    }
    for (email, _) in tx.same_messages(prepared)? {
        if tx.is_filed(email)? {
            return Ok((SentCopy::WasThere, None));
        }
    }
    tx.must_fit(Amount::of_one(prepared.size))?;
    let sent = tx.mailbox_of(actor, Role::Sent)?;
    let flags = Flags::system(&[SystemFlag::Seen]);
    let appended = store_new(tx, actor, sent, &flags, actor.now, prepared)?;
    let claim = handover.map(|handover| tx.note_receipt(claims, appended.email, handover, actor.now));
    Ok((SentCopy::Saved(appended), claim))
}

/// The copy that the server saved of a message that a program uploads or files.
pub(super) struct SavedCopy {
    mailbox: MailboxId,
    pub(super) entry: Entry,
    flags: Flags,
}

/// What an upload becomes.
pub(super) enum Upload {
    /// A message of its own.
    New,
    /// Another one of what the server saved; that gives way.
    Instead(SavedCopy),
    /// What the server saved is it.
    Same(SavedCopy),
}

impl Tx<'_> {
    /// What the upload of a message into `mailbox` becomes.
    pub(super) fn upload(&mut self, prepared: &Prepared, mailbox: MailboxId, now: Timestamp) -> Result<Upload, Error> {
        for (email, own) in self.same_messages(prepared)? {
            let copy = if own.saved { self.saved_copy(email, mailbox, now)? } else { None };
            if let Some(copy) = copy {
                let same = self.is_all_of(email, own, prepared)?;
                return Ok(if same { Upload::Same(copy) } else { Upload::Instead(copy) });
            }
        }
        Ok(Upload::New)
    }

    /// What the server saved is the upload: where the program files it, with the flags that it gives it.
    pub(super) fn file_saved(
        &mut self,
        actor: Actor,
        to: MailboxId,
        flags: &Flags,
        copy: &SavedCopy,
    ) -> Result<Appended, Error> {
        let SavedCopy { mailbox: from, entry, .. } = *copy;
        let mut uid = entry.uid;
        if from != to {
            let relisted = self.relisted(from, &[entry], to)?;
            uid = relisted.first().map_or(uid, |moved| moved.uid);
            self.move_batch(actor, (from, &[entry]), to, relisted)?;
        }
        let bits = self.flag_bits(to, flags)?;
        let modseq = self.add_flags(actor, (to, uid), bits)?;
        let uid_validity = self.mailbox(to)?.uid_validity;
        Ok(Appended { mailbox: to, uid_validity, uid, email: entry.email, modseq })
    }

    /// What the server saved gives way to the program's own copy, which gets its flags.
    pub(super) fn give_way(&mut self, actor: Actor, to: (MailboxId, Uid), copy: &SavedCopy) -> Result<(), Error> {
        let bits = self.flag_bits_with_room(to.0, &copy.flags)?;
        self.add_flags(actor, to, bits)?;
        let server = Actor { device: DeviceId(0), protocol: Protocol::Server, now: actor.now };
        self.expunge(server, copy.mailbox, &[copy.entry])
    }

    /// After a COPY or MOVE into `to`: what the server saved of these messages gives way to them.
    pub(super) fn filed(&mut self, actor: Actor, to: MailboxId, messages: &[(Uid, EmailId)]) -> Result<(), Error> {
        if messages.len() > RELISTED_MAX {
            return Ok(());
        }
        for (uid, email) in messages {
            let Some((name, own)) = self.own(*email)?.filter(|(_, own)| !own.saved) else { continue };
            for (saved, other) in self.namesakes_of(name)? {
                if other.is_some_and(|other| other.saved && other.fingerprint == own.fingerprint)
                    && let Some(copy) = self.saved_copy(saved, to, actor.now)?
                {
                    self.give_way(actor, (to, *uid), &copy)?;
                }
            }
        }
        Ok(())
    }

    /// The account's own messages that are the same as a new one.
    fn same_messages(&mut self, prepared: &Prepared) -> Result<Vec<(EmailId, Own)>, Error> {
        let (Some(name), Some(new)) = (prepared.identity.names.last(), prepared.identity.own) else {
            return Ok(Vec::new());
        };
        let named = self.namesakes_of(*name)?;
        let own = named.into_iter().filter_map(|(email, own)| Some((email, own?)));
        Ok(own.filter(|(_, own)| own.fingerprint == new.fingerprint).collect())
    }

    /// The messages of a name, the oldest first, at most [`NAMESAKES_MAX`].
    pub(super) fn namesakes_of(&mut self, name: Name) -> Result<Vec<(EmailId, Option<Own>)>, Error> {
        let rows = self.rows(key::all_named(name), NAMESAKES_MAX)?;
        let row = |(key, value): &Row| Ok((EmailId(key::long_at(key, 9)?), Own::decode(value)?));
        rows.iter().map(row).collect::<Result<_, Corrupt>>().map_err(Error::corrupt("the index of messages by name"))
    }

    /// What tells that a message is the account's own, and the name that its copies are found by.
    fn own(&mut self, email: EmailId) -> Result<Option<(Name, Own)>, Error> {
        let Some(name) = self.email(email)?.names.last().copied() else { return Ok(None) };
        let row = self.get(&key::named(name, email))?.unwrap_or_default();
        let own = Own::decode(&row).map_err(Error::corrupt("the index of messages by name"))?;
        Ok(own.map(|own| (name, own)))
    }

    /// What the server saved, if it is still there, nobody is deleting it, and a copy in `mailbox` is a program's doing.
    fn saved_copy(&mut self, email: EmailId, mailbox: MailboxId, now: Timestamp) -> Result<Option<SavedCopy>, Error> {
        let is_recent = email.came_since(Timestamp(now.0.saturating_sub(PROGRAM_FILES_MILLIS)));
        let target = self.mailbox(mailbox)?;
        if !(is_for_sent(target) || is_recent) || keeps_no_sent(target) {
            return Ok(None);
        }
        let record = self.email(email)?;
        let Some(place) = record.arrival.map(|arrival| arrival.mailbox) else { return Ok(None) };
        let found = self.places_of(email, &record)?.into_iter().find(|(mailbox, _)| *mailbox == place);
        let there = found.map(|(_, entry)| entry).filter(|entry| !entry.flags.has(SystemFlag::Deleted));
        let Some(entry) = there else { return Ok(None) };
        let flags = self.mailbox(place)?.keywords.flags(entry.flags);
        Ok(Some(SavedCopy { mailbox: place, entry, flags }))
    }

    /// Whether a stored message has all that a new one of the same fingerprint has: it is the same to the last octet, or
    /// it alone names the recipients in Bcc.
    fn is_all_of(&mut self, email: EmailId, own: Own, new: &Prepared) -> Result<bool, Error> {
        if new.identity.own.is_some_and(|new| new.exact == own.exact) {
            return Ok(true);
        }
        let summary = self.get(&key::summary(email))?.unwrap_or_default();
        let has_bcc = Summary::decode(&summary).is_ok_and(|summary| !summary.envelope.bcc.is_empty());
        Ok(has_bcc && !new.has_bcc)
    }

    /// Whether a message is kept somewhere as sent mail.
    fn is_filed(&mut self, email: EmailId) -> Result<bool, Error> {
        let record = self.email(email)?;
        for (place, entry) in self.places_of(email, &record)? {
            if !keeps_no_sent(self.mailbox(place)?) && !entry.flags.has(SystemFlag::Deleted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds flags to a message, of keywords that are too many for it none; gives its last change.
    fn add_flags(&mut self, actor: Actor, (mailbox, uid): (MailboxId, Uid), bits: FlagBits) -> Result<ModSeq, Error> {
        let entry = self.index(mailbox)?.find(uid).copied().ok_or(Error::NoSuchMessage)?;
        let all = entry.flags.union(bits).or_else(|| entry.flags.union(bits.system()));
        let after = all.unwrap_or(entry.flags);
        if after == entry.flags {
            return Ok(entry.modseq);
        }
        let modseq = self.next_modseq();
        self.reflag(actor, mailbox, &[(entry, after)])?;
        Ok(modseq)
    }
}

/// Whether programs file there what they sent.
fn is_for_sent(mailbox: &Mailbox) -> bool {
    mailbox.role == Some(Role::Sent)
        || mailbox.name == Role::Sent.default_name()
        || Role::of_alias(&mailbox.name) == Some(Role::Sent)
}

/// Whether a message there is no copy of what was sent: it is not yet sent, or thrown away.
fn keeps_no_sent(mailbox: &Mailbox) -> bool {
    match mailbox.role {
        Some(Role::Drafts | Role::Junk | Role::Trash | Role::Held) => true,
        Some(Role::Inbox | Role::Sent | Role::Archive) | None => false,
    }
}

/// Whose a message is that comes into a mailbox this way.
pub(super) fn origin(target: &Target) -> Origin {
    match target {
        Target::Mailbox(_) => Origin::Uploaded,
        Target::Inbox => Origin::Delivered,
    }
}
