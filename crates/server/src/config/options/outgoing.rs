//! Options on how mail goes to other servers.

use super::{COUNT, ConfigOption, put};

pub(super) const MESSAGES_PER_MINUTE: ConfigOption = ConfigOption {
    key: "delivery.messages_per_minute",
    kind: COUNT,
    default: None,
    text: "How many messages a minute go to one domain, in even distances; without it as many as there are. For hosts that refuse \
           whoever comes faster.",
    set: |config, value| put(&mut config.delivery.messages_per_minute, Some(value.rate()?)),
};

pub(super) const MESSAGES_PER_MINUTE_TO: ConfigOption = ConfigOption {
    key: "delivery.messages_per_minute_to",
    kind: "table of domains and numbers",
    default: Some("{}"),
    text: "The same for single domains: `{ \"example.com\" = 30 }`.",
    set: |config, value| put(&mut config.delivery.messages_per_minute_to, value.rates()?),
};

pub(super) const MTA_STS_PORT: ConfigOption = ConfigOption {
    key: "delivery.mta_sts_port",
    kind: COUNT,
    default: Some("443"),
    text: "The port on which they are asked for that; another one only makes sense in a test network.",
    set: |config, value| put(&mut config.delivery.mta_sts_port, value.number(1, u64::from(u16::MAX))?),
};
