//! Copying the write-ahead log of a shard back into its file, beside the writer.
//!
//! SQLite would do it within a commit, which then takes as long as the copy. Here the writer only looks how long the
//! log is and wakes a thread. The log starts over when all of it was copied and nobody reads from it, which under a
//! steady load never happens by itself: once the log is long the writer copies the last bit itself.

use crate::shard::ShardFile;
use rusqlite::Connection;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// The thread is woken when the log has this many pages more than it has copied (16 MiB).
const COPY_PAGES: i64 = 4096;
/// The writer copies the rest itself when the log has this many pages (64 MiB).
const LONG_PAGES: i64 = 16384;

/// The thread that copies. Dropped, it finishes the copy at hand and ends.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The writer's eye on the length of the log.
#[derive(Debug)]
pub(crate) struct Log {
    wake: SyncSender<()>,
    long: i64,
}

impl Checkpointer {
    /// Starts the thread. The [`Log`] is for the writer of the same shard, which must end before this is dropped.
    pub(crate) fn start(name: String, file: ShardFile) -> io::Result<(Self, Log)> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name(name).spawn(move || copy_when_woken(&file, &woken))?;
        let log = Log { wake: wake.clone(), long: LONG_PAGES };
        Ok((Self { wake: Some(wake), thread: Some(thread) }, log))
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn copy_when_woken(file: &ShardFile, woken: &Receiver<()>) {
    let mut connection = None;
    while woken.recv().is_ok() {
        // After an error a new connection: what failed is copied again from the log, which keeps it until then.
        let result = match connection.take() {
            Some(connection) => Ok(connection),
            None => file.checkpointer(),
        };
        match result.and_then(|connection| checkpoint(&connection).map(|_| connection)) {
            Ok(works) => connection = Some(works),
            Err(error) => tracing::error!("the log grows: {}", file.cannot("bring the log into", &error)),
        }
    }
}

/// Copies what can be copied without waiting for anybody. True when that was the whole log.
fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    let (pages, copied) = pages("PRAGMA wal_checkpoint(PASSIVE)", connection)?;
    Ok(pages == copied)
}

fn pages(pragma: &str, connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection.prepare_cached(pragma)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

impl Log {
    /// On a full disk: whether all of the log is in the file now and is more than nothing, so that it starts over.
    pub(crate) fn starts_over(&mut self, connection: &Connection) -> bool {
        let before = pages("PRAGMA wal_checkpoint(NOOP)", connection).map_or(0, |(pages, _)| pages);
        before > 0 && checkpoint(connection).unwrap_or(false)
    }

    /// To be called after each batch.
    pub(crate) fn written(&mut self, file: &ShardFile, connection: &Connection) {
        if let Err(error) = self.look(connection) {
            tracing::error!("the log grows: {}", file.cannot("bring the log into", &error));
        }
    }

    fn look(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let (pages, copied) = pages("PRAGMA wal_checkpoint(NOOP)", connection)?;
        if pages >= self.long {
            // Where a reader or the thread is in the way, it is tried again a good deal later.
            let whole = checkpoint(connection)?;
            self.long = if whole { LONG_PAGES } else { pages + COPY_PAGES };
        } else if pages - copied >= COPY_PAGES {
            // When it is awake already, nothing need be said.
            let _ = self.wake.try_send(());
        }
        Ok(())
    }
}
