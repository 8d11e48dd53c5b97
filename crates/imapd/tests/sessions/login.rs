//! Before login: greeting, TLS, passwords, delays, limits (RFC 9051 §6.1, §6.2).

use crate::harness::{NOW, PASSWORD, Server};
use session::{Goodbye, Step, Tls};
use std::net::{IpAddr, Ipv4Addr};

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

#[test]
fn the_greeting_tells_what_works() {
    let (_, greeting) = Server::new().connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ "), "{greeting}");
    assert!(
        greeting.contains(" STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] mail.example.org Pillarbox ready\r\n"),
        "{greeting}"
    );
}

#[test]
fn no_password_goes_over_the_network_in_the_clear() {
    let (mut client, greeting) = Server::new().connect_from(STRANGER, None);
    assert!(greeting.contains(" LOGINDISABLED]") && !greeting.contains("AUTH="), "{greeting}");
    client.check("a LOGIN alice@example.org secret", &["a NO [PRIVACYREQUIRED] Begin TLS first"]);
    client.check("a AUTHENTICATE PLAIN AGEAYg==", &["a NO [PRIVACYREQUIRED] Begin TLS first"]);
}

#[test]
fn what_was_pipelined_before_the_handshake_does_not_survive_it() {
    let (mut client, _) = Server::new().connect_from(STRANGER, None);
    assert_eq!(client.raw("a STARTTLS\r\nb NOOP\r\n"), "a OK Begin TLS now\r\n");
    assert_eq!(client.step, Step::StartTls);
    client.start_tls();
    client.check_news(&[]);
    client.check("c STARTTLS", &["c BAD TLS is already there"]);
    assert!(client.send(&format!("d LOGIN alice@example.org \"{PASSWORD}\"")).starts_with("d OK [CAPABILITY"));
}

#[test]
fn implicit_tls_allows_login() {
    let tls = Tls { version: "TLSv1.3".into(), cipher: "x".into(), ..Tls::default() };
    let (_, greeting) = Server::new().connect_from(STRANGER, Some(tls));
    assert!(greeting.contains(" AUTH=PLAIN AUTH=LOGIN]") && !greeting.contains("STARTTLS"), "{greeting}");
}

#[test]
fn every_way_to_log_in() {
    let server = Server::new();
    // \0alice@example.org\0correct horse battery
    let plain = "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";
    let ok = |answer: String| assert!(answer.starts_with("a OK [CAPABILITY IMAP4rev1 "), "{answer}");
    ok(server.connect().send(&format!("a AUTHENTICATE PLAIN {plain}")));

    let mut client = server.connect();
    client.check("a AUTHENTICATE PLAIN", &["+ "]);
    ok(client.send(plain));

    let mut client = server.connect();
    client.check("a authenticate login", &["+ VXNlcm5hbWU6"]);
    client.check("YWxpY2VAZXhhbXBsZS5vcmc=", &["+ UGFzc3dvcmQ6"]);
    ok(client.send("Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"));
    client.check("b LOGIN a b", &["b BAD Already logged in"]);

    let mut client = server.connect();
    client.check("a LOGIN {17}", &["+ Send the literal"]);
    ok(client.raw("alice@example.org {21+}\r\ncorrect horse battery\r\n"));
}

#[test]
fn exchanges_that_come_to_nothing() {
    let mut client = Server::new().connect();
    client.check("a AUTHENTICATE CRAM-MD5", &["a NO [CANNOT] Unknown mechanism"]);
    client.check("a AUTHENTICATE PLAIN", &["+ "]);
    client.check("*", &["a BAD Cancelled"]);
    client.check("a AUTHENTICATE PLAIN", &["+ "]);
    client.check("?", &["a BAD Not base64"]);
    client.check("a AUTHENTICATE PLAIN =", &["a NO [AUTHENTICATIONFAILED] The response has a part missing"]);
    let mut client = Server::new().connect();
    // bob\0alice@example.org\0x
    client.check(
        "a AUTHENTICATE PLAIN Ym9iAGFsaWNlQGV4YW1wbGUub3JnAHg=",
        &["a NO [AUTHORIZATIONFAILED] You cannot act as another user"],
    );
    client.check("a SELECT INBOX", &["a BAD Log in first"]);
    client.check("a NOOP", &["a OK NOOP done"]);
}

