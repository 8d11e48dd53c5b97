//! Accounts are made, changed and removed.
//!
//! An account is two things: rows in the directory and a mailbox in the store, which no transaction joins. So a new one
//! is made in three steps: its number is taken and noted as unfinished; its mailbox is made; it is published, and the note
//! goes in the same transaction. A removal goes the other way: it is taken out of the directory and noted, its mailbox
//! is removed, the note goes. What a crash leaves is a note, and [`Directory::open`] removes the mailbox that it names.
//!
//! Invariant: a mailbox is removed only while a note says [`Unfinished::Removing`], and an account is published only
//! while a note says [`Unfinished::Creating`]: whoever tidies and whoever creates at the same time do not collide.

use crate::address::{Address, DETAIL_SEPARATOR};
use crate::aliases::{delete_alias, must_be_free};
use crate::bounds::{self, Room};
use crate::domains::must_be_local;
use crate::error::Error;
use crate::leaving::Leaving;
use crate::link_rows;
use crate::lists::remove_from_lists;
use crate::password::check_password;
use crate::record::{self, AccountRecord, Counters, Leads, Unfinished, accounts_value, key, name_in, number_in};
use crate::record::{number_key, read_name};
use crate::reserved::is_reserved;
use crate::{DISPLAY_BYTES_MAX, Directory};
use store::{Account, AccountId, Actor, DeviceId, Protocol, Quota, TableTx, Timestamp};
use wording::tr;

impl Directory {
    /// Makes an account with an empty mailbox. `display` is its owner's name for people, and may be empty. Durable when
    /// it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not an address, not in a local domain, in use already, the password or the display name breaks
    /// a rule, too many accounts.
    pub fn add_account(
        &self,
        address: &str,
        password: &str,
        display: &str,
        now: Timestamp,
    ) -> Result<AccountId, Error> {
        let address = own_address(address)?;
        check_password(password)?;
        let record = self.new_record(&address, password, display, now)?;
        self.make_account(&address, &record, |_, _| Ok(()))
    }

    /// What an account is to begin with. Costs an argon2id.
    pub(crate) fn new_record(
        &self,
        address: &Address,
        password: &str,
        display: &str,
        now: Timestamp,
    ) -> Result<AccountRecord, Error> {
        Ok(AccountRecord {
            address: address.text(),
            display: checked_display(display)?,
            password: self.0.hasher.hash(password)?,
            scram: self.sealed_scram_keys(&address.text(), password)?,
            disabled: false,
            admin: false,
            created_at: now,
        })
    }

    /// Makes an account; `also` is part of the change that publishes it, and can prevent it.
    pub(crate) fn make_account(
        &self,
        address: &Address,
        record: &AccountRecord,
        also: impl Fn(&mut TableTx<'_>, AccountId) -> Result<(), Error>,
    ) -> Result<AccountId, Error> {
        let id = self.reserve(address)?;
        let made = self.make_mailbox(id, address, record.created_at);
        if let Err(error) = made.and_then(|()| self.publish(id, address, record, also)) {
            // What cannot be tidied now is tidied at the next start; the first error says more.
            let _ = self.abandon(id);
            return Err(error);
        }
        Ok(id)
    }

    /// An empty mailbox, that holds no more than its domain lets it.
    fn make_mailbox(&self, id: AccountId, address: &Address, now: Timestamp) -> Result<(), Error> {
        let mailbox = self.0.store.create_account(id, now)?;
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now };
        self.bound(&mailbox, &address.domain, actor)
    }

    /// A new mailbox holds as much as others do, and no more than its domain lets it.
    pub(crate) fn bound(&self, mailbox: &Account, domain: &str, actor: Actor) -> Result<(), Error> {
        let Some(max) = self.domain_limits(domain)?.quota_bytes else { return Ok(()) };
        let quota = mailbox.usage()?.quota;
        if quota.bytes.is_none_or(|bytes| bytes > max) {
            mailbox.set_quota(actor, Quota { bytes: Some(max), ..quota })?;
        }
        Ok(())
    }

