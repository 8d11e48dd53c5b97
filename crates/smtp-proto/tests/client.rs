//! The client against scripted servers, each script once as a whole and once octet by octet.
#![allow(clippy::unwrap_used, missing_docs)]

use smtp_proto::client::Author;
use smtp_proto::{
    Client, ClientConfig, ClientStep, Credentials, ForwardPath, MailReports, Message, Outcome, Protocol, Rcpt,
    RcptReports, Return, ReversePath, Stage, TlsPolicy,
};

fn smtp() -> ClientConfig {
    ClientConfig { name: "pc".into(), protocol: Protocol::Smtp, tls: TlsPolicy::Never, credentials: None }
}

fn lmtp() -> ClientConfig {
    ClientConfig { protocol: Protocol::Lmtp, ..smtp() }
}

fn with_password(tls: TlsPolicy) -> ClientConfig {
    ClientConfig { tls, credentials: Some(Credentials { user: "u".into(), password: "p".into() }), ..smtp() }
}

const CONTENT: &[u8] = b"A: b\r\n\r\n.hi\r\n";

fn to(recipients: &[&str]) -> Message {
    let path = |text: &&str| Rcpt::from(ForwardPath::Mailbox(text.parse().unwrap()));
    Message {
        reverse_path: ReversePath::Mailbox("me@x".parse().unwrap()),
        recipients: recipients.iter().map(path).collect(),
        size_bytes: CONTENT.len() as u64,
        eight_bit: false,
        smtputf8: false,
        reports: MailReports::default(),
        deliver_by: None,
        requires_tls: false,
    }
}

/// How far the outcome is told in the tests: `ok 250`, `4 Rcpt 450 Server`.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { reply, .. } => format!("ok {}", reply.code),
        Outcome::Temporary(failure) => format!("4 {:?} {} {:?}", failure.stage, failure.reply.code, failure.author),
        Outcome::Permanent(failure) => format!("5 {:?} {} {:?}", failure.stage, failure.reply.code, failure.author),
        Outcome::NotTried => "not tried".to_owned(),
    }
}

/// `S: ` the server says, `C: ` the client must have said, `P: ` the same without a line end, `TLS` the handshake, `EOF` the server goes, `LATE` time passes.
/// What follows the last line of the server must be all that the client says. `NEXT` the connection is open and the message goes
/// once more, `END` it is open and ended: only where one of the two is in the script it is kept open.
fn play(config: &ClientConfig, message: &Message, script: &str, segment: usize) -> Vec<String> {
    let mut client = Client::new(config.clone(), message.clone(), 0);
    if script.contains("NEXT") || script.contains("END") {
        client = client.kept_open();
    }
    let mut outcomes = Vec::new();
    let mut output = Vec::new();
    let mut now = 0;
    let mut last = run(&mut client, now, &mut output);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let said = line.strip_prefix("C:").map(|said| said.trim_start().to_owned() + "\r\n");
        if let Some(expected) = said.or_else(|| Some(line.strip_prefix("P: ")?.replace("\\n", "\r\n"))) {
            assert!(output.starts_with(expected.as_bytes()), "{line}: {}", String::from_utf8_lossy(&output));
            output.drain(..expected.len());
            continue;
        }
        assert_eq!(String::from_utf8_lossy(&output), "", "before {line}");
        match line {
            "TLS" => {
                assert_eq!(last, ClientStep::StartTls);
                client.tls_started(now);
            }
            "NEXT" | "END" => {
                assert_eq!(last, ClientStep::Settled, "before {line}");
                outcomes.extend(client.take_outcomes());
                match line {
                    "NEXT" => client.next_message(message.clone(), now),
                    _ => client.quit(now),
                }
            }
            "EOF" => client.connection_lost("end of file"),
            "LATE" => now = client.deadline_millis(),
            _ => {
                let octets = line.strip_prefix("S: ").unwrap().replace("\\n", "\r\n") + "\r\n";
                for piece in octets.as_bytes().chunks(segment) {
                    client.receive(piece);
                    last = run(&mut client, now, &mut output);
                }
                continue;
            }
        }
        last = run(&mut client, now, &mut output);
    }
    assert_eq!(String::from_utf8_lossy(&output), "", "at the end");
    assert_eq!(last, ClientStep::Close);
    outcomes.extend(client.into_outcomes());
    outcomes.iter().map(told).collect()
}

