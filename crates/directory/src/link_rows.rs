//! The rows of one-time links (see `links`): what each is for, and who made it.
//!
//! ```text
//! K hash             a link
//! Y hash             the number of the account of who made it
//! ```
//!
//! What somebody made is over once they may do less, may not log in, or are gone. Who made it is a row of its own: an earlier version
//! knows nothing of it, and reads the link.

use crate::address::domain_of;
use crate::bounds;
use crate::error::Error;
use crate::record::{self, AccountRecord, key};
use std::collections::BTreeSet;
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, TableTx, Timestamp};
use wording::tr;

const FORMAT: u8 = 1;

/// What is kept of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkRecord {
    pub(crate) purpose: Kept,
    pub(crate) made_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Invitation {
        /// Or nothing.
        address: String,
        /// Normalised; empty for all.
        domains: Vec<String>,
    },
    Password {
        account: AccountId,
        stamp: [u8; 32],
    },
}

/// So many links that lead into domains and nowhere else are open at the same time, if their own administrators make more.
pub const DOMAIN_LINKS_MAX: usize = 100;

/// Who makes a link. The default is the operator.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkMaker<'a> {
    /// An administrator: the link is over when they may do less than they do now.
    pub account: Option<AccountId>,
    /// They administer these domains (normalised) and not the server: [`DOMAIN_LINKS_MAX`] counts.
    pub domains: Option<&'a BTreeSet<String>>,
}

impl LinkMaker<'_> {
    /// What was found out before may be different by now.
    pub(crate) fn may_still(&self, tx: &TableTx<'_>) -> Result<(), Error> {
        let Some(id) = self.account else { return Ok(()) };
        let record = AccountRecord::read(tx, id)?.filter(|record| !record.disabled);
        let may = match (record, self.domains) {
            (Some(record), _) if record.admin => true,
            (Some(_), Some(domains)) => domains.is_subset(&bounds::read(tx, id)?),
            (Some(_) | None, _) => false,
        };
        match may {
            true => Ok(()),
            false => Err(Error::refused(tr!("you administer less than you did a moment ago, so no link was made"))),
        }
    }

    /// Whether a link that is open is one of those that are limited.
    pub(crate) fn is_counted(&self, tx: &TableTx<'_>, link: &LinkRecord) -> Result<bool, Error> {
        let Some(own) = self.domains else { return Ok(false) };
        Ok(match &link.purpose {
            Kept::Invitation { address, .. } if !address.is_empty() => own.contains(domain_of(address)),
            Kept::Invitation { domains, .. } => {
                !domains.is_empty() && domains.iter().all(|domain| own.contains(domain))
            }
            Kept::Password { account, .. } => {
                AccountRecord::read(tx, *account)?.is_some_and(|record| own.contains(domain_of(&record.address)))
            }
        })
    }

    /// Keeps who made the link of `hash`.
    pub(crate) fn note(&self, tx: &mut TableTx<'_>, hash: &[u8; 32]) {
        if let Some(id) = self.account {
            tx.put(&maker_key(hash), record::accounts_value(&[id]));
        }
    }
}

/// A link is gone: it was used or taken back, or is over.
pub(crate) fn delete(tx: &mut TableTx<'_>, hash: &[u8; 32]) {
    tx.delete(&link_key(hash));
    tx.delete(&maker_key(hash));
}

/// Makers of links that an earlier version took away are forgotten.
pub(crate) fn tidy(tx: &mut TableTx<'_>) -> Result<(), store::Error> {
    for (key, _) in tx.scan_before(record::LINK_MAKER, record::LINK_MAKER, usize::MAX)? {
        if tx.get(&link_key(&hash_in(&key)?))?.is_none() {
            tx.delete(&key);
        }
    }
    Ok(())
}

/// Ends the links that the owner of an account made for others. Gives how many there were.
pub(crate) fn end_links_by(tx: &mut TableTx<'_>, id: AccountId) -> Result<usize, store::Error> {
    let mut ended = 0;
    for row in tx.scan_before(record::LINK_MAKER, record::LINK_MAKER, usize::MAX)? {
        if record::accounts_of(&row)? == [id] {
            let hash = hash_in(&row.0)?;
            ended += usize::from(tx.get(&link_key(&hash))?.is_some());
            delete(tx, &hash);
        }
    }
    Ok(ended)
}

