//! The second factor of an account's owner: a code of six digits that changes every 30 seconds (TOTP, RFC 6238).
//!
//! The secret that the owner's program holds is not stored: it is made of the server's key and of a random salt, and the
//! salt is what is kept. Beside it lie the keyed hashes of the recovery codes that are left, and the time step of the last
//! code: a code counts once, and so does each recovery code.
//!
//! It guards the pages. Programs that speak IMAP, POP3 or SMTP cannot ask for a code; while it is on they get in with
//! application passwords only.
//!
//! Invariant: a code or recovery code that let somebody in lets nobody in again, also when two come at the same moment.

#[cfg(test)]
pub(crate) mod tests;

use crate::secret::{generate_recovery_code, parse_recovery_code, shown_recovery_code};
use directory::Error;
use directory::secret::{PurposeKey, fill};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Store, Table, TableId, TableTx, Timestamp};
use totp_rs::{Builder, Secret, Totp};
use wording::tr;

/// An account has so many recovery codes to begin with.
pub const RECOVERY_CODES: usize = 8;
const FORMAT: u8 = 1;
const FACTOR: &[u8] = b"T";
/// RFC 4226 §4 R6 recommends a secret of 160 bits.
const SECRET_BYTES: usize = 20;
pub(crate) const SALT_BYTES: usize = 16;

/// The second factors of all accounts.
pub(crate) struct SecondFactors {
    table: Table,
    key: PurposeKey,
    /// The time steps of codes that counted while the disk took nothing.
    unwritten: Mutex<HashMap<AccountId, u64>>,
}

/// What is kept of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FactorRecord {
    /// The owner has shown once that the program gives the right codes.
    confirmed: bool,
    salt: [u8; SALT_BYTES],
    /// The time step of the last code that counted.
    last_step: u64,
    recovery: Vec<[u8; 32]>,
}

/// What the owner's program has to be told, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactorSetup {
    /// The secret in base 32, in groups of four, for typing.
    pub secret: String,
    /// The same as an `otpauth:` address, for a QR code.
    pub uri: String,
}

impl SecondFactors {
    pub(crate) fn new(store: &Store, secret: &[u8; 32]) -> Self {
        let key = PurposeKey::new("pillarbox 2026 second factors", secret);
        let table = store.table(TableId::People);
        table.bring_up_copy();
        Self { table, key, unwritten: Mutex::default() }
    }

    /// What changes whenever the account's second factor is switched on or off; `None` when it has none.
    pub(crate) fn stamp(&self, account: AccountId) -> Result<Option<[u8; SALT_BYTES]>, store::Error> {
        Ok(self.record(account)?.map(|record| record.salt))
    }

    pub(crate) fn is_on(&self, account: AccountId) -> Result<bool, store::Error> {
        Ok(self.record(account)?.is_some())
    }

    /// How many recovery codes are left; `None` when there is no second factor.
    pub(crate) fn recovery_codes_left(&self, account: AccountId) -> Result<Option<usize>, store::Error> {
        Ok(self.record(account)?.map(|record| record.recovery.len()))
    }

    /// Takes the code, if it is right and counts for the first time. True without a second factor. Where the disk takes
    /// nothing a code counts all the same: that it did is known until long after its time. A recovery code would be good
    /// again after a restart, and counts for nothing.
    ///
    /// # Errors
    /// Faults; [`store::Error::ReadOnly`] and the like only for a recovery code that is right.
    pub(crate) fn take(&self, account: AccountId, code: &str, now: Timestamp) -> Result<bool, store::Error> {
        // Held throughout: two that come at the same moment may find the disk in two states.
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let last_step = unwritten.get(&account).copied().unwrap_or_default();
        let known = |record: FactorRecord| FactorRecord { last_step: record.last_step.max(last_step), ..record };
        let mut step = None;
        let written: Result<bool, store::Error> = self.table.change(|tx| {
            step = None;
            let Some(record) = read(tx, account)?.filter(|record| record.confirmed).map(known) else {
                return Ok(true);
            };
            let recovery_codes = record.recovery.len();
            let taken = self.taken(account, record, code, now);
            if let Some(record) = &taken {
                write(tx, account, record);
            }
            step =
                taken.as_ref().filter(|record| record.recovery.len() == recovery_codes).map(|record| record.last_step);
            Ok(taken.is_some())
        });
        match (written, step) {
            (Err(error), Some(step)) if error.is_of_the_disk() => {
                unwritten.insert(account, step);
                Ok(true)
            }
            (written, _) => written,
        }
    }

