//! The owner of the account answers a hold: everything stays, or is removed after all; piece by piece. Until the last piece the
//! hold is open, and has what is left: to answer again does the rest.

use crate::account::{Account, PIECE_MESSAGES_MAX};
use crate::error::Error;
use crate::flags::{Flags, SystemFlag};
use crate::hold::{Answer, Answered, Batch, Hold, HoldReport, ThenDevice};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change, OfDevice};
use crate::key;
use crate::removal::{Effect, RemovalPolicy};
use crate::role::Role;
use crate::tx::Tx;
use std::collections::HashSet;
use wording::tr;

impl Account {
    /// Answers a hold, [`crate::PIECE_MESSAGES_MAX`] messages in a commit. Of what is held, what others have moved or removed
    /// meanwhile is passed over; the same answer twice is no error and does nothing the second time.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] (no such hold, or it has the other answer), [`Error::Limit`], [`Error::NoSpace`], faults; then
    /// some of it may have been done, the rest is held as before, and to answer again does it.
    pub fn answer_hold(&self, actor: Actor, hold: HoldId, answer: Answer) -> Result<HoldReport, Error> {
        let (mut report, mut from) = (HoldReport::default(), Some(0));
        while let Some(first) = from {
            let (piece, next) = self.transact(move |tx| tx.answer_hold(actor, (hold, first), answer))?;
            (report, from) = (report + piece, next);
        }
        Ok(report)
    }
}

