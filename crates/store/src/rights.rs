//! Who may do what in a mailbox that its owner shares (RFC 4314).
//!
//! A right is a bit, an access control list names accounts by their numbers. The list is part of the mailbox's record: it goes
//! where the mailbox goes, changes in the transactions of its account, and is asked in them.

use crate::codec::{Corrupt, Reader, Writer};
use crate::error::Error;
use crate::ids::AccountId;

/// In the order in which they are told. A right is the bit of its place, on disk too.
const LETTERS: &[u8] = b"lrswipkxtea";

/// RFC 4314 §2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// `l`: the mailbox is seen.
    pub const LOOKUP: Self = Self(1);
    /// `r`: it is read.
    pub const READ: Self = Self(1 << 1);
    /// `s`: `\Seen` is kept.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags but `\Seen` and `\Deleted`.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: messages come into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `k`: mailboxes are made below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: the mailbox itself is deleted or renamed.
    pub const DELETE_MAILBOX: Self = Self(1 << 7);
    /// `t`: `\Deleted`.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: messages leave it.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: others get rights.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// The owner's.
    pub const ALL: Self = Self((1 << 11) - 1);
    /// With one of them a mailbox may be named.
    const ANY: Self = Self(1 | 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10);
    /// RFC 4314 §2.1.1: `c`.
    const OLD_CREATE: Self = Self(1 << 6 | 1 << 7);
    /// RFC 4314 §2.1.1: `d`.
    const OLD_DELETE: Self = Self(1 << 8 | 1 << 9);

    /// Rights by their letters, with the `c` and `d` of RFC 2086; `None` where one is unknown.
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        letters.bytes().try_fold(Self::default(), |rights, letter| {
            Some(rights.and(match letter {
                b'c' => Self::OLD_CREATE,
                b'd' => Self::OLD_DELETE,
                _ => Self(1 << LETTERS.iter().position(|known| *known == letter)?),
            }))
        })
    }

    /// Their letters.
    #[must_use]
    pub fn letters(self) -> String {
        let set = |(at, _): &(usize, &u8)| self.0 & (1 << at) != 0;
        LETTERS.iter().enumerate().filter(set).map(|(_, letter)| char::from(*letter)).collect()
    }

    /// Their letters, with those of RFC 2086 for old clients (RFC 4314 §2.1.1).
    #[must_use]
    pub fn told(self) -> String {
        let mut letters = self.letters();
        for (old, members) in [('c', Self::OLD_CREATE), ('d', Self::OLD_DELETE)] {
            if self.has_some(members) {
                letters.push(old);
            }
        }
        letters
    }

    /// Whether all of `needed` are among them.
    #[must_use]
    pub fn has(self, needed: Self) -> bool {
        needed.0 & !self.0 == 0
    }

    /// Whether any of `others` is among them.
    #[must_use]
    pub fn has_some(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether nothing may be done.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the mailbox may be named (RFC 4314 §4, "any").
    pub(crate) fn is_any(self) -> bool {
        self.has_some(Self::ANY)
    }

    /// Refuses what needs more. Without `l` there is no such mailbox.
    pub(crate) fn must_have(self, needed: Self) -> Result<(), Error> {
        match self.has(needed) {
            true => Ok(()),
            false if self.has(Self::LOOKUP) => Err(Error::NotPermitted),
            false => Err(Error::NoSuchMailbox),
        }
    }
}

/// How rights change (RFC 4314 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsChange {
    /// These are given as well.
    Add(Rights),
    /// These are taken.
    Remove(Rights),
    /// These and no others.
    Replace(Rights),
}

impl RightsChange {
    /// Whether anybody gets a right by it.
    #[must_use]
    pub fn gives(self) -> bool {
        match self {
            Self::Add(rights) | Self::Replace(rights) => !rights.is_empty(),
            Self::Remove(_) => false,
        }
    }

    fn apply(self, before: Rights) -> Rights {
        match self {
            Self::Add(rights) => before.and(rights),
            Self::Remove(rights) => Rights(before.0 & !rights.0),
            Self::Replace(rights) => rights,
        }
    }
}

/// Who may do what in a mailbox, beside its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(Vec<(AccountId, Rights)>);

