//! How many logins there were.

use metrics::Counts;

/// How many logins there were.
pub(crate) struct Counted {
    pub(crate) logins: Counts<2>,
    pub(crate) past_throttle: Counts<1>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { logins: Counts::new(&metrics::LOGINS), past_throttle: Counts::new(&metrics::LOGINS_PAST_THROTTLE) }
    }
}
