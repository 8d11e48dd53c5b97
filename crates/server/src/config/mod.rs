//! The configuration: one TOML file, every option in one table ([`options::OPTIONS`]).
//!
//! Who has an account, an alias or a domain is data and lives in the data directory, not here.

mod docs;
mod log;
mod options;
mod parse;
mod ports;
mod together;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hints::Address;
use mailflow::{Doubts, Enforcement, Greylist, Policy, SpfFail};
use scan::{Down, Filters, Place, Scanner, Server};
use search_index::IndexLimits;
use sender_auth::Lists;
use session::Network;

use crate::listen::ConnectionLimits;
use crate::service::Service;
use crate::setup::reason;
use crate::tls::CertificateSource;

pub use docs::markdown;
pub use log::{Log, LogFormat, LogLevel};
pub(crate) use options::is_hostname;
pub use options::{ConfigOption, OPTIONS, PerCommand};
pub use parse::Problem;

/// A file longer than this is no configuration of ours.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All options, with defaults for those that the file leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name by which others reach this server.
    pub hostname: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Addresses to listen on; a service without any is off.
    pub listen: BTreeMap<Service, Vec<SocketAddr>>,
    /// Balancers that say for whom they connect.
    pub proxies: Vec<Network>,
    /// Chain and key in PEM form; without them an own authority signs.
    pub tls_files: Option<TlsFiles>,
    /// An authority that gives certificates by itself.
    pub acme: Option<Acme>,
    /// The longest message that is taken, in bytes.
    pub message_bytes_max: u64,
    /// How many messages one IMAP command may be about.
    pub per_command: PerCommand,
    /// Connections at the same time.
    pub connections: ConnectionLimits,
    /// What other servers may do that are near each other.
    pub networks: smtpd::NetworkLimits,
    /// How long an answer to a mistake of a stranger waits at most.
    pub tarpit_millis_max: u64,
    /// What keeps the mailboxes, the accounts and the queue.
    pub engine: StorageEngine,
    /// Where PostgreSQL is, if that is the engine.
    pub database: DatabaseFiles,
    /// The name of this server among several with the same mail.
    pub node: Option<String>,
    /// Where servers tell each other what they have done.
    pub hints: HintPlace,
    /// Whom to ask in the DNS.
    pub dns: dns::Options,
    /// What follows from who mail of other servers comes from.
    pub sender: Sender,
    /// What owners of other domains are told.
    pub reports: Reports,
    /// How large the indexes are that make searches quick.
    pub search_index: IndexLimits,
    /// What is kept of messages for orders and threads, in octets of memory.
    pub sort_memory_bytes_max: usize,
    /// How mail for outside addresses goes out.
    pub delivery: Delivery,
    /// A server that takes mail for outside addresses.
    pub smarthost: Option<Smarthost>,
    /// How long undelivered mail is retried before it is returned, in hours.
    pub queue_lifetime_hours: u32,
    /// After how long the sender of mail that still waits is told so, in hours; 0: never.
    pub queue_warn_after_hours: u32,
    /// To how many outside recipients one account may send within an hour.
    pub recipients_per_hour: u32,
    /// The same within a day.
    pub recipients_per_day: u32,
    /// To how many strangers an account may write in a day before its owner is asked; 0: nobody is asked.
    pub hold_strangers: u32,
    /// Whether mail from others is judged by its recipient's junk filter.
    pub junk_filter: bool,
    /// What is spoken to people who have chosen no language and whose program shows none.
    pub language: wording::Language,
    /// Filters beside ours that mail from other servers goes through.
    pub junk: Junk,
    /// Whether strangers may ask for an account on the pages.
    pub account_requests: bool,
    /// So many days after an account was ended it is removed.
    pub removal_days: u16,
    /// How far SCRAM is.
    pub scram: auth::Scram,
    /// In which local domains; empty: in all.
    pub account_request_domains: Vec<String>,
    /// How long removed mail can be brought back, in days.
    pub retention_days: u32,
    /// How many octets of removed mail an account keeps at most.
    pub retention_bytes_max: u64,
    /// So many octets of history an account keeps at most.
    pub history_bytes_max: u64,
    /// How long a POP3 device waits between two logins, in seconds.
    pub pop3_login_delay_secs: u64,
    /// How many octets the mailboxes of a new account may hold together; `None`: as many as there is disk.
    pub quota_bytes: Option<u64>,
    /// So many messages they may hold together.
    pub quota_messages: Option<u64>,
    /// What is logged.
    pub log: Log,
    /// Where a collector of OpenTelemetry takes the ways of messages: a URL.
    pub traces_url: Option<String>,
    /// A file of which the first line is what readers of metrics show.
    pub metrics_token_file: Option<PathBuf>,
    /// A file of which the first line is what a standby shows.
    pub standby_token_file: Option<PathBuf>,
}

