//! The resolver.

use crate::answer::{Answer, Mx, Tlsa};
use crate::error::Error;
use crate::options::Options;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use metrics::{Durations, Exposition, Stopwatch};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};
use tracing::warn;

/// A look-up takes no longer, whatever it leads to.
pub const LOOKUP_SECS_MAX: u64 = 20;
/// So many look-ups run at a time; each may lead to some more questions.
pub const LOOKUPS_MAX: usize = 512;
/// So many answers are kept at most, each of 64 KiB at most and nearly all of some hundred octets.
pub const CACHED_ANSWERS_MAX: u64 = 4096;

/// A server that does not answer is asked so often again.
const RETRIES: usize = 1;
/// An answer is not believed for longer than this.
const TTL_SECS_MAX: u64 = 24 * 3600;
/// Servers that strip signatures are looked at again after this time.
const PROBE_AGAIN: Duration = Duration::from_secs(600);

/// The resolver. Cheap to clone; all clones share one cache. Its futures need a tokio runtime with I/O and time.
#[derive(Clone)]
pub struct Dns(Arc<Inner>);

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

struct Inner {
    plain: TokioResolver,
    validating: Option<TokioResolver>,
    probe: Mutex<Probe>,
    places: Semaphore,
    lookups: Durations<1>,
    /// Asked instead of any server.
    #[cfg(feature = "fake")]
    script: Option<crate::fake::Script>,
}

/// Whether the servers let signatures through.
enum Probe {
    Unknown,
    Signed,
    Stripped { since: Instant },
}

impl Dns {
    /// A resolver. Asks nobody yet.
    ///
    /// # Errors
    /// The file of trust anchors cannot be read: a sentence.
    pub fn new(options: &Options) -> Result<Self, String> {
        let config = ResolverConfig::from_name_servers(servers(&options.servers));
        let anchors = match &options.trust_anchors {
            None => TrustAnchors::default(),
            Some(file) => TrustAnchors::from_file(file).map_err(|error| {
                format!("{}: {error}; dns.trust_anchors needs DNSKEY records there", file.display())
            })?,
        };
        let build = |anchors: Option<TrustAnchors>| {
            let mut builder = TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
                .with_options(resolver_options(options.patience));
            if let Some(anchors) = anchors {
                builder = builder.with_trust_anchor(Arc::new(anchors));
            }
            // It reads certificates of authorities whether it needs them or not.
            let advice = "certificates of authorities come with the package ca-certificates";
            builder.build().map_err(|error| format!("no resolver can be made: {error}; {advice}"))
        };
        Ok(Self(Arc::new(Inner {
            plain: build(None)?,
            validating: if options.dnssec { Some(build(Some(anchors))?) } else { None },
            probe: Mutex::new(Probe::Unknown),
            places: Semaphore::new(LOOKUPS_MAX),
            lookups: Durations::new(&metrics::DNS),
            #[cfg(feature = "fake")]
            script: None,
        })))
    }

    /// Another one, that asks nobody but `script`, without waiting.
    #[cfg(feature = "fake")]
    #[must_use]
    pub fn scripted(&self, script: crate::fake::Script) -> Self {
        Self(Arc::new(Inner {
            plain: self.0.plain.clone(),
            validating: None,
            probe: Mutex::new(Probe::Unknown),
            places: Semaphore::new(LOOKUPS_MAX),
            lookups: Durations::new(&metrics::DNS),
            script: Some(script),
        }))
    }

    /// Puts on `told` what was counted of look-ups; those of [`Self::resolver`] are not.
    pub fn tell_metrics(&self, told: &mut Exposition) {
        self.0.lookups.tell(told);
    }

    /// The resolver behind it, without validation, for a library that brings look-ups of its own; they share its cache. Who uses
    /// it bounds their time and number.
    #[must_use]
    pub fn resolver(&self) -> &TokioResolver {
        &self.0.plain
    }

    /// Whether answers can be validated: it was asked for, and the servers let signatures through.
    pub async fn validates(&self) -> bool {
        self.validating().await.is_some()
    }

