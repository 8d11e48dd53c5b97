//! Options on what owners of other domains are told.

use super::{ConfigOption, TEXT, put};

pub(super) const SEND: ConfigOption = ConfigOption {
    key: "reports.send",
    kind: "true or false",
    default: Some("true"),
    text: "Whether owners of other domains who ask for it are told, once a day and in numbers, what came in their names and what \
           became of it (DMARC), and how TLS with their hosts went (TLSRPT). No message and no address of a person is told.",
    set: |config, value| put(&mut config.reports.send, value.boolean()?),
};

pub(super) const FROM: ConfigOption = ConfigOption {
    key: "reports.from",
    kind: TEXT,
    default: None,
    text: "The address that such reports come from, in a local domain, so that they are signed. Without it the postmaster of the \
           local domain that this host is in, or of the first one.",
    set: |config, value| put(&mut config.reports.from, Some(value.text()?.to_owned())),
};
