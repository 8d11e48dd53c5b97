//! Options on what other servers may do that are near each other, and on answers to mistakes.

use super::{COUNT, ConfigOption, put};

pub(super) const CONNECTIONS: ConfigOption = ConfigOption {
    key: "limits.mx_connections_max",
    kind: COUNT,
    default: Some("4000"),
    text: "Connections of other servers on port 25 at the same time, of all together; what is left of `limits.connections_max` \
           is for mail programs.",
    set: |config, value| put(&mut config.networks.connections_max, value.number(1, 1_000_000)?),
};

pub(super) const CONNECTIONS_PER_NETWORK: ConfigOption = ConfigOption {
    key: "limits.mx_connections_per_network_max",
    kind: COUNT,
    default: Some("100"),
    text: "The same from one network: an IPv4 /24 or an IPv6 /64; an IPv6 /48, which one customer may have, four times as many, here \
           and below. Who has too many hears 421 and comes again. This machine and `sender.trusted_relays` have none of these \
           limits, and mail to postmaster and abuse is taken as long as its server can connect.",
    set: |config, value| put(&mut config.networks.connections_per_network_max, value.number(1, 1_000_000)?),
};

pub(super) const CONNECTS: ConfigOption = ConfigOption {
    key: "limits.mx_connects_per_minute_max",
    kind: COUNT,
    default: Some("600"),
    text: "New connections on port 25 from one network in a minute; all networks together may open forty times as many.",
    set: |config, value| put(&mut config.networks.connects_per_minute_max, value.number(1, 10_000_000)?),
};

pub(super) const MESSAGES: ConfigOption = ConfigOption {
    key: "limits.mx_messages_per_minute_max",
    kind: COUNT,
    default: Some("1200"),
    text: "Messages from one network in a minute, whatever becomes of them; all networks together may send forty times as many. More \
           is answered with 450 and comes again.",
    set: |config, value| put(&mut config.networks.messages_per_minute_max, value.number(1, 10_000_000)?),
};

pub(super) const WRONG_RECIPIENTS: ConfigOption = ConfigOption {
    key: "limits.mx_wrong_recipients_per_hour_max",
    kind: COUNT,
    default: Some("600"),
    text: "Recipients that do not exist, from one network in an hour. After that it hears 450 for all recipients, whether they exist \
           or not, until some of it is forgiven: who tries names learns no more.",
    set: |config, value| put(&mut config.networks.wrong_recipients_per_hour_max, value.number(1, 10_000_000)?),
};

pub(super) const BAD_COMMANDS: ConfigOption = ConfigOption {
    key: "limits.mx_bad_commands_per_hour_max",
    kind: COUNT,
    default: Some("600"),
    text: "Commands from one network in an hour that are none, or come out of turn. After that it cannot connect until some of it is \
           forgiven.",
    set: |config, value| put(&mut config.networks.bad_commands_per_hour_max, value.number(1, 10_000_000)?),
};

pub(super) const TARPIT: ConfigOption = ConfigOption {
    key: "limits.tarpit_millis_max",
    kind: COUNT,
    default: Some("5000"),
    text: "How long the answer to a mistake of a stranger waits at most, in milliseconds, on port 25 and for mail programs before they \
           log in: a recipient that does not exist, a command that is none. The first two of a connection are answered at once, the \
           third after a second, each one after that twice as late; of a network with many of them also the first. 0: no answer \
           waits.",
    set: |config, value| put(&mut config.tarpit_millis_max, value.number(0, 30_000)?),
};
