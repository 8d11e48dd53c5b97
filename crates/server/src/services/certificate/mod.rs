//! The certificate that an authority gives by itself: ordered, renewed in time, for all host names that lead here.
//!
//! The one before stays in use until the next one is there. What is known of it is in the directory (`host_certificate`), and
//! survives a start: so an authority that refuses is not asked more often because the server starts again and again.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use acme::{Authority, ExternalAccount, Facts, Wanted, Way};
use directory::{Directory, HostCertificate, HostKey};
use dns::Dns;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use store::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};
use web::setup::{Offered, names_for_pages};

use self::plan::{DAY_SECS, HOUR_SECS, is_due, key_to_use, pause_secs, renewal, way, with_room, within};
use crate::clock::Clock;
use crate::config::Config;
use crate::private_file;
use crate::service::Service;
use crate::setup::SetupError;
use crate::tls::Certificates;

/// The directory is asked so often whether it has changed, or it is time.
const EVERY: Duration = Duration::from_secs(5);
/// Whether more names lead here is looked at so often.
const NAMES_SECS: i64 = HOUR_SECS;
/// The authority is asked so often when it would like to renew.
const WINDOW_SECS: i64 = 12 * HOUR_SECS;
/// So many names of local domains are looked up at a time.
const LOOKED_UP_MAX: usize = 1000;
/// A name that could not be proven is left out for so long.
const LEFT_OUT_SECS: i64 = DAY_SECS;

/// Keeps the certificate.
pub(crate) struct CertificateKeeper {
    authority: Authority,
    directory: Directory,
    certificates: Arc<Certificates>,
    hostname: String,
    offered: Offered,
    ways: Vec<Way>,
    clock: Clock,
    /// Names that could not be proven, and until when they are left out.
    left_out: HashMap<String, i64>,
    /// Names that the certificate has no room for, as the log knows them.
    without_room: Vec<String>,
}

/// The authority of the configuration, if there is one.
///
/// # Errors
/// A file that cannot be read, or is not what it should be.
pub(crate) fn authority(config: &Config, dns: &Dns) -> Result<Option<Authority>, SetupError> {
    let Some(acme) = &config.acme else { return Ok(None) };
    let external = match (&acme.external_id, &acme.external_key_file) {
        (Some(id), Some(file)) => {
            let key = private_file::first_line(file, ("the key of an account", "tls.acme_eab_key_file"))?;
            let account = ExternalAccount::new(id, &key);
            Some(account.map_err(|error| SetupError::new(format!("{}: {error}", file.display())))?)
        }
        (_, _) => None,
    };
    let roots = match &acme.trust {
        None => rustls_native_certs::load_native_certs().certs,
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| SetupError::new(format!("{}: {error}; correct tls.acme_trust", file.display())))?,
    };
    let (directory, contact) = (acme.directory.clone(), acme.contact.clone());
    Ok(Some(Authority { directory, contact, external, dns: dns.clone(), roots }))
}

/// Has `certificates` use the one that was obtained before, if there is one; whether there is.
pub(crate) fn use_kept(directory: &Directory, certificates: &Certificates) -> bool {
    let kept = directory.host_certificate().unwrap_or_else(|error| {
        warn!(%error, "the certificate of the authority cannot be read");
        None
    });
    let Some(kept) = kept.filter(|kept| !kept.chain.is_empty()) else { return false };
    let key = kept.keys.first().and_then(|key| directory.open_host_key(key)).unwrap_or_default();
    match certificates.use_obtained(&kept.chain, key) {
        Ok(()) => true,
        Err(error) => {
            warn!(%error, "the certificate of the authority is ordered anew");
            false
        }
    }
}

impl CertificateKeeper {
    pub(crate) fn new(
        config: &Config,
        authority: Authority,
        directory: Directory,
        certificates: Arc<Certificates>,
        (offered, clock): (Offered, Clock),
    ) -> Self {
        let listens = |service| config.listen.get(&service).is_some_and(|addresses| !addresses.is_empty());
        let tls = listens(Service::Https).then_some(Way::TlsAlpn);
        let http = (listens(Service::Redirect) || listens(Service::Http)).then_some(Way::Http);
        let ways = tls.into_iter().chain(http).collect();
        let (hostname, left_out) = (config.hostname.to_ascii_lowercase(), HashMap::new());
        let without_room = Vec::new();
        Self { authority, directory, certificates, hostname, offered, ways, clock, left_out, without_room }
    }

    /// Keeps it until `stop` becomes true or its sender is dropped.
    pub(crate) async fn keep(self, mut stop: watch::Receiver<bool>) {
        // Nothing is half done where it is cut off: what is to stay is committed as a whole.
        let keeping = tokio::spawn(self.rounds());
        let _stopping = stop.wait_for(|stop| *stop).await;
        keeping.abort();
    }

