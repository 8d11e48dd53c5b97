//! Which accounts here have become members of lists, and are none any more: for their timelines.
//!
//! Rows `H number moment`, written with the change that they tell of: no commit more, and none is missing.

use super::{Member, Whose};
use crate::Directory;
use crate::record::{self, number_key};
use std::collections::BTreeSet;
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Error, Row, TableTx, Timestamp};

const FORMAT: u8 = 1;
/// An account keeps so many; the oldest goes first.
const KEPT_MAX: usize = 200;
/// No longer than this.
const KEPT_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Who made somebody a member, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The member.
    Member,
    /// An owner of the list, or an administrator.
    Owner,
    /// Whoever removed the list.
    Removal,
}

/// What became of an account in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// When.
    pub at: Timestamp,
    /// The address of the list.
    pub list: String,
    /// It is a member since then; or none any more.
    pub joined: bool,
    /// Who wanted it so.
    pub by: By,
}

impl Directory {
    /// What became of an account in lists, newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn memberships(&self, account: AccountId, now: Timestamp) -> Result<Vec<Membership>, Error> {
        let rows = self.0.table.scan(&number_key(record::MEMBERSHIP, account), &[], 2 * KEPT_MAX)?;
        // What is damaged tells nothing, and holds up nothing.
        let known = rows.iter().rev().filter_map(|row| Membership::of_row(row).ok());
        Ok(known.filter(|known| !known.is_old(now)).collect())
    }
}

impl Membership {
    fn is_old(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.at.0) > KEPT_MILLIS
    }

    fn of_row((key, value): &Row) -> Result<Self, Error> {
        let at = key.last_chunk().map(|at| Timestamp(i64::from_be_bytes(*at)));
        let at = at.ok_or_else(|| record::damaged(key))?;
        Self::decode(at, value).map_err(|_| record::damaged(key))
    }

    fn encode(&self) -> Vec<u8> {
        let by = match self.by {
            By::Member => 0,
            By::Owner => 1,
            By::Removal => 2,
        };
        let mut value = Writer::of_format(FORMAT);
        value.byte(self.joined.into()).byte(by).wide_text(&self.list);
        value.0
    }

    fn decode(at: Timestamp, value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let joined = match fields.byte()? {
            0 => false,
            1 => true,
            2.. => return Err(Corrupt),
        };
        let by = match fields.byte()? {
            0 => By::Member,
            1 => By::Owner,
            2 => By::Removal,
            3.. => return Err(Corrupt),
        };
        let list = fields.wide_text()?;
        fields.end()?;
        Ok(Self { at, list, joined, by })
    }
}

/// Writes down whose membership of a list a change of its members changes.
pub(super) fn note(
    tx: &mut TableTx<'_>,
    list: &str,
    (before, after): (&[Member], &[Member]),
    (by, now): (By, Timestamp),
) -> Result<(), Error> {
    let (before, after) = (accounts(before), accounts(after));
    for account in before.symmetric_difference(&after) {
        let joined = after.contains(account);
        put(tx, *account, Membership { at: now, list: list.to_owned(), joined, by })?;
    }
    Ok(())
}

/// Takes away what is known of an account.
pub(super) fn forget(tx: &mut TableTx<'_>, account: AccountId) -> Result<(), Error> {
    let rows = tx.scan_before(&number_key(record::MEMBERSHIP, account), &[], usize::MAX)?;
    rows.iter().for_each(|(key, _)| tx.delete(key));
    Ok(())
}

fn accounts(members: &[Member]) -> BTreeSet<AccountId> {
    let account = |member: &Member| match member.whose {
        Whose::Account(id) => Some(id),
        Whose::Outside(_) => None,
    };
    members.iter().filter_map(account).collect()
}

