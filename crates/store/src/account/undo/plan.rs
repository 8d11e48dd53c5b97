//! What is to be done, decided from the trail and from what is there now.

use super::trail::{DeletedMailbox, Place, Track, Trail};
use super::{UndoReport, UndoRequest, UndoWhat};
use crate::device::Credential;
use crate::error::Error;
use crate::flags::{Flags, SystemFlag};
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::index::Entry;
use crate::key;
use crate::tx::Tx;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What becomes of a message, or of its place in a maildrop.
#[derive(Clone)]
pub(super) enum Step {
    /// It comes back into the mailbox.
    Restore(MailboxId, Comeback),
    /// It moves back: from, to.
    Move((MailboxId, MailboxId), (Entry, Flags)),
    /// It gets its flags back.
    Reflag(MailboxId, (Entry, Flags)),
    /// It goes again.
    Remove(MailboxId, Entry),
    /// It is listed again in a maildrop.
    Relist(DeviceId, EmailId),
    /// It is not listed any more in a maildrop.
    Hide(DeviceId, EmailId),
}

/// The steps of an undo, grouped by mailbox, in UID order.
#[derive(Default)]
pub(super) struct Plan {
    /// What comes back, by the mailbox that it was in.
    pub(super) restore: BTreeMap<MailboxId, Vec<Comeback>>,
    /// What moves back: from, to.
    pub(super) moves: BTreeMap<(MailboxId, MailboxId), Vec<(Entry, Flags)>>,
    /// What gets its flags back.
    pub(super) reflag: BTreeMap<MailboxId, Vec<(Entry, Flags)>>,
    /// What goes again.
    pub(super) remove: BTreeMap<MailboxId, Vec<Entry>>,
    /// What is listed again in a maildrop.
    pub(super) relist: BTreeMap<DeviceId, Vec<EmailId>>,
    /// What is not listed any more in a maildrop.
    pub(super) hide: Vec<(DeviceId, EmailId)>,
    /// Mailboxes that are made again, by the number that they had.
    pub(super) mailboxes: BTreeMap<MailboxId, DeletedMailbox>,
    pub(super) report: UndoReport,
    /// What is in mailboxes that something comes back to.
    there: BTreeMap<MailboxId, HashSet<EmailId>>,
    /// What is held, and in which mailbox; `None`: nobody has looked.
    held: Option<HashMap<EmailId, (MailboxId, Entry)>>,
}

/// A message that comes back.
#[derive(Clone)]
pub(super) struct Comeback {
    pub(super) email: EmailId,
    pub(super) size: u32,
    pub(super) internal_date: Timestamp,
    pub(super) flags: Flags,
}

pub(super) fn make(tx: &mut Tx<'_>, trail: &Trail, request: &UndoRequest) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let wanted = |track: &Track| {
        request.mailbox.is_none_or(|mailbox| track.mailbox == mailbox)
            && request.email.is_none_or(|email| track.before.email == email)
    };
    // What came through the device itself and went again is not missed, unless somebody asks for that very message.
    let is_asked_for = matches!(request.what, UndoWhat::Removals { .. }) && request.email.is_some();
    for track in trail.removed.iter().filter(|track| (!track.made || is_asked_for) && wanted(track)) {
        if let UndoWhat::Removals { device } = request.what
            && !is_kept_for(tx, track.before.email, device)?
        {
            continue;
        }
        plan.restore(tx, trail, track)?;
    }
    match request.what {
        UndoWhat::Device { .. } | UndoWhat::Undo(_) => plan.what_is_left(tx, trail, request, wanted)?,
        UndoWhat::Removals { .. } => {}
    }
    let made = plan.mailboxes.values().filter(|mailbox| tx.state.by_name(&mailbox.name).is_none());
    plan.report.mailboxes = made.map(|mailbox| mailbox.name.clone()).collect();
    Ok(plan)
}

/// Whether the message is in no mailbox any more because of what this device did: another may have removed it later.
fn is_kept_for(tx: &mut Tx<'_>, email: EmailId, device: DeviceId) -> Result<bool, Error> {
    if tx.get(&key::email(email))?.is_none() {
        return Ok(false);
    }
    let Some(removed_at) = tx.email(email)?.removed_at else { return Ok(false) };
    Ok(tx.get(&key::retained(removed_at, email))?.is_some_and(|by| by == device.0.to_be_bytes()))
}

