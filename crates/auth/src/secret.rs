//! Random passwords that people can read, type and dictate, and their keyed hashes.

use directory::secret::fill;
use std::fmt::Write;
use store::AccountId;

/// 32 letters and digits that nobody takes for another: without `0`, `o`, `1` and `l`.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters between two dashes.
const GROUP_CHARS: usize = 4;
/// 28 characters of 5 bits: 140 bits, beyond any guessing.
const APPLICATION_PASSWORD_CHARS: usize = 28;
/// 16 characters of 5 bits: 80 bits, behind argon2id.
const GENERATED_PASSWORD_CHARS: usize = 16;

/// The main password and the second factor that a login was let in with; another one of either makes another stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) [u8; 32]);

/// A main password to begin with: `gkq3-x7ph-…`, 80 random bits in 4 groups.
///
/// # Errors
/// The system gives no random numbers.
pub fn generate_password() -> Result<String, store::Error> {
    Ok(grouped(&random_text::<GENERATED_PASSWORD_CHARS>()?))
}

/// A recovery code of a second factor, in the form in which it is hashed: 16 characters, 80 bits.
pub(crate) fn generate_recovery_code() -> Result<String, store::Error> {
    random_text::<GENERATED_PASSWORD_CHARS>()
}

/// A recovery code as a person types it; `None` when it cannot be one.
pub(crate) fn parse_recovery_code(typed: &str) -> Option<String> {
    parse_grouped::<GENERATED_PASSWORD_CHARS>(typed)
}

/// As people see it, once.
pub(crate) fn shown_recovery_code(code: &str) -> String {
    grouped(code)
}

/// An application password, in the form in which it is hashed. There is no way to print it but [`Self::shown`].
pub(crate) struct ApplicationPassword(String);

impl ApplicationPassword {
    pub(crate) fn generate() -> Result<Self, store::Error> {
        random_text::<APPLICATION_PASSWORD_CHARS>().map(Self)
    }

    /// Takes what a person types: in either case, with spaces and dashes wherever. `None` when it cannot be one.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        parse_grouped::<APPLICATION_PASSWORD_CHARS>(typed).map(Self)
    }

    /// As people see it, once: 7 groups of 4.
    pub(crate) fn shown(&self) -> String {
        grouped(&self.0)
    }

    /// What is stored. Says nothing without the server's key; other accounts have other hashes.
    pub(crate) fn hash(&self, key: &ApplicationKey, account: AccountId) -> blake3::Hash {
        blake3::Hasher::new_keyed(&key.0).update(&account.0.to_be_bytes()).update(self.0.as_bytes()).finalize()
    }
}

/// The key of application passwords, made of the server's secret.
pub(crate) struct ApplicationKey([u8; 32]);

impl ApplicationKey {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("pillarbox 2026 application passwords", secret))
    }
}

fn random_text<const N: usize>() -> Result<String, store::Error> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    // 256 is a multiple of 32: every character is equally likely.
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// What a person types: in either case, with spaces and dashes wherever.
fn parse_grouped<const N: usize>(typed: &str) -> Option<String> {
    let characters = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'));
    let mut text = String::with_capacity(N);
    for c in characters.take(N + 1) {
        let c = c.to_ascii_lowercase();
        u8::try_from(c).ok().filter(|byte| ALPHABET.contains(byte))?;
        text.push(c);
    }
    (text.len() == N).then_some(text)
}

fn grouped(text: &str) -> String {
    let mut grouped = String::with_capacity(text.len() + text.len() / GROUP_CHARS);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % GROUP_CHARS == 0 {
            grouped.push('-');
        }
        // Writing to a String does not fail.
        let _ = grouped.write_char(c);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(16);

    #[test]
    fn an_application_password_is_read_as_people_type_it() {
        let password = ApplicationPassword::generate().unwrap();
        let shown = password.shown();
        assert_eq!(shown.len(), 34);
        assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [4; 7]);
        let key = ApplicationKey::new(&[7; 32]);
        let hash = password.hash(&key, ACCOUNT);
        let same = [
            shown.clone(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            shown.to_uppercase(),
            format!(" {shown} "),
            shown.replace('-', "\u{a0}"),
        ];
        for typed in same {
            assert_eq!(ApplicationPassword::parse(&typed).unwrap().hash(&key, ACCOUNT), hash, "{typed}");
        }
        assert_ne!(password.hash(&key, AccountId(17)), hash, "another account");
        assert_ne!(password.hash(&ApplicationKey::new(&[8; 32]), ACCOUNT), hash, "another server");
    }

    #[test]
    fn what_cannot_be_an_application_password_is_none() {
        let shown = ApplicationPassword::generate().unwrap().shown();
        let cut = shown.get(..33).unwrap();
        for bad in
            ["", "password", &format!("{cut}0"), &format!("{cut}ä"), cut, &format!("{shown}a"), &" ".repeat(5000)]
        {
            assert!(ApplicationPassword::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn generated_passwords_differ_and_keep_the_rules() {
        let (a, b) = (generate_password().unwrap(), generate_password().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 19);
        directory::check_password(&a).unwrap();
        assert!(ApplicationPassword::parse(&a).is_none());
    }
}
