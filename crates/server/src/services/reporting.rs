//! Owners of other domains are told once a day what came in their names and how TLS with their hosts went (decision 0068): what was
//! counted is written down in rounds, and what is due is sent, one domain after another.

mod posting;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use directory::Directory;
use dns::Dns;
use mailflow::MailFlow;
use posting::{Posted, Posting};
use queue::{Https, ReportError, Roots};
use reports::rua::{Destination, Place, consent_of, consents, destinations, places, wanted_of_tls};
use reports::{Counts, Document, Due, Matter, Reporter};
use store::{Claim, Error, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Config;

/// So soon what was counted is on disk; a crash loses no more of it.
const EVERY: Duration = Duration::from_secs(5);
/// So often it is looked at what is due.
const DUE_EVERY: Duration = Duration::from_secs(600);

/// So many letters are known to be logged; then some are logged again.
const LOGGED_MAX: usize = 2_000;
/// For all that is asked of the DNS for one report.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells owners of other domains.
#[derive(Clone)]
pub(crate) struct Reporting {
    flow: MailFlow,
    counts: Counts,
    dns: Dns,
    /// `None`: nothing is handed over HTTPS.
    posting: Option<Posting>,
    logged: Logged,
    hostname: String,
    from: Option<String>,
}

/// Letters that were logged, by the report and to whom. They are sent anew in each round until all of a day is settled, as long as a place
/// beside them fails, and the flow knows that it has them.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<BTreeSet<(String, String)>>>);

/// What became of a letter, for the log.
struct Outcome {
    to: String,
    about: &'static str,
    /// Why it is never sent.
    never: Option<String>,
}

/// Where a report is wanted.
#[derive(Default)]
struct To {
    addresses: BTreeSet<Address>,
    places: BTreeSet<Place>,
}

/// What became of a day of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It is told, or never will be.
    Settled,
    /// It is to be tried again.
    Later,
}

/// Writes down what was counted here, until `stop` becomes true or its sender is dropped: each of several servers, because each counts
/// what comes to it.
pub(crate) async fn write_counts(counts: Counts, mut stop: watch::Receiver<bool>) {
    loop {
        let is_stopping = timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let counts = counts.clone();
        match spawn_blocking(move || counts.write()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "what was counted for reports is not written down"),
            Err(error) => warn!(%error, "what was counted for reports is not written down"),
        }
        if is_stopping {
            return;
        }
    }
}

impl Reporting {
    /// `None`: nobody is told anything.
    pub(crate) fn new(config: &Config, flow: &MailFlow, dns: &Dns) -> Option<Self> {
        let (flow, counts, dns) = (flow.clone(), flow.counts()?.clone(), dns.clone());
        let posting = match Https::new(&Roots::System, config.delivery.mta_sts_port) {
            Ok(https) => Some(Posting::new(https, dns.clone())),
            Err(error) => {
                warn!(%error, "no report is handed over HTTPS");
                None
            }
        };
        let (hostname, from) = (config.hostname.clone(), config.reports.from.clone());
        Some(Self { flow, counts, dns, posting, logged: Logged::default(), hostname, from })
    }

    /// Tells, until `stop` becomes true or its sender is dropped: one of several servers does it for all.
    pub(crate) async fn keep(self, directory: Directory, clock: Clock, mut stop: watch::Receiver<bool>) {
        while timeout(DUE_EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
            self.tell(&directory, Timestamp(clock.now().unix_millis), &stop).await;
        }
    }

    /// Tells what is due.
    async fn tell(&self, directory: &Directory, now: Timestamp, stop: &watch::Receiver<bool>) {
        let (counts, directory, this) = (self.counts.clone(), directory.clone(), self.clone());
        let found = spawn_blocking(move || {
            counts.tidy(now)?;
            Ok::<_, Error>((counts.due(now)?, Reporter::of(&this.hostname, this.from.as_deref(), &directory)?))
        });
        let (due, reporter) = match found.await {
            Ok(Ok((due, Some(reporter)))) => (due, reporter),
            Ok(Ok((_, None))) => return,
            Ok(Err(error)) => return warn!(%error, "no reports are sent"),
            Err(error) => return warn!(%error, "no reports are sent"),
        };
        for due in due {
            if *stop.borrow() {
                return;
            }
            self.tell_of(due, reporter.clone(), now).await;
        }
    }

    /// Tells one domain of one day. Where the DNS gives no answer it comes again, for some days.
    async fn tell_of(&self, due: Due, reporter: Reporter, now: Timestamp) {
        let Ok(Some(to)) = timeout(PATIENCE, self.destinations(&due)).await else { return };
        let id = due.id(&reporter);
        let is_posted = self.post(&due, &reporter, &to.places, now).await;
        let (flow, counts, name) = (self.flow.clone(), self.counts.clone(), due.domain().to_owned());
        let sent = spawn_blocking(move || {
            let (told, claims, outcomes) = send(&flow, &counts, &due, &reporter, &to.addresses, now)?;
            let is_settled = told == Told::Settled && is_posted;
            if is_settled {
                counts.settle(&due)?;
                claims.into_iter().for_each(Claim::answered);
            }
            Ok::<_, Error>((is_settled, outcomes))
        });
        match sent.await {
            Ok(Ok((is_settled, outcomes))) => {
                self.logged.log(&id, &name, outcomes);
                if is_settled {
                    self.logged.forget(&id);
                    if let Some(posting) = &self.posting {
                        posting.forget(&id);
                    }
                }
            }
            Ok(Err(error)) => warn!(domain = name, %error, "a report is not sent"),
            Err(error) => warn!(domain = name, %error, "a report is not sent"),
        }
    }

