//! What hosts said of a message whose envelope has a name.

use super::direct::Net;
use super::sts::{POLICY, Policies, TEXT, net, outgoing};
use super::*;

fn named(world: &World, may_come_back: bool) {
    let new = message("me@x", &["one@a.example"], b"S: 1\r\n\r\n");
    let reports = MailReports { envelope_id: Some("a-name".to_owned()), ..MailReports::default() };
    world.queue.enqueue(NewEntry { reports, may_come_back, ..new }, Timestamp(NOW)).unwrap();
}

fn next(world: &World) -> (String, String) {
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    (bounce.recipient, bounce.text)
}

#[test]
fn what_a_host_says_of_a_named_envelope_is_told_with_how_the_session_was_protected() {
    let (config, roots) = tls(&["mx.a.example", "mta-sts.a.example"]);
    for (policy, protection) in [(POLICY.to_owned(), "Policy"), (POLICY.replace("enforce", "testing"), "Unproven")] {
        let net = net();
        let policies = Policies::serve(&config, TEXT, &policy);
        let (port, _heard) = serve_at("127.0.0.2:0", Script { tls: Some(Arc::clone(&config)), ..Script::default() }, 9);
        let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
        direct::send(&world, &["one@a.example"]);
        world.until_empty();
        assert!(world.bounces.try_recv().is_err(), "of one without a name nobody wants to know");
        named(&world, false);
        assert_eq!(next(&world), ("one@a.example".to_owned(), format!("{protection} 250")));
        // Over the same session it is the same.
        named(&world, false);
        assert_eq!(next(&world), ("one@a.example".to_owned(), format!("{protection} 250")));
        world.until_empty();
        world.sender.stop(TIME);
    }
}

#[test]
fn what_tests_this_server_goes_to_this_server_and_nothing_else_does() {
    let net = Net::with(&[("a.example", "MX", "10 mail.example.org."), ("mail.example.org", "A", "127.0.0.2")]);
    let (port, heard) = serve_at("127.0.0.2:0", Script { rcpt: vec!["550 5.1.1 who"], ..Script::default() }, 1);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    named(&world, false);
    assert_eq!(next(&world), ("one@a.example".to_owned(), "None 554".to_owned()));
    let bounce = next(&world);
    assert!(bounce.1.contains("554 5.4.6 mail for a.example leads to this server"), "{bounce:?}");
    assert!(heard.try_recv().is_err());
    named(&world, true);
    assert_eq!(next(&world), ("one@a.example".to_owned(), "None 550".to_owned()));
    hear(&heard, "MAIL FROM:<me@x>");
    world.until_empty();
    world.sender.stop(TIME);
}