/// Nobody is invited any more into a domain that is not ours: one of that name that is added later is another.
pub(crate) fn end_invitations_into(tx: &mut TableTx<'_>, domain: &str) -> Result<(), store::Error> {
    for (key, value) in tx.scan_before(record::LINK, record::LINK, usize::MAX)? {
        let mut link = LinkRecord::of_value(&value)?;
        let Kept::Invitation { address, domains } = &mut link.purpose else { continue };
        let is_limited_to_it = domains.iter().any(|limited| limited == domain);
        domains.retain(|limited| limited != domain);
        if domain_of(address) == domain || is_limited_to_it && domains.is_empty() {
            delete(tx, &hash_in(&key)?);
        } else if is_limited_to_it {
            tx.put(&key, link.encode());
        }
    }
    Ok(())
}

fn maker_key(hash: &[u8; 32]) -> Vec<u8> {
    [record::LINK_MAKER, hash].concat()
}

/// Ends the links for the password of an account: whoever made them is not to have what it may do from now on.
pub(crate) fn end_password_links(tx: &mut TableTx<'_>, id: AccountId) -> Result<(), store::Error> {
    for (key, value) in tx.scan_before(record::LINK, record::LINK, usize::MAX)? {
        if matches!(LinkRecord::of_value(&value)?.purpose, Kept::Password { account, .. } if account == id) {
            delete(tx, &hash_in(&key)?);
        }
    }
    Ok(())
}

pub(crate) fn link_key(hash: &[u8; 32]) -> Vec<u8> {
    [record::LINK, hash].concat()
}

pub(crate) fn hash_in(key: &[u8]) -> Result<[u8; 32], store::Error> {
    key.last_chunk().copied().ok_or_else(|| record::damaged(key))
}

pub(crate) fn put(tx: &mut TableTx<'_>, hash: &[u8; 32], link: &LinkRecord) {
    tx.put(&link_key(hash), link.encode());
}

/// What a link that is good is for.
pub(crate) fn read(tx: &TableTx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<Option<Kept>, store::Error> {
    let link = tx.get(&link_key(hash))?.map(|value| LinkRecord::of_value(&value)).transpose()?;
    Ok(link.filter(|link| link.is_good(now)).map(|link| link.purpose))
}

impl LinkRecord {
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.raw(&self.made_at.0.to_be_bytes()).raw(&self.expires_at.0.to_be_bytes());
        match &self.purpose {
            // What an earlier version reads too, where it can.
            Kept::Invitation { address, domains } if domains.is_empty() => {
                value.byte(0).wide_text(address);
            }
            Kept::Invitation { address, domains } => {
                value.byte(2).wide_text(address).wide_text(&domains.join(" "));
            }
            Kept::Password { account, stamp } => {
                value.byte(1).raw(&account.0.to_be_bytes()).raw(stamp);
            }
        }
        value.0
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let mut time = || fields.array().map(|bytes| Timestamp(i64::from_be_bytes(bytes)));
        let (made_at, expires_at) = (time()?, time()?);
        let purpose = match fields.byte()? {
            0 => Kept::Invitation { address: fields.wide_text()?, domains: Vec::new() },
            1 => Kept::Password { account: AccountId(u32::from_be_bytes(fields.array()?)), stamp: fields.array()? },
            2 => {
                let (address, domains) = (fields.wide_text()?, fields.wide_text()?);
                Kept::Invitation { address, domains: domains.split(' ').map(str::to_owned).collect() }
            }
            3.. => return Err(Corrupt),
        };
        fields.end()?;
        Ok(Self { purpose, made_at, expires_at })
    }

    pub(crate) fn of_value(value: &[u8]) -> Result<Self, store::Error> {
        Self::decode(value).map_err(|Corrupt| record::damaged(&key(record::LINK, "")))
    }
}
