//! Options on what keeps the mail.

use super::{ConfigOption, PATH, put};
use crate::config::StorageEngine;

pub(super) const ENGINE: ConfigOption = ConfigOption {
    key: "store.engine",
    kind: "\"sqlite\" or \"postgres\"",
    default: Some("\"sqlite\""),
    text: "What keeps the mailboxes, the accounts and the queue: files in `data_dir`, or a PostgreSQL server, which one \
           Pillarbox at a time writes to, or several that know of each other (`cluster.node`). Large messages are files in \
           `data_dir` with both, or objects in a bucket (`store.bucket_url_file`). `pillarbox move-store` takes the mail from one to the \
           other.",
    set: |config, value| {
        let choices = [("sqlite", StorageEngine::Sqlite), ("postgres", StorageEngine::Postgres)];
        put(&mut config.engine, value.choice(&choices)?)
    },
};

pub(super) const URL_FILE: ConfigOption = ConfigOption {
    key: "store.url_file",
    kind: PATH,
    default: None,
    text: "A file of which the first line says where PostgreSQL is: `postgres://user:password@host:5432/database`, readable \
           for the server's user only. Several hosts with commas between them: the one that takes writes. TLS is used, \
           unless the line ends with `?sslmode=disable`.",
    set: |config, value| put(&mut config.database.url_file, Some(value.path()?)),
};

pub(super) const BUCKET_URL_FILE: ConfigOption = ConfigOption {
    key: "store.bucket_url_file",
    kind: PATH,
    default: None,
    text: "A file of which the first line says in which bucket large messages are kept (S3, of AWS or of whatever speaks its \
           protocol): `s3://KEY:SECRET@s3.eu-central-1.amazonaws.com/bucket?region=eu-central-1`, readable for the server's user \
           only. A part of a bucket: `/bucket/part`. TLS is used, unless the line ends with `?tls=off`. Without it they are files in \
           `data_dir`.",
    set: |config, value| put(&mut config.database.bucket_url_file, Some(value.path()?)),
};

pub(super) const AUTHORITY: ConfigOption = ConfigOption {
    key: "store.authority",
    kind: PATH,
    default: None,
    text: "The certificates in PEM form that vouch for PostgreSQL, for the server of the bucket and for NATS. Without it those of the system.",
    set: |config, value| put(&mut config.database.authority, Some(value.path()?)),
};
