//! Lists: an address whose mail goes to members who join and leave, under a policy.
//!
//! A row `M address` each, with its members. It is no alias: who may write to it is asked, and each member gets a copy with a way
//! out of it. A list and an alias never have the same address.
//!
//! Invariant: a member whose mail came back on [`BOUNCES_MAX`] days is paused, and gets nothing until somebody says otherwise.
//! Invariant: who is invited is no member until they say so.

mod invitations;
mod memberships;
mod row;
mod rules;

use crate::Directory;
use crate::address::Address;
use crate::aliases::{must_be_free, outside};
use crate::domains::{is_local, must_be_local};
use crate::error::Error;
use crate::record::{self, key, read_name};
pub use invitations::Invited;
pub use memberships::{By, Membership};
pub use rules::Approval;
use rules::POSTS_PER_HOUR;
use std::sync::Arc;
use store::{AccountId, TableTx, Timestamp};
use wording::tr;

/// A list has at most so many members: each post is so many messages.
const LIST_MEMBERS_MAX: usize = 500;
/// A list has at most so many owners.
const OWNERS_MAX: usize = 20;
/// Lists of all domains together.
const LISTS_MAX: usize = 10_000;
/// What stands before the @ of a list has at most so many characters: addresses made of it have more after a `+`.
const NAME_CHARS_MAX: usize = 32;
/// The title has at most so many characters.
const TITLE_CHARS_MAX: usize = 60;
/// On so many days mail of a member comes back, then it is paused.
const BOUNCES_MAX: u8 = 3;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// A member whose mail did not come back for so long is well again.
const BOUNCES_FORGOTTEN_MILLIS: i64 = 14 * DAY_MILLIS;
/// A token has so many characters, of 32 each.
const TOKEN_CHARS: usize = 20;
/// RFC 4648 §6, in lower case: addresses are read in any case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Who may write to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Its owners: announcements.
    Owners,
    /// Its members and owners: a discussion.
    Members,
    /// Everybody.
    Anybody,
}

/// Whose mail a member's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An account here.
    Account(AccountId),
    /// An address in a domain of others.
    Outside(String),
}

/// A member of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub whose: Whose,
    /// On so many days mail for it came back, of late.
    pub bounces: u8,
    /// When the last came back that counted.
    bounced_at: Timestamp,
    /// They want nothing for now.
    pub rests: bool,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Normalised.
    pub address: String,
    /// What people call it; printable ASCII, maybe empty.
    pub title: String,
    /// Who may write to it.
    pub posting: Posting,
    /// Whoever writes to it that they want to join is a member.
    pub is_open: bool,
    /// Which posts wait for an owner.
    pub approval: Approval,
    /// So many posts are taken in an hour.
    pub posts_per_hour: u16,
    /// A post has so many KiB at most; 0: as many as the server takes.
    pub post_kib_max: u32,
    /// Accounts that say who is a member, and are told of what fails.
    pub owners: Vec<AccountId>,
    /// Who gets what is written to it, each once.
    pub members: Vec<Member>,
    /// Who is asked whether they want to be one ([`List::invited`]).
    pub invited: Vec<Invited>,
}

/// What follows from mail that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounced {
    /// Nothing new: that day has counted, or nobody is such a member.
    Known,
    /// It counts.
    Counted,
    /// It counts, and the member gets nothing any more.
    Paused,
}

/// A member as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// The address of the account, or the one elsewhere.
    pub address: String,
    /// It gets nothing: its mail came back, or it wants nothing for now.
    pub is_paused: bool,
    /// It wants nothing for now.
    pub rests: bool,
}

impl Posting {
    /// Its name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::Members => "members",
            Self::Anybody => "anybody",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Owners, Self::Members, Self::Anybody].into_iter().find(|posting| posting.name() == name)
    }
}

impl Member {
    fn new(whose: Whose) -> Self {
        Self { whose, bounces: 0, bounced_at: Timestamp(0), rests: false }
    }

