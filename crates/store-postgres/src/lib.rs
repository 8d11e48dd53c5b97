//! The storage engine over the PostgreSQL protocol.
//!
//! Two tables hold what the embedded engine holds in its shards: `pillarbox.heads` (account, head) and
//! `pillarbox.records` (account, key, value). A commit is one statement that moves the head on only if it is the expected
//! one and writes records only where it did (`statements`); commits that wait for the same writer share a transaction
//! (`writer`). A snapshot is a read-only transaction at REPEATABLE READ on a connection of its own (`reader`).
//!
//! Invariant: a commit is answered `Ok` only after the database said that it is durable; `fsync`, `full_page_writes` and
//! `synchronous_commit` are looked at on every connection that writes (`connection`).
//! Invariant: a connection that breaks while a commit is under way makes its outcome unknown, never a guess. The head is
//! compared inside the statement, so that a commit that arrives late changes nothing that was built meanwhile.
//! Invariant: only one server writes to a database, or only such as know of each other (nodes): each writer holds an advisory
//! lock as long as its connection lives, which nodes share.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod connection;
mod engine;
mod fault;
mod options;
mod reader;
mod statements;
mod writer;

pub use engine::PostgresEngine;
pub use options::{OpenError, PostgresOptions};
