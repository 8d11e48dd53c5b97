//! The room on the disk of the data directory: a reserve for when it runs out, and what is refused before.
//!
//! ```text
//! room below the mark for mail      new mail is refused; reading, moving, deleting, logins go on
//! next to none, or a commit failed  the reserve is given up: its room is for what goes on
//! room above both marks again       the reserve is made again, and new mail is taken
//! ```
//! Room is octets, and where a file system has a fixed number of files (inodes), those too: a large body, and whatever SQLite makes beside a
//! shard, is a file.
//!
//! The reserve is a file of its full length on the disk, because a file system promises nothing for one with holes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, StatVfs, StatVfsMountFlags, fallocate, statvfs};
use rustix::io::Errno;
use store::space::Space;
use tracing::{info, warn};

use super::reserve_files::{self, RESERVED_FILES, UNFINISHED};

/// The file.
const RESERVE: &str = "reserve";
/// Its length.
pub(crate) const RESERVE_BYTES: u64 = 32 << 20;
/// With less room than this new mail is refused.
pub(crate) const MAIL_BYTES_MIN: u64 = 64 << 20;
/// So many files are in reserve.
pub(crate) const RESERVE_FILES: u64 = 256;
/// With room for fewer files than this new mail is refused.
pub(crate) const MAIL_FILES_MIN: u64 = 1024;
/// With less room than this what is retained gives way.
pub(crate) const RETENTION_BYTES_MIN: u64 = 256 << 20;
/// On a small disk the marks are not above so many parts of all of it: for the reserve and new mail (files, too), for retention.
const PARTS: (u64, u64) = (32, 16);
/// Made, and taken away again, to see whether there is room for a file where the system says that there is none.
const TRIED: &str = "reserve.tried";
/// All that lies in a data directory for the sake of room, and is made anew where it is missing.
pub(crate) const FOR_ROOM: [&str; 4] = [RESERVE, RESERVED_FILES, UNFINISHED, TRIED];
/// With less room than this part of the reserve nothing goes on without it.
const RESERVE_PART: u64 = 8;

/// The disk that a data directory is on.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    /// Whether new mail is refused.
    refuses: AtomicBool,
}

/// How it stands with the room, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskRoom {
    /// Free for this server.
    pub(crate) free: u64,
    /// Of the whole disk.
    pub(crate) size: u64,
    /// In reserve for a full disk; 0: it was given up.
    pub(crate) reserve: u64,
    /// So many more files it can have; `None`: as many as there is room for.
    pub(crate) files: Option<u64>,
}

/// What the system says of the disk, and the marks that follow from its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    available: u64,
    files: FileRoom,
    is_read_only: bool,
    reserve: u64,
    mail_min: u64,
    retention_min: u64,
}

/// The same of files; all are 0 where the file system has no bound, or does not count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FileRoom {
    available: u64,
    reserve: u64,
    mail_min: u64,
}

impl FileRoom {
    fn new(available: u64, total: u64) -> Self {
        let [reserve, mail_min] = [RESERVE_FILES, MAIL_FILES_MIN].map(|mark| mark.min(total / PARTS.0));
        Self { available, reserve, mail_min }
    }

    fn of(system: &StatVfs, directory: &Path) -> Self {
        match files(system) {
            // Some file systems do not count them, and say so in this way.
            Some(0) if takes_a_file(directory) => Self::default(),
            Some(available) => Self::new(available, system.f_files),
            None => Self::default(),
        }
    }

    /// Whether new mail is refused. Where there is room for a reserve that is not there it is something else that lacks.
    fn refuses(&self, has_reserve: bool) -> bool {
        self.available < self.mail_min || !(has_reserve || self.can_reserve() || self.is_unbounded())
    }

    fn is_unbounded(&self) -> bool {
        self.reserve == 0
    }

    fn needs_reserve(&self) -> bool {
        self.available < self.reserve / RESERVE_PART
    }

