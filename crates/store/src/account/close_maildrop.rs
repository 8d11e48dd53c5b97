//! The UPDATE state of POP3 (RFC 1939 §6): what a session took is noted, and what it deleted has its effect on the mailbox.

use super::maildrop::{Maildrop, Taken, ordinary};
use super::piece::next_piece;
use super::{Account, PIECE_MESSAGES_MAX};
use crate::brake::Verdict;
use crate::device::Device;
use crate::error::Error;
use crate::flags::SystemFlag;
use crate::ids::{DeviceId, EmailId, MailboxId, Timestamp};
use crate::index::Entry;
use crate::journal::{Actor, Change, MESSAGES_PER_ENTRY_MAX, OfPop, Protocol};
use crate::key;
use crate::maildrops::LockRow;
use crate::pop::Scope;
use crate::removal::{Effect, RemovalPolicy};
use crate::role::Role;
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What became of the messages that a session deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MaildropOutcome {
    /// Gone from this device's maildrop, still in the mailbox.
    pub kept: usize,
    /// Gone from the mailbox too.
    pub expunged: usize,
    /// Gone to another mailbox.
    pub moved: usize,
}

/// The messages that something happens to, by the mailbox that they were listed from.
pub(super) type Places = BTreeMap<MailboxId, HashSet<EmailId>>;

impl Account {
    /// Ends a session that got as far as QUIT: notes what it took and removes what it deleted (RFC 1939 §6, UPDATE state).
    /// `taken` and `deleted` name messages of the maildrop; a message that has left the mailbox meanwhile is passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults; then some of it may have been done, and to do it again does the
    /// rest.
    pub fn close_maildrop(
        &self,
        actor: Actor,
        maildrop: &Maildrop,
        taken: Vec<EmailId>,
        deleted: Vec<EmailId>,
    ) -> Result<MaildropOutcome, Error> {
        let mut closing = self.begin_closing(actor, maildrop, taken, deleted);
        while closing.piece(self)? {}
        Ok(closing.outcome())
    }

    /// Begins to do what [`Account::close_maildrop`] does; nothing is changed yet.
    #[must_use]
    pub fn begin_closing(
        &self,
        actor: Actor,
        maildrop: &Maildrop,
        taken: Vec<EmailId>,
        deleted: Vec<EmailId>,
    ) -> MaildropClosing {
        debug_assert_eq!(actor.device, maildrop.device, "a device closes its own maildrop");
        let mut places = Places::new();
        let wanted: HashSet<EmailId> = deleted.iter().copied().collect();
        for message in maildrop.messages().iter().filter(|message| wanted.contains(&message.email)) {
            places.entry(message.mailbox).or_default().insert(message.email);
        }
        let all = Arc::new(PopSession { program: maildrop.program, taken, deleted, places });
        let lock = maildrop.lock.row();
        MaildropClosing { actor, lock, all, taken: 0, deleted: 0, judged: None, outcome: MaildropOutcome::default() }
    }

    /// Does what policies have put off and is due now. Gives how many messages were expunged.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn remove_due(&self, now: Timestamp) -> Result<usize, Error> {
        let mut removed = 0;
        for device in self.devices()?.values() {
            let deleted = match device.pop.removal.decide(false) {
                Effect::ExpungeWhenAllHaveIt => self.deleted_by(device, now)?,
                Effect::ExpungeAfterDays(days) => self.deleted_by(device, now.days_before(days))?,
                Effect::Keep | Effect::MarkRead | Effect::MoveTo(_) | Effect::Expunge => continue,
            };
            if deleted.is_empty() {
                continue;
            }
            let id = device.id;
            removed += self.transact(move |tx| remove_due(tx, id, &deleted, now))?;
        }
        Ok(removed)
    }

    /// What a device deleted from its maildrop at `until` or earlier, and is still in a mailbox.
    fn deleted_by(&self, device: &Device, until: Timestamp) -> Result<HashSet<EmailId>, Error> {
        let taken = self.taken_by(device.id)?;
        let due = |taken: &Taken| {
            !taken.stays && taken.deleted_at.is_some_and(|at| (device.removal_since..=until).contains(&at))
        };
        let mut deleted: HashSet<EmailId> =
            taken.into_iter().filter(|(_, taken)| due(taken)).map(|(email, _)| email).collect();
        let scope = device.pop.scope;
        let state = self.cell.state_with_indexes(move |state| shown(state, scope))?;
        let mut there = HashSet::new();
        for id in shown(&state, scope) {
            let index = state.mailbox(id)?.index.clone().unwrap_or_default();
            there.extend(index.iter().map(|entry| entry.email).filter(|email| deleted.contains(email)));
        }
        deleted.retain(|email| there.contains(email));
        Ok(deleted)
    }
}

