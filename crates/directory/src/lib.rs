//! Accounts, domains and aliases: which addresses are ours, and to whom their mail goes.
//!
//! All of it lies in one table of the store and, decoded, in memory. Every question first asks the engine for
//! the table's version, a read of one number, and where it has moved on takes over what has changed, or reads the table
//! again when another process has changed it: so a change counts at once, and there is nothing that a missed hint could
//! leave stale.
//!
//! How an address is resolved, the first that fits:
//! 1. an account, list or alias of exactly this name;
//! 2. without its detail (`alice+x` is `alice`): an account, list or alias of that name;
//! 3. `postmaster` and `abuse`, always deliverable (RFC 5321 §4.5.1, RFC 2142 §2): the configured postmaster, else all
//!    administrators who may log in;
//! 4. the catch-all of the domain, the alias `@example.org`;
//! 5. `postmaster` and `abuse`: the first account of the domain, else the first of all, those that are not disabled first.
//!
//! `mailer-daemon` is no such name: it is where bounces come from, and nobody has to read what is sent there.
//!
//! An account that is disabled cannot log in; its mail goes on to arrive. An alias leads to accounts and to addresses in
//! domains of others, and never to another alias.
//!
//! It keeps main passwords as hashes and says whether one is right; who is let in with it is the business of crate `auth`.
//! Nothing here reads a clock (`now` is a parameter) or waits longer than a password takes to hash; all calls block.
//!
//! Invariant: an account's number is never used again, whatever crashes.
//! Invariant: an address that resolves has a mailbox: it is published last and taken back first.
//! Invariant: a change of the directory counts from the next call on, also when another process made it.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod accounts;
mod address;
mod aliases;
mod book;
mod bounds;
mod bulk;
mod check;
mod domains;
mod error;
mod forwards;
mod help;
mod host_certificate;
mod imported;
mod junk_filter;
mod leaving;
mod link_rows;
mod links;
mod listing;
mod lists;
mod options;
mod password;
mod record;
mod renaming;
mod reserved;
mod roles;
mod scram;
mod sealed;
pub mod secret;
mod sharing;
mod signing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use accounts::chosen_address;
use address::join;
pub use address::{Address, DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX, fold, is_domain, normalise_domain};
use book::Book;
pub use bounds::DomainLimits;
pub use bulk::{Added, BULK_MAX, Hashed, InTurn, NewAccount, NewPassword, ToHash};
pub use domains::any_of;
pub use error::Error;
pub use forwards::{FORWARD_CODE_CHARS, Forward, ForwardState};
pub use help::Help;
pub use host_certificate::{HostCertificate, HostKey};
pub use link_rows::{DOMAIN_LINKS_MAX, LinkMaker};
pub use links::{LINKS_MAX, LinkInfo, LinkPurpose, NewLink, no_such_link};
pub use listing::{AccountsFound, AccountsWanted};
pub use lists::{Approval, Bounced, By, Invited, List, Member, MemberInfo, Membership, Posting, Whose};
pub use options::{DirectoryOptions, Limits, PasswordCost};
use password::Hasher;
pub use password::{PASSWORD_BYTES_MAX, check_password};
pub use record::AccountRecord;
pub use renaming::OldAddress;

use secret::{PurposeKey, Token};
pub use sharing::SHARED;
pub use signing::{KeyState, SealedKeys, SigningKey};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use store::{AccountId, ModSeq, Store, Table, TableId, Timestamp};

/// A display name is at most this long.
const DISPLAY_BYTES_MAX: usize = 200;

/// The directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    store: Store,
    table: Table,
    hasher: Hasher,
    link_key: PurposeKey,
    signing_key: PurposeKey,
    rewriting_key: PurposeKey,
    list_key: PurposeKey,
    host_key: PurposeKey,
    scram_salt_key: PurposeKey,
    scram_key: PurposeKey,
    options: DirectoryOptions,
    book: RwLock<Book>,
}

/// Where the mail of an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// To these accounts and addresses, at least one in all, each once.
    Local {
        /// Each gets the message.
        accounts: Vec<Delivery>,
        /// Addresses elsewhere that an alias leads to: each is sent the message.
        outside: Vec<String>,
    },
    /// To a list; what stood after the `+` of a subaddress, as it was written.
    List(Arc<List>, Option<String>),
    /// The domain is ours, the address leads nowhere.
    NoSuchUser,
    /// Not one of our domains.
    NotLocal,
}

/// An account that an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whose mail it is.
    pub account: AccountId,
    /// The account's own address, whichever the mail came for.
    pub address: String,
    /// What stood after the `+` of a subaddress, as it was written; may be empty.
    pub detail: Option<String>,
}

/// A local domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainInfo {
    /// As it is stored: lower-case A-labels.
    pub name: String,
    /// As people read it: with U-labels.
    pub shown: String,
}

