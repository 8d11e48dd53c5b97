//! The rows of the directory's table.
//!
//! ```text
//! C                  counters
//! D domain           a local domain
//! A number           an account
//! N address          the number of the account whose own address this is
//! L address          an alias: the numbers of the accounts that it leads to, and addresses elsewhere
//! M address          a list with its members (see `lists`)
//! F number           where the owner of an account has mail forwarded to (see `forwards`)
//! H number moment    an account became a member of a list, or is none any more (see `lists`)
//! J number           the owner of an account has switched the junk filter off (see `junk_filter`)
//! X number           an account that is to be removed (see `leaving`)
//! R number           the domains that the owner of an account administers (see `roles`)
//! Q number           the owner of an account has asked for help (see `help`)
//! B domain           how far administrators of a domain go (see `roles`)
//! K hash             a one-time link (see `links`)
//! Y hash             who made it (see `link_rows`)
//! S domain           the keys with which a domain signs its mail (see `signing`)
//! T                  the certificate of this host, with its keys (see `host_certificate`)
//! T url              the account with the authority that gives it
//! O                  a device was given a token: programs are told that there are some
//! P number           an account that is being made or removed: whether its mailbox is there is not known
//! ```
//! Numbers are big-endian. Every value begins with the version of its format.

use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Error, Row, Table, TableTx, Timestamp};

pub(crate) const FORMAT: u8 = 1;
/// Of an account, since it can be an administrator's.
const ACCOUNT_FORMAT: u8 = 2;
/// Of an account that has keys for SCRAM.
const ACCOUNT_SCRAM_FORMAT: u8 = 3;
/// Of an alias that leads elsewhere too.
const LEADS_FORMAT: u8 = 2;
/// The bits of an account's second byte. Format 1 knows the first only.
const DISABLED: u8 = 1;
const ADMIN: u8 = 2;
pub(crate) const DOMAIN: &[u8] = b"D";
pub(crate) const ACCOUNT: &[u8] = b"A";
pub(crate) const NAME: &[u8] = b"N";
pub(crate) const ALIAS: &[u8] = b"L";
pub(crate) const LIST: &[u8] = b"M";
pub(crate) const FORWARD: &[u8] = b"F";
pub(crate) const MEMBERSHIP: &[u8] = b"H";
pub(crate) const WITHOUT_JUNK_FILTER: &[u8] = b"J";
pub(crate) const LEAVING: &[u8] = b"X";
pub(crate) const ROLE: &[u8] = b"R";
pub(crate) const BOUNDS: &[u8] = b"B";
pub(crate) const HELP: &[u8] = b"Q";
pub(crate) const LINK: &[u8] = b"K";
pub(crate) const LINK_MAKER: &[u8] = b"Y";
pub(crate) const TOKENS: &[u8] = b"O";
pub(crate) const UNFINISHED: &[u8] = b"P";
const COUNTERS: &[u8] = b"C";

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Normalised.
    pub address: String,
    /// The name of its owner, for people; may be empty.
    pub display: String,
    /// The hash of the main password, a PHC string.
    pub password: String,
    /// Keys for SCRAM, encrypted; empty where there are none.
    pub scram: Vec<u8>,
    /// It may not log in.
    pub disabled: bool,
    /// Its owner may do on the pages what an operator does on the command line.
    pub admin: bool,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// How many there are, and which number the next account gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) next_account: u32,
    pub(crate) domains: u32,
    pub(crate) accounts: u32,
    pub(crate) aliases: u32,
}

/// What was begun with the mailbox of an account that nobody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It may be there, and will be published.
    Creating,
    /// It may be there, and must go.
    Removing,
}

pub(crate) fn key(kind: &[u8], name: &str) -> Vec<u8> {
    [kind, name.as_bytes()].concat()
}

pub(crate) fn number_key(kind: &[u8], id: AccountId) -> Vec<u8> {
    [kind, &id.0.to_be_bytes()].concat()
}

/// The name in a key that [`key`] made.
pub(crate) fn name_in(key: &[u8]) -> Result<&str, Error> {
    key.get(1..).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(|| damaged(key))
}

/// The number in a key that [`number_key`] made.
pub(crate) fn number_in(key: &[u8]) -> Result<AccountId, Error> {
    let number = key.get(1..).and_then(|number| number.try_into().ok()).ok_or_else(|| damaged(key))?;
    Ok(AccountId(u32::from_be_bytes(number)))
}

/// Stored bytes that were not written by this version.
pub(crate) fn damaged(key: &[u8]) -> Error {
    let key = String::from_utf8_lossy(key).escape_debug().to_string();
    Error::Fault(format!("the directory is damaged at “{key}”; run `pillarbox check`"))
}

