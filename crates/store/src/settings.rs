//! What the owner of an account, or an administrator, chose for the whole account.

use crate::codec::{Corrupt, Reader, Writer};
use crate::pop::PopSettings;
use crate::quota::Quota;

/// The choices for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// What a new device begins with.
    pub pop: PopSettings,
    /// How much the mailboxes may hold together.
    pub quota: Quota,
    /// Whether the removals of a new device are held when they are far more than usual ([`crate::brake`]).
    pub brake: bool,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { pop: PopSettings::default(), quota: Quota::default(), brake: true }
    }
}

impl AccountSettings {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.pop.write(w);
        w.option(self.quota.bytes, |w, bytes| {
            w.number(bytes);
        });
        w.byte(u8::from(self.brake));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let (pop, bytes) = (PopSettings::read(r)?, r.option(Reader::number)?);
        // How many messages there may be is at the end of the record: those of earlier versions have it not.
        Ok(Self { pop, quota: Quota { bytes, messages: None }, brake: r.byte()? != 0 })
    }
}
