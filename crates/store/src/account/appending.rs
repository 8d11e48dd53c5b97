//! Several messages come into a mailbox at once: all of them or none (RFC 3502 §6.3.11).
//!
//! As many as one commit takes are one commit. More come in pieces, as those of a COPY do, and what has come is taken back if
//! the last piece does not ([`Unfinished`]).

use super::Account;
use super::append::{NewMessage, Prepared, Target, append, put_new};
use super::copy_and_move::{Noted, Unfinished};
use super::piece::PIECE_MESSAGES_MAX;
use super::sent::origin;
use super::{Appended, View};
use crate::error::Error;
use crate::flags::Flags;
use crate::ids::{MailboxId, Timestamp};
use crate::journal::{Actor, Change, Listed, OfMessages};
use crate::objects::{ObjectName, Shared};
use crate::quota::Amount;
use crate::rights::Rights;
use crate::tx::Tx;
use message::Summary;
use std::mem;
use std::sync::Arc;

/// A piece takes no further message once its messages have so many octets.
pub const APPENDING_PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Messages on their way into a mailbox. What has come is taken back if it is dropped before its end, or, after a crash, before
/// anybody sees the account again.
pub struct Appending {
    account: Account,
    actor: Actor,
    mailbox: MailboxId,
    /// Of all messages, those that are still to come included.
    amount: Amount,
    piece: Piece,
    appended: Vec<Appended>,
    /// The record of what has come; none before the first and after the last piece.
    unfinished: Option<Unfinished>,
}

/// What the next commit brings.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) messages: Vec<Ready>,
    pub(super) objects: Vec<(ObjectName, Shared)>,
    bytes: usize,
}

pub(super) struct Ready {
    flags: Flags,
    internal_date: Timestamp,
    pub(super) prepared: Prepared,
}

impl Account {
    /// Begins to store messages that take `amount` together; nothing is changed yet.
    #[must_use]
    pub fn begin_append(&self, actor: Actor, mailbox: MailboxId, amount: Amount) -> Appending {
        let (account, piece, appended) = (self.clone(), Piece::default(), Vec::new());
        Appending { account, actor, mailbox, amount, piece, appended, unfinished: None }
    }

    /// Stores messages that come at once, each by itself as [`Account::append`] does: they share commits. Each has an outcome of
    /// its own, and the mailbox as it is after that message and before the next, where its index is in memory.
    ///
    /// # Errors
    /// As [`Account::append`], each its own.
    pub fn append_in_turn(
        &self,
        actor: Actor,
        messages: Vec<(MailboxId, NewMessage)>,
    ) -> Vec<Result<(Appended, Option<View>), Error>> {
        let mut piece = Piece::default();
        let mut targets = Vec::new();
        let ready: Vec<Result<(), Error>> = messages
            .into_iter()
            .map(|(mailbox, message)| piece.add(self, message).map(|()| targets.push(mailbox)))
            .collect();
        let put = self.objects.put_all(self.id(), mem::take(&mut piece.objects)).map_err(Error::from);
        let outcomes = match &put {
            Ok(()) => self.append_ready(actor, targets.into_iter().zip(mem::take(&mut piece.messages)).collect()),
            Err(error) => {
                piece.messages.iter().for_each(|ready| self.remove_object(ready.prepared.object.clone()));
                targets.iter().map(|_| Err(error.clone())).collect()
            }
        };
        let mut outcomes = outcomes.into_iter();
        let lost = || Err(Error::fault("a message was not queued"));
        ready.into_iter().map(|ready| ready.and_then(|()| outcomes.next().unwrap_or_else(lost))).collect()
    }

    fn append_ready(
        &self,
        actor: Actor,
        ready: Vec<(MailboxId, Ready)>,
    ) -> Vec<Result<(Appended, Option<View>), Error>> {
        type Outcome = Result<(Appended, Option<View>, bool), Error>;
        let objects: Vec<Option<ObjectName>> = ready.iter().map(|(_, ready)| ready.prepared.object.clone()).collect();
        let in_turn = |(mailbox, ready): (MailboxId, Ready)| {
            move |tx: &mut Tx<'_>| {
                let Ready { flags, internal_date, prepared } = &ready;
                let (appended, is_stored) =
                    append(tx, actor, &Target::Mailbox(mailbox), flags, *internal_date, prepared)?;
                let state = tx.state.mailbox(mailbox)?;
                Ok((appended, state.index.is_some().then(|| View::of(state)), is_stored))
            }
        };
        let outcomes = self.transact_all(ready.into_iter().map(in_turn).collect());
        let end = |(outcome, object): (Outcome, Option<ObjectName>)| {
            self.remove_unless(
                outcome.as_ref().is_ok_and(|(.., is_stored)| *is_stored),
                outcome.as_ref().err(),
                object,
            );
            outcome.map(|(appended, view, _)| (appended, view))
        };
        outcomes.into_iter().zip(objects).map(end).collect()
    }

    /// Removes an object that nothing refers to.
    fn remove_object(&self, object: Option<ObjectName>) {
        self.remove_unless(false, None, object);
    }
}

