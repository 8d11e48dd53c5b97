//! A mail transaction (RFC 5321 §3.3): from MAIL to the end of the message.

use crate::content::Content;
use crate::examine::Examined;
use crate::introduction::Introducing;
use mailflow::{Envelope, Recipient};
use metrics::Stopwatch;
use smtp_proto::Reply;

pub(crate) struct Transaction {
    pub(crate) envelope: Envelope,
    /// What is known of a stranger who brings it.
    pub(crate) introduction: Introducing,
    /// What came so far; `None` before DATA, and before the first chunk (RFC 3030 §2).
    pub(crate) content: Option<Content>,
    /// What was found out about it, once that was looked at; or the answer where it could not be.
    pub(crate) examined: Option<Result<Examined, Reply>>,
    /// Since MAIL.
    pub(crate) begun: Stopwatch,
    /// Since that began, and since it ended.
    pub(crate) examining: Option<(Stopwatch, Stopwatch)>,
}

impl Transaction {
    pub(crate) fn recipients(&self) -> usize {
        self.envelope.local.len() + self.envelope.outside.len()
    }

    /// The copies that it makes; an account that two recipients lead to counts twice.
    pub(crate) fn copies(&self) -> usize {
        self.envelope.local.iter().map(Recipient::copies).sum()
    }
}
