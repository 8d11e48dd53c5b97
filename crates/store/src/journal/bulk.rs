//! A change of the flags of many messages, in few octets: runs of messages that changed alike, each as its difference to the
//! one before, and one row that tells which messages it may be about.

use super::{MESSAGES_PER_ENTRY_MAX, Reflagged};
use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::FlagBits;
use crate::ids::{EmailId, Uid};
use crate::record::{open, versioned};

/// Between which numbers the messages of a journal entry lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emails {
    pub(crate) first: EmailId,
    pub(crate) last: EmailId,
}

impl Emails {
    pub(crate) fn may_hold(self, email: EmailId) -> bool {
        (self.first..=self.last).contains(&email)
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.first.0).number(self.last.0);
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let emails = Self { first: EmailId(r.number()?), last: EmailId(r.number()?) };
        r.end().map(|()| emails)
    }
}

/// Runs of messages that changed alike: how long each is, from what to what it changed, and what `write` says of its messages.
fn write_alike(w: &mut Writer, messages: &[Reflagged], mut write: impl FnMut(&mut Writer, &[Reflagged])) {
    let alike = |a: &Reflagged, b: &Reflagged| (a.before, a.after) == (b.before, b.after);
    let runs: Vec<&[Reflagged]> = messages.chunk_by(alike).collect();
    w.number(runs.len() as u64);
    for run in runs {
        let (before, after) = run.first().map_or((0, 0), |changed| (changed.before.0, changed.after.0));
        w.number(run.len() as u64).number(before).number(after);
        write(w, run);
    }
}

/// Each message as its difference to the one before.
pub(super) fn write_runs(w: &mut Writer, messages: &[Reflagged]) {
    let (mut uid, mut email) = (0u32, 0u64);
    write_alike(w, messages, |w, run| {
        for changed in run {
            w.number(changed.uid.0.wrapping_sub(uid).into());
            w.signed(changed.email.0.wrapping_sub(email) as i64);
            (uid, email) = (changed.uid.0, changed.email.0);
        }
    });
}

/// As [`write_runs`], and messages that lie one behind the other in equal steps, as those do that came together, once for all of
/// them.
pub(super) fn write_steps(w: &mut Writer, messages: &[Reflagged]) {
    let (mut uid, mut email) = (0u32, 0u64);
    write_alike(w, messages, |w, run| {
        let mut rest = run.iter().peekable();
        while let Some(first) = rest.next() {
            let step = |changed: &Reflagged, (uid, email): (u32, u64)| {
                (changed.uid.0.wrapping_sub(uid), changed.email.0.wrapping_sub(email))
            };
            let (of_uid, of_email) = step(first, (uid, email));
            let (mut last, mut more) = ((first.uid.0, first.email.0), 0u64);
            while let Some(next) = rest.next_if(|next| step(next, last) == (of_uid, of_email)) {
                (last, more) = ((next.uid.0, next.email.0), more + 1);
            }
            (uid, email) = last;
            w.number(u64::from(of_uid) << 1 | u64::from(more > 0));
            if more > 0 {
                w.number(more);
            }
            w.signed(of_email as i64);
        }
    });
}

pub(super) fn read_steps(r: &mut Reader<'_>) -> Result<Vec<Reflagged>, Corrupt> {
    let mut messages = Vec::new();
    let (mut uid, mut email) = (0u32, 0u64);
    r.list(|r| {
        let length = usize::try_from(r.number()?).map_err(|_| Corrupt)?;
        let (before, after) = (FlagBits(r.number()?), FlagBits(r.number()?));
        let end = messages.len().saturating_add(length);
        while messages.len() < end {
            let step = r.number()?;
            let more = if step & 1 == 1 { usize::try_from(r.number()?).map_err(|_| Corrupt)? } else { 0 };
            let (of_uid, of_email) = (u32::try_from(step >> 1).map_err(|_| Corrupt)?, r.signed()?);
            // A damaged row must not fill the memory.
            if messages.len().saturating_add(more) >= end.min(MESSAGES_PER_ENTRY_MAX) {
                return Err(Corrupt);
            }
            for _ in 0..=more {
                uid = uid.wrapping_add(of_uid);
                email = email.wrapping_add_signed(of_email);
                messages.push(Reflagged { uid: Uid(uid), email: EmailId(email), before, after });
            }
        }
        Ok(())
    })?;
    Ok(messages)
}

pub(super) fn read_runs(r: &mut Reader<'_>) -> Result<Vec<Reflagged>, Corrupt> {
    let mut messages = Vec::new();
    let (mut uid, mut email) = (0u32, 0u64);
    r.list(|r| {
        let length = r.number()?;
        let (before, after) = (FlagBits(r.number()?), FlagBits(r.number()?));
        for _ in 0..length {
            uid = uid.wrapping_add(r.small()?);
            email = email.wrapping_add_signed(r.signed()?);
            messages.push(Reflagged { uid: Uid(uid), email: EmailId(email), before, after });
        }
        Ok(())
    })?;
    Ok(messages)
}

/// One message, as an earlier version wrote each.
pub(super) fn read_reflagged(r: &mut Reader<'_>) -> Result<Reflagged, Corrupt> {
    Ok(Reflagged {
        uid: Uid(r.small()?),
        email: EmailId(r.number()?),
        before: FlagBits(r.number()?),
        after: FlagBits(r.number()?),
    })
}
