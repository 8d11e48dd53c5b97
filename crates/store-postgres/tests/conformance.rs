//! The rules of every engine, held by this one on a real database.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::Cluster;
use store::conformance;
use store_postgres::{PostgresEngine, PostgresOptions};

#[test]
fn postgres_keeps_the_contract() {
    let Some(cluster) = Cluster::start() else { return };
    let options = PostgresOptions::new(&cluster.url());
    conformance::engine(|| Box::new(PostgresEngine::open(&options).unwrap()));
}

#[test]
fn postgres_keeps_the_contract_with_one_writer() {
    let Some(cluster) = Cluster::start() else { return };
    let options = PostgresOptions { writers: 1, ..PostgresOptions::new(&cluster.url()) };
    conformance::engine(|| Box::new(PostgresEngine::open(&options).unwrap()));
}