#[test]
fn the_answer_to_a_wrong_password_waits_and_the_fifth_is_the_last() {
    let mut client = Server::new().connect();
    for attempt in 1..=5 {
        client.check(&format!("a LOGIN alice@example.org wrong{attempt}"), &[]);
        let until = client.deadline().unwrap();
        assert!(until > client.now.monotonic_millis);
        client.check("b NOOP", &[]);
        client.later(until - client.now.monotonic_millis);
        let answer = client.poll();
        let bye = if attempt < 5 { "" } else { "* BYE [CLIENTBUG] Too many failed logins\r\n" };
        let no = format!("{bye}a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
        assert!(answer.starts_with(&no), "{answer}");
        assert_eq!(answer.contains("b OK"), attempt < 5);
        assert_eq!(client.step, if attempt < 5 { Step::Wait } else { Step::Close });
    }
}

#[test]
fn who_waits_for_an_answer_cannot_fill_the_memory() {
    let mut client = Server::new().connect();
    client.check("a LOGIN alice@example.org wrong", &[]);
    for _ in 0..5 {
        client.raw([b'x'; 16 * 1024]);
    }
    assert_eq!(client.step, Step::Close);
}

#[test]
fn login_has_a_minute() {
    let mut client = Server::new().connect();
    assert_eq!(client.deadline(), Some(NOW.monotonic_millis + 60_000));
    client.later(59_999);
    client.check("a NOOP", &["a OK NOOP done"]);
    client.later(1);
    client.check_news(&["* BYE Login took too long"]);
    assert_eq!(client.step, Step::Close);
}

#[test]
fn a_stranger_may_send_a_hundred_commands() {
    let mut client = Server::new().connect();
    for _ in 0..100 {
        client.check("a NOOP", &["a OK NOOP done"]);
    }
    client.check("a NOOP", &["* BYE [CLIENTBUG] Too many commands before login"]);
    assert_eq!(client.step, Step::Close);
}

#[test]
fn nonsense_ends_the_session_in_the_end() {
    let mut client = Server::new().connect();
    for _ in 0..49 {
        client.check("a FROB", &["a BAD Unknown command"]);
    }
    client.check("a FROB", &["a BAD Unknown command", "* BYE [CLIENTBUG] Too many bad commands"]);
}

#[test]
fn logout() {
    let mut client = Server::new().connect();
    client.check("a LOGOUT", &["* BYE Goodbye", "a OK LOGOUT done"]);
    assert_eq!(client.step, Step::Close);
    assert_eq!(client.deadline(), None);
    assert_eq!(client.shut_down(Goodbye::ServerStops), "");
}

#[test]
fn a_server_that_stops_says_goodbye() {
    let server = Server::new();
    let goodbye = |why| server.alice_in_inbox().shut_down(why);
    assert_eq!(goodbye(Goodbye::ServerStops), "* BYE [UNAVAILABLE] The server stops, come again soon\r\n");
    assert_eq!(goodbye(Goodbye::Ended), "* BYE An administrator has ended this session\r\n");
}

#[test]
fn a_session_that_was_ended_in_the_middle_of_a_message_lost_it() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    assert_eq!(client.busy_with(), None);
    // A short one and a long one, which is given away as it comes; one that waits to be asked for, and has two parts.
    for bytes in [10, 90_000] {
        assert_eq!(client.raw(format!("a APPEND INBOX {{{bytes}+}}\r\n")), "");
        assert_eq!(client.busy_with(), Some("APPEND"));
        client.raw("x".repeat(bytes / 2));
        assert_eq!(client.busy_with(), Some("APPEND"), "{bytes}");
        client.raw("x".repeat(bytes - bytes / 2));
        assert_eq!(client.busy_with(), Some("APPEND"), "{bytes}: its last line is not there");
        assert!(client.send("").contains("a OK [APPENDUID"));
        assert_eq!(client.busy_with(), None, "{bytes}");
    }
    client.check("a UID REPLACE 1 INBOX {3}", &["+ Send the literal"]);
    assert_eq!(client.busy_with(), Some("REPLACE"));
    client.send("abc");
    assert_eq!(client.busy_with(), None);
    assert!(client.send("a APPEND INBOX CATENATE (TEXT {3+}").is_empty() && client.raw("abc").is_empty());
    assert!(client.raw(" URL {3+}\r\nx").is_empty());
    assert_eq!(client.busy_with(), Some("APPEND"));
    client.raw("yz ");
    assert_eq!(client.busy_with(), Some("APPEND"), "between two parts");
    client.send(")");
    assert_eq!(client.busy_with(), None);
    // A refused one is not waited for, nor what a stranger brings.
    assert!(client.raw("a APPEND INBOX {9999999+}\r\nabc").is_empty());
    assert_eq!(client.busy_with(), None);
    let mut stranger = server.connect();
    assert!(stranger.raw("a APPEND INBOX {10+}\r\nabc").is_empty());
    assert_eq!(stranger.busy_with(), None);
}