fn put(tx: &mut TableTx<'_>, account: AccountId, mut membership: Membership) -> Result<(), Error> {
    let prefix = number_key(record::MEMBERSHIP, account);
    let kept = tx.scan_before(&prefix, &[], usize::MAX)?;
    let key = |at: Timestamp| [&prefix[..], &at.0.to_be_bytes()].concat();
    // Two of one moment are told one after the other.
    while tx.get(&key(membership.at))?.is_some() {
        membership.at.0 += 1;
    }
    let too_many = (kept.len() + 1).saturating_sub(KEPT_MAX);
    for (place, row) in kept.iter().enumerate() {
        if place < too_many || Membership::of_row(row).map_or(true, |known| known.is_old(membership.at)) {
            tx.delete(&row.0);
        }
    }
    tx.put(&key(membership.at), membership.encode());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Posting;
    use crate::testing::{NOW, server, start};

    const CHOIR: &str = "choir@example.org";

    #[test]
    fn who_joined_and_left_is_told_with_who_wanted_it_until_it_is_old_or_the_account_goes() {
        let (engine, directory, [alice, bob]) = server();
        directory.add_list(CHOIR, "", Posting::Anybody, &["alice@example.org"]).unwrap();
        let at = |minutes: i64| Timestamp(NOW.0 + minutes * 60_000);
        let told = |account, now| directory.memberships(account, now).unwrap();
        let of = |at, joined, by| Membership { at, list: CHOIR.to_owned(), joined, by };
        directory.join_list(CHOIR, "bob@example.org", (By::Owner, at(1))).unwrap();
        // Nothing new: who is one, and who is none here.
        directory.join_list(CHOIR, "bob@example.org", (By::Owner, at(2))).unwrap();
        directory.join_list(CHOIR, "ada@example.com", (By::Owner, at(2))).unwrap();
        let list = directory.list(CHOIR).unwrap().unwrap();
        let token = directory.list_token(&list, &list.members[0]);
        directory.leave_by_token(&list, &token, at(3)).unwrap();
        let token = directory.invite_to_list(CHOIR, "bob@example.org", at(3)).unwrap();
        let list = directory.list(CHOIR).unwrap().unwrap();
        directory.accept_invitation(&list, &token, at(3)).unwrap();
        directory.leave_list(CHOIR, "bob@example.org", (By::Owner, at(5))).unwrap();
        directory.join_list(CHOIR, "alice@example.org", (By::Member, at(6))).unwrap();
        directory.remove_list(CHOIR, at(7)).unwrap();
        let next = Timestamp(at(3).0 + 1);
        let of_bob = [
            of(at(5), false, By::Owner),
            of(next, true, By::Member),
            of(at(3), false, By::Member),
            of(at(1), true, By::Owner),
        ];
        assert_eq!(told(bob, at(8)), of_bob);
        assert_eq!(start(&engine).memberships(bob, at(8)).unwrap(), of_bob);
        assert_eq!(told(alice, at(8)), [of(at(7), false, By::Removal), of(at(6), true, By::Member)]);
        assert_eq!(told(bob, Timestamp(at(5).0 + KEPT_MILLIS)), of_bob[..1]);
        assert_eq!(told(bob, Timestamp(at(5).0 + KEPT_MILLIS + 1)), []);
        directory.remove_account("bob@example.org").unwrap();
        assert_eq!((told(bob, at(8)), told(alice, at(8)).len()), (Vec::new(), 2));
        assert_eq!(directory.check().unwrap(), [""; 0]);
    }

    #[test]
    fn an_account_keeps_so_many() {
        let (_, directory, [_, bob]) = server();
        directory.add_list(CHOIR, "", Posting::Anybody, &["alice@example.org"]).unwrap();
        for number in 0..KEPT_MAX / 2 + 1 {
            // Of one moment are those at the end, too.
            let turn = (By::Owner, Timestamp(NOW.0 + i64::try_from(number).unwrap().min(90) * 1000));
            directory.join_list(CHOIR, "bob@example.org", turn).unwrap();
            directory.leave_list(CHOIR, "bob@example.org", turn).unwrap();
        }
        let told = directory.memberships(bob, NOW).unwrap();
        assert_eq!((told.len(), told.last().map(|oldest| oldest.at)), (KEPT_MAX, Some(Timestamp(NOW.0 + 1000))));
        assert_eq!((told[0].joined, told[1].joined), (false, true), "the newest first");
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_found() {
        for (joined, by) in [(true, By::Member), (false, By::Owner), (false, By::Removal)] {
            let membership = Membership { at: NOW, list: CHOIR.to_owned(), joined, by };
            let value = membership.encode();
            assert_eq!(Membership::decode(NOW, &value), Ok(membership));
            assert!((0..value.len()).all(|end| Membership::decode(NOW, &value[..end]).is_err()));
        }
        assert!(Membership::decode(NOW, b"\x01\x02\0\0\0\0\0").is_err());
        assert!(Membership::decode(NOW, b"\x01\0\x03\0\0\0\0").is_err());
    }
}
