//! What is left of a damaged data directory: every row that is what was written, whatever stands around it.
//!
//! The files are read page by page, and are never written to. What is found goes into a file elsewhere, in the order of accounts and
//! keys; long values stay where they are and are read when somebody wants them. So memory does not grow with the files.
//!
//! Invariant: a row is given as sound only if its checksum holds; in format version 1, which has none, if it can be read.

mod cells;
mod chain;
mod pages;

use crate::directory::{FORMAT_VERSION, SHARDS_MAX, parse_format};
use crate::sum::{self, Place};
use cells::{Row, Value};
use chain::{Chain, Link};
use pages::{Image, PAGE, Pages};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use store::engine::EngineError;
use store::ids::{AccountId, ModSeq};
use store::salvage::{Remains, VisitRemnant};

/// So many rows are noted in one transaction.
const ROWS_PER_COMMIT: usize = 20_000;
/// Progress is told after so many pages, 16 MiB.
const PAGES_PER_STEP: usize = 4096;

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;
    CREATE TABLE head (account INTEGER PRIMARY KEY, ver INTEGER NOT NULL);
    CREATE TABLE found (
        account INTEGER NOT NULL, key BLOB NOT NULL,
        rank INTEGER NOT NULL, -- as Rank
        value NOT NULL, sum INTEGER, link INTEGER,
        PRIMARY KEY (account, key, rank)
    ) WITHOUT ROWID;
    CREATE TABLE large (
        shard INTEGER NOT NULL, number INTEGER NOT NULL, page INTEGER NOT NULL, frame INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (number, shard, page, frame, at)
    ) WITHOUT ROWID;
";

/// What is left of the files of an engine.
#[derive(Debug)]
pub struct SqliteRemains {
    noted: Connection,
    directory: PathBuf,
    shards: u8,
    /// So many say the files, and they are all there is.
    shards_are_sure: bool,
    /// All rows have checksums.
    has_sums: bool,
    /// Those that could be read.
    files: BTreeMap<u8, Pages>,
    told: Vec<String>,
    unread: Vec<String>,
    /// Of which pages have several rows with one key that are not the same.
    doubled: BTreeSet<AccountId>,
    lacks_sums: bool,
    /// What is known of accounts whose rows may be of two moments.
    contradicting: RefCell<BTreeMap<AccountId, bool>>,
}

/// Which of several rows with one key is taken: the last one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Damaged = 0,
    /// It may be one that stood there once, and its value has to be compared when it is read.
    StrayLarge = 1,
    Stray = 2,
    Large = 3,
    Sound = 4,
}

/// So many of so many pages were read.
pub(crate) type OnPages<'a> = &'a mut dyn FnMut(usize, usize);

impl SqliteRemains {
    /// Reads what is in `directory`, which is not changed, and notes it in the new file `notes`.
    ///
    /// # Errors
    /// The directory cannot be read, or the notes cannot be written. What is damaged is none.
    pub fn read(directory: &Path, notes: &Path, step: OnPages<'_>) -> Result<Self, EngineError> {
        let noted = Connection::open(notes)
            .and_then(|noted| noted.execute_batch(SCHEMA).map(|()| noted))
            .map_err(|error| failed(format_args!("cannot write {}: {error}", notes.display())))?;
        let mut remains = Self {
            noted,
            directory: directory.to_owned(),
            shards: 0,
            shards_are_sure: false,
            has_sums: false,
            files: BTreeMap::new(),
            told: Vec::new(),
            unread: Vec::new(),
            doubled: BTreeSet::new(),
            lacks_sums: false,
            contradicting: RefCell::default(),
        };
        remains.open(directory)?;
        let total = remains.files.values().map(Pages::count).sum();
        let mut done = 0;
        let files = std::mem::take(&mut remains.files);
        for (shard, pages) in &files {
            let place = directory.join(name(*shard));
            let read = remains.note(*shard, pages, &mut |more| {
                done += more;
                step(done, total);
            });
            let unread = read.map_err(|error| failed(format_args!("cannot write {}: {error}", notes.display())))?;
            let place = place.display();
            if unread.pages > 0 {
                remains.told.push(format!(
                    "{place}: the disk does not give {} of {} pages",
                    unread.pages,
                    pages.count()
                ));
            }
            if unread.strange > 0 {
                remains.told.push(format!("{place}: {} pages are damaged", unread.strange));
            }
            if pages.is_torn() {
                remains.told.push(format!("{place}-wal is damaged: what was written last may be missing"));
            }
        }
        remains.files = files;
        remains.find_doubled().map_err(|error| failed(format_args!("cannot read {}: {error}", notes.display())))?;
        Ok(remains)
    }

