//! What was refused, and who has brought mail, is written down in rounds, so that a flood of it costs no more flushes of the
//! disk than one mail.

use std::net::IpAddr;
use std::time::Duration;

use reports::{About, Refusals, Strangers, Whose};
use store::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::service::{Refusal, Service};

/// So soon a refusal can be found.
const EVERY: Duration = Duration::from_secs(5);
/// In one of so many rounds what is old is forgotten.
const TIDY_ROUNDS: u64 = 120;

/// Writes until `stop` becomes true or its sender is dropped.
pub(crate) async fn write_refusals(
    (refusals, strangers): (Refusals, Strangers),
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    for round in 0.. {
        let is_stopping = timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let (refusals, strangers, now) = (refusals.clone(), strangers.clone(), Timestamp(clock.now().unix_millis));
        let work = move || {
            let written = refusals.write(now).and(strangers.write(now));
            let tidied = if round % TIDY_ROUNDS == 0 { refusals.tidy(now).and(strangers.tidy(now)) } else { Ok(()) };
            written.and(tidied)
        };
        match spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "what was refused, and who has brought mail, is not written down"),
            Err(error) => warn!(%error, "what was refused, and who has brought mail, is not written down"),
        }
        if is_stopping {
            return;
        }
    }
}

/// Notes hosts that found no place: before a session began there was nobody who could.
pub(crate) fn refused_hosts(
    refusals: Refusals,
    clock: Clock,
) -> impl Fn(Service, IpAddr, Refusal) + Send + Sync + 'static {
    move |service, client, refusal| {
        let refusal = reports::Refusal {
            at: Timestamp(clock.now().unix_millis),
            times: 1,
            protocol: service.name().to_owned(),
            client,
            from: String::new(),
            to: String::new(),
            // RFC 5321 §3.8, as it is said on the line.
            code: 421,
            reply: refusal.text().to_owned(),
            id: String::new(),
            about: About::default(),
        };
        refusals.note(Whose::Recipient, refusal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{Admission, ConnectionLimits};
    use directory::{Directory, DirectoryOptions, PasswordCost};
    use std::sync::Arc;
    use store::Store;
    use store::sim::{SimEngine, SimObjects};

    #[test]
    fn a_host_that_found_no_place_left_no_trace() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let options = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let refusals = Refusals::new(&store, Directory::open(store.clone(), &[7; 32], options).unwrap());
        let admission = Admission::new(ConnectionLimits { total: 9, per_address: 1, per_loopback: 1 }, &[]);
        let clock = Clock::start();
        admission.tell(refused_hosts(refusals.clone(), clock));
        let host = IpAddr::from([192, 0, 2, 1]);
        for service in [Service::Smtp, Service::Smtp, Service::Imaps] {
            admission.note_refused(service, host, Refusal::AddressFull);
        }
        refusals.write(Timestamp(clock.now().unix_millis)).unwrap();
        let wanted = reports::Wanted { limit: 9, ..reports::Wanted::default() };
        let found = refusals.list(None, &wanted).unwrap().refusals;
        let [refused] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((refused.client, refused.times, refused.code), (host, 2, 421));
        assert!(refused.reply.starts_with("Too many connections from your address"), "{refused:?}");
        assert_eq!(refused.protocol, "smtp", "a program that reads mail brings none");
    }
}