    /// Hands it over HTTPS where it is wanted so; whether nothing of that is left to do.
    async fn post(&self, due: &Due, reporter: &Reporter, places: &BTreeSet<Place>, now: Timestamp) -> bool {
        let Some(posting) = self.posting.as_ref().filter(|_| !places.is_empty()) else { return true };
        let (counts, of, by) = (self.counts.clone(), due.clone(), reporter.clone());
        let made = spawn_blocking(move || {
            let document = Document::new(&counts, &of, &by)?;
            Ok::<_, Error>(document.map(|document| document.packed().to_vec()))
        });
        let (id, domain, since) = (due.id(reporter), due.domain(), due.since());
        match made.await {
            Ok(Ok(Some(packed))) => {
                posting.post(&Posted { id: &id, domain, since, packed: &packed }, places, now).await
            }
            Ok(Ok(None)) => true,
            Ok(Err(error)) => {
                warn!(domain, %error, "a report is not made");
                false
            }
            Err(error) => {
                warn!(domain, %error, "a report is not made");
                false
            }
        }
    }

    /// Where it goes; `None`: that is not known now.
    async fn destinations(&self, due: &Due) -> Option<To> {
        let rua = match &due.matter {
            Matter::Mail { rua } => rua.clone(),
            Matter::Sessions => {
                wanted_of_tls(&self.texts(&format!("_smtp._tls.{}", due.domain())).await?).unwrap_or_default()
            }
        };
        let mut found = To::default();
        if due.matter == Matter::Sessions {
            // RFC 8460 §3: reports on mail have no such way.
            found.places.extend(places(&rua));
        }
        for destination in destinations(&rua) {
            let asked = match due.matter {
                Matter::Mail { .. } => consent_of(due.domain(), &destination),
                Matter::Sessions => None,
            };
            let is_wanted = match asked {
                Some(name) => consents(&self.texts(&name).await?),
                None => true,
            };
            if is_wanted {
                found.addresses.insert(Address(destination.address, destination.bytes_max));
            }
        }
        Some(found)
    }

    /// Texts in the DNS, none where there is no such name; `None`: no answer.
    async fn texts(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        match self.dns.txt(name).await {
            Ok(answer) => Some(answer.records),
            Err(dns::Error::Name(_)) => Some(Vec::new()),
            Err(_) => None,
        }
    }
}

impl Logged {
    /// What was not logged yet.
    fn log(&self, id: &str, domain: &str, outcomes: Vec<Outcome>) {
        for Outcome { to, about, never } in outcomes {
            let mut logged = self.lock();
            if logged.len() >= LOGGED_MAX {
                logged.clear();
            }
            if !logged.insert((id.to_owned(), to.clone())) {
                continue;
            }
            match never {
                None => info!(domain, to, about, "report sent"),
                Some(why) => warn!(domain, to, why, "a report is not sent"),
            }
        }
    }

    fn forget(&self, id: &str) {
        self.lock().retain(|(known, _)| known != id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        // Every change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A destination, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address(String, Option<u64>);

/// Sends what is to be told. What was sent before, when it was tried before, is known by its handover.
fn send(
    flow: &MailFlow,
    counts: &Counts,
    due: &Due,
    reporter: &Reporter,
    to: &BTreeSet<Address>,
    now: Timestamp,
) -> Result<(Told, Vec<Claim>, Vec<Outcome>), Error> {
    let (mut told, mut claims, mut outcomes) = (Told::Settled, Vec::new(), Vec::new());
    let Some(document) = Document::new(counts, due, reporter)?.filter(|_| !to.is_empty()) else {
        return Ok((told, claims, outcomes));
    };
    for Address(address, bytes_max) in to {
        let destination = Destination { address: address.clone(), bytes_max: *bytes_max };
        let Some(letter) = document.to(&destination, now) else { continue };
        let outcome = |never| Outcome { to: letter.to.clone(), about: letter.about, never };
        match flow.send_report(&letter, now) {
            Ok(receipts) => {
                claims.extend(receipts);
                outcomes.push(outcome(None));
            }
            Err(ReportError::Never(why)) => outcomes.push(outcome(Some(why))),
            Err(ReportError::Later(why)) => {
                warn!(domain = due.domain(), to = letter.to, why, "a report is not sent yet");
                told = Told::Later;
            }
        }
    }
    Ok((told, claims, outcomes))
}

#[cfg(test)]
mod tests;
