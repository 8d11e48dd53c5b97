//! The journal: what changed, when, by which device over which protocol, and what it was before.
//!
//! It is the one order of everything that happens in an account: IMAP synchronisation, the timeline, undo and the packed
//! indexes derive from it. Entries are only ever added at the end, and leave at the front when they leave retention.

mod bulk;
mod stretches;

pub(crate) use bulk::Emails;
pub use stretches::Stretches;

use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::{FlagBits, Keywords};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::{Entry, Index};
use crate::record::{Role, open, versioned};
use bulk::{read_reflagged, read_runs, write_runs};

/// An entry names at most this many messages; a larger operation makes several entries in the same commit.
pub const MESSAGES_PER_ENTRY_MAX: usize = 4096;

/// A change of flags of more messages is not in the history of each of them: one row tells which messages it may be about.
pub const HISTORY_ROWS_MAX: usize = 16;

/// Over which protocol a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The server itself: retention, migration.
    Server,
    /// Mail from other hosts.
    Smtp,
    /// Mail from a local mail system.
    Lmtp,
    /// Mail that an account's own device sends.
    Submission,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// The command line.
    Cli,
    /// Web pages.
    Web,
}

impl Protocol {
    /// All of them; the journal holds the place in this list.
    pub const ALL: [Self; 8] =
        [Self::Server, Self::Smtp, Self::Lmtp, Self::Submission, Self::Imap, Self::Pop3, Self::Cli, Self::Web];

    /// In the log, and in the fingerprint of a device of the main password.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Submission => "submission",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Cli => "cli",
            Self::Web => "web",
        }
    }

    pub(crate) fn write(self, w: &mut Writer) {
        w.byte(Self::ALL.iter().position(|p| *p == self).unwrap_or(0) as u8);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Self::ALL.get(usize::from(r.byte()?)).copied().ok_or(Corrupt)
    }
}

/// Who changes something, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The device whose login this is; [`DeviceId`] 0 is the server itself.
    pub device: DeviceId,
    /// Over which protocol.
    pub protocol: Protocol,
    /// The time of the change.
    pub now: Timestamp,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the order; no two entries share one.
    pub modseq: ModSeq,
    /// When.
    pub at: Timestamp,
    /// By which device; 0 is the server itself.
    pub device: DeviceId,
    /// Over which protocol.
    pub protocol: Protocol,
    /// What.
    pub change: Change,
}

/// A message in a mailbox, as it was when it came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// In the mailbox that the entry names.
    pub uid: Uid,
    /// The message.
    pub email: EmailId,
    /// Its flags there and then.
    pub flags: FlagBits,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// Octets.
    pub size: u32,
}

/// A change of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflagged {
    /// In the mailbox that the entry names.
    pub uid: Uid,
    /// The message.
    pub email: EmailId,
    /// Flags before.
    pub before: FlagBits,
    /// Flags after.
    pub after: FlagBits,
}

