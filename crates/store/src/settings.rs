//! What the owner of an account, or an administrator, chose for the whole account.

use crate::codec::{Corrupt, Reader, Writer};
use crate::pop::PopSettings;

/// The choices for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// What a new device begins with.
    pub pop: PopSettings,
    /// How many octets the mailboxes may hold together; `None`: as many as there is disk. What is only restorable does
    /// not count.
    pub quota_bytes: Option<u64>,
    /// Whether the removals of a new device are held when they are far more than usual ([`crate::brake`]).
    pub brake: bool,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { pop: PopSettings::default(), quota_bytes: None, brake: true }
    }
}

impl AccountSettings {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.pop.write(w);
        w.option(self.quota_bytes, |w, bytes| {
            w.number(bytes);
        });
        w.byte(u8::from(self.brake));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { pop: PopSettings::read(r)?, quota_bytes: r.option(Reader::number)?, brake: r.byte()? != 0 })
    }
}
