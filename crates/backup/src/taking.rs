//! What is known while a snapshot is taken: which content is there and sound, how far it is, and what was done.

use crate::files::Kind;
use crate::take::{OnStep, Step, Within};
use crate::{Error, Repository};
use blake3::Hash;
use std::collections::BTreeSet;
use store::AccountId;

/// After so many backups all content that they use again was read once more.
pub const SHARES: u8 = 16;
/// Where it stands which share is next.
const LOOKED: &str = "looked";
/// Somebody is told each time that so much was read, at least.
const TELL_BYTES: usize = 4 * 1024 * 1024;

/// How much of the old content that is used again is read and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reread {
    /// One of [`SHARES`], each time the next one.
    #[default]
    Share,
    /// All of it.
    All,
}

/// How content is looked at.
#[derive(Clone, Copy)]
struct Look {
    /// Octets that its file has, if that is known.
    length: Option<u64>,
    /// It is read, whatever its share.
    due: bool,
}

/// A snapshot on its way.
pub(crate) struct Taking<'a> {
    pub(crate) repository: &'a Repository,
    step: OnStep<'a>,
    at: Step,
    untold: usize,
    /// `None`: all.
    share: Option<u8>,
    /// Content that was read, and is sound.
    looked: BTreeSet<Content>,
    /// Old content that is gone or damaged, and was not written anew.
    damaged: BTreeSet<Content>,
    pub(crate) reread_bytes: u64,
    pub(crate) mended: usize,
}

/// What it is, and its name.
type Content = (Kind, [u8; 32]);

impl<'a> Taking<'a> {
    pub(crate) fn new(repository: &'a Repository, reread: Reread, step: OnStep<'a>) -> Self {
        let share = match reread {
            Reread::Share => Some(repository.next_share()),
            Reread::All => None,
        };
        let (looked, damaged) = (BTreeSet::new(), BTreeSet::new());
        Self { repository, step, at: Step::new(0, 0, 0), untold: 0, share, looked, damaged, reread_bytes: 0, mended: 0 }
    }

    /// Octets of content that was not there.
    pub(crate) fn bytes(&self) -> u64 {
        self.at.bytes
    }

    /// What of the old is damaged and could not be written anew.
    pub(crate) fn lost(&self) -> usize {
        self.damaged.len()
    }

    /// So many accounts and tables are done.
    pub(crate) fn done(&mut self, done: usize, total: usize) -> Result<(), Error> {
        self.at = Step::new(done, total, self.at.bytes);
        self.tell()
    }

    /// An account of about so many octets is read now.
    pub(crate) fn begin(&mut self, account: AccountId, of: u64) {
        self.at.within = Some(Within { account, read: 0, of });
    }

    /// It is read once more, from its beginning.
    pub(crate) fn again(&mut self) {
        if let Some(within) = &mut self.at.within {
            within.read = 0;
        }
    }

    /// So much more was read of the server.
    pub(crate) fn read(&mut self, bytes: usize) -> Result<(), Error> {
        self.repository.spend(bytes);
        if let Some(within) = &mut self.at.within {
            within.read += bytes as u64;
            within.of = within.of.max(within.read);
        }
        self.went(bytes)
    }

    /// Keeps content, and gives its name.
    pub(crate) fn keep(&mut self, kind: Kind, content: &[u8]) -> Result<Hash, Error> {
        let hash = self.repository.hash(content);
        if self.is_sound(kind, &hash, Look { length: Some(self.repository.length_of(content)), due: false })? {
            return Ok(hash);
        }
        self.repository.put(&kind.path(&hash), content)?;
        let known = (kind, *hash.as_bytes());
        self.looked.insert(known);
        self.mended += usize::from(self.damaged.remove(&known));
        self.at.bytes += content.len() as u64;
        Ok(hash)
    }

    /// Whether content that an older snapshot has is there still, and is what it was if this is the time to look, or if it is `due`
    /// in any case.
    pub(crate) fn has(&mut self, kind: Kind, hash: &Hash, due: bool) -> Result<bool, Error> {
        let has = self.is_sound(kind, hash, Look { length: None, due })?;
        if !has {
            self.damaged.insert((kind, *hash.as_bytes()));
        }
        Ok(has)
    }

    fn is_sound(&mut self, kind: Kind, hash: &Hash, Look { length, due }: Look) -> Result<bool, Error> {
        let (repository, path, known) = (self.repository, kind.path(hash), (kind, *hash.as_bytes()));
        if self.looked.contains(&known) {
            return Ok(true);
        }
        if self.damaged.contains(&known) {
            return Ok(false);
        }
        let Some(there) = repository.place.length(&path).map_err(|error| repository.fault("look at", &path, &error))?
        else {
            return Ok(false);
        };
        let is_cut = length.is_some_and(|length| length != there);
        if !is_cut && !due && !self.is_due(hash) {
            return Ok(true);
        }
        let sound = if is_cut { None } else { repository.read(kind, hash).ok() };
        match sound {
            Some(content) => {
                self.looked.insert(known);
                self.reread_bytes += content.len() as u64;
                self.went(content.len())?;
                Ok(true)
            }
            None => {
                self.damaged.insert(known);
                Ok(false)
            }
        }
    }

    /// Names are as good as random, so each share has as much as the others.
    fn is_due(&self, hash: &Hash) -> bool {
        self.share.is_none_or(|share| hash.as_bytes().last().is_some_and(|last| last % SHARES == share))
    }

    fn went(&mut self, bytes: usize) -> Result<(), Error> {
        self.untold += bytes;
        if self.untold < TELL_BYTES { Ok(()) } else { self.tell() }
    }

    fn tell(&mut self) -> Result<(), Error> {
        self.untold = 0;
        (self.step)(self.at)
    }

    /// The next backup looks at the next share. Where that cannot be written it looks at the same once more: the backup is there.
    pub(crate) fn end(&self) {
        if let Some(share) = self.share {
            let _same_once_more = self.repository.put(LOOKED, format!("{}\n", (share + 1) % SHARES).as_bytes());
        }
    }
}

impl Repository {
    /// Where it cannot be read it begins anew.
    fn next_share(&self) -> u8 {
        let text = self.get(LOOKED).ok().flatten().and_then(|text| String::from_utf8(text).ok());
        text.and_then(|text| text.trim().parse().ok()).map_or(0, |share: u8| share % SHARES)
    }
}
