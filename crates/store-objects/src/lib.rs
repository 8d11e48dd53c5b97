//! Bodies as write-once objects in a directory ([`DirectoryObjects`]) or a bucket ([`S3Objects`]).
//!
//! An object lies under `{account:08x}/{00..ff}/{name}`, where the middle is a hash of the name that keeps directories
//! short. It is written under its name, which nobody knows before it is durable; what a crash leaves of one is a file that no
//! record names, as a whole object without its record is, and goes with those. The calls of `object_store` are made by threads of this crate and not by the caller's: within tokio
//! `object_store` would hand the file work to tokio's bounded pool of blocking threads and wait, which never ends when
//! all of those are waiting callers.
//!
//! What clients are still sending lies in a [`Spool`].
//!
//! Deliberately not here: checking content (the store compares the BLAKE3 in its records at every read), and removing
//! objects that nobody refers to (the store knows who refers to what).
//!
//! Invariant: when `put_shared` or `put_all` returns `Ok`, the contents, their names and every directory above are flushed.
//! Invariant: `Missing` is answered only when the system said that there is no such file.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod bucket;
mod cache;
mod client;
mod directories;
mod hands;
mod patience;
mod s3;
mod s3_options;
mod spool;

use crate::directories::Directories;
use crate::hands::Hands;
use futures::executor::{block_on, block_on_stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::ids::AccountId;
use store::objects::{ObjectError, ObjectName, Objects, Shared};

pub use bucket::BucketFiles;
pub use s3::S3Objects;
pub use s3_options::{NoBucket, S3Options};
pub use spool::{Holder, IN_MEMORY_BYTES_MAX, Incoming, NotTaken, Spool, SpoolLimits, WHOLE_BYTES_MAX, Whole};

/// A name is at most this long.
pub const NAME_BYTES_MAX: usize = 100;

/// The directory could not be opened: what, where, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// A full sentence for the operator.
    pub what: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for OpenError {}

/// [`Objects`] in a directory, which one process at a time may use.
#[derive(Debug)]
pub struct DirectoryObjects {
    place: Arc<Place>,
    hands: Hands,
}

#[derive(Debug)]
struct Place {
    /// For messages.
    name: String,
    root: PathBuf,
    objects: Arc<dyn ObjectStore>,
    directories: Directories,
}

impl DirectoryObjects {
    /// Opens the directory, and creates it where there is none, closed to other users.
    ///
    /// # Errors
    /// When it cannot be created or read; the text is one sentence for the operator.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error: &dyn fmt::Display| OpenError {
            what: format!(
                "cannot open the directory of message bodies {}: {error}; make it writable for this user",
                path.display()
            ),
        };
        let directories = Directories::open(path).map_err(|error| failed(&error))?;
        let objects = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(&error))?;
        let name = path.display().to_string();
        let place = Place { name, root: path.to_owned(), objects: Arc::new(objects), directories };
        let hands = Hands::start().map_err(|error| failed(&error))?;
        Ok(Self { place: Arc::new(place), hands })
    }

    /// Has `work` done by another thread and waits for it.
    fn hand_over<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let place = Arc::clone(&self.place);
        self.hands.run(move || work(&place)).unwrap_or_else(|| Err(self.ended()))
    }

    /// Has pieces of work done by other threads, many at a time, and waits for all of them: none comes to be after this.
    fn hand_over_all<W>(&self, works: impl IntoIterator<Item = W>) -> Result<(), ObjectError>
    where
        W: FnOnce(&Place) -> Result<(), ObjectError> + Send + 'static,
    {
        let begin = |work: W| {
            let place = Arc::clone(&self.place);
            self.hands.begin(move || work(&place)).ok_or_else(|| self.ended())
        };
        let begun: Vec<_> = works.into_iter().map(begin).collect();
        let ends: Vec<_> = begun.into_iter().map(|begun| begun?.recv().unwrap_or_else(|_| Err(self.ended()))).collect();
        ends.into_iter().collect()
    }

    fn flush_all(&self, named: &[(Address, Shared)], files: Vec<File>) -> Result<(), ObjectError> {
        let buckets: BTreeMap<u8, Address> =
            named.iter().map(|(address, _)| (address.bucket, address.clone())).collect();
        let contents = named.iter().zip(files).map(|((address, _), file)| (address.clone(), Some(file)));
        let names = buckets.into_values().map(|address| (address, None));
        self.hand_over_all(contents.chain(names).map(|(address, file)| {
            move |place: &Place| match file {
                Some(file) => file.sync_all().map_err(|error| place.failed("write", &address.path, &error)),
                None => place.settle(&address),
            }
        }))
    }

    fn ended(&self) -> ObjectError {
        let what = format!("the threads that read and write {} have ended; restart the server", self.place.name);
        ObjectError::Failed { what }
    }
}

