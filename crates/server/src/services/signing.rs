//! Every local domain has keys to sign its mail with. They are made here, beside everything else, because an RSA key takes
//! its time; `pillarbox domain records` does not wait for it.

use std::time::Duration;

use directory::Directory;
use store::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;

/// The directory is asked so often whether it has changed.
const EVERY: Duration = Duration::from_secs(5);

/// Makes what keys are missing, now and after every change of the directory, until `stop` becomes true or its sender is
/// dropped.
pub(crate) async fn keep_signing_keys(directory: Directory, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut seen = None;
    loop {
        let (directory, stopping, now) = (directory.clone(), stop.clone(), Timestamp(clock.now().unix_millis));
        let work = move || {
            let version = directory.version().ok();
            if version.is_some() && version != seen {
                make_missing(&directory, now, &|| *stopping.borrow());
            }
            version
        };
        match spawn_blocking(work).await {
            Ok(version) => seen = version,
            Err(error) => warn!(%error, "keys to sign mail with were not made; the next round tries again"),
        }
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

fn make_missing(directory: &Directory, now: Timestamp, is_stopping: &dyn Fn() -> bool) {
    let domains = directory.domains_without_signing_keys().unwrap_or_else(|error| {
        warn!(%error, "the domains cannot be listed to see which have no keys to sign mail with");
        Vec::new()
    });
    for domain in domains.into_iter().take_while(|_| !is_stopping()) {
        match directory.make_signing_keys(&domain, now) {
            Ok(true) => info!(
                domain,
                "mail of the domain is signed from now on; `pillarbox domain records` has what to publish"
            ),
            // Removed meanwhile, or another was quicker.
            Ok(false) | Err(directory::Error::Refused(_)) => {}
            Err(error) => warn!(domain, %error, "keys to sign mail with were not made"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::{DirectoryOptions, PasswordCost};
    use std::sync::Arc;
    use store::Store;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

    #[test]
    fn domains_of_an_earlier_version_get_keys_and_nobody_gets_others() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let options = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let directory = Directory::open(store, &[7; 32], options).unwrap();
        directory.add_domain("example.org").unwrap();
        directory.add_domain("example.net").unwrap();
        make_missing(&directory, SIM_EPOCH, &|| true);
        assert_eq!(directory.domains_without_signing_keys().unwrap().len(), 2, "stopped");
        make_missing(&directory, SIM_EPOCH, &|| false);
        let keys = directory.signing_keys("example.org", SIM_EPOCH).unwrap();
        assert_eq!(keys.len(), 2);
        make_missing(&directory, SIM_EPOCH, &|| false);
        assert_eq!(directory.signing_keys("example.org", SIM_EPOCH).unwrap(), keys);
    }
}
