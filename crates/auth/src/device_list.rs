//! The devices of an account, and which of them an application password is of.

use std::collections::BTreeMap;
use std::sync::Arc;
use store::device::{Credential, Device};
use store::{Account, DeviceId, Error};

/// The devices, as of now: another process may have revoked one.
pub(crate) fn devices_now(account: &Account) -> Result<Arc<BTreeMap<DeviceId, Device>>, Error> {
    account.refresh()?;
    account.devices()
}

/// Whether an application password is the device's. Compares in constant time.
pub(crate) fn is_of(device: &Device, hash: &blake3::Hash) -> bool {
    match &device.credential {
        Credential::ApplicationPassword { hash: known } => device.revoked_at.is_none() && *hash == *known,
        Credential::MainPassword { .. } | Credential::Guest { .. } | Credential::Import { .. } => false,
    }
}
