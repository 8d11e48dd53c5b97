//! Delivery under policies that domains publish over HTTPS (RFC 8461).

use super::direct::{Net, last, send};
use super::*;
use crate::sts::Kept;
use crate::{Promise, Roots, Sts, TlsFailure, TlsOutcome};
use std::sync::atomic::AtomicUsize;

pub(super) const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.a.example\r\nmax_age: 86400\r\n";
pub(super) const TEXT: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";

/// What hosts of policies answer, and how often they were asked.
pub(super) struct Policies {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Policies {
    /// At 127.0.0.7.
    pub(super) fn serve(config: &Arc<ServerConfig>, head: &str, policy: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.7:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked) = (Arc::new(Mutex::new(Self::answer(head, policy))), Arc::new(AtomicUsize::new(0)));
        let (config, said, count) = (Arc::clone(config), Arc::clone(&answer), Arc::clone(&asked));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(tls, socket.unwrap()));
                let mut line = String::new();
                while matches!(stream.read_line(&mut line), Ok(1..)) && !line.ends_with("\r\n\r\n") {}
                if line.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n") {
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = said.lock().unwrap().clone();
                    let _ = stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush());
                }
            }
        });
        Self { port, answer, asked }
    }

    fn answer(head: &str, policy: &str) -> String {
        format!("{head}Content-Length: {}\r\n\r\n{policy}", policy.len())
    }
}

pub(super) fn net() -> Net {
    Net::with(&[
        ("a.example", "MX", "10 mx.a.example."),
        ("mx.a.example", "A", "127.0.0.2"),
        ("_mta-sts.a.example", "TXT", "\"v=STSv1; id=1;\""),
        ("mta-sts.a.example", "A", "127.0.0.7"),
    ])
}

pub(super) fn outgoing(net: &Net, port: u16, policies: &Policies, roots: &tempfile::NamedTempFile) -> Outgoing {
    let mut outgoing = net.outgoing(port);
    let sts = Sts { port: policies.port, roots: Roots::File(roots.path().to_owned()) };
    outgoing.direct.as_mut().unwrap().sts = Some(sts);
    outgoing
}

/// What the one recipient's mail waits for after its first attempt.
fn refused(world: &World, id: QueueId) -> String {
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    last(&world.queue.show(id).unwrap(), 0).text.clone()
}

