//! The rules of every engine, held by this one.

#![allow(clippy::unwrap_used)]

use store::conformance;
use store_sqlite::{SqliteEngine, SqliteOptions};

#[test]
fn sqlite_keeps_the_contract() {
    let place = tempfile::tempdir().unwrap();
    conformance::engine(|| Box::new(SqliteEngine::open(place.path(), &SqliteOptions::default()).unwrap()));
}

#[test]
fn sqlite_keeps_the_contract_in_one_shard() {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: 1, cache_kib: 256, ..SqliteOptions::default() };
    conformance::engine(|| Box::new(SqliteEngine::open(place.path(), &options).unwrap()));
}