    /// Who takes mail for a domain. Several of one preference come in the server's order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mx(&self, domain: &str) -> Result<Answer<Mx>, Error> {
        self.validated(domain, RecordType::MX, |data| match data {
            RData::MX(mx) => Some(Mx { preference: mx.preference, exchange: text(&mx.exchange) }),
            _ => None,
        })
        .await
    }

    /// The addresses of a host, those of IPv6 first. If one kind cannot be asked for, that of the other is the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, Error> {
        let take = |data: &RData| data.ip_addr();
        let v6 = self.validated(host, RecordType::AAAA, take).await;
        let v4 = self.validated(host, RecordType::A, take).await;
        match (v6, v4) {
            (Ok(v6), Ok(v4)) => Ok(both(v6, v4)),
            // Half an answer that has nothing says nothing.
            (Ok(answer), Err(error)) | (Err(error), Ok(answer)) if answer.records.is_empty() => Err(error),
            (Ok(answer), Err(_)) | (Err(_), Ok(answer)) => Ok(answer),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The addresses of a host of one kind only, not validated: for what asks for one kind (SPF, a list of addresses).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn addresses_of(&self, host: &str, is_ipv4: bool) -> Result<Answer<IpAddr>, Error> {
        let record_type = if is_ipv4 { RecordType::A } else { RecordType::AAAA };
        self.ask(&self.0.plain, host, record_type, |data| data.ip_addr()).await
    }

    /// Texts, the parts of each put together.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, Error> {
        self.ask(&self.0.plain, name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    /// The names of an address, in lower case and without the last dot.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ptr(&self, address: IpAddr) -> Result<Answer<String>, Error> {
        let name = Name::from(address).to_ascii();
        self.ask(&self.0.plain, &name, RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(text(&ptr.0)),
            _ => None,
        })
        .await
    }

    /// Where a service of a domain is (RFC 2782), as in a zone file: `0 1 993 mail.example.org.`
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn srv(&self, name: &str) -> Result<Answer<String>, Error> {
        self.ask(&self.0.plain, name, RecordType::SRV, |data| match data {
            RData::SRV(srv) => Some(format!("{} {} {} {}.", srv.priority, srv.weight, srv.port, text(&srv.target))),
            _ => None,
        })
        .await
    }

    /// What certificates a host has: `_25._tcp.mail.example.org`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tlsa(&self, name: &str) -> Result<Answer<Tlsa>, Error> {
        self.validated(name, RecordType::TLSA, |data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        })
        .await
    }

    async fn validated<T>(
        &self,
        name: &str,
        record_type: RecordType,
        take: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, Error> {
        let resolver = self.validating().await.unwrap_or(&self.0.plain);
        self.ask(resolver, name, record_type, take).await
    }

    async fn ask<T>(
        &self,
        resolver: &TokioResolver,
        name: &str,
        record_type: RecordType,
        take: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, Error> {
        let mut name = Name::from_utf8(name).map_err(|_| Error::Name(name.to_owned()))?;
        // Names are whole: no search list is tried.
        name.set_fqdn(true);
        #[cfg(feature = "fake")]
        if let Some(script) = &self.0.script {
            return crate::fake::ask(script, &text(&name), record_type, take);
        }
        let stopwatch = Stopwatch::start();
        let found = self.bounded(resolver.lookup(name.clone(), record_type)).await;
        self.0.lookups.took([outcome(&found)], stopwatch);
        match found? {
            Ok(lookup) => Ok(answer(&lookup, &name, record_type, take)),
            Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. }))) => Ok(Answer {
                records: Vec::new(),
                name_exists: response_code != ResponseCode::NXDomain,
                secure: false,
                canonical: text(&name),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// With a place among all look-ups, and within the time of one.
    async fn bounded<T>(&self, future: impl Future<Output = T>) -> Result<T, Error> {
        let with_place = async {
            // It is never closed.
            let _place = self.0.places.acquire().await.map_err(|_| Error::Timeout)?;
            Ok(future.await)
        };
        tokio::time::timeout(Duration::from_secs(LOOKUP_SECS_MAX), with_place).await.unwrap_or(Err(Error::Timeout))
    }

    /// The resolver that validates, if signatures come through. With servers that strip them every answer would be a forgery;
    /// so the root is looked at first, and mail goes as it would without DNSSEC.
    async fn validating(&self) -> Option<&TokioResolver> {
        let resolver = self.0.validating.as_ref()?;
        let mut probe = self.0.probe.lock().await;
        match &*probe {
            Probe::Signed => return Some(resolver),
            Probe::Stripped { since } if since.elapsed() < PROBE_AGAIN => return None,
            Probe::Stripped { .. } | Probe::Unknown => {}
        }
        let found = self.bounded(resolver.lookup(Name::root(), RecordType::SOA)).await;
        match found {
            Ok(Ok(lookup)) if is_secure(&lookup) => *probe = Probe::Signed,
            Ok(Ok(_) | Err(NetError::Dns(_))) => {
                warn!(
                    "the name servers strip signatures (DNSSEC): no certificate of another server can be checked with DANE"
                );
                *probe = Probe::Stripped { since: Instant::now() };
                return None;
            }
            // Nobody was reached, which says nothing.
            Ok(Err(_)) | Err(_) => {}
        }
        Some(resolver)
    }
}

/// How a look-up ended, for the metrics.
fn outcome(found: &Result<Result<Lookup, NetError>, Error>) -> &'static str {
    match found {
        Ok(Ok(_)) => "found",
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => "nothing",
        Ok(Err(_)) | Err(_) => "failed",
    }
}

