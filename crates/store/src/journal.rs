//! The journal: what changed, when, by which device over which protocol, and what it was before.
//!
//! It is the one order of everything that happens in an account: IMAP synchronisation, the timeline, undo and the packed
//! indexes derive from it. Entries are only ever added at the end, and leave at the front when they leave retention.

mod bulk;
mod encoding;
mod stretches;

pub(crate) use bulk::Emails;
pub(crate) use encoding::{read_emails, read_moved, write_emails, write_moved};
pub use stretches::Stretches;

use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::{FlagBits, Keywords};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::{Entry, Index};
use crate::rights::Rights;
use crate::role::Role;

/// An entry names at most this many messages; a larger operation makes several entries in the same commit.
pub const MESSAGES_PER_ENTRY_MAX: usize = 4096;

/// A change of flags of more messages is not in the history of each of them: one row tells which messages it may be about.
pub(crate) const HISTORY_ROWS_MAX: usize = 16;

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
    /// Messages.
    Messages(OfMessages),
    /// A mailbox.
    Mailbox(OfMailbox),
    /// What POP3 shows.
    Pop(OfPop),
    /// A device.
    Device(OfDevice),
    /// The account.
    Account(OfAccount),
}

/// What became of messages in mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfMessages {
    /// Messages came into a mailbox: delivery, APPEND, COPY.
    Added {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Listed>,
    },
    /// Flags or keywords changed.
    Reflagged {
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
    /// Messages that had been removed came back into a mailbox.
    Restored {
        /// Where.
        mailbox: MailboxId,
        /// In UID order.
        messages: Vec<Listed>,
    },
}

/// What became of a mailbox, or of the list of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfMailbox {
    /// A mailbox was made.
    Created {
        /// Which.
        mailbox: MailboxId,
        /// Its name.
        name: String,
    },
    /// A mailbox changed its name.
    Renamed {
        /// Which.
        mailbox: MailboxId,
        /// Its name before.
        before: String,
        /// Its name after.
        after: String,
    },
    /// A mailbox was removed, after its messages were expunged.
    Deleted {
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
    /// Annotations were set or removed.
    Annotated {
        /// Of which mailbox; `None`: of the account as a whole.
        mailbox: Option<MailboxId>,
        /// The names of the entries.
        entries: Vec<String>,
    },
    /// What another account may do in a mailbox changed.
    Shared {
        /// Which.
        mailbox: MailboxId,
        /// The other account's address.
        with: String,
        /// What it may do now.
        rights: Rights,
    },
}

/// What POP3 shows, and what devices did with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfPop {
    /// The entry's device downloaded messages over POP3.
    Taken {
        /// In the order of the maildrop.
        emails: Vec<EmailId>,
    },
    /// The entry's device deleted messages from its maildrop.
    Deleted {
        /// In the order of the maildrop.
        emails: Vec<EmailId>,
    },
    /// A POP3 device lists messages again that it had deleted from its maildrop.
    Relisted {
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
}

/// What became of a device, or of what is held of its doings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfDevice {
    /// A device was added.
    Added {
        /// Which.
        device: DeviceId,
        /// Its name.
        name: String,
    },
    /// A device's name or policy was changed.
    Changed {
        /// Which.
        device: DeviceId,
    },
    /// A device may not log in any more.
    Revoked {
        /// Which.
        device: DeviceId,
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

/// What became of the account as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfAccount {
    /// The account began.
    Created,
    /// What was chosen for the whole account changed.
    SettingsChanged,
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
    /// The account was made anew of what was left of it on a damaged disk ([`crate::salvage`]). Entries before this one may be
    /// missing, and messages may have gone of which none tells.
    Repaired,
}