impl AccountRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let bits = if self.disabled { DISABLED } else { 0 } | if self.admin { ADMIN } else { 0 };
        let format = if self.scram.is_empty() { ACCOUNT_FORMAT } else { ACCOUNT_SCRAM_FORMAT };
        let mut value = Writer::of_format(format);
        value.byte(bits).raw(&self.created_at.0.to_be_bytes());
        value.wide_text(&self.address).wide_text(&self.display).wide_text(&self.password);
        if !self.scram.is_empty() {
            let length = u32::try_from(self.scram.len()).unwrap_or(u32::MAX);
            value.raw(&length.to_be_bytes()).raw(&self.scram);
        }
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader(value);
        let format = fields.byte()?;
        let known = match format {
            ACCOUNT_SCRAM_FORMAT | ACCOUNT_FORMAT => DISABLED | ADMIN,
            FORMAT => DISABLED,
            0 | 4.. => return Err(Corrupt),
        };
        let bits = fields.byte()?;
        if bits & !known != 0 {
            return Err(Corrupt);
        }
        let (disabled, admin) = (bits & DISABLED != 0, bits & ADMIN != 0);
        let created_at = Timestamp(i64::from_be_bytes(fields.array()?));
        let (address, display, password) = (fields.wide_text()?, fields.wide_text()?, fields.wide_text()?);
        let scram = if format == ACCOUNT_SCRAM_FORMAT { read_scram(&mut fields)? } else { Vec::new() };
        fields.end()?;
        Ok(Self { address, display, password, scram, disabled, admin, created_at })
    }

    /// The record in a row.
    pub(crate) fn of_row((key, value): &Row) -> Result<Self, Error> {
        Self::decode(value).map_err(|Corrupt| damaged(key))
    }

    pub(crate) fn read(tx: &TableTx<'_>, id: AccountId) -> Result<Option<Self>, Error> {
        let key = number_key(ACCOUNT, id);
        let value = tx.get(&key)?;
        value.map(|value| Self::decode(&value).map_err(|Corrupt| damaged(&key))).transpose()
    }

    /// Whoever is logged in is asked anew, whatever it was that changed.
    pub(crate) fn write(&self, tx: &mut TableTx<'_>, id: AccountId) {
        tx.put(&number_key(ACCOUNT, id), self.encode());
        tx.concerns_logins_of(id);
    }

    pub(crate) fn delete(tx: &mut TableTx<'_>, id: AccountId) {
        tx.delete(&number_key(ACCOUNT, id));
        tx.concerns_logins_of(id);
    }
}

fn read_scram(fields: &mut Reader<'_>) -> Result<Vec<u8>, Corrupt> {
    let length = usize::try_from(u32::from_be_bytes(fields.array()?)).map_err(|_| Corrupt)?;
    let (scram, rest) = fields.0.split_at_checked(length).filter(|(scram, _)| !scram.is_empty()).ok_or(Corrupt)?;
    fields.0 = rest;
    Ok(scram.to_vec())
}

impl Counters {
    fn encode(self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        for number in [self.next_account, self.domains, self.accounts, self.aliases] {
            value.raw(&number.to_be_bytes());
        }
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let mut number = || fields.array().map(u32::from_be_bytes);
        let counters = Self { next_account: number()?, domains: number()?, accounts: number()?, aliases: number()? };
        fields.end().map(|()| counters)
    }

    pub(crate) fn of_value(value: Option<Vec<u8>>) -> Result<Self, Error> {
        match value {
            None => Ok(Self::default()),
            Some(value) => Self::decode(&value).map_err(|Corrupt| damaged(COUNTERS)),
        }
    }

    pub(crate) fn read(tx: &TableTx<'_>) -> Result<Self, Error> {
        Self::of_value(tx.get(COUNTERS)?)
    }

    pub(crate) fn of_table(table: &Table) -> Result<Self, Error> {
        Self::of_value(table.get(COUNTERS)?)
    }

    pub(crate) fn write(self, tx: &mut TableTx<'_>) {
        tx.put(COUNTERS, self.encode());
    }
}

impl Unfinished {
    pub(crate) fn read(tx: &TableTx<'_>, id: AccountId) -> Result<Option<Self>, Error> {
        let key = number_key(UNFINISHED, id);
        tx.get(&key)?.map(|value| Self::decode(&key, &value)).transpose()
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
        match value {
            [FORMAT, 0] => Ok(Self::Creating),
            [FORMAT, 1] => Ok(Self::Removing),
            _ => Err(damaged(key)),
        }
    }

    pub(crate) fn write(self, tx: &mut TableTx<'_>, id: AccountId) {
        let value = match self {
            Self::Creating => vec![FORMAT, 0],
            Self::Removing => vec![FORMAT, 1],
        };
        tx.put(&number_key(UNFINISHED, id), value);
    }
}

/// The value of a domain: only that it is there.
pub(crate) fn domain_value() -> Vec<u8> {
    vec![FORMAT]
}

/// The value of a list of accounts (one for an `N` row).
pub(crate) fn accounts_value(ids: &[AccountId]) -> Vec<u8> {
    let numbers = ids.iter().flat_map(|id| id.0.to_be_bytes());
    std::iter::once(FORMAT).chain(numbers).collect()
}

