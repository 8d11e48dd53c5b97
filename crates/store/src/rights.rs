//! Who may do what in a mailbox that its owner shares (RFC 4314).
//!
//! A right is a bit, an access control list names accounts by their numbers. The list is part of the mailbox's record: it goes
//! where the mailbox goes, changes in the transactions of its account, and is asked in them.

use crate::codec::{Corrupt, Reader, Writer};
use crate::error::Error;
use crate::ids::{AccountId, ModSeq, Uid};

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

/// So many modseqs at most the right to read a mailbox takes: up to about a million UIDs, each has few messages.
const GIVEN_MODSEQS_MAX: u64 = 4096;
/// The messages of so many UIDs share one of them: no more than are told again to who comes back with just that one.
const GIVEN_UIDS: u32 = 256;

/// When somebody was given the right to read a mailbox: what is older has changed for them since, because it was not there.
///
/// It is a stretch of modseqs, and each message has one by its UID: a program that believes the modseq of each message at once,
/// and whose connection breaks, goes on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    first: ModSeq,
    pub(crate) last: ModSeq,
}

impl Given {
    /// From `first` on, to a mailbox that gives out `uid_next` next.
    pub(crate) fn from(first: ModSeq, uid_next: Uid) -> Self {
        let further = u64::from(uid_next.0 / GIVEN_UIDS).min(GIVEN_MODSEQS_MAX - 1);
        Self { first, last: ModSeq(first.0.saturating_add(further)) }
    }

    /// When the message of a UID came into sight.
    pub(crate) fn of(self, uid: Uid) -> ModSeq {
        ModSeq(self.first.0.saturating_add(u64::from(uid.0 / GIVEN_UIDS))).min(self.last)
    }
}

/// Who may do what in a mailbox, beside its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(Vec<Member>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    account: AccountId,
    rights: Rights,
    given: Given,
}

impl Acl {
    /// What an account may do.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Rights {
        self.member(account).map_or_else(Rights::default, |member| member.rights)
    }

    /// Up to here all has changed for an account that was given the right to read: whatever it was told before, it may have been
    /// told since that nothing is there.
    #[must_use]
    pub fn readable_since(&self, account: AccountId) -> ModSeq {
        self.given(account).last
    }

    pub(crate) fn given(&self, account: AccountId) -> Given {
        self.member(account).map_or_else(Given::default, |member| member.given)
    }

    fn member(&self, account: AccountId) -> Option<&Member> {
        let at = self.0.binary_search_by_key(&account, |member| member.account);
        at.ok().and_then(|at| self.0.get(at))
    }

    /// All who may do something, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, Rights)> + '_ {
        self.0.iter().map(|member| (member.account, member.rights))
    }

    /// Whether it is shared with nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes what an account may do; what it is then.
    pub(crate) fn change(&mut self, account: AccountId, change: RightsChange) -> Rights {
        let (rights, given) = (change.apply(self.of(account)), self.given(account));
        self.0.retain(|other| other.account != account);
        if !rights.is_empty() {
            let at = self.0.partition_point(|other| other.account < account);
            self.0.insert(at, Member { account, rights, given });
        }
        rights
    }

    /// Whoever reads, or one of them, has been given the right to do so now.
    pub(crate) fn give(&mut self, account: Option<AccountId>, given: Given) {
        let reads = |member: &&mut Member| member.rights.has(Rights::READ);
        let readers = self.0.iter_mut().filter(reads);
        readers.filter(|member| account.is_none_or(|account| member.account == account)).for_each(|m| m.given = given);
    }

    /// At the end of a record: nothing where it is shared with nobody, as earlier versions wrote it.
    pub(crate) fn write(&self, w: &mut Writer) {
        if self.0.is_empty() {
            return;
        }
        w.number(self.0.len() as u64);
        for Member { account, rights, .. } in &self.0 {
            w.number(account.0.into()).number(rights.0.into());
        }
        for Member { given, .. } in &self.0 {
            w.number(given.first.0).number(given.last.0.saturating_sub(given.first.0));
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        if r.0.is_empty() {
            return Ok(Self::default());
        }
        let member = |r: &mut Reader<'_>| {
            Ok(Member { account: AccountId(r.small()?), rights: read_rights(r)?, given: Given::default() })
        };
        let mut all = r.list(member)?;
        // A record of an earlier version ends before it.
        if !r.0.is_empty() {
            for member in &mut all {
                let first = r.number()?;
                let last = ModSeq(first.checked_add(r.number()?).ok_or(Corrupt)?);
                member.given = Given { first: ModSeq(first), last };
            }
        }
        if all.is_empty() || !all.is_sorted_by(|a, b| a.account < b.account) { Err(Corrupt) } else { Ok(Self(all)) }
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
        acl.give(None, Given::from(ModSeq(5), Uid(1000)));
        let bytes = write(&acl);
        assert_eq!(Acl::read(&mut open(&bytes).unwrap()), Ok(acl.clone()));
        assert_eq!((acl.readable_since(AccountId(20)), acl.readable_since(AccountId(21))), (ModSeq(8), ModSeq(0)));
        let of_an_earlier_version = Acl::read(&mut open(&bytes[..bytes.len() - 2]).unwrap()).unwrap();
        assert_eq!(of_an_earlier_version.readable_since(AccountId(20)), ModSeq(0));
        for damaged in [&[1, 0][..], &[1, 2, 20, 1, 20, 1], &[1, 1, 20, 128, 16], &[1, 1, 20, 1, 5]] {
            assert_eq!(Acl::read(&mut open(damaged).unwrap()), Err(Corrupt), "{damaged:?}");
        }
    }

    #[test]
    fn few_messages_came_into_sight_at_once() {
        let given = Given::from(ModSeq(100), Uid(600));
        assert_eq!([1, 255, 256, 511, 512, 599].map(|uid| given.of(Uid(uid)).0), [100, 100, 101, 101, 102, 102]);
        assert_eq!(given.of(Uid(5000)), given.last, "what came later is newer by itself");
        let large = Given::from(ModSeq(100), Uid::MAX);
        assert_eq!((large.last.0 - 100 + 1, large.of(Uid::MAX)), (GIVEN_MODSEQS_MAX, large.last));
    }

    #[test]
    fn whoever_may_not_see_a_mailbox_is_told_that_there_is_none() {
        let must = |letters: &str| Rights::parse(letters).unwrap().must_have(Rights::EXPUNGE);
        assert_eq!(must("le"), Ok(()));
        assert_eq!((must("lr"), must("r")), (Err(Error::NotPermitted), Err(Error::NoSuchMailbox)));
    }
}
