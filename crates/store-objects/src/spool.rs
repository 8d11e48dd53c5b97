//! Content that is coming in and not complete: the beginning in memory, and what is long in a file.
//!
//! A client may announce a large message and never send its end. So what is longer than [`IN_MEMORY_BYTES_MAX`] goes to a
//! file in the spool's directory as it comes, of which nothing is in memory, not even an open file; but for a few that are
//! not much longer (16 MiB in all), since most messages end soon and a file costs more than they do. All that clients have
//! begun counts, in all and for each of them, so that nobody fills the disk with what never ends. Nothing here needs to
//! survive a crash: the file goes with its [`Incoming`], and what a crash left goes at the start.
//!
//! A complete message is looked at as a whole, which needs all of it in memory: [`Spool::whole`] lets few in at a time.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use store::ids::AccountId;

/// So much of each message is kept in memory.
pub const IN_MEMORY_BYTES_MAX: usize = 64 * 1024;
/// What all messages together have in memory beyond that, in octets; who finds no room there goes to a file.
const ROOM_BYTES: usize = 16 * 1024 * 1024;
/// The most that one message has of that room, in octets.
const ROOM_PER_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// Whole messages in memory, in octets: of all together, or one.
pub const WHOLE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The same of one holder.
pub(crate) const WHOLE_BYTES_PER_HOLDER_MAX: u64 = 16 * 1024 * 1024;

/// Whose content it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Who is logged in.
    Account(AccountId),
    /// A stranger: an IPv4 address, or the first 64 bits of an IPv6 address, which one customer has.
    Address(IpAddr),
}

impl Holder {
    /// A stranger at an address.
    #[must_use]
    pub fn stranger(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// How much may be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Of all together, in octets.
    pub bytes_max: u64,
    /// Of one holder: it cannot take the place of all others.
    pub per_holder_max: u64,
}

/// Why content is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The holder, or all together, have begun too much.
    TooMuch,
    /// The disk is full.
    Full,
    /// Ours: what was tried, where, and what the system said. Not logged yet.
    Failed(String),
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMuch => f.write_str("too much is on its way"),
            Self::Full => f.write_str("the disk is full"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NotTaken {}

/// Where content lies that is coming in.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    limits: SpoolLimits,
    used: Mutex<Used>,
    /// A whole message has gone out of memory.
    finished: Condvar,
    files: AtomicU64,
}

#[derive(Debug, Default)]
struct Used {
    coming: Shares,
    /// What is taken of [`ROOM_BYTES`].
    room: usize,
    /// Whole messages in memory.
    whole: Shares,
}

impl Used {
    /// Counts a whole message; false if it has to wait.
    fn take_whole(&mut self, holder: Holder, bytes: u64) -> bool {
        // One of each holder, and one of all, has room whatever its length.
        let max = |used: u64, max: u64| if used == 0 { u64::MAX } else { max };
        let per_holder_max = max(self.whole.of(holder), WHOLE_BYTES_PER_HOLDER_MAX);
        let bytes_max = max(self.whole.bytes, WHOLE_BYTES_MAX);
        self.whole.take(holder, bytes, SpoolLimits { bytes_max, per_holder_max })
    }
}

/// Octets, in all and of each holder.
#[derive(Debug, Default)]
struct Shares {
    bytes: u64,
    by_holder: HashMap<Holder, u64>,
}

impl Shares {
    fn of(&self, holder: Holder) -> u64 {
        self.by_holder.get(&holder).copied().unwrap_or(0)
    }

    /// Counts octets; false, and nothing counted, if that is more than `limits`.
    fn take(&mut self, holder: Holder, bytes: u64, limits: SpoolLimits) -> bool {
        let (Some(all), Some(held)) = (self.bytes.checked_add(bytes), self.of(holder).checked_add(bytes)) else {
            return false;
        };
        if all > limits.bytes_max || held > limits.per_holder_max {
            return false;
        }
        self.bytes = all;
        if held > 0 {
            self.by_holder.insert(holder, held);
        }
        true
    }