/// The mailboxes from which a policy removes what is due later. What was filed meanwhile stays.
fn shown(state: &crate::state::AccountState, scope: Scope) -> Vec<MailboxId> {
    let Ok(inbox) = state.inbox().map(|inbox| inbox.id) else { return Vec::new() };
    match scope {
        Scope::InboxAndFiled | Scope::Inbox => vec![inbox],
        Scope::AllButSpecial => ordinary(state, inbox),
    }
}

/// What a session did.
struct PopSession {
    /// Which of the programs that share the device.
    program: Option<u32>,
    taken: Vec<EmailId>,
    deleted: Vec<EmailId>,
    places: Places,
}

/// A session on its way out of its maildrop, [`super::PIECE_MESSAGES_MAX`] messages in a commit.
///
/// Invariant: what becomes of all that it deleted is decided with the first piece, by the brake too.
pub struct MaildropClosing {
    actor: Actor,
    lock: Option<LockRow>,
    all: Arc<PopSession>,
    taken: usize,
    deleted: usize,
    judged: Option<Judged>,
    outcome: MaildropOutcome,
}

/// What becomes of what a session deleted.
#[derive(Clone, Copy)]
struct Judged {
    effect: Effect,
    verdict: Verdict,
    /// Messages that were not deleted before.
    news: u64,
}

impl MaildropClosing {
    /// The messages that there is something to do about.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.taken.len() + self.all.deleted.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of it so far.
    #[must_use]
    pub fn outcome(&self) -> MaildropOutcome {
        self.outcome
    }

    /// Does one piece; whether there is more to do.
    ///
    /// # Errors
    /// As [`Account::close_maildrop`].
    pub fn piece(&mut self, account: &Account) -> Result<bool, Error> {
        if self.is_empty() {
            return Ok(false);
        }
        let taken = next_piece(&self.all.taken, self.taken).to_vec();
        // What it took is noted first: the policies look at it.
        let deleted = match taken.is_empty() || self.len() <= PIECE_MESSAGES_MAX {
            true => next_piece(&self.all.deleted, self.deleted).to_vec(),
            false => Vec::new(),
        };
        let (taken_count, deleted_count) = (taken.len(), deleted.len());
        let places = places_of(&self.all.places, &deleted);
        let part = PopSession { program: self.all.program, taken, deleted, places };
        let (actor, all, judged, options) =
            (self.actor, Arc::clone(&self.all), self.judged, Arc::clone(&account.options));
        let lock = self.lock;
        let (judged, outcome) = account.transact(move |tx| {
            // Another node took this one for gone, and gave the maildrop to another session.
            if let Some(lock) = lock
                && !lock.is_held(tx, actor.device)?
            {
                return Err(Error::MaildropInUse);
            }
            let judged = match judged {
                Some(judged) => judged,
                None => judge(tx, actor, &all, &options)?,
            };
            Ok((judged, close(tx, actor, &part, (judged, &options))?))
        })?;
        self.judged = Some(judged);
        self.taken += taken_count;
        self.deleted += deleted_count;
        self.outcome.kept += outcome.kept;
        self.outcome.expunged += outcome.expunged;
        self.outcome.moved += outcome.moved;
        Ok(self.taken < self.all.taken.len() || self.deleted < self.all.deleted.len())
    }
}

/// Where some of the messages are.
fn places_of(places: &Places, emails: &[EmailId]) -> Places {
    let wanted: HashSet<EmailId> = emails.iter().copied().collect();
    let some = places.iter().map(|(id, emails)| (*id, emails.intersection(&wanted).copied().collect()));
    some.filter(|(_, emails): &(MailboxId, HashSet<EmailId>)| !emails.is_empty()).collect()
}

/// Decides what becomes of all that a session deleted.
fn judge(tx: &mut Tx<'_>, actor: Actor, session: &PopSession, options: &StoreOptions) -> Result<Judged, Error> {
    let (effect, shared) = {
        let devices = &tx.state.devices;
        let device = devices.get(&actor.device).ok_or(Error::NoSuchDevice)?;
        let shared = devices.values().any(|other| other.id != device.id && other.reads_mail());
        let shared = shared || device.seems_shared(actor.now);
        (device.pop.removal.decide(shared), shared)
    };
    let mut newly_deleted = Vec::new();
    for email in &session.deleted {
        let is_deleted = tx.taken(actor.device, *email)?.is_some_and(|taken| taken.deleted_at.is_some());
        if !is_deleted && tx.get(&key::email(*email))?.is_some() {
            newly_deleted.push(*email);
        }
    }
    let places = tx.without_held(&session.places);
    let had = (session.taken.as_slice(), newly_deleted.as_slice());
    let verdict = tx.braked(actor, (effect, shared), (&places, had), options)?;
    Ok(Judged { effect, verdict, news: newly_deleted.len() as u64 })
}

