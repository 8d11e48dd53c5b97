//! Hashes of main passwords that another server made, as Dovecot writes them (`{SCHEME}hash`) or crypt(3) does (`$6$…`).
//!
//! They are kept as they are and verified as they are, until their owner logs in: then the password is hashed as ours are
//! ([`Directory::take_over_password`]). What is said to be a hash and is the password itself, what gives a password away and
//! what would take a processor for long is refused when it comes, with the reason.
//!
//! Invariant: a hash that is kept is one that [`verify`] can verify, within the limits below.

use crate::Directory;
use crate::error::Error;
use crate::password::is_argon2_of;
use crate::record::AccountRecord;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, pbkdf2};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha_crypt::ShaCrypt;
use std::num::NonZeroU32;
use wording::tr;

/// A hash with its scheme is at most this long.
pub(crate) const HASH_BYTES_MAX: usize = 512;
/// The logarithm of the rounds of bcrypt, at least and at most: 14 takes about a second.
pub(crate) const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Rounds of SHA-crypt times the octets of a password at most: each round hashes the password, so it takes about a second.
pub(crate) const SHA_CRYPT_WORK_MAX: u64 = 500_000 * SHA_CRYPT_PASSWORD_BYTES;
/// A password of so many octets can be verified, whatever the rounds.
const SHA_CRYPT_PASSWORD_BYTES: u64 = 64;
/// Rounds of SHA-crypt at most.
pub(crate) const SHA_CRYPT_ROUNDS_MAX: u32 = (SHA_CRYPT_WORK_MAX / SHA_CRYPT_PASSWORD_BYTES) as u32;
/// Rounds of SHA-crypt where a hash does not say how many.
const SHA_CRYPT_ROUNDS: u32 = 5_000;
/// Rounds of PBKDF2 at most: about half a second.
pub(crate) const PBKDF2_ROUNDS_MAX: u32 = 1_000_000;
/// Memory of argon2 at most, in KiB: twice what Dovecot takes.
pub(crate) const ARGON2_MEMORY_KIB_MAX: u32 = 128 * 1024;
/// Memory of argon2 times its passes at most, in KiB: about a second.
pub(crate) const ARGON2_WORK_KIB_MAX: u32 = 1024 * 1024;
/// Lanes of argon2 at most.
pub(crate) const ARGON2_LANES_MAX: u32 = 16;
/// A salt of SHA-crypt has at most so many characters.
const SHA_CRYPT_SALT_CHARS_MAX: usize = 16;
/// What a hash of another server begins with, and none of ours.
const BEGIN: char = '{';

type Reason = &'static str;

