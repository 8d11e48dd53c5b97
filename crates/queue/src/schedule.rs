//! When a message is tried again, and when it is given up. Pure.

const MINUTE_MILLIS: u64 = 60 * 1000;
const HOUR_MILLIS: u64 = 60 * MINUTE_MILLIS;

/// The patience of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The wait after the first attempt that failed; it doubles from there.
    pub first_wait_millis: u64,
    /// The wait grows no further.
    pub longest_wait_millis: u64,
    /// RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
    pub lifetime_millis: u64,
    /// The sender of a message that is so old and still waits is told so; `None`: never.
    pub warn_after_millis: Option<u64>,
}

impl Default for Policy {
    /// One minute, doubling up to four hours; a warning after four hours; five days.
    fn default() -> Self {
        Self {
            first_wait_millis: MINUTE_MILLIS,
            longest_wait_millis: 4 * HOUR_MILLIS,
            lifetime_millis: 5 * 24 * HOUR_MILLIS,
            warn_after_millis: Some(4 * HOUR_MILLIS),
        }
    }
}

/// What comes after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after so many milliseconds.
    Wait {
        /// At most the rest of the lifetime, so that the last attempt falls on its end.
        millis: u64,
    },
    /// It has waited long enough: tell the sender.
    GiveUp,
}

impl Policy {
    /// What comes after `attempts` attempts (at least 1) of a message that is `age_millis` old.
    #[must_use]
    pub(crate) fn next_attempt(&self, attempts: u32, age_millis: u64) -> Next {
        match self.lifetime_millis.checked_sub(age_millis) {
            None | Some(0) => Next::GiveUp,
            Some(rest) => Next::Wait { millis: self.back_off_millis(attempts).min(rest) },
        }
    }

    /// The wait after `attempts` attempts, whatever the age.
    #[must_use]
    pub(crate) fn back_off_millis(&self, attempts: u32) -> u64 {
        let doublings = attempts.saturating_sub(1).min(63);
        self.first_wait_millis.saturating_mul(1 << doublings).min(self.longest_wait_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(attempts: u32, age_minutes: u64, expected_minutes: Option<u64>) {
        let next = Policy::default().next_attempt(attempts, age_minutes * MINUTE_MILLIS);
        let expected = expected_minutes.map_or(Next::GiveUp, |minutes| Next::Wait { millis: minutes * MINUTE_MILLIS });
        assert_eq!(next, expected, "{attempts} attempts, {age_minutes} minutes");
    }

    #[test]
    fn waits_double_up_to_four_hours_for_five_days() {
        check(1, 0, Some(1));
        check(2, 1, Some(2));
        check(8, 127, Some(128));
        check(9, 255, Some(240));
        check(u32::MAX, 300, Some(240));
        let lifetime_minutes = 5 * 24 * 60;
        check(40, lifetime_minutes - 10, Some(10));
        check(40, lifetime_minutes - 1, Some(1));
        check(40, lifetime_minutes, None);
        check(1, lifetime_minutes + 1, None);
        check(0, 0, Some(1));
    }

    proptest! {
        #[test]
        fn every_message_is_given_up_in_the_end(start in 0u64..1000) {
            let policy = Policy::default();
            let (mut age, mut attempts) = (start, 1);
            while let Next::Wait { millis } = policy.next_attempt(attempts, age) {
                prop_assert!(millis > 0);
                age += millis;
                attempts += 1;
                prop_assert!(attempts < 100);
            }
            prop_assert_eq!(age, policy.lifetime_millis);
        }
    }
}