fn close(
    tx: &mut Tx<'_>,
    actor: Actor,
    session: &PopSession,
    (judged, options): (Judged, &StoreOptions),
) -> Result<MaildropOutcome, Error> {
    let PopSession { program, taken, deleted, places } = session;
    let (taken, deleted, program) = (taken.as_slice(), deleted.as_slice(), *program);
    let newly_taken = note(tx, (actor, program), taken, |record, now| record.taken_at.replace(now).is_none())?;
    let newly_deleted = note(tx, (actor, program), deleted, |record, now| record.deleted_at.replace(now).is_none())?;
    for emails in newly_taken.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.journal(actor, Change::Pop(OfPop::Taken { emails: emails.to_vec() }));
    }
    for emails in newly_deleted.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.journal(actor, Change::Pop(OfPop::Deleted { emails: emails.to_vec() }));
    }
    let places = tx.without_held(places);
    let effect = match judged.verdict {
        Verdict::Pass | Verdict::Tell => judged.effect,
        Verdict::Hold => {
            let held = places_of(&places, &newly_deleted);
            if !held.is_empty() {
                tx.hold_maildrop(actor, (&held, judged.news), judged.effect, options)?;
            }
            Effect::Keep
        }
    };
    let mut outcome = MaildropOutcome::default();
    for (mailbox, emails) in &places {
        match effect {
            Effect::Keep | Effect::ExpungeWhenAllHaveIt | Effect::ExpungeAfterDays(_) => {}
            Effect::MarkRead => tx.mark_read(actor, *mailbox, emails)?,
            Effect::MoveTo(role) => outcome.moved += tx.put_away(actor, *mailbox, emails, role)?,
            Effect::Expunge => outcome.expunged += tx.expunge_emails(actor, *mailbox, emails)?,
        }
    }
    let now_had: HashSet<EmailId> = newly_taken.into_iter().chain(newly_deleted.iter().copied()).collect();
    outcome.expunged += tx.expunge_what_all_have(actor.now, &now_had)?;
    outcome.kept = newly_deleted.len().saturating_sub(outcome.expunged + outcome.moved);
    Ok(outcome)
}

fn remove_due(tx: &mut Tx<'_>, id: DeviceId, deleted: &HashSet<EmailId>, now: Timestamp) -> Result<usize, Error> {
    let Some(device) = tx.state.devices.get(&id).cloned() else { return Ok(0) };
    match device.pop.removal.decide(false) {
        Effect::ExpungeWhenAllHaveIt => tx.expunge_what_all_have(now, deleted),
        Effect::ExpungeAfterDays(_) => tx.expunge_for(&device, deleted, now),
        // The policy was changed just now.
        Effect::Keep | Effect::MarkRead | Effect::MoveTo(_) | Effect::Expunge => Ok(0),
    }
}

/// Changes the device's record of each message; gives those for which that was news.
fn note(
    tx: &mut Tx<'_>,
    (actor, program): (Actor, Option<u32>),
    emails: &[EmailId],
    change: impl Fn(&mut Taken, Timestamp) -> bool,
) -> Result<Vec<EmailId>, Error> {
    let mut news = Vec::new();
    for email in emails {
        if tx.get(&key::email(*email))?.is_none() {
            continue;
        }
        let mut record = tx.taken(actor.device, *email)?.unwrap_or_default();
        if change(&mut record, actor.now) {
            record.program = program;
            tx.put(key::taken(actor.device, *email), record.encode());
            news.push(*email);
        }
    }
    Ok(news)
}