    fn can_reserve(&self) -> bool {
        !self.is_unbounded() && self.available >= self.reserve + self.mail_min
    }
}

impl Room {
    fn new(available: u64, total: u64) -> Self {
        let (small, large) = (total / PARTS.0, total / PARTS.1);
        let [reserve, mail_min] = [RESERVE_BYTES, MAIL_BYTES_MIN].map(|mark| mark.min(small));
        Self {
            available,
            files: FileRoom::default(),
            is_read_only: false,
            reserve,
            mail_min,
            retention_min: RETENTION_BYTES_MIN.min(large),
        }
    }

    fn of(directory: &Path) -> io::Result<Self> {
        let system = statvfs(directory)?;
        let room = Self::new(system.f_bavail * system.f_frsize, system.f_blocks * system.f_frsize);
        let files = FileRoom::of(&system, directory);
        Ok(Self { files, is_read_only: system.f_flag.contains(StatVfsMountFlags::RDONLY), ..room })
    }

    /// Whether new mail is refused. What the engine uses again counts as room for it, but not for all of it: the log and
    /// large bodies need new room.
    fn refuses(&self, reusable: u64, has_reserve: bool) -> bool {
        !has_reserve || self.available + reusable < self.mail_min || self.available < self.mail_min / 4
    }

    fn needs_reserve(&self) -> bool {
        self.available < self.reserve / RESERVE_PART
    }

    /// With room to spare, so that it is not given up and made in turns.
    fn can_reserve(&self) -> bool {
        self.available >= self.reserve + self.mail_min
    }
}

impl Disk {
    /// Looks at the disk and makes the reserve, or gives it up, before anything else needs room.
    pub(super) fn open(directory: &Path) -> Self {
        let disk = Self { directory: directory.to_owned(), refuses: AtomicBool::new(false) };
        disk.look(0);
        disk
    }

    /// Looks how much room there is; to be called every second. `reusable`: octets that the engine uses again.
    pub(crate) fn look(&self, reusable: u64) {
        let room = match Room::of(&self.directory) {
            Ok(room) => room,
            Err(error) => return warn!(%error, "it cannot be seen how much room the disk has"),
        };
        if room.is_read_only {
            // That nothing can be written is for the store to say.
            return;
        }
        let mut has_reserve = self.has_reserve();
        if has_reserve && room.needs_reserve() {
            has_reserve = !self.give_up();
        } else if !has_reserve && room.can_reserve() && !room.files.needs_reserve() {
            has_reserve = self.reserve(room.reserve);
        }
        let has_files = self.has_reserved_files(&room);
        let lacks_octets = room.refuses(reusable, has_reserve);
        let refuses = lacks_octets || room.files.refuses(has_files);
        if self.refuses.swap(refuses, Ordering::Relaxed) == refuses {
            return;
        }
        if lacks_octets {
            let (place, available) = (self.directory.display(), room.available);
            warn!(%place, available_bytes = available, "the disk is nearly full: new mail is refused until there is room");
        } else if refuses {
            let place = self.directory.display();
            warn!(%place, "the disk has no room for many more files (inodes): new mail is refused until there is");
        } else {
            info!("there is room on the disk again: new mail is taken");
        }
    }