/// A message that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relisted {
    /// As it was in the mailbox that it left.
    pub before: Listed,
    /// The UID in the mailbox that it is in now.
    pub uid: Uid,
    /// The flags there; keyword numbers are those of that mailbox.
    pub flags: FlagBits,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The account began.
    AccountCreated,
    /// Messages came into a mailbox: delivery, APPEND, COPY.
    Added {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Listed>,
    },
    /// Flags or keywords changed.
    FlagsChanged {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Reflagged>,
    },
    /// Messages left a mailbox for good; each stays restorable for the retention time.
    Expunged {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Listed>,
    },
    /// Messages went from one mailbox to another.
    Moved {
        /// From where.
        from: MailboxId,
        /// To where.
        to: MailboxId,
        /// In UID order.
        messages: Vec<Relisted>,
    },
    /// A mailbox was made.
    MailboxCreated {
        /// Which.
        mailbox: MailboxId,
        /// Its name.
        name: String,
    },
    /// A mailbox changed its name.
    MailboxRenamed {
        /// Which.
        mailbox: MailboxId,
        /// Its name before.
        before: String,
        /// Its name after.
        after: String,
    },
    /// A mailbox was removed, after its messages were expunged.
    MailboxDeleted {
        /// Which.
        mailbox: MailboxId,
        /// Its name.
        name: String,
        /// Its keywords: the flags of its messages in the journal are numbers of these.
        keywords: Keywords,
        /// Its special use.
        role: Option<Role>,
    },
    /// A mailbox was put on the list of subscriptions or taken off.
    Subscribed {
        /// Which.
        mailbox: MailboxId,
        /// On it now.
        subscribed: bool,
    },
    /// A name that no mailbox has was put on the list of subscriptions or taken off.
    NameSubscribed {
        /// Which.
        name: String,
        /// On it now.
        subscribed: bool,
    },
    /// The entry's device downloaded messages over POP3.
    PopTaken {
        /// In the order of the maildrop.
        emails: Vec<EmailId>,
    },
    /// The entry's device deleted messages from its maildrop.
    PopDeleted {
        /// In the order of the maildrop.
        emails: Vec<EmailId>,
    },
    /// A device was added.
    DeviceAdded {
        /// Which.
        device: DeviceId,
        /// Its name.
        name: String,
    },
    /// A device's name or policy was changed.
    DeviceChanged {
        /// Which.
        device: DeviceId,
    },
    /// A device may not log in any more.
    DeviceRevoked {
        /// Which.
        device: DeviceId,
    },
    /// What was chosen for the whole account changed.
    SettingsChanged,
    /// Messages that had been removed came back into a mailbox.
    Restored {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Listed>,
    },
    /// A POP3 device lists messages again that it had deleted from its maildrop.
    PopRelisted {
        /// Which device; the entry's own is the one that asked for it.
        device: DeviceId,
        /// In no order.
        emails: Vec<EmailId>,
    },
    /// Messages got the UIDLs that they had on another server.
    UidlsKept {
        /// In no order.
        emails: Vec<EmailId>,
    },
    /// What a device did was undone, by the entries from `first` to this one.
    Undone {
        /// Whose doings; `None`: those of an earlier undo.
        device: Option<DeviceId>,
        /// The first entry of this undo.
        first: ModSeq,
        /// Entries in between that are not its own.
        others: Stretches,
    },
    /// The owner had messages removed that every POP3 device has, by the entries from `first` to this one.
    Cleared {
        /// The first entry of it.
        first: ModSeq,
        /// Entries in between that are not its own.
        others: Stretches,
    },
    /// The removal of messages by the entry's device is held; over IMAP the entry before says where they lie now.
    Held {
        /// With which hold.
        hold: HoldId,
        /// In no order.
        emails: Vec<EmailId>,
    },
    /// The owner has answered a hold; entries around this one put back or remove.
    HoldAnswered {
        /// Which.
        hold: HoldId,
        /// Whose removals.
        device: DeviceId,
        /// Whether everything stays.
        kept: bool,
    },
}

impl Change {
    /// Brings the index of `mailbox` from before this change to after it.
    pub(crate) fn replay(&self, mailbox: MailboxId, modseq: ModSeq, index: &mut Index) {
        match self {
            Self::Added { mailbox: at, messages } | Self::Restored { mailbox: at, messages } if *at == mailbox => {
                messages.iter().for_each(|listed| index.push(listed.entry(modseq)));
            }
            Self::FlagsChanged { mailbox: at, messages } if *at == mailbox => {
                for changed in messages {
                    if let Some(entry) = index.find(changed.uid).copied() {
                        index.replace(Entry { flags: changed.after, modseq, ..entry });
                    }
                }
            }
            Self::Expunged { mailbox: at, messages } if *at == mailbox => {
                index.remove(&messages.iter().map(|listed| listed.uid).collect::<Vec<_>>());
            }
            Self::Moved { from, to, messages } if *from == mailbox || *to == mailbox => {
                if *from == mailbox {
                    index.remove(&messages.iter().map(|moved| moved.before.uid).collect::<Vec<_>>());
                }
                if *to == mailbox {
                    messages.iter().for_each(|moved| index.push(moved.after().entry(modseq)));
                }
            }
            Self::AccountCreated
            | Self::Added { .. }
            | Self::FlagsChanged { .. }
            | Self::Expunged { .. }
            | Self::Moved { .. }
            | Self::MailboxCreated { .. }
            | Self::MailboxRenamed { .. }
            | Self::MailboxDeleted { .. }
            | Self::Subscribed { .. }
            | Self::NameSubscribed { .. }
            | Self::PopTaken { .. }
            | Self::PopDeleted { .. }
            | Self::DeviceAdded { .. }
            | Self::DeviceChanged { .. }
            | Self::DeviceRevoked { .. }
            | Self::SettingsChanged
            | Self::Restored { .. }
            | Self::PopRelisted { .. }
            | Self::Held { .. }
            | Self::HoldAnswered { .. }
            | Self::UidlsKept { .. }
            | Self::Undone { .. }
            | Self::Cleared { .. } => {}
        }
    }

