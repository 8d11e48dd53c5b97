//! Reports that others send us are read in the background, because that unpacks what strangers packed; and the addresses in them
//! get their names.

use std::net::IpAddr;
use std::time::Duration;

use dns::Dns;
use reports::Received;
use store::{Error, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;

/// So soon a report can be seen.
const EVERY: Duration = Duration::from_secs(5);
/// In one of so many rounds what is old is forgotten.
const TIDY_ROUNDS: u64 = 720;
/// For a name and whether it leads back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads until `stop` becomes true or its sender is dropped.
pub(crate) async fn read_reports(received: Received, dns: Dns, clock: Clock, mut stop: watch::Receiver<bool>) {
    for round in 0.. {
        let is_stopping = timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let (received, now) = (received.clone(), Timestamp(clock.now().unix_millis));
        let reading = received.clone();
        let work = move || {
            if round % TIDY_ROUNDS == 0 {
                reading.tidy(now)?;
            }
            if reading.write(now)? { reading.unnamed(now) } else { Ok(Vec::new()) }
        };
        let unnamed = match spawn_blocking(work).await {
            Ok(Ok(unnamed)) => unnamed,
            Ok(Err(error)) => {
                warn!(%error, "reports of others are not read");
                Vec::new()
            }
            Err(error) => {
                warn!(%error, "reports of others are not read");
                Vec::new()
            }
        };
        if is_stopping {
            return;
        }
        if let Err(error) = name(&received, &dns, unnamed, now).await {
            warn!(%error, "addresses in reports get no names");
        }
    }
}

async fn name(received: &Received, dns: &Dns, unnamed: Vec<IpAddr>, now: Timestamp) -> Result<(), Error> {
    let mut names = Vec::new();
    for address in unnamed {
        // Who does not answer has no name.
        let name = timeout(PATIENCE, name_of(dns, address)).await.unwrap_or_default();
        names.push((address, name));
    }
    if names.is_empty() {
        return Ok(());
    }
    let received = received.clone();
    spawn_blocking(move || received.name(&names, now)).await.unwrap_or(Ok(()))
}

/// The name of an address, if it leads back to it: else anybody could call theirs as they like.
async fn name_of(dns: &Dns, address: IpAddr) -> Option<String> {
    let name = dns.ptr(address).await.ok()?.records.into_iter().next()?;
    let back = dns.addresses_of(&name, address.is_ipv4()).await.ok()?;
    back.records.contains(&address).then(|| name.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dns::Options;
    use dns::fake::FakeServer;

    #[tokio::test]
    async fn an_address_has_the_name_that_leads_back_to_it() {
        let names = FakeServer::start();
        names.add("7.113.0.203.in-addr.arpa", "PTR", "out.example.net.");
        names.add("out.example.net", "A", "203.0.113.7");
        names.add("8.113.0.203.in-addr.arpa", "PTR", "mail.victim.example.");
        names.add("mail.victim.example", "A", "192.0.2.1");
        let options = Options { servers: vec![names.address()], dnssec: false, ..Options::default() };
        let dns = Dns::new(&options).unwrap();
        let mut found = Vec::new();
        for last in 7..10 {
            found.push(name_of(&dns, [203, 0, 113, last].into()).await);
        }
        assert_eq!(found, [Some("out.example.net".to_owned()), None, None]);
    }
}