    /// How much room there is and of how much, and how much of it is in reserve, in octets.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn room(&self) -> io::Result<DiskRoom> {
        let system = statvfs(&self.directory)?;
        let reserve = fs::metadata(self.directory.join(RESERVE)).map_or(0, |file| file.len());
        let (free, size) = (system.f_bavail * system.f_frsize, system.f_blocks * system.f_frsize);
        let files = FileRoom::of(&system, &self.directory);
        Ok(DiskRoom { free, size, reserve, files: Some(files.available).filter(|_| !files.is_unbounded()) })
    }

    /// So many octets are lacking that retention gives way; 0: none.
    pub(crate) fn lacking_for_retention(&self, reusable: u64) -> u64 {
        Room::of(&self.directory)
            .map_or(0, |room| room.retention_min.saturating_sub(room.available.saturating_add(reusable)))
    }

    /// Whether files are in reserve now: they are given up, or made, where that is to be.
    fn has_reserved_files(&self, room: &Room) -> bool {
        let (files, has_some) = (&room.files, reserve_files::has(&self.directory));
        if has_some && files.needs_reserve() {
            return !self.give_up_files();
        }
        // They take some octets for their names.
        if has_some || !files.can_reserve() || room.needs_reserve() {
            return has_some;
        }
        let made = reserve_files::make(&self.directory, files.reserve);
        if let Err(error) = &made {
            warn!(%error, "no room for files can be kept in reserve");
        }
        made.is_ok()
    }

    /// Whether there were some.
    fn give_up_files(&self) -> bool {
        let given_up = reserve_files::remove(&self.directory);
        if given_up {
            self.refuses.store(true, Ordering::Relaxed);
            let place = self.directory.display();
            warn!(
                %place,
                "the disk takes no more files (inodes): the room for some in reserve is given up, so that mail can be read and \
                 deleted; new mail is refused; remove some files"
            );
        }
        given_up
    }

    fn has_reserve(&self) -> bool {
        fs::metadata(self.directory.join(RESERVE)).is_ok_and(|file| file.len() > 0)
    }

    /// Whether it is there now.
    fn reserve(&self, bytes: u64) -> bool {
        let path = self.directory.join(RESERVE);
        match allocate(&path, bytes) {
            Ok(()) => true,
            Err(error) => {
                let _nothing = fs::remove_file(&path);
                warn!(%error, "no room can be kept in reserve for a full disk: new mail is refused");
                false
            }
        }
    }

    /// Whether there was one.
    fn give_up(&self) -> bool {
        let given_up = fs::remove_file(self.directory.join(RESERVE)).is_ok();
        if given_up {
            self.refuses.store(true, Ordering::Relaxed);
            let place = self.directory.display();
            warn!(
                %place,
                "the disk is full: the room in reserve is given up, so that mail can be read and deleted; new mail is \
                 refused; free some space"
            );
        }
        given_up
    }
}

impl Space for Disk {
    fn refuses_mail(&self) -> Option<String> {
        let why = "the server's disk is nearly full, and takes no new mail until there is room again";
        self.refuses.load(Ordering::Relaxed).then(|| why.to_owned())
    }

    fn make_room(&self) -> bool {
        let (lacks_files, lacks_octets) =
            Room::of(&self.directory).map_or((false, false), |room| (room.files.needs_reserve(), room.needs_reserve()));
        let files = lacks_files && self.give_up_files();
        // The error that this is asked after does not say what lacks.
        let octets = (lacks_octets || !files) && self.give_up();
        files || octets
    }
}

/// How many more files a file system can have, where it has a bound.
fn files(system: &StatVfs) -> Option<u64> {
    Some(system.f_favail).filter(|_| system.f_files > 0)
}

/// Whether there is room for a file: anything but that it lacks counts as yes.
fn takes_a_file(directory: &Path) -> bool {
    let path = directory.join(TRIED);
    let made = File::create(&path);
    let _nothing = fs::remove_file(&path);
    !made.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
}

/// Every octet of the file has its place on the disk afterwards.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => file.sync_all(),
        // Not every file system can; zeroes will do, unless it packs them.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeroes(&mut file, bytes),
        Err(error) => Err(error.into()),
    }
}

