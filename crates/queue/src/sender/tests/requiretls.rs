//! Messages that stay protected on their whole way (REQUIRETLS, RFC 8689), and those whose sender waives that.

use super::direct::{Net, last};
use super::sts::{POLICY, Policies, TEXT, net, outgoing};
use super::*;
use crate::TlsWish;

const BOTH: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.a.example\r\nmx: mx2.a.example\r\nmax_age: 86400\r\n";

fn send(world: &World, tls: TlsWish, from: &str) -> QueueId {
    let new = NewEntry { tls, ..message(from, &["one@a.example"], b"S: 1\r\n\r\n") };
    world.queue.enqueue(new, Timestamp(NOW)).unwrap().id
}

/// Starts to send to a host with a certificate, which says `offer`, at 127.0.0.2 and under a policy.
fn start_over_tls(offer: &'static str, policy: &str) -> (World, Receiver<String>, Net, tempfile::NamedTempFile) {
    let net = net();
    let (config, roots) = tls(&["mx.a.example", "mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, policy);
    let (port, heard) = serve_at("127.0.0.2:0", Script { tls: Some(config), offer, ..Script::default() }, 9);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    (world, heard, net, roots)
}

#[test]
fn a_host_that_proves_who_it_is_and_promises_the_same_gets_it() {
    let testing = POLICY.replace("enforce", "testing");
    for policy in [POLICY, &testing] {
        let (world, heard, _net, _roots) = start_over_tls("REQUIRETLS", policy);
        send(&world, TlsWish::Required, "me@x");
        hear(&heard, "STARTTLS");
        hear(&heard, "MAIL FROM:<me@x> REQUIRETLS");
        world.until_empty();
        world.sender.stop(TIME);
    }
}

#[test]
fn a_host_that_does_not_promise_it_gets_a_bounce_and_no_message() {
    let (world, heard, _net, _roots) = start_over_tls("HELP", POLICY);
    send(&world, TlsWish::Required, "me@x");
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert!(bounce.text.starts_with("one@a.example - 550 5.7.30 "), "{}", bounce.text);
    // RFC 8689 §5: a bounce rather goes without, and other mail goes on.
    send(&world, TlsWish::Required, "");
    hear(&heard, "MAIL FROM:<>");
    send(&world, TlsWish::Usual, "me@x");
    hear(&heard, "MAIL FROM:<me@x>");
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn where_nothing_proves_that_a_host_takes_mail_for_the_domain_nobody_is_talked_to() {
    let net = Net::with(&[("a.example", "MX", "10 mx.a.example."), ("mx.a.example", "A", "127.0.0.2")]);
    let (config, roots) = tls(&["mx.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    send(&world, TlsWish::Required, "me@x");
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert!(bounce.text.contains("550 5.7.30 nothing proves that mx.a.example"), "{}", bounce.text);
    world.sender.stop(TIME);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[test]
fn who_strips_starttls_brings_it_back_and_holds_up_nothing_else() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, &POLICY.replace("enforce", "testing"));
    let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 2);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    send(&world, TlsWish::Required, "me@x");
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert!(bounce.text.contains("550 5.7.30 mx.a.example speaks no TLS"), "{}", bounce.text);
    assert!(heard.try_iter().all(|line| !line.starts_with("MAIL")));
    send(&world, TlsWish::Usual, "me@x");
    hear(&heard, "MAIL FROM:<me@x>");
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn the_next_host_gets_what_the_first_does_not_promise_to_protect() {
    let net = net();
    net.names.add("a.example", "MX", "20 mx2.a.example.");
    net.names.add("mx2.a.example", "A", "127.0.0.3");
    let (config, roots) = tls(&["mx.a.example", "mx2.a.example", "mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, BOTH);
    let host = |offer| Script { tls: Some(Arc::clone(&config)), offer, ..Script::default() };
    let (port, first) = serve_at("127.0.0.2:0", host("HELP"), 1);
    let (_, second) = serve_at(&format!("127.0.0.3:{port}"), host("REQUIRETLS"), 1);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    send(&world, TlsWish::Required, "me@x");
    hear(&second, "MAIL FROM:<me@x> REQUIRETLS");
    hear(&first, "QUIT");
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn what_a_domain_asks_for_of_tls_is_waived_by_the_sender() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, &POLICY.replace("mx.a", "mail.a"));
    let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 1);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let waived = send(&world, TlsWish::Waived, "me@x");
    hear(&heard, "MAIL FROM:<me@x>");
    world.until(|queue| queue.show(waived).is_err());
    let usual = send(&world, TlsWish::Usual, "me@x");
    world.until(|queue| queue.show(usual).unwrap().attempts == 1);
    assert!(last(&world.queue.show(usual).unwrap(), 0).text.contains("none of the hosts"));
    world.sender.stop(TIME);
}

#[test]
fn mail_whose_sender_waives_tls_waited_with_what_could_not_have_it() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 2);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let usual = send(&world, TlsWish::Usual, "me@x");
    world.until(|queue| queue.show(usual).unwrap().attempts == 1);
    assert!(last(&world.queue.show(usual).unwrap(), 0).text.contains("offers no STARTTLS"));
    send(&world, TlsWish::Waived, "waived@x");
    hear(&heard, "MAIL FROM:<waived@x>");
    world.until(|queue| queue.list(None, 9).unwrap().len() == 1);
    // Another one under the policy waits without being tried.
    let second = send(&world, TlsWish::Usual, "me@x");
    world.until(|queue| queue.show(second).unwrap().next_at.0 > NOW);
    assert_eq!(world.queue.show(second).unwrap().attempts, 0);
    world.sender.stop(TIME);
    assert!(heard.try_iter().all(|line| line != "MAIL FROM:<me@x>"));
}
