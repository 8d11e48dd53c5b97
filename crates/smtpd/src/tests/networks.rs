//! What hosts of one network may do together, and what mistakes cost.

use super::*;
use crate::NetworkLimits;

const HELO: &str = "S: 220\n C: HELO c\n S: 250\n";
const MAIL: &str = "C: MAIL FROM:<a@x>\n S: 250\n";
const ALICE_TAKES: &str = "C: RCPT TO:<alice@example.org>\n S: 250\n";
const MESSAGE: &str = "C: DATA\n S: 354\n C: A: b\n C:\n C: .\n S: 250\n";

fn few() -> NetworkLimits {
    NetworkLimits { connections_per_network_max: 3, ..NetworkLimits::default() }
}

/// Port 25, and clients of it.
fn port_25(networks: NetworkLimits, relays: &[&str]) -> (World, impl Fn(&str) -> Client) {
    let world = world_with(Limits { networks, ..Limits::default() });
    let trusted_relays = relays.iter().map(|relay| relay.parse().unwrap()).collect();
    let service = SmtpService::mx(Common { trusted_relays, ..world.common.clone() });
    (world, move |address: &str| Client::new(Arc::clone(&service), address, false))
}

#[test]
fn one_network_took_all_connections_by_many_addresses() {
    let (_world, connect) = port_25(few(), &["192.0.2.99"]);
    let mut held: Vec<Client> = (1..=3).map(|n| connect(&format!("192.0.2.{n}"))).collect();
    held.iter_mut().for_each(|client| client.play("S: 220", usize::MAX));
    connect("192.0.2.4").play("S: 421 4.7.0 Too many connections from your network\nCLOSE", usize::MAX);
    // Others come in, and so do this machine and a relay of ours.
    for address in ["192.0.3.1", "127.0.0.1", "192.0.2.99"] {
        connect(address).play("S: 220", usize::MAX);
    }
    held.pop();
    connect("192.0.2.4").play("S: 220", usize::MAX);
}

#[test]
fn who_tries_names_learns_no_more_by_another_address() {
    let (_world, connect) = port_25(NetworkLimits { wrong_recipients_per_hour_max: 2, ..few() }, &[]);
    let nobody = "C: RCPT TO:<nobody@example.org>\n S: 550\n";
    connect("2001:db8::1").play(&format!("{HELO}{MAIL}{}", nobody.repeat(2)), usize::MAX);
    let later = "S: 450 4.7.0 Your network named too many recipients";
    let postmaster = "C: RCPT TO:<Postmaster>\n S: 250\n C: RCPT TO:<abuse@example.org>\n S: 250\n";
    let script = format!(
        "{HELO}{MAIL}{} {later}\n {} {later}\n {postmaster}{MESSAGE}",
        "C: RCPT TO:<alice@example.org>\n", "C: RCPT TO:<nobody@example.org>\n"
    );
    connect("2001:db8::2").play(&script, usize::MAX);
    connect("2001:db8:0:1::1").play(&format!("{HELO}{MAIL}{ALICE_TAKES}"), usize::MAX);
}

#[test]
fn messages_of_a_network_in_a_minute() {
    let (world, connect) = port_25(NetworkLimits { messages_per_minute_max: 2, ..few() }, &["192.0.2.99"]);
    let message = format!("{MAIL}{ALICE_TAKES}{MESSAGE}");
    connect("192.0.2.1").play(&format!("{HELO}{message}"), usize::MAX);
    let mut second = connect("192.0.2.2");
    let too_many = "C: RCPT TO:<alice@example.org>\n S: 450 4.7.0 Your network sends too many messages\n";
    second.play(&format!("{HELO}{message}{MAIL}{too_many}"), usize::MAX);
    let postmaster = "C: RCPT TO:<postmaster@example.org>\n S: 250\n";
    second.play(&format!("{postmaster}{MESSAGE}"), usize::MAX);
    // Two minutes forgive what the postmaster got, too.
    second.now = second.now.plus_millis(120_000);
    second.play(&message, usize::MAX);
    connect("192.0.2.99").play(&format!("{HELO}{}", message.repeat(9)), usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 13, "the first account reads what is for the postmaster");
}

#[test]
fn a_network_that_says_no_command_has_to_wait() {
    let (_world, connect) = port_25(NetworkLimits { bad_commands_per_hour_max: 3, ..few() }, &[]);
    // That a recipient does not exist, or a message is too large, is none of these.
    connect("192.0.2.1").play(
        &format!("{HELO}C: X\nS: 500\nC: DATA\nS: 503\nC: MAIL FROM:<a@x> SIZE=99999999\nS: 552\nC: MAIL\nS: 50"),
        usize::MAX,
    );
    connect("192.0.2.2").play("S: 421 4.7.0 Your network said too much that is no command\nCLOSE", usize::MAX);
    connect("192.0.3.2").play("S: 220", usize::MAX);
}

