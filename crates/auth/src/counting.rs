//! How many logins there were, and who it was.

use crate::noted::Noted;
use metrics::Counts;

/// How many logins there were.
pub(crate) struct Counted {
    pub(crate) logins: Counts<2>,
    pub(crate) past_throttle: Counts<1>,
    /// For whoever asks later.
    pub(crate) noted: Noted,
}

impl Default for Counted {
    fn default() -> Self {
        let past_throttle = Counts::new(&metrics::LOGINS_PAST_THROTTLE);
        Self { logins: Counts::new(&metrics::LOGINS), past_throttle, noted: Noted::default() }
    }
}
