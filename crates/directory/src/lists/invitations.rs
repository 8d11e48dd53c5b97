//! Who is asked whether they want to be a member of a list, and members who want nothing of it for a while.
//!
//! An owner names an address; whoever reads its mail gets a letter with a token and is a member once they say so. Who does not answer
//! is none, and is not asked again before the invitation is over.

use super::{By, LIST_MEMBERS_MAX, List, Member, Whose, is_same, whose};
use crate::Directory;
use crate::error::Error;
use std::sync::Arc;
use store::{AccountId, TableTx, Timestamp};
use wording::tr;

/// So many are asked at the same time, of one list.
const INVITED_MAX: usize = 100;
/// So many within a day: each is a letter to somebody who did not ask for it.
const INVITED_PER_DAY_MAX: usize = 20;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// An invitation is good for so long.
const INVITATION_MILLIS: i64 = 14 * DAY_MILLIS;

/// Somebody who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// The address.
    pub address: String,
    /// When they were.
    pub at: Timestamp,
}

impl Invited {
    fn is_open(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.at.0) < INVITATION_MILLIS
    }
}

impl List {
    /// Who is asked and has not answered yet.
    pub fn invited(&self, now: Timestamp) -> impl Iterator<Item = &Invited> {
        self.invited.iter().filter(move |invited| invited.is_open(now))
    }
}

impl Directory {
    /// Notes that an address is asked whether it wants to be a member; gives the token with which it says so. Durable when it
    /// returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, no address, it is a member, it was asked less than 14 days ago; 20 were within a day, or 100
    /// have not answered.
    pub fn invite_to_list(&self, address: &str, member: &str, now: Timestamp) -> Result<String, Error> {
        let (list, invited) = self.change_list(address, |tx, list| {
            let member = member_of(tx, member)?;
            list.invited.retain(|invited| invited.is_open(now));
            if list.has(&member.1) {
                return Err(Error::refused(tr!(
                    "{member} is a member of {address}",
                    member = member.0,
                    address = address
                )));
            }
            if list.invited.iter().any(|known| known.address == member.0) {
                return Err(Error::refused(tr!(
                    "{member} was asked already, less than 14 days ago",
                    member = member.0
                )));
            }
            let of_today = list.invited.iter().filter(|known| now.0.saturating_sub(known.at.0) < DAY_MILLIS).count();
            if of_today >= INVITED_PER_DAY_MAX || list.invited.len() >= INVITED_MAX {
                return Err(Error::refused(tr!(
                    "{daily} invitations a day, and {waiting} that wait for an answer, are the most of a list",
                    daily = INVITED_PER_DAY_MAX,
                    waiting = INVITED_MAX
                )));
            }
            let invited = Invited { address: member.0, at: now };
            list.invited.push(invited.clone());
            Ok((list.clone(), invited))
        })?;
        Ok(self.invitation_token(&list, &invited))
    }

    /// An invitation is good no more. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, no address.
    pub fn withdraw_invitation(&self, address: &str, member: &str) -> Result<(), Error> {
        self.change_list(address, |tx, list| {
            let member = member_of(tx, member)?;
            list.invited.retain(|known| known.address != member.0);
            Ok(())
        })
    }

    /// Whoever has the token of an invitation is a member from now on: the address, or `None` where there is no such invitation (any
    /// more). Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: too many members.
    pub fn accept_invitation(&self, list: &List, token: &str, now: Timestamp) -> Result<Option<String>, Error> {
        let Some(invited) = self.invitation_of(list, token, now).cloned() else { return Ok(None) };
        self.change_members(&list.address, (By::Member, now), |tx, list| {
            let Some(place) = list.invited.iter().position(|known| *known == invited) else { return Ok(None) };
            // An account that has gone since.
            let Ok((address, whose)) = member_of(tx, &invited.address) else { return Ok(None) };
            if !list.has(&whose) {
                if list.members.len() >= LIST_MEMBERS_MAX {
                    return Err(Error::refused(tr!(
                        "{address} has {most} members, the most of a list",
                        address = list.address,
                        most = LIST_MEMBERS_MAX
                    )));
                }
                list.members.push(Member::new(whose));
            }
            list.invited.remove(place);
            Ok(Some(address))
        })
    }

    /// The invitation of a token, if it is good.
    #[must_use]
    pub fn invitation_of<'a>(&self, list: &'a List, token: &str, now: Timestamp) -> Option<&'a Invited> {
        list.invited(now).find(|invited| self.invitation_token(list, invited).eq_ignore_ascii_case(token))
    }

    fn invitation_token(&self, list: &List, invited: &Invited) -> String {
        self.token(&[list.address.as_bytes(), b"invited", invited.address.as_bytes(), &invited.at.0.to_be_bytes()])
    }

    /// The lists of which an account is a member.
    ///
    /// # Errors
    /// Faults.
    pub fn lists_of(&self, account: AccountId) -> Result<Vec<Arc<List>>, store::Error> {
        let mut lists = self.lists()?;
        lists.retain(|list| list.has(&Whose::Account(account)));
        Ok(lists)
    }

    /// An account that is a member wants nothing of a list for now, or (`false`) gets its mail again, also where that came back.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, no such member.
    pub fn rest_from_list(&self, address: &str, account: AccountId, rests: bool) -> Result<(), Error> {
        self.change_list(address, |_, list| {
            let own = Whose::Account(account);
            let Some(member) = list.members.iter_mut().find(|member| is_same(&member.whose, &own)) else {
                return Err(Error::refused(tr!("you are no member of {address}", address = address)));
            };
            *member = match rests {
                true => Member { rests, ..member.clone() },
                false => Member::new(own),
            };
            Ok(())
        })
    }

    /// An account that is a member leaves. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list.
    pub fn leave_own_list(&self, address: &str, account: AccountId, now: Timestamp) -> Result<(), Error> {
        self.change_members(address, (By::Member, now), |_, list| {
            list.members.retain(|known| known.whose != Whose::Account(account));
            Ok(())
        })
    }
}

