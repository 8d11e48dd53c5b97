//! How entries lie on disk: a number for each kind of change, which it keeps for good.

use super::bulk::{read_reflagged, read_runs, read_steps, write_runs, write_steps};
use super::{
    Change, HISTORY_ROWS_MAX, JournalEntry, Listed, OfAccount, OfDevice, OfMailbox, OfMessages, OfPop, Protocol,
};
use super::{Relisted, Stretches};
use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::{FlagBits, Keywords};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid};
use crate::record::{open, versioned};
use crate::rights::{read_rights, write_rights};
use crate::role::Role;

impl JournalEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.signed(self.at.0).number(self.device.0.into());
        self.protocol.write(&mut w);
        write_change(&mut w, &self.change);
        w.0
    }

    pub(crate) fn decode(modseq: ModSeq, bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let (at, device) = (Timestamp(r.signed()?), DeviceId(r.small()?));
        let protocol = Protocol::read(&mut r)?;
        let change = read_change(&mut r)?;
        r.end().map(|()| Self { modseq, at, device, protocol, change })
    }

    /// Whether messages can have left a mailbox by a stored entry; seen without reading all of it, because most are others.
    pub(crate) fn removes(bytes: &[u8]) -> Result<bool, Corrupt> {
        let mut r = open(bytes)?;
        r.signed()?;
        r.small()?;
        Protocol::read(&mut r)?;
        match r.byte()? {
            EXPUNGED | MOVED | REPAIRED => Ok(true),
            0..NEXT_KIND => Ok(false),
            NEXT_KIND.. => Err(Corrupt),
        }
    }
}

const EXPUNGED: u8 = 3;
const MOVED: u8 = 4;
const REPAIRED: u8 = 30;
/// The next kind of change that there will be.
const NEXT_KIND: u8 = 31;

fn write_list<T>(w: &mut Writer, items: &[T], mut write: impl FnMut(&mut Writer, &T)) {
    w.number(items.len() as u64);
    items.iter().for_each(|item| write(w, item));
}

fn write_listed(w: &mut Writer, listed: &Listed) {
    w.number(listed.uid.0.into()).number(listed.email.0).number(listed.flags.0);
    w.signed(listed.internal_date.0).number(listed.size.into());
}

fn read_listed(r: &mut Reader<'_>) -> Result<Listed, Corrupt> {
    Ok(Listed {
        uid: Uid(r.small()?),
        email: EmailId(r.number()?),
        flags: FlagBits(r.number()?),
        internal_date: Timestamp(r.signed()?),
        size: r.small()?,
    })
}

pub(crate) fn write_emails(w: &mut Writer, emails: &[EmailId]) {
    write_list(w, emails, |w, email| {
        w.number(email.0);
    });
}

pub(crate) fn read_emails(r: &mut Reader<'_>) -> Result<Vec<EmailId>, Corrupt> {
    r.list(|r| r.number().map(EmailId))
}

pub(crate) fn write_moved(w: &mut Writer, messages: &[Relisted]) {
    write_list(w, messages, |w, moved| {
        write_listed(w, &moved.before);
        w.number(moved.uid.0.into()).number(moved.flags.0);
    });
}

pub(crate) fn read_moved(r: &mut Reader<'_>) -> Result<Vec<Relisted>, Corrupt> {
    r.list(|r| Ok(Relisted { before: read_listed(r)?, uid: Uid(r.small()?), flags: FlagBits(r.number()?) }))
}

fn write_number(w: &mut Writer, kind: u8, number: u64) {
    w.byte(kind).number(number);
}