    /// It gets nothing: its mail came back, or it wants nothing for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.rests || self.bounces >= BOUNCES_MAX
    }

    fn bounce(&mut self, now: Timestamp) -> Bounced {
        let since = now.0.saturating_sub(self.bounced_at.0);
        if self.is_paused() || self.bounces > 0 && since < DAY_MILLIS {
            return Bounced::Known;
        }
        self.bounces = if since > BOUNCES_FORGOTTEN_MILLIS { 1 } else { self.bounces + 1 };
        self.bounced_at = now;
        if self.is_paused() { Bounced::Paused } else { Bounced::Counted }
    }
}

impl List {
    /// What stands before the @.
    #[must_use]
    pub fn name(&self) -> &str {
        self.address.rsplit_once('@').map_or(&self.address, |(name, _)| name)
    }

    /// Its domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether an account is a member.
    #[must_use]
    pub fn has(&self, whose: &Whose) -> bool {
        self.members.iter().any(|member| is_same(&member.whose, whose))
    }
}

impl Directory {
    /// All lists, by address.
    ///
    /// # Errors
    /// Faults.
    pub fn lists(&self) -> Result<Vec<Arc<List>>, store::Error> {
        Ok(self.book()?.lists())
    }

    /// The list of an address.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, address: &str) -> Result<Option<Arc<List>>, store::Error> {
        let Ok(address) = Address::parse(address) else { return Ok(None) };
        Ok(self.book()?.list(&address.text()))
    }

    /// The members of a list as people read them, in the order in which they joined.
    ///
    /// # Errors
    /// Faults.
    pub fn members(&self, list: &List) -> Result<Vec<MemberInfo>, store::Error> {
        let info = |member: &Member| {
            let (is_paused, rests) = (member.is_paused(), member.rests);
            Ok(self.address_of(&member.whose)?.map(|address| MemberInfo { address, is_paused, rests }))
        };
        list.members.iter().filter_map(|member| info(member).transpose()).collect()
    }

    /// The address of a member; none of an account that is gone.
    ///
    /// # Errors
    /// Faults.
    pub(crate) fn address_of(&self, whose: &Whose) -> Result<Option<String>, store::Error> {
        match whose {
            Whose::Account(id) => Ok(self.account_by_id(*id)?.map(|info| info.address)),
            Whose::Outside(address) => Ok(Some(address.clone())),
        }
    }

    /// Makes a list without members. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not an address that a list can have, not in a local domain, in use already, a title that does not fit,
    /// an owner is no account, none or too many owners, too many lists.
    pub fn add_list(
        &self,
        address: &str,
        title: &str,
        posting: Posting,
        owners: &[impl AsRef<str>],
    ) -> Result<(), Error> {
        let address = Address::parse(address).map_err(Error::Refused)?;
        check_name(&address)?;
        check_title(title)?;
        if owners.is_empty() || owners.len() > OWNERS_MAX {
            return Err(Error::refused(tr!("a list has one owner at least, and {most} at most", most = OWNERS_MAX)));
        }
        self.0.table.change(|tx| {
            must_be_local(tx, &address.domain)?;
            must_be_free(tx, &address)?;
            if tx.scan_before(record::LIST, record::LIST, LISTS_MAX)?.len() >= LISTS_MAX {
                return Err(Error::refused(tr!(
                    "there are {most} lists, the most this server holds",
                    most = LISTS_MAX
                )));
            }
            let mut ids = Vec::new();
            for owner in owners {
                match whose(tx, owner.as_ref())? {
                    Whose::Account(id) if !ids.contains(&id) => ids.push(id),
                    Whose::Account(_) => {}
                    Whose::Outside(owner) => {
                        return Err(Error::refused(tr!(
                            "{owner} is not an account here, so it cannot be an owner",
                            owner = owner
                        )));
                    }
                }
            }
            let list = List {
                address: address.text(),
                title: title.trim().to_owned(),
                posting,
                is_open: false,
                approval: Approval::Nobody,
                posts_per_hour: POSTS_PER_HOUR,
                post_kib_max: 0,
                owners: ids,
                members: Vec::new(),
                invited: Vec::new(),
            };
            list.write(tx);
            Ok(())
        })
    }

    /// Removes a list with all that is known of its members. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list.
    pub fn remove_list(&self, address: &str, now: Timestamp) -> Result<(), Error> {
        let address = Address::parse(address).map_err(Error::Refused)?.text();
        self.0.table.change(|tx| {
            let list = List::read(tx, &address)?;
            memberships::note(tx, &address, (&list.members, &[]), (By::Removal, now))?;
            tx.delete(&key(record::LIST, &address));
            Ok(())
        })
    }

    /// Says who may write to a list. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list.
    pub fn set_posting(&self, address: &str, posting: Posting) -> Result<(), Error> {
        self.change_list(address, |_, list| {
            list.posting = posting;
            Ok(())
        })
    }

    /// Says whether anybody may join a list. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list.
    pub fn set_open(&self, address: &str, is_open: bool) -> Result<(), Error> {
        self.change_list(address, |_, list| {
            list.is_open = is_open;
            Ok(())
        })
    }

    /// A member joins, or one that was paused gets mail again. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, no address, one in a local domain that is not an account, too many members.
    pub fn join_list(&self, address: &str, member: &str, turn: (By, Timestamp)) -> Result<(), Error> {
        self.join_list_among(address, member, (LIST_MEMBERS_MAX, &|_| true), turn)
    }

    /// The same, unless it has so many members already with addresses elsewhere in domains of which a rule says that they count.
    ///
    /// # Errors
    /// The same.
    pub fn join_list_among(
        &self,
        address: &str,
        member: &str,
        (max, counts): (usize, &dyn Fn(&str) -> bool),
        turn: (By, Timestamp),
    ) -> Result<(), Error> {
        self.change_members(address, turn, |tx, list| {
            let whose = whose(tx, member)?;
            let is_counted = |member: &&Member| match &member.whose {
                Whose::Outside(address) => address.rsplit_once('@').is_some_and(|(_, domain)| counts(domain)),
                Whose::Account(_) => false,
            };
            if !list.has(&whose) && list.members.iter().filter(is_counted).count() >= max {
                return Err(Error::refused(tr!(
                    "{max} members of {address} are of that domain",
                    max = max,
                    address = address
                )));
            }
            match list.members.iter().position(|known| is_same(&known.whose, &whose)) {
                // That they want nothing for now they alone say otherwise.
                Some(place) => list.members[place] = Member { rests: list.members[place].rests, ..Member::new(whose) },
                None if list.members.len() >= LIST_MEMBERS_MAX => {
                    return Err(Error::refused(tr!(
                        "{address} has {most} members, the most of a list",
                        address = address,
                        most = LIST_MEMBERS_MAX
                    )));
                }
                None => list.members.push(Member::new(whose)),
            }
            Ok(())
        })
    }

    /// A member leaves. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, no such member.
    pub fn leave_list(&self, address: &str, member: &str, turn: (By, Timestamp)) -> Result<(), Error> {
        self.change_members(address, turn, |tx, list| {
            let whose = whose(tx, member)?;
            if !list.has(&whose) {
                return Err(Error::refused(tr!(
                    "{member} is no member of {address}",
                    member = member,
                    address = address
                )));
            }
            list.members.retain(|known| !is_same(&known.whose, &whose));
            Ok(())
        })
    }

    /// The member of a token leaves: whoever has the token may say so. Gives the member's address, or `None` where nobody has
    /// such a token (any more). Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn leave_by_token(&self, list: &List, token: &str, now: Timestamp) -> Result<Option<String>, store::Error> {
        let Some(member) = self.member_of_token(list, token)?.cloned() else { return Ok(None) };
        let address = self.address_of(&member.whose)?;
        let left = self.change_members(&list.address, (By::Member, now), |_, list| {
            list.members.retain(|known| !is_same(&known.whose, &member.whose));
            Ok(())
        });
        match left {
            // The list has gone, and all its members with it.
            Ok(()) | Err(Error::Refused(_)) => Ok(address),
            Err(Error::Store(error)) => Err(error),
        }
    }

    /// Mail for the member of a token came back for good. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn note_bounce(
        &self,
        list: &List,
        token: &str,
        now: Timestamp,
    ) -> Result<(Bounced, Option<String>), store::Error> {
        let Some(member) = self.member_of_token(list, token)?.cloned() else { return Ok((Bounced::Known, None)) };
        let address = self.address_of(&member.whose)?;
        let bounced = self.change_list(&list.address, |_, list| {
            let known = list.members.iter_mut().find(|known| is_same(&known.whose, &member.whose));
            Ok(known.map_or(Bounced::Known, |known| known.bounce(now)))
        });
        match bounced {
            Ok(bounced) => Ok((bounced, address)),
            Err(Error::Refused(_)) => Ok((Bounced::Known, address)),
            Err(Error::Store(error)) => Err(error),
        }
    }

    /// What a member shows who wants to leave, and what mail that comes back shows: nobody else can make it. The same for as
    /// long as the server has the same secret.
    #[must_use]
    pub fn list_token(&self, list: &List, member: &Member) -> String {
        let number;
        let whose: [&[u8]; 2] = match &member.whose {
            Whose::Account(id) => {
                number = id.0.to_be_bytes();
                [b"account", &number]
            }
            Whose::Outside(address) => [b"outside", address.as_bytes()],
        };
        self.token(&[list.address.as_bytes(), whose[0], whose[1]])
    }

    /// What an answer to the question whether a post is to go out shows: nobody else can make it.
    #[must_use]
    pub fn post_token(&self, list: &List, number: u64) -> String {
        self.token(&[list.address.as_bytes(), b"post", &number.to_be_bytes()])
    }

    fn token(&self, parts: &[&[u8]]) -> String {
        let hash = self.0.list_key.hash(parts);
        hash.as_bytes().iter().take(TOKEN_CHARS).map(|octet| char::from(ALPHABET[usize::from(octet % 32)])).collect()
    }

    /// Whose token that is.
    fn member_of_token<'a>(&self, list: &'a List, token: &str) -> Result<Option<&'a Member>, store::Error> {
        Ok(list.members.iter().find(|member| self.list_token(list, member).eq_ignore_ascii_case(token)))
    }

    /// Changes a list, and writes down who is a member since then, or none any more, and who wanted it so.
    fn change_members<T>(
        &self,
        address: &str,
        turn: (By, Timestamp),
        mut change: impl FnMut(&TableTx<'_>, &mut List) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.change_list(address, |tx, list| {
            let before = list.members.clone();
            let changed = change(tx, list)?;
            memberships::note(tx, &list.address, (&before, &list.members), turn)?;
            Ok(changed)
        })
    }

    fn change_list<T>(
        &self,
        address: &str,
        mut change: impl FnMut(&mut TableTx<'_>, &mut List) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let address = Address::parse(address).map_err(Error::Refused)?.text();
        self.0.table.change(|tx| {
            let mut list = List::read(tx, &address)?;
            let before = list.clone();
            let changed = change(tx, &mut list)?;
            if list != before {
                list.write(tx);
            }
            Ok(changed)
        })
    }
}

