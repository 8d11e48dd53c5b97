//! The certificate of this host that an authority gave by itself, its keys, and when there is to be the next one.
//!
//! A key stays over renewals, because TLSA records vouch for it (RFC 7671 §8.1 publishes the next one beside it): there are always
//! two, the one in use and the next, which is made long before it is used.
//!
//! Two kinds of rows: `T` alone, all of this; `T` and the URL of an authority, the account there. What is secret in them is
//! encrypted with a key made of the server's secret.

use crate::Directory;
use crate::record::{self, key};
use store::codec::{Corrupt, Reader, Writer};
use store::{Error, Timestamp};

const FORMAT: u8 = 1;
/// Of the row of the certificate; one of the first format does not say over which port.
const HOST_FORMAT: u8 = 2;
const HOST: &[u8] = b"T";
/// What of an error is kept.
const ERROR_BYTES_MAX: usize = 2000;
/// Whose a key of the host is, to [`crate::secret::PurposeKey::seal`].
const OF_HOST: &str = "this host";

/// The certificate of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostCertificate {
    /// The key in use, then the next one. Empty before the first order.
    pub keys: Vec<HostKey>,
    /// The chain in PEM form, for the first of the keys; empty: none was obtained yet.
    pub chain: String,
    /// The URL of the authority that gave it.
    pub authority: String,
    /// When the authority is asked next.
    pub next_attempt: Timestamp,
    /// So often it was asked in vain since it gave a certificate.
    pub failures: u32,
    /// Why there was none the last time; empty: there was one.
    pub last_error: String,
    /// Over which port the names of the certificate were proven, 443 or 80; 0: that is not known.
    pub proven_over: u16,
}

/// A key of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// When it was made.
    pub made_at: Timestamp,
    /// SHA-256 of its public half, as in a TLSA record `3 1 1`.
    pub digest: [u8; 32],
    /// Encrypted.
    sealed: Vec<u8>,
}

impl Directory {
    /// The certificate of this host; `None` where none was ever ordered.
    ///
    /// # Errors
    /// Faults.
    pub fn host_certificate(&self) -> Result<Option<HostCertificate>, Error> {
        self.0.table.get(HOST)?.map(|row| decode(&row).map_err(|Corrupt| record::damaged(HOST))).transpose()
    }

    /// Changes what is known of the certificate of this host, durably.
    ///
    /// # Errors
    /// Faults.
    pub fn change_host_certificate(&self, change: impl Fn(&mut HostCertificate)) -> Result<HostCertificate, Error> {
        self.0.table.change(|tx| {
            let row = tx.get(HOST)?;
            let mut kept = match row {
                Some(row) => decode(&row).map_err(|Corrupt| record::damaged(HOST))?,
                None => HostCertificate::default(),
            };
            change(&mut kept);
            tx.put(HOST, encode(&kept));
            Ok(kept)
        })
    }

    /// A key of this host to be kept: PKCS#8, and SHA-256 of its public half.
    ///
    /// # Errors
    /// Faults.
    pub fn seal_host_key(&self, pkcs8: &[u8], digest: [u8; 32], now: Timestamp) -> Result<HostKey, Error> {
        Ok(HostKey { made_at: now, digest, sealed: self.0.host_key.seal(pkcs8, OF_HOST)? })
    }

    /// The key itself, as PKCS#8. `None` where this server's secret is not the one that it was sealed with.
    #[must_use]
    pub fn open_host_key(&self, key: &HostKey) -> Option<Vec<u8>> {
        self.0.host_key.open(&key.sealed, OF_HOST)
    }

    /// The account with the authority at `url`; `None` where there is none, or it cannot be opened.
    ///
    /// # Errors
    /// Faults.
    pub fn authority_account(&self, url: &str) -> Result<Option<Vec<u8>>, Error> {
        let row = self.0.table.get(&key(HOST, url))?;
        Ok(row.and_then(|row| self.0.host_key.open(row.strip_prefix(&[FORMAT])?, url)))
    }

    /// Keeps the account with the authority at `url`, which is not empty.
    ///
    /// # Errors
    /// Faults.
    pub fn keep_authority_account(&self, url: &str, account: &[u8]) -> Result<(), Error> {
        let sealed = self.0.host_key.seal(account, url)?;
        self.0.table.change(|tx| {
            tx.put(&key(HOST, url), [&[FORMAT], &sealed[..]].concat());
            Ok(())
        })
    }
}

