//! What became of an account in a list.

use crate::names::shown;
use directory::{By, Membership};
use wording::tr;

/// `this account joined the list choir@example.org`.
pub(crate) fn membership(of: &Membership) -> String {
    let list = shown(&of.list);
    match (of.joined, of.by) {
        (true, By::Member) => tr!("this account joined the list {list}", list = list),
        (true, By::Owner | By::Removal) => {
            tr!("this account was made a member of the list {list}, by an owner of it or an administrator", list = list)
        }
        (false, By::Member) => tr!("this account left the list {list}", list = list),
        (false, By::Owner) => {
            tr!("this account was taken out of the list {list}, by an owner of it or an administrator", list = list)
        }
        (false, By::Removal) => {
            tr!("this account is no member of the list {list} any more, because the list was removed", list = list)
        }
    }
}