/// An account is no member and no owner of any list any more; a list that nobody owns goes on.
pub(crate) fn remove_from_lists(tx: &mut TableTx<'_>, id: AccountId) -> Result<(), Error> {
    for row in tx.scan_before(record::LIST, record::LIST, usize::MAX)? {
        let mut list = List::of_row(&row)?;
        let before = list.clone();
        list.owners.retain(|owner| *owner != id);
        list.members.retain(|member| member.whose != Whose::Account(id));
        if list != before {
            list.write(tx);
        }
    }
    memberships::forget(tx, id)?;
    Ok(())
}

/// The same member; the case of what stands before the @ of an address elsewhere does not make two of one.
fn is_same(one: &Whose, other: &Whose) -> bool {
    match (one, other) {
        (Whose::Account(one), Whose::Account(other)) => one == other,
        (Whose::Outside(one), Whose::Outside(other)) => one.eq_ignore_ascii_case(other),
        (Whose::Account(_), Whose::Outside(_)) | (Whose::Outside(_), Whose::Account(_)) => false,
    }
}

fn whose(tx: &TableTx<'_>, text: &str) -> Result<Whose, Error> {
    let address = Address::parse(text).map_err(Error::Refused)?;
    let outside = outside(text, &address)?;
    if !is_local(tx, &address.domain)? {
        return Ok(Whose::Outside(outside));
    }
    let found = read_name(tx, &address.text())?.and_then(|ids| ids.first().copied());
    found
        .map(Whose::Account)
        .ok_or_else(|| Error::refused(tr!("{address} is not an account here", address = address.text())))
}