impl Acl {
    /// What an account may do.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Rights {
        let at = self.0.binary_search_by_key(&account, |(account, _)| *account);
        at.ok().and_then(|at| self.0.get(at)).map_or_else(Rights::default, |(_, rights)| *rights)
    }

    /// All who may do something, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, Rights)> + '_ {
        self.0.iter().copied()
    }

    /// Whether it is shared with nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes what an account may do; what it is then.
    pub(crate) fn change(&mut self, account: AccountId, change: RightsChange) -> Rights {
        let after = change.apply(self.of(account));
        self.0.retain(|(other, _)| *other != account);
        if !after.is_empty() {
            let at = self.0.partition_point(|(other, _)| *other < account);
            self.0.insert(at, (account, after));
        }
        after
    }

    /// At the end of a record: nothing where it is shared with nobody, as earlier versions wrote it.
    pub(crate) fn write(&self, w: &mut Writer) {
        if !self.0.is_empty() {
            w.number(self.0.len() as u64);
            for (account, rights) in &self.0 {
                w.number(account.0.into()).number(rights.0.into());
            }
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        if r.0.is_empty() {
            return Ok(Self::default());
        }
        let all = r.list(|r| Ok((AccountId(r.small()?), read_rights(r)?)))?;
        if all.is_empty() || !all.is_sorted_by(|(a, _), (b, _)| a < b) { Err(Corrupt) } else { Ok(Self(all)) }
    }
}

pub(crate) fn write_rights(rights: Rights, w: &mut Writer) {
    w.number(rights.0.into());
}

pub(crate) fn read_rights(r: &mut Reader<'_>) -> Result<Rights, Corrupt> {
    let bits = u16::try_from(r.number()?).map_err(|_| Corrupt)?;
    if Rights::ALL.has(Rights(bits)) { Ok(Rights(bits)) } else { Err(Corrupt) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{open, versioned};

    #[test]
    fn letters_are_read_as_they_are_told() {
        for (letters, told) in [("", ""), ("lrs", "lrs"), ("dl", "lted"), ("c", "kxc"), ("tx", "xtcd"), ("ap", "pa")] {
            assert_eq!(Rights::parse(letters).unwrap().told(), told, "{letters}");
        }
        assert_eq!(Rights::ALL.told(), "lrswipkxteacd");
        assert_eq!((Rights::parse("q"), Rights::parse("L")), (None, None));
    }

    #[test]
    fn a_list_is_read_as_it_was_written_and_of_nobody_takes_no_room() {
        let mut acl = Acl::default();
        let write = |acl: &Acl| {
            let mut w = versioned();
            acl.write(&mut w);
            w.0
        };
        assert_eq!(write(&acl).len(), 1);
        for (account, letters) in [(30, "lr"), (20, "lrswipkxtea"), (25, "l"), (30, "+s"), (25, "")] {
            let change = match letters.strip_prefix('+') {
                Some(more) => RightsChange::Add(Rights::parse(more).unwrap()),
                None => RightsChange::Replace(Rights::parse(letters).unwrap()),
            };
            acl.change(AccountId(account), change);
        }
        let bytes = write(&acl);
        assert_eq!(Acl::read(&mut open(&bytes).unwrap()), Ok(acl.clone()));
        let told: Vec<(u32, String)> = acl.iter().map(|(account, rights)| (account.0, rights.letters())).collect();
        assert_eq!(told, [(20, "lrswipkxtea".to_owned()), (30, "lrs".to_owned())]);
        acl.change(AccountId(30), RightsChange::Remove(Rights::ALL));
        assert_eq!((acl.of(AccountId(30)), acl.is_empty()), (Rights::default(), false));
        for damaged in [&[1, 0][..], &[1, 2, 20, 1, 20, 1], &[1, 1, 20, 128, 16]] {
            assert_eq!(Acl::read(&mut open(damaged).unwrap()), Err(Corrupt), "{damaged:?}");
        }
    }

    #[test]
    fn whoever_may_not_see_a_mailbox_is_told_that_there_is_none() {
        let must = |letters: &str| Rights::parse(letters).unwrap().must_have(Rights::EXPUNGE);
        assert_eq!(must("le"), Ok(()));
        assert_eq!((must("lr"), must("r")), (Err(Error::NotPermitted), Err(Error::NoSuchMailbox)));
    }
}