    fn give_back(&mut self, holder: Holder, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(held) = self.by_holder.get_mut(&holder) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.by_holder.remove(&holder);
            }
        }
    }
}

impl Spool {
    /// Files will lie in `directory`, which is made when it is needed.
    #[must_use]
    pub fn new(directory: PathBuf, limits: SpoolLimits) -> Arc<Self> {
        let (used, finished, files) = (Mutex::default(), Condvar::default(), AtomicU64::new(0));
        Arc::new(Self { directory, limits, used, finished, files })
    }

    /// Removes what an earlier process left. Nobody else may use the directory.
    ///
    /// # Errors
    /// The directory cannot be read, or a file in it cannot be removed.
    pub fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// How much more a holder may begin, in octets.
    #[must_use]
    pub fn available_to(&self, holder: Holder) -> u64 {
        let coming = &self.lock().coming;
        let (all, own) = (coming.bytes, coming.of(holder));
        self.limits.bytes_max.saturating_sub(all).min(self.limits.per_holder_max.saturating_sub(own))
    }

    /// Content begins to come in.
    #[must_use]
    pub fn begin(self: &Arc<Self>, holder: Holder) -> Incoming {
        Incoming { spool: Arc::clone(self), holder, memory: Vec::new(), room: 0, file: None, length: 0, reserved: 0 }
    }

