//! Many accounts are made at once: what stands in the way of each is found out before anything is made, and a hundred of them
//! share commits.
//!
//! Invariant: an account is there with its password, its quota and its aliases, or nothing of it is.

use crate::Directory;
use crate::accounts::{checked_display, own_address};
use crate::address::Address;
use crate::aliases::must_be_free;
use crate::bounds::Room;
use crate::domains::must_be_local;
use crate::error::Error;
use crate::imported;
use crate::password::check_password;
use crate::record::{self, AccountRecord, Counters, Leads, Unfinished, accounts_value, key, number_key, read_name};
use std::collections::BTreeSet;
use std::thread;
use store::{AccountId, Actor, Quota, TableTx};
use wording::tr;

/// So many accounts can be made at once.
pub const BULK_MAX: usize = 1000;
/// So many of them share commits.
const TOGETHER_MAX: usize = 100;
/// So many mailboxes are made at once: their commits share flushes.
const THREADS: usize = 16;
/// An account comes with so many aliases at most.
const ALIASES_MAX: usize = 100;

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its address.
    pub address: &'a str,
    /// The name of its owner; may be empty.
    pub display: &'a str,
    /// What its owner logs in with.
    pub password: NewPassword<'a>,
    /// So many octets at most, or as many as there is disk; `None`: as the server has it for every account.
    pub quota_bytes: Option<Option<u64>>,
    /// Aliases that lead to it.
    pub aliases: Vec<&'a str>,
}

/// What the owner of a new account logs in with.
#[derive(Clone, Copy, Debug)]
pub enum NewPassword<'a> {
    /// This.
    Plain(&'a str),
    /// What another server made this hash of.
    Hash(&'a str),
}

/// A password that is to be hashed; for whoever takes turns with others who have one.
pub struct ToHash {
    directory: Directory,
    address: String,
    password: String,
}

/// What is kept of a password.
pub struct Hashed {
    password: String,
    scram: Vec<u8>,
}

/// Hashes a password once it is its turn: calls [`ToHash::hash`].
pub type InTurn<'a> = &'a dyn Fn(ToHash) -> Result<Hashed, Error>;

/// What became of an account that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was made; or it would be.
    New,
    /// There is one of that address already, and nothing was changed.
    There,
}

/// An account that breaks no rule by itself.
struct Checked<'a> {
    address: Address,
    record: AccountRecord,
    /// Not hashed yet.
    plain: Option<&'a str>,
    quota_bytes: Option<Option<u64>>,
    aliases: Vec<Address>,
}

/// Why a change of the table that is only tried ends.
enum Tried {
    With(Vec<Result<Added, Error>>),
    Failed(store::Error),
}

