//! The keys with which a domain signs its mail (DKIM, RFC 6376): made, published, changed.
//!
//! A domain has a pair, one for RSA and one for Ed25519. A new pair is made long before it is used: its records are published
//! first ([`KeyState::Waiting`]), then it signs, and the records of the one before stay for mail that is still under way.
//!
//! A row `S domain` holds them all; private keys in it are encrypted with a key made of the server's secret.

use crate::Directory;
use crate::address::normalise_domain;
use crate::domains::must_be_local;
use crate::error::Error;
use crate::record::{self, key};
use dkim::{Algorithm, PrivateKey, Signer};
use message::date::Day;
use store::codec::{Corrupt, Reader, Writer};
use store::{TableTx, Timestamp};
use wording::tr;

const FORMAT: u8 = 1;
const SIGNING: &[u8] = b"S";
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// A record stays published for so long after its key has signed last: mail is a few days under way at most.
const RETIRED_MILLIS: i64 = 14 * DAY_MILLIS;
/// A domain has so many keys at most, those that are retired included.
const KEYS_MAX: usize = 20;

/// A key of a domain, without what is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Where it is published: `20261128-rsa` below `_domainkey`.
    pub selector: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The text of its TXT record.
    pub record: String,
    /// What it is used for at the moment.
    pub state: KeyState,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Its record is to be published; it does not sign yet.
    Waiting,
    /// It signs.
    Signing,
    /// It has signed until this moment; its record stays published for two weeks.
    Retired(Timestamp),
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    key: SigningKey,
    /// Encrypted; empty once it is retired.
    sealed: Vec<u8>,
}

/// The keys that sign for a domain. Equal as long as nobody has changed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKeys {
    domain: String,
    keys: Vec<Kept>,
}

impl SealedKeys {
    /// The domain that signs.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl Directory {
    /// The keys of a local domain, the newest last; none before they are made. Without those whose records need not be
    /// published any more.
    ///
    /// # Errors
    /// Faults.
    pub fn signing_keys(&self, domain: &str, now: Timestamp) -> Result<Vec<SigningKey>, store::Error> {
        let Some(domain) = normalise_domain(domain) else { return Ok(Vec::new()) };
        let kept = self.0.table.get(&key(SIGNING, &domain))?.map_or(Ok(Vec::new()), |row| decode(&domain, &row))?;
        Ok(kept.into_iter().map(|kept| kept.key).filter(|key| is_published(key, now)).collect())
    }

    /// Makes the keys of a local domain where it has none; whether it had none. An RSA key takes a tenth of a second.
    ///
    /// # Errors
    /// [`Error::Refused`]: not a local domain. Faults.
    pub fn make_signing_keys(&self, domain: &str, now: Timestamp) -> Result<bool, Error> {
        let domain = normalise_domain(domain).unwrap_or_default();
        if self.0.table.get(&key(SIGNING, &domain))?.is_some() {
            return Ok(false);
        }
        let mut pair = self.new_pair(&domain, KeyState::Signing)?;
        self.0.table.change(|tx| {
            must_be_local(tx, &domain)?;
            if tx.get(&key(SIGNING, &domain))?.is_some() {
                return Ok(false);
            }
            write(tx, &domain, &[], &mut pair, now);
            Ok(true)
        })
    }

    /// Makes the next keys of a local domain: to be published, and then used ([`Self::use_next_signing_keys`]).
    ///
    /// # Errors
    /// [`Error::Refused`]: not a local domain; the next keys are there already. Faults.
    pub fn make_next_signing_keys(&self, domain: &str, now: Timestamp) -> Result<(), Error> {
        let domain = normalise_domain(domain).unwrap_or_default();
        let mut pair = self.new_pair(&domain, KeyState::Waiting)?;
        self.0.table.change(|tx| {
            must_be_local(tx, &domain)?;
            let kept = read(tx, &domain)?;
            if kept.iter().any(|kept| kept.key.state == KeyState::Waiting) {
                return Err(Error::refused(tr!("the next keys of {domain} are made already: publish them (`pillarbox domain records {domain}`), then \
                     `pillarbox domain rotate {domain} --switch`", domain = domain)));
            }
            write(tx, &domain, &kept, &mut pair, now);
            Ok(())
        })
    }