/// A certificate that somebody else keeps fresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// An authority that gives certificates by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acme {
    /// The URL of its directory.
    pub directory: String,
    /// Where it may write to.
    pub contact: Option<String>,
    /// The certificates that vouch for it; `None`: those of the system.
    pub trust: Option<PathBuf>,
    /// The name of an account that it knows already ...
    pub external_id: Option<String>,
    /// ... and a file of which the first line is its key.
    pub external_key_file: Option<PathBuf>,
}

/// What keeps the mailboxes, the accounts and the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageEngine {
    /// Files in the data directory.
    #[default]
    Sqlite,
    /// A database server.
    Postgres,
}

/// What says where a database server and a bucket are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFiles {
    /// A file of which the first line is `postgres://user:password@host/database`.
    pub url_file: Option<PathBuf>,
    /// The certificates that vouch for it, and for the server of the bucket; `None`: those of the system.
    pub authority: Option<PathBuf>,
    /// A file of which the first line is `s3://KEY:SECRET@host/bucket`, where large messages are in one.
    pub bucket_url_file: Option<PathBuf>,
}

/// Where servers with the same mail tell each other what they have done; one of both, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintPlace {
    /// Where NATS is, without anything secret.
    pub address: Option<Address>,
    /// A file of which the first line says it, with a password or a token.
    pub url_file: Option<PathBuf>,
}

/// How mail for outside addresses goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `None`: by the smarthost, if there is one.
    pub by: Option<DeliveryBy>,
    /// Domains that are exceptions.
    pub mx_for: Vec<String>,
    /// Domains that are exceptions.
    pub smarthost_for: Vec<String>,
    /// Domains that get no mail.
    pub refuse_for: Vec<String>,
    /// Senders that are exceptions.
    pub from: SenderRoutes,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Connections to one domain at the same time.
    pub connections_per_domain_max: usize,
    /// Messages to one domain in a minute.
    pub messages_per_minute: Option<NonZeroU16>,
    /// Domains that are exceptions.
    pub messages_per_minute_to: Vec<(String, NonZeroU16)>,
    /// Whether policies of MTA-STS are obeyed.
    pub mta_sts: bool,
    /// The port where they are.
    pub mta_sts_port: u16,
    /// The port of other servers.
    pub port: u16,
}

/// Addresses and domains of reverse paths, by the way that mail from them takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderRoutes {
    /// To the hosts of the recipients' domains.
    pub mx: Vec<String>,
    /// To the smarthost.
    pub smarthost: Vec<String>,
    /// Nowhere.
    pub refuse: Vec<String>,
}

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryBy {
    /// The MX records of the recipients' domains.
    Mx,
    /// The smarthost.
    Smarthost,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            by: None,
            mx_for: Vec::new(),
            smarthost_for: Vec::new(),
            refuse_for: Vec::new(),
            from: SenderRoutes::default(),
            connections_max: 64,
            connections_per_domain_max: 10,
            messages_per_minute: None,
            messages_per_minute_to: Vec::new(),
            mta_sts: true,
            mta_sts_port: 443,
            port: 25,
        }
    }
}

/// The server that takes our mail to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smarthost {
    /// Host name or IP address.
    pub host: String,
    /// The port; `None` takes the usual one of `security`.
    pub port: Option<u16>,
    /// How the connection is secured.
    pub security: Security,
    /// Login name; without one there is no login.
    pub user: Option<String>,
    /// A file of which the first line is the password.
    pub password_file: Option<PathBuf>,
}

/// What follows from who mail of other servers comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Whether that is looked at.
    pub check: bool,
    /// Which hosts are refused before the message is there (SPF).
    pub spf_fail: SpfFail,
    /// What follows from what is odd about a host.
    pub doubts: Doubts,
    /// Which strangers are to come again.
    pub greylist: Greylist,
    /// How far the wish of a domain is followed (DMARC).
    pub dmarc: Enforcement,
    /// Whose word counts on what they passed on (ARC).
    pub trusted_sealers: Vec<String>,
    /// Whether mail is to come again while the DNS gives no answer.
    pub wait_for_dns: bool,
    /// Lists that are asked for the address of another server.
    pub lists: Lists,
    /// Relays of ours in front of port 25.
    pub trusted_relays: Vec<Network>,
    /// How long another server waits for the greeting.
    pub greeting_pause_millis: u64,
}

/// What owners of other domains are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// Whether they are.
    pub send: bool,
    /// Whether senders who ask for it are told what people call junk.
    pub complaints: bool,
    /// From which address; `None`: the postmaster's.
    pub from: Option<String>,
}