impl Directory {
    /// Makes accounts, [`BULK_MAX`] at most; what became of each, in their order. One that is refused keeps no other from being
    /// made. Durable when it returns. Costs an argon2id for each password that is no hash, each in its turn.
    ///
    /// # Errors
    /// Of each account: [`Error::Refused`], as [`Directory::add_account`] and [`Directory::add_alias`]; those of the store.
    pub fn add_accounts(
        &self,
        accounts: &[NewAccount<'_>],
        in_turn: InTurn<'_>,
        actor: Actor,
    ) -> Vec<Result<Added, Error>> {
        let mut outcomes = Vec::new();
        for accounts in accounts.chunks(TOGETHER_MAX) {
            outcomes.extend(self.add_together(accounts, in_turn, actor));
        }
        outcomes
    }

    /// What would become of accounts that were to be made; nothing is.
    ///
    /// # Errors
    /// As [`Self::add_accounts`].
    pub fn try_accounts(&self, accounts: &[NewAccount<'_>], actor: Actor) -> Vec<Result<Added, Error>> {
        let tried = accounts.chunks(TOGETHER_MAX).map(|accounts| {
            let checked: Vec<_> = accounts.iter().map(|account| check(account, actor)).collect();
            self.try_out(&checked)
        });
        tried.flatten().collect()
    }

    fn add_together(
        &self,
        accounts: &[NewAccount<'_>],
        in_turn: InTurn<'_>,
        actor: Actor,
    ) -> Vec<Result<Added, Error>> {
        let checked: Vec<_> = accounts.iter().map(|account| check(account, actor)).collect();
        let tried = self.try_out(&checked);
        let mut outcomes = Vec::new();
        let mut possible = Vec::new();
        for (checked, tried) in checked.into_iter().zip(tried) {
            match (checked, tried) {
                (Ok(mut checked), Ok(Added::New)) => match self.hash(&mut checked, in_turn) {
                    Ok(()) => {
                        possible.push(checked);
                        outcomes.push(None);
                    }
                    Err(error) => outcomes.push(Some(Err(error))),
                },
                (_, outcome) => outcomes.push(Some(outcome)),
            }
        }
        let mut made = self.make_together(possible, actor).into_iter();
        let outcome = |outcome: Option<_>| outcome.or_else(|| made.next()).unwrap_or(Ok(Added::There));
        outcomes.into_iter().map(outcome).collect()
    }

    /// What would become of each, in a change that is not made.
    fn try_out(&self, checked: &[Result<Checked<'_>, Error>]) -> Vec<Result<Added, Error>> {
        let tried = self.0.table.change(|tx| {
            let (mut outcomes, mut room) = (Vec::new(), Room::default());
            for (n, checked) in checked.iter().enumerate() {
                // Any number does: none of it is kept.
                let id = AccountId(u32::MAX - n as u32);
                outcomes.push(match checked {
                    Ok(account) => self.put(tx, id, account, &mut room),
                    Err(error) => Err(error.clone()),
                });
            }
            Err::<(), _>(Tried::With(outcomes))
        });
        match tried {
            Err(Tried::With(outcomes)) => outcomes,
            Err(Tried::Failed(error)) => checked.iter().map(|_| Err(Error::Store(error.clone()))).collect(),
            Ok(()) => Vec::new(),
        }
    }

    fn make_together(&self, accounts: Vec<Checked<'_>>, actor: Actor) -> Vec<Result<Added, Error>> {
        let failed = |error: Error, count| (0..count).map(|_| Err(error.clone())).collect();
        let count = accounts.len();
        if count == 0 {
            return Vec::new();
        }
        let ids = match self.reserve_some(count) {
            Ok(ids) => ids,
            Err(error) => return failed(error, count),
        };
        let made = self.make_mailboxes(&ids, &accounts, actor);
        let published = self.0.table.change::<_, store::Error>(|tx| {
            let mut room = Room::default();
            let publish = |((id, account), made): ((&AccountId, &Checked<'_>), &Result<(), Error>)| {
                made.clone()?;
                self.publish_one(tx, *id, account, &mut room)
            };
            Ok(ids.iter().zip(&accounts).zip(&made).map(publish).collect::<Vec<_>>())
        });
        let outcomes = published.unwrap_or_else(|error| failed(error.into(), count));
        for (id, outcome) in ids.iter().zip(&outcomes) {
            if *outcome != Ok(Added::New) {
                // What cannot be tidied now is tidied at the next start; the first error says more.
                let _ = self.abandon(*id);
            }
        }
        outcomes
    }

    fn hash(&self, account: &mut Checked<'_>, in_turn: InTurn<'_>) -> Result<(), Error> {
        if let Some(password) = account.plain {
            let (address, password) = (account.record.address.clone(), password.to_owned());
            let hashed = in_turn(ToHash { directory: self.clone(), address, password })?;
            (account.record.password, account.record.scram) = (hashed.password, hashed.scram);
        }
        Ok(())
    }

    fn make_mailboxes(&self, ids: &[AccountId], accounts: &[Checked<'_>], actor: Actor) -> Vec<Result<(), Error>> {
        let make = |(id, account): (&AccountId, &Checked<'_>)| {
            let mailbox = self.0.store.create_account(*id, actor.now)?;
            match account.quota_bytes {
                Some(bytes) => {
                    let messages = mailbox.usage()?.quota.messages;
                    Ok(mailbox.set_quota(actor, Quota { bytes, messages })?)
                }
                None => self.bound(&mailbox, &account.address.domain, actor),
            }
        };
        let share = ids.len().div_ceil(THREADS).max(1);
        thread::scope(|scope| {
            let workers: Vec<_> = ids
                .chunks(share)
                .zip(accounts.chunks(share))
                .map(|(ids, accounts)| {
                    scope.spawn(move || ids.iter().zip(accounts).map(make).collect::<Vec<Result<(), Error>>>())
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    fn publish_one(
        &self,
        tx: &mut TableTx<'_>,
        id: AccountId,
        account: &Checked<'_>,
        room: &mut Room,
    ) -> Result<Added, Error> {
        if Unfinished::read(tx, id)? != Some(Unfinished::Creating) {
            return Err(Error::refused(tr!("another process tidied up at the same moment; try again")));
        }
        let added = self.put(tx, id, account, room)?;
        if added == Added::New {
            tx.delete(&number_key(record::UNFINISHED, id));
        }
        Ok(added)
    }

    /// Puts an account with its aliases into the directory, unless something stands in its way; then nothing of it.
    fn put(&self, tx: &mut TableTx<'_>, id: AccountId, account: &Checked<'_>, room: &mut Room) -> Result<Added, Error> {
        let Checked { address, record, aliases, .. } = account;
        if read_name(tx, &address.text())?.is_some() {
            return Ok(Added::There);
        }
        for alias in aliases {
            must_be_local(tx, &alias.domain)?;
            must_be_free(tx, alias)?;
        }
        let mut counters = Counters::read(tx)?;
        counters.accounts += 1;
        counters.aliases = counters.aliases.saturating_add(aliases.len() as u32);
        let max = self.0.options.limits.aliases;
        if counters.aliases > max && !aliases.is_empty() {
            return Err(Error::refused(tr!(
                "with its aliases there would be more than {max}, the most this server holds",
                max = max
            )));
        }
        // The last that can stand in the way: what has room takes it.
        self.must_be_possible(tx, address, room)?;
        counters.write(tx);
        record.write(tx, id);
        tx.put(&key(record::NAME, &address.text()), accounts_value(&[id]));
        for alias in aliases {
            tx.put(&key(record::ALIAS, &alias.text()), Leads::to(vec![id]).encode());
        }
        Ok(Added::New)
    }
}

/// What can be said of an account without the directory.
fn check<'a>(account: &NewAccount<'a>, actor: Actor) -> Result<Checked<'a>, Error> {
    let address = own_address(account.address)?;
    let (plain, password) = match account.password {
        NewPassword::Plain(password) => {
            check_password(password)?;
            (Some(password), String::new())
        }
        NewPassword::Hash(hash) => (None, imported::checked(hash)?),
    };
    if account.aliases.len() > ALIASES_MAX {
        return Err(Error::refused(tr!(
            "it has more than {most} aliases; add the others by themselves",
            most = ALIASES_MAX
        )));
    }
    let aliases: Vec<Address> =
        account.aliases.iter().map(|alias| Address::parse(alias).map_err(Error::Refused)).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::from([address.text()]);
    if let Some(twice) = aliases.iter().find(|alias| !names.insert(alias.text())) {
        return Err(Error::refused(tr!("{alias} stands in its line twice", alias = twice.text())));
    }
    let record = AccountRecord {
        address: address.text(),
        display: checked_display(account.display)?,
        password,
        scram: Vec::new(),
        disabled: false,
        admin: false,
        created_at: actor.now,
    };
    Ok(Checked { address, record, plain, quota_bytes: account.quota_bytes, aliases })
}

impl ToHash {
    /// Costs an argon2id, and keys for SCRAM.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn hash(self) -> Result<Hashed, Error> {
        let Self { directory, address, password } = self;
        let scram = directory.sealed_scram_keys(&address, &password)?;
        Ok(Hashed { password: directory.0.hasher.hash(&password)?, scram })
    }
}

impl From<store::Error> for Tried {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests;