fn write_change(w: &mut Writer, change: &Change) {
    match change {
        Change::Account(OfAccount::Created) => {
            w.byte(0);
        }
        Change::Messages(OfMessages::Added { mailbox, messages }) => {
            write_list(w.byte(1).number(mailbox.0.into()), messages, write_listed);
        }
        Change::Messages(OfMessages::Reflagged { mailbox, messages }) => {
            // 2 is the same message by message, and earlier versions wrote 23 for many, too.
            match messages.len() {
                ..=HISTORY_ROWS_MAX => write_runs(w.byte(23).number(mailbox.0.into()), messages),
                _ => write_steps(w.byte(27).number(mailbox.0.into()), messages),
            }
        }
        Change::Messages(OfMessages::Expunged { mailbox, messages }) => {
            write_list(w.byte(EXPUNGED).number(mailbox.0.into()), messages, write_listed);
        }
        Change::Messages(OfMessages::Moved { from, to, messages }) => {
            w.byte(MOVED).number(from.0.into()).number(to.0.into());
            write_moved(w, messages);
        }
        Change::Mailbox(change) => write_of_mailbox(w, change),
        Change::Pop(OfPop::Taken { emails }) => write_emails(w.byte(9), emails),
        Change::Pop(OfPop::Deleted { emails }) => write_emails(w.byte(10), emails),
        Change::Device(OfDevice::Added { device, name }) => {
            w.byte(11).number(device.0.into()).text(name);
        }
        Change::Device(OfDevice::Changed { device }) => write_number(w, 12, device.0.into()),
        Change::Device(OfDevice::Revoked { device }) => write_number(w, 13, device.0.into()),
        Change::Account(OfAccount::SettingsChanged) => {
            w.byte(14);
        }
        Change::Messages(OfMessages::Restored { mailbox, messages }) => {
            write_list(w.byte(16).number(mailbox.0.into()), messages, write_listed);
        }
        Change::Pop(OfPop::Relisted { device, emails }) => write_emails(w.byte(17).number(device.0.into()), emails),
        Change::Pop(OfPop::UidlsKept { emails }) => write_emails(w.byte(22), emails),
        // 18 and 21 are those of which all is their own.
        Change::Account(OfAccount::Undone { device, first, others }) => {
            w.byte(others.kind(18, 25)).option(*device, |w, device| {
                w.number(device.0.into());
            });
            others.write_if_any(w.number(first.0));
        }
        Change::Device(OfDevice::Held { hold, emails }) => write_emails(w.byte(19).number(hold.0.into()), emails),
        Change::Device(OfDevice::HoldAnswered { hold, device, kept }) => {
            w.byte(20).number(hold.0.into()).number(device.0.into()).byte(u8::from(*kept));
        }
        Change::Account(OfAccount::Cleared { first, others }) => {
            others.write_if_any(w.byte(others.kind(21, 26)).number(first.0))
        }
        Change::Account(OfAccount::Repaired) => {
            w.byte(REPAIRED);
        }
    }
}

fn write_of_mailbox(w: &mut Writer, change: &OfMailbox) {
    match change {
        OfMailbox::Created { mailbox, name } => {
            w.byte(5).number(mailbox.0.into()).text(name);
        }
        OfMailbox::Renamed { mailbox, before, after } => {
            w.byte(6).number(mailbox.0.into()).text(before).text(after);
        }
        OfMailbox::Deleted { mailbox, name, keywords, role } => {
            // 7 is the same without keywords and special use.
            w.byte(15).number(mailbox.0.into()).text(name);
            keywords.write(w);
            w.option(*role, |w, role| {
                w.byte(role.number());
            });
        }
        OfMailbox::Subscribed { mailbox, subscribed } => {
            w.byte(8).number(mailbox.0.into()).byte(u8::from(*subscribed));
        }
        OfMailbox::NameSubscribed { name, subscribed } => {
            w.byte(24).text(name).byte(u8::from(*subscribed));
        }
        OfMailbox::Annotated { mailbox, entries } => {
            write_list(w.byte(28).number(mailbox.map_or(0, |mailbox| mailbox.0.into())), entries, |w, entry| {
                w.text(entry);
            });
        }
        OfMailbox::Shared { mailbox, with, rights } => {
            write_rights(*rights, w.byte(29).number(mailbox.0.into()).text(with));
        }
    }
}

