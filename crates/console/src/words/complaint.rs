//! What a sender was told of what was called junk.

use super::subject;
use crate::names::shown;
use reports::OwnComplaint;
use wording::{tr, trn};

/// With its subject.
pub(crate) fn complained_of(of: &OwnComplaint) -> String {
    tr!("“{subject}”: {what}", subject = subject(&of.subject), what = complained(of))
}

/// `fbl@example.com was told that it was called junk, because the message asks for that`.
pub(crate) fn complained(of: &OwnComplaint) -> String {
    trn!(
        of.to.len(),
        "{to} was told that it was called junk, because the message asks for that",
        "{to} were told that it was called junk, because the message asks for that",
        to = shown(&of.to.join(", "))
    )
}
