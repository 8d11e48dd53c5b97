//! Options on several servers with the same mail.

use super::{ConfigOption, TEXT, put};

pub(super) const NODE: ConfigOption = ConfigOption {
    key: "cluster.node",
    kind: TEXT,
    default: None,
    text: "The name of this server among several that have the same mail (`store.engine = \"postgres\"`, with a bucket) and serve it \
           at the same time: a name of its own for each, in lower-case letters, digits and hyphens. Without it one server at a time \
           writes to a database. See [cluster.md](cluster.md).",
    set: |config, value| put(&mut config.node, Some(value.node()?)),
};