/// Whether it is about what an import has done.
fn is_of_an_import(tx: &Tx<'_>, what: UndoWhat) -> bool {
    let UndoWhat::Device { device, .. } = what else { return false };
    let device = tx.state.devices.get(&device);
    device.is_some_and(|device| matches!(device.credential, Credential::Import { .. }))
}

/// Where what was in a mailbox comes back to, if that is there: it may have been deleted, and made again.
fn home(tx: &Tx<'_>, trail: &Trail, mailbox: MailboxId) -> Option<MailboxId> {
    if tx.mailbox(mailbox).is_ok() {
        return Some(mailbox);
    }
    let deleted = trail.deleted_mailboxes.get(&mailbox)?;
    tx.state.by_name(&deleted.name).map(|state| state.mailbox.id)
}

/// Whether an earlier undo has taken this removal back: what happened to the message after that is another track.
fn came_back_since(tx: &Tx<'_>, trail: &Trail, track: &Track) -> bool {
    let name = |mailbox: MailboxId| match tx.mailbox(mailbox) {
        Ok(mailbox) => Some(mailbox.name.clone()),
        Err(_) => trail.deleted_mailboxes.get(&mailbox).map(|deleted| deleted.name.clone()),
    };
    let since = |(mailbox, at): &(MailboxId, ModSeq)| {
        *at > track.last && (*mailbox == track.mailbox || name(*mailbox) == name(track.mailbox))
    };
    trail.came_back.get(&track.before.email).is_some_and(|places| places.iter().any(since))
}

impl Plan {
    /// Its steps, in the order in which they are done.
    pub(super) fn steps(self) -> Vec<Step> {
        fn of<K: Copy, T>(groups: BTreeMap<K, Vec<T>>, step: fn(K, T) -> Step) -> impl Iterator<Item = Step> {
            groups.into_iter().flat_map(move |(key, items)| items.into_iter().map(move |item| step(key, item)))
        }
        let steps =
            of(self.restore, Step::Restore).chain(of(self.moves, Step::Move)).chain(of(self.reflag, Step::Reflag));
        let steps = steps.chain(of(self.remove, Step::Remove)).chain(of(self.relist, Step::Relist));
        steps.chain(self.hide.into_iter().map(|(device, email)| Step::Hide(device, email))).collect()
    }

    /// What was touched and is still in a mailbox, and the maildrops.
    fn what_is_left(
        &mut self,
        tx: &mut Tx<'_>,
        trail: &Trail,
        request: &UndoRequest,
        wanted: impl Fn(&Track) -> bool,
    ) -> Result<(), Error> {
        // What an import has brought goes again; what any other device has brought is mail of its owner.
        let brought = matches!(request.what, UndoWhat::Undo(_)) || is_of_an_import(tx, request.what);
        let came_back: HashSet<EmailId> = self.restore.values().flatten().map(|comeback| comeback.email).collect();
        let mut left: Vec<(&Place, &Track)> = trail.left.iter().filter(|(_, track)| wanted(track)).collect();
        left.sort_unstable_by_key(|(place, _)| **place);
        for (place, track) in left {
            // Not there any more: somebody else has moved or removed it.
            if tx.mailbox(place.0).is_err() {
                continue;
            }
            let Some(entry) = tx.index(place.0)?.find(place.1).copied() else { continue };
            let untouched = entry.modseq == track.last;
            if track.made {
                if untouched && (brought || came_back.contains(&entry.email)) {
                    self.remove.entry(place.0).or_default().push(entry);
                    self.report.removed += 1;
                }
            } else if tx.is_held(track.mailbox) {
                // Nothing comes there but through the brake: it stays where it was put back to.
            } else if track.mailbox != place.0 {
                self.move_back(tx, trail, track, (place.0, entry, untouched))?;
            } else if untouched {
                self.reflag(tx, track, entry)?;
            }
        }
        self.maildrops(tx, trail, request)
    }

