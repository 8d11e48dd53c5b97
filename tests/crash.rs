//! The real server is killed at random moments while many clients change the same mail, and started again on the same
//! data: nothing that was acknowledged is lost, doubled or told differently. The same where the power goes with it, so that the disk
//! forgets what was not flushed.
//!
//! `PILLARBOX_CRASH_SEED` brings a run's random numbers back (the moments of threads it cannot), `PILLARBOX_CRASH_ROUNDS`
//! makes it longer.

#![allow(clippy::unwrap_used)]

mod crash {
    pub mod checker;
    pub mod ledger;
    pub mod retries;
    pub mod workload;
}
#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod cluster;
mod support;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crash::checker;
use crash::ledger::{COPIES, Ledger};
use crash::retries::{self, Way};
use crash::workload::{self, Account, Client, Work};
use support::Failure;
use support::power::{Forgotten, Power};
use support::random::Random;
use support::server::Server;

const ROUNDS: u64 = 10;
/// A round is over when so much, or up to so much more, was acknowledged ...
const ACKNOWLEDGED_MIN: u64 = 50;
const ACKNOWLEDGED_MORE: u64 = 250;
/// ... and up to so many microseconds later.
const KILL_MICROS: u64 = 5_000;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed() {
    is_killed_again_and_again(Server::new(), ROUNDS, &mut |_, _| ());
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_power_goes() {
    let mut server = Server::new();
    let Some(power) = Power::of(&mut server) else { return };
    let mut forgotten = Forgotten::default();
    is_killed_again_and_again(server, ROUNDS, &mut |_, random| forgotten += power.cut(random));
    println!("in all {forgotten:?}");
    assert!(forgotten.flushes > 0 && forgotten.sectors > 0, "nothing was at risk: {forgotten:?}");
}

/// The negative control: a disk that only says that it has written loses mail, and that is found.
#[test]
fn a_disk_that_lies_loses_mail_when_the_power_goes_and_the_checker_finds_it() {
    let mut server = Server::new();
    let Some(power) = Power::of(&mut server) else { return };
    let lived = catch_unwind(AssertUnwindSafe(|| {
        is_killed_again_and_again(server, ROUNDS, &mut |server, random| {
            power.cut(random);
            // Before that what is made once only, as the keys for TLS, has come to the disk.
            power.lies(server);
        });
    }));
    let told = lived.expect_err("nothing was lost");
    let told = told.downcast_ref::<String>().expect("a sentence");
    let finds = ["must be in", "MODSEQ", "UIDNEXT", "is acknowledged, but", "damaged", "[UNAVAILABLE]"];
    assert!(finds.iter().any(|found| told.contains(found)), "{told}");
}

/// The same with the mailboxes in a database server, which goes on.
#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed_beside_postgres() {
    let Some(cluster) = cluster::Cluster::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("postgres-url");
    fs::write(&file, cluster.url()).unwrap();
    let engine = format!("store = {{ engine = \"postgres\", url_file = {file:?} }}\n");
    is_killed_again_and_again(Server::with(&engine), ROUNDS / 2, &mut |_, _| ());
}

type Killed<'k> = dyn FnMut(&mut Server, &mut Random) + 'k;

/// `killed` is called each time that it was.
fn is_killed_again_and_again(mut server: Server, rounds: u64, killed: &mut Killed<'_>) {
    let mut random = Random::new(Random::seed("PILLARBOX_CRASH_SEED"));
    let rounds = env::var("PILLARBOX_CRASH_ROUNDS").map_or(rounds, |rounds| rounds.parse().unwrap());
    let accounts = [account(&server, "alice@example.org"), account(&server, "bob@example.org")];
    server.start();
    for account in &accounts {
        let mut imap = server.addresses().imap(&account.address, &account.mail).unwrap();
        imap.command(&format!("CREATE {COPIES}")).unwrap();
    }
    let mut selects = Vec::new();
    for round in 1..=rounds {
        let (acknowledged, worked) = play(&mut server, &accounts, &mut random, round);
        killed(&mut server, &mut random);
        if random.one_in(3) {
            check_all_is_well(&server, "the data of the killed server");
        }
        let ready = server.start();
        let select = checker::first_select(server.addresses(), &accounts[0], server.started()).unwrap();
        selects.push(select);
        for account in &accounts {
            checker::check(server.addresses(), account).unwrap();
            no_problems(account, &server);
        }
        check_all_is_well(&server, "the server");
        println!(
            "round {round}: {acknowledged} acknowledged in {worked:.0?}; after the start ready in {ready:.0?}, first \
             SELECT in {select:.0?}"
        );
    }
    selects.sort();
    let (usual, slowest) = (selects[selects.len() / 2], selects[selects.len() - 1]);
    println!("first SELECT {usual:.0?} after the start of the process (median), at most {slowest:.0?}");
    let book = accounts[0].ledger.book();
    let (happened, not) = book.open;
    println!("acknowledged: {:?}; cut off: {happened} changes that had happened, {not} that had not", book.tally);
    let missing: Vec<&str> = workload::KINDS.into_iter().filter(|kind| !book.tally.contains_key(kind)).collect();
    assert!(missing.is_empty(), "nobody did {missing:?}");
}

/// A message is in many stages between its first octet and its answer, so the server dies at any of them.
#[test]
fn what_is_handed_over_again_after_the_server_was_killed_is_neither_lost_nor_doubled() {
    is_handed_over_again(queueing(), &mut |_, _| ());
}

