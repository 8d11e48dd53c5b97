//! Other servers that make it hard: nothing is lost, nothing is sent more often than it has to be.

use super::direct::{Net, send};
use super::*;

/// Accepts connections one after another and does with each what `each` says.
fn host(address: &str, each: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().for_each(|socket| each(socket.unwrap())));
    port
}

#[test]
fn a_greylisting_host_has_it_with_the_second_attempt() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let script = Script { rcpt: vec!["451 4.7.1 come back"], ..Script::default() };
    let (port, heard) = serve_at("127.0.0.2:0", script, 2);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example"]);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    assert!(heard.try_iter().all(|line| !line.starts_with("DATA")));
    world.pass(60_000);
    hear(&heard, "S: 1");
    world.until_empty();
    assert!(world.bounces.try_recv().is_err());
    world.sender.stop(TIME);
}

#[test]
fn where_ipv6_is_down_ipv4_is_tried_at_once() {
    // Nobody listens at the first address.
    let net = Net::with(&[("a.example", "AAAA", "::1"), ("a.example", "A", "127.0.0.2")]);
    let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 1);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example"]);
    hear(&heard, "RCPT TO:<one@a.example>");
    world.until(|queue| queue.show(id).is_err());
    world.sender.stop(TIME);
}

#[test]
fn a_host_without_smtputf8_gets_no_such_message_and_its_sender_is_told_why() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let port = host("127.0.0.2:0", |mut socket| {
        let mut input = BufReader::new(socket.try_clone().unwrap()).lines();
        socket.write_all(b"220 old\r\n").unwrap();
        while let Some(Ok(line)) = input.next() {
            assert!(!line.starts_with("MAIL"), "{line}");
            let _ = socket.write_all(if line == "QUIT" { b"221 bye\r\n" } else { b"250 old\r\n" });
        }
    });
    let queue = open(&SimEngine::new());
    let world = start_with(queue, net.outgoing(port), 0);
    let new = NewEntry { smtputf8: true, ..message("me@x", &["one@a.example"], b"S: 1\r\n\r\n") };
    let id = world.queue.enqueue(new, Timestamp(NOW)).unwrap().id;
    world.until(|queue| queue.show(id).map_or(true, |entry| !entry.recipients[0].is_waiting()));
    assert!(world.bounces.recv_timeout(TIME).is_ok());
    world.until_empty();
    world.sender.stop(TIME);
}
