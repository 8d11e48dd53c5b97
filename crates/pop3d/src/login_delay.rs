//! LOGIN-DELAY (RFC 2449 §6.5): a device that was here just now waits, where the operator wants that.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::{AccountId, DeviceId};

/// So many devices are remembered; where more come within the delay, some are let in too soon.
pub(crate) const DEVICES_REMEMBERED_MAX: usize = 100_000;

/// How long a device waits between two logins, and when each was here.
pub struct LoginDelay {
    secs: u64,
    until_millis: Mutex<HashMap<(AccountId, DeviceId), u64>>,
}

impl LoginDelay {
    /// So many seconds; 0: none, and none is announced.
    #[must_use]
    pub fn new(secs: u64) -> Self {
        Self { secs, until_millis: Mutex::default() }
    }

    /// What CAPA says.
    pub(crate) fn announced_secs(&self) -> Option<u64> {
        (self.secs > 0).then_some(self.secs)
    }

    /// How many seconds the device has to wait still, if it has to.
    pub(crate) fn wait_secs(&self, account: AccountId, device: DeviceId, now_millis: u64) -> Option<u64> {
        let known = self.until_millis.lock().unwrap_or_else(PoisonError::into_inner);
        let left = known.get(&(account, device))?.saturating_sub(now_millis);
        (left > 0).then(|| left.div_ceil(1000))
    }

    /// The device was let in.
    pub(crate) fn let_in(&self, account: AccountId, device: DeviceId, now_millis: u64) {
        if self.secs == 0 {
            return;
        }
        let mut known = self.until_millis.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DEVICES_REMEMBERED_MAX {
            known.retain(|_, until| *until > now_millis);
        }
        if known.len() < DEVICES_REMEMBERED_MAX || known.contains_key(&(account, device)) {
            known.insert((account, device), now_millis.saturating_add(self.secs.saturating_mul(1000)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_waits_and_the_others_do_not() {
        let delay = LoginDelay::new(10);
        let (account, device) = (AccountId(16), DeviceId(1));
        assert_eq!(delay.wait_secs(account, device, 0), None);
        delay.let_in(account, device, 0);
        assert_eq!(delay.wait_secs(account, device, 1), Some(10));
        assert_eq!(delay.wait_secs(account, device, 9_999), Some(1));
        assert_eq!(delay.wait_secs(account, device, 10_000), None);
        assert_eq!(delay.wait_secs(account, DeviceId(2), 1), None);
        assert_eq!(delay.wait_secs(AccountId(17), device, 1), None);
    }

    #[test]
    fn without_a_delay_nothing_is_remembered() {
        let delay = LoginDelay::new(0);
        delay.let_in(AccountId(16), DeviceId(1), 0);
        assert_eq!(delay.announced_secs(), None);
        assert!(delay.until_millis.lock().unwrap().is_empty());
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let delay = LoginDelay::new(10);
        for device in 0..=DEVICES_REMEMBERED_MAX as u32 {
            delay.let_in(AccountId(16), DeviceId(device), 0);
        }
        assert_eq!(delay.until_millis.lock().unwrap().len(), DEVICES_REMEMBERED_MAX);
        assert_eq!(delay.wait_secs(AccountId(16), DeviceId(DEVICES_REMEMBERED_MAX as u32), 1), None);
        delay.let_in(AccountId(16), DeviceId(7), 10_000);
        assert_eq!(delay.until_millis.lock().unwrap().len(), 1);
    }
}
