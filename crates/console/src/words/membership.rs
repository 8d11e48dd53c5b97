//! What became of an account in a list.

use crate::names::shown;
use directory::{By, Membership};

/// `this account joined the list choir@example.org`.
pub(crate) fn membership(of: &Membership) -> String {
    let list = format!("the list {}", shown(&of.list));
    let others = "by an owner of it or an administrator";
    match (of.joined, of.by) {
        (true, By::Member) => format!("this account joined {list}"),
        (true, By::Owner | By::Removal) => format!("this account was made a member of {list}, {others}"),
        (false, By::Member) => format!("this account left {list}"),
        (false, By::Owner) => format!("this account was taken out of {list}, {others}"),
        (false, By::Removal) => format!("this account is no member of {list} any more, because the list was removed"),
    }
}