/// A hash that can be verified.
enum Imported<'a> {
    Bcrypt(&'a str),
    ShaCrypt {
        hash: &'a str,
        rounds: u32,
    },
    Argon2(&'a str),
    /// `hash` is the digest of the password and the salt.
    Salted {
        algorithm: &'static digest::Algorithm,
        hash: Vec<u8>,
        salt: Vec<u8>,
    },
    /// With HMAC-SHA-1 (RFC 8018 §5.2).
    Pbkdf2 {
        salt: &'a str,
        rounds: NonZeroU32,
        hash: Vec<u8>,
    },
}

impl AccountRecord {
    /// Whether its password was hashed by another server.
    #[must_use]
    pub fn has_imported_password(&self) -> bool {
        is_imported(&self.password)
    }
}

impl Directory {
    /// Replaces a hash that another server made by one of ours, and makes keys for SCRAM, once the password that it is of was
    /// said. Not if there is another one by now. Costs an argon2id.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such account any more. Those of the store.
    pub fn take_over_password(&self, record: &AccountRecord, password: &str) -> Result<(), Error> {
        let hash = self.0.hasher.hash(password)?;
        let scram = self.sealed_scram_keys(&record.address, password)?;
        self.change_account(&record.address, |now| {
            if now.password == record.password {
                now.password.clone_from(&hash);
                now.scram.clone_from(&scram);
            }
        })
    }
}

/// Whether a stored hash was made by another server.
pub(crate) fn is_imported(hash: &str) -> bool {
    hash.starts_with(BEGIN)
}

/// The hash as it is kept.
///
/// # Errors
/// [`Error::Refused`]: it cannot be verified here, or should not be; with the reason.
pub(crate) fn checked(text: &str) -> Result<String, Error> {
    let text = text.trim();
    match Imported::parse(text) {
        Ok(_) if is_imported(text) => Ok(text.to_owned()),
        Ok(_) => Ok(format!("{{CRYPT}}{text}")),
        Err(reason) => Err(Error::refused(reason)),
    }
}

/// Whether `password` is the one of a hash that is kept.
///
/// # Errors
/// It is damaged.
pub(crate) fn verify(password: &str, hash: &str) -> Result<bool, Box<dyn std::error::Error>> {
    match Imported::parse(hash)? {
        // Nobody has an empty one, whatever was hashed elsewhere.
        _ if password.is_empty() => Ok(false),
        // As everywhere, what comes after 72 octets does not count.
        Imported::Bcrypt(hash) => Ok(bcrypt::verify(password, hash).map_err(|error| error.to_string())?),
        // Nobody says what was hashed then: it would take too long to find out whether it is that.
        Imported::ShaCrypt { rounds, .. } if is_beyond_sha_crypt(password, rounds) => Ok(false),
        Imported::ShaCrypt { hash, .. } => Ok(ShaCrypt::default().verify_password(password.as_bytes(), hash).is_ok()),
        // Not in the memory that is kept for the next one: it may be much.
        Imported::Argon2(hash) => is_argon2_of(password, hash, &mut Vec::new()),
        Imported::Salted { algorithm, hash, salt } => {
            let digest = digest::digest(algorithm, &[password.as_bytes(), &salt].concat());
            Ok(verify_slices_are_equal(digest.as_ref(), &hash).is_ok())
        }
        Imported::Pbkdf2 { salt, rounds, hash } => {
            let (salt, password) = (salt.as_bytes(), password.as_bytes());
            Ok(pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA1, rounds, salt, password, &hash).is_ok())
        }
    }
}

impl<'a> Imported<'a> {
    fn parse(text: &'a str) -> Result<Self, Reason> {
        if text.len() > HASH_BYTES_MAX {
            return Err(tr!("the hash is too long for one"));
        }
        let Some(after) = text.strip_prefix(BEGIN) else { return Self::crypt(text) };
        let (scheme, hash) = after.split_once('}').ok_or(tr!("the hash has no closing brace after its scheme"))?;
        let scheme = scheme.to_ascii_uppercase();
        let (name, encoding) = scheme.split_once('.').unwrap_or((&scheme, "B64"));
        match name {
            "CRYPT" => Self::crypt(hash),
            "BLF-CRYPT" => Self::bcrypt(hash),
            "SHA256-CRYPT" => Self::sha_crypt(hash, "$5$"),
            "SHA512-CRYPT" => Self::sha_crypt(hash, "$6$"),
            "ARGON2I" => Self::argon2(hash, "$argon2i$"),
            "ARGON2ID" => Self::argon2(hash, "$argon2id$"),
            "SSHA" => Self::salted(&digest::SHA1_FOR_LEGACY_USE_ONLY, hash, encoding),
            "SSHA256" => Self::salted(&digest::SHA256, hash, encoding),
            "SSHA512" => Self::salted(&digest::SHA512, hash, encoding),
            "PBKDF2" => Self::pbkdf2(hash),
            "PLAIN" | "CLEAR" | "CLEARTEXT" | "PLAIN-TRUNC" => Err(tr!(
                "the hash is the password itself; put it into the column password, without what stands in braces"
            )),
            "MD5" | "MD5-CRYPT" | "PLAIN-MD5" | "LDAP-MD5" | "SMD5" | "CRAM-MD5" | "HMAC-MD5" | "DIGEST-MD5"
            | "PLAIN-MD4" | "NTLM" | "LANMAN" | "RPA" | "DES-CRYPT" | "SHA" | "SHA1" | "SHA256" | "SHA512" => {
                Err(tr!("the hash is of a scheme that gives passwords away; choose a new password for this account"))
            }
            _ => Err(tr!("the hash is of a scheme that is not known here; choose a new password for this account")),
        }
    }

