//! Options on where the server listens, and on what stands in front of it.

use super::{ADDRESSES, ConfigOption, PATH, put};
use crate::config::Config;
use crate::config::parse::Value;
use crate::service::Service;

pub(super) const SMTP: ConfigOption = ConfigOption {
    key: "listen.smtp",
    kind: ADDRESSES,
    default: Some("[\"[::]:25\"]"),
    text: "Mail from other servers, STARTTLS offered. `[::]` stands for all addresses, IPv4 too; `[]` switches a \
           service off.",
    set: |config, value| listen(config, Service::Smtp, value),
};

pub(super) const SUBMISSION: ConfigOption = ConfigOption {
    key: "listen.submission",
    kind: ADDRESSES,
    default: Some("[\"[::]:587\"]"),
    text: "Mail from own users after a login, STARTTLS required off this machine.",
    set: |config, value| listen(config, Service::Submission, value),
};

pub(super) const SUBMISSIONS: ConfigOption = ConfigOption {
    key: "listen.submissions",
    kind: ADDRESSES,
    default: Some("[\"[::]:465\"]"),
    text: "Mail from own users after a login, TLS from the first byte.",
    set: |config, value| listen(config, Service::Submissions, value),
};

pub(super) const LMTP: ConfigOption = ConfigOption {
    key: "listen.lmtp",
    kind: ADDRESSES,
    default: Some("[]"),
    text: "Mail from a local transfer agent such as Postfix, without a login; taken from this machine only.",
    set: |config, value| listen(config, Service::Lmtp, value),
};

pub(super) const IMAP: ConfigOption = ConfigOption {
    key: "listen.imap",
    kind: ADDRESSES,
    default: Some("[\"[::]:143\"]"),
    text: "IMAP, STARTTLS required off this machine.",
    set: |config, value| listen(config, Service::Imap, value),
};

pub(super) const IMAPS: ConfigOption = ConfigOption {
    key: "listen.imaps",
    kind: ADDRESSES,
    default: Some("[\"[::]:993\"]"),
    text: "IMAP, TLS from the first byte.",
    set: |config, value| listen(config, Service::Imaps, value),
};

pub(super) const POP3: ConfigOption = ConfigOption {
    key: "listen.pop3",
    kind: ADDRESSES,
    default: Some("[\"[::]:110\"]"),
    text: "POP3, STLS required off this machine.",
    set: |config, value| listen(config, Service::Pop3, value),
};

pub(super) const POP3S: ConfigOption = ConfigOption {
    key: "listen.pop3s",
    kind: ADDRESSES,
    default: Some("[\"[::]:995\"]"),
    text: "POP3, TLS from the first byte.",
    set: |config, value| listen(config, Service::Pop3s, value),
};

pub(super) const HTTPS: ConfigOption = ConfigOption {
    key: "listen.https",
    kind: ADDRESSES,
    default: Some("[\"[::]:443\"]"),
    text: "The pages and the JSON API, TLS from the first byte.",
    set: |config, value| listen(config, Service::Https, value),
};

pub(super) const HTTP: ConfigOption = ConfigOption {
    key: "listen.http",
    kind: ADDRESSES,
    default: Some("[]"),
    text: "The same without TLS, for a proxy on this machine that does TLS itself; loopback addresses only. The proxy \
           says whom it speaks for in `X-Forwarded-For`, and `X-Forwarded-Proto: https`.",
    set: |config, value| listen(config, Service::Http, value),
};

pub(super) const REDIRECT: ConfigOption = ConfigOption {
    key: "listen.redirect",
    kind: ADDRESSES,
    default: Some("[]"),
    text: "HTTP without TLS, usually `[\"[::]:80\"]`: sends browsers to the pages, and proves host names to the certificate \
           authority of `tls.acme` where port 443 cannot. Nothing else is told or taken there.",
    set: |config, value| listen(config, Service::Redirect, value),
};

pub(super) const METRICS: ConfigOption = ConfigOption {
    key: "listen.metrics",
    kind: ADDRESSES,
    default: Some("[]"),
    text: "HTTP without TLS for what watches over this server, such as `[\"127.0.0.1:9425\"]`: `/metrics` for Prometheus, `/health` \
           (it lives) and `/ready` (the store answers, mail is taken, it does not stop). An address that can be reached from \
           elsewhere needs `metrics.token_file`, and a network that nobody listens in.",
    set: |config, value| listen(config, Service::Metrics, value),
};

pub(super) const METRICS_TOKEN_FILE: ConfigOption = ConfigOption {
    key: "metrics.token_file",
    kind: PATH,
    default: None,
    text: "A file of which the first line, at least 16 characters, is what whoever reads `/metrics` has to show \
           (`Authorization: Bearer …`), readable for the server's user only. `/health` and `/ready` need nothing.",
    set: |config, value| put(&mut config.metrics_token_file, Some(value.path()?)),
};

pub(super) const STANDBY: ConfigOption = ConfigOption {
    key: "listen.standby",
    kind: ADDRESSES,
    default: Some("[]"),
    text: "A second machine that keeps a copy of everything, seconds behind (`pillarbox standby`), TLS from the first byte, such as \
           `[\"[::]:8425\"]`. It needs `standby.token_file`, and the mail in files (`store.engine = \"sqlite\"`, without a bucket).",
    set: |config, value| listen(config, Service::Standby, value),
};

pub(super) const STANDBY_TOKEN_FILE: ConfigOption = ConfigOption {
    key: "standby.token_file",
    kind: PATH,
    default: None,
    text: "A file of which the first line, at least 32 characters, is what a standby has to show, readable for the server's user only: \
           whoever has it gets all mail and all secrets. `pillarbox standby --new-token FILE` makes one.",
    set: |config, value| put(&mut config.standby_token_file, Some(value.path()?)),
};

pub(super) const PROXY_FROM: ConfigOption = ConfigOption {
    key: "listen.proxy_from",
    kind: "list of addresses and networks",
    default: Some("[]"),
    text: "Balancers in front of this server, such as `[\"10.0.0.5\", \"192.0.2.0/24\"]`, that say at the beginning of each \
           connection for whom it is (the PROXY protocol, version 1 or 2; `send-proxy-v2` in HAProxy). The client's address \
           then counts in limits, logs, checks of senders and trace headers. A connection from there that does not begin so is \
           closed; from anywhere else what a proxy would say is taken for what a client says. It holds for all services but \
           `lmtp`, `http`, `metrics` and `standby`.",
    set: |config, value| put(&mut config.proxies, value.networks()?),
};

fn listen(config: &mut Config, service: Service, value: &Value<'_>) -> Result<(), String> {
    config.listen.insert(service, value.addresses()?);
    Ok(())
}
