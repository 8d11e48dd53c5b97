//! Mail in files: a Maildir, mbox files, files of one message each, and archives of such.
//!
//! Files belong to whoever made them: no symbolic link is followed below the place that was named, nothing but regular files is
//! read, and all that is read has a limit ([`dir`]).

mod clean;
mod dir;
mod eml;
mod found;
mod listed;
mod maildir;
mod mbox;
pub mod notes;
mod sieve;

pub use clean::is_field_of_programs;

use crate::source::{Source, SourceError};
use std::path::Path;

/// A place with mail in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory with `cur` and `new` (Maildir), with folders below it as Dovecot and Courier have them (Maildir++) or as
    /// directories.
    Maildir,
    /// An mbox file, or a directory of them.
    Mbox,
    /// A file of one message (`.eml`, Apple's `.emlx`), or a directory of them.
    Eml,
    /// A zip archive of such files.
    Zip,
}

/// What is asked of mail in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// The mailbox that an mbox file which stands for itself goes into, none: one of the file's name; the one that all folders of
    /// files of one message each come below, none: on top.
    pub into: Option<String>,
    /// How Dovecot made UIDLs (`pop3_uidl_format`); none: as it does unless somebody changed that. Empty: UIDLs stay behind.
    pub uidl_format: Option<String>,
    /// A message of more octets is not read.
    pub message_bytes_max: u64,
}

impl FileKind {
    /// What `maildir:/old/alice/Maildir` means, and the path; `None`: no mail in files.
    #[must_use]
    pub fn parse(from: &str) -> Option<(Self, &str)> {
        let (word, path) = from.split_once(':')?;
        match word {
            "maildir" => Some((Self::Maildir, path)),
            "mbox" => Some((Self::Mbox, path)),
            "eml" => Some((Self::Eml, path)),
            "zip" => Some((Self::Zip, path)),
            _ => None,
        }
    }

    /// Opens a place with mail.
    ///
    /// # Errors
    /// It cannot be read, or is none of this kind.
    pub fn open(self, path: &Path, options: &FileOptions) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self {
            Self::Maildir => Box::new(maildir::Maildir::open(path, options)?),
            Self::Mbox => Box::new(mbox::Mbox::open(path, options)?),
            Self::Eml => Box::new(eml::Eml::files(path, options)?),
            Self::Zip => Box::new(eml::Eml::archive(path, options)?),
        })
    }
}

/// What a file or a message in one is known by, for good.
fn mark_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    u64::from_be_bytes(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests;