    /// The messages that it is about.
    #[must_use]
    pub fn emails(&self) -> Vec<EmailId> {
        match self {
            Self::Added { messages, .. } | Self::Expunged { messages, .. } | Self::Restored { messages, .. } => {
                messages.iter().map(|listed| listed.email).collect()
            }
            Self::FlagsChanged { messages, .. } => messages.iter().map(|changed| changed.email).collect(),
            Self::Moved { messages, .. } => messages.iter().map(|moved| moved.before.email).collect(),
            Self::PopTaken { emails }
            | Self::PopDeleted { emails }
            | Self::PopRelisted { emails, .. }
            | Self::Held { emails, .. }
            | Self::UidlsKept { emails } => emails.clone(),
            Self::AccountCreated
            | Self::MailboxCreated { .. }
            | Self::MailboxRenamed { .. }
            | Self::MailboxDeleted { .. }
            | Self::Subscribed { .. }
            | Self::NameSubscribed { .. }
            | Self::DeviceAdded { .. }
            | Self::DeviceChanged { .. }
            | Self::DeviceRevoked { .. }
            | Self::SettingsChanged
            | Self::HoldAnswered { .. }
            | Self::Undone { .. }
            | Self::Cleared { .. } => Vec::new(),
        }
    }

    /// Of a change of flags of more than [`HISTORY_ROWS_MAX`] messages, which they are.
    pub(crate) fn in_bulk(&self) -> Option<Emails> {
        let Self::FlagsChanged { messages, .. } = self else { return None };
        let emails = || messages.iter().map(|changed| changed.email);
        let (first, last) = emails().min().zip(emails().max())?;
        (messages.len() > HISTORY_ROWS_MAX).then_some(Emails { first, last })
    }

    /// The UIDs that left `mailbox` in this change.
    pub(crate) fn vanished(&self, mailbox: MailboxId) -> Vec<Uid> {
        match self {
            Self::Expunged { mailbox: at, messages } if *at == mailbox => messages.iter().map(|m| m.uid).collect(),
            Self::Moved { from, messages, .. } if *from == mailbox => messages.iter().map(|m| m.before.uid).collect(),
            _ => Vec::new(),
        }
    }
}

impl Listed {
    pub(crate) fn of(entry: &Entry) -> Self {
        let Entry { uid, email, flags, internal_date, size, modseq: _ } = *entry;
        Self { uid, email, flags, internal_date, size }
    }

    pub(crate) fn entry(&self, modseq: ModSeq) -> Entry {
        let Self { uid, email, flags, internal_date, size } = *self;
        Entry { uid, size, flags, modseq, email, internal_date }
    }
}

impl Relisted {
    /// As it is in the mailbox that it went to.
    #[must_use]
    pub fn after(&self) -> Listed {
        Listed { uid: self.uid, flags: self.flags, ..self.before }
    }
}

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
}

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
        Change::AccountCreated => {
            w.byte(0);
        }
        Change::Added { mailbox, messages } => {
            write_list(w.byte(1).number(mailbox.0.into()), messages, write_listed);
        }
        Change::FlagsChanged { mailbox, messages } => {
            // 2 is the same message by message.
            write_runs(w.byte(23).number(mailbox.0.into()), messages);
        }
        Change::Expunged { mailbox, messages } => {
            write_list(w.byte(3).number(mailbox.0.into()), messages, write_listed);
        }
        Change::Moved { from, to, messages } => {
            w.byte(4).number(from.0.into()).number(to.0.into());
            write_moved(w, messages);
        }
        Change::MailboxCreated { mailbox, name } => {
            w.byte(5).number(mailbox.0.into()).text(name);
        }
        Change::MailboxRenamed { mailbox, before, after } => {
            w.byte(6).number(mailbox.0.into()).text(before).text(after);
        }
        Change::MailboxDeleted { mailbox, name, keywords, role } => {
            // 7 is the same without keywords and special use.
            w.byte(15).number(mailbox.0.into()).text(name);
            keywords.write(w);
            w.option(*role, |w, role| {
                w.byte(role.number());
            });
        }
        Change::Subscribed { mailbox, subscribed } => {
            w.byte(8).number(mailbox.0.into()).byte(u8::from(*subscribed));
        }
        Change::NameSubscribed { name, subscribed } => {
            w.byte(24).text(name).byte(u8::from(*subscribed));
        }
        Change::PopTaken { emails } => write_emails(w.byte(9), emails),
        Change::PopDeleted { emails } => write_emails(w.byte(10), emails),
        Change::DeviceAdded { device, name } => {
            w.byte(11).number(device.0.into()).text(name);
        }
        Change::DeviceChanged { device } => write_number(w, 12, device.0.into()),
        Change::DeviceRevoked { device } => write_number(w, 13, device.0.into()),
        Change::SettingsChanged => {
            w.byte(14);
        }
        Change::Restored { mailbox, messages } => {
            write_list(w.byte(16).number(mailbox.0.into()), messages, write_listed);
        }
        Change::PopRelisted { device, emails } => write_emails(w.byte(17).number(device.0.into()), emails),
        Change::UidlsKept { emails } => write_emails(w.byte(22), emails),
        // 18 and 21 are those of which all is their own.
        Change::Undone { device, first, others } => {
            w.byte(others.kind(18, 25)).option(*device, |w, device| {
                w.number(device.0.into());
            });
            others.write_if_any(w.number(first.0));
        }
        Change::Held { hold, emails } => write_emails(w.byte(19).number(hold.0.into()), emails),
        Change::HoldAnswered { hold, device, kept } => {
            w.byte(20).number(hold.0.into()).number(device.0.into()).byte(u8::from(*kept));
        }
        Change::Cleared { first, others } => others.write_if_any(w.byte(others.kind(21, 26)).number(first.0)),
    }
}