    /// A new secret, which counts from [`Self::confirm`] on.
    ///
    /// # Errors
    /// [`Error::Refused`]: it has a second factor.
    pub(crate) fn begin(&self, account: AccountId, address: &str) -> Result<SecondFactorSetup, Error> {
        let mut salt = [0; SALT_BYTES];
        fill(&mut salt)?;
        let record = FactorRecord { confirmed: false, salt, last_step: 0, recovery: Vec::new() };
        self.table.change(|tx| {
            if read(tx, account)?.is_some_and(|record| record.confirmed) {
                return Err(Error::refused(tr!("this account has a second factor already; switch that one off first")));
            }
            write(tx, account, &record);
            Ok(())
        })?;
        Ok(self.setup(account, &record, address))
    }

    /// What [`Self::begin`] gave, as long as it was not confirmed.
    pub(crate) fn begun(&self, account: AccountId, address: &str) -> Result<Option<SecondFactorSetup>, store::Error> {
        let record = self.table.get(&key(account))?.map(|value| decode(account, &value)).transpose()?;
        let begun = record.filter(|record| !record.confirmed);
        Ok(begun.map(|record| self.setup(account, &record, address)))
    }

    /// Switches the second factor on with a first code. Gives the recovery codes, which nobody can show again.
    ///
    /// # Errors
    /// [`Error::Refused`]: the code is wrong, nothing was begun.
    pub(crate) fn confirm(&self, account: AccountId, code: &str, now: Timestamp) -> Result<Vec<String>, Error> {
        let codes = (0..RECOVERY_CODES).map(|_| generate_recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let recovery: Vec<[u8; 32]> = codes.iter().map(|code| self.recovery_hash(account, code)).collect();
        self.table.change(|tx| {
            let Some(record) = read(tx, account)?.filter(|record| !record.confirmed) else {
                return Err(Error::refused(tr!("no second factor is being set up; begin again")));
            };
            let step = self.step_of(account, &record, code, now).ok_or_else(|| {
                Error::refused(tr!(
                    "that is not the code of this moment; check that the clock of your phone is right, and type the \
                     code that it shows now"
                ))
            })?;
            let record = FactorRecord { confirmed: true, last_step: step, recovery: recovery.clone(), ..record };
            write(tx, account, &record);
            // The main password alone opens nothing from now on, and keeps nothing open.
            tx.concerns_logins_of(account);
            Ok(())
        })?;
        Ok(codes.iter().map(|code| shown_recovery_code(code)).collect())
    }

    /// Switches it off, or ends its set-up. Whether there was one.
    pub(crate) fn switch_off(&self, account: AccountId) -> Result<bool, store::Error> {
        self.table.change(|tx| {
            // Also one that cannot be read any more.
            let was_on = tx
                .get(&key(account))?
                .is_some_and(|value| FactorRecord::decode(&value).map_or(true, |record| record.confirmed));
            tx.delete(&key(account));
            Ok(was_on)
        })
    }

    /// The second factor that is on.
    fn record(&self, account: AccountId) -> Result<Option<FactorRecord>, store::Error> {
        let record = self.table.get(&key(account))?.map(|value| decode(account, &value)).transpose()?;
        Ok(record.filter(|record| record.confirmed))
    }

    /// The record after a code that is right.
    fn taken(&self, account: AccountId, record: FactorRecord, code: &str, now: Timestamp) -> Option<FactorRecord> {
        // RFC 6238 §5.2: a code is not accepted a second time.
        if let Some(step) = self.step_of(account, &record, code, now).filter(|step| *step > record.last_step) {
            return Some(FactorRecord { last_step: step, ..record });
        }
        let used = blake3::Hash::from_bytes(self.recovery_hash(account, &parse_recovery_code(code)?));
        let at = record.recovery.iter().position(|known| used == *known)?;
        let mut recovery = record.recovery;
        recovery.remove(at);
        Some(FactorRecord { recovery, ..record })
    }

    /// The time step that a code belongs to: now, the one before or the one after (RFC 6238 §5.2, §6).
    fn step_of(&self, account: AccountId, record: &FactorRecord, code: &str, now: Timestamp) -> Option<u64> {
        let digits: String = code.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).take(7).collect();
        totp(self.secret(account, record)).check(&digits, u64::try_from(now.unix_seconds()).ok()?)
    }

