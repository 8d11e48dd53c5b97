//! Filters over real sockets: what they are asked, and what follows where they are down, slow to speak or speak nonsense.

#![allow(clippy::unwrap_used)]

use scan::{Down, Filters, Opinion, Place, Question, Scanner, Server, Verdict};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

fn question() -> Question {
    Question {
        id: "1a".into(),
        hostname: "mail.example.org".into(),
        address: "192.0.2.1".parse().unwrap(),
        name: Some("mail.client.example".into()),
        helo: "client.example".into(),
        tls: Some("TLSv1.3".into()),
        mail_from: "a@client.example".into(),
        recipients: vec!["b@example.org".into(), "c@example.org".into()],
        content: b"Subject: x\r\n\r\ntext\r\n".to_vec(),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Serves one connection.
fn serve<T: Send + 'static>(with: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || with(listener.accept().unwrap().0)))
}

/// Nobody listens there.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn ask(rspamd: Option<SocketAddr>, milters: Vec<SocketAddr>, down: Down) -> Opinion {
    let rspamd = rspamd.map(|address| format!("http://{address}").parse().unwrap());
    let filters = Filters::new(rspamd, milters.into_iter().map(Place::Inet).collect(), down);
    let room = filters.reserve(100).unwrap();
    block_on(filters.ask(Some((question(), room))))
}

/// Reads a request, and answers it.
fn answer(mut stream: impl Read + Write, status: &str, body: &str) -> String {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).unwrap();
        request.push(octet[0]);
    }
    let head = String::from_utf8(request).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut content = vec![0; length];
    stream.read_exact(&mut content).unwrap();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    head + &String::from_utf8(content).unwrap()
}

#[test]
fn rspamd_hears_who_sends_what_to_whom() {
    let body = r#"{"action": "reject", "score": 20.0, "required_score": 15.0, "symbols": {}}"#;
    let (address, heard) = serve(move |stream| answer(stream, "200 OK", body));
    let opinion = ask(Some(address), Vec::new(), Down::Accept);
    assert_eq!((opinion.verdict, opinion.reason.as_str()), (Verdict::Refuse, "It looks like junk (20.0 of 15.0)"));
    let heard = heard.join().unwrap();
    for expected in [
        "post /checkv2 http/1.1\r\n",
        "\r\nip: 192.0.2.1\r\n",
        "\r\nhelo: client.example\r\n",
        "\r\nhostname: mail.client.example\r\n",
        "\r\nfrom: a@client.example\r\n",
        "\r\nrcpt: b@example.org\r\n",
        "\r\nrcpt: c@example.org\r\n",
        "\r\n\r\nSubject: x\r\n\r\ntext\r\n",
    ] {
        assert!(heard.contains(expected), "{expected:?} in {heard}");
    }
}

#[test]
fn a_filter_that_is_down_or_speaks_nonsense_is_what_its_administrator_chose() {
    let check = |address: &dyn Fn() -> SocketAddr, is_milter: bool| {
        for (down, verdict) in [(Down::Accept, Verdict::Deliver), (Down::Later, Verdict::Later)] {
            let (rspamd, milters) = if is_milter { (None, vec![address()]) } else { (Some(address()), vec![]) };
            assert_eq!(ask(rspamd, milters, down).verdict, verdict);
        }
    };
    check(&nowhere, false);
    check(&nowhere, true);
    check(&|| serve(drop).0, false);
    check(&|| serve(drop).0, true);
    for (status, body) in [("200 OK", "no JSON"), ("500 Oops", "{\"action\": \"reject\"}"), ("403 Forbidden", "")] {
        check(&|| serve(move |stream| answer(stream, status, body)).0, false);
    }
    check(&|| serve(|stream| answer(stream, "200 OK", &" ".repeat(2_000_000))).0, false);
    check(&|| serve(|mut stream| stream.write_all(&[0xff; 100]).unwrap()).0, true);
}

/// A milter that says `verdict` at the end, after it asked for a field. What it heard of header fields.
fn milter(mut stream: TcpStream, verdict: &[u8]) -> Vec<String> {
    let mut fields = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut packet).unwrap();
        let mut say = |said: &[u8]| {
            stream.write_all(&[&(said.len() as u32).to_be_bytes(), said].concat()).unwrap();
        };
        match packet[0] {
            b'O' => say(&[&b"O"[..], &6_u32.to_be_bytes(), &1_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat()),
            b'D' => {}
            b'Q' => return fields,
            b'E' => {
                say(b"hX-Milter\0seen\0");
                say(verdict);
            }
            letter => {
                if letter == b'L' {
                    fields.push(String::from_utf8_lossy(&packet[1..]).replace('\0', "|"));
                }
                say(b"c");
            }
        }
    }
}

#[test]
fn the_next_milter_sees_what_the_one_before_it_added() {
    let (first, heard_first) = serve(|stream| milter(stream, b"c"));
    let (second, heard_second) = serve(|stream| milter(stream, b"y550 5.7.1 No\0"));
    let opinion = ask(None, vec![first, second, nowhere()], Down::Later);
    assert_eq!((opinion.verdict, opinion.reason.as_str(), opinion.edits.len()), (Verdict::Refuse, "No", 2));
    assert_eq!(heard_first.join().unwrap(), ["Subject|x|"]);
    assert_eq!(heard_second.join().unwrap(), ["Subject|x|", "X-Milter|seen|"]);
}

#[test]
fn a_lesson_that_was_learnt_before_is_learnt() {
    for (status, is_learnt) in [
        ("200 OK", true),
        ("208 Already Reported", true),
        ("204 No Content", true),
        ("404 No", false),
        ("500 No", false),
    ] {
        let (address, heard) = serve(move |stream| answer(stream, status, "{}"));
        let controller = format!("http://{address}").parse().unwrap();
        let learnt = block_on(scan::teach(&controller, true, b"Subject: x\r\n\r\n".to_vec()));
        assert_eq!(learnt.is_ok(), is_learnt, "{learnt:?}");
        assert!(heard.join().unwrap().starts_with("post /learnspam http/1.1\r\n"));
    }
}

#[test]
fn a_socket_in_the_file_system_is_asked_and_taught_like_a_port() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let heard = thread::spawn(move || {
        let junk = "{\"action\": \"add header\", \"score\": 7, \"required_score\": 15}";
        [junk, "{}"].map(|body| answer(listener.accept().unwrap().0, "200 OK", body))
    });
    let server = Server::Unix(path);
    let filters = Filters::new(Some(server.clone()), Vec::new(), Down::Later);
    let room = filters.reserve(100).unwrap();
    assert_eq!(block_on(filters.ask(Some((question(), room)))).verdict, Verdict::Junk);
    block_on(scan::teach(&server, false, b"Subject: y\r\n\r\n".to_vec())).unwrap();
    let [asked, taught] = heard.join().unwrap();
    assert!(
        asked.starts_with("post /checkv2 http/1.1\r\nhost: localhost\r\n") && asked.ends_with("text\r\n"),
        "{asked}"
    );
    assert!(taught.starts_with("post /learnham http/1.1\r\n") && taught.ends_with("Subject: y\r\n\r\n"), "{taught}");
}
