//! STATUS responses (RFC 9051 §7.3.4).

use super::Encoder;
use crate::mailbox::MailboxName;

/// A fact about a mailbox, as asked for by [`StatusItem`](crate::command::StatusItem).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusValue<'a> {
    /// `MESSAGES`
    Messages(u32),
    /// `RECENT`
    Recent(u32),
    /// `UIDNEXT`
    UidNext(u32),
    /// `UIDVALIDITY`
    UidValidity(u32),
    /// `UNSEEN`
    Unseen(u32),
    /// `DELETED`
    Deleted(u32),
    /// `SIZE`, octets
    Size(u64),
    /// `HIGHESTMODSEQ`
    HighestModSeq(u64),
    /// `MAILBOXID`
    MailboxId(&'a str),
    /// `APPENDLIMIT`, octets; `NIL` for none
    AppendLimit(Option<u64>),
    /// `DELETED-STORAGE`, in units of 1024 octets
    DeletedStorage(u64),
}

impl Encoder<'_> {
    /// `* STATUS name (…)`
    pub fn status<'v>(&mut self, name: &MailboxName, values: impl IntoIterator<Item = StatusValue<'v>>) {
        self.raw("* STATUS ");
        self.mailbox(name);
        self.raw(" (");
        for (at, value) in values.into_iter().enumerate() {
            self.raw(if at == 0 { "" } else { " " });
            self.status_value(value);
        }
        self.raw(")\r\n");
    }

    fn status_value(&mut self, value: StatusValue<'_>) {
        match value {
            StatusValue::Messages(count) => self.format(format_args!("MESSAGES {count}")),
            StatusValue::Recent(count) => self.format(format_args!("RECENT {count}")),
            StatusValue::UidNext(uid) => self.format(format_args!("UIDNEXT {uid}")),
            StatusValue::UidValidity(number) => self.format(format_args!("UIDVALIDITY {number}")),
            StatusValue::Unseen(count) => self.format(format_args!("UNSEEN {count}")),
            StatusValue::Deleted(count) => self.format(format_args!("DELETED {count}")),
            StatusValue::Size(octets) => self.format(format_args!("SIZE {octets}")),
            StatusValue::HighestModSeq(modseq) => self.format(format_args!("HIGHESTMODSEQ {modseq}")),
            StatusValue::MailboxId(id) => self.format(format_args!("MAILBOXID ({id})")),
            StatusValue::AppendLimit(Some(octets)) => self.format(format_args!("APPENDLIMIT {octets}")),
            StatusValue::AppendLimit(None) => self.raw("APPENDLIMIT NIL"),
            StatusValue::DeletedStorage(units) => self.format(format_args!("DELETED-STORAGE {units}")),
        }
    }
}
