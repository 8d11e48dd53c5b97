//! Delivery to the hosts of the recipients' domains, found in a name server of the test's own.

use super::*;
use crate::{Direct, Rates, Via, Ways};
use dns::fake::FakeServer;
use dns::{Dns, Options};
use tokio::runtime::Runtime;

pub(super) struct Net {
    pub(super) names: FakeServer,
    runtime: Runtime,
}

impl Net {
    pub(super) fn with(records: &[(&str, &str, &str)]) -> Self {
        let names = FakeServer::start();
        records.iter().for_each(|(name, record_type, data)| names.add(name, record_type, data));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { names, runtime }
    }

    /// Servers listen on `port` of their addresses.
    pub(super) fn outgoing(&self, port: u16) -> Outgoing {
        let options = Options { servers: vec![self.names.address()], dnssec: false, ..Options::default() };
        let direct = Direct {
            dns: Dns::new(&options).unwrap(),
            runtime: self.runtime.handle().clone(),
            port,
            connections_max: 8,
            per_domain_max: 1,
            rates: Rates::default(),
            sts: None,
            tls_told: None,
        };
        let hello = "mail.example.org".to_owned();
        Outgoing { hello, smarthost: None, direct: Some(direct), ways: Ways::all(Via::Mx) }
    }
}

/// Greets nobody kindly, and says so for each connection.
fn refuse(address: &str) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (met, meetings) = mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let _ = socket.unwrap().write_all(b"421 4.3.2 busy\r\n");
            let _ = met.send(());
        }
    });
    (port, meetings)
}

