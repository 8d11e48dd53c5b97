//! A host that takes mail slowly holds up what goes there, and nothing else of its sender.

use super::direct::{Net, send};
use super::*;

/// A sender that has so many messages for a host that says nothing, and one behind them for another host.
struct Slow {
    world: World,
    quick: Receiver<String>,
    _net: Net,
    _slow: TcpListener,
}

impl Slow {
    fn with(waiting: usize) -> Self {
        let net = Net::with(&[("slow.example", "A", "127.0.0.2"), ("quick.example", "A", "127.0.0.3")]);
        let slow = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = slow.local_addr().unwrap().port();
        let (_, quick) = serve_at(&format!("127.0.0.3:{port}"), Script::default(), 2);
        let queue = open(&SimEngine::new());
        let new = |_| message("me@x", &["one@slow.example"], b"S: 1\r\n\r\n");
        queue.enqueue_all(&(0..waiting).map(new).collect::<Vec<_>>(), Timestamp(NOW)).unwrap();
        queue.enqueue(message("me@x", &["behind@quick.example"], b"S: 2\r\n\r\n"), Timestamp(NOW)).unwrap();
        let world = start_with(queue, net.outgoing(port), 0);
        Self { world, quick, _net: net, _slow: slow }
    }
}

/// What was there at the start has been looked at.
fn until_looked_at(world: &World) {
    let end = Instant::now() + TIME;
    while world.sender.shared.lock().newest().is_none() {
        assert!(Instant::now() < end, "the queue is not looked at");
        thread::yield_now();
    }
}

#[test]
fn mail_to_a_slow_host_held_up_all_that_its_sender_had_behind_it() {
    // More than there is room for of one sender.
    let Slow { world, quick, .. } = &Slow::with(4_500);
    hear(quick, "RCPT TO:<behind@quick.example>");
    world.sender.leave();
}

#[test]
fn mail_to_a_slow_host_held_up_what_its_sender_wrote_later() {
    // More than half of the room, and more than is passed over in one look.
    for waiting in [2_100, 7_000] {
        let Slow { world, quick, .. } = &Slow::with(waiting);
        until_looked_at(world);
        send(world, &["new@quick.example"]);
        hear(quick, "RCPT TO:<new@quick.example>");
        world.sender.leave();
    }
}
