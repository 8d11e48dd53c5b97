//! What became of mail that was written to a list.

use super::subject;
use crate::names::shown;
use posts::{Fate, Written};
use wording::tr;

/// With its subject.
pub(crate) fn written_of(of: &Written) -> String {
    tr!("“{subject}” was {written}", subject = subject(&of.subject), written = written(of))
}

/// `written to choir@example.org: it goes to the members`.
pub(crate) fn written(of: &Written) -> String {
    let became = match &of.fate {
        Fate::Taken => tr!("it goes to the members").to_owned(),
        Fate::Waits { why } => {
            tr!("it waits for an owner of the list, because {why}", why = shown(posts::why_it_waits(why)))
        }
        Fate::Approved => tr!("an owner of the list has approved it, and it goes to the members").to_owned(),
        Fate::Refused { is_over: false } => tr!("an owner of the list has refused it; it goes to nobody").to_owned(),
        Fate::Refused { is_over: true } => {
            tr!("no owner of the list has answered in time; it goes to nobody").to_owned()
        }
    };
    tr!("written to {list}: {became}", list = shown(&of.list), became = became)
}
