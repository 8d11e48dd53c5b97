//! Where the owner of an account has mail forwarded to: an address elsewhere, which has to agree first. It agrees with a code
//! that is sent there: so nobody forwards to a stranger by a slip of the hand, nor against somebody's will.
//!
//! A row `F number` holds the forward that works and the one that is asked for, so that one goes on until the next is confirmed.
//!
//! Invariant: mail is forwarded only to an address that has shown a code which was sent to it.

use crate::Directory;
use crate::address::Address;
use crate::aliases::outside;
use crate::domains::is_local;
use crate::error::Error;
use crate::record::{self, AccountRecord, number_key};
use crate::secret;
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Row, TableTx, Timestamp};
use wording::{tr, trn};

const FORMAT: u8 = 1;
/// A code has so many characters, of 31: nobody guesses it.
pub const FORWARD_CODE_CHARS: usize = 10;
/// None that are read one for the other.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// So often a wrong code may be given; then a new letter is needed.
const WRONG_MAX: u8 = 5;
/// A code is good for so long.
const CODE_MILLIS: i64 = 3 * 24 * 60 * 60 * 1000;
/// A letter to an address that nobody has confirmed goes out at most so often.
const BETWEEN_LETTERS_MILLIS: i64 = 10 * 60 * 1000;

/// A forward that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to, in a domain of somebody else.
    pub address: String,
    /// The mailbox here gets its copy, too.
    pub keeps_copy: bool,
    /// Since when.
    pub since: Timestamp,
}

/// What an owner has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardState {
    /// What works.
    pub active: Option<Forward>,
    /// An address that has not agreed yet, and until when it can.
    pub asked: Option<(String, Timestamp)>,
}

/// What is kept of an account's forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardRecord {
    pub(crate) active: Option<Forward>,
    asked: Option<Asked>,
    /// When the last letter went out.
    letter_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    address: String,
    keeps_copy: bool,
    code: [u8; 32],
    expires_at: Timestamp,
    wrong: u8,
}

impl Directory {
    /// Where mail of an account is forwarded to.
    ///
    /// # Errors
    /// Faults.
    pub fn forward(&self, account: AccountId) -> Result<Option<Forward>, store::Error> {
        Ok(self.book()?.forward(account))
    }

    /// The same, and what is asked for.
    ///
    /// # Errors
    /// Faults.
    pub fn forward_state(&self, account: AccountId, now: Timestamp) -> Result<ForwardState, store::Error> {
        let key = number_key(record::FORWARD, account);
        let record = self.0.table.get(&key)?.map(|value| ForwardRecord::of_row(&(key, value))).transpose()?;
        let ForwardRecord { active, asked, .. } = record.unwrap_or_default();
        let asked = asked.filter(|asked| asked.is_good(now)).map(|asked| (asked.address, asked.expires_at));
        Ok(ForwardState { active, asked })
    }

    /// An owner wants mail forwarded to `address`. Gives the code to be sent there, or none where it has agreed before: then only
    /// `keeps_copy` changes, at once. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no address, one in a local domain, no such account, a letter went out just now.
    pub fn ask_for_forward(
        &self,
        account: AccountId,
        address: &str,
        keeps_copy: bool,
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let parsed = Address::parse(address).map_err(Error::Refused)?;
        let address = outside(address, &parsed)?;
        let code = new_code()?;
        let hash = self.hash_of_code(account, &code);
        self.0.table.change(|tx| {
            if is_local(tx, &parsed.domain)? {
                return Err(Error::refused(tr!(
                    "{address} is in a domain of this server; whoever runs it makes an alias for that",
                    address = address
                )));
            }
            let mut record = read(tx, account)?;
            if let Some(active) = record.active.as_mut().filter(|active| active.address == address) {
                active.keeps_copy = keeps_copy;
                record.asked = None;
                record.write(tx, account);
                return Ok(None);
            }
            let since = now.0.saturating_sub(record.letter_at.0);
            if (0..BETWEEN_LETTERS_MILLIS).contains(&since) {
                let minutes = (BETWEEN_LETTERS_MILLIS - since) / 60_000 + 1;
                return Err(Error::refused(trn!(
                    minutes,
                    "a letter with a code went out just now; look for it, or ask again in {n} minute",
                    "a letter with a code went out just now; look for it, or ask again in {n} minutes"
                )));
            }
            let expires_at = Timestamp(now.0.saturating_add(CODE_MILLIS));
            record.asked =
                Some(Asked { address: address.clone(), keeps_copy, code: hash.into(), expires_at, wrong: 0 });
            record.letter_at = now;
            record.write(tx, account);
            Ok(Some(code.clone()))
        })
    }