    /// Waits until there is room in memory for a whole message: one of the holder and others that are small, and few of
    /// all holders. To be called where waiting holds up nobody else.
    #[must_use]
    pub fn whole(self: &Arc<Self>, holder: Holder, bytes: u64) -> Whole {
        let mut used = self.lock();
        loop {
            if used.take_whole(holder, bytes) {
                return Whole { spool: Arc::clone(self), holder, bytes };
            }
            used = self.finished.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(&self, holder: Holder, bytes: u64) -> bool {
        self.lock().coming.take(holder, bytes, self.limits)
    }

    /// Takes octets of the room; false if there are not so many.
    fn take_room(&self, bytes: usize) -> bool {
        let room = &mut self.lock().room;
        let taken = room.saturating_add(bytes);
        if taken <= ROOM_BYTES {
            *room = taken;
        }
        taken <= ROOM_BYTES
    }

    fn give_back(&self, holder: Holder, bytes: u64) {
        self.lock().coming.give_back(holder, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        // Every change is complete before anything could panic.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new file, empty.
    fn create(&self) -> io::Result<PathBuf> {
        loop {
            let name = format!("{}-{}", process::id(), self.files.fetch_add(1, Ordering::Relaxed));
            let path = self.directory.join(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::NotFound && !self.directory.is_dir() => {
                    DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Content that is coming in; dropped, it is gone.
#[derive(Debug)]
pub struct Incoming {
    spool: Arc<Spool>,
    holder: Holder,
    /// What is not in the file yet.
    memory: Vec<u8>,
    /// How much of that is in the room for all.
    room: usize,
    file: Option<PathBuf>,
    length: u64,
    /// Octets that count, whether they have come or not.
    reserved: u64,
}

impl Incoming {
    /// How many octets have come.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether none has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Counts what is announced before it comes: `bytes` in all.
    ///
    /// # Errors
    /// [`NotTaken::TooMuch`]; nothing more counts then.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), NotTaken> {
        let more = bytes.saturating_sub(self.reserved);
        if !self.spool.take(self.holder, more) {
            return Err(NotTaken::TooMuch);
        }
        self.reserved += more;
        Ok(())
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// Why they are not taken; the content is not complete then, and to be dropped.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), NotTaken> {
        self.reserve(self.length.saturating_add(octets.len() as u64))?;
        self.length += octets.len() as u64;
        if self.has_room(octets.len()) {
            self.memory.extend_from_slice(octets);
            return Ok(());
        }
        let path = match &self.file {
            Some(path) => path.clone(),
            None => self.spool.create().map_err(|error| self.failed("make a file in", &error))?,
        };
        let before = std::mem::take(&mut self.memory);
        self.leave_room();
        // The file is ours from here on, whatever happens.
        let path: &Path = self.file.insert(path);
        let written = OpenOptions::new().append(true).open(path).and_then(|mut file| {
            file.write_all(&before)?;
            file.write_all(octets)
        });
        written.map_err(|error| self.failed("write to", &error))
    }

    /// Whether so many more octets may be in memory; they count then.
    fn has_room(&mut self, more: usize) -> bool {
        let beyond = (self.memory.len() + more).saturating_sub(IN_MEMORY_BYTES_MAX);
        if beyond <= self.room {
            return true;
        }
        let is_short = self.file.is_none() && beyond <= ROOM_PER_MESSAGE_BYTES;
        if !is_short || !self.spool.take_room(beyond - self.room) {
            return false;
        }
        self.room = beyond;
        true
    }

    fn leave_room(&mut self) {
        if self.room > 0 {
            self.spool.lock().room -= self.room;
            self.room = 0;
        }
    }

    /// All of it, in memory, with room for `more` octets.
    ///
    /// # Errors
    /// The file cannot be read, or is not as long as what came.
    pub fn into_whole(mut self, more: usize) -> Result<Vec<u8>, NotTaken> {
        match &self.file {
            None => Ok(std::mem::take(&mut self.memory)),
            Some(_) => self.to_whole(more),
        }
    }

    /// The same, and it stays.
    ///
    /// # Errors
    /// As [`Self::into_whole`].
    pub fn to_whole(&self, more: usize) -> Result<Vec<u8>, NotTaken> {
        let Some(path) = &self.file else { return Ok(self.memory.clone()) };
        let mut whole = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            whole.reserve_exact(usize::try_from(self.length).unwrap_or(usize::MAX).saturating_add(more));
            io::copy(&mut file, &mut whole)
        });
        read.map_err(|error| self.failed("read from", &error))?;
        whole.extend_from_slice(&self.memory);
        if whole.len() as u64 != self.length {
            let error = io::Error::new(ErrorKind::UnexpectedEof, "a file there has changed its length");
            return Err(self.failed("read from", &error));
        }
        Ok(whole)
    }

    /// A part of it, which has come: `bytes` octets from `start` on.
    ///
    /// # Errors
    /// The file cannot be read, or ends before the part does.
    pub fn part(&self, start: u64, bytes: usize) -> Result<Vec<u8>, NotTaken> {
        let in_file = if self.file.is_some() { self.length.saturating_sub(self.memory.len() as u64) } else { 0 };
        // The cast loses nothing: the value is at most `bytes`.
        let from_file = in_file.saturating_sub(start).min(bytes as u64) as usize;
        let mut part = vec![0; from_file];
        if let (Some(path), 1..) = (&self.file, from_file) {
            let read = File::open(path).and_then(|file| file.read_exact_at(&mut part, start));
            read.map_err(|error| self.failed("read from", &error))?;
        }
        let first = usize::try_from(start.saturating_sub(in_file)).unwrap_or(usize::MAX);
        let rest = first.checked_add(bytes - from_file).and_then(|end| self.memory.get(first..end));
        part.extend_from_slice(rest.unwrap_or_default());
        if part.len() != bytes {
            let error = io::Error::new(ErrorKind::UnexpectedEof, "not so much has come");
            return Err(self.failed("read from", &error));
        }
        Ok(part)
    }

    fn failed(&self, what: &str, error: &io::Error) -> NotTaken {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => NotTaken::Full,
            _ => NotTaken::Failed(format!("cannot {what} {}: {error}", self.spool.directory.display())),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.spool.give_back(self.holder, self.reserved);
        self.leave_room();
        if let Some(path) = self.file.take() {
            // What stays goes at the next start.
            let _stays = fs::remove_file(path);
        }
    }
}

/// Room in memory for a whole message; dropped, the next one may have it.
#[derive(Debug)]
pub struct Whole {
    spool: Arc<Spool>,
    holder: Holder,
    bytes: u64,
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.spool.lock().whole.give_back(self.holder, self.bytes);
        self.spool.finished.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    const ALICE: Holder = Holder::Account(AccountId(16));
    const BOB: Holder = Holder::Account(AccountId(17));

    fn spool(bytes_max: u64, per_holder_max: u64) -> (tempfile::TempDir, Arc<Spool>) {
        let place = tempfile::tempdir().unwrap();
        let spool = Spool::new(place.path().join("spool"), SpoolLimits { bytes_max, per_holder_max });
        (place, spool)
    }

    fn files(spool: &Spool) -> usize {
        fs::read_dir(&spool.directory).map_or(0, Iterator::count)
    }

    /// As if others had taken the room.
    fn fill_room(spool: &Spool) {
        spool.lock().room = ROOM_BYTES;
    }

    #[test]
    fn messages_that_are_not_much_longer_need_no_file_while_there_is_room() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        let (whole, mut messages) = (ROOM_PER_MESSAGE_BYTES + IN_MEMORY_BYTES_MAX, Vec::new());
        for _ in 0..ROOM_BYTES / ROOM_PER_MESSAGE_BYTES {
            let mut incoming = spool.begin(ALICE);
            incoming.push(&vec![7; whole - 1]).unwrap();
            incoming.push(&[8]).unwrap();
            messages.push(incoming);
        }
        assert_eq!((files(&spool), spool.lock().room), (0, ROOM_BYTES));
        let mut other = spool.begin(BOB);
        other.push(&[1; IN_MEMORY_BYTES_MAX]).unwrap();
        assert_eq!(files(&spool), 0);
        other.push(&[2]).unwrap();
        assert_eq!(files(&spool), 1, "there is no room for one more octet");
        // One that goes to a file after all, one that is taken whole, one that is given up: all leave their room.
        messages[0].push(&[9]).unwrap();
        assert_eq!((files(&spool), spool.lock().room), (2, ROOM_BYTES - ROOM_PER_MESSAGE_BYTES));
        assert_eq!(messages.remove(0).into_whole(0).unwrap().len(), whole + 1);
        assert_eq!(messages.remove(0).into_whole(0).unwrap().len(), whole);
        drop((messages, other));
        assert_eq!((files(&spool), spool.lock().room), (0, 0));
    }

    #[test]
    fn what_came_comes_back_and_little_of_it_is_in_memory() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        fill_room(&spool);
        for (piece, pieces) in [(1, 3), (1000, 60), (IN_MEMORY_BYTES_MAX, 1), (IN_MEMORY_BYTES_MAX + 1, 5), (9_999, 77)]
        {
            let (mut incoming, mut expected) = (spool.begin(ALICE), Vec::new());
            for n in 0..pieces {
                let octets = vec![n as u8; piece];
                incoming.push(&octets).unwrap();
                expected.extend(octets);
                assert!(incoming.memory.capacity() <= 2 * IN_MEMORY_BYTES_MAX);
            }
            assert_eq!(incoming.len(), expected.len() as u64);
            assert_eq!(incoming.file.is_some(), expected.len() > IN_MEMORY_BYTES_MAX);
            assert!(incoming.into_whole(0).unwrap() == expected, "{piece} {pieces}");
        }
        assert_eq!((files(&spool), spool.lock().coming.bytes), (0, 0));
    }

    #[test]
    fn any_part_of_what_came_comes_back() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        for pieces in [3, 40, 1500] {
            let (mut incoming, mut expected) = (spool.begin(ALICE), Vec::new());
            for n in 0..pieces {
                let octets = vec![n as u8; 1009];
                incoming.push(&octets).unwrap();
                expected.extend(octets);
            }
            let end = expected.len();
            for (start, bytes) in [(0, 0), (0, end), (1, 1008), (end / 2, end - end / 2), (end - 1, 1), (end, 0)] {
                assert!(
                    incoming.part(start as u64, bytes).unwrap() == expected[start..start + bytes],
                    "{start} {bytes}"
                );
            }
            assert!(matches!(incoming.part(end as u64, 1), Err(NotTaken::Failed(_))));
            assert!(matches!(incoming.part(1, end), Err(NotTaken::Failed(_))));
        }
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_what_a_crash_left_goes_at_the_start() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        spool.sweep().unwrap();
        let mut incoming = spool.begin(ALICE);
        fill_room(&spool);
        incoming.push(&[1; 3 * IN_MEMORY_BYTES_MAX]).unwrap();
        assert_eq!(files(&spool), 1);
        drop(incoming);
        assert_eq!(files(&spool), 0);
        fs::write(spool.directory.join("1-1"), "left").unwrap();
        spool.sweep().unwrap();
        assert_eq!(files(&spool), 0);
    }

    #[test]
    fn the_limits_are_held_and_given_back() {
        let (_place, spool) = spool(10, 6);
        let (mut first, mut second) = (spool.begin(ALICE), spool.begin(ALICE));
        first.reserve(4).unwrap();
        first.push(b"1234").unwrap();
        second.push(b"12").unwrap();
        assert_eq!((first.push(b"5"), second.reserve(3)), (Err(NotTaken::TooMuch), Err(NotTaken::TooMuch)));
        assert_eq!((spool.available_to(ALICE), spool.available_to(BOB)), (0, 4));
        let mut other = spool.begin(BOB);
        assert_eq!(other.push(b"12345"), Err(NotTaken::TooMuch));
        other.push(b"1234").unwrap();
        drop((first, second, other));
        assert_eq!(spool.available_to(ALICE), 6);
        assert!(spool.lock().coming.by_holder.is_empty());
    }

    #[test]
    fn strangers_of_one_network_are_one_holder() {
        let of = |address: &str| Holder::stranger(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn a_file_that_was_cut_is_not_taken_for_the_whole() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        let mut incoming = spool.begin(ALICE);
        fill_room(&spool);
        incoming.push(&[1; 2 * IN_MEMORY_BYTES_MAX]).unwrap();
        fs::write(incoming.file.as_ref().unwrap(), "short").unwrap();
        assert!(matches!(incoming.into_whole(0), Err(NotTaken::Failed(_))));
    }

    #[test]
    fn few_whole_messages_are_in_memory_at_a_time() {
        const MIB: u64 = 1024 * 1024;
        let carol = Holder::stranger("192.0.2.1".parse().unwrap());
        let mut used = Used::default();
        for (holder, mib, expected) in [
            (ALICE, 50, true),
            (ALICE, 1, false),
            (BOB, 15, true),
            (BOB, 1, true),
            (BOB, 1, false),
            (carol, 63, false),
            (carol, 62, true),
            (Holder::Account(AccountId(18)), 1, false),
        ] {
            assert_eq!(used.take_whole(holder, mib * MIB), expected, "{holder:?} {mib}");
        }
        assert!(Used::default().take_whole(ALICE, 2 * WHOLE_BYTES_MAX), "one is let in whatever its length");
    }

    #[test]
    fn a_whole_message_waits_for_its_turn() {
        let (_place, spool) = spool(u64::MAX, u64::MAX);
        let first = spool.whole(ALICE, WHOLE_BYTES_PER_HOLDER_MAX);
        let _other = spool.whole(BOB, 1);
        let (sender, receiver) = channel();
        let waiting = thread::spawn({
            let spool = Arc::clone(&spool);
            move || sender.send(spool.whole(ALICE, 1)).unwrap()
        });
        assert!(receiver.try_recv().is_err());
        drop(first);
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        waiting.join().unwrap();
        assert_eq!(spool.lock().whole.of(ALICE), 0);
    }
}