impl Objects for DirectoryObjects {
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError> {
        self.put_all(account, vec![(name.to_owned(), content)])
    }

    /// All are written, then all is flushed at once, contents and names: flushes that wait together are merged by the file system,
    /// and a directory needs one for all its names.
    fn put_all(&self, account: AccountId, contents: Vec<(ObjectName, Shared)>) -> Result<(), ObjectError> {
        let named = contents.into_iter().map(|(name, content)| Ok((Address::new(account, &name)?, content)));
        let named: Vec<_> = named.collect::<Result<_, ObjectError>>()?;
        let mut files = Vec::with_capacity(named.len());
        let write =
            |(address, content): &(Address, Shared)| self.place.write(address, content).map(|file| files.push(file));
        let written = named.iter().try_for_each(write);
        let made = named.get(..files.len()).unwrap_or_default();
        let put = written.and_then(|()| self.flush_all(made, files));
        // Their names were new, so that nobody refers to them. What stays of them all the same goes with the sweep.
        put.inspect_err(|_| made.iter().for_each(|(address, _)| drop(fs::remove_file(self.place.file(address)))))
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        let address = Address::new(account, name)?;
        self.hand_over(move |place| place.read(&address))
    }

    /// On the caller's thread: what is read so was read a moment before, as a rule, and a piece is small.
    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        self.place.read_range(&Address::new(account, name)?, range)
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        let address = Address::new(account, name)?;
        self.hand_over(move |place| place.length(&address))
    }

    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError> {
        let address = Address::new(account, name)?;
        self.hand_over(move |place| place.remove(&address))
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        self.hand_over(move |place| place.list(account))
    }
}

/// Where an object lies.
#[derive(Clone)]
struct Address {
    account: AccountId,
    bucket: u8,
    path: ObjectPath,
}

impl Address {
    fn new(account: AccountId, name: &str) -> Result<Self, ObjectError> {
        let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(ObjectError::Failed { what: format!("{name:?} is no name of an object") });
        }
        let bucket = bucket(name);
        let path = ObjectPath::from(format!("{}/{bucket:02x}/{name}", account_directory(account)));
        Ok(Self { account, bucket, path })
    }
}

fn account_directory(account: AccountId) -> String {
    format!("{:08x}", account.0)
}

/// An account's objects lie in so many directories: few, because each one that is used for the first time costs flushes of
/// its own; more than one, because a file system takes a lock for each.
const BUCKETS: u8 = 16;

/// FNV-1a, folded to a bucket. Part of the format: a name is looked for where it once was put.
fn bucket(name: &str) -> u8 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_le_bytes().into_iter().fold(0, |folded, byte| folded ^ byte) % BUCKETS
}

impl Place {
    fn file(&self, address: &Address) -> PathBuf {
        self.root.join(address.path.as_ref())
    }

    /// The content is on the disk once the file is flushed; its name is once [`Self::settle`] returns `Ok`.
    fn write(&self, address: &Address, content: &Shared) -> Result<File, ObjectError> {
        let written =
            self.directories.make_durable(&account_directory(address.account), address.bucket).and_then(|()| {
                let path = self.file(address);
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                let written = file.write_all((**content).as_ref());
                written.inspect_err(|_| drop(fs::remove_file(path))).map(|()| file)
            });
        written.map_err(|error| self.failed("write", &address.path, &error))
    }

    /// Makes the names of a bucket durable.
    fn settle(&self, address: &Address) -> Result<(), ObjectError> {
        let settled = self.directories.settle(&account_directory(address.account), address.bucket);
        settled.map_err(|error| self.failed("write", &address.path, &error))
    }

