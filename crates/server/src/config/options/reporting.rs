//! Options on what owners of other domains are told, and collectors.

use super::{ConfigOption, TEXT, put};

pub(super) const SEND: ConfigOption = ConfigOption {
    key: "reports.send",
    kind: "true or false",
    default: Some("true"),
    text: "Whether owners of other domains who ask for it are told, once a day and in numbers, what came in their names and what \
           became of it (DMARC), and how TLS with their hosts went (TLSRPT). No message and no address of a person is told.",
    set: |config, value| put(&mut config.reports.send, value.boolean()?),
};

pub(super) const COMPLAINTS: ConfigOption = ConfigOption {
    key: "reports.complaints",
    kind: "true or false",
    default: Some("false"),
    text: "Whether senders who ask for it with a signed field of the message (`CFBL-Address`, RFC 9477) are told that somebody has moved \
           it into Junk: the name of the message and the sender's own mark in it, by which the sender finds out whose mailbox it is. At \
           most 20 messages of an account a day; each stands in its timeline.",
    set: |config, value| put(&mut config.reports.complaints, value.boolean()?),
};

pub(super) const FROM: ConfigOption = ConfigOption {
    key: "reports.from",
    kind: TEXT,
    default: None,
    text: "The address that such reports come from, in a local domain, so that they are signed. Without it the postmaster of the \
           local domain that this host is in, or of the first one.",
    set: |config, value| put(&mut config.reports.from, Some(value.text()?.to_owned())),
};

pub(super) const TRACES_URL: ConfigOption = ConfigOption {
    key: "traces.url",
    kind: TEXT,
    default: None,
    text: "Where a collector of OpenTelemetry takes the way of each message, part by part with its time: \
           `http://127.0.0.1:4318/v1/traces` (OTLP over HTTP with JSON). Addresses of senders and recipients are in it, no content. What \
           the collector wants in its header fields is in the environment (`OTEL_EXPORTER_OTLP_HEADERS`). It holds up nobody: what is \
           not taken in time is left out.",
    set: |config, value| {
        let url = value.text()?;
        traces::check(url)?;
        put(&mut config.traces_url, Some(url.to_owned()))
    },
};
