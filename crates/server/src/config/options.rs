//! Every option: its key, what it takes, its default, what it means and how it is read. `docs/config.md` is made from
//! this table, so an option that is not documented cannot exist.

use super::parse::Value;
use super::{Acme, Config, DeliveryBy, LogFormat, LogLevel, Security, Smarthost, TlsFiles};
pub use commands::PerCommand;
use incoming::{
    ALLOW_LISTS, BAD_HELO, BLOCK_LISTS, CHECK, DMARC, FILTERS_DOWN, GREETING_PAUSE_MILLIS, GREYLIST, MILTERS,
    NO_REVERSE_NAME, OWN_HELO, RSPAMD, RSPAMD_CONTROLLER, SPF_FAIL, TRUSTED_RELAYS, TRUSTED_SEALERS, WAIT_FOR_DNS,
};
use wording::Language;

mod cluster;
mod commands;
mod incoming;
mod keeping;
mod listening;
mod logins;
mod networks;
mod outgoing;
mod reporting;
mod searching;

/// One option of the configuration.
pub struct ConfigOption {
    /// With its table: `listen.imap`.
    pub key: &'static str,
    /// What it takes, in words.
    pub kind: &'static str,
    /// As it would be written in the file, or `None` where being absent means something of its own.
    pub default: Option<&'static str>,
    /// What it does, when to change it.
    pub text: &'static str,
    pub(super) set: fn(&mut Config, &Value<'_>) -> Result<(), String>,
}

const ADDRESSES: &str = "list of addresses";
const COUNT: &str = "number";
const DOMAINS: &str = "list of domains";
const PATH: &str = "path";
const TEXT: &str = "text";

/// All options in the order of the documentation.
pub const OPTIONS: &[ConfigOption] = &[
    ConfigOption {
        key: "hostname",
        kind: TEXT,
        default: None,
        text: "The name by which other servers and mail programs reach this one: in greetings, trace headers and the \
               own certificate. Without it the system's host name.",
        set: |config, value| put(&mut config.hostname, value.hostname()?),
    },
    ConfigOption {
        key: "data_dir",
        kind: PATH,
        default: Some("\"/var/lib/pillarbox\""),
        text: "Where mail, accounts, the queue and own keys are kept. Made at the first start, for the server's user \
               only. Only one server can use it at a time.",
        set: |config, value| put(&mut config.data_dir, value.path()?),
    },
    ConfigOption {
        key: "retention_days",
        kind: COUNT,
        default: Some("30"),
        text: "How long mail that was removed can be brought back. 0 gives its space back within the hour.",
        set: |config, value| put(&mut config.retention_days, value.number(0, 36_500)?),
    },
    ConfigOption {
        key: "retention_bytes_max",
        kind: COUNT,
        default: Some("10737418240"),
        text: "How many octets of removed mail an account keeps at most, beside what its mailboxes hold; the oldest go \
               first.",
        set: |config, value| put(&mut config.retention_bytes_max, value.number(0, u64::MAX / 2)?),
    },
    ConfigOption {
        key: "history_bytes_max",
        kind: COUNT,
        default: Some("134217728"),
        text: "How many octets of history an account keeps at most: what each device did, for the timeline, undo and fast \
               synchronisation. Changes of the flags of many messages go first, then the oldest. What is older than \
               `retention_days` goes anyway.",
        set: |config, value| put(&mut config.history_bytes_max, value.number(1_048_576, u64::MAX / 2)?),
    },
    ConfigOption {
        key: "junk_filter",
        kind: "true or false",
        default: Some("false"),
        text: "Whether mail from others is judged by its recipient's junk filter, which puts junk into the mailbox for it and \
               never refuses it. The filter is each account's own: it learns from what its owner moves into that mailbox and \
               out of it, marks, files away and answers, in any mail program.",
        set: |config, value| put(&mut config.junk_filter, value.boolean()?),
    },
    ConfigOption {
        key: "language",
        kind: "\"en\", \"de\" or \"ja\"",
        default: Some("\"en\""),
        text: "The language of letters and of reports on messages to people who have chosen none: English, German or Japanese. An \
               owner chooses with `pillarbox language`. Pages speak as the browser asks.",
        set: |config, value| {
            put(&mut config.language, value.choice(&Language::ALL.map(|language| (language.tag(), language)))?)
        },
    },
    ConfigOption {
        key: "account_requests",
        kind: "true, false or domains",
        default: Some("false"),
        text: "Whether strangers may ask for an account on the pages; an administrator accepts or declines. A list such as \
               `[\"example.org\"]` lets them ask for addresses in these local domains only.",
        set: |config, value| {
            let domains = if value.boolean().is_ok() { Vec::new() } else { value.domains()? };
            put(&mut config.account_requests, value.boolean().unwrap_or(!domains.is_empty()))?;
            put(&mut config.account_request_domains, domains)
        },
    },
    ConfigOption {
        key: "removal_days",
        kind: COUNT,
        default: Some("30"),
        text: "How many days an account that was ended keeps its mail, its address and all else, and can stay after all; nobody \
               logs in to it, and mail for it is refused. 0 removes it at once.",
        set: |config, value| put(&mut config.removal_days, value.number(0, 3_650)?),
    },
    logins::SCRAM,
    ConfigOption {
        key: "quota_bytes",
        kind: COUNT,
        default: None,
        text: "How many octets the mailboxes of a new account may hold together; without it as many as there is disk. \
               `pillarbox account quota` changes it for one account.",
        set: |config, value| put(&mut config.quota_bytes, Some(value.number(0, u64::MAX / 2)?)),
    },
    ConfigOption {
        key: "quota_messages",
        kind: COUNT,
        default: None,
        text: "How many messages the mailboxes of a new account may hold together, copies included; without it as many as \
               there may be octets. `pillarbox account quota --messages` changes it for one account.",
        set: |config, value| put(&mut config.quota_messages, Some(value.number(0, u64::MAX / 2)?)),
    },
    listening::SMTP,
    listening::SUBMISSION,
    listening::SUBMISSIONS,
    listening::LMTP,
    listening::IMAP,
    listening::IMAPS,
    listening::POP3,
    listening::POP3S,
    listening::HTTPS,
    listening::HTTP,
    listening::REDIRECT,
    listening::METRICS,
    listening::STANDBY,
    listening::PROXY_FROM,
    ConfigOption {
        key: "tls.certificate",
        kind: PATH,
        default: None,
        text: "The certificate chain in PEM form, the server's own first. Read again on SIGHUP. Without it an own \
               authority is made, to be found as `tls/ca.pem` in the data directory.",
        set: |config, value| put(&mut tls_files(config).certificate, value.path()?),
    },
    ConfigOption {
        key: "tls.key",
        kind: PATH,
        default: None,
        text: "The private key of `tls.certificate` in PEM form, not encrypted.",
        set: |config, value| put(&mut tls_files(config).key, value.path()?),
    },
    ConfigOption {
        key: "tls.acme",
        kind: TEXT,
        default: None,
        text: "An authority that gives certificates by itself (ACME), whose terms are accepted by naming it: `\"letsencrypt\"`, \
               `\"letsencrypt-staging\"` to try it out (nobody trusts its certificates), or the URL of an authority's directory. \
               The certificate is for `hostname` and for the names of local domains that lead here; it is renewed in time, and \
               until there is one that of the own authority is used. It needs port 443 (`listen.https`), or port 80 \
               (`listen.redirect`). `pillarbox certificate` shows how it stands.",
        set: |config, value| {
            let directory = match value.text()? {
                "letsencrypt" => "https://acme-v02.api.letsencrypt.org/directory",
                "letsencrypt-staging" => "https://acme-staging-v02.api.letsencrypt.org/directory",
                url if url.starts_with("https://") => url,
                _ => return Err("must be \"letsencrypt\", \"letsencrypt-staging\" or a URL with https://".to_owned()),
            };
            put(&mut acme(config).directory, directory.to_owned())
        },
    },
    ConfigOption {
        key: "tls.acme_contact",
        kind: TEXT,
        default: None,
        text: "A mail address at which the authority may reach who runs this server.",
        set: |config, value| put(&mut acme(config).contact, Some(value.text()?.to_owned())),
    },
    ConfigOption {
        key: "tls.acme_trust",
        kind: PATH,
        default: None,
        text: "The certificates in PEM form that vouch for the authority's own address. Without it those of the system.",
        set: |config, value| put(&mut acme(config).trust, Some(value.path()?)),
    },
    ConfigOption {
        key: "tls.acme_eab_id",
        kind: TEXT,
        default: None,
        text: "The name of an account that the authority knows already (external account binding), where it wants one.",
        set: |config, value| put(&mut acme(config).external_id, Some(value.text()?.to_owned())),
    },
    ConfigOption {
        key: "tls.acme_eab_key_file",
        kind: PATH,
        default: None,
        text: "A file of which the first line is the key that the authority gave for `tls.acme_eab_id`, in base64url, readable for \
               the server's user only.",
        set: |config, value| put(&mut acme(config).external_key_file, Some(value.path()?)),
    },
    ConfigOption {
        key: "limits.message_bytes_max",
        kind: COUNT,
        default: Some("52428800"),
        text: "The longest message that is taken, over SMTP, LMTP and IMAP alike.",
        set: |config, value| put(&mut config.message_bytes_max, value.number(64 * 1024, 1024 * 1024 * 1024)?),
    },
    networks::CONNECTIONS,
    networks::CONNECTIONS_PER_NETWORK,
    networks::CONNECTS,
    networks::MESSAGES,
    networks::WRONG_RECIPIENTS,
    networks::BAD_COMMANDS,
    networks::TARPIT,
    ConfigOption {
        key: "limits.connections_max",
        kind: COUNT,
        default: Some("10000"),
        text: "Connections at the same time, all services together.",
        set: |config, value| put(&mut config.connections.total, value.number(1, 1_000_000)?),
    },
    ConfigOption {
        key: "limits.connections_per_address_max",
        kind: COUNT,
        default: Some("100"),
        text: "Connections at the same time from one IPv4 address or IPv6 /64. A household with some devices needs \
               about 30. All addresses of one IPv4 /24 or IPv6 /48 together have a quarter of `limits.connections_max` at most.",
        set: |config, value| put(&mut config.connections.per_address, value.number(1, 1_000_000)?),
    },
    ConfigOption {
        key: "limits.connections_per_loopback_max",
        kind: COUNT,
        default: Some("5000"),
        text: "Connections at the same time from one address of this machine itself, where a proxy or web mail speaks \
               for many.",
        set: |config, value| put(&mut config.connections.per_loopback, value.number(1, 1_000_000)?),
    },
    commands::MESSAGES_PER_COMMAND_MAX,
    commands::MESSAGES_SAVED_PER_COMMAND_MAX,
    keeping::ENGINE,
    keeping::URL_FILE,
    keeping::BUCKET_URL_FILE,
    keeping::AUTHORITY,
    cluster::NODE,
    cluster::HINTS,
    cluster::HINTS_URL_FILE,
    ConfigOption {
        key: "dns.servers",
        kind: ADDRESSES,
        default: None,
        text: "The name servers that are asked, with their ports, over UDP and TCP; they do the recursion. Without it those of \
               `/etc/resolv.conf`. One on this machine is best.",
        set: |config, value| put(&mut config.dns.servers, value.addresses()?),
    },
    ConfigOption {
        key: "dns.dnssec",
        kind: "true or false",
        default: Some("true"),
        text: "Whether answers are validated with DNSSEC, where the name servers let signatures through: what says where mail \
               goes, and how it is secured on its way, cannot be forged then.",
        set: |config, value| put(&mut config.dns.dnssec, value.boolean()?),
    },
    ConfigOption {
        key: "dns.trust_anchors",
        kind: PATH,
        default: None,
        text: "A file of DNSKEY records that are trusted instead of those of the root of the DNS, for a network with a root of \
               its own.",
        set: |config, value| put(&mut config.dns.trust_anchors, Some(value.path()?)),
    },
    CHECK,
    SPF_FAIL,
    BAD_HELO,
    OWN_HELO,
    NO_REVERSE_NAME,
    GREYLIST,
    DMARC,
    TRUSTED_SEALERS,
    TRUSTED_RELAYS,
    WAIT_FOR_DNS,
    GREETING_PAUSE_MILLIS,
    BLOCK_LISTS,
    ALLOW_LISTS,
    RSPAMD,
    RSPAMD_CONTROLLER,
    MILTERS,
    FILTERS_DOWN,
    reporting::SEND,
    reporting::COMPLAINTS,
    reporting::FROM,
    searching::INDEX_BYTES_MAX,
    searching::ACCOUNT_INDEX_BYTES_MAX,
    searching::INDEX_MEMORY_BYTES_MAX,
    searching::SORT_MEMORY_BYTES_MAX,
    ConfigOption {
        key: "delivery.by",
        kind: "\"mx\" or \"smarthost\"",
        default: None,
        text: "How mail for outside addresses goes out: by itself to the hosts that the recipients' domains name in the DNS \
               (MX records), or to `[smarthost]`. Without it to the smarthost, and where there is none such mail is refused.",
        set: |config, value| {
            let choices = [("mx", DeliveryBy::Mx), ("smarthost", DeliveryBy::Smarthost)];
            put(&mut config.delivery.by, Some(value.choice(&choices)?))
        },
    },
    ConfigOption {
        key: "delivery.mx_for",
        kind: DOMAINS,
        default: Some("[]"),
        text: "Mail for these domains goes to their own hosts, whatever `delivery.by` says.",
        set: |config, value| put(&mut config.delivery.mx_for, value.domain_list()?),
    },
    ConfigOption {
        key: "delivery.smarthost_for",
        kind: DOMAINS,
        default: Some("[]"),
        text: "Mail for these domains goes to the smarthost, whatever `delivery.by` says.",
        set: |config, value| put(&mut config.delivery.smarthost_for, value.domain_list()?),
    },
    ConfigOption {
        key: "delivery.refuse_for",
        kind: DOMAINS,
        default: Some("[]"),
        text: "Mail for these domains does not leave: it is refused when it is handed in.",
        set: |config, value| put(&mut config.delivery.refuse_for, value.domain_list()?),
    },
    outgoing::MX_FROM,
    outgoing::SMARTHOST_FROM,
    outgoing::REFUSE_FROM,
    ConfigOption {
        key: "delivery.connections_max",
        kind: COUNT,
        default: Some("64"),
        text: "Connections to hosts of other domains at the same time.",
        set: |config, value| put(&mut config.delivery.connections_max, value.number(1, 1000)?),
    },
    ConfigOption {
        key: "delivery.connections_per_domain_max",
        kind: COUNT,
        default: Some("10"),
        text: "Connections to the hosts of one domain at the same time. Messages for it that find none wait for their turn.",
        set: |config, value| put(&mut config.delivery.connections_per_domain_max, value.number(1, 1000)?),
    },
    outgoing::MESSAGES_PER_MINUTE,
    outgoing::MESSAGES_PER_MINUTE_TO,
    ConfigOption {
        key: "delivery.mta_sts",
        kind: "true or false",
        default: Some("true"),
        text: "Whether domains are asked what certificates their hosts have to have (MTA-STS, RFC 8461); DANE is always obeyed.",
        set: |config, value| put(&mut config.delivery.mta_sts, value.boolean()?),
    },
    outgoing::MTA_STS_PORT,
    ConfigOption {
        key: "delivery.port",
        kind: COUNT,
        default: Some("25"),
        text: "The port of other servers; another one only makes sense in a test network. With 25 no domain is believed that \
               names this machine itself.",
        set: |config, value| put(&mut config.delivery.port, value.number(1, u64::from(u16::MAX))?),
    },
    ConfigOption {
        key: "smarthost.host",
        kind: TEXT,
        default: None,
        text: "A server that takes mail for outside addresses; see `delivery.by`.",
        set: |config, value| put(&mut smarthost(config).host, value.host()?),
    },
    ConfigOption {
        key: "smarthost.port",
        kind: COUNT,
        default: None,
        text: "Its port. Without it 587, 465 or 25, as `smarthost.security` has it.",
        set: |config, value| put(&mut smarthost(config).port, Some(value.number(1, u64::from(u16::MAX))?)),
    },
    ConfigOption {
        key: "smarthost.security",
        kind: "\"starttls\", \"tls\" or \"none\"",
        default: Some("\"starttls\""),
        text: "How the connection to it is secured; with the first two nothing is sent without a valid certificate.",
        set: |config, value| {
            let choices = [("starttls", Security::StartTls), ("tls", Security::Tls), ("none", Security::None)];
            put(&mut smarthost(config).security, value.choice(&choices)?)
        },
    },
    ConfigOption {
        key: "smarthost.user",
        kind: TEXT,
        default: None,
        text: "The name to log in with there. Without it there is no login.",
        set: |config, value| put(&mut smarthost(config).user, Some(value.text()?.to_owned())),
    },
    ConfigOption {
        key: "smarthost.password_file",
        kind: PATH,
        default: None,
        text: "A file of which the first line is the password, readable for the server's user only.",
        set: |config, value| put(&mut smarthost(config).password_file, Some(value.path()?)),
    },
    ConfigOption {
        key: "queue.lifetime_hours",
        kind: COUNT,
        default: Some("120"),
        text: "How long mail for outside addresses is tried before its sender gets it back.",
        set: |config, value| put(&mut config.queue_lifetime_hours, value.number(1, 24 * 365)?),
    },
    ConfigOption {
        key: "queue.warn_after_hours",
        kind: COUNT,
        default: Some("4"),
        text: "When a sender is told, once, that a message still waits; 0: never.",
        set: |config, value| put(&mut config.queue_warn_after_hours, value.number(0, 24 * 365)?),
    },
    ConfigOption {
        key: "queue.recipients_per_hour",
        kind: COUNT,
        default: Some("2000"),
        text: "To how many outside recipients one account may send within an hour; a message that goes beyond is answered \
               with 450 and the time to wait.",
        set: |config, value| put(&mut config.recipients_per_hour, value.number(1, 1_000_000)?),
    },
    ConfigOption {
        key: "queue.recipients_per_day",
        kind: COUNT,
        default: Some("10000"),
        text: "The same within a day.",
        set: |config, value| put(&mut config.recipients_per_day, value.number(1, 10_000_000)?),
    },
    ConfigOption {
        key: "queue.hold_strangers",
        kind: COUNT,
        default: Some("100"),
        text: "An account that writes within a day to more outside recipients than this whom it never wrote to, and to more than \
               three times as many as it ever did, is stopped: what it sends to strangers is taken and waits, and its owner and \
               the administrators are asked. 0: nobody is stopped.",
        set: |config, value| put(&mut config.hold_strangers, value.number(0, 1_000_000)?),
    },
    ConfigOption {
        key: "pop3.login_delay_secs",
        kind: COUNT,
        default: Some("0"),
        text: "How long a POP3 device has to wait between two logins; it is announced as LOGIN-DELAY, and a login that \
               comes sooner is refused. 0: no wait, which this server does not need.",
        set: |config, value| put(&mut config.pop3_login_delay_secs, value.number(0, 24 * 3600)?),
    },
    ConfigOption {
        key: "log.level",
        kind: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        default: Some("\"info\""),
        text: "The least important lines that appear on standard error.",
        set: |config, value| {
            let choices = [
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ];
            put(&mut config.log.level, value.choice(&choices)?)
        },
    },
    ConfigOption {
        key: "log.format",
        kind: "\"text\" or \"json\"",
        default: Some("\"text\""),
        text: "Lines for people, or one JSON object a line.",
        set: |config, value| {
            put(&mut config.log.format, value.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?)
        },
    },
    listening::METRICS_TOKEN_FILE,
    listening::STANDBY_TOKEN_FILE,
    reporting::TRACES_URL,
];

/// RFC 1123 §2.1: letters, digits, hyphens inside, labels of at most 63 octets, 255 in all (RFC 1035 §2.3.4).
pub(crate) fn is_hostname(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn list(value: &Value<'_>) -> Result<Vec<String>, String> {
    value.domains().map_err(|_| "must be a list of domains such as [\"lists.example.org\"]".to_owned())
}

fn put<T>(place: &mut T, value: T) -> Result<(), String> {
    *place = value;
    Ok(())
}

fn tls_files(config: &mut Config) -> &mut TlsFiles {
    config.tls_files.get_or_insert_default()
}

fn acme(config: &mut Config) -> &mut Acme {
    config.acme.get_or_insert_default()
}

fn smarthost(config: &mut Config) -> &mut Smarthost {
    config.smarthost.get_or_insert_default()
}
