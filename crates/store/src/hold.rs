//! Holds: removals that wait for the answer of the account's owner, because [`crate::brake`] stopped them.
//!
//! What a device expunged over IMAP has left its mailbox, as RFC 9051 §6.4.3 says, and lies in the mailbox for what is held
//! ([`Role::Held`]), where every device can read it and none can change it. What a device deleted over POP3 has left its own
//! maildrop and is where it was. An answer puts back, or removes after all. Without an answer nothing ever happens to it.

use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::Keywords;
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, Timestamp};
use crate::journal::{Protocol, Relisted, read_emails, read_moved, write_emails, write_moved};
use crate::record::{open, versioned};
use crate::removal::Effect;
use crate::settings::LanguageTag;

#[cfg(doc)]
use crate::role::Role;
use wording::Later;

/// Removals of a device that are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Counts up within the account, never used again.
    pub id: HoldId,
    /// Whose removals.
    pub device: DeviceId,
    /// Over which protocol it asked for the first of them.
    pub protocol: Protocol,
    /// When it asked for the first of them.
    pub began_at: Timestamp,
    /// When it asked for the last of them.
    pub last_at: Timestamp,
    /// How many messages.
    pub messages: u64,
    /// What the owner answered.
    pub answer: Option<Answered>,
    /// How many [`Batch`]es there are, as long as there is no answer.
    pub(crate) batches: u32,
    /// Of so many messages the answer is carried out already; the batches have the others.
    pub(crate) answered: u64,
}

/// Words the letter in which the owner of an account is asked about a hold. It is written in the commit that holds: so it
/// must be quick, and the same for the same hold, because a commit that met another one is made anew.
pub trait AsksOwner: Send + Sync {
    /// The message (RFC 5322), with CRLF line ends. `device`: its name, for people. `held_mailbox`: the name of the mailbox in which what was
    /// expunged over IMAP lies. `language`: what the owner has chosen.
    fn letter(&self, hold: &Hold, device: &Later, held_mailbox: &str, language: Option<LanguageTag>) -> Vec<u8>;
}

/// What the owner of an account says to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything stays, or goes back to where it was.
    Keep(ThenDevice),
    /// The removals are carried out, in the device's name.
    Allow,
}

/// What becomes of the device whose removals are not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThenDevice {
    /// It stays as it is.
    #[default]
    Stays,
    /// Its POP3 deletions change nothing in the mailbox any more.
    Keeps,
    /// It may not log in any more.
    IsRevoked,
}

/// An answer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Whether everything stayed.
    pub kept: bool,
    /// When.
    pub at: Timestamp,
}

/// What an answer did; numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldReport {
    /// Still there, or put back to where they were.
    pub kept: usize,
    /// Removed.
    pub removed: usize,
}

impl std::ops::Add for HoldReport {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { kept: self.kept + other.kept, removed: self.removed + other.removed }
    }
}

/// Messages of one mailbox that are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// They lie in the mailbox for what is held.
    Moved {
        /// Where they were.
        from: MailboxId,
        /// Its name then, and its keywords: the flags before are numbers of these.
        name: String,
        keywords: Keywords,
        messages: Vec<Relisted>,
    },
    /// They are where they were.
    Kept {
        mailbox: MailboxId,
        /// What the policy of the device does to them.
        effect: Effect,
        emails: Vec<EmailId>,
    },
}

impl Hold {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.device.0.into());
        self.protocol.write(&mut w);
        w.signed(self.began_at.0).signed(self.last_at.0).number(self.messages).number(self.batches.into());
        w.option(self.answer, |w, Answered { kept, at }| {
            w.byte(u8::from(kept)).signed(at.0);
        });
        if self.answered > 0 {
            w.number(self.answered);
        }
        w.0
    }

    pub(crate) fn decode(id: HoldId, bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let hold = Self {
            id,
            device: DeviceId(r.small()?),
            protocol: Protocol::read(&mut r)?,
            began_at: Timestamp(r.signed()?),
            last_at: Timestamp(r.signed()?),
            messages: r.number()?,
            batches: r.small()?,
            answer: r.option(|r| Ok(Answered { kept: r.byte()? != 0, at: Timestamp(r.signed()?) }))?,
            answered: if r.end().is_ok() { 0 } else { r.number()? },
        };
        r.end().map(|()| hold)
    }
}

