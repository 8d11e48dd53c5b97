//! The embedded storage engine: SQLite shards with group commit.
//!
//! A data directory holds a fixed number of shard files; an account lives in one of them. Each shard has one writer
//! thread, which takes all commits that wait, checks each against its account's head, writes them in one transaction
//! and answers after one flush (`writer`). Snapshots are read transactions on connections of their own (`reader`),
//! which the write-ahead log lets run beside the writer; what it collects is copied back by a third thread
//! (`checkpoint`).
//!
//! Invariant: a commit is answered `Ok` only after its transaction was flushed (`synchronous=FULL`).
//! Invariant: after an error whose effect is not known the shard commits nothing more until it was opened again, the
//! write-ahead log was emptied into the file, and no acknowledged head was found missing.
//! Invariant: every row carries checksums (`sum`), which are checked whenever it is read, or said not to be there.
//! Invariant: a shard that cannot be used stops its own accounts only.
//! Invariant: only one process has a data directory open.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod batch;
mod chain;
mod checkpoint;
mod directory;
mod engine;
mod fault;
mod reader;
mod remains;
mod shard;
mod sum;
mod upgrade;

pub use directory::OpenError;
pub use engine::{SqliteEngine, SqliteOptions};
pub use remains::SqliteRemains;