    /// As crypt(3) has it: what it begins with says what it is.
    fn crypt(hash: &'a str) -> Result<Self, Reason> {
        match hash {
            _ if hash.starts_with("$2") => Self::bcrypt(hash),
            _ if hash.starts_with("$5$") => Self::sha_crypt(hash, "$5$"),
            _ if hash.starts_with("$6$") => Self::sha_crypt(hash, "$6$"),
            _ if hash.starts_with("$argon2i$") => Self::argon2(hash, "$argon2i$"),
            _ if hash.starts_with("$argon2id$") => Self::argon2(hash, "$argon2id$"),
            _ if hash.starts_with("$1$") => {
                Err(tr!("the hash is of MD5-crypt, which gives passwords away; choose a new password for this account"))
            }
            _ => Err(tr!(
                "the hash is of a kind that is not known here; write it as Dovecot does, with its scheme in braces before it, or choose a new password"
            )),
        }
    }

    fn bcrypt(hash: &'a str) -> Result<Self, Reason> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version)) {
            return Err(tr!("the hash is not one of bcrypt ($2a$, $2b$ or $2y$)"));
        }
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| tr!("the hash is not a whole one of bcrypt"))?;
        match BCRYPT_COSTS.contains(&parts.get_cost()) {
            true => Ok(Self::Bcrypt(hash)),
            false => {
                Err(tr!("the hash has a cost of bcrypt that is not between 4 and 14: a login would take too long"))
            }
        }
    }

    /// `$6$rounds=5000$salt$hash`, the rounds left out where they are 5000.
    fn sha_crypt(hash: &'a str, begin: &str) -> Result<Self, Reason> {
        let fields = hash.strip_prefix(begin).ok_or(tr!("the hash does not begin as those of its scheme do"))?;
        let (rounds, fields) = match fields.strip_prefix("rounds=") {
            Some(fields) => fields.split_once('$').map(|(rounds, rest)| (Some(rounds), rest)).ok_or(not_whole())?,
            None => (None, fields),
        };
        let rounds = rounds.map_or(Ok(SHA_CRYPT_ROUNDS), str::parse).map_err(|_| not_whole())?;
        if !(sha_crypt::Params::ROUNDS_MIN..=SHA_CRYPT_ROUNDS_MAX).contains(&rounds) {
            return Err(tr!(
                "the hash has rounds of SHA-crypt that are not between 1000 and 500000: a login would take too long"
            ));
        }
        let (salt, digest) = fields.split_once('$').ok_or(not_whole())?;
        let is_salt = (1..=SHA_CRYPT_SALT_CHARS_MAX).contains(&salt.len()) && salt.bytes().all(is_of_crypt);
        let length = if begin == "$5$" { 43 } else { 86 };
        match is_salt && digest.len() == length && digest.bytes().all(is_of_crypt) {
            true => Ok(Self::ShaCrypt { hash, rounds }),
            false => Err(not_whole()),
        }
    }

    fn argon2(hash: &'a str, begin: &str) -> Result<Self, Reason> {
        let stored = PasswordHash::new(hash).map_err(|_| tr!("the hash is not a whole one of argon2"))?;
        let params = Params::try_from(&stored).map_err(|_| tr!("the hash has parameters that argon2 does not know"))?;
        let is_known = stored.version.is_some_and(|version| Version::try_from(version).is_ok());
        if !hash.starts_with(begin) || stored.salt.is_none() || stored.hash.is_none() || !is_known {
            return Err(tr!("the hash is not a whole one of its kind of argon2"));
        }
        let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
        match memory <= ARGON2_MEMORY_KIB_MAX
            && memory.saturating_mul(passes) <= ARGON2_WORK_KIB_MAX
            && lanes <= ARGON2_LANES_MAX
        {
            true => Ok(Self::Argon2(hash)),
            false => Err(tr!(
                "the hash has a cost of argon2 beyond 128 MiB, beyond 1 GiB with all its passes, or more than 16 lanes: a login would \
                 take too much"
            )),
        }
    }

    fn salted(algorithm: &'static digest::Algorithm, hash: &str, encoding: &str) -> Result<Self, Reason> {
        let decoded = match encoding {
            "B64" => BASE64_STANDARD.decode(hash).ok(),
            "HEX" => of_hex(hash),
            _ => None,
        };
        let mut hash =
            decoded.ok_or(tr!("the hash is neither base64 nor, with .hex behind its scheme, hexadecimal"))?;
        if hash.len() <= algorithm.output_len() {
            return Err(tr!("the hash has no salt, or is not whole"));
        }
        let salt = hash.split_off(algorithm.output_len());
        Ok(Self::Salted { algorithm, hash, salt })
    }

    /// `$1$salt$rounds$hash`, the hash in hexadecimal.
    fn pbkdf2(text: &'a str) -> Result<Self, Reason> {
        let fields: Vec<&str> = text.split('$').collect();
        let ["", "1", salt, rounds, hash] = fields[..] else {
            return Err(tr!("the hash is not a whole one of PBKDF2"));
        };
        let rounds: NonZeroU32 = rounds.parse().map_err(|_| tr!("the hash has no number of rounds of PBKDF2"))?;
        if rounds.get() > PBKDF2_ROUNDS_MAX {
            return Err(tr!("the hash has more than 1000000 rounds of PBKDF2: a login would take too long"));
        }
        let hash = of_hex(hash).filter(|hash| hash.len() == digest::SHA1_OUTPUT_LEN && !salt.is_empty());
        Ok(Self::Pbkdf2 { salt, rounds, hash: hash.ok_or(tr!("the hash is not a whole one of PBKDF2"))? })
    }
}