impl Tx<'_> {
    /// Does a piece, beginning with the batch `first`; with which one it goes on.
    fn answer_hold(
        &mut self,
        actor: Actor,
        (id, first): (HoldId, u32),
        answer: Answer,
    ) -> Result<(HoldReport, Option<u32>), Error> {
        let no_hold = || Error::NotAllowed(tr!("there is no hold of that number; `pillarbox held list` shows all"));
        let mut hold = self.hold(id)?.ok_or_else(no_hold)?;
        let kept = matches!(answer, Answer::Keep(_));
        match hold.answer {
            Some(before) if before.kept == kept => return Ok((HoldReport::default(), None)),
            Some(_) => {
                return Err(Error::NotAllowed(tr!("it has been answered otherwise already; undo takes that back")));
            }
            None => {}
        }
        let (mut report, mut room) = (HoldReport::default(), PIECE_MESSAGES_MAX);
        for number in first..hold.batches {
            let key = key::held_batch(id, number);
            let Some(bytes) = self.get(&key)? else { continue };
            let mut rest = Batch::decode(&bytes).map_err(Error::corrupt("a part of a hold"))?;
            let batch = rest.take(room);
            room -= batch.messages();
            hold.answered += batch.messages() as u64;
            match answer {
                Answer::Keep(_) => report.kept += self.keep(actor, batch)?,
                Answer::Allow => report.removed += self.allow(actor, &hold, batch)?,
            }
            let is_over = rest.messages() == 0;
            self.put(key, rest.encode());
            if room == 0 && (!is_over || number + 1 < hold.batches) {
                self.put(key::hold(id), hold.encode());
                return Ok((report, Some(number)));
            }
        }
        (0..hold.batches).for_each(|number| self.delete(key::held_batch(id, number)));
        self.close_hold(actor, hold, kept)?;
        match answer {
            Answer::Keep(ThenDevice::Stays) | Answer::Allow => {}
            Answer::Keep(then) => self.restrain(actor, id, then)?,
        }
        Ok((report, None))
    }

    fn close_hold(&mut self, actor: Actor, mut hold: Hold, kept: bool) -> Result<(), Error> {
        let (id, device) = (hold.id, hold.device);
        let mut shared = self.shared_pace(device)?;
        shared.begin_anew();
        if !kept {
            shared.largest_day = shared.largest_day.max(hold.messages);
        }
        self.put(key::pace(self.pace_owner(device)), shared.encode());
        let mut pace = self.pace(device)?;
        (pace.hold, pace.burst) = (None, None);
        self.put(key::pace(device), pace.encode());
        hold.answer = Some(Answered { kept, at: actor.now });
        (hold.batches, hold.answered) = (0, 0);
        self.put(key::hold(id), hold.encode());
        let record = self.change_record();
        record.open_holds = record.open_holds.saturating_sub(1);
        self.journal(actor, Change::Device(OfDevice::HoldAnswered { hold: id, device, kept }));
        Ok(())
    }

    /// Closes the hold of a device once an undo has put back all of it.
    pub(in crate::account) fn close_hold_that_is_undone(
        &mut self,
        actor: Actor,
        device: DeviceId,
    ) -> Result<(), Error> {
        let mut pace = self.pace(device)?;
        if pace.burst.take_if(|burst| !burst.is_held).is_some() {
            self.put(key::pace(device), pace.encode());
        }
        let Some(id) = pace.hold else { return Ok(()) };
        let Some(hold) = self.hold(id)? else { return Ok(()) };
        for number in 0..hold.batches {
            let Some(bytes) = self.get(&key::held_batch(id, number))? else { continue };
            let batch = Batch::decode(&bytes).map_err(Error::corrupt("a part of a hold"))?;
            let is_kept = matches!(batch, Batch::Kept { .. }) && batch.messages() > 0;
            if is_kept || !self.still_held(&batch)?.is_empty() {
                return Ok(());
            }
        }
        (0..hold.batches).for_each(|number| self.delete(key::held_batch(id, number)));
        self.close_hold(actor, hold, true)
    }

    /// Puts back what lies in the mailbox of what is held; the rest is where it was.
    fn keep(&mut self, actor: Actor, batch: Batch) -> Result<usize, Error> {
        let still_held = self.still_held(&batch)?;
        match batch {
            Batch::Kept { emails, .. } => Ok(emails.len()),
            Batch::Moved { from, name, .. } => {
                if still_held.is_empty() {
                    return Ok(0);
                }
                let to = self.home(actor, from, &name)?;
                self.put_back(actor, to, &still_held).map(|entries| entries.len())
            }
        }
    }

    /// What was held goes from where it was, in the name of the device, as if it had gone there and then: so its undo puts it
    /// back there.
    fn allow(&mut self, actor: Actor, hold: &Hold, batch: Batch) -> Result<usize, Error> {
        let by_device = Actor { device: hold.device, protocol: hold.protocol, now: actor.now };
        let still_held = self.still_held(&batch)?;
        match batch {
            Batch::Moved { from, .. } => {
                let inbox = self.state.inbox()?.id;
                let to = if self.mailbox(from).is_ok() { from } else { inbox };
                let entries = self.put_back(actor, to, &still_held)?;
                self.expunge(by_device, to, &entries)?;
                Ok(entries.len())
            }
            Batch::Kept { mailbox, effect, emails } => {
                for email in &emails {
                    let Some(mut taken) = self.taken(hold.device, *email)? else { continue };
                    taken.stays = false;
                    self.put(key::taken(hold.device, *email), taken.encode());
                }
                match effect {
                    Effect::Expunge => {
                        let emails: HashSet<EmailId> = emails.into_iter().collect();
                        self.expunge_emails(by_device, mailbox, &emails)
                    }
                    // From now on they are due like all others.
                    Effect::ExpungeWhenAllHaveIt | Effect::ExpungeAfterDays(_) => Ok(0),
                    Effect::Keep | Effect::MarkRead | Effect::MoveTo(_) => Ok(0),
                }
            }
        }
    }

    /// What of a batch lies in the mailbox of what is held, with the flags that it had, but for `\Deleted`: the next
    /// EXPUNGE of a client must not take it away again.
    fn still_held(&mut self, batch: &Batch) -> Result<Vec<(Entry, Flags)>, Error> {
        let Batch::Moved { keywords, messages, .. } = batch else { return Ok(Vec::new()) };
        let Some(held) = self.held()? else { return Ok(Vec::new()) };
        let index = self.index(held)?;
        let there = messages.iter().filter_map(|moved| {
            let entry = index.find(moved.uid)?;
            Some((*entry, keywords.flags(moved.before.flags.without(SystemFlag::Deleted))))
        });
        Ok(there.collect())
    }

    fn held(&self) -> Result<Option<MailboxId>, Error> {
        let mut mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        Ok(mailboxes.find(|mailbox| mailbox.role == Some(Role::Held)).map(|mailbox| mailbox.id))
    }

    /// The mailbox that messages came from; one of its name, if it is gone.
    fn home(&mut self, actor: Actor, from: MailboxId, name: &str) -> Result<MailboxId, Error> {
        if self.mailbox(from).is_ok() {
            return Ok(from);
        }
        match self.state.by_name(name).map(|state| (state.mailbox.id, state.mailbox.role)) {
            Some((_, Some(Role::Held))) => Ok(self.state.inbox()?.id),
            Some((id, _)) => Ok(id),
            None => self.create_again(actor, name, None),
        }
    }

    /// Entries as they are in the mailbox that they went back to.
    fn put_back(&mut self, actor: Actor, to: MailboxId, messages: &[(Entry, Flags)]) -> Result<Vec<Entry>, Error> {
        let Some(held) = self.held()?.filter(|_| !messages.is_empty()) else { return Ok(Vec::new()) };
        let next = self.mailbox(to)?.uid_next;
        self.move_with_flags(actor, (held, to), messages)?;
        Ok(self.index(to)?.uids(next, Uid::MAX).map(|(_, entry)| *entry).collect())
    }

    fn restrain(&mut self, actor: Actor, hold: HoldId, then: ThenDevice) -> Result<(), Error> {
        let Some(id) = self.hold(hold)?.map(|hold| hold.device) else { return Ok(()) };
        let Some(mut device) = self.state.devices.get(&id).filter(|d| d.revoked_at.is_none()).cloned() else {
            return Ok(());
        };
        let change = match then {
            ThenDevice::Stays => return Ok(()),
            ThenDevice::Keeps => {
                device.pop.removal = RemovalPolicy::Keep;
                Change::Device(OfDevice::Changed { device: id })
            }
            ThenDevice::IsRevoked => {
                device.revoked_at = Some(actor.now);
                Change::Device(OfDevice::Revoked { device: id })
            }
        };
        self.shuts_out(&device)?;
        self.put_device(device);
        self.journal(actor, change);
        Ok(())
    }
}