impl Change {
    /// Brings the index of `mailbox` from before this change to after it.
    pub(crate) fn replay(&self, mailbox: MailboxId, modseq: ModSeq, index: &mut Index) {
        match self {
            Self::Messages(OfMessages::Added { mailbox: at, messages })
            | Self::Messages(OfMessages::Restored { mailbox: at, messages })
                if *at == mailbox =>
            {
                messages.iter().for_each(|listed| index.push(listed.entry(modseq)));
            }
            Self::Messages(OfMessages::Reflagged { mailbox: at, messages }) if *at == mailbox => {
                let mut walk = index.walk();
                let after = |changed: &Reflagged| {
                    walk.find(changed.uid).map(|(_, entry)| Entry { flags: changed.after, modseq, ..*entry })
                };
                let mut after: Vec<Entry> = messages.iter().filter_map(after).collect();
                after.sort_by_key(|entry| entry.uid);
                index.replace_all(&after);
            }
            Self::Messages(OfMessages::Expunged { mailbox: at, messages }) if *at == mailbox => {
                index.remove(&messages.iter().map(|listed| listed.uid).collect::<Vec<_>>());
            }
            Self::Messages(OfMessages::Moved { from, to, messages }) if *from == mailbox || *to == mailbox => {
                if *from == mailbox {
                    index.remove(&messages.iter().map(|moved| moved.before.uid).collect::<Vec<_>>());
                }
                if *to == mailbox {
                    messages.iter().for_each(|moved| index.push(moved.after().entry(modseq)));
                }
            }
            Self::Messages(_) | Self::Mailbox(_) | Self::Pop(_) | Self::Device(_) | Self::Account(_) => {}
        }
    }

    /// The messages that it is about.
    #[must_use]
    pub fn emails(&self) -> Vec<EmailId> {
        match self {
            Self::Messages(OfMessages::Added { messages, .. })
            | Self::Messages(OfMessages::Expunged { messages, .. })
            | Self::Messages(OfMessages::Restored { messages, .. }) => {
                messages.iter().map(|listed| listed.email).collect()
            }
            Self::Messages(OfMessages::Reflagged { messages, .. }) => {
                messages.iter().map(|changed| changed.email).collect()
            }
            Self::Messages(OfMessages::Moved { messages, .. }) => {
                messages.iter().map(|moved| moved.before.email).collect()
            }
            Self::Pop(OfPop::Taken { emails })
            | Self::Pop(OfPop::Deleted { emails })
            | Self::Pop(OfPop::Relisted { emails, .. })
            | Self::Device(OfDevice::Held { emails, .. })
            | Self::Pop(OfPop::UidlsKept { emails }) => emails.clone(),
            Self::Mailbox(_)
            | Self::Device(
                OfDevice::Added { .. }
                | OfDevice::Changed { .. }
                | OfDevice::Revoked { .. }
                | OfDevice::HoldAnswered { .. },
            )
            | Self::Account(_) => Vec::new(),
        }
    }

    /// Of a change of flags of more than [`HISTORY_ROWS_MAX`] messages, which they are.
    pub(crate) fn in_bulk(&self) -> Option<Emails> {
        let Self::Messages(OfMessages::Reflagged { messages, .. }) = self else { return None };
        let emails = || messages.iter().map(|changed| changed.email);
        let (first, last) = emails().min().zip(emails().max())?;
        (messages.len() > HISTORY_ROWS_MAX).then_some(Emails { first, last })
    }