impl Batch {
    /// How many messages it has.
    pub(crate) fn messages(&self) -> usize {
        match self {
            Self::Moved { messages, .. } => messages.len(),
            Self::Kept { emails, .. } => emails.len(),
        }
    }

    /// Takes the first `count` messages off.
    pub(crate) fn take(&mut self, count: usize) -> Self {
        let mut first = self.clone();
        match (self, &mut first) {
            (Self::Moved { messages: rest, .. }, Self::Moved { messages, .. }) => {
                *rest = messages.split_off(count.min(messages.len()));
            }
            (Self::Kept { emails: rest, .. }, Self::Kept { emails, .. }) => {
                *rest = emails.split_off(count.min(emails.len()));
            }
            // It is its clone.
            (Self::Moved { .. }, Self::Kept { .. }) | (Self::Kept { .. }, Self::Moved { .. }) => {}
        }
        first
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        match self {
            Self::Moved { from, name, keywords, messages } => {
                w.byte(0).number(from.0.into()).text(name);
                keywords.write(&mut w);
                write_moved(&mut w, messages);
            }
            Self::Kept { mailbox, effect, emails } => {
                w.byte(1).number(mailbox.0.into());
                write_effect(&mut w, *effect);
                write_emails(&mut w, emails);
            }
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let batch = match r.byte()? {
            0 => Self::Moved {
                from: MailboxId(r.small()?),
                name: r.text()?,
                keywords: Keywords::read(&mut r)?,
                messages: read_moved(&mut r)?,
            },
            1 => Self::Kept {
                mailbox: MailboxId(r.small()?),
                effect: read_effect(&mut r)?,
                emails: read_emails(&mut r)?,
            },
            2.. => return Err(Corrupt),
        };
        r.end().map(|()| batch)
    }
}

/// Only what removes is ever held.
fn write_effect(w: &mut Writer, effect: Effect) {
    match effect {
        Effect::Expunge | Effect::Keep | Effect::MarkRead | Effect::MoveTo(_) => w.byte(0),
        Effect::ExpungeWhenAllHaveIt => w.byte(1),
        Effect::ExpungeAfterDays(days) => w.byte(2).number(days.into()),
    };
}

fn read_effect(r: &mut Reader<'_>) -> Result<Effect, Corrupt> {
    Ok(match r.byte()? {
        0 => Effect::Expunge,
        1 => Effect::ExpungeWhenAllHaveIt,
        2 => Effect::ExpungeAfterDays(u16::try_from(r.number()?).map_err(|_| Corrupt)?),
        3.. => return Err(Corrupt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::FlagBits;
    use crate::ids::Uid;
    use crate::journal::Listed;

    #[test]
    fn records_are_read_as_they_were_written() {
        let (id, device, protocol) = (HoldId(7), DeviceId(3), Protocol::Imap);
        let (began_at, last_at) = (Timestamp(5), Timestamp(9));
        for (answer, answered) in [(None, 0), (Some(Answered { kept: true, at: Timestamp(10) }), 0), (None, 7)] {
            let hold = Hold { id, device, protocol, began_at, last_at, messages: 400, answer, batches: 2, answered };
            assert_eq!(Hold::decode(id, &hold.encode()), Ok(hold.clone()));
            assert_eq!(Hold::decode(id, &hold.encode()[1..]), Err(Corrupt));
        }
        let (email, flags) = (EmailId(1 << 50), FlagBits(9));
        let before = Listed { uid: Uid(7), email, flags, internal_date: Timestamp(-1), size: 9 };
        let messages = vec![Relisted { before, uid: Uid(1), flags: FlagBits(1) }];
        let mut keywords = Keywords::default();
        keywords.learn(&crate::flags::Flags { keywords: vec!["Work".into()], ..Default::default() }).unwrap();
        let moved = Batch::Moved { from: MailboxId(4), name: "Été".into(), keywords, messages };
        let kept = |effect| Batch::Kept { mailbox: MailboxId(1), effect, emails: vec![email, EmailId(2)] };
        let effects = [Effect::Expunge, Effect::ExpungeWhenAllHaveIt, Effect::ExpungeAfterDays(9)];
        for batch in std::iter::once(moved).chain(effects.map(kept)) {
            assert_eq!(Batch::decode(&batch.encode()), Ok(batch.clone()));
        }
        assert_eq!(Batch::decode(&[1, 2]), Err(Corrupt));
    }
}