fn resolver_options(patience: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = patience;
    options.attempts = RETRIES;
    options.cache_size = CACHED_ANSWERS_MAX;
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(Duration::from_secs(TTL_SECS_MAX));
    options.negative_max_ttl = Some(Duration::from_secs(TTL_SECS_MAX));
    options
}

fn servers(configured: &[SocketAddr]) -> Vec<NameServerConfig> {
    let of_system = || read_system_conf().map(|(config, _)| config.into_parts().2).unwrap_or_default();
    let servers = if configured.is_empty() { of_system() } else { configured.iter().copied().map(server_at).collect() };
    // As resolv.conf(5) has it for a system that says nothing.
    if servers.is_empty() { vec![server_at((Ipv4Addr::LOCALHOST, 53).into())] } else { servers }
}

fn server_at(address: SocketAddr) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (address.port(), address.port());
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

fn is_secure(lookup: &Lookup) -> bool {
    let mut records = lookup.answers().iter().filter(|record| record.record_type() != RecordType::RRSIG).peekable();
    records.peek().is_some() && records.all(|record| record.proof == Proof::Secure)
}

fn answer<T>(lookup: &Lookup, asked: &Name, record_type: RecordType, take: impl Fn(&RData) -> Option<T>) -> Answer<T> {
    let of_type = || lookup.answers().iter().filter(|record| record.record_type() == record_type);
    let canonical = of_type().next().map_or(asked, |record| &record.name);
    let records: Vec<T> = of_type().filter_map(|record| take(&record.data)).collect();
    Answer { secure: is_secure(lookup) && !records.is_empty(), records, name_exists: true, canonical: text(canonical) }
}

fn both(v6: Answer<IpAddr>, v4: Answer<IpAddr>) -> Answer<IpAddr> {
    let is_sound = |answer: &Answer<IpAddr>| answer.secure || answer.records.is_empty();
    let secure = (v6.secure || v4.secure) && is_sound(&v6) && is_sound(&v4);
    let canonical = if v6.records.is_empty() { v4.canonical } else { v6.canonical };
    let name_exists = v6.name_exists || v4.name_exists;
    Answer { records: [v6.records, v4.records].concat(), name_exists, secure, canonical }
}

/// In lower case, ASCII, without the last dot; empty for the root.
fn text(name: &Name) -> String {
    let mut text = name.to_lowercase().to_ascii();
    text.truncate(text.trim_end_matches('.').len());
    text
}
