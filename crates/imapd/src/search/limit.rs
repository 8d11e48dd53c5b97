//! Through how many messages a search goes (RFC 9738 §3.1): what counts is what is looked through, not what is found.

use super::place::Place;
use crate::message_limit::Cut;
use crate::positions::{of_saved, of_uids};
use imap_proto::MessageSet;
use imap_proto::command::SearchKey;
use std::mem;
use std::ops::Range;
use store::Uid;

/// Has a search go through the last `max` messages alone of those that the sets among its keys leave. None: there are no more.
pub(crate) fn cut(key: &mut SearchKey, place: &Place<'_>, max: u32) -> Option<Cut> {
    let ranges = searched(key, place);
    let mut beyond = ranges.iter().map(ExactSizeIterator::len).sum::<usize>().checked_sub(max as usize)?;
    if beyond == 0 {
        return None;
    }
    let mut lowest = None;
    for range in ranges {
        if beyond < range.len() {
            lowest = place.index.get(range.start + beyond);
            break;
        }
        beyond -= range.len();
    }
    let lowest = lowest?.uid;
    // What is kept up to date keeps it too.
    let all = mem::replace(key, SearchKey::All);
    *key = SearchKey::And(vec![SearchKey::UidAfter(lowest.0.saturating_sub(1)), all]);
    Some(Cut { max, lowest })
}

/// Ranges of positions, ascending.
fn searched(key: &SearchKey, place: &Place<'_>) -> Vec<Range<usize>> {
    let exists = place.index.len();
    // The first position that is not below a UID.
    let from = |uid: u32| place.index.position(Uid(uid)).unwrap_or_else(|at| at);
    let one = |range: Range<usize>| vec![range];
    let ranges = match key {
        SearchKey::And(keys) => {
            keys.iter().map(|key| searched(key, place)).reduce(|one, other| common(&one, &other)).unwrap_or_default()
        }
        SearchKey::Sequence(MessageSet::Numbers(set)) => {
            let ranges = set.resolve(place.exists());
            ranges.iter().map(|range| (*range.start() as usize).saturating_sub(1)..*range.end() as usize).collect()
        }
        SearchKey::Uid(MessageSet::Numbers(set)) => of_uids(set, place.index),
        SearchKey::Sequence(MessageSet::Saved) | SearchKey::Uid(MessageSet::Saved) => {
            of_saved(place.saved, place.index)
        }
        SearchKey::UidAfter(uid) => one(uid.checked_add(1).map_or(exists, from)..exists),
        SearchKey::UidBefore(uid) => one(0..from(*uid)),
        _ => one(0..exists),
    };
    ranges.into_iter().filter(|range| !range.is_empty()).collect()
}

/// What is in both; all ascend.
fn common(one: &[Range<usize>], other: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(first), Some(second)) = (one.peek(), other.peek()) {
        both.push(first.start.max(second.start)..first.end.min(second.end));
        if first.end <= second.end {
            one.next();
        } else {
            other.next();
        }
    }
    both.retain(|range| !range.is_empty());
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mailbox, request_search};

    #[test]
    fn what_sets_leave_is_what_is_searched() {
        // UIDs 1, 2, 4, 6, 7, 8, 9.
        let mut mailbox = Mailbox::with_messages(9);
        mailbox.expunge(&[3, 5]);
        let mut selected = mailbox.select();
        selected.saved = vec![Uid(2), Uid(3), Uid(4), Uid(9)];
        let place = Place::selected(&selected);
        let check = |keys: &str, max: u32, lowest: Option<u32>| {
            let mut key = request_search(&format!("SEARCH {keys}")).key;
            let cut = cut(&mut key, &place, max);
            assert_eq!(cut.map(|cut| cut.lowest.0), lowest, "{keys} {max}");
            let is_narrower = matches!(&key, SearchKey::And(keys) if matches!(keys[..], [SearchKey::UidAfter(_), _]));
            assert!(cut.is_none() || is_narrower, "{key:?}");
        };
        check("ALL", 7, None);
        check("ALL", 6, Some(2));
        check("ALL", 1, Some(9));
        check("UNSEEN", 3, Some(7));
        check("UID 1:7", 4, Some(2));
        check("UID 1:7", 5, None);
        check("UID 1:2,8:* UNSEEN", 3, Some(2));
        check("UID 2:8 UID 1:4,7:*", 3, Some(4));
        check("2:3,5", 2, Some(4));
        check("(2:3,5 UID 1:4) UNSEEN", 1, Some(4));
        check("$", 2, Some(4));
        check("UID $", 3, None);
        check("UIDAFTER 4", 3, Some(7));
        check("UIDAFTER 4 UIDBEFORE 8", 2, None);
        check("UIDBEFORE 5", 2, Some(2));
        check("UIDBEFORE 1", 1, None);
        check("UIDAFTER 9", 1, None);
        check("UIDAFTER 4294967295", 1, None);
        // What is not there is looked for among all.
        check("NOT UID 1:8", 3, Some(7));
        check("OR 1 2", 3, Some(7));
        check("FUZZY SUBJECT x", 3, Some(7));
    }
}
