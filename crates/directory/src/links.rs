//! One-time links: an invitation to make an account, and the choice of a password.
//!
//! A link is 256 random bits; what is kept is a keyed hash of them, with what the link is for and until when. It lies in
//! the directory's table, so that its use and what it does are one change: of two who use a link at the same moment one is
//! too late, and after a crash both are done or neither.
//!
//! Invariant: a link is used at most once, for its purpose, before its end.
//! Invariant: a link for a password is bound to the password that it replaces: whoever sets another one ends it. It is over, too, when
//! its account goes to another domain, whose administrators did not make it, and when its owner may do more.
//! Invariant: what an administrator made is over once they may do less.

#[cfg(test)]
mod tests;

use crate::Directory;
use crate::accounts::{chosen_address, must_be_account, own_address};
use crate::address::{Address, normalise_domain, shown_domain};
use crate::bounds::Room;
use crate::domains::any_of;
use crate::domains::must_be_local;
use crate::error::Error;
use crate::link_rows::{self, DOMAIN_LINKS_MAX, Kept, LinkMaker, LinkRecord, hash_in, link_key, put, read};
use crate::password::check_password;
use crate::record::{self, AccountRecord, number_key};
use crate::secret::Token;
use store::{AccountId, TableTx, Timestamp};
use wording::tr;

/// So many links are open at the same time.
pub const LINKS_MAX: usize = 1000;
/// An invitation that is limited to domains names at most so many.
pub(crate) const INVITATION_DOMAINS_MAX: usize = 20;
/// No link is good for longer.
pub(crate) const LINK_DAYS_MAX: u16 = 90;
/// How long a link for a password is good.
pub(crate) const PASSWORD_LINK_DAYS: u16 = 7;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Digits of a hash that name a link in lists.
const ID_CHARS: usize = 16;

/// A link that was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// 64 hexadecimal digits, for the end of the address; known nowhere else.
    pub token: String,
    /// What is known of it from now on.
    pub info: LinkInfo,
}

/// A link that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Names it in lists; opens nothing.
    pub id: String,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Since when it is good.
    pub made_at: Timestamp,
    /// From then on it is not good any more.
    pub expires_at: Timestamp,
}

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To make an account.
    Invitation {
        /// Which; without it whoever is invited chooses.
        address: Option<String>,
        /// In which domains they may choose, as programs write them; empty: in any local domain.
        domains: Vec<String>,
    },
    /// To choose the main password of an account.
    Password {
        /// The account's address.
        address: String,
    },
}

impl Directory {
    /// A link with which somebody makes an account for themselves, once. `address`: which; without it the choice is theirs,
    /// in `domains` or, when there are none, in any local domain. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not an address, not in a local domain, in use already; not a local domain, or too many; `days`
    /// is 0 or more than 90; too many links.
    pub fn invite(&self, address: Option<&str>, domains: &[&str], days: u16, now: Timestamp) -> Result<NewLink, Error> {
        self.invite_by(address, domains, days, now, &LinkMaker::default())
    }

    /// The same for an administrator, for as long as they may do what they may now.
    ///
    /// # Errors
    /// The same; too many links into their domains; they may not any more.
    pub fn invite_by(
        &self,
        address: Option<&str>,
        domains: &[&str],
        days: u16,
        now: Timestamp,
        maker: &LinkMaker<'_>,
    ) -> Result<NewLink, Error> {
        if days == 0 || days > LINK_DAYS_MAX {
            return Err(Error::refused(tr!(
                "an invitation is good for 1 to {most} days; choose among these",
                most = LINK_DAYS_MAX
            )));
        }
        let address = address.map(own_address).transpose()?;
        let expires_at = Timestamp(now.0.saturating_add(i64::from(days) * DAY_MILLIS));
        let text = address.as_ref().map(Address::text).unwrap_or_default();
        let domains = if address.is_none() { checked_domains(domains)? } else { Vec::new() };
        let purpose = Kept::Invitation { address: text, domains: domains.clone() };
        let record = LinkRecord { purpose, made_at: now, expires_at };
        let token = Token::generate()?;
        let hash = token.hash(&self.0.link_key);
        self.0.table.change(|tx| {
            if let Some(address) = &address {
                self.must_be_possible(tx, address, &mut Room::default())?;
            }
            domains.iter().try_for_each(|domain| must_be_local(tx, domain))?;
            self.make_room(tx, now, maker)?;
            put(tx, &hash, &record);
            maker.note(tx, &hash);
            Ok::<_, Error>(())
        })?;
        let address = address.as_ref().map(Address::text);
        let purpose = LinkPurpose::Invitation { address, domains };
        let info = LinkInfo { id: id(&hash), purpose, made_at: now, expires_at };
        Ok(NewLink { token: token.text(), info })
    }

    /// A link with which the owner of an account chooses a password, once, within 7 days. The old one works until then.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, too many links.
    pub fn password_link(&self, address: &str, now: Timestamp) -> Result<NewLink, Error> {
        self.password_link_by(address, now, &LinkMaker::default())
    }