    /// The address that was asked has shown its code: from now on mail is forwarded there. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: the wrong code, or nothing is asked for (any more).
    pub fn confirm_forward(&self, account: AccountId, code: &str, now: Timestamp) -> Result<Forward, Error> {
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let hash = self.hash_of_code(account, &code.to_ascii_lowercase());
        let confirmed = self.0.table.change::<_, Error>(|tx| {
            let mut record = read(tx, account)?;
            let Some(asked) = record.asked.as_mut().filter(|asked| asked.is_good(now)) else { return Ok(None) };
            // Takes as long wherever they differ.
            if blake3::Hash::from(asked.code) != hash {
                asked.wrong += 1;
                record.write(tx, account);
                return Ok(None);
            }
            let forward = Forward { address: asked.address.clone(), keeps_copy: asked.keeps_copy, since: now };
            record.asked = None;
            record.active = Some(forward.clone());
            record.write(tx, account);
            Ok(Some(forward))
        })?;
        confirmed.ok_or_else(|| {
            Error::refused(tr!(
                "that is not the code, or it is not good any more; look at the letter again, or ask for another one"
            ))
        })
    }

    /// From now on nothing is forwarded, nor asked for. What was forwarded. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account. Faults.
    pub fn remove_forward(&self, account: AccountId) -> Result<Option<Forward>, Error> {
        self.0.table.change(|tx| {
            let mut record = read(tx, account)?;
            let before = record.active.take();
            if before.is_some() || record.asked.take().is_some() {
                record.asked = None;
                record.write(tx, account);
            }
            Ok(before)
        })
    }

    fn hash_of_code(&self, account: AccountId, code: &str) -> blake3::Hash {
        self.0.link_key.hash(&[b"forward", &account.0.to_be_bytes(), code.as_bytes()])
    }
}

impl Asked {
    fn is_good(&self, now: Timestamp) -> bool {
        self.wrong < WRONG_MAX && now < self.expires_at
    }
}

impl ForwardRecord {
    fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.raw(&self.letter_at.0.to_be_bytes());
        value.byte(self.active.is_some().into());
        if let Some(Forward { address, keeps_copy, since }) = &self.active {
            value.byte((*keeps_copy).into()).raw(&since.0.to_be_bytes()).wide_text(address);
        }
        value.byte(self.asked.is_some().into());
        if let Some(Asked { address, keeps_copy, code, expires_at, wrong }) = &self.asked {
            value.byte((*keeps_copy).into()).raw(&expires_at.0.to_be_bytes()).raw(code).byte(*wrong);
            value.wide_text(address);
        }
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let letter_at = time(&mut fields)?;
        let active = match flag(&mut fields)? {
            false => None,
            true => {
                let (keeps_copy, since) = (flag(&mut fields)?, time(&mut fields)?);
                Some(Forward { keeps_copy, since, address: fields.wide_text()? })
            }
        };
        let asked = match flag(&mut fields)? {
            false => None,
            true => {
                let (keeps_copy, expires_at) = (flag(&mut fields)?, time(&mut fields)?);
                let (code, wrong) = (fields.array()?, fields.byte()?);
                Some(Asked { keeps_copy, expires_at, code, wrong, address: fields.wide_text()? })
            }
        };
        fields.end()?;
        Ok(Self { active, asked, letter_at })
    }

    /// Of an `F` row.
    pub(crate) fn of_row((key, value): &Row) -> Result<Self, store::Error> {
        Self::decode(value).map_err(|Corrupt| record::damaged(key))
    }

    fn write(&self, tx: &mut TableTx<'_>, account: AccountId) {
        tx.put(&number_key(record::FORWARD, account), self.encode());
    }
}

fn flag(fields: &mut Reader<'_>) -> Result<bool, Corrupt> {
    match fields.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        2.. => Err(Corrupt),
    }
}

fn time(fields: &mut Reader<'_>) -> Result<Timestamp, Corrupt> {
    fields.array().map(i64::from_be_bytes).map(Timestamp)
}

/// What is kept of the forward of an account that is there.
fn read(tx: &TableTx<'_>, account: AccountId) -> Result<ForwardRecord, Error> {
    if AccountRecord::read(tx, account)?.is_none() {
        return Err(Error::refused(tr!("there is no such account; `pillarbox account list` shows all")));
    }
    let key = number_key(record::FORWARD, account);
    let value = tx.get(&key)?;
    Ok(value.map(|value| ForwardRecord::of_row(&(key, value))).transpose()?.unwrap_or_default())
}