impl Default for Reports {
    fn default() -> Self {
        Self { send: true, complaints: false, from: None }
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            check: true,
            spf_fail: SpfFail::Unused,
            doubts: Doubts::default(),
            greylist: Greylist::Suspicious,
            dmarc: Enforcement::Follow,
            trusted_sealers: Vec::new(),
            trusted_relays: Vec::new(),
            wait_for_dns: false,
            lists: Lists::default(),
            greeting_pause_millis: 1000,
        }
    }
}

impl Sender {
    /// For `mailflow`.
    pub(crate) fn policy(&self) -> Policy {
        let Self { spf_fail, doubts, greylist, dmarc, trusted_sealers, wait_for_dns, .. } = self.clone();
        Policy { spf_fail, doubts, greylist, dmarc, trusted_sealers, wait_for_dns }
    }
}

/// Filters beside ours that mail from other servers goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Junk {
    /// Rspamd.
    pub rspamd: Option<Server>,
    /// Where Rspamd learns what people say.
    pub rspamd_controller: Option<Server>,
    /// Milters, in their order.
    pub milters: Vec<Place>,
    /// What becomes of mail while one of them cannot be asked.
    pub filters_down: Down,
}

impl Junk {
    /// All of them; `None` without any.
    pub(crate) fn filters(&self) -> Option<Arc<dyn Scanner>> {
        let Self { rspamd, milters, filters_down, .. } = self.clone();
        if rspamd.is_none() && milters.is_empty() {
            return None;
        }
        Some(Filters::new(rspamd, milters, filters_down))
    }
}

/// How a connection to a smarthost is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// STARTTLS, and no mail without it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: only for a smarthost on the same machine or network.
    None,
}

impl Smarthost {
    /// The port given, or the usual one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: system_hostname(),
            data_dir: "/var/lib/pillarbox".into(),
            listen: ports::standard_ports(),
            proxies: Vec::new(),
            tls_files: None,
            acme: None,
            message_bytes_max: 50 * 1024 * 1024,
            per_command: PerCommand::default(),
            connections: ConnectionLimits { total: 10_000, per_address: 100, per_loopback: 5_000 },
            networks: smtpd::NetworkLimits::default(),
            tarpit_millis_max: 5000,
            engine: StorageEngine::default(),
            database: DatabaseFiles::default(),
            node: None,
            hints: HintPlace::default(),
            dns: dns::Options::default(),
            sender: Sender::default(),
            reports: Reports::default(),
            search_index: IndexLimits::default(),
            sort_memory_bytes_max: 64 << 20,
            delivery: Delivery::default(),
            smarthost: None,
            queue_lifetime_hours: 120,
            queue_warn_after_hours: 4,
            recipients_per_hour: 2000,
            recipients_per_day: 10_000,
            hold_strangers: 100,
            junk_filter: false,
            language: wording::Language::English,
            junk: Junk::default(),
            account_requests: false,
            removal_days: 30,
            scram: auth::Scram::default(),
            account_request_domains: Vec::new(),
            retention_days: 30,
            retention_bytes_max: 10 * 1024 * 1024 * 1024,
            history_bytes_max: 128 * 1024 * 1024,
            pop3_login_delay_secs: 0,
            quota_bytes: None,
            quota_messages: None,
            log: Log::default(),
            traces_url: None,
            metrics_token_file: None,
            standby_token_file: None,
        }
    }
}

