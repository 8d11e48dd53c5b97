//! Other servers that make it hard: nothing is lost, nothing is sent more often than it has to be.

use super::direct::{Net, last, send};
use super::*;
use std::sync::atomic::AtomicBool;

/// Accepts connections one after another and does with each what `each` says.
pub(super) fn host(address: &str, each: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().for_each(|socket| each(socket.unwrap())));
    port
}

pub(super) fn converse(script: &Script, socket: TcpStream, heard: &mpsc::Sender<String>) {
    let mut replies = script.rcpt.clone().into_iter();
    talk(script, &mut replies, Box::new(socket), &mut |line| drop(heard.send(line)));
}

/// RFC 5321 §4.5.4.2, §6.1: without the answer nobody knows who has it, so it is sent again, and once only.
#[test]
fn a_host_that_dies_after_the_dot_gets_the_message_a_second_time_and_not_a_third() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let (heard, lines) = mpsc::channel();
    let is_dead = AtomicBool::new(false);
    let port = host("127.0.0.2:0", move |socket| {
        if is_dead.swap(true, Ordering::SeqCst) {
            return converse(&Script::default(), socket, &heard);
        }
        let mut socket = socket;
        let mut input = BufReader::new(socket.try_clone().unwrap()).lines();
        socket.write_all(b"220 dying\r\n").unwrap();
        while let Some(Ok(line)) = input.next() {
            match line.as_str() {
                "DATA" => {
                    socket.write_all(b"354 go\r\n").unwrap();
                    input.by_ref().map_while(Result::ok).take_while(|line| line != ".").for_each(drop);
                    let _ = heard.send("died".to_owned());
                    return;
                }
                _ => drop(socket.write_all(b"250 ok\r\n")),
            }
        }
    });
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example"]);
    hear(&lines, "died");
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    assert!(last(&world.queue.show(id).unwrap(), 0).text.contains("connection lost"));
    world.pass(60_000);
    world.until_empty();
    world.pass(24 * 3_600_000);
    world.sender.stop(TIME);
    assert_eq!(lines.try_iter().filter(|line| line.starts_with("MAIL")).count(), 1, "after the death");
    assert!(world.bounces.try_recv().is_err());
}

#[test]
fn a_host_that_says_later_for_days_is_asked_rarely_and_its_sender_told_in_the_end() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let (heard, lines) = mpsc::channel();
    let port = host("127.0.0.2:0", move |socket| {
        converse(&Script { rcpt: vec!["450 4.7.1 later"; 100], ..Script::default() }, socket, &heard);
    });
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example"]);
    // Each time just when it is due.
    loop {
        let now = world.clock.load(Ordering::SeqCst);
        world.until(|queue| queue.show(id).map_or(true, |entry| entry.next_at.0 > now));
        let Ok(entry) = world.queue.show(id) else { break };
        world.pass(entry.next_at.0 - now);
    }
    let passed = world.clock.load(Ordering::SeqCst) - NOW;
    assert_eq!(passed, i64::try_from(Policy::default().lifetime_millis).unwrap());
    let tried = lines.try_iter().filter(|line| line.starts_with("RCPT")).count();
    assert!((20..60).contains(&tried), "{tried}");
    assert!(world.bounces.recv_timeout(TIME).is_ok());
    world.sender.stop(TIME);
}

#[test]
fn a_greylisting_host_has_it_with_the_second_attempt() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let script = Script { rcpt: vec!["451 4.7.1 come back"], ..Script::default() };
    let (port, heard) = serve_at("127.0.0.2:0", script, 2);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example"]);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    assert!(heard.try_iter().all(|line| !line.starts_with("S: 1")));
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