impl Tx<'_> {
    /// What a device has done with a message.
    pub(super) fn taken(&mut self, device: DeviceId, email: EmailId) -> Result<Option<Taken>, Error> {
        let bytes = self.get(&key::taken(device, email))?;
        bytes.map(|bytes| Taken::decode(&bytes).map_err(Error::corrupt("a maildrop record"))).transpose()
    }

    /// What the brake makes of what a device has just deleted, having taken some of it just now.
    fn braked(
        &mut self,
        actor: Actor,
        (effect, shared): (Effect, bool),
        (places, (taken, newly_deleted)): (&Places, (&[EmailId], &[EmailId])),
        options: &StoreOptions,
    ) -> Result<Verdict, Error> {
        match effect {
            Effect::Keep | Effect::MarkRead | Effect::MoveTo(_) => return Ok(Verdict::Pass),
            Effect::Expunge | Effect::ExpungeWhenAllHaveIt | Effect::ExpungeAfterDays(_) => {}
        }
        let mut had = HashSet::new();
        if !shared {
            // Nobody else misses what the only device has.
            had.extend(taken);
            for email in newly_deleted {
                if self.taken(actor.device, *email)?.is_some_and(|taken| taken.taken_at.is_some()) {
                    had.insert(*email);
                }
            }
        }
        self.judge_maildrop(actor, &places_of(places, newly_deleted), &had, options)
    }

    /// What is held already stays so, whoever deletes it over POP3.
    fn without_held(&self, places: &Places) -> Places {
        places.iter().filter(|(id, _)| !self.is_held(**id)).map(|(id, emails)| (*id, emails.clone())).collect()
    }

    /// The entries of messages in a mailbox; none if it has gone.
    pub(super) fn entries_of(&mut self, mailbox: MailboxId, emails: &HashSet<EmailId>) -> Result<Vec<Entry>, Error> {
        if emails.is_empty() || self.mailbox(mailbox).is_err() {
            return Ok(Vec::new());
        }
        Ok(self.index(mailbox)?.iter().filter(|entry| emails.contains(&entry.email)).copied().collect())
    }

    fn mark_read(&mut self, actor: Actor, mailbox: MailboxId, emails: &HashSet<EmailId>) -> Result<(), Error> {
        let entries = self.entries_of(mailbox, emails)?;
        let unread = entries.into_iter().filter(|entry| !entry.flags.has(SystemFlag::Seen));
        let changed: Vec<_> = unread.map(|entry| (entry, entry.flags.with(SystemFlag::Seen))).collect();
        changed.chunks(MESSAGES_PER_ENTRY_MAX).try_for_each(|batch| self.reflag(actor, mailbox, batch))
    }

    /// Moves messages to the mailbox of a purpose; gives how many. What is there already stays.
    fn put_away(
        &mut self,
        actor: Actor,
        from: MailboxId,
        emails: &HashSet<EmailId>,
        role: Role,
    ) -> Result<usize, Error> {
        let entries = self.entries_of(from, emails)?;
        if entries.is_empty() {
            return Ok(0);
        }
        let to = self.mailbox_of(actor, role)?;
        if to == from {
            return Ok(0);
        }
        for batch in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            let relisted = self.relisted(from, batch, to)?;
            self.move_batch(actor, (from, batch), to, relisted)?;
        }
        self.note_put_away(actor, (from, to), entries.len())?;
        Ok(distinct(&entries))
    }

    /// Expunges messages from a mailbox; gives how many of them were there.
    pub(super) fn expunge_emails(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        emails: &HashSet<EmailId>,
    ) -> Result<usize, Error> {
        let entries = self.entries_of(mailbox, emails)?;
        self.expunge(actor, mailbox, &entries)?;
        Ok(distinct(&entries))
    }

    /// Expunges what a device deleted earlier, from the mailboxes that it lists mail from; in the device's name.
    fn expunge_for(&mut self, device: &Device, emails: &HashSet<EmailId>, now: Timestamp) -> Result<usize, Error> {
        let actor = Actor { device: device.id, protocol: Protocol::Pop3, now };
        let mailboxes = shown(&self.state, device.pop.scope);
        mailboxes.into_iter().try_fold(0, |sum, id| Ok(sum + self.expunge_emails(actor, id, emails)?))
    }

    /// Of `emails`, which some device has just taken or deleted: expunges what a device with
    /// [`RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt`] has deleted and all others that use POP3 have.
    fn expunge_what_all_have(&mut self, now: Timestamp, emails: &HashSet<EmailId>) -> Result<usize, Error> {
        let devices = Arc::clone(&self.state.devices);
        let pop: Vec<&Device> =
            devices.values().filter(|d| d.revoked_at.is_none() && d.has_used(Protocol::Pop3)).collect();
        let mut expunged = 0;
        for device in devices.values().filter(|d| d.pop.removal == RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt) {
            let mut due = HashSet::new();
            for email in emails {
                let since = |taken: Taken| taken.deleted_at.is_some_and(|at| at >= device.removal_since);
                let deleted = self.taken(device.id, *email)?.is_some_and(|taken| since(taken) && !taken.stays);
                let has_it = |other: &&Device| Ok(self.taken(other.id, *email)?.is_some());
                if deleted && pop.iter().map(has_it).collect::<Result<Vec<bool>, Error>>()?.iter().all(|has| *has) {
                    due.insert(*email);
                }
            }
            expunged += self.expunge_for(device, &due, now)?;
        }
        Ok(expunged)
    }
}

/// How many messages: a copy in the same mailbox is the same message.
fn distinct(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.email).collect::<HashSet<EmailId>>().len()
}