    /// From now on the next keys sign; the records of those before stay published for two weeks.
    ///
    /// # Errors
    /// [`Error::Refused`]: not a local domain; there are no next keys. Faults.
    pub fn use_next_signing_keys(&self, domain: &str, now: Timestamp) -> Result<(), Error> {
        let domain = normalise_domain(domain).unwrap_or_default();
        self.0.table.change(|tx| {
            must_be_local(tx, &domain)?;
            let mut kept = read(tx, &domain)?;
            if kept.iter().all(|kept| kept.key.state != KeyState::Waiting) {
                return Err(Error::refused(tr!(
                    "{domain} has no next keys; `pillarbox domain rotate {domain}` makes them",
                    domain = domain
                )));
            }
            for Kept { key, sealed } in &mut kept {
                match key.state {
                    KeyState::Waiting => key.state = KeyState::Signing,
                    KeyState::Signing => {
                        key.state = KeyState::Retired(now);
                        sealed.clear();
                    }
                    KeyState::Retired(_) => {}
                }
            }
            write(tx, &domain, &kept, &mut [], now);
            Ok(())
        })
    }

    /// Local domains that have no keys yet.
    ///
    /// # Errors
    /// Faults.
    pub fn domains_without_signing_keys(&self) -> Result<Vec<String>, store::Error> {
        let mut without = Vec::new();
        for domain in self.domains()? {
            if self.0.table.get(&key(SIGNING, &domain.name))?.is_none() {
                without.push(domain.name);
            }
        }
        Ok(without)
    }

    /// The keys that sign what is sent from an address at `domain`: those of the domain itself, else of the local domain that
    /// it is below of (RFC 7489 §3.1.1: either is aligned). `None` where there are none.
    ///
    /// # Errors
    /// Faults.
    pub fn signing_keys_for(&self, domain: &str) -> Result<Option<SealedKeys>, store::Error> {
        let Some(domain) = normalise_domain(domain) else { return Ok(None) };
        let mut name = domain.as_str();
        loop {
            if let Some(row) = self.0.table.get(&key(SIGNING, name))? {
                let mut keys = decode(name, &row)?;
                keys.retain(|kept| kept.key.state == KeyState::Signing);
                return Ok(Some(SealedKeys { domain: name.to_owned(), keys }));
            }
            // A top-level domain is nobody's.
            match name.split_once('.') {
                Some((_, above)) if above.contains('.') => name = above,
                Some(_) | None => return Ok(None),
            }
        }
    }

    /// Opens keys. `None` where this server's secret is not the one that they were made with: then the domain needs new ones.
    #[must_use]
    pub fn open_signing_keys(&self, keys: &SealedKeys) -> Option<Vec<Signer>> {
        let SealedKeys { domain, keys } = keys;
        let signer = |kept: &Kept| {
            let SigningKey { selector, algorithm, .. } = &kept.key;
            let pkcs8 = self.0.signing_key.open(&kept.sealed, domain)?;
            Signer::new(domain, selector, &PrivateKey::from_pkcs8(*algorithm, pkcs8)).ok()
        };
        keys.iter().map(signer).collect()
    }

    fn new_pair(&self, domain: &str, state: KeyState) -> Result<Vec<Kept>, Error> {
        let new = |algorithm| {
            let no_key = |error: dkim::KeyError| store::Error::Fault(error.to_string());
            let private = PrivateKey::generate(algorithm).map_err(no_key)?;
            let record = private.record().map_err(no_key)?;
            let sealed = self.0.signing_key.seal(private.pkcs8(), domain)?;
            Ok(Kept { key: SigningKey { selector: String::new(), algorithm, record, state }, sealed })
        };
        Algorithm::ALL.into_iter().map(new).collect()
    }
}

/// Takes away the keys of a domain that is not ours any more.
pub(crate) fn delete(tx: &mut TableTx<'_>, domain: &str) {
    tx.delete(&key(SIGNING, domain));
}

fn read(tx: &TableTx<'_>, domain: &str) -> Result<Vec<Kept>, store::Error> {
    tx.get(&key(SIGNING, domain))?.map_or(Ok(Vec::new()), |row| decode(domain, &row))
}