fn run(client: &mut Client, now: u64, output: &mut Vec<u8>) -> ClientStep {
    run_with(CONTENT, 5, client, now, output)
}

/// Hands the message over in pieces.
fn run_with(content: &[u8], piece: usize, client: &mut Client, now: u64, output: &mut Vec<u8>) -> ClientStep {
    loop {
        match client.step(now, output) {
            ClientStep::Content(at) => client.content(content[at as usize..].chunks(piece).next().unwrap(), now),
            step => return step,
        }
    }
}

fn check(config: &ClientConfig, message: &Message, script: &str, expected: &[&str]) {
    assert_eq!(play(config, message, script, usize::MAX), expected);
    assert_eq!(play(config, message, script, 1), expected, "octet by octet");
}

#[test]
fn a_message_without_extensions() {
    check(
        &smtp(),
        &to(&["a@y", "b@y", "c@y", "d@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 250 y
         C: MAIL FROM:<me@x>
         S: 250 ok
         C: RCPT TO:<a@y>
         S: 250 ok
         C: RCPT TO:<b@y>
         S: 550 5.1.1 no
         C: RCPT TO:<c@y>
         S: 452 4.2.2 full
         C: RCPT TO:<d@y>
         S: 251 forwarded
         C: DATA
         S: 354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 taken
         C: QUIT
         S: 221 bye",
        &["ok 250", "5 Rcpt 550 Server", "4 Rcpt 452 Server", "ok 250"],
    );
}

#[test]
fn pipelining_size_and_helo() {
    check(
        &smtp(),
        &to(&["a@y", "b@y"]),
        "S: 220-hi\\n220 there
         C: EHLO pc
         S: 250-y\\n250-PIPELINING\\n250 SIZE 100
         C: MAIL FROM:<me@x> SIZE=13
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 ok\\n550 no\\n552 too many\\n554 nobody
         C: QUIT
         S: 221 bye",
        &["5 Rcpt 550 Server", "4 Rcpt 552 Server"],
    );
    check(
        &smtp(),
        &to(&["a@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 502 what
         C: HELO pc
         S: 250 y
         C: MAIL FROM:<me@x>
         S: 550 5.7.1 no
         C: QUIT
         S: 221 bye",
        &["5 Mail 550 Server"],
    );
    check(
        &smtp(),
        &to(&["a@y", "b@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250 PIPELINING
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         C: DATA
         S: 451 later\\n503 what\\n503 what\\n503 what
         C: QUIT
         EOF",
        &["4 Mail 451 Server", "4 Mail 451 Server"],
    );
}

/// RFC 2920 §3.1: a single dot ends what a server waits for that has taken nobody.
#[test]
fn a_server_that_takes_nobody_and_wants_the_message_gets_an_empty_one() {
    let begin = "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250 PIPELINING
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: DATA\n";
    let check = |end: &str, expected: &[&str]| check(&smtp(), &to(&["a@y"]), &format!("{begin}{end}"), expected);
    let again = "NEXT
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: DATA
         S: 250 ok\\n250 ok\\n554 no
         C: QUIT
         EOF";
    for said in ["250 taken", "554 nobody"] {
        let refused = format!("S: 250 ok\\n550 who\\n354 go\n C: .\n S: {said}\n");
        check(&format!("{refused} {again}"), &["5 Rcpt 550 Server", "5 Data 554 Server"]);
    }
    check("S: 250 ok\\n450 later\\n354 go\n C: .\n EOF", &["4 Rcpt 450 Server"]);
    check("S: 250 ok\\n450 later\\n354 go\n C: .\n LATE", &["4 Rcpt 450 Server"]);
    check("S: 250 ok\\n450 later\\n354 go\n C: .\n S: 421 bye", &["4 Rcpt 450 Server"]);
    check("S: 451 later\\n250 what\\n354 go\n C: .\n S: 250 taken\n C: QUIT\n EOF", &["4 Mail 451 Server"]);
    // One that was taken has the message, and what DATA is answered counts for it.
    check("S: 250 ok\\n250 ok\\n451 full\n C: QUIT\n EOF", &["4 Data 451 Server"]);
    check("S: 250 ok\\n250 ok\\n250 what\n C: QUIT\n EOF", &["4 Data 250 Server"]);
    check("S: 250 ok\\n250 ok\n EOF", &["4 Data 421 Client"]);
}

#[test]
fn the_window_is_bounded() {
    let recipients: Vec<String> = (0..150).map(|number| format!("r{number}@y")).collect();
    let message = to(&recipients.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = Client::new(smtp(), message, 0);
    let mut output = Vec::new();
    client.receive(b"220 hi\r\n250-y\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=150\r\n");
    client.step(0, &mut output);
    let lines = |output: &[u8]| output.iter().filter(|octet| **octet == b'\n').count();
    assert_eq!(lines(&output), 1 + 100);
    client.receive(b"250 ok\r\n");
    client.step(0, &mut output);
    assert_eq!(lines(&output), 1 + 101);
    client.receive("550 no\r\n".repeat(150).as_bytes());
    client.step(0, &mut output);
    assert_eq!(lines(&output), 1 + 152, "with DATA");
    client.receive(b"554 nobody\r\n");
    client.step(0, &mut output);
    assert_eq!(lines(&output), 1 + 152 + 1);
    assert!(client.into_outcomes().iter().all(|outcome| matches!(outcome, Outcome::Permanent(_))));
}

#[test]
fn lmtp_answers_for_each_recipient() {
    check(
        &lmtp(),
        &to(&["a@y", "b@y", "c@y"]),
        "S: 220 hi
         C: LHLO pc
         S: 250-y\\n250 PIPELINING
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         C: RCPT TO:<c@y>
         C: DATA
         S: 250 ok\\n250 ok\\n550 no\\n250 ok\\n354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 2.0.0 taken
         S: 452 4.2.2 full
         C: QUIT
         S: 221 bye",
        &["ok 250", "5 Rcpt 550 Server", "4 Message 452 Server"],
    );
}

#[test]
fn tls_when_it_shall_be() {
    let required = ClientConfig { tls: TlsPolicy::Required, ..smtp() };
    let opportunistic = ClientConfig { tls: TlsPolicy::Opportunistic, ..smtp() };
    let begin = "S: 220 hi
                 C: EHLO pc
                 S: 250-y\\n250 STARTTLS
                 C: STARTTLS\n";
    let end = "C: MAIL FROM:<me@x>
               S: 550 no
               C: QUIT
               S: 221 bye";
    // What the server injected before the handshake is gone.
    let injected = format!("{begin} S: 220 go\\n250-y\\n250 AUTH PLAIN\n TLS\n C: EHLO pc\n S: 250 y\n {end}");
    let mut client = Client::new(required.clone(), to(&["a@y"]), 0);
    let mut output = Vec::new();
    client.receive(b"220 hi\r\n250-y\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n");
    assert_eq!(client.step(0, &mut output), ClientStep::StartTls);
    client.tls_started(0);
    assert_eq!(client.step(0, &mut output), ClientStep::Wait);
    assert_eq!(output, b"EHLO pc\r\nSTARTTLS\r\nEHLO pc\r\n");
    assert_eq!(play(&required, &to(&["a@y"]), &injected, usize::MAX), ["5 Mail 550 Server"]);

    check(&required, &to(&["a@y"]), &format!("{begin} S: 454 no\n C: QUIT\n S: 221 bye"), &["4 StartTls 454 Server"]);
    check(&opportunistic, &to(&["a@y"]), &format!("{begin} S: 454 no\n {end}"), &["5 Mail 550 Server"]);
    check(
        &required,
        &to(&["a@y"]),
        "S: 220 hi\n C: EHLO pc\n S: 250 y\n C: QUIT\n S: 221 bye",
        &["4 StartTls 454 Client"],
    );
}

#[test]
fn passwords_are_sent_under_tls_or_not_at_all() {
    let mail = "C: MAIL FROM:<me@x>\n S: 550 no\n C: QUIT\n S: 221 bye";
    check(
        &with_password(TlsPolicy::Opportunistic),
        &to(&["a@y"]),
        "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 AUTH PLAIN\n C: QUIT\n S: 221 bye",
        &["4 Auth 454 Client"],
    );
    check(
        &with_password(TlsPolicy::Implicit),
        &to(&["a@y"]),
        &format!(
            "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 AUTH PLAIN LOGIN\n C: AUTH PLAIN AHUAcA==\n S: 235 ok\n {mail}"
        ),
        &["5 Mail 550 Server"],
    );
    check(
        &with_password(TlsPolicy::Never),
        &to(&["a@y"]),
        &format!(
            "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 AUTH LOGIN\n C: AUTH LOGIN\n S: 334 VXNlcm5hbWU6\n C: dQ==
             S: 334 UGFzc3dvcmQ6\n C: cA==\n S: 235 ok\n {mail}"
        ),
        &["5 Mail 550 Server"],
    );
    check(
        &with_password(TlsPolicy::Never),
        &to(&["a@y"]),
        "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 AUTH PLAIN\n C: AUTH PLAIN AHUAcA==\n S: 535 5.7.8 no\n C: QUIT\n EOF",
        &["4 Auth 535 Server"],
    );
    check(
        &with_password(TlsPolicy::Never),
        &to(&["a@y"]),
        "S: 220 hi\n C: EHLO pc\n S: 250 y\n C: QUIT\n EOF",
        &["4 Auth 454 Client"],
    );
    assert!(!format!("{:?}", with_password(TlsPolicy::Never)).contains("\"p\""));
}

#[test]
fn what_the_server_does_not_take_is_told_at_once() {
    let refused = |message: &Message, offer: &str, outcome: &str| {
        check(
            &smtp(),
            message,
            &format!("S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 {offer}\n C: QUIT\n EOF"),
            &[outcome],
        );
    };
    refused(&to(&["a@y"]), "SIZE 12", "5 Mail 552 Client");
    refused(&to(&["ä@y"]), "SIZE 0", "5 Mail 553 Client");
    refused(&Message { smtputf8: true, ..to(&["a@y"]) }, "SIZE", "5 Mail 553 Client");
    refused(&Message { size_bytes: 4, eight_bit: true, ..to(&["a@y"]) }, "SIZE", "5 Mail 554 Client");
    check(
        &smtp(),
        &Message { size_bytes: 4, eight_bit: true, smtputf8: true, ..to(&["a@y"]) },
        "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250-SMTPUTF8\\n250-SIZE 13\\n250 8BITMIME
         C: MAIL FROM:<me@x> SIZE=4 BODY=8BITMIME SMTPUTF8
         S: 421 bye",
        &["4 Mail 421 Server"],
    );
}

#[test]
fn a_lost_connection_is_never_an_answer() {
    let to_data = "S: 220 hi\n C: EHLO pc\n S: 250 y\n C: MAIL FROM:<me@x>\n S: 250 ok\n C: RCPT TO:<a@y>\n S: 250 ok\n C: DATA\n";
    let sent = format!("{to_data} S: 354 go\n C: A: b\n C:\n C: ..hi\n C: .\n");
    check(&smtp(), &to(&["a@y"]), "EOF", &["4 Greeting 421 Client"]);
    check(&smtp(), &to(&["a@y"]), "LATE", &["4 Greeting 421 Client"]);
    check(&smtp(), &to(&["a@y"]), "S: 554 no\n C: QUIT\n LATE", &["4 Greeting 554 Server"]);
    check(&smtp(), &to(&["a@y"]), "S: HTTP/1.1 400 Bad Request", &["4 Greeting 451 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{to_data} EOF"), &["4 Data 421 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{to_data} LATE"), &["4 Data 421 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{to_data} S: 250 what\n C: QUIT\n EOF"), &["4 Data 250 Server"]);
    check(&smtp(), &to(&["a@y"]), &format!("{to_data} S: 554 no\n C: QUIT\n EOF"), &["5 Data 554 Server"]);
    check(&smtp(), &to(&["a@y"]), &format!("{sent} EOF"), &["4 Message 421 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{sent} LATE"), &["4 Message 421 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{sent} S: 554 spam\n C: QUIT\n EOF"), &["5 Message 554 Server"]);
    check(&smtp(), &to(&["a@y"]), &format!("{sent} S: 250 ok\n C: QUIT\n LATE"), &["ok 250"]);
}

#[test]
fn a_large_message_is_sent_in_pieces() {
    let content = ".line\r\n".repeat(100_000).into_bytes();
    let mut client = Client::new(smtp(), Message { size_bytes: content.len() as u64, ..to(&["a@y"]) }, 0);
    let mut output = Vec::new();
    client.receive(b"220 hi\r\n250 y\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    let mut wire = Vec::new();
    let mut pieces = 0;
    loop {
        let step = client.step(0, &mut output);
        assert!(output.len() < 128 * 1024);
        wire.append(&mut output);
        match step {
            ClientStep::Content(at) => client.content(content[at as usize..].chunks(64 * 1024).next().unwrap(), 0),
            step => break assert_eq!(step, ClientStep::Wait),
        }
        pieces += 1;
    }
    assert_eq!(pieces, content.len().div_ceil(64 * 1024));
    let mut expected = b"EHLO pc\r\nMAIL FROM:<me@x>\r\nRCPT TO:<a@y>\r\nDATA\r\n".to_vec();
    let mut stuffer = line_proto::Stuffer::new();
    stuffer.write(&content, &mut expected);
    stuffer.finish(&mut expected);
    assert!(wire == expected);
    client.connection_lost("reset");
    let outcomes = client.into_outcomes();
    let [Outcome::Temporary(failure)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((failure.stage, failure.author), (Stage::Message, Author::Client));
    assert!(failure.reply.text().contains("the message: reset"), "{}", failure.reply);
}

#[test]
fn bare_line_ends_are_never_sent() {
    let lines = ("250 y", "354 go\r\n", "DATA\r\na\r\n..\r\nb c\r\n.\r\n");
    let chunks = ("250-y\r\n250 CHUNKING", "", "BDAT 11 LAST\r\na\r\n.\r\nb c\r\n");
    for (offer, go, expected) in [lines, chunks] {
        let mut client = Client::new(smtp(), Message { size_bytes: 7, ..to(&["a@y"]) }, 0);
        let mut output = Vec::new();
        client.receive(format!("220 hi\r\n{offer}\r\n250 ok\r\n250 ok\r\n{go}").as_bytes());
        run_with(b"a\n.\nb\rc", 100, &mut client, 0, &mut output);
        assert!(output.ends_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&output));
    }
}

#[test]
fn a_server_with_chunking_gets_chunks() {
    let begin = |offer: &str| {
        format!(
            "S: 220 hi
             C: EHLO pc
             S: 250-y\\n250-CHUNKING\\n250 {offer}
             C: MAIL FROM:<me@x>"
        )
    };
    let one_by_one = begin("X")
        + "
         S: 250 ok
         C: RCPT TO:<a@y>
         S: 250 ok
         C: BDAT 4
         P: A: b
         S: 250 four
         C: BDAT 6
         P: \\n\\n.h
         ";
    let last = "S: 250 ten
         C: BDAT 3 LAST
         P: i\\n
         ";
    let end = "C: QUIT\n S: 221 bye";
    check(&smtp(), &to(&["a@y"]), &format!("{one_by_one}{last}S: 250 taken\n{end}"), &["ok 250"]);
    check(&smtp(), &to(&["a@y"]), &format!("{one_by_one}{last}S: 554 spam\n{end}"), &["5 Message 554 Server"]);
    check(&smtp(), &to(&["a@y"]), &format!("{one_by_one}{last}EOF"), &["4 Message 421 Client"]);
    check(&smtp(), &to(&["a@y"]), &format!("{one_by_one}S: 552 large\n{end}"), &["5 Message 552 Server"]);

    let in_a_row = begin("PIPELINING")
        + "
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         S: 250 ok\\n250 ok\\n550 no
         C: BDAT 4
         P: A: b
         C: BDAT 6
         P: \\n\\n.h
         C: BDAT 3 LAST
         P: i\\n
         ";
    let both = to(&["a@y", "b@y"]);
    check(&smtp(), &both, &format!("{in_a_row}S: 250 4\\n250 6\\n250 taken\n{end}"), &["ok 250", "5 Rcpt 550 Server"]);
    // What follows a chunk that was refused says nothing.
    let refused = format!("{in_a_row}S: 250 4\\n452 full\n{end}");
    check(&smtp(), &both, &refused, &["4 Message 452 Server", "5 Rcpt 550 Server"]);
}

#[test]
fn a_flood_of_replies_is_bounded() {
    let mut client = Client::new(smtp(), to(&["a@y"]), 0);
    for _ in 0..300 {
        client.receive(&[b'x'; 1024]);
    }
    assert_eq!(client.step(0, &mut Vec::new()), ClientStep::Close);
    let outcomes = client.into_outcomes();
    assert_eq!(told(&outcomes[0]), "4 Greeting 451 Client");
}

#[test]
fn one_connection_takes_message_after_message() {
    check(
        &smtp(),
        &to(&["a@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250 PIPELINING
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: DATA
         S: 250 ok\\n250 ok\\n354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 taken
         NEXT
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: DATA
         S: 250 ok\\n550 5.1.1 who\\n503 nobody
         NEXT
         C: RSET
         S: 250 ok
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: DATA
         S: 250 ok\\n450 4.2.0 greylisted\\n503 nobody
         END
         C: QUIT
         S: 221 bye",
        &["ok 250", "5 Rcpt 550 Server", "4 Rcpt 450 Server"],
    );
}

#[test]
fn a_server_that_has_gone_away_meanwhile_is_noticed_before_it_has_the_message() {
    let begin = "S: 220 hi
         C: EHLO pc
         S: 250 y
         C: MAIL FROM:<me@x>
         S: 250 ok
         C: RCPT TO:<a@y>
         S: 550 who
         NEXT
         C: RSET";
    let check = |end: &str, expected: &str| {
        check(&smtp(), &to(&["a@y"]), &format!("{begin}\n{end}"), &["5 Rcpt 550 Server", expected]);
    };
    check("S: 421 idle for too long", "4 Mail 421 Server");
    check("EOF", "4 Mail 421 Client");
    check("S: 250 ok\nC: MAIL FROM:<me@x>\nEOF", "4 Mail 421 Client");
}

#[test]
fn a_server_says_how_much_it_takes() {
    check(
        &smtp(),
        &to(&["a@y", "b@y", "c@y", "d@y", "e@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250-PIPELINING\\n250 LIMITS RCPTMAX=2 MAILMAX=2
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 ok\\n550 who\\n550 who\\n503 nobody
         C: RSET
         S: 250 ok
         C: MAIL FROM:<me@x>
         C: RCPT TO:<c@y>
         C: RCPT TO:<d@y>
         C: DATA
         S: 250 ok\\n250 ok\\n250 ok\\n354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 taken
         C: QUIT
         S: 221 bye
         ",
        &["5 Rcpt 550 Server", "5 Rcpt 550 Server", "ok 250", "ok 250", "not tried"],
    );
}

#[test]
fn who_were_too_many_for_one_transaction_follow_in_the_next() {
    check(
        &smtp(),
        &to(&["a@y", "b@y", "c@y"]),
        "S: 220 hi
         C: EHLO pc
         S: 250-y\\n250 PIPELINING
         C: MAIL FROM:<me@x>
         C: RCPT TO:<a@y>
         C: RCPT TO:<b@y>
         C: RCPT TO:<c@y>
         C: DATA
         S: 250 ok\\n250 ok\\n452 4.5.3 too many\\n452 4.2.2 full\\n354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 taken
         C: MAIL FROM:<me@x>
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 ok\\n452 4.5.3 still too many\\n503 nobody
         C: QUIT
         S: 221 bye",
        &["ok 250", "4 Rcpt 452 Server", "4 Rcpt 452 Server"],
    );
}

#[test]
fn what_was_asked_of_reports_goes_on_to_servers_that_know_them_and_only_there() {
    let mut message = to(&["a@y", "b@y"]);
    message.reports = MailReports { ret: Some(Return::Header), envelope_id: Some("a+b c".into()) };
    let reports = RcptReports { notify: "SUCCESS,FAILURE".parse().ok(), original: "rfc822;x+2By@z".parse().ok() };
    message.recipients[0].reports = reports;
    let answer = run;
    let run = |offer: &str, mail: &str, rcpt: &str, expected: bool| {
        let script = format!(
            "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 {offer}
             C: MAIL FROM:<me@x>{mail}\n S: 250 ok
             C: RCPT TO:<a@y>{rcpt}\n S: 250 ok
             C: RCPT TO:<b@y>\n S: 250 ok\n C: DATA\n S: 354 go"
        );
        let mut client = Client::new(smtp(), message.clone(), 0);
        let mut output = Vec::new();
        for line in script.lines().map(str::trim) {
            if let Some(said) = line.strip_prefix("S: ") {
                client.receive((said.replace("\\n", "\r\n") + "\r\n").as_bytes());
                output.clear();
                answer(&mut client, 0, &mut output);
            } else if let Some(said) = line.strip_prefix("C: ") {
                assert_eq!(String::from_utf8_lossy(&output), format!("{said}\r\n"));
            }
        }
        client.receive(b"250 taken\r\n");
        client.step(0, &mut output);
        let knows = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { reports, .. } if *reports == expected);
        let outcomes = client.into_outcomes();
        assert!(outcomes.iter().all(knows), "{outcomes:?}");
    };
    run("DSN", " RET=HDRS ENVID=a+2Bb+20c", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@z", true);
    run("HELP", "", "", false);
}

#[test]
fn a_message_with_a_time_goes_only_where_the_time_is_kept() {
    let message = |by: &str| Message { deliver_by: by.parse().ok(), ..to(&["a@y"]) };
    let begin = |offer: &str| format!("S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 {offer}");
    let refused = |by: &str, offer: &str| {
        check(&smtp(), &message(by), &format!("{}\n C: QUIT\n EOF", begin(offer)), &["5 Mail 554 Client"]);
    };
    let sent = |by: &str, offer: &str, said: &str| {
        let script = format!("{}\n C: MAIL FROM:<me@x>{said}\n EOF", begin(offer));
        check(&smtp(), &message(by), &script, &["4 Mail 421 Client"]);
    };
    refused("60;R", "HELP");
    refused("60;R", "DELIVERBY 61");
    sent("60;R", "DELIVERBY 60", " BY=60;R");
    sent("60;NT", "DELIVERBY", " BY=60;NT");
    sent("60;N", "DELIVERBY 61", "");
    sent("60;N", "HELP", "");
}

/// RFC 8689 §2, §4.2.1, §5.
#[test]
fn a_message_that_has_to_stay_protected_goes_to_nobody_who_does_not_promise_it() {
    let tls = ClientConfig { tls: TlsPolicy::Required, ..smtp() };
    let required = Message { requires_tls: true, ..to(&["a@y"]) };
    let begin = |before: &str, offer: &str| {
        format!(
            "S: 220 hi
             C: EHLO pc
             S: 250-y\\n250-{before}\\n250 STARTTLS
             C: STARTTLS
             S: 220 go
             TLS
             C: EHLO pc
             S: 250-y\\n250 {offer}
             "
        )
    };
    let rest = "S: 250 ok
         C: RCPT TO:<a@y>
         S: 250 ok
         C: DATA
         S: 354 go
         C: A: b
         C:
         C: ..hi
         C: .
         S: 250 taken
         C: QUIT
         EOF";
    let promised = begin("X", "REQUIRETLS") + "C: MAIL FROM:<me@x> REQUIRETLS\n" + rest;
    check(&tls, &required, &promised, &["ok 250"]);
    // What was promised in the clear is promised by nobody.
    let refused = ["5 Mail 550 Client"];
    check(&tls, &required, &(begin("REQUIRETLS", "HELP") + "C: QUIT\n EOF"), &refused);
    check(&smtp(), &required, "S: 220 hi\n C: EHLO pc\n S: 250-y\\n250 REQUIRETLS\n C: QUIT\n EOF", &refused);
    let bounce = Message { reverse_path: ReversePath::Null, ..required };
    check(&tls, &bounce, &(begin("X", "HELP") + "C: MAIL FROM:<>\n" + rest), &["ok 250"]);
    check(&tls, &to(&["a@y"]), &(begin("X", "REQUIRETLS") + "C: MAIL FROM:<me@x>\n" + rest), &["ok 250"]);
}