    /// Sets the main password. Logins that were verified with the old one are not remembered, and sessions that were
    /// opened with it end; those with application passwords go on. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, the password breaks a rule.
    pub fn set_password(&self, address: &str, password: &str) -> Result<(), Error> {
        check_password(password)?;
        let hash = self.0.hasher.hash(password)?;
        let scram = self.sealed_scram_keys(&own_address(address)?.text(), password)?;
        self.change_account(address, |record| {
            record.password.clone_from(&hash);
            record.scram.clone_from(&scram);
        })
    }

    /// Whether that is the main password of the account, at the price of a login, and with nothing else that a login does.
    ///
    /// # Errors
    /// Faults.
    pub fn is_main_password(&self, address: &str, password: &str) -> Result<bool, store::Error> {
        let known = self.who_logs_in(address)?;
        self.0.hasher.verify(password, known.as_ref().map(|(_, record)| record.password.as_str()))
    }

    /// Takes or gives back the right to log in, with the main password and with every device. Mail goes on to arrive.
    /// Sessions end, and links that they made for others. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account.
    pub fn set_disabled(&self, address: &str, disabled: bool) -> Result<(), Error> {
        // Before it is given back: what a crash leaves is that guests are told of all once more.
        if let Some((id, _)) = self.who_logs_in(address)?.filter(|(_, record)| record.disabled && !disabled) {
            self.is_open_again(id)?;
        }
        let address = own_address(address)?.text();
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            let damaged = || record::damaged(&number_key(record::ACCOUNT, id));
            let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
            match (Leaving::read(tx, id)?.is_some(), record.disabled) {
                (true, true) => {
                    let text =
                        tr!("{address} is being removed; it can stay: `pillarbox account keep`", address = address);
                    return Err(Error::refused(text));
                }
                // An earlier version let it in again, and that counts.
                (true, false) => tx.delete(&number_key(record::LEAVING, id)),
                (false, _) => {}
            }
            if disabled {
                link_rows::end_links_by(tx, id)?;
            }
            record.disabled = disabled;
            record.write(tx, id);
            Ok(())
        })
    }

    /// Guests are told of all anew: somebody may log in to an account again. Where its mail cannot be
    /// read there is nothing to tell of.
    pub(crate) fn is_open_again(&self, id: AccountId) -> Result<(), store::Error> {
        match self.0.store.account(id).is_open_again() {
            Ok(()) | Err(store::Error::NoSuchAccount | store::Error::Damaged(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes an account with all its mail, for good, and its place in every alias; an alias that led only to it goes.
    /// Durable when it returns. After an error of the store the account is gone and its mail may still take up space
    /// until the next start.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account.
    pub fn remove_account(&self, address: &str) -> Result<(), Error> {
        self.remove_if(address, |_, _| Ok(true))
    }

    /// The same, if the change that removes it finds that it is to be removed.
    pub(crate) fn remove_if(
        &self,
        address: &str,
        is_due: impl Fn(&TableTx<'_>, AccountId) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let address = own_address(address)?.text();
        let id = self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            if !is_due(tx, id)? {
                return Err(Error::refused(tr!("{address} stays", address = address)));
            }
            remove_from_aliases(tx, id)?;
            remove_from_lists(tx, id)?;
            tx.delete(&number_key(record::FORWARD, id));
            tx.delete(&number_key(record::WITHOUT_JUNK_FILTER, id));
            tx.delete(&number_key(record::LEAVING, id));
            bounds::delete(tx, id);
            tx.delete(&number_key(record::HELP, id));
            link_rows::end_links_by(tx, id)?;
            let mut counters = Counters::read(tx)?;
            counters.accounts = counters.accounts.saturating_sub(1);
            counters.write(tx);
            AccountRecord::delete(tx, id);
            tx.delete(&key(record::NAME, &address));
            Unfinished::Removing.write(tx, id);
            Ok::<_, Error>(id)
        })?;
        self.finish_removal(id)
    }

    /// Removes the mailboxes of accounts that were being made or removed when a process died. A process that is making
    /// one just now is refused, and can try again.
    /// The numbers of accounts that are just being made, or removed.
    ///
    /// # Errors
    /// Faults.
    pub fn unfinished(&self) -> Result<Vec<AccountId>, store::Error> {
        let rows = self.0.table.scan(record::UNFINISHED, record::UNFINISHED, usize::MAX)?;
        rows.iter().map(|(key, _)| number_in(key)).collect()
    }

    pub(crate) fn finish_what_a_crash_left(&self) -> Result<(), store::Error> {
        for (key, _) in self.0.table.scan(record::UNFINISHED, record::UNFINISHED, usize::MAX)? {
            match self.finish_removal(number_in(&key)?) {
                Ok(()) => {}
                // A disk that takes nothing must not keep the server from its start, nor must damage: the note stays for the next.
                Err(Error::Store(store::Error::NoSpace(_) | store::Error::ReadOnly | store::Error::Damaged(_))) => {}
                Err(Error::Refused(_)) => {}
                Err(Error::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes a number that no account ever had.
    pub(crate) fn reserve(&self, address: &Address) -> Result<AccountId, Error> {
        // Also above every mailbox: the directory may come from a backup that is older than they are.
        let above = self.0.store.accounts()?.last().map_or(0, |last| last.0.saturating_add(1));
        self.0.table.change(|tx| {
            self.must_be_possible(tx, address, &mut Room::default())?;
            take_number(tx, above)
        })
    }

    /// Takes so many numbers that no account ever had.
    pub(crate) fn reserve_some(&self, count: usize) -> Result<Vec<AccountId>, Error> {
        let above = self.0.store.accounts()?.last().map_or(0, |last| last.0.saturating_add(1));
        self.0.table.change(|tx| (0..count).map(|_| take_number(tx, above)).collect())
    }

    pub(crate) fn publish(
        &self,
        id: AccountId,
        address: &Address,
        record: &AccountRecord,
        also: impl Fn(&mut TableTx<'_>, AccountId) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.0.table.change(|tx| {
            also(tx, id)?;
            if Unfinished::read(tx, id)? != Some(Unfinished::Creating) {
                return Err(Error::refused(tr!("another process tidied up at the same moment; try again")));
            }
            self.must_be_possible(tx, address, &mut Room::default())?;
            let mut counters = Counters::read(tx)?;
            counters.accounts += 1;
            counters.write(tx);
            record.write(tx, id);
            tx.put(&key(record::NAME, &address.text()), accounts_value(&[id]));
            tx.delete(&number_key(record::UNFINISHED, id));
            Ok(())
        })
    }

    /// Removes the mailbox of a number that this call took, unless it was published after all.
    pub(crate) fn abandon(&self, id: AccountId) -> Result<(), Error> {
        self.0.table.change::<_, Error>(|tx| {
            if AccountRecord::read(tx, id)?.is_none() {
                // Noted anew: who tidied up may have taken the note away before the mailbox was made.
                Unfinished::Removing.write(tx, id);
            }
            Ok(())
        })?;
        self.finish_removal(id)
    }

    pub(crate) fn must_be_possible(&self, tx: &TableTx<'_>, address: &Address, room: &mut Room) -> Result<(), Error> {
        must_be_local(tx, &address.domain)?;
        must_be_free(tx, address)?;
        let max = self.0.options.limits.accounts;
        if Counters::read(tx)?.accounts >= max {
            return Err(Error::refused(tr!(
                "there are {max} accounts, the most this server holds; remove one",
                max = max
            )));
        }
        room.take(tx, &address.domain)
    }

    /// Removes the mailbox of an account that is noted as unfinished. Does nothing for any other.
    pub(crate) fn finish_removal(&self, id: AccountId) -> Result<(), Error> {
        let noted = self.0.table.change::<_, Error>(|tx| {
            let noted = Unfinished::read(tx, id)?;
            if noted == Some(Unfinished::Creating) {
                Unfinished::Removing.write(tx, id);
            }
            Ok(noted.is_some())
        })?;
        if noted {
            self.0.store.remove_account(id)?;
            self.0.table.change::<_, Error>(|tx| {
                tx.delete(&number_key(record::UNFINISHED, id));
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(crate) fn change_account(&self, address: &str, change: impl Fn(&mut AccountRecord)) -> Result<(), Error> {
        let address = own_address(address)?.text();
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            let damaged = || record::damaged(&number_key(record::ACCOUNT, id));
            let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
            change(&mut record);
            record.write(tx, id);
            Ok(())
        })
    }
}

/// Takes the next number, not below `above`, and notes that its account is being made.
fn take_number(tx: &mut TableTx<'_>, above: u32) -> Result<AccountId, Error> {
    let mut counters = Counters::read(tx)?;
    let id = counters.next_account.max(above).max(AccountId::FIRST.0);
    let next = id.checked_add(1).ok_or_else(|| Error::refused(tr!("all numbers of accounts are used up")))?;
    counters.next_account = next;
    counters.write(tx);
    Unfinished::Creating.write(tx, AccountId(id));
    Ok(AccountId(id))
}

pub(crate) fn must_be_account(tx: &TableTx<'_>, address: &str) -> Result<AccountId, Error> {
    let ids = read_name(tx, address)?;
    let id = ids.and_then(|ids| ids.first().copied());
    id.ok_or_else(|| {
        Error::refused(tr!("there is no account {address}; `pillarbox account list` shows all", address = address))
    })
}

fn remove_from_aliases(tx: &mut TableTx<'_>, id: AccountId) -> Result<(), Error> {
    for row in tx.scan_before(record::ALIAS, record::ALIAS, usize::MAX)? {
        let mut leads = Leads::of_row(&row)?;
        if !leads.accounts.contains(&id) {
            continue;
        }
        leads.accounts.retain(|other| *other != id);
        if leads.is_empty() {
            delete_alias(tx, name_in(&row.0)?)?;
        } else {
            tx.put(&row.0, leads.encode());
        }
    }
    Ok(())
}

pub(crate) fn own_address(text: &str) -> Result<Address, Error> {
    let address = Address::parse(text).map_err(Error::Refused)?;
    if address.local_part.is_empty() {
        return Err(Error::refused(tr!(
            "“{text}” is a catch-all and not an account; `pillarbox alias add {text} name@{domain}` leads it to one",
            text = text,
            domain = address.domain
        )));
    }
    if address.local_part.contains(DETAIL_SEPARATOR) {
        return Err(Error::refused(tr!(
            "“{text}” cannot be an account: what follows the + names a part of another account's mail; leave it out, or \
             make it an alias",
            text = text
        )));
    }
    Ok(address)
}

/// An address that people choose for themselves, with an invitation or a request.
///
/// # Errors
/// [`Error::Refused`]: not an address, one with a detail, or a name of whoever runs the server.
pub fn chosen_address(text: &str) -> Result<Address, Error> {
    let address = own_address(text)?;
    if is_reserved(&address.local_part) {
        return Err(Error::refused(tr!(
            "“{name}” is a name of whoever runs this server; choose another one",
            name = address.local_part
        )));
    }
    Ok(address)
}

pub(crate) fn checked_display(display: &str) -> Result<String, Error> {
    let display = display.trim();
    if display.len() > DISPLAY_BYTES_MAX || display.chars().any(char::is_control) {
        return Err(Error::refused(tr!(
            "the display name has more than {most} bytes or control characters; choose another",
            most = DISPLAY_BYTES_MAX
        )));
    }
    Ok(display.to_owned())
}