#[test]
fn wrong_names_were_answered_as_fast_as_they_were_tried() {
    let world = world_with(Limits { tarpit_millis_max: 5000, ..Limits::default() });
    let names: String = (0..4).map(|n| format!("RCPT TO:<n{n}@example.org>\r\n")).collect();
    for segment in [usize::MAX, 1] {
        let mut client = world.mx();
        client.play(&format!("{HELO}{MAIL}"), usize::MAX);
        // All at once, as a program does that knows PIPELINING.
        let all = format!("{names}RCPT TO:<alice@example.org>\r\n");
        let (first, rest) = all.as_bytes().split_at(if segment == 1 { names.len() / 4 * 3 } else { all.len() });
        client.send(first, segment);
        client.play("S: 550\nS: 550", usize::MAX);
        assert_eq!(
            (client.last, client.session.deadline_millis()),
            (Step::Pause, Some(client.now.monotonic_millis + 1000))
        );
        client.step();
        assert_eq!((client.last, client.take()), (Step::Pause, String::new()), "woken too early");
        client.later();
        client.play("S: 550", usize::MAX);
        // What came in the meantime lay in the socket.
        client.send(rest, segment);
        assert_eq!(
            (client.last, client.session.deadline_millis()),
            (Step::Pause, Some(client.now.monotonic_millis + 2000))
        );
        client.later();
        client.send(if segment == 1 { b"RCPT TO:<alice@example.org>\r\n" } else { b"" }, segment);
        client.play(&format!("S: 550\nS: 250\n{MESSAGE}"), usize::MAX);
    }
    // A network that is known for it pays from the first name on; others do not.
    let service = SmtpService::mx(world.common.clone());
    let connect = |address: &str| Client::new(Arc::clone(&service), address, false);
    for _ in 0..2 {
        let mut client = connect("192.0.2.1");
        client.play(&format!("{HELO}{MAIL}"), usize::MAX);
        for _ in 0..50 {
            client.send(b"RCPT TO:<nobody@example.org>\r\n", usize::MAX);
            if client.last == Step::Pause {
                client.later();
            }
            // Its tally of wrong recipients begins anew with a connection, its patience with a transaction.
            client.take();
        }
    }
    let step_after_a_wrong_name = |address: &str| {
        let mut client = connect(address);
        client.play(&format!("{HELO}{MAIL}"), usize::MAX);
        client.send(b"RCPT TO:<nobody@example.org>\r\n", usize::MAX);
        client.last
    };
    assert_eq!(step_after_a_wrong_name("192.0.2.77"), Step::Pause);
    assert_eq!(step_after_a_wrong_name("198.51.100.1"), Step::Wait);
}

#[test]
fn mistakes_of_those_who_are_known_cost_nothing() {
    let world = world_with(Limits { tarpit_millis_max: 5000, ..Limits::default() });
    let nobody = "C: RCPT TO:<nobody@example.org>\n S: 550\n".repeat(9);
    let relays = Common { trusted_relays: vec!["192.0.2.99".parse().unwrap()], ..world.common.clone() };
    Client::new(SmtpService::mx(relays), "192.0.2.99", false).play(&format!("{HELO}{MAIL}{nobody}"), usize::MAX);
    Client::new(SmtpService::mx(world.common.clone()), "127.0.0.1", false)
        .play(&format!("{HELO}{MAIL}{nobody}"), usize::MAX);
    // A mail program that has logged in; before that it is a stranger.
    let mut program = world.submission_from("192.0.2.1", true);
    let log_in = format!("C: AUTH PLAIN {ALICE}\n S: 235\nC: MAIL FROM:<alice@example.org>\n S: 250\n");
    program.play(&format!("S: 220\n C: HELO c\n S: 250\n{log_in}{nobody}"), usize::MAX);
    let mut stranger = world.submission_from("192.0.2.1", true);
    stranger.play("S: 220\n C: X\n S: 500\n C: X\n S: 500\n C: X", usize::MAX);
    assert_eq!(stranger.last, Step::Pause);
}

#[test]
fn tries_to_relay_cost_nothing_and_were_counted_for_no_network() {
    let (_world, connect) = port_25(NetworkLimits { wrong_recipients_per_hour_max: 2, ..few() }, &[]);
    let elsewhere = "C: RCPT TO:<bob@example.com>\n S: 550 5.7.1\n";
    connect("192.0.2.1").play(&format!("{HELO}{MAIL}{}", elsewhere.repeat(2)), usize::MAX);
    let later = "C: RCPT TO:<alice@example.org>\n S: 450 4.7.0 Your network named too many recipients\n";
    connect("192.0.2.2").play(&format!("{HELO}{MAIL}{later}"), usize::MAX);
}
