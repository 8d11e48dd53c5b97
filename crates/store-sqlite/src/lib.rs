//! The embedded storage engine: SQLite shards with group commit.