    /// The same for an administrator, for as long as they may do what they may now.
    ///
    /// # Errors
    /// The same; too many links into their domains; they may not any more.
    pub fn password_link_by(&self, address: &str, now: Timestamp, maker: &LinkMaker<'_>) -> Result<NewLink, Error> {
        let address = own_address(address)?.text();
        let token = Token::generate()?;
        let hash = token.hash(&self.0.link_key);
        let expires_at = self.0.table.change(|tx| {
            self.make_room(tx, now, maker)?;
            let id = must_be_account(tx, &address)?;
            let record =
                AccountRecord::read(tx, id)?.ok_or_else(|| record::damaged(&number_key(record::ACCOUNT, id)))?;
            let link = self.to_password(id, &record, now);
            put(tx, &hash, &link);
            maker.note(tx, &hash);
            Ok::<_, Error>(link.expires_at)
        })?;
        let info = LinkInfo { id: id(&hash), purpose: LinkPurpose::Password { address }, made_at: now, expires_at };
        Ok(NewLink { token: token.text(), info })
    }

    /// What a link is for; `None` when it was used or taken back, is over, or never was.
    ///
    /// # Errors
    /// Faults.
    pub fn link(&self, token: &str, now: Timestamp) -> Result<Option<LinkInfo>, store::Error> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let hash = token.hash(&self.0.link_key);
        let Some(value) = self.0.table.get(&link_key(&hash))? else { return Ok(None) };
        self.info(&hash, LinkRecord::of_value(&value)?, now)
    }

    /// All links that are open, the newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn links(&self, now: Timestamp) -> Result<Vec<LinkInfo>, store::Error> {
        let mut links = Vec::new();
        for (key, value) in self.0.table.scan(record::LINK, record::LINK, usize::MAX)? {
            let hash = hash_in(&key)?;
            links.extend(self.info(&hash, LinkRecord::of_value(&value)?, now)?);
        }
        links.sort_by(|a, b| b.made_at.cmp(&a.made_at).then_with(|| a.id.cmp(&b.id)));
        Ok(links)
    }

    /// Takes a link back by its [`LinkInfo::id`]. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such link.
    pub fn take_link_back(&self, wanted: &str) -> Result<(), Error> {
        self.0.table.change(|tx| {
            for (key, _) in tx.scan_before(record::LINK, record::LINK, usize::MAX)? {
                let hash = hash_in(&key)?;
                if id(&hash) == wanted {
                    link_rows::delete(tx, &hash);
                    return Ok(());
                }
            }
            Err(no_such_link(wanted))
        })
    }

    /// Sets the password that the owner of an account chose with a link; every link of that account is over then. Gives
    /// the account's address. Costs an argon2id. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: the link is not good (any more), the password breaks a rule.
    pub fn use_password_link(&self, token: &str, password: &str, now: Timestamp) -> Result<String, Error> {
        let hash = self.hash_of(token)?;
        if !matches!(self.link(token, now)?.map(|info| info.purpose), Some(LinkPurpose::Password { .. })) {
            return Err(not_good());
        }
        check_password(password)?;
        let phc = self.0.hasher.hash(password)?;
        self.0.table.change(|tx| {
            let Some(Kept::Password { account, stamp }) = read(tx, &hash, now)? else { return Err(not_good()) };
            let record = AccountRecord::read(tx, account)?.filter(|record| self.stamp(account, record) == stamp);
            let Some(mut record) = record else { return Err(not_good()) };
            record.password.clone_from(&phc);
            record.write(tx, account);
            link_rows::delete(tx, &hash);
            Ok(record.address)
        })
    }

    /// Makes the account of somebody who was invited. Costs an argon2id. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: the link is not good (any more); the address, the name or the password breaks a rule, or the
    /// address is in use: then the link stays good.
    pub fn use_invitation(
        &self,
        token: &str,
        (address, display): (&str, &str),
        password: &str,
        now: Timestamp,
    ) -> Result<AccountId, Error> {
        let hash = self.hash_of(token)?;
        let Some(LinkPurpose::Invitation { address: fixed, domains }) = self.link(token, now)?.map(|info| info.purpose)
        else {
            return Err(not_good());
        };
        let address = match fixed {
            // Whoever invites for an address gives it away, whatever its name.
            Some(fixed) => own_address(&fixed)?,
            None => chosen_in(&domains, address)?,
        };
        check_password(password)?;
        let record = self.new_record(&address, password, display, now)?;
        self.make_account(&address, &record, |tx, _| match read(tx, &hash, now)? {
            Some(Kept::Invitation { .. }) => {
                link_rows::delete(tx, &hash);
                Ok(())
            }
            Some(Kept::Password { .. }) | None => Err(not_good()),
        })
    }

    /// Makes an account that somebody asked for and nobody knows the password of, with a link to choose it, of which `hash`
    /// is kept ([`Self::hash_of_link`]). Costs an argon2id. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: the address or the name breaks a rule, or the address is in use.
    pub fn add_account_with_link(
        &self,
        address: &str,
        display: &str,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<AccountId, Error> {
        let address = chosen_address(address)?;
        let record = self.new_record(&address, &Token::generate()?.text(), display, now)?;
        self.make_account(&address, &record, |tx, id| {
            put(tx, &hash, &self.to_password(id, &record, now));
            Ok(())
        })
    }

    /// The account that a link for a password leads to, whether it is over or not.
    ///
    /// # Errors
    /// Faults.
    pub fn account_of_link(&self, hash: &[u8; 32]) -> Result<Option<AccountId>, store::Error> {
        let Some(value) = self.0.table.get(&link_key(hash))? else { return Ok(None) };
        Ok(match LinkRecord::of_value(&value)?.purpose {
            Kept::Password { account, .. } => Some(account),
            Kept::Invitation { .. } => None,
        })
    }

    fn hash_of(&self, token: &str) -> Result<[u8; 32], Error> {
        Token::parse(token).map(|token| token.hash(&self.0.link_key)).ok_or_else(not_good)
    }

    fn to_password(&self, account: AccountId, record: &AccountRecord, now: Timestamp) -> LinkRecord {
        LinkRecord {
            purpose: Kept::Password { account, stamp: self.stamp(account, record) },
            made_at: now,
            expires_at: Timestamp(now.0.saturating_add(i64::from(PASSWORD_LINK_DAYS) * DAY_MILLIS)),
        }
    }

    /// What a link for a password is bound to.
    fn stamp(&self, account: AccountId, record: &AccountRecord) -> [u8; 32] {
        *self.0.link_key.hash(&[&account.0.to_be_bytes(), record.password.as_bytes()]).as_bytes()
    }

    /// Takes away what is over, and refuses when too many are left.
    fn make_room(&self, tx: &mut TableTx<'_>, now: Timestamp, maker: &LinkMaker<'_>) -> Result<(), Error> {
        maker.may_still(tx)?;
        let (mut open, mut limited) = (0, 0);
        for (key, value) in tx.scan_before(record::LINK, record::LINK, usize::MAX)? {
            let link = LinkRecord::of_value(&value)?;
            if link.is_good(now) {
                open += 1;
                limited += usize::from(maker.is_counted(tx, &link)?);
            } else {
                link_rows::delete(tx, &hash_in(&key)?);
            }
        }
        link_rows::tidy(tx)?;
        if limited >= DOMAIN_LINKS_MAX {
            return Err(Error::refused(tr!(
                "{most} links for your domains are open, the most there can be; take some back",
                most = DOMAIN_LINKS_MAX
            )));
        }
        if open >= LINKS_MAX {
            return Err(Error::refused(tr!(
                "{most} links are open, the most there can be; take some back",
                most = LINKS_MAX
            )));
        }
        Ok(())
    }

    fn info(&self, hash: &[u8; 32], link: LinkRecord, now: Timestamp) -> Result<Option<LinkInfo>, store::Error> {
        if !link.is_good(now) {
            return Ok(None);
        }
        let LinkRecord { purpose, made_at, expires_at } = link;
        let purpose = match purpose {
            Kept::Invitation { address, domains } => {
                LinkPurpose::Invitation { address: Some(address).filter(|address| !address.is_empty()), domains }
            }
            Kept::Password { account, stamp } => {
                let record = self.record(account)?.filter(|record| self.stamp(account, record) == stamp);
                let Some(record) = record else { return Ok(None) };
                LinkPurpose::Password { address: record.address.clone() }
            }
        };
        Ok(Some(LinkInfo { id: id(hash), purpose, made_at, expires_at }))
    }
}