/// Writes the keys that are there and a new pair, which gets its selectors: the day, and which of that day.
fn write(tx: &mut TableTx<'_>, domain: &str, kept: &[Kept], pair: &mut [Kept], now: Timestamp) {
    let (year, month, day) = Day(now.0.div_euclid(DAY_MILLIS)).civil();
    let is_taken = |part: &str| kept.iter().any(|kept| kept.key.selector.starts_with(&format!("{part}-")));
    let days = std::iter::once(String::new()).chain((b'b'..=b'z').map(|letter| char::from(letter).to_string()));
    let mut parts = days.map(|letter| format!("{year:04}{month:02}{day:02}{letter}"));
    let part = parts.find(|part| !is_taken(part)).unwrap_or_else(|| format!("t{}", now.0));
    for Kept { key, .. } in pair.iter_mut() {
        key.selector = format!("{part}-{}", key.algorithm.name());
    }
    let published: Vec<&Kept> = kept.iter().filter(|kept| is_published(&kept.key, now)).chain(pair.iter()).collect();
    let newest = published.split_at(published.len().saturating_sub(KEYS_MAX)).1;
    tx.put(&key(SIGNING, domain), encode(newest));
}

fn is_published(key: &SigningKey, now: Timestamp) -> bool {
    match key.state {
        KeyState::Waiting | KeyState::Signing => true,
        KeyState::Retired(since) => now.0.saturating_sub(since.0) < RETIRED_MILLIS,
    }
}

fn encode(keys: &[&Kept]) -> Vec<u8> {
    let mut value = Writer::of_format(FORMAT);
    for Kept { key: SigningKey { selector, algorithm, record, state }, sealed } in keys {
        let (state, since) = match state {
            KeyState::Waiting => (0, 0),
            KeyState::Signing => (1, 0),
            KeyState::Retired(since) => (2, since.0),
        };
        let algorithm = match algorithm {
            Algorithm::Rsa2048 => 0,
            Algorithm::Ed25519 => 1,
        };
        value.byte(algorithm).byte(state).raw(&since.to_be_bytes()).wide_text(selector).wide_text(record);
        value.raw(&(sealed.len() as u32).to_be_bytes()).raw(sealed);
    }
    value.0
}

fn decode(domain: &str, value: &[u8]) -> Result<Vec<Kept>, store::Error> {
    let keys = || {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let mut keys = Vec::new();
        while !fields.0.is_empty() {
            keys.push(decode_key(&mut fields)?);
        }
        Ok(keys)
    };
    keys().map_err(|Corrupt| record::damaged(&key(SIGNING, domain)))
}

