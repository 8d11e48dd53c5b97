//! What the owner of an account, or an administrator, chose for the whole account.

use crate::codec::{Corrupt, Reader, Writer};
use crate::pop::PopSettings;
use crate::quota::Quota;
use std::fmt;

/// The choices for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// What a new device begins with.
    pub pop: PopSettings,
    /// How much the mailboxes may hold together.
    pub quota: Quota,
    /// Whether the removals of a new device are held when they are far more than usual ([`crate::brake`]).
    pub brake: bool,
    /// The language that its owner reads; `None`: they have not said.
    pub language: Option<LanguageTag>,
}

/// A language, by its tag (RFC 5646). Which languages anybody can be spoken to in is not known here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LanguageTag {
    bytes: [u8; LANGUAGE_TAG_BYTES_MAX],
    length: usize,
}

/// A tag has so many octets at most: a language, a script and a region.
pub const LANGUAGE_TAG_BYTES_MAX: usize = 11;

impl Default for AccountSettings {
    fn default() -> Self {
        Self { pop: PopSettings::default(), quota: Quota::default(), brake: true, language: None }
    }
}

impl AccountSettings {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.pop.write(w);
        w.option(self.quota.bytes, |w, bytes| {
            w.number(bytes);
        });
        w.byte(u8::from(self.brake));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let (pop, bytes) = (PopSettings::read(r)?, r.option(Reader::number)?);
        // How many messages there may be, and the language, are at the end of the record: those of earlier versions have
        // them not.
        Ok(Self { pop, quota: Quota { bytes, messages: None }, brake: r.byte()? != 0, language: None })
    }
}

impl LanguageTag {
    /// The language of that tag; `None` if it is none: no letters, digits and hyphens, or longer than
    /// [`LANGUAGE_TAG_BYTES_MAX`].
    #[must_use]
    pub fn new(tag: &str) -> Option<Self> {
        let is_tag = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        let mut bytes = [0; LANGUAGE_TAG_BYTES_MAX];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag.as_bytes());
        (!tag.is_empty() && tag.bytes().all(is_tag)).then_some(Self { bytes, length: tag.len() })
    }

    /// `ja`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let tag = self.bytes.get(..self.length).unwrap_or_default();
        str::from_utf8(tag).unwrap_or_default()
    }
}

impl fmt::Debug for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_letters_digits_and_hyphens_and_short() {
        for (tag, is_one) in [
            ("ja", true),
            ("zh-Hant-TW", true),
            ("aaaaaaaaaaa", true),
            ("aaaaaaaaaaaa", false),
            ("", false),
            ("d e", false),
            ("dé", false),
        ] {
            let language = LanguageTag::new(tag);
            assert_eq!(language.as_ref().map(LanguageTag::as_str), is_one.then_some(tag), "{tag}");
        }
    }
}
