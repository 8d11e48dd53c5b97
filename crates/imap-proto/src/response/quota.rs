//! QUOTA and QUOTAROOT responses (RFC 9208 §4.2).

use super::Encoder;
use crate::mailbox::MailboxName;

/// How much there is of a resource, and how much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceQuota {
    /// `STORAGE`, in units of 1024 octets (RFC 9208 §5.1), or `MESSAGE` (§5.2).
    pub resource: &'static str,
    /// In the resource's units.
    pub used: u64,
    /// In the same units.
    pub limit: u64,
}

impl Encoder<'_> {
    /// `* QUOTA root (resource used limit …)`; without a resource nothing is limited.
    pub fn quota(&mut self, root: &str, resources: &[ResourceQuota]) {
        self.raw("* QUOTA ");
        self.string(root.as_bytes());
        self.raw(" (");
        for (at, ResourceQuota { resource, used, limit }) in resources.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            self.format(format_args!("{space}{resource} {used} {limit}"));
        }
        self.raw(")\r\n");
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