    async fn rounds(mut self) {
        let (mut seen, mut names_at, mut window_at) = (None, 0, 0);
        loop {
            let now = self.now();
            let version = self.directory.version().ok();
            let is_changed = version.is_some() && version != seen;
            match self.kept().await {
                Ok(kept) if is_due(&kept, &self.authority.directory, now) => self.attempt(kept).await,
                Ok(kept) if kept.failures == 0 && (is_changed || now - names_at >= NAMES_SECS) => {
                    names_at = now;
                    self.look_for_names(kept).await;
                }
                Ok(kept) if kept.failures == 0 && now - window_at >= WINDOW_SECS => {
                    window_at = now;
                    self.ask_for_window(&kept).await;
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "what is known of the certificate cannot be read"),
            }
            seen = version;
            sleep(EVERY).await;
        }
    }

    /// Orders a certificate if names lead here that the one in use is not made out to.
    async fn look_for_names(&mut self, kept: HostCertificate) {
        let (Some(facts), Ok(names)) = (Facts::of_chain(&kept.chain), self.names().await) else { return };
        let names = self.those_with_room(names);
        if !facts.covers(&names) {
            self.attempt(kept).await;
        }
    }

    async fn ask_for_window(&self, kept: &HostCertificate) {
        let (Some(facts), Some(key)) = (Facts::of_chain(&kept.chain), kept.keys.first()) else { return };
        let Ok(Some(account)) = self.directory.authority_account(&self.account_name()) else { return };
        // It is a wish: without it the certificate is renewed as its life has it.
        if let Ok(Some(window)) = self.authority.renewal_window(&account, &facts).await {
            let share = key.digest[0];
            let at = within(window, share, renewal(&facts, share));
            self.note(move |kept| kept.next_attempt = Timestamp(at * 1000)).await;
        }
    }

    async fn attempt(&mut self, kept: HostCertificate) {
        let (now, url) = (self.now(), self.authority.directory.clone());
        match self.order(&kept).await {
            Ok(names) => {
                self.left_out.retain(|_, until| *until > now);
                info!(names = names.join(", "), authority = url, "the authority gave a TLS certificate");
            }
            Err(failed) => {
                for name in failed.unproven.iter().filter(|name| **name != self.hostname) {
                    self.left_out.insert(name.clone(), now + LEFT_OUT_SECS);
                }
                let failures = kept.failures.saturating_add(1);
                let pause = pause_secs(failures, kept.keys.first().map_or(0, |key| key.digest[0]));
                let (why, asked) = (failed.what.clone(), url.clone());
                self.note(move |kept| {
                    (kept.failures, kept.last_error, kept.authority) = (failures, why.clone(), asked.clone());
                    kept.next_attempt = Timestamp((now + pause) * 1000);
                })
                .await;
                warn!(
                    error = failed.what,
                    authority = url,
                    pause_secs = pause,
                    "the authority gave no TLS certificate"
                );
            }
        }
    }

    /// The names that it is made out to now.
    async fn order(&mut self, kept: &HostCertificate) -> Result<Vec<String>, acme::Error> {
        let names = self.names().await?;
        let names = self.those_with_room(names);
        let keys = self.keys(kept).await?;
        let published = self.published_keys().await;
        let used = key_to_use(&keys, published.as_deref(), self.now()).unwrap_or(&keys[0]).clone();
        let key = self.directory.open_host_key(&used).ok_or_else(|| acme::Error::new("the key cannot be opened"))?;
        let before = Facts::of_chain(&kept.chain);
        let way = way(&self.ways, kept.proven_over, kept.failures).unwrap_or(Way::TlsAlpn);
        let wanted = Wanted { names: &names, key: &key, before: before.as_ref(), way };
        let chain = self.obtain(&wanted).await?;
        let facts = Facts::of_chain(&chain).filter(|facts| facts.key_digest == used.digest && facts.covers(&names));
        let facts = facts.ok_or_else(|| acme::Error::new("the authority gave another certificate than was ordered"))?;
        self.certificates.use_obtained(&chain, key).map_err(acme::Error::new)?;
        self.settle(&keys, (&used, way), chain, &facts).await?;
        Ok(names)
    }

    /// Orders with the account that there is, or a new one where the authority does not know it any more.
    async fn obtain(&self, wanted: &Wanted<'_>) -> Result<String, acme::Error> {
        let name = self.account_name();
        let challenges = self.certificates.challenges();
        if let Some(account) = self.directory.authority_account(&name).map_err(acme::Error::new)? {
            match self.authority.obtain(&account, wanted, challenges).await {
                Err(error) if error.is_account_unknown => {}
                ended => return ended,
            }
        }
        let account = self.authority.register().await?;
        let (directory, kept) = (self.directory.clone(), account.clone());
        blocking(move || directory.keep_authority_account(&name, &kept)).await?;
        self.authority.obtain(&account, wanted, challenges).await
    }