    fn read(&self, address: &Address) -> Result<Vec<u8>, ObjectError> {
        let read = async { self.objects.get(&address.path).await?.bytes().await };
        match block_on(read) {
            Ok(content) => Ok(content.into()),
            Err(Error::NotFound { .. }) => Err(ObjectError::Missing),
            Err(error) => Err(self.failed("read", &address.path, &error)),
        }
    }

    fn read_range(&self, address: &Address, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        let read = File::open(self.file(address)).and_then(|file| read_range(&file, range));
        match read {
            Ok(octets) => Ok(octets),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(ObjectError::Missing),
            Err(error) => Err(self.failed("read", &address.path, &error)),
        }
    }

    fn length(&self, address: &Address) -> Result<u64, ObjectError> {
        match block_on(self.objects.head(&address.path)) {
            Ok(object) => Ok(object.size),
            Err(Error::NotFound { .. }) => Err(ObjectError::Missing),
            Err(error) => Err(self.failed("read", &address.path, &error)),
        }
    }

    fn remove(&self, address: &Address) -> Result<(), ObjectError> {
        match block_on(self.objects.delete(&address.path)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", &address.path, &error)),
        }
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        let prefix = ObjectPath::from(account_directory(account));
        let found = block_on_stream(self.objects.list(Some(&prefix))).map(|object| {
            let object = object.map_err(|error| self.failed("list", &prefix, &error))?;
            let name = object.location.filename().unwrap_or_default().to_owned();
            Ok((name, object.last_modified.timestamp_millis()))
        });
        found.collect()
    }

    fn failed(&self, what: &str, path: &ObjectPath, error: &(dyn std::error::Error + 'static)) -> ObjectError {
        let text = |advice| format!("cannot {what} {}/{path}: {error}{advice}", self.name);
        if is_full(error) {
            return ObjectError::Full { what: text("; free some space on its file system") };
        }
        ObjectError::Failed { what: text("") }
    }
}

/// Into memory that nothing else is written to before.
fn read_range(file: &File, range: Range<usize>) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(range.len());
    while octets.len() < range.len() {
        let at = (range.start + octets.len()) as u64;
        match retry_on_intr(|| pread(file, spare_capacity(&mut octets), at))? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            // There may be room for more than was asked for.
            _ if octets.len() > range.len() => octets.truncate(range.len()),
            _ => {}
        }
    }
    Ok(octets)
}

/// Whether a lack of space is what lies at the bottom of `error`.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) || error.source().is_some_and(is_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none_are_refused() {
        let check = |name: &str, good: bool| assert_eq!(Address::new(AccountId(1), name).is_ok(), good, "{name:?}");
        check("a", true);
        check("0123456789-abcdefghijklmnopqrstuvwxyz", true);
        check(&"a".repeat(NAME_BYTES_MAX), true);
        check(&"a".repeat(NAME_BYTES_MAX + 1), false);
        for bad in ["", "A", "a/b", "..", ".", "a#1", "a b", "ä", "a\0"] {
            check(bad, false);
        }
    }

    #[test]
    fn an_object_lies_where_the_format_says() {
        let check = |account, name: &str, path: &str| {
            assert_eq!(Address::new(AccountId(account), name).unwrap().path.as_ref(), path);
        };
        check(16, "a", "00000010/0d/a");
        check(u32::MAX, "m0000000000001-abc", "ffffffff/07/m0000000000001-abc");
    }

    #[test]
    fn names_spread_over_the_buckets() {
        let mut counts = [0; BUCKETS as usize];
        for n in 0..1_600 {
            counts[usize::from(bucket(&format!("m{n:013}")))] += 1;
        }
        assert!(counts.iter().all(|count| (30..300).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_lack_of_space_is_found_at_the_bottom() {
        let full = |kind: ErrorKind| Error::Generic { store: "test", source: Box::new(io::Error::from(kind)) };
        assert!(is_full(&full(ErrorKind::StorageFull)));
        assert!(is_full(&full(ErrorKind::QuotaExceeded)));
        assert!(!is_full(&full(ErrorKind::PermissionDenied)));
    }
}