#[test]
fn a_host_of_an_enforced_policy_is_talked_to_over_tls_and_the_policy_is_asked_for_once() {
    let net = net();
    let (config, roots) = tls(&["mx.a.example", "mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let (port, heard) = serve_at("127.0.0.2:0", Script { tls: Some(config), ..Script::default() }, 2);
    let engine = SimEngine::new();
    let world = start_with(open(&engine), outgoing(&net, port, &policies, &roots), 0);
    send(&world, &["one@a.example"]);
    hear(&heard, "STARTTLS");
    hear(&heard, "MAIL FROM:<me@x>");
    world.until_empty();
    world.sender.stop(TIME);
    // It is known after a restart, even where the DNS has it no more.
    net.names.clear("_mta-sts.a.example");
    let world = start_with(open(&engine.crash()), outgoing(&net, port, &policies, &roots), 0);
    send(&world, &["two@a.example"]);
    hear(&heard, "RCPT TO:<two@a.example>");
    world.until_empty();
    world.sender.stop(TIME);
    assert_eq!(policies.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn who_strips_starttls_from_a_host_of_an_enforced_policy_gets_no_mail() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 1);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let id = send(&world, &["one@a.example"]);
    assert!(refused(&world, id).contains("offers no STARTTLS"));
    world.sender.stop(TIME);
    assert!(heard.try_iter().all(|line| !line.starts_with("MAIL")));
}

#[test]
fn a_host_with_a_certificate_of_another_name_gets_no_mail_under_an_enforced_policy() {
    let net = net();
    // It has one that is trusted, but is not made out to the host.
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let (port, heard) = serve_at("127.0.0.2:0", Script { tls: Some(config), ..Script::default() }, 1);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let id = send(&world, &["one@a.example"]);
    assert!(refused(&world, id).contains("not valid for name"), "{}", refused(&world, id));
    world.sender.stop(TIME);
    assert!(heard.try_iter().all(|line| !line.starts_with("MAIL")));
}

#[test]
fn a_host_that_an_enforced_policy_does_not_name_is_not_talked_to() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, &POLICY.replace("mx.a", "mail.a"));
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let id = send(&world, &["one@a.example"]);
    assert!(refused(&world, id).contains("mx.a.example is none of the hosts"));
    world.sender.stop(TIME);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[test]
fn without_an_enforced_policy_mail_goes_as_it_does_to_anybody() {
    let testing = POLICY.replace("enforce", "testing").replace("mx.a", "mail.a");
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.a.example/other\r\nContent-Type: text/plain\r\n";
    let picture = TEXT.replace("text/plain", "image/png");
    let long = format!("{POLICY}{}", "#".repeat(64 * 1024));
    for (head, policy) in [(TEXT, &*testing), (moved, POLICY), (&picture, POLICY), (TEXT, &long), (TEXT, "nothing")] {
        let net = net();
        let (config, roots) = tls(&["mta-sts.a.example"]);
        let policies = Policies::serve(&config, head, policy);
        let (port, heard) = serve_at("127.0.0.2:0", Script::default(), 2);
        let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
        for to in ["one@a.example", "two@a.example"] {
            send(&world, &[to]);
            hear(&heard, &format!("RCPT TO:<{to}>"));
            world.until_empty();
        }
        world.sender.stop(TIME);
        assert_eq!(policies.asked.load(Ordering::SeqCst), 1, "{head}: who fails is left alone for a while");
    }
}

#[test]
fn a_policy_is_fetched_anew_when_it_changes_and_kept_when_that_fails() {
    let net = net();
    let (config, roots) = tls(&["mx.a.example", "mta-sts.a.example"]);
    let policies = Policies::serve(&config, TEXT, POLICY);
    let (port, heard) = serve_at("127.0.0.2:0", Script { tls: Some(config), ..Script::default() }, 3);
    let world = start_with(open(&SimEngine::new()), outgoing(&net, port, &policies, &roots), 0);
    let kept = |queue: &Queue| queue.kept_policy("a.example").unwrap();
    send(&world, &["one@a.example"]);
    world.until_empty();
    // What is sent next has a connection of its own.
    hear(&heard, "QUIT");
    assert_eq!(kept(&world.queue).policy.max_age_secs, 86_400);
    // In the second half of its time it is asked for again; what is no policy changes nothing.
    *policies.answer.lock().unwrap() = Policies::answer(TEXT, "nothing");
    world.pass(43_201_000);
    send(&world, &["two@a.example"]);
    hear(&heard, "RCPT TO:<two@a.example>");
    world.until_empty();
    hear(&heard, "QUIT");
    let Kept { fetched_at, .. } = kept(&world.queue);
    assert_eq!((fetched_at.0, policies.asked.load(Ordering::SeqCst)), (NOW, 2));
    // Five minutes later it may be asked again.
    *policies.answer.lock().unwrap() = Policies::answer(TEXT, &POLICY.replace("86400", "90000"));
    world.pass(301_000);
    send(&world, &["three@a.example"]);
    hear(&heard, "RCPT TO:<three@a.example>");
    world.until_empty();
    world.sender.stop(TIME);
    assert_eq!((kept(&world.queue).policy.max_age_secs, policies.asked.load(Ordering::SeqCst)), (90_000, 3));
}

#[test]
fn a_session_went_on_under_a_policy_that_had_changed() {
    let net = net();
    let (config, roots) = tls(&["mta-sts.a.example"]);
    let testing = POLICY.replace("enforce", "testing");
    let policies = Policies::serve(&config, TEXT, &testing);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let queue = open(&SimEngine::new());
    for from in ["one@x", "two@x"] {
        queue.enqueue(message(from, &["one@a.example"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    }
    let world = start_with(queue.clone(), outgoing(&net, port, &policies, &roots), 0);
    let (changed, clock) = (queue.clone(), Arc::clone(&world.clock));
    let host = thread::spawn(move || {
        let mut heard = Vec::new();
        let (socket, _) = listener.accept().unwrap();
        talk(&Script::default(), &mut std::iter::empty(), Box::new(socket), &mut |line| {
            // While the first message is on its way the domain asks for certificates from now on.
            if line == "MAIL FROM:<one@x>" {
                let policy = crate::sts::Policy::parse(POLICY.as_bytes()).unwrap();
                let kept = Kept { id: "1".to_owned(), fetched_at: Timestamp(NOW), policy };
                changed.keep_policy("a.example", &kept).unwrap();
                clock.fetch_add(2000, Ordering::SeqCst);
            }
            heard.push(line);
        });
        // The second message is tried over a connection of its own.
        let (socket, _) = listener.accept().unwrap();
        talk(&Script::default(), &mut std::iter::empty(), Box::new(socket), &mut |line| heard.push(line));
        heard
    });
    world.until(|queue| queue.list(None, 9).unwrap().iter().all(|entry| entry.attempts == 1));
    let left = queue.list(None, 9).unwrap();
    assert_eq!(left.len(), 1);
    assert!(last(&left[0], 0).text.contains("offers no STARTTLS"), "{left:?}");
    world.sender.stop(TIME);
    let heard = host.join().unwrap();
    let mail = heard.iter().filter(|line| line.starts_with("MAIL")).collect::<Vec<_>>();
    assert_eq!(mail, ["MAIL FROM:<one@x>"]);
}

/// What is told of the sessions of a message to a.example.
fn told(net: &Net, policy: Option<&str>, served: Option<&str>) -> Vec<(Promise, String, Option<TlsFailure>)> {
    let (config, roots) = tls(&[served.unwrap_or("nobody.example"), "mta-sts.a.example"]);
    let policies = policy.map(|policy| Policies::serve(&config, TEXT, policy));
    let (port, _heard) =
        serve_at("127.0.0.2:0", Script { tls: served.map(|_| config.clone()), ..Script::default() }, 1);
    let mut outgoing = match &policies {
        Some(policies) => outgoing(net, port, policies, &roots),
        None => net.outgoing(port),
    };
    let (tell, heard) = mpsc::channel();
    let tell = Mutex::new(tell);
    outgoing.direct.as_mut().unwrap().tls_told = Some(Arc::new(move |outcome: TlsOutcome| {
        assert_eq!(outcome.domain, "a.example");
        let _ = tell.lock().unwrap().send((outcome.promise, outcome.host, outcome.failure));
    }));
    let world = start_with(open(&SimEngine::new()), outgoing, 0);
    let id = send(&world, &["one@a.example"]);
    world.until(|queue| queue.show(id).map_or(true, |entry| entry.attempts == 1));
    world.sender.stop(TIME);
    heard.try_iter().collect()
}

#[test]
fn what_tls_made_of_a_session_is_told_with_what_its_domain_promises() {
    let text = |mode: &str, mx: &str| format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n");
    let sts = |mode: &str, mx: &str| {
        let lines = text(mode, mx).lines().map(str::to_owned).collect();
        Promise::Sts { lines, mx: vec![mx.to_owned()] }
    };
    let check = |policy: Option<(&str, &str)>, served: Option<&str>, expected: Option<TlsFailure>| {
        let told = told(&net(), policy.map(|(mode, mx)| text(mode, mx)).as_deref(), served);
        let promise = policy.map_or(Promise::Nothing, |(mode, mx)| sts(mode, mx));
        assert_eq!(told, [(promise, "mx.a.example".to_owned(), expected)], "{policy:?} {served:?}");
    };
    let (enforced, testing) = (Some(("enforce", "mx.a.example")), Some(("testing", "mx.a.example")));
    check(None, Some("mx.a.example"), None);
    check(None, None, Some(TlsFailure::NotSupported));
    check(enforced, Some("mx.a.example"), None);
    check(enforced, None, Some(TlsFailure::NotSupported));
    check(enforced, Some("other.example"), Some(TlsFailure::HostMismatch));
    check(Some(("enforce", "mx.b.example")), Some("mx.a.example"), Some(TlsFailure::Invalid));
    check(testing, Some("mx.a.example"), None);
    check(testing, Some("other.example"), Some(TlsFailure::HostMismatch));
    check(Some(("testing", "mx.b.example")), Some("mx.a.example"), Some(TlsFailure::Invalid));
}

#[test]
fn a_policy_that_cannot_be_had_is_told_with_what_kept_it() {
    for (policy, expected) in [("no policy", TlsFailure::PolicyInvalid), ("", TlsFailure::PolicyUnreachable)] {
        let net = net();
        if policy.is_empty() {
            net.names.clear("mta-sts.a.example");
        }
        let told = told(&net, Some(policy), Some("mx.a.example"));
        let nothing = Promise::Sts { lines: Vec::new(), mx: Vec::new() };
        let session = (Promise::Nothing, "mx.a.example".to_owned(), None);
        assert_eq!(told, [(nothing, String::new(), Some(expected)), session]);
    }
}
