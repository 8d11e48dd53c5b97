//! Options on several servers with the same mail.

use super::{ConfigOption, PATH, TEXT, put};
use hints::Address;

pub(super) const NODE: ConfigOption = ConfigOption {
    key: "cluster.node",
    kind: TEXT,
    default: None,
    text: "The name of this server among several that have the same mail (`store.engine = \"postgres\"`, with a bucket) and serve it \
           at the same time: a name of its own for each, in lower-case letters, digits and hyphens. Without it one server at a time \
           writes to a database. See [cluster.md](cluster.md).",
    set: |config, value| put(&mut config.node, Some(value.node()?)),
};

pub(super) const HINTS: ConfigOption = ConfigOption {
    key: "cluster.hints",
    kind: TEXT,
    default: None,
    text: "Where NATS is, over which servers with the same mail tell each other at once which accounts have changed, and nothing else: \
           `nats://host:4222`, or `tls://host:4222`; several hosts with commas between them. Each server needs it. Without it, and \
           while NATS does not answer, each looks ten times a second. See [cluster.md](cluster.md).",
    set: |config, value| {
        let address = value.text()?.parse::<Address>().map_err(|error| {
            format!("must be where NATS is, such as \"nats://nats.example.org:4222\" or \"tls://nats.example.org:4222\": {error}")
        })?;
        match address.has_secret() {
            true => {
                Err("has a password or a token in it; write it into a file and name that in `cluster.hints_url_file`"
                    .to_owned())
            }
            false => put(&mut config.hints.address, Some(address)),
        }
    },
};

pub(super) const HINTS_URL_FILE: ConfigOption = ConfigOption {
    key: "cluster.hints_url_file",
    kind: PATH,
    default: None,
    text: "In the place of `cluster.hints`: a file of which the first line says it with a user and a password, \
           `tls://user:password@host:4222`, or with a token, `tls://TOKEN@host:4222`, readable for the server's user only.",
    set: |config, value| put(&mut config.hints.url_file, Some(value.path()?)),
};