fn read_change(r: &mut Reader<'_>) -> Result<Change, Corrupt> {
    let mailbox = |r: &mut Reader<'_>| r.small().map(MailboxId);
    let device = |r: &mut Reader<'_>| r.small().map(DeviceId);
    Ok(match r.byte()? {
        0 => Change::AccountCreated,
        1 => Change::Added { mailbox: mailbox(r)?, messages: r.list(read_listed)? },
        2 => Change::FlagsChanged { mailbox: mailbox(r)?, messages: r.list(read_reflagged)? },
        3 => Change::Expunged { mailbox: mailbox(r)?, messages: r.list(read_listed)? },
        4 => Change::Moved { from: mailbox(r)?, to: mailbox(r)?, messages: read_moved(r)? },
        5 => Change::MailboxCreated { mailbox: mailbox(r)?, name: r.text()? },
        6 => Change::MailboxRenamed { mailbox: mailbox(r)?, before: r.text()?, after: r.text()? },
        7 => {
            let (mailbox, name) = (mailbox(r)?, r.text()?);
            Change::MailboxDeleted { mailbox, name, keywords: Keywords::default(), role: None }
        }
        8 => Change::Subscribed { mailbox: mailbox(r)?, subscribed: r.byte()? != 0 },
        9 => Change::PopTaken { emails: read_emails(r)? },
        10 => Change::PopDeleted { emails: read_emails(r)? },
        11 => Change::DeviceAdded { device: device(r)?, name: r.text()? },
        12 => Change::DeviceChanged { device: device(r)? },
        13 => Change::DeviceRevoked { device: device(r)? },
        14 => Change::SettingsChanged,
        15 => Change::MailboxDeleted {
            mailbox: mailbox(r)?,
            name: r.text()?,
            keywords: Keywords::read(r)?,
            role: r.option(Role::read)?,
        },
        16 => Change::Restored { mailbox: mailbox(r)?, messages: r.list(read_listed)? },
        17 => Change::PopRelisted { device: device(r)?, emails: read_emails(r)? },
        18 => Change::Undone { device: r.option(device)?, first: ModSeq(r.number()?), others: Stretches::default() },
        19 => Change::Held { hold: r.small().map(HoldId)?, emails: read_emails(r)? },
        20 => {
            let (hold, device) = (r.small().map(HoldId)?, device(r)?);
            Change::HoldAnswered { hold, device, kept: r.byte()? != 0 }
        }
        21 => Change::Cleared { first: ModSeq(r.number()?), others: Stretches::default() },
        22 => Change::UidlsKept { emails: read_emails(r)? },
        23 => Change::FlagsChanged { mailbox: mailbox(r)?, messages: read_runs(r)? },
        24 => Change::NameSubscribed { name: r.text()?, subscribed: r.byte()? != 0 },
        25 => Change::Undone { device: r.option(device)?, first: ModSeq(r.number()?), others: Stretches::read(r)? },
        26 => Change::Cleared { first: ModSeq(r.number()?), others: Stretches::read(r)? },
        27.. => return Err(Corrupt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_read_as_it_was_written() {
        let listed = Listed {
            uid: Uid(7),
            email: EmailId(1 << 50),
            flags: FlagBits(u64::MAX),
            internal_date: Timestamp(-1),
            size: 9,
        };
        let (mailbox, device, name) = (MailboxId(3), DeviceId(4), String::from("Été/2026"));
        let emails = vec![EmailId(1), EmailId(u64::MAX)];
        let changed = Reflagged { uid: Uid(1), email: EmailId(2), before: FlagBits(3), after: FlagBits(4) };
        let before_it = Reflagged { uid: Uid(0), email: EmailId(u64::MAX), ..changed };
        let mut others = Stretches::default();
        others.push(ModSeq(6)..=ModSeq(8));
        others.push(ModSeq(12)..=ModSeq(12));
        let other = Reflagged { uid: Uid(u32::MAX), before: FlagBits(u64::MAX), ..changed };
        let moved = Relisted { before: listed, uid: Uid(8), flags: FlagBits(1) };
        let mut keywords = Keywords::default();
        keywords.bits(&crate::flags::Flags { keywords: vec!["$Label1".into()], ..Default::default() }).unwrap();
        let changes = [
            Change::AccountCreated,
            Change::Added { mailbox, messages: vec![listed; 3] },
            Change::FlagsChanged { mailbox, messages: vec![changed] },
            Change::FlagsChanged { mailbox, messages: vec![changed, before_it, changed, changed, other] },
            Change::Expunged { mailbox, messages: vec![] },
            Change::Moved { from: mailbox, to: MailboxId(9), messages: vec![moved] },
            Change::MailboxCreated { mailbox, name: name.clone() },
            Change::MailboxRenamed { mailbox, before: name.clone(), after: "x".into() },
            Change::MailboxDeleted { mailbox, name: name.clone(), keywords: keywords.clone(), role: Some(Role::Trash) },
            Change::MailboxDeleted { mailbox, name: name.clone(), keywords, role: None },
            Change::Subscribed { mailbox, subscribed: true },
            Change::PopTaken { emails: emails.clone() },
            Change::UidlsKept { emails: emails.clone() },
            Change::PopDeleted { emails: emails.clone() },
            Change::NameSubscribed { name: name.clone(), subscribed: false },
            Change::DeviceAdded { device, name },
            Change::DeviceChanged { device },
            Change::DeviceRevoked { device },
            Change::SettingsChanged,
            Change::Restored { mailbox, messages: vec![listed] },
            Change::PopRelisted { device, emails: emails.clone() },
            Change::Held { hold: HoldId(9), emails },
            Change::HoldAnswered { hold: HoldId(9), device, kept: true },
            Change::Undone { device: Some(device), first: ModSeq(4), others: Stretches::default() },
            Change::Undone { device: None, first: ModSeq(4), others: others.clone() },
            Change::Cleared { first: ModSeq(4), others: Stretches::default() },
            Change::Cleared { first: ModSeq(4), others },
        ];
        for change in changes {
            for protocol in Protocol::ALL {
                let entry =
                    JournalEntry { modseq: ModSeq(5), at: Timestamp(6), device, protocol, change: change.clone() };
                assert_eq!(JournalEntry::decode(ModSeq(5), &entry.encode()), Ok(entry.clone()));
                let mut short = entry.encode();
                short.pop();
                assert_eq!(JournalEntry::decode(ModSeq(5), &short), Err(Corrupt));
            }
        }
    }

    #[test]
    fn an_entry_of_an_earlier_version_is_read_and_one_of_this_version_is_short() {
        let mut w = versioned();
        w.signed(6).number(4);
        Protocol::Imap.write(&mut w);
        w.byte(2).number(3).number(1).number(7).number(1 << 50).number(3).number(4);
        let entry = JournalEntry::decode(ModSeq(5), &w.0).unwrap();
        let changed = |n: u32| Reflagged {
            uid: Uid(n),
            email: EmailId((1 << 50) + u64::from(n) * 900),
            before: FlagBits(3),
            after: FlagBits(4),
        };
        let messages = vec![Reflagged { uid: Uid(7), email: EmailId(1 << 50), ..changed(0) }];
        assert_eq!(entry.change, Change::FlagsChanged { mailbox: MailboxId(3), messages });
        let messages: Vec<Reflagged> = (1..=4096).map(changed).collect();
        let change = Change::FlagsChanged { mailbox: MailboxId(3), messages };
        let entry = JournalEntry { modseq: ModSeq(5), change, ..entry };
        let bytes = entry.encode();
        assert!(bytes.len() < 4096 * 4, "{}", bytes.len());
        assert_eq!(JournalEntry::decode(ModSeq(5), &bytes), Ok(entry));
    }
}