fn new_code() -> Result<String, store::Error> {
    let mut code = String::new();
    while code.len() < FORWARD_CODE_CHARS {
        let mut octet = [0];
        secret::fill(&mut octet)?;
        // Of the 256 the last 8 would make some characters likelier.
        let place = usize::from(octet[0]);
        let is_even = place < ALPHABET.len() * (256 / ALPHABET.len());
        code.extend(ALPHABET.get(place % ALPHABET.len()).filter(|_| is_even).map(|octet| char::from(*octet)));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, server, start};

    fn later(minutes: i64) -> Timestamp {
        Timestamp(NOW.0 + minutes * 60_000)
    }

    #[test]
    fn mail_was_forwarded_to_an_address_that_nobody_had_asked() {
        let (engine, directory, [alice, bob]) = server();
        let code = directory.ask_for_forward(alice, "Ada+x@Example.COM", true, NOW).unwrap().unwrap();
        assert_eq!(directory.forward(alice), Ok(None), "before it agreed");
        assert_eq!(directory.forward_state(alice, NOW).unwrap().asked.unwrap().0, "Ada+x@example.com");
        assert!(directory.confirm_forward(bob, &code, NOW).is_err(), "a code of somebody else");
        assert!(directory.confirm_forward(alice, "aaaaaaaaaa", NOW).is_err());
        let spaced = format!(" {}-{} ", &code[..5].to_uppercase(), &code[5..]);
        directory.confirm_forward(alice, &spaced, later(1)).unwrap();
        let forward = Forward { address: "Ada+x@example.com".into(), keeps_copy: true, since: later(1) };
        assert_eq!(directory.forward(alice), Ok(Some(forward.clone())));
        assert_eq!(start(&engine).forward(alice), Ok(Some(forward.clone())), "another process, a restart");
        assert!(directory.confirm_forward(alice, &code, later(1)).is_err(), "a code was used twice");
        // What has agreed need not again; what is asked for next changes nothing until then.
        assert_eq!(directory.ask_for_forward(alice, "Ada+x@example.com", false, later(2)), Ok(None));
        assert_eq!(directory.forward(alice), Ok(Some(Forward { keeps_copy: false, ..forward.clone() })));
        let other = directory.ask_for_forward(alice, "eve@example.net", false, later(11)).unwrap().unwrap();
        assert_eq!(directory.forward(alice).unwrap().unwrap().address, forward.address);
        directory.confirm_forward(alice, &other, later(12)).unwrap();
        assert_eq!(directory.remove_forward(alice).unwrap().unwrap().address, "eve@example.net");
        assert_eq!((directory.forward(alice), directory.remove_forward(alice)), (Ok(None), Ok(None)));
    }

    #[test]
    fn letters_to_strangers_and_guesses_are_few() {
        let (_, directory, [alice, _]) = server();
        let ask = |at: i64| directory.ask_for_forward(alice, "ada@example.com", true, later(at));
        let code = ask(0).unwrap().unwrap();
        directory.remove_forward(alice).unwrap();
        assert!(ask(9).is_err() && directory.confirm_forward(alice, &code, later(9)).is_err());
        let code = ask(10).unwrap().unwrap();
        for _ in 0..WRONG_MAX {
            assert!(directory.confirm_forward(alice, "aaaaaaaaaa", later(10)).is_err());
        }
        assert!(directory.confirm_forward(alice, &code, later(10)).is_err(), "a sixth guess");
        let code = ask(20).unwrap().unwrap();
        assert!(directory.confirm_forward(alice, &code, Timestamp(later(20).0 + CODE_MILLIS)).is_err(), "too late");
        assert!(directory.ask_for_forward(alice, "bob@example.org", true, later(99)).is_err(), "a domain of ours");
        assert!(directory.ask_for_forward(AccountId(9999), "ada@example.com", true, NOW).is_err());
    }

    #[test]
    fn a_forward_goes_with_its_account() {
        let (engine, directory, [alice, _]) = server();
        let code = directory.ask_for_forward(alice, "ada@example.com", true, NOW).unwrap().unwrap();
        directory.confirm_forward(alice, &code, NOW).unwrap();
        directory.remove_account("alice@example.org").unwrap();
        assert_eq!((directory.forward(alice), start(&engine).forward(alice)), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_found() {
        let asked = Asked { address: "a@b".into(), keeps_copy: true, code: [7; 32], expires_at: NOW, wrong: 3 };
        let active = Forward { address: "c@d".into(), keeps_copy: false, since: NOW };
        for (active, asked) in [(None, None), (Some(active.clone()), None), (Some(active), Some(asked))] {
            let record = ForwardRecord { active, asked, letter_at: later(5) };
            let value = record.encode();
            assert_eq!(ForwardRecord::decode(&value), Ok(record));
            assert!((0..value.len()).all(|end| ForwardRecord::decode(&value[..end]).is_err()));
        }
    }
}
