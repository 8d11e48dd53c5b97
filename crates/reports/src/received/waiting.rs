//! Mail that may be a report waits in memory to be read: reading unpacks, which no client waits for.

use store::Timestamp;

/// Mail that waits ...
const WAITING_MAX: usize = 64;
/// ... of so many octets in all,
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// and so many each. The largest reports have about 1 MiB.
const MAIL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Who brings a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The domain of the mail's author.
    pub domain: String,
    /// Whether it is known to be so.
    pub is_checked: bool,
}

pub(super) struct Waits {
    pub(super) content: Vec<u8>,
    pub(super) by: By,
    pub(super) at: Timestamp,
}

#[derive(Default)]
pub(super) struct Waiting {
    mails: Vec<Waits>,
    bytes: usize,
}

impl Waiting {
    /// Whether it found a place.
    pub(super) fn take(&mut self, content: &[u8], by: By, at: Timestamp) -> bool {
        let bytes = self.bytes.saturating_add(content.len());
        let has_room = self.mails.len() < WAITING_MAX && bytes <= WAITING_BYTES_MAX && content.len() <= MAIL_BYTES_MAX;
        if has_room {
            self.bytes = bytes;
            self.mails.push(Waits { content: content.to_vec(), by, at });
        }
        has_room
    }

    pub(super) fn all(&mut self) -> Vec<Waits> {
        std::mem::take(self).mails
    }
}