    /// What is there and could not be read so far, in a sentence each: nobody knows whether it is lost.
    #[must_use]
    pub fn unread(&self) -> Vec<String> {
        let failed = self.files.iter().filter(|(_, pages)| pages.has_failed());
        let failed = failed.map(|(shard, _)| {
            format!("the disk does not give all of {}, or of its log", self.directory.join(name(*shard)).display())
        });
        self.unread.iter().cloned().chain(failed).collect()
    }

    /// There are rows without checksums, of format version 1: whether those are what was written nobody knows.
    #[must_use]
    pub fn lacks_sums(&self) -> bool {
        self.lacks_sums
    }

    /// What is wrong with the files, in a sentence each.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// How many shards there are, or were.
    #[must_use]
    pub fn shards(&self) -> u8 {
        self.shards
    }

    fn open(&mut self, directory: &Path) -> Result<(), EngineError> {
        let format = directory.join("format");
        let text = std::fs::read(&format).map(|text| String::from_utf8_lossy(&text).into_owned());
        if let Some(error) = text.as_ref().err().filter(|error| error.kind() != std::io::ErrorKind::NotFound) {
            self.unread.push(format!("cannot read {}: {error}", format.display()));
        }
        let said = match text.map_err(|error| format!("cannot read {}: {error}", format.display())) {
            Ok(text) => parse_format(&format, &text).map_err(|error| (error.what, is_newer(&text))),
            Err(what) => Err((what, false)),
        };
        let path = |shard: u8| directory.join(name(shard));
        let there = (0..SHARDS_MAX).filter(|shard| path(*shard).exists()).max().map_or(0, |last| last + 1);
        self.shards = match said {
            Ok((shards, has_sums)) => {
                (self.shards_are_sure, self.has_sums) = (shards >= there, has_sums);
                shards.max(there)
            }
            Err((what, is_newer)) => {
                if is_newer {
                    self.unread.push(what.clone());
                }
                self.told.push(what);
                there
            }
        };
        if self.shards == 0 {
            return Err(failed(format_args!("there are no databases of a mail server in {}", directory.display())));
        }
        for shard in 0..self.shards {
            let path = path(shard);
            let log = PathBuf::from(format!("{}-wal", path.display()));
            match Pages::open(&path, &log) {
                Ok(pages) => drop(self.files.insert(shard, pages)),
                Err(error) => {
                    let what = format!("{} cannot be read: {error}", path.display());
                    self.told.push(what.clone());
                    if error.kind() != std::io::ErrorKind::NotFound {
                        self.unread.push(what);
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows with one key that are of different ranks, and none of which only stood there once.
    fn find_doubled(&mut self) -> rusqlite::Result<()> {
        let find = "SELECT DISTINCT account FROM found AS one WHERE rank IN (0, 3) AND EXISTS
            (SELECT 1 FROM found WHERE account = one.account AND key = one.key AND rank > one.rank AND rank > 2)";
        let found: Vec<u32> = self.noted.prepare(find)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        self.doubled.extend(found.into_iter().map(AccountId));
        Ok(())
    }

    fn shard(&self, account: AccountId) -> u8 {
        // A shard has a number below 64.
        (account.0 % u32::from(self.shards.max(1))) as u8
    }

    fn is_file_torn(&self, account: AccountId) -> bool {
        self.files.get(&self.shard(account)).is_none_or(Pages::is_torn)
    }

    /// Whether rows may be taken that stood there once, because nothing newer is left of them.
    fn has_strays(&self, account: AccountId) -> rusqlite::Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM found AS stray WHERE account = ?1 AND rank IN (1, 2) AND NOT EXISTS
            (SELECT 1 FROM found WHERE account = ?1 AND key = stray.key AND rank > 2))";
        self.noted.prepare_cached(find)?.query_row([account.0], |row| row.get(0))
    }

    /// The long value with this number whose checksum holds; else one that is there.
    fn large(
        &self,
        (account, key): (AccountId, &[u8]),
        number: i64,
        sum: Option<i64>,
    ) -> rusqlite::Result<(Option<Vec<u8>>, bool)> {
        // In which file it lies depends on how many there are, which may be what is damaged; without a checksum it is believed.
        let find =
            "SELECT shard, page, frame, at FROM large WHERE number = ?1 AND (?2 OR shard = ?3) ORDER BY shard != ?3";
        let mut find = self.noted.prepare_cached(find)?;
        let mut places = find.query(params![number, sum.is_some(), self.shard(account)])?;
        let mut some = None;
        while let Some(place) = places.next()? {
            let Some(pages) = self.files.get(&place.get(0)?) else { continue };
            let (page, frame, at): (u32, i64, i64) = (place.get(1)?, place.get(2)?, place.get(3)?);
            let image = if page > 0 { Image::Page(page) } else { Image::Frame(frame.cast_unsigned()) };
            if let Some(value) = cells::large(pages, image, usize::try_from(at).unwrap_or(PAGE)) {
                if sum.is_none_or(|sum| sum::row(account, key, &value) == sum) {
                    return Ok((Some(value), true));
                }
                some = Some(value);
            }
        }
        Ok((some, false))
    }

    /// Whether rows that pages name are of two moments: by the link of one another was not there.
    fn contradicts(&self, account: AccountId) -> rusqlite::Result<bool> {
        if let Some(known) = self.contradicting.borrow().get(&account) {
            return Ok(*known);
        }
        let contradicts = self.walk(account, false, &mut |_| ControlFlow::Continue(()))?;
        self.contradicting.borrow_mut().insert(account, contradicts);
        Ok(contradicts)
    }

    /// Visits what is left, and says whether it contradicts itself. Without `reads`, long values are taken for sound and not read.
    fn walk(&self, account: AccountId, reads: bool, visit: &mut VisitRemnant<'_>) -> rusqlite::Result<bool> {
        // What is sound comes before what is not.
        let scan = "SELECT key, value, sum, link, rank FROM found WHERE account = ?1 ORDER BY key, rank DESC";
        let mut scan = self.noted.prepare_cached(scan)?;
        let mut rows = scan.query([account.0])?;
        let is_torn = self.is_file_torn(account)
            || self.doubled.contains(&account)
            || self.contradicting.borrow().get(&account) == Some(&true);
        let mut chain = Chain::new(account, is_torn, visit);
        let mut last: Option<Place> = None;
        while let Some(row) = rows.next()? {
            let Some(place) = Place::read(row.get_ref(0)?) else { continue };
            if last.as_ref() == Some(&place) {
                continue;
            }
            last = Some(place.clone());
            let (sum, link): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            let rank: u8 = row.get(4)?;
            let (mut value, mut is_sound) = (None, false);
            if let Place::Key(key) = &place {
                (value, is_sound) = match row.get_ref(1)? {
                    ValueRef::Blob(value) => (Some(value.to_vec()), rank > Rank::Damaged as u8),
                    ValueRef::Integer(_) if !reads => (Some(Vec::new()), true),
                    ValueRef::Integer(number) => self.large((account, key), number, sum)?,
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => (None, false),
                };
            }
            let is_sure = rank == Rank::Sound as u8 || (rank == Rank::Large as u8 && is_sound);
            chain.take(Link { place, link, value, is_sound, is_sure });
            if chain.is_over() {
                return Ok(chain.contradicts());
            }
        }
        chain.end();
        Ok(chain.contradicts())
    }
}

impl Remains for SqliteRemains {
    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        let all =
            "SELECT account FROM head UNION SELECT DISTINCT account FROM found WHERE rank IN (2, 4) ORDER BY account";
        let list = || -> rusqlite::Result<Vec<AccountId>> {
            self.noted.prepare(all)?.query_map([], |row| row.get(0).map(AccountId))?.collect()
        };
        list().map_err(|error| unread(&error))
    }

    fn head(&self, account: AccountId) -> Result<Option<ModSeq>, EngineError> {
        let find = || {
            let mut find = self.noted.prepare_cached("SELECT ver FROM head WHERE account = ?1")?;
            find.query_row([account.0], |row| row.get::<_, i64>(0)).optional()
        };
        let ver = find().map_err(|error: rusqlite::Error| unread(&error))?;
        Ok(ver.map(|ver| ModSeq(ver.cast_unsigned())))
    }

    fn rows(&self, account: AccountId, visit: &mut VisitRemnant<'_>) -> Result<(), EngineError> {
        self.walk(account, true, visit).map(drop).map_err(|error| unread(&error))
    }

    fn is_torn(&self, account: AccountId) -> bool {
        self.is_file_torn(account)
            || self.doubled.contains(&account)
            || self.has_strays(account).unwrap_or(true)
            || self.contradicts(account).unwrap_or(true)
    }
}

#[derive(Default)]
struct Unread {
    pages: usize,
    strange: usize,
}

impl SqliteRemains {
    /// Notes every row of a file.
    fn note(&mut self, shard: u8, pages: &Pages, step: &mut dyn FnMut(usize)) -> rusqlite::Result<Unread> {
        let mut unread = Unread::default();
        let mut page = [0; PAGE];
        let (mut rows, mut since) = (0, 0);
        self.noted.execute_batch("BEGIN")?;
        for image in pages.images() {
            since += 1;
            if since == PAGES_PER_STEP {
                step(std::mem::take(&mut since));
            }
            if !pages.read(image, &mut page) {
                unread.pages += 1;
                continue;
            }
            let mut outcome = Ok(());
            let adds_up = cells::rows(pages, (image, &page), &mut |row, is_pointed_to| {
                rows += 1;
                if outcome.is_ok() {
                    outcome = self.note_row((shard, image), row, is_pointed_to);
                }
            });
            outcome?;
            unread.strange += usize::from(adds_up == Some(false));
            if rows >= ROWS_PER_COMMIT {
                rows = 0;
                self.noted.execute_batch("COMMIT; BEGIN")?;
            }
        }
        step(since);
        self.noted.execute_batch("COMMIT")?;
        Ok(unread)
    }

    /// Whether rows of an account can be in a shard.
    fn belongs(&self, account: u32, shard: u8) -> bool {
        !self.shards_are_sure || self.shard(AccountId(account)) == shard
    }

    fn note_row(&mut self, (shard, image): (u8, Image), row: Row, is_pointed_to: bool) -> rusqlite::Result<()> {
        match row {
            Row::Head { account, .. } | Row::Record { account, .. } if !self.belongs(account, shard) => Ok(()),
            Row::Head { account, ver, sum } => {
                let head = ModSeq(ver.cast_unsigned());
                // It is 0 while a shard is on its way from version 1.
                let holds = match sum {
                    None | Some(0) => !self.has_sums,
                    Some(sum) => sum::head(AccountId(account), head) == sum,
                };
                if ver > 0 && holds { self.note_head(account, ver) } else { Ok(()) }
            }
            Row::Record { account, key, value, sums } => self.note_record((account, key), value, sums, is_pointed_to),
            Row::Large { number, at } => {
                let (page, frame) = match image {
                    Image::Page(page) => (page, 0),
                    Image::Frame(frame) => (0, frame),
                };
                let add = "INSERT OR IGNORE INTO large VALUES (?1, ?2, ?3, ?4, ?5)";
                self.noted.prepare_cached(add)?.execute(params![
                    shard,
                    number,
                    page,
                    frame.cast_signed(),
                    at as i64
                ])?;
                Ok(())
            }
        }
    }

    fn note_head(&mut self, account: u32, ver: i64) -> rusqlite::Result<()> {
        let before = "SELECT ver FROM head WHERE account = ?1";
        let before: Option<i64> =
            self.noted.prepare_cached(before)?.query_row([account], |row| row.get(0)).optional()?;
        if before.is_some_and(|before| before != ver) {
            self.doubled.insert(AccountId(account));
        }
        let add = "INSERT INTO head VALUES (?1, ?2) ON CONFLICT DO UPDATE SET ver = max(ver, excluded.ver)";
        self.noted.prepare_cached(add)?.execute(params![account, ver]).map(drop)
    }

    fn note_record(
        &mut self,
        (account, key): (u32, Option<Vec<u8>>),
        value: Value,
        sums: Option<(i64, i64)>,
        is_pointed_to: bool,
    ) -> rusqlite::Result<()> {
        // Both are 0 while a shard is on its way from version 1; afterwards no row is without.
        let sums = sums.or(self.has_sums.then_some((0, 0)));
        self.lacks_sums |= sums.is_none();
        let id = AccountId(account);
        let bytes = key.as_deref().unwrap_or_default();
        let rank = match (&value, sums) {
            (Value::Here(value), Some((sum, _))) if sum::row(id, bytes, value) != sum => Rank::Damaged,
            (Value::Here(_), _) if is_pointed_to => Rank::Sound,
            (Value::Here(_), _) => Rank::Stray,
            (Value::There(_), _) if is_pointed_to => Rank::Large,
            (Value::There(_), _) => Rank::StrayLarge,
        };
        let place = key.map_or(Place::Start, Place::Key);
        let (sum, link) = (sums.map(|sums| sums.0), sums.map(|sums| sums.1));
        let value = match value {
            Value::Here(value) => rusqlite::types::Value::Blob(value),
            Value::There(number) => rusqlite::types::Value::Integer(number),
        };
        let row = params![account, place, rank as u8, value, sum, link];
        let add = "INSERT OR IGNORE INTO found VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        if self.noted.prepare_cached(add)?.execute(row)? > 0 {
            return Ok(());
        }
        let same =
            "SELECT value IS ?4 AND sum IS ?5 AND link IS ?6 FROM found WHERE account = ?1 AND key = ?2 AND rank = ?3";
        let is_same: bool = self.noted.prepare_cached(same)?.query_row(row, |row| row.get(0))?;
        if !is_same {
            if matches!(rank, Rank::Large | Rank::Sound) {
                self.doubled.insert(id);
            }
            let replace = "INSERT OR REPLACE INTO found VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            self.noted.prepare_cached(replace)?.execute(row)?;
        }
        Ok(())
    }
}

/// Of a shard's file.
fn name(shard: u8) -> String {
    format!("shard-{shard:02}.sqlite")
}

/// Whether a format file says a version that this program does not know.
fn is_newer(text: &str) -> bool {
    let version = text.lines().nth(1).and_then(|line| line.strip_prefix("version"));
    version.and_then(|version| version.trim().parse::<u32>().ok()).is_some_and(|version| version > FORMAT_VERSION)
}

fn failed(what: impl std::fmt::Display) -> EngineError {
    EngineError::Failed { what: what.to_string() }
}

fn unread(error: &rusqlite::Error) -> EngineError {
    failed(format_args!("what was found of the files cannot be read again: {error}"))
}