/// The same where the disk forgets what was not flushed, of the queue, too.
#[test]
fn what_is_handed_over_again_after_the_power_went_is_neither_lost_nor_doubled() {
    let mut server = queueing();
    let Some(power) = Power::of(&mut server) else { return };
    is_handed_over_again(server, &mut |_, random| {
        power.cut(random);
    });
}

/// Nobody listens where its mail is to go: what is queued stays. Each message goes to somebody new, and nobody is to be asked about that.
fn queueing() -> Server {
    Server::with("smarthost = { host = \"127.0.0.1\", port = 1, security = \"none\" }\nqueue.hold_strangers = 0\n")
}

fn is_handed_over_again(mut server: Server, killed: &mut Killed<'_>) {
    let mut random = Random::new(Random::seed("PILLARBOX_CRASH_SEED"));
    let rounds = env::var("PILLARBOX_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    [retries::ALICE, retries::BOB].iter().for_each(|address| server.add_account(address));
    let ways = [Way::Smtp, Way::Lmtp, Way::Submission];
    let mut clients: Vec<_> = (0..6).map(|number| retries::Client::new(ways[number % ways.len()], number)).collect();
    for round in 0..=rounds {
        server.start();
        let addresses = server.addresses().clone();
        let (stages, told) = channel();
        thread::scope(|scope| {
            for client in &mut clients {
                let (stages, addresses) = (stages.clone(), &addresses);
                scope.spawn(move || match client.run(addresses, round == rounds, &stages) {
                    Err(Failure::Refused(text)) => panic!("{}: {text}", client.name),
                    Ok(()) | Err(Failure::Gone(_)) => {}
                });
            }
            drop(stages);
            if round < rounds {
                let deadly = 30 + random.below(120) as usize;
                assert_eq!(told.iter().take(deadly).count(), deadly, "the clients stand still:\n{}", server.log());
                // Not to wait for anything: the moment must not be that of a stage.
                thread::sleep(Duration::from_micros(random.below(KILL_MICROS)));
                server.kill();
            }
        });
        if round < rounds {
            killed(&mut server, &mut random);
        }
        assert_eq!(server.faults(), Vec::<String>::new());
    }
    let (answered, retries) =
        clients.iter().fold((0, 0), |sum, client| (sum.0 + client.answered, sum.1 + client.retries));
    println!("{answered} messages were answered, {retries} of them handed over more than once");
    assert!(retries > 0, "the server always died between two messages");
    assert_eq!(retries::problems(&server, &clients), Vec::<String>::new());
}

fn account(server: &Server, address: &str) -> Account {
    server.add_account(address);
    // Half of what comes is removed again here, which is this test's business and no accident.
    server.cli(&["held", "--account", address, "brake", "off"], "");
    Account {
        address: address.to_owned(),
        mail: server.add_device(address, "mail", "keep"),
        reader: server.add_device(address, "reader", "keep"),
        eraser: server.add_device(address, "eraser", "expunge"),
        ledger: Ledger::default(),
    }
}

/// All clients work until the server is killed, at a moment that the seed decides. Gives how much it acknowledged.
fn play(server: &mut Server, accounts: &[Account; 2], random: &mut Random, round: u64) -> (u64, Duration) {
    let [alice, bob] = accounts;
    let deliver_to_both = |client: &mut Client<'_>| workload::deliver_to_both(client, bob);
    let clients: [(&str, &Account, &Work<'_>); 9] = [
        ("lmtp", alice, &workload::deliver),
        ("both", alice, &deliver_to_both),
        ("append", alice, &workload::append),
        ("store", alice, &workload::store),
        ("transfer", alice, &workload::transfer),
        ("expunge", alice, &workload::expunge),
        ("eraser", alice, &workload::erase_over_pop3),
        ("reader", alice, &workload::read_over_pop3),
        ("eraser", bob, &workload::erase_over_pop3),
    ];
    let addresses = server.addresses().clone();
    let target = ACKNOWLEDGED_MIN + random.below(ACKNOWLEDGED_MORE);
    let moment = Duration::from_micros(random.below(KILL_MICROS));
    // In some rounds old mail goes on changing when no new mail comes: then the newest may be gone at the kill.
    let arrivals_end = if random.one_in(2) { target / 2 } else { u64::MAX };
    alice.ledger.begin_round(arrivals_end);
    bob.ledger.begin_round(u64::MAX);
    let begun = Instant::now();
    thread::scope(|scope| {
        for (name, account, work) in clients {
            let (name, random) = (format!("{round}.{name}"), random.fork());
            let client = Client { account, server: &addresses, random, name, made: 0 };
            scope.spawn(move || client.run(work));
        }
        alice.ledger.wait_for(target);
        // Not to wait for anything: the moment of the kill must not be that of an answer.
        thread::sleep(moment);
        accounts.iter().for_each(|account| account.ledger.begin_end());
        server.kill();
        let acknowledged = accounts.iter().map(|account| account.ledger.end_round()).sum();
        (acknowledged, begun.elapsed())
    })
}

/// `pillarbox check` finds nothing.
fn check_all_is_well(server: &Server, whose: &str) {
    let answer = server.cli(&["check", "--bodies"], "");
    assert!(answer.starts_with("All is well"), "{whose}: {answer}");
}

/// Neither the clients nor the checker found any, and the server logged no fault.
fn no_problems(account: &Account, server: &Server) {
    let problems = std::mem::take(&mut account.ledger.book().problems);
    assert!(problems.is_empty(), "{}:\n{}\nThe log:\n{}", account.address, problems.join("\n"), server.log());
    assert_eq!(server.faults(), Vec::<String>::new());
}