/// The address of whoever is asked, in one form, and whose it is.
fn member_of(tx: &TableTx<'_>, text: &str) -> Result<(String, Whose), Error> {
    let whose = whose(tx, text)?;
    let address = match &whose {
        Whose::Account(_) => crate::address::Address::parse(text).map_err(Error::Refused)?.text(),
        Whose::Outside(address) => address.to_ascii_lowercase(),
    };
    Ok((address, whose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Posting;
    use crate::testing::{NOW, server, start};

    const CHOIR: &str = "choir@example.org";

    fn later(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY_MILLIS)
    }

    #[test]
    fn who_was_invited_is_a_member_when_they_say_so_and_never_by_silence() {
        let (engine, directory, _) = server();
        directory.add_list(CHOIR, "", Posting::Members, &["alice@example.org"]).unwrap();
        let list = |directory: &Directory| directory.list(CHOIR).unwrap().unwrap();
        let token = directory.invite_to_list(CHOIR, "Ada@Example.com", NOW).unwrap();
        let directory = start(&engine);
        assert_eq!(list(&directory).members.len(), 0);
        assert!(matches!(directory.invite_to_list(CHOIR, "ada@example.com", later(13)), Err(Error::Refused(_))));
        assert!(matches!(directory.invite_to_list(CHOIR, "nobody@example.org", NOW), Err(Error::Refused(_))));
        let accept = |token: &str, now| directory.accept_invitation(&list(&directory), token, now).unwrap();
        assert_eq!((accept("aaaaaaaaaaaaaaaaaaaa", NOW), accept(&token, later(14))), (None, None));
        assert_eq!(accept(&token.to_ascii_uppercase(), later(13)), Some("ada@example.com".to_owned()));
        assert_eq!((accept(&token, later(13)), list(&directory).members.len()), (None, 1), "once");
        assert!(matches!(directory.invite_to_list(CHOIR, "ada@example.com", later(13)), Err(Error::Refused(_))));
        // Who was asked and said nothing may be asked again, with another token.
        let first = directory.invite_to_list(CHOIR, "eve@example.com", NOW).unwrap();
        let second = directory.invite_to_list(CHOIR, "eve@example.com", later(14)).unwrap();
        assert_eq!((accept(&first, later(14)), list(&directory).invited(later(14)).count()), (None, 1));
        directory.withdraw_invitation(CHOIR, "EVE@example.com").unwrap();
        assert_eq!(accept(&second, later(14)), None);
    }

    #[test]
    fn so_many_are_invited_in_a_day_and_so_many_at_a_time() {
        let (_, directory, _) = server();
        directory.add_list(CHOIR, "", Posting::Members, &["alice@example.org"]).unwrap();
        let invite =
            |number: usize, now| directory.invite_to_list(CHOIR, &format!("m{number}@example.com"), now).is_ok();
        for day in 0..5 {
            let first = day as usize * INVITED_PER_DAY_MAX;
            assert!((first..first + INVITED_PER_DAY_MAX).all(|number| invite(number, later(day))));
            assert!(!invite(999, later(day)), "day {day}");
        }
        assert!(!invite(999, later(5)), "a hundred wait for an answer");
        assert!(invite(999, later(14)), "those of the first day are over");
    }

    #[test]
    fn a_member_rests_and_only_the_member_ends_that() {
        let (engine, directory, [_, bob]) = server();
        directory.add_list(CHOIR, "", Posting::Members, &["alice@example.org"]).unwrap();
        assert!(matches!(directory.rest_from_list(CHOIR, bob, true), Err(Error::Refused(_))));
        directory.join_list(CHOIR, "bob@example.org", (By::Owner, NOW)).unwrap();
        directory.rest_from_list(CHOIR, bob, true).unwrap();
        let rests = |directory: &Directory| {
            let list = directory.list(CHOIR).unwrap().unwrap();
            (list.members[0].is_paused(), list.members[0].rests)
        };
        assert_eq!(rests(&start(&engine)), (true, true));
        directory.join_list(CHOIR, "bob@example.org", (By::Owner, NOW)).unwrap();
        assert_eq!(rests(&directory), (true, true), "an owner says so, and not Bob");
        directory.rest_from_list(CHOIR, bob, false).unwrap();
        assert_eq!((rests(&directory), directory.lists_of(bob).unwrap().len()), ((false, false), 1));
        directory.leave_own_list(CHOIR, bob, NOW).unwrap();
        assert!(directory.lists_of(bob).unwrap().is_empty());
    }
}
