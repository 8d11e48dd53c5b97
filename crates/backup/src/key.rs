//! The key of an encrypted repository, and what is made with it.
//!
//! Three keys come of it and of the number of the repository, with BLAKE3: one for names, one for content, one that says in the
//! head of the repository which key it is. A name is a keyed hash of the content, so that nobody without the key finds out by
//! names what mail there is. Each file is sealed with AES-256-GCM under a key of its own, made of 24 random octets that stand
//! before it; no two files have the same, so its nonce may be the same always. Its path is authenticated with it: in another's
//! place it does not open.

use crate::Error;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use blake3::Hash;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FIRST_WORD: &str = "pillarbox-backup-key-1";
const SALT_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// So much longer than its content a sealed file is.
pub(crate) const SEAL_BYTES: usize = SALT_BYTES + TAG_BYTES;

/// What opens the backups.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads what [`Key::write_new`] has written.
    ///
    /// # Errors
    /// It is no key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let word = text.trim().strip_prefix(FIRST_WORD).map(str::trim_start);
        let key = word.and_then(|word| Hash::from_hex(word).ok());
        key.map(|key| Self(*key.as_bytes())).ok_or_else(|| {
            Error::Refused("this is no key for backups; `pillarbox backup --new-key FILE` makes one".to_owned())
        })
    }

    /// As a file has it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{FIRST_WORD} {}\n", Hash::from_bytes(self.0).to_hex())
    }

    /// A new one, in a file that is not there yet, for its owner only.
    ///
    /// # Errors
    /// It is there; it cannot be written; the system gives no random numbers.
    pub fn write_new(file: &Path) -> Result<Self, Error> {
        let key = Self(random()?);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(|mut file| {
            file.write_all(key.text().as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::Refused(format!(
                "{} is there already, and may be the only key to some backups; name a file that is not there",
                file.display()
            ))),
            Err(error) => Err(Error::Refused(format!("cannot write {}: {error}", file.display()))),
        }
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut random = [0; N];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Fault(format!("the system gives no random numbers: {error}")))?;
    Ok(random)
}

/// What names and seals the files of one repository.
#[derive(Clone)]
pub(crate) struct Cipher {
    names: [u8; 32],
    content: [u8; 32],
    /// Says which key this is, and tells nothing of it.
    pub(crate) check: Hash,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    /// `number` is that of the repository: the same key gives other names and seals in another one.
    pub(crate) fn new(key: &Key, number: &Hash) -> Self {
        let derived = |context: &str| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(&key.0).update(number.as_bytes());
            hasher.finalize()
        };
        Self {
            names: *derived("pillarbox 2026-12-01 backup names").as_bytes(),
            content: *derived("pillarbox 2026-12-01 backup content").as_bytes(),
            check: derived("pillarbox 2026-12-01 backup check"),
        }
    }

    pub(crate) fn hash(&self, content: &[u8]) -> Hash {
        blake3::keyed_hash(&self.names, content)
    }

    /// What is written under a path in the place of `content`.
    pub(crate) fn seal(&self, path: &str, content: &[u8]) -> Result<Vec<u8>, Error> {
        let salt: [u8; SALT_BYTES] = random()?;
        let mut sealed = Vec::with_capacity(content.len() + SEAL_BYTES);
        sealed.extend(salt);
        sealed.extend_from_slice(content);
        let body = sealed.get_mut(SALT_BYTES..).unwrap_or_default();
        let tag = self
            .of_file(&salt)
            .and_then(|key| key.seal_in_place_separate_tag(nonce(), Aad::from(path), body).ok())
            .ok_or_else(|| Error::Fault(format!("{path} cannot be encrypted")))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed under this path and none other, with this key, and is whole.
    pub(crate) fn open(&self, path: &str, sealed: Vec<u8>) -> Option<Vec<u8>> {
        let key = self.of_file(sealed.first_chunk()?)?;
        let mut body = sealed;
        let opened = key.open_within(nonce(), Aad::from(path), &mut body, SALT_BYTES..).ok()?.len();
        body.truncate(opened);
        Some(body)
    }

    fn of_file(&self, salt: &[u8; SALT_BYTES]) -> Option<LessSafeKey> {
        let key = blake3::keyed_hash(&self.content, salt);
        Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).ok()?))
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn cipher(key: u8, number: u8) -> Cipher {
        Cipher::new(&Key([key; 32]), &Hash::from_bytes([number; 32]))
    }

    #[test]
    fn a_sealed_file_opens_whole_in_its_place_with_its_key_only() {
        let cipher = cipher(1, 1);
        for content in [&b""[..], b"a", &[7; 100_000]] {
            let sealed = cipher.seal("chunks/ab/abcd", content).unwrap();
            assert_eq!(sealed.len(), content.len() + SEAL_BYTES);
            assert_eq!(cipher.open("chunks/ab/abcd", sealed.clone()).as_deref(), Some(content));
            assert_eq!(cipher.open("chunks/ab/abce", sealed.clone()), None, "in another's place");
            for other in [self::cipher(2, 1), self::cipher(1, 2)] {
                assert_eq!(other.open("chunks/ab/abcd", sealed.clone()), None);
            }
            for at in (0..sealed.len()).step_by(1 + sealed.len() / 50) {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(cipher.open("chunks/ab/abcd", changed), None, "octet {at}");
                assert_eq!(cipher.open("chunks/ab/abcd", sealed[..at].to_vec()), None, "cut at {at}");
            }
            assert_ne!(cipher.seal("chunks/ab/abcd", content).unwrap(), sealed, "each is sealed for itself");
        }
    }

    #[test]
    fn names_say_nothing_without_the_key() {
        let (one, content) = (cipher(1, 1), b"Subject: hello\r\n\r\n");
        assert_eq!(one.hash(content), cipher(1, 1).hash(content));
        for hash in [cipher(2, 1).hash(content), cipher(1, 2).hash(content), blake3::hash(content), one.check] {
            assert_ne!(one.hash(content), hash);
        }
    }

    #[test]
    fn a_key_is_written_once_for_its_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("key");
        let key = Key::write_new(&file).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(Key::parse(&text).unwrap(), key);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Key::write_new(&file), Err(Error::Refused(why)) if why.contains("already")));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_ne!(Key::write_new(&place.path().join("other")).unwrap(), key);
        for wrong in ["", "pillarbox-backup-key-1 ", "pillarbox-backup-key-1 12", "pillarbox-backup-key-2", &text[..40]]
        {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }
}