fn decode_key(fields: &mut Reader<'_>) -> Result<Kept, Corrupt> {
    let algorithm = match fields.byte()? {
        0 => Algorithm::Rsa2048,
        1 => Algorithm::Ed25519,
        2.. => return Err(Corrupt),
    };
    let (state, since) = (fields.byte()?, i64::from_be_bytes(fields.array()?));
    let state = match state {
        0 => KeyState::Waiting,
        1 => KeyState::Signing,
        2 => KeyState::Retired(Timestamp(since)),
        3.. => return Err(Corrupt),
    };
    let (selector, record) = (fields.wide_text()?, fields.wide_text()?);
    let length = usize::try_from(u32::from_be_bytes(fields.array()?)).map_err(|_| Corrupt)?;
    let (sealed, rest) = fields.0.split_at_checked(length).ok_or(Corrupt)?;
    fields.0 = rest;
    Ok(Kept { key: SigningKey { selector, algorithm, record, state }, sealed: sealed.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, options, server, start};
    use std::sync::Arc;
    use store::Store;
    use store::sim::SimObjects;

    fn states(directory: &Directory, now: Timestamp) -> Vec<(String, KeyState)> {
        let keys = directory.signing_keys("example.org", now).unwrap();
        keys.into_iter().map(|key| (key.selector, key.state)).collect()
    }

    #[test]
    fn new_keys_are_published_first_and_old_ones_for_two_weeks_more() {
        let (engine, directory, _) = server();
        let later = |days: i64| Timestamp(NOW.0 + days * DAY_MILLIS);
        assert!(directory.use_next_signing_keys("example.org", NOW).is_err());
        assert_eq!(directory.domains_without_signing_keys().unwrap(), ["example.org", "xn--bcher-kva.example"]);
        assert!(directory.make_signing_keys("Example.org", NOW).unwrap());
        assert!(!directory.make_signing_keys("example.org", NOW).unwrap(), "made twice");
        assert_eq!(directory.domains_without_signing_keys().unwrap(), ["xn--bcher-kva.example"]);
        let first = states(&directory, NOW);
        assert!(first.iter().all(|(_, state)| *state == KeyState::Signing) && first.len() == 2);
        let signing = directory.signing_keys_for("example.org").unwrap().unwrap();

        directory.make_next_signing_keys("example.org", NOW).unwrap();
        assert!(directory.make_next_signing_keys("example.org", NOW).is_err(), "a third pair");
        assert_eq!(
            directory.signing_keys_for("example.org").unwrap().unwrap(),
            signing,
            "they sign before they are published"
        );
        let names: std::collections::BTreeSet<String> =
            states(&directory, NOW).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 4, "{names:?}");

        directory.use_next_signing_keys("example.org", later(1)).unwrap();
        assert_ne!(directory.signing_keys_for("example.org").unwrap().unwrap(), signing);
        let retired = |days| {
            states(&directory, later(days)).iter().filter(|(_, state)| *state == KeyState::Retired(later(1))).count()
        };
        assert_eq!((retired(14), retired(15)), (2, 0));
        // Another process, and after a restart.
        assert_eq!(states(&start(&engine), later(2)), states(&directory, later(2)));
        directory.make_next_signing_keys("example.org", later(20)).unwrap();
        assert_eq!(states(&directory, later(2)).len(), 4, "the first pair is forgotten");
    }

    #[test]
    fn what_is_below_a_local_domain_is_signed_by_it() {
        let (_, directory, _) = server();
        assert_eq!(directory.signing_keys_for("example.org").unwrap(), None);
        directory.make_signing_keys("example.org", NOW).unwrap();
        let own = directory.signing_keys_for("EXAMPLE.org").unwrap();
        assert!(own.is_some());
        assert_eq!(directory.signing_keys_for("mail.example.org").unwrap(), own);
        for other in ["org", "example.com", "badexample.org", ""] {
            assert_eq!(directory.signing_keys_for(other).unwrap(), None, "{other}");
        }
        assert!(directory.make_signing_keys("example.com", NOW).is_err());
    }

    #[test]
    fn a_copy_of_the_database_gave_the_keys_away() {
        let (engine, directory, _) = server();
        directory.make_signing_keys("example.org", NOW).unwrap();
        let keys = directory.signing_keys_for("example.org").unwrap().unwrap();
        assert_eq!(directory.open_signing_keys(&keys).unwrap().len(), 2);
        let store = Store::new(Arc::new(engine), Arc::new(SimObjects::new()));
        let thief = Directory::open(store, &[9; 32], options()).unwrap();
        assert!(thief.open_signing_keys(&keys).is_none());
    }

    #[test]
    fn a_domain_that_goes_takes_its_keys_along() {
        let (_, directory, _) = server();
        directory.make_signing_keys("bücher.example", NOW).unwrap();
        directory.remove_domain("bücher.example").unwrap();
        assert_eq!(directory.signing_keys("bücher.example", NOW).unwrap(), []);
        directory.add_domain("bücher.example").unwrap();
        assert_eq!(directory.domains_without_signing_keys().unwrap().len(), 2);
    }

    #[test]
    fn damage_is_a_fault() {
        let key = SigningKey {
            selector: "s".into(),
            algorithm: Algorithm::Ed25519,
            record: "r".into(),
            state: KeyState::Retired(Timestamp(5)),
        };
        let kept = Kept { key, sealed: vec![1, 2, 3] };
        let value = encode(&[&kept, &kept]);
        assert_eq!(decode("x", &value).unwrap(), [kept.clone(), kept.clone()]);
        let whole = (value.len() - 1) / 2 + 1;
        for end in (0..value.len()).filter(|end| *end != 1 && *end != whole) {
            assert!(decode("x", &value[..end]).is_err(), "{end}");
        }
    }
}