fn encode(kept: &HostCertificate) -> Vec<u8> {
    let HostCertificate { keys, chain, authority, next_attempt, failures, last_error, proven_over } = kept;
    let mut value = Writer::of_format(HOST_FORMAT);
    value.raw(&proven_over.to_be_bytes()).raw(&next_attempt.0.to_be_bytes()).raw(&failures.to_be_bytes());
    let end = (0..=ERROR_BYTES_MAX.min(last_error.len())).rev().find(|at| last_error.is_char_boundary(*at));
    value.wide_text(chain).wide_text(authority).wide_text(&last_error[..end.unwrap_or_default()]);
    for HostKey { made_at, digest, sealed } in keys {
        value.raw(&made_at.0.to_be_bytes()).raw(digest).raw(&(sealed.len() as u32).to_be_bytes()).raw(sealed);
    }
    value.0
}

fn decode(value: &[u8]) -> Result<HostCertificate, Corrupt> {
    let (mut fields, proven_over) = match Reader::of_format(value, FORMAT) {
        Ok(fields) => (fields, 0),
        Err(Corrupt) => {
            let mut fields = Reader::of_format(value, HOST_FORMAT)?;
            let proven_over = u16::from_be_bytes(fields.array()?);
            (fields, proven_over)
        }
    };
    let next_attempt = Timestamp(i64::from_be_bytes(fields.array()?));
    let failures = u32::from_be_bytes(fields.array()?);
    let (chain, authority, last_error) = (fields.wide_text()?, fields.wide_text()?, fields.wide_text()?);
    let mut keys = Vec::new();
    while !fields.0.is_empty() {
        let (made_at, digest) = (Timestamp(i64::from_be_bytes(fields.array()?)), fields.array()?);
        let length = usize::try_from(u32::from_be_bytes(fields.array()?)).map_err(|_| Corrupt)?;
        let (sealed, rest) = fields.0.split_at_checked(length).ok_or(Corrupt)?;
        fields.0 = rest;
        keys.push(HostKey { made_at, digest, sealed: sealed.to_vec() });
    }
    Ok(HostCertificate { keys, chain, authority, next_attempt, failures, last_error, proven_over })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, server};

    #[test]
    fn certificate_keys_and_account_are_there_after_a_start_and_no_secret_is_in_the_clear() {
        let (_, directory, _) = server();
        assert_eq!(directory.host_certificate().unwrap(), None);
        let key = directory.seal_host_key(b"the private key", [7; 32], NOW).unwrap();
        let kept = directory
            .change_host_certificate(|kept| {
                kept.keys = vec![key.clone(), key.clone()];
                kept.chain = "chain".into();
                kept.last_error = "ä".repeat(ERROR_BYTES_MAX);
                kept.proven_over = 80;
            })
            .unwrap();
        let read = directory.host_certificate().unwrap().unwrap();
        assert_eq!((&read.keys, &read.chain, read.failures), (&kept.keys, &kept.chain, 0));
        assert_eq!((read.last_error.len(), read.proven_over), (ERROR_BYTES_MAX, 80));
        // As it was written before it said over which port.
        let mut earlier = encode(&read);
        earlier.splice(..3, [FORMAT]);
        assert_eq!(decode(&earlier).unwrap(), HostCertificate { proven_over: 0, ..read.clone() });
        assert_eq!(directory.open_host_key(&read.keys[1]).unwrap(), b"the private key");

        let url = "https://authority.example/directory";
        assert_eq!(directory.authority_account(url).unwrap(), None);
        directory.keep_authority_account(url, b"the account").unwrap();
        assert_eq!(directory.authority_account(url).unwrap().unwrap(), b"the account");
        assert_eq!(directory.authority_account("https://authority.example/staging").unwrap(), None);
        assert_eq!(directory.host_certificate().unwrap().unwrap(), read);
        for (_, row) in directory.0.table.scan(HOST, HOST, 10).unwrap() {
            let text = String::from_utf8_lossy(&row).into_owned();
            assert!(!text.contains("private") && !text.contains("the account"), "{text}");
        }
        assert_eq!(decode(&encode(&read)[..20]), Err(Corrupt));
    }
}