#[test]
fn a_program_that_names_itself_is_a_device_of_its_own() {
    let server = Server::new();
    let names = || {
        let devices = server.account().devices().unwrap();
        devices.values().map(|device| device.name.clone()).collect::<Vec<_>>()
    };
    let mut before = server.connect();
    before.check("a ID (\"name\" \"K-9 Mail\")", &["* ID (\"name\" \"Pillarbox\")", "a OK ID done"]);
    before.send(&format!("b LOGIN alice@example.org \"{PASSWORD}\""));
    let mut after = server.alice();
    after.check("a ID (\"name\" \"Thunderbird\")", &["* ID (\"name\" \"Pillarbox\")", "a OK ID done"]);
    after.check("a ID NIL", &["* ID (\"name\" \"Pillarbox\")", "a OK ID done"]);
    let names = names().join(", ");
    assert!(names.contains("K-9 Mail") && names.contains("Thunderbird"), "{names}");
}

#[test]
fn a_revoked_device_and_a_disabled_account_are_shown_out_at_once() {
    let revoke = |server: &Server| {
        let account = server.account();
        let actor = store::Actor {
            device: store::DeviceId(0),
            protocol: store::Protocol::Cli,
            now: store::Timestamp(NOW.unix_millis),
        };
        for device in account.devices().unwrap().keys() {
            account.revoke_device(actor, *device).unwrap();
        }
    };
    let directory = |server: &Server| server.service.auth.directory().clone();
    let ways: [&dyn Fn(&Server); 4] = [
        &revoke,
        &|server| directory(server).set_disabled("alice@example.org", true).unwrap(),
        &|server| directory(server).set_password("alice@example.org", "another horse").unwrap(),
        &|server| directory(server).remove_account("alice@example.org").unwrap(),
    ];
    const BYE: &str = "* BYE This login does not count any more; log in again";
    for way in ways {
        let server = Server::new();
        let (mut speaks, mut silent, mut idles) = (server.alice_in_inbox(), server.alice(), server.alice_in_inbox());
        idles.check("i IDLE", &["+ idling"]);
        let clients = [&silent, &idles];
        assert!(clients.iter().all(|client| !client.was_woken()));
        way(&server);
        speaks.check("a STORE 1:* +FLAGS (\\Deleted)", &[BYE]);
        for client in [&mut silent, &mut idles] {
            assert!(client.was_woken(), "the driver steps the session, which finds out");
            client.check_news(&[BYE]);
        }
        assert_eq!([speaks, silent, idles].map(|client| client.step), [Step::Close; 3]);
    }
}
