//! QUOTA and QUOTAROOT responses (RFC 9208 §4.2).

use super::Encoder;
use crate::mailbox::MailboxName;

/// How much there is of something, and how much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageQuota {
    /// In units of 1024 octets (RFC 9208 §5.1).
    pub used: u64,
    /// In the same units.
    pub limit: u64,
}

impl Encoder<'_> {
    /// `* QUOTA root (STORAGE used limit)`
    pub fn quota(&mut self, root: &str, storage: StorageQuota) {
        self.raw("* QUOTA ");
        self.string(root.as_bytes());
        self.format(format_args!(" (STORAGE {} {})\r\n", storage.used, storage.limit));
    }

    /// `* QUOTAROOT mailbox root`; a mailbox without a limit has no root.
    pub fn quota_root(&mut self, mailbox: &MailboxName, root: Option<&str>) {
        self.raw("* QUOTAROOT ");
        self.mailbox(mailbox);
        if let Some(root) = root {
            self.raw(" ");
            self.string(root.as_bytes());
        }
        self.raw("\r\n");
    }
}