/// It stands in List-Id (RFC 2919 §2: dots and atoms), and addresses are made of it.
fn check_name(Address { local_part, .. }: &Address) -> Result<(), Error> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    if local_part.is_empty() || local_part.len() > NAME_CHARS_MAX || !local_part.bytes().all(fits) {
        return Err(Error::refused(tr!(
            "the name of a list has {most} characters at most, of a–z, 0–9, “-”, “_” and “.”",
            most = NAME_CHARS_MAX
        )));
    }
    Ok(())
}

fn check_title(title: &str) -> Result<(), Error> {
    let fits = |octet: u8| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
    if title.len() > TITLE_CHARS_MAX || !title.bytes().all(fits) {
        return Err(Error::refused(tr!(
            "the title of a list has {most} characters at most, printable ASCII without \" and \\",
            most = TITLE_CHARS_MAX
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, server, start};

    const DAY: i64 = DAY_MILLIS;

    fn later(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY)
    }

    #[test]
    fn members_join_and_leave_and_others_have_no_list_of_that_name() {
        let (engine, directory, [alice, _]) = server();
        let owners = ["alice@example.org"];
        directory.add_list("Choir@example.org", "The Choir", Posting::Members, &owners).unwrap();
        for refused in [
            directory.add_list("choir@example.org", "", Posting::Members, &owners),
            directory.add_alias("choir@example.org", &owners),
            directory.add_list("alice@example.org", "", Posting::Members, &owners),
            directory.add_list("a+b@example.org", "", Posting::Members, &owners),
            directory.add_list("x@example.org", "a \"b\"", Posting::Members, &owners),
            directory.add_list("x@example.org", "", Posting::Members, &["ada@example.com"]),
            directory.add_list("x@example.com", "", Posting::Members, &owners),
            directory.join_list("choir@example.org", "nobody@example.org", (By::Owner, NOW)),
            directory.leave_list("choir@example.org", "ada@example.com", (By::Owner, NOW)),
            directory.remove_domain("example.org"),
        ] {
            assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        }
        for member in ["alice@example.org", "Ada@Example.com", "ada@example.com"] {
            directory.join_list("choir@example.org", member, (By::Owner, NOW)).unwrap();
        }
        let members = |directory: &Directory| {
            let list = directory.list("choir@example.org").unwrap().unwrap();
            directory.members(&list).unwrap().into_iter().map(|member| member.address).collect::<Vec<_>>()
        };
        assert_eq!(members(&directory), ["alice@example.org", "ada@example.com"]);
        assert_eq!(members(&start(&engine)), ["alice@example.org", "ada@example.com"]);
        directory.join_list("choir@example.org", "bob@example.org", (By::Owner, NOW)).unwrap();
        directory.remove_account("alice@example.org").unwrap();
        directory.leave_list("choir@example.org", "bob@example.org", (By::Owner, NOW)).unwrap();
        assert_eq!(directory.check().unwrap(), [""; 0]);
        let list = directory.list("choir@example.org").unwrap().unwrap();
        assert!(!list.has(&Whose::Account(alice)) && list.owners.is_empty());
        directory.leave_list("choir@example.org", "ADA@example.com", (By::Owner, NOW)).unwrap();
        assert_eq!(members(&directory), [""; 0]);
        directory.remove_list("choir@example.org", NOW).unwrap();
        assert_eq!((directory.lists().unwrap(), start(&engine).lists().unwrap()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_token_is_of_one_member_of_one_list() {
        let (_, directory, _) = server();
        for list in ["one@example.org", "two@example.org"] {
            directory.add_list(list, "", Posting::Anybody, &["alice@example.org"]).unwrap();
            directory.join_list(list, "ada@example.com", (By::Owner, NOW)).unwrap();
            directory.join_list(list, "bob@example.org", (By::Owner, NOW)).unwrap();
        }
        let of = |list: &str| directory.list(list).unwrap().unwrap();
        let token = directory.list_token(&of("one@example.org"), &of("one@example.org").members[0]);
        assert_eq!(token.len(), TOKEN_CHARS);
        assert_eq!(directory.leave_by_token(&of("two@example.org"), &token, NOW), Ok(None));
        assert_eq!(directory.leave_by_token(&of("one@example.org"), "a", NOW), Ok(None));
        let token = token.to_ascii_uppercase();
        assert_eq!(directory.leave_by_token(&of("one@example.org"), &token, NOW), Ok(Some("ada@example.com".into())));
        assert_eq!(directory.leave_by_token(&of("one@example.org"), &token, NOW), Ok(None));
        assert_eq!((of("one@example.org").members.len(), of("two@example.org").members.len()), (1, 2));
    }

    #[test]
    fn mail_that_comes_back_on_several_days_pauses_a_member() {
        let (_, directory, _) = server();
        directory.add_list("choir@example.org", "", Posting::Anybody, &["alice@example.org"]).unwrap();
        directory.join_list("choir@example.org", "ada@example.com", (By::Owner, NOW)).unwrap();
        let list = || directory.list("choir@example.org").unwrap().unwrap();
        let token = directory.list_token(&list(), &list().members[0]);
        let bounce = |days| directory.note_bounce(&list(), &token, later(days)).unwrap().0;
        let days = [0, 0, 1, 30, 31, 31, 32, 33].map(bounce);
        use Bounced::{Counted, Known, Paused};
        assert_eq!(days, [Counted, Known, Counted, Counted, Counted, Known, Paused, Known]);
        assert!(directory.members(&list()).unwrap()[0].is_paused);
        directory.join_list("choir@example.org", "ada@example.com", (By::Owner, NOW)).unwrap();
        assert!(!directory.members(&list()).unwrap()[0].is_paused);
        assert_eq!(directory.note_bounce(&list(), "nonsense", NOW), Ok((Known, None)));
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_found() {
        let members = [Whose::Account(AccountId(7)), Whose::Outside("a@b".into())].map(Member::new).to_vec();
        let list = List {
            address: "l@x".into(),
            title: "T".into(),
            posting: Posting::Anybody,
            is_open: true,
            approval: Approval::All,
            posts_per_hour: 7,
            post_kib_max: 9,
            owners: vec![AccountId(7)],
            members: members.clone(),
            invited: vec![Invited { address: "e@f".into(), at: NOW }],
        };
        assert_eq!(List::decode("l@x", &list.encode()), Ok(list.clone()));
        let whole: Vec<usize> =
            (0..=2).map(|count| List { members: members[..count].to_vec(), ..list.clone() }.encode().len()).collect();
        let value = list.encode();
        for end in (0..value.len()).filter(|end| !whole.contains(end)) {
            assert!(List::decode("l@x", &value[..end]).is_err(), "{end}");
        }
        // As they were written before there were rules.
        let earlier =
            b"\x01\x12\0\0\0\x01T\x01\0\0\0\x07\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\x01\0\0\0\x03a@b\0\0\0\0\0\0\0\0\0";
        let rules = List {
            approval: Approval::Nobody,
            posts_per_hour: 60,
            post_kib_max: 0,
            invited: Vec::new(),
            ..list.clone()
        };
        assert_eq!(List::decode("l@x", earlier), Ok(rules));
        // And before anybody was invited.
        let earlier = b"\x02\x12\x02\0\x07\0\0\0\x09\0\0\0\x01T\x01\0\0\0\x07\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\x01\0\0\0\x03a@b\0\0\0\0\0\0\0\0\0";
        assert_eq!(List::decode("l@x", earlier), Ok(List { invited: Vec::new(), ..list.clone() }));
        let resting = members.into_iter().map(|member| Member { rests: true, ..member }).collect();
        let list = List { members: resting, ..list };
        assert_eq!(List::decode("l@x", &list.encode()), Ok(list));
    }
}
