//! The doctor's page: what a server found the last time that an administrator had it look.

use std::sync::{Arc, Mutex, PoisonError};

use console::{Examination, Finding, shown};
use directory::Directory;
use dns::Dns;
use store::Timestamp;
use tokio::runtime::Handle;
use tracing::warn;
use web::setup::{Offered, records_of};

use super::offered;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::examine;

/// It looks again so long after it looked at the earliest: others are asked, and each time the same.
const PAUSE_MILLIS: u64 = 10_000;

/// Looks when it is told to, once at a time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Examiner(Arc<Inner>);

struct Inner {
    config: Config,
    dns: Dns,
    directory: Directory,
    clock: Clock,
    runtime: Handle,
    state: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    examination: Examination,
    ended_millis: Option<u64>,
}

impl Examiner {
    /// Must be made on a runtime.
    pub(crate) fn new(config: &Config, dns: &Dns, directory: &Directory, clock: Clock) -> Self {
        let (config, dns, directory) = (config.clone(), dns.clone(), directory.clone());
        Self(Arc::new(Inner { config, dns, directory, clock, runtime: Handle::current(), state: Mutex::default() }))
    }

    /// What was found the last time. With `look` it looks again, if it does not look just now and has not looked just before.
    pub(crate) fn ask(&self, look: bool) -> Examination {
        let mut last = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now().monotonic_millis;
        let is_fresh = last.ended_millis.is_some_and(|ended| now.saturating_sub(ended) < PAUSE_MILLIS);
        if look && !last.examination.is_running && !is_fresh {
            last.examination.is_running = true;
            let examiner = self.clone();
            self.0.runtime.spawn(async move {
                // A look that fails as a whole must not be the last one.
                let looking = tokio::spawn(examiner.clone().look());
                examiner.settle(looking.await.ok());
            });
        }
        last.examination.clone()
    }

    async fn look(self) -> Vec<Finding> {
        let Inner { config, dns, directory, clock, .. } = &*self.0;
        let (domains, now) = (directory.clone(), Timestamp(clock.now().unix_millis));
        let offered = offered(config, &config.addresses());
        let domains = tokio::task::spawn_blocking(move || expected(&domains, &offered, now)).await;
        let domains = domains.ok().and_then(|domains| domains.ok()).unwrap_or_else(|| {
            warn!("the local domains cannot be read: their records are not looked at");
            Vec::new()
        });
        examine(config, dns, &domains).await
    }

    fn settle(&self, findings: Option<Vec<Finding>>) {
        let now = self.0.clock.now();
        let mut last = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        last.ended_millis = Some(now.monotonic_millis);
        last.examination.is_running = false;
        if let Some(findings) = findings {
            last.examination.at = Some(shown(Timestamp(now.unix_millis)));
            last.examination.findings = findings;
        }
    }
}

type Expected = Vec<(String, Vec<web::setup::DnsRecord>)>;

/// The local domains, each with what it is to publish.
fn expected(directory: &Directory, offered: &Offered, now: Timestamp) -> Result<Expected, directory::Error> {
    let mut all = Vec::new();
    for domain in directory.domains()? {
        if let Some((domain, records)) = records_of(directory, &domain.name, offered, now)? {
            all.push((domain.name, records));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::directory::{DirectoryOptions, PasswordCost};
    use dns::fake::{FakeServer, Manner};
    use store::Store;
    use store::sim::{SimEngine, SimObjects};

    #[test]
    fn it_looks_once_at_a_time_and_not_again_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let options = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let directory = Directory::open(store, &[7; 32], options).unwrap();
        let server = FakeServer::start();
        server.treat("mail.example.org", Manner::Failing);
        let dns =
            Dns::new(&dns::Options { servers: vec![server.address()], dnssec: false, ..Default::default() }).unwrap();
        let config = Config { hostname: "mail.example.org".into(), listen: Default::default(), ..Config::default() };
        let examiner = Examiner::new(&config, &dns, &directory, Clock::start());
        assert_eq!(examiner.ask(false), Examination::default());
        assert!(examiner.ask(true).is_running);
        assert_eq!(runtime.metrics().num_alive_tasks(), 1);
        assert!(examiner.ask(true).is_running);
        assert_eq!(runtime.metrics().num_alive_tasks(), 1, "a second one looks");

        let findings = runtime.block_on(examiner.clone().look());
        examiner.settle(Some(findings.clone()));
        let last = examiner.ask(true);
        assert!(!last.is_running && last.at.is_some(), "it has looked just before");
        assert!(
            last.findings == findings
                && last.to_do().iter().any(|finding| finding.check == "address of mail.example.org")
        );
        examiner.settle(None);
        assert_eq!(examiner.ask(false).findings, findings, "a look that failed is not the last one");
    }
}
