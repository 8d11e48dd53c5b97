//! What a device removed in pieces before the brake noticed is held with the rest: from the same commit on it lies there too.
//!
//! Over IMAP only: a POP3 session deletes all it deletes in one piece.

use crate::account::history::journal_backwards;
use crate::error::Error;
use crate::flags::Keywords;
use crate::hold::{Batch, Hold};
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq};
use crate::journal::{
    Actor, Change, JournalEntry, Listed, MESSAGES_PER_ENTRY_MAX, OfDevice, OfMailbox, OfMessages, Protocol, Relisted,
};
use crate::key;
use crate::role::Role;
use crate::tx::Tx;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

/// So many journal entries are looked at; what was removed before stays restorable by an undo.
const ENTRIES_MAX: usize = 20_000;
/// So many messages are pulled back at most.
const MESSAGES_MAX: usize = 20_000;

/// What the journal says of the window, read backwards.
#[derive(Default)]
struct Window {
    /// What was removed, the last removal first.
    removed: Vec<(MailboxId, Vec<Listed>)>,
    /// What the device brought to Trash or Junk.
    put_away: HashSet<EmailId>,
    /// Mailboxes that were deleted since.
    deleted: HashMap<MailboxId, (String, Keywords)>,
    messages: usize,
}

impl Tx<'_> {
    /// Puts what the hold's device, and those of the same password, removed over IMAP within the window into the mailbox of
    /// what is held.
    pub(super) fn pull_back(&mut self, actor: Actor, hold: &mut Hold) -> Result<(), Error> {
        let window = self.window(actor)?;
        let server = Actor { device: DeviceId(0), protocol: Protocol::Server, now: actor.now };
        for (from, messages) in window.removed.iter().rev() {
            let (name, keywords, role) = match (self.mailbox(*from), window.deleted.get(from)) {
                (Ok(mailbox), _) => (mailbox.name.clone(), mailbox.keywords.clone(), mailbox.role),
                (Err(_), Some((name, keywords))) => (name.clone(), keywords.clone(), None),
                (Err(_), None) => continue,
            };
            let is_trash = matches!(role, Some(Role::Trash | Role::Junk));
            let mut wanted = messages.clone();
            wanted.retain(|listed| !is_trash || window.put_away.contains(&listed.email));
            for batch in wanted.chunks(MESSAGES_PER_ENTRY_MAX) {
                let batch = self.still_gone(actor, batch)?;
                if batch.is_empty() {
                    continue;
                }
                let held = self.held_mailbox(actor)?;
                let messages = self.back_to_held(server, held, &batch, &keywords)?;
                let emails: Vec<EmailId> = messages.iter().map(|moved| moved.before.email).collect();
                let (from, name, keywords) = (*from, name.clone(), keywords.clone());
                self.add_batch(actor, hold, &emails, &Batch::Moved { from, name, keywords, messages });
            }
        }
        Ok(())
    }

    /// What the device did since its owner answered last, or within the window.
    fn window(&mut self, actor: Actor) -> Result<Window, Error> {
        let (owner, since) = (self.pace_owner(actor.device), actor.now.days_before(1));
        let state = self.state.clone();
        let same: HashSet<DeviceId> =
            state.devices.keys().copied().filter(|id| self.pace_owner(*id) == owner).collect();
        let is_trash = |id: &MailboxId| {
            let role = state.mailbox(*id).map(|state| state.mailbox.role);
            matches!(role, Ok(Some(Role::Trash | Role::Junk)))
        };
        let (mut window, mut looked_at) = (Window::default(), 0);
        let snapshot = self.snapshot()?;
        let end = ModSeq(snapshot.head().0.saturating_add(1));
        journal_backwards(snapshot, end, |JournalEntry { at, device, protocol, change, .. }| {
            looked_at += 1;
            if at <= since || looked_at > ENTRIES_MAX || window.messages > MESSAGES_MAX {
                return ControlFlow::Break(());
            }
            match change {
                Change::Device(OfDevice::HoldAnswered { device, .. }) if same.contains(&device) => {
                    return ControlFlow::Break(());
                }
                Change::Messages(OfMessages::Expunged { mailbox, messages })
                    if same.contains(&device) && protocol != Protocol::Pop3 =>
                {
                    window.messages += messages.len();
                    window.removed.push((mailbox, messages));
                }
                Change::Messages(OfMessages::Moved { to, messages, .. }) if same.contains(&device) && is_trash(&to) => {
                    window.put_away.extend(messages.iter().map(|moved| moved.before.email));
                }
                Change::Mailbox(OfMailbox::Deleted { mailbox, name, keywords, .. }) => {
                    window.deleted.insert(mailbox, (name, keywords));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(window)
    }

    /// Those that are in no mailbox, and not because the device took back what it had uploaded, or uploaded it again.
    fn still_gone(&mut self, actor: Actor, batch: &[Listed]) -> Result<Vec<Listed>, Error> {
        let (mut wanted, mut seen) = (Vec::with_capacity(batch.len()), HashSet::new());
        // A copy in the same mailbox is the same message.
        for listed in batch.iter().filter(|listed| seen.insert(listed.email)) {
            // It may have left retention, or somebody has brought it back.
            let is_gone = self.get(&key::email(listed.email))?.is_some() && self.email(listed.email)?.places == 0;
            if is_gone && !self.is_own_upload(actor, listed.email)? && !self.has_copy(listed.email)? {
                wanted.push(*listed);
            }
        }
        Ok(wanted)
    }

    /// The messages lie in the mailbox of what is held.
    fn back_to_held(
        &mut self,
        server: Actor,
        held: MailboxId,
        batch: &[Listed],
        keywords: &Keywords,
    ) -> Result<Vec<Relisted>, Error> {
        let (modseq, mut messages) = (self.next_modseq(), Vec::new());
        for before in batch {
            let flags = self.flags_in_held(held, &keywords.flags(before.flags))?;
            let moved = Relisted { before: *before, uid: self.next_uid(held)?, flags };
            self.list(held, &moved.after().entry(modseq))?;
            self.enter(before.email, (held, moved.uid), server.now)?;
            messages.push(moved);
        }
        let back = messages.iter().map(Relisted::after).collect();
        self.journal(server, Change::Messages(OfMessages::Restored { mailbox: held, messages: back }));
        Ok(messages)
    }
}