    /// The UIDs that left `mailbox` in this change.
    pub(crate) fn vanished(&self, mailbox: MailboxId) -> Vec<Uid> {
        match self {
            Self::Messages(OfMessages::Expunged { mailbox: at, messages }) if *at == mailbox => {
                messages.iter().map(|m| m.uid).collect()
            }
            Self::Messages(OfMessages::Moved { from, messages, .. }) if *from == mailbox => {
                messages.iter().map(|m| m.before.uid).collect()
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::versioned;
    use proptest::prelude::*;

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
        keywords.learn(&crate::flags::Flags { keywords: vec!["$Label1".into()], ..Default::default() }).unwrap();
        let changes = [
            Change::Account(OfAccount::Created),
            Change::Messages(OfMessages::Added { mailbox, messages: vec![listed; 3] }),
            Change::Messages(OfMessages::Reflagged { mailbox, messages: vec![changed] }),
            Change::Messages(OfMessages::Reflagged {
                mailbox,
                messages: vec![changed, before_it, changed, changed, other],
            }),
            Change::Messages(OfMessages::Expunged { mailbox, messages: vec![] }),
            Change::Messages(OfMessages::Moved { from: mailbox, to: MailboxId(9), messages: vec![moved] }),
            Change::Mailbox(OfMailbox::Created { mailbox, name: name.clone() }),
            Change::Mailbox(OfMailbox::Renamed { mailbox, before: name.clone(), after: "x".into() }),
            Change::Mailbox(OfMailbox::Deleted {
                mailbox,
                name: name.clone(),
                keywords: keywords.clone(),
                role: Some(Role::Trash),
            }),
            Change::Mailbox(OfMailbox::Deleted { mailbox, name: name.clone(), keywords, role: None }),
            Change::Mailbox(OfMailbox::Subscribed { mailbox, subscribed: true }),
            Change::Pop(OfPop::Taken { emails: emails.clone() }),
            Change::Pop(OfPop::UidlsKept { emails: emails.clone() }),
            Change::Pop(OfPop::Deleted { emails: emails.clone() }),
            Change::Mailbox(OfMailbox::NameSubscribed { name: name.clone(), subscribed: false }),
            Change::Mailbox(OfMailbox::Annotated {
                mailbox: Some(mailbox),
                entries: vec![name.clone(), "/private/a".into()],
            }),
            Change::Mailbox(OfMailbox::Annotated { mailbox: None, entries: vec![] }),
            Change::Mailbox(OfMailbox::Shared { mailbox, with: "b".into(), rights: Rights::ALL }),
            Change::Device(OfDevice::Added { device, name }),
            Change::Device(OfDevice::Changed { device }),
            Change::Device(OfDevice::Revoked { device }),
            Change::Account(OfAccount::SettingsChanged),
            Change::Messages(OfMessages::Restored { mailbox, messages: vec![listed] }),
            Change::Pop(OfPop::Relisted { device, emails: emails.clone() }),
            Change::Device(OfDevice::Held { hold: HoldId(9), emails }),
            Change::Device(OfDevice::HoldAnswered { hold: HoldId(9), device, kept: true }),
            Change::Account(OfAccount::Undone { device: Some(device), first: ModSeq(4), others: Stretches::default() }),
            Change::Account(OfAccount::Undone { device: None, first: ModSeq(4), others: others.clone() }),
            Change::Account(OfAccount::Cleared { first: ModSeq(4), others: Stretches::default() }),
            Change::Account(OfAccount::Cleared { first: ModSeq(4), others }),
            Change::Account(OfAccount::Repaired),
        ];
        // As every version has written them since there is each.
        let written = [
            "010c040400",
            "010c0404010303078080808080808002ffffffffffffffffff010109078080808080808002ffffffffffffffffff010109078080808080808002ffffffffffffffffff010109",
            "010c04041703010103040104",
            "010c04041703020403040104ffffffff0f050106000001ffffffffffffffffff0104feffffff0f00",
            "010c0404030300",
            "010c040404030901078080808080808002ffffffffffffffffff0101090801",
            "010c040405030ac38974c3a92f32303236",
            "010c040406030ac38974c3a92f323032360178",
            "010c04040f030ac38974c3a92f323032360107244c6162656c310104",
            "010c04040f030ac38974c3a92f323032360107244c6162656c3100",
            "010c0404080301",
            "010c0404090201ffffffffffffffffff01",
            "010c0404160201ffffffffffffffffff01",
            "010c04040a0201ffffffffffffffffff01",
            "010c0404180ac38974c3a92f3230323600",
            "010c04041c03020ac38974c3a92f323032360a2f707269766174652f61",
            "010c04041c0000",
            "010c04041d030162ff0f",
            "010c04040b040ac38974c3a92f32303236",
            "010c04040c04",
            "010c04040d04",
            "010c04040e",
            "010c0404100301078080808080808002ffffffffffffffffff010109",
            "010c040411040201ffffffffffffffffff01",
            "010c040413090201ffffffffffffffffff01",
            "010c040414090401",
            "010c040412010404",
            "010c04041900040206020c00",
            "010c04041504",
            "010c04041a040206020c00",
            "010c04041e",
        ];
        for (change, written) in changes.iter().zip(written) {
            let bytes: Vec<u8> = written
                .as_bytes()
                .chunks(2)
                .map(|hex| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap())
                .collect();
            let (change, protocol) = (change.clone(), Protocol::Imap);
            let entry = JournalEntry { modseq: ModSeq(5), at: Timestamp(6), device, protocol, change };
            assert_eq!((JournalEntry::decode(ModSeq(5), &bytes), entry.encode()), (Ok(entry), bytes));
        }
        for change in changes {
            for protocol in Protocol::ALL {
                let entry =
                    JournalEntry { modseq: ModSeq(5), at: Timestamp(6), device, protocol, change: change.clone() };
                assert_eq!(JournalEntry::decode(ModSeq(5), &entry.encode()), Ok(entry.clone()));
                let expected = !entry.change.vanished(mailbox).is_empty()
                    || matches!(
                        &change,
                        Change::Messages(OfMessages::Expunged { .. }) | Change::Account(OfAccount::Repaired)
                    );
                assert_eq!(JournalEntry::removes(&entry.encode()), Ok(expected), "{change:?}");
                let mut short = entry.encode();
                short.pop();
                assert_eq!(JournalEntry::decode(ModSeq(5), &short), Err(Corrupt));
            }
        }
    }

    #[test]
    fn an_entry_of_a_later_version_is_not_taken_for_one_that_removes_nothing() {
        let mut w = versioned();
        w.signed(6).number(4);
        Protocol::Imap.write(&mut w);
        w.byte(31);
        assert_eq!(JournalEntry::removes(&w.0), Err(Corrupt));
        assert_eq!(JournalEntry::decode(ModSeq(5), &w.0), Err(Corrupt));
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
        assert_eq!(entry.change, Change::Messages(OfMessages::Reflagged { mailbox: MailboxId(3), messages }));
        let messages: Vec<Reflagged> = (1..=4096).map(changed).collect();
        let change = Change::Messages(OfMessages::Reflagged { mailbox: MailboxId(3), messages });
        let entry = JournalEntry { modseq: ModSeq(5), change, ..entry };
        let bytes = entry.encode();
        assert!(bytes.len() < 64, "{}", bytes.len());
        assert_eq!(JournalEntry::decode(ModSeq(5), &bytes), Ok(entry));
    }

    #[test]
    fn a_damaged_entry_does_not_name_more_messages_than_one_can() {
        let entry = |count: u64, more: u64| {
            let mut w = versioned();
            w.signed(6).number(4);
            Protocol::Imap.write(&mut w);
            w.byte(27).number(3).number(1).number(count).number(3).number(4);
            w.number(1 << 1 | 1).number(more).signed(1);
            JournalEntry::decode(ModSeq(5), &w.0)
        };
        let most = MESSAGES_PER_ENTRY_MAX as u64;
        assert!(entry(most, most - 1).is_ok_and(|entry| entry.change.emails().len() == MESSAGES_PER_ENTRY_MAX));
        for (count, more) in [(most + 1, most), (u64::MAX, u64::MAX), (most, most), (2, 2)] {
            assert_eq!(entry(count, more), Err(Corrupt), "{count} {more}");
        }
    }

    proptest! {
        #[test]
        fn changes_of_many_flags_are_read_as_they_were_written(
            steps in prop::collection::vec((1..5u32, any::<u8>(), 0..3u64, 1..40usize), 5..20),
        ) {
            let (mut uid, mut email, mut messages) = (0, 0u64, Vec::new());
            for (of_uid, of_email, flags, count) in steps {
                for _ in 0..count {
                    uid += of_uid;
                    email = email.wrapping_add(u64::from(of_email)).wrapping_sub(9);
                    let (before, after) = (FlagBits(flags), FlagBits(flags ^ 1));
                    messages.push(Reflagged { uid: Uid(uid), email: EmailId(email), before, after });
                }
            }
            let change = Change::Messages(OfMessages::Reflagged { mailbox: MailboxId(3), messages });
            let (at, device, protocol) = (Timestamp(6), DeviceId(4), Protocol::Imap);
            let entry = JournalEntry { modseq: ModSeq(5), at, device, protocol, change };
            prop_assert_eq!(JournalEntry::decode(ModSeq(5), &entry.encode()), Ok(entry));
        }
    }
}