    fn restore(&mut self, tx: &mut Tx<'_>, trail: &Trail, track: &Track) -> Result<(), Error> {
        let email = track.before.email;
        if tx.get(&key::email(email))?.is_none() {
            self.report.gone += 1;
            return Ok(());
        }
        // The brake has put it there since.
        if let Some((held, entry)) = self.in_held(tx, email)? {
            return self.move_back(tx, trail, track, (held, entry, true));
        }
        if came_back_since(tx, trail, track) {
            return Ok(());
        }
        let home = home(tx, trail, track.mailbox);
        if let Some(home) = home.filter(|home| !self.there.contains_key(home)) {
            let emails = tx.index(home)?.iter().map(|entry| entry.email).collect();
            self.there.insert(home, emails);
        }
        // Somebody, or an earlier undo, has brought it back.
        if home.and_then(|home| self.there.get(&home)).is_some_and(|there| there.contains(&email)) {
            return Ok(());
        }
        let Some(flags) = self.flags_in(tx, trail, track) else { return Ok(()) };
        let comeback = Comeback { email, size: track.before.size, internal_date: track.before.internal_date, flags };
        self.restore.entry(track.mailbox).or_default().push(comeback);
        self.report.restored += 1;
        Ok(())
    }

    fn in_held(&mut self, tx: &mut Tx<'_>, email: EmailId) -> Result<Option<(MailboxId, Entry)>, Error> {
        if self.held.is_none() {
            let ids: Vec<MailboxId> = tx.state.mailboxes.keys().copied().filter(|id| tx.is_held(*id)).collect();
            let mut held = HashMap::new();
            for id in ids {
                held.extend(tx.index(id)?.iter().map(|entry| (entry.email, (id, *entry))));
            }
            self.held = Some(held);
        }
        Ok(self.held.as_ref().and_then(|held| held.get(&email).copied()))
    }

    /// The flags that a message had in its mailbox; notes that the mailbox has to be made again. `None` where nobody knows
    /// any more what the mailbox was.
    fn flags_in(&mut self, tx: &mut Tx<'_>, trail: &Trail, track: &Track) -> Option<Flags> {
        let keywords = match (tx.mailbox(track.mailbox), trail.deleted_mailboxes.get(&track.mailbox)) {
            (Ok(mailbox), _) => &mailbox.keywords,
            (Err(_), Some(deleted)) => {
                self.mailboxes.entry(track.mailbox).or_insert_with(|| deleted.clone());
                &deleted.keywords
            }
            (Err(_), None) => return None,
        };
        // Whatever it was marked for, the next EXPUNGE of a client must not take it away again.
        Some(keywords.flags(track.before.flags.without(SystemFlag::Deleted)))
    }

    fn move_back(
        &mut self,
        tx: &mut Tx<'_>,
        trail: &Trail,
        track: &Track,
        (from, entry, untouched): (MailboxId, Entry, bool),
    ) -> Result<(), Error> {
        let Some(before) = self.flags_in(tx, trail, track) else { return Ok(()) };
        let flags = if untouched { before } else { tx.mailbox(from)?.keywords.flags(entry.flags) };
        self.moves.entry((from, track.mailbox)).or_default().push((entry, flags));
        self.report.moved += 1;
        Ok(())
    }

    fn reflag(&mut self, tx: &mut Tx<'_>, track: &Track, entry: Entry) -> Result<(), Error> {
        if entry.flags != track.before.flags {
            let flags = tx.mailbox(track.mailbox)?.keywords.flags(track.before.flags);
            self.reflag.entry(track.mailbox).or_default().push((entry, flags));
            self.report.reflagged += 1;
        }
        Ok(())
    }

    fn maildrops(&mut self, tx: &mut Tx<'_>, trail: &Trail, request: &UndoRequest) -> Result<(), Error> {
        let is_wanted = |email: &EmailId| request.email.is_none_or(|wanted| wanted == *email);
        if let UndoWhat::Device { device, .. } = request.what {
            let mut emails: Vec<EmailId> = trail.pop_deleted.iter().copied().filter(is_wanted).collect();
            emails.sort_unstable();
            for email in emails {
                let Some(taken) = tx.taken(device, email)? else { continue };
                if taken.deleted_at.is_some() && (request.relist || taken.taken_at.is_none()) {
                    self.relist.entry(device).or_default().push(email);
                    self.report.relisted += 1;
                }
            }
        }
        self.hide = trail.relisted.iter().copied().filter(|(_, email)| is_wanted(email)).collect();
        Ok(())
    }
}