fn checked_domains(domains: &[&str]) -> Result<Vec<String>, Error> {
    if domains.len() > INVITATION_DOMAINS_MAX {
        return Err(Error::refused(tr!(
            "an invitation is limited to at most {most} domains",
            most = INVITATION_DOMAINS_MAX
        )));
    }
    let checked = |domain: &&str| {
        normalise_domain(domain.trim())
            .ok_or_else(|| Error::refused(tr!("“{domain}” is not a domain; write it as example.org", domain = domain)))
    };
    domains.iter().map(checked).collect()
}

/// The address that somebody chooses, in one of `domains` if there are any.
fn chosen_in(domains: &[String], address: &str) -> Result<Address, Error> {
    let address = chosen_address(address)?;
    if !domains.is_empty() && !domains.contains(&address.domain) {
        let domains: Vec<String> = domains.iter().map(|domain| shown_domain(domain)).collect();
        return Err(Error::refused(tr!("choose an address that ends in {domains}", domains = any_of(&domains))));
    }
    Ok(address)
}

/// What is said of a link that is not there.
#[must_use]
pub fn no_such_link(id: &str) -> Error {
    Error::refused(tr!("there is no link {id}; it may have been used, or be over", id = id))
}

/// The same for all that was never a link or is none any more.
fn not_good() -> Error {
    Error::refused(tr!(
        "this link is not good any more: it was used or taken back, or it is too old; ask for another one"
    ))
}

fn id(hash: &[u8; 32]) -> String {
    let mut id = blake3::Hash::from_bytes(*hash).to_hex().to_string();
    id.truncate(ID_CHARS);
    id
}