fn write_zeroes(file: &mut File, bytes: u64) -> io::Result<()> {
    let piece = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(piece.len() as u64) as usize;
        file.write_all(&piece[..count])?;
        left -= count as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_goes_on_with_how_much_room() {
        fn check(available: u64, reusable: u64, has_reserve: bool, expected: (bool, bool, bool)) {
            let room = Room::new(available, 100 * GIB);
            let found = (room.refuses(reusable, has_reserve), room.needs_reserve(), room.can_reserve());
            assert_eq!(found, expected, "{available} {reusable} {has_reserve}");
        }
        check(GIB, 0, true, (false, false, true));
        check(MAIL_BYTES_MIN, 0, true, (false, false, false));
        check(MAIL_BYTES_MIN - 1, 0, true, (true, false, false));
        check(MAIL_BYTES_MIN / 4, GIB, true, (false, false, false));
        check(MAIL_BYTES_MIN / 4 - 1, GIB, true, (true, false, false));
        check(RESERVE_BYTES / RESERVE_PART - 1, GIB, true, (true, true, false));
        check(RESERVE_BYTES + MAIL_BYTES_MIN - 1, GIB, false, (true, false, false));
        check(RESERVE_BYTES + MAIL_BYTES_MIN, 0, false, (true, false, true));
        fn check_files(available: u64, has_reserve: bool, expected: (bool, bool, bool)) {
            let files = FileRoom::new(available, 1_000_000);
            let found = (files.refuses(has_reserve), files.needs_reserve(), files.can_reserve());
            assert_eq!(found, expected, "{available} {has_reserve}");
        }
        check_files(MAIL_FILES_MIN + RESERVE_FILES, true, (false, false, true));
        check_files(MAIL_FILES_MIN + RESERVE_FILES - 1, true, (false, false, false));
        check_files(MAIL_FILES_MIN + RESERVE_FILES, false, (false, false, true));
        check_files(MAIL_FILES_MIN + RESERVE_FILES - 1, false, (true, false, false));
        check_files(MAIL_FILES_MIN, true, (false, false, false));
        check_files(MAIL_FILES_MIN - 1, true, (true, false, false));
        check_files(RESERVE_FILES / RESERVE_PART - 1, true, (true, true, false));
        let unbounded = FileRoom::default();
        assert!(!unbounded.refuses(false) && !unbounded.needs_reserve() && !unbounded.can_reserve());
        let small = FileRoom::new(0, 2000);
        assert_eq!((small.reserve, small.mail_min), (62, 62));
        let small = Room::new(0, 64 << 20);
        assert_eq!((small.reserve, small.mail_min, small.retention_min), (2 << 20, 2 << 20, 4 << 20));
    }

    #[test]
    fn room_for_files_is_kept_while_octets_are_few_and_given_up_alone() {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk { directory: place.path().to_owned(), refuses: AtomicBool::new(false) };
        let room = |octets, files| Room { files: FileRoom::new(files, 1_000_000), ..Room::new(octets, 100 * GIB) };
        // Octets that the engine uses again are room for mail; that files were not in reserve yet takes none of it away.
        let few = room(MAIL_BYTES_MIN / 2, 1_000_000);
        assert!(disk.has_reserved_files(&few));
        assert!(!few.refuses(GIB, true) && !few.files.refuses(true));
        assert_eq!(fs::read_dir(place.path().join("reserve-files")).unwrap().count() as u64, RESERVE_FILES);
        assert!(!disk.has_reserved_files(&room(GIB, RESERVE_FILES / RESERVE_PART - 1)));
        assert!(!place.path().join("reserve-files").exists() && disk.refuses_mail().is_some());
        let next_to_none = room(RESERVE_BYTES / RESERVE_PART - 1, 1_000_000);
        assert!(!disk.has_reserved_files(&next_to_none) && !next_to_none.files.refuses(false));
    }

    #[test]
    fn the_reserve_is_no_file_with_holes_and_is_given_up_once() {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::open(place.path());
        let file = fs::metadata(place.path().join(RESERVE)).unwrap();
        assert_eq!(file.len(), Room::of(place.path()).unwrap().reserve);
        assert!(file.blocks() * 512 >= file.len(), "{} blocks", file.blocks());
        assert_eq!(disk.refuses_mail(), None);
        assert!(disk.make_room() && !disk.make_room());
        assert!(disk.refuses_mail().is_some());
        disk.look(0);
        assert!(disk.has_reserve() && disk.refuses_mail().is_none(), "there is room again");
    }
}
