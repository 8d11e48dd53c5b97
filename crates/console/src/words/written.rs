//! What became of mail that was written to a list.

use crate::names::shown;
use posts::{Fate, Written};

/// With its subject.
pub(crate) fn written_of(of: &Written) -> String {
    let subject = if of.subject.trim().is_empty() { super::NO_SUBJECT } else { &of.subject };
    format!("“{}” was {}", shown(subject), written(of))
}

/// `written to choir@example.org: it goes to the members`.
pub(crate) fn written(of: &Written) -> String {
    let became = match &of.fate {
        Fate::Taken => "it goes to the members".to_owned(),
        Fate::Waits { why } => format!("it waits for an owner of the list, because {}", shown(why)),
        Fate::Approved => "an owner of the list has approved it, and it goes to the members".to_owned(),
        Fate::Refused { is_over: false } => "an owner of the list has refused it; it goes to nobody".to_owned(),
        Fate::Refused { is_over: true } => "no owner of the list has answered in time; it goes to nobody".to_owned(),
    };
    format!("written to {}: {became}", shown(&of.list))
}