    fn secret(&self, account: AccountId, record: &FactorRecord) -> [u8; SECRET_BYTES] {
        let hash = self.key.hash(&[b"secret", &account.0.to_be_bytes(), &record.salt]);
        let (secret, _) = hash.as_bytes().split_first_chunk().unwrap_or((&[0; SECRET_BYTES], &[]));
        *secret
    }

    fn recovery_hash(&self, account: AccountId, code: &str) -> [u8; 32] {
        *self.key.hash(&[b"recovery", &account.0.to_be_bytes(), code.as_bytes()]).as_bytes()
    }

    fn setup(&self, account: AccountId, record: &FactorRecord, address: &str) -> SecondFactorSetup {
        let secret = base32(&self.secret(account, record));
        let label: String = address.bytes().map(percent_encoded).collect();
        let groups: Vec<&str> =
            secret.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        SecondFactorSetup {
            uri: format!("otpauth://totp/Pillarbox:{label}?secret={secret}&issuer=Pillarbox"),
            secret: groups.join(" "),
        }
    }
}

/// RFC 6238 §4: SHA-1, six digits, 30 seconds, which is what programs know.
fn totp(secret: [u8; SECRET_BYTES]) -> Totp {
    Builder::new().with_skew(1).with_secret(Secret::new_stack(secret)).build_noncompliant()
}

fn key(account: AccountId) -> Vec<u8> {
    [FACTOR, &account.0.to_be_bytes()].concat()
}

fn read(tx: &TableTx<'_>, account: AccountId) -> Result<Option<FactorRecord>, store::Error> {
    tx.get(&key(account))?.map(|value| decode(account, &value)).transpose()
}

fn write(tx: &mut TableTx<'_>, account: AccountId, record: &FactorRecord) {
    tx.put(&key(account), record.encode());
}

fn decode(account: AccountId, value: &[u8]) -> Result<FactorRecord, store::Error> {
    FactorRecord::decode(value).map_err(|Corrupt| {
        store::Error::Fault(format!(
            "the second factor of account {account} is damaged; `pillarbox account totp-off` switches it off"
        ))
    })
}

impl FactorRecord {
    fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.byte(u8::from(self.confirmed)).raw(&self.salt).raw(&self.last_step.to_be_bytes());
        value.raw(&self.recovery.concat());
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let confirmed = match fields.byte()? {
            0 => false,
            1 => true,
            2.. => return Err(Corrupt),
        };
        let (salt, last_step) = (fields.array()?, u64::from_be_bytes(fields.array()?));
        let mut recovery = Vec::new();
        while let Ok(hash) = fields.array() {
            recovery.push(hash);
        }
        fields.end()?;
        Ok(Self { confirmed, salt, last_step, recovery })
    }
}

/// RFC 4648 §6, without padding.
fn base32(bytes: &[u8; SECRET_BYTES]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..5).fold(0, |digit, place| digit << 1 | bit(at + place));
    (0..SECRET_BYTES * 8).step_by(5).map(|at| char::from(ALPHABET[digit(at)])).collect()
}

/// RFC 3986 §2.1.
fn percent_encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    }
}