/// Whether a password is too long to be verified in so many rounds.
fn is_beyond_sha_crypt(password: &str, rounds: u32) -> bool {
    u64::from(rounds).saturating_mul(password.len() as u64) > SHA_CRYPT_WORK_MAX
}

fn not_whole() -> Reason {
    tr!("the hash is not a whole one of SHA-crypt")
}

fn is_of_crypt(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'/')
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    octets.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PASSWORD_BYTES_MAX;
    use crate::testing;

    const PASSWORD: &str = "correct horse";
    const OTHER: &str = "grüße aus Köln";

    /// Made with `doveadm pw` of Dovecot 2.3.
    const OF_DOVECOT: [(&str, &str); 12] = [
        (PASSWORD, "{BLF-CRYPT}$2y$05$NTZ4VzuOuY.e2R/9i/VbrOvRHiTwOVGDGGm2fW83FnM7qis620I32"),
        (PASSWORD, "{SHA256-CRYPT}$5$FabfZoYNXLxMnLzM$VABTSQ/jQw3gqss28pQf4D8ZxPkLflSgg3UiLzQLS51"),
        (
            PASSWORD,
            "{SHA512-CRYPT}$6$LkgW6/Kof36wAQms$CmgdmtBtAkSGSHD65LZJn8JOKZJpFVI5ODAgtsNAdzdpK6vjZE4oHPMbGIDnqpiRGZNQhuXaGjJf/pUov05uq/",
        ),
        (PASSWORD, "{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux"),
        (PASSWORD, "{SSHA.HEX}b78da9b519432a525ec7a5ee68b7fa61e282b7a79afc2bb9"),
        (PASSWORD, "{SSHA256}CNqukX7cjyrJZu/1Tfp9Gn2s19AA5teXX9N0qTx+JfuWEWjU"),
        (
            PASSWORD,
            "{SSHA512}d6vsfiBNzK0YHSpGrKVUmviGnKNOtPdKv0HhAhUI2ljj12YeDkrxba/7zyvoECK/nLLK6NQ9hOD0Mlih83mB1Cs4WBE=",
        ),
        (
            PASSWORD,
            "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$Ubf70u1aRzp4oOyuikDj7Q$ElexnmOMOZDevYG3VdN0uOkc2CZSVFzQuXfvg2WtV2I",
        ),
        (PASSWORD, "{PBKDF2}$1$irDGHAyS2NaWtdFX$5000$04471be388115d615259c0bab12c86e2478486ef"),
        (PASSWORD, "{CRYPT}$2y$05$kq9W/4Qe.JVTrPvtRhEazudpdCHS.sGsRabNv6maEQSv452QW.Diq"),
        (
            OTHER,
            "$6$rounds=1234$IB7zAHfV7q1j9KXu$O8tkhoDoQoQjV2Cl1q.oq1aKKmmW4MQTzs6CjrQv4sn1Kqn7CTxpBoQFJoJiCuRN4a9KZxP4T1LOyROCVxPnJ1",
        ),
        (OTHER, "{SHA256-CRYPT}$5$rounds=1000$GSAGEzanEmJ3JDZ2$g0l0R06mpdPRTLvJ68x1PS.vryN4yfUkQi6ElYW.0//"),
    ];

    #[test]
    fn what_dovecot_hashed_is_verified() {
        for (password, hash) in OF_DOVECOT {
            let kept = checked(hash).unwrap();
            assert!(is_imported(&kept), "{kept}");
            assert!(verify(password, &kept).unwrap(), "{hash}");
            assert!(!verify("correct hors", &kept).unwrap(), "{hash}");
        }
    }

    #[test]
    fn a_cost_is_taken_up_to_its_limit_and_not_one_beyond() {
        let salt_and_hash = "NTZ4VzuOuY.e2R/9i/VbrOvRHiTwOVGDGGm2fW83FnM7qis620I32";
        let sha = "GSAGEzanEmJ3JDZ2$g0l0R06mpdPRTLvJ68x1PS.vryN4yfUkQi6ElYW.0//";
        let argon2 = "uTxFvhruCG2BL0i9laAd0w$MrQa7aNjsHhuYPKKU+dERb6xCUkVHrrCTaL+eDR+ONI";
        let pbkdf2 = "04471be388115d615259c0bab12c86e2478486ef";
        for (hash, is_taken) in [
            (format!("$2y$04${salt_and_hash}"), true),
            (format!("$2y$03${salt_and_hash}"), false),
            (format!("$2b$14${salt_and_hash}"), true),
            (format!("$2b$15${salt_and_hash}"), false),
            (format!("$2b$31${salt_and_hash}"), false),
            (format!("$5$rounds=500000${sha}"), true),
            (format!("$5$rounds=500001${sha}"), false),
            (format!("$5$rounds=999999999${sha}"), false),
            (format!("$5$rounds=999${sha}"), false),
            (format!("{{ARGON2ID}}$argon2id$v=19$m=131072,t=8,p=16${argon2}"), true),
            (format!("{{ARGON2ID}}$argon2id$v=19$m=131073,t=1,p=1${argon2}"), false),
            (format!("{{ARGON2ID}}$argon2id$v=19$m=131072,t=9,p=1${argon2}"), false),
            (format!("{{ARGON2ID}}$argon2id$v=19$m=1024,t=1,p=17${argon2}"), false),
            (format!("{{ARGON2ID}}$argon2id$v=19$m=4194304,t=1,p=1${argon2}"), false),
            (format!("{{PBKDF2}}$1$salt$1000000${pbkdf2}"), true),
            (format!("{{PBKDF2}}$1$salt$1000001${pbkdf2}"), false),
            (format!("{{SSHA}}{}", BASE64_STANDARD.encode([0; 21])), true),
            (format!("{{SSHA}}{}", BASE64_STANDARD.encode([0; 20])), false),
            (format!("{{SSHA.HEX}}{}", "0".repeat(HASH_BYTES_MAX - 10)), true),
            (format!("{{SSHA.HEX}}{}", "0".repeat(HASH_BYTES_MAX - 8)), false),
        ] {
            assert_eq!(checked(&hash).is_ok(), is_taken, "{hash}");
        }
    }

    #[test]
    fn a_long_password_in_many_rounds_took_a_processor_for_seconds() {
        for (length, rounds, is_beyond) in [
            (64, SHA_CRYPT_ROUNDS_MAX, false),
            (65, SHA_CRYPT_ROUNDS_MAX, true),
            (PASSWORD_BYTES_MAX, 31_250, false),
            (PASSWORD_BYTES_MAX, 31_251, true),
            (PASSWORD_BYTES_MAX, SHA_CRYPT_ROUNDS, false),
        ] {
            assert_eq!(is_beyond_sha_crypt(&"x".repeat(length), rounds), is_beyond, "{length} octets, {rounds} rounds");
        }
        // Rounds that were counted would take minutes here.
        let dear = format!("$6$rounds={SHA_CRYPT_ROUNDS_MAX}$IB7zAHfV7q1j9KXu${}", "a".repeat(86));
        let begin = std::time::Instant::now();
        assert!(!verify(&"x".repeat(PASSWORD_BYTES_MAX), &checked(&dear).unwrap()).unwrap());
        assert!(begin.elapsed() < std::time::Duration::from_secs(1));
    }

    #[test]
    fn what_is_none_or_gives_passwords_away_is_refused_with_the_reason() {
        for (hash, reason) in [
            ("{PLAIN}secret", "column password"),
            ("{MD5-CRYPT}$1$kB24pnTk$l.AM046hrSmvl3Ixlqmjv0", "gives passwords away"),
            ("$1$kB24pnTk$l.AM046hrSmvl3Ixlqmjv0", "gives passwords away"),
            ("{SHA512}AAAA", "gives passwords away"),
            ("{SCRAM-SHA-256}4096,salt,key,key", "not known here"),
            ("$y$j9T$salt$hash", "not known here"),
            ("secret", "not known here"),
            ("", "not known here"),
            ("{SSHA", "no closing brace"),
            ("{SSHA.foo}AAAA", "neither base64"),
            ("{BLF-CRYPT}$2x$05$NTZ4VzuOuY.e2R/9i/VbrOvRHiTwOVGDGGm2fW83FnM7qis620I32", "not one of bcrypt"),
            ("{BLF-CRYPT}$2y$05$NTZ4", "not a whole"),
            ("{SHA512-CRYPT}$5$salt$hash", "does not begin"),
            ("{SHA512-CRYPT}$6$$hash", "not a whole"),
            (
                "{ARGON2ID}$argon2i$v=19$m=32768,t=4,p=1$Ubf70u1aRzp4oOyuikDj7Q$ElexnmOMOZDevYG3VdN0uOkc2CZSVFzQuXfvg2WtV2I",
                "its kind",
            ),
            ("{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1", "not a whole"),
            ("{PBKDF2}$1$salt$0$00", "rounds"),
            ("{PBKDF2}$1$salt$5$zz", "not a whole"),
        ] {
            let Err(Error::Refused(said)) = checked(hash) else { panic!("{hash} was taken") };
            assert!(said.contains(reason), "{hash}: {said}");
        }
    }

    #[test]
    fn a_password_that_was_said_is_hashed_as_ours_and_not_after_it_was_changed() {
        let (_, directory, [alice, _]) = testing::server();
        let set = |hash: &str| {
            let hash = checked(hash).unwrap();
            directory.change_account("alice@example.org", |record| record.password.clone_from(&hash)).unwrap();
            directory.record(alice).unwrap().unwrap()
        };
        let imported = set(OF_DOVECOT[3].1);
        assert!(imported.has_imported_password());
        assert!(testing::is_password(&directory, "alice", PASSWORD));
        directory.take_over_password(&imported, PASSWORD).unwrap();
        let own = directory.record(alice).unwrap().unwrap();
        assert!(own.password.starts_with("$argon2id$"));
        assert!(testing::is_password(&directory, "alice", PASSWORD));
        set(OF_DOVECOT[0].1);
        directory.take_over_password(&imported, "another").unwrap();
        assert!(!testing::is_password(&directory, "alice", "another"), "it was hashed of another one");
    }
}
