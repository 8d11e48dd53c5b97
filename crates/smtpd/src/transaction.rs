//! A mail transaction (RFC 5321 §3.3): from MAIL to the end of the message.

use crate::content::Content;
use mailflow::Recipient;
use smtp_proto::{ForwardPath, ReversePath};

pub(crate) struct Transaction {
    pub(crate) reverse_path: ReversePath,
    pub(crate) smtputf8: bool,
    /// Recipients with a mailbox here, in the order of RCPT.
    pub(crate) local: Vec<Recipient>,
    /// Recipients elsewhere: only with a smarthost.
    pub(crate) outside: Vec<ForwardPath>,
    /// What came so far; `None` before DATA, and before the first chunk (RFC 3030 §2).
    pub(crate) content: Option<Content>,
}

impl Transaction {
    pub(crate) fn new(reverse_path: ReversePath, smtputf8: bool) -> Self {
        Self { reverse_path, smtputf8, local: Vec::new(), outside: Vec::new(), content: None }
    }

    pub(crate) fn recipients(&self) -> usize {
        self.local.len() + self.outside.len()
    }

    /// The accounts that the message reaches; one that two recipients lead to counts twice.
    pub(crate) fn accounts(&self) -> usize {
        self.local.iter().map(Recipient::accounts).sum()
    }

    /// Where bounces go, without angle brackets; empty for nobody.
    pub(crate) fn reverse_path_text(&self) -> String {
        reverse_path_text(&self.reverse_path)
    }
}

pub(crate) fn reverse_path_text(path: &ReversePath) -> String {
    path.mailbox().map(ToString::to_string).unwrap_or_default()
}
