//! What the page after a form says, once: "Saved."

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// At most so many wait to be read; then all are forgotten, since nobody misses them.
const NOTICES_MAX: usize = 4_096;

/// A sentence for the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// It tells of something that went well.
    pub(crate) good: bool,
    /// What.
    pub(crate) text: String,
}

/// Those that wait, by what only the session knows. Not in the address and not in a cookie, so that nobody else can write
/// one.
#[derive(Default)]
pub(crate) struct Notices(Mutex<HashMap<String, Notice>>);

impl Notices {
    pub(crate) fn put(&self, session: &str, notice: Notice) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= NOTICES_MAX {
            waiting.clear();
        }
        waiting.insert(session.to_owned(), notice);
    }

    pub(crate) fn take(&self, session: &str) -> Option<Notice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session)
    }
}

impl Notice {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { good: true, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { good: false, text: text.into() }
    }
}
