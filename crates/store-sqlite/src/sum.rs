//! The checksums of a shard: what a row says, and that no row is missing between two others.
//!
//! A row carries two. Its `sum` covers account, key and value, the value also where it lies in `large`. Its `link` covers
//! its own key and that of the next row of the account, so that a key that is not found, and a scan that finds nothing
//! more, are proved by the row before: a flipped bit in a page of the tree that hides rows shows as a link that does not
//! hold. The first row of each account, [`Place::Start`], stands before all keys, and the last one links to its end.
//!
//! XXH3 with 64 bits (docs/decisions/0025-checksums.md): against flipped bits and misplaced pages, not against forgers.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use store::ids::{AccountId, ModSeq};
use twox_hash::XxHash3_64;

/// What is hashed; part of the format.
const SUM: u64 = 1 << 32;
const LINK: u64 = 2 << 32;
const START_LINK: u64 = 3 << 32;
const HEAD: u64 = 4 << 32;
const END: u64 = u64::MAX;

/// Where a row of an account stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Before all keys: a row of the engine's own, kept under the number 0, which SQLite sorts before any blob.
    Start,
    /// A key.
    Key(Vec<u8>),
}

impl Place {
    /// As it is in the column `key`; `None` when no row of ours has such a key.
    pub(crate) fn read(key: ValueRef<'_>) -> Option<Self> {
        match key {
            ValueRef::Integer(0) => Some(Self::Start),
            ValueRef::Blob(key) => Some(Self::Key(key.to_vec())),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
        }
    }

    /// The checksum of this row's being followed by `next`, the key of the next row; `None`: by nothing.
    pub(crate) fn link(&self, account: AccountId, next: Option<&[u8]>) -> i64 {
        match self {
            Self::Start => linked(START_LINK | u64::from(account.0), next),
            Self::Key(key) => link(account, key, next),
        }
    }
}

impl ToSql for Place {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Start => ValueRef::Integer(0),
            Self::Key(key) => ValueRef::Blob(key),
        }))
    }
}

/// The checksum of a key and its value.
pub(crate) fn row(account: AccountId, key: &[u8], value: &[u8]) -> i64 {
    let seed = XxHash3_64::oneshot_with_seed(SUM | u64::from(account.0), key);
    XxHash3_64::oneshot_with_seed(seed, value).cast_signed()
}

/// The checksum of a key's being followed by `next`.
pub(crate) fn link(account: AccountId, key: &[u8], next: Option<&[u8]>) -> i64 {
    linked(XxHash3_64::oneshot_with_seed(LINK | u64::from(account.0), key), next)
}

fn linked(seed: u64, next: Option<&[u8]>) -> i64 {
    match next {
        Some(next) => XxHash3_64::oneshot_with_seed(seed, next),
        None => XxHash3_64::oneshot_with_seed(seed ^ END, &[]),
    }
    .cast_signed()
}

/// The checksum of an account's head.
pub(crate) fn head(account: AccountId, ver: ModSeq) -> i64 {
    XxHash3_64::oneshot_with_seed(HEAD | u64::from(account.0), &ver.0.to_be_bytes()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_checksums_are_those_of_the_format() {
        let account = AccountId(16);
        let found = [
            row(account, b"k", b"v"),
            row(account, b"", b""),
            link(account, b"k", Some(b"l")),
            link(account, b"k", None),
            Place::Start.link(account, Some(b"k")),
            head(account, ModSeq(1)),
        ];
        let expected = [
            6_210_773_139_776_208_441,
            -9_186_461_234_054_401_696,
            6_382_006_459_767_435_933,
            6_791_495_021_845_094_296,
            2_817_485_427_011_418_213,
            3_733_158_034_971_957_631,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_differs_has_another_checksum() {
        let (a, b) = (AccountId(16), AccountId(17));
        let mut seen = HashSet::new();
        let mut check = |sum: i64| assert!(seen.insert(sum));
        for account in [a, b] {
            for (key, value) in [(&b"k"[..], &b"v"[..]), (b"kv", b""), (b"", b"kv"), (b"k", b"w")] {
                check(row(account, key, value));
            }
            for (key, next) in [(&b"k"[..], Some(&b"l"[..])), (b"kl", Some(b"")), (b"", Some(b"kl")), (b"k", None)] {
                check(link(account, key, next));
            }
            check(Place::Start.link(account, None));
            check(Place::Start.link(account, Some(b"")));
            check(Place::Key(Vec::new()).link(account, None));
            check(head(account, ModSeq(1)));
        }
    }
}
