//! Options on how mail goes to other servers.

use super::{COUNT, ConfigOption, put};

const SENDERS: &str = "list of addresses and domains";

pub(super) const MX_FROM: ConfigOption = ConfigOption {
    key: "delivery.mx_from",
    kind: SENDERS,
    default: Some("[]"),
    text: "Mail from these senders goes to the hosts of its recipients' domains, whatever `delivery.by` says, such as \
           `[\"example.org\", \"printer@example.net\"]`. What the three options before this one say of the recipient's domain goes \
           before, as with Postfix; an address goes before its domain. The sender is that of the envelope: of mail that is passed on the \
           domain of the address here for which it came (its SRS address), of mail of a list the list, of bounces and other mail from \
           nobody the domain that is this server's `hostname`. `ada+shop@example.org` is `ada@example.org`, too.",
    set: |config, value| put(&mut config.delivery.from.mx, value.senders()?),
};

pub(super) const SMARTHOST_FROM: ConfigOption = ConfigOption {
    key: "delivery.smarthost_from",
    kind: SENDERS,
    default: Some("[]"),
    text: "Mail from these senders goes to the smarthost; see `delivery.mx_from`.",
    set: |config, value| put(&mut config.delivery.from.smarthost, value.senders()?),
};

pub(super) const REFUSE_FROM: ConfigOption = ConfigOption {
    key: "delivery.refuse_from",
    kind: SENDERS,
    default: Some("[]"),
    text: "Mail from these senders does not leave: it is refused when it is handed in, for all recipients elsewhere but those of \
           `delivery.mx_for` and `delivery.smarthost_for`; see `delivery.mx_from`.",
    set: |config, value| put(&mut config.delivery.from.refuse, value.senders()?),
};

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