/// The accounts of a row that [`accounts_value`] made; at least one.
pub(crate) fn accounts_of((key, value): &Row) -> Result<Vec<AccountId>, Error> {
    let numbers = value.strip_prefix(&[FORMAT]).ok_or_else(|| damaged(key))?;
    let (numbers, rest) = numbers.as_chunks::<4>();
    if numbers.is_empty() || !rest.is_empty() {
        return Err(damaged(key));
    }
    Ok(numbers.iter().map(|number| AccountId(u32::from_be_bytes(*number))).collect())
}

/// The account that an `N` row names, if it is there.
pub(crate) fn read_name(tx: &TableTx<'_>, address: &str) -> Result<Option<Vec<AccountId>>, Error> {
    let key = key(NAME, address);
    let value = tx.get(&key)?;
    value.map(|value| accounts_of(&(key, value))).transpose()
}

/// Where an alias leads to; somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leads {
    pub(crate) accounts: Vec<AccountId>,
    /// Addresses elsewhere: the local part as it was given, the domain normalised.
    pub(crate) outside: Vec<String>,
}

impl Leads {
    pub(crate) fn to(accounts: Vec<AccountId>) -> Self {
        Self { accounts, outside: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.outside.is_empty()
    }

    /// One that leads to accounts only is written as earlier versions read it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.outside.is_empty() {
            return accounts_value(&self.accounts);
        }
        let mut value = Writer::of_format(LEADS_FORMAT);
        value.raw(&(self.accounts.len() as u32).to_be_bytes());
        for id in &self.accounts {
            value.raw(&id.0.to_be_bytes());
        }
        for address in &self.outside {
            value.wide_text(address);
        }
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, LEADS_FORMAT)?;
        let count = u32::from_be_bytes(fields.array()?);
        let mut leads = Self::default();
        for _ in 0..count {
            leads.accounts.push(AccountId(u32::from_be_bytes(fields.array()?)));
        }
        while !fields.0.is_empty() {
            leads.outside.push(fields.wide_text()?);
        }
        if leads.is_empty() { Err(Corrupt) } else { Ok(leads) }
    }

    /// Of an `L` row.
    pub(crate) fn of_row(row: &Row) -> Result<Self, Error> {
        match row.1.first() {
            Some(&LEADS_FORMAT) => Self::decode(&row.1).map_err(|Corrupt| damaged(&row.0)),
            Some(_) | None => accounts_of(row).map(Self::to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn what_is_written_is_read(address: String, display: String, password: String, disabled: bool, admin: bool, at: i64, n: [u32; 4]) {
            let scram = if admin { vec![1, 2, 3] } else { Vec::new() };
            let record = AccountRecord { address, display, password, scram, disabled, admin, created_at: Timestamp(at) };
            prop_assert_eq!(AccountRecord::decode(&record.encode()), Ok(record.clone()));
            let (address, display) = (record.address, record.display);
            let counters = Counters { next_account: n[0], domains: n[1], accounts: n[2], aliases: n[3] };
            prop_assert_eq!(Counters::decode(&counters.encode()), Ok(counters));
            let ids = n.map(AccountId);
            prop_assert_eq!(accounts_of(&(vec![], accounts_value(&ids))), Ok(ids.to_vec()));
            for outside in [vec![], vec![address.clone(), display.clone()]] {
                let leads = Leads { accounts: ids.to_vec(), outside };
                prop_assert_eq!(Leads::of_row(&(vec![], leads.encode())), Ok(leads));
            }
        }

        #[test]
        fn damage_is_found_not_guessed_at(bytes: Vec<u8>) {
            let _ = AccountRecord::decode(&bytes);
            let _ = Counters::decode(&bytes);
            let _ = accounts_of(&(vec![], bytes.clone()));
            let _ = Leads::of_row(&(vec![], bytes));
        }
    }

    #[test]
    fn no_prefix_and_no_continuation_of_a_record_is_one() {
        let text = || "text".to_owned();
        let record = AccountRecord {
            address: text(),
            display: text(),
            password: text(),
            scram: vec![1, 2, 3],
            disabled: true,
            admin: true,
            created_at: Timestamp(1),
        };
        let value = record.encode();
        for end in 0..value.len() {
            assert_eq!(AccountRecord::decode(&value[..end]), Err(Corrupt), "{end}");
        }
        assert_eq!(AccountRecord::decode(&[&value[..], b"x"].concat()), Err(Corrupt));
        assert!(accounts_of(&(vec![], vec![FORMAT])).is_err() && accounts_of(&(vec![], vec![FORMAT, 0])).is_err());
    }

    #[test]
    fn accounts_of_format_1_are_read_and_are_no_administrators() {
        let mut value = b"\x01\x01\0\0\0\0\0\0\0\x05\0\0\0\x11alice@example.org\0\0\0\x05Alice\0\0\0\x04hash".to_vec();
        let record = AccountRecord::decode(&value).unwrap();
        assert!(record.disabled && !record.admin && record.created_at == Timestamp(5) && record.password == "hash");
        value[1] = ADMIN;
        assert_eq!(AccountRecord::decode(&value), Err(Corrupt), "format 1 had no such bit");
        (value[0], value[1]) = (ACCOUNT_FORMAT, 4);
        assert_eq!(AccountRecord::decode(&value), Err(Corrupt));
    }
}