pub(super) fn send(world: &World, to: &[&str]) -> QueueId {
    world.queue.enqueue(message("me@x", to, b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id
}

pub(super) fn last(entry: &Entry, place: usize) -> &LastReply {
    match &entry.recipients[place].state {
        RecipientState::Waiting { last: Some(last) } => last,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_domain_is_served_by_its_own_hosts() {
    let net = Net::with(&[
        ("a.example", "MX", "10 mx.a.example."),
        ("mx.a.example", "A", "127.0.0.2"),
        ("b.example", "A", "127.0.0.3"),
    ]);
    let (port, at_a) = serve_at("127.0.0.2:0", Script::default(), 1);
    let (_, at_b) =
        serve_at(&format!("127.0.0.3:{port}"), Script { rcpt: vec!["550 5.1.1 who"], ..Script::default() }, 1);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    send(&world, &["one@a.example", "two@b.example", "three@A.example"]);
    assert_eq!(world.bounces.recv_timeout(TIME).unwrap().text, "two@b.example b.example 550 5.1.1 who\n");
    world.until_empty();
    world.sender.stop(TIME);
    let recipients = |lines: Receiver<String>| lines.iter().filter(|line| line.starts_with("RCPT")).collect::<Vec<_>>();
    assert_eq!(recipients(at_a), ["RCPT TO:<one@a.example>", "RCPT TO:<three@a.example>"]);
    assert_eq!(recipients(at_b), ["RCPT TO:<two@b.example>"]);
}

#[test]
fn the_next_host_is_tried_where_the_first_is_dead_or_busy() {
    let net = Net::with(&[
        ("a.example", "MX", "10 dead.example."),
        ("a.example", "MX", "20 busy.example."),
        ("a.example", "MX", "30 good.example."),
        ("dead.example", "A", "127.0.0.4"),
        ("busy.example", "A", "127.0.0.2"),
        ("good.example", "A", "127.0.0.3"),
    ]);
    let (port, heard) = serve_at("127.0.0.3:0", Script::default(), 1);
    let (_, met) = refuse(&format!("127.0.0.2:{port}"));
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    send(&world, &["one@a.example"]);
    hear(&heard, "MAIL FROM:<me@x>");
    world.until_empty();
    assert!(met.try_recv().is_ok());
    world.sender.stop(TIME);
}

#[test]
fn a_domain_that_takes_no_mail_is_told_at_once_and_a_way_that_is_closed_too() {
    let net = Net::with(&[("null.example", "MX", "0 .")]);
    let mut outgoing = net.outgoing(2);
    outgoing.ways.routes.insert("closed.example".to_owned(), Via::Refuse);
    let world = start_with(open(&SimEngine::new()), outgoing, 0);
    send(&world, &["one@null.example", "two@gone.example", "three@closed.example"]);
    let mut bounces = String::new();
    while ![" 5.1.10 ", " 5.1.2 ", " 5.7.1 "].iter().all(|status| bounces.contains(status)) {
        bounces += &world.bounces.recv_timeout(TIME).unwrap().text;
    }
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn a_host_that_cannot_be_reached_is_asked_by_one_message_of_many() {
    let net = Net::with(&[("busy.example", "A", "127.0.0.2")]);
    let (port, met) = refuse("127.0.0.2:0");
    let queue = open(&SimEngine::new());
    let ids: Vec<QueueId> = (0..40)
        .map(|number| {
            let to = format!("u{number}@busy.example");
            queue.enqueue(message("me@x", &[&to], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id
        })
        .collect();
    let world = start_with(queue, net.outgoing(port), 0);
    let all_postponed = |until: i64| {
        let ids = ids.clone();
        move |queue: &Queue| ids.iter().all(|id| queue.show(*id).unwrap().next_at.0 >= until)
    };
    world.until(all_postponed(NOW + 60_000));
    assert_eq!(met.try_iter().count(), 1);
    // All of them show why, and one was tried.
    let entries: Vec<Entry> = ids.iter().map(|id| world.queue.show(*id).unwrap()).collect();
    assert!(entries.iter().all(|entry| last(entry, 0).text.contains("busy")), "{entries:?}");
    assert_eq!(entries.iter().map(|entry| entry.attempts).sum::<u32>(), 1);
    world.pass(60_000);
    world.until(all_postponed(NOW + 120_000));
    assert_eq!(met.try_iter().count(), 1);
    // An operator does not wait.
    world.queue.retry(ids[0], Timestamp(NOW + 60_000)).unwrap();
    met.recv_timeout(TIME).unwrap();
    world.sender.stop(TIME);
}

#[test]
fn a_slow_host_has_so_many_connections_and_delays_no_other() {
    let net = Net::with(&[("slow.example", "A", "127.0.0.2"), ("quick.example", "A", "127.0.0.3")]);
    let slow = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = slow.local_addr().unwrap().port();
    let (_, quick) = serve_at(&format!("127.0.0.3:{port}"), Script::default(), 1);
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    send(&world, &["one@slow.example"]);
    let (first, _) = slow.accept().unwrap();
    send(&world, &["two@slow.example"]);
    let last = send(&world, &["three@quick.example"]);
    hear(&quick, "RCPT TO:<three@quick.example>");
    world.until(|queue| queue.show(last).is_err());
    slow.set_nonblocking(true).unwrap();
    assert!(slow.accept().is_err(), "one connection is all that it gets");
    slow.set_nonblocking(false).unwrap();
    // When the first connection ends the other one has its turn.
    let heard = thread::spawn(move || {
        let (mut stream, mut lines) = (first, Vec::new());
        for _ in 0..2 {
            let (heard, said) = mpsc::channel();
            talk(&Script::default(), &mut std::iter::empty(), Box::new(stream), &mut |line| drop(heard.send(line)));
            lines.extend(said.try_iter().filter(|line| line.starts_with("RCPT")));
            match lines.len() {
                1 => stream = slow.accept().unwrap().0,
                _ => break,
            }
        }
        lines
    });
    world.until_empty();
    world.sender.stop(TIME);
    assert_eq!(heard.join().unwrap(), ["RCPT TO:<one@slow.example>", "RCPT TO:<two@slow.example>"]);
}

#[test]
fn recipients_wait_for_their_own_time() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2"), ("busy.example", "A", "127.0.0.3")]);
    let script = Script { rcpt: vec!["450 4.2.0 greylisted", "450 4.2.0 greylisted"], ..Script::default() };
    let (port, heard) = serve_at("127.0.0.2:0", script, 3);
    let (_, met) = refuse(&format!("127.0.0.3:{port}"));
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    let id = send(&world, &["one@a.example", "two@busy.example"]);
    world.until(|queue| queue.show(id).unwrap().recipients.iter().all(|recipient| recipient.next_at.is_some()));
    world.pass(60_000);
    world.until(|queue| queue.show(id).unwrap().recipients.iter().all(|recipient| recipient.attempts == 2));
    // Both failed twice: two minutes.
    assert_eq!(world.queue.show(id).unwrap().next_at.0, NOW + 180_000);
    world.pass(120_000);
    world.until(|queue| queue.show(id).is_ok_and(|entry| !entry.recipients[0].is_waiting()));
    assert_eq!(heard.try_iter().filter(|line| line.starts_with("RCPT")).count(), 3);
    assert!(met.try_iter().count() >= 2);
    world.sender.stop(TIME);
}

#[test]
fn any_certificate_will_do_where_none_is_published_and_broken_tls_costs_no_mail() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2"), ("broken.example", "A", "127.0.0.3")]);
    let (config, _) = tls(&["anybody.example"]);
    let (port, heard) = serve_at("127.0.0.2:0", Script { tls: Some(config), ..Script::default() }, 1);
    let broken = TcpListener::bind(format!("127.0.0.3:{port}")).unwrap();
    let (in_clear, heard_in_clear) = mpsc::channel();
    thread::spawn(move || {
        // Offers TLS and cannot do it; then does without.
        let (mut socket, _) = broken.accept().unwrap();
        socket.write_all(b"220 broken\r\n").unwrap();
        let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
        lines.next();
        socket.write_all(b"250-broken\r\n250 STARTTLS\r\n").unwrap();
        lines.next();
        socket.write_all(b"220 go\r\nnot a handshake at all").unwrap();
        drop((socket, lines));
        let (socket, _) = broken.accept().unwrap();
        talk(&Script::default(), &mut std::iter::empty(), Box::new(socket), &mut |line| drop(in_clear.send(line)));
    });
    let world = start_with(open(&SimEngine::new()), net.outgoing(port), 0);
    send(&world, &["one@a.example"]);
    send(&world, &["two@broken.example"]);
    hear(&heard, "STARTTLS");
    hear(&heard, "RCPT TO:<one@a.example>");
    hear(&heard_in_clear, "RCPT TO:<two@broken.example>");
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn what_waits_for_one_host_goes_over_one_connection() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    // It takes one connection only.
    let (port, heard) =
        serve_at("127.0.0.2:0", Script { rcpt: vec!["250 ok", "550 5.1.1 who"], ..Script::default() }, 1);
    let queue = open(&SimEngine::new());
    for number in 0..30 {
        let to = format!("u{number}@a.example");
        queue.enqueue(message("me@x", &[&to], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    }
    let world = start_with(queue, net.outgoing(port), 0);
    world.until_empty();
    world.sender.stop(TIME);
    let lines: Vec<String> = heard.iter().collect();
    let count = |verb: &str| lines.iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!(["EHLO", "MAIL", "RSET", "QUIT"].map(count), [1, 30, 1, 1], "{lines:?}");
}

#[test]
fn a_domain_has_so_many_messages_a_minute_and_others_as_many_as_there_are() {
    let net = Net::with(&[("slow.example", "A", "127.0.0.2"), ("quick.example", "A", "127.0.0.3")]);
    let (port, slow) = serve_at("127.0.0.2:0", Script::default(), 3);
    let (_, quick) = serve_at(&format!("127.0.0.3:{port}"), Script::default(), 1);
    let queue = open(&SimEngine::new());
    let enqueue = |to: &str| queue.enqueue(message("me@x", &[to], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    (0..3).for_each(|_| drop(enqueue("one@slow.example")));
    (0..9).for_each(|_| drop(enqueue("one@quick.example")));
    let mut outgoing = net.outgoing(port);
    let six = std::num::NonZeroU16::new(6).unwrap();
    outgoing.direct.as_mut().unwrap().rates.domains.insert("slow.example".to_owned(), six);
    let world = start_with(queue.clone(), outgoing, 0);
    for left in [2, 1] {
        world.until(|queue| queue.list(None, 20).unwrap().len() == left);
        // Somebody rests just until the next may go.
        let now = Timestamp(world.clock.load(Ordering::SeqCst));
        while world.sender.shared.lock().rest(now) != Duration::from_secs(10) {
            thread::yield_now();
        }
        assert_eq!(slow.try_iter().filter(|line| line.starts_with("MAIL")).count(), 1);
        world.pass(10_000);
    }
    world.until_empty();
    world.sender.stop(TIME);
    assert_eq!(quick.iter().filter(|line| line.starts_with("MAIL")).count(), 9);
}

#[test]
fn what_waited_for_the_pace_of_one_domain_held_up_all_other_mail_of_its_sender() {
    let net = Net::with(&[("slow.example", "A", "127.0.0.2"), ("quick.example", "A", "127.0.0.3")]);
    let (port, _slow) = serve_at("127.0.0.2:0", Script::default(), 1);
    let (_, quick) = serve_at(&format!("127.0.0.3:{port}"), Script::default(), 1);
    let queue = open(&SimEngine::new());
    let to = |to: &str| queue.enqueue(message("me@x", &[to], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let slow: Vec<QueueId> = (0..=crate::window::JOBS_MAX / 16).map(|_| to("one@slow.example")).collect();
    to("one@quick.example");
    let mut outgoing = net.outgoing(port);
    let hundred = std::num::NonZeroU16::new(100).unwrap();
    outgoing.direct.as_mut().unwrap().rates.domains.insert("slow.example".to_owned(), hundred);
    let world = start_with(queue.clone(), outgoing, 0);
    hear(&quick, "MAIL FROM:<me@x>");
    world.sender.stop(TIME);
    // Each of them has a time of its own, in their order, and none counts as tried.
    let waiting: Vec<Entry> = slow.iter().filter_map(|id| queue.show(*id).ok()).collect();
    assert_eq!((waiting.len(), waiting.iter().map(|entry| entry.attempts).sum::<u32>()), (slow.len() - 1, 0));
    let times: Vec<i64> = waiting.iter().map(|entry| entry.next_at.0).filter(|at| *at > NOW).collect();
    assert!(times.len() > 1000 && times.windows(2).all(|two| two[0] + 600 == two[1]), "{times:?}");
}

#[test]
fn a_host_that_has_gone_since_its_last_message_is_connected_to_anew() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let queue = open(&SimEngine::new());
    for to in ["one@a.example", "two@a.example"] {
        queue.enqueue(message("me@x", &[to], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    }
    let host = thread::spawn(move || {
        // Takes one message, and no more over the same connection.
        let mut told = Vec::new();
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            let mut say = |text: &str| socket.write_all(format!("{text}\r\n").as_bytes()).unwrap();
            say("220 brief");
            let mut is_taken = false;
            while let Some(Ok(line)) = lines.next() {
                told.push(line.clone());
                match line.split([' ', ':']).next().unwrap() {
                    "MAIL" if is_taken => break,
                    "DATA" => {
                        say("354 go");
                        lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").for_each(drop);
                        is_taken = true;
                        say("250 taken");
                    }
                    "QUIT" => say("221 bye"),
                    _ => say("250 ok"),
                }
            }
        }
        told
    });
    let world = start_with(queue, net.outgoing(port), 0);
    world.until_empty();
    assert_eq!(world.queue.list(None, 9).unwrap(), []);
    world.sender.stop(TIME);
    let told = host.join().unwrap();
    assert_eq!(told.iter().filter(|line| line.starts_with("DATA")).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("MAIL")).count(), 3, "{told:?}");
}

#[test]
fn an_account_that_queues_ten_thousand_does_not_hold_up_the_one_message_of_another() {
    let net = Net::with(&[("a.example", "A", "127.0.0.2")]);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits =
        crate::Limits { account_entries: 10_000, account_recipients_per_hour: 10_000, ..crate::Limits::DEFAULT };
    let queue = open(&SimEngine::new()).with_limits(limits);
    let of = |account: u32, from: &str| {
        let new = message(from, &["one@a.example"], b"S: 1\r\n\r\n");
        queue.enqueue(NewEntry { account: Some(store::AccountId(account)), ..new }, Timestamp(NOW)).unwrap().id
    };
    for _ in 0..10_000 {
        of(20, "many@x");
    }
    let world = start_with(queue.clone(), net.outgoing(port), 0);
    // The only connection that may be there; the first message goes over it, and is not answered yet.
    let (socket, _) = listener.accept().unwrap();
    let (heard, lines) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    thread::spawn(move || {
        let hear = &mut |line: String| {
            let is_first = line.starts_with("MAIL FROM:<many@x>");
            let _ = heard.send(line);
            if is_first {
                let _ = wait.recv();
            }
        };
        talk(&Script::default(), &mut std::iter::empty(), Box::new(socket), hear);
    });
    hear(&lines, "MAIL FROM:<many@x>");
    let other = of(21, "one@x");
    let mut state = world.sender.shared.lock();
    while !state.window.has(other) {
        let end = TIME;
        let (back, waited) = world.sender.shared.changed.wait_timeout(state, end).unwrap();
        assert!(!waited.timed_out());
        state = back;
    }
    drop(state);
    go_on.send(()).unwrap();
    let next = std::iter::from_fn(|| lines.recv_timeout(TIME).ok()).find(|line| line.starts_with("MAIL"));
    assert_eq!(next.as_deref(), Some("MAIL FROM:<one@x>"));
    drop(go_on);
    world.sender.stop(Duration::ZERO);
}
