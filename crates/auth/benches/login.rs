//! Logins a second on the simulated engine: main passwords that were verified lately, application passwords, and the
//! physical limit of the others, argon2id itself.

use auth::{Attempt, Auth, AuthOptions};
use session::testing::TURN;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{Protocol, Store};

const FOR: Duration = Duration::from_secs(1);

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let auth = Auth::open(store, [7; 32], AuthOptions::default())?;
    let directory = auth.directory();
    directory.add_domain("example.org")?;
    let account = directory.add_account("alice@example.org", "correct horse", "Alice", SIM_EPOCH)?;
    let (_, application) = auth.add_device(account, "phone", None, SIM_EPOCH)?;
    let attempt = |password, now| Attempt {
        user: "alice@example.org",
        password,
        protocol: Protocol::Imap,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        fingerprint: Some("bench"),
        tls: None,
        now,
        turn: Some(&TURN),
    };
    let log_in = |password, now| auth.log_in(&attempt(password, now)).map(drop).map_err(|error| error.to_string());
    log_in("correct horse", SIM_EPOCH)?;
    report("main password, verified lately", || log_in("correct horse", SIM_EPOCH))?;
    report("application password", || log_in(&application, SIM_EPOCH))?;
    // A day later each time: nothing is remembered that long.
    let mut now = SIM_EPOCH;
    report("main password, to be verified (one core)", || {
        now.0 += 24 * 60 * 60 * 1000;
        log_in("correct horse", now)
    })?;
    Ok(())
}

fn report(what: &str, mut login: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < FOR {
        login()?;
        count += 1;
    }
    println!("{what}: {:.0}/s", f64::from(count) / start.elapsed().as_secs_f64());
    Ok(())
}
