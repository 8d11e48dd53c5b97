//! The server's side: what it answers to a standby.

use crate::ranges::{Range, Sum, decode, each_row};
use crate::wire::{Heads, Message, Piece, UNREADABLE, row};
use crate::{Error, Place, Take, is_copied};
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use store::engine::{Engine, EngineError};
use store::feed::Feed;
use store::objects::{ObjectError, ObjectName, Objects};
use store::{AccountId, ModSeq};

/// News are sent in messages of about so many octets.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Rows are sent in pieces of about so many octets.
const PIECE_BYTES: usize = 512 * 1024;
/// A range that has more octets here than in the copy has changed: it is not put together first.
const RANGE_BYTES_MAX: usize = 1024 * 1024;
/// After so many ranges that are the same an empty piece says that the server goes on: 64 MiB, a second or so.
const QUIET_RANGES_MAX: u32 = 256;

/// What a server's data descend from: the same as long as its heads only grow. Equal heads of another lineage say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage(pub [u8; 32]);

impl Lineage {
    /// Of what only this server has, and what is made anew each time that its data come back from elsewhere.
    #[must_use]
    pub fn of(secret: &[u8], restored: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("pillarbox 2026-11-30 what a standby follows");
        hasher.update(&(secret.len() as u64).to_be_bytes()).update(secret).update(restored);
        Self(*hasher.finalize().as_bytes())
    }
}

/// A server that standbys may follow.
pub struct Source {
    engine: Arc<dyn Engine>,
    objects: Arc<dyn Objects>,
    feed: Arc<Feed>,
    lineage: Lineage,
}

impl Source {
    /// `engine` is the one whose changes come into `feed`.
    #[must_use]
    pub fn new((engine, objects): (Arc<dyn Engine>, Arc<dyn Objects>), feed: Arc<Feed>, lineage: Lineage) -> Self {
        Self { engine, objects, feed, lineage }
    }

    /// Whether these are the server's data.
    #[must_use]
    pub fn is_of(&self, lineage: Lineage) -> bool {
        self.lineage == lineage
    }

    /// The heads of all keyspaces, and from where on the news are what comes after.
    ///
    /// # Errors
    /// Not everything can be read: then what is not there looks as if it had been removed.
    pub fn heads(&self) -> Result<Vec<u8>, Error> {
        let place = Place { epoch: self.feed.epoch(), position: self.feed.listen() };
        let mut accounts = self.engine.accounts()?;
        accounts.retain(|account| is_copied(*account));
        // One that is damaged holds up no other.
        let head = |account: &AccountId| match self.engine.head(*account) {
            Err(EngineError::Damaged { .. }) => Ok(UNREADABLE),
            head => head,
        };
        let heads = accounts.iter().map(head).collect::<Result<Vec<ModSeq>, EngineError>>()?;
        if let Some(closed) = self.engine.closed().into_iter().next() {
            return Err(Error::Refused(format!("not everything of the server can be read: {closed}")));
        }
        let there = |(_, head): &(AccountId, ModSeq)| *head > ModSeq(0);
        let heads = accounts.into_iter().zip(heads).filter(there).collect();
        Ok(Heads { lineage: self.lineage.0, place, heads }.encode())
    }

    /// What was committed from `place` on; none comes for at most `wait`. `None`: that is not known any more, and heads are to be
    /// compared. `now`: Unix milliseconds.
    #[must_use]
    pub fn news(&self, place: Place, wait: Duration, now: impl Fn() -> i64) -> Option<Vec<u8>> {
        if place.epoch != self.feed.epoch() {
            return None;
        }
        // The clock before the look: what was durable by then is in it, or behind it.
        let at = now();
        let batch = self.feed.after(place.position, MESSAGE_BYTES, wait)?;
        Some(Message::encode(place, at, &batch))
    }

    /// What of a keyspace differs from `ranges`, at one commit.
    ///
    /// # Errors
    /// Faults; what `take` returns.
    pub fn compare(&self, account: AccountId, ranges: &[u8], take: Take<'_>) -> Result<(), Error> {
        let ranges = decode(ranges)?;
        let snapshot = self.engine.snapshot(account)?;
        let head = if is_copied(account) { snapshot.head() } else { ModSeq(0) };
        take(&Piece::Head(head).encode())?;
        if head > ModSeq(0) {
            let mut comparing = Comparing::new(&ranges, take);
            each_row(&*snapshot, |key, value| comparing.row(key, value))?;
            comparing.finish()?;
        }
        take(&Piece::End.encode())
    }

    /// A large body; `None`: there is none of this name.
    ///
    /// # Errors
    /// Faults.
    pub fn object(&self, account: AccountId, name: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        match self.objects.read(account, name) {
            Ok(body) => Ok(Some(body)),
            Err(ObjectError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Rows as they are read, and the ranges of a copy beside them.
struct Comparing<'c, 't> {
    ranges: &'c [Range],
    from: &'c [u8],
    sum: Sum,
    /// Of this range, as far as they are not sent.
    rows: Vec<u8>,
    /// It was told that this range differs.
    differs: bool,
    /// Ranges since something was sent.
    quiet: u32,
    take: Take<'t>,
}

impl<'c, 't> Comparing<'c, 't> {
    fn new(ranges: &'c [Range], take: Take<'t>) -> Self {
        Self { ranges, from: &[], sum: Sum::default(), rows: Vec::new(), differs: false, quiet: 0, take }
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        while self.ranges.first().is_some_and(|(end, _)| key >= end.as_slice()) {
            self.close()?;
        }
        self.sum.add(key, value);
        row(&mut self.rows, key, value);
        // Behind the last range the copy has nothing.
        if !self.differs && (self.ranges.is_empty() || self.rows.len() > RANGE_BYTES_MAX) {
            self.tell_range()?;
        }
        if self.differs && self.rows.len() >= PIECE_BYTES { self.send() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(((end, hash), rest)) = self.ranges.split_first() else { return Ok(()) };
        let is_same = self.sum.take() == *hash;
        if !self.differs && !is_same {
            self.tell_range()?;
        }
        if self.differs {
            self.send()?;
        }
        self.rows.clear();
        (self.ranges, self.from, self.differs) = (rest, end, false);
        self.quiet += 1;
        if self.quiet < QUIET_RANGES_MAX {
            return Ok(());
        }
        self.quiet = 0;
        (self.take)(&Piece::Rows(&[]).encode())
    }

    fn finish(mut self) -> Result<(), Error> {
        while !self.ranges.is_empty() {
            self.close()?;
        }
        if self.differs { self.send() } else { Ok(()) }
    }

    fn tell_range(&mut self) -> Result<(), Error> {
        self.differs = true;
        let to = self.ranges.first().map(|(end, _)| end.as_slice());
        (self.take)(&Piece::Range { from: self.from, to }.encode())
    }

    fn send(&mut self) -> Result<(), Error> {
        let rows = mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { (self.take)(&Piece::Rows(&rows).encode()) }
    }
}