    /// What was obtained is kept, durably; a key that is not used any more makes room for a new next one.
    async fn settle(
        &self,
        keys: &[HostKey],
        (used, way): (&HostKey, Way),
        chain: String,
        facts: &Facts,
    ) -> Result<(), acme::Error> {
        let mut keys: Vec<HostKey> = keys.iter().skip_while(|key| *key != used).cloned().collect();
        if keys.len() < 2 {
            keys.push(self.new_key().await?);
        }
        let (url, at) = (self.authority.directory.clone(), renewal(facts, used.digest[0]));
        let directory = self.directory.clone();
        blocking(move || {
            directory.change_host_certificate(|kept| {
                *kept = HostCertificate {
                    keys: keys.clone(),
                    chain: chain.clone(),
                    authority: url.clone(),
                    next_attempt: Timestamp(at * 1000),
                    failures: 0,
                    last_error: String::new(),
                    proven_over: way.port(),
                };
            })
        })
        .await?;
        Ok(())
    }

    /// The keys that there are, two, made and kept where they are missing.
    async fn keys(&self, kept: &HostCertificate) -> Result<Vec<HostKey>, acme::Error> {
        let can_be_opened = |key: &&HostKey| self.directory.open_host_key(key).is_some();
        let mut keys: Vec<HostKey> = kept.keys.iter().filter(can_be_opened).cloned().collect();
        if keys.len() >= 2 {
            return Ok(keys);
        }
        while keys.len() < 2 {
            keys.push(self.new_key().await?);
        }
        let (directory, new) = (self.directory.clone(), keys.clone());
        let is_other = kept.keys.first() != keys.first();
        blocking(move || {
            directory.change_host_certificate(|kept| {
                kept.keys.clone_from(&new);
                if is_other {
                    kept.chain.clear();
                }
            })
        })
        .await?;
        Ok(keys)
    }

    async fn new_key(&self) -> Result<HostKey, acme::Error> {
        let (directory, now) = (self.directory.clone(), Timestamp(self.now() * 1000));
        let pkcs8 = acme::new_key().map_err(acme::Error::new)?;
        let digest = acme::public_key_digest(&pkcs8).unwrap_or_default();
        blocking(move || directory.seal_host_key(&pkcs8, digest, now)).await
    }

    /// Of which keys others are told (RFC 7672 §3.1.1); `None`: that is not known.
    async fn published_keys(&self) -> Option<Vec<Vec<u8>>> {
        let answer = self.authority.dns.tlsa(&format!("_25._tcp.{}", self.hostname)).await.ok()?;
        Some(answer.records.into_iter().map(|record| record.data).collect())
    }

    /// This host's name, and those of local domains that lead to where it does.
    async fn names(&self) -> Result<Vec<String>, acme::Error> {
        let dns = &self.authority.dns;
        let own = self.addresses(dns, &self.hostname).await.map_err(acme::Error::new)?;
        if own.is_empty() {
            return Err(acme::Error::new(format!("{} has no address in the DNS yet", self.hostname)));
        }
        let directory = self.directory.clone();
        let domains = blocking(move || directory.domains()).await?;
        let now = self.now();
        let others = domains.iter().flat_map(|domain| names_for_pages(&domain.name, &self.offered));
        let others = others.filter(|name| self.left_out.get(name).is_none_or(|until| *until <= now));
        let mut names = vec![self.hostname.clone()];
        for name in others.take(LOOKED_UP_MAX) {
            let found = self.addresses(dns, &name).await;
            if found.is_ok_and(|found| !found.is_empty() && found.is_subset(&own)) && !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// As many of these names as a certificate has room for. Those that have none are said once.
    fn those_with_room(&mut self, names: Vec<String>) -> Vec<String> {
        let (names, without) = with_room(names);
        if without != self.without_room {
            if let Some(first) = without.first() {
                warn!(left_out = without.len(), first, "more names lead here than a certificate has room for");
            }
            self.without_room = without;
        }
        names
    }

    async fn addresses(&self, dns: &Dns, name: &str) -> Result<BTreeSet<std::net::IpAddr>, dns::Error> {
        Ok(dns.addresses(name).await?.records.into_iter().collect())
    }

    async fn kept(&self) -> Result<HostCertificate, acme::Error> {
        let directory = self.directory.clone();
        Ok(blocking(move || directory.host_certificate()).await?.unwrap_or_default())
    }

    async fn note(&self, change: impl Fn(&mut HostCertificate) + Send + 'static) {
        let directory = self.directory.clone();
        if let Err(error) = blocking(move || directory.change_host_certificate(change)).await {
            warn!(%error, "when the authority is asked next could not be noted");
        }
    }

    /// What the account is kept under.
    fn account_name(&self) -> String {
        match &self.authority.external {
            Some(external) => format!("{}#{}", self.authority.directory, external.id),
            None => self.authority.directory.clone(),
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().unix_millis.div_euclid(1000)
    }
}

/// Does what waits for the disk where nobody else waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, acme::Error> {
    spawn_blocking(work).await.map_err(acme::Error::new)?.map_err(acme::Error::new)
}