impl Piece {
    pub(super) fn add(&mut self, account: &Account, message: NewMessage) -> Result<(), Error> {
        let NewMessage { body, flags, internal_date } = message;
        let summary = Summary::parse(&body);
        self.bytes += body.len();
        let body: Shared = Arc::new(body);
        let uploaded = origin(&Target::Mailbox(MailboxId(0)));
        let (prepared, object) = account.prepare_but_object(&body, &summary, uploaded)?;
        self.objects.extend(object);
        self.messages.push(Ready { flags, internal_date, prepared });
        Ok(())
    }
}

impl Appending {
    /// Takes the next message into the piece that is being made.
    ///
    /// # Errors
    /// As [`Account::append`]; then none of the messages are to come.
    pub fn add(&mut self, message: NewMessage) -> Result<(), Error> {
        self.piece.add(&self.account, message)
    }

    /// Whether the piece takes another message of so many octets; if not, [`Self::commit`] it first.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        let Piece { messages, bytes: taken, .. } = &self.piece;
        messages.is_empty()
            || (messages.len() < PIECE_MESSAGES_MAX && taken.saturating_add(bytes) <= APPENDING_PIECE_BYTES_MAX)
    }

    /// Stores the messages of a piece; durably, when it is the last one.
    ///
    /// # Errors
    /// As [`Account::append`].
    pub fn commit(&mut self, is_last: bool) -> Result<(), Error> {
        let Piece { messages, objects, .. } = mem::take(&mut self.piece);
        let names: Vec<ObjectName> = objects.iter().map(|(name, _)| name.clone()).collect();
        let put = self.account.objects.put_all(self.account.id(), objects).map_err(Error::from);
        let stored = put.and_then(|()| self.store(messages, is_last));
        // What is no object of a message: of one that failed all, else those of messages that the server had saved before.
        let unused = match &stored {
            Ok(unused) => unused.clone(),
            Err(Error::Fault(_)) => Vec::new(),
            Err(_) => names,
        };
        unused.into_iter().for_each(|name| self.account.remove_object(Some(name)));
        stored.map(drop)
    }

    /// Gives the objects that are not needed.
    fn store(&mut self, messages: Vec<Ready>, is_last: bool) -> Result<Vec<ObjectName>, Error> {
        let (actor, mailbox) = (self.actor, self.mailbox);
        let (is_first, is_whole) = (self.appended.is_empty(), is_last && self.appended.is_empty());
        let amount = if is_first { self.amount } else { Amount::default() };
        let before = self.unfinished.clone();
        let noted = Noted::default();
        let to_note = noted.clone();
        let stored = self.account.transact_shared(move |tx| {
            tx.must_have(mailbox, Rights::INSERT)?;
            tx.must_not_be_held(mailbox)?;
            // Who brings too much hears so before anything has come.
            tx.must_fit(amount)?;
            if is_whole {
                let (appended, unused) = store_all(tx, actor, mailbox, &messages)?;
                return Ok((appended, unused, None));
            }
            let mut unfinished = Unfinished::go_on(tx, before.as_ref(), mailbox, actor.now)?;
            let appended = store_piece(tx, actor, mailbox, &messages)?;
            if is_last {
                unfinished.forget(tx);
                return Ok((appended, Vec::new(), None));
            }
            unfinished.note(tx, appended.first().zip(appended.last()).map(|(first, last)| (first.uid, last.uid)));
            to_note.set(&unfinished);
            Ok((appended, Vec::new(), Some(unfinished)))
        });
        let (appended, unused, unfinished) = stored.inspect_err(|_| noted.may_be_durable(&mut self.unfinished))?;
        self.appended.extend(appended);
        self.unfinished = unfinished;
        Ok(unused)
    }

    /// What became of the messages, in their order, after the last piece.
    #[must_use]
    pub fn finish(mut self) -> Vec<Appended> {
        mem::take(&mut self.appended)
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take()
            && let Err(error) = unfinished.take_back(&self.account.cell)
        {
            tracing::error!(account = %self.account.id(), %error, "a part of an upload stays until the next start");
        }
    }
}

/// All messages there are, each as one that comes alone; also gives the objects that are not needed.
fn store_all(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    messages: &[Ready],
) -> Result<(Vec<Appended>, Vec<ObjectName>), Error> {
    let (mut all, mut unused) = (Vec::with_capacity(messages.len()), Vec::new());
    for Ready { flags, internal_date, prepared } in messages {
        let target = Target::Mailbox(mailbox);
        let (appended, is_stored) = append(tx, actor, &target, flags, *internal_date, prepared)?;
        all.push(appended);
        unused.extend(prepared.object.clone().filter(|_| !is_stored));
    }
    Ok((all, unused))
}

/// Messages of which others have come before or will come: one entry of the journal. None gives way to another, because it may
/// be taken back.
pub(super) fn store_piece(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    messages: &[Ready],
) -> Result<Vec<Appended>, Error> {
    let modseq = tx.next_modseq();
    let put = |Ready { flags, internal_date, prepared }: &Ready| {
        put_new(tx, actor, mailbox, (flags, *internal_date), prepared)
    };
    let listed: Vec<Listed> = messages.iter().map(put).collect::<Result<_, Error>>()?;
    let uid_validity = tx.mailbox(mailbox)?.uid_validity;
    let appended = |listed: &Listed| Appended { mailbox, uid_validity, uid: listed.uid, email: listed.email, modseq };
    let appended = listed.iter().map(appended).collect();
    if !listed.is_empty() {
        tx.journal_arrival(actor, Change::Messages(OfMessages::Added { mailbox, messages: listed }));
    }
    Ok(appended)
}
