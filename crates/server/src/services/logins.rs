//! Who logged in, and who failed to, is written down in rounds, so that a flood of it costs no more flushes of the disk than one.

use std::time::Duration;

use auth::{Auth, LoginNote};
use console::domains_in;
use reports::{Act, Acts, Kept};
use store::{Error, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;

/// So soon a log-in can be found. `auth` counts these rounds.
const EVERY: Duration = Duration::from_secs(10);

/// Writes until `stop` becomes true or its sender is dropped.
pub(crate) async fn write_logins(auth: Auth, clock: Clock, mut stop: watch::Receiver<bool>) {
    loop {
        let is_stopping = timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let (auth, now) = (auth.clone(), Timestamp(clock.now().unix_millis));
        match spawn_blocking(move || write(&auth, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "who logged in is not written down"),
            Err(error) => warn!(%error, "who logged in is not written down"),
        }
        if is_stopping {
            return;
        }
    }
}

fn write(auth: &Auth, now: Timestamp) -> Result<(), Error> {
    let notes = auth.take_login_notes();
    let act = |note: &LoginNote| {
        let what = match note.device {
            Some(_) => format!("logged in over {}{}", note.protocol.name(), device(auth, note)),
            None if note.times == 1 => format!("{} over {}", note.why, note.protocol.name()),
            None => format!("{} over {}, {} times", note.why, note.protocol.name(), note.times),
        };
        let (who, from) = (note.name.clone(), note.address.to_canonical().to_string());
        let domains = domains_in(&who);
        Act { at: now, who, from, what, domains }
    };
    let more = |count: u64| {
        let what = format!("and {count} more, which found no room here");
        let (who, from) = ("others".to_owned(), "elsewhere".to_owned());
        (count > 0).then(|| Act { at: now, who, from, what, domains: Vec::new() })
    };
    // One that is not written down takes the other not along.
    let mut written = Ok(());
    for (kept, notes, left_out) in
        [(Kept::Logins, &notes.logins, notes.left_out.0), (Kept::Failures, &notes.failures, notes.left_out.1)]
    {
        let acts: Vec<Act> = notes.iter().map(act).chain(more(left_out)).collect();
        if !acts.is_empty() {
            written = Acts::of(auth.store(), kept).note_all(&acts).and(written);
        }
    }
    written
}

/// What its owner calls the device.
fn device(auth: &Auth, note: &LoginNote) -> String {
    let Some((account, device)) = note.device else { return String::new() };
    let devices = auth.store().account(account).devices();
    let name = devices.ok().and_then(|devices| devices.get(&device).map(|device| device.name.clone()));
    name.map(|name| format!(": “{name}”")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::{Attempt, AuthOptions};
    use std::sync::Arc;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
    use store::{Protocol, Store};

    #[test]
    fn who_logged_in_and_who_failed_to_can_be_found() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let auth = Auth::open(store.clone(), [7; 32], AuthOptions::default()).unwrap();
        auth.directory().add_domain("example.org").unwrap();
        let alice = auth.directory().add_account("alice@example.org", "correct horse", "", SIM_EPOCH).unwrap();
        let (_, password) = auth.add_device(alice, "phone", None, SIM_EPOCH).unwrap();
        let address = "192.0.2.1".parse().unwrap();
        let attempt = Attempt {
            user: "alice",
            password: &password,
            protocol: Protocol::Imap,
            address,
            fingerprint: None,
            tls: None,
            now: SIM_EPOCH,
            turn: None,
        };
        let login = auth.log_in(&attempt).unwrap();
        (0..2).for_each(|_| auth.note_login(Protocol::Imap, address, &login));
        (0..3).for_each(|_| auth.note_failure(Protocol::Pop3, (address, "bob"), "wrong name or password"));
        write(&auth, SIM_EPOCH).unwrap();
        let found = |kept| {
            let acts = Acts::of(&store, kept).list("", None, 10).unwrap();
            acts.into_iter().map(|(_, act)| format!("{}, {}: {}", act.who, act.from, act.what)).collect::<Vec<_>>()
        };
        assert_eq!(found(Kept::Logins), ["alice@example.org, 192.0.2.1: logged in over imap: “phone”"]);
        assert_eq!(
            found(Kept::Failures),
            ["a name that nobody has, 192.0.2.1: wrong name or password over pop3, 3 times"],
            "it may be a password"
        );
        assert_eq!(found(Kept::Changes), Vec::<String>::new());
    }
}
