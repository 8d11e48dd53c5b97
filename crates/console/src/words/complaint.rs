//! What a sender was told of what was called junk.

use crate::names::shown;
use reports::OwnComplaint;

/// With its subject.
pub(crate) fn complained_of(of: &OwnComplaint) -> String {
    let subject = if of.subject.trim().is_empty() { super::NO_SUBJECT } else { &of.subject };
    format!("“{}”: {}", shown(subject), complained(of))
}

/// `fbl@example.com was told that it was called junk, because the message asks for that`.
pub(crate) fn complained(of: &OwnComplaint) -> String {
    let to = shown(&of.to.join(", "));
    let were = if of.to.len() == 1 { "was" } else { "were" };
    format!("{to} {were} told that it was called junk, because the message asks for that")
}
