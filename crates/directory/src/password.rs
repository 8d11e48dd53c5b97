//! Main passwords: the rules, and argon2id.
//!
//! A password is its bytes: neither trimmed nor normalised, so that what one program stored another can send.

use crate::error::Error;
use crate::imported;
use crate::options::PasswordCost;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use wording::tr;

/// A main password has at least this many characters (NIST SP 800-63B §5.1.1.2).
pub(crate) const PASSWORD_CHARS_MIN: usize = 8;
/// A main password is at most this long. What is longer is wrong at login, for whatever user.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Whether a password may be set.
///
/// # Errors
/// [`Error::Refused`]: it is too short or too long, or has control characters.
pub fn check_password(password: &str) -> Result<(), Error> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Error::refused(tr!(
            "the password is too short; choose one of at least {least} characters",
            least = PASSWORD_CHARS_MIN
        )));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::refused(tr!(
            "the password is too long; choose one of at most {most} bytes",
            most = PASSWORD_BYTES_MAX
        )));
    }
    // RFC 4616 §2 (no NUL) and RFC 1939 §3 (a command is one line): such a password could not be sent.
    if password.chars().any(char::is_control) {
        return Err(Error::refused(tr!(
            "the password has control characters, which mail programs cannot send; choose one without"
        )));
    }
    Ok(())
}

/// Hashes and verifies.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    /// The hash of a password that nobody has, with which a login of an unknown user takes its time.
    nobody: String,
    verifications: AtomicU64,
    /// The working memory of verifications, used again and again: 19 MiB each time from and to the allocator, on a hundred
    /// threads, would leave gigabytes in its pools.
    memory: Mutex<Vec<Vec<Block>>>,
}

impl Hasher {
    pub(crate) fn new(cost: PasswordCost) -> Result<Self, store::Error> {
        let PasswordCost { memory_kib, passes, lanes } = cost;
        let params = Params::new(memory_kib, passes, lanes, None)
            .map_err(|error| fault("the cost of passwords is not possible", error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut unknown = [0; 32];
        crate::secret::fill(&mut unknown)?;
        let nobody = hash(&argon2, &unknown)?;
        Ok(Self { argon2, nobody, verifications: AtomicU64::new(0), memory: Mutex::default() })
    }

    /// The PHC string of a new password.
    pub(crate) fn hash(&self, password: &str) -> Result<String, store::Error> {
        hash(&self.argon2, password.as_bytes())
    }

    /// Whether `password` is the one that was hashed. Without a hash it takes as long, and is not. With a hash of another
    /// server it takes that much longer, so that a cheap one does not tell that there is such an account.
    ///
    /// # Errors
    /// The stored hash is damaged.
    pub(crate) fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, store::Error> {
        self.verifications.fetch_add(1, Ordering::Relaxed);
        let damaged = |error| fault("the stored hash of a password is damaged; set the password anew", error);
        let imported = hash.filter(|hash| imported::is_imported(hash));
        let own = hash.filter(|_| imported.is_none()).unwrap_or(&self.nobody);
        let same = self.is_hash_of(password, own).map_err(damaged)?;
        match imported {
            Some(imported) => imported::verify(password, imported).map_err(damaged),
            None => Ok(same && hash.is_some()),
        }
    }

    fn is_hash_of(&self, password: &str, hash: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let mut memory = self.lock_memory().pop().unwrap_or_default();
        let same = is_argon2_of(password, hash, &mut memory)?;
        self.lock_memory().push(memory);
        Ok(same)
    }

    fn lock_memory(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many passwords were verified, for nobody's hash too.
    pub(crate) fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }
}

/// Whether `password` is the one of a PHC string; `memory` is what it works in.
pub(crate) fn is_argon2_of(
    password: &str,
    hash: &str,
    memory: &mut Vec<Block>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let stored = PasswordHash::new(hash)?;
    let (salt, expected) = stored.salt.zip(stored.hash).ok_or("it has no salt or no output")?;
    let (algorithm, params) = (Algorithm::new(stored.algorithm.as_str())?, Params::try_from(&stored)?);
    let version = Version::try_from(stored.version.unwrap_or_default())?;
    memory.resize(params.block_count(), Block::default());
    let mut output = vec![0; expected.len()];
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, memory)?;
    // Compares in constant time.
    Ok(Output::new(&output)? == expected)
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, store::Error> {
    let hash: PasswordHash =
        argon2.hash_password(password).map_err(|error| fault("a password cannot be hashed", error))?;
    Ok(hash.to_string())
}

fn fault(what: &str, error: impl std::fmt::Display) -> store::Error {
    store::Error::Fault(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        fn ok(password: &str, expected: bool) {
            assert_eq!(check_password(password).is_ok(), expected, "{password:?}");
        }
        ok("1234567", false);
        ok("12345678", true);
        ok("äöüäöüä", false);
        ok("äöüäöüäö", true);
        ok("  spaces  ", true);
        ok("nul\0nul\0nul", false);
        ok("line\nline\n", false);
        ok(&"x".repeat(PASSWORD_BYTES_MAX), true);
        ok(&"x".repeat(PASSWORD_BYTES_MAX + 1), false);
    }

    #[test]
    fn what_was_hashed_verifies_and_nothing_else() {
        let hasher = Hasher::new(PasswordCost::LEAST).unwrap();
        let hash = hasher.hash("correct horse").unwrap();
        assert_ne!(hasher.hash("correct horse").unwrap(), hash, "salted");
        assert!(hasher.verify("correct horse", Some(&hash)).unwrap());
        assert!(!hasher.verify("Correct horse", Some(&hash)).unwrap());
        assert!(!hasher.verify("correct horse ", Some(&hash)).unwrap());
        assert!(!hasher.verify("correct horse", None).unwrap());
        assert!(hasher.verify("correct horse", Some("$argon2id$damaged")).is_err());
        assert_eq!(hasher.verifications(), 5);
    }

    #[test]
    fn the_default_cost_is_owasps_and_stands_in_the_hash() {
        let hash = Hasher::new(PasswordCost::OWASP).unwrap().hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        // Whatever the cost is now: a hash is verified with its own.
        assert!(Hasher::new(PasswordCost::LEAST).unwrap().verify("correct horse", Some(&hash)).unwrap());
    }
}