impl Config {
    /// The configuration of `pillarbox try`: unprivileged ports on loopback.
    #[must_use]
    pub fn trial(data_dir: PathBuf) -> Self {
        let listen = Service::ALL
            .into_iter()
            .filter(|service| !matches!(service, Service::Redirect | Service::Metrics | Service::Standby))
            .map(|service| {
                let port = match service {
                    Service::Smtp => 2525,
                    Service::Submission => 5587,
                    Service::Submissions => 4650,
                    Service::Lmtp => 2424,
                    Service::Imap => 1143,
                    Service::Imaps => 1993,
                    Service::Pop3 => 1110,
                    Service::Pop3s => 1995,
                    Service::Https => 8443,
                    Service::Http | Service::Redirect | Service::Metrics | Service::Standby => 8080,
                };
                (service, vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
            });
        Self {
            hostname: "localhost".to_owned(),
            data_dir,
            listen: listen.collect(),
            account_requests: true,
            ..Self::default()
        }
    }

    /// Whether mail for outside addresses leaves at all.
    #[must_use]
    pub(crate) fn has_way_out(&self) -> bool {
        self.smarthost.is_some() || self.uses_mx()
    }

    /// Whether some of it goes to the hosts of its domains.
    #[must_use]
    pub fn uses_mx(&self) -> bool {
        let Delivery { by, mx_for, from, .. } = &self.delivery;
        *by == Some(DeliveryBy::Mx) || !mx_for.is_empty() || !from.mx.is_empty()
    }

    /// The same on ports that the system chooses.
    #[must_use]
    pub fn on_free_ports(mut self) -> Self {
        self.listen.values_mut().flatten().for_each(|address| address.set_port(0));
        self
    }

    /// The same, and what listens on 127.0.0.1 also listens on the same port of ::1.
    #[must_use]
    pub fn on_ipv6_loopback_too(mut self) -> Self {
        for addresses in self.listen.values_mut() {
            let on_ipv4 = addresses.iter().filter(|address| address.ip() == Ipv4Addr::LOCALHOST);
            let more: Vec<_> = on_ipv4.map(|address| SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()))).collect();
            addresses.extend(more);
        }
        self
    }

    /// Reads `path`. Relative paths in it are relative to the directory of the file.
    ///
    /// # Errors
    /// All problems that were found, each with its line and what to do.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable =
            |text: String| ConfigError { file: path.to_owned(), problems: vec![Problem { line: 0, column: 0, text }] };
        let len = fs::metadata(path).map(|found| found.len());
        if len.is_ok_and(|len| len > FILE_BYTES_MAX) {
            return Err(unreadable("is longer than a configuration can be; is it the right file?".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::NotFound => "is the path right? An empty file will do: every option has a default",
                _ => "is the path right?",
            };
            unreadable(format!("cannot be read: {}; {hint}", reason(&error)))
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        parse::parse(&text, base).map_err(|problems| ConfigError { file: path.to_owned(), problems })
    }

    /// The address of the pages.
    #[must_use]
    pub fn pages(&self) -> String {
        let ports = self.listen.get(&Service::Https).into_iter().flatten().map(SocketAddr::port);
        match ports.min().filter(|port| *port != 443) {
            Some(port) => format!("https://{}:{port}", self.hostname),
            None => format!("https://{}", self.hostname),
        }
    }

    /// All listening addresses, service by service.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Service, SocketAddr)> {
        self.listen
            .iter()
            .flat_map(|(service, addresses)| addresses.iter().map(|address| (*service, *address)))
            .collect()
    }

    /// Where the certificate comes from: the files given, else an own authority in the data directory that vouches
    /// for the host name, the system's name and loopback.
    #[must_use]
    pub(crate) fn certificate_source(&self) -> CertificateSource {
        match &self.tls_files {
            Some(TlsFiles { certificate, key }) => {
                CertificateSource::Files { certificate: certificate.clone(), key: key.clone() }
            }
            None => CertificateSource::Own {
                directory: self.data_dir.join("tls"),
                names: [&self.hostname, "localhost", "127.0.0.1", "::1", &system_hostname()].map(str::to_owned).into(),
            },
        }
    }
}

/// What the system calls itself.
fn system_hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if is_hostname(&name) { name } else { "localhost".to_owned() }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            let file = self.file.display();
            match problem.line {
                0 => write!(f, "{newline}{file}: {}", problem.text)?,
                line => write!(f, "{newline}{file}:{line}:{}: {}", problem.column, problem.text)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Config::load(Path::new("/nowhere/pillarbox.toml")).unwrap_err().to_string();
        assert_eq!(
            error,
            "/nowhere/pillarbox.toml: cannot be read: no such file or directory; is the path right? An empty file will do: \
             every option has a default"
        );
    }

    #[test]
    fn the_trial_listens_on_loopback_only() {
        let config = Config::trial("/tmp/x".into());
        assert_eq!(
            config.addresses().len(),
            Service::ALL.len() - 3,
            "nobody is sent to the pages from port 80, reads metrics, or has a copy of everything"
        );
        assert!(config.addresses().iter().all(|(_, address)| address.ip().is_loopback() && address.port() > 1024));
        let both = config.clone().on_ipv6_loopback_too();
        assert_eq!(both.listen[&Service::Imap], ["127.0.0.1:1143".parse().unwrap(), "[::1]:1143".parse().unwrap()]);
        assert!(config.on_free_ports().addresses().iter().all(|(_, address)| address.port() == 0));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pillarbox.toml");
        fs::write(&file, "data_dir = \"data\"\n[tls]\ncertificate = \"/etc/c.pem\"\nkey = \"k.pem\"\n").unwrap();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.data_dir, dir.path().join("data"));
        let key = dir.path().join("k.pem");
        assert_eq!(config.certificate_source(), CertificateSource::Files { certificate: "/etc/c.pem".into(), key });
    }
}