/// An account as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Its number.
    pub id: AccountId,
    /// Its own address, normalised; also the name to log in with.
    pub address: String,
    /// The name of its owner, for people; may be empty.
    pub display: String,
    /// It may not log in.
    pub disabled: bool,
    /// Its owner is an administrator.
    pub admin: bool,
    /// The domains that its owner administers, normalised.
    pub administers: Arc<BTreeSet<String>>,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// An alias as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Normalised; `@example.org` is the catch-all of that domain.
    pub address: String,
    /// The addresses of the accounts that it leads to, then those elsewhere, in order; at least one.
    pub targets: Vec<String>,
}

impl Directory {
    /// Opens the directory on `store`, and removes what a crash left of accounts that nobody sees. `secret` keys the
    /// hashes of links: with another one they all stop working.
    ///
    /// # Errors
    /// Faults; a [`PasswordCost`] that argon2id does not know.
    pub fn open(store: Store, secret: &[u8; 32], options: DirectoryOptions) -> Result<Self, store::Error> {
        let directory = Self::open_as_it_is(store, secret, options)?;
        directory.0.table.bring_up_copy();
        directory.finish_what_a_crash_left()?;
        Ok(directory)
    }

    /// The same, and changes nothing: what is on its way out of accounts is there still.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn open_as_it_is(store: Store, secret: &[u8; 32], options: DirectoryOptions) -> Result<Self, store::Error> {
        Ok(Self(Arc::new(Inner {
            table: store.table(TableId::Directory),
            hasher: Hasher::new(options.cost)?,
            link_key: PurposeKey::new("pillarbox 2026 one-time links", secret),
            signing_key: PurposeKey::new("pillarbox 2026 keys that sign mail", secret),
            rewriting_key: PurposeKey::new("pillarbox 2026 senders of mail that is passed on", secret),
            list_key: PurposeKey::new("pillarbox 2026 members of lists", secret),
            host_key: PurposeKey::new("pillarbox 2026 keys of the host's certificate", secret),
            scram_salt_key: PurposeKey::new("pillarbox 2026 salts of SCRAM", secret),
            scram_key: PurposeKey::new("pillarbox 2026 keys for SCRAM", secret),
            store,
            options,
            book: RwLock::default(),
        })))
    }

    /// Where mail for an address goes. The local part is what it means (unquoted), in any case. The domain may be in
    /// A-labels or U-labels; it is empty for `<Postmaster>` (RFC 5321 §4.1.1.3).
    ///
    /// # Errors
    /// Faults.
    pub fn resolve(&self, local_part: &str, domain: &str) -> Result<Resolution, store::Error> {
        Ok(self.book()?.resolve(local_part, domain, self.0.options.postmaster.as_deref()))
    }

    /// Whether mail for a domain is ours.
    ///
    /// # Errors
    /// Faults.
    pub fn is_local_domain(&self, domain: &str) -> Result<bool, store::Error> {
        let book = self.book()?;
        Ok(normalise_domain(domain).is_some_and(|domain| book.has_domain(&domain)))
    }

    /// Whether an account may use an address as sender: if mail to it comes to the account (its own address,
    /// subaddresses, aliases that lead to it, the catch-all for what nobody else has).
    ///
    /// # Errors
    /// Faults.
    pub fn may_send_as(&self, account: AccountId, address: &str) -> Result<bool, store::Error> {
        let Some((local_part, domain)) = address.rsplit_once('@') else { return Ok(false) };
        Ok(match self.resolve(local_part, domain)? {
            Resolution::Local { accounts, .. } => accounts.iter().any(|delivery| delivery.account == account),
            Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => false,
        })
    }

    /// Counts up with every change.
    ///
    /// # Errors
    /// Faults.
    pub fn version(&self) -> Result<ModSeq, store::Error> {
        self.0.table.version()
    }

    /// All local domains, by name.
    ///
    /// # Errors
    /// Faults.
    pub fn domains(&self) -> Result<Vec<DomainInfo>, store::Error> {
        Ok(self.book()?.domains())
    }

    /// Whom mail to `postmaster@` and `abuse@` of a local domain reaches, as addresses of accounts, unless an account or an
    /// alias has just one of these names; nobody where there is no account at all.
    ///
    /// # Errors
    /// Faults.
    pub fn postmasters(&self, domain: &str) -> Result<Vec<String>, store::Error> {
        Ok(match self.resolve("postmaster", domain)? {
            Resolution::Local { accounts, .. } => accounts.into_iter().map(|delivery| delivery.address).collect(),
            Resolution::List(list, _) => {
                let owners = list.owners.iter().filter_map(|owner| self.account_by_id(*owner).transpose());
                owners.map(|owner| owner.map(|info| info.address)).collect::<Result<_, _>>()?
            }
            Resolution::NoSuchUser | Resolution::NotLocal => Vec::new(),
        })
    }

    /// Whether an administrator may log in. Without one, mail to `postmaster@` reaches whoever was there first.
    ///
    /// # Errors
    /// Faults.
    pub fn has_administrator(&self) -> Result<bool, store::Error> {
        Ok(self.book()?.has_administrator())
    }

    /// Whether mail programs are told that a token opens the door: once some device was given one.
    ///
    /// # Errors
    /// Faults.
    pub fn announces_tokens(&self) -> Result<bool, store::Error> {
        Ok(self.book()?.announces_tokens)
    }

    /// Has them be told, from now on.
    ///
    /// # Errors
    /// Faults.
    pub fn announce_tokens(&self) -> Result<(), store::Error> {
        if self.announces_tokens()? {
            return Ok(());
        }
        self.0.table.change(|tx| {
            tx.put(record::TOKENS, vec![record::FORMAT]);
            Ok(())
        })
    }

    /// All accounts, by address.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts(&self) -> Result<Vec<AccountInfo>, store::Error> {
        Ok(self.book()?.accounts())
    }

    /// The account whose own address this is.
    ///
    /// # Errors
    /// Faults.
    pub fn account(&self, address: &str) -> Result<Option<AccountInfo>, store::Error> {
        let Some((local_part, domain)) = address.trim().rsplit_once('@') else { return Ok(None) };
        let Some(domain) = normalise_domain(domain) else { return Ok(None) };
        let book = self.book()?;
        Ok(book.account_at(&join(&fold(local_part), &domain)).and_then(|id| book.info(id)))
    }

    /// The account of a number.
    ///
    /// # Errors
    /// Faults.
    pub fn account_by_id(&self, id: AccountId) -> Result<Option<AccountInfo>, store::Error> {
        Ok(self.book()?.info(id))
    }

    /// Whether an account, list or alias has exactly this address (normalised).
    ///
    /// # Errors
    /// Faults.
    pub fn is_taken(&self, address: &str) -> Result<bool, store::Error> {
        Ok(self.book()?.is_taken(address))
    }

    /// All aliases, by address.
    ///
    /// # Errors
    /// Faults.
    pub fn aliases(&self) -> Result<Vec<Alias>, store::Error> {
        Ok(self.book()?.aliases())
    }

    /// The account that a user name means at login: `alice@example.org`, or `alice` if only one account has that name.
    ///
    /// # Errors
    /// Faults.
    pub fn who_logs_in(&self, user: &str) -> Result<Option<(AccountId, Arc<AccountRecord>)>, store::Error> {
        Ok(self.book()?.who_logs_in(user))
    }

    /// The account that a name means which was written down a while ago: as [`Self::who_logs_in`], and where nobody logs in with it the
    /// one account that has it as an alias, as of an address that it had before.
    ///
    /// # Errors
    /// Faults.
    pub fn whose(&self, name: &str) -> Result<Option<(AccountId, Arc<AccountRecord>)>, store::Error> {
        Ok(self.book()?.whose(name))
    }

    /// What is kept of an account.
    ///
    /// # Errors
    /// Faults.
    pub fn record(&self, id: AccountId) -> Result<Option<Arc<AccountRecord>>, store::Error> {
        Ok(self.book()?.record(id))
    }

    /// Whether a password is the one that was hashed ([`AccountRecord::password`]). Without a hash it takes as long, and is
    /// not. Costs an argon2id.
    ///
    /// # Errors
    /// The stored hash is damaged.
    pub fn verify_password(&self, password: &str, hash: Option<&str>) -> Result<bool, store::Error> {
        self.0.hasher.verify(password, hash)
    }

    /// How many passwords were verified since the start, for nobody's hash too.
    #[must_use]
    pub fn passwords_verified(&self) -> u64 {
        self.0.hasher.verifications()
    }

    /// The store that holds the directory and the accounts.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What is kept of a link that is made of a token.
    #[must_use]
    pub fn hash_of_link(&self, token: &Token) -> [u8; 32] {
        token.hash(&self.0.link_key)
    }

    /// What proves that this server made an address: a keyed hash of its parts. The same for as long as the server has the
    /// same secret.
    #[must_use]
    pub fn hash_of_sender(&self, parts: &[&[u8]]) -> [u8; 32] {
        *self.0.rewriting_key.hash(parts).as_bytes()
    }

    /// The directory as it is now. To be let go before anything else of the directory is asked.
    fn book(&self) -> Result<RwLockReadGuard<'_, Book>, store::Error> {
        let version = self.0.table.version()?;
        let book = self.0.book.read().unwrap_or_else(PoisonError::into_inner);
        if book.version >= version {
            return Ok(book);
        }
        drop(book);
        self.bring_up(version)?;
        Ok(self.0.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the book know a version of the table, or a later one.
    fn bring_up(&self, version: ModSeq) -> Result<(), store::Error> {
        let mut book = self.0.book.write().unwrap_or_else(PoisonError::into_inner);
        if book.version >= version {
            return Ok(());
        }
        match book.follow(&self.0.table, version) {
            Ok(true) => {}
            Ok(false) => *book = Book::load(&self.0.table)?,
            Err(error) => {
                // It holds a part of what has changed.
                *book = Book::default();
                return Err(error);
            }
        }
        Ok(())
    }
}