fn read_change(r: &mut Reader<'_>) -> Result<Change, Corrupt> {
    let mailbox = |r: &mut Reader<'_>| r.small().map(MailboxId);
    let device = |r: &mut Reader<'_>| r.small().map(DeviceId);
    Ok(match r.byte()? {
        0 => Change::Account(OfAccount::Created),
        1 => Change::Messages(OfMessages::Added { mailbox: mailbox(r)?, messages: r.list(read_listed)? }),
        2 => Change::Messages(OfMessages::Reflagged { mailbox: mailbox(r)?, messages: r.list(read_reflagged)? }),
        EXPUNGED => Change::Messages(OfMessages::Expunged { mailbox: mailbox(r)?, messages: r.list(read_listed)? }),
        MOVED => Change::Messages(OfMessages::Moved { from: mailbox(r)?, to: mailbox(r)?, messages: read_moved(r)? }),
        5 => Change::Mailbox(OfMailbox::Created { mailbox: mailbox(r)?, name: r.text()? }),
        6 => Change::Mailbox(OfMailbox::Renamed { mailbox: mailbox(r)?, before: r.text()?, after: r.text()? }),
        7 => {
            let (mailbox, name) = (mailbox(r)?, r.text()?);
            Change::Mailbox(OfMailbox::Deleted { mailbox, name, keywords: Keywords::default(), role: None })
        }
        8 => Change::Mailbox(OfMailbox::Subscribed { mailbox: mailbox(r)?, subscribed: r.byte()? != 0 }),
        9 => Change::Pop(OfPop::Taken { emails: read_emails(r)? }),
        10 => Change::Pop(OfPop::Deleted { emails: read_emails(r)? }),
        11 => Change::Device(OfDevice::Added { device: device(r)?, name: r.text()? }),
        12 => Change::Device(OfDevice::Changed { device: device(r)? }),
        13 => Change::Device(OfDevice::Revoked { device: device(r)? }),
        14 => Change::Account(OfAccount::SettingsChanged),
        15 => Change::Mailbox(OfMailbox::Deleted {
            mailbox: mailbox(r)?,
            name: r.text()?,
            keywords: Keywords::read(r)?,
            role: r.option(Role::read)?,
        }),
        16 => Change::Messages(OfMessages::Restored { mailbox: mailbox(r)?, messages: r.list(read_listed)? }),
        17 => Change::Pop(OfPop::Relisted { device: device(r)?, emails: read_emails(r)? }),
        18 => Change::Account(OfAccount::Undone {
            device: r.option(device)?,
            first: ModSeq(r.number()?),
            others: Stretches::default(),
        }),
        19 => Change::Device(OfDevice::Held { hold: r.small().map(HoldId)?, emails: read_emails(r)? }),
        20 => {
            let (hold, device) = (r.small().map(HoldId)?, device(r)?);
            Change::Device(OfDevice::HoldAnswered { hold, device, kept: r.byte()? != 0 })
        }
        21 => Change::Account(OfAccount::Cleared { first: ModSeq(r.number()?), others: Stretches::default() }),
        22 => Change::Pop(OfPop::UidlsKept { emails: read_emails(r)? }),
        23 => Change::Messages(OfMessages::Reflagged { mailbox: mailbox(r)?, messages: read_runs(r)? }),
        24 => Change::Mailbox(OfMailbox::NameSubscribed { name: r.text()?, subscribed: r.byte()? != 0 }),
        25 => Change::Account(OfAccount::Undone {
            device: r.option(device)?,
            first: ModSeq(r.number()?),
            others: Stretches::read(r)?,
        }),
        26 => Change::Account(OfAccount::Cleared { first: ModSeq(r.number()?), others: Stretches::read(r)? }),
        27 => Change::Messages(OfMessages::Reflagged { mailbox: mailbox(r)?, messages: read_steps(r)? }),
        28 => {
            let mailbox = mailbox(r)?;
            let mailbox = (mailbox != MailboxId(0)).then_some(mailbox);
            Change::Mailbox(OfMailbox::Annotated { mailbox, entries: r.list(Reader::text)? })
        }
        29 => Change::Mailbox(OfMailbox::Shared { mailbox: mailbox(r)?, with: r.text()?, rights: read_rights(r)? }),
        REPAIRED => Change::Account(OfAccount::Repaired),
        NEXT_KIND.. => return Err(Corrupt),
    })
}
